"""Scenarios: what would follow from changes in drivers, if associations were causal and stable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.calls import call_of
from bayes_coprod.estimands.changes import Move, Setting, Shift, apply_moves, make_moves, words
from bayes_coprod.estimands.expected import UNITS, choose_scale, expect_versions, labelled
from bayes_coprod.estimands.population import (
    UNCERTAINTIES,
    PopulationKind,
    Uncertainty,
    check_population,
    citizen_kinds,
    fixed_shares,
)
from bayes_coprod.estimands.subgroups import Only, Subgroup, check_only, said_of_only, subgroup
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.response import ResponseScale
from bayes_coprod.wording import EVERYBODY

IF_CAUSAL = (
    "A cross-section gives associations: this shows what would follow if the association were "
    "causal and stable."
)
PLAN = "plan"
"""Dim of several scenarios that are looked at together, the first with nothing changed."""


def scenario(
    fit: Fit,
    changes: Mapping[str, Shift | Setting],
    *,
    only: Only | None = None,
    scale: ResponseScale | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.Dataset:
    r"""Levels of each country as citizens are, and with drivers changed, other drivers held.

    .. math:: \Delta_{cf} = \sum_{i \in c} w_i \,
        \bigl[ E(y_{if} \mid x'_i, b_c) - E(y_{if} \mid x_i, b_c) \bigr]

    with :math:`x'_i` the changed drivers; the weights are the same now and then.

    Parameters
    ----------
    fit : Fit
    changes : mapping of str to Shift or Setting
        Driver to its change, such as ``{"trust": by(1), "consultation": to("often")}``; all
        together. The drivers are ``changeable`` in the codebook.
    only : mapping, optional
        Driver to levels, or to the (low, high) of a numeric one: citizens for whom all of them
        hold are changed and nobody else, such as ``{"trust": ["none", "small"]}``. Levels are of
        the whole country all the same. Everybody is changed otherwise.
    scale, population, uncertainty, random_seed
        As for :func:`country_levels`.

    Returns
    -------
    xarray.Dataset
        ``now``, ``then`` and ``difference`` (chain, draw, country, form), dims and units as
        :func:`country_levels` has them; ``changed`` (country), share of the country's citizens whom
        the scenario is about; ``clipped`` (country, driver), share of the country's citizens whose
        shift was cut short by an end of the driver's scale: of a numeric one the codebook's
        bounds, or the values in the fit. ``attrs`` say changes and interpretation in words, and the
        call that makes it again.

    Raises
    ------
    SpecError
        If a driver is unknown or not changeable, a level is unknown or a value outside the scale,
        ``by`` is given for a driver without steps, nobody is in the subgroup, or the model cannot
        say what is asked.

    Examples
    --------
    >>> scenario(fit, {"self_efficacy": by(1)}, only={"self_efficacy": "none"})  # doctest: +SKIP
    """
    check_population(fit, population, uncertainty)
    moves = make_moves(fit, changes, "scenario")
    wanted = check_only(fit, only, "scenario")
    shares = [_shares(part, moves, wanted, population) for part in fit.parts]
    changed, clipped = (np.mean(of, axis=0) for of in zip(*shares, strict=True))
    if not changed.any():
        raise make_error(
            SpecError,
            "scenario",
            f"nobody in the population has {said_of_only(only or {}, wanted)}",
            remedy="Widen only.",
        )
    levels = levels_when(
        fit, [moves], wanted, scale, population, uncertainty, random_seed=random_seed
    )
    now, then = levels.isel({PLAN: 0}), levels.isel({PLAN: 1})
    country = {names.COUNTRY: fit.countries}
    driver = {
        names.DRIVER: [move.driver.name for move in moves],
        "label": (names.DRIVER, [move.driver.label for move in moves]),
    }
    return xr.Dataset(
        {
            "now": now,
            "then": then,
            "difference": (then - now).assign_attrs(now.attrs),
            "changed": xr.DataArray(changed, country, attrs={"units": "share of citizens"}),
            "clipped": xr.DataArray(
                clipped,
                {**country, **driver},
                dims=(names.COUNTRY, names.DRIVER),
                attrs={"units": "share of citizens"},
            ),
        },
        attrs={
            **now.attrs,
            "changes": words(moves, changes),
            "call": call_of(
                "scenario",
                dict(changes),
                only=only,
                scale=scale,
                population=population,
                uncertainty=uncertainty,
                random_seed=random_seed,
            ),
            "changed": f"citizens with {said_of_only(only, wanted)}; levels are of all"
            if only
            else EVERYBODY,
        },
    )


@by_part
def levels_when(
    fit: Fit,
    plans: Sequence[Sequence[Move]],
    wanted: Subgroup,
    scale: ResponseScale | None,
    population: PopulationKind,
    uncertainty: Uncertainty,
    *,
    random_seed: int | None,
) -> xr.DataArray:
    """Levels of each country as citizens are, and under each of several plans.

    Parameters
    ----------
    fit : Fit
    plans : sequence of sequence of Move
        What is changed together.
    wanted : tuple of (Driver, numpy.ndarray)
        Who is changed; empty: everybody.
    scale, population, uncertainty, random_seed
        As for :func:`country_levels`.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country, outcome, plan), one plan more than was given: the first is no
        change.
    """
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    scale = choose_scale(fit, scale)
    kinds = citizen_kinds(fit, population)
    rows = subgroup(fit.design, kinds.x, wanted)
    versions = [apply_moves(fit.design, kinds.x, moves, rows)[0] for moves in plans]
    values, coords = expect_versions(fit, kinds, versions, scale, None, uncertainty, seed)
    layers = [
        labelled(
            fit,
            value,
            coords,
            units=UNITS[scale],
            population=kinds.said,
            uncertainty=UNCERTAINTIES[uncertainty],
            interpretation=IF_CAUSAL,
        )
        for value in values
    ]
    return xr.concat(layers, dim=PLAN).transpose(..., PLAN)


def _shares(
    fit: Fit, moves: Sequence[Move], wanted: Subgroup, population: PopulationKind
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of each country's citizens changed, (country,), and clipped, (country, move)."""
    kinds = citizen_kinds(fit, population)
    rows = subgroup(fit.design, kinds.x, wanted)
    _, clipped = apply_moves(fit.design, kinds.x, moves, rows)
    share = fixed_shares(kinds)[:, None]
    add = np.add.reduceat(share * np.column_stack([rows, clipped]), kinds.ends[:-1])
    return add[:, 0], add[:, 1:]
