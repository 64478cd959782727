"""What bambi says about yes/no answers of one form, frozen in bambi_rasch.json beside this file.

Run by hand, never in CI: ``python tests/reference/bambi_rasch.py`` (some minutes).

With two categories, one form, no drivers and countries that are all alike, the graded-response
model is the Rasch model: ``y ~ 0 + item + (1 | citizen)`` with a Bernoulli outcome. An item's
effect is minus its threshold, whose prior is symmetric, and the SD of the citizens' intercepts is
sigma. Bambi samples every citizen's intercept where the package integrates it out.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

RESULT = Path(__file__).with_suffix(".json")
COUNTRIES = ("Austria", "Belgium")
N_PER_COUNTRY = 200
THRESHOLDS = (-2.0, -1.2, -0.6, 0.0, 0.4, 0.9, 1.6, 2.5)
ITEMS = [f"item_{k}" for k in range(1, len(THRESHOLDS) + 1)]
SIGMA = 1.2
DRAWS, TUNE = 10_000, 1_000

PRIORS = {"kappa": "normal(0, 4)", "sigma": "half_normal(2)"}


def make_citizens() -> pd.DataFrame:
    """Draw 400 citizens of two countries, who answer eight items with 0 or 1."""
    rng = np.random.default_rng(2008)
    n = N_PER_COUNTRY * len(COUNTRIES)
    theta = rng.normal(0, SIGMA, n)
    yes = theta[:, None] + rng.logistic(size=(n, len(ITEMS))) > np.array(THRESHOLDS)
    frame = pd.DataFrame(yes.astype(int), columns=ITEMS)
    frame.insert(0, "country", np.repeat(COUNTRIES, N_PER_COUNTRY))
    return frame


def digest(citizens: pd.DataFrame) -> str:
    """So that a test knows whether it sees the citizens that bambi saw."""
    return hashlib.sha256(citizens.to_csv(index=False).encode()).hexdigest()


def main() -> None:
    """Fit bambi's model and freeze what the test compares."""
    import arviz_stats as azs
    import bambi as bmb

    citizens = make_citizens()
    data = citizens.assign(citizen=[f"c{i:03d}" for i in range(len(citizens))]).melt(
        id_vars="citizen", value_vars=ITEMS, var_name="item", value_name="y"
    )
    model = bmb.Model(
        "y ~ 0 + item + (1 | citizen)",
        data,
        family="bernoulli",
        priors={
            "item": bmb.Prior("Normal", mu=0, sigma=4),
            "1|citizen": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=2)),
        },
    )
    print(model)
    tree = model.fit(
        draws=DRAWS,
        tune=TUNE,
        chains=4,
        random_seed=2008,
        inference_method="nutpie",
        target_accept=0.9,
    )
    draws = tree["posterior"].to_dataset()
    quantities = {f"kappa {name}": -draws["item"].sel(item_dim=name) for name in ITEMS}
    quantities["sigma"] = draws["1|citizen_sigma"]

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
        "call_of": "python tests/reference/bambi_rasch.py",
        "versions": {name: version(name) for name in ("bambi", "pymc", "nutpie", "arviz-stats")},
        "draws": f"4 chains of {DRAWS:,} after {TUNE:,}, target_accept 0.9",
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "citizens_sha256": digest(citizens),
        "priors": PRIORS,
        "posterior": frozen,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
