"""The index model of one form against bambi under the same priors; see reference/bambi_index.py."""

import json
import runpy
from pathlib import Path

import arviz_stats as azs
import numpy as np
import pytest

from bayes_coprod.inference.sample import fit_model
from bayes_coprod.survey.read import read_survey

REFERENCE = Path(__file__).parents[1] / "reference"
BAMBI = json.loads((REFERENCE / "bambi_index.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fit():
    script = runpy.run_path(str(REFERENCE / "bambi_index.py"))
    citizens = script["make_citizens"]()
    assert script["digest"](citizens) == BAMBI["citizens_sha256"], "bambi saw other citizens"
    book = {
        "survey": {"name": "Reference", "forms": ["alone"]},
        "country": {"column": "country"},
        "items": {name: {"form": "alone", "categories": [0, 1, 2, 3]} for name in script["ITEMS"]},
        "drivers": {
            "age": {"kind": "numeric"},
            "employed": {"kind": "binary", "yes": [1], "no": [0]},
        },
    }
    model = {"name": "reference", "likelihood": "index", "priors": BAMBI["priors"]}
    return fit_model(model, read_survey(citizens, book), progressbar=False)


@pytest.fixture(scope="module")
def ours(fit):
    """Our draws by the names that the script gave bambi's."""
    posterior = fit.posterior.isel(form=0)
    found = {"residual_sd": posterior["residual_sd"], "tau intercept": posterior["tau_intercept"]}
    for country in fit.countries:
        found[f"b intercept, {country}"] = posterior["b_intercept"].sel(country=country)
        for name in ("age", "employed"):
            found[f"b {name}, {country}"] = posterior["b"].sel(country=country, coefficient=name)
            found[f"tau {name}"] = posterior["tau"].sel(driver=name)
    return found


def test_bambis_run_was_sound():
    assert BAMBI["divergences"] <= 8  # of 80,000
    assert max(values["rhat"] for values in BAMBI["posterior"].values()) < 1.001


@pytest.mark.parametrize("name", BAMBI["posterior"])
def test_posterior_means_and_sds_are_bambis(ours, name):
    theirs, draws = BAMBI["posterior"][name], ours[name]
    for quantity, value in (("mean", draws.mean()), ("sd", draws.std(ddof=1))):
        error = np.hypot(theirs[f"mcse_{quantity}"], float(azs.mcse(draws, method=quantity)))
        assert abs(float(value) - theirs[quantity]) < 4 * error
        assert error < 0.05 * theirs["sd"]


def test_nothing_is_left_uncompared(ours):
    assert set(ours) == set(BAMBI["posterior"])
