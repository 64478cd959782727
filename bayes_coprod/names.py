"""Dims, columns and labels that more than one room speaks of, one spelling each."""

from __future__ import annotations

from collections.abc import Iterable

CHAIN = "chain"
DRAW = "draw"
COUNTRY = "country"
CITIZEN = "citizen"
FORM = "form"
SECTOR = "sector"
OUTCOME = "outcome"
ITEM = "item"
DRIVER = "driver"
COEFFICIENT = "coefficient"
CONTRAST = "contrast"
THRESHOLD = "threshold"
CATEGORY = "category"
PAIR = "pair"
RANK = "rank"
IMPUTATION = "imputation"
CELL = "cell"
GROUP = "group"
MULTIPLICITY = "multiplicity"

WEIGHT = "weight"
INTERCEPT = "intercept"

RESERVED = (CITIZEN, COUNTRY, WEIGHT, INTERCEPT)
"""Names that no item and no driver may bear: they are columns of every survey."""


def quantity_label(name: object, labels: Iterable[object]) -> str:
    """One number of a quantity, such as tau[individual, age]."""
    written = ", ".join(map(str, labels))
    return f"{name}[{written}]" if written else str(name)


def contrast_label(driver: str, number: int) -> str:
    """Coefficient of a categorical driver's `number`-th zero-sum contrast, counted from 1."""
    return f"{driver}: contrast {number}"


def level_label(driver: str, level: str) -> str:
    """One level of a categorical driver."""
    return f"{driver}: {level}"


def outcome_label(form: str, sector: str) -> str:
    """One form in one sector."""
    return f"{form}: {sector}"


def threshold_label(item: str, below: str, above: str) -> str:
    """The threshold of an item between two neighbouring categories."""
    return f"{item}: {below}|{above}"


def category_label(item: str, category: str) -> str:
    """One category of an item."""
    return f"{item}: {category}"


def pair_label(first: str, second: str) -> str:
    """Two outcomes whose correlation is meant."""
    return f"{first} ~ {second}"
