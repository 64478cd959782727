"""Tables with labels: SPSS (.sav, .zsav) and Stata (.dta) files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat

from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.columns import Column, Table, readable, require_file

STATA = ".dta"

_STATA_BEGINS, _STATA_ENDS = b"<stata_dta>", b"</stata_dta>"

_PROBE = """
import sys, pyreadstat
encoding = sys.argv[2] or None
pyreadstat.read_sav(sys.argv[1], encoding=encoding, user_missing=True, metadataonly=True)
"""
_PROBE_SECONDS = 120

_UNREADABLE = (
    pyreadstat.ReadstatError, pyreadstat.PyreadstatError,
    OSError, ValueError, OverflowError, LookupError,
)  # fmt: skip
"""What pyreadstat says of a file that is truncated, damaged, something else, or beyond Python."""
_REMEDY = "It may be truncated, be in another encoding, or not be what its name says."


def open_stat_file(path: Path, encoding: str | None) -> Table:
    """Open an SPSS or Stata file.

    Parameters
    ----------
    path : pathlib.Path
        ``.sav``, ``.zsav`` or ``.dta``.
    encoding : str or None
        ``None``: as the file says.

    Returns
    -------
    Table
        Its columns hold codes, with the file's labels and with the codes that it declares missing:
        values and ranges of SPSS, ``.a`` to ``.z`` of Stata.

    Raises
    ------
    SurveyError
        If it cannot be read.
    """
    require_file(path)
    if path.suffix.lower() == STATA:
        _require_end(path)
    else:
        _probe(path, encoding)
    _, meta = _read(path, encoding, metadataonly=True)
    if path.suffix.lower() == STATA:
        _require_labels(path, meta)

    def read(wanted: Sequence[str]) -> list[Column]:
        frame, found = _read(path, encoding, usecols=list(wanted))
        if meta.number_rows is not None and len(frame) != meta.number_rows:
            raise make_error(
                SurveyError,
                path.name,
                f"it holds {len(frame):,} rows and says that it has {meta.number_rows:,}",
                remedy="It is truncated; get it again.",
            )
        return [
            _column(name, frame.pop(name), found, path.suffix.lower() == STATA) for name in wanted
        ]

    return Table(path.name, tuple(meta.column_names), read)


def _require_end(path: Path) -> None:
    """Refuse a Stata file that ends early: its labels come last, and would be missed in silence."""
    with path.open("rb") as file:
        begins = file.read(len(_STATA_BEGINS))
        file.seek(max(0, path.stat().st_size - len(_STATA_ENDS)))
        ends = file.read()
    if begins == _STATA_BEGINS and ends != _STATA_ENDS:  # older formats have no such marks
        raise make_error(
            SurveyError,
            path.name,
            "the file cannot be read as Stata data (it has no end)",
            remedy="It is truncated; get it again.",
        )


def _require_labels(path: Path, meta: Any) -> None:
    """Refuse a file that ends before the labels that its variables name."""
    for variable, labels in meta.variable_to_label.items():
        if labels not in meta.value_labels:
            raise make_error(
                SurveyError,
                f"{path.name}, column {variable!r}",
                f"its value labels {labels!r} are not in the file",
                remedy="It may be truncated: get it again, or drop the column's labels in Stata.",
            )


def _probe(path: Path, encoding: str | None) -> None:
    """Read the header in a process of its own: a damaged one can end the process that reads it."""
    command = [sys.executable, "-c", _PROBE, str(path), encoding or ""]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=_PROBE_SECONDS, check=False)
        survived = ended.returncode in (0, 1)  # 1: in words, which come again
    except subprocess.TimeoutExpired:
        survived = False
    if not survived:
        raise make_error(
            SurveyError,
            path.name,
            "the file cannot be read as SPSS data (its header is damaged)",
            remedy="Get it again.",
        )


def _read(path: Path, encoding: str | None, **options: Any) -> tuple[pd.DataFrame, Any]:
    is_stata = path.suffix.lower() == STATA
    reader = pyreadstat.read_dta if is_stata else pyreadstat.read_sav
    with readable(path, "Stata data" if is_stata else "SPSS data", _UNREADABLE, _REMEDY):
        return reader(str(path), encoding=encoding, user_missing=True, **options)


def _column(name: str, cells: pd.Series, meta: Any, is_stata: bool) -> Column:
    labels: Mapping[object, str] = meta.variable_value_labels.get(name, {})
    ranges: list[tuple[object, object]] = [
        (given["lo"], given["hi"]) for given in meta.missing_ranges.get(name, [])
    ]
    if is_stata and meta.readstat_variable_types[name] != "string":
        # .a to .z come as letters among numbers: empty cells, whose labels are kept
        letters = list(meta.missing_user_values.get(name, []))
        if letters:
            cells = cells.mask(cells.isin(letters)).infer_objects()
        labels = {f".{c}" if isinstance(c, str) else c: text for c, text in labels.items()}
        ranges = [(code, code) for code in labels if isinstance(code, str)]
    return Column(
        name=name,
        cells=cells,
        label=meta.column_names_to_labels.get(name) or "",
        value_labels=labels,
        missing=tuple(ranges),
        measure=meta.variable_measure.get(name, ""),
    )
