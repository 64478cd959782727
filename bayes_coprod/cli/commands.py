"""From a survey to a fit and its report: one command each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayes_coprod.cli.printing import print_table
from bayes_coprod.errors import CoprodError, make_error
from bayes_coprod.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bayes_coprod.finding import Findings
    from bayes_coprod.inference.fit import Fit
    from bayes_coprod.model.spec import ModelSpec
    from bayes_coprod.survey.read import Survey

# Whatever is slow to import is imported by the command that needs it: --help stays quick.

app = typer.Typer(
    name="bayes-coprod",
    help="Bayesian multilevel models of co-production surveys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_FORMATS = "Survey: .csv, .csv.gz, .sav, .zsav, .dta, .parquet or a folder of them."

SurveyFile = Annotated[Path, typer.Argument(help=_FORMATS, metavar="SURVEY")]
CodebookOption = Annotated[
    str, typer.Option("--codebook", "-c", help="Codebook, .toml file or name of a shipped one.")
]
EncodingOption = Annotated[str | None, typer.Option(help="Encoding of the survey file.")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Name of a model, or a .toml file.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit 1 if a check failed.")]
LevelOption = Annotated[
    str, typer.Option("--level", help="Of the checks of a fit: quick, or full.")
]
ReportOption = Annotated[Path, typer.Option("--out", "-o", help="Report to write.")]
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Keep the fit in this file as well, .nc.")
]
DrawsOption = Annotated[int | None, typer.Option(help="Draws of each chain.")]
TuneOption = Annotated[int | None, typer.Option(help="Tuning draws of each chain.")]
ChainsOption = Annotated[int | None, typer.Option(help="Chains.")]
ItemOption = Annotated[str | None, typer.Option("--item", help="The item that 'ordinal' explains.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Random seed.")]
ImputeOption = Annotated[
    int | None,
    typer.Option(
        "--impute", help="Fill in missing drivers this many times.", metavar="M", show_default=False
    ),
]


@app.command()
def models() -> None:
    """List the models and the question that each answers."""
    from bayes_coprod.model.spec import list_models

    for name, question in list_models().items():
        typer.echo(f"{name}: {question}")


@app.command()
def demo(
    out: ReportOption = Path("report.html"),
    model: ModelOption = "items",
    strict: StrictOption = False,
) -> None:
    """Fit the embedded synthetic survey and write its report."""
    from bayes_coprod.survey.simulate import five_nations

    _run(five_nations(), model, out, None, strict)


@app.command()
def codebook(
    survey: SurveyFile,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Codebook to write, .toml; else it is shown.")
    ] = None,
    encoding: EncodingOption = None,
) -> None:
    """Draft a codebook from a survey's labels and values."""
    from bayes_coprod.files import written_whole
    from bayes_coprod.survey.drafting.draft import draft_codebook

    check_targets(out)
    if out is not None and out.exists():
        raise make_error(
            CoprodError,
            "output",
            f"{out} exists already and will not be overwritten",
            remedy="Give another name, or delete it first.",
        )
    draft = draft_codebook(survey, encoding=encoding).encode("utf-8")
    if out is None:
        # bytes: the terminal's encoding must not decide what a redirected codebook holds
        typer.echo(draft, nl=False)
        return
    with written_whole(out, "codebook") as file:
        file.write_bytes(draft)
    typer.echo(f"Codebook: {out.resolve()}")


