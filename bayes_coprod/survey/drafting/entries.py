"""The entries of a draft: which columns are items, which drivers, and what stands in each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.errors import CodebookError, CoprodError
from bayes_coprod.strict import Scalar, StrictTable
from bayes_coprod.survey.columns import Column
from bayes_coprod.survey.drafting.guess import (
    MOST_ANSWERS,
    Categories,
    Numbers,
    as_answers,
    said,
)
from bayes_coprod.survey.drafting.profile import Profile, problem_in
from bayes_coprod.survey.drafting.words import (
    AGE,
    BACKGROUND,
    BIRTH_YEAR,
    VIEW,
    WOMAN,
    quoted,
    simplified,
    speaks_of,
)
from bayes_coprod.survey.entries import UNSORTED, is_ambiguous
from bayes_coprod.survey.match import match_columns
from bayes_coprod.survey.parse import parse_codebook

_FEWEST_COMMON = 3
_NOT_YET = re.compile(r"\b(?:might|could|would|not done|has not|have not)\b")


@dataclass(frozen=True, eq=False)
class Entry:
    """An item or a driver.

    Parameters
    ----------
    name : str
    content : mapping of str to object
        Keys of its table, in the order in which they are written.
    profile : Profile
    notes : tuple of str
        Comments; those to check begin with ``guess:``.
    """

    name: str
    content: Mapping[str, Any]
    profile: Profile
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Scalar, ...]:
        """Values of its column that mean no answer."""
        return tuple(self.content.get("missing", ()))


@dataclass(frozen=True, eq=False)
class Battery:
    """Items that share their answers.

    Parameters
    ----------
    entries : tuple of Entry
    notes : tuple of str
        Comments on them all.
    """

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def choose_batteries(
    shapes: Sequence[Categories | Numbers], has_labels: bool
) -> list[list[Categories]]:
    """Choose the columns that are items, as lists that share their answers.

    Yes or no, how often, and "have done it" come first, where several questions have the same
    answers; then single questions of that kind; then the longest list of any other answers, what
    citizens think last; then the first question with an order in its answers.
    """
    batteries: dict[tuple[str, ...], list[Categories]] = {}
    for shape in shapes:
        if isinstance(shape, Numbers):
            answers = None if has_labels else as_answers(shape)
        else:
            answers = shape
        if answers is not None and _may_be_item(answers):
            key = tuple(simplified(said(answer)) for answer in answers.answers)
            batteries.setdefault(key, []).append(answers)
    doings = [[c for c in battery if _is_doing(c)] for battery in batteries.values()]
    if any(len(doing) > 1 for doing in doings):
        return [doing for doing in doings if len(doing) > 1]
    if any(doings):
        return [doing for doing in doings if doing]
    for is_view in (False, True):
        others = [
            [c for c in battery if _is_view(c) == is_view and not _is_background(c)]
            for battery in batteries.values()
        ]
        if longest := max(others, key=len, default=[]):
            return [longest if len(longest) > 1 else longest[:1]]
    return []


def _may_be_item(answers: Categories) -> bool:
    is_short = 2 <= len(answers.answers) <= MOST_ANSWERS
    has_order = answers.is_ordered or len(answers.answers) == 2
    return is_short and has_order


def _is_doing(answers: Categories) -> bool:
    if answers.meaning != "doing" or speaks_of(VIEW, *_question(answers.profile)):
        return False
    # how often one does something says what one does; yes or no may say who one is
    return len(answers.answers) > 2 or not _is_background(answers)


def _is_background(answers: Categories) -> bool:
    return speaks_of(BACKGROUND, *_question(answers.profile), *map(said, answers.answers))


def _is_view(answers: Categories) -> bool:
    return answers.meaning == "view" or speaks_of(VIEW, *_question(answers.profile))


def _question(profile: Profile) -> tuple[str, str]:
    return profile.column.label, profile.column.name


def make_battery(battery: Sequence[Categories], taken: set[str]) -> Battery:
    """Make the items of a list of columns that share their answers."""
    first = battery[0]
    words = [said(answer) for answer in first.answers]
    ends = f"{quoted(words[0])} to {quoted(words[-1])}"
    if len(battery) > 1:
        what = f"{len(battery)} items with the same answers, {ends}"
    else:
        what = f"an item with answers from {ends}; no other question has the same ones"
    notes = [f"guess: {what}. Delete what is no co-production."]
    if _is_view(first):
        notes.append("guess: what citizens think and not what they do; a driver rather?")
    if first.is_coded and len(words) > 1:
        notes.append("guess: the file does not say what the codes mean.")
    notes += first.order_notes
    start = _start_of_taking_part(words)
    if len(words) > 2:
        notes.append(f"guess: whoever answers {quoted(words[start])} or higher takes part.")
    entries = []
    for answers in battery:
        content: dict[str, Any] = {**_head(answers.profile, taken), "form": UNSORTED}
        content["categories"] = list(answers.choices)
        if start != 1:
            content["takes_part_from"] = answers.choices[start]
        own = tuple(n for n in answers.order_notes if n not in notes)
        entries.append(_entry(content, answers, (*answers.notes, *own)))
    return Battery(tuple(entries), tuple(notes))


def _start_of_taking_part(words: Sequence[str]) -> int:
    above = range(1, len(words))
    return next((i for i in above if not _NOT_YET.search(simplified(words[i]))), 1)


def make_driver(shape: Categories | Numbers, taken: set[str]) -> Entry:
    """Make a driver of a column."""
    if isinstance(shape, Numbers):
        return _numeric_driver(shape, taken)
    content = _head(shape.profile, taken)
    notes = list(shape.notes)
    if len(shape.answers) == 2:
        no, yes = _no_and_yes(shape)
        content |= {"kind": "binary", "yes": [shape.choices[yes]], "no": [shape.choices[no]]}
        if shape.meaning != "doing":
            notes.append(f"guess: {quoted(said(shape.answers[yes]))} counts as yes.")
        return _entry(content, replace(shape, labels={}), notes)
    if shape.is_ordered:
        content |= {"kind": "ordered", "categories": list(shape.choices)}
        notes += shape.order_notes
    else:
        most = max(range(len(shape.answers)), key=lambda i: shape.answers[i].count)
        content |= {"kind": "categorical", "categories": list(shape.choices)}
        content["reference"] = shape.choices[most]
        why = "no order in the answers"
        if shape.off_scale:
            why = f"{quoted(shape.off_scale)} has no place in an order"
        notes.append(f"guess: {why}; the reference is the most frequent one.")
    return _entry(content, shape, notes)


def _numeric_driver(shape: Numbers, taken: set[str]) -> Entry:
    content = _head(shape.profile, taken) | {"kind": "numeric"}
    notes = list(shape.notes)
    low, high = shape.found
    question = _question(shape.profile)
    is_year = speaks_of(BIRTH_YEAR, *question) and 1880 < low < high < 2100
    if is_year:
        content["unit"] = "years"
        notes.append("guess: year of birth, a higher number is a younger citizen; keep it or age.")
    elif speaks_of(AGE, *question) and 0 <= low < high < 130:
        content["unit"] = "years"
    if "unit" in content:
        content["report_per"] = 10
    elif shape.is_scale:
        content["report_per"] = 1
    content["bounds"] = list(shape.bounds)
    if not shape.is_scale:
        notes.append(f"guess: bounds around the numbers in the data, {low:g} to {high:g}.")
    return _entry(content, shape, notes)


def _no_and_yes(shape: Categories) -> tuple[int, int]:
    """Positions of the answers that mean no and yes."""
    first, second = (said(answer) for answer in shape.answers)
    if speaks_of(WOMAN, first) or re.match(r"not?\b|un", simplified(second)):
        return 1, 0
    return 0, 1


def _head(profile: Profile, taken: set[str]) -> dict[str, Any]:
    column = profile.column
    name = entry_name(column.name, taken)
    head = {"name": name}
    if name != column.name:
        head["column"] = column.name
    label = " ".join(column.label.split())
    if label and label != name:
        head["label"] = label
    return head


def entry_name(column: str, taken: set[str]) -> str:
    """A name for a column's entry that no other has; it is then taken."""
    plain = "".join(c if c.isprintable() else "_" for c in column).strip() or "column"
    name, number = plain, 1
    while name in names.RESERVED or name in taken:
        number += 1
        name = f"{plain}_{number}"
    taken.add(name)
    return name


