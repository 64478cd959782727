"""The items model where it is a Rasch model, against bambi; see reference/bambi_rasch.py."""

import json
import runpy
from pathlib import Path

import arviz_stats as azs
import numpy as np
import pytest

from bayes_coprod.inference.sample import fit_model
from bayes_coprod.survey.read import read_survey

REFERENCE = Path(__file__).parents[1] / "reference"
BAMBI = json.loads((REFERENCE / "bambi_rasch.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fit():
    script = runpy.run_path(str(REFERENCE / "bambi_rasch.py"))
    citizens = script["make_citizens"]()
    assert script["digest"](citizens) == BAMBI["citizens_sha256"], "bambi saw other citizens"
    book = {
        "survey": {"name": "Reference", "forms": ["alone"]},
        "country": {"column": "country"},
        "items": {name: {"form": "alone", "categories": [0, 1]} for name in script["ITEMS"]},
    }
    model = {
        "name": "rasch",
        "likelihood": "items",
        "drivers": "none",
        "pooling": "complete",
        "priors": BAMBI["priors"],
        "sampler": {"draws": 2000},
    }
    return fit_model(model, read_survey(citizens, book), progressbar=False)


@pytest.fixture(scope="module")
def ours(fit):
    """Our draws by the names that the script gave bambi's."""
    kappa = fit.posterior["kappa"]
    items = fit.design["item"].values
    found = {f"kappa {name}": kappa.isel(threshold=k) for k, name in enumerate(items)}
    return {**found, "sigma": fit.posterior["sigma"].isel(form=0)}


def test_bambis_run_was_sound():
    assert BAMBI["divergences"] == 0
    assert max(values["rhat"] for values in BAMBI["posterior"].values()) < 1.002


@pytest.mark.parametrize("name", BAMBI["posterior"])
def test_posterior_means_and_sds_are_bambis(ours, name):
    theirs, draws = BAMBI["posterior"][name], ours[name]
    error = np.hypot(theirs["mcse_mean"], float(azs.mcse(draws, method="mean")))
    assert abs(float(draws.mean()) - theirs["mean"]) < 4 * error
    assert error < 0.05 * theirs["sd"]
    assert float(draws.std(ddof=1)) == pytest.approx(theirs["sd"], rel=0.1)


def test_nothing_is_left_uncompared(ours):
    assert set(ours) == set(BAMBI["posterior"])
