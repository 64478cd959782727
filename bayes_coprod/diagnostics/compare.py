r"""Observed statistics against replicated ones, many places at once.

Each place's statistic is put in SDs of its replicates, and the farthest of a family of places is
held to the farthest of each replicate. That accounts for the number of places and for what they
share, exactly where the model's parameters are known; no normal approximation enters, and no
p-value is finer than the number of replicates allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_coprod.diagnostics.discrepancies import Discrepancy
from bayes_coprod.diagnostics.replicate import observed_responses, replicates, thinned
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.inference.fit import Fit
from bayes_coprod.streams import random_stream

FEWEST_DRAWS = 100
"""Of each completed data set: fewer cannot tell a probability of 0.01."""
_ROUNDING = 1e-9
"""Of a statistic, relative: an SD below it is none."""

type Make = Callable[[Fit, np.ndarray], Sequence[Discrepancy]]
"""From a fit to one data set and the draws in use to what is measured."""


@dataclass(frozen=True)
class Comparison:
    """One family of statistics of the data and of replicates.

    Parameters
    ----------
    check : str
    cells : tuple of str
    observed : numpy.ndarray
        (data set, cell); more than one row for a pooled fit, whose drivers differ.
    replicated : tuple of numpy.ndarray
        For each data set (draw, cell).
    least_sd : numpy.ndarray
        (cell,).
    two_sided : bool
    """

    check: str
    cells: tuple[str, ...]
    observed: np.ndarray
    replicated: tuple[np.ndarray, ...]
    least_sd: np.ndarray
    two_sided: bool

    @property
    def measured(self) -> np.ndarray:
        """Cells that enough citizens are behind, (cell,)."""
        finite = [np.isfinite(values).all(axis=0) for values in (self.observed, *self.replicated)]
        return np.all(finite, axis=0)


@dataclass(frozen=True)
class Verdict:
    """How far the data lie from their replicates.

    Parameters
    ----------
    p : float
        Posterior predictive probability of a farthest cell as far as the observed one or farther.
    distance : numpy.ndarray
        (cell,), observed minus replicated in SDs; NaN where not measured.
    limit : float
        Beyond which a replicate has any cell with the probability given.
    """

    p: float
    distance: np.ndarray
    limit: float


def check_draws(fit: Fit, place: str, draws: int, random_seed: int | None) -> int:
    """Refuse a number of draws that is none; give the seed, the fit's own if there is no other."""
    if draws < 1:
        raise make_error(
            SpecError, place, f"draws = {draws!r} is out of range", remedy="Use 1 or more."
        )
    return fit.spec.sampler.random_seed if random_seed is None else random_seed


def compare(fit: Fit, make: Make, draws: int, random_seed: int) -> list[Comparison]:
    """Measure the data and their replicates, one replicate at a time.

    Parameters
    ----------
    fit : Fit
    make : callable
        What is measured, the same families for each part of a pooled fit.
    draws : int
        How many draws to use; of several completed data sets together, but of each no fewer than
        100 if it has them.
    random_seed : int

    Returns
    -------
    list of Comparison
    """
    measured = [
        _measure(part, make, kept, random_stream(random_seed, "replicates", k))
        for k, (part, kept) in enumerate(zip(fit.parts, kept_draws(fit, draws), strict=True))
    ]
    families, observed, replicated = zip(*measured, strict=True)
    return [
        Comparison(
            family.check,
            family.cells,
            np.stack([values[d] for values in observed]),
            tuple(values[d] for values in replicated),
            family.least_sd,
            family.two_sided,
        )
        for d, family in enumerate(families[0])
    ]


def kept_draws(fit: Fit, draws: int) -> list[np.ndarray]:
    """Positions of the draws of each part that are used, (draw,) each.

    Parameters
    ----------
    fit : Fit
    draws : int
        Of all parts together, but of each no fewer than 100 if it has them.

    Returns
    -------
    list of numpy.ndarray
    """
    parts = fit.parts
    each = max(-(-draws // len(parts)), min(draws, FEWEST_DRAWS))
    return [thinned(part, each) for part in parts]


def _measure(
    fit: Fit, make: Make, kept: np.ndarray, rng: np.random.Generator
) -> tuple[Sequence[Discrepancy], list[np.ndarray], list[np.ndarray]]:
    families = make(fit, kept)
    y = observed_responses(fit)
    observed = [family.measure(y) for family in families]
    replicated = [np.empty((len(kept), len(family.cells))) for family in families]
    for s, y in enumerate(replicates(fit, kept, rng)):
        for family, values in zip(families, replicated, strict=True):
            values[s] = family.measure(y)
    return families, observed, replicated


def judge(comparison: Comparison, level: float) -> Verdict:
    r"""Say whether the farthest cell of the data is farther than those of replicates.

    Parameters
    ----------
    comparison : Comparison
        With one measured cell or more.
    level : float
        Probability that a replicate of the model has a cell beyond the verdict's limit.

    Returns
    -------
    Verdict

    Notes
    -----
    The observed statistics are standardised together with the replicated ones, so that under a
    model with known parameters all S + 1 are exchangeable and

    .. math:: p = \frac{1 + \#\{\text{farther}\} + \tfrac12 \#\{\text{as far}\}}{S + 1} .

    Of completed data sets it is the mean over them: imputed drivers count among the parameters.

    References
    ----------
    .. [1] Westfall & Young (1993), Resampling-Based Multiple Testing, section 2.3: single-step max.
    .. [2] Gelman, Meng & Stern (1996), Posterior predictive assessment of model fitness via
       realized discrepancies, Statistica Sinica 6(4), 733-760.
    """
    measured = comparison.measured
    own, farthest, p = [], [], []
    for observed, replicated in zip(comparison.observed, comparison.replicated, strict=True):
        values = np.vstack([observed, replicated])[:, measured]
        least = np.maximum(comparison.least_sd[measured], _ROUNDING * (1 + abs(values).max(axis=0)))
        z = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), least)
        far = (abs(z) if comparison.two_sided else z).max(axis=1)
        beyond = (far[1:] > far[0]).sum() + 0.5 * (far[1:] == far[0]).sum()
        p.append((1 + beyond) / len(far))
        own.append(z[0])
        farthest.append(far[1:])
    distance = np.full(len(measured), np.nan)
    distance[measured] = np.mean(own, axis=0)
    limit = float(np.quantile(np.concatenate(farthest), 1 - level))
    return Verdict(float(np.mean(p)), distance, limit)
