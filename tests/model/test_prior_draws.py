"""Draws from the priors have the stated distributions, and the form of a posterior."""

import numpy as np
import pytest
from scipy import stats

from bayes_coprod import names
from bayes_coprod.model.build import build_model, named_quantities
from bayes_coprod.model.design import make_design
from bayes_coprod.model.log_prior import stated_parameters
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.spec import load_model
from bayes_coprod.model.varying import UNPOOLED, zero_sum_contrasts

CASES = {
    "index": {"likelihood": "index"},
    "index, own covariance": {"likelihood": "index", "sigma_varies": True},
    "index, four outcomes": {"likelihood": "index", "outcomes": ["form", "sector"]},
    "participation": {"likelihood": "participation"},
    "participation, few vary": {"likelihood": "participation", "vary_by_country": ["school"]},
    "no pooling": {"likelihood": "participation", "pooling": "none"},
    "complete pooling": {"likelihood": "index", "pooling": "complete"},
    "no drivers": {"likelihood": "participation", "drivers": "none"},
    "ordinal": {"likelihood": "ordinal", "item": "watch"},
    "ordinal, common thresholds": {
        "likelihood": "ordinal",
        "item": "watch",
        "thresholds_vary": False,
    },
    "items": {"likelihood": "items"},
    "items, discrimination": {"likelihood": "items", "discrimination": True},
    "items, unpooled": {"likelihood": "items", "pooling": "none"},
    "items, one form": {"likelihood": "items", "forms": ["alone"], "thresholds_vary": False},
}
every_case = pytest.mark.parametrize("case", CASES)
N = 400


@pytest.fixture
def make(strict):
    def of_case(case, n=N):
        spec = load_model({"name": "test", **CASES[case]})
        design = make_design(strict, spec)
        draws = draw_priors(spec, strict.codebook, design, n, np.random.default_rng(11))
        return spec, design, draws

    return of_case


@every_case
def test_draws_have_the_form_of_a_posterior(case, make, strict):
    spec, design, draws = make(case, n=2)
    nodes = None
    if spec.likelihood == "items":
        shape = design.sizes["citizen"], design.sizes["form"]
        nodes = Nodes(np.zeros(shape), np.full(shape, 0.25), (9, 9)[: shape[1]], True)
    model = build_model(spec, strict.codebook, design, Pilot(None, None, nodes=nodes))
    assert set(draws) == set(named_quantities(model))
    for name, values in draws.items():
        dims = model.named_vars_to_dims.get(name, ())
        assert values.dims == ("chain", "draw", *dims)
        for dim in dims:
            assert list(values[dim].values) == list(model.coords[dim])


@every_case
def test_stated_parameters_are_distributed_as_their_priors(case, make, frozen):
    spec, design, draws = make(case)
    for name, values in stated_parameters(spec, design, draws).items():
        if not values.size:
            continue
        if (
            spec.priors[name].family == "lkj"
        ):  # each correlation: Beta(eta + (d - 2) / 2) on [-1, 1]
            (eta,), d = spec.priors[name].arguments, values.shape[-1]
            half = eta + (d - 2) / 2
            flat, prior = values[..., 0, 1].ravel(), stats.beta(half, half, -1, 2)
        else:
            flat, prior = values.ravel(), frozen(spec.priors[name])
        assert stats.kstest(flat, prior.cdf).pvalue > 1e-3, name


@every_case
def test_countries_deviate_by_their_scale_and_sum_to_zero(case, make):
    spec, _, draws = make(case)
    if spec.pooling == "complete" or spec.likelihood == "ordinal":
        return
    away = draws["b_intercept"] - draws["b_intercept"].mean(names.COUNTRY)
    scale = draws.get("tau_intercept", UNPOOLED)
    standard = (away / scale).transpose(..., names.COUNTRY).values
    gamma = standard @ zero_sum_contrasts(standard.shape[-1]).T
    assert stats.kstest(gamma.ravel(), stats.norm.cdf).pvalue > 1e-3
    if "shift" in draws:
        for dim in (names.COUNTRY, names.ITEM):
            np.testing.assert_allclose(draws["shift"].sum(dim), 0, atol=1e-9)
    if "tau" in draws:
        driver = str(draws[names.DRIVER].values[-1])
        of_driver = [str(c) for c in draws[names.COEFFICIENT].values if str(c).startswith(driver)]
        column = of_driver[-1]
        d = draws["b"].sel(coefficient=column) - draws["beta"].sel(coefficient=column)
        np.testing.assert_allclose(d.sum(names.COUNTRY), 0, atol=1e-9)
        standard = (d / draws["tau"].sel(driver=driver)).transpose(..., names.COUNTRY).values
        gamma = standard @ zero_sum_contrasts(standard.shape[-1]).T
        assert stats.kstest(gamma.ravel(), stats.norm.cdf).pvalue > 1e-3


def test_slopes_that_do_not_vary_are_those_of_every_country(make):
    _, _, draws = make("participation, few vary")
    fixed = [c for c in draws[names.COEFFICIENT].values if not str(c).startswith("school")]
    same = draws["b"].sel(coefficient=fixed) - draws["beta"].sel(coefficient=fixed)
    assert fixed
    np.testing.assert_allclose(same, 0, atol=1e-12)
