"""Log likelihood of jointly normal outcomes as machine code, with its gradients.

The maths stands in :mod:`.index`; tests hold this to the graph built there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bayes_coprod.model.answer_tables import compiled


class Normals(NamedTuple):
    """Sums of one or two jointly normal outcomes, cell by cell of those who have the same.

    Parameters
    ----------
    country : numpy.ndarray
        (cell,).
    observed : numpy.ndarray
        (cell, outcome), 1.0 or 0.0.
    n : numpy.ndarray
        (cell,).
    cross : numpy.ndarray
        (cell, z, z), of z = (1, x, y).
    """

    country: np.ndarray
    observed: np.ndarray
    n: np.ndarray
    cross: np.ndarray


@compiled
def normal_likelihood(
    b: np.ndarray, sd: np.ndarray, rho: float, normals: Normals
) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Log likelihood of ``index`` of one or two outcomes up to a constant, and its gradients.

    Parameters
    ----------
    b : numpy.ndarray
        (country, coefficient): each outcome's level and slopes.
    sd : numpy.ndarray
        (outcome,), residual SDs.
    rho : float
        Residual correlation; 0 for one outcome.
    normals : Normals

    Returns
    -------
    (float, numpy.ndarray, numpy.ndarray, float)
        The value; its gradients by `b`, `sd` and `rho`.
    """
    n_cells, n_outcomes = normals.observed.shape
    n_rows = b.shape[1] // n_outcomes
    size = n_rows + n_outcomes
    value, by_b = 0.0, np.zeros_like(b)
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
    return value, by_b, by_sd, by_rho
