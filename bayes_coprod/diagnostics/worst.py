"""What stands worst: of all quantities of a posterior, and of the parts of a pooled fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.finding import Finding, Findings
from bayes_coprod.inference.fit import Fit


def extreme(statistic: xr.Dataset, *, largest: bool) -> tuple[float, str]:
    """Extreme value over all quantities, and its name with labels; NaN beats every number."""
    worst, where = (-np.inf if largest else np.inf), ""
    for name, values in statistic.data_vars.items():
        flat = values.values.ravel()
        if np.isnan(flat).any():
            position = int(np.isnan(flat).argmax())
        else:
            position = int(flat.argmax() if largest else flat.argmin())
        value = float(flat[position])
        beats = value > worst if largest else value < worst
        if np.isnan(value) or beats:
            at = np.unravel_index(position, values.shape)
            labels = (values[dim].values[i] for dim, i in zip(values.dims, at, strict=True))
            worst, where = value, names.quantity_label(name, labels)
        if np.isnan(value):
            break
    return worst, where


def in_worst_part(fit: Fit, check: Callable[[Fit], Finding], *, largest: bool = True) -> Finding:
    """Check each part of a pooled fit, and keep the worst finding, which names the data set.

    Chains of different data sets have different posteriors, so they cannot be judged together.

    Parameters
    ----------
    fit : Fit
        An ordinary one is its only part, and its finding stays as it is.
    check : callable
        Takes a fit to one data set.
    largest : bool
        Whether of two findings with the same status the one with the larger value is worse.

    Returns
    -------
    Finding
    """
    found = [check(part) for part in fit.parts]
    if len(found) == 1:
        return found[0]
    named = [
        replace(finding, where=", ".join(filter(None, (f"data set {k}", finding.where))))
        if finding.where or finding.status != "pass"
        else finding
        for k, finding in enumerate(found, start=1)
    ]
    sign = -1 if largest else 1
    named.sort(key=lambda finding: sign * (0.0 if finding.value is None else finding.value))
    return Findings(named).by_severity()[0]
