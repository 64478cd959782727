"""Closing the gap: what each changeable driver could do about it, at its best end."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.calls import call_of
from bayes_coprod.estimands.changes import Move, driver_ends
from bayes_coprod.estimands.countries import both_forms, country_mean, has_gap
from bayes_coprod.estimands.levels import level_column, level_names
from bayes_coprod.estimands.population import PopulationKind, Uncertainty, check_population
from bayes_coprod.estimands.scenarios import PLAN, levels_when
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.model.response import ResponseScale
from bayes_coprod.survey.entries import Driver

BEST_END = (
    "the end or level with the larger change of the second form, on average over draws and "
    "countries"
)


def closing_the_gap(
    fit: Fit,
    *,
    scale: ResponseScale | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.Dataset:
    r"""What moving everybody from where they are to a driver's best end would change in the gap.

    .. math:: \Delta G_c = \Delta L_{c1} - \Delta L_{c2}, \qquad
        \Delta L_{cf} = \sum_{i \in c} w_i \,
        \bigl[ E(y_{if} \mid x_{ip} = e_p, b_c) - E(y_{if} \mid x_i, b_c) \bigr]

    one changeable driver at a time, the others held. Its best end :math:`e_p` is the end of its
    scale, or of a categorical one the level, that raises the second form most, on average over
    draws and countries: the same for all.

    Parameters
    ----------
    fit : Fit
        Of a model with two forms and with drivers that are ``changeable`` in the codebook.
    scale, population, uncertainty, random_seed
        As for :func:`country_levels`.

    Returns
    -------
    xarray.Dataset
        ``gap``, ``first_form`` and ``second_form`` (chain, draw, country, driver): changes in the
        scale's units, of the gap negative where the second form gains on the first; with sector
        where the model's outcomes are by sector. ``ranks`` (chain, draw, driver, rank), of the
        changes' mean over the countries, and ``ranks_by_country`` (chain, draw, country, driver,
        rank): true where the driver has the rank, 1 where the gap falls most; their mean is the
        probability. The coords ``label`` and ``end`` (driver) say what is moved, and where to.

    Raises
    ------
    SpecError
        If the model has one form only, or no driver is changeable.
    """
    check_population(fit, population, uncertainty)
    _check_forms(fit)
    candidates = [
        candidate for driver in _changeable_drivers(fit) for candidate in _ends(fit, driver)
    ]
    plans = [[move] for _, move in candidates]
    levels = levels_when(fit, plans, (), scale, population, uncertainty, random_seed=random_seed)
    change = levels.isel({PLAN: slice(1, None)}) - levels.isel({PLAN: 0})
    first, second = both_forms(fit, change)
    best = _best(candidates, second.mean([dim for dim in second.dims if dim != PLAN]).values)
    labels = {
        names.DRIVER: [candidates[k][1].driver.name for k in best],
        "label": (names.DRIVER, [candidates[k][1].driver.label for k in best]),
        "end": (names.DRIVER, [candidates[k][0] for k in best]),
    }
    first, second = (
        form.isel({PLAN: best})
        .rename({PLAN: names.DRIVER})
        .assign_coords(labels)
        .assign_attrs(levels.attrs)
        for form in (first, second)
    )
    narrowing = (first - second).assign_attrs(levels.attrs)
    return xr.Dataset(
        {
            "gap": narrowing,
            "first_form": first,
            "second_form": second,
            "ranks": _ranks(country_mean(narrowing)),
            "ranks_by_country": _ranks(narrowing),
        },
        attrs={
            **levels.attrs,
            "best_end": BEST_END,
            "call": call_of(
                "closing_the_gap",
                scale=scale,
                population=population,
                uncertainty=uncertainty,
                random_seed=random_seed,
            ),
        },
    )


def _check_forms(fit: Fit) -> None:
    if not has_gap(fit):
        raise make_error(
            SpecError,
            "closing_the_gap",
            f"the model has no gap: its outcomes are {list(fit.design[names.FORM].values)}",
            remedy="Fit both forms; of one form, scenario says what a driver would change.",
        )


def _changeable_drivers(fit: Fit) -> list[Driver]:
    drivers = chosen_drivers(fit.design, fit.codebook.drivers)
    found = [driver for driver in drivers if driver.changeable]
    if not found:
        raise make_error(
            SpecError,
            "closing_the_gap",
            "none of the model's drivers is changeable in the codebook",
            available=[driver.name for driver in drivers],
            remedy="Set changeable = true for those that a government could move, and fit again.",
        )
    return found


def _ends(fit: Fit, driver: Driver) -> list[tuple[str, Move]]:
    """Where everybody could be moved to: the label and the move of each end or level."""
    ends = driver_ends(fit, driver)
    if driver.kind == "numeric":
        targets = [(f"{end:g}", np.array([end])) for end in ends]
    elif driver.kind == "categorical":
        targets = [(level, level_column(driver, i)) for i, level in enumerate(driver.levels)]
    else:
        levels = level_names(driver)
        targets = [(levels[int(i)], level_column(driver, int(i))) for i in ends]
    return [(label, Move(driver, None, target, ends)) for label, target in targets]


def _best(candidates: list[tuple[str, Move]], change: np.ndarray) -> list[int]:
    """Position of each driver's best candidate; `change` is (candidate,)."""
    of_driver: dict[str, list[int]] = {}
    for k, (_, move) in enumerate(candidates):
        of_driver.setdefault(move.driver.name, []).append(k)
    return [max(own, key=lambda k: float(change[k])) for own in of_driver.values()]


def _ranks(change: xr.DataArray) -> xr.DataArray:
    """Whether each driver has each rank, 1 for the lowest; drivers that are equal share it."""
    rank = change.copy(
        data=rankdata(change.values, method="min", axis=change.get_axis_num(names.DRIVER))
    )
    numbers = np.arange(1, change.sizes[names.DRIVER] + 1)
    at = xr.DataArray(numbers, coords={names.RANK: numbers})
    return (rank == at).assign_attrs({**change.attrs, "units": "probability"})
