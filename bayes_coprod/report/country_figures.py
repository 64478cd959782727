"""Figures of how countries differ: contrasts and ranks."""

from __future__ import annotations

from textwrap import fill

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_coprod import names
from bayes_coprod.drawing import (
    COLOURS,
    FAINT,
    INK,
    LABEL_CHARACTERS,
    STYLE,
    WIDTH,
    InlineFigure,
)
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.report import words
from bayes_coprod.report.data import Interval
from bayes_coprod.report.figures import draw_dot, label_forms, rows_figure, write_caption
from bayes_coprod.report.intervals import DRAWS, choose_interval
from bayes_coprod.report.results import (
    Difference,
    check_result,
    differences,
    said_of,
    split_forms,
    units_of,
)
from bayes_coprod.report.survey_figures import SHADES, WHITE_FROM
from bayes_coprod.wording import capital

_PLACE_CHARACTERS = 34
_FIGURES_UP_TO = 12
"""Ranks up to which each cell has room for its probability."""


def plot_contrasts(
    contrasts: xr.DataArray, *, prob: float | None = None, kind: IntervalKind | None = None
) -> Figure:
    """Plot differences between countries, with the probability that each is above 0.

    Parameters
    ----------
    contrasts : xarray.DataArray
        From :func:`country_contrasts`.
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        One row a country or pair, the largest first; both forms side by side where there are two.

    Raises
    ------
    SpecError
        If `contrasts` are none, or in logits; or the interval is none.
    """
    place = "plot_contrasts"
    draws = check_result(
        contrasts,
        place,
        "Give country_contrasts(fit, of=gap).",
        any_of=(names.COUNTRY, names.CONTRAST),
    )
    if "contrast" not in draws.attrs:
        raise make_error(
            SpecError,
            place,
            "these are no contrasts",
            remedy="Give country_contrasts(fit, of=gap).",
        )
    against = str(draws.attrs["contrast"]).removeprefix("minus ")
    if names.COUNTRY in draws.dims and against in draws[names.COUNTRY].values:
        draws = draws.drop_sel({names.COUNTRY: against})  # it is 0 whatever the data
    choice, units = choose_interval(prob, kind), units_of(draws)
    by_form = {
        form: differences(units.given(own), choice) for form, own in split_forms(draws).items()
    }
    first = {place: own for of in reversed(by_form.values()) for place, own in of.items()}
    places = sorted(first, key=lambda at: -first[at].interval.mean)
    what, contrast = said_of(draws), str(draws.attrs["contrast"])
    who = f"each country {contrast}" if contrast.startswith("minus") else contrast
    caption = (
        f"{capital(what)}: {who}, in {units.difference}. Dots are posterior means, bars the "
        f"{choice.words}."
    )
    return _draw_contrasts(by_form, places, caption)


def plot_ranks(ranks: xr.DataArray) -> Figure:
    """Plot the probability of each rank for each country.

    Parameters
    ----------
    ranks : xarray.DataArray
        From :func:`country_ranks`.

    Returns
    -------
    matplotlib.figure.Figure
        A grid of countries by ranks, darker where more probable; one for each form where there
        are two. Countries stand in the order of their expected rank in the first.

    Raises
    ------
    SpecError
        If `ranks` are none.
    """
    place, remedy = "plot_ranks", "Give country_ranks(fit, of=gap)."
    draws = check_result(ranks, place, remedy, dims=(names.COUNTRY, names.RANK))
    if draws.dtype != bool:
        raise make_error(SpecError, place, "these are no ranks: they are numbers", remedy=remedy)
    share = draws.mean(DRAWS)
    others = [dim for dim in share.dims if dim not in (names.COUNTRY, names.RANK)]
    panels = {"": share}
    if others:
        stacked = share.stack(panel=others)
        panels = {
            ", ".join(map(str, label)): stacked.isel(panel=i)
            for i, label in enumerate(stacked["panel"].values)
        }
    panels = {name: panel.transpose(names.COUNTRY, ...) for name, panel in panels.items()}
    return _draw_ranks(panels, said_of(draws))


def _draw_contrasts(
    by_form: dict[str, dict[str, Difference]], places: list[str], caption: str
) -> Figure:
    forms = list(by_form)
    step = 0.18 if len(forms) == 2 else 0.0
    with mpl.rc_context(STYLE):
        labels = [fill(place, _PLACE_CHARACTERS) for place in places]
        figure, axes = rows_figure(labels, lines_a_row=1.9 if step else 1.4, room_above=1.0)
        axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
        for y, place in enumerate(places):
            for form, of in enumerate(by_form.values()):
                if place not in of:
                    continue
                at = y + step * (2 * form - 1)
                draw_dot(axes, of[place].interval, at, form)
                axes.text(
                    1.03, at, words.probability(of[place].p_positive), ha="left", va="center",
                    fontsize=8, color=COLOURS[form], transform=axes.get_yaxis_transform(),
                )  # fmt: skip
        axes.text(
            1.03, -0.55, "Probability\nabove 0", ha="left", va="bottom", fontsize=7.5,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        axes.margins(x=0.05)
        if len(forms) == 2:
            label_forms(axes, forms, [_both(list(by_form.values()), p) for p in places], step)
        write_caption(figure, caption)
    return figure


def _both(by_form: list[dict[str, Difference]], place: str) -> list[Interval]:
    """Intervals of both forms; a form that a place lacks lies where the other does."""
    found = [of[place].interval for of in by_form if place in of]
    return [found[0], found[-1]]


def _draw_ranks(panels: dict[str, xr.DataArray], what: str) -> Figure:
    """Draw probabilities, each (country, rank)."""
    first = next(iter(panels.values()))
    n = first.sizes[names.RANK]
    order = np.argsort(np.asarray((first * first[names.RANK]).sum(names.RANK)), kind="stable")
    countries = [str(first[names.COUNTRY].values[c]) for c in order]
    labels = [fill(country, LABEL_CHARACTERS) for country in countries]
    narrow = n > _FIGURES_UP_TO
    width = max(WIDTH, 1.4 + len(panels) * n * (0.16 if narrow else 0.34))
    height = 0.16 * sum(label.count("\n") + 1.7 for label in labels) + 0.7
    with mpl.rc_context(STYLE):
        figure = InlineFigure(figsize=(width, height), layout="constrained")
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (name, share) in zip(row, panels.items(), strict=True):
            _draw_cells(axes, np.asarray(share)[order], figures=not narrow)
            axes.set_title(name, fontsize=9, fontweight="bold", loc="left")
            shown = range(0, n, 5 if narrow else 1)
            axes.set_xticks([r + 0.5 for r in shown], [str(r + 1) for r in shown])
        row[0].set_yticks(np.arange(len(countries)) + 0.5, labels)
        write_caption(
            figure,
            f"{capital(what)}: probability of each rank; rank 1 is the highest. Darker is more "
            "probable.",
        )
    return figure


def _draw_cells(axes: Axes, share: np.ndarray, *, figures: bool) -> None:
    """Draw probabilities as shaded cells, (row, column)."""
    for (r, c), p in np.ndenumerate(share):
        axes.fill_between([c, c + 1], r, r + 1, facecolor=SHADES(p), edgecolor="white", linewidth=1)
        if figures:
            axes.text(
                c + 0.5, r + 0.5, words.probability(float(p)).replace("\N{NO-BREAK SPACE}", ""),
                ha="center", va="center", fontsize=7, color="white" if p > WHITE_FROM else INK,
            )  # fmt: skip
    axes.set_xlim(0, share.shape[1])
    axes.set_ylim(len(share), 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
