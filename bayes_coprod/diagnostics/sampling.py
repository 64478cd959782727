"""Whether the sampler did its work."""

from __future__ import annotations

from collections.abc import Sequence

import arviz_stats as azs
import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.imputation import check_imputation
from bayes_coprod.diagnostics.items import check_items, check_pilot, check_shifts
from bayes_coprod.diagnostics.worst import extreme, in_worst_part
from bayes_coprod.finding import Finding, Findings, Status
from bayes_coprod.inference.fit import Fit, check_is_fit

R_HAT_PASS, R_HAT_FAIL = 1.01, 1.05
ESS_PASS, ESS_FAIL = 100, 50
"""Effective draws per chain."""
DIVERGENT_FAIL = 0.001
E_BFMI_PASS, E_BFMI_FAIL = 0.3, 0.2
LEAST_CHAINS = 4
_ROUNDING = 1e-12


def check_fit(fit: Fit) -> Findings:
    """Check whether a fit's draws may be believed.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    Findings
        Rank-normalised split R-hat, bulk and tail effective sample size of the worst quantity,
        divergences, and E-BFMI of the worst chain. R-hat is ``unknown`` with fewer than four
        chains. Of ``items`` besides the integral over citizens, the pilot, shifts of an item's
        thresholds in a country that stand in the way of comparing, and forms with one item; of
        ``ordinal`` shifts of single thresholds, and a pilot that failed. Of
        several completed data sets all this is judged within each, and the worst is named, but for
        divergences, which are counted over all; the spread between them has a finding of its own.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Rank-normalization, folding, and
       localization: An improved R-hat, Bayesian Analysis 16(2), 667-718.
    """
    check_is_fit(fit, "check_fit")
    pilot = fit.parts[0].pilot
    of_model = check_shifts(fit) if "threshold_shift" in fit.posterior else []
    if pilot is not None and pilot.nodes is not None:
        of_model = check_items(fit)
    elif any(part.pilot is not None and part.pilot.problem for part in fit.parts):
        of_model = [in_worst_part(fit, check_pilot), *of_model]
    return Findings(
        [
            in_worst_part(fit, lambda part: _check_r_hat(part.posterior)),
            in_worst_part(fit, lambda part: _check_ess(part.posterior, "bulk"), largest=False),
            in_worst_part(fit, lambda part: _check_ess(part.posterior, "tail"), largest=False),
            _check_divergences([_stats(part) for part in fit.parts]),
            in_worst_part(fit, lambda part: _check_energy(_stats(part)), largest=False),
            *check_imputation(fit),
            *of_model,
        ]
    )


def _stats(fit: Fit) -> xr.Dataset:
    return fit.tree["sample_stats"].to_dataset()


_MORE_DRAWS = "Sample more draws; if that does not help, the data say too little for this model."


def _check_r_hat(posterior: xr.Dataset) -> Finding:
    if posterior.sizes[names.CHAIN] < LEAST_CHAINS:
        return Finding(
            "R-hat",
            "unknown",
            "",
            None,
            R_HAT_PASS,
            f"It takes {LEAST_CHAINS} chains to tell; there are {posterior.sizes[names.CHAIN]}.",
            f"Fit with chains={LEAST_CHAINS} or more.",
        )
    with np.errstate(invalid="ignore"):  # of what is constant
        r_hat = azs.rhat(posterior)
    value, where = extreme(sampled(r_hat, posterior, -np.inf), largest=True)
    status = _status(value, R_HAT_PASS, R_HAT_FAIL)
    if status == "unknown":
        return _not_measured("R-hat", where, R_HAT_PASS)
    return Finding(
        "R-hat",
        status,
        where,
        value,
        R_HAT_PASS,
        f"The largest is {value:.3f}; the chains "
        + {
            "pass": "agree.",
            "warn": "agree only roughly.",
            "fail": "disagree.",
        }[status],
        "" if status == "pass" else _MORE_DRAWS,
    )


def _check_ess(posterior: xr.Dataset, method: str) -> Finding:
    chains = posterior.sizes[names.CHAIN]
    sizes = sampled(azs.ess(posterior, method=method), posterior, np.inf)
    value, where = extreme(sizes, largest=False)
    status = _status(-value, -ESS_PASS * chains, -ESS_FAIL * chains)
    if status == "unknown":
        return _not_measured(f"{method} ESS", where, float(ESS_PASS * chains))
    about = {"bulk": "averages", "tail": "interval bounds"}[method]
    return Finding(
        f"{method} ESS",
        status,
        where,
        value,
        float(ESS_PASS * chains),
        f"The smallest effective sample size for {about} is {value:,.0f}.",
        "" if status == "pass" else _MORE_DRAWS,
    )


def _check_divergences(parts: Sequence[xr.Dataset]) -> Finding:
    """Count over all data sets; those with divergences are named where there are several."""
    counts = [int(stats["diverging"].sum()) for stats in parts]
    count, n_draws = sum(counts), sum(stats["diverging"].size for stats in parts)
    where = [f"data set {k}" for k, n in enumerate(counts, start=1) if n and len(parts) > 1]
    return Finding(
        "divergences",
        _status(count / n_draws, 0.0, DIVERGENT_FAIL),
        ", ".join(where),
        float(count),
        0.0,
        f"{count:,} of {n_draws:,} draws diverged.",
        ""
        if count == 0
        else "Look for a scale or a country that the data leave open; drop drivers or pool more.",
    )


def _check_energy(stats: xr.Dataset) -> Finding:
    per_chain = np.atleast_1d(np.asarray(azs.bfmi(stats)["energy"].values, dtype=float))
    value = float(per_chain.min())
    status = _status(-value, -E_BFMI_PASS, -E_BFMI_FAIL)
    if status == "unknown":
        return _not_measured("E-BFMI", f"chain {int(per_chain.argmin())}", E_BFMI_PASS)
    return Finding(
        "E-BFMI",
        status,
        f"chain {int(per_chain.argmin())}",
        value,
        E_BFMI_PASS,
        f"The smallest is {value:.2f}; the sampler "
        + ("moves freely." if status == "pass" else "crosses the posterior slowly."),
        "" if status == "pass" else _MORE_DRAWS,
    )


def _not_measured(check: str, where: str, limit: float) -> Finding:
    return Finding(
        check,
        "unknown",
        where,
        None,
        limit,
        "It could not be computed: the draws there are constant or not finite.",
        "Look at these draws; fit again with another random_seed.",
    )


def _status(value: float, passes: float, fails: float) -> Status:
    """Judge a value that is better the smaller it is."""
    if not np.isfinite(value):
        return "unknown"
    if value <= passes:
        return "pass"
    return "fail" if value > fails else "warn"


def sampled(statistic: xr.Dataset, posterior: xr.Dataset, neutral: float) -> xr.Dataset:
    """Neutralise what is constant because the model says so, such as a shift in a one-item form.

    These are exactly 0, or an SD or a discrimination that is 1 by convention; a sampler that is
    stuck elsewhere has constants too, but not these.
    """
    kept = statistic.copy()
    for name, stated in (("b_intercept", 0.0), ("shift", 0.0), ("sigma", 1.0), ("lambda", 1.0)):
        if name in posterior:
            away = abs(posterior[name] - stated).max((names.CHAIN, names.DRAW))
            kept[name] = statistic[name].where(away > _ROUNDING, neutral)
    return kept
