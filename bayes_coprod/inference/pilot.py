"""A rough look at the data before sampling, which sets the speed and nothing else."""

from __future__ import annotations

import numpy as np
import xarray as xr
from pytensor.tensor import TensorVariable
from scipy.linalg import LinAlgError
from scipy.special import logit

from bayes_coprod import names
from bayes_coprod.inference.item_pilot import fit_item_pilot
from bayes_coprod.inference.mode import (
    Coordinates,
    compile_objective,
    find_information,
    find_mode,
)
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.model.collapse import GaussianCells, collapse_gaussian
from bayes_coprod.model.ordinal import (
    ordinal_coordinates,
    ordinal_log_likelihood,
    thresholds_and_slopes,
)
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.participation import participation_log_likelihood
from bayes_coprod.model.pilot import Evidence, Pilot
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import effect_columns
from bayes_coprod.survey.entries import Codebook, Driver

_LEVEL_SD = 4.0
"""Of the pilot's prior of a level; slopes have 1."""
_TOLERANCE = 1e-9
"""Relative change of the density at which the search for its mode ends."""


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
    :func:`bayes_coprod.inference.item_pilot.fit_item_pilot`. Of the others: mode and information
    of the model without pooling, see :mod:`bayes_coprod.inference.mode`.
    """
    drivers = chosen_drivers(design, codebook.drivers)
    if spec.likelihood == "items":
        return fit_item_pilot(spec, design, drivers)
    if spec.pooling != "partial" or spec.parametrisation != "informed":
        return None
    if spec.likelihood in ("participation", "ordinal"):
        return _fit_counts(spec, design, drivers)
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


def _fit_counts(spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...]) -> Pilot:
    """Mode and information of a model of counts without pooling."""
    n_outcomes, n_columns = design.sizes[outcome_dim(spec)], design.sizes[names.COEFFICIENT]
    varies, n_rest = np.tile(effect_columns(spec, drivers, n_columns), n_outcomes), 0
    start = np.zeros((n_outcomes, 1 + n_columns))
    prior_sd = np.tile(np.r_[_LEVEL_SD, np.ones(n_columns)], n_outcomes)
    if spec.likelihood == "participation":
        start[:, 0] = logit(np.clip(np.nanmean(design["y"].values, axis=0), 0.01, 0.99))

        def likelihood(b: TensorVariable, rest: TensorVariable) -> TensorVariable:
            effects = b.reshape((b.type.shape[0], n_outcomes, 1 + n_columns))
            return participation_log_likelihood(design, effects[:, :, 0], effects[:, :, 1:])
    else:
        varies, n_rest = ordinal_coordinates(spec, design, drivers)
        answer = design["answer"].values
        start[0, 0] = logit(np.clip((answer[answer >= 0] > 0).mean(), 0.01, 0.99))
        prior_sd = np.r_[prior_sd, np.ones(len(varies) - len(prior_sd))]

        def likelihood(b: TensorVariable, rest: TensorVariable) -> TensorVariable:
            return ordinal_log_likelihood(design, *thresholds_and_slopes(spec, design, b, rest))

    coordinates = Coordinates(design.sizes[names.COUNTRY], varies, n_rest)
    objective = compile_objective(coordinates, prior_sd, likelihood)
    beginning = np.r_[start.ravel(), np.zeros(len(varies) - start.size)]
    at, found = find_mode(objective, coordinates.vector(beginning), _TOLERANCE)
    try:
        evidence, whitening = find_information(objective, at, coordinates)
    except LinAlgError:
        return Pilot(problem="The pilot's information matrix is not positive.")
    return Pilot(evidence, whitening, problem="" if found else "The pilot found no mode.")


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
