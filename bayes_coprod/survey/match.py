"""Matching cells with the codebook: each distinct value once, and none guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.columns import Column, Value, distinct_codes
from bayes_coprod.survey.entries import Codebook, Driver, Item, is_same, number_in, spelling_of


def match_columns(raw: Sequence[Column], book: Codebook, place: str) -> pd.DataFrame:
    """Match every cell with the codebook.

    Parameters
    ----------
    raw : sequence of Column
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
        If a cell says what the codebook does not explain, or could mean two things.
    """
    by_name = {column.name: column for column in raw}
    country = by_name[book.country]
    data: dict[str, Any] = {
        names.CITIZEN: _match_ids(by_name, book, place, len(country.cells)),
        names.COUNTRY: _match_country(country, book, place),
    }
    if book.weight is not None:
        data[names.WEIGHT] = _match_numbers(by_name[book.weight], book.missing, place)
    for entry in book.entries:
        column = by_name[entry.column]
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


def _refuse(
    column: Column, positions: np.ndarray, bad: np.ndarray, problem: str, place: str, **more: Any
) -> None:
    """Raise on the first row, (citizen,), whose value, (value,), is bad, if there is any."""
    rows = np.flatnonzero(bad[positions]) if bad.any() else np.array([], dtype=int)
    if len(rows):
        code = column.cells.iloc[rows[0]]
        value = Value("") if pd.isna(code) else column.value(code)
        others = f" ({len(rows):,} such rows)" if len(rows) > 1 else ""
        raise make_error(
            SurveyError,
            f"{place}, column {column.name!r}, row {rows[0] + 1}",
            f"{value} {problem}{others}",
            value=value.label or value.spelling,
            **more,
        )


def _recode(
    column: Column,
    answers: Sequence[Scalar],
    missing: Sequence[Scalar],
    recode: Callable[[Value], float],
    place: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recode each distinct value.

    Returns the position of each cell's value, (citizen,); the recoded values, (value,), NaN where
    missing; and where `recode` gave NaN to what is not missing. The last value is an empty cell's.
    """
    positions, distinct = distinct_codes(column, place)
    values = [column.value(code) for code in distinct]
    _refuse_two_meanings(column, values, answers, missing, place)
    recoded = np.full(len(values) + 1, np.nan)
    unknown = np.zeros(len(values) + 1, dtype=bool)
    for i, value in enumerate(values):
        if not _is_missing(value, missing):
            recoded[i] = recode(value)
            unknown[i] = np.isnan(recoded[i])
    return positions, recoded, unknown


def _is_missing(value: Value, missing: Sequence[Scalar]) -> bool:
    return value.is_declared or value.spelling == "" or any(map(value.is_meant_by, missing))


def _refuse_two_meanings(
    column: Column,
    present: Sequence[Value],
    answers: Sequence[Scalar],
    missing: Sequence[Scalar],
    place: str,
) -> None:
    """Refuse a codebook that could mean two things by the column of a file with labels."""
    if not column.value_labels:
        return
    place = f"{place}, column {column.name!r}"
    known = {value.spelling: value for value in map(column.value, column.value_labels)}
    values = list({**{value.spelling: value for value in present}, **known}.values())
    for choice in (*answers, *missing):
        meant = [value for value in values if value.is_meant_by(choice)]
        by_label = [value for value in meant if value.has_label(choice)]
        # values that all mean no answer need not be told apart
        if len(meant) > 1 and (choice in answers or len(by_label) < len(meant)):
            raise make_error(
                SurveyError,
                place,
                f"{choice!r} in the codebook could be {' or '.join(map(str, meant))}",
                remedy="Write their codes, as numbers, if they are told apart so; recode the "
                "file otherwise.",
            )
        if choice in answers and meant and meant[0].is_declared:
            raise make_error(
                SurveyError,
                place,
                f"{choice!r} is a category in the codebook, and the file declares {meant[0]} to "
                "mean no answer",
                remedy="Take it out of the categories, or out of the file's missing values.",
            )
    for value in values:
        meaning = [choice for choice in (*answers, *missing) if value.is_meant_by(choice)]
        for one, other in combinations(dict.fromkeys(meaning), 2):
            if one in answers or other in answers:
                raise make_error(
                    SurveyError,
                    place,
                    f"{value} is both {one!r} and {other!r} in the codebook",
                    remedy="Name each value of the file once, by its label or by its code.",
                )


