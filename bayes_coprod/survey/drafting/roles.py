"""Columns that are no answers: the country, the citizen's id, weights, the sampling design."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import batched

from bayes_coprod.errors import CoprodError
from bayes_coprod.survey.columns import Column, Table
from bayes_coprod.survey.drafting.guess import LeftOut
from bayes_coprod.survey.drafting.profile import BLOCK, Profile, profile_column
from bayes_coprod.survey.drafting.words import simplified

_MOST_COUNTRIES = 80
_COUNTRY = r"(?:country|cntry|cntr|ctry|nation|land|pays|pa[ií]s|paese|zem[eě]|maa|kraj)"
_COUNTRY_NAME = re.compile(
    rf"(?:[a-z]_)?{_COUNTRY}(?:[_. ]?(?:name|code|alpha|abbr|id|nr|iso|iso2|iso3))*"
    r"|c_alphan|c_sample|(?:tns|iso)cntry|iso[_ ]?(?:2|3|a2|a3|alpha)|s003"
)
_COUNTRY_LABEL = re.compile(
    rf"(?:survey |interview |participating )?{_COUNTRY}"
    r"(?:[ ,/_:()-]+(?:sample|prefix|code|name|id|number|iso.*|alphanumeric|region|\d+|"
    r"of (?:interview|survey|residence|sample|study)))*\W*"
)

_BEST_WEIGHTS = ("anweight", "pspwght", "dweight")
_WEIGHT_NAME = re.compile(
    r"\w*weights?|weights?[_.]\w*|\w*(?:wght|wgt|wt)[s\d]?|wgt\w*|pond\w*|poids|peso|gewicht|"
    r"vægt|vikt|vekt|váha"
)
_WEIGHT_LABEL = re.compile(r"\bweight(?:s|ing)?\b|\bpondération\b|\bgewicht(?:ung)?\b")
_BODY = re.compile(r"\b(?:kg|kilo\w*|body|height|pounds|lbs|stones?|overweight|birth)\b")

_ID_NAME = re.compile(
    r"(?:case|resp|respondent|person|pers|citizen|uniq\w*|serial|[a-z]?)_?(?:id|idno|idnr)|idno|"
    r"respid|caseid|serial|serialno|lfdnr|lfdn|d_interview|interview_?id"
)
_ID_LABEL = re.compile(
    r".*\b(?:identification number|id number|case id|respondent id|unique id\w*|case number|"
    r"respondent'?s? (?:identification )?number|serial number)\b.*"
)

_DESIGN = re.compile(
    r"psu|ssu|strat(?:um|a)|cluster|prob\d?|primary sampling unit|sampling stratum|"
    r"sampling probability"
)


@dataclass(frozen=True)
class Roles:
    """Which columns are no answers.

    Parameters
    ----------
    weight, citizen : str or None
    notes : mapping of str to tuple of str
        Comments on ``citizen`` and ``weight``.
    left_out : tuple of LeftOut
        Columns that are neither, and no answers either.
    """

    weight: str | None
    citizen: str | None
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def find_country(table: Table, usable: Sequence[str]) -> tuple[Column, Profile] | None:
    """Find the column with the country: by its name, else by its label.

    Only where no name tells are the labels of all columns looked at, which reads the file once
    more.
    """
    named = [name for name in usable if _COUNTRY_NAME.fullmatch(simplified(name))]
    found = _best_country(table, named)
    if found is not None:
        return found
    for block in batched(usable, BLOCK):
        try:
            columns = table.read(block)
        except CoprodError:
            continue  # whoever reads the columns one by one says what is wrong
        labelled = [c.name for c in columns if _COUNTRY_LABEL.fullmatch(simplified(c.label))]
        found = _best_country(table, labelled)
        if found is not None:
            return found
    return None


def _best_country(table: Table, candidates: Sequence[str]) -> tuple[Column, Profile] | None:
    found = []
    for name in candidates:
        try:
            column = table.read([name])[0]
            profile = profile_column(column, None, table.place)
        except CoprodError:
            continue  # it is reported where its turn comes
        if 1 <= profile.n_distinct <= _MOST_COUNTRIES and not profile.is_unique:
            found.append((column, profile))
    return max(found, key=lambda pair: _country_merit(pair[1]), default=None)


def _country_merit(profile: Profile) -> tuple[bool, bool, bool]:
    present = [answer for answer in profile.answers if answer.count]
    return (
        profile.n_empty == 0 and not any(a.value.is_declared for a in present),
        len(present) > 1,
        all(answer.is_worded or answer.number is None for answer in present),
    )


def find_roles(profiles: Sequence[Profile]) -> Roles:
    """Find the weight, the citizen's id, and columns that describe the sample."""
    weights = [profile for profile in profiles if _is_weight(profile)]
    weights.sort(key=lambda p: _weight_rank(p.column.name))
    usable = [p for p in weights if not p.is_set_by_country]
    weight = usable[0] if usable else None
    notes: dict[str, tuple[str, ...]] = {}
    if len(usable) > 1:
        others = ", ".join(profile.column.name for profile in usable[1:6])
        notes["weight"] = (f"guess: this weight and not {others}.",)
    left_out = [LeftOut(p.column.name, "another weight") for p in weights if p is not weight]
    citizen = None
    for profile in profiles:
        if profile in weights:
            continue
        reason = ""
        if _is_id(profile):
            if profile.is_unique and citizen is None:
                citizen = profile.column.name
                continue
            reason = "another id" if profile.is_unique else "an id that several citizens have"
            if citizen is None and not profile.is_unique:
                notes["citizen"] = (_id_note(profile),)
        elif profile.is_unique and _is_whole(profile):
            reason = "different for everybody"
        elif any(_DESIGN.fullmatch(simplified(text)) for text in _texts(profile)):
            reason = "the sampling design"
        elif _is_country(profile):
            reason = "another column of countries"
        if reason:
            left_out.append(LeftOut(profile.column.name, reason))
    if citizen is not None:
        notes.pop("citizen", None)
    chosen = None if weight is None else weight.column.name
    return Roles(chosen, citizen, notes, tuple(left_out))