def _entry(content: dict[str, Any], shape: Categories | Numbers, notes: Sequence[str]) -> Entry:
    if isinstance(shape, Categories) and shape.labels:
        content["labels"] = dict(shape.labels)
    if shape.missing:
        content["missing"] = list(shape.missing)
    name = content.pop("name")
    return Entry(name, content, shape.profile, tuple(notes))


def find_refusals(entries: Sequence[Entry]) -> dict[str, str]:
    """Columns that could not be read by their entries from the very data, and why."""
    if not _refusal(entries):  # at once, since a file may have thousands
        return {}
    return {entry.profile.column.name: why for entry in entries if (why := _refusal([entry]))}


def _refusal(entries: Sequence[Entry]) -> str:
    """Why the first of the entries that is refused is; empty if all can be read."""
    n_rows = max((len(entry.profile.column.cells) for entry in entries), default=0)
    columns = [_lengthened(entry.profile.column, n_rows) for entry in entries]
    longest = max((column.name for column in columns), key=len, default="")
    here = Column(f"{longest} country", pd.Series(["here"] * n_rows))  # a name that none has
    content: dict[str, dict[str, Any]] = {
        "survey": {"name": "draft", "forms": [UNSORTED]},
        "country": {"column": here.name},
        "items": {entry.name: entry.content for entry in entries if "form" in entry.content},
        "drivers": {entry.name: entry.content for entry in entries if "form" not in entry.content},
    }
    stub = {"column": f"{longest} item", "form": UNSORTED, "categories": [0, 1]}
    stub_name = max((entry.name for entry in entries), key=len, default="") + " item"
    content["items"][stub_name] = stub  # a codebook needs one
    try:
        book = parse_codebook(StrictTable(content, "codebook", CodebookError))
        asked = tuple(item for item in book.items if item.name != stub_name)
        match_columns([here, *columns], replace(book, items=asked), "")
    except CoprodError as error:
        return problem_in(error)
    return ""


