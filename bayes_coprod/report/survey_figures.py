"""Heat maps of what a survey holds: items by countries."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from bayes_coprod.drawing import CHARACTER, COLOURS, INK, STYLE, WIDTH, InlineFigure
from bayes_coprod.survey.coverage import ITEM_MISSING_WARN, answered_share
from bayes_coprod.survey.describe import participation_shares
from bayes_coprod.survey.entries import Codebook, Item
from bayes_coprod.survey.read import Survey, check_is_survey

# one hue, darker is more: the same order in grey and to the colour-blind
SHADES = LinearSegmentedColormap.from_list(
    "shades", [(0.0, "#f4f8fb"), (0.7, COLOURS[0]), (1.0, "#00263d")]
)
WHITE_FROM = 0.5
"""Shade from which white figures are easier to read than black ones."""
_LABEL_CHARACTERS, _LABEL_LINES, _COUNTRY_CHARACTERS = 34, 2, 28
_UPRIGHT = 6
"""Countries whose names stand side by side."""
_CELL, _NARROW_CELL, _LINE = 0.78, 0.31, 0.15  # inches


@dataclass(frozen=True)
class _Row:
    """A row of a heat map: a heading, or an item with its cells."""

    label: str
    height: float
    item: str = ""


def plot_shares(survey: Survey, *, weighted: bool | None = None) -> Figure:
    """Plot the share of citizens who take part, for each item in each country.

    Parameters
    ----------
    survey : Survey
    weighted : bool, optional
        Whether a citizen counts by weight; where the survey has weights, unless told otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        A heat map, items by form and sector; per cent of those who answered.

    Raises
    ------
    SurveyError
        If `survey` is none, or weighted shares are wanted of a survey without weights.
    """
    check_is_survey(survey, "plot_shares")
    by_weight = survey.codebook.weight is not None if weighted is None else weighted
    shares = participation_shares(survey, weighted=by_weight)
    title = (
        f"Who takes part: per cent of those who answered, {'' if by_weight else 'un'}weighted. "
        "Good: shades differ between items more than along a row, and no cell stands alone; one "
        "that does may be coded otherwise."
    )
    return _draw_cells(survey, shares, shares, title)


def plot_coverage(survey: Survey) -> Figure:
    """Plot the share of citizens who answered, for each item in each country.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    matplotlib.figure.Figure
        A heat map, items by form and sector; per cent of citizens. Where nobody answered, the
        cell says that the item was not asked.

    Raises
    ------
    SurveyError
        If `survey` is none.
    """
    check_is_survey(survey, "plot_coverage")
    title = (
        "Who answered: per cent of citizens; the darker, the more answers are missing. "
        f"Good: {100 * (1 - ITEM_MISSING_WARN):.0f} or more everywhere, and every item asked in "
        "every country."
    )
    answered = answered_share(survey).T
    return _draw_cells(survey, answered, 1 - answered, title)


def _draw_cells(survey: Survey, shares: pd.DataFrame, shades: pd.DataFrame, title: str) -> Figure:
    """Draw a heat map of shares with their shades, both (item, country) and 0 to 1."""
    rows = _rows(survey.codebook)
    countries = [_shortened(country) for country in survey.countries]
    many = len(countries) > _UPRIGHT
    if not many:
        countries = [country.replace(" ", "\n") for country in countries]
    label_length = max(len(line) for row in rows for line in row.label.split("\n"))
    cells_wide = len(countries) * (_NARROW_CELL if many else _CELL)
    width = max(WIDTH, cells_wide + 0.2 + CHARACTER * label_length)
    lines = wrap(title, int(width / CHARACTER))
    above = CHARACTER * max(map(len, countries)) if many else 0.35
    height = _LINE * (sum(row.height for row in rows) + 1.3 * len(lines) + 1) + above
    with mpl.rc_context(STYLE):
        figure = InlineFigure(figsize=(width, height), layout="constrained")
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=9)
        axes = figure.subplots()
        edges = np.cumsum([0.0, *(row.height for row in rows)])
        never = (answered_share(survey).T == 0).loc[shares.index]
        for row, top, bottom in zip(rows, edges[:-1], edges[1:], strict=True):
            if row.item:
                cells = (frame.loc[row.item].to_numpy() for frame in (shares, shades, never))
                for c, cell in enumerate(zip(*cells, strict=True)):
                    _draw_cell(axes, (c, top, bottom), *cell, narrow=many)
        axes.set_xlim(0, len(countries))
        axes.set_ylim(edges[-1], 0)
        axes.set_xticks(
            np.arange(len(countries)) + 0.5, countries, rotation=90 if many else 0, fontsize=8
        )
        axes.set_yticks((edges[:-1] + edges[1:]) / 2, [row.label for row in rows])
        for row, tick in zip(rows, axes.get_yticklabels(), strict=True):
            tick.set_fontweight("normal" if row.item else "bold")
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def _rows(codebook: Codebook) -> list[_Row]:
    """Items by form and sector, each group under its heading."""
    rows = []
    for form in codebook.forms:
        for sector in codebook.sectors or (None,):
            items = [i for i in codebook.items if i.form == form and i.sector == sector]
            heading = form if sector is None else f"{form}: {sector}"
            if items:
                rows += [_Row(_wrapped(heading), 1.9), *map(_item_row, items)]
    return rows


def _item_row(item: Item) -> _Row:
    label = _wrapped(item.label)
    return _Row(label, label.count("\n") + 1.7, item.name)


def _wrapped(label: str) -> str:
    return "\n".join(wrap(label, _LABEL_CHARACTERS, max_lines=_LABEL_LINES, placeholder=" …"))


def _shortened(country: str) -> str:
    """One line; what a word too long for it begins with."""
    text = " ".join(country.split())
    return text if len(text) <= _COUNTRY_CHARACTERS else f"{text[: _COUNTRY_CHARACTERS - 1]}…"


def _draw_cell(
    axes: Axes,
    place: tuple[int, float, float],
    share: float,
    shade: float,
    never: bool,
    *,
    narrow: bool,
) -> None:
    """Draw one cell, shaded and with its per cent; hatched where nobody was asked."""
    c, top, bottom = place
    middle: dict[str, Any] = {"x": c + 0.5, "y": (top + bottom) / 2, "ha": "center", "va": "center"}
    if never or np.isnan(share):
        axes.fill_between(
            [c, c + 1], top, bottom, facecolor="white", edgecolor="#bbbbbb", hatch="////",
            linewidth=0,
        )  # fmt: skip
        words = "not asked" if never else "no weight"
        axes.text(
            s=words.replace(" ", "\n") if narrow else words, fontsize=5.5 if narrow else 8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6}, linespacing=0.9, **middle,
        )  # fmt: skip
        return
    axes.fill_between(
        [c, c + 1], top, bottom, facecolor=SHADES(shade), edgecolor="white", linewidth=1
    )
    colour = "white" if shade > WHITE_FROM else INK
    axes.text(s=_per_cent(share), fontsize=8, color=colour, **middle)


def _per_cent(share: float) -> str:
    """Whole per cent; what is not quite none or all as such."""
    if 0 < share < 0.005:
        return "<1"
    return ">99" if 0.995 <= share < 1 else f"{100 * share:.0f}"
