"""Coefficients from sampling coordinates as machine code, and the way back for gradients.

The maths stands in :mod:`.varying`; tests hold this to the graphs built there. A graph of many
small operations costs more in dispatch than in arithmetic, and chains on several cores wait for
each other while Python dispatches.

Nothing here calls compiled functions of another file, whose changes numba's cache would not notice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bayes_coprod.model.answer_tables import compiled, inlined

FAMILIES = ("normal", "half_normal", "exponential", "log_normal", "uniform")
"""Priors that a scale may have; kernels know them by position."""

_NEGLIGIBLE = 1e-6
"""As in :mod:`.varying`."""
_LOG_2_PI = math.log(2 * math.pi)


class Scales(NamedTuple):
    """Parameters that are sampled through their prior's quantile.

    Parameters
    ----------
    at : numpy.ndarray
        (scale,), positions of their standard normal coordinates.
    family : numpy.ndarray
        (scale,), positions in :data:`FAMILIES`.
    arguments : numpy.ndarray
        (scale, 2), of the family.
    """

    at: np.ndarray
    family: np.ndarray
    arguments: np.ndarray


class Effects(NamedTuple):
    """How coordinates become coefficients, and what is known of these beforehand.

    Parameters
    ----------
    common_at, b_at : int
        Where ``z_common`` and ``z_b`` begin.
    varying, fixed : numpy.ndarray
        Positions of the coefficients that vary by country, and of the others.
    scales : Scales
        SDs between countries; then others that have coordinates of their own.
    scale_of : numpy.ndarray
        (varying coefficient,), position of its SD.
    rest : Scales
        What the common coordinates after the coefficients stand for; positions among these.
    prior_mean, prior_sd : numpy.ndarray
        (coefficient,), of the normal priors of the means over countries.
    estimate, precision : numpy.ndarray
        (country, varying coefficient), of the evidence.
    along : numpy.ndarray
        (country, varying coefficient, shared coordinate), of the evidence.
    centre, factor : numpy.ndarray
        Of the whitening.
    """

    common_at: int
    b_at: int
    varying: np.ndarray
    fixed: np.ndarray
    scales: Scales
    scale_of: np.ndarray
    rest: Scales
    prior_mean: np.ndarray
    prior_sd: np.ndarray
    estimate: np.ndarray
    precision: np.ndarray
    along: np.ndarray
    centre: np.ndarray
    factor: np.ndarray


class Found(NamedTuple):
    """What coordinates stand for.

    Parameters
    ----------
    b : numpy.ndarray
        (country, coefficient).
    scale, rest : numpy.ndarray
        Of :class:`Effects`.
    scale_slope, rest_slope : numpy.ndarray
        Their derivatives by the coordinates.
    common, estimate, m, e : numpy.ndarray
        For the gradients.
    """

    b: np.ndarray
    scale: np.ndarray
    rest: np.ndarray
    scale_slope: np.ndarray
    rest_slope: np.ndarray
    common: np.ndarray
    estimate: np.ndarray
    m: np.ndarray
    e: np.ndarray


@inlined
def _standard_normal(z: np.ndarray) -> float:
    """Log density of independent standard normals."""
    total = 0.0
    for one in z:
        total -= 0.5 * (one * one + _LOG_2_PI)
    return total


@inlined
def _inverse_erfc(q: float) -> float:
    """Inverse of the complementary error function, from 0 to 1.

    Winitzki's approximation, then Halley's method, whose third step changes nothing any more.
    """
    log_part = math.log(q * (2 - q))
    a = 0.147
    half = 2 / (math.pi * a) + log_part / 2
    t = math.sqrt(max(math.sqrt(half * half - log_part / a) - half, 0.0))
    for _ in range(3):
        u = (math.erfc(t) - q) / (-2 / math.sqrt(math.pi) * math.exp(-t * t))
        t -= u / (1 + t * u)
    return t


@inlined
def _from_normal(z: float, family: int, first: float, second: float) -> tuple[float, float]:
    """Map a standard normal to a prior: its quantile at Phi(z), and the slope."""
    if family == 0:
        return first + second * z, second
    if family == 1:
        t = math.sqrt(2.0) * _inverse_erfc(0.5 * math.erfc(z / math.sqrt(2.0)))
        # phi(z) / f(t), with f = 2 phi
        return first * t, 0.5 * first * math.exp(0.5 * (t * t - z * z))
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    if family == 2:
        upper = 0.5 * math.erfc(z / math.sqrt(2.0))
        return -math.log(upper) / first, density / (upper * first)
    if family == 3:
        value = math.exp(first + second * z)
        return value, second * value
    width = second - first
    return first + width * 0.5 * math.erfc(-z / math.sqrt(2.0)), width * density


@inlined
def _scales(z: np.ndarray, scales: Scales) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes, (scale,) each."""
    value, slope = np.empty(len(scales.at)), np.empty(len(scales.at))
    for i in range(len(scales.at)):
        first, second = scales.arguments[i]
        value[i], slope[i] = _from_normal(z[scales.at[i]], scales.family[i], first, second)
    return value, slope


