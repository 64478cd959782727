"""The log likelihood of each citizen, on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.build import compile_citizen_log_likelihood
from bayes_coprod.model.collapse import distinct_rows
from bayes_coprod.model.pilot import Pilot, pilot_dataset
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.subset import take_citizens

_BLOCK = 32_000_000
"""Values of the log likelihood that are held in memory at a time, 8 bytes each."""


def add_log_likelihood(fit: Fit, *, by: Literal["citizen", "cell"] = "citizen") -> Fit:
    r"""Add each citizen's log likelihood, so that ArviZ can leave citizens out.

    Parameters
    ----------
    fit : Fit
    by : {"citizen", "cell"}
        ``"cell"``: once for all citizens of a country who have the same drivers and answers; of
        models that are computed from sums or counts.

    Returns
    -------
    Fit
        A new one whose ``tree`` has the group ``log_likelihood`` with ``answers``
        (chain, draw, citizen): the log density of all that a citizen answered, in the survey's
        units. Of cells it has the group ``cell_log_likelihood`` instead, with ``answers``
        (chain, draw, cell): the likelihood is that of one citizen, and the coordinate
        ``multiplicity`` (cell) counts the citizens. 8 bytes a citizen or cell and draw.

    Raises
    ------
    SpecError
        If `by` is unknown, or cells are wanted of ``items`` or of several completed data sets.

    Notes
    -----
    The unit is the citizen, so ``arviz.loo(fit.tree)`` leaves one citizen out at a time. Sums over
    citizens take each cell ``multiplicity`` times.

    Of a fit of several completed data sets each draw's likelihood is that given the drivers that
    it was fitted with. Parameters and filled-in drivers are drawn together, so leaving a citizen
    out takes from both what the own answers said of them,

    .. math:: p(y_i \mid y_{-i}) = 1 \Big/ E \bigl[ 1 / p(y_i \mid \theta, x_i) \bigr],

    the drivers only roughly, since they have as many values as there are data sets.
    """
    check_is_fit(fit, "add_log_likelihood")
    if by not in ("citizen", "cell"):
        raise make_error(
            SpecError,
            "add_log_likelihood",
            f"unknown by {by!r}",
            value=by,
            available=("citizen", "cell"),
        )
    answers = _of_citizens(fit) if by == "citizen" else _of_cells(fit)
    tree = fit.tree.copy()
    # a group of its own: what leaves out one of a group's entries would count each cell once
    group = "log_likelihood" if by == "citizen" else "cell_log_likelihood"
    tree[group] = xr.DataTree(xr.Dataset({"answers": answers}))
    return replace(fit, tree=tree)


def stream_log_likelihood(fit: Fit, which: np.ndarray) -> Iterator[tuple[np.ndarray, xr.DataArray]]:
    """Give the log likelihood of many citizens in blocks that memory can hold.

    Parameters
    ----------
    fit : Fit
    which : numpy.ndarray
        Positions of citizens in the design, sorted by country.

    Yields
    ------
    (numpy.ndarray, xarray.DataArray)
        Positions within `which`, and the log likelihood of these citizens (chain, draw, citizen).
    """
    sizes = fit.posterior.sizes
    at_once = max(1, _BLOCK // (sizes[names.CHAIN] * sizes[names.DRAW]))
    for first in range(0, len(which), at_once):
        at = np.arange(first, min(first + at_once, len(which)))
        yield at, _of_citizens(_of_some(fit, which[at]))


def alike(design: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Citizens of a country with the same drivers and answers, whose log likelihood is one.

    Parameters
    ----------
    design : xarray.Dataset

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        Positions of the first citizen of each kind, (kind,), sorted by country; (citizen,), the
        kind of everybody.
    """
    response = design["answer" if "answer" in design else "y"].values
    x = np.moveaxis(design["x"].values, -2, 0).reshape(len(response), -1)
    return distinct_rows(design["country_index"].values, np.column_stack([x, response]))


def look_at(fit: Fit, design: xr.Dataset, nodes: Nodes | None) -> Fit:
    """The draws of a fit to one data set, looking at other citizens.

    Parameters
    ----------
    fit : Fit
    design : xarray.Dataset
        Of these citizens, coded as the fit's, with the same countries.
    nodes : Nodes or None
        Of these citizens, where the model integrates over them.

    Returns
    -------
    Fit
    """
    groups = {"posterior": fit.posterior, "pilot": pilot_dataset(Pilot(nodes=nodes))}
    return Fit(fit.spec, fit.codebook, design, xr.DataTree.from_dict(groups))


def take_nodes(fit: Fit, which: np.ndarray, wider: int = 1) -> Nodes | None:
    """Nodes of some citizens of a fit to one data set.

    Parameters
    ----------
    fit : Fit
    which : numpy.ndarray
        (citizen,), true for those that are wanted, or their positions.
    wider : int
        How many times as many nodes each has, for parameters far from those of the fit.

    Returns
    -------
    Nodes or None
        ``None`` where the model does not integrate over citizens.
    """
    nodes = None if fit.pilot is None else fit.pilot.nodes
    if nodes is None:
        return None
    n_nodes = tuple(wider * n for n in nodes.n_nodes)
    return Nodes(nodes.place[which], nodes.spacing[which], n_nodes, nodes.is_grid)


def _of_some(fit: Fit, which: np.ndarray) -> Fit:
    """A fit, pooled or not, that looks at some of its citizens."""
    groups = {
        path: node.isel({names.CITIZEN: which}, missing_dims="ignore")
        for path, node in fit.tree.to_dict().items()
    }
    return replace(fit, design=take_citizens(fit.design, which), tree=xr.DataTree.from_dict(groups))


@by_part
def _of_citizens(fit: Fit) -> xr.DataArray:
    """Each citizen's log likelihood, (chain, draw, citizen)."""
    return _log_likelihood(fit, fit.design, {names.CITIZEN: fit.design[names.CITIZEN]})


def _of_cells(fit: Fit) -> xr.DataArray:
    """The log likelihood of one citizen of each cell, (chain, draw, cell)."""
    if fit.spec.likelihood == "items" or names.IMPUTATION in fit.design.dims:
        what = "a model of 'items'" if fit.spec.likelihood == "items" else "a pooled fit"
        raise make_error(
            SpecError, "add_log_likelihood", f"{what} has no cells", remedy="by='citizen'."
        )
    first, cell = alike(fit.design)
    coords = {
        names.CELL: np.arange(len(first)),
        names.MULTIPLICITY: (names.CELL, np.bincount(cell)),
    }
    return _log_likelihood(fit, fit.design.isel({names.CITIZEN: first}), coords)


def _log_likelihood(fit: Fit, design: xr.Dataset, coords: dict[str, Any]) -> xr.DataArray:
    """The log likelihood of a design's citizens, whom the first of `coords` labels."""
    posterior = fit.posterior
    evaluate = compile_citizen_log_likelihood(fit.spec, design, posterior, fit.pilot)
    n_chains, n_draws = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    values = {str(name): posterior[name].values for name in posterior.data_vars}
    out = np.empty((n_chains, n_draws, design.sizes[names.CITIZEN]))
    for chain, draw in np.ndindex(n_chains, n_draws):
        out[chain, draw] = evaluate({name: v[chain, draw] for name, v in values.items()})
    return xr.DataArray(
        out,
        dims=(names.CHAIN, names.DRAW, next(iter(coords))),
        coords={names.CHAIN: posterior[names.CHAIN], names.DRAW: posterior[names.DRAW], **coords},
    )
