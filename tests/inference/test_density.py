"""The compiled log density: one function, whatever it is compiled to."""

import numpy as np
import pymc as pm
import pytest

from bayes_coprod.inference.density import compile_density
from bayes_coprod.inference.pilot import fit_pilot
from bayes_coprod.model.build import build_model
from bayes_coprod.model.design import make_design


@pytest.fixture(params=["in one piece", "around an integral"])
def graph(request, small, items_spec):
    """One model whose density is compiled as it stands, and one with an integral in the middle."""
    if request.param == "in one piece":
        with pm.Model() as model:
            mean = pm.Normal("mean", 0, 1) + pm.HalfNormal("effect", 2) * np.array([0.0, 0.5, 2.0])
            pm.Normal("y", mean, 1, observed=[0.1, 2.0, -1.3])
        return model
    spec = items_spec(drivers=["age"])
    design = make_design(small, spec)
    return build_model(spec, small.codebook, design, fit_pilot(spec, small.codebook, design))


@pytest.mark.parametrize(
    "graph",
    ["in one piece", pytest.param("around an integral", marks=pytest.mark.slow)],
    indirect=True,
)
def test_what_it_is_compiled_to_changes_nothing(graph, rng):
    by_jax, by_numba = compile_density(graph), compile_density(graph, "numba")
    np.testing.assert_array_equal(by_jax.start, by_numba.start)
    for _ in range(5):
        at = by_jax.start + rng.normal(size=len(by_jax.start))
        for one, other in zip(by_jax.evaluate(at), by_numba.evaluate(at), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_gradient_is_that_of_the_value(graph, rng):
    density = compile_density(graph)
    at = density.start + 0.5 * rng.normal(size=len(density.start))
    gradient = density.evaluate(at)[1]
    for i in range(len(at)):
        step = np.zeros(len(at))
        step[i] = 1e-5
        difference = (density.evaluate(at + step)[0] - density.evaluate(at - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(difference, rel=1e-4, abs=1e-4), i
