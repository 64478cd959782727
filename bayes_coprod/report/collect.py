"""From a fit to what its report says. Every number comes from an estimand or a check."""

from __future__ import annotations

import json

import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import (
    both_forms,
    country_contrasts,
    country_levels,
    country_mean,
    country_ranks,
    gap,
    has_gap,
)
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.finding import Finding, Findings
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.report import words
from bayes_coprod.report.about import (
    data_section,
    limits_section,
    reproduce_section,
)
from bayes_coprod.report.belief import belief_section
from bayes_coprod.report.data import (
    Block,
    GulfFigure,
    GulfRow,
    Paragraph,
    ReportData,
    Section,
    Table,
)
from bayes_coprod.report.drivers import drivers_section
from bayes_coprod.report.intervals import (
    DRAWS,
    IntervalChoice,
    choose_interval,
    forms_of,
    outcome_names,
    places_of,
    rows_of,
)
from bayes_coprod.report.items import items_section
from bayes_coprod.report.measure import measure_of
from bayes_coprod.report.model import model_section
from bayes_coprod.report.scenarios import Scenarios, check_scenarios, scenarios_section
from bayes_coprod.wording import capital, listed

_LEVELS = {
    "Index": "Expected index of a country's citizens, points of 100",
    "Answer": "Expected answer of a country's citizens, 0 to 100 points in equal steps from the "
    "lowest category to the highest",
    "Citizens who take part": "Expected share of a country's citizens who take part, per cent",
}
_OF = {
    "index": "an index of",
    "items": "an index of",
    "ordinal": "an answer to",
    "participation": "an answer that tells of",
}
_LIKELIER_THAN_NOT = 0.5
_RANKS_SHOWN = 10
"""With more countries a table of all ranks is wider than a page."""


def collect_report(
    fit: Fit,
    *,
    prob: float | None = None,
    kind: IntervalKind | None = None,
    scenarios: Scenarios | None = None,
    findings: Findings | None = None,
) -> ReportData:
    """Collect what a report on a fit says.

    Parameters
    ----------
    fit : Fit
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.
    scenarios, findings : optional
        As for :func:`write_report`.

    Returns
    -------
    ReportData
    """
    choice = choose_interval(prob, kind)
    asked = check_scenarios(fit, scenarios, "write_report")
    if findings is not None and getattr(findings, "of", None) != fit.digest:
        raise make_error(
            SpecError,
            "write_report",
            "what stands in findings= is not what check_fit returned for this fit",
            remedy='Give check_fit(fit, "full"); with others beside it, Findings([*check_fit(fit), '
            "*others], of=fit.digest).",
        )
    coverage = Findings(Finding(**found) for found in json.loads(fit.design.attrs["coverage"]))
    found = check_fit(fit) if findings is None else findings
    judged = Findings([*found, *coverage])
    levels = measure_of(fit).given(country_levels(fit))
    gulf = gap(fit, of=levels) if has_gap(fit) else None
    sections = [
        *([] if gulf is None else [Section("The gulf", (collect_gulf(fit, choice, levels),))]),
        _countries_section(fit, choice, levels, gulf),
        *([drivers_section(fit, choice)] if "beta" in fit.posterior else []),
        *([items_section(fit, choice)] if fit.spec.likelihood == "items" else []),
        *([scenarios_section(asked, choice)] if asked else []),
        belief_section(fit, choice, judged),
        data_section(fit),
        model_section(fit, choice.prob),
        limits_section(fit),
        reproduce_section(fit, choice, asked, found.call),
    ]
    return ReportData(
        title=f"{_subject(fit)} in {words.count(len(fit.countries))} countries",
        banner=(
            "Synthetic data: every number below comes from a simulation, none from citizens."
            if fit.codebook.synthetic
            else ""
        ),
        failed=judged.only("fail"),
        headline=_headline(fit, choice, levels, gulf),
        sections=tuple(sections),
        colophon=f"{fit.codebook.name}. Model {fit.spec.name!r}. Intervals: {choice.words}.",
    )


def _subject(fit: Fit) -> str:
    return outcome_names(fit)[0] if fit.spec.likelihood == "ordinal" else "Co-production"


