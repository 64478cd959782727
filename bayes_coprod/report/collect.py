"""From a fit to what its report says. Every number comes from an estimand or a check."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.sampling import check_fit
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import (
    both_forms,
    country_contrasts,
    country_levels,
    country_mean,
    country_ranks,
    gap,
)
from bayes_coprod.estimands.drivers import ASSOCIATION, driver_contrast, driver_effects
from bayes_coprod.estimands.summarise import (
    IntervalKind,
    interval_settings,
    interval_words,
    summarise,
)
from bayes_coprod.finding import Findings
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.design import outcome_dim
from bayes_coprod.report import words
from bayes_coprod.report.about import (
    data_section,
    limits_section,
    model_section,
    prior_interval,
    reproduce_section,
)
from bayes_coprod.report.data import (
    Block,
    DriverFigure,
    DriverRow,
    GulfFigure,
    GulfRow,
    Interval,
    Paragraph,
    ReportData,
    Section,
    Table,
)

_DRAWS = (names.CHAIN, names.DRAW)


@dataclass(frozen=True)
class IntervalChoice:
    """Mass and kind of every interval in a report."""

    prob: float
    kind: IntervalKind

    @property
    def words(self) -> str:
        """Such as ``89 % equal-tailed credible interval``."""
        return interval_words(self.kind, self.prob)

    @property
    def short(self) -> str:
        """Such as ``89 % credible interval``, where the kind has been said."""
        return f"{100 * self.prob:.4g} % credible interval"

    def table(self, draws: xr.DataArray) -> pd.DataFrame:
        """Summarise draws with this kind of interval."""
        return summarise(draws, prob=self.prob, kind=self.kind)

    def intervals(self, draws: xr.DataArray) -> list[Interval]:
        """One interval for each label of the draws' other dims, the last dim fastest."""
        return [Interval(r.mean, r.lower, r.upper) for r in _rows(self.table(draws))]


@dataclass(frozen=True)
class _Row:
    mean: float
    lower: float
    upper: float
    p_positive: float


def _rows(table: pd.DataFrame) -> list[_Row]:
    kept = table[["mean", "lower", "upper", "p_positive"]]
    return [_Row(*map(float, row)) for row in kept.itertuples(index=False, name=None)]


def choose_interval(prob: float | None, kind: IntervalKind | None) -> IntervalChoice:
    """Fill in ArviZ's defaults for what is not given."""
    return IntervalChoice(*interval_settings(prob, kind))


def collect_report(
    fit: Fit, *, prob: float | None = None, kind: IntervalKind | None = None
) -> ReportData:
    """Collect what a report on a fit says.

    Parameters
    ----------
    fit : Fit
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.

    Returns
    -------
    ReportData
    """
    choice = choose_interval(prob, kind)
    findings = check_fit(fit)
    levels = country_levels(fit)
    gulf = gap(fit) if len(forms_of(fit)) == 2 else None
    sections = [
        *([] if gulf is None else [_gulf_section(fit, choice)]),
        _countries_section(fit, choice, levels, gulf),
        *([_drivers_section(fit, choice)] if "beta" in fit.posterior else []),
        _belief_section(findings),
        data_section(fit),
        model_section(fit, choice.prob),
        limits_section(fit),
        reproduce_section(fit),
    ]
    return ReportData(
        title=f"Co-production in {words.count(len(fit.countries))} countries",
        banner=(
            "Synthetic data: every number below comes from a simulation, none from citizens."
            if fit.codebook.synthetic
            else ""
        ),
        failed=findings.only("fail"),
        headline=_headline(fit, choice, levels, gulf),
        sections=tuple(sections),
        colophon=f"{fit.codebook.name}. Model {fit.spec.name!r}. Intervals: {choice.words}.",
    )


def forms_of(fit: Fit) -> tuple[str, ...]:
    """Forms in the fit, in the codebook's order."""
    present = set(fit.design[names.FORM].values)
    return tuple(form for form in fit.codebook.forms if form in present)


