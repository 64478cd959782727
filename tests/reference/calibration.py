"""Simulation-based calibration: whether posteriors hold the truth as often as they say.

    python tests/reference/calibration.py MODEL [--replications 200] [--out FILE]

The package's `calibrate` does the same with its own simulator; this one shares nothing with it but
the priors' random numbers. Truths are drawn in NumPy, and answers from the truths; each data set is
fitted, and each quantity's rank of the truth among 99 draws is kept, one of every six of a chain of
594: draws of these models are next to independent already. If all is right ranks are uniform. The
result is a small file of ranks, ``calibration_MODEL.json`` beside this one; what is there already
is kept, and replications are added to it.

Citizens are 150 in three countries, with two drivers; the answers replace those of a design, so
that no data set is refused and indices keep the unit in which their priors are stated.

Talts, Betancourt, Simpson, Vehtari & Gelman (2018), Validating Bayesian inference algorithms with
simulation-based calibration, arXiv:1804.06788; Modrák et al. (2023), Bayesian Analysis, on the log
likelihood as a quantity.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import helmert
from scipy.special import expit

from bayes_coprod.inference.sample import fit_design
from bayes_coprod.model.build import compile_citizen_log_likelihood
from bayes_coprod.model.design import make_design
from bayes_coprod.model.priors import draw
from bayes_coprod.model.spec import ModelSpec, load_model, spec_content
from bayes_coprod.survey.read import Survey, read_survey

REFERENCE = Path(__file__).parent
COUNTRIES, N = 3, 150
ITEMS = {"a": "alone", "b": "alone", "c": "alone", "d": "together", "e": "together"}
RANKED, THIN = 99, 6
type Truth = dict[str, np.ndarray]


def make_survey() -> Survey:
    """Citizens with two drivers; their answers are only there to be replaced."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "country": np.repeat(["Austria", "Belgium", "Cyprus"], N // COUNTRIES),
            "age": rng.integers(18, 80, N),
            "female": rng.integers(0, 2, N),
            **{name: rng.permutation(np.arange(N) % 3) for name in ITEMS},
        }
    )
    answer = {"categories": [0, 1, 2], "takes_part_from": 2}
    return read_survey(
        frame,
        {
            "survey": {"name": "Calibration", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {name: {"form": form} | answer for name, form in ITEMS.items()},
            "drivers": {
                "age": {"kind": "numeric"},
                "female": {"kind": "binary", "yes": [1], "no": [0]},
            },
        },
    )


def make_spec(model: str, ranked: int) -> ModelSpec:
    """A shipped model, of one item where it takes one, to be sampled by one chain."""
    content = spec_content(load_model(model))
    content["sampler"] |= {"chains": 1, "draws": ranked * THIN, "tune": 3 * ranked, "cores": 1}
    return load_model(content | ({"item": "a"} if model == "ordinal" else {}))


def draw_effects(spec: ModelSpec, n_forms: int, rng: np.random.Generator) -> Truth:
    """Means over countries, SDs between them, and deviations that sum to zero."""
    beta = draw(spec.priors["beta"], (n_forms, 2), rng)
    tau_intercept = draw(spec.priors["tau_intercept"], (n_forms,), rng)
    tau = draw(spec.priors["tau"], (n_forms, 2), rng)
    gamma = rng.normal(size=(COUNTRIES - 1, n_forms, 3))
    d = np.tensordot(helmert(COUNTRIES).T, gamma, 1)  # (country, form, 1 + driver)
    return {
        "beta": beta,
        "tau_intercept": tau_intercept,
        "tau": tau,
        "b_intercept": d[:, :, 0] * tau_intercept,
        "b": beta + d[:, :, 1:] * tau,
    }


def predict(design: xr.Dataset, truth: Truth) -> np.ndarray:
    """Linear predictor of each citizen, (citizen, form)."""
    country, x = design["country_index"].values, design["x"].values
    return truth["b_intercept"][country] + np.einsum("ip,ifp->if", x, truth["b"][country])


def answer_to(eta: np.ndarray, kappa: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ordered answers, (citizen,), to thresholds of each citizen's own, (citizen, threshold)."""
    return (rng.random((len(eta), 1)) < expit(eta[:, None] - kappa)).sum(axis=1)


def simulate_index(
    spec: ModelSpec, design: xr.Dataset, rng: np.random.Generator
) -> tuple[Truth, xr.Dataset]:
    """Indices in the unit of the priors."""
    truth = draw_effects(spec, 2, rng)
    truth["intercept"] = draw(spec.priors["intercept"], (2,), rng)
    truth["b_intercept"] = truth["b_intercept"] + truth["intercept"]
    truth["residual_sd"] = draw(spec.priors["residual_sd"], (2,), rng)
    correlation = draw(spec.priors["rho"], (2, 2), rng)
    truth["rho"] = correlation[0, 1:]
    covariance = np.outer(truth["residual_sd"], truth["residual_sd"]) * correlation
    y = predict(design, truth) + rng.multivariate_normal(np.zeros(2), covariance, N)
    one = xr.ones_like(design["outcome_sd"])
    return truth, design.assign(y=(design["y"].dims, y), outcome_sd=one, outcome_mean=0 * one)


def simulate_participation(
    spec: ModelSpec, design: xr.Dataset, rng: np.random.Generator
) -> tuple[Truth, xr.Dataset]:
    """Who takes part."""
    truth = draw_effects(spec, 2, rng)
    truth["intercept"] = draw(spec.priors["intercept"], (2,), rng)
    truth["b_intercept"] = truth["b_intercept"] + truth["intercept"]
    y = (rng.random((N, 2)) < expit(predict(design, truth))).astype(float)
    return truth, design.assign(y=(design["y"].dims, y))


def simulate_ordinal(
    spec: ModelSpec, design: xr.Dataset, rng: np.random.Generator
) -> tuple[Truth, xr.Dataset]:
    """Answers to one item, whose thresholds lie otherwise in each country."""
    truth = draw_effects(spec, 1, rng)
    truth["tau_kappa"] = draw(spec.priors["tau_kappa"], (), rng)
    first = draw(spec.priors["kappa"], (1,), rng) - truth["b_intercept"]  # (country, 1)
    stretch = helmert(COUNTRIES).T @ rng.normal(size=(COUNTRIES - 1, 1)) * truth["tau_kappa"]
    gap = draw(spec.priors["kappa_gap"], (1,), rng) * np.exp(stretch)
    thresholds = np.concatenate([first, first + gap], axis=1)  # (country, threshold)
    truth["kappa"] = thresholds.mean(axis=0)
    away = thresholds - truth["kappa"]
    truth["b_intercept"] = -away.mean(axis=1, keepdims=True)
    truth["threshold_shift"] = away + truth["b_intercept"]
    eta, country = predict(design, truth)[:, 0], design["country_index"].values
    kappa = (truth["kappa"] + truth["threshold_shift"])[country]
    answer = answer_to(eta, kappa, rng)
    return truth, design.assign(answer=(design["answer"].dims, answer[:, None]))


def simulate_items(
    spec: ModelSpec, design: xr.Dataset, rng: np.random.Generator
) -> tuple[Truth, xr.Dataset]:
    """Answers to all items, by two correlated propensities."""
    truth = draw_effects(spec, 2, rng)
    first = draw(spec.priors["kappa"], (len(ITEMS),), rng)
    gap = draw(spec.priors["kappa_gap"], (len(ITEMS),), rng)
    truth["kappa"] = np.stack([first, first + gap], axis=1).ravel()
    truth["tau_kappa"] = draw(spec.priors["tau_kappa"], (), rng)
    form = design["item_form"].values
    shift = np.zeros((COUNTRIES, len(ITEMS)))
    for f in (0, 1):
        own = np.flatnonzero(form == f)
        z = rng.normal(size=(COUNTRIES - 1, len(own) - 1))
        shift[:, own] = helmert(COUNTRIES).T @ z @ helmert(len(own))
    truth["shift"] = shift * truth["tau_kappa"]
    truth["sigma"] = draw(spec.priors["sigma"], (2,), rng)
    truth["rho"] = draw(spec.priors["rho"], (1,), rng)
    z = rng.normal(size=(N, 2))
    rho = truth["rho"][0]
    z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    theta = predict(design, truth) + truth["sigma"] * z
    country = design["country_index"].values
    answer = [
        answer_to(
            theta[:, f],
            truth["kappa"][2 * k : 2 * k + 2] + truth["shift"][country, k][:, None],
            rng,
        )
        for k, f in enumerate(form)
    ]
    return truth, design.assign(answer=(design["answer"].dims, np.stack(answer, axis=1)))


SIMULATE: dict[str, Callable[..., tuple[Truth, xr.Dataset]]] = {
    "index": simulate_index,
    "items": simulate_items,
    "ordinal": simulate_ordinal,
    "participation": simulate_participation,
}


def quantities(model: str, values: Truth) -> dict[str, np.ndarray]:
    """A dozen of a model's quantities, from values whose first axis may be draws."""
    chosen: dict[str, tuple[int, ...]] = {"beta": (0, 0), "tau_intercept": (0,), "tau": (0, 1)}
    found = {name: values[name][..., *at] for name, at in chosen.items()}
    found |= {
        "b_intercept[0]": values["b_intercept"][..., 0, 0],
        "b_intercept[2]": values["b_intercept"][..., 2, -1],
        "b[0]": values["b"][..., 0, 0, 0],
        "b[1]": values["b"][..., 1, -1, 1],
        "beta, female": values["beta"][..., -1, 1],
        "tau, last": values["tau"][..., -1, 0],
    }
    if model in ("index", "participation"):
        found["intercept"] = values["intercept"][..., 0]
        found["intercept, last"] = values["intercept"][..., 1]
    if model == "participation":
        found["tau_intercept, last"] = values["tau_intercept"][..., 1]
    if model == "index":
        found["residual_sd"] = values["residual_sd"][..., 0]
    if model in ("index", "items"):
        found["rho"] = values["rho"][..., 0]
    if model in ("items", "ordinal"):
        found["kappa[0]"] = values["kappa"][..., 0]
        found["kappa[1]"] = values["kappa"][..., 1]
        found["tau_kappa"] = values["tau_kappa"]
    if model == "ordinal":
        found["threshold_shift"] = values["threshold_shift"][..., 0, 1]
    if model == "items":
        found["shift"] = values["shift"][..., 0, 0]
        found["sigma[0]"] = values["sigma"][..., 0]
        found["sigma[1]"] = values["sigma"][..., 1]
    return found


def replicate(model: str, number: int, ranked: int = RANKED) -> dict[str, int]:
    """Ranks of one truth's quantities and of its log likelihood among the draws."""
    survey, spec = make_survey(), make_spec(model, ranked)
    rng = np.random.default_rng([2008, number])
    truth, design = SIMULATE[model](spec, make_design(survey, spec), rng)
    fit = fit_design(spec, survey.codebook, design)
    kept = fit.posterior.isel(chain=0, draw=slice(THIN - 1, None, THIN))
    draws = {str(name): values.values for name, values in kept.data_vars.items()}
    evaluate = compile_citizen_log_likelihood(spec, design, fit.posterior, fit.pilot)
    of_draws = quantities(model, draws)
    of_draws["log likelihood"] = np.array(
        [evaluate({n: v[i] for n, v in draws.items()}).sum() for i in range(ranked)]
    )
    of_truth = quantities(model, truth) | {"log likelihood": evaluate(truth).sum()}
    return {name: int((values < of_truth[name]).sum()) for name, values in of_draws.items()}


def main() -> None:
    """Add replications to a model's file of ranks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=list(SIMULATE))
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    path = options.out or REFERENCE / f"calibration_{options.model}.json"
    result: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.exists()
        else {
            "command": f"python tests/reference/calibration.py {options.model}",
            "versions": {name: version(name) for name in ("bayes-coprod", "nutpie", "numpy")},
            "ranked_among": RANKED,
            "ranks": {},
        }
    )
    if result["versions"] != {name: version(name) for name in result["versions"]}:
        parser.error(f"{path.name} was made with other versions: begin anew")
    done = len(next(iter(result["ranks"].values()), []))
    for number in range(done, options.replications):
        for name, rank in replicate(options.model, number).items():
            result["ranks"].setdefault(name, []).append(rank)
        path.write_text(json.dumps(result) + "\n", encoding="utf-8")
        print(number + 1, flush=True)


if __name__ == "__main__":
    main()
