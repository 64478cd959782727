"""Who is averaged over, and how sure we are of who they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.frames import fill_cells, read_cells
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.model.collapse import distinct_rows
from bayes_coprod.model.design import country_ends
from bayes_coprod.streams import random_stream

type PopulationKind = Literal["sample", "weighted"] | pd.DataFrame
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


def check_population(fit: Fit, population: object, uncertainty: object) -> None:
    """Refuse what is no fit, and a population that is unknown or that the survey cannot give."""
    check_is_fit(fit, "estimand")
    if isinstance(population, pd.DataFrame):
        read_cells(fit, population)
    elif not isinstance(population, str):
        raise make_error(
            SpecError,
            "estimand",
            f"population is a {type(population).__name__}",
            available=POPULATIONS,
            remedy="Or a pandas.DataFrame of cells: country, count, and drivers of the model.",
        )
    else:
        _check_known("population", population, POPULATIONS)
    _check_known("uncertainty", uncertainty, UNCERTAINTIES)
    if isinstance(population, str) and population == "weighted" and fit.codebook.weight is None:
        raise make_error(
            SpecError,
            "estimand",
            "population = 'weighted', but the survey has no weights",
            remedy="Name the column in the codebook's [weight], or use population='sample'.",
        )


def _check_known(argument: str, value: object, known: dict[str, str]) -> None:
    if value not in known:
        raise make_error(
            SpecError,
            "estimand",
            f"unknown {argument} {value!r}",
            value=value,
            available=known,
        )


@dataclass(frozen=True)
class Kinds:
    """Citizens of a country who are alike: they have the same drivers and weight.

    Weights are drawn within strata: all citizens of a country, or of a cell of a frame.

    Parameters
    ----------
    x : numpy.ndarray
        (kind, 1 + coefficient): ones, and drivers coded as the design's.
    ends : numpy.ndarray
        (country + 1,), where the kinds of each country begin and end.
    weight : numpy.ndarray
        (kind,), of each of its citizens, in parts of the largest in the country.
    n : numpy.ndarray
        (kind,), citizens.
    stratum : numpy.ndarray
        (kind,), which stratum they belong to; ascending.
    total : numpy.ndarray
        (stratum,), its share of the country.
    said : str
        Who they are, in words.
    """

    x: np.ndarray
    ends: np.ndarray
    weight: np.ndarray
    n: np.ndarray
    stratum: np.ndarray
    total: np.ndarray
    said: str


def citizen_kinds(fit: Fit, population: PopulationKind) -> Kinds:
    """Gather the citizens of a fit who are alike: whatever is averaged over them is the same.

    Parameters
    ----------
    fit : Fit
    population : {"sample", "weighted"} or pandas.DataFrame
        A frame's cells are as :func:`read_cells` takes them.

    Returns
    -------
    Kinds

    Raises
    ------
    SpecError
        If all weights in a country are zero, or the frame does not fit the survey.
    """
    if isinstance(population, pd.DataFrame):
        return _kinds_of_frame(fit, population)
    design = fit.design
    country, x = design["country_index"].values, design["x"].values
    weight = design["weight"].values if population == "weighted" else np.ones(len(country))
    ends = country_ends(design)
    largest = np.maximum.reduceat(weight, ends[:-1])
    for name, most in zip(fit.countries, largest, strict=True):
        if most == 0:
            raise make_error(
                SpecError,
                "estimand",
                f"all weights in {name!r} are zero",
                remedy="Mend the weights, or use population='sample'.",
            )
    # parts of the largest: however large, no sum of them overflows
    weight = weight / largest[country]
    first, kind = distinct_rows(country, np.column_stack([x, weight]))
    if len(first) == len(country):  # nobody is like another: citizens keep their order
        first = kind = np.arange(len(country))
    return Kinds(
        np.column_stack([np.ones(len(first)), x[first]]),
        np.searchsorted(country[first], np.arange(len(ends))),
        weight[first],
        np.bincount(kind),
        stratum=country[first],
        total=np.ones(len(ends) - 1),
        said=POPULATIONS[population],
    )


def _kinds_of_frame(fit: Fit, frame: pd.DataFrame) -> Kinds:
    """The survey's citizens who fill a frame's cells; each cell is a stratum."""
    cells = read_cells(fit, frame)
    x, n, cell, kept, said = fill_cells(fit, cells)
    country = cells.country[kept]
    return Kinds(
        np.column_stack([np.ones(len(x)), x]),
        np.searchsorted(country[cell], np.arange(len(fit.countries) + 1)),
        weight=np.ones(len(x)),
        n=n,
        stratum=cell,
        total=cells.share[kept],
        said=said,
    )


def mean_drivers(fit: Fit, kinds: Kinds, uncertainty: Uncertainty, random_seed: int) -> np.ndarray:
    """Mean of the coded drivers in each country, once for every draw.

    Parameters
    ----------
    fit : Fit
    kinds : Kinds
    uncertainty : {"bootstrap", "fixed"}
        With the bootstrap each draw has Dirichlet weights of the citizens within each stratum.
    random_seed : int

    Returns
    -------
    numpy.ndarray
        (draw, country, column), all chains' draws in order; the columns of ``kinds.x`` but its
        ones.

    References
    ----------
    .. [1] Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9(1), 130-134.
    """
    n_draws = fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]
    means = []
    for c, rows in enumerate(map(slice, kinds.ends[:-1], kinds.ends[1:])):
        rng = random_stream(random_seed, "population", c)
        means.append(_mean(kinds, rows, n_draws, uncertainty, rng))
    return np.stack(means, axis=1)


def kind_weights(
    fit: Fit, kinds: Kinds, uncertainty: Uncertainty, random_seed: int
) -> Iterator[np.ndarray]:
    """Weights of the kinds, (kind,), summing to 1 in each country; once for every draw.

    Parameters
    ----------
    fit : Fit
    kinds : Kinds
    uncertainty : {"bootstrap", "fixed"}
        With the bootstrap each draw has Dirichlet weights of the citizens within each stratum.
    random_seed : int

    Yields
    ------
    numpy.ndarray
        (kind,).
    """
    rng = random_stream(random_seed, "population")
    for _ in range(fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]):
        size = _gamma(rng, kinds.n, ()) if uncertainty == "bootstrap" else kinds.n
        yield _shares_of(kinds, kinds.weight * size)


def fixed_shares(kinds: Kinds) -> np.ndarray:
    """Share of the country that each kind of citizen is, nothing redrawn, (kind,)."""
    return _shares_of(kinds, kinds.n * kinds.weight)


def _shares_of(kinds: Kinds, size: np.ndarray) -> np.ndarray:
    """Shares of the country from what each kind weighs in its stratum, (kind,)."""
    part = kinds.total / np.bincount(kinds.stratum, size)
    return np.asarray(size * part[kinds.stratum])


def _gamma(rng: np.random.Generator, n: np.ndarray, draws: tuple[int, ...]) -> np.ndarray:
    """Independent Gamma(n), (*draws, kind): over their sum they are Dirichlet(n).

    So are sums of a Dirichlet(1, ..., 1) over citizens within kinds.
    """
    shape = (*draws, len(n))
    return rng.standard_exponential(shape) if (n == 1).all() else rng.standard_gamma(n, shape)


def _mean(
    kinds: Kinds, rows: slice, n_draws: int, uncertainty: Uncertainty, rng: np.random.Generator
) -> np.ndarray:
    """Mean of a country's columns under the weights, (draw, column)."""
    x, n, weight = kinds.x[rows, 1:], kinds.n[rows], kinds.weight[rows]
    stratum = kinds.stratum[rows]
    begin = np.flatnonzero(np.diff(stratum, prepend=-1))  # of each stratum
    total, size = kinds.total[stratum[begin]], np.diff([*begin, len(stratum)])

    def mean(share: np.ndarray) -> np.ndarray:
        """Of x under shares, (..., kind), that add up to something in each stratum."""
        part = total / np.add.reduceat(share, begin, axis=-1)
        return np.asarray((share * np.repeat(part, size, axis=-1)) @ x)

    if uncertainty == "fixed":
        return np.tile(mean(n * weight), (n_draws, 1))
    at_once = max(1, _BLOCK // len(x))
    return np.concatenate(
        [
            mean(weight * _gamma(rng, n, (min(at_once, n_draws - first),)))
            for first in range(0, n_draws, at_once)
        ]
    )
