"""Countries: levels, the gap between the forms, contrasts and ranks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.expected import By, expected_responses
from bayes_coprod.estimands.population import PopulationKind, Uncertainty
from bayes_coprod.inference.fit import Fit, check_is_fit, check_is_of
from bayes_coprod.model.response import ResponseScale

_GIVEN = "what stands in of="

type Quantity = xr.DataArray | Callable[[Fit], xr.DataArray]


def country_levels(
    fit: Fit,
    *,
    scale: ResponseScale | None = None,
    by: By | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.DataArray:
    r"""Expected answers of each country's citizens, their own deviations integrated out.

    .. math:: L_{cf} = \sum_{i \in c} w_i \, E(y_{if} \mid x_i, b_c), \qquad \sum_{i \in c} w_i = 1

    Parameters
    ----------
    fit : Fit
    scale : {"index", "share", "any", "category"}, optional
        ``"index"``: mean score of the items, 0 to 100 in equal steps; ``"share"``: share of the
        items answered at ``takes_part_from`` or above; ``"any"``: share of the citizens with at
        least one such answer; ``"category"``: share of the citizens in each category of each item.
        A model of ``index`` knows the first only, one of ``participation`` ``"any"`` only, and
        one of ``ordinal`` all but ``"any"``. The first that a model knows is the default.
    by : {"form", "sector", "item"}, optional
        By form, as the default; ``"sector"``: by form and sector. Models of ``index`` and
        ``participation`` have the outcomes that they were fitted with.
    population : {"sample", "weighted"} or pandas.DataFrame
        Each country's citizens in the fit, counted once or by survey weight; or a frame for
        poststratification: one row a cell, with the columns ``country``, ``count`` and drivers of
        the model by name. Drivers that the frame lacks are as among the survey's citizens of each
        cell: those with its country and levels and, of several cells, the nearest numbers. A cell
        without citizens has those of its country. Weights and frames repair selection on what they
        contain, nothing else; ``attrs`` say what was averaged over.
    uncertainty : {"bootstrap", "fixed"}
        ``"bootstrap"`` redraws Dirichlet weights of the citizens within country for each draw, so
        that intervals speak of the country; ``"fixed"`` speaks of these respondents only. A
        frame's counts are held, and citizens are redrawn within its cells.
    random_seed : int, optional
        Of the bootstrap; the fit's own otherwise.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country, x), with x one of form, outcome (form and sector), item or
        category; points of 100 for ``"index"``, else shares.

    Raises
    ------
    SpecError
        If scale, population or uncertainty is unknown, or the model cannot say it: sectors and
        items of countries take ``thresholds_vary``, weights a survey that has them; if a frame does
        not fit the model and the survey.
    """
    return expected_responses(
        fit,
        scale=scale,
        by=by,
        population=population,
        uncertainty=uncertainty,
        random_seed=random_seed,
    ).rename("country_levels")


def gap(
    fit: Fit,
    *,
    of: xr.DataArray | None = None,
    scale: ResponseScale | None = None,
    by: By | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.DataArray:
    r"""The gulf: level of the first form minus level of the second, per country.

    .. math:: G_c = L_{c1} - L_{c2}

    Parameters
    ----------
    fit : Fit
        Of a model with two forms.
    of : xarray.DataArray, optional
        What :func:`country_levels` returned, if it is at hand; the rest is then not used.
    scale, by, population, uncertainty, random_seed
        As for :func:`country_levels`; items and categories have no gap.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country), in the scale's units; with a dim sector where levels are by
        sector, for the sectors that have both forms.

    Raises
    ------
    SpecError
        If the model has one form only, as one of ``ordinal`` has, or no sector has both; if what is
        given has no forms, or is of another fit.

    Notes
    -----
    A model of ``participation`` takes the forms as independent given drivers and country: its gap
    is one of averages, and says nothing of citizens who do both.
    """
    if isinstance(fit, Fit) and fit.spec.likelihood == "ordinal":
        raise make_error(
            SpecError,
            "gap",
            f"a model of 'ordinal' explains one item, {fit.spec.item!r}, and a gap takes two forms",
            remedy="Fit 'items', 'index' or 'participation'; or use country_levels.",
        )
    if of is not None:
        levels = _levels_of(fit, of)
    else:
        levels = country_levels(
            fit,
            scale=scale,
            by=by,
            population=population,
            uncertainty=uncertainty,
            random_seed=random_seed,
        )
    first, second = both_forms(fit, levels)
    return (first - second).rename("gap").assign_attrs(levels.attrs)


def has_gap(fit: Fit) -> bool:
    """Whether the model has two forms, and by sector at least one sector with both.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    bool
    """
    forms = list(fit.design[names.FORM].values)
    if len(set(forms)) < 2:
        return False
    if names.SECTOR not in fit.design.coords:
        return True
    sectors = list(fit.design[names.SECTOR].values)
    return len(set(sectors)) < len(sectors)


def both_forms(fit: Fit, values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Split values by form: those of the first form, and those of the second.

    Parameters
    ----------
    fit : Fit
    values : xarray.DataArray
        With a dim form, or a dim outcome of forms and sectors.

    Returns
    -------
    (xarray.DataArray, xarray.DataArray)
        Without the dim form; a dim outcome becomes the sectors that have both forms.

    Raises
    ------
    SpecError
        If there are not two forms.
    """
    for dim in (names.ITEM, names.CATEGORY):
        if dim in values.dims:
            raise make_error(
                SpecError,
                "gap",
                f"an {dim} belongs to one form, and a gap takes two"
                if dim == names.ITEM
                else "a category belongs to one form, and a gap takes two",
                remedy="Use by='form' or by='sector'.",
            )
    forms = [form for form in fit.codebook.forms if form in set(values[names.FORM].values)]
    if len(forms) < 2:
        raise make_error(
            SpecError,
            "gap",
            f"the model has the form {forms[0]!r} only, and a gap takes two",
            remedy="Fit both forms."
            if len(fit.codebook.forms) > 1
            else "The survey has one form: use country_levels.",
        )
    if names.FORM in values.dims:
        return tuple(values.sel({names.FORM: form}, drop=True) for form in forms)  # type: ignore[return-value]
    by_form = [
        values.isel({names.OUTCOME: np.flatnonzero(values[names.FORM].values == form)})
        .swap_dims({names.OUTCOME: names.SECTOR})
        .reset_coords([names.OUTCOME, names.FORM], drop=True)
        for form in forms
    ]
    shared = [s for s in by_form[0][names.SECTOR].values if s in by_form[1][names.SECTOR].values]
    if not shared:
        raise make_error(
            SpecError,
            "gap",
            "no sector has items of both forms",
            remedy='Set outcomes = ["form"] in the model file.',
        )
    return by_form[0].sel({names.SECTOR: shared}), by_form[1].sel({names.SECTOR: shared})


