r"""Coefficients that vary by country, as deviations that sum to zero.

.. math::

    b_{ck} = \beta_k + d_{ck}, \qquad d_{ck} = \sum_j H_{jc}\,\gamma_{kj}, \qquad
    \gamma_{kj} \sim N(0, \tau_k^2),

with H the orthonormal Helmert contrasts of the countries. This is the exchangeable normal model
with the mean over *these* countries split off: ``beta`` is that mean.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pytensor.tensor import TensorVariable
from scipy.linalg import helmert

from bayes_coprod import names
from bayes_coprod.model.coding import varying_columns
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.pilot import Evidence, Pilot
from bayes_coprod.model.prior_spec import Prior
from bayes_coprod.model.priors import from_normal, log_density
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.entries import Driver

UNPOOLED = 2.0
"""Prior SD of a country's deviation without pooling, in the model's own units."""


def zero_sum_contrasts(n: int) -> np.ndarray:
    """Orthonormal contrasts, (contrast, n); every row sums to zero."""
    return np.asarray(helmert(n))


def linear_predictor(
    intercept: TensorVariable, slope: TensorVariable, x: TensorVariable
) -> TensorVariable:
    """Linear predictor: (..., form) + (..., form, coefficient) @ (..., coefficient)."""
    return intercept + (slope * x[..., None, :]).sum(axis=-1)


def predict_citizens(
    x: np.ndarray, ends: np.ndarray, intercept: TensorVariable, slope: TensorVariable | None
) -> TensorVariable:
    """Linear predictor of citizens or cells that are sorted by country, (row, form).

    `x` is (row, coefficient); `ends` (country + 1,), where countries begin and end; `intercept`
    (country, form); `slope` (country, form, coefficient). One product of matrices a country.
    """
    by_country = []
    for c, rows in enumerate(map(slice, ends[:-1], ends[1:])):
        n = int(rows.stop - rows.start)
        eta = pt.broadcast_to(intercept[c], (n, intercept.shape[1]))
        if slope is not None and x.shape[1]:
            eta = eta + pt.dot(x[rows], slope[c].T)
        by_country.append(eta)
    return pt.concatenate(by_country, axis=0)


def country_effects(
    spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...], pilot: Pilot | None
) -> tuple[TensorVariable, TensorVariable]:
    """Register each outcome's levels and slopes, with their priors.

    Returns
    -------
    (TensorVariable, TensorVariable)
        ``b_intercept`` (country, outcome) and ``b`` (country, outcome, coefficient).
    """
    dim = outcome_dim(spec)
    n_countries, n_outcomes = design.sizes[names.COUNTRY], design.sizes[dim]
    n_columns = design.sizes[names.COEFFICIENT]
    tau = flat_scales(spec, drivers)
    effects = country_coefficients(
        spec,
        n_countries,
        np.tile(effect_columns(spec, drivers, n_columns), n_outcomes),
        tau,
        common_coordinates(n_outcomes * (1 + n_columns), pilot),
        None if pilot is None else pilot.evidence,
    ).reshape((n_countries, n_outcomes, 1 + n_columns))
    mean = effects.mean(axis=0)
    pm.Potential("intercept_prior", log_density(spec.priors["intercept"], mean[:, 0]).sum())
    pm.Deterministic("intercept", mean[:, 0], dims=dim)
    intercept = pm.Deterministic("b_intercept", effects[:, :, 0], dims=(names.COUNTRY, dim))
    slope = effects[:, :, 1:]
    if n_columns:
        pm.Potential("beta_prior", log_density(spec.priors["beta"], mean[:, 1:]).sum())
        pm.Deterministic("beta", mean[:, 1:], dims=(dim, names.COEFFICIENT))
        pm.Deterministic("b", slope, dims=(names.COUNTRY, dim, names.COEFFICIENT))
    return intercept, slope


def common_coordinates(n: int, pilot: Pilot | None) -> TensorVariable:
    """Register the `n` coordinates that countries share, flat; whitened where a pilot can."""
    z = pm.Flat("z_common", shape=n)
    if pilot is None or pilot.whitening is None:
        return z
    whitening = pilot.whitening
    pm.Potential("log_jacobian_common", pt.as_tensor(np.log(np.diag(whitening.factor)).sum()))
    return whitening.centre + pt.dot(whitening.factor, z)


def effect_columns(spec: ModelSpec, drivers: tuple[Driver, ...], n_columns: int) -> np.ndarray:
    """Which of an outcome's columns, the intercept first, vary by country, (1 + coefficient,)."""
    varies = np.zeros(1 + n_columns, dtype=bool)
    varies[0] = spec.pooling != "complete"
    varies[[1 + column for column in varying_columns(spec, drivers)[0]]] = True
    return varies


def effect_scales(spec: ModelSpec, drivers: tuple[Driver, ...]) -> TensorVariable | None:
    """Register ``tau_intercept`` and ``tau``: (form, varying column), the intercept first.

    A driver's columns share one scale; ``None`` without partial pooling.
    """
    if spec.pooling != "partial":
        return None
    dim = outcome_dim(spec)
    scales = [scale("tau_intercept", spec.priors["tau_intercept"], (dim,))[:, None]]
    driver_of = varying_columns(spec, drivers)[1]
    if driver_of:
        varying = list(dict.fromkeys(driver_of))
        tau = scale("tau", spec.priors["tau"], (dim, names.DRIVER))
        scales.append(tau[:, [varying.index(name) for name in driver_of]])
    return pt.concatenate(scales, axis=1)


