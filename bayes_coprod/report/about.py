"""The report on its own grounds: data, limits and how to make it again."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib.metadata import version

import pandas as pd
import tomlkit
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.fit import QUICK_CALL
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.completed import read_imputed
from bayes_coprod.model.spec import spec_content
from bayes_coprod.report import words
from bayes_coprod.report.data import Block, Code, Paragraph, Section, Table
from bayes_coprod.report.intervals import IntervalChoice, choose_interval
from bayes_coprod.survey.codebook import codebook_content
from bayes_coprod.survey.coverage import FEW_CITIZENS
from bayes_coprod.wording import capital, listed

FEW_COUNTRIES = 10


def data_section(fit: Fit) -> Section:
    """Say who was asked, who was left out, and which answers are missing where."""
    design = fit.design
    used = design["country_index"].groupby(design["country_index"]).count().values
    people = pd.DataFrame(
        {
            "asked": design["asked"].values,
            "without a driver": design["without_driver"].values,
            "without an outcome": design["without_outcome"].values,
            "in the fit": used,
        },
        index=pd.Index(fit.countries, name="country"),
    )
    total = people.sum()
    blocks: list[Block] = [
        Paragraph(
            f"{fit.codebook.name}"
            + (f", {fit.codebook.source}" if fit.codebook.source else "")
            + f". {int(total['asked']):,} citizens were asked. {_left_out(fit, total)}"
            f"{_filled_in(fit)}"
        ),
        Table(
            name="citizens",
            caption="Citizens by country.",
            header=("Country", *(capital(str(c)) for c in people.columns)),
            rows=tuple(
                (str(country), *(f"{int(n):,}" for n in row))
                for country, row in (
                    *zip(people.index, people.to_numpy(), strict=True),
                    ("All countries", total),
                )
            ),
            csv=people.to_csv(),
        ),
    ]
    if fit.spec.likelihood == "participation":
        known = design["with_outcome"].sum(names.COUNTRY)
        each = [
            f"{int(n):,} in {o}" for o, n in zip(known[known.dims[0]].values, known, strict=True)
        ]
        blocks.append(
            Paragraph(f"Whether they take part is known of these many of them: {listed(each)}.")
        )
    few = [c for c, n in zip(fit.countries, used, strict=True) if n < FEW_CITIZENS]
    if few:
        blocks.append(
            Paragraph(
                f"{listed(few)}: fewer than {FEW_CITIZENS} citizens; estimates there lean "
                "on the other countries."
            )
        )
    blocks.append(_coverage_table(fit))
    return Section("Data", tuple(blocks))


def _left_out(fit: Fit, total: pd.Series) -> str:
    """Say how many are left out, and for which of the reasons there are."""
    left_out, asked = int(total["asked"] - total["in the fit"]), int(total["asked"])
    if left_out == 0:
        return "None of them is left out."
    too_few = {
        "index": "answered fewer than half of the items of every outcome",
        "items": "answered no item",
        "ordinal": "did not answer the item",
        "participation": "left open whether they take part",
    }[fit.spec.likelihood]
    reasons = {"without a driver": "miss a driver", "without an outcome": too_few}
    why = " or ".join(reason for column, reason in reasons.items() if total[column])
    return (
        f"{left_out:,} of them ({left_out / asked:.1%}) are left out because they {why}; "
        "results speak of the others."
    )


def _filled_in(fit: Fit) -> str:
    """Say how often missing drivers were filled in, and for how many citizens each."""
    if names.IMPUTATION not in fit.design.dims:
        return ""
    n = fit.design.sizes[names.IMPUTATION]
    imputed = read_imputed(fit.design)
    each = [f"{fit.codebook.driver(name).label} ({of.share:.1%})" for name, of in imputed.items()]
    which = f": {listed(each)}" if each else ""
    return (
        f" Missing drivers were filled in {words.count(n)} times, each time as they might have "
        f"been, and results rest on all {words.count(n)}{which}."
    )


def _coverage_table(fit: Fit) -> Table:
    answered = fit.design["answered"].transpose(names.ITEM, names.COUNTRY).to_pandas()
    items = {item.name: item for item in fit.codebook.items}
    return Table(
        name="coverage",
        caption="Citizens who answered each item, per cent of those asked.",
        header=("Item", "Form", *(str(country) for country in answered.columns)),
        rows=tuple(
            (
                items[str(name)].label,
                items[str(name)].form,
                *("not asked" if share == 0 else f"{100 * share:.0f}" for share in row),
            )
            for name, row in zip(answered.index, answered.to_numpy(), strict=True)
        ),
        csv=answered.to_csv(),
        n_labels=2,
    )


def limits_section(fit: Fit) -> Section:
    """Say what the results cannot carry."""
    n = len(fit.countries)
    few = f"{capital(words.count(n))} countries are few. " if n < FEW_COUNTRIES else ""
    rough = (
        " How much countries differ is known only roughly; the prior on it matters."
        if n < FEW_COUNTRIES and fit.spec.pooling == "partial"
        else ""
    )
    said = [
        f"{few}What is said of the mean is said of these {n} countries, not of any others.{rough}",
        "A cross-section shows associations. None of the numbers says what would follow from "
        "changing a driver.",
        "Intervals hold the uncertainty of the model's parameters and of who happened to be asked "
        "(Bayesian bootstrap over citizens). They hold nothing of how the sample was drawn, of "
        "questions understood differently, or of answers that please the interviewer. Levels are "
        "averages over the citizens in the fit; survey weights are not used here.",
        _shape_limit(fit),
        _missing_limit(fit),
    ]
    return Section("Limits", tuple(Paragraph(text) for text in said))


def _missing_limit(fit: Fit) -> str:
    if names.IMPUTATION not in fit.design.dims:
        return (
            "Citizens who miss a driver are left out, as if missing were unrelated to what they do."
        )
    return (
        "Missing drivers were filled in as if those who miss one were like others of whom the same "
        "is known. Intervals hold what the completed data sets differ by, and nothing of reasons "
        "for which citizens kept silent beyond that."
    )


def _shape_limit(fit: Fit) -> str:
    if fit.spec.likelihood == "index":
        return (
            "The model treats the index as normal around what is expected. Scores that pile up at "
            "0 are not normal: averages are robust to it, statements about single citizens are not."
        )
    if fit.spec.likelihood == "participation":
        return (
            "The model takes what a citizen does in one form as unrelated to what the citizen does "
            "in another, given drivers and country: levels and gaps are averages of each form, and "
            "nothing is said of those who do both. How much a citizen does counts for nothing. A "
            "citizen who leaves an item open is known to take part from another, and never known "
            "not to: the more answers are missing, the higher the shares."
        )
    if fit.spec.likelihood == "ordinal":
        return (
            "The model says of one item only, and lets a driver move all of its thresholds alike, "
            "on the logit scale."
        )
    return (
        "The model lets a driver move all items of a form alike, on the logit scale, and citizens' "
        "propensities be normal around what is expected. An unanswered item contributes nothing, "
        "as if it were missing at random given the drivers and the other answers."
    )


def reproduce_section(
    fit: Fit, choice: IntervalChoice, scenarios: Mapping[str, xr.Dataset], check: str
) -> Section:
    """Give what it takes to make the report again; `check` is the call that gave the findings."""
    attrs = fit.tree["posterior"].attrs
    versions = ", ".join(
        [
            f"bayes_coprod {attrs['bayes_coprod_version']}",
            f"PyMC {attrs['pymc_version']}",
            f"nutpie {attrs['inference_library_version']}",
            f"arviz-stats {attrs['arviz_stats_version']}",
            f"Python {platform.python_version()}",
            f"numpy {version('numpy')}",
            f"pandas {version('pandas')}",
        ]
    )
    # the command knows no scenarios, no other checks, no other intervals and one seed for all
    as_usual = not scenarios and check == QUICK_CALL and choice == choose_interval(None, None)
    command = str(fit.design.attrs["command"]) if as_usual else ""
    seed = re.search(r"--seed (\d+)", command)
    if seed and int(seed[1]) != fit.spec.sampler.random_seed:
        command = ""
    origin = str(fit.design.attrs["origin"])
    seeds = f" and on, one for each of {n} data sets" if (n := len(fit.parts)) > 1 else ""
    python = "\n".join(
        [
            "import bayes_coprod as bc",
            f"survey = {origin if origin.startswith('[') else f'bc.{origin}'}",
            'fit = bc.fit_model("model.toml", survey)',
            f"findings = bc.{check}" if check else "# findings: those that were given",
            *_lines_of(scenarios),
            f'bc.write_report(fit, "report.html", prob={choice.prob:g}, kind="{choice.kind}", '
            + ("scenarios=scenarios, " if scenarios else "")
            + "findings=findings)",
        ]
    )
    return Section(
        "Reproduce",
        (
            Paragraph(
                f"Made with {versions}. Seed {fit.spec.sampler.random_seed}{seeds}. Digest of the "
                f"data as the model saw them: {fit.design.attrs['digest'][:16]}. On another "
                "machine draws differ in rounding and so in all but their distribution: results "
                "then agree to the Monte Carlo error."
            ),
            Paragraph(_how_again(command, origin)),
            Code("model.toml", tomlkit.dumps(spec_content(fit.spec))),
            Code("codebook.toml", tomlkit.dumps(codebook_content(fit.codebook))),
            *(
                [
                    Code(
                        "The command",
                        f"bayes-coprod {command} --model model.toml --out report.html",
                    )
                ]
                if command
                else []
            ),
            Code("In Python", python),
        ),
    )


def _lines_of(scenarios: Mapping[str, xr.Dataset]) -> list[str]:
    """Lines in Python that make the scenarios again."""
    if not scenarios:
        return []
    calls = {name: str(found.attrs["call"]) for name, found in scenarios.items()}
    cells = (
        ["# cells: the frame of the population"]
        if any("=cells" in call for call in calls.values())
        else []
    )
    return [*cells, "scenarios = {", *(f"    {n!r}: {call}," for n, call in calls.items()), "}"]


def _how_again(command: str, origin: str) -> str:
    """Say what to save before the command, or the lines in Python, will run."""
    from_file = "codebook.toml" in origin
    saved = (
        "save what stands under model.toml and under codebook.toml as files of these names, beside "
        "the survey"
        if from_file
        else "save what stands under model.toml as a file of this name; the survey itself comes "
        "with the package"
    )
    then = (
        "run the command in that folder, or the lines in Python"
        if command
        else ("run the lines in Python in that folder")
    )
    return f"To make the report again, first {saved}. Then {then}."
