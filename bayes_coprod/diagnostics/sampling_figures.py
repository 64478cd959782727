"""What the sampler did, in pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

import arviz_plots as azp
import arviz_stats as azs
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayes_coprod import names
from bayes_coprod.diagnostics.panels import (
    LINE_STYLES,
    OKABE_ITO,
    LineStyle,
    for_arviz,
    name_panel,
    panels,
    told_apart,
)
from bayes_coprod.diagnostics.sampling import E_BFMI_PASS, ESS_PASS, R_HAT_PASS, sampled
from bayes_coprod.drawing import COLOURS, INK, WIDTH, AnyFigure, titled_figure
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.inference.fit import Fit, check_is_fit

type ChainPlot = Literal["rank", "trace"]

_COLUMNS = 2
_PANEL = (2.6, 1.75)  # inches
_STRAY = 0.01
"""Probability that a point of any parameter is marked though nothing is wrong."""
_MOST_NAMED = 8
"""Chains that a legend names."""
_ALONG = {"rank": "Rank, as a share of all draws", "trace": "Draw"}
_GOOD = {
    "rank": "ranks of draws among all chains, as their distance from an even spread. Good: no line "
    "strays from the others for long, and no point of one is marked.",
    "trace": "draws in order. Good: every chain moves fast over the same range, without drift and "
    "without sticking.",
}


def plot_chains(
    fit: Fit, *, n: int = 4, kind: ChainPlot = "rank", figure: AnyFigure | None = None
) -> AnyFigure:
    r"""Plot the chains of the parameters that mixed worst.

    Parameters
    ----------
    fit : Fit
    n : int
        How many parameters.
    kind : {"rank", "trace"}
        Ranks show what R-hat measures, traces where a chain went.
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        One panel a parameter, the worst first; named as :func:`check_fit` does. Of several
        completed data sets chains are held to those of the same one.

    Raises
    ------
    SpecError
        If `n` is not positive, the kind is unknown, or ranks are wanted of one chain.

    Notes
    -----
    The worst is farthest beyond, or closest to, a limit of :func:`check_fit`:

    .. math:: \max\left(\frac{\hat R - 1}{0.01}, \frac{100 C}{\text{bulk ESS}},
        \frac{100 C}{\text{tail ESS}}\right)

    with C chains. ArviZ draws the ranks, and marks where a chain strays from an even spread
    farther than any of the fit's parameters would with probability 0.01.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Rank-normalization, folding, and
       localization: An improved R-hat, Bayesian Analysis 16(2), 667-718.
    """
    check_is_fit(fit, "plot_chains")
    _check_asked(fit, n, kind)
    found = sorted_parameters(fit)
    worst, prob = found[:n], 1 - _STRAY / len(found)
    title = f"Parameters that mixed worst: {_GOOD[kind]}"
    rows = -(-len(worst) // _COLUMNS)
    across = max(_PANEL[0] * min(_COLUMNS, len(worst)), WIDTH)
    styles = LINE_STYLES if kind == "rank" else LINE_STYLES[:1]
    with titled_figure(figure, title, across, _PANEL[1] * rows + 0.5) as drawn, told_apart(styles):
        for one, axes in zip(worst, panels(drawn, len(worst), _COLUMNS), strict=True):
            data = xr.Dataset({one.label: one.draws})
            aes = {"color": [names.CHAIN], "overlay": [names.CHAIN]}
            if kind == "rank":
                aes["linestyle"] = [names.CHAIN]
            collection = for_arviz(drawn, {one.label: axes}, data, **aes)
            _draw_chains(kind, data, collection, axes, prob)
            name_panel(axes, f"{one.label}\n{one.words}", _PANEL[0])
            axes.tick_params(labelsize=8)
            axes.set_xlabel(_ALONG[kind], fontsize=8)
        _name_chains(drawn, worst[0].draws, styles)
    return drawn


def _draw_chains(
    kind: ChainPlot, data: xr.Dataset, collection: azp.PlotCollection, axes: Axes, prob: float
) -> None:
    """Let ArviZ draw ranks or traces; of an envelope for ranks with the given probability."""
    tree = xr.DataTree.from_dict({"posterior": data})
    plain = {"title": False, "xlabel": False}
    if kind == "trace":
        azp.plot_trace(
            tree, plot_collection=collection,
            visuals=plain | {"trace": {"width": 0.6}},
        )  # fmt: skip
        return
    azp.plot_rank(
        tree,
        plot_collection=collection,
        envelope_prob=prob,
        visuals=plain | {"ecdf_lines": {"width": 1.0}},
    )
    # ArviZ takes no wishes for these two; its p does not know that the worst were chosen
    for text in list(axes.texts):
        text.remove()
    for points in axes.collections:
        points.set(color=INK, sizes=[9])


def _name_chains(figure: AnyFigure, draws: xr.DataArray, styles: Sequence[LineStyle]) -> None:
    labels = [str(label) for label in draws[names.CHAIN].values]
    if not 1 < len(labels) <= _MOST_NAMED:
        return
    kinds = islice(zip(cycle(OKABE_ITO), cycle(styles), strict=True), len(labels))
    handles = [Line2D([], [], color=colour, linestyle=style) for colour, style in kinds]
    named = [f"chain {label}" for label in labels]
    figure.legend(
        handles, named, loc="outside lower center", ncols=4, frameon=False, fontsize=8,
        handlelength=2.6,
    )  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One parameter of one data set's fit, and how it mixed.

    Parameters
    ----------
    label : str
        As in findings.
    draws : xarray.DataArray
        dims (chain, draw).
    r_hat, bulk, tail : float
        R-hat and effective sample sizes.
    """

    label: str
    draws: xr.DataArray
    r_hat: float
    bulk: float
    tail: float

    @property
    def badness(self) -> float:
        """How far up to, or beyond, a limit it is; infinite where it cannot be measured."""
        wanted = ESS_PASS * self.draws.sizes[names.CHAIN]
        ratios = [wanted / self.bulk, wanted / self.tail]
        if self.draws.sizes[names.CHAIN] > 1:
            ratios.append((self.r_hat - 1) / (R_HAT_PASS - 1))
        return float(np.nan_to_num(max(ratios, key=lambda r: (np.isnan(r), r)), nan=np.inf))

    @property
    def words(self) -> str:
        """What was measured, in short."""
        return f"R-hat {self.r_hat:.3f}; bulk ESS {self.bulk:,.0f}, tail {self.tail:,.0f}"


