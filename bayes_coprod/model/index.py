"""The likelihood of ``index``: jointly normal indices, from sums per country.

Each item scores 0 to 100 in equal steps; a citizen's index of a form is the mean over the answered
items. The density needs the sums of products per country and pattern of present outcomes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pytensor.tensor import TensorVariable

from bayes_coprod import names
from bayes_coprod.model.collapse import GaussianCells, collapse_gaussian
from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.priors import from_normal
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import (
    country_effects,
    linear_predictor,
)
from bayes_coprod.survey.entries import Driver

type Parameters = Mapping[str, TensorVariable]


def build_index(
    spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...], pilot: Pilot | None
) -> None:
    """Register the model's variables, priors and likelihood in the PyMC model at hand."""
    dim = outcome_dim(spec)
    n_outcomes = design.sizes[dim]
    intercept, slope = country_effects(spec, design, drivers, pilot)
    by_country = (names.COUNTRY,) if spec.sigma_varies else ()
    z_sd = pm.Normal("z_residual_sd", 0, 1, dims=(*by_country, dim))
    sd = pm.Deterministic(
        "residual_sd", from_normal(spec.priors["residual_sd"], z_sd), dims=(*by_country, dim)
    )
    rho = _correlations(spec, design, by_country)
    sigma = covariance(sd, rho, n_outcomes)
    cells = collapse_gaussian(
        design["x"].values, design["y"].values, design["country_index"].values
    )
    pm.Potential(
        "index",
        collapsed_log_likelihood(cells, intercept, slope, sigma) + log_jacobian(design).sum(),
    )


def _correlations(
    spec: ModelSpec, design: xr.Dataset, by_country: tuple[str, ...]
) -> TensorVariable | None:
    r"""Residual correlations, ([country,] pair), under the LKJ prior; None for one outcome.

    Under LKJ(eta) the partial correlations of outcomes i < j, given those before i, are
    independent, :math:`(1 + p_{ij}) / 2 \sim \operatorname{Beta}(a_i, a_i)` with
    :math:`a_i = \eta + (n - 2 - i) / 2`, i from 0.

    References
    ----------
    .. [1] Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100(9), 1989-2001.
    """
    n = design.sizes[outcome_dim(spec)]
    if n == 1:
        return None
    pairs = list(combinations(range(n), 2))
    (eta,) = spec.priors["rho"].arguments
    a = eta + (n - 2 - np.array([i for i, _ in pairs])) / 2
    shape = (*(design.sizes[name] for name in by_country), len(pairs))
    partial = 2 * pm.Beta("z_partial", a, a, shape=shape) - 1
    factor: dict[tuple[int, int], TensorVariable] = {}  # of the correlation matrix, by row
    for j in range(n):
        left = pt.ones(shape[:-1])  # what the row's earlier entries leave of its unit length
        for i in range(j):
            p = partial[..., pairs.index((i, j))]
            factor[j, i] = p * left
            left = left * pt.sqrt(1 - p**2)
        factor[j, j] = left
    rho = [sum(factor[i, k] * factor[j, k] for k in range(i + 1)) for i, j in pairs]
    return pm.Deterministic("rho", pt.stack(rho, axis=-1), dims=(*by_country, names.PAIR))


