"""Ranks of truths that were drawn from the priors; see tests/reference/calibration.py."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics.ranks import check_calibration

REFERENCE = Path(__file__).parents[1] / "reference"
SCRIPT = REFERENCE / "calibration.py"
MODELS = ("index", "items", "ordinal", "participation")


@pytest.mark.parametrize("model", MODELS)
def test_frozen_ranks_stay_within_simultaneous_bands(model):
    path = REFERENCE / f"calibration_{model}.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    ranks = np.array(list(found["ranks"].values()))  # (quantity, replication)
    assert ranks.shape[0] >= 12
    assert ranks.shape[1] >= 200
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
    ranks = script["replicate"](model, 10_000, ranked=9)
    assert len(ranks) >= 12
    assert set(ranks.values()) <= set(range(10))
