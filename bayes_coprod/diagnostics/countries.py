"""Which conclusion depends on which country, and which country the others do not foresee."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import norm

from bayes_coprod import names
from bayes_coprod.diagnostics.conclusions import CONCLUSION
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.finding import Finding, Findings, Status
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.outcomes import outcome_dim

SHIFT_ALARM = 0.01
LEVEL_ALARM = 0.05
"""Probability that a check warns of any shift, of any level, though nothing is wrong."""
FEWEST_DRAWS = 250
"""Of each chain."""


def check_countries(left_out: xr.Dataset) -> Findings:
    r"""Check which conclusion hangs on a single country, and which country is unlike the others.

    Parameters
    ----------
    left_out : xarray.Dataset
        What :func:`leave_one_country_out` returned.

    Returns
    -------
    Findings
        Each conclusion that moves by more than the loss of one country's data explains; each level
        of a country that lies where the others do not expect it; and as ``unknown`` each country
        that could not be left out, with the reason.

    Raises
    ------
    SpecError
        If it is given anything else.

    Notes
    -----
    Where countries do not differ, a mean over C of them moves without one by
    :math:`1 / \sqrt{C - 1}` posterior SDs on average [1]_. The limit is that times the normal
    quantile at which any of the countries and conclusions of a kind exceeds it with probability
    0.01. Conclusions beyond it are about these countries: they hold for others only as far as
    those resemble the ones that carry them.

    A level is held to the draws that the others predict for it, two-sided, at 0.05 over the number
    of levels.

    References
    ----------
    .. [1] Hausman (1978), Specification tests in econometrics, Econometrica 46(6), 1251-1271: the
       variance of a difference from the efficient estimate is the difference of the variances.
    """
    check_left_out(left_out, "check_countries")
    reasons = left_out["reason"]
    done = left_out_countries(left_out)
    missing = [
        Finding(
            "left-out country",
            "unknown",
            str(reason[names.COUNTRY].item()),
            None,
            None,
            f"It could not be left out: without it there is {reason.item()}.",
            "What is said of these rests on this country alone.",
        )
        for reason in reasons
        if reason.item()
    ]
    kinds = _kinds(done)
    moved = [
        f for kind in dict.fromkeys(kinds) for f in _check_kind(done, kinds == kind, str(kind))
    ]
    return Findings([*missing, *moved, *_check_levels(done)])


def draws_to_judge(fit: Fit) -> int:
    """Draws of each chain by which levels of this fit can be told from what others expect."""
    n_levels = len(fit.countries) * fit.design.sizes[outcome_dim(fit.spec)]
    chains = fit.posterior.sizes[names.CHAIN]
    # two tails, and as many draws again: the limit is no single draw
    return max(FEWEST_DRAWS, int(np.ceil(4 * n_levels / (LEVEL_ALARM * chains))))


def check_left_out(left_out: object, place: str) -> None:
    """Refuse what is not from :func:`leave_one_country_out`."""
    if not isinstance(left_out, xr.Dataset) or not {"shift", "predicted"} <= set(left_out):
        raise make_error(
            SpecError,
            place,
            f"takes what leave_one_country_out returned, and this is a {type(left_out).__name__}",
            remedy=f"{place}(leave_one_country_out(fit)).",
        )


def left_out_countries(left_out: xr.Dataset) -> xr.Dataset:
    """Countries that could be left out."""
    return left_out.isel({names.COUNTRY: np.flatnonzero(left_out["reason"].values == "")})


def shift_limits(left_out: xr.Dataset) -> np.ndarray:
    """Shift of each conclusion that the loss of one country's data explains, (conclusion,)."""
    kinds, n_countries = _kinds(left_out), left_out.sizes[names.COUNTRY]
    n_alike = np.array([max((kinds == kind).sum() * n_countries, 1) for kind in kinds])
    # of the loss of data alone: sd = 1 / sqrt(C - 1)
    sd = 1 / np.sqrt(left_out.attrs["n_countries"] - 1)
    return np.asarray(norm.isf(SHIFT_ALARM / 2 / n_alike) * sd)


