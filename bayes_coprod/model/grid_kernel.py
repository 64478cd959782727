"""The integral over citizens on a shared grid as machine code, and its analytic gradients.

Notation and formulas: :mod:`bayes_coprod.model.quadrature`. What makes it fast:

- Probabilities of answers come in tables (:mod:`bayes_coprod.model.answer_tables`).
- On equally spaced nodes the prior's linear term is a geometric progression.
- The matrix that couples the forms depends on distances within a window only, so it is the same
  for all citizens, and a block of citizens is one matrix product.
- Gradients are sums over node weights: no reverse pass through arrays of citizens by nodes.

Powers overflow where a citizen's expected propensities lie many SDs from the window, and the sum
underflows where that makes the answers all but impossible, or where they are hundreds. Such
citizens are summed directly, pair of nodes by pair of nodes.

Numba's cache notices changes only in the file of the function that is called. So what is compiled
together stands in one file: nothing here calls compiled functions of another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bayes_coprod.model.answer_tables import compiled, inlined

_BLOCK = 128
"""Citizens at a time: what is computed of them stays in the processor's nearest memory."""

_LOG_2_PI = math.log(2 * math.pi)
_STEEPEST = 150.0
"""Log of the powers of the prior's linear term, so that products of two forms' factors neither
overflow nor become subnormal, which is slow."""
_LEAST_SUM = 1e-80
"""Of a citizen's weights, so that they can be divided by it: all answers' probability is in it."""
_LOG_NEGLIGIBLE = -45.0
"""Of a weight, relative to the largest."""
_TINY = 1e-300
"""Least likelihood of a citizen's answers to one form, for where all of them underflow."""


class Windows(NamedTuple):
    """Where on one form's grid the citizens' nodes lie, and what the citizens answered there.

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
    """

    first: np.ndarray
    n_nodes: int
    spacing: float
    grid: np.ndarray
    row: np.ndarray


class Form(NamedTuple):
    """One form as the integral takes it.

    Parameters
    ----------
    windows : Windows
    products : numpy.ndarray
        (row, grid node), probabilities of the patterns of answers.
    """

    windows: Windows
    products: np.ndarray


class _Half(NamedTuple):
    """One form at given parameters.

    Parameters
    ----------
    windows : Windows
    products : numpy.ndarray
        (row, grid node).
    offset : numpy.ndarray
        (node,), from the middle of a window.
    gauss : numpy.ndarray
        (node,), the prior's quadratic term.
    distance : numpy.ndarray
        (citizen,), from the expected propensity to the middle of the window, delta.
    pull : numpy.ndarray
        (citizen,), P delta.
    """

    windows: Windows
    products: np.ndarray
    offset: np.ndarray
    gauss: np.ndarray
    distance: np.ndarray
    pull: np.ndarray


class _Pair(NamedTuple):
    """Two forms at given parameters.

    Parameters
    ----------
    one, two : _Half
    precision : numpy.ndarray
        (form, form), P.
    coupling, transposed : numpy.ndarray
        (node of the first form, node of the second), W, and (node of the second, of the first).
    log_constant : float
        Of the integral.
    """

    one: _Half
    two: _Half
    precision: np.ndarray
    coupling: np.ndarray
    transposed: np.ndarray
    log_constant: float


class _Block(NamedTuple):
    """What is computed of some citizens at a time.

    Parameters
    ----------
    u, v : numpy.ndarray
        (citizen, node), factors of each form: u W v is the posterior of a pair of nodes. Zero u
        for citizens who are summed directly.
    s, t : numpy.ndarray
        (citizen, node), posterior of each form's nodes.
    is_direct : numpy.ndarray
        (citizen,), whether the citizen is summed directly.
    cross : numpy.ndarray
        (citizen,), posterior mean of the product of both offsets, of those who are.
    power, ratio : numpy.ndarray
        (node, citizen) and (citizen,), for what is under way: fresh memory at each block is slow.
    """

    u: np.ndarray
    v: np.ndarray
    s: np.ndarray
    t: np.ndarray
    is_direct: np.ndarray
    cross: np.ndarray
    power: np.ndarray
    ratio: np.ndarray