@inlined
def _informed(
    z_m: np.ndarray, z_b: np.ndarray, tau: np.ndarray, estimate: np.ndarray, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Coefficients through their approximate conditional posterior given their scales.

    Parameters
    ----------
    z_m, tau : numpy.ndarray
        (coefficient,).
    z_b, estimate, w : numpy.ndarray
        (country, coefficient).

    Returns
    -------
    (b, m, e, log density)
        b (country, coefficient); m and e for the gradients.
    """
    n, k = w.shape
    b, e, m = np.empty((n, k)), np.empty((n, k)), np.empty(k)
    log_density = -0.5 * math.log(2 * math.pi) * n * k
    for j in range(k):
        t2 = tau[j] ** 2
        total, weighted = 0.0, 0.0
        for c in range(n):
            u = w[c, j] / (1 + w[c, j] * t2) + _NEGLIGIBLE
            total += u
            weighted += u * estimate[c, j]
        m[j] = weighted / total + z_m[j] / math.sqrt(total)
        log_density -= 0.5 * math.log(total)
        for c in range(n):
            shrink = 1 / (1 + w[c, j] * t2)
            e[c, j] = shrink * w[c, j] * tau[j] * (estimate[c, j] - m[j])
            e[c, j] += math.sqrt(shrink) * z_b[c, j]
            b[c, j] = m[j] + tau[j] * e[c, j]
            log_density += 0.5 * (math.log(shrink) - e[c, j] ** 2)
    return b, m, e, log_density


@inlined
def _informed_gradients(
    by_b: np.ndarray,
    z_m: np.ndarray,
    z_b: np.ndarray,
    tau: np.ndarray,
    estimate: np.ndarray,
    w: np.ndarray,
    m: np.ndarray,
    e: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by z_m, z_b, tau and estimate, from the gradient by b, (country, coefficient).

    The gradient of the log density that :func:`_informed` gives is added.
    """
    n, k = w.shape
    by_z_b, by_estimate = np.empty((n, k)), np.empty((n, k))
    by_z_m, by_tau = np.empty(k), np.zeros(k)
    for j in range(k):
        t = tau[j]
        total, weighted, by_m = 0.0, 0.0, 0.0
        for c in range(n):
            shrink = 1 / (1 + w[c, j] * t**2)
            u = w[c, j] * shrink + _NEGLIGIBLE
            total += u
            weighted += u * estimate[c, j]
            root, pull = math.sqrt(shrink), shrink * w[c, j] * t
            by_e = by_b[c, j] * t - e[c, j]
            by_z_b[c, j] = by_e * root
            by_estimate[c, j] = by_e * pull
            by_m += by_b[c, j] - by_e * pull
            by_pull_t = w[c, j] * shrink**2 * (1 - w[c, j] * t**2)  # d pull / d tau
            by_tau[j] += (
                by_b[c, j] * e[c, j]
                + by_e * (by_pull_t * (estimate[c, j] - m[j]) - pull * root * z_b[c, j])
                - pull
            )
        by_z_m[j] = by_m / math.sqrt(total)
        by_total = -by_m * (weighted / total + 0.5 * z_m[j] / math.sqrt(total)) / total
        by_total -= 0.5 / total
        for c in range(n):
            shrink = 1 / (1 + w[c, j] * t**2)
            u = w[c, j] * shrink + _NEGLIGIBLE
            by_estimate[c, j] += by_m * u / total
            by_u = by_total + by_m * estimate[c, j] / total
            by_tau[j] -= by_u * 2 * (w[c, j] * shrink) ** 2 * t
    return by_z_m, by_z_b, by_tau, by_estimate


@compiled
def find_coefficients(at: np.ndarray, effects: Effects) -> tuple[Found, float]:
    """Find the coefficients of each country, and the log density of all but the data.

    `at` is (coordinate,).
    """
    n_countries, n_varying = effects.precision.shape
    n, size = len(effects.prior_mean), len(effects.centre)
    z = at[effects.common_at : effects.common_at + size]
    common = effects.centre.copy()
    log_density = 0.0
    for i in range(size):
        for j in range(i + 1):
            common[i] += effects.factor[i, j] * z[j]
        log_density += math.log(effects.factor[i, i])
    scale, scale_slope = _scales(at, effects.scales)
    for i in effects.scales.at:
        log_density -= 0.5 * (at[i] * at[i] + _LOG_2_PI)
    n_fixed, n_shared = len(effects.fixed), effects.along.shape[2]
    estimate = effects.estimate.copy()
    for c in range(n_countries):
        for k in range(n_varying):
            for s in range(n_shared):
                shared = common[effects.fixed[s]] if s < n_fixed else common[n + s - n_fixed]
                estimate[c, k] += effects.along[c, k, s] * shared
    z_m, tau_of = np.empty(n_varying), np.empty(n_varying)
    for k in range(n_varying):
        z_m[k] = common[effects.varying[k]]
        tau_of[k] = scale[effects.scale_of[k]]
    z_b = at[effects.b_at : effects.b_at + n_countries * n_varying].reshape(n_countries, n_varying)
    own, m, e, of_effects = _informed(z_m, z_b, tau_of, estimate, effects.precision)
    b = np.empty((n_countries, n))
    for c in range(n_countries):
        for k in range(n_varying):
            b[c, effects.varying[k]] = own[c, k]
        for k in effects.fixed:
            b[c, k] = common[k]
    log_density += of_effects + _standard_normal(common[n:])
    for k in range(n):
        away = (b[:, k].mean() - effects.prior_mean[k]) / effects.prior_sd[k]
        log_density -= 0.5 * (away * away + _LOG_2_PI) + math.log(effects.prior_sd[k])
    rest, rest_slope = _scales(common[n:], effects.rest)
    found = Found(b, scale, rest, scale_slope, rest_slope, common, estimate, m, e)
    return found, log_density


@compiled
def by_coordinates(
    at: np.ndarray,
    effects: Effects,
    found: Found,
    by_b: np.ndarray,
    by_scale: np.ndarray,
    by_rest: np.ndarray,
) -> np.ndarray:
    """Gradient by the coordinates, (coordinate,), from that of the data by what they stand for.

    `by_b` is (country, coefficient); `by_scale` (scale,), by those that are no SDs between
    countries, which come last; `by_rest` as the rest.
    """
    out = np.zeros(len(at))
    n_countries, n_varying = effects.precision.shape
    n, size = len(effects.prior_mean), len(effects.centre)
    b, common, m, e = found.b, found.common, found.m, found.e
    by_b = by_b.copy()
    for k in range(n):
        away = (b[:, k].mean() - effects.prior_mean[k]) / effects.prior_sd[k] ** 2
        for c in range(n_countries):
            by_b[c, k] -= away / n_countries
    own, z_m, tau_of = np.empty((n_countries, n_varying)), np.empty(n_varying), np.empty(n_varying)
    for k in range(n_varying):
        z_m[k] = common[effects.varying[k]]
        tau_of[k] = found.scale[effects.scale_of[k]]
        for c in range(n_countries):
            own[c, k] = by_b[c, effects.varying[k]]
    z_b = at[effects.b_at : effects.b_at + n_countries * n_varying].reshape(n_countries, n_varying)
    by_z_m, by_z_b, by_tau, by_estimate = _informed_gradients(
        own, z_m, z_b, tau_of, found.estimate, effects.precision, m, e
    )
    out[effects.b_at : effects.b_at + n_countries * n_varying] = by_z_b.ravel()
    for where in effects.scales.at:
        out[where] = -at[where]
    for k in range(n_varying):
        i = effects.scale_of[k]
        out[effects.scales.at[i]] += by_tau[k] * found.scale_slope[i]
    n_between = len(effects.scales.at) - len(by_scale)
    for i in range(len(by_scale)):
        out[effects.scales.at[n_between + i]] += by_scale[i] * found.scale_slope[n_between + i]
    by_common = np.zeros(size)
    for k in range(n_varying):
        by_common[effects.varying[k]] = by_z_m[k]
    for k in effects.fixed:
        by_common[k] = by_b[:, k].sum()
    for i in range(n, size):
        by_common[i] = by_rest[i - n] * found.rest_slope[i - n] - common[i]
    n_fixed, n_shared = len(effects.fixed), effects.along.shape[2]
    for s in range(n_shared):
        place = effects.fixed[s] if s < n_fixed else n + s - n_fixed
        for c in range(n_countries):
            for k in range(n_varying):
                by_common[place] += by_estimate[c, k] * effects.along[c, k, s]
    # out = factor' by_common
    for j in range(size):
        total = 0.0
        for i in range(j, size):
            total += effects.factor[i, j] * by_common[i]
        out[effects.common_at + j] = total
    return out