def collect_gulf(fit: Fit, choice: IntervalChoice) -> GulfFigure:
    """Both forms' levels and the gap, for each country, or country and sector."""
    first, second = both_forms(fit, country_levels(fit))
    gulf = gap(fit)
    places = _places(choice.table(gulf))
    gaps = choice.intervals(gulf)
    places_after = words.decimals(gaps)
    rows = [
        (g.mean, GulfRow(place, a, b, words.number(g.mean, places_after)))
        for place, a, b, g in zip(
            places, choice.intervals(first), choice.intervals(second), gaps, strict=True
        )
    ]
    rows.sort(key=lambda row: -row[0])
    ordered = tuple(row for _, row in rows)
    one, two = forms_of(fit)
    return GulfFigure(
        forms=(one, two),
        rows=ordered,
        caption=f"Index of {one} and {two} co-production, 0 to 100 points, and the gap between "
        f"them in points. Dots are posterior means, bars the {choice.words}.",
        alt=f"For each country a dot for {one} and one for {two} co-production, with the gap in "
        "points: " + "; ".join(f"{row.place} {row.gap}" for row in ordered) + ".",
    )


def collect_drivers(fit: Fit, choice: IntervalChoice, *, sector: str | None = None) -> DriverFigure:
    """Pooled associations of all drivers, in the sector where the model has sectors."""
    effects = driver_effects(fit)["pooled"]
    forms = forms_of(fit)
    sectors = sorted(set(effects[names.SECTOR].values)) if names.SECTOR in effects.coords else []
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
        effects = effects.isel({names.OUTCOME: effects[names.SECTOR].isin([sector]).values})
        forms = tuple(str(form) for form in effects[names.FORM].values)
    dim = outcome_dim(fit.spec)
    ordered = effects.transpose(*_DRAWS, names.DRIVER, dim)
    intervals = choice.intervals(ordered)
    rows = [
        DriverRow(str(label), str(per), tuple(intervals[i * len(forms) : (i + 1) * len(forms)]))
        for i, (label, per) in enumerate(
            zip(effects["label"].values, effects["per"].values, strict=True)
        )
    ]
    if len(forms) == 2:
        rows.sort(key=lambda row: row.effects[0].mean - row.effects[1].mean)
        order = f"Those that go most with the {forms[1]} form come first."
    else:
        rows.sort(key=lambda row: -row.effects[0].mean)
        order = ""
    title = f"Drivers: {sector}" if sector else "Drivers"
    return DriverFigure(
        forms=forms,
        rows=tuple(rows),
        title=title,
        caption=f"Points of the index that go with the stated difference in each driver, other "
        f"drivers held, mean over the countries. Dots are posterior means, bars the "
        f"{choice.words}. {order}".strip(),
        alt="For each driver the points that go with it: "
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


def _headline(
    fit: Fit, choice: IntervalChoice, levels: xr.DataArray, gulf: xr.DataArray | None
) -> str:
    means = choice.intervals(country_mean(levels))
    after = words.decimals(means)
    outcomes = [str(label) for label in levels[outcome_dim(fit.spec)].values]
    averages = words.listed(
        [
            f"{outcome} co-production {'averages ' if i == 0 else ''}"
            f"{words.number(mean.mean, after)}{' of 100 points' if i == 0 else ''}"
            for i, (outcome, mean) in enumerate(zip(outcomes, means, strict=True))
        ]
    )
    said = f"In these {words.count(len(fit.countries))} countries {averages}"
    if gulf is None or names.SECTOR in gulf.dims:
        return (
            f"{said} ({choice.short}: "
            + "; ".join(
                f"{outcome} {words.span(mean, after)}"
                for outcome, mean in zip(outcomes, means, strict=True)
            )
            + ")."
        )
    (average,) = choice.intervals(country_mean(gulf))
    after = words.decimals([average])
    first = country_ranks(fit, of=gulf).mean(_DRAWS).sel({names.RANK: 1})
    widest = str(first[names.COUNTRY].values[first.values.argmax()])
    return (
        f"{said}: a gulf of {words.number(average.mean, after)} points ({choice.short} "
        f"{words.span(average, after)}). It is widest in {widest} "
        f"(probability {words.probability(float(first.max()))})."
    )


def _gulf_section(fit: Fit, choice: IntervalChoice) -> Section:
    return Section("The gulf", (collect_gulf(fit, choice),))


def _places(table: pd.DataFrame) -> list[str]:
    """Row labels of a summary as one text each."""
    return [label if isinstance(label, str) else ", ".join(label) for label in table.index]


def _countries_section(
    fit: Fit, choice: IntervalChoice, levels: xr.DataArray, gulf: xr.DataArray | None
) -> Section:
    blocks: list[Block] = [_levels_table(fit, choice, levels)]
    quantity, what = levels, "level"
    if gulf is not None:
        blocks.append(_by_country_table("gap", "Gap between the forms", choice, gulf))
        quantity, what = gulf, "gap"
    blocks.append(
        _by_country_table(
            "contrasts",
            f"Each country's {what} minus the countries' mean",
            choice,
            country_contrasts(fit, of=quantity),
        )
    )
    if names.SECTOR not in quantity.dims and names.OUTCOME not in quantity.dims:
        form = "" if gulf is not None else f" of {forms_of(fit)[0]} co-production"
        if gulf is None:
            quantity = quantity.isel({names.FORM: 0}, drop=True)
        blocks.append(_ranks_table(fit, quantity, f"{what}{form}"))
    return Section("Countries", tuple(blocks))


def _levels_table(fit: Fit, choice: IntervalChoice, levels: xr.DataArray) -> Table:
    summary = choice.table(levels)
    intervals = choice.intervals(levels)
    after = words.decimals(intervals)
    outcomes = [str(label) for label in levels[outcome_dim(fit.spec)].values]
    pooled = choice.intervals(country_mean(levels))
    n = len(outcomes)
    rows = [
        (country, *(words.estimate(i, after) for i in intervals[c * n : (c + 1) * n]))
        for c, country in enumerate(fit.countries)
    ]
    rows.append(("Mean of the countries", *(words.estimate(i, after) for i in pooled)))
    return Table(
        name="levels",
        caption=f"Expected index of a country's citizens, points of 100 ({choice.words}; "
        f"{levels.attrs['uncertainty']}).",
        header=("Country", *(words.capital(outcome) for outcome in outcomes)),
        rows=tuple(rows),
        csv=summary.to_csv(),
    )


def _by_country_table(
    name: str, caption: str, choice: IntervalChoice, draws: xr.DataArray
) -> Table:
    summary = choice.table(draws)
    intervals = choice.intervals(draws)
    after = words.decimals(intervals)
    labels = [dim for dim in draws.dims if dim not in _DRAWS]
    return Table(
        name=name,
        caption=f"{caption}, points of 100 ({choice.words}).",
        header=(*(words.capital(str(dim)) for dim in labels), "Points", "Probability above 0"),
        rows=tuple(
            (
                *((label,) if isinstance(label, str) else label),
                words.estimate(interval, after),
                words.probability(row.p_positive),
            )
            for label, interval, row in zip(summary.index, intervals, _rows(summary), strict=True)
        ),
        csv=summary.to_csv(),
        n_labels=len(labels),
    )


def _ranks_table(fit: Fit, quantity: xr.DataArray, what: str) -> Table:
    share = country_ranks(fit, of=quantity).mean(_DRAWS).to_pandas()
    return Table(
        name="ranks",
        caption=f"Probability of each rank by {what}; rank 1 is the highest.",
        header=("Country", *(f"Rank {rank}" for rank in share.columns)),
        rows=tuple(
            (str(country), *(words.probability(float(p)) for p in row))
            for country, row in zip(share.index, share.to_numpy(), strict=True)
        ),
        csv=share.to_csv(),
    )


def _drivers_section(fit: Fit, choice: IntervalChoice) -> Section:
    blocks: list[Block] = [
        Paragraph(
            "Points of the index that go with a stated difference in each driver while the other "
            f"drivers are held. {ASSOCIATION}"
        )
    ]
    if outcome_dim(fit.spec) == names.FORM:
        blocks.append(collect_drivers(fit, choice))
    else:
        sectors = dict.fromkeys(str(sector) for sector in fit.design[names.SECTOR].values)
        blocks += [collect_drivers(fit, choice, sector=sector) for sector in sectors]
    blocks.append(_effects_table(fit, choice))
    if len(forms_of(fit)) == 2:
        blocks.append(_driver_contrast_table(fit, choice))
    if "tau" in fit.posterior:
        blocks.append(_spread_table(fit, choice))
    return Section("Drivers", tuple(blocks))


def _effects_table(fit: Fit, choice: IntervalChoice) -> Table:
    effects = driver_effects(fit)["pooled"]
    dim = outcome_dim(fit.spec)
    ordered = effects.transpose(*_DRAWS, names.DRIVER, dim)
    summary = choice.table(ordered)
    intervals = choice.intervals(ordered)
    after = words.decimals(intervals)
    outcomes = [str(label) for label in effects[dim].values]
    n = len(outcomes)
    return Table(
        name="drivers",
        caption=f"Points that go with each driver, mean over the countries ({choice.words}).",
        header=("Driver", "Difference", *(words.capital(outcome) for outcome in outcomes)),
        rows=tuple(
            (label, per, *(words.estimate(i, after) for i in intervals[d * n : (d + 1) * n]))
            for d, (label, per) in enumerate(_labels(effects))
        ),
        csv=summary.to_csv(),
        n_labels=2,
    )


def _driver_contrast_table(fit: Fit, choice: IntervalChoice) -> Table:
    contrast = driver_contrast(fit)["pooled"]
    order = [dim for dim in contrast.dims if dim not in (*_DRAWS, names.DRIVER)]
    contrast = contrast.transpose(*_DRAWS, names.DRIVER, *order)
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
        f"difference in points ({choice.words}).",
        header=(
            "Driver",
            "Difference",
            *(words.capital(str(dim)) for dim in order),
            f"{words.capital(second)} minus {first}",
            f"Probability that {second} is higher",
        ),
        rows=tuple(
            (*label, words.estimate(interval, after), words.probability(row.p_positive))
            for label, interval, row in zip(labels, intervals, _rows(summary), strict=True)
        ),
        csv=summary.to_csv(),
        n_labels=2 + len(order),
    )


