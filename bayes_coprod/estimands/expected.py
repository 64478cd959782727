"""Expected responses of a population, per draw; every other quantity rests on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.population import (
    UNCERTAINTIES,
    Kinds,
    PopulationKind,
    Uncertainty,
    check_population,
    citizen_kinds,
    kind_weights,
    mean_drivers,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.index import expected_indices
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.response import Population, Response, ResponseScale, make_versions

UNITS = {
    "index": "points of 100",
    "share": "share of items",
    "any": "share of citizens",
    "category": "share of citizens",
}
BY = ("form", "sector", "item")
SCALES: dict[str, tuple[ResponseScale, ...]] = {
    "index": ("index",),
    "items": ("index", "share", "any", "category"),
    "ordinal": ("index", "share", "category"),
    "participation": ("any",),
}
"""Scales that a model of each likelihood knows, its own first."""

type By = Literal["form", "sector", "item"]


@by_part
def expected_responses(
    fit: Fit,
    *,
    scale: ResponseScale | None = None,
    by: By | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.DataArray:
    r"""Expected responses of each country's population, averaged within each draw.

    .. math:: L_{cf} = \sum_{i \in c} w_i \, E(y_{if} \mid x_i, b_c)

    Parameters
    ----------
    fit : Fit
    scale, by : str
        As for :func:`country_levels`.
    population, uncertainty : str
        As for :func:`country_levels`.
    random_seed : int, optional
        Of the bootstrap; the fit's own otherwise.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country, form or outcome or item or category).

    Raises
    ------
    SpecError
        If the model cannot say it.
    """
    check_population(fit, population, uncertainty)
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    scale = choose_scale(fit, scale)
    kinds = citizen_kinds(fit, population)
    values, coords = expect_versions(fit, kinds, [], scale, by, uncertainty, seed)
    return labelled(
        fit,
        values[0],
        coords,
        units=UNITS[scale],
        population=kinds.said,
        uncertainty=UNCERTAINTIES[uncertainty],
    )


def expect_versions(
    fit: Fit,
    kinds: Kinds,
    versions: Sequence[np.ndarray],
    scale: ResponseScale,
    by: By | None,
    uncertainty: Uncertainty,
    random_seed: int,
) -> tuple[np.ndarray, xr.Coordinates]:
    """Expected responses of citizens as they are, and with drivers changed, by the same weights.

    Parameters
    ----------
    fit : Fit
        Of one data set.
    kinds : Kinds
    versions : sequence of numpy.ndarray
        Each (kind, 1 + coefficient), what ``kinds.x`` is changed to.
    scale, by : str
        As for :func:`country_levels`.
    uncertainty : {"bootstrap", "fixed"}
    random_seed : int

    Returns
    -------
    (numpy.ndarray, xarray.Coordinates)
        (1 + version, draw, country, outcome), as they are first; and the labels of the outcomes.
    """
    if fit.spec.likelihood == "index":
        coords = outcome_coords(fit, by)
        # the change beside the drivers: none at all then makes no difference at all
        changes = [version[:, 1:] - kinds.x[:, 1:] for version in versions]
        wide = replace(kinds, x=np.concatenate([kinds.x, *changes], axis=1))
        means = mean_drivers(fit, wide, uncertainty, random_seed)
        now, *moves = np.split(means, 1 + len(versions), axis=2)
        flat = dict(flat_posterior(fit))
        indices = [
            expected_indices(fit.spec, fit.design, flat, x)
            for x in (now, *(now + move for move in moves))
        ]
        return np.stack(indices), coords
    responses, coords = make_responses(fit, scale, by)
    asked = fitted_population(fit, kinds)
    question = asked.ask(responses, scale)
    weights = kind_weights(fit, kinds, uncertainty, random_seed)
    everybody = make_versions([kinds.x, *versions])
    values = [
        asked.expect(draw, everybody, weight, question)
        for draw, weight in zip(posterior_draws(fit), weights, strict=True)
    ]
    return np.stack(values, axis=1), coords


def posterior_draws(fit: Fit) -> Iterator[dict[str, np.ndarray]]:
    """All variables of the posterior at each draw, chain by chain."""
    flat = dict(flat_posterior(fit))
    for i in range(len(next(iter(flat.values())))):
        yield {name: values[i] for name, values in flat.items()}


def fitted_population(fit: Fit, kinds: Kinds) -> Population:
    """The citizens of a fit, to be asked for their expected answers."""
    return Population(fit.design, None if fit.pilot is None else fit.pilot.nodes, kinds.ends)


def labelled(fit: Fit, values: np.ndarray, coords: xr.Coordinates, **attrs: str) -> xr.DataArray:
    """Put labels on values, (draw, country, outcome), of all chains in order."""
    posterior = fit.posterior
    chains, draws = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    (dim,) = coords.dims
    return xr.DataArray(
        values.reshape(chains, draws, *values.shape[1:]),
        dims=(names.CHAIN, names.DRAW, names.COUNTRY, dim),
        coords={
            names.CHAIN: posterior[names.CHAIN],
            names.DRAW: posterior[names.DRAW],
            names.COUNTRY: fit.design[names.COUNTRY],
            **coords,
        },
        attrs=attrs,
    )


def choose_scale(fit: Fit, scale: str | None) -> ResponseScale:
    """The scale that is asked for, or the model's first; refuse one that it does not know."""
    known = SCALES[fit.spec.likelihood]
    if scale is None:
        return known[0]
    if scale not in known:
        raise make_error(
            SpecError,
            "estimand",
            f"a model of {fit.spec.likelihood!r} knows no scale {scale!r}",
            value=scale,
            available=known,
            remedy="Fit the model 'items'."
            if scale in SCALES["items"] and fit.spec.likelihood != "items"
            else "",
        )
    return scale