def _match_codes(
    column: Column, categories: Sequence[Scalar], missing: Sequence[Scalar], place: str
) -> np.ndarray:
    """Position of each cell among the categories, -1 where missing."""

    def position(value: Value) -> float:
        found = [i for i, category in enumerate(categories) if value.is_meant_by(category)]
        return found[0] if found else np.nan

    positions, recoded, unknown = _recode(column, categories, missing, position, place)
    _refuse(
        column,
        positions,
        unknown,
        "is not in the codebook",
        place,
        available=categories,
        remedy="Add it to the categories, or to the missing values.",
    )
    return np.where(np.isnan(recoded), -1, recoded).astype(np.int16)[positions]


def _match_binary(
    column: Column, driver: Driver, missing: Sequence[Scalar], place: str
) -> np.ndarray:
    """1.0 where a value means yes, 0.0 where it means no, NaN where missing."""
    negative: set[str] = set()

    def answer(value: Value) -> float:
        if any(map(value.is_meant_by, driver.yes)):
            return 1.0
        if driver.no and not any(map(value.is_meant_by, driver.no)):
            return np.nan
        negative.add(str(value))
        return 0.0

    answers = (*driver.yes, *driver.no)
    positions, recoded, unknown = _recode(column, answers, missing, answer, place)
    _refuse(
        column,
        positions,
        unknown,
        "means neither yes nor no",
        place,
        available=answers,
        remedy=f"Add it to yes, no or missing of [drivers.{driver.name}].",
    )
    if len(negative) > 1 and not driver.no:
        raise make_error(
            SurveyError,
            f"{place}, column {column.name!r}",
            f"several values may mean no: {', '.join(sorted(negative))}",
            remedy=f"List those that do as `no = [...]` in [drivers.{driver.name}], "
            "and the others as missing.",
        )
    return recoded[positions]


def _match_numbers(
    column: Column,
    missing: Sequence[Scalar],
    place: str,
    bounds: tuple[float, float] | None = None,
) -> np.ndarray:
    """Numbers, NaN where missing."""
    positions, distinct = distinct_codes(column, place)
    numbers, is_missing = _numbers(column, distinct, missing, place)
    # the last one is an empty cell's
    numbers, is_missing = np.append(numbers, np.nan), np.append(is_missing, True)
    _refuse(
        column,
        positions,
        np.isnan(numbers) & ~is_missing,
        "is not a number",
        place,
        remedy="Write numbers with a decimal point; add what means no answer to missing.",
    )
    numbers[is_missing] = np.nan
    if bounds is None:
        _refuse(
            column,
            positions,
            np.append(_has_words(column, distinct), False) & ~is_missing,
            "has a label that is no number: it may mean no answer",
            place,
            remedy="Add it to missing, or give `bounds`: a number within them is one, whatever "
            "its label.",
        )
        return numbers[positions]
    low, high = bounds
    _refuse(
        column,
        positions,
        (numbers < low) | (numbers > high),
        f"is outside the bounds {low:g} to {high:g}",
        place,
        remedy="Mend the value, widen the bounds, or add it to missing.",
    )
    return numbers[positions]


