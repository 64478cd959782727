"""How much the data can say."""

import numpy as np
import pytest
from scipy import stats

from bayes_coprod.diagnostics.information import (
    check_dominance,
    check_events,
    check_overlap,
    overlap,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.design import make_design


def test_a_prior_overlaps_with_itself_and_not_with_what_is_far_off():
    assert overlap((np.arange(10_000) + 0.5) / 10_000) == pytest.approx(1)
    assert overlap(np.full(1000, 0.999)) == pytest.approx(1 / 20)


def test_overlap_of_two_half_normals():
    """Half-normals with SDs 1 and 1/2 cross once; their shared mass is known."""
    prior, posterior = stats.halfnorm(scale=1), stats.halfnorm(scale=0.5)
    cross = np.sqrt(2 * np.log(2) / 3)
    shared = prior.cdf(cross) + posterior.sf(cross)
    draws = posterior.ppf((np.arange(100_000) + 0.5) / 100_000)
    assert overlap(prior.cdf(draws)) == pytest.approx(shared, abs=0.01)


def with_tau(fit, draw):
    """A fit whose SDs between countries are what `draw` says."""
    posterior = fit.posterior.copy()
    for name in ("tau", "tau_intercept"):
        posterior[name] = posterior[name].copy(data=draw(name, posterior[name].shape))
    tree = fit.tree.copy()
    tree["posterior"] = posterior
    return Fit(fit.spec, fit.codebook, fit.design, tree)


SCALE = {"tau": 0.3, "tau_intercept": 0.5}


def test_scales_that_are_the_priors_are_named(fit, rng):
    same = with_tau(fit, lambda name, shape: abs(rng.normal(0, SCALE[name], shape)))
    (found,) = check_overlap(same)
    assert (found.status, found.limit) == ("warn", 0.8)
    assert found.value > 0.9
    assert "tau_intercept[individual]" in found.where or "more" in found.where
    assert "5 countries" in found.message


def test_scales_that_were_learnt_pass(fit, rng):
    learnt = with_tau(fit, lambda name, shape: SCALE[name] * rng.normal(1, 0.1, shape))
    (found,) = check_overlap(learnt)
    assert (found.status, found.where, found.remedy) == ("pass", "", "")


def test_a_model_without_scales_between_countries_has_no_such_finding(random_fit, strict):
    assert check_overlap(random_fit(strict, pooling="complete", draws=200)) == []


def test_a_country_with_most_citizens_is_named(random_fit, small_frame, small_book):
    from bayes_coprod.survey.read import read_survey

    many = small_frame[small_frame["country"] != "Cyprus"]
    cyprus = small_frame[small_frame["country"] == "Cyprus"]
    import pandas as pd

    frame = pd.concat([many, *5 * [cyprus]], ignore_index=True)
    frame["id"] = [f"c{i}" for i in range(len(frame))]
    fit = random_fit(read_survey(frame, small_book))
    (found,) = check_dominance(fit)
    assert (found.check, found.status, found.where) == ("largest country", "warn", "Cyprus")
    counts = np.bincount(fit.design["country_index"].values)
    assert found.value == pytest.approx(counts[2] / counts.sum())


@pytest.fixture
def binary_fit(random_fit, strict):
    """A fit of participation where every other citizen takes part, but for those counted."""
    fit = random_fit(strict, likelihood="participation")

    def make(**counts):
        y, country = fit.design["y"].copy(), fit.design["country_index"].values
        for c in range(3):
            own = np.flatnonzero(country == c)
            y.values[own] = (np.arange(len(own)) % 2)[:, None]
        for outcome, (c, n) in counts.items():
            own = np.flatnonzero(country == c)
            y.loc[{y.dims[1]: outcome}][own] = (np.arange(len(own)) >= n).astype(float)
        return Fit(fit.spec, fit.codebook, fit.design.assign(y=y), fit.tree)

    return make


def test_a_country_where_nearly_all_take_part_is_named(binary_fit):
    (found,) = check_events(binary_fit(alone=(1, 9)))
    assert (found.check, found.status, found.value) == ("rare outcomes", "warn", 9)
    assert found.where == "alone, Belgium"
    assert "who do not take part are 9, in alone, Belgium; it takes 10" in found.message


def test_a_country_that_was_not_asked_has_nothing_rare(binary_fit):
    fit = binary_fit()
    (before,) = check_events(fit)
    assert before.status == "pass"
    own = fit.design["country_index"].values == 1
    fit.design["y"].loc[{"form": "alone"}][own] = np.nan
    (found,) = check_events(fit)
    assert (found.status, found.value) == ("pass", before.value)


def test_missing_answers_are_no_events(binary_fit):
    fit = binary_fit(together=(2, 10))
    (found,) = check_events(fit)
    assert (found.status, found.value, found.where) == ("pass", 10, "")
    lost = fit.design["y"].loc[{"form": "together"}].values
    own = np.flatnonzero((fit.design["country_index"].values == 2) & (lost == 0))
    lost[own[0]] = np.nan
    (found,) = check_events(fit)
    assert (found.status, found.value, found.where) == ("warn", 9, "together, Cyprus")


def test_other_models_have_no_events(random_fit, small):
    assert check_events(random_fit(small)) == []


def items_fit_of(survey, items_spec):
    spec = items_spec(drivers="none")
    return Fit(spec, survey.codebook, make_design(survey, spec), None)


def test_an_item_that_makes_up_the_scores_is_named(small_frame, small_book, items_spec):
    """Lock and report say next to nothing; watch is all the difference there is."""
    from bayes_coprod.survey.read import read_survey

    n = len(small_frame)
    small_frame["watch"] = np.arange(n) % 2 * 3
    small_frame["lock"] = np.where(np.arange(n) < 3, 1, 0)
    small_frame["report"] = np.where(np.arange(n) >= n - 3, 1, 0)
    fit = items_fit_of(read_survey(small_frame, small_book), items_spec)
    found = {f.check: f for f in check_dominance(fit)}["largest item"]
    assert (found.status, found.where) == ("warn", "watch")
    scores = small_frame[["lock", "watch", "report"]] / [2, 3, 1]
    total = scores.sum(axis=1)
    share = np.cov(scores["watch"], total, ddof=0)[0, 1] / total.var(ddof=0)
    assert found.value == pytest.approx(share)


def test_items_that_share_the_scores_pass(small, items_spec):
    found = {f.check: f for f in check_dominance(items_fit_of(small, items_spec))}
    assert found["largest item"].status == "pass"
    assert found["largest country"].status == "pass"
