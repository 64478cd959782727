"""The figures of the items model."""

from __future__ import annotations

from textwrap import wrap

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_coprod.drawing import COLOURS, FAINT, LABEL_CHARACTERS, STYLE, WIDTH, InlineFigure
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.inference.fit import Fit
from bayes_coprod.report.data import Curve, CurveFigure, ShiftFigure
from bayes_coprod.report.intervals import choose_interval
from bayes_coprod.report.items import collect_curves, collect_shifts

_MARKERS = "ovsD^Pp"
_UPRIGHT = 6
"""Countries whose names stand side by side."""
_TICK_CHARACTERS, _TITLE_CHARACTERS = 14, 60
_LINE = 6.5
"""Height of a label, in per cent of answers."""


def plot_shifts(fit: Fit) -> Figure:
    """Plot shifts of each item's thresholds in each country.

    Parameters
    ----------
    fit : Fit
        Of an ``items`` model whose thresholds vary.

    Returns
    -------
    matplotlib.figure.Figure
        A grid of dots; those beyond the limit of ``check_fit`` are ringed.

    Raises
    ------
    SpecError
        If the model has no shifts.
    """
    return draw_shifts(collect_shifts(fit))


def plot_categories(
    fit: Fit, driver: str, *, prob: float | None = None, kind: IntervalKind | None = None
) -> Figure:
    """Plot the expected share of each answer along a driver.

    Parameters
    ----------
    fit : Fit
        Of an ``items`` model.
    driver : str
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a form.

    Raises
    ------
    SpecError
        If the model has no items or not this driver, or the interval is none.
    """
    return draw_curves(collect_curves(fit, choose_interval(prob, kind), driver))


def draw_shifts(data: ShiftFigure) -> Figure:
    """Draw the shifts figure."""
    shifts, ringed = np.array(data.shifts), np.array(data.stands_out)
    row, column = np.meshgrid(*map(np.arange, shifts.shape), indexing="ij")
    largest = max(0.5, float(abs(shifts).max()))
    size = 150 * abs(shifts) / largest  # area in proportion to the shift
    with mpl.rc_context(STYLE):
        labels = ["\n".join(wrap(item, LABEL_CHARACTERS)) for item in data.items]
        height = 0.16 * sum(label.count("\n") + 1.7 for label in labels) + 1.1
        figure = InlineFigure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
        for rarer, colour, face in ((True, COLOURS[1], COLOURS[1]), (False, COLOURS[0], "white")):
            at = (shifts > 0) == rarer
            axes.scatter(
                column[at], row[at], s=size[at], color=colour, facecolor=face, linewidth=1.3,
                zorder=2,
            )  # fmt: skip
        axes.scatter(
            column[ringed], row[ringed], s=330, facecolor="none", edgecolor="#222222", linewidth=1.5
        )
        many = len(data.countries) > _UPRIGHT
        axes.set_xticks(
            range(len(data.countries)),
            data.countries if many else [country.replace(" ", "\n") for country in data.countries],
            rotation=90 if many else 0,
            fontsize=8,
        )
        axes.set_yticks(range(len(data.items)), labels)
        axes.xaxis.tick_top()
        axes.set_xlim(-0.6, len(data.countries) - 0.4)
        axes.set_ylim(len(data.items) - 0.4, -0.6)
        axes.set_xlabel(f"a dot of full size: {largest:.1f} logits")
        axes.grid(color="#eeeeee", zorder=0)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def draw_curves(data: CurveFigure) -> Figure:
    """Draw the figure of answers along a driver."""
    with mpl.rc_context(STYLE):
        figure = InlineFigure(figsize=(WIDTH, 2.7), layout="constrained")
        panels = figure.subplots(1, len(data.panels), sharey=True, squeeze=False)[0]
        is_text = isinstance(data.values[0], str)
        x = np.arange(len(data.values)) if is_text else np.array(data.values, dtype=float)
        for axes, (form, curves) in zip(panels, data.panels, strict=True):
            ends = _apart([curve.shares[-1].mean for curve in curves])
            for j, (curve, end) in enumerate(zip(curves, ends, strict=True)):
                _draw_curve(axes, x, curve, j, len(curves), end)
            title = "\n".join(wrap(form, _TITLE_CHARACTERS // len(data.panels)))
            axes.set_title(title, fontsize=9, fontweight="bold", loc="left")
            if is_text:
                axes.set_xticks(x, ["\n".join(wrap(str(v), _TICK_CHARACTERS)) for v in data.values])
            left, right = x[0], x[-1]
            axes.set_xlim(left - 0.05 * (right - left), right + 0.45 * (right - left))
            axes.spines[["top", "right"]].set_visible(False)
        figure.supxlabel(data.driver, fontsize=9)
        panels[0].set_ylim(0, 100)
        panels[0].set_ylabel("Per cent of answers")
    return figure


def _apart(heights: list[float]) -> list[float]:
    """Move labels apart that would lie on each other, in per cent."""
    out = np.array(heights)
    order = np.argsort(out)
    for below, above in zip(order, order[1:], strict=False):
        out[above] = max(out[above], out[below] + _LINE)
    return [float(value) for value in out]


def _draw_curve(
    axes: Axes, x: np.ndarray, curve: Curve, position: int, n: int, label_at: float
) -> None:
    """One answer's share with its band, named at its end; darker is higher."""
    shade = 0.65 * (1 - position / max(n - 1, 1))
    base = np.array(mpl.colors.to_rgb(COLOURS[0]))
    colour = tuple(base + (1 - base) * shade)
    mean = [interval.mean for interval in curve.shares]
    axes.fill_between(
        x, [i.lower for i in curve.shares], [i.upper for i in curve.shares], color=colour,
        alpha=0.3, linewidth=0,
    )  # fmt: skip
    axes.plot(x, mean, color=colour, marker=_MARKERS[position % len(_MARKERS)], markersize=3.5)
    axes.annotate(
        curve.label, (x[-1], label_at), xytext=(6, 0), textcoords="offset points", va="center",
        fontsize=8, color=FAINT if shade > 0.6 else colour,
    )  # fmt: skip
