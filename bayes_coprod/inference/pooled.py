"""Fits of several completed data sets: pooled into one, and asked part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.inference.fit import IMPUTATIONS, Fit
from bayes_coprod.model.spec import ModelSpec

_OWN = ("pilot", "proof")
"""Groups that belong to one data set."""
_HOW = ("target_accept", "discarded_runs", "sampling_time")
"""What the posterior's attributes say of one run."""


def pool_fits(spec: ModelSpec, design: xr.Dataset, parts: Sequence[Fit]) -> Fit:
    """Pool the draws of fits to completed data sets of one survey.

    Parameters
    ----------
    spec : ModelSpec
        With the first part's seed.
    design : xarray.Dataset
        From :func:`make_completed_design`.
    parts : sequence of Fit
        One for each imputation of the design, in its order.

    Returns
    -------
    Fit
        Whose ``parts`` are these.
    """
    labels = design[names.IMPUTATION].values
    groups = {
        name: join_chains([part.tree[name].to_dataset() for part in parts], labels)
        for name in ("posterior", "sample_stats")
    }
    runs = [part.tree["posterior"].attrs for part in parts]
    groups["posterior"] = groups["posterior"].assign_attrs(
        target_accept=max(run["target_accept"] for run in runs),
        discarded_runs=sum(run["discarded_runs"] for run in runs),
        sampling_time=sum(run["sampling_time"] for run in runs),
    )
    tree = xr.DataTree.from_dict(groups)
    for label, part, run in zip(labels, parts, runs, strict=True):
        own = {name: group for name, group in part.tree.children.items() if name in _OWN}
        tree[f"{IMPUTATIONS}/{label}"] = xr.DataTree(
            xr.Dataset(attrs={name: run[name] for name in _HOW}), children=own
        )
    return Fit(spec, parts[0].codebook, design, tree)


def join_chains[Draws: (xr.DataArray, xr.Dataset)](
    of_parts: Sequence[Draws], labels: np.ndarray
) -> Draws:
    """Put the chains of all parts one after another.

    Parameters
    ----------
    of_parts : sequence of xarray.DataArray or xarray.Dataset
        dims (chain, ...), the same but for the number of chains.
    labels : numpy.ndarray
        (part,), what the coordinate ``imputation`` calls each.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        dims (chain, ...); chains are counted from 0.
    """
    joined = xr.concat(
        of_parts,
        dim=names.CHAIN,
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="override",
    )
    of_chain = np.repeat(labels, [part.sizes[names.CHAIN] for part in of_parts])
    return joined.assign_coords(
        {names.CHAIN: np.arange(len(of_chain)), names.IMPUTATION: (names.CHAIN, of_chain)}
    )


def by_part[Quantity: Callable[..., Any]](quantity: Quantity) -> Quantity:
    """Let a function of a fit to one data set answer for a pooled fit as well.

    Parameters
    ----------
    quantity : callable
        Takes a fit, and whatever else, and returns draws, dims (chain, ...).

    Returns
    -------
    callable
        Of a pooled fit it asks each part, and joins the chains. Parts have seeds of their own,
        counted up from `random_seed` where that is given: the same for all would make the same
        random weights count as often as there are parts. The attribute ``fit`` of what it returns
        is the fit's digest.
    """

    @wraps(quantity)
    def of_all(fit: Fit, *args: Any, **given: Any) -> Any:
        # what is no fit is refused by the function itself, in its own words
        if not isinstance(fit, Fit) or len(parts := fit.parts) == 1:
            return _signed(quantity(fit, *args, **given), fit)
        seed = given.get("random_seed")
        answers = []
        for k, part in enumerate(parts):
            if seed is not None:
                given["random_seed"] = seed + k
            answers.append(quantity(part, *args, **given))
        return _signed(join_chains(answers, fit.design[names.IMPUTATION].values), fit)

    return cast(Quantity, of_all)


def _signed[Draws: (xr.DataArray, xr.Dataset)](draws: Draws, fit: Fit) -> Draws:
    """Say which fit draws are of."""
    if isinstance(draws, xr.Dataset):
        own = {name: values.assign_attrs(fit=fit.digest) for name, values in draws.items()}
        draws = draws.assign(own)
    return draws.assign_attrs(fit=fit.digest)