def sorted_parameters(fit: Fit) -> list[Parameter]:
    """All parameters that are sampled, what mixed worst first."""
    found = [
        one
        for k, part in enumerate(fit.parts, start=1)
        for one in _parameters(part, f"data set {k}, " if len(fit.parts) > 1 else "")
    ]
    return sorted(found, key=lambda one: -one.badness)


def _parameters(part: Fit, prefix: str) -> Iterator[Parameter]:
    posterior = part.posterior
    with np.errstate(invalid="ignore"):  # of what is constant
        r_hat = sampled(azs.rhat(posterior), posterior, -np.inf)
    bulk, tail = (
        sampled(azs.ess(posterior, method=method), posterior, np.inf) for method in ("bulk", "tail")
    )
    for name, values in posterior.data_vars.items():
        dims = [dim for dim in values.dims if dim not in (names.CHAIN, names.DRAW)]
        for at in np.ndindex(*(values.sizes[dim] for dim in dims)):
            which = dict(zip(dims, at, strict=True))
            own = values.isel(which)
            size = float(bulk[name].isel(which))
            if size == np.inf:  # constant, because the model says so
                continue
            label = names.quantity_label(name, (own[dim].item() for dim in dims))
            yield Parameter(
                f"{prefix}{label}",
                own.drop_vars([coord for coord in own.coords if coord not in own.dims]),
                float(r_hat[name].isel(which)),
                size,
                float(tail[name].isel(which)),
            )


