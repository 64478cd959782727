"""Tables in text files: separated by commas, semicolons or tabs, plain or compressed."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as pa_csv

from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.columns import Column, Table, readable, require_file

NOBODY, ONE_ROW = "there are no citizens", "The file needs one row per citizen."

_DELIMITERS = ",;\t"
"""Tried on the first line; the one that splits it most is the file's."""

_UNREADABLE = (
    pa.ArrowException, csv.Error, zlib.error, EOFError, OSError, UnicodeError, LookupError,
)  # fmt: skip
"""What the libraries say of a file that is truncated, damaged or something else."""


def open_csv(path: Path, encoding: str) -> Table:
    """Open a ``.csv`` or ``.csv.gz`` file; every cell is text, and only an empty one is missing.

    Raises
    ------
    SurveyError
        If it cannot be read, is empty, or a row does not fit the header.
    """
    # the same as UTF-8, but a byte order mark is no part of the first name
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    codec = "utf-8-sig" if is_utf8 else encoding
    require_file(path)
    with _decoded(path, encoding):
        columns, options = _read_header(path, codec)

    def read(wanted: Sequence[str]) -> list[Column]:
        with _decoded(path, encoding):
            return _read_cells(path, codec, columns, options, wanted)

    return Table(path.name, tuple(columns), read)


@contextmanager
def _decoded(path: Path, encoding: str) -> Iterator[None]:
    """Say in words which byte is no text, and whatever else stands in the way of reading a file."""
    with readable(path, "CSV", _UNREADABLE):
        try:
            yield
        except UnicodeDecodeError as cause:
            raise make_error(
                SurveyError,
                path.name,
                f"byte {cause.start} is not {encoding} text",
                remedy="Give the file's encoding, for example encoding='latin-1' or 'cp1252'.",
            ) from cause


def _read_header(path: Path, encoding: str) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Names of the columns, and how to read what comes after them."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding=encoding, newline="") as file:
        line = file.readline()
        if not line.strip():
            problem = "begins with an empty line" if line else "is empty"
            raise make_error(
                SurveyError,
                path.name,
                f"the file {problem}",
                remedy="The first line holds the names of the columns.",
            )
        unquoted = re.sub(r'"[^"]*"', "", line)
        delimiter = max(_DELIMITERS, key=unquoted.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        columns = next(reader)
        n_lines = reader.line_num
        first = next(reader, None)
    if first is None:
        raise make_error(SurveyError, path.name, NOBODY, remedy=ONE_ROW)
    # some programs end every row but the header with a delimiter
    n_columns = len(columns) + (len(first) == len(columns) + 1 and first[-1] == "")
    return columns, {
        "read": {"skip_rows": n_lines, "column_names": [str(i) for i in range(n_columns)]},
        "parse": {"delimiter": delimiter},
    }


def _read_cells(
    path: Path,
    encoding: str,
    columns: Sequence[str],
    options: dict[str, dict[str, Any]],
    wanted: Sequence[str],
) -> list[Column]:
    # by position, since columns that nobody wants may bear the same name
    chosen = [str(columns.index(name)) for name in wanted]
    beyond = options["read"]["column_names"][len(columns) :]
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rb") as file:
            table = pa_csv.read_csv(
                file,
                read_options=pa_csv.ReadOptions(encoding=encoding, **options["read"]),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True, **options["parse"]),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=[*chosen, *beyond],
                    column_types=dict.fromkeys([*chosen, *beyond], pa.string()),
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
    except pa.ArrowInvalid:
        _refuse_odd_row(path, encoding, len(options["read"]["column_names"]), **options["parse"])
        raise
    for name in beyond:
        if table[name].null_count < len(table):
            raise make_error(
                SurveyError,
                path.name,
                "a row has more cells than the header",
                remedy="A cell that holds the delimiter needs quotes around it.",
            )
    frame = table.select(chosen).to_pandas()
    return [Column(name, frame[at]) for name, at in zip(wanted, chosen, strict=True)]


def _refuse_odd_row(path: Path, encoding: str, n_columns: int, delimiter: str) -> None:
    """Refuse the first row of another length than the others, if that is what is wrong."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=delimiter)
        next(rows)  # the header
        for number, row in enumerate((row for row in rows if row), start=1):
            if len(row) != n_columns:
                raise make_error(
                    SurveyError,
                    f"{path.name}, row {number}",
                    f"the file cannot be read as CSV: {len(row)} cells where {n_columns} are due",
                    remedy="A cell that holds the delimiter needs quotes around it; a file that "
                    "ends within a row is truncated.",
                )
