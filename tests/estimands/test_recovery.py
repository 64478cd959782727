"""The five-nation fit against the truth its survey was drawn from.

The truth is a graded-response model of single answers, and the index model knows nothing of it:
both are asked for the same thing, the expected index of each country's citizens.
"""

import numpy as np

from bayes_coprod.estimands.countries import country_levels, gap
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.survey.simulate import true_index


def errors_in_sds(draws, truth):
    mean, sd = draws.mean(("chain", "draw")), draws.std(("chain", "draw"))
    return ((mean - truth) / sd).values


def test_levels_are_recovered(five, fit):
    truth = true_index(five)
    errors = errors_in_sds(country_levels(fit), truth)
    assert errors.shape == (5, 2)
    assert (np.abs(errors) <= 4).all()
    assert np.sqrt((errors**2).mean()) < 2


def test_the_gap_is_recovered(five, fit):
    truth = true_index(five)
    difference = truth.sel(form="individual", drop=True) - truth.sel(form="collective", drop=True)
    errors = errors_in_sds(gap(fit), difference)
    assert (np.abs(errors) <= 4).all()
    assert (gap(fit) > 30).all()  # the gulf is wide in every country and draw


def test_effects_have_the_signs_of_the_truth(five, fit):
    effects = driver_effects(fit)["pooled"]
    positive = (effects > 0).mean(("chain", "draw"))
    # true slopes of 0.2 and more on the logit scale
    for form, driver, sign in (
        ("individual", "self_efficacy", 1),
        ("individual", "female", 1),
        ("individual", "age", 1),
        ("collective", "self_efficacy", 1),
        ("collective", "urban", -1),
        ("collective", "consultation", 1),
    ):
        slope = five.truth["beta"].sel(form=form, coefficient=driver).item()
        assert np.sign(slope) == sign
        share = positive.sel(form=form, driver=driver).item()
        assert share > 0.99 if sign > 0 else share < 0.01


def test_levels_are_as_sure_as_means_over_the_countrys_citizens(fit):
    sd = country_levels(fit).std(("chain", "draw"))
    noise = fit.posterior["residual_sd"].mean(("chain", "draw")) * fit.design["outcome_sd"]
    n = np.bincount(fit.design["country_index"].values)
    ratio = sd / (noise / np.sqrt(n[:, None]).mean())
    assert ((ratio > 0.8) & (ratio < 1.3)).all()
