"""What has to hold for a fit of ``items`` besides the sampler's work."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.worst import in_worst_part
from bayes_coprod.finding import Finding, Status
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.build import compile_citizen_log_likelihood
from bayes_coprod.model.item_layout import item_layout
from bayes_coprod.model.items import integrand_at, make_integral
from bayes_coprod.model.quadrature import finer

QUADRATURE_PASS, QUADRATURE_FAIL = 0.01, 0.1
"""Error of the log density of all citizens together."""
TOO_NARROW, MOSTLY_TOO_NARROW = 0.01, 0.5
"""Share of draws whose deviations are narrower than nodes resolve: it bounds no interval, or it
makes up the result."""
SHIFT_LIMIT, SHIFT_PROBABILITY = 0.5, 0.9
"""A shift of thresholds, in logits, that is reported if it is exceeded with this probability."""
FEWEST_DRAWS = 50
_NAMED = 5


def check_items(fit: Fit) -> list[Finding]:
    """Check the integral over citizens, the pilot, and whether items compare between countries.

    Parameters
    ----------
    fit : Fit
        Of an ``items`` model.

    Returns
    -------
    list of Finding
    """
    return [
        in_worst_part(fit, _check_quadrature),
        in_worst_part(fit, check_deviations),
        in_worst_part(fit, check_pilot),
        *check_shifts(fit),
        *_check_forms(fit),
    ]


def _check_quadrature(fit: Fit) -> Finding:
    """Compare with nodes twice as close and twice as wide where the integral is hardest."""
    assert fit.pilot is not None and fit.pilot.nodes is not None
    nodes, posterior = fit.pilot.nodes, fit.posterior
    flat = {
        str(name): values.values.reshape(-1, *values.shape[2:])
        for name, values in posterior.data_vars.items()
    }
    hardest = [*flat["sigma"].argmin(axis=0), *flat["sigma"].argmax(axis=0)]
    if "rho" in flat:
        hardest.append(abs(flat["rho"][:, 0]).argmax())
    if "lambda" in flat:
        hardest += [*flat["lambda"].argmax(axis=0)]
    own_rule = compile_citizen_log_likelihood(fit.spec, fit.design, posterior, fit.pilot)
    reference, layout = make_integral(fit.design, finer(nodes, 2)), item_layout(fit.design)
    errors = []
    for i in {int(i) for i in hardest}:
        draw = {name: values[i] for name, values in flat.items()}
        exact = reference.log_likelihood(*integrand_at(layout, draw, nodes)).sum()
        errors.append(abs(float(own_rule(draw).sum() - exact)))
    error = float(np.max(errors))
    if not np.isfinite(error):
        status: Status = "unknown"
    elif error < QUADRATURE_PASS:
        status = "pass"
    else:
        status = "fail" if error > QUADRATURE_FAIL else "warn"
    rule = "one grid" if nodes.is_grid else "each citizen's own"
    other = 'with quadrature = "dense" under [sampler]' if nodes.is_grid else "with fewer items"
    return Finding(
        "quadrature",
        status,
        "",
        error if np.isfinite(error) else None,
        QUADRATURE_PASS,
        f"The integral over citizens ({rule}, {' x '.join(map(str, nodes.n_nodes))} nodes) errs by "
        f"{error:.1e} in the log density.",
        "" if status == "pass" else f"Fit again {other}.",
    )


def check_deviations(fit: Fit) -> Finding:
    """How often citizens' deviations are so narrow that they count as wider ones."""
    assert fit.pilot is not None and fit.pilot.nodes is not None
    posterior, least_sd = fit.posterior, fit.pilot.nodes.least_sd
    two = "rho" in posterior
    rho = abs(posterior["rho"].squeeze(names.PAIR, drop=True)) if two else 0.0
    rho_allows = np.minimum(1.0, (2 * (1 - rho)) ** 0.5)
    narrow = posterior["sigma"] * rho_allows < xr.DataArray(least_sd, dims=names.FORM)
    share = narrow.mean((names.CHAIN, names.DRAW))
    if not np.isfinite(posterior["sigma"]).all() or not np.isfinite(rho).all():
        return _not_finite("deviations", "sigma or rho", TOO_NARROW)
    where = str(share.idxmax(names.FORM).item())
    largest = float(share.max())
    width = float(least_sd[list(posterior[names.FORM].values).index(where)])
    status: Status = "pass"
    if largest > TOO_NARROW:
        status = "fail" if largest > MOSTLY_TOO_NARROW else "warn"
    return Finding(
        "deviations",
        status,
        where,
        largest,
        TOO_NARROW,
        f"Citizens{', and their two propensities,' if two else ''} differ by more than the "
        f"integral resolves, {width:.2g} logits (SD), in {100 * (1 - largest):.4g} % of the draws.",
        ""
        if status == "pass"
        else "The data leave open whether citizens differ at all beyond country and drivers"
        + (
            ", or whether their two propensities are one. Do not read the lower end of the SDs or "
            "the upper end of the correlation. Fit the forms as one, or leave"
            if two
            else ". Do not read the lower end of their SD. Leave"
        )
        + " out items that hardly anybody does.",
    )


