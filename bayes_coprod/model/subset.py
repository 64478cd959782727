"""Designs of some of the citizens, coded as those of all of them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names


def take_citizens(design: xr.Dataset, which: np.ndarray) -> xr.Dataset:
    """Take some citizens of a design; countries, units and coding stay.

    Parameters
    ----------
    design : xarray.Dataset
    which : numpy.ndarray
        (citizen,), true for those who stay, or the positions of these, sorted by country.

    Returns
    -------
    xarray.Dataset
        Without the digest, which is that of all citizens.
    """
    return _undigested(design.isel({names.CITIZEN: which}))


def without_country(design: xr.Dataset, country: str) -> xr.Dataset:
    """Take all countries of a design but one; units and coding stay.

    Parameters
    ----------
    design : xarray.Dataset
    country : str

    Returns
    -------
    xarray.Dataset
    """
    place = _place(design, country)
    index = design["country_index"].values
    others = np.flatnonzero(np.arange(design.sizes[names.COUNTRY]) != place)
    left = design.isel({names.CITIZEN: index != place, names.COUNTRY: others})
    # positions after the one that is left out move up
    return _undigested(
        left.assign(country_index=left["country_index"] - (left["country_index"] > place))
    )


def only_country(design: xr.Dataset, country: str) -> xr.Dataset:
    """Take one country of a design; units and coding stay.

    Parameters
    ----------
    design : xarray.Dataset
    country : str

    Returns
    -------
    xarray.Dataset
    """
    place = _place(design, country)
    own = design.isel(
        {names.CITIZEN: design["country_index"].values == place, names.COUNTRY: [place]}
    )
    return _undigested(own.assign(country_index=xr.zeros_like(own["country_index"])))


def what_is_missing(design: xr.Dataset) -> str:
    """Say what a model could not learn from a design; empty if nothing.

    Parameters
    ----------
    design : xarray.Dataset

    Returns
    -------
    str
        Such as "no answers to the item 'patrol'".
    """
    if "answer" in design:
        for item, answer in zip(design[names.ITEM].values, design["answer"].values.T, strict=True):
            found = np.unique(answer[answer >= 0])
            if len(found) < 2:
                return (
                    f"{'one answer only' if len(found) else 'no answers'} to the item {str(item)!r}"
                )
    else:
        dim = design["y"].dims[1]
        for outcome, y in zip(design[dim].values, design["y"].values.T, strict=True):
            if len(np.unique(y[~np.isnan(y)])) < 2:
                return f"no variation in {str(outcome)!r}"
    x = design["x"]
    # ([imputation,] coefficient)
    spread = np.atleast_2d(np.ptp(x.values, axis=-2)).min(axis=0)
    for label, one in zip(x[names.COEFFICIENT].values, spread, strict=True):
        if one == 0:
            return f"no variation in the driver {str(label)!r}"
    return ""


def _place(design: xr.Dataset, country: str) -> int:
    return [str(name) for name in design[names.COUNTRY].values].index(country)


def _undigested(design: xr.Dataset) -> xr.Dataset:
    out = design.copy()
    out.attrs.pop("digest", None)
    return out
