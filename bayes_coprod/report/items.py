"""The items section: citizens' propensities, and how the items work in each country."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from bayes_coprod import names
from bayes_coprod.diagnostics.items import SHIFT_LIMIT, SHIFT_PROBABILITY
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.curves import category_curves
from bayes_coprod.estimands.drivers import ASSOCIATION
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.item_layout import FEWEST_FOR_DISCRIMINATION
from bayes_coprod.report import words
from bayes_coprod.report.data import (
    Block,
    Curve,
    CurveFigure,
    Interval,
    Paragraph,
    Section,
    ShiftFigure,
    Table,
)
from bayes_coprod.report.intervals import DRAWS, IntervalChoice, forms_of, outcome_names
from bayes_coprod.report.model import prior_interval
from bayes_coprod.survey.entries import Driver


def items_section(fit: Fit, choice: IntervalChoice) -> Section:
    """Say how citizens differ, and whether the items mean the same everywhere."""
    blocks: list[Block] = [
        Paragraph(
            "Each citizen has a propensity for each form: what the answers to its items have in "
            "common, in logits. Beyond country and drivers citizens differ by this much:"
        ),
        _propensities_table(fit, choice),
    ]
    if "shift" in fit.posterior:
        blocks.append(
            Paragraph(
                "Whether items compare between countries: an item whose thresholds are shifted up "
                "in a country is answered more rarely there than the form's other items lead one "
                "to expect. The shifts of a form's items sum to zero, in logits; the level of a "
                "single item includes its own shift."
            )
        )
        blocks.append(collect_shifts(fit))
    blocks.append(_thresholds_table(fit, choice))
    if "lambda" in fit.posterior:
        blocks.append(_discriminations_table(fit, choice))
    return Section("Citizens and items", tuple(blocks))


def _propensities_table(fit: Fit, choice: IntervalChoice) -> Table:
    posterior = fit.posterior
    sigma = choice.intervals(posterior["sigma"])
    after = max(2, words.decimals(sigma))
    counts = np.bincount(fit.design["item_form"].values)
    prior = prior_interval(fit, "sigma", choice.prob)
    rows = [
        (
            f"SD of citizens' propensity, {form}",
            "1 by convention" if n == 1 else words.estimate(interval, after),
            "" if n == 1 else words.estimate(prior, after),
        )
        for form, interval, n in zip(forms_of(fit), sigma, counts, strict=True)
    ]
    csv = choice.table(posterior["sigma"]).to_csv()
    if "rho" in posterior:
        (rho,) = choice.intervals(posterior["rho"])
        rows.append(
            (
                "Correlation of the two",
                words.estimate(rho, after),
                words.estimate(prior_interval(fit, "rho", choice.prob), after),
            )
        )
        csv += choice.table(posterior["rho"]).to_csv()
    return Table(
        name="propensities",
        caption=f"Citizens' propensities, logits ({choice.words}; prior: median and equal-tailed "
        "interval).",
        header=("Quantity", "Posterior", "Prior"),
        rows=tuple(rows),
        csv=csv,
    )


def _thresholds_table(fit: Fit, choice: IntervalChoice) -> Table:
    """Thresholds of each item, mean over the countries."""
    kappa = fit.posterior["kappa"]
    intervals = choice.intervals(kappa)
    after = words.decimals(intervals)
    rows, start = [], 0
    for name in fit.design[names.ITEM].values:
        item = fit.codebook.item(str(name))
        for below, above in zip(item.levels, item.levels[1:], strict=False):
            rows.append(
                (
                    item.label,
                    item.form,
                    f"{below} | {above}",
                    words.estimate(intervals[start], after),
                )
            )
            start += 1
    times = ", times the item’s discrimination," if "lambda" in fit.posterior else ""
    return Table(
        name="thresholds",
        caption=f"Thresholds of the items, mean over the countries, logits: the propensity{times} "
        f"at which the answers below and above are equally likely ({choice.words}).",
        header=("Item", "Form", "Between", "Threshold"),
        rows=tuple(rows),
        csv=choice.table(kappa).to_csv(),
        n_labels=3,
    )


def _discriminations_table(fit: Fit, choice: IntervalChoice) -> Table:
    steep = fit.posterior["lambda"]
    intervals = choice.intervals(steep)
    after = max(2, words.decimals(intervals))
    items = [fit.codebook.item(str(name)) for name in steep[names.ITEM].values]
    counts = Counter(item.form for item in items)
    return Table(
        name="discriminations",
        caption="How closely each item goes with the propensity: 1 is the average of its form "
        f"({choice.words}).",
        header=("Item", "Form", "Discrimination"),
        rows=tuple(
            (
                item.label,
                item.form,
                "1 by convention"
                if counts[item.form] < FEWEST_FOR_DISCRIMINATION
                else words.estimate(interval, after),
            )
            for item, interval in zip(items, intervals, strict=True)
        ),
        csv=choice.table(steep).to_csv(),
        n_labels=2,
    )


def collect_shifts(fit: Fit) -> ShiftFigure:
    """Mean shift of each item in each country, and those that are beyond the limit."""
    if "shift" not in fit.posterior:
        raise make_error(
            SpecError,
            "shifts figure",
            "the model has no shifts of thresholds between countries",
            remedy="Fit 'items' with thresholds_vary = true and two items in a form or more.",
        )
    shift = fit.posterior["shift"].transpose(*DRAWS, names.ITEM, names.COUNTRY)
    mean = shift.mean(DRAWS).values
    beyond = ((abs(shift) > SHIFT_LIMIT).mean(DRAWS) > SHIFT_PROBABILITY).values
    items = [fit.codebook.item(str(name)).label for name in shift[names.ITEM].values]
    found = [
        f"{items[k]} in {fit.countries[c]} {words.number(mean[k, c], 1)}"
        for k, c in np.argwhere(beyond)
    ]
    said = "; ".join(found) if found else "none"
    return ShiftFigure(
        items=tuple(items),
        countries=tuple(fit.countries),
        shifts=tuple(tuple(float(value) for value in row) for row in mean),
        stands_out=tuple(tuple(bool(value) for value in row) for row in beyond),
        caption="Shifts of each item's thresholds in each country, posterior means: the larger the "
        "dot the larger the shift; filled: rarer there, hollow: more common there. Ringed: beyond "
        f"{SHIFT_LIMIT} logits with probability above {SHIFT_PROBABILITY}.",
        alt=f"A grid of items by countries; shifts beyond {SHIFT_LIMIT} logits: {said}.",
    )


def collect_curves(fit: Fit, choice: IntervalChoice, driver: str) -> CurveFigure:
    """Shares of all answers along a driver, in each form."""
    panels, values = [], ()
    is_one_item = fit.spec.likelihood == "ordinal"
    for form in forms_of(fit):
        curves = category_curves(fit, driver, form)
        values = tuple(curves["value"].values.tolist())
        intervals = choice.intervals(100 * curves)
        n = len(values)
        labels = [str(label) for label in curves[names.CATEGORY].values]
        panels.append(
            (
                outcome_names(fit)[0] if is_one_item else form,
                tuple(
                    Curve(label, tuple(intervals[i * n : (i + 1) * n]))
                    for i, label in enumerate(labels)
                ),
            )
        )
    entry = fit.codebook.driver(driver)
    asked = outcome_names(fit)[0] if is_one_item else "the form’s items"
    return CurveFigure(
        driver=_with_unit(entry),
        values=values,
        panels=tuple(panels),
        caption=f"Expected answers if everybody had the same value of: {entry.label}. Per cent of "
        f"answers to {asked}, mean over the countries; bands are the {choice.words}. "
        f"{ASSOCIATION}",
        alt=f"Shares of the answers along {entry.label}: "
        + "; ".join(
            f"{form}, {curve.label} from {_per_cent(curve.shares[0])} to "
            f"{_per_cent(curve.shares[-1])}"
            for form, of_form in panels
            for curve in of_form
        )
        + ".",
    )


def _with_unit(driver: Driver) -> str:
    """A driver's label with its unit, unless the label says it: *Age in years*."""
    said = re.search(rf"\b{re.escape(driver.unit)}\b", driver.label, re.IGNORECASE)
    return driver.label if not driver.unit or said else f"{driver.label}, {driver.unit}"


def _per_cent(interval: Interval) -> str:
    return f"{words.number(interval.mean, 0)} %"
