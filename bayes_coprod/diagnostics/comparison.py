"""Which model predicts citizens better, where the data are the same."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor

import arviz_stats as azs
import numpy as np
import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.influence import citizen_loo
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.model.coding import chosen_drivers

LEAST_DIFFERENCE = 4.0
FEWEST_CITIZENS = 100

_EXPLAINS = {
    "index": "the index of each citizen, a density in points",
    "items": "the answers to items, a probability",
    "ordinal": "the answers to items, a probability",
    "participation": "whether citizens take part, a probability",
}


def compare_models(
    fits: Mapping[str, Fit],
    *,
    refits: int = 0,
    executor: Executor | None = None,
    progressbar: bool = True,
) -> pd.DataFrame:
    """Compare how well models predict each citizen's answers from those of all others.

    Parameters
    ----------
    fits : mapping of str to Fit
        Two or more, each under the name that the table gives it; of the same answers of the same
        citizens. Drivers, pooling and priors may differ.
    refits, executor, progressbar
        As for :func:`citizen_loo`.

    Returns
    -------
    pandas.DataFrame
        As ``arviz_stats.compare``, best first, numbers not rounded: differences in expected log
        predictive density with their standard errors, and stacking weights; besides, a column
        ``note``, which says "read with care" where a difference is below 4, there are fewer than
        100 citizens, or a Pareto k is too large.

    Raises
    ------
    SpecError
        If there are fewer than two fits; if they do not explain the same answers of the same
        citizens, which says which differ and how; or if a log likelihood is not finite.

    References
    ----------
    .. [1] Sivula, Magnusson, Matamoros & Vehtari (2025), Uncertainty in Bayesian leave-one-out
       cross-validation based model comparison, Bayesian Analysis.
    .. [2] Yao, Vehtari, Simpson & Gelman (2018), Using stacking to average Bayesian predictive
       distributions, Bayesian Analysis 13(3), 917-1007.
    """
    if not isinstance(fits, Mapping) or len(fits) < 2:
        raise make_error(
            SpecError,
            "compare_models",
            "takes two fits or more, each under a name",
            remedy="compare_models({'all': fit, 'few drivers': other}).",
        )
    for fit in fits.values():
        check_is_fit(fit, "compare_models")
    (name, first), *others = fits.items()
    for other_name, other in others:
        _check_same(name, first, other_name, other)
    loos = {
        label: citizen_loo(fit, refits=refits, executor=executor, progressbar=progressbar)
        for label, fit in fits.items()
    }
    for label, loo in loos.items():
        n = int(loo.elpd_i.isnull().sum())
        if n:
            raise make_error(
                SpecError,
                "compare_models",
                f"the log likelihood of {n:,} citizens in {label!r} is not finite, or the same at "
                "all draws",
                remedy="check_influence(fit) names one.",
            )
    table = azs.compare(loos, round_to="none")
    return table.assign(
        note=[_note(row, len(first.design[names.CITIZEN])) for _, row in table.iterrows()]
    )


def _note(row: pd.Series, n: int) -> str:
    reasons = []
    if n < FEWEST_CITIZENS:
        reasons.append(f"fewer than {FEWEST_CITIZENS} citizens")
    if row["rank"] > 0 and abs(row["elpd_diff"]) < LEAST_DIFFERENCE:
        reasons.append(f"a difference below {LEAST_DIFFERENCE:g}")
    if row["diag_elpd"]:
        reasons.append("Pareto k too large")
    return f"read with care: {', '.join(reasons)}" if reasons else ""


def _check_same(name: str, fit: Fit, other_name: str, other: Fit) -> None:
    """Refuse fits that do not explain the same, naming the first difference."""
    difference = _difference(fit, other)
    if difference:
        problem, remedy = difference
        raise make_error(
            SpecError,
            "compare_models",
            f"{name!r} and {other_name!r} cannot be compared: {problem}",
            remedy=remedy,
        )


def _difference(fit: Fit, other: Fit) -> tuple[str, str] | None:
    what, other_what = (_EXPLAINS[f.spec.likelihood] for f in (fit, other))
    if what != other_what:
        return (
            f"the one explains {what}, the other {other_what}",
            "Their densities have other units; compare what they say with the data instead.",
        )
    ours, theirs = (_outcomes(f.design) for f in (fit, other))
    dim = ours.dims[1]
    labels, other_labels = ([str(v) for v in y[y.dims[1]].values] for y in (ours, theirs))
    if labels != other_labels:
        return (
            f"the one explains {', '.join(labels)}, the other {', '.join(other_labels)}",
            "Give both the same forms, sectors, outcomes and item.",
        )
    citizens, other_citizens = (f.design[names.CITIZEN].to_index() for f in (fit, other))
    only, other_only = citizens.difference(other_citizens), other_citizens.difference(citizens)
    if len(only) or len(other_only):
        return (
            f"the first has {len(only):,} citizens that the second lacks, and the second "
            f"{len(other_only):,} that the first lacks",
            _same_citizens(fit, other),
        )
    if not citizens.equals(other_citizens):
        return "the citizens stand in another order", "Fit both to the same survey."
    if not np.allclose(ours.values, theirs.values, equal_nan=True):
        differs = ~np.isclose(ours.values, theirs.values, equal_nan=True)
        where = labels[int(differs.any(axis=0).argmax())]
        return (
            f"{_counted(int(differs.any(axis=1).sum()))} other answers, in {dim} {where!r}",
            "Fit both to the same survey.",
        )
    return None


def _same_citizens(*fits: Fit) -> str:
    """How both models get the same citizens."""
    ours, theirs = (
        {driver.name for driver in chosen_drivers(fit.design, fit.codebook.drivers)} for fit in fits
    )
    if ours == theirs:
        return "Fit both to the same survey."
    wanted = [d.name for d in fits[0].codebook.drivers if d.name in ours | theirs]
    return (
        "Citizens without one of a model's drivers are left out: fit both to "
        f"keep_complete(survey, {wanted}), or fill in what is missing with impute."
    )


def _counted(n: int) -> str:
    return f"{n:,} citizen{'s have' if n > 1 else ' has'}"


def _outcomes(design: xr.Dataset) -> xr.DataArray:
    """What a model explains, in the survey's units, (citizen, outcome)."""
    if "answer" in design:
        return design["answer"]
    y = design["y"]
    if "outcome_sd" in design:
        y = y * design["outcome_sd"] + design["outcome_mean"]
    return y
