"""Whether enough data sets were imputed, and how much rests on the imputation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import arviz_stats as azs
import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.worst import extreme
from bayes_coprod.finding import Finding, Status
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.completed import read_imputed
from bayes_coprod.survey.coverage import DRIVER_MISSING_FAIL
from bayes_coprod.survey.read import Imputed

INTERVAL_CHANGE = 0.10
"""By how much an interval's width may change if all was imputed again, as a share (SD). Reports
print intervals to about a tenth of their width; and the largest of hundreds of fractions, each
from `m` means, overstates what is missing, so less would ask for data sets in vain."""
MOSTLY_IMPUTED = 0.5
"""Beyond it the imputation model says more about a quantity than the data do."""
_ROUNDING = 1e-24
"""Variance of what is constant but for the rounding of its sums."""


def check_imputation(fit: Fit) -> list[Finding]:
    r"""Check what was filled in, and the spread between the completed data sets.

    Parameters
    ----------
    fit : Fit
        Of several completed data sets, or of one; any other has no such findings.

    Returns
    -------
    list of Finding
        ``imputed drivers``, where the survey says which they are: the share that was filled in
        (``warn`` above 20 % of citizens, or above a half of a country's). ``imputation``, on the
        quantity with the largest fraction of missing information: it warns where an interval's
        width would change by more than a tenth if all was imputed again, by the quadratic rule
        :math:`m \ge 1 + \tfrac12 (\lambda / 0.1)^2` [1]_, and fails beyond a half [2]_. One
        completed data set by itself knows no spread: ``unknown``.

    References
    ----------
    .. [1] von Hippel (2020), How many imputations do you need? A two-stage calculation using a
       quadratic rule, Sociological Methods & Research 49(3), 699-718.
    .. [2] van Buuren (2018), Flexible Imputation of Missing Data, 2nd ed., section 2.3.5.
    """
    parts = fit.parts
    # a fit may be nothing but draws
    imputed = {} if fit.design is None else read_imputed(fit.design)
    found = [_check_shares(imputed)] if imputed else []
    if len(parts) > 1:
        return [*found, _check_spread([part.posterior for part in parts])]
    if imputed:
        found.append(
            _unknown(
                "",
                "One completed data set by itself: intervals take what was filled in for answers.",
                "Fit all that impute(survey) returned at once: fit_model(model, [...]).",
            )
        )
    return found


def _check_shares(imputed: Mapping[str, Imputed]) -> Finding:
    """Judge the driver that was filled in most, among all citizens or in a country."""
    most_first = sorted(imputed.items(), key=lambda each: -each[1].share)
    name, most = most_first[0]
    where, value, limit = name, most.share, DRIVER_MISSING_FAIL
    in_country, there = max(most_first, key=lambda each: each[1].share_there)
    if value <= limit and there.share_there > MOSTLY_IMPUTED:
        where, value, limit = f"{in_country}, {there.country}", there.share_there, MOSTLY_IMPUTED
    said = ", ".join(
        f"{driver} {of.share:.1%} (in {of.country} {of.share_there:.1%})"
        for driver, of in most_first
    )
    much = value > limit
    return Finding(
        "imputed drivers",
        "warn" if much else "pass",
        where,
        value,
        limit,
        f"Values were filled in for these shares of citizens, with the country where most: {said}.",
        "Fit the complete cases too, and report both." if much else "",
    )


def _check_spread(posteriors: Sequence[xr.Dataset]) -> Finding:
    """Judge the quantity of which the completed data sets leave most open."""
    m = len(posteriors)
    fraction, where = extreme(missing_information(posteriors), largest=True)
    if not np.isfinite(fraction):
        return _unknown(
            where,
            "The spread between the completed data sets could not be computed: draws there are "
            "too few or not finite.",
            "Look at these draws; sample more.",
        )
    limit = min(INTERVAL_CHANGE * float(np.sqrt(2 * (m - 1))), MOSTLY_IMPUTED)
    status: Status = "pass"
    judged, remedy = f"; {m} completed data sets are enough to measure that", ""
    if fraction > MOSTLY_IMPUTED:
        status, judged = "fail", ", so that the imputation says more of it than the data do"
        remedy = (
            "Leave out the driver that was filled in most, or fit the complete cases and report "
            "both."
        )
    elif fraction > limit:
        status = "warn"
        judged = f"; {m} completed data sets are not enough to measure that, so intervals are rough"
        needed = int(np.ceil(1 + (fraction / INTERVAL_CHANGE) ** 2 / 2))
        remedy = f"Impute with m={needed} or more, and fit them all."
    return Finding(
        "imputation",
        status,
        where,
        fraction,
        limit,
        f"What was left unanswered costs at most {fraction:.0%} of the information on any quantity"
        f"{judged}.",
        remedy,
    )


def _unknown(where: str, message: str, remedy: str) -> Finding:
    return Finding("imputation", "unknown", where, None, None, message, remedy)


def missing_information(posteriors: Sequence[xr.Dataset]) -> xr.Dataset:
    r"""Fraction of missing information of each quantity, by Rubin's rules.

    .. math:: \lambda = \frac{(1 + 1/m) B}{W + (1 + 1/m) B}

    with W the mean of the m posterior variances, and B the variance of the m posterior means less
    what their Monte Carlo error adds to it.

    Parameters
    ----------
    posteriors : sequence of xarray.Dataset
        Of each completed data set, dims (chain, draw, ...).

    Returns
    -------
    xarray.Dataset
        dims (...), from 0 to 1; 0 of what is constant, NaN of what could not be computed.

    References
    ----------
    .. [1] Rubin (1987), Multiple Imputation for Nonresponse in Surveys, section 3.3.
    """
    draws, m = (names.CHAIN, names.DRAW), len(posteriors)

    def stack(of_parts: list[xr.Dataset]) -> xr.Dataset:
        return xr.concat(of_parts, dim=names.IMPUTATION, join="exact", data_vars="all")

    mean = stack([posterior.mean(draws, skipna=False) for posterior in posteriors])
    variance = stack([posterior.var(draws, ddof=1, skipna=False) for posterior in posteriors])
    size = stack([azs.ess(posterior, method="mean") for posterior in posteriors])
    error = variance / size
    within = variance.mean(names.IMPUTATION, skipna=False)
    between = mean.var(names.IMPUTATION, ddof=1, skipna=False) - error.mean(
        names.IMPUTATION, skipna=False
    )
    extra = (1 + 1 / m) * between.clip(min=0.0)
    total = within + extra
    # `where` keeps NaN: it is not below anything
    return (extra / total.where(total != 0, 1.0)).where(~(total <= _ROUNDING), 0.0)
