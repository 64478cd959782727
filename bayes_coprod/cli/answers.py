"""What a fit says: countries compared, and scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_coprod.cli.changes import read_changes, read_only
from bayes_coprod.cli.commands import check_targets
from bayes_coprod.cli.printing import print_table
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.wording import EVERYBODY, capital, per_cent

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayes_coprod.inference.fit import Fit

FitFile = Annotated[Path, typer.Argument(help="Fit, .nc.", metavar="FIT")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Keep the table in this file as well: .csv, .html or .tex."),
]
ScaleOption = Annotated[
    str | None,
    typer.Option("--scale", help="index, share or any; the model's first otherwise."),
]
PopulationOption = Annotated[
    str, typer.Option("--population", help="sample, or weighted by survey weights.")
]
ProbOption = Annotated[float | None, typer.Option("--prob", help="Mass of the intervals.")]
KindOption = Annotated[
    str | None, typer.Option("--kind", help="eti (equal-tailed) or hdi (highest-density).")
]


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    app.command()(compare)
    app.command()(scenario)


def compare(
    fit: FitFile,
    of: Annotated[
        str | None,
        typer.Option("--of", help="gap, form (levels of each), or the name of one form."),
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", "-r", help="mean, the name of a country, or pairwise.")
    ] = "mean",
    scale: ScaleOption = None,
    population: PopulationOption = "sample",
    prob: ProbOption = None,
    kind: KindOption = None,
    out: OutOption = None,
) -> None:
    """Compare countries: levels or the gap, contrasts, and the probability of each rank."""
    from bayes_coprod.estimands.countries import country_contrasts, country_ranks
    from bayes_coprod.estimands.summarise import summarise
    from bayes_coprod.inference.fit import load_fit

    _check_out(out, fit)
    interval = _interval(prob, kind)
    loaded = load_fit(fit)
    title, quantity = _quantity(loaded, of, scale, population)
    contrasts = country_contrasts(loaded, of=quantity, reference=reference)
    table = summarise(contrasts, **interval)
    print_table(title, summarise(quantity, **interval))
    print_table(f"{title}, {contrasts.attrs['contrast']}", table)
    typer.echo(f"\n{title}, probability of each rank; 1 is the highest")
    ranks = summarise(country_ranks(loaded, of=quantity))["probability"]
    ranks = ranks.unstack("rank", sort=False)
    typer.echo(ranks.round(2).to_string())
    _said_of_levels(quantity)
    _keep(table, out, f"{title}, {contrasts.attrs['contrast']}")


def scenario(
    fit: FitFile,
    changes: Annotated[
        list[str],
        typer.Option(
            "--set",
            help="A change: driver+1, driver-0.5 or driver=level. Several go together.",
            metavar="CHANGE",
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="Who is changed: driver=level, or driver=low:high of a numeric one.",
            metavar="WHO",
            show_default=False,
        ),
    ] = None,
    scale: ScaleOption = None,
    population: PopulationOption = "sample",
    prob: ProbOption = None,
    kind: KindOption = None,
    out: OutOption = None,
) -> None:
    """Say what would follow from changes in drivers, if associations were causal and stable."""
    from bayes_coprod.estimands.scenarios import scenario as find_scenario
    from bayes_coprod.estimands.summarise import summarise
    from bayes_coprod.inference.fit import load_fit

    _check_out(out, fit)
    interval = _interval(prob, kind)
    loaded = load_fit(fit)
    found = find_scenario(
        loaded,
        read_changes(loaded, changes),
        only=read_only(loaded, only or []),
        scale=scale,  # type: ignore[arg-type]
        population=population,
    )
    table = summarise(found["difference"], **interval).rename(columns={"mean": "difference"})
    for place, part in enumerate(("now", "then")):
        table.insert(place, part, summarise(found[part], **interval)["mean"])
    title = f"Scenario {found.attrs['changes']}: levels now and then, and their difference"
    typer.echo(f"Changed: {found.attrs['changed']}{_shares_changed(found)}")
    for driver in found["driver"].values:
        cut = float(found["clipped"].sel(driver=driver).max())
        if cut > 0:
            typer.echo(
                f"An end of the scale cuts {driver} short for up to {per_cent(cut)} of a country"
            )
    print_table(title, table)
    _said_of_levels(found["now"])
    _keep(table, out, title)


def _shares_changed(found: xr.Dataset) -> str:
    """How many of a country a scenario is about, unless it is about everybody."""
    if found.attrs["changed"] == EVERYBODY:
        return ""
    share = found["changed"].values
    return f" ({per_cent(share.min())} to {per_cent(share.max())} of a country)"


def _quantity(
    fit: Fit, of: str | None, scale: str | None, population: str
) -> tuple[str, xr.DataArray]:
    """What countries are compared by, and its title."""
    from bayes_coprod.estimands.countries import country_levels, gap, has_gap

    asked: dict[str, Any] = {"scale": scale, "population": population}
    forms = list(dict.fromkeys(str(form) for form in fit.design["form"].values))
    of = of or ("gap" if has_gap(fit) else "form")
    if of == "gap":
        return "Gap between the forms", gap(fit, **asked)
    if of not in ("form", *forms):
        raise make_error(
            SpecError,
            "--of",
            f"unknown quantity {of!r}",
            value=of,
            available=("gap", "form", *forms),
        )
    levels = country_levels(fit, **asked)
    if of == "form":
        return "Levels", levels
    dim = "form" if "form" in levels.dims else "outcome"
    own = levels.isel({dim: levels["form"].values == of})
    return f"Levels, {of}", own


def _interval(prob: float | None, kind: str | None) -> dict[str, Any]:
    """Mass and kind of intervals, refused before anything is computed."""
    from bayes_coprod.estimands.summarise import interval_settings

    mass, checked = interval_settings(prob, kind)  # type: ignore[arg-type]
    return {"prob": mass, "kind": checked}


def _said_of_levels(quantity: xr.DataArray) -> None:
    """Print who is averaged over, and that associations are not effects."""
    said = [quantity.attrs[key] for key in ("population", "uncertainty") if key in quantity.attrs]
    typer.echo(f"\n{capital('; '.join(said))}.")
    if "interpretation" in quantity.attrs:
        typer.echo(quantity.attrs["interpretation"])


def _check_out(out: Path | None, fit: Path) -> None:
    """Refuse a file that could not be written before anything is computed."""
    from bayes_coprod.report.table_files import check_ending

    check_targets(out, inputs=[fit])
    if out is not None:
        check_ending(out)


def _keep(table: pd.DataFrame, out: Path | None, title: str) -> None:
    """Write the table to a file, if one is given."""
    from bayes_coprod.report.table_files import write_table

    if out is not None:
        typer.echo(f"Table: {write_table(table, out, title=title).resolve()}")
