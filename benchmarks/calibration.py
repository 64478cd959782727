"""Simulation-based calibration: whether posteriors hold the truth as often as they say.

    python benchmarks/calibration.py MODEL [--replications 200] [--out FILE]

Replications of `calibrate`: each ranks the truth of some quantities among 99 draws. If all is right
ranks are uniform. The result is a small file of ranks, ``tests/reference/calibration_MODEL.json``;
what is there already is kept, and replications are added to it.

Citizens are 150 in three countries, with two drivers; all answered all items.

The files in ``tests/reference/`` are older than `calibrate`: truths and answers were drawn here, by
code of their own, and quantities have other names. New replications need a new file.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_coprod.diagnostics.calibration import calibrate
from bayes_coprod.model.spec import list_models
from bayes_coprod.survey.read import Survey, read_survey

REFERENCE = Path(__file__).parents[1] / "tests" / "reference"
COUNTRIES, N = 3, 150
ITEMS = {"a": "alone", "b": "alone", "c": "alone", "d": "together", "e": "together"}
RANKED = 99


def make_survey() -> Survey:
    """Citizens with two drivers; their answers are only there to be replaced."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "country": np.repeat(["Austria", "Belgium", "Cyprus"], N // COUNTRIES),
            "age": rng.integers(18, 80, N),
            "female": rng.integers(0, 2, N),
            **{name: rng.permutation(np.arange(N) % 3) for name in ITEMS},
        }
    )
    answer = {"categories": [0, 1, 2], "takes_part_from": 2}
    return read_survey(
        frame,
        {
            "survey": {"name": "Calibration", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {name: {"form": form} | answer for name, form in ITEMS.items()},
            "drivers": {
                "age": {"kind": "numeric"},
                "female": {"kind": "binary", "yes": [1], "no": [0]},
            },
        },
    )


def replicate(model: str, number: int, ranked: int = RANKED) -> xr.Dataset:
    """One replication of a shipped model; its number is its seed."""
    return calibrate(
        model,
        make_survey(),
        n=1,
        item="a" if model == "ordinal" else None,
        ranked=ranked,
        random_seed=number,
        progressbar=False,
    )


def main() -> None:
    """Add replications to a model's file of ranks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=list(list_models()))
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    path = options.out or REFERENCE / f"calibration_{options.model}.json"
    result: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.exists()
        else {
            "command": f"python benchmarks/calibration.py {options.model}",
            "versions": {name: version(name) for name in ("bayes-coprod", "nutpie", "numpy")},
            "ranked_among": RANKED,
            "ranks": {},
        }
    )
    if result["versions"] != {name: version(name) for name in result["versions"]}:
        parser.error(f"{path.name} was made with other versions: begin anew")
    done = len(next(iter(result["ranks"].values()), []))
    for number in range(done, options.replications):
        found = replicate(options.model, number)["rank"].isel(replication=0).to_series().to_dict()
        if result["ranks"] and result["ranks"].keys() != found.keys():
            parser.error(f"{path.name} ranks other quantities: begin anew, or give --out")
        for name, rank in found.items():
            result["ranks"].setdefault(name, []).append(rank)
        path.write_text(json.dumps(result) + "\n", encoding="utf-8")
        print(number + 1, flush=True)


if __name__ == "__main__":
    main()
