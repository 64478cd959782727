"""Drivers: what goes with co-production, in the survey's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import both_forms, country_mean
from bayes_coprod.estimands.expected import (
    SCALES,
    UNITS,
    By,
    fitted_population,
    labelled,
    make_responses,
    outcome_coords,
    posterior_draws,
)
from bayes_coprod.estimands.population import (
    PopulationKind,
    Uncertainty,
    check_population,
    citizen_kinds,
    kind_weights,
)
from bayes_coprod.inference.fit import Fit, check_is_of
from bayes_coprod.inference.pooled import by_part
from bayes_coprod.model.coding import chosen_drivers, coefficient_labels, level_contrasts
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.response import ResponseScale, make_versions
from bayes_coprod.survey.entries import Driver

ASSOCIATION = (
    "Associations in a cross-section; a change would follow only if they were causal and stable."
)


@dataclass(frozen=True)
class _Step:
    """A change in a driver that is quoted: its label, words, and change in the columns.

    `base` holds the columns' values from which everybody is changed; empty: from where they are.
    """

    name: str
    label: str
    per: str
    change: dict[str, float]
    base: dict[str, float]


@by_part
def driver_effects(
    fit: Fit,
    *,
    scale: Literal["index", "share", "any", "link"] | None = None,
    by: By | None = None,
    population: PopulationKind = "sample",
    uncertainty: Uncertainty = "bootstrap",
    random_seed: int | None = None,
) -> xr.Dataset:
    r"""What a stated change in each driver goes with, other drivers held.

    .. math:: \Delta_{cf} = \sum_{i \in c} w_i \,
        \bigl[ E(y_{if} \mid x_i + \delta, b_c) - E(y_{if} \mid x_i, b_c) \bigr], \qquad
        \bar\Delta_f = \frac{1}{C} \sum_c \Delta_{cf}

    with :math:`\delta` the change in the coded columns: numeric drivers per ``report_per`` or SD,
    ordered ones per step; binary ones from no to yes, called as in the codebook, and categorical
    ones from the reference to each level, for everybody. On the link scale it is
    :math:`\sum_p \delta_p b_{cfp}`.

    Parameters
    ----------
    fit : Fit
        Of a model with drivers.
    scale : {"index", "share", "any", "link"}, optional
        As for :func:`country_levels`; ``"link"`` is the linear predictor's: points of 100 for
        ``index``, logits for all others.
    by : str, optional
        As for :func:`country_levels`; not on the link scale, which has one effect for each form.
    population, uncertainty, random_seed
        As for :func:`country_levels`; they make no difference on the link scale and for ``index``,
        where the change is the same for all citizens of a country.

    Returns
    -------
    xarray.Dataset
        ``pooled`` (chain, draw, form, driver), the mean over the countries, and ``by_country``
        (chain, draw, country, form, driver); coords ``label`` and ``per`` say each in words.

    Raises
    ------
    SpecError
        If the model has no drivers, or cannot say what is asked.
    """
    check_population(fit, population, uncertainty)
    known = [name for name in SCALES[fit.spec.likelihood] if name != "category"]
    if scale is None:
        scale = known[0]
    if scale not in (*known, "link"):
        raise make_error(
            SpecError,
            "driver_effects",
            f"unknown scale {scale!r} for a model of {fit.spec.likelihood!r}",
            value=scale,
            available=(*known, "link"),
        )
    drivers = chosen_drivers(fit.design, fit.codebook.drivers)
    if not drivers:
        raise make_error(
            SpecError,
            "driver_effects",
            f"model {fit.spec.name!r} has no drivers",
            remedy='Fit it with drivers = "all" or a list.',
        )
    if scale == "link" and by is not None:
        raise make_error(
            SpecError,
            "driver_effects",
            f"effects on the link scale are by form, not by {by!r}",
            remedy="Leave by out, or choose another scale.",
        )
    if fit.spec.likelihood == "index" and scale == "index":
        outcome_coords(fit, by)
    steps = [step for driver in drivers for step in _steps(driver, fit.design)]
    if scale == "link" or fit.spec.likelihood == "index":
        by_country = _on_link_scale(fit, steps)
    else:
        by_country = _average_changes(fit, steps, scale, by, population, uncertainty, random_seed)
    by_country = by_country.assign_attrs(interpretation=ASSOCIATION)
    return xr.Dataset(
        {"pooled": country_mean(by_country), "by_country": by_country}, attrs=by_country.attrs
    )


def _on_link_scale(fit: Fit, steps: list[_Step]) -> xr.DataArray:
    """Change of the linear predictor, (chain, draw, country, form, driver)."""
    coefficients = fit.design[names.COEFFICIENT].values
    change = xr.DataArray(
        [[step.change.get(str(name), 0.0) for name in coefficients] for step in steps],
        dims=(names.DRIVER, names.COEFFICIENT),
        coords={**_step_coords(steps), names.COEFFICIENT: coefficients},
    )
    effects = xr.dot(fit.posterior["b"], change, dim=names.COEFFICIENT)
    if fit.spec.likelihood != "index":
        return effects.assign_attrs(units="logits")
    dim = outcome_dim(fit.spec)
    unit = fit.design["outcome_sd"]
    return (
        (effects * unit)
        .drop_vars(set(unit.coords) - {dim, names.FORM, names.SECTOR})
        .assign_attrs(units="points of 100")
    )


def _average_changes(
    fit: Fit,
    steps: list[_Step],
    scale: ResponseScale,
    by: By | None,
    population: PopulationKind,
    uncertainty: Uncertainty,
    random_seed: int | None,
) -> xr.DataArray:
    """Average change of the response, (chain, draw, country, outcome, driver)."""
    seed = fit.spec.sampler.random_seed if random_seed is None else random_seed
    responses, coords = make_responses(fit, scale, by)
    kinds = citizen_kinds(fit, population)
    asked = fitted_population(fit, kinds)
    coefficients = [str(name) for name in fit.design[names.COEFFICIENT].values]
    # citizens as they are, and with everybody at a driver's base
    bases = list(dict.fromkeys([(), *(tuple(step.base.items()) for step in steps)]))
    versions = []
    for base in bases:
        x = kinds.x.copy()
        for name, value in base:
            x[:, 1 + coefficients.index(name)] = value
        versions.append(x)
    citizens = make_versions(versions)
    changes = np.array([[step.change.get(name, 0.0) for name in coefficients] for step in steps])
    base_of = np.array([bases.index(tuple(step.base.items())) for step in steps])
    start = np.concatenate([np.arange(len(bases)), base_of])
    question = asked.ask(responses, scale)
    weights = kind_weights(fit, kinds, uncertainty, seed)
    values = []
    for draw, weight in zip(posterior_draws(fit), weights, strict=True):
        # a change moves all citizens of a country alike, (driver, country, form)
        steps_up = np.moveaxis(draw["b"] @ changes.T, -1, 0)
        moves = np.concatenate([np.zeros((len(bases), *steps_up.shape[1:])), steps_up])
        found = asked.expect(draw, citizens, weight, question, moves, start)
        values.append(found[len(bases) :] - found[base_of])
    stacked = np.moveaxis(np.stack(values), 1, -1)  # (draw, country, outcome, driver)
    said = {"units": UNITS[scale], "population": kinds.said}
    layers = [labelled(fit, stacked[..., d], coords, **said) for d in range(len(steps))]
    return (
        xr.concat(layers, dim=names.DRIVER)
        .transpose(..., names.DRIVER)
        .assign_coords(_step_coords(steps))
    )


def _step_coords(steps: list[_Step]) -> dict[str, object]:
    return {
        names.DRIVER: [step.name for step in steps],
        "label": (names.DRIVER, [step.label for step in steps]),
        "per": (names.DRIVER, [step.per for step in steps]),
    }


def strongest_driver(fit: Fit) -> str:
    r"""Driver by which citizens differ most: the largest SD of its share of the linear predictor.

    .. math:: \max_f \operatorname{sd}_i \Bigl( \sum_{p \in \text{driver}} x_{ip} \,
        E[\beta_{fp}] \Bigr)

    Parameters
    ----------
    fit : Fit
        Of a model with drivers.

    Returns
    -------
    str
    """
    beta = fit.posterior["beta"].mean((names.CHAIN, names.DRAW))
    spread = {}
    for driver in chosen_drivers(fit.design, fit.codebook.drivers):
        at = {names.COEFFICIENT: coefficient_labels([driver])}
        part = xr.dot(fit.design["x"].sel(at), beta.sel(at), dim=names.COEFFICIENT)
        spread[driver.name] = float(part.std(names.CITIZEN).max())
    return max(spread, key=spread.__getitem__)


def driver_contrast(
    fit: Fit,
    *,
    of: xr.Dataset | None = None,
    scale: Literal["index", "share", "any", "link"] | None = None,
) -> xr.Dataset:
    r"""How much more of the second form a driver goes with than of the first.

    .. math:: \bar\Delta_2 - \bar\Delta_1

    Parameters
    ----------
    fit : Fit
        Of a model with two forms and drivers.
    of : xarray.Dataset, optional
        What :func:`driver_effects` returned, if it is at hand; `scale` is then not used.
    scale : {"index", "share", "any", "link"}, optional
        As for :func:`driver_effects`.

    Returns
    -------
    xarray.Dataset
        As :func:`driver_effects`, second form minus first, without the dim form.

    Raises
    ------
    SpecError
        If the model has one form only, or no drivers; if `of` is no effects, or those of another
        fit; on the link scale of ``items`` also if a form has one item, since its unit is then a
        convention.
    """
    effects = driver_effects(fit, scale=scale) if of is None else of
    if not isinstance(effects, xr.Dataset) or "pooled" not in effects:
        raise make_error(
            SpecError,
            "driver_contrast",
            "of is not what driver_effects returned",
            remedy="Give all of it, or leave it out.",
        )
    check_is_of(fit, effects.attrs.get("fit"), "driver_contrast", "what stands in of=")
    if effects.attrs["units"] == "logits":
        _check_units(fit)
    differences = {}
    for name, values in effects.data_vars.items():
        first, second = both_forms(fit, values)
        differences[name] = (second - first).assign_attrs(values.attrs)
    return xr.Dataset(differences, attrs=effects.attrs)


def _check_units(fit: Fit) -> None:
    """Refuse to compare logits of forms whose citizens' SD is a convention."""
    if "item_form" not in fit.design:
        return
    for form, count in zip(
        *np.unique(fit.design["item_form"].values, return_counts=True), strict=True
    ):
        if count == 1:
            raise make_error(
                SpecError,
                "driver_contrast",
                f"the form {str(fit.design[names.FORM].values[form])!r} has one item, so the unit "
                "of its logits is a convention",
                remedy="Compare on the scale 'index' or 'share'.",
            )


