"""How often ``check_predictive`` accuses a right model, and how often it finds a planted fault.

    python benchmarks/predictive.py [--surveys 100] [--faults none tails interaction thresholds]

Surveys of four countries with 150 citizens each, two forms of six items, and three drivers. Of
``index`` the answers of a design are replaced by what the model itself would give, with
coefficients drawn anew for each survey, so that the model is right (``none``); with residuals of
Student's t with 4 degrees of freedom (``tails``); or with a product of two drivers that the model
lacks, of 0.3 residual SD per SD of each (``interaction``). Of ``ordinal`` with thresholds_vary =
false the upper threshold lies 1.2 logits higher in one country (``thresholds``). Each is fitted and
checked; printed is how often each check warned, and how often any did.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

import bayes_coprod as bc
from bayes_coprod.inference.sample import fit_design
from bayes_coprod.model.design import make_design
from bayes_coprod.model.spec import ModelSpec

COUNTRIES = ("Austria", "Belgium", "Cyprus", "Denmark")
CITIZENS = 150
FORMS = {f"a{k}": "alone" for k in range(6)} | {f"t{k}": "together" for k in range(6)}
FAULTS = ("none", "tails", "interaction", "thresholds")


def make_survey(rng: np.random.Generator) -> bc.Survey:
    """Citizens with three drivers; their answers are only there to be replaced."""
    n = len(COUNTRIES) * CITIZENS
    frame = pd.DataFrame(
        {
            "country": np.repeat(COUNTRIES, CITIZENS),
            "age": rng.integers(18, 80, n),
            "female": rng.integers(0, 2, n),
            "trust": rng.integers(0, 5, n),
            **{name: rng.integers(0, 3, n) for name in FORMS},
        }
    )
    return bc.read_survey(
        frame,
        {
            "survey": {"name": "Predictive", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {
                name: {"form": form, "categories": [0, 1, 2]} for name, form in FORMS.items()
            },
            "drivers": {
                "age": {"kind": "numeric"},
                "female": {"kind": "binary", "yes": [1], "no": [0]},
                "trust": {"kind": "ordered", "categories": [0, 1, 2, 3, 4]},
            },
        },
    )


def make_spec(likelihood: str, draws: int) -> ModelSpec:
    """A shipped model, to be sampled by two chains."""
    spec = bc.load_model(likelihood)
    if likelihood == "ordinal":
        spec = replace(spec, item="a0", thresholds_vary=False)
    sampler = replace(spec.sampler, chains=2, draws=draws, tune=300, cores=1)
    return replace(spec, sampler=sampler)


def predict(design: xr.Dataset, n_outcomes: int, rng: np.random.Generator) -> np.ndarray:
    """Linear predictor of each citizen, (citizen, outcome), by coefficients drawn anew."""
    country, x = design["country_index"].values, design["x"].values
    level = rng.normal(0, 0.3, (len(COUNTRIES), n_outcomes))
    slope = rng.normal(0, 0.3, (n_outcomes, x.shape[1]))
    slope = slope + rng.normal(0, 0.1, (len(COUNTRIES), n_outcomes, x.shape[1]))
    return level[country] + np.einsum("ip,ifp->if", x, slope[country])


def simulate_index(design: xr.Dataset, fault: str, rng: np.random.Generator) -> xr.Dataset:
    """Indices whose residuals have SD 0.8 and correlation 0.4."""
    mu = predict(design, 2, rng)
    z = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], len(mu))
    if fault == "tails":  # a t with 4 degrees of freedom has variance 2
        z /= np.sqrt(rng.chisquare(4, (len(mu), 1)) / 4) * np.sqrt(2)
    y = mu + 0.8 * z
    if fault == "interaction":
        x = design["x"]
        product = x.sel(coefficient="age").values * x.sel(coefficient="trust").values
        y += 0.8 * 0.3 * product[:, None]
    # far from the ends of the scale, which a normal distribution does not know
    return design.assign(
        y=(design["y"].dims, (y - y.mean(axis=0)) / y.std(axis=0)),
        outcome_mean=50 + 0 * design["outcome_mean"],
        outcome_sd=8 + 0 * design["outcome_sd"],
    )


def simulate_ordinal(design: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Answers to one item, whose upper threshold lies higher in the second country."""
    eta = predict(design, 1, rng)[:, 0] + rng.logistic(size=design.sizes["citizen"])
    upper = 0.6 + 1.2 * (design["country_index"].values == 1)
    answer = (eta > -0.6).astype(np.int64) + (eta > upper)
    return design.assign(answer=(design["answer"].dims, answer[:, None]))


def warned(fault: str, seed: int, draws: int) -> list[str]:
    """Which checks warn of one survey."""
    rng = np.random.default_rng([2008, seed])
    survey = make_survey(rng)
    spec = make_spec("ordinal" if fault == "thresholds" else "index", draws)
    design = make_design(survey, spec)
    if fault == "thresholds":
        design = simulate_ordinal(design, rng)
    else:
        design = simulate_index(design, fault, rng)
    fit = fit_design(spec, survey.codebook, design)
    findings = bc.check_predictive(fit, random_seed=seed)
    unknown = [finding.check for finding in findings.only("unknown")]
    if unknown:
        raise RuntimeError(f"not measured: {', '.join(unknown)}")
    return [finding.check for finding in findings.only("warn")]


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=100, help="of each kind")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--draws", type=int, default=400, help="of each of two chains")
    options = parser.parse_args()
    for fault in options.faults:
        counts: Counter[str] = Counter()
        for seed in range(options.surveys):
            found = warned(fault, seed, options.draws)
            counts.update([*found, *["any"] * bool(found)])
        by_check = "; ".join(f"{check} {n}" for check, n in counts.most_common()) or "no warnings"
        print(f"{fault}: of {options.surveys} surveys: {by_check}", flush=True)


if __name__ == "__main__":
    main()