@inlined
def _prepare(mu: np.ndarray, sigma: np.ndarray, rho: float, form_1: Form, form_2: Form) -> _Pair:
    """Tabulate what does not depend on the citizen, and measure how far off each one is."""
    rest = 1 - rho * rho
    precision = np.empty((2, 2))
    precision[0, 0] = 1 / (sigma[0] * sigma[0] * rest)
    precision[1, 1] = 1 / (sigma[1] * sigma[1] * rest)
    precision[0, 1] = precision[1, 0] = -rho / (sigma[0] * sigma[1] * rest)
    offset_1, offset_2 = _offsets(form_1.windows), _offsets(form_2.windows)
    z_1 = math.sqrt(precision[0, 0]) * offset_1
    z_2 = math.sqrt(precision[1, 1]) * offset_2 * (-1.0 if rho < 0 else 1.0)
    coupling = np.empty((len(z_1), len(z_2)))
    for j in range(len(z_1)):
        for k in range(len(z_2)):
            coupling[j, k] = math.exp(-0.5 * abs(rho) * (z_1[j] - z_2[k]) ** 2)
    own = 0.5 * (1 - abs(rho))
    gauss_1, gauss_2 = np.exp(-own * z_1**2), np.exp(-own * z_2**2)
    distance_1 = _middles(form_1.windows) - mu[:, 0]
    distance_2 = _middles(form_2.windows) - mu[:, 1]
    pull_1 = precision[0, 0] * distance_1 + precision[0, 1] * distance_2
    pull_2 = precision[0, 1] * distance_1 + precision[1, 1] * distance_2
    log_constant = math.log(form_1.windows.spacing * form_2.windows.spacing) - _LOG_2_PI
    log_constant -= math.log(sigma[0] * sigma[1]) + 0.5 * math.log(rest)
    return _Pair(
        _Half(form_1.windows, form_1.products, offset_1, gauss_1, distance_1, pull_1),
        _Half(form_2.windows, form_2.products, offset_2, gauss_2, distance_2, pull_2),
        precision,
        coupling,
        np.ascontiguousarray(coupling.T),
        log_constant,
    )


