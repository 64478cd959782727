"""A rough look at the data before sampling, which sets the speed and nothing else."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.inference.item_pilot import fit_item_pilot
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.model.collapse import GaussianCells, collapse_gaussian
from bayes_coprod.model.pilot import Evidence, Pilot
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import effect_columns
from bayes_coprod.survey.entries import Codebook


def fit_pilot(spec: ModelSpec, codebook: Codebook, design: xr.Dataset) -> Pilot | None:
    """Find what the data say about the coefficients, roughly, and where citizens lie.

    Parameters
    ----------
    spec : ModelSpec
    codebook : Codebook
    design : xarray.Dataset

    Returns
    -------
    Pilot or None
        ``None`` where the model has no use for one.

    Notes
    -----
    Of ``index``: least squares per country and outcome with a unit-scale prior. Of ``items``:
    :func:`bayes_coprod.inference.item_pilot.fit_item_pilot`.
    """
    drivers = chosen_drivers(design, codebook.drivers)
    if spec.likelihood == "items":
        return fit_item_pilot(spec, design, drivers)
    if spec.pooling != "partial" or spec.parametrisation != "informed":
        return None
    cells = collapse_gaussian(
        design["x"].values, design["y"].values, design["country_index"].values
    )
    n_countries = design.sizes[names.COUNTRY]
    estimate, variance = _least_squares(cells, n_countries)
    kept = effect_columns(spec, drivers, design.sizes[names.COEFFICIENT])
    return Pilot(
        Evidence(
            estimate=estimate[:, :, kept].reshape(n_countries, -1),
            precision=1 / variance[:, :, kept].reshape(n_countries, -1),
        )
    )


def _least_squares(cells: GaussianCells, n_countries: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and their variances, both (country, outcome, 1 + coefficient)."""
    n_outcomes = cells.observed.shape[1]
    p = cells.cross.shape[1] - n_outcomes
    estimate = np.zeros((n_countries, n_outcomes, p))
    variance = np.ones_like(estimate)
    for f in range(n_outcomes):
        sums = [
            cells.cross[(cells.country == c) & (cells.observed[:, f] > 0)].sum(axis=0)
            for c in range(n_countries)
        ]
        n = cells.n @ cells.observed[:, f]
        residual_variance = 1.0  # of a standardised outcome; the second pass has the real one
        for _ in range(2):
            squares = 0.0
            for c, z in enumerate(sums):
                xx, xy, yy = z[:p, :p], z[:p, p + f], z[p + f, p + f]
                # (X'X / s^2 + I) b = X'y / s^2
                covariance = np.linalg.inv(xx / residual_variance + np.eye(p))
                b = covariance @ xy / residual_variance
                estimate[c, f], variance[c, f] = b, np.diag(covariance)
                squares += yy - 2 * b @ xy + b @ xx @ b
            residual_variance = squares / n
    return estimate, variance
