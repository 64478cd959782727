"""Averages over citizens by way of a lattice, as machine code; see :mod:`.response`.

What calls each other stands in one file: numba's cache notices no changes of another.
"""

from __future__ import annotations

import math

import numpy as np

from bayes_coprod.model.answer_tables import compiled, inlined


@compiled
def propensities(effects: np.ndarray, x: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Expected propensities as the sampler's ``expected_propensity``, (form, citizen).

    `x` is (1 + coefficient, citizen).
    """
    n_countries, n_forms, n_columns = effects.shape
    out = np.zeros((n_forms, x.shape[1]))
    for c in range(n_countries):
        for f in range(n_forms):
            own = out[f, ends[c] : ends[c + 1]]
            for p in range(n_columns):
                column, effect = x[p, ends[c] : ends[c + 1]], effects[c, f, p]
                for i in range(len(own)):
                    own[i] += effect * column[i]
    return out


@compiled
def normal_weights(grid: np.ndarray, lattice: np.ndarray, sigma: float) -> np.ndarray:
    """Weights of equally spaced nodes in means over N(lattice node, sigma), (node, lattice node).

    Both are on the scale of propensities.
    """
    spacing = grid[1] - grid[0]
    factor = spacing / (sigma * math.sqrt(2 * math.pi))
    out = np.empty((len(grid), len(lattice)))
    for q in range(len(grid)):
        for j in range(len(lattice)):
            z = (grid[q] - lattice[j]) / sigma
            out[q, j] = factor * math.exp(-0.5 * z * z)
    return out


@inlined
def _cubic(t: float) -> tuple[float, float, float, float]:
    """Weights of the nodes at -1, 0, 1 and 2 in the value at t."""
    inner, outer = t * (t - 1) / 6, (t + 1) * (t - 2) / 2
    return -inner * (t - 2), outer * (t - 1), -outer * t, inner * (t + 1)


@compiled
def lay_on_lattice(
    mu: np.ndarray, weight: np.ndarray, ends: np.ndarray, lattice: np.ndarray
) -> np.ndarray:
    """Lay weights onto equally spaced nodes by cubic interpolation.

    A smooth function's weighted mean over citizens is then its weighted sum over the lattice.

    Parameters
    ----------
    mu : numpy.ndarray
        (version, citizen), with two nodes of the lattice on either side of each.
    weight : numpy.ndarray
        (version, citizen), or (1, citizen) of all versions.
    ends : numpy.ndarray
        (country + 1,).
    lattice : numpy.ndarray
        (lattice node,).

    Returns
    -------
    numpy.ndarray
        (version, country, lattice node).
    """
    n = len(lattice)
    per_step = (n - 1) / (lattice[-1] - lattice[0])
    out = np.zeros((len(mu), len(ends) - 1, n))
    for v in range(len(mu)):
        share = weight[min(v, len(weight) - 1)]
        for c in range(len(ends) - 1):
            laid = out[v, c]
            for i in range(ends[c], ends[c + 1]):
                at = (mu[v, i] - lattice[0]) * per_step
                j = min(max(int(at), 1), n - 3)
                before, here, after, beyond = _cubic(at - j)
                laid[j - 1] += share[i] * before
                laid[j] += share[i] * here
                laid[j + 1] += share[i] * after
                laid[j + 2] += share[i] * beyond
    return out


@compiled
def average_moved(
    laid: np.ndarray, start: np.ndarray, table: np.ndarray, moves: np.ndarray
) -> np.ndarray:
    """Mean of tabulated functions over citizens who are moved along the lattice.

    Parameters
    ----------
    laid : numpy.ndarray
        (version, country, lattice node), from :func:`lay_on_lattice`.
    start : numpy.ndarray
        (move,), the version that is moved.
    table : numpy.ndarray
        (country, response, lattice node).
    moves : numpy.ndarray
        (move, country), in steps of the lattice.

    Returns
    -------
    numpy.ndarray
        (move, country, response).
    """
    n = laid.shape[2]
    out = np.zeros((len(moves), *table.shape[:2]))
    for m in range(len(moves)):
        for c in range(len(table)):
            own = laid[start[m], c]
            j = math.floor(moves[m, c])
            before, here, after, beyond = _cubic(moves[m, c] - j)
            for r in range(table.shape[1]):
                value = table[c, r]
                total = 0.0
                for i in range(max(0, 1 - j), min(n, n - 2 - j)):
                    k = i + j
                    total += own[i] * (
                        before * value[k - 1]
                        + here * value[k]
                        + after * value[k + 1]
                        + beyond * value[k + 2]
                    )
                out[m, c, r] = total
    return out
