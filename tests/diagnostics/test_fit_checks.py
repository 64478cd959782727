"""All checks of a fit in one call."""

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.errors import SpecError
from bayes_coprod.inference.fit import Fit

PREDICTIVE = {"calibration by driver", "scores", "correlation of scores", "PIT"}
SENSITIVITY = "sensitivity to the"


@pytest.fixture(scope="module")
def found(fit):
    return {f.check: f for f in check_fit(fit, "full")}


def test_a_real_fit_is_believed(fit):
    found = check_fit(fit)
    by_check = {f.check: f for f in found}
    assert found.status in ("pass", "warn")  # some R-hat of hundreds exceeds 1.01 by chance
    assert {"prior of SDs between countries", "largest country"} < set(by_check)
    rest = {
        f.check: f.status
        for f in found
        if f.check not in ("R-hat", "prior of SDs between countries")
    }
    assert set(rest.values()) == {"pass"}, rest


def test_the_full_check_adds_prediction_influence_and_priors(found):
    assert set(found) > PREDICTIVE
    assert {"Pareto k", "p_loo"} < set(found)
    assert {name for name in found if name.startswith(SENSITIVITY)} == {
        f"{SENSITIVITY} {of}"
        for of in (
            "data",
            "prior of driver effects",
            "prior of how much countries differ",
            "prior of levels and thresholds",
            "prior of how much citizens differ",
        )
    }
    assert "one country's weight" not in found
    assert "unknown" not in {f.status for f in found.values()}


def test_each_finding_that_warns_says_what_to_do(found):
    assert all(f.remedy for f in found.values() if f.status != "pass")
    assert not any(f.remedy for f in found.values() if f.status == "pass")


def test_few_draws_are_unknown_and_never_pass(fit):
    groups = {
        name: group.to_dataset().isel(chain=[0], draw=slice(4), missing_dims="ignore")
        for name, group in fit.tree.children.items()
    }
    few = Fit(fit.spec, fit.codebook, fit.design, xr.DataTree.from_dict(groups))
    found = {f.check: f for f in check_fit(few, "full")}
    judged_by_draws = {
        name: f.status
        for name, f in found.items()
        if name not in ("divergences", "E-BFMI", "largest country", "bulk ESS", "tail ESS")
    }
    assert set(judged_by_draws.values()) == {"unknown"}, judged_by_draws


def test_draws_that_are_not_finite_are_unknown(fit):
    posterior = fit.posterior.copy(deep=True)
    posterior["tau"][0, 0] = np.nan
    posterior["b"][0, 0] = np.nan
    tree = fit.tree.copy()
    tree["posterior"] = xr.DataTree(posterior)
    found = {f.check: f for f in check_fit(Fit(fit.spec, fit.codebook, fit.design, tree), "full")}
    for name in ("R-hat", "prior of SDs between countries", "predictive", "Pareto k"):
        assert found[name].status == "unknown", name
    assert {f.status for name, f in found.items() if name.startswith(SENSITIVITY)} == {"unknown"}


def test_what_is_no_level_is_refused(fit):
    with pytest.raises(SpecError, match="unknown level 'ful'.*'full'"):
        check_fit(fit, "ful")
    with pytest.raises(SpecError, match="no refits.*full"):
        check_fit(fit, refits=True)
