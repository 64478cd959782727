"""The integral on a shared grid, held to the graph that evaluates answer by answer."""

from dataclasses import replace

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

from bayes_coprod.model.grid_op import GridCitizens, GridLogLikelihood
from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.quadrature import coarser, enough, finer

CASES = {
    "two forms": {"sigma": 1.0, "rho": 0.4},
    "no correlation": {"sigma": 0.6, "rho": 0.0},
    "negative correlation": {"sigma": 0.5, "rho": -0.9},
    "wide and correlated": {"sigma": 2.3, "rho": 0.89},
    "one form": {"sigma": 1.2, "rho": 0.0, "n_forms": 1},
    "one form of one item": {"sigma": 1.0, "rho": 0.0, "n_forms": 1, "n_categories": (5,)},
    "one form in four groups": {
        "sigma": 1.5, "rho": 0.0, "n_forms": 1, "n_categories": (4,) * 12,
    },
    "forms of one item": {"sigma": 0.8, "rho": -0.3, "n_categories": (2, 7)},
    "groups of unequal size": {"sigma": 1.0, "rho": 0.3, "n_categories": (3,) * 10},
    "three groups": {"sigma": 1.0, "rho": -0.5, "n_categories": (7, 6, 5, 4, 3, 2, 7, 6)},
    "several blocks": {"sigma": 1.0, "rho": 0.5, "n": 300},
}  # fmt: skip
NAMES = ("effects", "kappa", "discrimination", "sigma", "rho")


@pytest.fixture(params=CASES)
def problem(request, make_problem):
    return make_problem(list(CASES).index(request.param), **CASES[request.param])


@pytest.fixture
def ordinary(make_problem):
    return make_problem(1, 1.0, 0.4)


def by_graph(problem, nodes):
    """Log likelihood of each citizen, and gradients of their sum."""
    inputs, value = problem.graph(nodes)
    gradients = pytensor.grad(value.sum(), inputs, disconnected_inputs="ignore")
    both = pytensor.function(inputs, [value, *gradients], mode=AS_WRITTEN, on_unused_input="ignore")
    value, *gradients = both(*problem.inputs)
    return value, gradients


def test_all_kinds_of_citizens_occur(ordinary):
    has = ordinary.answer >= 0
    answered = np.stack([has[:, ordinary.form == f].any(axis=1) for f in (0, 1)])
    assert not has.all(axis=0).any()
    assert (answered.sum(axis=0) == 1).any()


def test_value_and_gradients_equal_those_of_the_graph(problem):
    nodes = problem.nodes("grid")
    value, gradients = problem.integral(nodes).evaluate(*problem.inputs)
    expected, by_input = by_graph(problem, nodes)
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12)
    n_inputs = 4 if len(problem.sigma) == 1 else 5
    for ours, theirs in list(zip(gradients, by_input, strict=True))[:n_inputs]:
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8 * np.abs(theirs).max())


@pytest.mark.parametrize(("sigma", "rho"), [(0.7, 0.0), (1.0, 0.4), (1.0, -0.95), (2.5, 0.8)])
def test_thinner_grids_give_the_same(make_problem, sigma, rho):
    problem = make_problem(1, sigma, rho)
    fine = finer(problem.nodes("grid"), 3)
    thinning, whole = problem.integral(fine), problem.integral(fine)
    whole.thinned = []
    value, gradients = thinning.evaluate(*problem.inputs)
    expected, by_input = whole.evaluate(*problem.inputs)
    assert thinning._forms_for(*problem.inputs[2:]) is not thinning.forms
    np.testing.assert_allclose(value, expected, atol=1e-7)
    for ours, theirs in zip(gradients, by_input, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6 * np.abs(theirs).max())


def test_narrow_deviations_and_steep_items_take_closer_nodes(ordinary):
    fine = finer(ordinary.nodes("grid"), 3)
    n_answers, sigma = np.array([3, 2]), np.ones(2)
    grids = [fine]
    while (thinner := coarser(grids[-1])) is not None:
        grids.append(thinner)

    def coarsest(steepest, sd, rho):
        return max(
            (k for k, g in enumerate(grids) if enough(g, n_answers, steepest, sd, rho)), default=-1
        )

    assert coarsest(1.0, sigma, 0.0) > coarsest(1.0, 0.3 * sigma, 0.0)
    assert coarsest(1.0, sigma, 0.0) > coarsest(1.0, sigma, 0.99)
    assert coarsest(1.0, sigma, 0.0) > coarsest(2.0, sigma, 0.0)
    assert coarsest(1.0, 0.01 * sigma, 0.0) == -1  # the finest is all there is
    reach = fine.spacing[0] * fine.n_nodes
    for grid in grids:
        assert (grid.spacing[0] * grid.n_nodes >= reach).all()


