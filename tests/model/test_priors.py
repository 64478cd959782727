import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats

from bayes_coprod.model import priors
from bayes_coprod.model.prior_spec import Prior

FAMILIES = {
    "normal": (Prior("normal", (1.5, 2.0)), stats.norm(1.5, 2.0)),
    "half_normal": (Prior("half_normal", (0.3,)), stats.halfnorm(scale=0.3)),
    "exponential": (Prior("exponential", (4.0,)), stats.expon(scale=0.25)),
    "log_normal": (Prior("log_normal", (-1.0, 0.5)), stats.lognorm(0.5, scale=np.exp(-1.0))),
    "uniform": (Prior("uniform", (0.5, 3.0)), stats.uniform(0.5, 2.5)),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def evaluate(function, prior, values):
    """A function of the graph at given values."""
    at = pt.dvector()
    compiled = pytensor.function([at], function(prior, at), mode=Mode("py", None))
    return compiled(np.asarray(values, dtype=float))


@every_family
def test_density_in_the_graph_is_scipys(family):
    prior, frozen = FAMILIES[family]
    values = frozen.ppf([0.001, 0.1, 0.5, 0.9, 0.999])
    density = evaluate(priors.log_density, prior, values)
    np.testing.assert_allclose(density, frozen.logpdf(values), rtol=1e-12)


@every_family
def test_density_is_zero_outside_the_support(family):
    prior, frozen = FAMILIES[family]
    lower, _ = frozen.support()
    if np.isfinite(lower):
        assert evaluate(priors.log_density, prior, [lower - 0.1]) == -np.inf


@every_family
def test_a_standard_normal_maps_to_the_quantile_at_its_probability(family):
    prior, frozen = FAMILIES[family]
    z = np.linspace(-6, 6, 49)
    # in the upper half through the upper tail, where 1 - Phi(z) would lose its digits
    expected = np.where(z > 0, frozen.isf(stats.norm.sf(z)), frozen.ppf(stats.norm.cdf(z)))
    np.testing.assert_allclose(evaluate(priors.from_normal, prior, z), expected, rtol=1e-6)


@every_family
def test_the_map_is_finite_and_rising_far_out(family):
    prior, _ = FAMILIES[family]
    mapped = evaluate(priors.from_normal, prior, np.arange(-30, 31))
    assert np.isfinite(mapped).all()
    assert (np.diff(mapped) >= 0).all()


def test_the_half_normal_map_keeps_rising_where_erfinv_is_infinite():
    prior, frozen = FAMILIES["half_normal"]
    z = np.arange(8.0, 31.0)
    mapped = evaluate(priors.from_normal, prior, z)
    np.testing.assert_allclose(mapped, frozen.isf(stats.norm.sf(z)), rtol=1e-9)


@every_family
def test_quantiles_are_scipys(family):
    prior, frozen = FAMILIES[family]
    at = np.array([[0.05, 0.5], [0.9, 0.99]])
    np.testing.assert_allclose(priors.quantile(prior, at), frozen.ppf(at))
    assert priors.quantile(prior, 0.5) == pytest.approx(frozen.median())


@every_family
def test_draws_have_the_priors_mean_and_quartiles(family, rng):
    prior, frozen = FAMILIES[family]
    draws = priors.draw(prior, (100, 200), rng)
    n = draws.size
    assert draws.shape == (100, 200)
    assert abs(draws.mean() - frozen.mean()) < 4 * frozen.std() / np.sqrt(n)
    for probability in (0.25, 0.5, 0.75):
        at = frozen.ppf(probability)
        error = np.sqrt(probability * (1 - probability) / n) / frozen.pdf(at)
        assert abs(np.quantile(draws, probability) - at) < 4 * error


@pytest.mark.parametrize("n_outcomes", [2, 4])
def test_lkj_draws_are_correlation_matrices_with_beta_marginals(n_outcomes, rng):
    eta = 1.5
    draws = priors.draw(Prior("lkj", (eta,)), (1500, n_outcomes, n_outcomes), rng)
    np.testing.assert_allclose(draws, np.swapaxes(draws, 1, 2))
    np.testing.assert_allclose(np.diagonal(draws, axis1=1, axis2=2), 1)
    assert (np.linalg.eigvalsh(draws) > 0).all()
    # Lewandowski, Kurowicka & Joe (2009): (r + 1) / 2 ~ Beta(a, a), a = eta - 1 + n / 2
    a = eta - 1 + n_outcomes / 2
    marginal = stats.beta(a, a, loc=-1, scale=2)
    for i, j in ((0, 1), (0, n_outcomes - 1), (n_outcomes - 2, n_outcomes - 1)):
        assert stats.kstest(draws[:, i, j], marginal.cdf).pvalue > 1e-4
    np.testing.assert_allclose(
        priors.quantile(Prior("lkj", (eta,)), 0.9, n_outcomes), marginal.ppf(0.9)
    )


def test_the_same_seed_gives_the_same_draws():
    for prior, shape in ((Prior("exponential", (1.0,)), (5,)), (Prior("lkj", (2.0,)), (5, 3, 3))):
        first = priors.draw(prior, shape, np.random.default_rng(1))
        np.testing.assert_array_equal(first, priors.draw(prior, shape, np.random.default_rng(1)))
        assert not np.array_equal(first, priors.draw(prior, shape, np.random.default_rng(2)))
