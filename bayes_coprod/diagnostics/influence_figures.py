"""What a fit hangs on, in pictures: single citizens, and single countries."""

from __future__ import annotations

from textwrap import wrap
from types import SimpleNamespace

import arviz_plots as azp
import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDData
from matplotlib.axes import Axes

from bayes_coprod import names
from bayes_coprod.diagnostics.conclusions import CONCLUSION
from bayes_coprod.diagnostics.countries import (
    SHIFT_ALARM,
    check_left_out,
    left_out_countries,
    shift_limits,
)
from bayes_coprod.diagnostics.panels import for_arviz
from bayes_coprod.drawing import (
    CHARACTER,
    COLOURS,
    FAINT,
    INK,
    LABEL_CHARACTERS,
    WIDTH,
    AnyFigure,
    titled_figure,
)
from bayes_coprod.errors import SpecError, make_error

_NAMED = 3
"""Citizens beyond the limit that are named, those with the largest k."""
_AS_PICTURE = 2000
"""Dots beyond which a vector file would be slow to show."""
_UPRIGHT = 6
"""Countries whose names stand side by side."""
_ROW = 0.21  # inches


def plot_influence(of: ELPDData, *, figure: AnyFigure | None = None) -> AnyFigure:
    """Plot each citizen's Pareto k, which says how far the fit hangs on that citizen.

    Parameters
    ----------
    of : arviz_stats.utils.ELPDData
        What :func:`citizen_loo` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        A dot a citizen, by country, drawn by ArviZ; beyond the limit a diamond. Citizens who were
        left out by fitting again are shown with the k that they had before.

    Raises
    ------
    SpecError
        If it is given anything else.
    """
    k = _pareto_k(of)
    measured = k[np.isfinite(k.values)]
    n, limit = len(measured), float(of.good_k)
    title = (
        f"Pareto k of each of {n:,} citizens. Good: all below the dashed line at {limit:.2f}; "
        "who lies above it moves the fit by more than importance weights can follow."
    )
    if n < len(k):
        title += f" Of {len(k) - n:,} more it could not be measured."
    with titled_figure(figure, title, WIDTH + 1.0, 2.4) as drawn:
        axes = drawn.subplots()
        dots = measured.rename("pareto_k").drop_vars(names.COUNTRY)
        azp.plot_khat(
            SimpleNamespace(pareto_k=dots, good_k=limit),
            plot_collection=for_arviz(drawn, {"pareto_k": axes}, dots.to_dataset()),
            color=COLOURS[0],
            legend=False,
            visuals={"khat": {"size": 7, "alpha": 0.5}, "xlabel": False, "ylabel": False},
        )
        for points in axes.collections:
            points.set_rasterized(n > _AS_PICTURE)
        _mark_beyond(axes, measured, limit)
        _name_countries(axes, measured[names.COUNTRY].values.astype(str))
        axes.axhline(limit, color=COLOURS[1], lw=1.0, linestyle="--")
        axes.set_ylabel("Pareto k", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return drawn


def _pareto_k(of: ELPDData) -> xr.DataArray:
    """Each citizen's k, before any refit, (citizen,)."""
    k = getattr(of, "influence_pareto_k", None)
    k = getattr(of, "pareto_k", None) if k is None else k
    if not isinstance(of, ELPDData) or k is None or names.COUNTRY not in k.coords:
        raise make_error(
            SpecError,
            "plot_influence",
            f"takes what citizen_loo returned, and this is a {type(of).__name__}",
            remedy="plot_influence(citizen_loo(fit)).",
        )
    return k


def _mark_beyond(axes: Axes, k: xr.DataArray, limit: float) -> None:
    """Diamonds around those beyond the limit, and the names of the worst."""
    values = k.values
    beyond = np.flatnonzero(values > limit)
    axes.plot(
        beyond, values[beyond], linestyle="none", marker="D", color=COLOURS[1], markersize=4.5,
        zorder=3,
    )  # fmt: skip
    for i in beyond[np.argsort(-values[beyond])][:_NAMED]:
        at = i / len(values)
        axes.annotate(
            f"citizen {k[names.CITIZEN].values[i]}", (i, values[i]), xytext=(0, 5),
            textcoords="offset points", va="bottom", fontsize=8,
            ha="left" if at < 0.15 else "right" if at > 0.85 else "center",
        )  # fmt: skip


def _name_countries(axes: Axes, country: np.ndarray) -> None:
    """Name runs of citizens from the same country, with lines between them."""
    starts = np.flatnonzero(np.r_[True, country[1:] != country[:-1]])
    ends = np.r_[starts[1:], len(country)]
    for start in starts[1:]:
        axes.axvline(start - 0.5, color="#dddddd", lw=0.8, zorder=0)
    labels = [str(country[start]) for start in starts]
    many = len(labels) > _UPRIGHT
    if not many:
        labels = [label.replace(" ", "\n") for label in labels]
    axes.set_xticks((starts + ends - 1) / 2, labels, rotation=90 if many else 0)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.01 * len(country), 1.01 * len(country))


