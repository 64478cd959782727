"""Ranks of truths that were drawn from the priors; see benchmarks/calibration.py."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics.calibration import calibrate
from bayes_coprod.diagnostics.ranks import check_calibration

REFERENCE = Path(__file__).parents[1] / "reference"
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "calibration.py"
FILES = sorted(REFERENCE.glob("calibration_*.json"))
MODELS = ("index", "items", "ordinal", "participation")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_frozen_ranks_stay_within_simultaneous_bands(path):
    found = json.loads(path.read_text(encoding="utf-8"))
    assert len(found["ranks"]) >= 12
    ranks = np.array(list(found["ranks"].values()))
    assert ranks.min() >= 0
    assert ranks.max() <= found["ranked_among"]
    result = xr.Dataset(
        {"rank": (("quantity", "replication"), ranks)},
        coords={"quantity": list(found["ranks"])},
        attrs={"ranked": found["ranked_among"]},
    )
    findings = check_calibration(result)
    assert findings.status == "pass", findings


@pytest.mark.parametrize("model", MODELS)
def test_a_replication_executes(model):
    script = runpy.run_path(str(SCRIPT))
    found = script["replicate"](model, 10_000, ranked=9)
    assert found.sizes["quantity"] >= 12
    assert found["rank"].isin(range(10)).all()


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_all_replications(model):
    script = runpy.run_path(str(SCRIPT))
    item = "a" if model == "ordinal" else None
    findings = check_calibration(calibrate(model, script["make_survey"](), n=200, item=item))
    assert findings.status == "pass", findings
