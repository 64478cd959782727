"""Densities of the collapsed models as machine code, with their gradients.

The maths stands in :mod:`.varying`, :mod:`.counts` and :mod:`.index`; tests hold these to the
graphs built there. A graph of many small operations costs more in dispatch than in arithmetic, and
chains on several cores wait for each other while Python dispatches.

All is in one file: numba's cache notices changes in the file of the function that is called only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bayes_coprod.model.answer_tables import compiled

FAMILIES = ("normal", "half_normal", "exponential", "log_normal", "uniform")
"""Priors that a scale may have; kernels know them by position."""

_NEGLIGIBLE = 1e-6
"""As in :mod:`.varying`."""
_LOG_2_PI = math.log(2 * math.pi)


class Scales(NamedTuple):
    """Scales that are sampled through their prior's quantile.

    Parameters
    ----------
    at : numpy.ndarray
        (scale,), positions of their coordinates.
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
        SDs between countries.
    scale_of : numpy.ndarray
        (varying coefficient,), position of its SD.
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
    prior_mean: np.ndarray
    prior_sd: np.ndarray
    estimate: np.ndarray
    precision: np.ndarray
    along: np.ndarray
    centre: np.ndarray
    factor: np.ndarray


class Counts(NamedTuple):
    """Counted answers; of ``ordinal`` also the citizens between thresholds.

    Parameters
    ----------
    x : numpy.ndarray
        (cell, coefficient).
    ends : numpy.ndarray
        (country + 1,).
    above, beside : numpy.ndarray
        (cell, outcome, threshold).
    between : numpy.ndarray
        (country, category with a threshold on either side).
    gaps : Scales
        Distances between thresholds where they are the same in all countries: their places among
        the common coordinates after the coefficients; none where they vary, or there are none.
    """

    x: np.ndarray
    ends: np.ndarray
    above: np.ndarray
    beside: np.ndarray
    between: np.ndarray
    gaps: Scales


class Normals(NamedTuple):
    """Sums of one or two jointly normal outcomes.

    Parameters
    ----------
    country : numpy.ndarray
        (cell,).
    observed : numpy.ndarray
        (cell, outcome), 1.0 or 0.0.
    n : numpy.ndarray
        (cell,).
    cross : numpy.ndarray
        (cell, z, z).
    constant : float
        Of the log density.
    sds : Scales
        Residual SDs, (outcome,).
    odds_at : int
        Where the log odds of (1 + rho) / 2 stand; of two outcomes.
    beta : float
        Argument of their symmetric beta prior.
    """

    country: np.ndarray
    observed: np.ndarray
    n: np.ndarray
    cross: np.ndarray
    constant: float
    sds: Scales
    odds_at: int
    beta: float


@compiled
def _standard_normal(z: np.ndarray) -> float:
    """Log density of independent standard normals."""
    total = 0.0
    for one in z:
        total -= 0.5 * (one * one + _LOG_2_PI)
    return total


@compiled
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


@compiled
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


@compiled
def _scales(z: np.ndarray, scales: Scales) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes, (scale,) each."""
    value, slope = np.empty(len(scales.at)), np.empty(len(scales.at))
    for i in range(len(scales.at)):
        first, second = scales.arguments[i]
        value[i], slope[i] = _from_normal(z[scales.at[i]], scales.family[i], first, second)
    return value, slope


@compiled
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


@compiled
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
def _count_likelihood(
    x: np.ndarray,
    ends: np.ndarray,
    above: np.ndarray,
    beside: np.ndarray,
    effects: np.ndarray,
    kappa: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Sum of binomial logits over cells, outcomes and thresholds, with its gradients.

    Parameters
    ----------
    x : numpy.ndarray
        (cell, coefficient).
    ends : numpy.ndarray
        (country + 1,).
    above, beside : numpy.ndarray
        (cell, outcome, threshold): citizens in the category above, and in the two beside it.
    effects : numpy.ndarray
        (country, outcome, 1 + coefficient).
    kappa : numpy.ndarray
        (country, threshold).

    Returns
    -------
    (float, numpy.ndarray, numpy.ndarray)
        The sum, and its gradients by effects and kappa.
    """
    n_outcomes, n_columns = effects.shape[1], x.shape[1]
    by_effects, by_kappa = np.zeros_like(effects), np.zeros_like(kappa)
    value = 0.0
    product = 1.0  # of 1 + exp(-|logit|), whose logarithms are taken many at a time
    for c in range(len(effects)):
        for f in range(n_outcomes):
            own, by_own = effects[c, f], by_effects[c, f]
            for i in range(ends[c], ends[c + 1]):
                eta = own[0]
                for p in range(n_columns):
                    eta += own[1 + p] * x[i, p]
                by_eta = 0.0
                for t in range(kappa.shape[1]):
                    n = beside[i, f, t]
                    if n == 0:
                        continue
                    logit = eta - kappa[c, t]
                    tail = math.exp(-abs(logit))
                    value += above[i, f, t] * logit - n * max(logit, 0.0)
                    if n == 1:
                        product *= 1 + tail
                        if product > 1e150:
                            value -= math.log(product)
                            product = 1.0
                    else:
                        value -= n * math.log1p(tail)
                    p_above = (1.0 if logit >= 0 else tail) / (1 + tail)
                    residual = above[i, f, t] - n * p_above
                    by_eta += residual
                    by_kappa[c, t] -= residual
                by_own[0] += by_eta
                for p in range(n_columns):
                    by_own[1 + p] += by_eta * x[i, p]
    return value - math.log(product), by_effects, by_kappa