@inlined
def _middles(windows: Windows) -> np.ndarray:
    """Middle node of each citizen's window, (citizen,), on the latent scale."""
    return windows.grid[windows.first + windows.n_nodes // 2]


@inlined
def _offsets(windows: Windows) -> np.ndarray:
    """Nodes of a window from its middle, (node,)."""
    return windows.spacing * (np.arange(windows.n_nodes) - windows.n_nodes // 2)


@inlined
def _weigh_form(start: int, half: _Half, block: _Block, out: np.ndarray) -> None:
    """Likelihood times the form's own share of the prior, (citizen of the block, node).

    Written into `out`; without the prior's linear term for citizens who are summed directly.
    """
    windows, products, gauss = half.windows, half.products, half.gauss
    power, ratio = block.power, block.ratio
    n, n_nodes = out.shape
    # powers of a ratio, node by node for the whole block: long loops make use of the processor
    for b in range(n):
        slope = 0.0 if block.is_direct[b] else half.windows.spacing * half.pull[start + b]
        ratio[b] = math.exp(-slope)
    power[n_nodes // 2] = 1.0
    for j in range(n_nodes // 2 + 1, n_nodes):
        for b in range(n):
            power[j, b] = power[j - 1, b] * ratio[b]
    for b in range(n):
        ratio[b] = 1 / ratio[b]
    for j in range(n_nodes // 2 - 1, -1, -1):
        for b in range(n):
            power[j, b] = power[j + 1, b] * ratio[b]
    n_groups = windows.row.shape[1]
    for b in range(n):
        u, a, row = out[b], windows.first[start + b], windows.row[start + b]
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


@inlined
def _is_steep(i: int, half: _Half) -> bool:
    """Whether powers of the prior's linear term are out of bounds for a citizen."""
    return abs(half.pull[i]) * half.windows.spacing * (half.windows.n_nodes // 2 + 1) > _STEEPEST


@inlined
def _log_answers(i: int, half: _Half) -> np.ndarray:
    """Log probability of a citizen's answers at the nodes of the window, (node,)."""
    windows = half.windows
    likelihood = np.ones(windows.n_nodes)
    for row in windows.row[i]:
        a = windows.first[i]
        likelihood *= half.products[row, a : a + windows.n_nodes]
    return np.log(np.maximum(likelihood, _TINY))


@inlined
def _sum_directly(i: int, pair: _Pair, s: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """Posterior of a citizen's nodes, written into `s` and `t`, pair by pair of nodes.

    Returns
    -------
    (log_total, cross)
        Log of the sum before it is divided by; mean of the product of both offsets.
    """
    offset_1, offset_2 = pair.one.offset, pair.two.offset
    x_1, x_2 = pair.one.distance[i] + offset_1, pair.two.distance[i] + offset_2
    log_1 = _log_answers(i, pair.one) - 0.5 * pair.precision[0, 0] * x_1**2
    log_2 = _log_answers(i, pair.two) - 0.5 * pair.precision[1, 1] * x_2**2
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


@inlined
def _make_block(n: int, pair: _Pair) -> _Block:
    """Room for up to n citizens."""
    n_1, n_2 = pair.coupling.shape
    return _Block(
        np.empty((n, n_1)),
        np.empty((n, n_2)),
        np.empty((n, n_1)),
        np.empty((n, n_2)),
        np.empty(n, np.bool_),
        np.empty(n),
        np.empty((max(n_1, n_2), n)),
        np.empty(n),
    )


@inlined
def _weigh(start: int, pair: _Pair, block: _Block, log_sum: np.ndarray) -> None:
    """Posterior of the nodes of the citizens from `start`, written into `block`.

    The log of each one's sum of weights is written into `log_sum` (citizen,).
    """
    u, v, s, t, is_direct = block.u, block.v, block.s, block.t, block.is_direct
    for b in range(len(u)):
        is_direct[b] = _is_steep(start + b, pair.one) or _is_steep(start + b, pair.two)
    _weigh_form(start, pair.one, block, u)
    _weigh_form(start, pair.two, block, v)
    np.dot(v, pair.transposed, s)
    np.dot(u, pair.coupling, t)
    for b in range(len(u)):
        i = start + b
        total = 0.0
        for j in range(u.shape[1]):
            s[b, j] *= u[b, j]
            total += s[b, j]
        is_direct[b] |= total < _LEAST_SUM
        scale = 0.0 if is_direct[b] else 1 / total
        for j in range(u.shape[1]):
            s[b, j] *= scale
            u[b, j] *= scale
        for k in range(v.shape[1]):
            t[b, k] *= v[b, k] * scale
        log_sum[i] = math.log(total) - 0.5 * (
            pair.one.distance[i] * pair.one.pull[i] + pair.two.distance[i] * pair.two.pull[i]
        )
    # in a loop of their own: a rare branch among short loops costs more than they do
    for b in range(len(u)):
        if is_direct[b]:
            log_sum[start + b], block.cross[b] = _sum_directly(start + b, pair, s[b], t[b])


@inlined
def _shorten(block: _Block, n: int) -> _Block:
    """The first n citizens of a block."""
    return _Block(
        block.u[:n],
        block.v[:n],
        block.s[:n],
        block.t[:n],
        block.is_direct[:n],
        block.cross[:n],
        block.power,
        block.ratio,
    )


@compiled
def integrate(
    mu: np.ndarray, sigma: np.ndarray, rho: float, form_1: Form, form_2: Form
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Integrate two correlated propensities.

    Parameters
    ----------
    mu : numpy.ndarray
        (citizen, form).
    sigma : numpy.ndarray
        (form,).
    rho : float
    form_1, form_2 : Form

    Returns
    -------
    (log_likelihood, by_mu, by_row_1, by_row_2, by_sigma, by_rho)
        (citizen,), and the gradients of its sum, each as the argument; those by the logs of the
        products are the citizens' posterior weights on the nodes, (row, grid node).
    """
    n = len(mu)
    pair = _prepare(mu, sigma, rho, form_1, form_2)
    one, two, precision = pair.one, pair.two, pair.precision
    offset_1, offset_2 = one.offset, two.offset
    by_row_1, by_row_2 = np.zeros_like(one.products), np.zeros_like(two.products)
    log_sum, by_mu = np.empty(n), np.empty((n, 2))
    # sums over citizens of the posterior's moments around mu, and of its weights on the nodes
    squares_11, squares_12, squares_22 = 0.0, 0.0, 0.0
    joint, product = np.zeros(pair.coupling.shape), np.empty(pair.coupling.shape)
    room = _make_block(min(_BLOCK, n), pair)
    for start in range(0, n, _BLOCK):
        block = _shorten(room, min(_BLOCK, n - start))
        _weigh(start, pair, block, log_sum)
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
        np.dot(block.u.T, block.v, product)
        joint += product
        _spread(start, block.s, one.windows, by_row_1)
        _spread(start, block.t, two.windows, by_row_2)
    for j in range(len(offset_1)):
        for k in range(len(offset_2)):
            weight = joint[j, k] * pair.coupling[j, k]
            squares_11 += weight * offset_1[j] * offset_1[j]
            squares_22 += weight * offset_2[k] * offset_2[k]
            squares_12 += weight * offset_1[j] * offset_2[k]

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
    return log_sum + pair.log_constant, by_mu, by_row_1, by_row_2, by_sigma, by_rho


@compiled
def log_likelihoods(
    mu: np.ndarray, sigma: np.ndarray, rho: float, form_1: Form, form_2: Form
) -> np.ndarray:
    """Log likelihood of each citizen, (citizen,), without gradients; as :func:`integrate`."""
    n = len(mu)
    pair = _prepare(mu, sigma, rho, form_1, form_2)
    log_sum = np.empty(n)
    room = _make_block(min(_BLOCK, n), pair)
    for start in range(0, n, _BLOCK):
        _weigh(start, pair, _shorten(room, min(_BLOCK, n - start)), log_sum)
    return log_sum + pair.log_constant


@inlined
def _spread(start: int, weights: np.ndarray, windows: Windows, out: np.ndarray) -> None:
    """Add a block's node weights to the rows of its citizens' patterns, (row, grid node)."""
    n, n_nodes = weights.shape
    n_groups = windows.row.shape[1]
    for b in range(n):
        w, a, row = weights[b], windows.first[start + b], windows.row[start + b]
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
    mu: np.ndarray, sigma: np.ndarray, rho: float, form_1: Form, form_2: Form
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
    pair = _prepare(mu, sigma, rho, form_1, form_2)
    weights_1, weights_2 = (
        np.empty((n, form_1.windows.n_nodes)),
        np.empty((n, form_2.windows.n_nodes)),
    )
    cross, log_sum = np.empty(n), np.empty(n)
    room = _make_block(min(_BLOCK, n), pair)
    for start in range(0, n, _BLOCK):
        block = _shorten(room, min(_BLOCK, n - start))
        _weigh(start, pair, block, log_sum)
        end = start + len(block.u)
        weights_1[start:end], weights_2[start:end] = block.s, block.t
        product = np.dot(block.u * pair.one.offset, pair.coupling) * block.v * pair.two.offset
        for b in range(len(block.u)):
            cross[start + b] = block.cross[b] if block.is_direct[b] else product[b].sum()
    return weights_1, weights_2, cross


@compiled
def draw_nodes(
    mu: np.ndarray,
    sigma: np.ndarray,
    rho: float,
    form_1: Form,
    form_2: Form,
    uniform: np.ndarray,
) -> np.ndarray:
    """Draw a pair of nodes from each citizen's posterior, (citizen, form), on the latent scale.

    Parameters as of :func:`integrate`; `uniform` is (citizen, form), random numbers.
    """
    n = len(mu)
    pair = _prepare(mu, sigma, rho, form_1, form_2)
    regression = -pair.precision[0, 1] / pair.precision[1, 1]
    out, log_sum = np.empty((n, 2)), np.empty(n)
    room = _make_block(min(_BLOCK, n), pair)
    for start in range(0, n, _BLOCK):
        block = _shorten(room, min(_BLOCK, n - start))
        _weigh(start, pair, block, log_sum)
        for b in range(len(block.u)):
            i = start + b
            j = _choose(block.s[b], uniform[i, 0])
            # the second propensity given the first
            mean = regression * (pair.one.distance[i] + pair.one.offset[j])
            x_2 = pair.two.distance[i] + pair.two.offset
            log_2 = _log_answers(i, pair.two) - 0.5 * pair.precision[1, 1] * (x_2 - mean) ** 2
            k = _choose(np.exp(log_2 - log_2.max()), uniform[i, 1])
            out[i, 0] = pair.one.windows.grid[pair.one.windows.first[i] + j]
            out[i, 1] = pair.two.windows.grid[pair.two.windows.first[i] + k]
    return out


@inlined
def _choose(weights: np.ndarray, uniform: float) -> int:
    """Node that a random number picks in proportion to the weights."""
    target, below = uniform * weights.sum(), 0.0
    for j in range(len(weights)):
        below += weights[j]
        if below > target:
            return j
    return len(weights) - 1
