"""Replicated answers beside those that were given, in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_coprod import names
from bayes_coprod.diagnostics.compare import check_draws
from bayes_coprod.diagnostics.panels import name_panel, panels
from bayes_coprod.diagnostics.pit import PIT_PROB, pit_curves
from bayes_coprod.diagnostics.reliability import reliability_curves
from bayes_coprod.diagnostics.shares import calibration_table
from bayes_coprod.drawing import COLOURS, FAINT, INK, LABEL_CHARACTERS, AnyFigure, titled_figure
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.inference.fit import Fit, check_is_fit

_ACROSS = 6
"""Countries side by side."""
_COLUMNS = 2
_COUNTRY, _LABELS, _ANSWER, _LINE, _SQUARE = 0.95, 1.9, 0.09, 0.15, 2.5  # inches


def plot_calibration(
    fit: Fit,
    *,
    of: xr.Dataset | None = None,
    prob: float | None = None,
    kind: IntervalKind | None = None,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Plot observed shares of each answer against expected ones, by item and country.

    Parameters
    ----------
    fit : Fit
        Of any model but ``index``.
    of : xarray.Dataset, optional
        What :func:`calibration_table` returned, if it is at hand.
    prob, kind : optional
        Mass and kind of the intervals of a table that is not at hand, as for :func:`summarise`.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        A column a country, and within an item a row an answer, the lowest on top: the observed
        share less the expected one as a dot, the interval of replicated shares as a bar.

    Raises
    ------
    SpecError
        If the model has no categories, `of` is no such table or that of another fit, or the
        interval is none.
    """
    check_is_fit(fit, "plot_calibration")
    table = calibration_table(fit, prob=prob, kind=kind) if of is None else of
    _check_table(fit, table)
    data = read_panels(fit, table)
    return draw_calibration(data, data.title, figure)


@dataclass(frozen=True)
class CalibrationPanels:
    """Observed less expected shares of answers, in percentage points.

    Parameters
    ----------
    items : tuple of str
        What was asked, or who takes part in what.
    n_answers : tuple of int
        Rows of each.
    countries : tuple of str
    observed, lower, upper : numpy.ndarray
        (country, answer), the observed share and the ends of the interval of replicated ones, all
        less the expected share; NaN where too few answered.
    title : str
    """

    items: tuple[str, ...]
    n_answers: tuple[int, ...]
    countries: tuple[str, ...]
    observed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    title: str

    @property
    def strays(self) -> np.ndarray:
        """Whether an observed share lies outside its interval, (country, answer)."""
        return (self.observed < self.lower) | (self.observed > self.upper)


def read_panels(fit: Fit, table: xr.Dataset) -> CalibrationPanels:
    """Prepare what :func:`calibration_table` returned for its figure."""
    mass = 100 * table.attrs["interval_prob"]
    shares = (
        "share of each answer, from the lowest on top to the highest"
        if names.ITEM in table.coords
        else "share of those who take part"
    )
    items, n_answers = _items(fit, table)
    ordered = table.transpose(names.COUNTRY, ...)
    away = {name: 100 * (ordered[name] - ordered["predicted"]).values for name in ordered}
    return CalibrationPanels(
        items=tuple(items),
        n_answers=tuple(n_answers),
        countries=tuple(fit.countries),
        observed=away["observed"],
        lower=away["lower"],
        upper=away["upper"],
        title=f"Observed less expected {shares}. Good: dots lie on the bars, which hold "
        f"{mass:.4g} % of what the model would have given; about {100 - mass:.4g} in 100 may "
        "stray, none far.",
    )


