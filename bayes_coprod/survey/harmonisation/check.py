"""Whether an entry is coded alike in every country."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from bayes_coprod import names
from bayes_coprod.finding import Finding
from bayes_coprod.survey.entries import Driver
from bayes_coprod.survey.harmonisation.numbers import Numbers, find_number_sign
from bayes_coprod.survey.harmonisation.rest_correlation import make_reversal, rest_correlations
from bayes_coprod.survey.harmonisation.shares import (
    Comparison,
    find_share_sign,
    mirror_gain,
    ordinary_distance,
)
from bayes_coprod.survey.harmonisation.signs import Entry, Sign, write_elsewhere
from bayes_coprod.survey.read import Survey
from bayes_coprod.wording import per_cent

type Look = Callable[[int, Sequence[int]], Sign | None]
"""A country and those it is among to the sign it shows."""

FEWEST_ANSWERS = 30
"""A country with fewer is neither judged nor compared with: a share of its citizens errs by
nine points."""

CHECK = "harmonisation"


def check_harmonisation(survey: Survey, drivers: Iterable[str]) -> Iterator[Finding]:
    """Look for entries that one country seems to code otherwise than the others.

    A country is compared with the equally weighted mean of the other countries (a numeric driver
    with their median), among those who answered, unweighted. The country furthest off is set aside
    before the others are judged, so that its fault is not found in all of them; of two countries
    both are named.

    Parameters
    ----------
    survey : Survey
    drivers : iterable of str
        Those that are looked at, besides all items.

    Yields
    ------
    Finding
        One for each entry and country that stands out, with its most telling sign; otherwise one
        ``pass`` with the largest distance between a country's shares and those of the others,
        or ``unknown`` if too few answered. Nothing for a survey of one country.
    """
    if len(survey.countries) < 2:
        return
    chosen = set(drivers)
    entries: list[Entry] = [
        *survey.codebook.items,
        *(driver for driver in survey.codebook.drivers if driver.name in chosen),
    ]
    counted = {
        entry.name: _Counted(entry, _count(survey, entry), survey.countries)
        for entry in entries
        if not _is_numeric(entry)
    }
    signs = _signs_in_items(survey, counted)
    found = False
    for entry in entries:
        if entry.name in signs:
            of_entry = signs[entry.name]
        elif entry.name in counted:
            of_entry = _set_aside(counted[entry.name].look, counted[entry.name].enough)
        else:
            of_entry = _signs_in_numbers(survey, entry)
        for c in sorted(of_entry):
            found = True
            yield _finding(entry, survey.countries[c], of_entry[c])
    if not found:
        yield _nothing_found(counted.values(), len(entries) - len(counted))


class _Counted:
    """An entry's answers in each country, (country, category)."""

    def __init__(self, entry: Entry, counts: np.ndarray, countries: Sequence[str]) -> None:
        self.entry, self.counts, self.countries = entry, counts, countries
        self.enough = [c for c, n in enumerate(counts.sum(axis=1)) if n >= FEWEST_ANSWERS]

    def compare(self, c: int, active: Sequence[int]) -> Comparison:
        """One country beside the active ones; ordinary distances are those of all."""
        others = self.counts[[d for d in active if d != c]]
        all_others = self.counts[[d for d in self.enough if d != c]]
        ordinary = ordinary_distance(all_others / all_others.sum(axis=1, keepdims=True))
        elsewhere = _elsewhere(self.countries, c, active, self.enough, "on average")
        return Comparison(self.entry, self.counts[c], others, ordinary, elsewhere)

    def look(self, c: int, active: Sequence[int]) -> Sign | None:
        """The sign in the shares, where nothing is known of the order of the answers."""
        return find_share_sign(self.compare(c, active), may_be_reversed=True)


def _signs_in_items(survey: Survey, counted: Mapping[str, _Counted]) -> dict[str, dict[int, Sign]]:
    """Signs of each item by country, from its shares and from how it goes with the others."""
    items = survey.codebook.items
    gain = np.zeros((len(items), len(survey.countries)))
    for i, item in enumerate(items):
        at = counted[item.name]
        for c in at.enough if len(at.enough) > 1 else ():
            gain[i, c] = mirror_gain(at.compare(c, at.enough))
    correlation, side = rest_correlations(survey, gain)

    def looker(i: int, at: _Counted) -> Look:
        def look(c: int, active: Sequence[int]) -> Sign | None:
            if side[i, c] < 0:
                other = float(np.nanmedian(np.delete(correlation[i], c)))
                return make_reversal(at.compare(c, active), float(correlation[i, c]), other)
            return find_share_sign(at.compare(c, active), may_be_reversed=side[i, c] == 0)

        return look

    return {
        item.name: _set_aside(looker(i, counted[item.name]), counted[item.name].enough)
        for i, item in enumerate(items)
    }


