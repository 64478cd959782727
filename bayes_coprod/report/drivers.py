"""The drivers section: what goes with each form, and where countries differ."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import has_gap
from bayes_coprod.estimands.drivers import (
    ASSOCIATION,
    driver_contrast,
    driver_effects,
    strongest_driver,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.report import words
from bayes_coprod.report.data import Block, DriverFigure, DriverRow, Paragraph, Section, Table
from bayes_coprod.report.intervals import DRAWS, IntervalChoice, forms_of, outcome_names, rows_of
from bayes_coprod.report.items import collect_curves
from bayes_coprod.report.measure import Measure, measure_of
from bayes_coprod.report.model import prior_interval
from bayes_coprod.survey.entries import Driver
from bayes_coprod.wording import capital


def drivers_section(fit: Fit, choice: IntervalChoice) -> Section:
    """Say what goes with each driver, and how far countries differ in it."""
    measure = measure_of(fit)
    effects = reported_effects(fit)
    blocks: list[Block] = [
        Paragraph(
            f"{_goes_with(measure)} a stated difference in each driver while the other "
            f"drivers are held. The difference stands beside the driver, in its own units. "
            f"{ASSOCIATION}"
        )
    ]
    if outcome_dim(fit.spec) == names.FORM:
        blocks.append(collect_drivers(fit, choice, effects=effects))
    else:
        sectors = dict.fromkeys(str(sector) for sector in fit.design[names.SECTOR].values)
        blocks += [
            collect_drivers(fit, choice, effects=effects, sector=sector) for sector in sectors
        ]
    blocks.append(_effects_table(fit, choice, effects))
    if has_gap(fit):
        blocks.append(_driver_contrast_table(fit, choice, effects))
    if fit.spec.likelihood in ("items", "ordinal"):
        blocks.append(collect_curves(fit, choice, strongest_driver(fit)))
    if "tau" in fit.posterior:
        blocks.append(_spread_table(fit, choice))
    return Section("Drivers", tuple(blocks))


def reported_effects(fit: Fit) -> xr.Dataset:
    """What goes with each driver, in the report's units."""
    effects, measure = driver_effects(fit), measure_of(fit)
    return effects.assign({str(n): measure.given(of) for n, of in effects.data_vars.items()})


def _axis(measure: Measure) -> str:
    return f"{capital(measure.units)} of {measure.of}"


def _goes_with(measure: Measure) -> str:
    return f"{_axis(measure)} that go with"


def _effects_table(fit: Fit, choice: IntervalChoice, of: xr.Dataset) -> Table:
    effects = of["pooled"]
    dim = outcome_dim(fit.spec)
    ordered = effects.transpose(*DRAWS, names.DRIVER, dim)
    summary = choice.table(ordered)
    intervals = choice.intervals(ordered)
    after = words.decimals(intervals)
    outcomes = outcome_names(fit)
    n = len(outcomes)
    return Table(
        name="drivers",
        caption=f"{capital(measure_of(fit).units)} that go with each driver, for the difference in "
        f"the driver that its row states; mean over the countries ({choice.words}).",
        header=("Driver", "Difference", *(capital(outcome) for outcome in outcomes)),
        rows=tuple(
            (label, per, *(words.estimate(i, after) for i in intervals[d * n : (d + 1) * n]))
            for d, (label, per) in enumerate(_labels(effects))
        ),
        csv=summary.to_csv(),
        n_labels=2,
    )


def _driver_contrast_table(fit: Fit, choice: IntervalChoice, of: xr.Dataset) -> Table:
    contrast = driver_contrast(fit, of=of)["pooled"]
    order = [dim for dim in contrast.dims if dim not in (*DRAWS, names.DRIVER)]
    contrast = contrast.transpose(*DRAWS, names.DRIVER, *order)
    summary = choice.table(contrast)
    intervals = choice.intervals(contrast)
    after = words.decimals(intervals)
    first, second = forms_of(fit)
    labels = [
        (label, per, *rest)
        for label, per in _labels(contrast)
        for rest in ([(str(s),) for s in contrast[order[0]].values] if order else [()])
    ]
    return Table(
        name="driver_contrast",
        caption=f"Which drivers go more with {second} than with {first} co-production: "
        f"difference in {measure_of(fit).units}, for the same difference in the driver "
        f"({choice.words}).",
        header=(
            "Driver",
            "Difference",
            *(capital(str(dim)) for dim in order),
            f"{capital(second)} minus {first}",
            f"Probability that {second} is higher",
        ),
        rows=tuple(
            (*label, words.estimate(interval, after), words.probability(row.p_positive))
            for label, interval, row in zip(labels, intervals, rows_of(summary), strict=True)
        ),
        csv=summary.to_csv(),
        n_labels=2 + len(order),
    )