def draw_calibration(
    data: CalibrationPanels, title: str = "", figure: AnyFigure | None = None
) -> AnyFigure:
    """Draw the calibration figure."""
    labels = ["\n".join(wrap(label, LABEL_CHARACTERS)) for label in data.items]
    places, ends = _places(labels, data.n_answers)
    columns = min(_ACROSS, len(data.countries))
    bands = -(-len(data.countries) // columns)
    reach = [abs(values) for values in (data.observed, data.lower, data.upper)]
    limit = 1.1 * float(np.nanmax(reach, initial=0.01))
    with titled_figure(
        figure, title, _LABELS + _COUNTRY * columns, bands * (ends[-1] + 0.6) + 0.2
    ) as drawn:
        for c, axes in enumerate(panels(drawn, len(data.countries), columns)):
            _draw_country(axes, data, c, places, ends)
            name_panel(axes, data.countries[c], _COUNTRY)
            axes.set_xlim(-limit, limit)
            axes.set_yticks((ends[:-1] + ends[1:]) / 2, labels if c % columns == 0 else [])
        drawn.supxlabel("Observed less expected share, percentage points", fontsize=9)
    return drawn


def _check_table(fit: Fit, table: xr.Dataset) -> None:
    if not isinstance(table, xr.Dataset) or not {"observed", "predicted"} <= set(table):
        raise make_error(
            SpecError,
            "plot_calibration",
            f"of takes what calibration_table returned, and this is a {type(table).__name__}",
            remedy="plot_calibration(fit, of=calibration_table(fit)).",
        )
    if list(table[names.COUNTRY].values) != fit.countries:
        raise make_error(
            SpecError,
            "plot_calibration",
            "the table has other countries than the fit",
            available=fit.countries,
            remedy="Give the table of this fit.",
        )


def _items(fit: Fit, table: xr.Dataset) -> tuple[list[str], list[int]]:
    """Labels of what was asked, and how many answers a table has of each."""
    if names.ITEM not in table.coords:
        (dim,) = set(table["observed"].dims) - {names.COUNTRY}
        labels = [str(name) for name in table[dim].values]
        return labels, [1] * len(labels)
    found, counts = np.unique_counts(table[names.ITEM].values)
    count_of = dict(zip(map(str, found), map(int, counts), strict=True))
    items = list(dict.fromkeys(map(str, table[names.ITEM].values)))
    return [fit.codebook.item(name).label for name in items], [count_of[name] for name in items]


def _places(labels: Sequence[str], answers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where each answer lies, (answer,), and each item begins and ends, (item + 1,), in inches."""
    heights = [
        max(_ANSWER * n, _LINE * (label.count("\n") + 1)) + _LINE / 2
        for label, n in zip(labels, answers, strict=True)
    ]
    ends = np.cumsum([0.0, *heights])
    middles = (ends[:-1] + ends[1:]) / 2
    places = [
        middle + _ANSWER * (j - (n - 1) / 2)
        for middle, n in zip(middles, answers, strict=True)
        for j in range(n)
    ]
    return np.array(places), ends


def _draw_country(
    axes: Axes, data: CalibrationPanels, c: int, places: np.ndarray, ends: np.ndarray
) -> None:
    """Draw one country's dots and bars; those outside are diamonds."""
    axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
    for end in ends[1:-1]:
        axes.axhline(end, color="#e4e4e4", lw=0.6, zorder=0)
    axes.hlines(places, data.lower[c], data.upper[c], color="#bbbbbb", lw=4, zorder=1)
    for which, marker, colour, size in (
        (~data.strays[c], "o", COLOURS[0], 2.5),
        (data.strays[c], "D", COLOURS[1], 3.5),
    ):
        axes.plot(
            data.observed[c][which], places[which], linestyle="none", marker=marker,
            color=colour, markersize=size, zorder=2,
        )  # fmt: skip
    axes.set_ylim(ends[-1], 0)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(labelsize=8)
    axes.spines["left"].set_visible(False)


def plot_pit(
    fit: Fit,
    *,
    draws: int = 400,
    random_seed: int | None = None,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Plot whether indices lie where the other citizens' answers predict them.

    Parameters
    ----------
    fit : Fit
        Of ``index``.
    draws : int
        How many draws are used at most, as in :func:`check_predictive`.
    random_seed : int, optional
        Of the simulated envelope; the fit's own otherwise.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        One panel a form or outcome: the distribution of each citizen's leave-one-out predictive
        probability of a smaller index, less the uniform one, and ArviZ's envelope.

    Raises
    ------
    SpecError
        If the model is another, or there are fewer than 100 draws.

    References
    ----------
    .. [1] Säilynoja, Bürkner & Vehtari (2022), Graphical test for discrete uniformity and its
       applications in goodness-of-fit evaluation and multiple sample comparison, Statistics and
       Computing 32(2).
    """
    check_is_fit(fit, "plot_pit")
    if fit.spec.likelihood != "index":
        raise make_error(
            SpecError,
            "plot_pit",
            f"a model of {fit.spec.likelihood!r} predicts answers, which are few and no continuum",
            remedy="Use plot_reliability for 'participation' and 'ordinal', plot_calibration for "
            "'items'.",
        )
    curves = pit_curves(fit, draws, check_draws(fit, "plot_pit", draws, random_seed))
    title = (
        "Where each citizen's index lies in its prediction from the others. Good: the line stays "
        f"within the {100 * PIT_PROB:g} % envelope. Above it on the left and below it on the "
        "right: indices spread farther than the model says."
    )
    labels = [str(label) for label in curves["outcome"].values]
    rows = -(-len(labels) // _COLUMNS)
    with titled_figure(figure, title, _SQUARE * _COLUMNS, 2.0 * rows + 0.2) as drawn:
        for label, axes in zip(labels, panels(drawn, len(labels), _COLUMNS), strict=True):
            own = curves.sel(outcome=label)
            x = own["probability"].values
            axes.fill_between(x, own["lower"], own["upper"], color="#dddddd", linewidth=0)
            axes.axhline(0, color=FAINT, lw=0.8)
            axes.plot(x, own["distance"], color=COLOURS[0], lw=1.5)
            name_panel(axes, label, _SQUARE)
            axes.set_xlim(0, 1)
            axes.tick_params(labelsize=8)
        drawn.supxlabel("Predictive probability of a smaller index", fontsize=9)
        drawn.supylabel("Share of citizens below,\nless that probability", fontsize=9)
    return drawn


def plot_reliability(
    fit: Fit,
    *,
    draws: int = 400,
    random_seed: int | None = None,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Plot how often what was predicted of citizens with a probability happened.

    Parameters
    ----------
    fit : Fit
        Of ``participation`` or ``ordinal``.
    draws : int
        How many draws are replicated at most, as in :func:`check_predictive`.
    random_seed : int, optional
        The fit's own otherwise.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        One panel a form or outcome, or a threshold of the item: the monotone curve that pooling
        adjacent violators makes of the answers [1]_, where replicates have it, and below how many
        citizens were predicted what.

    Raises
    ------
    SpecError
        If the model is another, or `draws` is not positive.

    References
    ----------
    .. [1] Dimitriadis, Gneiting & Jordan (2021), Stable reliability diagrams for probabilistic
       classifiers, Proceedings of the National Academy of Sciences 118(8).
    """
    curves = reliability_curves(fit, draws=draws, random_seed=random_seed)
    title = (
        "How often that happened which was predicted with a probability. Good: the line stays in "
        f"the band, where {100 * curves.attrs['band_prob']:g} % of replicates have it, and the "
        "band lies on the diagonal. Bars: how many citizens were predicted what."
    )
    labels = [str(label) for label in curves["event"].values]
    if fit.spec.likelihood == "ordinal":
        item = fit.codebook.item(str(fit.design[names.ITEM].values[0]))
        labels = [f"{item.label}: {level} or more" for level in item.levels[1:]]
    rows = -(-len(labels) // _COLUMNS)
    with titled_figure(figure, title, _SQUARE * _COLUMNS, 2.4 * rows + 0.2) as drawn:
        for e, axes in enumerate(panels(drawn, len(labels), _COLUMNS)):
            _draw_reliability(axes, curves.isel(event=e))
            name_panel(axes, labels[e], 0.85 * _SQUARE)
        drawn.supxlabel("Predicted probability", fontsize=9)
        drawn.supylabel("Share in which it happened", fontsize=9)
    return drawn


def _draw_reliability(axes: Axes, own: xr.Dataset) -> None:
    x = own["predicted"].values
    axes.fill_between(x, own["lower"], own["upper"], color="#dddddd", linewidth=0)
    axes.plot(x[[0, -1]], x[[0, -1]], color=FAINT, lw=0.8, linestyle="--")
    axes.plot(x, own["observed"], color=COLOURS[0], lw=1.5)
    bottom, top = axes.get_ylim()
    room = 0.2 * (top - bottom)
    counts, edges = own["citizens"].values, own["edge"].values
    axes.bar(
        edges[:-1], room * counts / counts.max(), np.diff(edges), bottom - room, align="edge",
        color=INK, alpha=0.35, linewidth=0,
    )  # fmt: skip
    axes.set_ylim(bottom - room, top)
    axes.set_yticks([tick for tick in axes.get_yticks() if bottom <= tick <= top])
    axes.tick_params(labelsize=8)
