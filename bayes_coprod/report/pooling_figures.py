"""What pooling does to the estimates of countries."""

from __future__ import annotations

from textwrap import fill

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_coprod import names
from bayes_coprod.drawing import COLOURS, FAINT, STYLE, WIDTH, InlineFigure
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import country_mean
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.report.data import Interval
from bayes_coprod.report.figures import write_caption
from bayes_coprod.report.intervals import DRAWS, IntervalChoice, choose_interval
from bayes_coprod.report.results import check_result, units_of
from bayes_coprod.wording import capital

_REMEDY = "Give the same quantity of both fits, such as driver_effects(fit)['by_country']."
_TITLE_CHARACTERS = 62
_APART = 0.15
"""Half the distance between the two estimates of a country, in rows."""


def plot_pooling(
    partial: xr.DataArray,
    none: xr.DataArray,
    *,
    prob: float | None = None,
    kind: IntervalKind | None = None,
) -> Figure:
    """Plot how partial pooling moves each country's estimate from the one without pooling.

    Parameters
    ----------
    partial, none : xarray.DataArray
        The same quantity of two fits, with and without partial pooling: dims (chain, draw, country)
        and form and driver where it has them, such as ``by_country`` of :func:`driver_effects`, or
        :func:`country_levels`.
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        One row of panels a driver, one column a form, one row a country: a cross without pooling,
        a dot with it.

    Raises
    ------
    SpecError
        If either is no such quantity or in logits, if the two differ in labels or units, or the
        interval is none.
    """
    for draws in (partial, none):
        check_result(draws, "plot_pooling", _REMEDY, dims=(names.COUNTRY,))
    _check_alike(partial, none)
    choice, units = choose_interval(prob, kind), units_of(partial)
    caption = (
        f"{capital(units.difference if names.DRIVER in partial.dims else units.level)}. Crosses: "
        "no pooling, each country by itself; dots: partial pooling; dashed: the countries' mean "
        f"with partial pooling. Bars are the {choice.words}."
    )
    with mpl.rc_context(STYLE):
        return _draw(_panels(units.given(partial)), _panels(units.given(none)), choice, caption)


def _check_alike(partial: xr.DataArray, none: xr.DataArray) -> None:
    """Refuse two quantities that are not the same one."""
    problem = ""
    if set(partial.dims) != set(none.dims):
        dims = [", ".join(map(str, draws.dims)) for draws in (partial, none)]
        problem = f"partial has the dims {dims[0]}, none has {dims[1]}"
    elif partial.attrs.get("units") != none.attrs.get("units"):
        units = [draws.attrs.get("units") for draws in (partial, none)]
        problem = f"partial is in {units[0]}, none in {units[1]}"
    else:
        for dim in partial.dims:
            if dim not in DRAWS and list(partial[dim].values) != list(none[dim].values):
                problem = f"partial and none have other labels of {dim}"
    if problem:
        raise make_error(SpecError, "plot_pooling", problem, remedy=_REMEDY)


def _panels(draws: xr.DataArray) -> list[list[xr.DataArray]]:
    """Draws (chain, draw, country) of each panel: one row a driver, one column a form."""
    others = [d for d in draws.dims if d not in (*DRAWS, names.COUNTRY, names.DRIVER)]
    if len(others) > 1:
        raise make_error(
            SpecError,
            "plot_pooling",
            f"there would be panels by {' and by '.join(map(str, others))}",
            remedy=f"Choose one, such as draws.isel({others[0]}=0).",
        )
    rows = _along(draws, names.DRIVER) if names.DRIVER in draws.dims else [draws]
    return [_along(row, str(others[0])) if others else [row] for row in rows]


def _along(draws: xr.DataArray, dim: str) -> list[xr.DataArray]:
    return [draws.isel({dim: i}) for i in range(draws.sizes[dim])]


