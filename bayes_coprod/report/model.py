"""The report's model section: formulas, priors and what they imply, and how it was sampled."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.priors import quantile
from bayes_coprod.model.varying import UNPOOLED
from bayes_coprod.report import words
from bayes_coprod.report.data import Block, Formula, Interval, Paragraph, Section, Table
from bayes_coprod.report.intervals import forms_of
from bayes_coprod.wording import listed

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
        _predictor_formula(fit),
        *_pooling_formulas(fit),
        *([Paragraph(_outcome_units(fit))] if spec.likelihood == "index" else []),
        _priors_table(fit, prob),
        Paragraph(_sampling(fit)),
    ]
    return Section("Model", tuple(blocks))


def _outcome_index(fit: Fit) -> str:
    """The index f of outcomes in formulas, which a model of one item does without."""
    return "" if fit.spec.likelihood == "ordinal" else "f"


def _predictor_formula(fit: Fit) -> Formula:
    f = _outcome_index(fit)
    return Formula(
        rf"\mu_{{i{f}}} = b_{{c(i){f}0}} + \sum_p x_{{ip}} \, b_{{c(i){f}p}}",
        "Level and drivers p in the citizen's country c. Numeric and ordered drivers are in "
        "SDs, so that a coefficient is per SD; binary ones are 0 or 1, and it is for the step from "
        "no to yes; categorical ones are zero-sum contrasts, in which any two levels are as far "
        "apart as no and yes. All are minus their means.",
    )


def _index_formulas(fit: Fit) -> list[Block]:
    return [
        Formula(
            r"y_{if} = \mu_{if} + \varepsilon_{if}, \quad \boldsymbol{\varepsilon}_i \sim "
            + (r"N(0, \Sigma_{c(i)})" if fit.spec.sigma_varies else r"N(0, \Sigma)"),
            "The index of citizen i for outcome f, in SDs from its pooled mean. "
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
            r"\theta_{if} = \mu_{if} + \varepsilon_{if}, \quad "
            + (
                r"\boldsymbol{\varepsilon}_i \sim N(0, \Sigma)"
                if len(forms) == 2
                else r"\varepsilon_{if} \sim N(0, \sigma^2)"
            ),
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
    n, f = len(fit.countries), _outcome_index(fit)
    if fit.spec.pooling == "complete":
        return [
            Formula(rf"b_{{c{f}p}} = \beta_{{{f}p}}", "Complete pooling: all countries are alike.")
        ]
    varies = fit.spec.vary_by_country
    which = ""
    if varies != "all":
        varying = () if varies == "none" else varies
        labels = ["the level", *(fit.codebook.driver(name).label for name in varying)]
        verb = "vary" if varying else "varies"
        which = f" Only {listed(labels)} {verb} by country; for the other drivers d is 0."
    split = Formula(
        rf"b_{{c{f}p}} = \beta_{{{f}p}} + d_{{c{f}p}}, \quad \sum_c d_{{c{f}p}} = 0",
        f"beta is the mean over these {n} countries, d a country's deviation from it.{which}",
    )
    if fit.spec.pooling == "none":
        return [
            split,
            Formula(
                rf"d_{{c{f}p}} = \sum_j H_{{jc}} \gamma_{{{f}pj}}, \quad "
                rf"\gamma_{{{f}pj}} \sim N(0, {UNPOOLED:g}^2)",
                "No pooling: each country speaks for itself. H holds orthonormal contrasts.",
            ),
        ]
    return [
        split,
        Formula(
            rf"d_{{c{f}p}} = \sum_j H_{{jc}} \gamma_{{{f}pj}}, \quad "
            rf"\gamma_{{{f}pj}} \sim N(0, \tau_{{{f}p}}^2)",
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
    if "beta" in present:
        unit += "; coefficients per SD of a numeric or ordered driver, and for the step from one "
        unit += "group to another of the others"
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
        f"equal-tailed ({unit}{'; rho has no unit' if 'rho' in present else ''}).",
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
