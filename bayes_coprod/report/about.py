"""The report on its own grounds: data, model, limits and how to make it again."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np
import pandas as pd
import tomlkit

from bayes_coprod import names
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.completed import read_imputed
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.priors import quantile
from bayes_coprod.model.spec import spec_content
from bayes_coprod.model.varying import UNPOOLED
from bayes_coprod.report import words
from bayes_coprod.report.data import Block, Code, Formula, Interval, Paragraph, Section, Table
from bayes_coprod.report.intervals import IntervalChoice, forms_of
from bayes_coprod.survey.codebook import codebook_content
from bayes_coprod.survey.coverage import FEW_CITIZENS
from bayes_coprod.wording import capital, listed

FEW_COUNTRIES = 10

_MEANING = {
    "intercept": "level of an outcome, from its pooled mean",
    "beta": "coefficient, mean over the countries",
    "tau_intercept": "SD of the levels between countries",
    "tau": "SD of a driver's coefficients between countries",
    "residual_sd": "SD of citizens around what is expected",
    "rho": "correlation of a citizen's outcomes",
    "kappa": "an item's first threshold",
    "kappa_gap": "distance between an item's neighbouring thresholds",
    "tau_kappa": "SD of thresholds' shifts, or distances' logarithms, between countries",
    "lambda": "how closely an item goes with the propensity, before logarithms are centred",
    "sigma": "SD of citizens around what is expected",
}


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
    left_out, asked = int(total["asked"] - total["in the fit"]), int(total["asked"])
    too_few = {
        "index": "answered fewer than half of the items of every outcome",
        "items": "answered no item",
        "ordinal": "did not answer the item",
        "participation": "left open whether they take part",
    }[fit.spec.likelihood]
    why = too_few if names.IMPUTATION in design.dims else f"miss a driver or {too_few}"
    blocks: list[Block] = [
        Paragraph(
            f"{fit.codebook.name}"
            + (f", {fit.codebook.source}" if fit.codebook.source else "")
            + f". {asked:,} citizens were asked. {left_out:,} of them "
            f"({left_out / asked:.1%}) are left out because they {why}; "
            f"results speak of the others.{_filled_in(fit)}"
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


def prior_interval(fit: Fit, parameter: str, prob: float) -> Interval:
    """Equal-tailed interval of a prior, and its median as the middle."""
    n_outcomes = fit.design.sizes[outcome_dim(fit.spec)]
    tail = (1 - prob) / 2
    probabilities = np.array([tail, 0.5, 1 - tail])
    lower, middle, upper = quantile(fit.spec.priors[parameter], probabilities, n_outcomes)
    return Interval(float(middle), float(lower), float(upper))


def model_section(fit: Fit, prob: float) -> Section:
    """Say the model in formulas, its priors and what they imply, and how it was sampled."""
    spec = fit.spec
    likelihood = {
        "index": _index_formulas,
        "items": _items_formulas,
        "ordinal": _ordinal_formulas,
        "participation": _participation_formulas,
    }[spec.likelihood]
    blocks: list[Block] = [
        Paragraph(spec.question) if spec.question else Paragraph(f"Model {spec.name!r}."),
        *likelihood(fit),
        Formula(
            r"\mu_{if} = b_{c(i)f0} + \sum_p x_{ip} \, b_{c(i)fp}",
            "Level and drivers p in the citizen's country c. Numeric and ordered drivers are in "
            "SDs, binary ones 0 or 1, categorical ones zero-sum contrasts; all minus their means.",
        ),
        *_pooling_formulas(fit),
        *([Paragraph(_outcome_units(fit))] if spec.likelihood == "index" else []),
        _priors_table(fit, prob),
        Paragraph(_sampling(fit)),
    ]
    return Section("Model", tuple(blocks))


def _index_formulas(fit: Fit) -> list[Block]:
    return [
        Formula(
            r"\mathbf{y}_i \sim N(\boldsymbol{\mu}_i, \Sigma_{c(i)})"
            if fit.spec.sigma_varies
            else r"\mathbf{y}_i \sim N(\boldsymbol{\mu}_i, \Sigma)",
            "The indices of citizen i, one for each outcome f, in SDs from their pooled means. "
            "Each is the mean over the answered items, scored 0 to 100 in equal steps.",
        )
    ]


def _items_formulas(fit: Fit) -> list[Block]:
    shifted = "shift" in fit.posterior
    shift = r" + s_{kc(i)}" if shifted else ""
    steep = r"\lambda_k " if "lambda" in fit.posterior else ""
    forms = forms_of(fit)
    said = (
        "Shifts s of an item's thresholds sum to zero over the countries, and over a form's items "
        "in each country: what all items share is the country's level. "
        if shifted
        else "Thresholds are the same in all countries. "
    )
    pair = " Sigma holds their SDs and their correlation rho." if len(forms) == 2 else ""
    return [
        Formula(
            rf"P(y_{{ik}} \le j) = \operatorname{{logistic}}(\kappa_{{kj}}{shift} "
            rf"- {steep}\theta_{{if(k)}})",
            f"Answer of citizen i to item k of form f, in ordered categories j. {said}"
            "Thresholds carry the level, so countries' levels sum to zero."
            + (
                " Discriminations lambda average to 1 over the items of a form with three or more."
                if steep
                else ""
            ),
        ),
        Formula(
            r"\boldsymbol{\theta}_i \sim N(\boldsymbol{\mu}_i, \Sigma)"
            if len(forms) == 2
            else r"\theta_i \sim N(\mu_i, \sigma^2)",
            f"The citizen's propensity to {listed(forms)} co-production.{pair} Propensities "
            "are integrated out while sampling.",
        ),
    ]


def _ordinal_formulas(fit: Fit) -> list[Block]:
    item = fit.codebook.item(str(fit.design[names.ITEM].values[0]))
    shifted = "threshold_shift" in fit.posterior
    shift = r" + s_{c(i)j}" if shifted else ""
    said = (
        "Distances between thresholds differ between countries: their logarithms vary as "
        "coefficients do, with the SD tau_kappa, and so does the first threshold, with the SD of "
        "levels. Shifts s are what is left of a country's thresholds beside its level."
        if shifted
        else "Distances between thresholds are the same in all countries."
    )
    return [
        Formula(
            rf"P(y_i \le j) = \operatorname{{logistic}}(\kappa_j{shift} - \mu_i)",
            f"Answer of citizen i to ‘{item.label}’, in ordered categories j. {said}",
        )
    ]


def _participation_formulas(fit: Fit) -> list[Block]:
    return [
        Formula(
            r"P(y_{if} = 1) = \operatorname{logistic}(\mu_{if})",
            "Citizen i takes part in f who does any of its items; who leaves an item open and does "
            "none of the others is left out of f. Outcomes are independent given drivers and "
            "country.",
        )
    ]


def _pooling_formulas(fit: Fit) -> list[Block]:
    n = len(fit.countries)
    if fit.spec.pooling == "complete":
        return [Formula(r"b_{cfp} = \beta_{fp}", "Complete pooling: all countries are alike.")]
    varies = fit.spec.vary_by_country
    which = ""
    if varies != "all":
        varying = () if varies == "none" else varies
        labels = ["the level", *(fit.codebook.driver(name).label for name in varying)]
        verb = "vary" if varying else "varies"
        which = f" Only {listed(labels)} {verb} by country; for the other drivers d is 0."
    split = Formula(
        r"b_{cfp} = \beta_{fp} + d_{cfp}, \quad \sum_c d_{cfp} = 0",
        f"beta is the mean over these {n} countries, d a country's deviation from it.{which}",
    )
    if fit.spec.pooling == "none":
        return [
            split,
            Formula(
                rf"d_{{cfp}} = \sum_j H_{{jc}} \gamma_{{fpj}}, \quad "
                rf"\gamma_{{fpj}} \sim N(0, {UNPOOLED:g}^2)",
                "No pooling: each country speaks for itself. H holds orthonormal contrasts.",
            ),
        ]
    return [
        split,
        Formula(
            r"d_{cfp} = \sum_j H_{jc} \gamma_{fpj}, \quad \gamma_{fpj} \sim N(0, \tau_{fp}^2)",
            "Partial pooling: how far countries differ, tau, is learnt from the data. H holds "
            "orthonormal contrasts of the countries. Deviations are independent across drivers "
            "and outcomes a priori.",
        ),
    ]


def _outcome_units(fit: Fit) -> str:
    dim = outcome_dim(fit.spec)
    units = [
        f"{sd:.1f} points for {name}"
        for name, sd in zip(fit.design[dim].values, fit.design["outcome_sd"].values, strict=True)
    ]
    return f"Priors are in SDs of the outcome: one SD is {listed(units)}."


def _priors_table(fit: Fit, prob: float) -> Table:
    in_terms_of = {"intercept": "b_intercept", "kappa_gap": "kappa"}
    present = [n for n in fit.spec.priors if in_terms_of.get(n, n) in fit.posterior]
    if "n_categories" in fit.design and (fit.design["n_categories"] == 2).all():
        present.remove("kappa_gap")
    meaning = dict(_MEANING)
    if fit.spec.likelihood == "participation":
        meaning["intercept"] = "level of an outcome, mean over the countries"
    unit = "SDs of the outcome" if fit.spec.likelihood == "index" else "logits"
    intervals = {name: prior_interval(fit, name, prob) for name in present}
    frame = pd.DataFrame(
        {
            "prior": {name: str(fit.spec.priors[name]) for name in present},
            "lower": {name: i.lower for name, i in intervals.items()},
            "upper": {name: i.upper for name, i in intervals.items()},
        }
    )
    return Table(
        name="priors",
        caption=f"Priors, and where they put {100 * prob:.4g} % of their mass, "
        f"equal-tailed ({unit}; rho has no unit).",
        header=("Parameter", "Meaning", "Prior", "Implies"),
        rows=tuple(
            (name, meaning[name], str(fit.spec.priors[name]), words.span(intervals[name], 2))
            for name in present
        ),
        csv=frame.to_csv(),
        n_labels=3,
    )


def _sampling(fit: Fit) -> str:
    sampler = fit.spec.sampler
    attrs = fit.tree["posterior"].attrs
    seconds = float(attrs["sampling_time"])
    n_parts = len(fit.parts)
    discarded = int(attrs.get("discarded_runs", 0))
    steps = f"took shorter steps (target acceptance {attrs['target_accept']:.2g}). "
    again = ""
    if discarded:
        again = f"A first run had divergences and was discarded; this one {steps}"
    if discarded and n_parts > 1:
        again = f"First runs of {words.count(discarded)} had divergences; others in place {steps}"
    of_each = f" for each of {words.count(n_parts)} completed data sets" if n_parts > 1 else ""
    return (
        f"Sampled with the no-U-turn sampler of nutpie: {words.count(sampler.chains)} chains of "
        f"{sampler.draws:,} draws{of_each} after {sampler.tune:,} tuning draws, in {seconds:.0f} "
        f"seconds from the design to the draws. {again}"
        + (
            f"Citizens' propensities are integrated out {_integrated(fit)}."
            if fit.spec.likelihood == "items"
            else "The likelihood is computed exactly from sums per country."
            if fit.spec.likelihood == "index"
            else "The likelihood is computed exactly from counts of citizens who are alike."
        )
    )


def _integrated(fit: Fit) -> str:
    pilot = fit.parts[0].pilot
    assert pilot is not None and pilot.nodes is not None
    return "on a grid that all share" if pilot.nodes.is_grid else "on nodes of each one's own"


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


def reproduce_section(fit: Fit, choice: IntervalChoice) -> Section:
    """Give what it takes to make the report again."""
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
    command, origin = str(fit.design.attrs["command"]), str(fit.design.attrs["origin"])
    seeds = f" and on, one for each of {n} data sets" if (n := len(fit.parts)) > 1 else ""
    python = "\n".join(
        [
            "import bayes_coprod as bc",
            f"survey = {origin if origin.startswith('[') else f'bc.{origin}'}",
            'fit = bc.fit_model("model.toml", survey)',
            "print(bc.check_fit(fit))",
            f'bc.write_report(fit, "report.html", prob={choice.prob:g}, kind="{choice.kind}")',
        ]
    )
    return Section(
        "Reproduce",
        (
            Paragraph(
                f"Made with {versions}. Seed {fit.spec.sampler.random_seed}{seeds}. Digest of the "
                f"data as the model saw them: {fit.design.attrs['digest'][:16]}. On another "
                "machine, and in the first run of an installation, which compiles, draws differ in "
                "rounding and so in all but their distribution: results then agree to the Monte "
                "Carlo error."
            ),
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
            Code("model.toml", tomlkit.dumps(spec_content(fit.spec))),
            Code("codebook.toml", tomlkit.dumps(codebook_content(fit.codebook))),
        ),
    )
