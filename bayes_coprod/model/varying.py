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
from bayes_coprod.survey.entries import Driver

UNPOOLED = 2.0
"""Prior SD of a country's deviation without pooling, in the model's own units."""


@dataclass(frozen=True)
class Evidence:
    """A Gaussian summary of what each country's data alone say about its coefficients.

    Parameters
    ----------
    estimate : numpy.ndarray
        (country, form, 1 + varying coefficient), in the model's own units; the intercept first.
    precision : numpy.ndarray
        Same shape, inverse variances; 0 where the data are silent.
    """

    estimate: np.ndarray
    precision: np.ndarray

    def __post_init__(self) -> None:
        if self.estimate.shape != self.precision.shape:
            raise ValueError(
                f"Evidence: estimate has shape {self.estimate.shape}, precision "
                f"{self.precision.shape}; both are (country, form, 1 + varying coefficient)."
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
    evidence: Evidence | None,
) -> CountryEffects:
    """Register ``intercept``, ``beta``, ``b_intercept`` and ``b`` in the model, with their priors.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    drivers : tuple of Driver
        Of the design.
    evidence : Evidence or None
        Sets the speed only; without it the form is the non-centred one.

    Returns
    -------
    CountryEffects
    """
    dim = outcome_dim(spec)
    n_countries, n_outcomes = design.sizes[names.COUNTRY], design.sizes[dim]
    n_columns = 1 + design.sizes[names.COEFFICIENT]  # the intercept first
    location, spread = np.array(
        [spec.priors["intercept" if k == 0 else "beta"].arguments for k in range(n_columns)]
    ).T
    columns, driver_of = varying_columns(spec, drivers)
    varying = [] if spec.pooling == "complete" else [0, *(1 + column for column in columns)]
    fixed = [k for k in range(n_columns) if k not in varying]

    parts = []  # each (country, form, some of the columns)
    if varying:
        mean_prior = location[varying], spread[varying]
        shape = (n_countries, n_outcomes, len(varying))
        parts.append(_varying(spec, dim, driver_of, mean_prior, evidence, shape))
    if fixed:
        common = pm.Normal(
            "z_fixed", location[fixed], spread[fixed], shape=(n_outcomes, len(fixed))
        )
        parts.append(pt.broadcast_to(common[None], (n_countries, n_outcomes, len(fixed))))
    b = pt.concatenate(parts, axis=-1)[:, :, np.argsort([*varying, *fixed])]
    mean = b.mean(axis=0)

    pm.Deterministic("intercept", mean[:, 0], dims=dim)
    effects = CountryEffects(
        pm.Deterministic("b_intercept", b[:, :, 0], dims=(names.COUNTRY, dim)), b[:, :, 1:]
    )
    if n_columns > 1:
        pm.Deterministic("beta", mean[:, 1:], dims=(dim, names.COEFFICIENT))
        pm.Deterministic("b", effects.slope, dims=(names.COUNTRY, dim, names.COEFFICIENT))
    return effects


def _varying(
    spec: ModelSpec,
    dim: str,
    driver_of: list[str],
    mean_prior: tuple[np.ndarray, np.ndarray],
    evidence: Evidence | None,
    shape: tuple[int, int, int],
) -> TensorVariable:
    """Coefficients that vary, (country, form, 1 + varying), with priors of their mean and tau."""
    n_countries, n_outcomes, n_varying = shape
    tau = None if spec.pooling == "none" else _scales(spec, dim, driver_of)
    if spec.parametrisation == "informed" and tau is not None and evidence is not None:
        return _informed(tau, mean_prior, evidence)
    mean = pm.Normal("z_mean", *mean_prior, shape=shape[1:])
    contrast_shape = (n_countries - 1, n_outcomes, n_varying)
    if tau is None:
        gamma = pm.Normal("z_gamma", 0, UNPOOLED, shape=contrast_shape)
    elif spec.parametrisation == "centred":
        gamma = pm.Normal("z_gamma", 0, tau, shape=contrast_shape)
    else:
        gamma = tau * pm.Normal("z_gamma", 0, 1, shape=contrast_shape)
    # d = H' gamma
    return mean + pt.tensordot(zero_sum_contrasts(n_countries).T, gamma, axes=1)


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


def _informed(
    tau: TensorVariable, mean_prior: tuple[np.ndarray, np.ndarray], evidence: Evidence
) -> TensorVariable:
    r"""Coefficients through their approximate conditional posterior given `tau`.

    Contrasts of countries that are known unequally well are strongly correlated a posteriori, so
    they are not sampled. An auxiliary centre :math:`m \sim N(\beta, \tau^2 / C)` makes the
    countries independent given it, and leaves the posterior of all else as it was:

    .. math::

        p(\beta) \prod_j N(\gamma_j \mid 0, \tau^2) \; N(m \mid \beta, \tau^2 / C)
        \propto p(\bar b) \prod_c N(b_c \mid m, \tau^2), \qquad \bar b = \beta .

    With evidence :math:`\hat b_c` of precision :math:`w_c`, both m and b are written through their
    conditional posterior under the evidence,

    .. math::

        u_c = (w_c^{-1} + \tau^2)^{-1}, \quad
        m = \frac{\sum_c u_c \hat b_c}{\sum_c u_c} + \frac{z_m}{\sqrt{\sum_c u_c}}, \quad
        s_c^2 = (w_c + \tau^{-2})^{-1}, \quad
        b_c = m + s_c^2 w_c (\hat b_c - m) + s_c z_c ,

    with flat z and the Jacobian in the density. If the evidence were exact and p flat, all z would
    be standard normal given any tau: no funnel as tau falls, no ridge as the data gain weight.

    References
    ----------
    .. [1] Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22(1), 59-73.
    .. [2] Gorinova, Moore & Hoffman (2020), Automatic reparameterisation of probabilistic
       programs, ICML.
    """
    w, estimate = evidence.precision, evidence.estimate  # (country, form, varying)
    z_m = pm.Flat("z_centre", shape=w.shape[1:])
    z_b = pm.Flat("z_b", shape=w.shape)
    # u = w / (1 + w tau^2) is finite where the data are silent; the small number keeps m proper
    # where they are silent in every country
    u = w / (1 + w * tau**2) + 1e-6
    total = u.sum(axis=0)
    m = (u * estimate).sum(axis=0) / total + z_m / pt.sqrt(total)
    # b_c = m + tau e_c with s^2 = tau^2 / (1 + w tau^2), finite at w = 0 and as tau -> 0
    shrink = 1 / (1 + w * tau**2)
    e = shrink * w * tau * (estimate - m) + pt.sqrt(shrink) * z_b
    b = m + tau * e
    # log p(mean of b) + sum_c [log N(b_c | m, tau) + log s_c] + log sd(m), where
    # log s - log tau = log(shrink) / 2
    location, spread = mean_prior
    log_density = (
        pm.logp(pm.Normal.dist(location, spread), b.mean(axis=0)).sum()
        + (-0.5 * e**2 + 0.5 * pt.log(shrink)).sum()
        - 0.5 * pt.log(total).sum()
        - 0.5 * np.log(2 * np.pi) * w.size
    )
    pm.Potential("b_given_tau", log_density)
    return b
