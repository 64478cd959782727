"""Whether data that the model would have made look like those that were collected."""

from __future__ import annotations

import numpy as np

from bayes_coprod.diagnostics.compare import FEWEST_DRAWS, Comparison, check_draws, compare, judge
from bayes_coprod.diagnostics.discrepancies import (
    CALIBRATION,
    FEWEST,
    Discrepancy,
    category_shares,
    group_means,
    interactions,
    score_correlations,
    score_shapes,
)
from bayes_coprod.diagnostics.pit import check_pit
from bayes_coprod.diagnostics.reliability import reliability
from bayes_coprod.finding import Finding, Findings, Status
from bayes_coprod.inference.fit import Fit, check_is_fit

LEVEL = 0.01
"""Rate at which each check accuses a model with known parameters that is right."""
_NAMED = 5
_MEASURED = {
    CALIBRATION: "shares",
    "calibration by driver": "mean scores",
    "scores": "spreads, ends and shapes of scores",
    "correlation of scores": "correlations",
    "driver interactions": "interactions",
    "reliability": "miscalibrations of probabilities",
}
"""What each check compares, in words."""


def check_predictive(fit: Fit, *, draws: int = 400, random_seed: int | None = None) -> Findings:
    """Check whether replicated answers look like those that were given.

    Parameters
    ----------
    fit : Fit
    draws : int
        How many draws are replicated at most, evenly spaced; of a fit of several completed data
        sets no fewer than 100 of each.
    random_seed : int, optional
        The fit's own otherwise.

    Returns
    -------
    Findings
        ``calibration``: shares of each answer by country; who takes part, in ``participation``.
        ``calibration by driver``: mean scores at each level of each driver by country.
        ``scores`` (``index``, ``items``): spread, floor, ceiling, skewness by form and country, of
        ``index`` those of residuals and their tails. ``correlation of scores`` (the same, of two
        forms or more). ``driver interactions``, with two drivers or more. ``PIT`` (``index``) and
        ``reliability`` (``participation``, ``ordinal``). Statistics of fewer than 30 citizens are
        left out; a check with none left, or with fewer than 100 draws, is ``unknown``.

    Raises
    ------
    SpecError
        If `draws` is not positive.

    Notes
    -----
    Each check warns where the farthest of its statistics, in SDs of its replicates, is farther than
    all but 1 % of the replicates' own farthest: a family-wise error rate, whatever the statistics
    share [1]_. Replicates come from parameters that have seen the data, so posterior predictive
    probabilities are conservative: a right model is accused less often than that [2]_. It never
    fails a fit: with many citizens a misfit is found that matters to no conclusion, and what was
    observed and what was expected stand beside each other.

    References
    ----------
    .. [1] Westfall & Young (1993), Resampling-Based Multiple Testing.
    .. [2] Gelman (2013), Two simple examples for understanding posterior p-values whose
       distributions are far from uniform, Electronic Journal of Statistics 7, 2595-2602.
    .. [3] Säilynoja, Bürkner & Vehtari (2022), Graphical test for discrete uniformity and its
       applications in goodness-of-fit evaluation and multiple sample comparison, Statistics and
       Computing 32(2).
    """
    check_is_fit(fit, "check_predictive")
    seed = check_draws(fit, "check_predictive", draws, random_seed)
    if not all(np.isfinite(values).all() for values in fit.posterior.data_vars.values()):
        return Findings(
            [_unknown("predictive", "Draws are not finite, and have no replicates.", "Fit again.")]
        )
    like = fit.parts[0]

    def make(part: Fit, kept: np.ndarray) -> list[Discrepancy]:
        return [family for family in _families(part, like, kept) if family.cells]

    found = [_judged(fit, comparison) for comparison in compare(fit, make, draws, seed)]
    if fit.spec.likelihood == "index":
        found.append(check_pit(fit, draws, seed))
    return Findings(found)


