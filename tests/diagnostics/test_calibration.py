"""Ranks of truths among the draws, what they show, and what planned surveys would."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_coprod.diagnostics.calibration import calibrate
from bayes_coprod.diagnostics.ranks import BAND_PROB, check_calibration, rank_bands
from bayes_coprod.diagnostics.replicate import observed_responses
from bayes_coprod.diagnostics.simulated import (
    simulate_answers,
    simulate_until_usable,
    truth_as_fit,
)
from bayes_coprod.errors import SpecError, SurveyError
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.design import make_design
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.spec import load_model
from bayes_coprod.model.subset import what_is_missing

INDEX = {"name": "i", "likelihood": "index", "drivers": ["age"], "sampler": {"tune": 50}}
PARTICIPATION = INDEX | {"name": "p", "likelihood": "participation", "forms": ["together"]}


def as_result(ranks, among=99):
    """What calibrate returns, of ranks alone, by name."""
    values = np.array(list(ranks.values()))
    return xr.Dataset(
        {"rank": (("quantity", "replication"), values)},
        coords={"quantity": list(ranks)},
        attrs={"ranked": among},
    )


def ranks_of(rng, n, sd=1.0, shift=0.0):
    """Ranks of standard normal truths among 99 draws of a normal posterior without data."""
    truth, draws = rng.normal(size=n), shift + sd * rng.normal(size=(n, 99))
    return (draws < truth[:, None]).sum(axis=1)


@pytest.fixture(scope="module")
def serial(flat_survey):
    return calibrate(PARTICIPATION, flat_survey, n=2, ranked=9)


def test_participation_is_ranked_wherever_it_is_fitted(flat_survey, serial):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        there = calibrate(PARTICIPATION, flat_survey, n=2, ranked=9, executor=pool)
    xr.testing.assert_identical(there, serial)
    assert serial["rank"].shape == (9, 2)
    assert serial.attrs == {"ranked": 9, "model": "p", "survey": "Small", "random_seed": 2008}


def test_first_and_last_of_each_quantity_are_ranked(serial):
    assert list(serial["quantity"].values) == [
        "beta[together, age]",
        "tau_intercept[together]",
        "tau[together, age]",
        "b_intercept[Austria, together]",
        "b_intercept[Cyprus, together]",
        "b[Austria, together, age]",
        "b[Cyprus, together, age]",
        "intercept[together]",
        "log likelihood",
    ]
    assert serial["rank"].isin(range(10)).all()
    assert (serial["ess"] >= 9).all()
    assert np.isfinite(serial["truth"]).all()


def test_index_is_ranked(flat_survey):
    found = calibrate(INDEX | {"forms": ["alone"]}, flat_survey, n=2, ranked=9)
    assert found.sizes == {"quantity": 10, "replication": 2}
    assert "residual_sd[alone]" in found["quantity"]
    # the log likelihood, the last, is that of points of 100
    assert (found["truth"][-1] < -500).all()
    assert check_calibration(found).status == "unknown"


def test_uniform_ranks_pass_and_others_fail_by_name(rng):
    right = {f"q{i}": ranks_of(rng, 200) for i in range(12)}
    (finding,) = check_calibration(as_result(right))
    assert finding.status == "pass" and finding.value < 1
    assert "shares of ranks may be off by 0.1" in finding.message
    wrong = {
        "shifted": ranks_of(rng, 200, shift=1.0),
        "low": ranks_of(rng, 200, shift=-1.0),
        "narrow": ranks_of(rng, 200, sd=0.5),
        "wide": ranks_of(rng, 200, sd=3.0),
    }
    found = {f.where: f for f in check_calibration(as_result(right | wrong))}
    assert set(found) == set(wrong)
    assert all(f.status == "fail" and f.value > 1 for f in found.values())
    ends = ("smaller than the draws.", "larger than the draws.", "too narrow.", "too wide.")
    for name, end in zip(wrong, ends, strict=True):
        assert found[name].message.endswith(end)


def test_bands_hold_uniform_ranks_as_often_as_they_say(rng):
    bands = rank_bands(as_result({"q": rng.integers(0, 100, 200)}))
    ranks = np.sort(rng.integers(0, 100, (5_000, 200)), axis=1)
    many = np.stack([np.searchsorted(own, np.arange(1, 100)) for own in ranks]) / 200
    upper, lower = bands["upper"].values, bands["lower"].values
    outside = ((many > upper) | (many < lower)).any(axis=1).mean()
    assert 0.3 * (1 - BAND_PROB) < outside < 2 * (1 - BAND_PROB)


def test_the_distribution_is_that_of_the_ranks():
    bands = rank_bands(as_result({"q": np.arange(60) % 10}, among=9))
    np.testing.assert_allclose(bands["ecdf"].values[0], bands["point"].values)


def test_dependent_draws_and_discarded_surveys_are_said(rng):
    result = as_result({"q": ranks_of(rng, 100)})
    result["ess"] = "replication", np.r_[np.full(98, 150.0), 60.0, np.nan]
    result["discarded"] = "replication", np.full(100, 2)
    _, draws, discarded = check_calibration(result)
    assert (draws.check, draws.status) == ("independent draws", "warn")
    assert draws.message.startswith("2 of 100 fits are worth fewer than the 99 independent draws")
    assert discarded.status == "warn"
    assert discarded.message.startswith("200 of 300 simulated surveys could not carry the model")
    result["discarded"][:] = 0
    assert [f.check for f in check_calibration(result)] == ["calibration", "independent draws"]


@pytest.mark.parametrize(
    "content",
    [
        {"likelihood": "index"},
        {"likelihood": "participation"},
        {"likelihood": "ordinal", "item": "watch"},
        {"likelihood": "items"},
    ],
    ids=lambda content: content["likelihood"],
)
def test_simulated_surveys_have_the_form_of_the_real_one(strict, content, rng):
    spec = load_model({"name": "test", **content})
    design = make_design(strict, spec)
    truth = draw_priors(spec, strict.codebook, design, 1, rng)
    simulated = simulate_answers(truth_as_fit(spec, strict.codebook, design, truth), rng)
    before, after = (
        observed_responses(Fit(spec, strict.codebook, d, xr.DataTree()))
        for d in (design, simulated)
    )
    np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
    assert np.nanmax(abs(before - after)) > 0
    changed = {name for name in design if not design[name].identical(simulated[name])}
    assert changed <= {"y", "answer"}
    assert "digest" not in simulated.attrs


def test_simulated_indices_are_drawn_from_the_truth(flat_survey, rng):
    spec = load_model({"name": "i", "likelihood": "index", "drivers": ["age"]})
    design = make_design(flat_survey, spec)
    truth = draw_priors(spec, flat_survey.codebook, design, 1, rng)
    fit = truth_as_fit(spec, flat_survey.codebook, design, truth)
    y = np.stack([simulate_answers(fit, rng)["y"].values for _ in range(20)])
    at = {name: truth[name].values[0, 0] for name in truth}
    country = design["country_index"].values
    mu = at["b_intercept"][country] + design["x"].values * at["b"][country, :, 0]
    z = (y - mu) / at["residual_sd"]  # (survey, citizen, form)
    assert abs(z.mean()) < 4 / np.sqrt(z.size / 2)
    np.testing.assert_allclose(z.std(axis=(0, 1)), 1, atol=0.05)
    assert stats.kstest(z[:, :, 0].ravel(), "norm").pvalue > 1e-3
    assert np.mean(z[:, :, 0] * z[:, :, 1]) == pytest.approx(at["rho"][0], abs=0.06)


def test_surveys_without_variation_are_drawn_anew_and_counted(flat_survey, rng):
    spec = load_model(PARTICIPATION)
    design = make_design(flat_survey, spec)
    draws = draw_priors(spec, flat_survey.codebook, design, 2, rng)
    nobody, some = (draws.isel(draw=[k]) for k in range(2))
    nobody["b_intercept"] = xr.full_like(nobody["b_intercept"], -50)
    some["b_intercept"] = xr.zeros_like(some["b_intercept"])
    truths = [truth_as_fit(spec, flat_survey.codebook, design, t) for t in (nobody, nobody, some)]
    truth, simulated, discarded = simulate_until_usable(truths, rng, "calibrate")
    assert discarded == 2 and truth is truths[2] and not what_is_missing(simulated)
    message = "simulated surveys can carry the model; the last has no variation in 'together'"
    with pytest.raises(SurveyError, match=message):
        simulate_until_usable(iter(lambda: truths[0], None), rng, "calibrate")


@pytest.mark.parametrize("n", [0, -3, 2.5, True])
def test_no_replications_are_refused(flat_survey, n):
    with pytest.raises(SpecError, match=f"calibrate: n is {n}. Give a whole number, 1 or more"):
        calibrate(INDEX, flat_survey, n=n)


def test_what_is_no_survey_is_refused(flat_survey):
    with pytest.raises(SurveyError, match="calibrate: takes a survey, and this is a DataFrame"):
        calibrate(INDEX, flat_survey.data)
    with pytest.raises(SpecError, match="ranked is 0"):
        calibrate(INDEX, flat_survey, ranked=0)


@pytest.mark.parametrize("other", [None, xr.Dataset(), xr.Dataset({"rank": 1})])
def test_anything_else_is_no_result(other):
    with pytest.raises(SpecError, match="check_calibration: takes what calibrate returned"):
        check_calibration(other)
