"""Expected responses of a population, per draw; every other quantity rests on them."""

from __future__ import annotations

import xarray as xr

from bayes_coprod import names
from bayes_coprod.estimands.population import (
    POPULATIONS,
    UNCERTAINTIES,
    Population,
    Uncertainty,
    check_population,
    mean_drivers,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.build import expected_response
from bayes_coprod.model.design import outcome_dim


def expected_index(
    fit: Fit,
    *,
    population: Population = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.DataArray:
    r"""Expected index of each country's population, averaged within each draw.

    .. math:: L_{cf} = \sum_{i \in c} w_i \, E(y_{if} \mid x_i, b_c)

    The expected index is linear in the drivers, so the average over citizens is the expected index
    at the drivers' average: N enters through the bootstrap alone.

    Parameters
    ----------
    fit : Fit
    population, uncertainty : str
        As for :func:`country_levels`.
    random_seed : int, optional
        Of the bootstrap; the fit's own otherwise.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country, form or outcome), points of 100.
    """
    check_population(fit, population, uncertainty)
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    posterior = fit.posterior
    chains, draws = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    flat = {
        str(name): variable.values.reshape(chains * draws, *variable.shape[2:])
        for name, variable in posterior.data_vars.items()
    }
    x = mean_drivers(fit, population, uncertainty, seed)
    values = expected_response(fit.spec, fit.design, flat, x)  # (draw, country, form)
    dim = outcome_dim(fit.spec)
    return xr.DataArray(
        values.reshape(chains, draws, *values.shape[1:]),
        dims=(names.CHAIN, names.DRAW, names.COUNTRY, dim),
        coords={
            names.CHAIN: posterior[names.CHAIN],
            names.DRAW: posterior[names.DRAW],
            names.COUNTRY: fit.design[names.COUNTRY],
            **{name: coord for name, coord in fit.design.coords.items() if coord.dims == (dim,)},
        },
        attrs={
            "units": "points of 100",
            "population": POPULATIONS[population],
            "uncertainty": UNCERTAINTIES[uncertainty],
        },
    )
