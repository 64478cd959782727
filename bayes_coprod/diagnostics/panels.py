"""Axes side by side, and ArviZ's plots drawn into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from textwrap import wrap
from typing import Any, Literal

import arviz_plots as azp
import matplotlib as mpl
import numpy as np
import xarray as xr
from cycler import cycler
from matplotlib.axes import Axes

from bayes_coprod.drawing import CHARACTER, AnyFigure

type LineStyle = Literal["-", "--", "-.", ":"] | tuple[float, Sequence[float]]

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
LINE_STYLES: tuple[LineStyle, ...] = (
    "-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)),
)  # fmt: skip


def panels(figure: AnyFigure, n: int, columns: int) -> list[Axes]:
    """Axes from left to right and from top to bottom, without empty ones.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or SubFigure
    n : int
    columns : int
        At most.

    Returns
    -------
    list of matplotlib.axes.Axes
    """
    across = min(columns, n)
    grid = figure.subplots(-(-n // across), across, squeeze=False).ravel()
    for empty in grid[n:]:
        empty.remove()
    for axes in grid[:n]:
        axes.spines[["top", "right"]].set_visible(False)
    return list(grid[:n])


def name_panel(axes: Axes, text: str, inches: float) -> None:
    """Write a panel's name above it, wrapped to its width."""
    characters = int(9 / 8 * inches / CHARACTER)
    lines = [line for part in text.split("\n") for line in wrap(part, characters)]
    axes.set_title("\n".join(lines), fontsize=8, loc="left")


def for_arviz(
    figure: AnyFigure, drawn: Mapping[str, Axes], data: xr.Dataset, **aes: Sequence[str]
) -> azp.PlotCollection:
    """Let ArviZ draw each variable into axes that are there.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or SubFigure
    drawn : mapping of str to matplotlib.axes.Axes
        By variable.
    data : xarray.Dataset
    **aes
        Dims by what tells them apart, such as ``color=["chain"]``.

    Returns
    -------
    arviz_plots.PlotCollection
        What its functions take as ``plot_collection``.
    """

    def cell(thing: Any) -> xr.DataArray:
        return xr.DataArray(np.array(thing, dtype=object))

    where = xr.DataTree.from_dict(
        {
            "/": xr.Dataset({"figure": cell(figure)}),
            "plot": xr.Dataset({name: cell(axes) for name, axes in drawn.items()}),
        }
    )
    return azp.PlotCollection(data, where, backend="matplotlib", aes=dict(aes))


def told_apart(styles: Sequence[LineStyle] = LINE_STYLES) -> AbstractContextManager[None]:
    """Lines that differ in colour and, unless told otherwise, in dashes, as they do in grey."""
    many = len(OKABE_ITO)
    dashes = [styles[i % len(styles)] for i in range(many)]
    return mpl.rc_context({"axes.prop_cycle": cycler(color=OKABE_ITO) + cycler(linestyle=dashes)})
