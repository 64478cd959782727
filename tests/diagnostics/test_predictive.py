"""Predictive checks: a right model is left alone, planted faults are found and named."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit
from scipy.stats import norm

from bayes_coprod.diagnostics.compare import Comparison, compare, judge
from bayes_coprod.diagnostics.discrepancies import (
    category_shares,
    interactions,
    score_shapes,
)
from bayes_coprod.diagnostics.driver_groups import driver_groups
from bayes_coprod.diagnostics.pit import check_pit, pit_curves
from bayes_coprod.diagnostics.predictive import check_predictive
from bayes_coprod.diagnostics.reliability import reliability
from bayes_coprod.diagnostics.replicate import (
    mean_probabilities,
    observed_responses,
    probability_below,
    replicates,
    thinned,
)
from bayes_coprod.diagnostics.shares import calibration_table
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.expected import expected_responses
from bayes_coprod.inference.pointwise import add_log_likelihood
from bayes_coprod.inference.sample import fit_design, fit_model
from bayes_coprod.model.design import make_design
from bayes_coprod.streams import random_stream
from bayes_coprod.survey.impute import impute
from bayes_coprod.survey.read import read_survey

MODELS = {
    "index": {"likelihood": "index"},
    "participation": {"likelihood": "participation"},
    "ordinal": {"likelihood": "ordinal", "item": "watch"},
}
FIXED = {"population": "sample", "uncertainty": "fixed"}


def known(fit, draws=200):
    """The same fit as if its first draw were the truth and known."""
    first = fit.posterior.isel(chain=[0], draw=[0] * draws)
    tree = fit.tree.copy()
    tree["posterior"] = xr.DataTree(first.assign_coords(draw=np.arange(draws)))
    return replace(fit, tree=tree)


def answering(fit, y):
    """The same fit with other answers: what :func:`observed_responses` gives."""
    design = fit.design
    if "answer" in design:
        answer = np.where(np.isnan(y), -1, y).astype(np.int64)
        return replace(fit, design=design.assign(answer=(design["answer"].dims, answer)))
    if fit.spec.likelihood == "index":
        y = (y - design["outcome_mean"].values) / design["outcome_sd"].values
    return replace(fit, design=design.assign(y=(design["y"].dims, y)))


def found(fit, check, **given):
    (finding,) = [f for f in check_predictive(fit, **given) if f.check == check]
    return finding


@pytest.fixture
def wide(small_frame, small_book):
    """Two hundred citizens in each of three countries, where not everybody takes part."""
    for item in small_book["items"].values():
        item["takes_part_from"] = item["categories"][-1]
    copies = [small_frame.assign(id=small_frame["id"] + f"-{k}") for k in range(4)]
    return read_survey(pd.concat(copies, ignore_index=True), small_book)


@pytest.fixture
def truth(wide, random_fit):
    """A model of each likelihood with known parameters, whose answers come from itself."""

    def make(model, seed=1, **content):
        fit = random_fit(wide, **MODELS[model], **content)
        posterior = fit.tree["posterior"]
        if "b" in posterior:
            posterior["b"] *= 0.3
        if model == "ordinal":
            posterior["kappa"][:] = [-1.0, 0.5, 2.0]
            posterior["threshold_shift"] *= 0.1
        fit = known(fit)
        (y,) = replicates(fit, np.arange(1), np.random.default_rng(seed))
        return answering(fit, y)

    return make


@pytest.fixture(scope="module")
def items_fit(flat_survey):
    spec = {"name": "test", "likelihood": "items", "thresholds_vary": False}
    return fit_model(spec, flat_survey, draws=100, tune=100, chains=2, progressbar=False)


@pytest.mark.parametrize("model", MODELS)
def test_replicates_are_missing_where_answers_are(truth, model):
    fit = truth(model)
    observed = observed_responses(fit)
    for y in replicates(fit, thinned(fit, 3), np.random.default_rng(0)):
        np.testing.assert_array_equal(np.isnan(y), np.isnan(observed))
    if model != "ordinal":
        assert np.isnan(observed).any()


@pytest.mark.parametrize("model", MODELS)
def test_the_stream_keeps_what_a_loop_over_all_replicates_measures(truth, model):
    fit = truth(model)
    make = score_shapes if model == "index" else category_shares
    (streamed,) = compare(fit, lambda part, kept: [make(part)], 7, 11)
    rng = random_stream(11, "replicates", 0)
    all_at_once = list(replicates(fit, thinned(fit, 7), rng))
    expected = np.stack([make(fit).measure(y) for y in all_at_once])
    np.testing.assert_array_equal(streamed.replicated[0], expected)
    np.testing.assert_array_equal(streamed.observed[0], make(fit).measure(observed_responses(fit)))


def test_replicated_shares_are_the_expected_ones(items_fit):
    table = calibration_table(items_fit)
    item = table["item"].values
    position = np.concatenate([np.arange(n) for n in items_fit.design["n_categories"].values])
    points = np.array(
        [100 * p / position[item == k].max() for p, k in zip(position, item, strict=True)]
    )
    points = xr.DataArray(points, dims="category") / np.array(
        [len(set(item[table["form"].values == form])) for form in table["form"].values]
    )
    index = (table["predicted"] * points).groupby("form").sum()
    expected = expected_responses(items_fit, **FIXED).mean(("chain", "draw"))
    # SD of a mean of 200 scores of 100 citizens: 0.25 points or less
    np.testing.assert_allclose(index.sel(form=expected["form"]), expected, atol=1.0)
    assert table["observed"].dims == ("country", "category")
    assert (table["lower"] <= table["predicted"]).all()
    assert (table.attrs["interval_kind"], table.attrs["interval_prob"]) == ("eti", 0.89)
    answer = items_fit.design["answer"].values[items_fit.design["country_index"].values == 1, 0]
    assert float(table["observed"].sel(category="lock: 1")[1]) == pytest.approx(
        (answer == 1).mean()
    )


def test_replicated_items_go_together_as_the_draws_say(items_fit):
    fit = known(items_fit)
    rng = np.random.default_rng(4)
    many = np.concatenate(list(replicates(fit, np.arange(200), rng)))
    draw = fit.posterior.isel(chain=0, draw=0)
    x, country = fit.design["x"].values, fit.design["country_index"].values
    mu = draw["b_intercept"].values[country]
    mu = mu + np.einsum("ip,ifp->if", x, draw["b"].values[country])
    n = 400_000
    # both of an item of each form at their third category, by brute force
    sigma, rho = draw["sigma"].values, float(draw["rho"].squeeze())
    who = rng.integers(len(mu), size=n)
    eps = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], n) * sigma
    kappa = draw["kappa"].sel(threshold=["lock: 1|2", "meet: 1|2"]).values
    both = expit(mu[who] + eps - kappa).prod(axis=1).mean()
    items = list(fit.design["item"].values)
    ours = ((many[:, items.index("lock")] > 1) & (many[:, items.index("meet")] > 1)).mean()
    assert ours == pytest.approx(both, abs=0.008)


@pytest.mark.parametrize("model", ["participation", "ordinal"])
def test_mean_probabilities_are_the_expected_shares(truth, model):
    fit = truth(model)
    ours = mean_probabilities(fit, thinned(fit, 2))
    country = fit.design["country_index"].values
    by_country = np.stack([ours[country == c].mean(axis=0) for c in range(3)])
    if model == "participation":
        expected = expected_responses(fit, **FIXED)[0, 0]
    else:
        shares = expected_responses(fit, scale="category", by="item", **FIXED)[0, 0]
        expected = 1 - shares.values.cumsum(axis=1)[:, :-1]
    np.testing.assert_allclose(by_country, expected, atol=4e-6)


def test_probabilities_below_an_index_leave_the_citizen_out(truth, random_fit, strict):
    fit = truth("index")
    draw, design = fit.posterior.isel(chain=0, draw=0), fit.design
    country = design["country_index"].values
    mu = draw["b_intercept"].values[country]
    mu = mu + np.einsum("ip,ifp->if", design["x"].values, draw["b"].values[country])
    expected = norm.cdf((design["y"].values - mu) / draw["residual_sd"].values)
    np.testing.assert_allclose(probability_below(fit, thinned(fit, 3)), expected)
    # of two draws each counts by the inverse of the citizen's density there
    two = random_fit(strict, chains=1, draws=2, likelihood="index")
    weight = np.exp(-add_log_likelihood(two).tree["log_likelihood"]["answers"].values[0])
    single = np.stack([probability_below(two, np.array([s])) for s in (0, 1)])
    expected = (weight[:, :, None] * single).sum(axis=0) / weight.sum(axis=0)[:, None]
    np.testing.assert_allclose(probability_below(two, np.arange(2)), expected)


@pytest.mark.parametrize(
    "content",
    [{"sigma_varies": True}, {"drivers": []}, {"forms": ["alone"], "outcomes": ["form", "sector"]}],
)
def test_a_right_index_is_not_accused(truth, content):
    statuses = [check_predictive(truth("index", seed, **content)).status for seed in (1, 2)]
    assert set(statuses) <= {"pass", "warn"}
    assert "pass" in statuses


@pytest.mark.parametrize("model", ["participation", "ordinal"])
def test_a_right_count_model_is_not_accused(truth, model):
    findings = check_predictive(truth(model))
    assert findings.status == "pass"
    assert {f.check for f in findings} == {
        "calibration",
        "calibration by driver",
        "driver interactions",
        "reliability",
    }


def test_p_is_uniform_if_parameters_are_known(truth):
    fit = truth("ordinal")
    family, rng = category_shares(fit), np.random.default_rng(8)
    shares = np.stack([family.measure(y) for y in replicates(fit, np.arange(200), rng)])
    p = [
        judge(
            Comparison("x", family.cells, one[None], (shares[100:],), family.least_sd, True), 0.01
        ).p
        for one in shares[:100]
    ]
    assert np.mean(p) == pytest.approx(0.5, abs=0.12)
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.12)


def test_heavy_tails_are_found(truth):
    fit = truth("index")
    rng = np.random.default_rng(5)
    draw = fit.posterior.isel(chain=0, draw=0)
    y = fit.design["y"].values
    heavy = np.where(np.isnan(y), np.nan, draw["residual_sd"].values * rng.standard_t(2, y.shape))
    country = fit.design["country_index"].values
    mu = draw["b_intercept"].values[country]
    mu = mu + np.einsum("ip,ifp->if", fit.design["x"].values, draw["b"].values[country])
    scale, centre = fit.design["outcome_sd"].values, fit.design["outcome_mean"].values
    bad = answering(fit, centre + scale * (mu + heavy))
    finding = found(bad, "scores")
    assert finding.status == "warn"
    assert "tails" in finding.where or "SD" in finding.where
    assert found(bad, "PIT").status == "warn"


@pytest.mark.parametrize(("model", "size"), [("index", 30.0), ("participation", 0.45)])
def test_a_missing_interaction_is_found(truth, model, size):
    fit = truth(model)
    assert found(fit, "driver interactions").status == "pass"
    x, y = fit.design["x"], observed_responses(fit)
    product = x.sel(coefficient="age").values * x.sel(coefficient="trust").values
    if model == "index":
        y = y + size * product[:, None]
    else:
        y = np.where(
            np.isnan(y), np.nan, np.where(abs(product[:, None]) > size, product[:, None] > 0, y)
        )
    finding = found(answering(fit, y), "driver interactions")
    assert finding.status == "warn"
    assert "age x trust" in finding.where
    assert "split the survey" in finding.remedy


def test_an_interaction_is_what_least_squares_gives(truth):
    fit = truth("index")
    family = interactions(fit)
    x = fit.design["x"].sel(coefficient=["age", "trust"]).values
    product = x.prod(axis=1)
    y = observed_responses(fit)
    y = np.where(np.isnan(y), np.nan, 3 * product[:, None] + fit.design["x"].values[:, [1]])
    at = family.cells.index("alone: age x trust")
    assert family.measure(y)[at] == pytest.approx(3)


def test_other_thresholds_in_one_country_are_named(items_fit):
    assert found(items_fit, "calibration").status == "pass"
    y = observed_responses(items_fit)
    there = items_fit.design["country_index"].values == 1
    item = list(items_fit.design["item"].values).index("watch")
    y[there, item] = np.minimum(y[there, item] + 1, 3)
    finding = found(answering(items_fit, y), "calibration")
    assert finding.status == "warn"
    assert "watch: " in finding.where
    assert all(place.endswith("Belgium") for place in finding.where.split(" and ")[0].split("; "))
    assert "thresholds_vary = true" in finding.remedy


def test_a_fit_that_saw_other_thresholds_does_not_hide_them(flat_survey, index_spec):
    spec = index_spec(likelihood="ordinal", item="lock", thresholds_vary=False)
    spec = replace(spec, sampler=replace(spec.sampler, chains=2, draws=100, tune=150, cores=1))
    design = make_design(flat_survey, spec)
    rng = np.random.default_rng(6)
    upper = np.where(design["country_index"].values == 2, 3.0, 0.3)
    latent = rng.logistic(size=len(upper))
    answer = (latent > -0.3).astype(np.int64) + (latent > upper)
    fit = fit_design(
        spec, flat_survey.codebook, design.assign(answer=(design["answer"].dims, answer[:, None]))
    )
    finding = found(fit, "calibration")
    assert (finding.status, "Cyprus" in finding.where) == ("warn", True)


def test_correlation_and_spread_that_differ_are_found(truth):
    fit = truth("index")
    y = observed_responses(fit)
    there = fit.design["country_index"].values == 0
    both = there & ~np.isnan(y).any(axis=1)
    y[both, 1] = -y[both, 0] + np.random.default_rng(2).normal(0, 1, both.sum())
    finding = found(answering(fit, y), "correlation of scores")
    assert (finding.status, finding.where) == ("warn", "alone ~ together, Austria")
    assert finding.remedy == "Fit with sigma_varies = true."


def test_unreliable_probabilities_are_found(truth):
    fit = truth("participation")
    p = mean_probabilities(fit, np.arange(1))
    y = observed_responses(fit)
    turned = np.random.default_rng(1).random(p.shape) < 1 - p
    finding = found(answering(fit, np.where(np.isnan(y), np.nan, turned)), "reliability")
    assert finding.status == "warn"
    family = reliability(fit, np.arange(1))
    perfect = np.where(np.isnan(y), np.nan, p)
    # answers sure to follow the probabilities: the regression steps once, where they do
    step = np.where(np.isnan(y), np.nan, p > 0.5)
    has = ~np.isnan(y[:, 0])
    expected = ((step[has, 0] - p[has, 0]) ** 2).mean()
    assert family.measure(step)[0] == pytest.approx(expected)
    assert np.isfinite(family.measure(perfect)).all()


def test_p_counts_the_replicates_that_are_farther():
    replicated = np.array([[-3.0], [1.0], [-1.0], [0.5]])
    comparison = Comparison(
        "x", ("a",), np.array([[2.0]]), (replicated,), np.zeros(1), two_sided=True
    )
    # around the mean of all five, -0.1: distances 2.1 (observed), 2.9, 1.1, 0.9, 0.6
    assert judge(comparison, 0.01).p == pytest.approx((1 + 1) / 5)
    one_sided = replace(comparison, two_sided=False)
    assert judge(one_sided, 0.01).p == pytest.approx(1 / 5)
    pooled = replace(
        comparison, observed=np.array([[2.0], [9.0]]), replicated=(replicated, replicated)
    )
    assert judge(pooled, 0.01).p == pytest.approx((2 / 5 + 1 / 5) / 2)


def test_groups_of_drivers_are_said_in_the_surveys_words(truth, wide):
    fit = truth("index")
    age, female, school, trust = driver_groups(fit, fit)
    rows = wide.data.set_index("citizen").loc[fit.design["citizen"].values]
    assert female.labels == ("female no", "female yes")
    np.testing.assert_array_equal(female.of, rows["female"])
    assert school.labels == ("school: low", "school: mid", "school: high")
    np.testing.assert_array_equal(school.of, rows["school"].cat.codes)
    assert len(age.labels) == 3
    assert age.labels[0].startswith(f"age {rows['age'].min():g} to ")
    assert np.bincount(age.of).min() > 0.25 * len(rows)
    assert trust.labels[0].startswith("trust 0")


def test_too_few_draws_or_citizens_are_unknown(truth):
    fit = truth("participation")
    findings = check_predictive(fit, draws=50)
    assert {f.status for f in findings} == {"unknown"}
    assert "takes 100 draws" in findings[0].message
    assert {f.status for f in check_predictive(truth("index"), draws=50)} == {"unknown"}
    country = fit.design["country_index"].values
    few = np.concatenate([np.flatnonzero(country == c)[:20] for c in range(3)])
    small = replace(fit, design=fit.design.isel(citizen=few))
    assert found(small, "calibration").status == "unknown"
    assert found(small, "calibration by driver").status == "unknown"
    assert np.isnan(calibration_table(small)["observed"]).all()


def test_draws_that_are_not_finite_are_unknown(truth):
    fit = truth("index")
    tree = fit.tree.copy()
    posterior = fit.posterior.copy(deep=True)
    posterior["residual_sd"][0, 3] = np.nan
    tree["posterior"] = xr.DataTree(posterior)
    (finding,) = check_predictive(replace(fit, tree=tree))
    assert finding.status == "unknown"


def test_a_place_in_a_prediction_that_is_lost_is_named(truth):
    fit = truth("index")
    tree = fit.tree.copy()
    posterior = fit.posterior.copy(deep=True)
    posterior["b_intercept"][0, 3, 1] = 1e200
    tree["posterior"] = xr.DataTree(posterior)
    far = replace(fit, tree=tree)
    finding = check_pit(far, 400, 1)
    first = fit.design["citizen"].values[fit.design["country_index"].values == 1][0]
    assert (finding.status, finding.where) == ("unknown", f"citizen {first}")
    with pytest.raises(SpecError, match=f"citizen {first}: The density of .* not finite"):
        pit_curves(far, 400, 1)


def test_the_same_seed_gives_the_same(truth):
    fit = truth("ordinal")
    assert check_predictive(fit, random_seed=3) == check_predictive(fit, random_seed=3)
    assert check_predictive(fit, random_seed=3) != check_predictive(fit, random_seed=4)


def test_completed_data_sets_are_judged_together(flat_survey):
    data = flat_survey.data.iloc[::2].reset_index(drop=True)
    age = data["age"].mask(np.random.default_rng(2).random(len(data)) < 0.3)
    gappy = replace(flat_survey, data=data.assign(age=age), origin="read_survey('s.csv')")
    spec = {"name": "p", "likelihood": "participation", "pooling": "complete"}
    settings = {"draws": 60, "tune": 60, "chains": 2, "progressbar": False}
    fit = fit_model(spec, list(impute(gappy, m=2, iterations=1)), **settings)
    comparisons = compare(fit, lambda part, kept: [category_shares(part)], 200, 1)
    assert [len(values) for values in comparisons[0].replicated] == [100, 100]
    assert comparisons[0].observed.shape[0] == 2
    findings = check_predictive(fit)
    # 50 citizens a country in three groups are too few
    assert [f.check for f in findings.only("unknown")] == ["calibration by driver"]
    table = calibration_table(fit)
    assert table["observed"].dims == ("country", "form")


def test_what_cannot_be_asked_is_refused(truth):
    fit = truth("index")
    with pytest.raises(SpecError, match="takes a fit"):
        check_predictive("fit.nc")
    with pytest.raises(SpecError, match="draws = 0"):
        check_predictive(fit, draws=0)
    with pytest.raises(SpecError, match="'index' has no categories"):
        calibration_table(fit)