def _labels(effects: xr.DataArray) -> list[tuple[str, str]]:
    return [
        (str(label), words.short_unbroken(str(per)))
        for label, per in zip(effects["label"].values, effects["per"].values, strict=True)
    ]


def _spread_table(fit: Fit, choice: IntervalChoice) -> Table:
    """Between-country SD of each driver's coefficient: posterior and prior side by side."""
    dim = outcome_dim(fit.spec)
    unit = "SDs of the outcome" if fit.spec.likelihood == "index" else "logits"
    tau = fit.posterior["tau"].transpose(*DRAWS, names.DRIVER, dim)
    intervals = choice.intervals(tau)
    prior = prior_interval(fit, "tau", choice.prob)
    after = words.decimals(intervals)
    outcomes = outcome_names(fit)
    n = len(outcomes)
    drivers = [fit.codebook.driver(str(name)) for name in tau[names.DRIVER].values]
    return Table(
        name="between_countries",
        caption=f"How much the associations differ between the {len(fit.countries)} countries: "
        f"SD of the model’s coefficients, in {unit}. A coefficient is for the difference in the "
        "driver that its row states, which may be another than in the tables above "
        f"({choice.words}; prior: median and equal-tailed interval).",
        header=("Driver", "Coefficient", *(capital(outcome) for outcome in outcomes), "Prior"),
        rows=tuple(
            (
                driver.label,
                words.short_unbroken(_coefficient_unit(driver, fit.design)),
                *(words.estimate(i, after) for i in intervals[d * n : (d + 1) * n]),
                words.estimate(prior, after),
            )
            for d, driver in enumerate(drivers)
        ),
        csv=choice.table(tau).to_csv(),
        n_labels=2,
    )


def _coefficient_unit(driver: Driver, design: xr.Dataset) -> str:
    """The difference in a driver that the SD of its coefficients speaks of."""
    if driver.kind == "binary":
        no, yes = driver.sides
        return f"from {no} to {yes}"
    if driver.kind == "categorical":
        return "between two levels"
    sd = float(design["column_sd"].sel({names.COEFFICIENT: driver.name}))
    unit = "steps" if driver.kind == "ordered" else driver.unit
    return f"per SD ({np.format_float_positional(sd, 3, fractional=False)} {unit}".rstrip() + ")"


def collect_drivers(
    fit: Fit, choice: IntervalChoice, *, effects: xr.Dataset, sector: str | None = None
) -> DriverFigure:
    """Pooled associations of all drivers, in the sector where the model has sectors."""
    pooled = effects["pooled"]
    forms = outcome_names(fit) if fit.spec.likelihood == "ordinal" else forms_of(fit)
    sectors = sorted(set(pooled[names.SECTOR].values)) if names.SECTOR in pooled.coords else []
    if sector not in (sectors or [None]):
        raise make_error(
            SpecError,
            "drivers figure",
            f"sector = {sector!r}, and the model "
            + ("has one figure for each sector" if sectors else "has no sectors"),
            value=sector,
            available=sectors or [None],
        )
    if sectors:
        pooled = pooled.isel({names.OUTCOME: pooled[names.SECTOR].isin([sector]).values})
        forms = tuple(str(form) for form in pooled[names.FORM].values)
    dim = outcome_dim(fit.spec)
    ordered = pooled.transpose(*DRAWS, names.DRIVER, dim)
    intervals = choice.intervals(ordered)
    rows = [
        DriverRow(str(label), str(per), tuple(intervals[i * len(forms) : (i + 1) * len(forms)]))
        for i, (label, per) in enumerate(
            zip(pooled["label"].values, pooled["per"].values, strict=True)
        )
    ]
    if len(forms) == 2:
        rows.sort(key=lambda row: row.effects[0].mean - row.effects[1].mean)
        order = f"Those that go most with the {forms[1]} form, against the {forms[0]}, come first."
    else:
        rows.sort(key=lambda row: -row.effects[0].mean)
        order = ""
    title = f"Drivers: {sector}" if sector else "Drivers"
    measure = measure_of(fit)
    return DriverFigure(
        forms=forms,
        rows=tuple(rows),
        title=title,
        axis=_axis(measure),
        caption=f"{_goes_with(measure)} the stated difference in each driver, other "
        f"drivers held, mean over the countries. Dots are posterior means, bars the "
        f"{choice.words}. {order}".strip(),
        alt=f"For each driver the {measure.units} that go with it: "
        + "; ".join(
            f"{row.label} {row.per}: "
            + ", ".join(
                f"{form} {words.number(effect.mean, 1)}"
                for form, effect in zip(forms, row.effects, strict=True)
            )
            for row in rows
        )
        + ".",
    )