def covariance(sd: TensorVariable, rho: TensorVariable | None, n: int) -> TensorVariable:
    """Residual covariance of n outcomes from SDs (..., outcome) and correlations (..., pair)."""
    correlation = pt.eye(n)
    if rho is not None:
        basis = np.zeros((n * (n - 1) // 2, n, n))
        for k, (i, j) in enumerate(combinations(range(n), 2)):
            basis[k, i, j] = basis[k, j, i] = 1
        correlation = correlation + pt.tensordot(rho, basis, axes=1)
    return sd[..., :, None] * correlation * sd[..., None, :]


def _observed_block(
    sigma: TensorVariable, observed: np.ndarray
) -> tuple[TensorVariable, TensorVariable]:
    """Precision and log determinant of the observed outcomes' covariance, for each pattern.

    A missing outcome is given variance 1 and no covariance, which changes neither; its rows of
    the precision are multiplied by residuals of 0.
    """
    both = observed[:, :, None] * observed[:, None, :]  # (pattern, outcome, outcome)
    filled = sigma * both + np.eye(observed.shape[1]) * (1 - both)
    factor = pt.linalg.cholesky(filled)
    log_determinant = 2 * pt.log(pt.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    return pt.linalg.inv(filled), log_determinant


def collapsed_log_likelihood(
    cells: GaussianCells, intercept: TensorVariable, slope: TensorVariable, sigma: TensorVariable
) -> TensorVariable:
    """Joint normal log likelihood of all citizens, from sums per country and pattern.

    Parameters
    ----------
    cells : GaussianCells
    intercept : TensorVariable
        (country, outcome).
    slope : TensorVariable
        (country, outcome, coefficient).
    sigma : TensorVariable
        ([country,] outcome, outcome).

    Returns
    -------
    TensorVariable
        Scalar, of standardised outcomes.
    """
    n_cells, n_outcomes = cells.observed.shape
    if sigma.ndim == 3:
        sigma = sigma[cells.country]
    precision, log_determinant = _observed_block(sigma, cells.observed)
    b = pt.concatenate([intercept[..., None], slope], axis=-1)[cells.country]
    # residual = R' z with z = (1, x, y) and R = (-b', I), (cell, z, outcome)
    identity = np.broadcast_to(np.eye(n_outcomes), (n_cells, n_outcomes, n_outcomes))
    r = pt.concatenate([-pt.swapaxes(b, 1, 2), identity], axis=1) * cells.observed[:, None, :]
    # sum of residual products = R' (sum of z z') R, (cell, outcome, outcome)
    products = pt.swapaxes(r, 1, 2) @ cells.cross @ r
    answers = cells.n @ cells.observed.sum(axis=1)
    return -0.5 * (
        (precision * products).sum()
        + (cells.n * log_determinant).sum()
        + answers * np.log(2 * np.pi)
    )


def log_jacobian(design: xr.Dataset) -> np.ndarray:
    """From the density of standardised outcomes to that of points, (citizen,)."""
    observed = ~np.isnan(design["y"].values)
    return -np.asarray(observed @ np.log(design["outcome_sd"].values))


def citizens_index(
    spec: ModelSpec, design: xr.Dataset, parameters: Parameters, pilot: Pilot | None
) -> TensorVariable:
    """Log density of each citizen's indices, in points, (citizen,)."""
    y = design["y"].values
    observed = (~np.isnan(y)).astype(float)
    country = design["country_index"].values
    mu = linear_predictor(
        parameters["b_intercept"][country],
        parameters["b"][country] if "b" in parameters else pt.zeros((*y.shape, 0)),
        design["x"].values,
    )
    residual = (np.where(observed > 0, y, 0.0) - mu) * observed
    sigma = covariance(parameters["residual_sd"], parameters.get("rho"), y.shape[1])
    key = np.column_stack([country if spec.sigma_varies else 0 * country, observed])
    kinds, kind_of = np.unique(key, axis=0, return_inverse=True)
    if spec.sigma_varies:
        sigma = sigma[kinds[:, 0].astype(int)]
    precision, log_determinant = _observed_block(sigma, kinds[:, 1:])
    distance = ((residual[:, :, None] * precision[kind_of]).sum(axis=1) * residual).sum(axis=1)
    answers = observed.sum(axis=1)
    return -0.5 * (
        distance + log_determinant[kind_of] + answers * np.log(2 * np.pi)
    ) + log_jacobian(design)


def expected_index(design: xr.Dataset, parameters: Parameters, x: TensorVariable) -> TensorVariable:
    """Expected index in points; linear, so a citizen's deviation integrates to nothing."""
    slope = parameters.get("b")
    if slope is None:
        slope = pt.zeros((*parameters["b_intercept"].shape, 0))
    eta = linear_predictor(parameters["b_intercept"], slope, x)
    return design["outcome_mean"].values + design["outcome_sd"].values * eta


def index_parameters(spec: ModelSpec, design: xr.Dataset) -> tuple[str, ...]:
    """Posterior variables that the likelihood is made of."""
    slope = ("b",) if design.sizes[names.COEFFICIENT] else ()
    rho = ("rho",) if design.sizes[outcome_dim(spec)] > 1 else ()
    return ("b_intercept", *slope, "residual_sd", *rho)


def expected_indices(
    spec: ModelSpec, design: xr.Dataset, draws: Mapping[str, np.ndarray], x: np.ndarray
) -> np.ndarray:
    """Evaluate the expected indices of citizens with given drivers, for many draws at once.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    draws : mapping of str to numpy.ndarray
        The posterior's variables, the draws along the first axis.
    x : numpy.ndarray
        (draw, country, coefficient), coded as the design's.

    Returns
    -------
    numpy.ndarray
        (draw, country, form or outcome), in the survey's units.
    """
    inputs = {
        name: pt.tensor(name, shape=draws[name].shape, dtype="float64")
        for name in index_parameters(spec, design)
    }
    x_in = pt.tensor("x", shape=x.shape, dtype="float64")
    output = expected_index(design, inputs, x_in)
    function = pytensor.function(
        [*inputs.values(), x_in], output, mode=AS_WRITTEN, on_unused_input="ignore"
    )
    return np.asarray(function(*(draws[name] for name in inputs), x))
