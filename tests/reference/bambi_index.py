"""What bambi says about a small survey of one form, frozen in bambi_index.json beside this file.

Run by hand, never in CI: ``python tests/reference/bambi_index.py`` (some minutes).

Bambi's country effects scatter around a free population mean, ours sum to zero over the countries
around their own mean. A country's coefficient is the sum of the two either way, and its prior is
the same in both if the mean's prior is so wide that it says nothing: under Normal(0, infinity)
the country mean and the deviations from it are independent, and the deviations are the zero-sum
normal of the same tau. Hence SD 20 for intercept and slopes, where the outcome has SD 1; what is
left of the difference is of the order tau^2 / 20^2. Bambi has its own standardised data: only
the answers and the ages below are shared with the package's test.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

RESULT = Path(__file__).with_suffix(".json")
COUNTRIES = ("Austria", "Belgium", "Cyprus", "Denmark")
N_PER_COUNTRY = 150
ITEMS = [f"item_{k}" for k in range(1, 6)]
"""Each with four steps, 0 to 3."""

PRIORS = {
    "intercept": "normal(0, 20)",
    "beta": "normal(0, 20)",
    "tau_intercept": "half_normal(0.5)",
    "tau": "half_normal(0.3)",
    "residual_sd": "half_normal(1)",
}


def make_citizens() -> pd.DataFrame:
    """Draw 600 citizens who act more when older and less when employed, not alike everywhere."""
    rng = np.random.default_rng(2008)
    n = N_PER_COUNTRY * len(COUNTRIES)
    country = np.repeat(np.arange(len(COUNTRIES)), N_PER_COUNTRY)
    age = rng.integers(18, 80, n)
    employed = (rng.random(n) < 0.6).astype(int)
    level = np.array([-0.5, -0.1, 0.2, 0.5])[country]
    slope = np.array([0.1, 0.25, 0.4, 0.6])[country]
    propensity = level + slope * (age - 49) / 18 - 0.3 * employed + rng.normal(0, 0.6, n)
    frame = pd.DataFrame(
        {"country": np.array(COUNTRIES)[country], "age": age, "employed": employed}
    )
    for k, item in enumerate(ITEMS):
        latent = propensity + rng.normal(0, 0.8, n) + 0.2 * k
        frame[item] = np.digitize(latent, [-0.8, 0.1, 1.0])
    return frame


def digest(citizens: pd.DataFrame) -> str:
    """So that a test knows whether it sees the citizens that bambi saw."""
    return hashlib.sha256(citizens.to_csv(index=False).encode()).hexdigest()


def main() -> None:
    """Fit bambi's model and freeze what the test compares."""
    import arviz_stats as azs
    import bambi as bmb

    citizens = make_citizens()
    score = (100 * citizens[ITEMS] / 3).mean(axis=1)
    data = pd.DataFrame(
        {
            "y": (score - score.mean()) / score.std(ddof=0),
            "age": (citizens["age"] - citizens["age"].mean()) / citizens["age"].std(ddof=0),
            "employed": citizens["employed"] - citizens["employed"].mean(),
            "country": citizens["country"],
        }
    )

    def country_effect(scale: float) -> bmb.Prior:
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=scale))

    wide = bmb.Prior("Normal", mu=0, sigma=20)
    model = bmb.Model(
        "y ~ 1 + age + employed + (1 | country) + (0 + age | country) + (0 + employed | country)",
        data,
        center_predictors=False,
        priors={
            "Intercept": wide,
            "age": wide,
            "employed": wide,
            "1|country": country_effect(0.5),
            "age|country": country_effect(0.3),
            "employed|country": country_effect(0.3),
            "sigma": bmb.Prior("HalfNormal", sigma=1),
        },
    )
    print(model)
    tree = model.fit(
        draws=20_000,
        tune=2_000,
        chains=4,
        random_seed=2008,
        inference_method="nutpie",
        target_accept=0.98,
    )
    divergences = int(tree["sample_stats"]["diverging"].sum())
    draws = tree["posterior"].to_dataset()

    quantities = {}
    for name, common in (("intercept", "Intercept"), ("age", "age"), ("employed", "employed")):
        varying = f"{'1' if name == 'intercept' else name}|country"
        for country in COUNTRIES:
            quantities[f"b {name}, {country}"] = draws[common] + draws[varying].sel(
                country__factor_dim=country
            )
        quantities[f"tau {name}"] = draws[f"{varying}_sigma"]
    quantities["residual_sd"] = draws["sigma"]

    frozen = {}
    for name, values in quantities.items():
        frozen[name] = {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)),
            "mcse_mean": float(azs.mcse(values, method="mean")),
            "mcse_sd": float(azs.mcse(values, method="sd")),
            "rhat": float(azs.rhat(values)),
        }
    result = {
        "call_of": "python tests/reference/bambi_index.py",
        "versions": {name: version(name) for name in ("bambi", "pymc", "nutpie", "arviz-stats")},
        "draws": "4 chains of 20,000 after 2,000, target_accept 0.98",
        "divergences": divergences,
        "citizens_sha256": digest(citizens),
        "priors": PRIORS,
        "posterior": frozen,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