def _families(fit: Fit, like: Fit, kept: np.ndarray) -> list[Discrepancy]:
    """What is measured of a model's answers."""
    likelihood = fit.spec.likelihood
    # the level of an index in a country is a parameter of its own, and its replicates tell nothing
    found = [] if likelihood == "index" else [category_shares(fit)]
    found.append(group_means(fit, like))
    if likelihood in ("index", "items"):
        found += [score_shapes(fit), score_correlations(fit)]
    found.append(interactions(fit))
    if likelihood in ("participation", "ordinal"):
        found.append(reliability(fit, kept))
    return found


def _judged(fit: Fit, comparison: Comparison) -> Finding:
    """Turn one comparison into a finding."""
    check, measured = comparison.check, comparison.measured
    n_draws = min(map(len, comparison.replicated))
    if n_draws < FEWEST_DRAWS:
        return _unknown(
            check,
            f"It takes {FEWEST_DRAWS} draws to tell; there are {n_draws}.",
            "Sample more, or give more of them as draws.",
        )
    if not measured.any():
        return _unknown(
            check, f"Nowhere are there {FEWEST} citizens to judge by.", "Look at the survey."
        )
    verdict = judge(comparison, LEVEL)
    far = verdict.distance if not comparison.two_sided else abs(verdict.distance)
    order = np.argsort(-np.where(measured, far, -np.inf))
    beyond = [int(i) for i in order if far[i] > verdict.limit] or [int(order[0])]
    worst = beyond[0]
    seen = comparison.observed[:, worst].mean()
    made = np.mean([values[:, worst].mean() for values in comparison.replicated])
    distance = float(verdict.distance[worst])
    left_out = int((~measured).sum())
    missed = f" ({left_out} more could not be measured)" if left_out else ""
    status: Status = "pass" if verdict.p > LEVEL else "warn"
    more = f" and {len(beyond) - _NAMED} more" if len(beyond) > _NAMED else ""
    return Finding(
        check,
        status,
        "; ".join(comparison.cells[i] for i in beyond[:_NAMED]) + more if status == "warn" else "",
        verdict.p,
        LEVEL,
        f"Of {int(measured.sum())} {_MEASURED[check]}{missed}, the farthest from what the model "
        f"expects is {comparison.cells[worst]}: {seen:.3g} observed, {made:.3g} expected, "
        f"{abs(distance):.1f} SDs {'above' if distance > 0 else 'below'}; by chance alone the "
        f"farthest lies within {verdict.limit:.1f} SDs.",
        "" if status == "pass" else _remedy(fit, check),
    )


def _remedy(fit: Fit, check: str) -> str:
    """What to do about a misfit."""
    spec = fit.spec
    if check == CALIBRATION:
        if spec.likelihood in ("items", "ordinal") and not spec.thresholds_vary:
            return "Fit with thresholds_vary = true; check wording and coding there."
        return "Check wording and coding there; report shares there as observed."
    if check == "scores":
        if spec.likelihood == "index" and not spec.sigma_varies:
            return (
                "For an SD, fit with sigma_varies = true; for the rest, look for careless answers "
                "or fit the model 'items', which knows the ends of the scale."
            )
        return "Look for careless or copied answers there, or fit the model 'items'."
    if check == "correlation of scores" and spec.likelihood == "index" and not spec.sigma_varies:
        return "Fit with sigma_varies = true."
    return {
        "calibration by driver": "The driver may not work in equal steps: declare it categorical, "
        "or let it vary by country.",
        "correlation of scores": "Do not read how the forms go together there off this model.",
        "driver interactions": "One driver works otherwise at other values of the other: split the "
        "survey by one of them, or add their combination to the survey as a driver.",
        "reliability": "Drivers may be missing or not work in equal steps: see calibration by "
        "driver, and do not read single citizens' probabilities.",
    }[check]


def _unknown(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, "unknown", "", None, LEVEL, message, remedy)