class _Found(NamedTuple):
    """Coefficients of each country, (country, coefficient), and what their gradient takes."""

    b: np.ndarray
    common: np.ndarray
    tau: np.ndarray
    slope: np.ndarray
    estimate: np.ndarray
    m: np.ndarray
    e: np.ndarray


@compiled
def _coefficients(at: np.ndarray, effects: Effects) -> tuple[_Found, float]:
    """Find the coefficients of each country, and the log density of all but the data."""
    n_countries, n_varying = effects.precision.shape
    n, size = len(effects.prior_mean), len(effects.centre)
    z = at[effects.common_at : effects.common_at + size]
    common = effects.centre.copy()
    log_density = 0.0
    for i in range(size):
        for j in range(i + 1):
            common[i] += effects.factor[i, j] * z[j]
        log_density += math.log(effects.factor[i, i])
    tau, slope = _scales(at, effects.scales)
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
        tau_of[k] = tau[effects.scale_of[k]]
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
    return _Found(b, common, tau, slope, estimate, m, e), log_density


@compiled
def _by_coordinates(
    at: np.ndarray,
    effects: Effects,
    found: _Found,
    by_b: np.ndarray,
    by_rest: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the gradient by the coordinates into `out`, from that of the data by coefficients.

    `by_b` is (country, coefficient); `by_rest` (coordinate,), by the common coordinates after the
    coefficients.
    """
    n_countries, n_varying = effects.precision.shape
    n, size = len(effects.prior_mean), len(effects.centre)
    b, common, tau, slope, estimate, m, e = found
    by_b = by_b.copy()
    for k in range(n):
        away = (b[:, k].mean() - effects.prior_mean[k]) / effects.prior_sd[k] ** 2
        for c in range(n_countries):
            by_b[c, k] -= away / n_countries
    own, z_m, tau_of = np.empty((n_countries, n_varying)), np.empty(n_varying), np.empty(n_varying)
    for k in range(n_varying):
        z_m[k] = common[effects.varying[k]]
        tau_of[k] = tau[effects.scale_of[k]]
        for c in range(n_countries):
            own[c, k] = by_b[c, effects.varying[k]]
    z_b = at[effects.b_at : effects.b_at + n_countries * n_varying].reshape(n_countries, n_varying)
    by_z_m, by_z_b, by_tau, by_estimate = _informed_gradients(
        own, z_m, z_b, tau_of, estimate, effects.precision, m, e
    )
    out[effects.b_at : effects.b_at + n_countries * n_varying] = by_z_b.ravel()
    for where in effects.scales.at:
        out[where] = -at[where]
    for k in range(n_varying):
        i = effects.scale_of[k]
        out[effects.scales.at[i]] += by_tau[k] * slope[i]
    by_common = np.zeros(size)
    for k in range(n_varying):
        by_common[effects.varying[k]] = by_z_m[k]
    for k in effects.fixed:
        by_common[k] = by_b[:, k].sum()
    for i in range(n, size):
        by_common[i] = by_rest[i - n] - common[i]
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


@compiled
def count_density(
    at: np.ndarray, effects: Effects, counts: Counts, n_outcomes: int
) -> tuple[float, np.ndarray]:
    """Log density of ``participation`` or ``ordinal``, and its gradient by the coordinates."""
    found, value = _coefficients(at, effects)
    b, common = found.b, found.common
    n_countries, n = b.shape
    n_columns, n_gaps = counts.x.shape[1], counts.between.shape[1]
    n_effects = n_outcomes * (1 + n_columns)
    vary = n > n_effects  # distances between thresholds, through their logarithms
    gap, gap_slope = np.empty((n_countries, n_gaps)), np.empty((n_countries, n_gaps))
    same, same_slope = _scales(common[n:], counts.gaps)
    kappa = np.zeros((n_countries, 1 + n_gaps))
    for c in range(n_countries):
        for g in range(n_gaps):
            gap[c, g] = math.exp(b[c, n_effects + g]) if vary else same[g]
            gap_slope[c, g] = gap[c, g] if vary else same_slope[g]
            kappa[c, g + 1] = kappa[c, g] + gap[c, g]
            value += counts.between[c, g] * math.log(-math.expm1(-gap[c, g]))
    of_effects = b[:, :n_effects].copy().reshape(n_countries, n_outcomes, 1 + n_columns)
    of_counts, by_effects, by_kappa = _count_likelihood(
        counts.x, counts.ends, counts.above, counts.beside, of_effects, kappa
    )
    by_b, by_rest = np.zeros((n_countries, n)), np.zeros(len(common) - n)
    by_b[:, :n_effects] = by_effects.reshape(n_countries, n_effects)
    for c in range(n_countries):
        by_gap = 0.0
        for g in range(n_gaps - 1, -1, -1):
            by_gap += by_kappa[c, g + 1]  # a distance moves all thresholds above it
            own = (by_gap + counts.between[c, g] / math.expm1(gap[c, g])) * gap_slope[c, g]
            if vary:
                by_b[c, n_effects + g] = own
            else:
                by_rest[g] += own
    out = np.empty(len(at))
    _by_coordinates(at, effects, found, by_b, by_rest, out)
    return value + of_counts, out


@compiled
def normal_density(at: np.ndarray, effects: Effects, normals: Normals) -> tuple[float, np.ndarray]:
    """Log density of ``index`` of one or two outcomes, and its gradient by the coordinates."""
    found, value = _coefficients(at, effects)
    b = found.b
    n_cells, n_outcomes = normals.observed.shape
    n_rows = b.shape[1] // n_outcomes
    size = n_rows + n_outcomes
    out, by_b = np.empty(len(at)), np.zeros_like(b)
    sd, sd_slope = _scales(at, normals.sds)
    for i in normals.sds.at:
        value -= 0.5 * (at[i] * at[i] + _LOG_2_PI)
        out[i] = -at[i]
    p, rho = 0.5, 0.0
    if n_outcomes == 2:
        p = 1 / (1 + math.exp(-at[normals.odds_at]))
        rho = 2 * p - 1
        value += normals.beta * (math.log(p) + math.log1p(-p))
    value += normals.constant
    by_rho, by_sd = 0.0, np.zeros(n_outcomes)
    r, crossed = np.zeros((n_outcomes, size)), np.zeros((n_outcomes, size))
    precision, products = np.zeros((n_outcomes, n_outcomes)), np.zeros((n_outcomes, n_outcomes))
    for cell in range(n_cells):
        c, n, has = normals.country[cell], normals.n[cell], normals.observed[cell]
        two = n_outcomes == 2 and has[0] > 0 and has[1] > 0
        inflation = 1 / (1 - rho * rho) if two else 1.0
        for f in range(n_outcomes):
            # residual = r . (1, x, y)
            for i in range(n_rows):
                r[f, i] = -b[c, f * n_rows + i] * has[f]
            for g in range(n_outcomes):
                r[f, n_rows + g] = has[f] if f == g else 0.0
            for i in range(size):
                total = 0.0
                for j in range(size):
                    total += normals.cross[cell, i, j] * r[f, j]
                crossed[f, i] = total
            precision[f, f] = has[f] * inflation / sd[f] ** 2
            value -= n * has[f] * math.log(sd[f])
        if two:
            precision[0, 1] = precision[1, 0] = -rho * inflation / (sd[0] * sd[1])
            value += 0.5 * n * math.log(inflation)
        elif n_outcomes == 2:
            precision[0, 1] = precision[1, 0] = 0.0
        for f in range(n_outcomes):
            for g in range(n_outcomes):
                total = 0.0
                for i in range(size):
                    total += r[g, i] * crossed[f, i]
                products[f, g] = total
        for f in range(n_outcomes):
            for g in range(n_outcomes):
                value -= 0.5 * precision[f, g] * products[f, g]
                for i in range(n_rows):
                    by_b[c, f * n_rows + i] += precision[f, g] * crossed[g, i]
        # by Sigma: -(n P - P S P) / 2
        for f in range(n_outcomes):
            for g in range(n_outcomes):
                by_sigma = -0.5 * n * precision[f, g]
                for h in range(n_outcomes):
                    for k in range(n_outcomes):
                        by_sigma += 0.5 * precision[f, h] * products[h, k] * precision[k, g]
                correlation = 1.0 if f == g else rho
                by_sd[f] += 2 * by_sigma * correlation * sd[g]
                if f != g:
                    by_rho += by_sigma * sd[f] * sd[g]
    for f in range(n_outcomes):
        out[normals.sds.at[f]] += by_sd[f] * sd_slope[f]
    if n_outcomes == 2:
        out[normals.odds_at] = by_rho * 2 * p * (1 - p) + normals.beta * (1 - 2 * p)
    nothing = np.zeros(0)
    _by_coordinates(at, effects, found, by_b, nothing, out)
    return value, out
