"""A column as it stands in a file, with what the file itself says of its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.entries import is_same, spelling_of


@dataclass(frozen=True)
class Value:
    """One value of a column.

    Parameters
    ----------
    spelling : str
        As the file writes it; of a labelled value its code.
    label : str or None
        What the file calls it.
    is_declared : bool
        Whether the file itself says that it means no answer.
    """

    spelling: str
    label: str | None = None
    is_declared: bool = False

    def __str__(self) -> str:
        return repr(self.spelling) + ("" if self.label is None else f" ({self.label})")

    def is_meant_by(self, choice: Scalar) -> bool:
        """Whether the codebook's `choice` is this value's label or its code."""
        return is_same(self.spelling, choice) or self.has_label(choice)

    def has_label(self, choice: Scalar) -> bool:
        """Whether `choice` is this value's label."""
        return self.label is not None and is_same(self.label.strip(), choice)


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a file.

    Parameters
    ----------
    name : str
    cells : pandas.Series
        (citizen,), as they stand in the file: codes where it has labels, NaN where empty.
    label : str
        What the file says that the column holds.
    value_labels : mapping of object to str
        Code to label.
    missing : tuple of (lowest, highest)
        Codes that the file declares to mean no answer, both ends included.
    measure : str
        ``nominal``, ``ordinal`` or ``scale`` where the file says it.
    """

    name: str
    cells: pd.Series
    label: str = ""
    value_labels: Mapping[object, str] = field(default_factory=dict)
    missing: tuple[tuple[object, object], ...] = ()
    measure: str = ""

    def value(self, code: object) -> Value:
        """The value that a code stands for."""
        return Value(spelling_of(code), self.value_labels.get(code), bool(self.declared([code])[0]))

    def declared(self, codes: Sequence[object] | pd.Index) -> np.ndarray:
        """Which of the codes, (code,), the file declares to mean no answer."""
        found = np.zeros(len(codes), dtype=bool)
        for low, high in self.missing:
            if isinstance(codes, pd.Index) and codes.dtype.kind in "iuf":
                if not isinstance(low, str):
                    found |= (codes >= low) & (codes <= high)
            else:
                found |= [_lies_between(code, low, high) for code in codes]
        return found


def _lies_between(code: object, low: object, high: object) -> bool:
    if isinstance(low, str) or isinstance(code, str):
        return isinstance(code, str) and code.strip() == str(low).strip()
    return isinstance(code, int | float) and low <= code <= high  # type: ignore[operator]


@dataclass(frozen=True)
class Table:
    """A file or a dataframe whose columns can be read.

    Parameters
    ----------
    place : str
        File that messages name.
    columns : tuple of str
        As they stand there; a name may stand twice.
    read : callable
        From names, each of which stands there once, to their columns, in that order.
    """

    place: str
    columns: tuple[str, ...]
    read: Callable[[Sequence[str]], list[Column]]


def distinct_codes(column: Column, place: str) -> tuple[np.ndarray, pd.Index]:
    """Position of each cell's code among the distinct ones, (citizen,), -1 where empty; and those.

    Raises
    ------
    SurveyError
        If a cell holds a list or the like, which is no value.
    """
    cells = column.cells
    kind = pd.api.types.infer_dtype(cells) if cells.dtype == object else ""
    if kind.startswith(("mixed", "complex")):
        # Python takes True for 1, and so would the sorting into distinct values
        cells = cells.map(lambda cell: str(cell) if isinstance(cell, bool | complex) else cell)
    if kind == "bytes":
        raise make_error(
            SurveyError,
            f"{place}, column {column.name!r}",
            "its cells are bytes, and no text says how to read them",
            remedy="Write the column as text (UTF-8).",
        )
    try:
        positions, distinct = pd.factorize(cells)
    except (TypeError, NotImplementedError, pa.ArrowException) as cause:
        raise make_error(
            SurveyError,
            f"{place}, column {column.name!r}",
            f"its cells are no single values ({cause})",
            remedy="Give each cell one text or number.",
        ) from cause
    return positions, pd.Index(distinct)


def require_file(path: Path) -> None:
    """Refuse what is no file."""
    if path.is_dir():
        raise make_error(SurveyError, "read_survey", f"{path} is a folder, and no file")
    if not path.exists():
        raise make_error(SurveyError, "read_survey", f"there is no file {path}")


@contextmanager
def readable(
    path: Path,
    kind: str,
    unreadable: tuple[type[Exception], ...],
    remedy: str = "It may be truncated, or not be what its name says.",
) -> Iterator[None]:
    """Say in words what a library says in the way of `unreadable` of a file of some kind."""
    try:
        yield
    except unreadable as cause:
        raise make_error(
            SurveyError,
            path.name,
            f"the file cannot be read as {kind} ({cause})",
            remedy=remedy,
        ) from cause


def require_columns(wanted: Sequence[str], columns: Sequence[str], place: str) -> None:
    """Refuse what lacks a column, or has two of its name."""
    for name in wanted:
        if columns.count(name) != 1:
            problem = "stands there twice" if name in columns else "is not in the data"
            raise make_error(
                SurveyError,
                place,
                f"the column {name!r} {problem}",
                value=name,
                available=columns,
            )
