"""What reading a large survey costs: time and memory, by format.

    python benchmarks/reading.py [--rows 1000000] [--columns 30] [--repeats 3]

Writes countries, weights, ages and labelled answers in each format to a temporary folder, and reads
them with `read_survey` in a process of its own. Memory is the peak of that process above what it
holds before it reads, beside that of the columns as the file gives them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat

LABELS = {1: "never", 2: "sometimes", 3: "often", 8: "don't know", 9: "refused"}
COUNTRIES = ("AT", "BE", "CZ", "DK", "FR")
MIB = 1024**2


def make_frame(rows: int, columns: int) -> pd.DataFrame:
    """Codes of 5 countries: a weight, ages, and labelled answers with a few that are missing."""
    rng = np.random.default_rng(1)
    answers = {
        f"q{k}": rng.choice([1.0, 2.0, 3.0, 8.0, 9.0], rows, p=[0.3, 0.4, 0.24, 0.03, 0.03])
        for k in range(columns - 3)
    }
    return pd.DataFrame(
        {
            "country": np.array(COUNTRIES)[rng.integers(0, len(COUNTRIES), rows)],
            "weight": rng.lognormal(0, 0.3, rows),
            "age": rng.integers(18, 95, rows).astype(float),
            **answers,
        }
    )


def make_codebook(columns: int) -> dict[str, object]:
    """Half of the answers are items, half ordered drivers."""
    answer = {"categories": [1, 2, 3], "missing": [8, 9]}
    half = (columns - 3) // 2
    return {
        "survey": {"name": "Benchmark", "forms": ["alone", "together"]},
        "country": {"column": "country"},
        "weight": {"column": "weight"},
        "items": {f"q{k}": {"form": ("alone", "together")[k % 2], **answer} for k in range(half)},
        "drivers": {
            "age": {"kind": "numeric", "bounds": [18, 95]},
            **{f"q{k}": {"kind": "ordered", **answer} for k in range(half, columns - 3)},
        },
    }


def write_files(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """The same data in every format."""
    labels = {name: LABELS for name in frame if name.startswith("q")}
    declared = {name: [8, 9] for name in labels}
    files = [folder / f"survey{ending}" for ending in (".parquet", ".sav", ".zsav", ".dta", ".csv")]
    frame.to_parquet(files[0])
    for file in files[1:3]:
        pyreadstat.write_sav(
            frame,
            file,
            variable_value_labels=labels,
            missing_ranges=declared,
            compress=file.suffix == ".zsav",
        )
    pyreadstat.write_dta(frame, files[3], variable_value_labels=labels)
    frame.to_csv(files[4], index=False)
    return files


def peak_memory() -> int:
    """Most memory that this process has held, in bytes, as Linux says it."""
    status = Path("/proc/self/status").read_text()
    (kib,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(kib) * 1024


def read_once(file: Path, columns: int) -> None:
    """Read in this process, and print seconds and MiB."""
    from bayes_coprod import read_survey
    from bayes_coprod.survey.sources import open_table

    before = peak_memory()
    start = time.perf_counter()
    survey = read_survey(file, make_codebook(columns))
    seconds = time.perf_counter() - start
    peak = peak_memory() - before
    kept = int(survey.data.memory_usage(deep=True).sum())
    del survey
    table = open_table(file, None)
    given = sum(
        column.cells.memory_usage(index=False, deep=True) for column in table.read(table.columns)
    )
    print(json.dumps({"seconds": seconds, "peak": peak, "given": int(given), "kept": kept}))


def main() -> None:
    """Write the files, read each several times, and print a table."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--columns", type=int, default=30)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--read", type=Path)
    chosen = arguments.parse_args()
    if chosen.read is not None:
        read_once(chosen.read, chosen.columns)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(make_frame(chosen.rows, chosen.columns), Path(folder))
        print(f"{chosen.rows:,} rows x {chosen.columns} columns, median of {chosen.repeats}")
        print("format    file MiB  columns MiB  seconds  peak MiB  peak / columns")
        for file in files:
            size = file.stat().st_size / MIB
            command = [sys.executable, __file__, "--read", file, "--columns", str(chosen.columns)]
            runs = pd.DataFrame(
                [
                    json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                    for _ in range(chosen.repeats)
                ]
            ).median()
            print(
                f"{file.suffix:8}  {size:8.0f}  {runs['given'] / MIB:11.0f}  "
                f"{runs['seconds']:7.1f}  {runs['peak'] / MIB:8.0f}  "
                f"{runs['peak'] / runs['given']:14.1f}"
            )


if __name__ == "__main__":
    main()
