"""Probabilities of answers in tables over the nodes of a grid, and gradients from node weights.

Items come in groups, and citizens of a country who answered a group alike share one row of
products: no exponential per answer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

# Sums may be reordered, so that they use vector instructions; infinities and NaN stay what they
# are. The cache spares every process but the first the compilation.
compiled = numba.njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"contract", "reassoc", "arcp", "nsz"},
)


class Scale(NamedTuple):
    """How the thresholds of one form's items bound their categories.

    Parameters
    ----------
    threshold : numpy.ndarray
        (threshold of the form,), position among all thresholds.
    category_below : numpy.ndarray
        (threshold of the form,), position of the category under it; the next one lies above.
    is_last : numpy.ndarray
        (threshold of the form,), whether it is its item's last.
    """

    threshold: np.ndarray
    category_below: np.ndarray
    is_last: np.ndarray


class Side(NamedTuple):
    """One form's share of the integral: the citizens' windows and what they answered.

    Parameters
    ----------
    first : numpy.ndarray
        (citizen,), position in the grid of the window's first node.
    n_nodes : int
        Of a window.
    spacing : float
        Of the grid, on the latent scale.
    grid : numpy.ndarray
        (grid node,), on the latent scale.
    row : numpy.ndarray
        (citizen, group), the pattern of answers to a group's items.
    row_country : numpy.ndarray
        (row,), position of the country whose probabilities a row multiplies.
    row_category : numpy.ndarray
        (row, item of the group), position of the category among the form's; -1: no answer.
    scale : Scale
    """

    first: np.ndarray
    n_nodes: int
    spacing: float
    grid: np.ndarray
    row: np.ndarray
    row_country: np.ndarray
    row_category: np.ndarray
    scale: Scale


@compiled
def probability_above(kappa: np.ndarray, scale: Scale, grid: np.ndarray) -> np.ndarray:
    """Probability to answer above each threshold, (country, threshold of the form, grid node).

    `kappa` is (country, threshold).
    """
    n = len(scale.threshold)
    out = np.empty((len(kappa), n, len(grid)))
    falls = math.exp(grid[0] - grid[1])
    for c in range(len(kappa)):
        for t in range(n):
            # odds to lie below, e^(kappa - theta), fall by the same factor from node to node
            odds = math.exp(min(kappa[c, scale.threshold[t]] - grid[0], 700.0))
            for q in range(out.shape[2]):
                out[c, t, q] = 1 / (1 + odds)
                odds *= falls
    return out


@compiled
def category_probabilities(
    kappa: np.ndarray, above: np.ndarray, scale: Scale, grid: np.ndarray
) -> np.ndarray:
    """Probability of each category, (country, category of the form, grid node).

    P(between a and b) = logistic(theta - a) logistic(b - theta) (1 - exp(a - b)): no difference of
    two logistics.
    """
    n = len(scale.threshold)
    falls = math.exp(grid[0] - grid[1])
    out = np.ones((len(kappa), n + scale.is_last.sum(), above.shape[2]))
    for c in range(len(kappa)):
        for t in range(n):
            below = scale.category_below[t]
            factor = 1.0
            if not scale.is_last[t]:
                lower, upper = scale.threshold[t], scale.threshold[t + 1]
                factor = -math.expm1(kappa[c, lower] - kappa[c, upper])
            odds = math.exp(min(kappa[c, scale.threshold[t]] - grid[0], 700.0))
            for q in range(above.shape[2]):
                out[c, below, q] *= odds * above[c, t, q]
                out[c, below + 1, q] = above[c, t, q] * factor
                odds *= falls
    return out


@compiled
def _by_threshold(
    kappa: np.ndarray, above: np.ndarray, weights: np.ndarray, scale: Scale, out: np.ndarray
) -> None:
    """Gradient by the thresholds of one form, from the node weights of each answer.

    `weights` is (country, category of the form, grid node); written into `out`, as `kappa`.
    """
    for c in range(len(kappa)):
        for t in range(len(scale.threshold)):
            below, at = scale.category_below[t], scale.threshold[t]
            total, between = 0.0, 0.0
            for q in range(above.shape[2]):
                p = above[c, t, q]
                total += weights[c, below, q] * p - weights[c, below + 1, q] * (1 - p)
                between += weights[c, below + 1, q]
            out[c, at] += total
            if not scale.is_last[t]:
                between /= math.expm1(kappa[c, scale.threshold[t + 1]] - kappa[c, at])
                out[c, scale.threshold[t + 1]] += between
                out[c, at] -= between


@compiled
def _multiply(table: np.ndarray, side: Side) -> np.ndarray:
    """Multiply the probabilities of each pattern's answers, (row, grid node)."""
    out = np.ones((len(side.row_country), table.shape[2]))
    for r in range(len(out)):
        for k in side.row_category[r]:
            if k >= 0:
                factor = table[side.row_country[r], k]
                for q in range(out.shape[1]):
                    out[r, q] *= factor[q]
    return out


@compiled
def _fold(by_row: np.ndarray, side: Side, shape: tuple[int, int, int]) -> np.ndarray:
    """Sum node weights of the patterns over those who gave each answer, in a table's shape."""
    out = np.zeros(shape)
    for r in range(len(by_row)):
        for k in side.row_category[r]:
            if k >= 0:
                to = out[side.row_country[r], k]
                for q in range(by_row.shape[1]):
                    to[q] += by_row[r, q]
    return out


@compiled
def answer_products(kappa: np.ndarray, side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Multiply the probabilities of the answers in each pattern.

    Returns
    -------
    (above, products)
        Of :func:`probability_above`; (row, grid node).
    """
    above = probability_above(kappa, side.scale, side.grid)
    table = category_probabilities(kappa, above, side.scale, side.grid)
    return above, _multiply(table, side)


@compiled
def add_by_kappa(
    kappa: np.ndarray, above: np.ndarray, by_row: np.ndarray, side: Side, out: np.ndarray
) -> None:
    """Add the gradient by one form's thresholds to `out`, as `kappa`.

    `by_row` is (row, grid node): posterior weights of those who gave a pattern of answers.
    """
    n_categories = len(side.scale.threshold) + side.scale.is_last.sum()
    weights = _fold(by_row, side, (len(kappa), n_categories, above.shape[2]))
    _by_threshold(kappa, above, weights, side.scale, out)
