"""What partial pooling does to what is said of countries."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace

import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import country_mean
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.pooled import pool_fits
from bayes_coprod.inference.refit import Refit, map_fits, run_refit
from bayes_coprod.model.spec import ModelSpec, override_sampler

_PLACE = "compare_pooling"


def compare_pooling(
    fit: Fit,
    *,
    of: Callable[[Fit], xr.DataArray | xr.Dataset] = driver_effects,
    executor: Executor | None = None,
    progressbar: bool = True,
) -> xr.Dataset:
    r"""A quantity of each country as the fit says it, and with each country by itself.

    The same model is fitted to the same data with ``pooling = "none"``, where deviations
    :math:`d_c` have the fixed prior :math:`N(0, 2^2)` and not one that countries share.

    Parameters
    ----------
    fit : Fit
        With ``pooling = "partial"``.
    of : function
        An estimand that countries have: :func:`driver_effects`, whose ``by_country`` is taken,
        :func:`country_levels`, :func:`gap`, or a function of a fit that calls one with settings.
    executor : concurrent.futures.Executor, optional
        Where a fit of several completed data sets is fitted again, part by part; one after another
        in this process otherwise.
    progressbar : bool
        Show how many parts are done, in a notebook or on a terminal.

    Returns
    -------
    xarray.Dataset
        ``partial`` and ``none`` (chain, draw, country, ...), the fit's and the one without pooling,
        and ``mean`` (chain, draw, ...), the countries' mean with partial pooling, toward which
        ``partial`` is drawn. Draws of the two fits have nothing to do with each other: compare
        their summaries, not draw with draw.

    Raises
    ------
    SpecError
        If the fit does not pool partially, or the quantity has no countries.

    See Also
    --------
    pooling_factor : How far each driver's country effects are pooled.
    plot_pooling : Takes ``partial`` and ``none``.
    """
    check_is_fit(fit, _PLACE)
    if fit.spec.pooling != "partial":
        raise make_error(
            SpecError,
            _PLACE,
            f"the fit has pooling = {fit.spec.pooling!r}",
            remedy="Give a fit with partial pooling; it is compared with one without.",
        )
    partial = _by_country(of, fit)
    none = _by_country(of, _fit_unpooled(fit, executor, progressbar))
    # so that countries can be compared without pooling: nobody has the fit that this is of
    none.attrs.pop("fit", None)
    return xr.Dataset(
        {"partial": partial, "none": none, "mean": country_mean(partial)}, attrs=partial.attrs
    )


def _by_country(of: Callable[[Fit], xr.DataArray | xr.Dataset], fit: Fit) -> xr.DataArray:
    # what was computed already would be compared with itself
    values = of(fit) if callable(of) else None
    if isinstance(values, xr.Dataset):
        values = values.get("by_country", xr.DataArray())
    if not isinstance(values, xr.DataArray) or names.COUNTRY not in values.dims:
        raise make_error(
            SpecError,
            _PLACE,
            "of is no function of a fit that gives each country a quantity",
            remedy="Give an estimand itself, such as of=driver_effects or of=country_levels.",
        )
    return values


def _fit_unpooled(fit: Fit, executor: Executor | None, progressbar: bool) -> Fit:
    """The same model of the same data without pooling; as many draws."""
    tasks = [
        Refit("without pooling", _unpooled(part.spec, part), part.codebook, part.design)
        for part in fit.parts
    ]
    parts = map_fits(
        run_refit, tasks, executor=executor, progressbar=progressbar, label="refitting"
    )
    if len(parts) == 1:
        return parts[0]
    return pool_fits(replace(fit.spec, pooling="none"), fit.design, parts)


def _unpooled(spec: ModelSpec, part: Fit) -> ModelSpec:
    sampler = override_sampler(
        spec,
        draws=part.posterior.sizes[names.DRAW],
        chains=part.posterior.sizes[names.CHAIN],
    ).sampler
    return replace(spec, pooling="none", sampler=sampler)
