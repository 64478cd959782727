"""Reading a survey: every value is matched with the codebook, or refused by name."""

from __future__ import annotations

import csv
import gzip
import os
import shlex
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
from narwhals.typing import IntoDataFrame
from pyarrow import csv as pa_csv

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.entries import Codebook
from bayes_coprod.survey.match import match_columns

if TYPE_CHECKING:
    import xarray as xr

_DELIMITERS = ",;\t"
"""Tried on the first line; the one that splits it most is the file's."""

_NOBODY, _ONE_ROW = "there are no citizens", "The file needs one row a citizen."

_UNREADABLE = (
    pa.ArrowException, csv.Error, zlib.error, EOFError, OSError, UnicodeError, LookupError,
)  # fmt: skip
"""What the libraries say of a file that is truncated, damaged or something else."""


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
        The call that gives it again, without the package's name.
    command : str
        The command, and its arguments, that reads it from the shell; empty if none does.
    truth : xarray.Dataset or None
        Of a simulated survey: the parameters it was drawn from, named as in a posterior.
    """

    codebook: Codebook
    data: pd.DataFrame
    origin: str
    command: str = ""
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
        place = Path(source).name
        raw = _read_file(Path(source), wanted, encoding)
        is_default = encoding == "utf-8"
        origin = f"read_survey({place!r}, codebook='codebook.toml'" + (
            ")" if is_default else f", encoding={encoding!r})"
        )
        command = f"run {shlex.quote(place)} --codebook codebook.toml" + (
            "" if is_default else f" --encoding {encoding}"
        )
    else:
        place, command = "read_survey", ""
        raw = _read_frame(source, wanted)
        origin = "read_survey(frame, codebook='codebook.toml')"
    if raw.empty:
        raise make_error(SurveyError, place, _NOBODY, remedy=_ONE_ROW)
    return Survey(book, match_columns(raw, book, place), origin, command)


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
    # the same as UTF-8, but a byte order mark is no part of the first name
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    codec = "utf-8-sig" if is_utf8 else encoding
    try:
        columns, options = _read_header(path, codec)
        _require_columns(wanted, columns, path.name)
        # by position, since columns that nobody wants may bear the same name
        chosen = [str(columns.index(name)) for name in wanted]
        beyond = options["read"]["column_names"][len(columns) :]
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rb") as file:
            table = pa_csv.read_csv(
                file,
                read_options=pa_csv.ReadOptions(encoding=codec, **options["read"]),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True, **options["parse"]),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=[*chosen, *beyond],
                    column_types=dict.fromkeys([*chosen, *beyond], pa.string()),
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
        for name in beyond:
            if table[name].null_count < len(table):
                raise make_error(
                    SurveyError,
                    path.name,
                    "a row has more cells than the header",
                    remedy="A cell that holds the delimiter needs quotes around it.",
                )
        return table.select(chosen).to_pandas().set_axis(list(wanted), axis=1)
    except FileNotFoundError as cause:
        raise make_error(SurveyError, "read_survey", f"there is no file {path}") from cause
    except UnicodeDecodeError as cause:
        raise make_error(
            SurveyError,
            path.name,
            f"byte {cause.start} is not {encoding} text",
            remedy="Give the file's encoding, for example encoding='latin-1' or 'cp1252'.",
        ) from cause
    except _UNREADABLE as cause:
        raise make_error(
            SurveyError,
            path.name,
            f"the file cannot be read as CSV ({cause})",
            remedy="It may be truncated, or not be what its name says.",
        ) from cause


def _read_header(path: Path, encoding: str) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Names of the columns, and how to read what comes after them."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding=encoding, newline="") as file:
        delimiter = max(_DELIMITERS, key=file.readline().count)
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        columns = next(reader, [])
        if not columns:
            raise make_error(SurveyError, path.name, "the file is empty")
        n_lines = reader.line_num
        first = next(reader, None)
    if first is None:
        raise make_error(SurveyError, path.name, _NOBODY, remedy=_ONE_ROW)
    # some programs end every row but the header with a delimiter
    n_columns = len(columns) + (len(first) == len(columns) + 1 and first[-1] == "")
    return columns, {
        "read": {"skip_rows": n_lines, "column_names": [str(i) for i in range(n_columns)]},
        "parse": {"delimiter": delimiter},
    }


def _read_frame(source: IntoDataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    try:
        frame = nw.from_native(source, eager_only=True)
    except nw.exceptions.DuplicateError as cause:
        raise make_error(
            SurveyError,
            "read_survey",
            f"columns of the dataframe have the same name ({cause})",
            remedy="Give each column a name of its own.",
        ) from cause
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