def country_mean(of: xr.DataArray) -> xr.DataArray:
    r"""Average over the countries within each draw, every country weighing the same.

    .. math:: \bar q = \frac{1}{C} \sum_c q_c

    Parameters
    ----------
    of : xarray.DataArray
        dims (chain, draw, country, ...).

    Returns
    -------
    xarray.DataArray
        The same without the dim country.

    Raises
    ------
    SpecError
        If `of` is no quantity that each country has.
    """
    _check_has_countries(of, "country_mean", "country_mean(gap(fit))")
    return of.mean(names.COUNTRY, keep_attrs=True)


def _by_country(fit: Fit, of: Quantity, place: str) -> xr.DataArray:
    """Draws of a quantity that each country has."""
    check_is_fit(fit, place)
    values = of(fit) if callable(of) else of
    _check_has_countries(values, place, f"{place}(fit, of=gap)")
    check_is_of(fit, values.attrs.get("fit"), place, _GIVEN)
    return values


def _check_has_countries(values: object, place: str, example: str) -> None:
    if not isinstance(values, xr.DataArray) or names.COUNTRY not in values.dims:
        raise make_error(
            SpecError,
            place,
            "of is no quantity that each country has",
            remedy=f"Give an estimand such as gap, or what one returned: {example}.",
        )


