"""Probabilities of answers in tables over the nodes of a grid, and gradients from node weights.

Items come in groups, and citizens of a country who answered a group alike share one row of
products: no exponential per answer. Nothing here calls compiled functions of another file, whose
changes numba's cache would not notice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

# Sums may be reordered, so that they use vector instructions; infinities and NaN stay what they
# are. The cache spares every process but the first the compilation.
_FASTMATH = {"contract", "reassoc", "arcp", "nsz"}
compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FASTMATH)
# What compiled functions call. Not inlined, it would be called as it stands alone in the process
# that compiles it, and as its caller's copy in those that have it from the cache, which rounds
# otherwise.
inlined = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath=_FASTMATH, forceinline=True
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
    item : numpy.ndarray
        (threshold of the form,), position of its item among all.
    """

    threshold: np.ndarray
    category_below: np.ndarray
    is_last: np.ndarray
    item: np.ndarray


class Patterns(NamedTuple):
    """How the citizens of each country answered the groups of one form's items.

    Parameters
    ----------
    grid : numpy.ndarray
        (grid node,), equally spaced, on the latent scale.
    country : numpy.ndarray
        (row,), position of the country whose probabilities a row multiplies.
    category : numpy.ndarray
        (row, item of the group), position of the category among the form's; -1: no answer.
    scale : Scale
    """

    grid: np.ndarray
    country: np.ndarray
    category: np.ndarray
    scale: Scale


@inlined
def probability_above(
    kappa: np.ndarray, discrimination: np.ndarray, scale: Scale, grid: np.ndarray
) -> np.ndarray:
    """Probability to answer above each threshold, (country, threshold of the form, grid node).

    `kappa` is (country, threshold), `discrimination` (item,).
    """
    n = len(scale.threshold)
    out = np.empty((len(kappa), n, len(grid)))
    for c in range(len(kappa)):
        for t in range(n):
            # odds to lie below, e^(kappa - lambda theta), fall alike from node to node
            steep = discrimination[scale.item[t]]
            falls = math.exp(steep * (grid[0] - grid[1]))
            odds = math.exp(min(kappa[c, scale.threshold[t]] - steep * grid[0], 700.0))
            for q in range(out.shape[2]):
                out[c, t, q] = 1 / (1 + odds)
                odds *= falls
    return out


@inlined
def category_probabilities(
    kappa: np.ndarray,
    discrimination: np.ndarray,
    above: np.ndarray,
    scale: Scale,
    grid: np.ndarray,
) -> np.ndarray:
    """Probability of each category, (country, category of the form, grid node).

    P(between a and b) = logistic(eta - a) logistic(b - eta) (1 - exp(a - b)), with the propensity
    times its discrimination as eta: no difference of two logistics.
    """
    n = len(scale.threshold)
    out = np.ones((len(kappa), scale.category_below[-1] + 2, above.shape[2]))
    for c in range(len(kappa)):
        for t in range(n):
            below = scale.category_below[t]
            factor = 1.0
            if not scale.is_last[t]:
                lower, upper = scale.threshold[t], scale.threshold[t + 1]
                factor = -math.expm1(kappa[c, lower] - kappa[c, upper])
            steep = discrimination[scale.item[t]]
            falls = math.exp(steep * (grid[0] - grid[1]))
            odds = math.exp(min(kappa[c, scale.threshold[t]] - steep * grid[0], 700.0))
            for q in range(above.shape[2]):
                out[c, below, q] *= odds * above[c, t, q]
                out[c, below + 1, q] = above[c, t, q] * factor
                odds *= falls
    return out


@inlined
def _by_threshold(
    kappa: np.ndarray,
    above: np.ndarray,
    weights: np.ndarray,
    patterns: Patterns,
    out: np.ndarray,
    by_discrimination: np.ndarray,
) -> None:
    """Gradient by thresholds and discriminations of one form, from node weights of each answer.

    `weights` is (country, category of the form, grid node); added to `out`, as `kappa`, and to
    `by_discrimination`, (item,).
    """
    scale, grid = patterns.scale, patterns.grid
    for c in range(len(kappa)):
        for t in range(len(scale.threshold)):
            below, at = scale.category_below[t], scale.threshold[t]
            total, between, moment = 0.0, 0.0, 0.0
            for q in range(above.shape[2]):
                p = above[c, t, q]
                slope = weights[c, below, q] * p - weights[c, below + 1, q] * (1 - p)
                total += slope
                moment += slope * grid[q]
                between += weights[c, below + 1, q]
            out[c, at] += total
            by_discrimination[scale.item[t]] -= moment
            if not scale.is_last[t]:
                between /= math.expm1(kappa[c, scale.threshold[t + 1]] - kappa[c, at])
                out[c, scale.threshold[t + 1]] += between
                out[c, at] -= between


@inlined
def _multiply(table: np.ndarray, patterns: Patterns) -> np.ndarray:
    """Multiply the probabilities of each pattern's answers, (row, grid node)."""
    out = np.ones((len(patterns.country), table.shape[2]))
    for r in range(len(out)):
        for k in patterns.category[r]:
            if k >= 0:
                factor = table[patterns.country[r], k]
                for q in range(out.shape[1]):
                    out[r, q] *= factor[q]
    return out


@inlined
def _fold(by_row: np.ndarray, patterns: Patterns, shape: tuple[int, int, int]) -> np.ndarray:
    """Sum node weights of the patterns over those who gave each answer, in a table's shape."""
    out = np.zeros(shape)
    for r in range(len(by_row)):
        for k in patterns.category[r]:
            if k >= 0:
                to = out[patterns.country[r], k]
                for q in range(by_row.shape[1]):
                    to[q] += by_row[r, q]
    return out


@compiled
def answer_products(
    kappa: np.ndarray, discrimination: np.ndarray, patterns: Patterns
) -> tuple[np.ndarray, np.ndarray]:
    """Multiply the probabilities of the answers in each pattern.

    Returns
    -------
    (above, products)
        Of :func:`probability_above`; (row, grid node).
    """
    scale, grid = patterns.scale, patterns.grid
    above = probability_above(kappa, discrimination, scale, grid)
    table = category_probabilities(kappa, discrimination, above, scale, grid)
    return above, _multiply(table, patterns)


@compiled
def add_by_kappa(
    kappa: np.ndarray,
    above: np.ndarray,
    by_row: np.ndarray,
    patterns: Patterns,
    out: np.ndarray,
    by_discrimination: np.ndarray,
) -> None:
    """Add the gradients by one form's thresholds to `out`, as `kappa`, and by discriminations.

    `by_row` is (row, grid node): posterior weights of those who gave a pattern of answers.
    """
    n_categories = patterns.scale.category_below[-1] + 2
    weights = _fold(by_row, patterns, (len(kappa), n_categories, above.shape[2]))
    _by_threshold(kappa, above, weights, patterns, out, by_discrimination)
