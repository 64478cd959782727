"""Whether the sampler did its work."""

from __future__ import annotations

from collections.abc import Sequence

import arviz_stats as azs
import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.worst import extreme, in_worst_part
from bayes_coprod.finding import Finding, Status
from bayes_coprod.inference.fit import Fit
from bayes_coprod.wording import listed

R_HAT_PASS, R_HAT_FAIL = 1.01, 1.05
ESS_PASS, ESS_FAIL = 100, 50
"""Effective draws per chain."""
DIVERGENT_FAIL = 0.001
E_BFMI_PASS, E_BFMI_FAIL = 0.3, 0.2
LEAST_CHAINS = 4
CLUSTERED = 4.0
"""Standard errors between divergent draws and all, beyond which they lie together."""
_NAMED = 3
_ROUNDING = 1e-12


def check_sampling(fit: Fit) -> list[Finding]:
    """Check the chains: R-hat, effective sample sizes, divergences, energy.

    Parameters
    ----------
    fit : Fit
        Of several completed data sets the worst is named, but for divergences, which are counted
        over all.

    Returns
    -------
    list of Finding
    """
    return [
        in_worst_part(fit, lambda part: _check_r_hat(part.posterior)),
        in_worst_part(fit, lambda part: _check_ess(part.posterior, "bulk"), largest=False),
        in_worst_part(fit, lambda part: _check_ess(part.posterior, "tail"), largest=False),
        _check_divergences(fit.parts),
        in_worst_part(fit, _check_energy, largest=False),
    ]


def _has(fit: Fit, statistic: str) -> bool:
    """Whether the sampler's statistics are there: of a fit from elsewhere they may not be."""
    return "sample_stats" in fit.tree.children and statistic in fit.tree["sample_stats"].data_vars


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
    sample = (names.CHAIN, names.DRAW)
    # of what never moves it would be the number of draws
    moves = posterior.max(sample, skipna=False) > posterior.min(sample, skipna=False)
    sizes = sampled(azs.ess(posterior, method=method).where(moves), posterior, np.inf)
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


def _check_divergences(parts: Sequence[Fit]) -> Finding:
    """Count over all data sets, and say where they cluster."""
    if not all(_has(part, "diverging") for part in parts):
        return _not_kept("divergences", 0.0)
    diverging = [part.tree["sample_stats"].to_dataset()["diverging"].values for part in parts]
    counts = [int(of_part.sum()) for of_part in diverging]
    count, n_draws = sum(counts), sum(of_part.size for of_part in diverging)
    sets = [f"data set {k}" for k, n in enumerate(counts, start=1) if n and len(parts) > 1]
    places = _clusters(parts, diverging) if count else []
    return Finding(
        "divergences",
        _status(count / n_draws, 0.0, DIVERGENT_FAIL),
        ", ".join(sets),
        float(count),
        0.0,
        f"{count:,} of {n_draws:,} draws diverged"
        + (f", mostly at {listed(places)}." if places else "."),
        ""
        if count == 0
        else "Look for a scale or a country that the data leave open; drop drivers or pool more.",
    )


def _clusters(parts: Sequence[Fit], diverging: Sequence[np.ndarray]) -> list[str]:
    """Name the parameters that are far from their mean where draws diverge, farthest first."""
    rows = np.concatenate([of_part.ravel() for of_part in diverging])
    found = []
    for name, values in parts[0].posterior.data_vars.items():
        flat = np.concatenate(
            [
                part.posterior[name].values.reshape(of_part.size, -1)
                for part, of_part in zip(parts, diverging, strict=True)
            ]
        )
        with np.errstate(invalid="ignore", divide="ignore"):  # of what is constant
            away = (flat[rows].mean(0) - flat.mean(0)) / flat.std(0)
        z = away * np.sqrt(rows.sum())
        for i in np.flatnonzero(np.isfinite(z) & (abs(z) > CLUSTERED) & (abs(away) > 1)):
            at = np.unravel_index(i, values.shape[2:])
            labels = (values[d].values[j] for d, j in zip(values.dims[2:], at, strict=True))
            label = names.quantity_label(name, labels)
            found.append((abs(away[i]), f"{'large' if away[i] > 0 else 'small'} {label}"))
    return [label for _, label in sorted(found, reverse=True)[:_NAMED]]


def _check_energy(fit: Fit) -> Finding:
    if not _has(fit, "energy"):
        return _not_kept("E-BFMI", E_BFMI_PASS)
    stats = fit.tree["sample_stats"].to_dataset()
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


def _not_kept(check: str, limit: float) -> Finding:
    return Finding(
        check,
        "unknown",
        "",
        None,
        limit,
        "The fit does not hold the sampler's statistics.",
        "Fit with fit_model, which keeps them.",
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
            kept[name] = statistic[name].where(~(away <= _ROUNDING), neutral)
    return kept
