"""Effects on taking part against bambi's comparisons; see reference/bambi_comparisons.py."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from bayes_coprod.estimands.changes import to
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.estimands.scenarios import scenario
from bayes_coprod.inference.sample import fit_model
from bayes_coprod.survey.read import read_survey

REFERENCE = Path(__file__).parents[1] / "reference"
BAMBI = json.loads((REFERENCE / "bambi_comparisons.json").read_text(encoding="utf-8"))
SAMPLE = ("chain", "draw")
FIXED = {"uncertainty": "fixed"}


@pytest.fixture(scope="module")
def taking_part():
    """Our fit of bambi's citizens under the same priors; drivers may be changed."""
    script = runpy.run_path(str(REFERENCE / "bambi_counts.py"))
    citizens, per_sd = script["CASES"]["five nations"][1]()
    assert script["digest"](citizens) == BAMBI["citizens_sha256"], "bambi saw other citizens"
    kinds = {
        name: {"kind": "numeric"} if name in per_sd else {"kind": "binary", "yes": [1], "no": [0]}
        for name in BAMBI["changes"]
    }
    survey = read_survey(
        citizens,
        {
            "survey": {"name": "five", "forms": ["act"]},
            "country": {"column": "country"},
            "items": {"y": {"form": "act", "categories": [0, 1]}},
            "drivers": {name: kind | {"changeable": True} for name, kind in kinds.items()},
        },
    )
    model = {"name": "five", "likelihood": "participation", "priors": BAMBI["priors"]}
    return fit_model(model, survey, draws=1000, progressbar=False)


def test_bambis_run_was_sound():
    assert BAMBI["divergences"] <= 1
    assert BAMBI["largest_rhat"] < 1.01


@pytest.mark.parametrize("driver", BAMBI["changes"])
def test_average_comparisons_are_bambis(taking_part, driver):
    """Everybody at one value against everybody at the other, by country."""
    low, high = BAMBI["changes"][driver]
    ends = [scenario(taking_part, {driver: to(end)}, **FIXED)["then"] for end in (low, high)]
    effect = (ends[1] - ends[0]).isel(form=0)
    if driver == "female":
        ours = driver_effects(taking_part, **FIXED)["by_country"].isel(form=0)
        np.testing.assert_allclose(effect, ours.sel(driver=driver), atol=5e-6)
    for country, frozen in BAMBI["estimates"][driver].items():
        draws = effect.sel(country=country)
        sd = float(draws.std())
        # bambi's mean is of 800 draws: four standard errors
        assert abs(float(draws.mean(SAMPLE)) - frozen) < 0.15 * sd, (country, driver)
        assert sd < 0.05