def _texts(profile: Profile) -> tuple[str, str]:
    return profile.column.name, profile.column.label


def _is_weight(profile: Profile) -> bool:
    name, label = map(simplified, _texts(profile))
    if not (_WEIGHT_NAME.fullmatch(name) or _WEIGHT_LABEL.search(label)) or _BODY.search(label):
        return False
    numbers = profile.numbers
    is_positive = profile.is_numeric and profile.n_distinct > 1 and min(numbers, default=-1) >= 0
    plain = not any(answer.is_worded or answer.is_missing for answer in profile.answers)
    # people's weight is written in whole kilos, or nearly so, and no survey's weights average 30
    is_body = len(numbers) > 2 and sum(numbers) / len(numbers) > 30
    return is_positive and plain and not is_body


def _weight_rank(name: str) -> int:
    plain = simplified(name)
    return _BEST_WEIGHTS.index(plain) if plain in _BEST_WEIGHTS else len(_BEST_WEIGHTS)


def _is_id(profile: Profile) -> bool:
    name, label = map(simplified, _texts(profile))
    is_called = _ID_NAME.fullmatch(name) or _ID_LABEL.fullmatch(label)
    tells_apart = profile.n_citizens in (profile.n_distinct, profile.n_by_country)
    is_long = 2 * profile.n_distinct > profile.n_citizens
    return bool(is_called) and _is_whole(profile) and (tells_apart or is_long)


def _id_note(profile: Profile) -> str:
    name = profile.column.name
    if profile.n_by_country == profile.n_citizens:
        return f"{name} is unique within a country only: it is left out, and rows are numbered."
    return f"{name} is not unique: it is left out, and rows are numbered."


def _is_whole(profile: Profile) -> bool:
    """Whether it holds texts or whole numbers."""
    return all(n.is_integer() for n in profile.numbers)


def _is_country(profile: Profile) -> bool:
    name, label = map(simplified, _texts(profile))
    is_called = _COUNTRY_NAME.fullmatch(name) or _COUNTRY_LABEL.fullmatch(label)
    return bool(is_called) and profile.is_set_by_country
