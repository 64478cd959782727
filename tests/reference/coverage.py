"""Whether intervals hold what they are about: quantities of the population, not of the respondents.

    python tests/reference/coverage.py MODEL [--replications 200]

Truths are drawn from the model's priors, for four countries of 3,000 citizens with three drivers
that differ between countries. The population's gap, its contrasts between countries and a scenario
are what these citizens are expected to answer. Of each country 150 are asked; the model is fitted
to what they answer, and 90 % equal-tailed intervals are taken, with the bootstrap of citizens and
without it (``uncertainty = "fixed"``). Kept is in how many of the four countries each interval
held the population's value: ``coverage_MODEL.json`` beside this file, to which replications are
added.

Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9(1), 130-134.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import bayes_coprod as bc
from bayes_coprod.diagnostics.simulated import simulate_until_usable, truth_as_fit
from bayes_coprod.inference.sample import fit_design
from bayes_coprod.model.design import make_design
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.subset import take_citizens

REFERENCE = Path(__file__).parent
COUNTRIES = ("Austria", "Belgium", "Cyprus", "Denmark")
POPULATION, ASKED = 3_000, 150
PROB = 0.9
ITEMS = {"a": "alone", "b": "alone", "c": "alone", "d": "together", "e": "together"}


def make_population() -> bc.Survey:
    """Citizens whose drivers differ between countries; their answers are there to be replaced."""
    rng = np.random.default_rng(8)
    country = np.repeat(np.arange(len(COUNTRIES)), POPULATION)
    n = len(country)
    frame = pd.DataFrame(
        {
            "country": np.array(COUNTRIES)[country],
            "age": rng.normal(40 + 5 * country, 12).clip(18, 90).round(),
            "female": (rng.random(n) < 0.4 + 0.05 * country).astype(int),
            "trust": rng.binomial(4, 0.3 + 0.1 * country),
            **{name: rng.permutation(np.arange(n) % 3) for name in ITEMS},
        }
    )
    answer = {"categories": [0, 1, 2], "takes_part_from": 2}
    return bc.read_survey(
        frame,
        {
            "survey": {"name": "Population", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {name: {"form": form} | answer for name, form in ITEMS.items()},
            "drivers": {
                "age": {"kind": "numeric"},
                "female": {"kind": "binary", "yes": [1], "no": [0]},
                "trust": {"kind": "ordered", "categories": [0, 1, 2, 3, 4], "changeable": True},
            },
        },
    )


def make_spec(model: str, draws: int) -> ModelSpec:
    """A shipped model, to be sampled by one chain."""
    spec = bc.load_model(model)
    sampler = replace(spec.sampler, chains=1, cores=1, draws=draws, tune=300)
    return replace(spec, sampler=sampler)


def quantities(fit: bc.Fit, uncertainty: str) -> dict[str, xr.DataArray]:
    """What is asked of the population, each (chain, draw, country)."""
    gap = bc.gap(fit, uncertainty=uncertainty)
    change = bc.scenario(fit, {"trust": bc.by(1)}, uncertainty=uncertainty)["difference"]
    return {
        "gap": gap,
        "contrast": bc.country_contrasts(fit, of=gap),
        "scenario": change.isel({change.dims[-1]: 1}, drop=True),
    }


def replicate(model: str, number: int, draws: int = 600) -> dict[str, dict[str, int]]:
    """In how many countries the intervals hold the population's value, for one truth."""
    population, spec = make_population(), make_spec(model, draws)
    design, codebook = make_design(population, spec), population.codebook
    rng = np.random.default_rng([90, number])

    def truths() -> Iterator[bc.Fit]:
        while True:
            truth = draw_priors(spec, codebook, design, 1, rng)
            asked = [
                c * POPULATION + np.sort(rng.choice(POPULATION, ASKED, replace=False))
                for c in range(len(COUNTRIES))
            ]
            yield truth_as_fit(spec, codebook, take_citizens(design, np.concatenate(asked)), truth)

    truth, survey, _ = simulate_until_usable(truths(), rng, "coverage")
    fit = fit_design(spec, codebook, survey)
    everybody = truth_as_fit(spec, codebook, design, truth.posterior)
    values = quantities(everybody, "fixed")
    return {
        uncertainty: {
            name: covered(draws_of, values[name])
            for name, draws_of in quantities(fit, uncertainty).items()
        }
        for uncertainty in ("bootstrap", "fixed")
    }


def covered(draws: xr.DataArray, value: xr.DataArray) -> int:
    """In how many countries an interval holds the value."""
    low, high = (draws.quantile(q, ("chain", "draw")) for q in ((1 - PROB) / 2, (1 + PROB) / 2))
    true = value.isel(chain=0, draw=0)
    return int(((low <= true) & (true <= high)).sum())


def main() -> None:
    """Add replications to a model's file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=("index", "items", "participation"))
    parser.add_argument("--replications", type=int, default=200)
    options = parser.parse_args()
    path = REFERENCE / f"coverage_{options.model}.json"
    result: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.exists()
        else {
            "command": f"python tests/reference/coverage.py {options.model}",
            "versions": {name: version(name) for name in ("bayes-coprod", "nutpie", "numpy")},
            "prob": PROB,
            "countries": len(COUNTRIES),
            "covered": {},
        }
    )
    done = len(result["covered"].get("bootstrap", {}).get("gap", []))
    for number in range(done, options.replications):
        for uncertainty, found in replicate(options.model, number).items():
            kept = result["covered"].setdefault(uncertainty, {})
            for name, count in found.items():
                kept.setdefault(name, []).append(count)
        path.write_text(json.dumps(result) + "\n", encoding="utf-8")
        print(number + 1, flush=True)


if __name__ == "__main__":
    main()