def _not_finite(check: str, where: str, limit: float) -> Finding:
    message = "Draws are not finite."
    return Finding(
        check, "unknown", where, None, limit, message, "Fit again with another random_seed."
    )


def check_pilot(fit: Fit) -> Finding:
    """Say whether the pilot found where the posterior lies."""
    assert fit.pilot is not None
    problem = fit.pilot.problem
    return Finding(
        "pilot",
        "warn" if problem else "pass",
        "",
        None,
        None,
        problem or "The pilot found where the posterior lies.",
        "The fit is as valid as its other checks say, but slow: look for items or drivers that "
        "hardly vary, and leave them out."
        if problem
        else "",
    )


def check_shifts(fit: Fit) -> list[Finding]:
    """Name the items, or the thresholds of one, that work differently in a country.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    list of Finding
        None where thresholds are the same in all countries.
    """
    name = "threshold_shift" if "threshold_shift" in fit.posterior else "shift"
    if name not in fit.posterior:
        return []
    shift = fit.posterior[name]
    if shift.sizes[names.CHAIN] * shift.sizes[names.DRAW] < FEWEST_DRAWS:
        return [
            Finding(
                "comparability",
                "unknown",
                "",
                None,
                SHIFT_PROBABILITY,
                f"It takes {FEWEST_DRAWS} draws to tell.",
                "Sample more draws.",
            )
        ]
    if not np.isfinite(shift).all():
        return [_not_finite("comparability", name, SHIFT_PROBABILITY)]
    of_items = name == "shift"
    what = "item x country thresholds" if of_items else "thresholds of countries"
    rest = "rarer there than the form's other items" if of_items else "above the item's others"
    remedy = (
        "Compare countries by form rather than by these items"
        if of_items
        else "Compare shares of single categories with care"
    )
    draws = (names.CHAIN, names.DRAW)
    beyond = (abs(shift) > SHIFT_LIMIT).mean(draws).values  # (country, item)
    mean = shift.mean(draws).values
    found = np.argwhere(beyond > SHIFT_PROBABILITY)
    found = found[np.argsort(-abs(mean[tuple(found.T)]))]
    likeliest = float(beyond.max())
    if not len(found):
        return [
            Finding(
                "comparability",
                "pass",
                "",
                likeliest,
                SHIFT_PROBABILITY,
                "No thresholds are shifted in a country by more than "
                f"{SHIFT_LIMIT} logits with probability above {SHIFT_PROBABILITY}.",
            )
        ]
    countries, items = shift[names.COUNTRY].values, shift[shift.dims[-1]].values
    named = [f"{items[k]} in {countries[c]} ({mean[c, k]:+.1f})" for c, k in found[:_NAMED]]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return [
        Finding(
            "comparability",
            "warn",
            "; ".join(named) + more,
            likeliest,
            SHIFT_PROBABILITY,
            f"{len(found)} of {beyond.size} {what} are shifted by more than {SHIFT_LIMIT} logits "
            f"with probability above {SHIFT_PROBABILITY} (shift above 0: {rest}).",
            f"{remedy}; check wording and coding there.",
        )
    ]


def _check_forms(fit: Fit) -> list[Finding]:
    """Say what is a convention where a form has one item."""
    counts = np.bincount(fit.design["item_form"].values)
    return [
        Finding(
            "one item",
            "warn",
            str(fit.design[names.FORM].values[f]),
            1.0,
            2.0,
            "The form has one item: its citizens' SD is 1 by convention, and shifts of its "
            "thresholds cannot be told from countries' levels.",
            "Quote points and shares of this form, not logits.",
        )
        for f in np.flatnonzero(counts == 1)
    ]
