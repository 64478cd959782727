r"""Effects that vary by country, as deviations that sum to zero.

.. math::

    b_{cfp} = \beta_{fp} + d_{cfp}, \qquad d_{cfp} = \sum_j H_{jc}\,\gamma_{fpj}, \qquad
    \gamma_{fpj} \sim N(0, \tau_{fp}^2),

with H the orthonormal Helmert contrasts of the countries. This is the exchangeable normal model
with the mean over *these* countries split off: ``beta`` is that mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pytensor.tensor import TensorVariable
from scipy.linalg import helmert

from bayes_coprod import names
from bayes_coprod.model.design import outcome_dim, varying_columns
from bayes_coprod.model.priors import from_normal
from bayes_coprod.model.spec import ModelSpec, Prior
from bayes_coprod.survey.codebook import Driver

UNPOOLED = 2.0
"""Prior SD of a country's deviation without pooling, in the model's own units."""


@dataclass(frozen=True)
class Evidence:
    """A Gaussian summary of what the data alone say about the contrasts.

    Parameters
    ----------
    estimate : numpy.ndarray
        (form, 1 + coefficient, contrast), in the model's own units; the intercept comes first.
    precision : numpy.ndarray
        Same shape, inverse variances; 0 where the data are silent.
    """

    estimate: np.ndarray
    precision: np.ndarray

    def __post_init__(self) -> None:
        if self.estimate.shape != self.precision.shape:
            raise ValueError(
                f"Evidence: estimate has shape {self.estimate.shape}, "
                f"precision {self.precision.shape}; both are (form, 1 + coefficient, contrast)."
            )
        if not (self.precision >= 0).all():
            raise ValueError("Evidence: a precision is negative; it is an inverse variance.")


@dataclass(frozen=True)
class CountryEffects:
    """Coefficients by country, as variables of the model.

    Parameters
    ----------
    intercept : TensorVariable
        (country, form).
    slope : TensorVariable
        (country, form, coefficient).
    """

    intercept: TensorVariable
    slope: TensorVariable


def zero_sum_contrasts(n_countries: int) -> np.ndarray:
    """Orthonormal contrasts, (contrast, country); every row sums to zero."""
    return np.asarray(helmert(n_countries))


def linear_predictor(
    intercept: TensorVariable, slope: TensorVariable, x: TensorVariable
) -> TensorVariable:
    """Linear predictor: (..., form) + (..., form, coefficient) @ (..., coefficient)."""
    return intercept + (slope * x[..., None, :]).sum(axis=-1)


def country_effects(
    spec: ModelSpec,
    design: xr.Dataset,
    drivers: tuple[Driver, ...],
    mean: tuple[TensorVariable, TensorVariable],
    evidence: Evidence | None,
) -> CountryEffects:
    """Register ``b_intercept`` and ``b``, and what they are made of, in the model.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    drivers : tuple of Driver
        Of the design.
    mean : (TensorVariable, TensorVariable)
        Mean over the countries: intercept (form,), slopes (form, coefficient).
    evidence : Evidence or None
        Sets the speed only; without it the form is the non-centred one.

    Returns
    -------
    CountryEffects
    """
    dim = outcome_dim(spec)
    n_countries = design.sizes[names.COUNTRY]
    columns, driver_of = varying_columns(spec, drivers)
    intercept, slope = mean
    shape = (n_countries, design.sizes[dim], design.sizes[names.COEFFICIENT])
    b_intercept = pt.broadcast_to(intercept[None], shape[:2])
    b = pt.broadcast_to(slope[None], shape)
    if spec.pooling != "complete":
        gamma = _contrasts(spec, dim, driver_of, evidence)
        # d = H' gamma, (country, form, 1 + varying)
        d = pt.moveaxis(pt.dot(gamma, zero_sum_contrasts(n_countries)), 2, 0)
        b_intercept = b_intercept + d[:, :, 0]
        if columns:
            b = pt.inc_subtensor(b[:, :, columns], d[:, :, 1:])
    effects = CountryEffects(
        pm.Deterministic("b_intercept", b_intercept, dims=(names.COUNTRY, dim)), b
    )
    if shape[2]:
        pm.Deterministic("b", b, dims=(names.COUNTRY, dim, names.COEFFICIENT))
    return effects


def _contrasts(
    spec: ModelSpec, dim: str, driver_of: list[str], evidence: Evidence | None
) -> TensorVariable:
    """gamma, (form, 1 + varying, contrast), with its prior."""
    n_varying = 1 + len(driver_of)
    n_contrasts = len(pm.modelcontext(None).coords[names.COUNTRY]) - 1
    n_outcomes = len(pm.modelcontext(None).coords[dim])
    shape = (n_outcomes, n_varying, n_contrasts)
    if spec.pooling == "none":
        return pm.Normal("z_gamma", 0, UNPOOLED, shape=shape)
    tau = _scales(spec, dim, driver_of)[:, :, None]  # (form, 1 + varying, 1)
    if spec.parametrisation == "centred":
        return pm.Normal("z_gamma", 0, tau, shape=shape)
    if spec.parametrisation == "non_centred" or evidence is None:
        return tau * pm.Normal("z_gamma", 0, 1, shape=shape)
    return _informed_contrasts(tau, evidence, shape)


def _scales(spec: ModelSpec, dim: str, driver_of: list[str]) -> TensorVariable:
    """tau, (form, 1 + varying); a driver's columns share one."""
    scales = [_scale("tau_intercept", spec.priors["tau_intercept"], (dim,))[:, None]]
    if driver_of:
        varying = list(dict.fromkeys(driver_of))
        tau = _scale("tau", spec.priors["tau"], (dim, names.DRIVER))
        scales.append(tau[:, [varying.index(name) for name in driver_of]])
    return pt.concatenate(scales, axis=1)


