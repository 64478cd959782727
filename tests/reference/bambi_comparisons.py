"""What bambi's comparisons say of taking part, frozen in bambi_comparisons.json.

Run by hand, never in CI: ``python tests/reference/bambi_comparisons.py`` (some minutes).

The citizens and the model are those of bambi_counts.py, "five nations". Each comparison sets
everybody to one value of a driver and then to another, and averages the difference over the
citizens of each country as they are otherwise.
"""

import json
import runpy
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULT = Path(__file__).with_suffix(".json")
COUNTS = runpy.run_path(str(Path(__file__).with_name("bambi_counts.py")))
CASE = "five nations"
CHANGES = {"female": (0.0, 1.0), "age": (30.0, 40.0), "self_efficacy": (1.0, 2.0)}
DRAWS, TUNE = 1_000, 700
THIN = 5
"""Comparisons take every fifth draw: of all they take more than ten gigabytes."""


def main() -> None:
    """Fit bambi's model and freeze its average comparisons by country."""
    import arviz_stats as azs
    import bambi as bmb
    from bambi.interpret import comparisons

    _, make = COUNTS["CASES"][CASE]
    citizens, per_sd = make()
    data = citizens.copy()
    data["y"] = data["y"].astype(int)
    contrast = {}
    for name, ends in CHANGES.items():
        mean = citizens[name].mean()
        sd = citizens[name].std(ddof=0) if name in per_sd else 1.0
        data[name] = (citizens[name] - mean) / sd
        contrast[name] = [float((end - mean) / sd) for end in ends]

    def country_effect(scale: float) -> bmb.Prior:
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=scale))

    wide = bmb.Prior("Normal", mu=0, sigma=20)
    terms = [*CHANGES, "(1 | country)", *(f"(0 + {name} | country)" for name in CHANGES)]
    model = bmb.Model(
        f"y ~ 1 + {' + '.join(terms)}",
        data,
        family="bernoulli",
        center_predictors=False,
        priors={
            "Intercept": wide,
            **dict.fromkeys(CHANGES, wide),
            "1|country": country_effect(0.5),
            **{f"{name}|country": country_effect(0.3) for name in CHANGES},
        },
    )
    tree = model.fit(
        draws=DRAWS, tune=TUNE, chains=4, cores=1, random_seed=2008,
        inference_method="nutpie", target_accept=0.95,
    )  # fmt: skip
    thin = tree.isel(draw=slice(None, None, THIN))
    found = {}
    for name in CHANGES:
        result = comparisons(
            model, thin, contrast={name: contrast[name]}, average_by="country", use_hdi=False
        )
        table = result.summary.set_index("country")["estimate"]
        found[name] = {str(country): float(value) for country, value in table.items()}
    draws = tree["posterior"].to_dataset()
    result = {
        "call_of": "python tests/reference/bambi_comparisons.py",
        "versions": {n: version(n) for n in ("bambi", "pymc", "nutpie", "arviz-stats")},
        "draws": f"4 chains of {DRAWS:,} after {TUNE:,}, target_accept 0.95; "
        f"comparisons of every {THIN}th",
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "largest_rhat": float(np.max([azs.rhat(draws[name]).max() for name in CHANGES])),
        "citizens_sha256": COUNTS["digest"](citizens),
        "priors": COUNTS["PRIORS"]["participation"],
        "changes": CHANGES,
        "estimates": found,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