def test_gradients_equal_central_differences(problem):
    integral = problem.integral(problem.nodes("grid"))
    gradients = integral.evaluate(*problem.inputs)[1]
    inputs = [np.float64(value) if np.ndim(value) == 0 else value for value in problem.inputs]
    for i, gradient in enumerate(gradients[: 4 if len(problem.sigma) == 1 else 5]):
        assert gradient.shape == inputs[i].shape
        for at in np.ndindex(inputs[i].shape):
            step = np.zeros(gradient.shape)
            step[at] = 1e-5
            up, down = (
                integral.evaluate(*inputs[:i], inputs[i] + side * step, *inputs[i + 1 :])[0].sum()
                for side in (1, -1)
            )
            difference = (up - down) / 2e-5
            assert gradient[at] == pytest.approx(difference, rel=1e-5, abs=1e-5), (NAMES[i], at)


def test_the_operation_gives_the_sum_and_follows_the_chain_rule(ordinary):
    integral = ordinary.integral(ordinary.nodes("grid"))
    per_citizen, gradients = integral.evaluate(*ordinary.inputs)
    scale = pt.dvector("scale")
    inputs = [pt.as_tensor(value) * scale[i] for i, value in enumerate(ordinary.inputs)]
    value = GridLogLikelihood(integral)(*inputs)[0] ** 2
    both = pytensor.function([scale], [value, pytensor.grad(value, scale)], mode=AS_WRITTEN)
    squared, by_scale = both(np.ones(5))
    total = per_citizen.sum()
    assert squared == pytest.approx(total**2, rel=1e-12)
    expected = [
        2 * total * (gradient * value).sum()
        for gradient, value in zip(gradients, ordinary.inputs, strict=True)
    ]
    np.testing.assert_allclose(by_scale, expected, rtol=1e-10)


def test_the_citizens_add_up_to_the_sum(ordinary):
    integral = ordinary.integral(ordinary.nodes("grid"))
    inputs = [pt.as_tensor(value).type() for value in ordinary.inputs]
    each = pytensor.function(inputs, GridCitizens(integral)(*inputs), mode=AS_WRITTEN)(
        *ordinary.inputs
    )
    np.testing.assert_allclose(each, integral.evaluate(*ordinary.inputs)[0], rtol=1e-12)
    total = GridLogLikelihood(integral)(*ordinary.inputs)[0].eval(mode=AS_WRITTEN)
    assert each.sum() == pytest.approx(float(total), rel=1e-12)


