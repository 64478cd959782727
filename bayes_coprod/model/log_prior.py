"""Log priors of the stated parameters, block by block, at draws of a posterior.

What a prior is scaled by when one asks how much it says. The blocks hold what countries have in
common; deviations of countries given their SD are no block, since scaling them would move the SD.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.model.item_layout import item_layout
from bayes_coprod.model.ordinal import gaps_vary
from bayes_coprod.model.priors import log_density_of
from bayes_coprod.model.spec import ModelSpec

BLOCKS: Mapping[str, tuple[str, ...]] = {
    "beta": ("beta",),
    "tau": ("tau_intercept", "tau", "tau_kappa"),
    "thresholds": ("intercept", "kappa", "kappa_gap"),
    "sigma": ("sigma", "residual_sd", "rho", "lambda"),
}
"""Parameters whose priors are scaled together."""


def log_priors(spec: ModelSpec, design: xr.Dataset, posterior: xr.Dataset) -> xr.Dataset:
    """Evaluate the log prior of each block of stated parameters.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    posterior : xarray.Dataset
        Named quantities, (chain, draw, ...).

    Returns
    -------
    xarray.Dataset
        A variable a block of :data:`BLOCKS` that the model has, (chain, draw).
    """
    stated = stated_parameters(spec, design, posterior)
    draws = (names.CHAIN, names.DRAW)
    n_draws = tuple(posterior.sizes[name] for name in draws)
    blocks = {}
    for block, parameters in BLOCKS.items():
        present = [name for name in parameters if name in stated and stated[name].size]
        if present:
            total = np.zeros(n_draws)
            for name in present:
                total += (
                    log_density_of(spec.priors[name], stated[name]).reshape(*n_draws, -1).sum(-1)
                )
            blocks[block] = (draws, total)
    return xr.Dataset(blocks, coords={name: posterior[name] for name in draws})


def stated_parameters(
    spec: ModelSpec, design: xr.Dataset, posterior: xr.Dataset
) -> dict[str, np.ndarray]:
    """Give what the priors speak of, free components only, each (chain, draw, ...)."""
    kept = ("beta", "tau_intercept", "tau", "tau_kappa", "intercept", "residual_sd", "rho")
    out = {name: posterior[name].values for name in kept if name in posterior}
    if spec.likelihood == "ordinal":
        out |= _ordinal_thresholds(spec, design, posterior)
    if spec.likelihood == "items":
        layout, kappa = item_layout(design), posterior["kappa"].values
        later = np.setdiff1d(np.arange(kappa.shape[-1]), layout.first_threshold)
        out["kappa"] = kappa[..., layout.first_threshold]
        out["kappa_gap"] = kappa[..., later] - kappa[..., later - 1]
        out["sigma"] = posterior["sigma"].values[..., layout.free_sigma]
        if "lambda" in posterior:
            # logarithms in contrasts are independent and normal
            out["lambda"] = np.exp(np.log(posterior["lambda"].values) @ layout.steepness.T)
    if spec.likelihood == "index" and "rho" in out:
        out["rho"] = _matrices(out["rho"], design.sizes[posterior["residual_sd"].dims[-1]])
    return out


def _ordinal_thresholds(
    spec: ModelSpec, design: xr.Dataset, posterior: xr.Dataset
) -> dict[str, np.ndarray]:
    """First threshold, its mean over countries, and distances, their geometric means."""
    thresholds = posterior["kappa"].values[..., None, :] - posterior["b_intercept"].values
    if gaps_vary(spec, design):
        thresholds = thresholds + posterior["threshold_shift"].values
    gaps = np.exp(np.log(np.diff(thresholds, axis=-1)).mean(axis=-2))
    return {"kappa": thresholds[..., 0].mean(axis=-1), "kappa_gap": gaps}


def _matrices(rho: np.ndarray, n: int) -> np.ndarray:
    """Correlation matrices, (..., outcome, outcome), from pairs, (..., pair)."""
    out = np.zeros((*rho.shape[:-1], n, n))
    first, second = np.triu_indices(n, k=1)
    out[..., first, second] = rho
    return out + np.swapaxes(out, -1, -2) + np.eye(n)