@app.command()
def run(
    survey: SurveyFile,
    codebook: CodebookOption,
    out: ReportOption = Path("report.html"),
    model: ModelOption = "items",
    item: ItemOption = None,
    save: SaveOption = None,
    strict: StrictOption = False,
    encoding: EncodingOption = None,
    draws: DrawsOption = None,
    tune: TuneOption = None,
    chains: ChainsOption = None,
    seed: SeedOption = None,
    impute: ImputeOption = None,
) -> None:
    """Do everything in one go: read, check, fit, check, report."""
    from bayes_coprod.survey.read import read_survey

    check_targets(out, save, inputs=[survey, codebook, model])
    read = read_survey(survey, codebook, encoding=encoding)
    sampler = {"draws": draws, "tune": tune, "chains": chains, "random_seed": seed}
    _run(read, model, out, save, strict, impute, item, **sampler)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Survey or fit (.nc).", metavar="SURVEY|FIT")],
    codebook: Annotated[
        str | None, typer.Option("--codebook", "-c", help="Codebook; needed for a survey.")
    ] = None,
    strict: StrictOption = False,
    encoding: EncodingOption = None,
    level: Annotated[
        str | None,
        typer.Option("--level", help="Of the checks of a fit: quick (default), or full."),
    ] = None,
    refits: Annotated[
        bool, typer.Option("--refits", help="Of a full check: leave out countries one by one.")
    ] = False,
) -> None:
    """Check a survey's coverage, or whether a fit may be believed."""
    is_fit = path.suffix == ".nc"
    _refuse_of_the_other(path, is_fit, codebook, encoding, level, refits)
    if is_fit:
        from bayes_coprod.diagnostics.fit import check_fit
        from bayes_coprod.inference.fit import load_fit

        findings = check_fit(load_fit(path), level or "quick", refits=refits)  # type: ignore[arg-type]
    else:
        from bayes_coprod.survey.coverage import check_survey
        from bayes_coprod.survey.read import read_survey

        if codebook is None:
            raise make_error(
                CoprodError,
                "check",
                f"{path.name} is taken for a survey, and a survey needs a codebook",
                remedy="Give --codebook; a fit's name ends with .nc.",
            )
        survey = read_survey(path, codebook, encoding=encoding)
        typer.echo(repr(survey))
        findings = check_survey(survey)
    typer.echo(repr(findings))
    _exit_if_failed(findings, strict)


def _refuse_of_the_other(
    path: Path,
    is_fit: bool,
    codebook: str | None,
    encoding: str | None,
    level: str | None,
    refits: bool,
) -> None:
    """Refuse options that say nothing of what is checked."""
    of_survey = {"--codebook": codebook, "--encoding": encoding}
    of_fit = {"--level": level, "--refits": refits}
    other = [name for name, value in (of_survey if is_fit else of_fit).items() if value]
    if other:
        what, belongs = ("fit", "survey") if is_fit else ("survey", "fit")
        raise make_error(
            CoprodError,
            "check",
            f"{path.name} is taken for a {what}; {listed(other)} is for checks of a {belongs}",
            remedy=f"Leave out {listed(other)}; a fit's name ends with .nc.",
        )


@app.command()
def fit(
    survey: SurveyFile,
    codebook: CodebookOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Fit to write, .nc.")] = Path("fit.nc"),
    model: ModelOption = "items",
    item: ItemOption = None,
    strict: StrictOption = False,
    encoding: EncodingOption = None,
    draws: DrawsOption = None,
    tune: TuneOption = None,
    chains: ChainsOption = None,
    seed: SeedOption = None,
    impute: ImputeOption = None,
) -> None:
    """Fit a model and keep the fit in a file."""
    from bayes_coprod.diagnostics.fit import check_fit
    from bayes_coprod.inference.fit import save_fit
    from bayes_coprod.inference.sample import fit_model
    from bayes_coprod.model.design import check_names
    from bayes_coprod.model.spec import choose_item, load_model
    from bayes_coprod.survey.read import read_survey

    check_targets(out, inputs=[survey, codebook, model])
    spec = choose_item(load_model(model), item)
    read = read_survey(survey, codebook, encoding=encoding)
    check_names(read, spec)
    data = _completed(read, impute, _drivers(spec), seed)
    fitted = fit_model(spec, data, draws=draws, tune=tune, chains=chains, random_seed=seed)
    findings = check_fit(fitted)
    typer.echo(repr(fitted))
    typer.echo(repr(findings))
    typer.echo(f"Fit: {save_fit(fitted, out).resolve()}")
    _exit_if_failed(findings, strict)


@app.command()
def report(
    fit: Annotated[Path, typer.Argument(help="Fit, .nc.", metavar="FIT")],
    out: ReportOption = Path("report.html"),
    strict: StrictOption = False,
    level: LevelOption = "quick",
) -> None:
    """Write the report on a fit."""
    from bayes_coprod.diagnostics.fit import check_fit
    from bayes_coprod.inference.fit import load_fit
    from bayes_coprod.report.write import write_report

    check_targets(out, inputs=[fit])
    loaded = load_fit(fit)
    findings = check_fit(loaded, level)  # type: ignore[arg-type]
    typer.echo(f"Report: {write_report(loaded, out, findings=findings).resolve()}")
    _exit_if_failed(findings, strict)


