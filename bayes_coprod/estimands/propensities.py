"""Citizens: the propensity of each, drawn after the fit from what the model says of it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.expected import posterior_draws
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.item_layout import item_layout
from bayes_coprod.model.items import integrand_at, make_integral
from bayes_coprod.model.quadrature import finer
from bayes_coprod.streams import random_stream


@by_part
def citizen_propensities(
    fit: Fit, *, draws: int | None = None, random_seed: int | None = None
) -> xr.DataArray:
    r"""Propensity of each citizen to each form, given the answers.

    .. math:: \theta_i \sim p(\theta_i \mid y_i, x_i, \text{parameters}), \qquad
        \theta_{if} = b_{c(i)f0} + \sum_p x_{ip} b_{c(i)fp} + \varepsilon_{if}

    Parameters
    ----------
    fit : Fit
        Of an ``items`` model.
    draws : int, optional
        How many of each chain's draws to use, evenly spaced; all otherwise. It takes 8 bytes for
        each draw, citizen and form.
    random_seed : int, optional
        The fit's own otherwise.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, citizen, form), logits.

    Raises
    ------
    SpecError
        If the model has no propensities, or `draws` is out of range.

    Notes
    -----
    The sum over equally spaced nodes is as good wherever the grid begins. So the grid is shifted by
    a random part of its spacing for each draw and a node is drawn: an exact draw, not one from a
    few possible values.
    """
    check_is_fit(fit, "citizen_propensities")
    if fit.spec.likelihood != "items":
        raise make_error(
            SpecError,
            "citizen_propensities",
            f"a model of {fit.spec.likelihood!r} has no propensities",
            remedy="Fit the model 'items'.",
        )
    posterior = fit.posterior
    n_chains, n_all = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    n_draws = n_all if draws is None else draws
    if not 1 <= n_draws <= n_all:
        raise make_error(
            SpecError,
            "citizen_propensities",
            f"draws = {draws} is out of range",
            remedy=f"The fit has {n_all} draws in each chain.",
        )
    kept = np.linspace(0, n_all - 1, n_draws).round().astype(int)
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    rng = random_stream(seed, "propensities")
    assert fit.pilot is not None and fit.pilot.nodes is not None
    nodes = fit.pilot.nodes if fit.pilot.nodes.is_grid else finer(fit.pilot.nodes, 1)
    integral, layout = make_integral(fit.design, nodes), item_layout(fit.design)
    shape = fit.design.sizes[names.CITIZEN], fit.design.sizes[names.FORM]
    out = np.empty((n_chains, n_draws, *shape))
    positions = {c * n_all + i: (c, d) for c in range(n_chains) for d, i in enumerate(kept)}
    for i, draw in enumerate(posterior_draws(fit)):
        if i in positions:
            moved = integral.shifted(rng.uniform(0, nodes.spacing[0]))
            out[positions[i]] = moved.draw(*integrand_at(layout, draw, nodes), rng)
    return xr.DataArray(
        out,
        dims=(names.CHAIN, names.DRAW, names.CITIZEN, names.FORM),
        coords={
            names.CHAIN: posterior[names.CHAIN],
            names.DRAW: posterior[names.DRAW].values[kept],
            names.CITIZEN: fit.design[names.CITIZEN],
            names.FORM: fit.design[names.FORM],
        },
        name="citizen_propensities",
        attrs={"units": "logits"},
    )
