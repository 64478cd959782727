"""The only place that reduces over draws."""

from __future__ import annotations

from typing import Literal

import arviz_stats as azs
import numpy as np
import pandas as pd
import xarray as xr
from arviz_base import rcParams

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error

type IntervalKind = Literal["eti", "hdi"]

INTERVALS = {
    "eti": "equal-tailed credible interval",
    "hdi": "highest-density credible interval",
}
LEVELS = ("country_levels", "category_curves", "levels", "new_country", "pooled_levels")
"""Quantities that cannot be negative: that they exceed 0 says nothing."""
COLUMNS = ("mean", "median", "sd", "lower", "upper", "p_positive")


def interval_words(kind: str, prob: float) -> str:
    """Name an interval in words, such as ``89 % equal-tailed credible interval``."""
    return f"{100 * prob:.4g} % {INTERVALS[kind]}"


def interval_settings(prob: float | None, kind: IntervalKind | None) -> tuple[float, IntervalKind]:
    """Fill in ArviZ's defaults and refuse what is not an interval."""
    prob = float(rcParams["stats.ci_prob"]) if prob is None else prob
    kind = rcParams["stats.ci_kind"] if kind is None else kind
    if not 0 < prob < 1:
        raise make_error(
            SpecError,
            "interval",
            f"prob = {prob!r} is no probability",
            remedy="Give the mass of the interval, such as 0.89.",
        )
    if kind not in INTERVALS:
        raise make_error(
            SpecError,
            "interval",
            f"unknown kind {kind!r}",
            value=kind,
            available=INTERVALS,
        )
    return prob, kind


def summarise(
    draws: xr.DataArray | xr.Dataset,
    *,
    prob: float | None = None,
    kind: IntervalKind | None = None,
) -> pd.DataFrame:
    """Summarise a quantity's draws in a table.

    Parameters
    ----------
    draws : xarray.DataArray
        dims (chain, draw, ...), as every estimand has.
    prob : float, optional
        Mass of the interval; ArviZ's default (0.89) otherwise.
    kind : {"eti", "hdi"}, optional
        Equal-tailed or highest-density; ArviZ's default (eti) otherwise.

    Returns
    -------
    pandas.DataFrame
        One row for each label of the other dims. Columns mean, median, sd, lower and upper in the
        quantity's units, and p_positive, the probability that it exceeds 0; not of levels and
        curves, of which it says nothing, unless they are differences of such: below 0 in some
        draw, or without the label of a form, as between two of them.
        Kind and mass of the interval stand in the header and, with the units, in ``attrs``.

    Raises
    ------
    SpecError
        If `draws` is no quantity, lacks the dims chain and draw, or is infinite somewhere, as
        :func:`reach` is; or the interval is none.
    """
    prob, kind = interval_settings(prob, kind)
    if isinstance(draws, xr.Dataset):
        raise make_error(
            SpecError,
            "summarise",
            "a Dataset holds several quantities",
            available=draws.data_vars,
            remedy=f"Choose one, such as effects[{next(iter(draws.data_vars), '')!r}].",
        )
    if not isinstance(draws, xr.DataArray):
        raise make_error(
            SpecError,
            "summarise",
            f"takes a quantity's draws, and this is a {type(draws).__name__}",
            remedy="Give what an estimand returns, or a variable of fit.posterior.",
        )
    for dim in (names.CHAIN, names.DRAW):
        if dim not in draws.dims:
            raise make_error(
                SpecError,
                "summarise",
                f"the draws have no dim {dim!r}, only {list(draws.dims)}",
                remedy="Give what an estimand returns, before averaging over draws.",
            )
    if np.isinf(draws.values).any():
        raise make_error(
            SpecError,
            "summarise",
            "some draws are infinite, as where a target is never reached: they have no mean",
            remedy="Summarise probabilities instead: summarise(reached(of)).",
        )
    reduce = (names.CHAIN, names.DRAW)
    draws = draws.astype(float)  # indicators too, whose mean is a probability
    interval = (azs.eti if kind == "eti" else azs.hdi)(draws, prob=prob, dim=list(reduce))
    parts = [
        draws.mean(reduce),
        draws.median(reduce),
        draws.std(reduce, ddof=1),
        interval.sel(ci_bound="lower", drop=True),
        interval.sel(ci_bound="upper", drop=True),
        (draws > 0).mean(reduce),
    ]
    columns = COLUMNS[:-1] if _is_level(draws) else COLUMNS
    parts = parts[: len(columns)]
    dims = [dim for dim in draws.dims if dim not in reduce]
    values = np.stack([part.transpose(*dims).values.ravel() for part in parts], axis=1)
    labels = [[str(label) for label in draws[dim].values] for dim in dims]
    if len(dims) > 1:
        index: pd.Index = pd.MultiIndex.from_product(labels, names=dims)
    elif dims:
        index = pd.Index(labels[0], name=dims[0])
    else:
        index = pd.Index([draws.name or "value"])
    table = pd.DataFrame(values, index=index, columns=list(columns))
    table.columns.name = f"{100 * prob:.4g} % {kind}"
    table.attrs = {**draws.attrs, "interval_kind": kind, "interval_prob": prob}
    return table


def _is_level(draws: xr.DataArray) -> bool:
    """Whether these are levels, and not differences, which keep both name and attributes."""
    if draws.name not in LEVELS or bool((draws < 0).any()):
        return False
    # labels that two operands do not share are lost
    return draws.name == "category_curves" or not {names.FORM, names.ITEM}.isdisjoint(draws.coords)