def collect_gulf(fit: Fit, choice: IntervalChoice, levels: xr.DataArray) -> GulfFigure:
    """Both forms' levels and the gap, for each country, or country and sector."""
    first, second = both_forms(fit, levels)
    gulf = gap(fit, of=levels)
    places = places_of(choice.table(gulf))
    gaps = choice.intervals(gulf)
    places_after = words.decimals(gaps)
    rows = [
        (g.mean, GulfRow(place, a, b, words.number(g.mean, places_after)))
        for place, a, b, g in zip(
            places, choice.intervals(first), choice.intervals(second), gaps, strict=True
        )
    ]
    rows.sort(key=lambda row: -abs(row[0]))
    ordered = tuple(row for _, row in rows)
    one, two = forms_of(fit)
    measure = measure_of(fit)
    return GulfFigure(
        forms=(one, two),
        rows=ordered,
        axis=f"{measure.level}, {measure.unit}",
        units=measure.units,
        caption=f"{measure.level}, {measure.unit}, in {one} and in {two} co-production, and the "
        f"gap between them in {measure.units}. Dots are posterior means, bars the {choice.words}.",
        alt=f"For each country a dot for {one} and one for {two} co-production, with the gap in "
        f"{measure.units}: " + "; ".join(f"{row.place} {row.gap}" for row in ordered) + ".",
    )


def _headline(
    fit: Fit, choice: IntervalChoice, levels: xr.DataArray, gulf: xr.DataArray | None
) -> str:
    countries = f"In these {words.count(len(fit.countries))} countries"
    measure = measure_of(fit)
    if gulf is not None and names.SECTOR in gulf.dims:
        first, second = forms_of(fit)
        gaps = choice.intervals(country_mean(gulf))
        after = words.decimals(gaps)
        by_sector = [
            f"{words.number(gap_.mean, after)} {measure.units} in {sector} "
            f"({words.span(gap_, after)})"
            for sector, gap_ in zip(gulf[names.SECTOR].values, gaps, strict=True)
        ]
        return (
            f"{countries} the gap, {first} minus {second} co-production, averages "
            f"{listed(by_sector)}; in brackets the {choice.short}."
        )
    means = choice.intervals(country_mean(levels))
    after = words.decimals(means)
    outcomes = [str(label) for label in levels[outcome_dim(fit.spec)].values]
    if gulf is None:
        unit = "per cent" if measure.is_share else "points"
        each = [
            f"{words.number(mean.mean, after)} {unit} for {outcome} ({words.span(mean, after)})"
            for outcome, mean in zip(outcomes, means, strict=True)
        ]
        if fit.spec.likelihood == "ordinal":
            (mean,) = means
            return (
                f"{countries} answers to {outcome_names(fit)[0]} average "
                f"{words.number(mean.mean, after)} of 100 points ({choice.short} "
                f"{words.span(mean, after)})."
            )
        share = "the share of citizens who take part averages"
        said = (
            f"{share} {listed(each)}"
            if measure.is_share
            else (f"the index averages {listed(each)} of 100")
        )
        return f"{countries} {said}; in brackets the {choice.short}."
    first, second = outcomes
    if measure.is_share:
        return (
            f"{countries} {words.number(means[0].mean, after)} per cent of citizens take part in "
            f"{first} co-production and {words.number(means[1].mean, after)} per cent in {second}: "
            f"{_said_of_gulf(fit, choice, gulf)}"
        )
    return (
        f"{countries} {first} co-production averages {words.number(means[0].mean, after)} of 100 "
        f"points and {second} co-production {words.number(means[1].mean, after)}: "
        f"{_said_of_gulf(fit, choice, gulf)}"
    )


def _said_of_gulf(fit: Fit, choice: IntervalChoice, gulf: xr.DataArray) -> str:
    """The gap on average and where it is widest; it may run the other way."""
    first, second = forms_of(fit)
    (average,) = choice.intervals(country_mean(gulf))
    reversed_ = average.mean < 0
    if reversed_:
        gulf = -gulf
        (average,) = choice.intervals(country_mean(gulf))
    after = words.decimals([average])
    share = country_ranks(fit, of=gulf).mean(DRAWS).sel({names.RANK: 1}).values
    widest = int(share.argmax())
    has_data = (fit.design["with_outcome"].values[widest] > 0).all()
    if (share == 1).all():  # countries are alike by assumption
        where = ""
    elif share[widest] > _LIKELIER_THAN_NOT and has_data:
        where = (
            f" It is widest in {fit.countries[widest]} "
            f"(probability {words.probability(float(share[widest]))})."
        )
    else:
        where = " The data do not tell in which country it is widest."
    ahead = f", {second} above {first}" if reversed_ else ""
    return (
        f"a gulf of {words.number(average.mean, after)} {measure_of(fit).units}{ahead} "
        f"({choice.short} "
        f"{words.span(average, after)}).{where}"
    )


