"""How far a driver would have to move for countries to reach a target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.changes import (
    by,
    check_changeable,
    driver_ends,
    find_driver,
    is_number,
    make_move,
)
from bayes_coprod.estimands.expected import choose_scale
from bayes_coprod.estimands.population import PopulationKind, Uncertainty, check_population
from bayes_coprod.estimands.scenarios import PLAN, levels_when
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.response import ResponseScale
from bayes_coprod.survey.entries import Driver

NEVER = "never"
SHIFT = "shift"
_TOP = {"index": 100.0, "share": 1.0, "any": 1.0}
"""Highest value of each scale; the lowest is 0."""
_STEPS = 12
"""Shifts of a numeric driver that are evaluated; between them levels are taken as straight."""


def reach(
    fit: Fit,
    driver: str,
    target: float,
    *,
    form: str | None = None,
    down: bool = False,
    scale: ResponseScale | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.DataArray:
    r"""Smallest shift of everybody's driver with which a country's level reaches a target.

    .. math:: s_c = \min \, \{ s \ge 0 : L_{cf}(x_i + s) \ge t \}, \qquad
        s_c = \infty \text{ where there is none}

    Citizens are shifted as far as the driver's scale goes, as in :func:`scenario`.

    Parameters
    ----------
    fit : Fit
    driver : str
        Ordered, in whole steps, or numeric, in its units; ``changeable`` in the codebook.
    target : float
        Level to reach, in the scale's units.
    form : str, optional
        Whose level it is; the last of the model's forms otherwise.
    down : bool
        Shift towards the lower end instead; shifts are then counted downwards.
    scale : {"index", "share", "any"}, optional
        As for :func:`country_levels`.
    population, uncertainty, random_seed
        As for :func:`country_levels`.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country), with outcome if the model's outcomes are by sector: 0 where the
        target is met already, infinite where it is never met. An average would be of the draws that
        succeed only: :func:`reached` keeps those that never do.

    Raises
    ------
    SpecError
        If the driver is unknown, not changeable or has no steps, or the target is outside the
        scale.
    """
    check_population(fit, population, uncertainty)
    entry = find_driver(fit, driver, "reach")
    check_changeable(entry, "reach")
    chosen = choose_scale(fit, scale)
    _check_target(chosen, target)
    form = _check_form(fit, form)
    amounts = _amounts(fit, entry)
    sign = -1 if down else 1
    plans = [[make_move(fit, entry, by(sign * amount), "reach")] for amount in amounts[1:]]
    levels = levels_when(fit, plans, (), chosen, population, uncertainty, random_seed=random_seed)
    own = np.flatnonzero(levels[names.FORM].values == form)
    if names.FORM in levels.dims:
        levels = levels.isel({names.FORM: own[0]}, drop=True)
    else:
        levels = levels.isel({names.OUTCOME: own})
    shift = levels.isel({PLAN: 0}, drop=True).copy(
        data=_first_shift(levels.values, amounts, target, whole=entry.kind == "ordered")
    )
    unit = "steps" if entry.kind == "ordered" else entry.unit or "units of the driver"
    return shift.rename("reach").assign_attrs(
        units=unit,
        driver=driver,
        direction="down" if down else "up",
        form=form,
        target=float(target),
        target_units=levels.attrs["units"],
        shifts=amounts.tolist(),
    )


def reached(of: xr.DataArray, *, shifts: Sequence[float] | None = None) -> xr.DataArray:
    r"""Whether the target is reached with each shift or less; its mean is the probability.

    .. math:: P(s_c \le s), \qquad \text{and} \quad P(s_c = \infty) \text{ as never}

    Parameters
    ----------
    of : xarray.DataArray
        From :func:`reach`.
    shifts : sequence of float, optional
        The shifts to look at; those that :func:`reach` evaluated otherwise.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country, shift), true where the target is reached; the last label of
        shift is ``never``. ``summarise(reached(of))["probability"].unstack("shift")`` is a table.

    Raises
    ------
    SpecError
        If `of` is not from :func:`reach`, or a shift is negative or no number.
    """
    if not isinstance(of, xr.DataArray) or "shifts" not in of.attrs:
        raise make_error(
            SpecError, "reached", "takes what reach returned", remedy="reached(reach(fit, ...))."
        )
    wanted = of.attrs["shifts"] if shifts is None else list(shifts)
    for shift in wanted:
        if not is_number(shift) or shift < 0:
            raise make_error(
                SpecError,
                "reached",
                f"{shift!r} is no shift",
                remedy="Shifts are counted from 0 in the direction that reach looked in.",
            )
    at = xr.DataArray(np.array(wanted, dtype=float), dims=SHIFT)
    both = xr.concat([of <= at, (of == np.inf).expand_dims(SHIFT, axis=-1)], dim=SHIFT)
    labels = [f"{shift:g}" for shift in wanted] + [NEVER]
    attrs = {name: value for name, value in of.attrs.items() if name != "shifts"}
    return (
        both.assign_coords({SHIFT: labels})
        .rename("reached")
        .assign_attrs({**attrs, "units": "probability", "shift_units": of.attrs["units"]})
    )


def _first_shift(
    levels: np.ndarray, amounts: np.ndarray, target: float, *, whole: bool
) -> np.ndarray:
    """Smallest shift that reaches the target, infinite if none does; `levels` is (..., shift)."""
    met = levels >= target
    first = met.argmax(axis=-1)
    shift = amounts[first]
    if not whole:
        before = np.maximum(first - 1, 0)
        low, high = (
            np.take_along_axis(levels, at[..., None], axis=-1)[..., 0] for at in (before, first)
        )
        # where the target is met already low is high, and nothing is to go back
        part = np.divide(high - target, high - low, out=np.zeros_like(low), where=high > low)
        shift = shift - part * (amounts[first] - amounts[before])
    return np.where(met.any(axis=-1), shift, np.inf)


def _amounts(fit: Fit, driver: Driver) -> np.ndarray:
    """Shifts to evaluate, from 0 to where everybody is at the end of the scale."""
    low, high = driver_ends(fit, driver)
    return np.linspace(0, high - low, 1 + (int(high) if driver.kind == "ordered" else _STEPS))


def _check_target(scale: ResponseScale, target: float) -> None:
    if scale not in _TOP:
        raise make_error(
            SpecError,
            "reach",
            f"a target is no level on the scale {scale!r}",
            available=_TOP,
        )
    if not is_number(target) or not 0 <= target <= _TOP[scale]:
        raise make_error(
            SpecError,
            "reach",
            f"target = {target} is outside the scale {scale!r}, 0 to {_TOP[scale]:g}",
            remedy="Give a level in the scale's units.",
        )


def _check_form(fit: Fit, form: str | None) -> str:
    present = {str(name) for name in fit.design[names.FORM].values}
    known = [name for name in fit.codebook.forms if name in present]
    if form is None:
        return known[-1]
    if form not in known:
        raise make_error(
            SpecError, "reach", f"the model has no form {form!r}", value=form, available=known
        )
    return form