def plot_left_out(left_out: xr.Dataset, *, figure: AnyFigure | None = None) -> AnyFigure:
    """Plot how far each conclusion moves without each country.

    Parameters
    ----------
    left_out : xarray.Dataset
        What :func:`leave_one_country_out` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        A row a conclusion and a dot a country; beyond the limit of :func:`check_countries` a
        diamond with the country's name.

    Raises
    ------
    SpecError
        If it is given anything else, or no country could be left out.
    """
    check_left_out(left_out, "plot_left_out")
    done = left_out_countries(left_out)
    if not done.sizes[names.COUNTRY]:
        raise make_error(SpecError, "plot_left_out", "no country could be left out")
    title = (
        "How far each conclusion moves when a country is left out. Good: all dots between the "
        "dashed lines, which levels, gap and effects each pass by the loss of data alone with "
        f"probability {SHIFT_ALARM:g}. A diamond names a country on which a conclusion hangs."
    )
    missing = left_out.sizes[names.COUNTRY] - done.sizes[names.COUNTRY]
    if missing:
        title += f" {missing} of {left_out.sizes[names.COUNTRY]} countries could not be left out."
    labels = [
        "\n".join(wrap(str(label), LABEL_CHARACTERS + 8)) for label in done[CONCLUSION].values
    ]
    lines = np.array([label.count("\n") + 1 for label in labels])
    ends = np.cumsum([0.0, *np.maximum(_ROW, 0.15 * lines + 0.05)])
    middles = (ends[:-1] + ends[1:]) / 2
    with titled_figure(figure, title, WIDTH + 1.4, float(ends[-1]) + 0.6) as drawn:
        axes = drawn.subplots()
        limits = shift_limits(done)
        axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
        for sign in (-1, 1):
            axes.vlines(
                sign * limits, ends[:-1], ends[1:], color=COLOURS[1], lw=1.0, linestyle="--"
            )
        shift = done["shift"].transpose(CONCLUSION, names.COUNTRY)
        for y, limit, own in zip(middles, limits, shift, strict=True):
            _draw_shifts(axes, float(y), float(limit), own)
        axes.set_ylim(ends[-1], 0)
        axes.set_yticks(middles, labels, fontsize=8)
        reach = 1.05 * float(np.nanmax(np.r_[limits, abs(shift.values).ravel()]))
        longest = max(len(str(name)) for name in done[names.COUNTRY].values)
        room = 1 + CHARACTER * longest / 1.7 if (limits < abs(shift.values).T).any() else 1.0
        axes.set_xlim(-reach * room, reach * room)
        axes.set_xlabel("Shift without the country, posterior SDs")
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "left", "right"]].set_visible(False)
    return drawn


def _draw_shifts(axes: Axes, y: float, limit: float, shift: xr.DataArray) -> None:
    """Draw one conclusion's dots; those beyond the limit are named on their side of all others."""
    beyond = abs(shift.values) > limit
    axes.plot(
        shift.values[~beyond], np.full((~beyond).sum(), y), linestyle="none", marker="o",
        markersize=4.5, color=COLOURS[0], markerfacecolor="white",
    )  # fmt: skip
    axes.plot(
        shift.values[beyond], np.full(beyond.sum(), y), linestyle="none", marker="D",
        markersize=4.5, color=COLOURS[1],
    )  # fmt: skip
    for sign, align in ((-1, "right"), (1, "left")):
        at = np.flatnonzero(beyond & (np.sign(shift.values) == sign))
        if len(at):
            order = at[np.argsort(shift.values[at])]
            axes.annotate(
                ", ".join(str(shift[names.COUNTRY].values[i]) for i in order),
                (sign * abs(shift.values[at]).max(), y),
                xytext=(sign * 6, 0), textcoords="offset points", ha=align, va="center",
                fontsize=8, color=INK,
            )  # fmt: skip
