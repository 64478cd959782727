"""The scenarios section: what would follow from changes, as plain data."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import country_mean
from bayes_coprod.estimands.scenarios import IF_CAUSAL
from bayes_coprod.inference.fit import Fit
from bayes_coprod.report import words
from bayes_coprod.report.data import (
    Block,
    ClosingFigure,
    ClosingRow,
    Paragraph,
    ScenarioArrow,
    ScenarioFigure,
    ScenarioRow,
    Section,
    Table,
)
from bayes_coprod.report.intervals import DRAWS, IntervalChoice
from bayes_coprod.report.results import (
    check_dataset,
    differences,
    means,
    said_difference,
    split_forms,
    units_of,
)
from bayes_coprod.wording import EVERYBODY, capital, listed, per_cent

type Scenarios = Mapping[str, xr.Dataset]

_SCENARIO = ("now", "then", "difference", "changed", "clipped")
_CLOSING = ("gap", "ranks", "ranks_by_country")


def check_scenarios(fit: Fit, scenarios: Scenarios | None, place: str) -> Scenarios:
    """Refuse what is no mapping from names to scenarios of the fit.

    Parameters
    ----------
    fit : Fit
    scenarios : mapping of str to xarray.Dataset or None
    place : str
        Function that messages name.

    Returns
    -------
    mapping of str to xarray.Dataset
        Empty for None.

    Raises
    ------
    SpecError
        If it is none, or a result is of another fit.
    """
    if scenarios is None:
        return {}
    if not isinstance(scenarios, Mapping):
        raise make_error(
            SpecError,
            place,
            f"scenarios is a {type(scenarios).__name__}",
            remedy='Give names with results, such as {"More trust": scenario(fit, changes)}.',
        )
    for name, found in scenarios.items():
        _check_result(found, place)
        quantity = found["gap" if _is_closing(found) else "now"]
        of = [quantity.sizes.get(dim) for dim in DRAWS]
        if (
            of != [fit.posterior.sizes[dim] for dim in DRAWS]
            or list(quantity[names.COUNTRY].values) != list(fit.countries)
            or found.attrs.get("fit") != fit.digest
        ):
            raise make_error(
                SpecError,
                place,
                f"the scenario {name!r} is of another fit",
                remedy="Compute it from the fit that the report is on.",
            )
    return scenarios


def scenarios_section(scenarios: Scenarios, choice: IntervalChoice) -> Section:
    """Say what each scenario comes to."""
    blocks: list[Block] = [Paragraph(IF_CAUSAL)]
    for number, (name, found) in enumerate(scenarios.items(), start=1):
        if _is_closing(found):
            blocks.append(collect_closing(found, choice, name))
        else:
            blocks.append(Paragraph(_said(found, choice, name)))
            blocks.append(collect_scenario(found, choice, name))
            blocks.append(_table(found, choice, name, f"scenario_{number}"))
    return Section("Scenarios", tuple(blocks))


def collect_scenario(found: xr.Dataset, choice: IntervalChoice, name: str = "") -> ScenarioFigure:
    """Collect the arrows from now to then."""
    check_dataset(found, _SCENARIO, "plot_scenario", "scenario(fit, changes)")
    units = units_of(found["now"])
    now, then, change = (
        split_forms(units.given(found[part])) for part in ("now", "then", "difference")
    )
    changes = {form: differences(own, choice) for form, own in change.items()}
    after = words.decimals(d.interval for of in changes.values() for d in of.values())
    levels = [{f: means(own, choice) for f, own in of.items()} for of in (now, then)]
    places = dict.fromkeys(place for of in changes.values() for place in of)
    rows = tuple(
        ScenarioRow(
            place,
            tuple(
                (
                    number,
                    ScenarioArrow(
                        levels[0][form][place],
                        levels[1][form][place],
                        said_difference(of[place].interval, after),
                    ),
                )
                for number, (form, of) in enumerate(changes.items())
                if place in of
            ),
        )
        for place in places
    )
    forms = tuple(changes)
    return ScenarioFigure(
        forms=forms,
        rows=rows,
        axis=capital(units.level),
        title=_title(found, name),
        note=f"{IF_CAUSAL} Above each arrow: its mean and {choice.words}, in {units.difference}.",
        caption=" ".join([_who(found), *_clipped(found), *_labels(found)]),
        alt="Arrows from levels now to levels then: "
        + "; ".join(
            f"{row.place} "
            + ", ".join(f"{forms[k]} {arrow.said}".strip() for k, arrow in row.arrows)
            for row in rows
        )
        + ".",
    )


def collect_closing(found: xr.Dataset, choice: IntervalChoice, name: str = "") -> ClosingFigure:
    """Collect what each driver would do to the gap, mean over the countries."""
    check_dataset(found, _CLOSING, "plot_closing", "closing_the_gap(fit)")
    units = units_of(found["gap"])
    change = country_mean(units.given(found["gap"]))
    others = [dim for dim in change.dims if dim not in (*DRAWS, names.DRIVER)]
    change = change.transpose(*DRAWS, names.DRIVER, *others)
    intervals = choice.intervals(change)
    first = found["ranks"].sel({names.RANK: 1}).mean(DRAWS).transpose(names.DRIVER, *others)
    per_driver = len(intervals) // change.sizes[names.DRIVER]
    labels, ends = (found[coord].values for coord in ("label", "end"))
    rows = []
    for i, (interval, probability) in enumerate(zip(intervals, first.values.ravel(), strict=True)):
        label = str(labels[i // per_driver])
        if others:
            label = f"{label}, {change[others[0]].values[i % per_driver]}"
        end = str(ends[i // per_driver])
        rows.append(ClosingRow(label, end, interval, words.probability(float(probability))))
    rows.sort(key=lambda row: row.change.mean)
    return ClosingFigure(
        rows=tuple(rows),
        axis=f"Change of the gap, {units.difference}",
        note=f"{IF_CAUSAL} Mean over the countries. Dots are posterior means, bars the "
        f"{choice.words}.",
        caption=f"{f'{name}: ' if name else ''}change of the gap if everybody were moved to the "
        "end or level of the driver that its row names, other drivers held, and the probability "
        "that of all drivers it makes the gap fall most. Negative: the second form gains on the "
        "first.",
        alt="Change of the gap for each driver: "
        + "; ".join(f"{row.driver} to {row.end} {words.number(row.change.mean, 1)}" for row in rows)
        + ".",
    )


def _check_result(found: object, place: str) -> None:
    if isinstance(found, xr.Dataset) and _is_closing(found):
        check_dataset(found, _CLOSING, place, "closing_the_gap(fit)")
    else:
        check_dataset(found, _SCENARIO, place, "scenario(fit, changes)")


def _is_closing(found: xr.Dataset) -> bool:
    return "ranks" in found


def _title(found: xr.Dataset, name: str) -> str:
    named = f"{name}: " if name else ""
    return f"{named}{found.attrs['changes']}. Arrows: from now to then"


def _who(found: xr.Dataset) -> str:
    """Who is changed, and how many of each country that is."""
    who = str(found.attrs["changed"])
    share = found["changed"].values
    if who == EVERYBODY:
        return "Everybody is changed."
    return (
        f"Changed are {who}; they are {per_cent(share.min())} to {per_cent(share.max())} of a "
        "country."
    )


def _clipped(found: xr.Dataset) -> list[str]:
    """Whose shift an end of the scale cut short."""
    most = found["clipped"].max(names.COUNTRY)
    cut = [
        f"{driver} of up to {per_cent(float(share))}"
        for driver, share in zip(most[names.DRIVER].values, most.values, strict=True)
        if share > 0
    ]
    return (
        [f"An end of the scale cuts short the shift in {listed(cut)} of a country."] if cut else []
    )


def _labels(found: xr.Dataset) -> list[str]:
    """What the drivers are called in the survey."""
    pairs = zip(found[names.DRIVER].values, found["label"].values, strict=True)
    return [f"{name}: ‘{label}’." for name, label in pairs if name != label]


def _said(found: xr.Dataset, choice: IntervalChoice, name: str) -> str:
    """One sentence on a scenario, averaged over the countries."""
    units = units_of(found["now"])
    now, then, change = (
        country_mean(units.given(found[part])) for part in ("now", "then", "difference")
    )
    dim = _outcome(change)
    intervals = choice.intervals(change.transpose(*DRAWS, dim))
    levels = [choice.intervals(of.transpose(*DRAWS, dim)) for of in (now, then)]
    after = words.decimals(intervals)
    each = [
        f"{outcome} from {words.number(before.mean, after)} to {words.number(later.mean, after)} "
        f"{units.level}, {said_difference(difference, after)}"
        for outcome, before, later, difference in zip(
            change[dim].values, *levels, intervals, strict=True
        )
    ]
    return (
        f"{name}: {found.attrs['changes']}, {found.attrs['changed']}. On the countries’ average: "
        f"{listed(each)}; in brackets the {choice.words} of the difference."
    )


def _table(found: xr.Dataset, choice: IntervalChoice, name: str, saved_as: str) -> Table:
    units = units_of(found["now"])
    dim = _outcome(found["difference"])
    order = (*DRAWS, names.COUNTRY, dim)
    now, then, change = (
        units.given(found[part]).transpose(*order) for part in ("now", "then", "difference")
    )
    summary = choice.table(change)
    intervals = choice.intervals(change)
    after = words.decimals(intervals)
    levels = [choice.intervals(of) for of in (now, then)]
    return Table(
        name=saved_as,  # an id and a file name: nothing that a user wrote
        caption=f"{name}: {units.level} now and then, posterior means, and the difference in "
        f"{units.difference} ({choice.words}; {found.attrs['uncertainty']}). {IF_CAUSAL}",
        header=("Country", capital(dim), "Now", "Then", capital(units.difference)),
        rows=tuple(
            (
                *map(str, label),
                words.number(before.mean, after),
                words.number(later.mean, after),
                words.estimate(difference, after),
            )
            for label, before, later, difference in zip(
                summary.index, *levels, intervals, strict=True
            )
        ),
        csv=summary.to_csv(),
        n_labels=2,
    )


def _outcome(draws: xr.DataArray) -> str:
    """The dim of what citizens answer: form, outcome or category."""
    (dim,) = (str(d) for d in draws.dims if d not in (*DRAWS, names.COUNTRY))
    return dim