def _scale(name: str, prior: Prior, dims: tuple[str, ...]) -> TensorVariable:
    """Sample a scale through its prior quantile: with few contrasts log tau has a long tail."""
    z = pm.Normal(f"z_{name}", 0, 1, dims=dims)
    return pm.Deterministic(name, from_normal(prior, z), dims=dims)


def _informed_contrasts(
    tau: TensorVariable, evidence: Evidence, shape: tuple[int, ...]
) -> TensorVariable:
    r"""Contrasts through their approximate conditional posterior given `tau`.

    With evidence :math:`\hat\gamma` of precision :math:`w`, and prior
    :math:`\gamma \sim N(0, \tau^2)`,

    .. math:: s^2 = (w + \tau^{-2})^{-1}, \quad m = s^2 w \hat\gamma, \quad \gamma = m + s z .

    ``z`` is flat and the density gains :math:`\log N(\gamma \mid 0, \tau) + \log s`, prior and
    Jacobian. If the evidence were exact, ``z`` would be standard normal given any ``tau``: no
    funnel as ``tau`` falls, no ridge as the data gain weight.

    References
    ----------
    .. [1] Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22(1), 59-73.
    .. [2] Gorinova, Moore & Hoffman (2020), Automatic reparameterisation of probabilistic
       programs, ICML.
    """
    # s^2 = 1 / (w + 1 / tau^2), kept finite at w = 0 and as tau -> 0
    s2 = tau**2 / (1 + evidence.precision * tau**2)
    z = pm.Flat("z_gamma", shape=shape)
    gamma = s2 * evidence.precision * evidence.estimate + pt.sqrt(s2) * z
    # log N(gamma | 0, tau) + log s, where log s - log tau = -log(1 + w tau^2) / 2
    log_density = -0.5 * (gamma / tau) ** 2 - 0.5 * pt.log1p(evidence.precision * tau**2)
    constant = -0.5 * np.log(2 * np.pi) * np.prod(shape)
    pm.Potential("gamma_given_tau", log_density.sum() + constant)
    return gamma
