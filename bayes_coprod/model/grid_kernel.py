"""The integral over citizens on a shared grid, and what else their posteriors on it give.

Gradients are sums over node weights: no reverse pass through arrays of citizens by nodes.
"""

from __future__ import annotations

import numpy as np

from bayes_coprod.model.answer_tables import Side, add_by_kappa, compiled
from bayes_coprod.model.grid_blocks import BLOCK, log_answers, make_block, prepare, shorten, weigh


@compiled
def integrate(
    mu: np.ndarray, kappa: np.ndarray, sigma: np.ndarray, rho: float, side_1: Side, side_2: Side
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Integrate two correlated propensities.

    Parameters
    ----------
    mu : numpy.ndarray
        (citizen, form).
    kappa : numpy.ndarray
        (country, threshold).
    sigma : numpy.ndarray
        (form,).
    rho : float
    side_1, side_2 : Side

    Returns
    -------
    (log_likelihood, by_mu, by_kappa, by_sigma, by_rho)
        (citizen,), and the gradients of its sum, each as the argument.
    """
    n = len(mu)
    pair = prepare(mu, kappa, sigma, rho, side_1, side_2)
    one, two, precision = pair.one, pair.two, pair.precision
    offset_1, offset_2 = one.offset, two.offset
    by_row_1, by_row_2 = np.zeros_like(one.products), np.zeros_like(two.products)
    log_sum, by_mu = np.empty(n), np.empty((n, 2))
    # sums over citizens of the posterior's moments around mu, and of its weights on the nodes
    squares_11, squares_12, squares_22 = 0.0, 0.0, 0.0
    joint = np.zeros(pair.coupling.shape)
    room = make_block(min(BLOCK, n), pair)
    for start in range(0, n, BLOCK):
        block = shorten(room, min(BLOCK, n - start))
        weigh(start, pair, block, log_sum)
        for b in range(len(block.u)):
            i = start + b
            first_1, first_2 = 0.0, 0.0
            for j in range(len(offset_1)):
                first_1 += block.s[b, j] * offset_1[j]
            for k in range(len(offset_2)):
                first_2 += block.t[b, k] * offset_2[k]
            d_1, d_2 = one.distance[i], two.distance[i]
            by_mu[i, 0] = one.pull[i] + precision[0, 0] * first_1 + precision[0, 1] * first_2
            by_mu[i, 1] = two.pull[i] + precision[0, 1] * first_1 + precision[1, 1] * first_2
            squares_11 += d_1 * (d_1 + 2 * first_1)
            squares_22 += d_2 * (d_2 + 2 * first_2)
            squares_12 += d_1 * d_2 + d_1 * first_2 + d_2 * first_1
            if block.is_direct[b]:
                squares_11 += (block.s[b] * offset_1**2).sum()
                squares_22 += (block.t[b] * offset_2**2).sum()
                squares_12 += block.cross[b]
        joint += np.dot(block.u.T, block.v)
        _spread(start, block.s, side_1, by_row_1)
        _spread(start, block.t, side_2, by_row_2)
    for j in range(len(offset_1)):
        for k in range(len(offset_2)):
            weight = joint[j, k] * pair.coupling[j, k]
            squares_11 += weight * offset_1[j] * offset_1[j]
            squares_22 += weight * offset_2[k] * offset_2[k]
            squares_12 += weight * offset_1[j] * offset_2[k]

    by_kappa = np.zeros_like(kappa)
    add_by_kappa(kappa, one.above, by_row_1, side_1, by_kappa)
    add_by_kappa(kappa, two.above, by_row_2, side_2, by_kappa)
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
    return log_sum + pair.log_constant, by_mu, by_kappa, by_sigma, by_rho


@compiled
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


@compiled
def node_weights(
    mu: np.ndarray, kappa: np.ndarray, sigma: np.ndarray, rho: float, side_1: Side, side_2: Side
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posterior of each citizen on the nodes.

    Parameters as of :func:`integrate`.

    Returns
    -------
    (weights_1, weights_2, cross)
        (citizen, node) of each form; (citizen,), mean product of both propensities' distances from
        the middle of the window.
    """
    n = len(mu)
    pair = prepare(mu, kappa, sigma, rho, side_1, side_2)
    weights_1, weights_2 = np.empty((n, side_1.n_nodes)), np.empty((n, side_2.n_nodes))
    cross, log_sum = np.empty(n), np.empty(n)
    room = make_block(min(BLOCK, n), pair)
    for start in range(0, n, BLOCK):
        block = shorten(room, min(BLOCK, n - start))
        weigh(start, pair, block, log_sum)
        end = start + len(block.u)
        weights_1[start:end], weights_2[start:end] = block.s, block.t
        product = np.dot(block.u * pair.one.offset, pair.coupling) * block.v * pair.two.offset
        for b in range(len(block.u)):
            cross[start + b] = block.cross[b] if block.is_direct[b] else product[b].sum()
    return weights_1, weights_2, cross


@compiled
def draw_nodes(
    mu: np.ndarray,
    kappa: np.ndarray,
    sigma: np.ndarray,
    rho: float,
    side_1: Side,
    side_2: Side,
    uniform: np.ndarray,
) -> np.ndarray:
    """Draw a pair of nodes from each citizen's posterior, (citizen, form), on the latent scale.

    Parameters as of :func:`integrate`; `uniform` is (citizen, form), random numbers.
    """
    n = len(mu)
    pair = prepare(mu, kappa, sigma, rho, side_1, side_2)
    regression = -pair.precision[0, 1] / pair.precision[1, 1]
    out, log_sum = np.empty((n, 2)), np.empty(n)
    room = make_block(min(BLOCK, n), pair)
    for start in range(0, n, BLOCK):
        block = shorten(room, min(BLOCK, n - start))
        weigh(start, pair, block, log_sum)
        for b in range(len(block.u)):
            i = start + b
            j = _choose(block.s[b], uniform[i, 0])
            # the second propensity given the first
            mean = regression * (pair.one.distance[i] + pair.one.offset[j])
            x_2 = pair.two.distance[i] + pair.two.offset
            log_2 = log_answers(i, pair.two) - 0.5 * pair.precision[1, 1] * (x_2 - mean) ** 2
            k = _choose(np.exp(log_2 - log_2.max()), uniform[i, 1])
            out[i, 0] = side_1.grid[side_1.first[i] + j]
            out[i, 1] = side_2.grid[side_2.first[i] + k]
    return out


@compiled
def _choose(weights: np.ndarray, uniform: float) -> int:
    """Node that a random number picks in proportion to the weights."""
    target, below = uniform * weights.sum(), 0.0
    for j in range(len(weights)):
        below += weights[j]
        if below > target:
            return j
    return len(weights) - 1