def _levels_of(fit: Fit, of: object) -> xr.DataArray:
    """Refuse what has no forms to subtract, or is of another fit."""
    if not isinstance(of, xr.DataArray) or not {names.FORM, names.CATEGORY} & set(of.coords):
        raise make_error(
            SpecError,
            "gap",
            "of has no levels of forms",
            remedy="Give what country_levels returned, or leave it out.",
        )
    check_is_of(fit, of.attrs.get("fit"), "gap", _GIVEN)
    return of


def country_contrasts(
    fit: Fit, *, of: Quantity = country_levels, reference: str = "mean"
) -> xr.DataArray:
    r"""Differences between countries, within each draw.

    .. math:: q_c - \bar q, \qquad q_c - q_r, \qquad \text{or} \quad q_a - q_b \text{ for all pairs}

    Parameters
    ----------
    fit : Fit
    of : function or xarray.DataArray
        The quantity: an estimand such as :func:`gap`, or what one returned.
    reference : str
        ``"mean"`` of the countries, the name of one, or ``"pairwise"``.

    Returns
    -------
    xarray.DataArray
        dims as the quantity's; pairwise with the dim contrast, labelled ``A - B``, for country. The
        country that the others are compared with is 0 in every draw.

    Raises
    ------
    SpecError
        If `reference` is no country of the fit, or the quantity has no countries or is of another
        fit.
    """
    values = _by_country(fit, of, "country_contrasts")
    countries = [str(name) for name in values[names.COUNTRY].values]
    if reference == "mean":
        return _keep(values - country_mean(values), values, "minus the countries' mean")
    if reference == "pairwise":
        pairs = list(combinations(countries, 2))
        differences = [
            values.sel({names.COUNTRY: a}, drop=True) - values.sel({names.COUNTRY: b}, drop=True)
            for a, b in pairs
        ]
        stacked = xr.concat(differences, dim=names.CONTRAST).assign_coords(
            {names.CONTRAST: [f"{a} - {b}" for a, b in pairs]}
        )
        order = [names.CONTRAST if d == names.COUNTRY else d for d in values.dims]
        return _keep(stacked.transpose(*order), values, "pairs of countries")
    if reference not in countries:
        raise make_error(
            SpecError,
            "country_contrasts",
            f"unknown reference {reference!r}",
            value=reference,
            available=("mean", "pairwise", *countries),
        )
    against = values.sel({names.COUNTRY: reference}, drop=True)
    return _keep(values - against, values, f"minus {reference}")


def country_ranks(fit: Fit, *, of: Quantity = country_levels) -> xr.DataArray:
    """Rank of each country in each draw; the mean over draws is the probability of the rank.

    Parameters
    ----------
    fit : Fit
    of : function or xarray.DataArray
        The quantity; rank 1 is the highest. Countries that are equal share the better rank; one
        without the quantity, as where nobody is in a group, has none.

    Returns
    -------
    xarray.DataArray
        dims (chain, draw, country, rank, ...), true where the country has the rank.

    Raises
    ------
    SpecError
        If the quantity has no countries or is of another fit.
    """
    values = _by_country(fit, of, "country_ranks")
    axis = values.get_axis_num(names.COUNTRY)
    rank = values.copy(data=rankdata(-values.values, method="min", axis=axis, nan_policy="omit"))
    ranks = xr.DataArray(
        np.arange(1, values.sizes[names.COUNTRY] + 1), dims=names.RANK, name=names.RANK
    ).assign_coords({names.RANK: np.arange(1, values.sizes[names.COUNTRY] + 1)})
    others = [dim for dim in values.dims if dim not in (names.CHAIN, names.DRAW, names.COUNTRY)]
    order = (names.CHAIN, names.DRAW, names.COUNTRY, names.RANK, *others)
    indicator = (rank == ranks).transpose(*order).rename("country_ranks")
    return indicator.assign_attrs({**values.attrs, "units": "probability", "of": values.name})


def _keep(result: xr.DataArray, values: xr.DataArray, contrast: str) -> xr.DataArray:
    said = {**values.attrs, "contrast": contrast, "of": values.name}
    return result.rename("country_contrasts").assign_attrs(said)
