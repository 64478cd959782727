"""The nouns of a codebook: items, drivers, and the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Literal

from bayes_coprod.strict import Scalar

type Kind = Literal["numeric", "binary", "categorical", "ordered"]

KINDS: tuple[Kind, ...] = ("numeric", "binary", "categorical", "ordered")

UNSORTED = "unsorted"
"""The one form of a drafted codebook's items: nobody has sorted them yet."""


def spelling_of(value: object) -> str:
    """How a cell is written: 1.0 as 1, a day without its midnight, text without outer blanks."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ") if value.time() != time() else str(value.date())
    return str(value).strip()


def number_in(spelling: str) -> Decimal | None:
    """The finite number that a cell spells; ``None`` if it spells none."""
    try:
        number = Decimal(spelling)
    except InvalidOperation:
        return None
    # Python reads 1_8 and nan as numbers; nobody else means them so
    return number if number.is_finite() and "_" not in spelling else None


def is_same(spelling: str, choice: Scalar) -> bool:
    """Whether a cell says what the codebook says; numbers compare as numbers."""
    if isinstance(choice, str):
        return spelling == choice.strip()
    number = number_in(spelling)
    return number is not None and number == Decimal(str(choice))


def is_ambiguous(first: Scalar, second: Scalar) -> bool:
    """Whether one cell could be taken for either of two values of a codebook."""
    return is_same(spelling_of(first), second) or is_same(spelling_of(second), first)


_SAYS_NOTHING = frozenset(["yes", "y", "true", "t", "no", "n", "false", "f"])
_SIDE_NAMED = 3
"""Values of one side of a binary driver that a table has room for."""


def _side(values: tuple[Scalar, ...]) -> str:
    """Values of one side as words; empty where they are numbers, plain yes or no, or many."""
    spelled = [spelling_of(value) for value in values]
    telling = all(
        isinstance(value, str) and number_in(text) is None and text.lower() not in _SAYS_NOTHING
        for value, text in zip(values, spelled, strict=True)
    )
    return " or ".join(spelled) if telling and len(spelled) <= _SIDE_NAMED else ""


def _called(categories: tuple[Scalar, ...], labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(str(category), str(category)) for category in categories)


@dataclass(frozen=True)
class Item:
    """A question about something that citizens do.

    Parameters
    ----------
    name : str
        How the package calls it.
    column : str
        Column of the file.
    label : str
        How reports call it.
    form : str
        One of the codebook's forms.
    sector : str or None
        ``None`` where the survey has no sectors.
    categories : tuple
        The answers as they stand in the file, lowest first.
    takes_part_from : str, int or float
        The lowest category that counts as taking part.
    labels : mapping of str to str
        Category to what reports call it; empty: as it stands in the file.
    missing : tuple
        Values of this column that mean no answer, besides the survey's.
    optional : bool
        Whether a file without the column is read without the item.
    """

    name: str
    column: str
    label: str
    form: str
    sector: str | None
    categories: tuple[Scalar, ...]
    takes_part_from: Scalar
    labels: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[Scalar, ...] = ()
    optional: bool = False

    @property
    def levels(self) -> tuple[str, ...]:
        """What the categories are called."""
        return _called(self.categories, self.labels)


@dataclass(frozen=True)
class Driver:
    """Something that may go with what citizens do.

    Parameters
    ----------
    name, column, label : str
        How the package, the file and reports call it.
    kind : {"numeric", "binary", "categorical", "ordered"}
        Sets the coding.
    categories : tuple
        Of a categorical or ordered driver, as they stand in the file; ordered: lowest first.
    labels : mapping of str to str
        Category to what reports call it; empty: as it stands in the file.
    reference : str, int, float or None
        Category of a categorical driver with which reports compare.
    yes, no : tuple
        Values of a binary driver; an empty `no` means the one other value in the file.
    unit : str
        Of a numeric driver, for reports.
    report_per : float or None
        Amount of a numeric driver that reports quote; ``None``: one standard deviation.
    bounds : (float, float) or None
        A numeric value outside is refused.
    changeable : bool
        Whether scenarios may change it.
    missing : tuple
        Values of this column that mean no answer, besides the survey's.
    optional : bool
        Whether a file without the column is read without the driver.
    """

    name: str
    column: str
    label: str
    kind: Kind
    categories: tuple[Scalar, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    reference: Scalar | None = None
    yes: tuple[Scalar, ...] = ()
    no: tuple[Scalar, ...] = ()
    unit: str = ""
    report_per: float | None = None
    bounds: tuple[float, float] | None = None
    changeable: bool = False
    missing: tuple[Scalar, ...] = ()
    optional: bool = False

    @property
    def levels(self) -> tuple[str, ...]:
        """What the categories are called."""
        return _called(self.categories, self.labels)

    @property
    def reference_level(self) -> str:
        """What the reference of a categorical driver is called."""
        return self.levels[self.categories.index(self.reference)]

    @property
    def sides(self) -> tuple[str, str]:
        """What a binary driver's no and yes are called, such as ``("male", "female")``.

        ``("no", "yes")`` where the values that mean yes say no more than that.
        """
        yes, no = _side(self.yes), _side(self.no) or "others"
        return (no, yes) if yes not in ("", no) else ("no", "yes")


@dataclass(frozen=True)
class Codebook:
    """What a survey asked, of whom, and how the answers stand in the file.

    Parameters
    ----------
    name : str
        Of the survey.
    synthetic : bool
        Whether the data are simulated; shown wherever the survey is shown.
    source : str
        Where the data come from.
    forms : tuple of str
        One or two; the gap is the first minus the second.
    country : str
        Column with the country.
    country_labels : mapping of str to str
        Value in the file to name; empty: names are the values as they stand.
    citizen, weight : str or None
        Columns with the citizen's id and the survey weight.
    missing : tuple
        Values that mean no answer in any column.
    items : tuple of Item
    drivers : tuple of Driver
    """

    name: str
    synthetic: bool
    source: str
    forms: tuple[str, ...]
    country: str
    country_labels: Mapping[str, str]
    citizen: str | None
    weight: str | None
    missing: tuple[Scalar, ...]
    items: tuple[Item, ...]
    drivers: tuple[Driver, ...]
    place: str = field(default="codebook", compare=False, repr=False)

    @property
    def sectors(self) -> tuple[str, ...]:
        """The items' sectors in order of appearance; empty if the survey has none."""
        return tuple(dict.fromkeys(item.sector for item in self.items if item.sector is not None))

    @property
    def entries(self) -> tuple[Item | Driver, ...]:
        """Items, then drivers."""
        return (*self.items, *self.drivers)

    def item(self, name: str) -> Item:
        """Look an item up by name."""
        return next(item for item in self.items if item.name == name)

    def driver(self, name: str) -> Driver:
        """Look a driver up by name."""
        return next(driver for driver in self.drivers if driver.name == name)
