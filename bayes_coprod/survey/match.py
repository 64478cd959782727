"""Matching cells with the codebook: each distinct value once, and none guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.entries import Codebook, Driver, Item, is_same, spelling_of


def match_columns(raw: pd.DataFrame, book: Codebook, place: str) -> pd.DataFrame:
    """Match every cell with the codebook.

    Parameters
    ----------
    raw : pandas.DataFrame
        The codebook's columns as they stand in the file.
    book : Codebook
    place : str
        File that messages name.

    Returns
    -------
    pandas.DataFrame
        As ``Survey.data``.

    Raises
    ------
    SurveyError
        If a cell says what the codebook does not explain.
    """
    data: dict[str, Any] = {
        names.CITIZEN: _match_ids(raw, book, place),
        names.COUNTRY: _match_country(raw[book.country], book, place),
    }
    if book.weight is not None:
        data[names.WEIGHT] = _match_numbers(raw[book.weight], book.missing, place)
    for entry in book.entries:
        column = raw[entry.column]
        missing = (*book.missing, *entry.missing)
        if isinstance(entry, Driver) and entry.kind == "numeric":
            data[entry.name] = _match_numbers(column, missing, place, entry.bounds)
        elif isinstance(entry, Driver) and entry.kind == "binary":
            data[entry.name] = _match_binary(column, entry, missing, place)
        else:
            ordered = isinstance(entry, Item) or entry.kind == "ordered"
            codes = _match_codes(column, entry.categories, missing, place)
            data[entry.name] = pd.Categorical.from_codes(codes, entry.levels, ordered=ordered)
    return pd.DataFrame(data)


def _refuse(column: pd.Series, bad: np.ndarray, problem: str, place: str, **more: Any) -> None:
    """Raise on the first of the bad rows (boolean, (citizen,)), if there is any."""
    rows = np.flatnonzero(bad)
    if len(rows):
        value = spelling_of(column.iloc[rows[0]])
        others = f" ({len(rows):,} such rows)" if len(rows) > 1 else ""
        raise make_error(
            SurveyError,
            f"{place}, column {column.name!r}, row {rows[0] + 1}",
            f"{value!r} {problem}{others}",
            value=value,
            **more,
        )


def _recode(
    column: pd.Series, missing: Sequence[Scalar], recode: Callable[[str], float]
) -> tuple[np.ndarray, np.ndarray]:
    """Recode cell by cell, each distinct value once.

    Returns the recoded values, (citizen,), NaN where missing, and where `recode` gave NaN to a
    cell that is not missing.
    """
    codes, distinct = pd.factorize(column)
    recoded = np.full(len(distinct) + 1, np.nan)  # the last one serves code -1, an empty cell
    unknown = np.zeros(len(distinct) + 1, dtype=bool)
    for i, value in enumerate(distinct):
        spelling = spelling_of(value)
        if spelling == "" or any(is_same(spelling, m) for m in missing):
            continue
        recoded[i] = recode(spelling)
        unknown[i] = np.isnan(recoded[i])
    return recoded[codes], unknown[codes]


def _match_codes(
    column: pd.Series, categories: Sequence[Scalar], missing: Sequence[Scalar], place: str
) -> np.ndarray:
    """Position of each cell among the categories, -1 where missing."""

    def position(spelling: str) -> float:
        found = [i for i, category in enumerate(categories) if is_same(spelling, category)]
        return found[0] if found else np.nan

    values, unknown = _recode(column, missing, position)
    _refuse(
        column,
        unknown,
        "is not in the codebook",
        place,
        available=categories,
        remedy="Add it to the categories, or to the missing values.",
    )
    return np.where(np.isnan(values), -1, values).astype(int)


def _match_binary(
    column: pd.Series, driver: Driver, missing: Sequence[Scalar], place: str
) -> np.ndarray:
    """1.0 where a value means yes, 0.0 where it means no, NaN where missing."""
    negative: set[str] = set()

    def answer(spelling: str) -> float:
        if any(is_same(spelling, yes) for yes in driver.yes):
            return 1.0
        if driver.no and not any(is_same(spelling, no) for no in driver.no):
            return np.nan
        negative.add(spelling)
        return 0.0

    values, unknown = _recode(column, missing, answer)
    _refuse(
        column,
        unknown,
        "means neither yes nor no",
        place,
        available=(*driver.yes, *driver.no),
        remedy=f"Add it to yes, no or missing of [drivers.{driver.name}].",
    )
    if len(negative) > 1 and not driver.no:
        raise make_error(
            SurveyError,
            f"{place}, column {column.name!r}",
            f"several values may mean no: {', '.join(map(repr, sorted(negative)))}",
            remedy=f"List those that do as `no = [...]` in [drivers.{driver.name}], "
            "and the others as missing.",
        )
    return values


def _match_numbers(
    column: pd.Series,
    missing: Sequence[Scalar],
    place: str,
    bounds: tuple[float, float] | None = None,
) -> np.ndarray:
    """Numbers, NaN where missing."""

    def number(spelling: str) -> float:
        try:
            value = float(spelling)
        except ValueError:
            return np.nan
        # Python reads 1_8 and nan as numbers; nobody else means them so
        return value if np.isfinite(value) and "_" not in spelling else np.nan

    values, unknown = _recode(column, missing, number)
    _refuse(
        column,
        unknown,
        "is not a number",
        place,
        remedy="Write numbers with a decimal point; add what means no answer to missing.",
    )
    if bounds is not None:
        low, high = bounds
        _refuse(
            column,
            (values < low) | (values > high),
            f"is outside the bounds {low:g} to {high:g}",
            place,
            remedy="Mend the value, widen the bounds, or add it to missing.",
        )
    return values


def _match_ids(raw: pd.DataFrame, book: Codebook, place: str) -> list[str]:
    """Citizens' ids as text; row numbers where the survey has none."""
    if book.citizen is None:
        return [str(row) for row in range(1, len(raw) + 1)]
    column = raw[book.citizen]
    _refuse(
        column.astype(object).where(column.notna(), ""),
        column.isna().to_numpy(),
        "is no id: the cell is empty",
        place,
        remedy="Give every citizen an id, or leave `citizen` out of the codebook.",
    )
    return [spelling_of(value) for value in column]


def _match_country(column: pd.Series, book: Codebook, place: str) -> pd.Categorical:
    """Countries by name, in the codebook's order where it lists them, else sorted."""
    codes, distinct = pd.factorize(column)
    spellings = [spelling_of(value) for value in distinct]
    none = [s == "" or any(is_same(s, m) for m in book.missing) for s in spellings]
    _refuse(
        column.astype(object).where(column.notna(), ""),
        np.array([*none, True])[codes],
        "is no country: the cell is empty or means no answer",
        place,
        remedy="Every citizen needs a country; drop the rows without one.",
    )
    if book.country_labels:
        known = np.array([s in book.country_labels for s in spellings])
        _refuse(
            column,
            ~known[codes],
            "is not in the codebook's [country] labels",
            place,
            available=book.country_labels,
            remedy="Add it, or drop its rows.",
        )
        labelled = [book.country_labels[s] for s in spellings]
        order = [name for name in book.country_labels.values() if name in labelled]
    else:
        labelled = spellings
        order = sorted(set(spellings))
    position = np.array([order.index(name) for name in labelled])
    return pd.Categorical.from_codes(position[codes], order)