def _steps(driver: Driver, design: xr.Dataset) -> list[_Step]:
    """The changes that are quoted for a driver, in coded columns."""
    columns = coefficient_labels([driver])
    if driver.kind == "categorical":
        contrasts = level_contrasts(len(driver.levels))  # (level, contrast)
        reference = driver.categories.index(driver.reference)
        means = design["column_mean"].sel({names.COEFFICIENT: columns}).values
        return [
            _Step(
                name=names.level_label(driver.name, level),
                label=f"{driver.label}: {level}",
                per=f"against {driver.reference_level}",
                change=dict(zip(columns, contrasts[i] - contrasts[reference], strict=True)),
                base=dict(zip(columns, contrasts[reference] - means, strict=True)),
            )
            for i, level in enumerate(driver.levels)
            if i != reference
        ]
    sd = float(design["column_sd"].sel({names.COEFFICIENT: driver.name}))
    amount, per = _amount(driver, sd)
    mean = float(design["column_mean"].sel({names.COEFFICIENT: driver.name}))
    base = {driver.name: -mean / sd} if driver.kind == "binary" else {}
    return [_Step(driver.name, driver.label, per, {driver.name: amount / sd}, base)]


def _amount(driver: Driver, sd: float) -> tuple[float, str]:
    """How much of a driver is quoted, in its own units, and the words for it."""
    if driver.kind == "ordered":
        return 1.0, "per step"
    if driver.kind == "binary":
        no, yes = driver.sides
        return 1.0, f"{yes} against {no}"
    unit = f" {driver.unit}" if driver.unit else ""
    if driver.report_per is None:
        return sd, f"per SD ({np.format_float_positional(sd, 3, fractional=False)}{unit})"
    return driver.report_per, f"per {driver.report_per:g}{unit}"
