"""From citizens to sums: the statistics that carry all that a likelihood needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GaussianCells:
    """Sums over the citizens of one country who have the same outcomes.

    Parameters
    ----------
    country : numpy.ndarray
        (cell,), position of the country.
    observed : numpy.ndarray
        (cell, outcome), 1.0 where the cell's citizens have the outcome, else 0.0.
    n : numpy.ndarray
        (cell,), number of citizens.
    cross : numpy.ndarray
        (cell, z, z), sums of z z' with z = (1, x, y); an outcome that is missing counts as 0.
    """

    country: np.ndarray
    observed: np.ndarray
    n: np.ndarray
    cross: np.ndarray


def collapse_gaussian(x: np.ndarray, y: np.ndarray, country: np.ndarray) -> GaussianCells:
    """Collapse citizens to a joint normal likelihood's sufficient statistics, exactly.

    Parameters
    ----------
    x : numpy.ndarray
        (citizen, coefficient).
    y : numpy.ndarray
        (citizen, outcome), NaN where missing.
    country : numpy.ndarray
        (citizen,), position of the country.

    Returns
    -------
    GaussianCells
        One cell for each country and pattern of present outcomes that occurs.
    """
    observed = ~np.isnan(y)
    pattern = observed @ (1 << np.arange(y.shape[1]))  # (citizen,), one bit an outcome
    cell_of = country.astype(np.int64) << y.shape[1] | pattern
    cell, start = np.unique(np.sort(cell_of), return_index=True)
    order = np.argsort(cell_of, kind="stable")
    z = np.concatenate([np.ones((len(y), 1)), x, np.where(observed, y, 0.0)], axis=1)
    blocks = np.split(z[order], start[1:])
    bits = cell[:, None] >> np.arange(y.shape[1]) & 1
    return GaussianCells(
        country=cell >> y.shape[1],
        observed=bits.astype(float),
        n=np.array([len(block) for block in blocks], dtype=float),
        cross=np.stack([block.T @ block for block in blocks]),
    )