def main() -> None:
    """Run the command line; wrong input is one message and exit code 2, bugs show themselves."""
    try:
        app()
    except CoprodError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)


def _run(
    survey: Survey,
    model: str,
    out: Path,
    save: Path | None,
    strict: bool,
    impute: int | None = None,
    item: str | None = None,
    **sampler: int | None,
) -> None:
    from bayes_coprod.diagnostics.fit import check_fit
    from bayes_coprod.finding import Findings
    from bayes_coprod.inference.fit import save_fit
    from bayes_coprod.inference.sample import fit_model
    from bayes_coprod.model.design import check_names
    from bayes_coprod.model.spec import choose_item, load_model
    from bayes_coprod.report.write import write_report
    from bayes_coprod.survey.coverage import check_survey
    from bayes_coprod.survey.read import Survey

    spec = choose_item(load_model(model), item)
    check_names(survey, spec)
    check_targets(out, save)
    typer.echo(repr(survey))
    drivers = _drivers(spec)
    data = _completed(survey, impute, drivers, sampler.get("random_seed"))
    typer.echo(repr(check_survey(survey, drivers)))
    # what was filled in is judged with the fit
    coverage = check_survey(data if isinstance(data, Survey) else data[0], drivers)
    fitted = fit_model(spec, data, **sampler)  # type: ignore[arg-type]
    if save is not None:
        typer.echo(f"Fit: {save_fit(fitted, save).resolve()}")
    typer.echo(repr(fitted))
    sampling = check_fit(fitted)
    typer.echo(repr(sampling))
    _print_levels(fitted)
    typer.echo(f"Report: {write_report(fitted, out, findings=sampling).resolve()}")
    _exit_if_failed(Findings([*coverage, *sampling]), strict)


def _drivers(spec: ModelSpec) -> Sequence[str] | None:
    """Names of a model's drivers; None for all of the codebook."""
    return None if spec.drivers == "all" else () if spec.drivers == "none" else spec.drivers


def _completed(
    survey: Survey, m: int | None, drivers: Sequence[str] | None, random_seed: int | None
) -> Survey | tuple[Survey, ...]:
    """The survey as it is, or completed copies of it."""
    from bayes_coprod.survey.impute import DEFAULT_SEED, impute

    if m is None:
        return survey
    seed = DEFAULT_SEED if random_seed is None else random_seed
    return impute(survey, m=m, drivers=drivers, random_seed=seed)


def check_targets(*paths: Path | None, inputs: Sequence[str | Path] = ()) -> None:
    """Refuse files that could not be written, before minutes of sampling and not after.

    Nor may they take the place of what is read; a name that is no file is no such place.
    """
    targets = [path for path in paths if path is not None]
    read = {Path(name).resolve() for name in inputs}
    for path in targets:
        if path.resolve() in read:
            raise make_error(
                CoprodError,
                "output",
                f"{path} is an input as well and would be overwritten",
                remedy="Give another file name.",
            )
    for path in targets:
        if path.is_dir() or not path.parent.is_dir():
            problem = (
                "is a folder"
                if path.is_dir()
                else f"cannot be written: there is no folder {path.parent}"
            )
            raise make_error(
                CoprodError, "output", f"{path} {problem}", remedy="Give the path of a file."
            )
    if len({path.resolve() for path in targets}) < len(targets):
        raise make_error(
            CoprodError,
            "output",
            f"{targets[0]} is given for both the report and the fit",
            remedy="Give two files.",
        )


def _print_levels(fitted: Fit) -> None:
    """Print levels, and the gap where there are two forms, with kind and mass of the interval."""
    from bayes_coprod.estimands.countries import country_levels, gap, has_gap
    from bayes_coprod.estimands.summarise import summarise

    levels = country_levels(fitted)
    print_table("Levels", summarise(levels))
    if has_gap(fitted):
        print_table("Gap between the forms", summarise(gap(fitted, of=levels)))
    typer.echo()


def _exit_if_failed(findings: Findings, strict: bool) -> None:
    if strict and findings.status == "fail":
        typer.echo("A check failed.", err=True)
        raise typer.Exit(1)