def _labels(effects: xr.DataArray) -> list[tuple[str, str]]:
    return [
        (str(label), words.unbroken(str(per)))
        for label, per in zip(effects["label"].values, effects["per"].values, strict=True)
    ]


def _spread_table(fit: Fit, choice: IntervalChoice) -> Table:
    """Between-country SD of each driver's coefficient: posterior and prior side by side."""
    dim = outcome_dim(fit.spec)
    tau = fit.posterior["tau"].transpose(*_DRAWS, names.DRIVER, dim)
    intervals = choice.intervals(tau)
    prior = prior_interval(fit, "tau", choice.prob)
    after = words.decimals(intervals)
    outcomes = [str(label) for label in tau[dim].values]
    n = len(outcomes)
    return Table(
        name="between_countries",
        caption=f"How much the associations differ between the {len(fit.countries)} countries: "
        "SD of the coefficients, in SDs of the outcome per SD or step of the driver "
        f"({choice.words}; prior: median and equal-tailed interval).",
        header=("Driver", *(words.capital(outcome) for outcome in outcomes), "Prior"),
        rows=tuple(
            (
                fit.codebook.driver(str(driver)).label,
                *(words.estimate(i, after) for i in intervals[d * n : (d + 1) * n]),
                words.estimate(prior, after),
            )
            for d, driver in enumerate(tau[names.DRIVER].values)
        ),
        csv=choice.table(tau).to_csv(),
    )


def _belief_section(findings: Findings) -> Section:
    status = findings.status
    said = {
        "pass": "Every check of the sampler passed.",
        "warn": "A check of the sampler warns; the numbers may change a little with more draws.",
        "fail": "A check of the sampler failed; do not quote the numbers.",
        "unknown": "Not everything could be checked.",
    }[status]
    return Section("May one believe it?", (Paragraph(said), findings))
