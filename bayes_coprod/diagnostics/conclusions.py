"""The quantities that people quote of a fit, side by side: what checks ask whether they hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.estimands.countries import (
    country_contrasts,
    country_levels,
    country_mean,
    gap,
    has_gap,
)
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.inference.fit import Fit

CONCLUSION = "conclusion"


def conclusions(fit: Fit, *, by_country: bool = False) -> xr.DataArray:
    """What is quoted of all countries together, and of each.

    Parameters
    ----------
    fit : Fit
    by_country : bool
        Each country's gap, or levels where there is none, and its contrasts to their mean, besides.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, conclusion): mean levels by form or outcome, the mean gap, and pooled
        driver effects, on the model's own scale; coords ``conclusion`` and ``units``.
    """
    return xr.concat(
        [_flat(kind, values) for kind, values in _quantities(fit, by_country)],
        dim=CONCLUSION,
        coords="minimal",
        compat="equals",
        join="exact",
    ).rename("conclusions")


def _quantities(fit: Fit, by_country: bool) -> Iterator[tuple[str, xr.DataArray]]:
    levels = country_levels(fit)
    yield "mean level", country_mean(levels)
    if has_gap(fit):
        gulf = gap(fit, of=levels)
        yield "mean gap", country_mean(gulf)
    if by_country:
        kind, of = ("gap", gulf) if has_gap(fit) else ("level", levels)
        yield kind, of
        yield f"{kind} against the mean", country_contrasts(fit, of=of)
    if fit.design.sizes[names.COEFFICIENT]:
        yield "effect", driver_effects(fit)["pooled"]


def _flat(kind: str, values: xr.DataArray) -> xr.DataArray:
    """One column for each quantity, (chain, draw, conclusion), named by its labels."""
    others = [dim for dim in values.dims if dim not in (names.CHAIN, names.DRAW)]
    stacked = values.transpose(names.CHAIN, names.DRAW, *others)
    labels = [
        ", ".join(str(values[dim].values[i]) for dim, i in zip(others, at, strict=True))
        for at in np.ndindex(*(values.sizes[dim] for dim in others))
    ]
    shape = (values.sizes[names.CHAIN], values.sizes[names.DRAW], len(labels))
    coords = {name: values[name] for name in (names.CHAIN, names.DRAW)}
    return xr.DataArray(
        stacked.values.reshape(shape),
        dims=(names.CHAIN, names.DRAW, CONCLUSION),
        coords={
            **coords,
            CONCLUSION: [": ".join(filter(None, (kind, label))) for label in labels],
            "units": (CONCLUSION, len(labels) * [values.attrs["units"]]),
        },
    )
