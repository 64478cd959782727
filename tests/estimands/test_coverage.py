"""Intervals of the population hold it; those of the respondents alone do not."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

REFERENCE = Path(__file__).parents[1] / "reference"
QUANTITIES = ("gap", "contrast", "scenario")


def rate_and_error(found, uncertainty, quantity):
    """Share of intervals that hold the truth, and its error: a survey's countries hang together."""
    share = np.array(found["covered"][uncertainty][quantity]) / found["countries"]
    assert len(share) >= 200
    return share.mean(), share.std(ddof=1) / np.sqrt(len(share))


def read(model):
    return json.loads((REFERENCE / f"coverage_{model}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("model", ["index", "participation"])
def test_intervals_with_the_bootstrap_hold_the_population(model, quantity):
    found = read(model)
    rate, error = rate_and_error(found, "bootstrap", quantity)
    assert abs(rate - found["prob"]) < 3 * error


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_intervals_of_the_respondents_alone_are_too_narrow(quantity):
    found = read("index")
    rate, error = rate_and_error(found, "fixed", quantity)
    assert rate < found["prob"] - 3 * error


def test_a_replication_executes():
    script = runpy.run_path(str(REFERENCE / "coverage.py"))
    counts = script["replicate"]("index", 10_000, draws=60)
    assert set(counts) == {"bootstrap", "fixed"}
    for of in counts.values():
        assert tuple(of) == QUANTITIES
        assert set(of.values()) <= set(range(5))
