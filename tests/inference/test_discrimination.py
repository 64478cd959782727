"""Items that go with the propensity more or less closely: recovered, checked and reported."""

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.estimands.countries import country_levels
from bayes_coprod.inference.sample import fit_model
from bayes_coprod.report.write import write_report
from bayes_coprod.survey.read import read_survey

STEEP = np.array([0.5, 0.8, 1.0, 1.4, 1.8])
STEEP /= np.exp(np.log(STEEP).mean())
ITEMS = [f"item {k}" for k in range(len(STEEP))]


@pytest.fixture(scope="module")
def survey():
    """Two countries, no drivers; a form of five items and one of two."""
    rng = np.random.default_rng(5)
    n = 600
    theta = rng.normal(0, 1.2, n)
    frame = pd.DataFrame({"country": np.repeat(["Austria", "Belgium"], n // 2)})
    for name, steep in zip(ITEMS, STEEP, strict=True):
        latent = steep * theta + rng.logistic(size=n)
        frame[name] = np.digitize(latent, [-1.0, 0.8])
    other = 0.4 * theta + rng.normal(0, 1, n)
    for name in ("meet", "vote"):
        frame[name] = np.digitize(other + rng.logistic(size=n), [0.0, 1.5])
    form = dict.fromkeys(ITEMS, "alone") | dict.fromkeys(("meet", "vote"), "together")
    return read_survey(
        frame,
        {
            "survey": {"name": "Steep", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {n: {"form": f, "categories": [0, 1, 2]} for n, f in form.items()},
        },
    )


@pytest.fixture(scope="module")
def fit(survey):
    model = {"name": "steep", "likelihood": "items", "discrimination": True}
    return fit_model(model, survey, draws=200, tune=80, progressbar=False)


def test_discriminations_are_recovered(fit):
    steep = fit.posterior["lambda"].sel(item=ITEMS)
    mean, sd = steep.mean(("chain", "draw")), steep.std(("chain", "draw"))
    assert (abs(mean - STEEP) < 4 * sd).all()
    assert np.corrcoef(mean, STEEP)[0, 1] > 0.9
    np.testing.assert_allclose(np.log(steep).mean("item"), 0, atol=1e-9)
    assert (fit.posterior["lambda"].sel(item=["meet", "vote"]) == 1).all()


def test_checks_mind_the_items_whose_discrimination_is_free(fit):
    found = {finding.check: finding for finding in check_fit(fit)}
    assert found["R-hat"].status != "unknown"
    assert found["quadrature"].status == "pass"


def test_levels_stay_near_the_plain_shares(fit, survey):
    levels = country_levels(fit, scale="category").mean(("chain", "draw"))
    for item in ITEMS:
        plain = pd.crosstab(survey.data["country"], survey.data[item], normalize="index")
        ours = levels.isel(category=np.flatnonzero(levels["item"].values == item))
        np.testing.assert_allclose(ours, plain, atol=0.06)


def test_the_report_tells_them(fit, tmp_path):
    text = write_report(fit, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "How closely each item goes with the propensity" in text
    assert "1 by convention" in text
    assert "times the item’s discrimination" in text
