"""Shares of the answers along a driver."""

from __future__ import annotations

from collections import Counter

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.drivers import ASSOCIATION
from bayes_coprod.estimands.expected import fitted_population, posterior_draws
from bayes_coprod.estimands.population import (
    PopulationKind,
    Uncertainty,
    check_population,
    citizen_kinds,
    kind_weights,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.coding import chosen_drivers, coefficient_labels, level_contrasts
from bayes_coprod.model.response import Response, make_versions
from bayes_coprod.survey.entries import Driver


def category_curves(
    fit: Fit,
    driver: str,
    form: str,
    *,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.DataArray:
    r"""Expected share of each answer if everybody had a given value of a driver.

    .. math:: S_j(v) = \frac{1}{C K} \sum_{c,k} \sum_{i \in c} w_i \, P(y_{ik} = j \mid x_{ip} = v)

    over the form's items k that share the most common categories.

    Parameters
    ----------
    fit : Fit
        Of a model of ``items`` or ``ordinal``.
    driver : str
        Ordered, categorical and binary ones at each level, numeric ones at nine values from the
        5th to the 95th percentile.
    form : str
    population, uncertainty, random_seed
        As for :func:`country_levels`.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, category, value), shares of answers, mean over the countries. Values are
        in the driver's own units or the names of its levels; ``attrs`` name the items.

    Raises
    ------
    SpecError
        If the model has no items, or not this driver or form.
    """
    check_population(fit, population, uncertainty)
    entry = _check_curve(fit, driver, form)
    # the values of all completed data sets together: curves of each are at the same
    labels, raw = _values(entry, fit.design)
    curves = _curves(
        fit, entry, form, raw, population, uncertainty, random_seed=random_seed
    ).assign_coords(value=labels)
    return curves.rename("category_curves").assign_attrs(
        units="share of answers", driver=driver, form=form, interpretation=ASSOCIATION
    )


@by_part
def _curves(
    fit: Fit,
    driver: Driver,
    form: str,
    raw: np.ndarray,
    population: PopulationKind,
    uncertainty: Uncertainty,
    *,
    random_seed: int | None,
) -> xr.DataArray:
    """Shares at values of a driver's columns, (value, column), as category_curves gives them."""
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    items = [fit.codebook.item(str(name)) for name in fit.design[names.ITEM].values]
    own = [item for item in items if item.form == form]
    levels = Counter(item.levels for item in own).most_common(1)[0][0]
    chosen = [k for k, item in enumerate(items) if item.form == form and item.levels == levels]
    kinds = citizen_kinds(fit, population)
    asked = fitted_population(fit, kinds)
    forms = [str(name) for name in fit.design[names.FORM].values]
    question = asked.ask([Response(forms.index(form), np.array(chosen))], "category")
    columns = coefficient_labels([driver])
    mean, sd = (
        fit.design[name].sel({names.COEFFICIENT: columns}).values
        for name in ("column_mean", "column_sd")
    )
    coded = (raw - mean) / sd  # (value, column)
    position = fit.design.get_index(names.COEFFICIENT).get_indexer(columns)
    x = kinds.x.copy()
    x[:, 1 + position] = 0.0
    citizens, everybody = make_versions([x]), np.zeros(len(coded), dtype=int)
    curves = []
    weights = kind_weights(fit, kinds, uncertainty, seed)
    for draw, weight in zip(posterior_draws(fit), weights, strict=True):
        moves = np.einsum("cfp,vp->vcf", draw["b"][:, :, position], coded)
        shares = asked.expect(draw, citizens, weight, question, moves, everybody)
        # (value, country, item x category) -> (category, value)
        per_item = shares.reshape(*shares.shape[:2], len(chosen), len(levels))
        curves.append(per_item.mean(axis=(1, 2)).T)
    posterior = fit.posterior
    shape = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    return xr.DataArray(
        np.stack(curves).reshape(*shape, len(levels), len(raw)),
        dims=(names.CHAIN, names.DRAW, names.CATEGORY, "value"),
        coords={
            names.CHAIN: posterior[names.CHAIN],
            names.DRAW: posterior[names.DRAW],
            names.CATEGORY: list(levels),
        },
        attrs={"items": ", ".join(items[k].name for k in chosen), "population": kinds.said},
    )


def _check_curve(fit: Fit, driver: str, form: str) -> Driver:
    if fit.spec.likelihood not in ("items", "ordinal"):
        raise make_error(
            SpecError,
            "category_curves",
            f"a model of {fit.spec.likelihood!r} knows no categories",
            remedy="Fit the model 'items'.",
        )
    drivers = {entry.name: entry for entry in chosen_drivers(fit.design, fit.codebook.drivers)}
    forms = [str(name) for name in fit.design[names.FORM].values]
    for what, value, known in (("driver", driver, list(drivers)), ("form", form, forms)):
        if value not in known:
            raise make_error(
                SpecError,
                "category_curves",
                f"the model has no {what} {value!r}",
                value=value,
                available=known,
            )
    return drivers[driver]


def _values(driver: Driver, design: xr.Dataset) -> tuple[list[str] | list[float], np.ndarray]:
    """Values at which a driver is looked at, and their columns before centring."""
    if driver.kind == "categorical":
        return list(driver.levels), level_contrasts(len(driver.levels))
    if driver.kind == "ordered":
        return list(driver.levels), np.arange(len(driver.levels), dtype=float)[:, None]
    if driver.kind == "binary":
        return list(driver.sides), np.array([[0.0], [1.0]])
    at = {names.COEFFICIENT: driver.name}
    column = design["x"].sel(at) * design["column_sd"].sel(at) + design["column_mean"].sel(at)
    low, high = np.percentile(column.values, [5, 95])
    values = np.linspace(low, high, 9)
    return [float(value) for value in values], values[:, None]
