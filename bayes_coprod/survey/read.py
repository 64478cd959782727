"""Reading a survey: every value is matched with the codebook, or refused by name."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd
from narwhals.typing import IntoDataFrame

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.codebook import Codebook, Driver, Item, load_codebook

if TYPE_CHECKING:
    import xarray as xr

_DELIMITERS = ",;\t"
"""Tried on the first line; the one that splits it most is the file's."""


@dataclass(frozen=True, eq=False)
class Survey:
    """Citizens' answers, each value checked against the codebook.

    Parameters
    ----------
    codebook : Codebook
        What the columns mean.
    data : pandas.DataFrame
        One row a citizen: ``citizen``, ``country`` (categorical), ``weight`` where the survey has
        one, each item (ordered categorical), and each driver: numeric as float, binary as 1.0 and
        0.0, ordered and categorical as categorical. Missing values are missing.
    origin : str
        The file, or the call, that the data came from.
    truth : xarray.Dataset or None
        Of a simulated survey: the parameters it was drawn from, named as in a posterior.
    """

    codebook: Codebook
    data: pd.DataFrame
    origin: str
    truth: xr.Dataset | None = None

    @property
    def countries(self) -> tuple[str, ...]:
        """Countries with at least one citizen."""
        return tuple(self.data[names.COUNTRY].cat.categories)

    @property
    def title(self) -> str:
        """The survey's name, with a warning where the data are synthetic."""
        return self.codebook.name + (" (synthetic data)" if self.codebook.synthetic else "")

    def __repr__(self) -> str:
        counts = self.data[names.COUNTRY].value_counts(sort=False)
        by_form = [
            f"{sum(item.form == form for item in self.codebook.items)} {form}"
            for form in self.codebook.forms
        ]
        return "\n".join(
            [
                f"Survey: {self.title}",
                f"  {len(self.data):,} citizens in {len(counts)} countries: "
                + ", ".join(f"{country} {n:,}" for country, n in counts.items()),
                f"  {len(self.codebook.items)} items: {', '.join(by_form)}",
                f"  {len(self.codebook.drivers)} drivers: "
                + ", ".join(driver.name for driver in self.codebook.drivers),
            ]
        )

    def _repr_html_(self) -> str:
        lines = repr(self).splitlines()
        rest = "".join(f"<li>{escape(line.strip())}</li>" for line in lines[1:])
        return f"<div><b>{escape(lines[0])}</b><ul>{rest}</ul></div>"


def read_survey(
    source: str | os.PathLike[str] | IntoDataFrame,
    codebook: str | os.PathLike[str] | dict[str, Any] | Codebook,
    *,
    encoding: str = "utf-8",
) -> Survey:
    """Read a survey file or dataframe with its codebook.

    Parameters
    ----------
    source : str, path or dataframe
        A ``.csv`` or ``.csv.gz`` file, separated by commas, semicolons or tabs, or any eager
        dataframe that narwhals knows (pandas, polars, pyarrow). In a file only an empty cell is
        missing by itself; whatever else means no answer stands in the codebook.
    codebook : str, path, mapping or Codebook
        As for :func:`load_codebook`.
    encoding : str
        Of the file.

    Returns
    -------
    Survey
        Citizens in the order of the file.

    Raises
    ------
    SurveyError
        If the file cannot be read, lacks a column, or holds a value that the codebook does not
        explain: an unknown answer, text for a number, a number out of bounds, an empty country.
    CodebookError
        As :func:`load_codebook`.
    """
    book = load_codebook(codebook)
    wanted = _wanted_columns(book)
    if isinstance(source, str | os.PathLike):
        place = origin = Path(source).name
        raw = _read_file(Path(source), wanted, encoding)
    else:
        place, origin = "read_survey", "a dataframe"
        raw = _read_frame(source, wanted)
    if raw.empty:
        raise make_error(
            SurveyError, place, "there are no citizens", remedy="The file needs one row a citizen."
        )
    return Survey(book, _match(raw, book, place), origin)


def _wanted_columns(book: Codebook) -> list[str]:
    single = [book.citizen, book.country, book.weight]
    return [c for c in single if c is not None] + [e.column for e in book.entries]


