"""What a draft needs to know of a column: each distinct value once, and how it is spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from functools import cached_property
from itertools import batched
from math import isfinite

import numpy as np
import pandas as pd

from bayes_coprod.errors import CoprodError, SurveyError
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.columns import Column, Table, Value, distinct_codes
from bayes_coprod.survey.drafting.words import is_no_answer
from bayes_coprod.survey.entries import is_same, number_in, spelling_of

BLOCK = 200
"""Columns that are in memory at once; each block reads the file anew."""

_MOST_VALUES = 200
"""Of a column with more distinct values, only the lowest, the highest and the labelled are kept."""

_MOST_WORDS = 20
"""Of such a column, how many values that are no numbers."""


@dataclass(frozen=True)
class Answer:
    """A value of a column and who gave it.

    Parameters
    ----------
    value : Value
    count : int
        Citizens; 0 where only a label tells of it.
    number : float or None
        That it spells, if it does.
    """

    value: Value
    count: int
    number: float | None

    @property
    def is_missing(self) -> bool:
        """Whether it means no answer: by the file's word, by its label, or since it is empty."""
        said = self.value.spelling if self.value.label is None else self.value.label
        return self.value.is_declared or self.value.spelling == "" or is_no_answer(said)

    @property
    def is_worded(self) -> bool:
        """Whether it has a label that says more than its number."""
        label = self.value.label
        return bool(label and label.strip()) and not (
            self.number is not None and is_same(str(label).strip(), spelled(self.number))
        )


@dataclass(frozen=True, eq=False)
class Profile:
    """A column, summarised.

    Parameters
    ----------
    column : Column
        Its cells are the distinct values; if those are very many, the extreme ones.
    answers : tuple of Answer
        The values in `column` and those that only labels tell of, in the order of the codes.
    n_citizens, n_empty, n_distinct : int
    n_by_country : int
        Distinct pairs of a country and a value that is an answer.
    n_countries : int
        With such an answer.
    """

    column: Column
    answers: tuple[Answer, ...]
    n_citizens: int
    n_empty: int
    n_distinct: int
    n_by_country: int
    n_countries: int

    @cached_property
    def present(self) -> tuple[Answer, ...]:
        """Answers that somebody gave."""
        return tuple(a for a in self.answers if a.count and not a.is_missing)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Numbers among the answers that somebody gave, rising."""
        return tuple(sorted(a.number for a in self.present if a.number is not None))

    @property
    def is_numeric(self) -> bool:
        """Whether every answer that somebody gave is a number."""
        return all(answer.number is not None for answer in self.present)

    @property
    def is_abridged(self) -> bool:
        """Whether it has more distinct values than are kept."""
        return self.n_distinct > len(self.column.cells)

    @property
    def is_set_by_country(self) -> bool:
        """Whether all citizens of a country answer the same."""
        return 1 < self.n_countries == self.n_by_country

    @property
    def is_unique(self) -> bool:
        """Whether no two citizens have the same value, and nobody has none."""
        return self.n_distinct == self.n_citizens > 1


def spelled(number: float) -> Scalar:
    """A number as a codebook has it: 1 and not 1.0."""
    return int(number) if float(number).is_integer() else float(number)


def profile_columns(
    table: Table, names: Sequence[str], country: Column | None
) -> Iterator[Profile | tuple[str, str]]:
    """Summarise columns block by block; of one that cannot be read, its name and the reason.

    Raises
    ------
    SurveyError
        If no column of a block can be read: it is the file, then.
    """
    countries = None if country is None else distinct_codes(country, table.place)[0]
    for block in batched(names, BLOCK):
        for column in _read_each(table, block):
            if isinstance(column, tuple):
                yield column
                continue
            try:
                yield profile_column(column, countries, table.place)
            except SurveyError as error:
                yield column.name, problem_in(error)


def _read_each(table: Table, block: Sequence[str]) -> Iterator[Column | tuple[str, str]]:
    try:
        yield from table.read(block)
    except CoprodError:
        # one that a folder's files do not share, say, must not take the others with it
        read = [_read_one(table, name) for name in block]
        if not any(isinstance(column, Column) for column in read):
            raise
        yield from read


def _read_one(table: Table, name: str) -> Column | tuple[str, str]:
    try:
        return table.read([name])[0]
    except CoprodError as error:
        return name, problem_in(error)


def problem_in(error: CoprodError) -> str:
    """The first sentence of a message: what is wrong, without alternatives and remedies."""
    return str(error).split(". ")[0].rstrip(".")


def profile_column(column: Column, countries: np.ndarray | None, place: str) -> Profile:
    """Summarise a column; `countries` is each citizen's, (citizen,), as a position from 0."""
    positions, distinct = distinct_codes(column, place)
    counts = np.bincount(positions[positions >= 0], minlength=len(distinct))
    numbers = _numbers(distinct)
    kept = _kept(column, distinct, numbers)
    answers = _answers(column, distinct[kept], counts[kept])
    is_answer = np.ones(len(distinct), dtype=bool)
    missing = {a.value.spelling for a in answers if a.is_missing}
    is_answer[kept] = [spelling_of(code) not in missing for code in distinct[kept]]
    n_by_country, n_countries = 0, 0
    if countries is not None:
        rows = (positions >= 0) & (countries >= 0)
        rows[rows] = is_answer[positions[rows]]
        pairs = countries[rows].astype(np.int64) * len(distinct) + positions[rows]
        n_by_country = len(pd.unique(pairs))
        n_countries = len(pd.unique(countries[rows]))
    return Profile(
        column=replace(column, cells=pd.Series(distinct[kept])),
        answers=answers,
        n_citizens=len(positions),
        n_empty=int((positions < 0).sum()),
        n_distinct=len(distinct),
        n_by_country=n_by_country,
        n_countries=n_countries,
    )