def flat_scales(
    spec: ModelSpec, drivers: tuple[Driver, ...], n_shifts: int = 0
) -> TensorVariable | None:
    """Register all SDs between countries: (varying coefficient,), form by form.

    The last `n_shifts` are those of thresholds, which share ``tau_kappa``; ``None`` without partial
    pooling.
    """
    tau = effect_scales(spec, drivers)
    if tau is None:
        return None
    flat = tau.reshape((-1,))
    if not n_shifts:
        return flat
    tau_kappa = scale("tau_kappa", spec.priors["tau_kappa"])
    return pt.concatenate([flat, pt.repeat(tau_kappa, n_shifts)])


def scale(name: str, prior: Prior, dims: tuple[str, ...] = ()) -> TensorVariable:
    """Register a scale through its prior quantile: with few contrasts log tau has a long tail."""
    z = pm.Normal(f"z_{name}", 0, 1, dims=dims)
    return pm.Deterministic(name, from_normal(prior, z), dims=dims)


def country_coefficients(
    spec: ModelSpec,
    n_countries: int,
    varies: np.ndarray,
    tau: TensorVariable | None,
    common: TensorVariable,
    evidence: Evidence | None,
) -> TensorVariable:
    """Coefficients of every country, with the prior of their deviations.

    Parameters
    ----------
    spec : ModelSpec
    n_countries : int
    varies : numpy.ndarray
        (coefficient,), whether it varies by country.
    tau : TensorVariable or None
        (varying coefficient,), their SDs between countries; ``None`` without pooling.
    common : TensorVariable
        Coordinates of the means of the coefficients that vary, and the others themselves, in the
        order of `varies`; then whatever else countries share.
    evidence : Evidence or None
        Sets the speed only; without it the form is the non-centred one.

    Returns
    -------
    TensorVariable
        (country, coefficient). The prior of the means over countries is left to the caller.
    """
    n_fixed = int((~varies).sum())
    shared = pt.concatenate([common[: len(varies)][~varies], common[len(varies) :]])
    fixed = pt.broadcast_to(shared[:n_fixed][None], (n_countries, n_fixed))
    if not varies.any():
        return fixed
    mean = common[: len(varies)][varies]
    shape = (n_countries - 1, int(varies.sum()))
    if tau is not None and spec.parametrisation == "informed" and evidence is not None:
        b = _informed(tau, mean, shared, evidence)
    else:
        if tau is None:
            gamma = pm.Normal("z_gamma", 0, UNPOOLED, shape=shape)
        elif spec.parametrisation == "centred":
            gamma = pm.Normal("z_gamma", 0, tau, shape=shape)
        else:
            gamma = tau * pm.Normal("z_gamma", 0, 1, shape=shape)
        # d = H' gamma
        b = mean + pt.dot(zero_sum_contrasts(n_countries).T, gamma)
    return pt.concatenate([b, fixed], axis=1)[:, back_in_place(varies)]


def back_in_place(varies: np.ndarray) -> np.ndarray:
    """Give the order that brings coefficients back where they belong, (coefficient,).

    They come with those first that vary by country; `varies` is (coefficient,).
    """
    return np.argsort([*np.flatnonzero(varies), *np.flatnonzero(~varies)])


def _informed(
    tau: TensorVariable, z_m: TensorVariable, shared: TensorVariable, evidence: Evidence
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
    The estimates :math:`\hat b_c` move with what countries share, as the evidence says.

    References
    ----------
    .. [1] Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22(1), 59-73.
    .. [2] Gorinova, Moore & Hoffman (2020), Automatic reparameterisation of probabilistic
       programs, ICML.
    """
    w, estimate = evidence.precision, pt.as_tensor(evidence.estimate)  # (country, varying)
    if evidence.along is not None:
        estimate = estimate + pt.dot(evidence.along, shared)
    z_b = pm.Flat("z_b", shape=w.shape)
    # u = w / (1 + w tau^2) is finite where the data are silent; the small number keeps m proper
    # where they are silent in every country
    u = w / (1 + w * tau**2) + 1e-6
    total = u.sum(axis=0)
    m = (u * estimate).sum(axis=0) / total + z_m / pt.sqrt(total)
    # b_c = m + tau e_c with s^2 = tau^2 / (1 + w tau^2), finite at w = 0 and as tau -> 0
    shrink = 1 / (1 + w * tau**2)
    e = shrink * w * tau * (estimate - m) + pt.sqrt(shrink) * z_b
    # sum_c [log N(b_c | m, tau) + log s_c] + log sd(m), where log s - log tau = log(shrink) / 2
    log_density = (
        (-0.5 * e**2 + 0.5 * pt.log(shrink)).sum()
        - 0.5 * pt.log(total).sum()
        - 0.5 * np.log(2 * np.pi) * w.size
    )
    pm.Potential("b_given_tau", log_density)
    return m + tau * e
