"""Log likelihood of counted answers as machine code, with its gradients.

The maths stands in :mod:`.counts`; tests hold this to the graph built there. Nothing here calls
compiled functions of another file, whose changes numba's cache would not notice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bayes_coprod.model.answer_tables import compiled, inlined


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
    """

    x: np.ndarray
    ends: np.ndarray
    above: np.ndarray
    beside: np.ndarray
    between: np.ndarray


@inlined
def _binomial_logits(
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


@compiled
def count_likelihood(
    b: np.ndarray, gaps: np.ndarray, counts: Counts
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log likelihood of ``participation`` or ``ordinal``, and its gradients.

    Parameters
    ----------
    b : numpy.ndarray
        (country, coefficient): each outcome's level and slopes, then the logarithms of the
        distances between thresholds where these vary by country.
    gaps : numpy.ndarray
        (gap,), the distances where they do not.
    counts : Counts

    Returns
    -------
    (float, numpy.ndarray, numpy.ndarray)
        The value; its gradients by `b` and `gaps`.
    """
    n_countries, n = b.shape
    n_outcomes, n_gaps = counts.above.shape[1], counts.between.shape[1]
    n_effects = n_outcomes * (1 + counts.x.shape[1])
    vary = n > n_effects
    value = 0.0
    gap, kappa = np.empty((n_countries, n_gaps)), np.zeros((n_countries, 1 + n_gaps))
    for c in range(n_countries):
        for g in range(n_gaps):
            gap[c, g] = math.exp(b[c, n_effects + g]) if vary else gaps[g]
            kappa[c, g + 1] = kappa[c, g] + gap[c, g]
            value += counts.between[c, g] * math.log(-math.expm1(-gap[c, g]))
    of_effects = b[:, :n_effects].copy().reshape(n_countries, n_outcomes, -1)
    of_counts, by_effects, by_kappa = _binomial_logits(
        counts.x, counts.ends, counts.above, counts.beside, of_effects, kappa
    )
    by_b, by_gaps = np.zeros((n_countries, n)), np.zeros(len(gaps))
    by_b[:, :n_effects] = by_effects.reshape(n_countries, n_effects)
    for c in range(n_countries):
        by_gap = 0.0
        for g in range(n_gaps - 1, -1, -1):
            by_gap += by_kappa[c, g + 1]  # a distance moves all thresholds above it
            own = by_gap + counts.between[c, g] / math.expm1(gap[c, g])
            if vary:
                by_b[c, n_effects + g] = own * gap[c, g]
            else:
                by_gaps[g] += own
    return value + of_counts, by_b, by_gaps
