"""Ordinal and participation against bambi under the same priors; see reference/bambi_counts.py."""

import json
import runpy
from pathlib import Path

import arviz_stats as azs
import numpy as np
import pytest

from bayes_coprod.inference.sample import fit_model
from bayes_coprod.survey.read import read_survey

REFERENCE = Path(__file__).parents[1] / "reference"
BAMBI = json.loads((REFERENCE / "bambi_counts.json").read_text(encoding="utf-8"))
CASES = list(BAMBI)


@pytest.fixture(scope="module", params=CASES)
def both(request, gbhs_file):
    """A case's draws by the names that the script gave bambi's, and bambi's numbers."""
    case = request.param
    script = runpy.run_path(str(REFERENCE / "bambi_counts.py"))
    likelihood, make = script["CASES"][case]
    citizens, per_sd = make()
    assert script["digest"](citizens) == BAMBI[case]["citizens_sha256"], "bambi saw other citizens"
    drivers = [name for name in citizens.columns if name not in ("country", "y")]
    levels = sorted(int(y) for y in citizens["y"].unique())
    survey = read_survey(
        citizens,
        {
            "survey": {"name": case, "forms": ["act"]},
            "country": {"column": "country"},
            "items": {"y": {"form": "act", "categories": levels}},
            "drivers": {
                name: {"kind": "numeric"}
                if name in per_sd
                else {"kind": "binary", "yes": [1], "no": [0]}
                for name in drivers
            },
        },
    )
    only = {"item": "y", "thresholds_vary": False} if likelihood == "ordinal" else {}
    model = {"name": case, "likelihood": likelihood, "priors": BAMBI[case]["priors"]} | only
    posterior = fit_model(model, survey, draws=2500, progressbar=False).posterior.isel(form=0)
    ours = {"tau intercept": posterior["tau_intercept"]}
    for name in drivers:
        ours[f"tau {name}"] = posterior["tau"].sel(driver=name)
    for country in survey.countries:
        at = {"country": country}
        for name in drivers:
            ours[f"b {name}, {country}"] = posterior["b"].sel(at | {"coefficient": name})
        level = posterior["b_intercept"].sel(at)
        ours[f"b intercept, {country}"] = level
        for j in range(len(levels) - 1) if likelihood == "ordinal" else ():
            ours[f"threshold {j}, {country}"] = posterior["kappa"].isel(threshold=j) - level
    return ours, BAMBI[case]["posterior"]


@pytest.mark.parametrize("case", CASES)
def test_bambis_run_was_sound(case):
    assert BAMBI[case]["divergences"] <= 1
    assert max(values["rhat"] for values in BAMBI[case]["posterior"].values()) < 1.005


def test_posterior_means_and_sds_are_bambis(both):
    ours, theirs = both
    for name, frozen in theirs.items():
        draws = ours[name]
        for quantity, value in (("mean", draws.mean()), ("sd", draws.std(ddof=1))):
            mcse = float(azs.mcse(draws, method=quantity))
            error = np.hypot(frozen[f"mcse_{quantity}"], mcse)
            assert abs(float(value) - frozen[quantity]) < 4 * error, (name, quantity)
            assert error < 0.06 * frozen["sd"], (name, quantity)