def _numbers(
    column: Column, distinct: pd.Index, missing: Sequence[Scalar], place: str
) -> tuple[np.ndarray, np.ndarray]:
    """Number of each distinct code, NaN where it is none, and which of them mean no answer."""
    labelled = [code for code in distinct if code in column.value_labels]
    if column.value_labels:
        _refuse_two_meanings(column, [column.value(code) for code in labelled], (), missing, place)
    if distinct.dtype.kind in "iuf":
        numbers = distinct.to_numpy(dtype=float)
        # text in the list means the spelling of a number
        coded = [number_in(m) if isinstance(m, str) else m for m in missing]
        named = np.array([float(m) for m in coded if m is not None])
        is_missing = np.isin(numbers, named)
        # a file may hold -99.9 with half the digits
        fractions = named[named != np.round(named)].astype(np.float32)
        with np.errstate(over="ignore"):  # of numbers that have no half as exact
            is_missing |= np.isin(numbers.astype(np.float32), fractions)
        is_missing |= column.declared(distinct)
        for code in labelled:
            is_missing[distinct.get_loc(code)] |= _is_missing(column.value(code), missing)
        return np.where(np.isfinite(numbers), numbers, np.nan), is_missing
    values = [column.value(code) for code in distinct]
    found = [number_in(value.spelling) for value in values]
    return (
        np.array([np.nan if number is None else _finite(number) for number in found]),
        np.array([_is_missing(value, missing) for value in values], dtype=bool),
    )


def _finite(number: Decimal) -> float:
    """The number, NaN where it is larger than a computer's."""
    value = float(number)
    return value if np.isfinite(value) else np.nan


def _has_words(column: Column, distinct: pd.Index) -> np.ndarray:
    """Which of the distinct codes have a label that does not just repeat the number."""
    words = np.zeros(len(distinct), dtype=bool)
    for code, label in column.value_labels.items():
        if code in distinct and not is_same(label.strip(), code):  # type: ignore[arg-type]
            words[distinct.get_loc(code)] = True
    return words


def _match_ids(
    by_name: dict[str, Column], book: Codebook, place: str, n_citizens: int
) -> list[str] | pd.Series:
    """Citizens' ids as text; row numbers where the survey has none."""
    if book.citizen is None:
        rows = pa.array(np.arange(1, n_citizens + 1)).cast(pa.string())
        return rows.to_pandas()
    column = by_name[book.citizen]
    positions, distinct = distinct_codes(column, place)
    _refuse(
        column,
        positions,
        np.arange(len(distinct) + 1) == len(distinct),
        "is no id: the cell is empty",
        place,
        remedy="Give every citizen an id, or leave `citizen` out of the codebook.",
    )
    spellings = np.array([spelling_of(code) for code in distinct], dtype=object)
    return pd.Series(spellings[positions], dtype="str")


def _match_country(column: Column, book: Codebook, place: str) -> pd.Categorical:
    """Countries by name, in the codebook's order where it lists them, else sorted."""
    positions, distinct = distinct_codes(column, place)
    values = [column.value(code) for code in distinct]
    _refuse_two_meanings(column, values, tuple(book.country_labels), book.missing, place)
    none = [_is_missing(value, book.missing) for value in values]
    _refuse(
        column,
        positions,
        np.array([*none, True]),
        "is no country: the cell is empty or means no answer",
        place,
        remedy="Every citizen needs a country; drop the rows without one.",
    )
    if book.country_labels:
        key_of = [next(filter(value.is_meant_by, book.country_labels), None) for value in values]
        _refuse(
            column,
            positions,
            np.array([*(key is None for key in key_of), False]),
            "is not in the codebook's [country] labels",
            place,
            available=book.country_labels,
            remedy="Add it, or drop its rows.",
        )
        called = [book.country_labels[key] for key in key_of if key is not None]
        order = [name for name in book.country_labels.values() if name in called]
    else:
        called = [value.label or value.spelling for value in values]
        order = sorted(set(called))
    _refuse_merged(values, called, column, place)
    place_of = np.array([order.index(name) for name in called])
    return pd.Categorical.from_codes(place_of[positions], order)


def _refuse_merged(
    values: Sequence[Value], called: Sequence[str], column: Column, place: str
) -> None:
    """Refuse a file with labels that calls two countries the same."""
    for name in dict.fromkeys(called) if column.value_labels else ():
        same = [value for value, own in zip(values, called, strict=True) if own == name]
        if len(same) > 1:
            raise make_error(
                SurveyError,
                f"{place}, column {column.name!r}",
                f"{' and '.join(map(str, same))} are both called {name!r}",
                remedy="Give each code a name in the codebook's [country] labels.",
            )