def _check_asked(fit: Fit, n: int, kind: str) -> None:
    if n < 1:
        raise make_error(SpecError, "plot_chains", f"n is {n}", remedy="Give 1 or more.")
    if kind not in _GOOD:
        raise make_error(
            SpecError, "plot_chains", f"unknown kind {kind!r}", value=kind, available=_GOOD
        )
    if kind == "rank" and fit.parts[0].posterior.sizes[names.CHAIN] < 2:
        raise make_error(
            SpecError,
            "plot_chains",
            "ranks compare chains, and there is one",
            remedy="Use kind='trace', or fit with chains=4.",
        )


def plot_energy(fit: Fit, *, figure: AnyFigure | None = None) -> AnyFigure:
    """Plot the sampler's energy, and how much of it changes from draw to draw.

    Parameters
    ----------
    fit : Fit
    figure : matplotlib.figure.Figure or SubFigure, optional
        To draw into; a new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure or SubFigure
        Both distributions, drawn by ArviZ, and E-BFMI by chain. Of several completed data sets the
        one with the smallest E-BFMI.

    Raises
    ------
    SpecError
        If the fit has no energy.

    References
    ----------
    .. [1] Betancourt (2016), Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte
       Carlo, arXiv:1604.00695.
    """
    check_is_fit(fit, "plot_energy")
    stats = _worst_energy(fit)
    title = (
        "Energy of the sampler. Good: what changes from draw to draw spreads nearly as far as all "
        f"of it; E-BFMI above {E_BFMI_PASS:g} in every chain."
    )
    with titled_figure(figure, title, WIDTH, 2.2) as drawn, told_apart():
        wide, narrow = drawn.subplots(1, 2, width_ratios=[2, 1])
        _draw_energy(drawn, wide, stats)
        _draw_bfmi(narrow, stats)
    return drawn


def _worst_energy(fit: Fit) -> xr.Dataset:
    """Sampling statistics of the part that changes least energy."""
    found = []
    for part in fit.parts:
        group = part.tree.children.get("sample_stats")
        if group is None or "energy" not in group.data_vars:
            raise make_error(
                SpecError,
                "plot_energy",
                "the fit has no energy in sample_stats",
                remedy="Give a fit as fit_model returns it.",
            )
        found.append(group.to_dataset()[["energy"]])
    return min(found, key=lambda stats: float(_bfmi(stats).min()))


def _bfmi(stats: xr.Dataset) -> np.ndarray:
    return np.atleast_1d(np.asarray(azs.bfmi(stats)["energy"].values, dtype=float))


def _draw_energy(figure: AnyFigure, axes: Axes, stats: xr.Dataset) -> None:
    kinds = xr.Dataset(
        {"Energy": ("energy", [0.0, 0.0])}, coords={"energy": ["marginal", "transition"]}
    )
    collection = for_arviz(
        figure, {"Energy": axes}, kinds, color=["energy"], linestyle=["energy"], overlay=["energy"]
    )
    azp.plot_energy(
        xr.DataTree.from_dict({"sample_stats": stats}),
        plot_collection=collection,
        show_bfmi=False,
        visuals={"title": False, "legend": False},
    )
    axes.spines[["top", "left", "right"]].set_visible(False)
    handles = [
        Line2D([], [], color=colour, linestyle=style)
        for colour, style in zip(COLOURS, LINE_STYLES, strict=False)
    ]
    axes.legend(
        handles, ["energy", "change to the next draw"], frameon=False, fontsize=8, ncols=2,
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.0,
    )  # fmt: skip
    axes.set_xlabel("Energy less its mean")


def _draw_bfmi(axes: Axes, stats: xr.Dataset) -> None:
    values = _bfmi(stats)
    rows = np.arange(len(values))
    fine = values > E_BFMI_PASS
    for which, marker, colour in ((fine, "o", COLOURS[0]), (~fine, "D", COLOURS[1])):
        axes.plot(values[which], rows[which], linestyle="none", marker=marker, color=colour)
    axes.axvline(E_BFMI_PASS, color=COLOURS[1], lw=1.0, linestyle="--")
    axes.set_yticks(rows, [f"chain {label}" for label in stats[names.CHAIN].values], fontsize=8)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, max(1.2, 1.1 * float(np.nanmax(values, initial=0.0))))
    axes.set_xlabel("E-BFMI")
    axes.spines[["top", "right"]].set_visible(False)
