"""Ancestral draws from a model's priors, as a posterior has them.

Sampling coordinates are not the stated parameters: with these draws one looks at what the priors
say, and simulates truths, without a sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.model.coding import chosen_drivers, varying_columns
from bayes_coprod.model.item_layout import item_layout, items_coords, shifts_vary
from bayes_coprod.model.ordinal import gaps_vary
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.priors import draw
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import UNPOOLED, effect_columns, zero_sum_contrasts
from bayes_coprod.survey.entries import Codebook, Driver

type Draws = dict[str, np.ndarray]


def draw_priors(
    spec: ModelSpec, codebook: Codebook, design: xr.Dataset, n: int, rng: np.random.Generator
) -> xr.Dataset:
    """Draw a model's named quantities from their priors.

    Parameters
    ----------
    spec : ModelSpec
    codebook : Codebook
    design : xarray.Dataset
        Tells which coefficients, items and countries there are; its answers are not looked at.
    n : int
        Number of draws.
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
        As a fit's posterior, with one chain of `n` draws.
    """
    drivers = chosen_drivers(design, codebook.drivers)
    values = _Effects(spec, design, drivers, n, rng).draw()
    values = _DRAW[spec.likelihood](spec, design, values, n, rng)
    dim = outcome_dim(spec)
    outcomes = [str(name) for name in design[dim].values]
    labels = {
        names.COUNTRY: list(design[names.COUNTRY].values),
        dim: outcomes,
        names.COEFFICIENT: list(design[names.COEFFICIENT].values),
        names.DRIVER: list(dict.fromkeys(varying_columns(spec, drivers)[1])),
        names.PAIR: [names.pair_label(a, b) for a, b in combinations(outcomes, 2)],
    }
    if spec.likelihood in ("items", "ordinal"):
        labels |= items_coords(codebook, design)
    dims = {name: _dims(spec, name, dim) for name in values}
    used = {label for of in dims.values() for label in of}
    return xr.Dataset(
        {
            name: ((names.CHAIN, names.DRAW, *dims[name]), value[None])
            for name, value in values.items()
            if value.size
        },
        coords={
            names.CHAIN: [0],
            names.DRAW: np.arange(n),
            **{name: label for name, label in labels.items() if name in used and label},
        },
    )


def _dims(spec: ModelSpec, name: str, outcome: str) -> tuple[str, ...]:
    by_country = (names.COUNTRY,) if spec.sigma_varies else ()
    return {
        "intercept": (outcome,),
        "beta": (outcome, names.COEFFICIENT),
        "b_intercept": (names.COUNTRY, outcome),
        "b": (names.COUNTRY, outcome, names.COEFFICIENT),
        "tau_intercept": (outcome,),
        "tau": (outcome, names.DRIVER),
        "tau_kappa": (),
        "kappa": (names.THRESHOLD,),
        "shift": (names.COUNTRY, names.ITEM),
        "threshold_shift": (names.COUNTRY, names.THRESHOLD),
        "lambda": (names.ITEM,),
        "sigma": (names.FORM,),
        "residual_sd": (*by_country, outcome),
        "rho": (*by_country, names.PAIR),
    }[name]


class _Effects:
    """Draws of coefficients that vary by country, of all models."""

    def __init__(
        self,
        spec: ModelSpec,
        design: xr.Dataset,
        drivers: tuple[Driver, ...],
        n: int,
        rng: np.random.Generator,
    ) -> None:
        self.spec, self.n, self.rng = spec, n, rng
        self.n_countries = design.sizes[names.COUNTRY]
        self.n_outcomes = design.sizes[outcome_dim(spec)]
        self.n_columns = design.sizes[names.COEFFICIENT]
        self.varies = effect_columns(spec, drivers, self.n_columns)
        self.driver_of = varying_columns(spec, drivers)[1]

    def draw(self) -> Draws:
        """Means, SDs between countries, and each country's; levels sum to zero over countries."""
        spec, n, rng = self.spec, self.n, self.rng
        beta = draw(spec.priors["beta"], (n, self.n_outcomes, self.n_columns), rng)
        mean = np.concatenate([np.zeros((n, self.n_outcomes, 1)), beta], axis=2)
        out: Draws = {"beta": beta}
        sd = np.zeros_like(mean)  # (draw, outcome, 1 + coefficient)
        if spec.pooling == "none":
            sd[:, :, self.varies] = UNPOOLED
        elif spec.pooling == "partial":
            out |= self._scales(sd)
        d = deviations(n, self.n_countries, mean.shape[1:], rng) * sd[:, None]
        out["b_intercept"] = d[..., 0]
        out["b"] = beta[:, None] + d[..., 1:]
        return out

    def _scales(self, sd: np.ndarray) -> Draws:
        """Draw the SDs, and write them where they belong; a driver's columns share one."""
        spec, shape = self.spec, (self.n, self.n_outcomes)
        out = {"tau_intercept": draw(spec.priors["tau_intercept"], shape, self.rng)}
        sd[:, :, 0] = out["tau_intercept"]
        varying = list(dict.fromkeys(self.driver_of))
        if varying:
            out["tau"] = draw(spec.priors["tau"], (*shape, len(varying)), self.rng)
            columns = np.flatnonzero(self.varies[1:])
            which = [varying.index(name) for name in self.driver_of]
            sd[:, :, 1 + columns] = out["tau"][:, :, which]
        return out


