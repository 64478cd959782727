"""Figures of what would follow from changes in drivers."""

from __future__ import annotations

from textwrap import fill, wrap

import matplotlib as mpl
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_coprod.drawing import COLOURS, FAINT, LABEL_CHARACTERS, STYLE, WIDTH, InlineFigure
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.report.data import ClosingFigure, ScenarioArrow, ScenarioFigure
from bayes_coprod.report.figures import draw_dot, rows_figure, write_caption
from bayes_coprod.report.intervals import choose_interval
from bayes_coprod.report.scenarios import collect_closing, collect_scenario

_TITLE_CHARACTERS = 66
_VISIBLE = 0.004
"""Part of the axis that an arrow must be long to be drawn."""
_ARROW = {"arrowstyle": "-|>", "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
_ROOM = 1.7
"""How much wider a panel is than its levels: the words above arrows need it."""


def plot_scenario(
    found: xr.Dataset, *, prob: float | None = None, kind: IntervalKind | None = None
) -> Figure:
    """Plot levels now and then for each country and form, with the difference between them.

    Parameters
    ----------
    found : xarray.Dataset
        From :func:`scenario`.
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        One row a country; an arrow for each form, with its difference.

    Raises
    ------
    SpecError
        If `found` is no scenario, or the interval is none.
    """
    return draw_scenario(collect_scenario(found, choose_interval(prob, kind)))


def plot_closing(
    found: xr.Dataset, *, prob: float | None = None, kind: IntervalKind | None = None
) -> Figure:
    """Plot what each changeable driver, at its best end, would do to the gap.

    Parameters
    ----------
    found : xarray.Dataset
        From :func:`closing_the_gap`.
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        One row a driver, the one that makes the gap fall most on top, mean over the countries;
        beside it the probability that it does so most.

    Raises
    ------
    SpecError
        If `found` is not what :func:`closing_the_gap` returned, or the interval is none.
    """
    return draw_closing(collect_closing(found, choose_interval(prob, kind)))


def draw_scenario(data: ScenarioFigure) -> Figure:
    """Draw arrows from now to then, one panel a form; a point is as long in all panels."""
    labels = [fill(row.place, LABEL_CHARACTERS) for row in data.rows]
    row_height = 0.155 * (max(label.count("\n") for label in labels) + 2.2)
    title = wrap(data.title, _TITLE_CHARACTERS)
    height = row_height * len(labels) + 0.17 * len(title) + 0.85
    with mpl.rc_context(STYLE):
        figure = InlineFigure(figsize=(WIDTH, height), layout="constrained")
        figure.suptitle("\n".join(title), x=0.01, ha="left", fontsize=9)
        panels = figure.subplots(1, len(data.forms), sharey=True, squeeze=False)[0]
        ends = [_ends(data, form) for form in range(len(data.forms))]
        span = _ROOM * max(max(high - low for low, high in ends), 1e-9)
        for form, (axes, (low, high)) in enumerate(zip(panels, ends, strict=True)):
            middle = (low + high) / 2
            axes.set_xlim(middle - span / 2, middle + span / 2)
            axes.set_title(data.forms[form], fontsize=9, fontweight="bold", color=COLOURS[form])
            for y, row in enumerate(data.rows):
                for arrow in (arrow for number, arrow in row.arrows if number == form):
                    _draw_arrow(axes, arrow, y, form, visible=_VISIBLE * span)
            axes.tick_params(axis="y", length=0)
            axes.tick_params(axis="x", labelsize=8)
            axes.locator_params(axis="x", nbins=5)
            inside = [at for at in axes.get_xticks() if max(axes.get_xlim()[0], 0) <= at <= 100]
            axes.set_xticks([at for at in inside if at <= axes.get_xlim()[1]])
            axes.spines[["top", "left", "right"]].set_visible(False)
        panels[0].set_ylim(len(labels) - 0.6, -0.75)
        panels[0].set_yticks(range(len(labels)), labels)
        write_caption(figure, f"{data.axis}. {data.note}")
    return figure


def _ends(data: ScenarioFigure, form: int) -> tuple[float, float]:
    """Lowest and highest level of a form, now or then."""
    levels = [
        level
        for row in data.rows
        for number, arrow in row.arrows
        if number == form
        for level in (arrow.now, arrow.then)
    ]
    return min(levels), max(levels)


def draw_closing(data: ClosingFigure) -> Figure:
    """Draw changes of the gap."""
    labels = [
        "\n".join([*wrap(row.driver, LABEL_CHARACTERS), *wrap(f"to {row.end}", LABEL_CHARACTERS)])
        for row in data.rows
    ]
    with mpl.rc_context(STYLE):
        figure, axes = rows_figure(labels, lines_a_row=1.4)
        axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
        for y, row in enumerate(data.rows):
            draw_dot(axes, row.change, y, form=0)
            axes.text(
                1.03, y, row.first, ha="left", va="center", fontsize=8,
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        axes.text(
            1.03, -0.55, "Probability\nthat the gap\nfalls most", ha="left", va="bottom",
            fontsize=7.5,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        axes.margins(x=0.05)
        axes.set_xlabel(data.axis)
        write_caption(figure, data.note)
    return figure


def _draw_arrow(axes: Axes, arrow: ScenarioArrow, y: float, form: int, visible: float) -> None:
    """A mark now, an arrow to then, and the difference in words."""
    colour = COLOURS[form]
    axes.plot(
        [arrow.now], [y], marker="oD"[form], markersize=(5, 4.5)[form], color=colour,
        markerfacecolor=colour if form == 0 else "white", markeredgewidth=1.5, zorder=3,
    )  # fmt: skip
    if abs(arrow.then - arrow.now) > visible:
        axes.annotate(
            "", (arrow.then, y), (arrow.now, y), zorder=2,
            arrowprops=_ARROW | {"color": colour},
        )  # fmt: skip
    axes.annotate(
        arrow.said, ((arrow.now + arrow.then) / 2, y), xytext=(0, 5), textcoords="offset points",
        ha="center", va="bottom", fontsize=7.5, color=colour,
    )  # fmt: skip
