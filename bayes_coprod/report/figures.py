"""The figures, drawn from plain data; notebooks and reports show the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill, wrap

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_coprod.drawing import COLOURS, FAINT, LABEL_CHARACTERS, STYLE, WIDTH, InlineFigure
from bayes_coprod.estimands.countries import country_levels
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.inference.fit import Fit
from bayes_coprod.report.collect import collect_gulf
from bayes_coprod.report.data import DriverFigure, GulfFigure, Interval
from bayes_coprod.report.drivers import collect_drivers, reported_effects
from bayes_coprod.report.intervals import choose_interval
from bayes_coprod.report.measure import measure_of

_CAPTION_CHARACTERS = 82


def plot_gulf(fit: Fit, *, prob: float | None = None, kind: IntervalKind | None = None) -> Figure:
    """Plot both forms' levels and the gap between them, for each country.

    Parameters
    ----------
    fit : Fit
        Of a model with two forms.
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        One row a country, the widest gap first.

    Raises
    ------
    SpecError
        If the model has one form only, or the interval is none.
    """
    levels = measure_of(fit).given(country_levels(fit))
    return draw_gulf(collect_gulf(fit, choose_interval(prob, kind), levels))


def plot_drivers(
    fit: Fit,
    *,
    sector: str | None = None,
    prob: float | None = None,
    kind: IntervalKind | None = None,
) -> Figure:
    """Plot what goes with each driver, both forms side by side, mean over the countries.

    Parameters
    ----------
    fit : Fit
        Of a model with drivers.
    sector : str, optional
        Needed where the model's outcomes are by sector.
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        One row a driver.

    Raises
    ------
    SpecError
        If the model has no drivers, the sector is unknown or missing, or the interval is none.
    """
    return draw_drivers(
        collect_drivers(
            fit, choose_interval(prob, kind), effects=reported_effects(fit), sector=sector
        )
    )


def draw_gulf(data: GulfFigure) -> Figure:
    """Draw the gulf figure."""
    with mpl.rc_context(STYLE):
        figure, axes = rows_figure(
            [row.place for row in data.rows], lines_a_row=1.9, room_above=1.0
        )
        for y, row in enumerate(data.rows):
            axes.plot(
                [row.second.mean, row.first.mean], [y, y], color="#dddddd", lw=5, zorder=1,
                solid_capstyle="butt",
            )  # fmt: skip
            gap = f"{row.gap} {data.units}"
            middle = (row.first.mean + row.second.mean) / 2
            axes.text(middle, y - 0.13, gap, ha="center", va="bottom", fontsize=8)
            draw_dot(axes, row.first, y, form=0)
            draw_dot(axes, row.second, y, form=1)
        top = data.rows[0]
        for form, (name, interval) in enumerate(
            zip(data.forms, (top.first, top.second), strict=True)
        ):
            axes.text(
                interval.mean, -0.6, name, ha="center", va="bottom", color=COLOURS[form],
                fontweight="bold",
            )  # fmt: skip
        axes.set_xlim(0, 100)
        axes.set_xlabel(data.axis)
    return figure


def draw_drivers(data: DriverFigure) -> Figure:
    """Draw the drivers figure."""
    labels = [
        "\n".join(line for text in (row.label, row.per) for line in wrap(text, LABEL_CHARACTERS))
        for row in data.rows
    ]
    with mpl.rc_context(STYLE):
        figure, axes = rows_figure(labels, lines_a_row=1.4)
        axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
        step = 0.16 if len(data.forms) == 2 else 0.0
        for y, row in enumerate(data.rows):
            for form, interval in enumerate(row.effects):
                draw_dot(axes, interval, y + step * (2 * form - 1), form)
        axes.margins(x=0.05)
        if len(data.forms) == 2:
            label_forms(axes, data.forms, [row.effects for row in data.rows], step)
        axes.set_xlabel(data.axis)
    return figure


def rows_figure(
    labels: list[str], lines_a_row: float, room_above: float = 0.75
) -> tuple[Figure, Axes]:
    """Make axes with one labelled row each, the first on top; rows grow with their labels."""
    lines = max(label.count("\n") + 1 for label in labels)
    row_height = 0.155 * max(lines + 0.6, lines_a_row)
    figure = InlineFigure(figsize=(WIDTH, row_height * len(labels) + 0.75), layout="constrained")
    axes = figure.subplots()
    axes.set_ylim(len(labels) - 0.5, -room_above)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "left", "right"]].set_visible(False)
    return figure, axes


def draw_dot(axes: Axes, interval: Interval, y: float, form: int) -> None:
    """Mean and interval; the first form a filled dot, the second a hollow diamond."""
    colour = COLOURS[form]
    bounds = [interval.lower, interval.upper]
    axes.plot(bounds, [y, y], color=colour, lw=1.8, marker="|", markersize=7, zorder=2)
    axes.plot(
        [interval.mean], [y], marker="oD"[form], markersize=(5, 4.5)[form], color=colour,
        markerfacecolor=colour if form == 0 else "white", markeredgewidth=1.5, zorder=3,
    )  # fmt: skip


def label_forms(
    axes: Axes, forms: Sequence[str], rows: Sequence[Sequence[Interval]], step: float
) -> None:
    """Name the forms to the right of the row in which they lie furthest apart."""
    apart = [abs(first.mean - second.mean) for first, second in rows]
    y = apart.index(max(apart))
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.25 * (right - left))
    for form, (name, interval) in enumerate(zip(forms, rows[y], strict=True)):
        axes.annotate(
            name,
            (interval.upper, y + step * (2 * form - 1)),
            xytext=(5, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            color=COLOURS[form],
            fontweight="bold",
        )


def write_caption(figure: Figure, caption: str) -> None:
    """Write what a figure shows under its axes, and make room for it."""
    width, height = figure.get_size_inches()
    text = fill(caption, int(_CAPTION_CHARACTERS * width / WIDTH), break_on_hyphens=False)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=7.5, linespacing=1.3)
    figure.set_size_inches(width, height + 0.15 * (text.count("\n") + 1))