def _read_file(path: Path, wanted: Sequence[str], encoding: str) -> pd.DataFrame:
    if not path.name.endswith((".csv", ".csv.gz")):
        raise make_error(
            SurveyError,
            "read_survey",
            f"{path.name} has an unknown format {path.suffix!r}",
            available=[".csv", ".csv.gz", "any dataframe"],
            remedy="Save it as CSV, or read it into a dataframe first.",
        )
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # the same, but a byte order mark is no part of the first name
    try:
        first = _first_line(path, encoding)
        delimiter = max(_DELIMITERS, key=first.count)
        columns = next(csv.reader([first], delimiter=delimiter), [])
        if not columns:
            raise pd.errors.EmptyDataError
        _require_columns(wanted, columns, path.name)
        return pd.read_csv(
            path,
            encoding=encoding,
            sep=delimiter,
            usecols=wanted,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
        )[list(wanted)]
    except FileNotFoundError as cause:
        raise make_error(SurveyError, "read_survey", f"there is no file {path}") from cause
    except pd.errors.EmptyDataError as cause:
        raise make_error(SurveyError, path.name, "the file is empty") from cause
    except UnicodeDecodeError as cause:
        raise make_error(
            SurveyError,
            path.name,
            f"byte {cause.start} is not {encoding} text",
            remedy="Give the file's encoding, for example encoding='latin-1' or 'cp1252'.",
        ) from cause
    except (pd.errors.ParserError, EOFError, OSError, UnicodeError, LookupError) as cause:
        raise make_error(
            SurveyError,
            path.name,
            f"the file cannot be read as CSV ({cause})",
            remedy="It may be truncated, or not be what its name says.",
        ) from cause


def _first_line(path: Path, encoding: str) -> str:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding=encoding) as file:
        return file.readline().rstrip("\r\n")


def _read_frame(source: IntoDataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError as cause:
        raise make_error(
            SurveyError,
            "read_survey",
            f"{type(source).__name__} is neither a path nor a dataframe",
            remedy="Give a .csv file or a pandas, polars or pyarrow table.",
        ) from cause
    _require_columns(wanted, frame.columns, "read_survey")
    return frame.select(list(wanted)).to_pandas().reset_index(drop=True)


def _require_columns(wanted: Sequence[str], columns: Sequence[str], place: str) -> None:
    for name in wanted:
        if columns.count(name) != 1:
            problem = "is not in the data" if name not in columns else "stands there twice"
            raise make_error(
                SurveyError,
                place,
                f"the codebook's column {name!r} {problem}",
                value=name,
                available=columns,
            )


def _match(raw: pd.DataFrame, book: Codebook, place: str) -> pd.DataFrame:
    """Raw columns -> the data of a Survey, in the codebook's order."""
    data: dict[str, Any] = {
        names.CITIZEN: (
            raw[book.citizen].map(_spelling)
            if book.citizen is not None
            else pd.Series(np.arange(1, len(raw) + 1)).astype(str)
        ),
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


def _spelling(value: object) -> str:
    """How a cell is written: 1.0 as 1, text without the blanks around it."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _is_same(spelling: str, choice: Scalar) -> bool:
    """Whether a cell says what the codebook says; numbers compare as numbers."""
    if isinstance(choice, str):
        return spelling == choice.strip()
    try:
        return float(spelling) == float(choice)
    except ValueError:
        return False


def _refuse(column: pd.Series, bad: np.ndarray, problem: str, place: str, **more: Any) -> None:
    """Raise on the first of the bad rows (boolean, (citizen,)), if there is any."""
    rows = np.flatnonzero(bad)
    if len(rows):
        value = _spelling(column.iloc[rows[0]])
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
        spelling = _spelling(value)
        if spelling == "" or any(_is_same(spelling, m) for m in missing):
            continue
        recoded[i] = recode(spelling)
        unknown[i] = np.isnan(recoded[i])
    return recoded[codes], unknown[codes]


def _match_codes(
    column: pd.Series, categories: Sequence[Scalar], missing: Sequence[Scalar], place: str
) -> np.ndarray:
    """Position of each cell among the categories, -1 where missing."""

    def position(spelling: str) -> float:
        found = [i for i, category in enumerate(categories) if _is_same(spelling, category)]
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
        if any(_is_same(spelling, yes) for yes in driver.yes):
            return 1.0
        if driver.no and not any(_is_same(spelling, no) for no in driver.no):
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
        return value if np.isfinite(value) else np.nan

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


def _match_country(column: pd.Series, book: Codebook, place: str) -> pd.Categorical:
    """Countries by name, in the codebook's order where it lists them, else sorted."""
    codes, distinct = pd.factorize(column)
    spellings = [_spelling(value) for value in distinct]
    empty = np.array([*(s == "" for s in spellings), True])[codes]
    _refuse(
        column.astype(object).where(column.notna(), ""),
        empty,
        "is no country: the cell is empty",
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
