"""Between countries: one that was not surveyed, pooling, and shares of the variance."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.expected import By, expected_responses
from bayes_coprod.estimands.population import UNCERTAINTIES, Uncertainty, check_population
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.inference.unseen import unseen_country
from bayes_coprod.model.coding import chosen_drivers, varying_columns
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.response import ResponseScale
from bayes_coprod.streams import random_stream

UNSEEN = "a country not surveyed"
"""Label of the country in what is said of one that was not surveyed."""
PART = "part"


@by_part
def new_country(
    fit: Fit,
    *,
    scale: ResponseScale | None = None,
    by: By | None = None,
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.DataArray:
    r"""Levels of a country that was not surveyed, if it is one like those that were.

    .. math:: b_{new} \sim N\bigl(\beta, \; \tau^2 (1 + 1/C)\bigr)

    for each coefficient that varies by country, averaged over the citizens of all countries in the
    fit, each counted once.

    Parameters
    ----------
    fit : Fit
        Of a model with ``pooling = "partial"``.
    scale, by, uncertainty
        As for :func:`country_levels`.
    random_seed : int, optional
        Of the country and the bootstrap; the fit's own otherwise.

    Returns
    -------
    xarray.DataArray
        As :func:`country_levels`, with one country, called ``a country not surveyed``.

    Raises
    ------
    SpecError
        If the model knows no population of countries, or cannot say what is asked.
    """
    check_population(fit, "sample", uncertainty)
    _check_pooled(fit, "new_country")
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    design = fit.design.isel({names.COUNTRY: [0]}).assign_coords({names.COUNTRY: [UNSEEN]})
    design = design.assign(country_index=xr.zeros_like(design["country_index"]))
    nodes = None if fit.pilot is None else fit.pilot.nodes
    unseen = unseen_country(fit, design, nodes, random_stream(seed, "unseen country"))
    levels = expected_responses(
        unseen, scale=scale, by=by, uncertainty=uncertainty, random_seed=seed
    )
    return levels.rename("new_country").assign_attrs(
        population="a country that was not surveyed, with citizens as those of all countries in "
        "the fit, each counted once",
        uncertainty=UNCERTAINTIES[uncertainty],
    )


def pooling_factor(fit: Fit) -> xr.DataArray:
    r"""How far each driver's country effects are pooled toward their mean.

    .. math:: \lambda = 1 - \operatorname{Var}_c(E[d_c]) \,/\, E[\operatorname{Var}_c(d_c)]

    Parameters
    ----------
    fit : Fit
        Of a model with ``pooling = "partial"``.

    Returns
    -------
    xarray.DataArray
        dims (form, driver), or (outcome, driver) as the model's; unitless. 0: countries speak for
        themselves, 1: complete pooling. For the drivers that vary by country; of a categorical one
        the variances of its columns are added up.

    Raises
    ------
    SpecError
        If the model has no country effects to pool.

    References
    ----------
    .. [1] Gelman & Pardoe (2006), Technometrics 48(2), 241-251.
    """
    check_is_fit(fit, "pooling_factor")
    _check_pooled(fit, "pooling_factor")
    columns, driver_of = varying_columns(fit.spec, chosen_drivers(fit.design, fit.codebook.drivers))
    if not columns:
        raise make_error(
            SpecError,
            "pooling_factor",
            "no driver's association varies by country",
            remedy='Fit with drivers and vary_by_country = "all".',
        )
    b = fit.posterior["b"].isel({names.COEFFICIENT: columns})
    draws = (names.CHAIN, names.DRAW)
    of_means = b.mean(draws).var(names.COUNTRY)
    of_draws = b.var(names.COUNTRY).mean(draws)
    driver = xr.DataArray(driver_of, dims=names.COEFFICIENT, name=names.DRIVER)
    labels = list(dict.fromkeys(driver_of))
    top, bottom = (
        values.groupby(driver).sum().sel({names.DRIVER: labels}) for values in (of_means, of_draws)
    )
    return (1 - top / bottom).rename("pooling_factor").assign_attrs(units="0 to 1")


@by_part
def variance_shares(fit: Fit) -> xr.DataArray:
    r"""Shares of the variance of citizens' propensities, on the model's latent scale.

    With :math:`\theta_i = u_{c(i)} + v_i + \varepsilon_i`, where u is the level of the country at
    average drivers and :math:`v_i = \sum_p x_{ip} b_{cp}`,

    .. math:: \operatorname{Var}(\theta) = \operatorname{Var}(u) + \operatorname{Var}(v)
        + 2 \operatorname{Cov}(u, v) + \operatorname{Var}(\varepsilon)

    over the citizens in the fit, countries weighing the same.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, form, part), or outcome for form; the parts ``countries``, ``drivers``,
        ``covariance`` (twice it, negative where the two offset each other) and ``citizens`` sum to
        1. ``attrs`` say what the citizens' part is.

    Raises
    ------
    SpecError
        If `fit` is none.

    Notes
    -----
    What citizens differ in by themselves is :math:`\sigma^2` for ``items``, where a form of one
    item has 1 by convention; the residual variance for ``index``; and the logistic distribution's
    :math:`\pi^2 / 3` for ``participation`` and ``ordinal``, which know one answer of each citizen
    and cannot tell lasting differences from chance.

    References
    ----------
    .. [1] Nakagawa & Schielzeth (2013), Methods in Ecology and Evolution 4(2), 133-142.
    """
    check_is_fit(fit, "variance_shares")
    level = fit.posterior["b_intercept"]
    mean, square = _driver_moments(fit)
    between = (level**2).mean(names.COUNTRY) - level.mean(names.COUNTRY) ** 2
    within = square.mean(names.COUNTRY) - mean.mean(names.COUNTRY) ** 2
    both = (level * mean).mean(names.COUNTRY) - level.mean(names.COUNTRY) * mean.mean(names.COUNTRY)
    own, said = _citizens_variance(fit)
    parts = {
        "countries": between,
        "drivers": within,
        "covariance": 2 * both,
        "citizens": xr.zeros_like(between) + own,
    }
    stacked = xr.concat(list(parts.values()), dim=PART).assign_coords({PART: list(parts)})
    shares = stacked / stacked.sum(PART)
    return (
        shares.transpose(names.CHAIN, names.DRAW, outcome_dim(fit.spec), PART)
        .rename("variance_shares")
        .assign_attrs(units="share of the variance", citizens=said)
    )


def _driver_moments(fit: Fit) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean and mean square of the drivers' part of the linear predictor in each country."""
    level = fit.posterior["b_intercept"]
    if "b" not in fit.posterior:
        return xr.zeros_like(level), xr.zeros_like(level)
    b, other = fit.posterior["b"], f"other {names.COEFFICIENT}"
    x, country = fit.design["x"].values, fit.design["country_index"].values
    own = [x[country == c] for c in range(fit.design.sizes[names.COUNTRY])]
    labels = {names.COUNTRY: b[names.COUNTRY], names.COEFFICIENT: b[names.COEFFICIENT]}
    first = xr.DataArray(np.stack([part.mean(axis=0) for part in own]), labels)
    second = xr.DataArray(
        np.stack([part.T @ part / len(part) for part in own]),
        dims=(names.COUNTRY, names.COEFFICIENT, other),
        coords={**labels, other: b[names.COEFFICIENT].values},
    )
    # E v = b'm and E v^2 = b'Mb, with m and M the moments of the drivers
    half = xr.dot(b, second, dim=names.COEFFICIENT)
    return (
        xr.dot(b, first, dim=names.COEFFICIENT),
        xr.dot(half, b.rename({names.COEFFICIENT: other}), dim=other),
    )


def _citizens_variance(fit: Fit) -> tuple[xr.DataArray | float, str]:
    """Variance of citizens' own deviations, and what it is."""
    posterior = fit.posterior
    if fit.spec.likelihood == "items":
        return posterior[
            "sigma"
        ] ** 2, "deviations of citizens; 1 by convention in a form of 1 item"
    if fit.spec.likelihood == "index":
        variance = posterior["residual_sd"] ** 2
        if names.COUNTRY in variance.dims:
            variance = variance.mean(names.COUNTRY)
        return variance, "residuals: deviations of citizens and of their answers"
    return np.pi**2 / 3, "the logistic distribution's variance"


def _check_pooled(fit: Fit, place: str) -> None:
    if fit.spec.pooling != "partial":
        raise make_error(
            SpecError,
            place,
            f"with pooling = {fit.spec.pooling!r} the model knows no population of countries",
            remedy='Fit with pooling = "partial".',
        )