def test_permuting_citizens_within_their_country_permutes_the_values(ordinary, rng):
    nodes = ordinary.nodes("grid")
    value, gradients = ordinary.integral(nodes).evaluate(*ordinary.inputs)
    order = np.lexsort([rng.random(len(value)), ordinary.country])
    assert (order != np.arange(len(value))).any()
    turned = ordinary.only(0)
    for name in ("answer", "country", "mu", "x"):
        setattr(turned, name, getattr(ordinary, name)[order])
    moved = replace(nodes, place=nodes.place[order], spacing=nodes.spacing[order])
    permuted, same = turned.integral(moved).evaluate(*turned.inputs)
    np.testing.assert_allclose(permuted, value[order], rtol=1e-12)
    for one, other in zip(same, gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("country", [0, 1])
def test_countries_without_citizens_contribute_nothing(ordinary, country):
    nodes = ordinary.nodes("grid")
    whole = ordinary.integral(nodes).log_likelihood(*ordinary.inputs)
    there = ordinary.country == country
    some = ordinary.only(0)
    for name in ("answer", "country", "mu", "x"):
        setattr(some, name, getattr(ordinary, name)[there])
    own = replace(nodes, place=nodes.place[there], spacing=nodes.spacing[there])
    value, (by_effects, *_) = some.integral(own).evaluate(*some.inputs)
    np.testing.assert_allclose(value, whole[there], rtol=1e-12)
    nobody = np.arange(len(by_effects)) != country
    assert not by_effects[nobody].any()
    assert by_effects[country].any()


def test_a_citizen_without_answers_contributes_nothing(ordinary):
    ordinary.answer[11] = -1
    value, _ = ordinary.integral(ordinary.nodes("grid")).evaluate(*ordinary.inputs)
    assert value[11] == pytest.approx(0, abs=1e-6)
    assert (np.delete(value, 11) < -0.01).all()


def test_a_grid_too_narrow_gives_another_value(ordinary):
    nodes = ordinary.nodes("grid")
    value = ordinary.integral(nodes).evaluate(*ordinary.inputs)[0]
    for form in (0, 1):
        counts = [n // 2 if f == form else n for f, n in enumerate(nodes.n_nodes)]
        narrow = replace(nodes, n_nodes=tuple(counts))
        cut = ordinary.integral(narrow).evaluate(*ordinary.inputs)[0]
        assert (cut < value).all()
        assert (value - cut).max() > 1e-3
    finer = replace(nodes, spacing=nodes.spacing / 2, n_nodes=tuple(2 * n for n in nodes.n_nodes))
    fine = ordinary.integral(finer).evaluate(*ordinary.inputs)[0]
    np.testing.assert_allclose(fine, value, atol=1e-6)


def on_nodes(problem, nodes, i):
    """Posterior of citizen i on the nodes, pair by pair where there are two forms."""
    at = [nodes.at(f) for f in range(len(problem.sigma))]
    log_answers = [problem.log_answers(f, at[f])[i] for f in range(len(at))]
    if len(at) == 1:
        prior = stats.norm(problem.mu[i, 0], problem.sigma[0]).logpdf(at[0][i])
        log_weight = log_answers[0] + prior
    else:
        pairs = np.stack(np.meshgrid(at[0][i], at[1][i], indexing="ij"), axis=-1)
        prior = stats.multivariate_normal(problem.mu[i], problem.covariance).logpdf(pairs)
        log_weight = log_answers[0][:, None] + log_answers[1] + prior
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum(), at


def correlation_of(weight, x, y):
    x, y = x[:, None] - (weight.sum(axis=1) @ x), y - (weight.sum(axis=0) @ y)
    return (weight * x * y).sum() / np.sqrt((weight * x**2).sum() * (weight * y**2).sum())


def test_posterior_weights_are_answers_times_prior_at_the_nodes(problem):
    nodes = problem.nodes("grid")
    weights, correlation = problem.integral(nodes).posterior(*problem.inputs)
    for i in (0, 5, 6, 7, 20):
        expected, at = on_nodes(problem, nodes, i)
        if len(weights) == 1:
            np.testing.assert_allclose(weights[0][i], expected, rtol=1e-7, atol=1e-12)
            assert correlation[i] == 0
            continue
        for f in (0, 1):
            marginal = expected.sum(axis=1 - f)
            np.testing.assert_allclose(weights[f][i], marginal, rtol=1e-7, atol=1e-12)
        expected_correlation = correlation_of(expected, at[0][i], at[1][i])
        assert correlation[i] == pytest.approx(expected_correlation, abs=1e-7)


@pytest.mark.parametrize("name", ["two forms", "wide and correlated", "one form"])
def test_draws_follow_the_posterior_on_the_nodes(make_problem, rng, name):
    problem = make_problem(4, n=12, **CASES[name])
    nodes = problem.nodes("grid")
    integral = problem.integral(nodes)
    drawn = np.stack([integral.draw(*problem.inputs, rng) for _ in range(4000)])
    for i in range(12):
        expected, at = on_nodes(problem, nodes, i)
        shape = expected.shape
        node = [np.abs(drawn[:, i, f, None] - at[f][i]).argmin(axis=1) for f in range(len(at))]
        counts = np.bincount(np.ravel_multi_index(node, shape), minlength=expected.size)
        # pairs that are expected less than five times go together
        expected, rare = 4000 * expected.ravel(), 4000 * expected.ravel() < 5
        observed = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
        assert stats.chisquare(observed, expected * 4000 / expected.sum()).pvalue > 1e-5


FAR = {
    # deviations that leave windows placed for wider ones, or for other places, far out
    "narrow": {"sigma": 1.0, "rho": 0.4},
    "narrow, one form": {"sigma": 1.2, "rho": 0.0, "n_forms": 1},
    "nearly one propensity": {"sigma": 1.5, "rho": 0.5},
    "nearly opposites": {"sigma": 1.5, "rho": -0.5},
    "several blocks": {"sigma": 1.0, "rho": 0.4, "n": 300},
}


@pytest.mark.parametrize("name", FAR)
def test_far_citizens_are_summed_as_exactly_as_others(make_problem, name):
    problem = make_problem(3, **FAR[name])
    nodes = problem.nodes("grid")
    nodes = replace(nodes, spacing=nodes.spacing / 4, n_nodes=tuple(5 * n for n in nodes.n_nodes))
    integral = problem.integral(nodes)
    problem.sigma = problem.sigma * 0.12
    problem.rho = {"nearly one propensity": 0.98, "nearly opposites": -0.98}.get(name, problem.rho)
    problem.effects[..., 0] += 3
    with np.errstate(all="raise"):
        value, gradients = integral.evaluate(*problem.inputs)
    expected, by_input = by_graph(problem, nodes)
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9)
    n_inputs = 4 if len(problem.sigma) == 1 else 5
    for ours, theirs in list(zip(gradients, by_input, strict=True))[:n_inputs]:
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9 * np.abs(theirs).max())
