"""Levels of groups of citizens: those who have the same levels of some drivers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.changes import find_driver
from bayes_coprod.estimands.countries import country_mean
from bayes_coprod.estimands.expected import (
    UNITS,
    choose_scale,
    fitted_population,
    flat_posterior,
    labelled,
    make_responses,
    outcome_coords,
    posterior_draws,
)
from bayes_coprod.estimands.levels import level_names, positions, raw_values
from bayes_coprod.estimands.population import (
    UNCERTAINTIES,
    Kinds,
    PopulationKind,
    Uncertainty,
    check_population,
    citizen_kinds,
    fixed_shares,
    kind_weights,
    mean_drivers,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.index import expected_indices
from bayes_coprod.model.response import ResponseScale, make_versions
from bayes_coprod.survey.entries import Driver

AS_THEY_ARE = "Citizens of each group as they are: groups may differ in other drivers too."
_PLACE = "group_levels"
_OWN_NAMES = frozenset(
    {
        *(names.CHAIN, names.DRAW, names.COUNTRY, names.FORM, names.SECTOR, names.OUTCOME),
        *(names.ITEM, names.CATEGORY, names.GROUP, "levels", "pooled_levels", "share"),
    }
)
"""What no driver's coord may take the place of."""


def group_levels(
    fit: Fit,
    by: str | Sequence[str],
    *,
    scale: ResponseScale | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.Dataset:
    r"""Levels of groups of citizens within each country, as these citizens are.

    .. math:: L_{cgf} = \sum_{i \in c, g} w_i \, E(y_{if} \mid x_i, b_c)
        \Big/ \sum_{i \in c, g} w_i, \qquad \sum_g s_{cg} L_{cgf} = L_{cf}

    with :math:`s_{cg}` the group's share of the country: so with ``uncertainty = "fixed"``, since
    the bootstrap draws shares anew, and ``share`` holds them as they are. Groups may differ in
    all other drivers; what a driver goes with while others are held is :func:`driver_effects`.

    Parameters
    ----------
    fit : Fit
    by : str or sequence of str
        Drivers whose levels make the groups; of several, each combination that somebody has.
        Ordered, categorical or binary.
    scale, population, uncertainty, random_seed
        As for :func:`country_levels`.

    Returns
    -------
    xarray.Dataset
        ``levels`` (chain, draw, country, form, group), in the scale's units, NaN where a
        country has nobody in a group; ``pooled_levels`` (chain, draw, form, group), the mean over
        the countries that have somebody; ``share`` (country, group), of the country's citizens,
        weights held. Each driver is a coord of its levels along group, unless its name is one of
        the result's own, such as ``form``.

    Raises
    ------
    SpecError
        If a driver is unknown, numeric or named twice, or the model cannot say what is asked.
    """
    check_population(fit, population, uncertainty)
    drivers = _check_drivers(fit, by)
    chosen = choose_scale(fit, scale)
    shares = np.mean([_shares(part, drivers, population) for part in fit.parts], axis=0)
    present = np.flatnonzero(shares.any(axis=0))
    levels = _levels(
        fit, drivers, present, chosen, population, uncertainty, random_seed=random_seed
    ).assign_coords(_group_coords(drivers, present))
    share = xr.DataArray(
        shares[:, present],
        {names.COUNTRY: fit.countries, **_group_coords(drivers, present)},
        dims=(names.COUNTRY, names.GROUP),
        attrs={"units": "share of citizens"},
    )
    return xr.Dataset(
        {"levels": levels, "pooled_levels": country_mean(levels), "share": share},
        attrs=levels.attrs,
    )


def _check_drivers(fit: Fit, by: str | Sequence[str]) -> list[Driver]:
    wanted = [by] if isinstance(by, str) else list(by)
    if not wanted or len(set(wanted)) < len(wanted):
        raise make_error(
            SpecError,
            _PLACE,
            f"by names {'a driver twice' if wanted else 'no driver'}",
            value=wanted or None,
            remedy="Name one or more drivers of the model, each once.",
        )
    drivers = [find_driver(fit, name, _PLACE) for name in wanted]
    for driver in drivers:
        if driver.kind == "numeric":
            raise make_error(
                SpecError,
                _PLACE,
                f"{driver.name!r} is numeric and has no levels to group by",
                remedy="Put classes of it into the survey's file as an ordered driver, or ask "
                "driver_effects what it goes with.",
            )
    return drivers


def _groups(fit: Fit, kinds: Kinds, drivers: Sequence[Driver]) -> np.ndarray:
    """Number of the combination of levels that each kind has, (kind,)."""
    of_driver = [positions(d, raw_values(fit.design, kinds.x, d)) for d in drivers]
    sizes = tuple(len(level_names(d)) for d in drivers)
    return np.ravel_multi_index(of_driver, sizes)


def _shares(fit: Fit, drivers: Sequence[Driver], population: PopulationKind) -> np.ndarray:
    """Share of each country's citizens in each combination of levels, (country, combination)."""
    kinds = citizen_kinds(fit, population)
    group = _groups(fit, kinds, drivers)
    n = int(np.prod([len(level_names(d)) for d in drivers]))
    n_countries = len(fit.countries)
    country = np.repeat(np.arange(n_countries), np.diff(kinds.ends))
    cell = np.bincount(country * n + group, fixed_shares(kinds), minlength=n_countries * n)
    return cell.reshape(n_countries, n)


def _group_coords(drivers: Sequence[Driver], present: np.ndarray) -> dict[str, object]:
    """Labels of the combinations that somebody has, and each driver's levels beside them."""
    combinations = list(product(*(level_names(d) for d in drivers)))
    chosen = [combinations[g] for g in present]
    beside = {
        driver.name: (names.GROUP, [levels[k] for levels in chosen])
        for k, driver in enumerate(drivers)
        if driver.name not in _OWN_NAMES
    }
    return {names.GROUP: [", ".join(levels) for levels in chosen], **beside}


@by_part
def _levels(
    fit: Fit,
    drivers: Sequence[Driver],
    present: np.ndarray,
    scale: ResponseScale,
    population: PopulationKind,
    uncertainty: Uncertainty,
    *,
    random_seed: int | None,
) -> xr.DataArray:
    """Levels of each group, (chain, draw, country, outcome, group)."""
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    kinds = citizen_kinds(fit, population)
    inside = _groups(fit, kinds, drivers) == present[:, None]  # (group, kind)
    levels_of = _indices if fit.spec.likelihood == "index" else _answers
    values, coords = levels_of(fit, kinds, inside, scale, uncertainty, seed)
    said = {
        "units": UNITS[scale],
        "population": kinds.said,
        "uncertainty": UNCERTAINTIES[uncertainty],
        "interpretation": AS_THEY_ARE,
    }
    layers = [labelled(fit, of_group, coords, **said) for of_group in values]
    return xr.concat(layers, dim=names.GROUP).transpose(..., names.GROUP)


def _indices(
    fit: Fit, kinds: Kinds, inside: np.ndarray, scale: str, uncertainty: Uncertainty, seed: int
) -> tuple[list[np.ndarray], xr.Coordinates]:
    """Expected indices, for each group (draw, country, outcome)."""
    # sums over a group of ones and drivers, whose ratio is the drivers' mean
    columns = np.concatenate([kinds.x[:, :1], *(kinds.x * own[:, None] for own in inside)], axis=1)
    wide = Kinds(**(vars(kinds) | {"x": columns}))
    sums = np.split(mean_drivers(fit, wide, uncertainty, seed), len(inside), axis=2)
    flat = dict(flat_posterior(fit))
    with np.errstate(invalid="ignore"):  # of a group without citizens
        means = [part[..., 1:] / part[..., :1] for part in sums]
    values = [expected_indices(fit.spec, fit.design, flat, x) for x in means]
    return [_known(v, kinds, own) for v, own in zip(values, inside, strict=True)], outcome_coords(
        fit, None
    )


def _answers(
    fit: Fit,
    kinds: Kinds,
    inside: np.ndarray,
    scale: ResponseScale,
    uncertainty: Uncertainty,
    seed: int,
) -> tuple[list[np.ndarray], xr.Coordinates]:
    """Expected answers, for each group (draw, country, outcome)."""
    responses, coords = make_responses(fit, scale, None)
    asked = fitted_population(fit, kinds)
    question = asked.ask(responses, scale)
    everybody = make_versions([kinds.x] * len(inside))
    values = []
    weights = kind_weights(fit, kinds, uncertainty, seed)
    for draw, weight in zip(posterior_draws(fit), weights, strict=True):
        own = weight * inside
        total = np.add.reduceat(own, kinds.ends[:-1], axis=1)  # (group, country)
        found = asked.expect(draw, everybody, own, question)
        with np.errstate(invalid="ignore"):  # of a group without citizens
            values.append(found / total[:, :, None])
    of_groups = np.stack(values, axis=1)  # (group, draw, country, outcome)
    return [_known(v, kinds, own) for v, own in zip(of_groups, inside, strict=True)], coords


def _known(values: np.ndarray, kinds: Kinds, inside: np.ndarray) -> np.ndarray:
    """NaN for countries without citizens in the group; `values` is (draw, country, outcome)."""
    somebody = np.logical_or.reduceat(inside & (kinds.weight > 0), kinds.ends[:-1])
    return np.where(somebody[:, None], values, np.nan)
