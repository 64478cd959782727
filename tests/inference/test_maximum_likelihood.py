"""Slopes of ordinal against maximum likelihood, on all of a large survey."""

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.inference.sample import fit_model
from bayes_coprod.survey.read import read_survey

AGES = ["18-25", "26-40", "41-60", "61-70", "71-80", "80+"]
SCHOOLS = ["Grad school", "High school", "Primary school", "Vocation school"]
LEVELS = ["Never", "Rarely", "Occasionally", "Frequently"]

# clmm of the R package ordinal (R 4.2.2): y ~ sexm + ageg + edu + ill + (1 | country), Laplace; of
# the 14 countries with 100 citizens or more
BY_R = {
    "q05_excercise_gen": {
        "n": 26943,
        "kappa": [-4.2250, -1.7822, 0.2955],
        "country_sd": 0.5570593,
        "slopes": {
            "male": 0.0405,
            "age 26-40": -0.0579,
            "age 41-60": 0.3278,
            "age 61-70": 0.7516,
            "age 71-80": 0.7595,
            "age 80+": 0.5772,
            "High school": -0.2629,
            "Primary school": -0.5948,
            "Vocation school": -0.2735,
            "ill": -0.5405,
        },
    },
    "q05_socialise_gen": {
        "n": 26944,
        "kappa": [-6.1083, -3.2954, -0.7584],
        "country_sd": 0.684286,
        "slopes": {
            "male": -0.5647,
            "age 26-40": -0.6001,
            "age 41-60": -0.5740,
            "age 61-70": -0.1982,
            "age 71-80": 0.0996,
            "age 80+": -0.0962,
            "High school": -0.2520,
            "Primary school": -0.8182,
            "Vocation school": -0.1791,
            "ill": -0.3812,
        },
    },
}


@pytest.fixture(scope="module", params=BY_R)
def both(request, gbhs_file):
    """Our posterior of one item, and the estimates."""
    table = pd.read_csv(gbhs_file)
    frame = pd.DataFrame(
        {
            "country": table["country"],
            "y": table[request.param],
            "male": table["sex"].map({"Male": 1.0, "Female": 0.0}),
            "ill": table["q27_illness"].map({"Yes": 1.0, "No": 0.0}),
        }
    )
    for column, levels, prefix in (("age", AGES, "age "), ("education", SCHOOLS, "")):
        for level in levels[1:]:
            known = table[column].isin(levels)
            frame[prefix + level] = (table[column] == level).astype(float).where(known)
    frame = frame.dropna()
    frame = frame[frame.groupby("country")["y"].transform("size") >= 100]
    drivers = list(BY_R[request.param]["slopes"])
    survey = read_survey(
        frame,
        {
            "survey": {"name": "GBHS", "forms": ["act"]},
            "country": {"column": "country"},
            "items": {"y": {"form": "act", "categories": LEVELS}},
            "drivers": {name: {"kind": "binary", "yes": [1], "no": [0]} for name in drivers},
        },
    )
    model = {
        "name": "as in R",
        "likelihood": "ordinal",
        "item": "y",
        "thresholds_vary": False,
        "vary_by_country": "none",
        "priors": {"kappa": "normal(0, 20)", "beta": "normal(0, 5)"},
    }
    return fit_model(model, survey, progressbar=False), BY_R[request.param]


def test_the_same_citizens_are_used(both):
    fit, by_r = both
    assert fit.design.sizes["citizen"] == by_r["n"]
    assert fit.design.sizes["country"] == 14


def test_slopes_are_within_a_fifth_of_a_posterior_sd(both):
    fit, by_r = both
    draws = fit.posterior["beta"].isel(form=0)
    for name, estimate in by_r["slopes"].items():
        own = draws.sel(coefficient=name)
        assert abs(float(own.mean()) - estimate) < 0.2 * float(own.std()), name


def test_the_sd_between_countries_lies_above_its_maximum_likelihood(both):
    fit, by_r = both
    tau = fit.posterior["tau_intercept"]
    assert float(tau.mean()) > by_r["country_sd"]
    assert abs(float(tau.mean()) - by_r["country_sd"]) < 1.5 * float(tau.std())


def test_distances_between_thresholds_are_r_s(both):
    fit, by_r = both
    kappa = fit.posterior["kappa"]
    gaps = kappa.diff("threshold")
    away = (gaps.mean(("chain", "draw")) - np.diff(by_r["kappa"])) / gaps.std(("chain", "draw"))
    assert float(abs(away).max()) < 0.2
