"""Whether indices lie where others' answers predict them, as a distribution."""

from __future__ import annotations

import numpy as np
import xarray as xr
from arviz_stats.ecdf_utils import (
    compute_ecdf,
    get_pointwise_confidence_band,
    simulate_confidence_bands,
)

from bayes_coprod import names
from bayes_coprod.diagnostics.compare import FEWEST_DRAWS, kept_draws
from bayes_coprod.diagnostics.discrepancies import FEWEST, outcome_labels
from bayes_coprod.diagnostics.replicate import probability_below
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.finding import Finding
from bayes_coprod.inference.fit import Fit
from bayes_coprod.streams import random_stream

PIT_PROB = 0.99
"""Of the envelope, for all outcomes together."""
_POINTS, _SIMULATIONS = 100, 1000
_OUTCOME = "outcome"


def check_pit(fit: Fit, draws: int, random_seed: int) -> Finding:
    """Hold the distribution of the predictive probabilities below each index to uniform.

    Parameters
    ----------
    fit : Fit
        Of ``index``.
    draws : int
    random_seed : int
        Of the simulated envelope.

    Returns
    -------
    Finding
        Its value is the largest distance from uniform over what the envelope allows there.

    References
    ----------
    .. [1] Säilynoja, Bürkner & Vehtari (2022), Graphical test for discrete uniformity and its
       applications in goodness-of-fit evaluation and multiple sample comparison, Statistics and
       Computing 32(2).
    """
    kept = kept_draws(fit, draws)
    fewest = min(map(len, kept))
    if fewest < FEWEST_DRAWS:
        return _unknown(
            f"It takes {FEWEST_DRAWS} draws to tell; there are {fewest}.",
            "Sample more, or give more of them as draws.",
        )
    below = _below(fit, kept)
    lost = _lost(fit, below)
    if lost:
        return _unknown(*lost)
    curves = _curves(fit, below, random_seed)
    away, lower, upper = (curves[name] for name in ("distance", "lower", "upper"))
    beyond = (away / upper).where(away > 0, away / lower).max("probability")
    ratios = {str(r[_OUTCOME].item()): float(r) for r in beyond if np.isfinite(r)}
    if not ratios:
        return _unknown(f"No outcome has {FEWEST} citizens.", "Look at the survey.")
    where = max(ratios, key=lambda label: ratios[label])
    outside = [label for label, ratio in ratios.items() if ratio > 1]
    return Finding(
        "PIT",
        "warn" if outside else "pass",
        "; ".join(outside),
        ratios[where],
        1.0,
        f"Citizens' places in their predictions are {ratios[where]:.2g} times as far from "
        f"evenly spread as the {100 * PIT_PROB:g} % envelope allows ({where}).",
        "Indices are not normal given the drivers: see plot_pit and scores. Quote levels and "
        "effects, which are averages, and no single citizens' intervals, or fit the model 'items'."
        if outside
        else "",
    )


def pit_curves(fit: Fit, draws: int, random_seed: int) -> xr.Dataset:
    """How far predictive probabilities are from uniform, and how far they may be.

    Parameters
    ----------
    fit : Fit
        Of ``index``.
    draws : int
    random_seed : int
        Of the simulated envelope.

    Returns
    -------
    xarray.Dataset
        ``distance``, share of citizens with an index below whose quantile `probability` less that
        probability, and ``lower`` and ``upper``, the envelope; dims (outcome, probability), NaN
        of outcomes with fewer than 30 citizens.

    Raises
    ------
    SpecError
        If there are fewer than 100 draws, or a density is not finite.
    """
    kept = kept_draws(fit, draws)
    if min(map(len, kept)) < FEWEST_DRAWS:
        raise make_error(
            SpecError,
            "plot_pit",
            f"it takes {FEWEST_DRAWS} draws to tell, and there are {min(map(len, kept))}",
            remedy="Sample more, or give more of them as draws.",
        )
    below = _below(fit, kept)
    lost = _lost(fit, below)
    if lost:
        message, remedy, where = lost
        raise make_error(SpecError, "plot_pit", f"{where}: {message}", remedy=remedy)
    return _curves(fit, below, random_seed)


def _below(fit: Fit, kept: list[np.ndarray]) -> np.ndarray:
    """Probability of an index below each citizen's own, (citizen, outcome)."""
    of_parts = [probability_below(part, own) for part, own in zip(fit.parts, kept, strict=True)]
    return np.asarray(np.mean(of_parts, axis=0))


def _lost(fit: Fit, below: np.ndarray) -> tuple[str, str, str] | None:
    """What went wrong, what to do, and who it is; ``None`` if all probabilities are known."""
    lost = np.isnan(below) & ~np.isnan(fit.design["y"].values)
    if not lost.any():
        return None
    citizen = fit.design[names.CITIZEN].values[lost.any(axis=1).argmax()]
    return (
        f"The density of {int(lost.sum()):,} indices is not finite at some draws.",
        "Look at the answers and drivers; fit again with another random_seed.",
        f"citizen {citizen}",
    )


def _curves(fit: Fit, below: np.ndarray, random_seed: int) -> xr.Dataset:
    rng = random_stream(random_seed, "PIT")
    labels = outcome_labels(fit)
    prob = 1 - (1 - PIT_PROB) / len(labels)
    points = np.arange(1, _POINTS) / _POINTS
    curves = np.full((3, len(labels), len(points)), np.nan)
    for o in range(len(labels)):
        values = below[~np.isnan(below[:, o]), o]
        if len(values) >= FEWEST:
            n = len(values)
            pointwise = simulate_confidence_bands(n, 1, points, prob, _SIMULATIONS, rng)
            bands = get_pointwise_confidence_band(pointwise, n, points)
            curves[:, o] = [band - points for band in (compute_ecdf(values, points), *bands)]
    dims = (_OUTCOME, "probability")
    return xr.Dataset(
        dict(
            zip(("distance", "lower", "upper"), ((dims, values) for values in curves), strict=True)
        ),
        coords={_OUTCOME: labels, "probability": points},
        attrs={"envelope_prob": PIT_PROB},
    )


def _unknown(message: str, remedy: str, where: str = "") -> Finding:
    return Finding("PIT", "unknown", where, None, 1.0, message, remedy)