def make_responses(
    fit: Fit, scale: ResponseScale, by: str | None
) -> tuple[list[Response], xr.Coordinates]:
    """What is asked about of a model with answers, and its labels."""
    if fit.spec.likelihood == "participation":
        coords = outcome_coords(fit, by)
        return [Response(f, np.array([f])) for f in range(fit.design["y"].shape[1])], coords
    return _item_responses(fit, scale, by)


def _item_responses(
    fit: Fit, scale: ResponseScale, by: str | None
) -> tuple[list[Response], xr.Coordinates]:
    """The items that are asked about together, and their labels."""
    by = by or ("item" if scale == "category" else names.FORM)
    if by not in BY:
        raise make_error(SpecError, "estimand", f"unknown by {by!r}", value=by, available=BY)
    if scale == "category" and by != names.ITEM:
        raise make_error(
            SpecError, "estimand", f"categories belong to items, not to a {by}", remedy="by='item'."
        )
    of_items = fit.spec.likelihood == "items"
    if of_items and by != names.FORM and not fit.spec.thresholds_vary:
        raise make_error(
            SpecError,
            "estimand",
            f"with thresholds_vary = false the model imposes countries' levels by {by}",
            remedy="Fit with thresholds_vary = true.",
        )
    items = [fit.codebook.item(str(name)) for name in fit.design[names.ITEM].values]
    forms = [str(form) for form in fit.design[names.FORM].values]
    groups: dict[tuple[str, ...], list[int]] = {}
    for k, item in enumerate(items):
        key = {
            names.FORM: (item.form,),
            names.SECTOR: (item.form, str(item.sector)),
            names.ITEM: (item.form, item.name),
        }[by]
        groups.setdefault(key, []).append(k)
    if by == names.SECTOR and not fit.codebook.sectors:
        raise make_error(SpecError, "estimand", "the survey's items have no sector")
    keys = sorted(groups, key=lambda key: forms.index(key[0]))
    if by == names.ITEM:
        keys = [(item.form, item.name) for item in items]
    responses = [Response(forms.index(key[0]), np.array(groups[key])) for key in keys]
    form_of = [key[0] for key in keys]
    if scale == "category":
        labels = [names.category_label(i.name, level) for i in items for level in i.levels]
        item_of = [item.name for item in items for _ in item.levels]
        coords = {names.CATEGORY: labels, names.ITEM: (names.CATEGORY, item_of)}
    elif by == names.FORM:
        coords = {names.FORM: form_of}
    elif by == names.ITEM:
        coords = {names.ITEM: [key[1] for key in keys], names.FORM: (names.ITEM, form_of)}
    else:
        coords = {
            names.OUTCOME: [names.outcome_label(*key) for key in keys],
            names.FORM: (names.OUTCOME, form_of),
            names.SECTOR: (names.OUTCOME, [key[1] for key in keys]),
        }
    return responses, xr.Dataset(coords=coords).coords


def outcome_coords(fit: Fit, by: str | None) -> xr.Coordinates:
    """Labels of the outcomes that a model was fitted with, if they are those that are asked for."""
    outcomes = fit.spec.outcomes
    if by not in (None, *BY):
        raise make_error(SpecError, "estimand", f"unknown by {by!r}", value=by, available=BY)
    if by is not None and by != outcomes[-1]:
        raise make_error(
            SpecError,
            "estimand",
            f"the model's outcomes are by {' and '.join(outcomes)}, not by {by!r}",
            remedy="Set outcomes in the model file, or fit the model 'items'.",
        )
    dim = outcome_dim(fit.spec)
    return fit.design[dim].coords


def flat_posterior(fit: Fit) -> Iterator[tuple[str, np.ndarray]]:
    """Each variable of the posterior with all chains' draws along one axis."""
    posterior = fit.posterior
    n_draws = posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW]
    for name, variable in posterior.data_vars.items():
        yield str(name), variable.values.reshape(n_draws, *variable.shape[2:])
