"""Whether ranks of truths are uniform, as they are where posteriors are right."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import xarray as xr
from arviz_stats.ecdf_utils import (
    compute_ecdf,
    get_pointwise_confidence_band,
    simulate_confidence_bands,
)

from bayes_coprod.diagnostics.calibration import QUANTITY, REPLICATION
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.finding import Finding, Findings

BAND_PROB = 0.99
"""Of the bands, at all points of all quantities together."""
FEWEST_REPLICATIONS = 50
"""Below them the bands are so wide that staying inside says nothing."""
MOST_DISCARDED = 0.5
"""Share of the simulated surveys that could not carry the model."""
_SIMULATIONS = 4000


def rank_bands(result: xr.Dataset) -> xr.Dataset:
    """Distribution of each quantity's ranks, and the bands that hold all if they are uniform.

    Parameters
    ----------
    result : xarray.Dataset
        From :func:`calibrate`.

    Returns
    -------
    xarray.Dataset
        ``ecdf`` (quantity, point), share of the ranks below each point of the uniform
        distribution function; ``lower`` and ``upper`` (point). All curves stay between them with
        probability :data:`BAND_PROB`.

    References
    ----------
    .. [1] Säilynoja, Bürkner & Vehtari (2022), Graphical test for discrete uniformity and its
       applications in goodness-of-fit evaluation and multiple sample comparison, Statistics and
       Computing 32(2).
    """
    ranks, n_ranks = result["rank"].values, int(result.attrs["ranked"]) + 1
    points = np.arange(1, n_ranks) / n_ranks
    lower, upper = _band(ranks.shape[1], n_ranks, 1 - (1 - BAND_PROB) / len(ranks))
    # a rank r stands for r / (L + 1) to (r + 1) / (L + 1)
    ecdf = np.stack([compute_ecdf((own + 0.5) / n_ranks, points) for own in ranks])
    return xr.Dataset(
        {"ecdf": ((QUANTITY, "point"), ecdf), "lower": ("point", lower), "upper": ("point", upper)},
        coords={QUANTITY: result[QUANTITY].values, "point": points},
    )


@lru_cache(maxsize=64)
def _band(n: int, n_ranks: int, prob: float) -> tuple[np.ndarray, np.ndarray]:
    points = np.arange(1, n_ranks) / n_ranks
    rng = np.random.default_rng(n)
    pointwise = simulate_confidence_bands(n, 1, points, prob, _SIMULATIONS, rng)
    return get_pointwise_confidence_band(pointwise, n, points)


def check_calibration(result: xr.Dataset) -> Findings:
    """Hold the ranks of truths to uniform.

    Parameters
    ----------
    result : xarray.Dataset
        From :func:`calibrate`.

    Returns
    -------
    Findings
        Each quantity whose ranks leave the simultaneous bands fails; their value is the largest
        distance from uniform over what the bands allow there. If all are right, one of them fails
        in one case of a hundred. ``unknown`` with fewer than 50 replications. Besides, whether the
        draws were independent, and whether most simulated surveys had to be discarded.

    Raises
    ------
    SpecError
        If `result` is not what :func:`calibrate` returns.
    """
    _check_result(result, "check_calibration")
    return Findings([*_check_ranks(result), *_check_draws(result), *_check_discarded(result)])


def _check_result(result: object, place: str) -> None:
    if not (isinstance(result, xr.Dataset) and "rank" in result and "ranked" in result.attrs):
        raise make_error(
            SpecError,
            place,
            f"takes what calibrate returned, and this is a {type(result).__name__}",
            remedy="Give calibrate(spec, like=survey).",
        )


def _check_ranks(result: xr.Dataset) -> list[Finding]:
    n = result.sizes[REPLICATION]
    if n < FEWEST_REPLICATIONS:
        message = f"It takes {FEWEST_REPLICATIONS} replications to tell; there are {n}."
        return [Finding("calibration", "unknown", "", None, 1.0, message, "Give a larger n.")]
    bands = rank_bands(result)
    uniform = bands["point"].values
    lower, upper = bands["lower"].values, bands["upper"].values
    away = bands["ecdf"].values - uniform  # (quantity, point)
    allowed = np.where(away > 0, upper, lower) - uniform
    # where a band reaches 0 or 1 nothing can leave it
    can_leave = np.where(away > 0, upper < 1, lower > 0)
    ratio = np.where(can_leave, away / allowed, 0.0).max(axis=1)
    labels = bands[QUANTITY].values
    if (ratio <= 1).all():
        worst = ratio.argmax()
        message = (
            f"Ranks of {n} truths are uniform for all {len(labels)} quantities, as far as {n} "
            f"tell: shares of ranks may be off by {(upper - uniform).max():.2f}."
        )
        return [Finding("calibration", "pass", "", float(ratio[worst]), 1.0, message)]
    return [
        Finding(
            "calibration",
            "fail",
            str(labels[q]),
            float(ratio[q]),
            1.0,
            f"Ranks of {n} truths stray {ratio[q]:.2g} times as far from uniform as the "
            f"{100 * BAND_PROB:g} % bands allow: {_pattern(away[q])}",
            "Posteriors of this quantity are not to be believed for such a survey: look at the "
            "model's likelihood, priors and sampler.",
        )
        for q in np.argsort(-ratio)
        if ratio[q] > 1
    ]


def _pattern(away: np.ndarray) -> str:
    """What a difference from the uniform distribution function says of the posteriors."""
    if away.max() > -2 * away.min():
        return "truths are smaller than the draws."
    if -away.min() > 2 * away.max():
        return "truths are larger than the draws."
    early = away[: len(away) // 2].mean() > away[len(away) // 2 :].mean()
    return f"intervals are too {'narrow' if early else 'wide'}."


def _check_draws(result: xr.Dataset) -> list[Finding]:
    if "ess" not in result:
        return []
    ranked, few = int(result.attrs["ranked"]), ~(result["ess"].values >= result.attrs["ranked"])
    return [
        Finding(
            "independent draws",
            "warn" if few.any() else "pass",
            "",
            float(result["ess"].min()),
            float(ranked),
            f"{few.sum()} of {few.size} fits are worth fewer than the {ranked} independent draws "
            "that are ranked.",
            "Rank fewer: dependent draws leave the bands though the posterior is right."
            if few.any()
            else "",
        )
    ]


def _check_discarded(result: xr.Dataset) -> list[Finding]:
    if "discarded" not in result or not result["discarded"].any():
        return []
    discarded, n = int(result["discarded"].sum()), result.sizes[REPLICATION]
    share = discarded / (discarded + n)
    most = share > MOST_DISCARDED
    return [
        Finding(
            "simulated surveys",
            "warn" if most else "pass",
            "",
            share,
            MOST_DISCARDED,
            f"{discarded:,} of {discarded + n:,} simulated surveys could not carry the model and "
            "were drawn anew.",
            "The priors expect surveys that nobody would analyse: see what they imply."
            if most
            else "",
        )
    ]
