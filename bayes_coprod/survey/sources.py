"""Where a survey's data come from: files of every known format, and dataframes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import narwhals as nw
import pandas as pd
import pyarrow as pa
from narwhals.typing import IntoDataFrame

from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.columns import Column, Table
from bayes_coprod.survey.csv_file import open_csv
from bayes_coprod.survey.parquet_file import open_parquet
from bayes_coprod.survey.stat_file import STATA, open_stat_file

FORMATS = (".csv", ".csv.gz", ".sav", ".zsav", STATA, ".parquet")


def open_table(source: str | os.PathLike[str] | IntoDataFrame, encoding: str | None) -> Table:
    """Open a file, a folder of parquet files, or a dataframe.

    Parameters
    ----------
    source : str, path or dataframe
    encoding : str or None
        Of the file's text; ``None``: UTF-8, or what the file says of itself.

    Returns
    -------
    Table

    Raises
    ------
    SurveyError
        If there is no such file, its format is unknown, or it cannot be read.
    """
    if not isinstance(source, str | os.PathLike):
        return _open_frame(source)
    path = Path(source)
    name, ending = path.name.lower(), path.suffix.lower()
    if name.endswith((".csv", ".csv.gz")):
        return open_csv(path, encoding or "utf-8")
    if ending == ".parquet" or path.is_dir():
        return open_parquet(path)
    if ending in (".sav", ".zsav", STATA):
        return open_stat_file(path, encoding)
    raise make_error(
        SurveyError,
        "read_survey",
        f"{path.name} has an unknown format {path.suffix!r}",
        available=[*FORMATS, "a folder of .parquet files", "any dataframe"],
        remedy="Save it as one of these, or read it into a dataframe first.",
    )


def _open_frame(source: IntoDataFrame) -> Table:
    if isinstance(source, pd.DataFrame):
        source = source.rename(columns=str)  # numbers may be names there
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
            remedy="Give the path of a file or a pandas, polars or pyarrow table.",
        ) from cause

    def read(wanted: Sequence[str]) -> list[Column]:
        try:
            chosen = frame.select(list(wanted)).to_pandas().reset_index(drop=True)
        except (pa.ArrowException, NotImplementedError) as cause:
            raise make_error(
                SurveyError,
                "read_survey",
                f"a column of the dataframe has a type that pandas does not know ({cause})",
                remedy="Cast it to whole or decimal numbers, or to text.",
            ) from cause
        return [Column(name, chosen[name]) for name in wanted]

    return Table("read_survey", tuple(frame.columns), read)
