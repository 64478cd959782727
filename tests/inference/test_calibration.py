"""Ranks of truths that were drawn from the priors; see benchmarks/calibration.py."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

REFERENCE = Path(__file__).parents[1] / "reference"
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "calibration.py"
FILES = sorted(REFERENCE.glob("calibration_*.json"))
MODELS = ("index", "items", "ordinal", "participation")


def band_is_left(ranks, among, rng):
    """p-value of Kolmogorov's simultaneous band around the uniform distribution function.

    Ranks from 0 to `among` are spread within their step, so that they are continuous.
    """
    spread = (np.array(ranks) + rng.random(len(ranks))) / (among + 1)
    return stats.kstest(spread, "uniform").pvalue


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_frozen_ranks_stay_within_simultaneous_bands(path, rng):
    found = json.loads(path.read_text(encoding="utf-8"))
    assert len(found["ranks"]) >= 12
    for name, ranks in found["ranks"].items():
        assert min(ranks) >= 0
        assert max(ranks) <= found["ranked_among"]
        # one in a hundred for all of a model's quantities together
        p = band_is_left(ranks, found["ranked_among"], rng)
        assert p > 0.01 / len(found["ranks"]), (name, p)


def test_intervals_that_are_too_narrow_leave_the_bands(rng):
    narrow = stats.norm.cdf(2 * rng.normal(size=200))
    assert band_is_left(np.floor(100 * narrow), 99, rng) < 0.001


@pytest.mark.parametrize("model", MODELS)
def test_a_replication_executes(model):
    script = runpy.run_path(str(SCRIPT))
    ranks = script["replicate"](model, 10_000, ranked=9)
    assert len(ranks) >= 12
    assert all(0 <= rank <= 9 for rank in ranks.values())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_all_replications(model, rng):
    script = runpy.run_path(str(SCRIPT))
    found = [script["replicate"](model, 20_000 + k) for k in range(200)]
    for name in found[0]:
        p = band_is_left([one[name] for one in found], 99, rng)
        assert p > 0.01 / len(found[0]), (name, p)
