"""A country that was not surveyed, as draws from the population of countries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.pointwise import look_at
from bayes_coprod.model.coding import chosen_drivers, varying_columns
from bayes_coprod.model.item_layout import item_layout
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.varying import UNPOOLED

_BY_COUNTRY = 2
"""Axis of the countries: after chain and draw."""


def unseen_country(
    fit: Fit, design: xr.Dataset, nodes: Nodes | None, rng: np.random.Generator
) -> Fit:
    r"""A fit as it speaks of a country that it has not seen.

    Each coefficient that varies by country is drawn from where the countries of the fit leave it,

    .. math:: b_{new} \sim N\bigl(\bar b, \; \tau^2 (1 + 1/C)\bigr),

    with C the countries of the fit and :math:`\bar b` their mean; the population's own mean has a
    flat prior.

    Parameters
    ----------
    fit : Fit
        Of one data set.
    design : xarray.Dataset
        Of that country alone, coded as the fit's.
    nodes : Nodes or None
        Of the country's citizens, where the model integrates over them.
    rng : numpy.random.Generator

    Returns
    -------
    Fit
        Of that country alone: what is asked of a fit can be asked of it. Where each country has
        residuals of its own, no population of them is modelled, and they are NaN.
    """
    posterior = fit.posterior
    seen = {str(name): values.values for name, values in posterior.data_vars.items()}
    level = seen["b_intercept"]
    new = {"b_intercept": _around(level, _between(fit, seen, "tau_intercept"), rng)}
    if "b" in seen:
        new["b"] = _around(seen["b"], _slope_scales(fit, seen), rng)
    if "shift" in seen:
        new["shift"] = _item_shifts(fit, seen, rng)
    if "threshold_shift" in seen:
        new |= _thresholds(fit, seen, rng)
    label = [str(name) for name in design[names.COUNTRY].values]
    variables = {}
    for name, values in posterior.data_vars.items():
        if names.COUNTRY in values.dims:
            unknown = np.full_like(seen[str(name)][:, :, 0], np.nan)
            variables[name] = values.dims, new.get(str(name), unknown)[:, :, None]
    alone = posterior.drop_dims(names.COUNTRY).assign_coords({names.COUNTRY: label})
    of_country = xr.DataTree.from_dict({"posterior": alone.assign(variables)})
    return look_at(replace(fit, tree=of_country), design, nodes)


def _around(values: np.ndarray, tau: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One more country at each draw: values (chain, draw, country, ...) -> (chain, draw, ...)."""
    mean = values.mean(axis=_BY_COUNTRY)
    # sd = tau sqrt(1 + 1/C)
    spread = tau * np.sqrt(1 + 1 / values.shape[_BY_COUNTRY])
    return np.asarray(mean + spread * rng.standard_normal(mean.shape))


def _between(fit: Fit, seen: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """SDs between countries of what varies by country, (chain, draw, ...)."""
    if fit.spec.pooling == "partial":
        return seen[name]
    return np.full((1, 1), UNPOOLED if fit.spec.pooling == "none" else 0.0)


def _slope_scales(fit: Fit, seen: Mapping[str, np.ndarray]) -> np.ndarray:
    """SDs of the slopes, (chain, draw, form, coefficient); 0 where all countries share one."""
    drivers = chosen_drivers(fit.design, fit.codebook.drivers)
    columns, driver_of = varying_columns(fit.spec, drivers)
    tau = np.zeros_like(seen["b"][:, :, 0])
    if columns:
        tau[..., columns] = UNPOOLED
        if fit.spec.pooling == "partial":
            labels = list(fit.posterior[names.DRIVER].values)
            tau[..., columns] = seen["tau"][..., [labels.index(name) for name in driver_of]]
    return tau


def _item_shifts(fit: Fit, seen: Mapping[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Shifts of the items, (chain, draw, item), which sum to zero over those of a form."""
    contrasts = item_layout(fit.design).contrasts  # (contrast, item)
    tau = _between(fit, seen, "tau_kappa")[..., None]
    along = _around(seen["shift"] @ contrasts.T, tau, rng)
    return np.asarray(along @ contrasts)


def _thresholds(
    fit: Fit, seen: Mapping[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Level and shifts of thresholds whose distances vary by country in their logarithms."""
    kappa = seen["kappa"]
    # t_cj = kappa_j + shift_cj - b_c0, (chain, draw, country, threshold)
    at = kappa[:, :, None] + seen["threshold_shift"] - seen["b_intercept"]
    first = _around(at[..., :1], _between(fit, seen, "tau_intercept"), rng)
    log_gap = _around(np.log(np.diff(at)), _between(fit, seen, "tau_kappa")[..., None], rng)
    new = np.concatenate([first, first + np.exp(log_gap).cumsum(axis=-1)], axis=-1)
    away = new - kappa
    level = -away.mean(axis=-1, keepdims=True)
    return {"b_intercept": level, "threshold_shift": away + level}
