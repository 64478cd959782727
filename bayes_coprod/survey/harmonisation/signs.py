"""Signs that an entry was coded otherwise in one country, and the words for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_coprod.finding import Status
from bayes_coprod.survey.entries import Driver, Item

type Entry = Item | Driver


@dataclass(frozen=True)
class Sign:
    """What one country's column shows beside those of the other countries.

    Parameters
    ----------
    status : {"warn", "fail"}
        ``fail`` where a different coding is next to certain.
    value, limit : float
        What was measured, and what it is held to.
    distance : float
        From the other countries; the most distant country is set aside first.
    seen : str
        In the survey's own words, as a sentence.
    remedy : str
        What to check.
    fact : str
        What a methods section would say of the country, without a full stop.
    """

    status: Status
    value: float
    limit: float
    distance: float
    seen: str
    remedy: str
    fact: str


def write_levels(entry: Entry) -> tuple[str, ...]:
    """What an entry's categories are called in the file; no and yes of a binary driver."""
    if isinstance(entry, Driver) and entry.kind == "binary":
        yes = " or ".join(map(str, entry.yes))
        return (" or ".join(map(str, entry.no)) or f"other than {yes}", yes)
    return entry.levels


def write_answer(entry: Entry, levels: Sequence[int]) -> str:
    """Begin a clause: what is asked, and which of its categories are spoken of."""
    names = write_levels(entry)
    asked = f"the answer to ‘{entry.label}’" if isinstance(entry, Item) else f"‘{entry.label}’"
    return f"{asked} is {' or '.join(f'‘{names[k]}’' for k in levels)}"


def write_elsewhere(others: Sequence[str], aside: Sequence[str], average: str) -> str:
    """Say which countries one is compared with, and how their average was taken."""
    if len(others) == 1:
        return f"in {others[0]}"
    without = f" but {' and '.join(aside)}" if aside else ""
    return f"in the other countries{without} {average}"
