"""Whether indices lie where others' answers predict them, as a distribution."""

from __future__ import annotations

import numpy as np
from arviz_stats.ecdf_utils import (
    compute_ecdf,
    get_pointwise_confidence_band,
    simulate_confidence_bands,
)

from bayes_coprod.diagnostics.compare import FEWEST_DRAWS
from bayes_coprod.diagnostics.discrepancies import FEWEST, outcome_labels
from bayes_coprod.diagnostics.replicate import probability_below, thinned
from bayes_coprod.finding import Finding
from bayes_coprod.inference.fit import Fit

PIT_PROB = 0.99
"""Of the envelope, for all outcomes together."""
_POINTS, _SIMULATIONS = 100, 1000


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
    parts = fit.parts
    kept = [thinned(part, max(-(-draws // len(parts)), min(draws, FEWEST_DRAWS))) for part in parts]
    fewest = min(map(len, kept))
    if fewest < FEWEST_DRAWS:
        return _unknown(
            f"It takes {FEWEST_DRAWS} draws to tell; there are {fewest}.",
            "Sample more, or give more of them as draws.",
        )
    below = np.mean(
        [probability_below(part, own) for part, own in zip(parts, kept, strict=True)], axis=0
    )
    rng = np.random.default_rng([random_seed, 3])
    labels = outcome_labels(fit)
    prob = 1 - (1 - PIT_PROB) / len(labels)
    ratios = {}
    for o, label in enumerate(labels):
        values = below[~np.isnan(below[:, o]), o]
        if len(values) >= FEWEST:
            ratios[label] = _beyond_envelope(values, prob, rng)
    if not ratios:
        return _unknown(f"No outcome has {FEWEST} citizens.", "Look at the survey.")
    where = max(ratios, key=lambda label: ratios[label])
    outside = [label for label in labels if ratios.get(label, 0.0) > 1]
    return Finding(
        "PIT",
        "warn" if outside else "pass",
        "; ".join(outside),
        ratios[where],
        1.0,
        f"The distribution of predictive probabilities strays {ratios[where]:.2g} times as far "
        f"from uniform as the {100 * PIT_PROB:g} % envelope allows ({where}).",
        "Indices are not normal given the drivers: see scores; quote levels and effects, which are "
        "averages, and no single citizens' intervals, or fit the model 'items'."
        if outside
        else "",
    )


def _unknown(message: str, remedy: str) -> Finding:
    return Finding("PIT", "unknown", "", None, 1.0, message, remedy)


def _beyond_envelope(values: np.ndarray, prob: float, rng: np.random.Generator) -> float:
    """Largest distance of the ECDF from uniform, over what ArviZ's envelope allows there."""
    n, points = len(values), np.arange(1, _POINTS) / _POINTS
    pointwise = simulate_confidence_bands(n, 1, points, prob, _SIMULATIONS, rng)
    lower, upper = get_pointwise_confidence_band(pointwise, n, points)
    away = compute_ecdf(values, points) - points
    return float(np.max(np.where(away > 0, away / (upper - points), away / (lower - points))))
