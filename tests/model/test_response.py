"""Expected answers of a population: the kernels, and how far tables on a lattice err."""

import numpy as np
import pytest
from scipy.special import expit

from bayes_coprod.model.grid_op import expected_propensity
from bayes_coprod.model.lattice import (
    average_moved,
    lay_on_lattice,
    normal_weights,
    propensities,
)
from bayes_coprod.model.response import make_versions

STEP = 0.1
ENDS = np.array([0, 40, 100])


@pytest.fixture
def citizens(rng):
    """Expected propensities and weights of a hundred citizens in two countries."""
    weight = rng.uniform(0.2, 3, 100)
    return rng.normal(0, 1.5, 100), weight / np.repeat(np.add.reduceat(weight, ENDS[:-1]), [40, 60])


def lattice_for(mu, moves):
    low, high = mu.min() + moves.min() - 3 * STEP, mu.max() + moves.max() + 4 * STEP
    return low + STEP * np.arange(int((high - low) / STEP) + 2)


def test_propensities_are_the_samplers(rng):
    x, effects = rng.normal(size=(100, 4)), rng.normal(size=(2, 3, 4))
    ours = propensities(effects, np.asfortranarray(x).T, ENDS)
    np.testing.assert_allclose(ours.T, expected_propensity(effects, x, ENDS), rtol=1e-12)
    np.testing.assert_allclose(propensities(effects, x.T, ENDS), ours, rtol=1e-12)


@pytest.mark.parametrize("place", [-2.0, 0.0, 1.3])
def test_tabulated_answers_err_by_less_than_1e_5(citizens, place):
    """Citizens without deviations answer most steeply, and the worst case is a single citizen."""
    mu, weight = citizens
    moves = np.array([[0.0, 0.0], [0.03, -0.07], [1.234, -2.345], [-0.55, 3.21]])
    lattice = lattice_for(mu, moves)
    table = np.broadcast_to(expit(lattice - place), (2, 1, len(lattice))).copy()
    laid = lay_on_lattice(mu[None], weight[None], ENDS, lattice)
    np.testing.assert_allclose(laid.sum(axis=2), 1, rtol=1e-12)
    found = average_moved(laid, np.zeros(4, dtype=int), table, moves / STEP)[..., 0]
    for c, rows in enumerate((slice(0, 40), slice(40, 100))):
        exact = expit(mu[rows] + moves[:, [c]] - place) @ weight[rows]
        np.testing.assert_allclose(found[:, c], exact, atol=1e-6)
    for one in np.linspace(-3, 3, 97):
        laid = lay_on_lattice(np.array([[one]]), np.ones((1, 1)), np.array([0, 1]), lattice)
        away = average_moved(laid, np.zeros(2, dtype=int), table[:1], np.array([[0.0], [0.55]]))
        away = away[:, 0, 0]
        np.testing.assert_allclose(away, expit([one - place, one + 0.055 - place]), atol=1e-5)


def test_nobody_is_moved_beyond_the_lattice(citizens):
    """A table that is 1 everywhere gives 1 wherever citizens are moved."""
    mu, weight = citizens
    moves = np.random.default_rng(1).uniform(-4, 4, (300, 2))
    lattice = lattice_for(mu, moves)
    laid = lay_on_lattice(mu[None], weight[None], ENDS, lattice)
    table = np.ones((2, 1, len(lattice)))
    found = average_moved(laid, np.zeros(300, dtype=int), table, moves / STEP)
    np.testing.assert_allclose(found, 1, rtol=1e-12)


def test_each_version_has_its_own_propensities_and_weights(rng):
    """Laid out together they are what each is alone, weights in common or not."""
    x = rng.normal(size=(100, 4))
    changed = x.copy()
    changed[20:, 2] = 0.7
    versions = make_versions([x, changed, x])
    assert [list(columns) for columns, _ in versions.changes] == [[2], []]
    effects, lattice = rng.normal(0, 0.3, size=(2, 1, 4)), np.arange(-40, 40) * STEP
    mu = np.stack([propensities(effects, x.T.copy(), ENDS)[0] for x in (x, changed, x)])
    (columns, change), _ = versions.changes
    moved = propensities(effects, versions.x, ENDS) + propensities(
        effects[:, :, columns], change, ENDS
    )
    np.testing.assert_allclose(moved[0], mu[1], rtol=1e-12)
    weight = rng.uniform(size=(3, 100))
    together = lay_on_lattice(mu, weight, ENDS, lattice)
    alone = [lay_on_lattice(mu[[v]], weight[[v]], ENDS, lattice)[0] for v in range(3)]
    np.testing.assert_array_equal(together, alone)
    common = lay_on_lattice(mu, weight[:1], ENDS, lattice)
    np.testing.assert_array_equal(common[0], together[0])
    np.testing.assert_array_equal(common[2], together[0])


@pytest.mark.parametrize(("sigma", "steep"), [(0.2, 1.0), (1.0, 1.0), (3.0, 1.0), (1.5, 3.0)])
def test_deviations_are_integrated_out(sigma, steep):
    lattice = np.linspace(-4, 4, 81)
    spacing = 0.7 * min(sigma, 1 / steep)
    grid = lattice[0] - 6.5 * sigma + spacing * np.arange(int((8 + 13 * sigma) / spacing) + 2)
    ours = expit(steep * grid) @ normal_weights(grid, lattice, sigma)
    z = np.linspace(-9, 9, 2001)
    weight = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    exact = expit(steep * (lattice[:, None] + sigma * z)) @ weight
    np.testing.assert_allclose(ours, exact, atol=1e-6)