def _kinds(left_out: xr.Dataset) -> np.ndarray:
    """Kind of each conclusion, (conclusion,): level, gap or effect."""
    return np.array([str(label).split(":")[0] for label in left_out[CONCLUSION].values])


def _check_kind(left_out: xr.Dataset, which: np.ndarray, kind: str) -> list[Finding]:
    """Conclusions of one kind that move by more than the limit; else the one that moves most."""
    own = left_out.isel({CONCLUSION: which})
    size = abs(own["shift"])
    limit = float(shift_limits(own)[0])
    check = "one country's weight"
    if not size.size or size.isnull().any():
        return [Finding(check, "unknown", kind, None, limit, "It could not be measured.")]
    worst = size.max(names.COUNTRY)
    beyond = worst.values > limit
    if not beyond.any():
        (at,) = np.flatnonzero(worst.values == worst.values.max())[:1]
        return [_moved(own.isel({CONCLUSION: at}), "pass", limit)]
    return [_moved(own.isel({CONCLUSION: at}), "warn", limit) for at in np.flatnonzero(beyond)]


def _moved(one: xr.Dataset, status: Status, limit: float) -> Finding:
    """How far a conclusion moves without the country that moves it most."""
    there = one.isel({names.COUNTRY: int(abs(one["shift"]).values.argmax())})
    shift = float(there["shift"])
    country, label = str(there[names.COUNTRY].item()), str(one[CONCLUSION].item())
    before, after = float(one["with_all"].mean()), float(there["without"].mean())
    turned = "; its sign turns" if before * after < 0 else ""
    return Finding(
        "one country's weight",
        status,
        f"{label}, {country}",
        shift,
        limit,
        f"Without {country} {label!r} moves by {abs(shift):.1f} posterior SDs, from {before:.3g} "
        f"to {after:.3g} {one['units'].item()}{turned}.",
        f"Say that it rests on {country}, and report it without {country} as well."
        if status == "warn"
        else "",
    )


def _check_levels(left_out: xr.Dataset) -> list[Finding]:
    """Levels that the other countries do not expect; else the one that they expect least."""
    check = "predicted from the others"
    difference = left_out["level"] - left_out["predicted"]
    sample = (names.CHAIN, names.DRAW)
    n_draws = difference.sizes[names.CHAIN] * difference.sizes[names.DRAW]
    # the smaller tail of own minus predicted, never quite zero
    above = ((difference > 0).sum(sample) + 1) / (n_draws + 1)
    below = ((difference < 0).sum(sample) + 1) / (n_draws + 1)
    tail = above.where(above < below, below)
    p = np.minimum(2 * tail.values, 1.0).ravel()
    limit = LEVEL_ALARM / max(len(p), 1)
    if not len(p) or not np.isfinite(difference.values).all() or 2 / (n_draws + 1) > limit:
        message = f"{n_draws:,} draws are too few to tell for {len(p)} levels."
        remedy = "Give leave_one_country_out more draws."
        return [Finding(check, "unknown", "", None, limit, message, remedy)]
    found = np.flatnonzero(p < limit)
    status: Status = "warn" if len(found) else "pass"
    findings = []
    for i in found if len(found) else [int(p.argmin())]:
        at = np.unravel_index(i, tail.shape)
        labels = [str(tail[dim].values[j]) for dim, j in zip(tail.dims, at, strict=True)]
        one = left_out.isel(dict(zip(tail.dims, at, strict=True)))
        own, predicted = float(one["level"].mean()), one["predicted"]
        findings.append(
            Finding(
                check,
                status,
                ", ".join(reversed(labels)),
                float(p[i]),
                limit,
                f"The level of {labels[0]} is {own:.3g} {left_out['level'].attrs['units']}; the "
                f"others lead to expect {float(predicted.mean()):.3g} with a posterior SD of "
                f"{float(predicted.std()):.2g}.",
                "Ask what sets it apart: wording, sampling, or the country. Conclusions for "
                "countries that were not surveyed do not cover its like."
                if status == "warn"
                else "",
            )
        )
    return findings
