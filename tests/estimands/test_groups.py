"""Levels of groups, held to citizens counted one by one."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import country_levels
from bayes_coprod.estimands.groups import group_levels
from bayes_coprod.estimands.summarise import summarise
from bayes_coprod.survey.read import read_survey

FIXED = {"uncertainty": "fixed"}
LIKELIHOODS = [
    {"likelihood": "index"},
    {"likelihood": "index", "outcomes": ["form", "sector"]},
    {"likelihood": "participation"},
    {"likelihood": "ordinal", "item": "watch"},
]


@pytest.fixture(params=LIKELIHOODS, ids=lambda content: "-".join(map(str, content.values())))
def any_fit(request, strict, random_fit):
    fit = random_fit(strict, draws=3, **request.param)
    if "kappa" in fit.posterior:  # thresholds ascend
        fit.tree["posterior"]["kappa"][:] = np.linspace(-2, 2, fit.posterior["kappa"].shape[-1])
        fit.tree["posterior"]["threshold_shift"] *= 0.1
    return fit


def assert_adds_up(fit, found, **given):
    """Groups weighted by their sizes are the country."""
    np.testing.assert_allclose(found["share"].sum("group"), 1)
    total = (found["levels"] * found["share"]).sum("group")
    np.testing.assert_allclose(total, country_levels(fit, **given), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("by", ["female", "school", ["trust", "female"]])
def test_groups_weighted_by_their_sizes_are_the_country(any_fit, by):
    found = group_levels(any_fit, by, **FIXED)
    assert_adds_up(any_fit, found, **FIXED)
    expected = found["levels"].mean("country")
    xr.testing.assert_allclose(found["pooled_levels"], expected.rename("pooled_levels"))


@pytest.mark.parametrize("likelihood", ["index", "participation"])
def test_weights_and_frames_make_groups_as_they_make_countries(
    small_frame, small_book, random_fit, likelihood
):
    small_frame["w"] = np.random.default_rng(3).uniform(0.2, 4, len(small_frame))
    for item in small_book["items"].values():
        item["takes_part_from"] = item["categories"][-1]
    survey = read_survey(small_frame, small_book | {"weight": {"column": "w"}})
    fit = random_fit(survey, likelihood=likelihood, draws=3)
    frame = pd.DataFrame(
        [
            (c, s, 10 * i + 5)
            for c in survey.countries
            for i, s in enumerate(("low", "mid", "high"))
        ],
        columns=["country", "school", "count"],
    )
    for population in ("weighted", frame):
        given = {"population": population, **FIXED}
        assert_adds_up(fit, group_levels(fit, ["school", "female"], **given), **given)
    share = group_levels(fit, "school", population=frame, **FIXED)["share"]
    np.testing.assert_allclose(share, np.tile([5 / 45, 15 / 45, 25 / 45], (3, 1)))


def test_a_group_is_its_citizens(strict, random_fit):
    fit = random_fit(strict, likelihood="participation", draws=3)
    data = strict.data.set_index("citizen").loc[fit.design["citizen"].values]
    posterior = fit.posterior.isel(chain=1, draw=2)
    country = fit.design["country_index"].values
    eta = posterior["b_intercept"].values[country] + np.einsum(
        "ip,ifp->if", fit.design["x"].values, posterior["b"].values[country]
    )
    found = group_levels(fit, ["school", "female"], **FIXED)
    assert found["levels"].attrs["units"] == "share of citizens"
    for c, name in enumerate(fit.countries):
        for school in ("low", "mid", "high"):
            for female, word in enumerate(("no", "yes")):
                own = (data["school"] == school) & (data["female"] == female)
                rows = own.to_numpy() & (country == c)
                at = {"country": name, "group": f"{school}, {word}"}
                ours = found["levels"].sel(at).isel(chain=1, draw=2)
                np.testing.assert_allclose(ours, expit(eta[rows]).mean(axis=0), atol=2e-6)
                share = rows.sum() / (country == c).sum()
                np.testing.assert_allclose(found["share"].sel(at), share)
    assert found["school"].values.tolist() == ["low", "low", "mid", "mid", "high", "high"]


def test_two_by_two_by_hand(small_frame, small_book, random_fit):
    """Two groups in two countries whose levels can be written down."""
    small_book["drivers"] = {"female": {"kind": "binary", "yes": [1], "no": [0]}}
    frame = small_frame[small_frame["country"] != "Cyprus"]
    fit = random_fit(read_survey(frame, small_book), likelihood="index", chains=1, draws=1)
    posterior, mean = fit.tree["posterior"], float(fit.design["column_mean"][0])
    posterior["b_intercept"][:] = 0
    posterior["b"][:] = np.array([1.0, -2.0])[:, None, None]
    found = group_levels(fit, "female")["levels"][0, 0]
    for f, (centre, sd) in enumerate(
        zip(fit.design["outcome_mean"].values, fit.design["outcome_sd"].values, strict=True)
    ):
        expected = centre + sd * np.outer([1, -2], [0 - mean, 1 - mean])
        np.testing.assert_allclose(found[:, f], expected)


def test_citizens_with_deviations_of_their_own(items_fit):
    tree = items_fit.tree.copy()
    tree["posterior"] = xr.DataTree(items_fit.posterior.isel(chain=[0], draw=[0, 7]))
    fit = type(items_fit)(items_fit.spec, items_fit.codebook, items_fit.design, tree)
    for given in ({}, {"scale": "any"}):
        assert_adds_up(fit, group_levels(fit, "education", **given, **FIXED), **given, **FIXED)
    table = summarise(group_levels(fit, "female")["levels"])
    assert "p_positive" not in table


def test_a_group_that_a_country_lacks_is_unknown_there(small_frame, small_book, random_fit):
    for item in small_book["items"].values():
        item["takes_part_from"] = item["categories"][-1]
    frame = small_frame.copy()
    frame.loc[(frame["country"] == "Cyprus") & (frame["school"] == "high"), "school"] = "mid"
    survey = read_survey(frame, small_book)
    for likelihood in ("index", "participation"):
        fit = random_fit(survey, likelihood=likelihood, draws=2)
        found = group_levels(fit, "school", **FIXED)
        levels = found["levels"].sel(group="high")
        assert levels.sel(country="Cyprus").isnull().all()
        assert levels.drop_sel(country="Cyprus").notnull().all()
        others = levels.drop_sel(country="Cyprus").mean("country")
        np.testing.assert_allclose(found["pooled_levels"].sel(group="high"), others)
        assert float(found["share"].sel(country="Cyprus", group="high")) == 0


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("age", "'age' is numeric and has no levels to group by.*ordered driver"),
        ("schol", "no driver 'schol'. Did you mean 'school'"),
        (["female", "female"], "names a driver twice"),
        ([], "names no driver"),
    ],
)
def test_what_makes_no_groups_is_refused(strict, random_fit, by, said):
    with pytest.raises(SpecError, match=said):
        group_levels(random_fit(strict, draws=1), by)


@pytest.mark.parametrize("name", ["form", "group", "draw", "share", "levels"])
def test_a_driver_may_bear_a_name_of_the_results(small_frame, small_book, random_fit, name):
    own = {"kind": "binary", "yes": [1], "no": [0], "column": "female"}
    small_book["drivers"] = {name: own, "trust": small_book["drivers"]["trust"]}
    survey = read_survey(small_frame, small_book)
    found = group_levels(random_fit(survey), [name, "trust"])
    assert list(found["form"].values) == ["alone", "together"]
    assert len(set(found["group"].values)) == found.sizes["group"] == 8
    assert found["draw"].dtype.kind == "i"
    assert summarise(found["levels"]).index.is_unique
