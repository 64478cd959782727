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
_QUOTED = ("per", "end")
"""Labels without which a row's number cannot be read: a driver's unit, and where it is moved."""


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
        draw, or without the label of a form, as between two of them. Before them ``per``, the
        change that a driver's effect is of, or ``end``, where :func:`closing_the_gap` moves
        everybody. Units, kind and mass of the interval stand in the header and in ``attrs``.
        Indicators, such as :func:`country_ranks` and :func:`reached` return, have the one column
        probability.

    Raises
    ------
    SpecError
        If `draws` is no quantity, lacks the dims chain and draw, or is infinite somewhere, as
        :func:`reach` is; or the interval is none.
    """
    prob, kind = interval_settings(prob, kind)
    if isinstance(draws, xr.Dataset):
        drawn = [name for name, values in draws.data_vars.items() if names.DRAW in values.dims]
        raise make_error(
            SpecError,
            "summarise",
            "a Dataset holds several quantities",
            available=drawn,
            remedy=f"Choose one, such as result[{drawn[-1]!r}]." if drawn else "",
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
    if draws.dtype == bool:
        table = _tabulate({"probability": draws.mean(reduce)}, draws)
        table.attrs = {**draws.attrs, "units": "probability"}
        return table
    draws = draws.astype(float)
    interval = (azs.eti if kind == "eti" else azs.hdi)(draws, prob=prob, dim=list(reduce))
    columns = {
        "mean": draws.mean(reduce),
        "median": draws.median(reduce),
        "sd": draws.std(reduce, ddof=1),
        "lower": interval.sel(ci_bound="lower", drop=True),
        "upper": interval.sel(ci_bound="upper", drop=True),
    }
    if not _is_level(draws):
        columns["p_positive"] = (draws > 0).mean(reduce)
    table = _tabulate(columns, draws)
    units = [str(draws.attrs["units"])] if draws.attrs.get("units") else []
    table.columns.name = "; ".join([*units, f"{100 * prob:.4g} % {kind}"])
    table.attrs = {**draws.attrs, "interval_kind": kind, "interval_prob": prob}
    return table


def _tabulate(columns: dict[str, xr.DataArray], draws: xr.DataArray) -> pd.DataFrame:
    """Lay reduced draws out in a table, a row for each label of their dims."""
    dims = [str(dim) for dim in draws.dims if dim not in (names.CHAIN, names.DRAW)]
    labels = [[str(label) for label in draws[dim].values] for dim in dims]
    if len(dims) > 1:
        index: pd.Index = pd.MultiIndex.from_product(labels, names=dims)
    elif dims:
        index = pd.Index(labels[0], name=dims[0])
    else:
        index = pd.Index([draws.name or "value"])
    quoted = {name: draws[name] for name in _QUOTED if name in draws.coords}
    like = draws.isel({names.CHAIN: 0, names.DRAW: 0}, drop=True)
    cells = {
        name: values.broadcast_like(like).transpose(*dims).values.ravel()
        for name, values in {**quoted, **columns}.items()
    }
    return pd.DataFrame(cells, index=index)


def _is_level(draws: xr.DataArray) -> bool:
    """Whether these are levels, and not differences, which keep both name and attributes."""
    if draws.name not in LEVELS or bool((draws < 0).any()):
        return False
    # labels that two operands do not share are lost
    return draws.name == "category_curves" or not {names.FORM, names.ITEM}.isdisjoint(draws.coords)
