"""Simulated surveys of a stated truth, and what is found of it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_coprod.diagnostics.recovery import (
    _assembled,
    recover,
    redraw_citizens,
    state_truth,
)
from bayes_coprod.errors import SpecError, SurveyError
from bayes_coprod.model.design import make_design
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.spec import load_model

TRUTH = {"beta": {"together": {"age": 0.5}}}


@pytest.fixture
def draws(flat_survey, rng):
    spec = load_model({"name": "i", "likelihood": "index"})
    return draw_priors(spec, flat_survey.codebook, make_design(flat_survey, spec), 50, rng)


def test_countries_move_with_their_mean(draws):
    means = draws.mean(("chain", "draw"))
    stated = state_truth(draws, TRUTH | {"intercept": 0.25}).isel(chain=0, draw=0)
    at = {"form": "together", "coefficient": "age"}
    assert float(stated["beta"].sel(at)) == 0.5
    np.testing.assert_allclose(stated["b"].mean("country").values, stated["beta"].values)
    np.testing.assert_allclose(
        stated["b"].sel(at) - 0.5, means["b"].sel(at) - means["beta"].sel(at), atol=1e-12
    )
    np.testing.assert_allclose(stated["b_intercept"].mean("country").values, 0.25)
    for name in ("tau", "residual_sd", "rho"):
        xr.testing.assert_allclose(stated[name].drop_vars(["chain", "draw"]), means[name])


def test_one_number_is_for_all(draws):
    stated = state_truth(draws, {"beta": {"alone": 0}})["beta"]
    assert (stated.sel(form="alone") == 0).all()
    assert (stated.sel(form="together") != 0).all()
    assert stated.dims == draws["beta"].dims


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ({"beat": 0}, r"truth names 'beat'. Did you mean 'beta'\? Available: beta, intercept"),
        ({"beta": {"togther": 1}}, r"truth\['beta'\] names 'togther'. Did you mean 'together'"),
        ({"beta": {"alone": {"agee": 1}}}, r"\['alone'\] names 'agee'. Did you mean 'age'"),
        ({"beta": {"alone": {"age": "big"}}}, r"\['age'\] is 'big'. Give a finite number"),
        ({"beta": np.nan}, r"truth\['beta'\] is nan. Available: alone, together"),
        ([1], r"truth is \[1\]. Available"),
    ],
)
def test_truths_that_cannot_be_are_refused(flat_survey, truth, message):
    with pytest.raises(SpecError, match=message):
        recover("index", flat_survey, truth=truth)


def test_bad_arguments_are_refused(flat_survey, flat_fit):
    with pytest.raises(SpecError, match="unknown effect 'femal'. Did you mean 'female'"):
        recover("index", flat_survey, effects=["age", "femal"])
    with pytest.raises(SpecError, match="effects names none"):
        recover("index", flat_survey, effects=[])
    with pytest.raises(SpecError, match="recover: n is 0"):
        recover("index", flat_survey, n=0)
    with pytest.raises(SpecError, match="recover: citizens is -1"):
        recover("index", flat_survey, citizens=-1)
    with pytest.raises(SurveyError, match="recover: takes a survey, and this is a str"):
        recover("index", "survey.csv")
    with pytest.raises(SpecError, match="base is a fit of another model .* it has no 'tau_inter"):
        recover("index", flat_survey, base=flat_fit)
    with pytest.raises(SpecError, match="has no drivers"):
        recover({"name": "i", "likelihood": "index", "drivers": "none"}, flat_survey)


def test_as_many_citizens_are_drawn_of_each_country(flat_survey, rng):
    spec = load_model({"name": "i", "likelihood": "index"})
    design = make_design(flat_survey, spec)
    drawn = redraw_citizens(design, 250, rng)
    np.testing.assert_array_equal(drawn["country_index"], np.repeat([0, 1, 2], 250))
    assert drawn.indexes["citizen"].is_unique
    rows = {tuple(row) for row in np.column_stack([design["x"], design["country_index"]])}
    assert {tuple(row) for row in np.column_stack([drawn["x"], drawn["country_index"]])} <= rows


def test_shares_are_counted_over_the_surveys():
    index = pd.Index(["a", "b", "c"])

    def found(mean, lower, upper, positive):
        columns = {"mean": mean, "lower": lower, "upper": upper, "p_positive": positive}
        columns["ess"] = [100.0, 90.0, 80.0] if mean[0] > 1 else [70.0, 95.0, 80.0]
        return pd.DataFrame(columns, index=index)

    table = _assembled(
        xr.DataArray([1.0, 0.0, -1.0]),
        [
            found([1.5, 0.1, -2.0], [1.2, -1.0, -3.0], [2.0, 1.0, -0.5], [0.99, 0.6, 0.01]),
            found([0.5, 0.3, 0.0], [-0.5, 0.1, -1.0], [1.5, 0.5, 1.0], [0.8, 0.97, 0.5]),
        ],
    )
    np.testing.assert_allclose(table["bias"], [0, 0.2, 0])
    np.testing.assert_allclose(table["bias_error"], [0.5, 0.1, 1.0])
    np.testing.assert_allclose(table["width"], [1.4, 1.2, 2.25])
    assert list(table["coverage"]) == [0.5, 0.5, 1.0]
    assert list(table["power"]) == [0.5, 0.5, 0.5]
    assert list(table["sign"]) == [0.5, 0.5, 0.5]
    assert list(table["least_ess"]) == [70, 90, 80]


def test_what_was_stated_is_recovered(flat_survey, flat_model, flat_fit):
    call = {"truth": TRUTH, "base": flat_fit, "draws": 200, "n": 2, "citizens": 400}
    table = recover(flat_model, flat_survey, **call)
    assert list(table.index) == [("alone", "age"), ("together", "age")]
    row = table.loc[("together", "age")]
    assert row["truth"] == 0.5 and row["power"] == 1 and row["sign"] == 1
    # least squares: SE = residual SD / sqrt(citizens), a mean of three countries
    se = float(flat_fit.posterior["residual_sd"].sel(form="together").mean()) / np.sqrt(1200)
    assert row["width"] == pytest.approx(2 * 1.598 * se, rel=0.2)
    assert abs(row["bias"]) < 4 * se
    assert table.columns.name == "89 % eti, 2 surveys"
    assert table.attrs["discarded"] == 0 and table.attrs["citizens"] == 400