def _countries_section(
    fit: Fit, choice: IntervalChoice, levels: xr.DataArray, gulf: xr.DataArray | None
) -> Section:
    blocks: list[Block] = [_levels_table(fit, choice, levels)]
    silent = _without_data(fit)
    if silent:
        blocks.append(
            Paragraph(
                f"Nobody in the fit has {_OF[fit.spec.likelihood]} {listed(silent)}: what is said "
                "of it comes from the other countries and the drivers alone."
            )
        )
    quantity, what = levels, "level"
    if fit.spec.likelihood == "ordinal":  # its one form is nothing that is explained
        what = f"level of {outcome_names(fit)[0]}"
        quantity = levels.isel({names.FORM: 0}, drop=True)
    if gulf is not None:
        blocks.append(_by_country_table(fit, "gap", "Gap between the forms", choice, gulf))
        quantity, what = gulf, "gap"
    blocks.append(
        _by_country_table(
            fit,
            "contrasts",
            f"Each country's {what} minus the countries' mean",
            choice,
            country_contrasts(fit, of=quantity),
        )
    )
    if names.SECTOR not in quantity.dims and names.OUTCOME not in quantity.dims:
        if names.FORM in quantity.dims:
            what = f"{what} of {forms_of(fit)[0]} co-production"
            quantity = quantity.isel({names.FORM: 0}, drop=True)
        blocks.append(_ranks_table(fit, quantity, what))
    return Section("Countries", tuple(blocks))


def _without_data(fit: Fit) -> list[str]:
    """Outcomes that nobody in a country has, such as ``collective in Denmark``."""
    counts = fit.design["with_outcome"]
    return [
        f"{outcome} in {country}"
        for country, row in zip(fit.countries, counts.values, strict=True)
        for outcome, n in zip(outcome_names(fit), row, strict=True)
        if n == 0
    ]


def _levels_table(fit: Fit, choice: IntervalChoice, levels: xr.DataArray) -> Table:
    summary = choice.table(levels)
    intervals = choice.intervals(levels)
    after = words.decimals(intervals)
    outcomes = outcome_names(fit)
    pooled = choice.intervals(country_mean(levels))
    n = len(outcomes)
    rows = [
        (country, *(words.estimate(i, after) for i in intervals[c * n : (c + 1) * n]))
        for c, country in enumerate(fit.countries)
    ]
    rows.append(("Mean of the countries", *(words.estimate(i, after) for i in pooled)))
    return Table(
        name="levels",
        caption=f"{_LEVELS[measure_of(fit).level]} ({choice.words}; "
        f"{levels.attrs['uncertainty']}).",
        header=("Country", *(capital(outcome) for outcome in outcomes)),
        rows=tuple(rows),
        csv=summary.to_csv(),
    )


def _by_country_table(
    fit: Fit, name: str, caption: str, choice: IntervalChoice, draws: xr.DataArray
) -> Table:
    summary = choice.table(draws)
    intervals = choice.intervals(draws)
    after = words.decimals(intervals)
    labels = [dim for dim in draws.dims if dim not in DRAWS]
    return Table(
        name=name,
        caption=f"{caption}, {measure_of(fit).units} ({choice.words}).",
        header=(
            *(capital(str(dim)) for dim in labels),
            capital(measure_of(fit).units),
            "Probability above 0",
        ),
        rows=tuple(
            (
                *((label,) if isinstance(label, str) else label),
                words.estimate(interval, after),
                words.probability(row.p_positive),
            )
            for label, interval, row in zip(summary.index, intervals, rows_of(summary), strict=True)
        ),
        csv=summary.to_csv(),
        n_labels=len(labels),
    )


def _ranks_table(fit: Fit, quantity: xr.DataArray, what: str) -> Table:
    share = country_ranks(fit, of=quantity).mean(DRAWS).to_pandas()
    csv = share.to_csv()
    header = [f"Rank {rank}" for rank in share.columns]
    if len(header) > _RANKS_SHOWN:
        n = len(header)
        share = pd.DataFrame(
            {
                "Highest": share[1],
                "Top three": share[[1, 2, 3]].sum(axis=1),
                "Bottom three": share[[n - 2, n - 1, n]].sum(axis=1),
                "Lowest": share[n],
            }
        )
        header = list(share.columns)
    return Table(
        name="ranks",
        caption=f"Probability of each rank by {what}; rank 1 is the highest.",
        header=("Country", *header),
        rows=tuple(
            (str(country), *(words.probability(float(p)) for p in row))
            for country, row in zip(share.index, share.to_numpy(), strict=True)
        ),
        csv=csv,
    )