def is_day(column: Column) -> bool:
    """Whether its cells are days or times."""
    if column.cells.dtype.kind in "mM":
        return True
    return any(isinstance(cell, date | time) for cell in column.cells)


def _numbers(distinct: pd.Index) -> np.ndarray:
    if distinct.dtype.kind in "iuf":
        return distinct.to_numpy(dtype=float)
    if distinct.dtype.kind == "b":
        return np.full(len(distinct), np.nan)
    texts = pd.Series([str(code).strip() for code in distinct], dtype=object)
    return pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)


def _kept(column: Column, distinct: pd.Index, numbers: np.ndarray) -> np.ndarray:
    """Positions of the distinct values that are kept, numbers first and rising."""
    order = np.argsort(numbers, kind="stable")  # what is no number comes last
    if len(order) <= _MOST_VALUES:
        return order
    n_numbers = int((~np.isnan(numbers)).sum())
    half = _MOST_VALUES // 2
    rising = order[:n_numbers]
    if n_numbers > _MOST_VALUES:
        inner = rising[half:-half]
        labelled = inner[[code in column.value_labels for code in distinct[inner]]]
        rising = np.concatenate([rising[:half], labelled, rising[-half:]])
    return np.concatenate([rising, order[n_numbers:][: _MOST_WORDS + 1]])


def _answers(column: Column, codes: pd.Index, counts: np.ndarray) -> tuple[Answer, ...]:
    n_of: dict[str, int] = {}
    value_of: dict[str, Value] = {}
    for code, count in zip(codes, counts, strict=True):
        value = column.value(code)
        value_of[value.spelling] = value
        n_of[value.spelling] = n_of.get(value.spelling, 0) + int(count)
    for code in column.value_labels:
        value = column.value(code)
        value_of.setdefault(value.spelling, value)
    answers = [
        Answer(value, n_of.get(spelling, 0), _float_in(spelling))
        for spelling, value in value_of.items()
    ]
    return tuple(sorted(answers, key=lambda a: (a.number is None, a.number or 0, a.value.spelling)))


def _float_in(spelling: str) -> float | None:
    number = number_in(spelling)
    return float(number) if number is not None and isfinite(float(number)) else None
