"""What all figures share: sizes, colours, titles, and figures that notebooks show by themselves."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure, SubFigure

type AnyFigure = Figure | SubFigure

# Okabe-Ito blue and vermilion differ in grey as well; shape tells the forms apart besides
COLOURS = ("#0072B2", "#D55E00")
INK, FAINT = "#222222", "#8a8a8a"
WIDTH = 4.7  # inches
LABEL_CHARACTERS = 26
CHARACTER = 0.068
"""Mean width of a character, in inches."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
    "svg.fonttype": "none",  # text stays text: sharp, searchable, in the reader's own font
}

# matplotlib would write its web address and the hour into the file
_NO_METADATA = {key: None for key in ("Creator", "Date", "Format", "Type")}


class InlineFigure(Figure):
    """A figure that notebooks show by themselves, without pyplot and its global state."""

    def _repr_svg_(self) -> str:
        return svg_text(self, "figure")


@contextmanager
def titled_figure(
    figure: AnyFigure | None, title: str, width: float, height: float
) -> Iterator[AnyFigure]:
    """Give a figure to draw into in our style, with its title above.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into as it is; a new one otherwise.
    title : str
        Wrapped to the figure's width.
    width, height : float
        Of a new figure without its title, in inches.

    Yields
    ------
    matplotlib.figure.Figure or SubFigure
    """
    with mpl.rc_context(STYLE):
        if figure is not None:
            inches = figure.bbox.width / figure.dpi
            lines = wrap(title, int(inches / CHARACTER))
        else:
            lines = wrap(title, int(width / CHARACTER))
            size = (width, height + 0.17 * len(lines))
            figure = InlineFigure(figsize=size, layout="constrained")
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=9)
        yield figure


def svg_text(figure: AnyFigure, name: str) -> str:
    """Write a figure as inline SVG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or SubFigure
        Of a part, the whole.
    name : str
        Keeps the ids of several figures in one page apart.
    """
    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.get_figure(root=True).savefig(
            buffer, format="svg", metadata=_NO_METADATA, transparent=True
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # matplotlib names every group alike in every figure; only what is referred to needs its id
    used = set(re.findall(r'(?:url\(#|href="#)([\w.-]+)', text))
    return re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
