"""What the priors said and what is left of it, in pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayes_coprod import names
from bayes_coprod.diagnostics.panels import LINE_STYLES, OKABE_ITO, LineStyle
from bayes_coprod.diagnostics.prior import LIKELIHOOD, check_is_sensitivity
from bayes_coprod.diagnostics.simulated import truth_as_fit
from bayes_coprod.drawing import (
    COLOURS,
    FAINT,
    INK,
    LABEL_CHARACTERS,
    WIDTH,
    AnyFigure,
    titled_figure,
)
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import country_levels, country_mean, gap, has_gap
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.streams import random_stream

_SAMPLE = (names.CHAIN, names.DRAW)
_ROW = 0.36  # inches
_TALL = 0.8
"""Height of a curve, in rows."""
_ENDS = (0.005, 0.995)
"""Quantiles of the prior between which it is shown."""
_FLOOR = 0.001
"""Sensitivities below it are drawn there."""
_APART = 0.03  # inches
_MARKERS = "oDsv^P"


@dataclass(frozen=True)
class _Curve:
    """One quantity before and after the data.

    Parameters
    ----------
    label : str
        Of its row.
    which : str
        Form or outcome; empty if it belongs to none.
    units : str
    prior, posterior : numpy.ndarray
        (draw,).
    """

    label: str
    which: str
    units: str
    prior: np.ndarray
    posterior: np.ndarray


def plot_priors(
    fit: Fit,
    *,
    draws: int = 1000,
    random_seed: int | None = None,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Plot what is quoted and how far countries differ, before the data and after.

    Parameters
    ----------
    fit : Fit
    draws : int
        From the priors.
    random_seed : int, optional
        Of these; the fit's own otherwise.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        Panels of levels and the gap, of driver effects, all means over the countries, and of tau,
        the SDs between countries. Priors grey, posteriors in the form's colour, every curve to the
        same height.

    Raises
    ------
    SpecError
        If `draws` is smaller than 100.
    """
    check_is_fit(fit, "plot_priors")
    if draws < 100:
        raise make_error(
            SpecError, "plot_priors", f"draws is {draws}", remedy="A curve takes 100 or more."
        )
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    part, rng = fit.parts[0], random_stream(seed, "prior")
    drawn_from = draw_priors(part.spec, part.codebook, part.design, draws, rng)
    prior = truth_as_fit(part.spec, part.codebook, part.design, drawn_from)
    groups = [(name, found) for name, of in _GROUPS.items() if (found := list(of(fit, prior)))]
    title = (
        "Before the data (grey) and after. Good: the data move or narrow every curve; one that "
        "stays as it was says what its prior says. An SD (tau) may stay wide: countries are few."
    )
    counts = [len(dict.fromkeys(curve.label for curve in found)) for _, found in groups]
    which = list(dict.fromkeys(c.which for _, found in groups for c in found if c.which))
    with titled_figure(
        figure, title, WIDTH + 0.8, _ROW * sum(counts) + 0.75 * len(groups)
    ) as drawn:
        grid = drawn.subplots(len(groups), squeeze=False, height_ratios=counts)[:, 0]
        for axes, (name, found) in zip(grid, groups, strict=True):
            _draw_ridges(axes, found, which)
            axes.set_xlabel(f"{name}; {found[0].units}", fontsize=9)
        _name_curves(drawn, which)
    return drawn


def _levels(fit: Fit, prior: Fit) -> Iterator[_Curve]:
    """Mean levels and the gap."""
    levels = [country_levels(f, uncertainty="fixed") for f in (prior, fit)]
    yield from _of_rows("level", *map(country_mean, levels))
    if has_gap(fit):
        pair = zip((prior, fit), levels, strict=True)
        yield from _of_rows("gap", *(country_mean(gap(f, of=of)) for f, of in pair))


