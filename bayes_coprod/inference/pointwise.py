"""The log likelihood of each citizen, on demand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.build import compile_citizen_log_likelihood


def add_log_likelihood(fit: Fit) -> Fit:
    """Add each citizen's log likelihood, so that ArviZ can leave citizens out.

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
    """
    posterior = fit.posterior
    evaluate = compile_citizen_log_likelihood(fit.spec, fit.design, posterior, fit.pilot)
    n_chains, n_draws = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    values = {str(name): posterior[name].values for name in posterior.data_vars}
    out = np.empty((n_chains, n_draws, fit.design.sizes[names.CITIZEN]))
    for chain, draw in np.ndindex(n_chains, n_draws):
        out[chain, draw] = evaluate({name: v[chain, draw] for name, v in values.items()})
    tree = fit.tree.copy()
    tree["log_likelihood"] = xr.DataTree(
        xr.Dataset(
            {"answers": ((names.CHAIN, names.DRAW, names.CITIZEN), out)},
            coords={
                names.CHAIN: posterior[names.CHAIN],
                names.DRAW: posterior[names.DRAW],
                names.CITIZEN: fit.design[names.CITIZEN],
            },
        )
    )
    return replace(fit, tree=tree)
