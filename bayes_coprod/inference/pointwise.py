"""The log likelihood of each citizen, on demand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.build import compile_citizen_log_likelihood


def add_log_likelihood(fit: Fit) -> Fit:
    r"""Add each citizen's log likelihood, so that ArviZ can leave citizens out.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    Fit
        A new one whose ``tree`` has the group ``log_likelihood`` with ``answers``
        (chain, draw, citizen): the log density of all that a citizen answered, in the survey's
        units. It takes 8 bytes a citizen and draw.

    Notes
    -----
    The unit is the citizen, so ``arviz.loo(fit.tree)`` leaves one citizen out at a time.

    Of a fit of several completed data sets each draw's likelihood is that given the drivers that
    it was fitted with. Parameters and filled-in drivers are drawn together, so leaving a citizen
    out takes from both what the own answers said of them,

    .. math:: p(y_i \mid y_{-i}) = 1 \Big/ E \bigl[ 1 / p(y_i \mid \theta, x_i) \bigr],

    the drivers only roughly, since they have as many values as there are data sets.
    """
    check_is_fit(fit, "add_log_likelihood")
    tree = fit.tree.copy()
    tree["log_likelihood"] = xr.DataTree(xr.Dataset({"answers": _log_likelihood(fit)}))
    return replace(fit, tree=tree)


@by_part
def _log_likelihood(fit: Fit) -> xr.DataArray:
    """Each citizen's log likelihood, (chain, draw, citizen)."""
    posterior = fit.posterior
    evaluate = compile_citizen_log_likelihood(fit.spec, fit.design, posterior, fit.pilot)
    n_chains, n_draws = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    values = {str(name): posterior[name].values for name in posterior.data_vars}
    out = np.empty((n_chains, n_draws, fit.design.sizes[names.CITIZEN]))
    for chain, draw in np.ndindex(n_chains, n_draws):
        out[chain, draw] = evaluate({name: v[chain, draw] for name, v in values.items()})
    return xr.DataArray(
        out,
        dims=(names.CHAIN, names.DRAW, names.CITIZEN),
        coords={
            names.CHAIN: posterior[names.CHAIN],
            names.DRAW: posterior[names.DRAW],
            names.CITIZEN: fit.design[names.CITIZEN],
        },
    )
