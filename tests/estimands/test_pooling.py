"""Fits with and without pooling, side by side."""

from functools import partial

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands import pooling
from bayes_coprod.estimands.countries import country_levels, gap
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.estimands.pooling import compare_pooling
from bayes_coprod.inference.sample import fit_model

SAMPLE = ("chain", "draw")
QUIET = {"progressbar": False}


@pytest.fixture(scope="module")
def compared(fit):
    return compare_pooling(fit, **QUIET)


def test_countries_by_themselves_lie_further_apart(fit, compared):
    effects = driver_effects(fit)["by_country"]
    xr.testing.assert_identical(
        compared["partial"].drop_attrs(), effects.rename("partial").drop_attrs()
    )
    assert compared["none"].dims == effects.dims
    assert compared.attrs == effects.attrs
    np.testing.assert_allclose(compared["mean"], effects.mean("country"))
    apart = {name: compared[name].mean(SAMPLE).std("country") for name in ("partial", "none")}
    assert (apart["partial"].mean("driver") < 0.8 * apart["none"].mean("driver")).all()
    # the countries' mean is what they share, and hardly moves
    moved = compared["none"].mean((*SAMPLE, "country")) - compared["mean"].mean(SAMPLE)
    assert (abs(moved) < 2 * compared["mean"].std(SAMPLE)).all()


def test_the_other_fit_is_the_same_but_for_pooling(random_fit, strict, monkeypatch):
    fit = random_fit(strict, likelihood="participation", draws=7, chains=3)
    asked = []

    def made(function, tasks, **_):
        asked.extend(tasks)
        return [random_fit(strict, likelihood="participation", draws=7, chains=3, pooling="none")]

    monkeypatch.setattr(pooling, "map_fits", made)
    found = compare_pooling(fit, of=country_levels, **QUIET)
    (task,) = asked
    assert task.design is fit.design
    assert (task.spec.pooling, task.spec.sampler.draws, task.spec.sampler.chains) == ("none", 7, 3)
    assert task.spec.priors == fit.spec.priors
    assert list(found) == ["partial", "none", "mean"]
    assert found["partial"].dims == country_levels(fit).dims
    gaps = compare_pooling(fit, of=partial(gap, uncertainty="fixed"), **QUIET)
    np.testing.assert_array_equal(gaps["partial"], gap(fit, uncertainty="fixed"))


def test_what_cannot_be_compared_is_refused(random_fit, small):
    with pytest.raises(SpecError, match="the fit has pooling = 'none'"):
        compare_pooling(random_fit(small, pooling="none"))
    fit = random_fit(small)
    for of in (lambda fit: fit.posterior["beta"], country_levels(fit), 3):
        with pytest.raises(SpecError, match="of is no function of a fit"):
            compare_pooling(fit, of=of)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        {"likelihood": "items"},
        {"likelihood": "participation"},
        {"likelihood": "ordinal", "item": "watch"},
    ],
    ids=lambda content: content["likelihood"],
)
def test_all_models_are_compared(strict, content):
    fit = fit_model({"name": "test", **content}, strict, draws=100, tune=100, **QUIET)
    for of in (driver_effects, country_levels):
        found = compare_pooling(fit, of=of, **QUIET)
        assert found["none"].sizes == found["partial"].sizes
        assert found.notnull().all().to_array().all()
        apart = {
            name: found[name].mean(SAMPLE).std("country").sum() for name in ("partial", "none")
        }
        assert apart["partial"] < apart["none"]