def _effects(fit: Fit, prior: Fit) -> Iterator[_Curve]:
    """Effects of drivers, means over the countries."""
    if not fit.design.sizes[names.COEFFICIENT]:
        return
    before, after = (driver_effects(f, uncertainty="fixed")["pooled"] for f in (prior, fit))
    for label in after[names.DRIVER].values:
        own = after.sel({names.DRIVER: label})
        words = f"{own['label'].item()}, {own['per'].item()}"
        yield from _of_rows(words, before.sel({names.DRIVER: label}), own)


def _spreads(fit: Fit, prior: Fit) -> Iterator[_Curve]:
    """SDs between countries."""
    before, after = prior.posterior, fit.posterior
    if "tau_intercept" in after:
        yield from _of_rows("level", before["tau_intercept"], after["tau_intercept"])
    if "tau" in after:
        for name in after["tau"][names.DRIVER].values:
            at = {names.DRIVER: name}
            label = fit.codebook.driver(str(name)).label
            yield from _of_rows(label, before["tau"].sel(at), after["tau"].sel(at))
    if "tau_kappa" in after:
        yield from _of_rows("thresholds", before["tau_kappa"], after["tau_kappa"])


def _of_rows(label: str, prior: xr.DataArray, posterior: xr.DataArray) -> Iterator[_Curve]:
    """One row's curves, one for each label of the dim that is left."""
    flat = [values.stack(sample=_SAMPLE, create_index=False) for values in (prior, posterior)]
    units = posterior.attrs.get("units", "units of the model")
    rest = [dim for dim in flat[1].dims if dim != "sample"]
    if not rest:
        yield _Curve(label, "", units, flat[0].values, flat[1].values)
        return
    (dim,) = rest
    for which in flat[1][dim].values:
        before, after = (values.sel({dim: which}).values for values in flat)
        yield _Curve(label, str(which), units, before, after)


_GROUPS = {
    "Levels and gap, mean over the countries": _levels,
    "Driver effects, mean over the countries": _effects,
    "SDs between countries (tau)": _spreads,
}


def _draw_ridges(axes: Axes, curves: Sequence[_Curve], which: Sequence[str]) -> None:
    """Draw one row a label, the prior grey below the posteriors."""
    labels = list(dict.fromkeys(curve.label for curve in curves))
    for curve in curves:
        y = labels.index(curve.label)
        colour, style = _kind(curve.which, which)
        axes.fill_between(*_ridge(curve.prior, y), y, color="#cccccc", linewidth=0, zorder=1)
        axes.plot(*_ridge(curve.posterior, y), color=colour, linestyle=style, lw=1.3, zorder=2)
    for y in range(len(labels)):
        axes.axhline(y, color="#dddddd", lw=0.6, zorder=0)
    everything = np.concatenate([curve.prior for curve in curves])
    after = np.concatenate([curve.posterior for curve in curves])
    low, high = np.quantile(everything, _ENDS)
    axes.set_xlim(min(low, after.min()), max(high, after.max()))
    axes.set_ylim(len(labels) - 0.9, -1)
    wrapped = ["\n".join(wrap(label, LABEL_CHARACTERS + 4)) for label in labels]
    axes.set_yticks(np.arange(len(labels)) - _TALL / 2, wrapped, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "left", "right"]].set_visible(False)


def _ridge(draws: np.ndarray, y: float) -> tuple[np.ndarray, np.ndarray]:
    """A density as a curve above a row; rows count downward."""
    kde = xr.DataArray(draws, dims="draw").azstats.kde(dim="draw")
    x, density = kde.values
    return x, y - _TALL * density / density.max()


def _name_curves(figure: AnyFigure, which: Sequence[str]) -> None:
    handles: list[Patch | Line2D] = [Patch(color="#cccccc")]
    for name in which:
        colour, style = _kind(name, which)
        handles.append(Line2D([], [], color=colour, linestyle=style))
    labels = ["prior", *(f"posterior: {name}" for name in which)]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)


