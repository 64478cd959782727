"""Who is averaged over, and how sure we are of who they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.inference.fit import Fit, check_is_fit

type PopulationKind = Literal["sample", "weighted"]
type Uncertainty = Literal["bootstrap", "fixed"]

POPULATIONS = {
    "sample": "each country's citizens in the fit, counted once",
    "weighted": "each country's citizens in the fit, by survey weight; weights repair selection "
    "on what they contain, nothing else",
}
UNCERTAINTIES = {
    "bootstrap": "Bayesian bootstrap over citizens",
    "fixed": "citizens held fixed: about these respondents only",
}
_BLOCK = 4_000_000
"""Random weights held in memory at a time."""


def check_population(fit: Fit, population: str, uncertainty: str) -> None:
    """Refuse what is no fit, and a population that is unknown or that the survey cannot give."""
    check_is_fit(fit, "estimand")
    for argument, value, known in (
        ("population", population, POPULATIONS),
        ("uncertainty", uncertainty, UNCERTAINTIES),
    ):
        if value not in known:
            raise make_error(
                SpecError,
                "estimand",
                f"unknown {argument} {value!r}",
                value=value,
                available=known,
            )
    if population == "weighted" and fit.codebook.weight is None:
        raise make_error(
            SpecError,
            "estimand",
            "population = 'weighted', but the survey has no weights",
            remedy="Name the column in the codebook's [weight], or use population='sample'.",
        )


def mean_drivers(
    fit: Fit, population: PopulationKind, uncertainty: Uncertainty, random_seed: int
) -> np.ndarray:
    """Mean of the coded drivers in each country, once for every draw.

    Parameters
    ----------
    fit : Fit
    population : {"sample", "weighted"}
    uncertainty : {"bootstrap", "fixed"}
        With the bootstrap each draw has Dirichlet weights of the citizens within each country.
    random_seed : int

    Returns
    -------
    numpy.ndarray
        (draw, country, coefficient), all chains' draws in order, coded as the design.

    References
    ----------
    .. [1] Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9(1), 130-134.
    """
    n_draws = fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]
    means = [
        _mean(x, weight, n_draws, uncertainty, np.random.default_rng([random_seed, c]))
        for c, (x, weight) in enumerate(_by_country(fit.design, population))
    ]
    return np.stack(means, axis=1)


def citizen_weights(
    fit: Fit, population: PopulationKind, uncertainty: Uncertainty, random_seed: int
) -> Iterator[np.ndarray]:
    """Weights of the citizens, (citizen,), summing to 1 in each country; once for every draw.

    Parameters
    ----------
    fit : Fit
    population : {"sample", "weighted"}
    uncertainty : {"bootstrap", "fixed"}
        With the bootstrap each draw has Dirichlet weights of the citizens within each country.
    random_seed : int

    Yields
    ------
    numpy.ndarray
        (citizen,), in the order of the design.
    """
    base = np.concatenate([weight for _, weight in _by_country(fit.design, population)])
    country = fit.design["country_index"].values
    rng = np.random.default_rng([random_seed, 0])
    for _ in range(fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]):
        # Dirichlet(1, ..., 1) = independent exponentials over their sum
        weight = base * rng.standard_exponential(len(base)) if uncertainty == "bootstrap" else base
        yield weight / np.bincount(country, weight)[country]


def _by_country(
    design: xr.Dataset, population: PopulationKind
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Coded drivers, (citizen, coefficient), and weights, (citizen,), of each country."""
    country = design["country_index"].values
    weight = design["weight"].values if population == "weighted" else np.ones(len(country))
    for c in range(design.sizes[names.COUNTRY]):
        rows = country == c
        largest = weight[rows].max()
        if largest == 0:
            raise make_error(
                SpecError,
                "estimand",
                f"all weights in {str(design[names.COUNTRY].values[c])!r} are zero",
                remedy="Mend the weights, or use population='sample'.",
            )
        # parts of the largest: however large, no sum of them overflows
        yield design["x"].values[rows], weight[rows] / largest


def _mean(
    x: np.ndarray,
    weight: np.ndarray,
    n_draws: int,
    uncertainty: Uncertainty,
    rng: np.random.Generator,
) -> np.ndarray:
    """Mean of x under the weights, (draw, coefficient)."""
    if uncertainty == "fixed":
        return np.tile(weight @ x / weight.sum(), (n_draws, 1))
    rows = max(1, _BLOCK // len(x))
    means = []
    for first in range(0, n_draws, rows):
        # Dirichlet(1, ..., 1) = independent exponentials over their sum
        share = weight * rng.standard_exponential((min(rows, n_draws - first), len(x)))
        means.append(share @ x / share.sum(axis=1, keepdims=True))
    return np.concatenate(means)