def _draw(
    partial: list[list[xr.DataArray]],
    none: list[list[xr.DataArray]],
    choice: IntervalChoice,
    caption: str,
) -> Figure:
    n_rows, n_columns = len(partial), len(partial[0])
    n_countries = partial[0][0].sizes[names.COUNTRY]
    height = n_rows * (0.19 * n_countries + 0.5) + 0.35
    width = max(WIDTH, 1.2 + 1.75 * n_columns)
    figure = InlineFigure(figsize=(width, height), layout="constrained")
    heads, *grid = figure.subplots(
        1 + n_rows,
        n_columns,
        squeeze=False,
        height_ratios=[0.2, *[0.19 * n_countries + 0.5] * n_rows],
    )
    forms = _form_numbers(partial[0])
    for axes, panel, form in zip(heads, partial[0], forms, strict=True):
        axes.set_axis_off()
        axes.text(0.5, 0, _head(panel), ha="center", fontweight="bold", color=COLOURS[form])
    for row, with_, without in zip(grid, partial, none, strict=True):
        for axes, one, other, form in zip(row, with_, without, forms, strict=True):
            _draw_panel(axes, one, other, choice, form)
            axes.set_yticklabels([])
        row[0].set_yticklabels([str(country) for country in with_[0][names.COUNTRY].values])
        row[0].set_title(_title(with_[0]), fontsize=8.5, loc="left")
        if names.DRIVER in with_[0].coords:  # forms are compared; levels of theirs lie far apart
            limits = np.array([axes.get_xlim() for axes in row])
            for axes in row:
                axes.set_xlim(limits[:, 0].min(), limits[:, 1].max())
    write_caption(figure, caption)
    return figure


def _form_numbers(row: list[xr.DataArray]) -> list[int]:
    """Position of each panel's form; 0 where the quantity has none."""
    own = [str(panel[names.FORM].item()) if names.FORM in panel.coords else "" for panel in row]
    return [list(dict.fromkeys(own)).index(form) for form in own]


def _head(panel: xr.DataArray) -> str:
    """What a column shows."""
    for coord in (names.OUTCOME, names.CATEGORY, names.ITEM, names.FORM):
        if coord in panel.coords:
            return str(panel[coord].item())
    return ""


def _title(panel: xr.DataArray) -> str:
    """The driver of a row and the difference in it that is meant."""
    if names.DRIVER not in panel.coords:
        return ""
    said = [str(panel[coord].item()) for coord in ("label", "per") if coord in panel.coords]
    return fill(", ".join(said) or str(panel[names.DRIVER].item()), _TITLE_CHARACTERS)


def _draw_panel(
    axes: Axes, partial: xr.DataArray, none: xr.DataArray, choice: IntervalChoice, form: int
) -> None:
    """Draw both estimates of each country: without pooling, and with it just below."""
    (mean,) = choice.intervals(country_mean(partial))
    axes.axvline(mean.mean, color=COLOURS[form], lw=0.8, ls="--", zorder=0)
    pairs = zip(choice.intervals(none), choice.intervals(partial), strict=True)
    for y, (before, after) in enumerate(pairs):
        _draw_bar(axes, before, y - _APART, FAINT, marker="x")
        _draw_bar(axes, after, y + _APART, COLOURS[form], marker="oD"[form])
    axes.set_ylim(partial.sizes[names.COUNTRY] - 0.5, -0.6)
    axes.set_yticks(range(partial.sizes[names.COUNTRY]))
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "left", "right"]].set_visible(False)


def _draw_bar(axes: Axes, of: Interval, y: float, colour: str, marker: str) -> None:
    """Mean and interval."""
    axes.plot([of.lower, of.upper], [y, y], color=colour, lw=1.3, zorder=1)
    axes.plot(
        [of.mean], [y], marker=marker, markersize=4.5, color=colour, markeredgewidth=1.4,
        markerfacecolor="white" if marker == "D" else colour, zorder=3,
    )  # fmt: skip
