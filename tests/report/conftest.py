"""Fits to tell of without sampling: random draws, or levels put there by hand."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.report.collect import collect_report
from bayes_coprod.survey.read import read_survey

_CHAINS, _DRAWS = 4, 50
_SAID_BY_SAMPLING = {
    "inference_library_version": "0.16",
    "pymc_version": "6.4",
    "arviz_stats_version": "1.3",
    "bayes_coprod_version": "0.1",
    "sampling_time": 17.4,
    "target_accept": 0.65,
    "discarded_runs": 0,
}


@pytest.fixture(scope="session")
def five_report(fit):
    return collect_report(fit)


@pytest.fixture
def told(random_fit):
    """Fits of random draws that also say what sampling says of itself: reports quote it."""

    def make(survey, **content):
        fit = random_fit(survey, chains=_CHAINS, draws=_DRAWS, **content)
        fit.tree["posterior"].attrs.update(_SAID_BY_SAMPLING)
        return fit

    return make


@pytest.fixture
def with_draws():
    """The same fit, with other draws of some quantities."""

    def make(fit, **variables):
        tree = fit.tree.copy()
        tree["posterior"] = xr.DataTree(fit.posterior.assign(variables))
        return replace(fit, tree=tree)

    return make


@pytest.fixture
def hand_made(told, with_draws, small):
    """Fits without drivers whose levels are given: points by country, one for each outcome.

    Draws of every gap between the forms are spread evenly, 4 points to either side of what is
    given: the 89 % interval reaches 3.56 points to either side.
    """

    def make(levels, survey=None, **content):
        survey = survey or small
        fit = told(survey, drivers="none", **content)
        b = fit.posterior["b_intercept"]
        spread = np.random.default_rng(8).permutation(np.linspace(-4, 4, _CHAINS * _DRAWS))
        share = np.where(fit.design["form"].values == survey.codebook.forms[0], 0.5, -0.5)
        points = np.array([levels[country] for country in fit.countries]) + (
            spread.reshape(_CHAINS, _DRAWS, 1, 1) * share
        )
        unit, mean = fit.design["outcome_sd"].values, fit.design["outcome_mean"].values
        return with_draws(fit, b_intercept=b.copy(data=(points - mean) / unit))

    return make


@pytest.fixture
def changeable(small_frame, small_book):
    """The small survey, every driver changeable; only the highest answer is taking part."""
    for driver in small_book["drivers"].values():
        driver["changeable"] = True
    for item in small_book["items"].values():
        item["takes_part_from"] = item["categories"][-1]
    return read_survey(small_frame, small_book)
