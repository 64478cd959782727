"""Drivers: what goes with co-production, in the survey's own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import both_forms
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.coding import chosen_drivers, coefficient_labels, level_contrasts
from bayes_coprod.model.design import outcome_dim
from bayes_coprod.survey.entries import Driver

ASSOCIATION = (
    "Associations in a cross-section; a change would follow only if they were causal and stable."
)


@dataclass(frozen=True)
class _Step:
    """A change in a driver that is quoted: its label, words, and change in the columns."""

    name: str
    label: str
    per: str
    change: dict[str, float]


def driver_effects(fit: Fit, *, scale: str = "link") -> xr.Dataset:
    r"""What a stated change in each driver goes with, other drivers held.

    .. math:: \Delta_{cf} = s_f \sum_p \delta_p \, b_{cfp}, \qquad
        \bar\Delta_f = s_f \sum_p \delta_p \, \beta_{fp}

    with :math:`\delta` the change in the coded columns and :math:`s_f` one model unit in the
    outcome's: numeric drivers per ``report_per`` or SD, ordered ones per step, binary ones yes
    against no, categorical ones each level against the reference.

    Parameters
    ----------
    fit : Fit
        Of a model with drivers.
    scale : {"link"}
        Of the linear predictor, which for ``index`` is points of 100.

    Returns
    -------
    xarray.Dataset
        ``pooled`` (chain, draw, form, driver), the mean over the countries, and ``by_country``
        (chain, draw, country, form, driver); coords ``label`` and ``per`` say each in words.

    Raises
    ------
    SpecError
        If the model has no drivers, or the scale is unknown.
    """
    if scale != "link":
        raise make_error(
            SpecError,
            "driver_effects",
            f"unknown scale {scale!r} for a model of {fit.spec.likelihood!r}",
            value=scale,
            available=["link"],
        )
    drivers = chosen_drivers(fit.design, fit.codebook.drivers)
    if not drivers:
        raise make_error(
            SpecError,
            "driver_effects",
            f"model {fit.spec.name!r} has no drivers",
            remedy='Fit it with drivers = "all" or a list.',
        )
    steps = [step for driver in drivers for step in _steps(driver, fit.design)]
    coefficients = fit.design[names.COEFFICIENT].values
    change = xr.DataArray(
        [[step.change.get(str(name), 0.0) for name in coefficients] for step in steps],
        dims=(names.DRIVER, names.COEFFICIENT),
        coords={
            names.DRIVER: [step.name for step in steps],
            names.COEFFICIENT: coefficients,
            "label": (names.DRIVER, [step.label for step in steps]),
            "per": (names.DRIVER, [step.per for step in steps]),
        },
    )
    unit = fit.design["outcome_sd"]
    posterior = fit.posterior
    attrs = {"units": "points of 100", "interpretation": ASSOCIATION}
    effects = {
        name: (xr.dot(posterior[variable], change, dim=names.COEFFICIENT) * unit)
        .drop_vars(set(unit.coords) - {outcome_dim(fit.spec), names.FORM, names.SECTOR})
        .assign_attrs(attrs)
        for name, variable in (("pooled", "beta"), ("by_country", "b"))
    }
    return xr.Dataset(effects, attrs=attrs)


def driver_contrast(fit: Fit) -> xr.Dataset:
    r"""How much more of the second form a driver goes with than of the first.

    .. math:: \bar\Delta_2 - \bar\Delta_1

    Parameters
    ----------
    fit : Fit
        Of a model with two forms and drivers.

    Returns
    -------
    xarray.Dataset
        As :func:`driver_effects`, second form minus first, without the dim form.

    Raises
    ------
    SpecError
        If the model has one form only, or no drivers.
    """
    effects = driver_effects(fit)
    differences = {}
    for name, values in effects.data_vars.items():
        first, second = both_forms(fit, values)
        differences[name] = (second - first).assign_attrs(values.attrs)
    return xr.Dataset(differences, attrs=effects.attrs)


def _steps(driver: Driver, design: xr.Dataset) -> list[_Step]:
    """The changes that are quoted for a driver, in coded columns."""
    columns = coefficient_labels([driver])
    if driver.kind == "categorical":
        contrasts = level_contrasts(len(driver.levels))  # (level, contrast)
        reference = driver.levels.index(str(driver.reference))
        return [
            _Step(
                name=names.level_label(driver.name, level),
                label=f"{driver.label}: {level}",
                per=f"against {driver.reference}",
                change=dict(zip(columns, contrasts[i] - contrasts[reference], strict=True)),
            )
            for i, level in enumerate(driver.levels)
            if i != reference
        ]
    sd = float(design["column_sd"].sel({names.COEFFICIENT: driver.name}))
    amount, per = _amount(driver, sd)
    return [_Step(driver.name, driver.label, per, {driver.name: amount / sd})]


def _amount(driver: Driver, sd: float) -> tuple[float, str]:
    """How much of a driver is quoted, in its own units, and the words for it."""
    if driver.kind == "ordered":
        return 1.0, "per step"
    if driver.kind == "binary":
        return 1.0, "yes against no"
    unit = f" {driver.unit}" if driver.unit else ""
    if driver.report_per is None:
        return sd, f"per SD ({np.format_float_positional(sd, 3, fractional=False)}{unit})"
    return driver.report_per, f"per {driver.report_per:g}{unit}"
