"""Priors on the scale of the answers, and what is theirs after the data."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_coprod.diagnostics.conclusions import conclusions
from bayes_coprod.diagnostics.prior import (
    check_prior,
    check_sensitivity,
    draw_prior,
    prior_sensitivity,
)
from bayes_coprod.errors import SpecError, SurveyError
from bayes_coprod.estimands.countries import country_levels
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.pointwise import add_log_likelihood


def participation(**priors):
    return {"name": "test", "likelihood": "participation", "drivers": "none", "priors": priors}


def by_check(findings):
    return {f.check: f for f in findings}


def test_prior_levels_are_those_of_the_stated_priors(strict):
    """Without drivers or differences between countries a share is logistic(Normal(0, 3))."""
    model = participation(intercept="normal(0, 3)", tau_intercept="half_normal(0.001)")
    levels = country_levels(draw_prior(model, strict, draws=4000), uncertainty="fixed")
    logit = np.log(levels / (1 - levels)).values
    assert logit.std() == pytest.approx(3, rel=0.05)
    assert logit.mean() == pytest.approx(0, abs=0.15)


def test_shipped_priors_pass(strict):
    for model in ("index", "participation", "items"):
        assert {f.status for f in check_prior(model, strict, draws=300)} == {"pass"}


def test_a_prior_that_says_all_or_nobody_is_flagged(strict):
    found = by_check(check_prior(participation(intercept="normal(0, 30)"), strict, draws=300))
    levels = found["prior levels"]
    assert levels.status == "warn"
    assert levels.where
    assert levels.value > 0.8
    assert "Narrow the priors" in levels.remedy
    assert found["prior gap"].status == "pass"


def test_a_prior_that_rules_out_no_difference_is_flagged(strict):
    model = {"name": "test", "likelihood": "participation", "priors": {"beta": "normal(1, 0.2)"}}
    found = by_check(check_prior(model, strict, draws=300))["prior effects"]
    assert (found.status, found.limit) == ("warn", 0.025)
    assert found.value < 0.025


def test_a_few_draws_are_unknown(strict):
    assert {f.status for f in check_prior("index", strict, draws=20)} == {"unknown"}


def test_of_several_data_sets_the_least_that_the_data_say_counts(random_fit, small, monkeypatch):
    values = iter(([0.02, 0.01], [0.06, 0.03]))

    def sensitivity_of(part):
        return xr.DataArray(
            np.array([next(values)]).T,
            dims=("block", "conclusion"),
            coords={"block": ["likelihood", "beta"], "conclusion": ["mean gap"]},
        )

    fit = random_fit(small)
    monkeypatch.setattr(Fit, "parts", property(lambda fit: (fit, fit)))
    monkeypatch.setattr("bayes_coprod.diagnostics.prior._sensitivity", sensitivity_of)
    table = prior_sensitivity(fit).set_index("block")["sensitivity"]
    assert table.to_dict() == {"likelihood": 0.02, "beta": 0.03}


def test_what_is_no_survey_and_no_number_of_draws_is_refused(strict):
    with pytest.raises(SurveyError, match="takes a survey, and this is a dict"):
        check_prior("index", {})
    with pytest.raises(SpecError, match="draws is 0"):
        check_prior("index", strict, draws=0)


@pytest.fixture(scope="module")
def sensitivity(fit):
    return prior_sensitivity(fit)


def test_every_quantity_is_held_to_every_block(fit, sensitivity):
    assert list(sensitivity.columns) == ["quantity", "block", "sensitivity", "sentence"]
    assert sensitivity.attrs["limit"] == 0.05
    quantities = set(conclusions(fit, by_country=True)["conclusion"].values)
    assert set(sensitivity["quantity"]) == quantities
    assert {"mean gap", "gap: Denmark", "gap against the mean: Denmark"} < quantities
    assert set(sensitivity["block"]) == {"beta", "tau", "thresholds", "sigma", "likelihood"}
    assert len(sensitivity) == 5 * len(quantities)


def test_the_likelihood_moves_what_is_quoted_and_weak_priors_do_not(sensitivity):
    of = sensitivity.set_index(["quantity", "block"])["sensitivity"]
    assert of["mean gap", "likelihood"] > 0.05
    assert of["mean gap", "beta"] < 0.02


def with_posterior(fit, **changed):
    tree = fit.tree.copy()
    tree["posterior"] = xr.DataTree(fit.posterior.assign(changed))
    return Fit(fit.spec, fit.codebook, fit.design, tree)


def test_a_prior_that_shapes_an_effect_is_found_in_its_own_block(flat_survey):
    """The prior of the slopes is ten of its SDs from what the data say."""
    from bayes_coprod.inference.sample import fit_model

    model = {
        "name": "test",
        "likelihood": "index",
        "vary_by_country": "none",
        "priors": {"beta": "normal(3, 0.2)"},
    }
    fit = fit_model(model, flat_survey, draws=400, tune=200, progressbar=False)
    table = prior_sensitivity(fit)
    effects = table[table["quantity"].str.startswith("effect")]
    assert effects[effects["block"] == "beta"]["sensitivity"].min() > 0.05
    assert effects[effects["block"] == "tau"]["sensitivity"].max() < 0.05
    found = by_check(check_sensitivity(table))["sensitivity to the prior of driver effects"]
    assert (found.status, found.where[:6]) == ("warn", "effect")
    assert "pull apart" in found.message
    assert "(beta)" in found.remedy


def test_sensitivity_is_the_derivative_of_what_a_power_does(fit):
    """Of a normal posterior and density, scaling is known: here by ArviZ on the total alone."""
    import arviz_stats as azs

    seen = add_log_likelihood(fit)
    total = seen.tree["log_likelihood"].to_dataset()["answers"].sum("citizen")
    quantities = conclusions(fit, by_country=True).drop_vars("units")
    tree = xr.DataTree.from_dict(
        {
            "posterior": quantities.to_dataset(),
            "log_likelihood": total.expand_dims(citizen=[0], axis=-1).to_dataset(name="answers"),
        }
    )
    expected = azs.psense(tree, group="likelihood")["conclusions"]
    table = prior_sensitivity(fit)
    own = table[table["block"] == "likelihood"].set_index("quantity")["sensitivity"]
    np.testing.assert_allclose(own[expected["conclusion"].values], expected.values)


def test_draws_that_cannot_tell_are_nan_with_a_sentence(fit):
    posterior = fit.posterior.isel(draw=slice(20))
    few = Fit(fit.spec, fit.codebook, fit.design, xr.DataTree.from_dict({"posterior": posterior}))
    table = prior_sensitivity(few)
    assert table["sensitivity"].isna().all()
    assert table["sentence"].str.contains("could not be measured").all()
    assert {f.status for f in check_sensitivity(table)} == {"unknown"}


def test_what_is_no_fit_is_refused():
    with pytest.raises(SpecError, match="takes a fit"):
        prior_sensitivity("fit.nc")
    with pytest.raises(SpecError, match="check_sensitivity: takes what prior_sensitivity returned"):
        check_sensitivity(pd.DataFrame({"quantity": []}))