def _lengthened(column: Column, n_rows: int) -> Column:
    """The column with its last cell repeated."""
    last = len(column.cells) - 1
    cells = column.cells.take(np.minimum(np.arange(n_rows), last)).reset_index(drop=True)
    return replace(column, cells=cells)


def share_missing(
    batteries: Sequence[Battery], drivers: Sequence[Entry], country: Profile | None
) -> tuple[tuple[Scalar, ...], tuple[Battery, ...], tuple[Entry, ...]]:
    """Values that mean no answer in most columns that have such, and the entries without them."""
    entries = [*(entry for battery in batteries for entry in battery.entries), *drivers]
    count = Counter(choice for entry in entries for choice in entry.missing)
    enough = max(_FEWEST_COMMON, sum(bool(entry.missing) for entry in entries) / 2)
    common = tuple(
        choice
        for choice, n in count.items()
        if n >= enough
        and not any(_means_more(choice, entry) for entry in entries)
        # countries are named by their values: NA may be Namibia
        and not (country and any(a.value.is_meant_by(choice) for a in country.answers))
    )
    return (
        common,
        tuple(
            replace(battery, entries=tuple(_without(entry, common) for entry in battery.entries))
            for battery in batteries
        ),
        tuple(_without(driver, common) for driver in drivers),
    )


def _means_more(choice: Scalar, entry: Entry) -> bool:
    """Whether a value that means no answer elsewhere may be one here."""
    if not isinstance(choice, str) and choice >= 0:
        return True
    listed = [v for key in ("categories", "yes", "no") for v in entry.content.get(key, ())]
    if any(is_ambiguous(choice, value) for value in listed):
        return True
    if choice in entry.missing:
        return False
    low, high = entry.content.get("bounds", (0, 0))
    if not isinstance(choice, str) and low <= choice <= high:
        return True
    return any(not a.is_missing and a.value.is_meant_by(choice) for a in entry.profile.answers)


def _without(entry: Entry, common: Sequence[Scalar]) -> Entry:
    left = [choice for choice in entry.missing if choice not in common]
    content = {key: value for key, value in entry.content.items() if key != "missing"}
    return replace(entry, content=content | ({"missing": left} if left else {}))