def _kind(name: str, which: Sequence[str]) -> tuple[str, LineStyle]:
    """Colour and dashes of a form or outcome; of what belongs to none black and solid."""
    if not name:
        return INK, "-"
    at = which.index(name)
    return OKABE_ITO[at % len(OKABE_ITO)], LINE_STYLES[at % len(LINE_STYLES)]


def plot_sensitivity(table: pd.DataFrame, *, figure: AnyFigure | None = None) -> AnyFigure:
    """Plot how much each prior, and the data, move what is quoted.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`prior_sensitivity` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        A row a quantity, and a mark for each block of priors and the likelihood; priors beyond the
        limit, and a likelihood below it, are filled. What could not be measured has no mark.

    Raises
    ------
    SpecError
        If it is given anything else.
    """
    check_is_sensitivity(table, "plot_sensitivity")
    limit = float(table.attrs["limit"])
    title = (
        "How much each quantity moves if a prior, or the likelihood, says a little more or less. "
        f"Good: no mark is filled; priors lie left of the dashed line at {limit:g}, and the "
        "likelihood right of it."
    )
    quantities = list(dict.fromkeys(table["quantity"]))
    blocks = list(dict.fromkeys(table["block"]))
    labels = ["\n".join(wrap(str(name), LABEL_CHARACTERS + 12)) for name in quantities]
    lines = np.array([label.count("\n") + 1 for label in labels])
    ends = np.cumsum([0.0, *(0.15 * lines + 0.06)])
    middles = dict(zip(quantities, (ends[:-1] + ends[1:]) / 2, strict=True))
    with titled_figure(figure, title, WIDTH + 1.4, float(ends[-1]) + 0.9) as drawn:
        axes = drawn.subplots()
        axes.axvline(limit, color=COLOURS[1], lw=1.0, linestyle="--", zorder=0)
        for end in ends[1:-1]:
            axes.axhline(end, color="#eeeeee", lw=0.6, zorder=0)
        for b, block in enumerate(blocks):
            own = table[table["block"] == block]
            _draw_block(axes, own, [middles[q] for q in own["quantity"]], b, limit)
        axes.set_xscale("log")
        axes.set_xlim(0.8 * _FLOOR, max(1.0, 1.2 * float(table["sensitivity"].max())))
        axes.set_ylim(ends[-1], 0)
        axes.set_yticks(list(middles.values()), labels, fontsize=8)
        ticks = [_FLOOR, 0.01, limit, 0.2, 1.0]
        axes.set_xticks(ticks, [f"{_FLOOR:g} or less", *(f"{tick:g}" for tick in ticks[1:])])
        axes.minorticks_off()
        axes.set_xlabel("Sensitivity")
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "left", "right"]].set_visible(False)
        drawn.legend(
            *axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False,
            fontsize=8,
        )  # fmt: skip
    return drawn


def _draw_block(
    axes: Axes, own: pd.DataFrame, places: Sequence[float], b: int, limit: float
) -> None:
    """Draw one block's marks: hollow where all is well, filled where it is not."""
    is_data = own["block"].iloc[0] == LIKELIHOOD
    values = own["sensitivity"].to_numpy()
    poor = values < limit if is_data else values >= limit
    colour = FAINT if is_data else OKABE_ITO[b % len(OKABE_ITO)]
    marker = "x" if is_data else _MARKERS[b % len(_MARKERS)]
    # marks of several blocks would lie on each other
    x, y = np.maximum(values, _FLOOR), np.array(places) + _APART * (b - 2)
    name = LIKELIHOOD if is_data else f"prior: {own['block'].iloc[0]}"
    for which, face, label in ((~poor, "white", name), (poor, colour, None)):
        axes.plot(
            x[which],
            y[which],
            linestyle="none",
            marker="X" if is_data and face != "white" else marker,
            markersize=5,
            color=colour,
            markerfacecolor=face,
            label=label,
            zorder=2 + (face != "white"),
        )
