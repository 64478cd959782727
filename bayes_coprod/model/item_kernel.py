"""From coefficients of ``items`` to what the integral over citizens takes, and back, compiled.

The maths stands in :func:`.items.stated_parameters` and :func:`.quadrature.resolved`; tests hold
this to the graph built there. Nothing here calls compiled functions of another file, whose changes
numba's cache would not notice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bayes_coprod.model.answer_tables import compiled, inlined


class Items(NamedTuple):
    """How items and forms lie in coefficients, and in the other common parameters.

    The latter are the gaps between thresholds, logarithms of discriminations in contrasts, SDs of
    deviations, and their correlation.

    Parameters
    ----------
    form : numpy.ndarray
        (item,).
    item, gap : numpy.ndarray
        (threshold,), its item, and the position of the gap below it; -1: its item's first.
    contrasts : numpy.ndarray
        (contrast, item).
    steepness : numpy.ndarray
        (contrast, item), of discriminations.
    free_sigma : numpy.ndarray
        Forms whose SD is not 1 by convention.
    least_sd : numpy.ndarray
        (form,), what nodes resolve.
    sharpness : float
        Of :func:`.quadrature.resolved`.
    """

    form: np.ndarray
    item: np.ndarray
    gap: np.ndarray
    contrasts: np.ndarray
    steepness: np.ndarray
    free_sigma: np.ndarray
    least_sd: np.ndarray
    sharpness: float


class Arguments(NamedTuple):
    """What the integral takes, as :meth:`.grid_op.GridIntegral.evaluate` says; or gradients."""

    effects: np.ndarray
    kappa: np.ndarray
    discrimination: np.ndarray
    sigma: np.ndarray
    rho: float


@inlined
def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@inlined
def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - 1 / (1 + math.exp(x))


@inlined
def _ends(rho: float, margin: float, sharpness: float) -> tuple[float, float]:
    """How far a correlation lies beyond either end, in units in which the bend is 1 wide."""
    return sharpness * (rho - 1 + margin) / margin, -sharpness * (rho + 1 - margin) / margin


@compiled
def item_arguments(b: np.ndarray, rest: np.ndarray, items: Items) -> Arguments:
    """What the integral takes.

    Parameters
    ----------
    b : numpy.ndarray
        (country, coefficient): each form's level and slopes, then the places of the contrasts.
    rest : numpy.ndarray
        (common parameter,).
    items : Items

    Returns
    -------
    Arguments
    """
    n_countries, n_forms = len(b), len(items.least_sd)
    n_contrasts, n_items = items.contrasts.shape
    n_effects = b.shape[1] - n_contrasts
    effects = b[:, :n_effects].copy().reshape(n_countries, n_forms, -1)
    level = np.empty(n_forms)
    for f in range(n_forms):
        level[f] = effects[:, f, 0].mean()
        effects[:, f, 0] -= level[f]
    first = np.dot(b[:, n_effects:].copy(), items.contrasts)  # (country, item)
    kappa = np.empty((n_countries, len(items.item)))
    n_gaps = 0
    for t in range(len(items.item)):
        k = items.item[t]
        if items.gap[t] >= 0:
            n_gaps += 1
        for c in range(n_countries):
            if items.gap[t] < 0:
                kappa[c, t] = first[c, k] - level[items.form[k]]
            else:
                kappa[c, t] = kappa[c, t - 1] + rest[items.gap[t]]
    n_steep = len(items.steepness)
    steep = np.ones(n_items)
    if n_steep:
        steep = np.exp(np.dot(rest[n_gaps : n_gaps + n_steep].copy(), items.steepness))
    sigma = np.ones(n_forms)
    for i in range(len(items.free_sigma)):
        sigma[items.free_sigma[i]] = rest[n_gaps + n_steep + i]
    ratio = 0.0
    for f in range(n_forms):
        sharp = items.sharpness / items.least_sd[f]
        sigma[f] = items.least_sd[f] + _softplus(sharp * (sigma[f] - items.least_sd[f])) / sharp
        ratio = max(ratio, items.least_sd[f] / sigma[f])
    rho = 0.0
    if n_forms == 2:
        rho, margin = rest[-1], ratio**2 / 2
        over, under = _ends(rho, margin, items.sharpness)
        rho += (_softplus(under) - _softplus(over)) * margin / items.sharpness
    return Arguments(effects, kappa, steep, sigma, rho)


@compiled
def item_gradients(
    b: np.ndarray, rest: np.ndarray, items: Items, arguments: Arguments, by: Arguments
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients by the coefficients, (country, coefficient), and the rest, from those of `by`."""
    n_countries, n_forms = len(b), len(items.least_sd)
    n_contrasts, n_items = items.contrasts.shape
    n_effects = b.shape[1] - n_contrasts
    n_own = n_effects // n_forms
    by_b, by_rest = np.zeros_like(b), np.zeros_like(rest)
    by_first, by_level = np.zeros((n_countries, n_items)), np.zeros(n_forms)
    n_gaps = 0
    for c in range(n_countries):
        above = 0.0
        for t in range(len(items.item) - 1, -1, -1):
            above += by.kappa[c, t]  # a threshold moves those of its item above it
            if items.gap[t] < 0:
                by_first[c, items.item[t]] = above
                by_level[items.form[items.item[t]]] -= above
                above = 0.0
            else:
                by_rest[items.gap[t]] += above
                n_gaps = max(n_gaps, items.gap[t] + 1)
        for f in range(n_forms):
            by_level[f] -= by.effects[c, f, 0]
            by_b[c, f * n_own : (f + 1) * n_own] = by.effects[c, f]
    by_b[:, n_effects:] = np.dot(by_first, items.contrasts.T.copy())
    for f in range(n_forms):
        by_b[:, f * n_own] += by_level[f] / n_countries
    n_steep = len(items.steepness)
    for i in range(n_steep):
        for k in range(n_items):
            slope = items.steepness[i, k] * arguments.discrimination[k]
            by_rest[n_gaps + i] += by.discrimination[k] * slope
    by_sigma = by.sigma.copy()
    if n_forms == 2:
        narrowest = 0
        if items.least_sd[1] / arguments.sigma[1] > items.least_sd[0] / arguments.sigma[0]:
            narrowest = 1
        rho, margin = rest[-1], (items.least_sd[narrowest] / arguments.sigma[narrowest]) ** 2 / 2
        over, under = _ends(rho, margin, items.sharpness)
        by_rest[-1] = by.rho * (1 - _logistic(over) - _logistic(under))
        # d resolved rho / d margin
        by_margin = (_softplus(under) - _softplus(over)) / items.sharpness
        by_margin += (_logistic(under) * (rho + 1) + _logistic(over) * (rho - 1)) / margin
        by_sigma[narrowest] -= by.rho * by_margin * 2 * margin / arguments.sigma[narrowest]
    for i in range(len(items.free_sigma)):
        f, sigma = items.free_sigma[i], rest[n_gaps + n_steep + i]
        bend = _logistic(items.sharpness * (sigma / items.least_sd[f] - 1))
        by_rest[n_gaps + n_steep + i] = by_sigma[f] * bend
    return by_b, by_rest
