"""Shares of answers as observed and as replicated, for tables and figures."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.compare import check_draws, compare
from bayes_coprod.diagnostics.discrepancies import category_shares
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.expected import outcome_coords
from bayes_coprod.estimands.summarise import IntervalKind, interval_settings, summarise
from bayes_coprod.inference.fit import Fit, check_is_fit


def calibration_table(
    fit: Fit,
    *,
    draws: int = 400,
    random_seed: int | None = None,
    prob: float | None = None,
    kind: IntervalKind | None = None,
) -> xr.Dataset:
    """Shares of each answer in each country, as observed and as replicated.

    Parameters
    ----------
    fit : Fit
        Of any model but ``index``.
    draws : int
        How many draws are replicated at most, as in :func:`check_predictive`.
    random_seed : int, optional
        The fit's own otherwise.
    prob, kind : optional
        Mass and kind of the interval, as for :func:`summarise`.

    Returns
    -------
    xarray.Dataset
        ``observed``, and ``predicted``, ``lower``, ``upper`` of the replicates, shares of those
        who answered; dims (country, category), of ``participation`` (country, form or outcome).
        NaN where fewer than 30 answered. Kind and mass of the interval, which is one of
        replicated shares and not of expected ones, stand in ``attrs``.

    Raises
    ------
    SpecError
        If the model has no categories, `draws` is not positive, or the interval is none.
    """
    check_is_fit(fit, "calibration_table")
    seed = check_draws(fit, "calibration_table", draws, random_seed)
    prob, kind = interval_settings(prob, kind)
    if fit.spec.likelihood == "index":
        raise make_error(
            SpecError,
            "calibration_table",
            "a model of 'index' has no categories",
            remedy="Use check_predictive, or fit the model 'items'.",
        )
    (shares,) = compare(fit, lambda part, kept: [category_shares(part)], draws, seed)
    coords = _category_coords(fit)
    (dim,) = coords.dims
    dims, shape = (names.COUNTRY, str(dim)), (len(fit.countries), -1)
    replicated = np.concatenate(shares.replicated)
    table = summarise(
        xr.DataArray(
            replicated.reshape(1, len(replicated), *shape),
            dims=(names.CHAIN, names.DRAW, *dims),
        ),
        prob=prob,
        kind=kind,
    )
    values = {
        "observed": shares.observed[0],
        "predicted": table["mean"].to_numpy(),
        "lower": table["lower"].to_numpy(),
        "upper": table["upper"].to_numpy(),
    }
    return xr.Dataset(
        {name: (dims, value.reshape(shape)) for name, value in values.items()},
        coords={names.COUNTRY: fit.countries, **coords},
        attrs={
            "units": "share of those who answered",
            "interval_kind": kind,
            "interval_prob": prob,
            "interval_of": "replicated shares",
        },
    )


def _category_coords(fit: Fit) -> xr.Coordinates:
    """Labels of the categories, or of the outcomes of ``participation``."""
    if fit.spec.likelihood == "participation":
        return outcome_coords(fit, None)
    items = [fit.codebook.item(str(name)) for name in fit.design[names.ITEM].values]
    levels = [(item, level) for item in items for level in item.levels]
    return xr.Coordinates(
        {
            names.CATEGORY: [names.category_label(item.name, level) for item, level in levels],
            names.ITEM: (names.CATEGORY, [item.name for item, _ in levels]),
            names.FORM: (names.CATEGORY, [item.form for item, _ in levels]),
        }
    )
