"""Tables in parquet: a file, or a folder of files with one row after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import dataset, parquet

from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.columns import Column, Table, readable, require_columns

_UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, NotImplementedError)
"""What pyarrow says of a file that is truncated, damaged, something else, or beyond pandas."""


def open_parquet(path: Path) -> Table:
    """Open a parquet file or a folder of them.

    Parameters
    ----------
    path : pathlib.Path
        A file, or a folder whose ``.parquet`` files are read in the order of their names, those of
        folders within it included; ``country=DK`` as the name of such a folder is a column.

    Returns
    -------
    Table

    Raises
    ------
    SurveyError
        If there is no such file, or one cannot be read as parquet.
    """
    files = _files(path)
    with readable(path, "parquet", _UNREADABLE):
        parts = [_open_part(file, path) for file in files]
    columns = dict.fromkeys(name for part in parts for name in part.schema.names)

    def read(wanted: Sequence[str]) -> list[Column]:
        with readable(path, "parquet", _UNREADABLE):
            for file, part in zip(files, parts, strict=True):
                require_columns(wanted, part.schema.names, str(file.relative_to(path.parent)))
            # each file by its own types: what is 1 here and 1.0 there is matched as it is written
            frames = [
                part.to_table(columns=list(wanted)).to_pandas(
                    ignore_metadata=True, split_blocks=True, self_destruct=True
                )
                for part in parts
            ]
        frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        return [Column(name, frame[name]) for name in wanted]

    return Table(path.name, tuple(columns), read)


def _open_part(file: Path, folder: Path) -> dataset.Dataset:
    # as text: 1 and 01 in the names of folders are two
    keys = [part.split("=")[0] for part in file.relative_to(folder).parts[:-1] if "=" in part]
    for key in keys:
        if key in parquet.read_schema(file).names:
            raise make_error(
                SurveyError,
                str(file.relative_to(folder.parent)),
                f"the column {key!r} is both in the file and in the name of its folder",
                remedy="Leave it in one of the two.",
            )
    named = dataset.partitioning(pa.schema([(key, pa.string()) for key in keys]), flavor="hive")
    return dataset.dataset(
        str(file), format="parquet", partitioning=named, partition_base_dir=str(folder)
    )


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise make_error(SurveyError, "read_survey", f"there is no file {path}")
    if path.is_file():
        return [path]
    inner = (file.relative_to(path) for file in path.rglob("*.parquet"))
    # programs that write such folders put their own notes under these names
    files = sorted(file for file in inner if not any(p[0] in "._" for p in file.parts))
    if not files:
        raise make_error(
            SurveyError,
            "read_survey",
            f"the folder {path} holds no .parquet file",
            remedy="Give a file, or a folder of .parquet files.",
        )
    return [path / file for file in files]
