"""Posterior of citizens on the nodes of a shared grid, many citizens at a time, as machine code.

Notation and formulas: :mod:`bayes_coprod.model.quadrature`. What makes it fast:

- Probabilities of answers come from tables (:mod:`bayes_coprod.model.answer_tables`).
- On equally spaced nodes the prior's linear term is a geometric progression.
- The matrix that couples the forms depends on distances within a window only, so it is the same
  for all citizens, and a block of citizens is one matrix product.

Powers overflow where a citizen's expected propensities lie many SDs from the window. Such citizens
are summed directly, pair of nodes by pair of nodes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bayes_coprod.model.answer_tables import Side, answer_products, compiled

BLOCK = 128
"""Citizens at a time: what is computed of them stays in the processor's nearest memory."""

_LOG_2_PI = math.log(2 * math.pi)
_LOG_HUGE = 330.0
"""Of the largest factor of a form, so that sums of the product of two are finite."""
_LOG_NEGLIGIBLE = -45.0
"""Of a weight, relative to the largest."""
_TINY = 1e-300
"""Least likelihood of a citizen's answers to one form, for where all of them underflow."""


class Half(NamedTuple):
    """One form at given parameters.

    Parameters
    ----------
    side : Side
    above, products : numpy.ndarray
        Of :func:`answer_products`.
    offset : numpy.ndarray
        (node,), from the middle of a window.
    gauss : numpy.ndarray
        (node,), the prior's quadratic term.
    distance : numpy.ndarray
        (citizen,), from the expected propensity to the middle of the window, delta.
    pull : numpy.ndarray
        (citizen,), P delta.
    """

    side: Side
    above: np.ndarray
    products: np.ndarray
    offset: np.ndarray
    gauss: np.ndarray
    distance: np.ndarray
    pull: np.ndarray


class Pair(NamedTuple):
    """Two forms at given parameters.

    Parameters
    ----------
    one, two : Half
    precision : numpy.ndarray
        (form, form), P.
    coupling, transposed : numpy.ndarray
        (node of the first form, node of the second), W, and (node of the second, of the first).
    log_constant : float
        Of the integral.
    """

    one: Half
    two: Half
    precision: np.ndarray
    coupling: np.ndarray
    transposed: np.ndarray
    log_constant: float


class Block(NamedTuple):
    """What is computed of some citizens at a time.

    Parameters
    ----------
    u, v : numpy.ndarray
        (citizen, node), factors of each form: u W v is the posterior of a pair of nodes. Zero for
        citizens who are summed directly.
    s, t : numpy.ndarray
        (citizen, node), posterior of each form's nodes.
    is_direct : numpy.ndarray
        (citizen,), whether the citizen is summed directly.
    cross : numpy.ndarray
        (citizen,), posterior mean of the product of both offsets, of those who are.
    """

    u: np.ndarray
    v: np.ndarray
    s: np.ndarray
    t: np.ndarray
    is_direct: np.ndarray
    cross: np.ndarray


