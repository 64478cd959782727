"""The integral over citizens as machine code: values and analytic gradients on a shared grid.

Notation and formulas: :mod:`bayes_coprod.model.quadrature`. What makes it fast:

- A citizen's answers enter as products of probabilities. Items come in groups, and citizens of a
  country who answered a group alike share one row of products: no exponential per answer.
- On equally spaced nodes the prior's linear term is a geometric progression.
- The matrix that couples the forms depends on distances within a window only, so it is the same
  for all citizens, and a block of citizens is one matrix product.
- Gradients by node weights: no reverse pass through arrays of citizens by nodes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

_LOG_2_PI = math.log(2 * math.pi)
_LOG_HUGE = 338.0
"""Of the largest factor of a form, so that the product of two is finite. It is met only where a
citizen's expected propensity lies far outside the window."""
_TINY = 1e-300
"""Instead of a sum that underflows far from the posterior; the prior's pull then leads back."""
_BLOCK = 128
"""Citizens at a time: what is computed of them stays in the processor's nearest memory."""

# Sums may be reordered, so that they use vector instructions; infinities and NaN stay what they
# are. The cache spares every process but the first the compilation.
_compiled = numba.njit(
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
    grid : numpy.ndarray
        (grid node,), equally spaced, on the latent scale.
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
    grid: np.ndarray
    row: np.ndarray
    row_country: np.ndarray
    row_category: np.ndarray
    scale: Scale


@_compiled
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


@_compiled
def category_probabilities(
    kappa: np.ndarray, above: np.ndarray, scale: Scale, grid: np.ndarray
) -> np.ndarray:
    """Probability of each category, (country, category of the form, grid node).

    P(between a and b) = logistic(theta - a) logistic(b - theta) (1 - exp(a - b)): no difference of
    two logistics.
    """
    n = len(scale.threshold)
    falls = math.exp(grid[0] - grid[1])
    out = np.ones((len(kappa), scale.category_below[-1] + 2, above.shape[2]))
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


@_compiled
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


@_compiled
def pattern_products(table: np.ndarray, side: Side) -> np.ndarray:
    """Multiply the probabilities of each pattern's answers, (row, grid node)."""
    out = np.ones((len(side.row_country), table.shape[2]))
    for r in range(len(out)):
        for k in side.row_category[r]:
            if k >= 0:
                factor = table[side.row_country[r], k]
                for q in range(out.shape[1]):
                    out[r, q] *= factor[q]
    return out


@_compiled
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


@_compiled
def _distance(mu: np.ndarray, side: Side) -> np.ndarray:
    """From each citizen's expected propensity to the middle of the window, (citizen,)."""
    return side.grid[side.first + side.n_nodes // 2] - mu


@_compiled
def _offsets(side: Side) -> np.ndarray:
    """Nodes of a window from its middle, (node,)."""
    return (side.grid[1] - side.grid[0]) * (np.arange(side.n_nodes) - side.n_nodes // 2)


@_compiled
def _weigh(
    start: int,
    products: np.ndarray,
    side: Side,
    slope: np.ndarray,
    gauss: np.ndarray,
    out: np.ndarray,
) -> None:
    """Likelihood times the form's own share of the prior at each node of a block's windows.

    `slope` (citizen,) is the prior's linear term, by node; `gauss` (node,) its quadratic one, the
    same for all. Written into `out` (citizen of the block, node).
    """
    n, n_nodes = out.shape
    # powers of a ratio, node by node for the whole block: long loops make use of the processor
    power, ratio = np.empty((n_nodes, n)), np.empty(n)
    steepest = _LOG_HUGE / (n_nodes // 2 + 1)
    for b in range(n):
        ratio[b] = math.exp(min(max(slope[start + b], -steepest), steepest))
    power[n_nodes // 2] = 1.0
    for j in range(n_nodes // 2 + 1, n_nodes):
        for b in range(n):
            power[j, b] = power[j - 1, b] * ratio[b]
    for b in range(n):
        ratio[b] = 1 / ratio[b]
    for j in range(n_nodes // 2 - 1, -1, -1):
        for b in range(n):
            power[j, b] = power[j + 1, b] * ratio[b]
    n_groups = side.row.shape[1]
    for b in range(n):
        u, a, row = out[b], side.first[start + b], side.row[start + b]
        for j in range(n_nodes):
            u[j] = power[j, b]
        if n_groups % 2:
            likelihood = products[row[0], a : a + n_nodes]
            for j in range(n_nodes):
                u[j] *= gauss[j] * likelihood[j]
        else:
            for j in range(n_nodes):
                u[j] *= gauss[j]
        for g in range(n_groups % 2, n_groups, 2):
            one, two = products[row[g], a : a + n_nodes], products[row[g + 1], a : a + n_nodes]
            for j in range(n_nodes):
                u[j] *= one[j] * two[j]


@_compiled
def _spread(start: int, weights: np.ndarray, side: Side, out: np.ndarray) -> None:
    """Add a block's node weights to the rows of its citizens' patterns, (row, grid node)."""
    n, n_nodes = weights.shape
    n_groups = side.row.shape[1]
    for b in range(n):
        w, a, row = weights[b], side.first[start + b], side.row[start + b]
        if n_groups % 2:
            to = out[row[0], a : a + n_nodes]
            for j in range(n_nodes):
                to[j] += w[j]
        for g in range(n_groups % 2, n_groups, 2):
            one, two = out[row[g], a : a + n_nodes], out[row[g + 1], a : a + n_nodes]
            for j in range(n_nodes):
                one[j] += w[j]
                two[j] += w[j]


@_compiled
def expected_propensity(effects: np.ndarray, x: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Expected propensities, (citizen, form).

    Parameters
    ----------
    effects : numpy.ndarray
        (country, form, 1 + coefficient), the intercept first.
    x : numpy.ndarray
        (citizen, 1 + coefficient), ones first, sorted by country.
    ends : numpy.ndarray
        (country + 1,), where each country's citizens begin, and the end.
    """
    out = np.empty((len(x), effects.shape[1]))
    for c in range(len(effects)):
        out[ends[c] : ends[c + 1]] = np.dot(x[ends[c] : ends[c + 1]], effects[c].T)
    return out


@_compiled
def by_effects(by_mu: np.ndarray, x: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Gradient by the effects, (country, form, 1 + coefficient), from that by mu."""
    out = np.empty((len(ends) - 1, by_mu.shape[1], x.shape[1]))
    for c in range(len(out)):
        out[c] = np.dot(by_mu[ends[c] : ends[c + 1]].T, x[ends[c] : ends[c + 1]])
    return out


@_compiled
def integrate_one(
    mu: np.ndarray, kappa: np.ndarray, sigma: np.ndarray, side: Side
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Integrate one propensity.

    Parameters
    ----------
    mu : numpy.ndarray
        (citizen, 1).
    kappa : numpy.ndarray
        (country, threshold).
    sigma : numpy.ndarray
        (1,).
    side : Side

    Returns
    -------
    (log_likelihood, by_mu, by_kappa, by_sigma)
        (citizen,), and the gradients of its sum, each as the argument.
    """
    n, n_nodes = len(mu), side.n_nodes
    above = probability_above(kappa, side.scale, side.grid)
    table = category_probabilities(kappa, above, side.scale, side.grid)
    products = pattern_products(table, side)
    by_row = np.zeros_like(products)
    precision = 1 / (sigma[0] * sigma[0])
    distance, offset = _distance(mu[:, 0], side), _offsets(side)
    spacing = side.grid[1] - side.grid[0]
    gauss = np.exp(-0.5 * precision * offset**2)
    slope = -precision * spacing * distance
    constant = math.log(spacing * math.sqrt(precision)) - 0.5 * _LOG_2_PI
    log_likelihood, by_mu = np.empty(n), np.empty((n, 1))
    squares = 0.0
    block = np.empty((_BLOCK, n_nodes))
    for start in range(0, n, _BLOCK):
        u = block[: min(_BLOCK, n - start)]
        _weigh(start, products, side, slope, gauss, u)
        for b in range(len(u)):
            total, first, second = 0.0, 0.0, 0.0
            for j in range(n_nodes):
                total += u[b, j]
                first += u[b, j] * offset[j]
                second += u[b, j] * offset[j] * offset[j]
            total = max(total, _TINY)
            for j in range(n_nodes):
                u[b, j] /= total
            d = distance[start + b]
            log_likelihood[start + b] = math.log(total) + constant - 0.5 * precision * d * d
            by_mu[start + b, 0] = precision * (d + first / total)
            squares += d * (d + 2 * first / total) + second / total
        _spread(start, u, side, by_row)
    by_kappa = np.zeros_like(kappa)
    _by_threshold(kappa, above, _fold(by_row, side, table.shape), side.scale, by_kappa)
    by_sigma = np.array([(precision * squares - n) / sigma[0]])
    return log_likelihood, by_mu, by_kappa, by_sigma


@_compiled
def coupling_of(
    sigma: np.ndarray, rho: float, side_1: Side, side_2: Side
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the prior of two correlated deviations is at a window's nodes.

    Returns
    -------
    (precision, gauss_1, gauss_2, coupling)
        (form, form); (node,) of each form; (node of the first form, node of the second).
    """
    rest = 1 - rho * rho
    precision = np.empty((2, 2))
    precision[0, 0] = 1 / (sigma[0] * sigma[0] * rest)
    precision[1, 1] = 1 / (sigma[1] * sigma[1] * rest)
    precision[0, 1] = precision[1, 0] = -rho / (sigma[0] * sigma[1] * rest)
    z_1 = math.sqrt(precision[0, 0]) * _offsets(side_1)
    z_2 = math.sqrt(precision[1, 1]) * _offsets(side_2) * (-1.0 if rho < 0 else 1.0)
    coupling = np.empty((len(z_1), len(z_2)))
    for j in range(len(z_1)):
        for k in range(len(z_2)):
            coupling[j, k] = math.exp(-0.5 * abs(rho) * (z_1[j] - z_2[k]) ** 2)
    own = 0.5 * (1 - abs(rho))
    return precision, np.exp(-own * z_1**2), np.exp(-own * z_2**2), coupling


@_compiled
def integrate_two(
    mu: np.ndarray, kappa: np.ndarray, sigma: np.ndarray, rho: float, side_1: Side, side_2: Side
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Integrate two correlated propensities.

    As :func:`integrate_one` with two forms, and the gradient by `rho` besides.
    """
    n, n_1, n_2 = len(mu), side_1.n_nodes, side_2.n_nodes
    above_1, above_2 = (
        probability_above(kappa, side_1.scale, side_1.grid),
        probability_above(kappa, side_2.scale, side_2.grid),
    )
    table_1 = category_probabilities(kappa, above_1, side_1.scale, side_1.grid)
    table_2 = category_probabilities(kappa, above_2, side_2.scale, side_2.grid)
    products_1, products_2 = pattern_products(table_1, side_1), pattern_products(table_2, side_2)
    by_row_1, by_row_2 = np.zeros_like(products_1), np.zeros_like(products_2)
    precision, gauss_1, gauss_2, coupling = coupling_of(sigma, rho, side_1, side_2)
    transposed = np.ascontiguousarray(coupling.T)
    p_11, p_12, p_22 = precision[0, 0], precision[0, 1], precision[1, 1]
    offset_1, offset_2 = _offsets(side_1), _offsets(side_2)
    spacing_1, spacing_2 = side_1.grid[1] - side_1.grid[0], side_2.grid[1] - side_2.grid[0]
    distance_1, distance_2 = _distance(mu[:, 0], side_1), _distance(mu[:, 1], side_2)
    pull_1 = p_11 * distance_1 + p_12 * distance_2
    pull_2 = p_12 * distance_1 + p_22 * distance_2
    slope_1, slope_2 = -spacing_1 * pull_1, -spacing_2 * pull_2
    constant = math.log(spacing_1 * spacing_2) - _LOG_2_PI
    constant -= math.log(sigma[0] * sigma[1]) + 0.5 * math.log(1 - rho * rho)

    log_likelihood, by_mu = np.empty(n), np.empty((n, 2))
    # sums over citizens of the posterior's moments around mu, and of its weights on the nodes
    squares_11, squares_12, squares_22 = 0.0, 0.0, 0.0
    joint = np.zeros((n_1, n_2))
    block_u, block_v = np.empty((_BLOCK, n_1)), np.empty((_BLOCK, n_2))
    block_s, block_t = np.empty((_BLOCK, n_1)), np.empty((_BLOCK, n_2))
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        u, v, s, t = block_u[:size], block_v[:size], block_s[:size], block_t[:size]
        _weigh(start, products_1, side_1, slope_1, gauss_1, u)
        _weigh(start, products_2, side_2, slope_2, gauss_2, v)
        np.dot(v, transposed, s)
        np.dot(u, coupling, t)
        for b in range(size):
            i = start + b
            total, first_1, first_2 = 0.0, 0.0, 0.0
            for j in range(n_1):
                s[b, j] *= u[b, j]
                total += s[b, j]
                first_1 += s[b, j] * offset_1[j]
            total = max(total, _TINY)
            scale = 1 / total
            for j in range(n_1):
                s[b, j] *= scale
                u[b, j] *= scale
            for k in range(n_2):
                t[b, k] *= v[b, k] * scale
                first_2 += t[b, k] * offset_2[k]
            first_1 *= scale
            d_1, d_2 = distance_1[i], distance_2[i]
            log_likelihood[i] = math.log(total) + constant
            log_likelihood[i] -= 0.5 * (d_1 * pull_1[i] + d_2 * pull_2[i])
            by_mu[i, 0] = pull_1[i] + p_11 * first_1 + p_12 * first_2
            by_mu[i, 1] = pull_2[i] + p_12 * first_1 + p_22 * first_2
            squares_11 += d_1 * (d_1 + 2 * first_1)
            squares_22 += d_2 * (d_2 + 2 * first_2)
            squares_12 += d_1 * d_2 + d_1 * first_2 + d_2 * first_1
        joint += np.dot(u.T, v)
        _spread(start, s, side_1, by_row_1)
        _spread(start, t, side_2, by_row_2)
    for j in range(n_1):
        for k in range(n_2):
            weight = joint[j, k] * coupling[j, k]
            squares_11 += weight * offset_1[j] * offset_1[j]
            squares_22 += weight * offset_2[k] * offset_2[k]
            squares_12 += weight * offset_1[j] * offset_2[k]

    by_kappa = np.zeros_like(kappa)
    _by_threshold(kappa, above_1, _fold(by_row_1, side_1, table_1.shape), side_1.scale, by_kappa)
    _by_threshold(kappa, above_2, _fold(by_row_2, side_2, table_2.shape), side_2.scale, by_kappa)
    # d/d Sigma = (P E P - N P) / 2 with P the precision and E the moments
    moments = np.array([[squares_11, squares_12], [squares_12, squares_22]])
    by_covariance = 0.5 * (precision @ moments @ precision - n * precision)
    by_sigma = np.array(
        [
            2 * (by_covariance[0, 0] * sigma[0] + by_covariance[0, 1] * rho * sigma[1]),
            2 * (by_covariance[1, 1] * sigma[1] + by_covariance[0, 1] * rho * sigma[0]),
        ]
    )
    by_rho = 2 * by_covariance[0, 1] * sigma[0] * sigma[1]
    return log_likelihood, by_mu, by_kappa, by_sigma, by_rho


@_compiled
def node_factors(pull: np.ndarray, kappa: np.ndarray, gauss: np.ndarray, side: Side) -> np.ndarray:
    """Likelihood times the form's own share of the prior at all nodes, (citizen, node)."""
    table = category_probabilities(
        kappa, probability_above(kappa, side.scale, side.grid), side.scale, side.grid
    )
    out = np.empty((len(pull), side.n_nodes))
    slope = -(side.grid[1] - side.grid[0]) * pull
    _weigh(0, pattern_products(table, side), side, slope, gauss, out)
    return out


@_compiled
def lay_on_lattice(
    mu: np.ndarray, weight: np.ndarray, ends: np.ndarray, origin: float, step: float, n: int
) -> np.ndarray:
    """Lay weights onto an equally spaced lattice by cubic interpolation, (country, node).

    A smooth function's weighted mean over citizens is then its weighted sum over the lattice.
    `mu` and `weight` are (citizen,); every `mu` has two nodes on either side.
    """
    out = np.zeros((len(ends) - 1, n))
    for c in range(len(out)):
        for i in range(ends[c], ends[c + 1]):
            at = (mu[i] - origin) / step
            j = min(max(int(at), 1), n - 3)
            t = at - j
            out[c, j - 1] -= weight[i] * t * (t - 1) * (t - 2) / 6
            out[c, j] += weight[i] * (t + 1) * (t - 1) * (t - 2) / 2
            out[c, j + 1] -= weight[i] * (t + 1) * t * (t - 2) / 2
            out[c, j + 2] += weight[i] * (t + 1) * t * (t - 1) / 6
    return out