def _signs_in_numbers(survey: Survey, entry: Entry) -> dict[int, Sign]:
    assert isinstance(entry, Driver)
    country = survey.data[names.COUNTRY].cat.codes.to_numpy()
    column = survey.data[entry.name].to_numpy(dtype=float)
    known, countries = np.isfinite(column), survey.countries
    values = [column[known & (country == c)] for c in range(len(countries))]
    enough = [c for c, own in enumerate(values) if len(own) >= FEWEST_ANSWERS]
    numbers = {c: Numbers.of(values[c]) for c in enough}

    def look(c: int, active: Sequence[int]) -> Sign | None:
        others = [numbers[d] for d in active if d != c]
        elsewhere = _elsewhere(countries, c, active, enough, "(medians)")
        return find_number_sign(entry, numbers[c], others, elsewhere)

    return _set_aside(look, enough)


def _set_aside(look: Look, countries: Sequence[int]) -> dict[int, Sign]:
    """Signs by country; the clearest is kept and its country left out of further comparisons."""
    active, kept = list(countries), dict[int, Sign]()
    while len(active) > 1:
        found = {c: sign for c in active if (sign := look(c, active)) is not None}
        if len(active) == 2 or not found:
            return kept | found
        clearest = max(found, key=lambda c: (found[c].status == "fail", found[c].distance))
        kept[clearest] = found[clearest]
        active.remove(clearest)
    return kept


def _elsewhere(
    countries: Sequence[str], c: int, active: Sequence[int], enough: Sequence[int], average: str
) -> str:
    others = [countries[d] for d in active if d != c]
    return write_elsewhere(others, [countries[d] for d in enough if d not in active], average)


def _is_numeric(entry: Entry) -> bool:
    return isinstance(entry, Driver) and entry.kind == "numeric"


def _count(survey: Survey, entry: Entry) -> np.ndarray:
    """Answers in each country, (country, category); no and yes of a binary driver."""
    column = survey.data[entry.name]
    country = survey.data[names.COUNTRY].cat.codes.to_numpy().astype(int)
    if isinstance(entry, Driver) and entry.kind == "binary":
        n_levels, codes = 2, column.fillna(-1).to_numpy(dtype=int)
    else:
        n_levels, codes = len(entry.levels), column.cat.codes.to_numpy().astype(int)
    shape = len(survey.countries), 1 + n_levels  # a column more, of those without an answer
    cells = np.bincount(country * shape[1] + 1 + codes, minlength=shape[0] * shape[1])
    return cells.reshape(shape)[:, 1:]


def _finding(entry: Entry, country: str, sign: Sign) -> Finding:
    remedy = (
        f'{sign.remedy} If it is a difference between countries, report it: "In {country} '
        f'{sign.fact}; we took this as a difference between countries, not of coding."'
    )
    where = f"{entry.name}, {country}"
    return Finding(CHECK, sign.status, where, sign.value, sign.limit, sign.seen, remedy)


def _nothing_found(counted: Iterable[_Counted], n_numeric: int) -> Finding:
    counted = list(counted)
    alone = [at.entry.name for at in counted if len(at.enough) < 2]
    compared = [
        (at.compare(c, at.enough), at.countries[c])
        for at in counted
        if len(at.enough) > 1
        for c in at.enough
    ]
    if not compared:
        seen = (
            f"No entry with categories was answered by {FEWEST_ANSWERS} citizens or more in two "
            "countries" + ("; numbers look alike." if n_numeric else ".")
        )
        return Finding(CHECK, "unknown", "", None, None, seen)
    which = "All entries"
    if alone:
        which = f"All entries but {', '.join(alone)}, which too few countries answered,"
    most, country = max(compared, key=lambda pair: pair[0].distance / pair[0].limit)
    return Finding(
        CHECK,
        "pass",
        "",
        most.distance,
        most.limit,
        f"{which} look coded alike. Furthest off is ‘{most.entry.label}’ in {country}: "
        f"{per_cent(most.distance)} of respondents would have to answer otherwise to be like "
        f"the other countries; {per_cent(most.limit)} are allowed.",
    )
