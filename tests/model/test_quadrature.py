"""Both rules for the integral over citizens, held to brute force in two dimensions."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.quadrature import place_nodes, resolved

CASES = [
    # seed, sigma, rho
    (1, 1.0, 0.4),
    (2, 0.1, 0.0),
    (3, 0.5, -0.9),
    (4, 4.0, 0.5),
    (5, 2.3, 0.89),
    (6, 1.0, 0.99),
    (7, 4.0, -0.99),
]


@pytest.mark.parametrize("rule", ["grid", "dense"])
@pytest.mark.parametrize(("seed", "sigma", "rho"), CASES)
def test_both_rules_equal_brute_force(make_problem, seed, sigma, rho, rule):
    problem = make_problem(seed, sigma, rho)
    nodes = problem.nodes(rule)
    if rule == "grid":
        value = problem.integral(nodes).evaluate(*problem.inputs)[0]
    else:
        inputs, graph = problem.graph(nodes)
        value = pytensor.function(inputs, graph, mode=AS_WRITTEN, on_unused_input="ignore")(
            *problem.inputs
        )
    chosen = [*range(10), 20, 40, 59]
    brute = [problem.brute_force(i) for i in chosen]
    np.testing.assert_allclose(value[chosen], brute, atol=2e-6, rtol=0)


def narrow_prior():
    """Nodes by the dense rule where the prior, not the answers, sets every citizen's spacing."""
    at = np.linspace(-4, 4, 401)[None] + np.array([[0.0], [0.13], [0.31]])
    weight = np.exp(-0.5 * (at - at.mean(axis=1, keepdims=True)) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    return place_nodes([weight], [at], np.zeros(3), np.array([0.4]), "dense")


def test_equal_spacings_alone_make_no_grid():
    nodes = narrow_prior()
    assert np.ptp(nodes.spacing) == 0
    steps = (nodes.place - nodes.place[0]) / nodes.spacing
    assert np.abs(steps - np.round(steps)).max() > 0.1
    assert not nodes.is_grid


LEAST = np.array([0.3, 0.2])


def as_resolved(sigma, rho):
    """Deviations as nodes that just resolve LEAST take them."""
    out = resolved(np.array(sigma), np.array([rho]), LEAST, lambda x: np.logaddexp(0, x))
    return out[0], out[1][0]


@pytest.mark.parametrize("sigma", [0.0, 1e-9, 0.1, 0.3, 0.31, 5.0])
@pytest.mark.parametrize("rho", [-1.0, -0.999, -0.3, 0.0, 0.7, 1.0])
def test_nodes_resolve_all_deviations(sigma, rho):
    wide, bounded = as_resolved([sigma, sigma], rho)
    assert (wide > 0.9999 * LEAST).all()
    assert (wide * np.sqrt(2 * (1 - abs(bounded))) > 0.9999 * LEAST).all()
    assert bounded * rho >= 0


def test_deviations_that_nodes_resolve_stay_as_they_are():
    for sigma, rho in (([0.61, 0.41], 0.0), ([1.2, 5.0], 0.8), ([6.0, 4.0], -0.98)):
        wide, bounded = as_resolved(sigma, rho)
        np.testing.assert_allclose(wide, sigma, rtol=1e-8)
        assert bounded == pytest.approx(rho, abs=1e-8)


def test_bounds_of_deviations_are_smooth():
    """A kink would send the sampler astray: slopes differ little between near neighbours."""
    sigmas = np.linspace(0.01, 1.5, 2000)
    wide = np.array([as_resolved([s, s], 0.5)[0][0] for s in sigmas])
    rhos = np.linspace(-1, 1, 4000)
    bounded = np.array([as_resolved([0.9, 0.9], r)[1] for r in rhos])
    for at, value in ((sigmas, wide), (rhos, bounded)):
        slope = np.diff(value) / np.diff(at)
        assert (slope > -1e-9).all() and (slope < 1 + 1e-9).all()
        assert abs(np.diff(slope)).max() < 0.05


def test_graph_and_arrays_are_resolved_alike():
    inputs = [pt.vector("sigma"), pt.vector("rho")]
    graph = pytensor.function(inputs, resolved(*inputs, LEAST, pt.softplus), mode=AS_WRITTEN)
    for at in (([0.1, 2.0], -0.9), ([0.31, 0.21], 0.99), ([3.0, 2.0], 0.1)):
        for one, other in zip(graph(at[0], [at[1]]), as_resolved(*at), strict=True):
            np.testing.assert_allclose(np.squeeze(one), other, rtol=1e-12, atol=1e-14)