@compiled
def prepare(
    mu: np.ndarray, kappa: np.ndarray, sigma: np.ndarray, rho: float, side_1: Side, side_2: Side
) -> Pair:
    """Tabulate what does not depend on the citizen, and measure how far off each one is."""
    rest = 1 - rho * rho
    precision = np.empty((2, 2))
    precision[0, 0] = 1 / (sigma[0] * sigma[0] * rest)
    precision[1, 1] = 1 / (sigma[1] * sigma[1] * rest)
    precision[0, 1] = precision[1, 0] = -rho / (sigma[0] * sigma[1] * rest)
    offset_1, offset_2 = _offsets(side_1), _offsets(side_2)
    z_1 = math.sqrt(precision[0, 0]) * offset_1
    z_2 = math.sqrt(precision[1, 1]) * offset_2 * (-1.0 if rho < 0 else 1.0)
    coupling = np.empty((len(z_1), len(z_2)))
    for j in range(len(z_1)):
        for k in range(len(z_2)):
            coupling[j, k] = math.exp(-0.5 * abs(rho) * (z_1[j] - z_2[k]) ** 2)
    own = 0.5 * (1 - abs(rho))
    distance_1 = side_1.grid[side_1.first + side_1.n_nodes // 2] - mu[:, 0]
    distance_2 = side_2.grid[side_2.first + side_2.n_nodes // 2] - mu[:, 1]
    pull_1 = precision[0, 0] * distance_1 + precision[0, 1] * distance_2
    pull_2 = precision[0, 1] * distance_1 + precision[1, 1] * distance_2
    above_1, products_1 = answer_products(kappa, side_1)
    above_2, products_2 = answer_products(kappa, side_2)
    gauss_1, gauss_2 = np.exp(-own * z_1**2), np.exp(-own * z_2**2)
    log_constant = math.log(side_1.spacing * side_2.spacing) - _LOG_2_PI
    log_constant -= math.log(sigma[0] * sigma[1]) + 0.5 * math.log(rest)
    return Pair(
        Half(side_1, above_1, products_1, offset_1, gauss_1, distance_1, pull_1),
        Half(side_2, above_2, products_2, offset_2, gauss_2, distance_2, pull_2),
        precision,
        coupling,
        np.ascontiguousarray(coupling.T),
        log_constant,
    )


@compiled
def _offsets(side: Side) -> np.ndarray:
    """Nodes of a window from its middle, (node,)."""
    return side.spacing * (np.arange(side.n_nodes) - side.n_nodes // 2)


@compiled
def _weigh_form(start: int, half: Half, out: np.ndarray) -> None:
    """Likelihood times the form's own share of the prior, (citizen of the block, node).

    Written into `out`; not finite where it overflows.
    """
    side, products, gauss = half.side, half.products, half.gauss
    n, n_nodes = out.shape
    # powers of a ratio, node by node for the whole block: long loops make use of the processor
    power, ratio = np.empty((n_nodes, n)), np.empty(n)
    for b in range(n):
        ratio[b] = math.exp(-half.side.spacing * half.pull[start + b])
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


@compiled
def _is_steep(i: int, half: Half) -> bool:
    """Whether powers of the prior's linear term may overflow for a citizen."""
    return abs(half.pull[i]) * half.side.spacing * (half.side.n_nodes // 2 + 1) > _LOG_HUGE


@compiled
def log_answers(i: int, half: Half) -> np.ndarray:
    """Log probability of a citizen's answers at the nodes of the window, (node,)."""
    side = half.side
    likelihood = np.ones(side.n_nodes)
    for row in side.row[i]:
        a = side.first[i]
        likelihood *= half.products[row, a : a + side.n_nodes]
    return np.log(np.maximum(likelihood, _TINY))


@compiled
def _sum_directly(i: int, pair: Pair, s: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """Posterior of a citizen's nodes, written into `s` and `t`, pair by pair of nodes.

    Returns
    -------
    (log_total, cross)
        Log of the sum before it is divided by; mean of the product of both offsets.
    """
    offset_1, offset_2 = pair.one.offset, pair.two.offset
    x_1, x_2 = pair.one.distance[i] + offset_1, pair.two.distance[i] + offset_2
    log_1 = log_answers(i, pair.one) - 0.5 * pair.precision[0, 0] * x_1**2
    log_2 = log_answers(i, pair.two) - 0.5 * pair.precision[1, 1] * x_2**2
    # answers and prior are log-concave: in each row weights rise to one peak and fall again
    peak, height = np.empty(len(s), np.int64), np.empty(len(s))
    k = 0
    for j in range(len(s)):
        tilt = pair.precision[0, 1] * x_1[j]
        while k + 1 < len(t) and log_2[k + 1] - log_2[k] > tilt * (x_2[k + 1] - x_2[k]):
            k += 1
        while k > 0 and log_2[k - 1] - log_2[k] > tilt * (x_2[k - 1] - x_2[k]):
            k -= 1
        peak[j], height[j] = k, log_1[j] + log_2[k] - tilt * x_2[k]
    highest = height.max()
    s[:] = 0
    t[:] = 0
    total, cross = 0.0, 0.0
    for j in range(len(s)):
        for step in (-1, 1):
            k = peak[j] + max(step, 0)
            while 0 <= k < len(t):
                log_weight = log_1[j] + log_2[k] - pair.precision[0, 1] * x_1[j] * x_2[k] - highest
                if log_weight < _LOG_NEGLIGIBLE:
                    break
                weight = math.exp(log_weight)
                total += weight
                s[j] += weight
                t[k] += weight
                cross += weight * offset_1[j] * offset_2[k]
                k += step
    s /= total
    t /= total
    return math.log(total) + highest, cross / total


@compiled
def make_block(n: int, pair: Pair) -> Block:
    """Room for up to n citizens."""
    n_1, n_2 = pair.coupling.shape
    return Block(
        np.empty((n, n_1)),
        np.empty((n, n_2)),
        np.empty((n, n_1)),
        np.empty((n, n_2)),
        np.empty(n, np.bool_),
        np.empty(n),
    )


@compiled
def weigh(start: int, pair: Pair, block: Block, log_sum: np.ndarray) -> None:
    """Posterior of the nodes of the citizens from `start`, written into `block`.

    The log of each one's sum of weights is written into `log_sum` (citizen,).
    """
    u, v, s, t = block.u, block.v, block.s, block.t
    _weigh_form(start, pair.one, u)
    _weigh_form(start, pair.two, v)
    np.dot(v, pair.transposed, s)
    np.dot(u, pair.coupling, t)
    for b in range(len(u)):
        i = start + b
        total = 0.0
        for j in range(u.shape[1]):
            s[b, j] *= u[b, j]
            total += s[b, j]
        # not a number, where powers overflowed
        block.is_direct[b] = _is_steep(i, pair.one) or _is_steep(i, pair.two) or not total > _TINY
        if block.is_direct[b]:
            u[b] = 0
            v[b] = 0
            log_sum[i], block.cross[b] = _sum_directly(i, pair, s[b], t[b])
            continue
        scale = 1 / total
        for j in range(u.shape[1]):
            s[b, j] *= scale
            u[b, j] *= scale
        for k in range(v.shape[1]):
            t[b, k] *= v[b, k] * scale
        log_sum[i] = math.log(total) - 0.5 * (
            pair.one.distance[i] * pair.one.pull[i] + pair.two.distance[i] * pair.two.pull[i]
        )


@compiled
def shorten(block: Block, n: int) -> Block:
    """The first n citizens of a block."""
    return Block(
        block.u[:n], block.v[:n], block.s[:n], block.t[:n], block.is_direct[:n], block.cross[:n]
    )