def deviations(
    n: int, n_countries: int, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Standard deviations from the countries' mean that sum to zero, (draw, country, ...)."""
    gamma = rng.normal(size=(n, n_countries - 1, *shape))
    return np.einsum("jc,nj...->nc...", zero_sum_contrasts(n_countries), gamma)


def _between(spec: ModelSpec, n: int, rng: np.random.Generator) -> tuple[Draws, np.ndarray]:
    """SD between countries of thresholds, (draw,)."""
    if spec.pooling == "none":
        return {}, np.full(n, UNPOOLED)
    tau = draw(spec.priors["tau_kappa"], (n,), rng)
    return {"tau_kappa": tau}, tau


def _add_intercept(
    spec: ModelSpec, design: xr.Dataset, values: Draws, n: int, rng: np.random.Generator
) -> Draws:
    """Levels of ``index`` and ``participation``."""
    intercept = draw(spec.priors["intercept"], (n, design.sizes[outcome_dim(spec)]), rng)
    level = {"intercept": intercept, "b_intercept": values["b_intercept"] + intercept[:, None]}
    return values | level


def _index(
    spec: ModelSpec, design: xr.Dataset, values: Draws, n: int, rng: np.random.Generator
) -> Draws:
    values = _add_intercept(spec, design, values, n, rng)
    n_outcomes = design.sizes[outcome_dim(spec)]
    by_country = (n, design.sizes[names.COUNTRY]) if spec.sigma_varies else (n,)
    values["residual_sd"] = draw(spec.priors["residual_sd"], (*by_country, n_outcomes), rng)
    if n_outcomes > 1:
        correlation = draw(spec.priors["rho"], (*by_country, n_outcomes, n_outcomes), rng)
        pairs = list(combinations(range(n_outcomes), 2))
        values["rho"] = np.stack([correlation[..., i, j] for i, j in pairs], axis=-1)
    return values


def _ordinal(
    spec: ModelSpec, design: xr.Dataset, values: Draws, n: int, rng: np.random.Generator
) -> Draws:
    n_countries, n_gaps = design.sizes[names.COUNTRY], int(design["n_categories"].values[0]) - 2
    first = draw(spec.priors["kappa"], (n, 1), rng) - values["b_intercept"][..., 0]
    gap = draw(spec.priors["kappa_gap"], (n, 1, n_gaps), rng)
    if gaps_vary(spec, design):
        scale, tau = _between(spec, n, rng)
        values |= scale
        gap = gap * np.exp(tau[:, None, None] * deviations(n, n_countries, (n_gaps,), rng))
    gap = np.broadcast_to(gap, (n, n_countries, n_gaps))
    thresholds = first[..., None] + np.cumsum(np.append(0 * first[..., None], gap, axis=2), axis=2)
    values["kappa"] = thresholds.mean(axis=1)
    away = thresholds - values["kappa"][:, None]
    values["b_intercept"] = -away.mean(axis=2, keepdims=True)
    if gaps_vary(spec, design):
        values["threshold_shift"] = away + values["b_intercept"]
    return values


def _items(
    spec: ModelSpec, design: xr.Dataset, values: Draws, n: int, rng: np.random.Generator
) -> Draws:
    layout, n_countries = item_layout(design), design.sizes[names.COUNTRY]
    n_items = len(layout.form)
    first = draw(spec.priors["kappa"], (n, n_items), rng)
    gap = draw(spec.priors["kappa_gap"], (n, int((layout.n_categories - 2).sum())), rng)
    values["kappa"] = np.concatenate(
        [
            np.cumsum(np.column_stack([first[:, k], own]), axis=1)
            for k, own in enumerate(np.split(gap, np.cumsum(layout.n_categories - 2)[:-1], axis=1))
        ],
        axis=1,
    )
    if shifts_vary(spec, layout):
        scale, tau = _between(spec, n, rng)
        places = deviations(n, n_countries, (len(layout.contrasts),), rng)
        values |= scale | {"shift": tau[:, None, None] * places @ layout.contrasts}
    if len(layout.steepness):
        z = rng.normal(size=(n, len(layout.steepness)))
        values["lambda"] = np.exp(spec.priors["lambda"].arguments[1] * z @ layout.steepness)
    values["sigma"] = np.ones((n, layout.n_forms))
    free = layout.free_sigma
    values["sigma"][:, free] = draw(spec.priors["sigma"], (n, len(free)), rng)
    if layout.n_forms == 2:
        values["rho"] = draw(spec.priors["rho"], (n, 1), rng)
    return values


_DRAW: Mapping[str, Callable[[ModelSpec, xr.Dataset, Draws, int, np.random.Generator], Draws]] = {
    "index": _index,
    "items": _items,
    "ordinal": _ordinal,
    "participation": _add_intercept,
}
