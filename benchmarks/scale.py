"""Fits from five thousand to a million citizens: what each step costs.

    python benchmarks/scale.py [--citizens 5000 1000000] [--models index participation ordinal]
                               [--repeats 3] [--out scale.json]

Citizens of five countries with discrete drivers only (sex, four levels of school, six of age, four
of trust), and five items with three answers. Each run has a process of its own; sizes alternate.
The survey is in memory; `design` codes and checks it, `collapse` makes counts or sums of it,
`sampling` is from there to the draws. Rows of `items` give one gradient besides, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

COUNTRIES = ("AT", "BE", "CZ", "DK", "FR")
ITEMS = {"one": "alone", "two": "alone", "three": "alone", "four": "together", "five": "together"}


def make_survey(n: int) -> Any:
    """A survey with discrete drivers."""
    import numpy as np
    import pandas as pd

    import bayes_coprod as bc

    rng = np.random.default_rng(1)
    country, school = rng.integers(0, 5, n), rng.integers(0, 4, n)
    frame = pd.DataFrame(
        {
            "country": np.array(COUNTRIES)[country],
            "woman": rng.integers(0, 2, n),
            "school": school,
            "age": rng.integers(2, 8, n) * 10,
            "trust": rng.integers(0, 4, n),
        }
    )
    expected = 0.3 * school + 0.1 * country - 0.2 * frame["woman"]
    covariance = [[0.6, 0.3], [0.3, 0.8]]
    deviation = rng.multivariate_normal([0, 0], covariance, n)
    for k, (name, form) in enumerate(ITEMS.items()):
        own = deviation[:, 0 if form == "alone" else 1]
        latent = expected + own + rng.logistic(size=n) - 0.4 * k
        frame[name] = np.digitize(latent, [-0.5, 1.5])
    three = {"categories": [0, 1, 2], "takes_part_from": 2}
    return bc.read_survey(
        frame,
        {
            "survey": {"name": "Scale", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {name: {"form": form} | three for name, form in ITEMS.items()},
            "drivers": {
                "woman": {"kind": "binary", "yes": [1], "no": [0]},
                "school": {"kind": "categorical", "categories": [0, 1, 2, 3]},
                "age": {"kind": "numeric"},
                "trust": {"kind": "ordered", "categories": [0, 1, 2, 3]},
            },
        },
    )


def measure(model: str, n: int) -> dict[str, float]:
    """Fit one model to a survey of n citizens."""
    import numpy as np

    import bayes_coprod as bc
    from bayes_coprod.inference import sample
    from bayes_coprod.inference.density import compile_density
    from bayes_coprod.model.build import build_model
    from bayes_coprod.model.coding import chosen_drivers
    from bayes_coprod.model.collapse import collapse_gaussian
    from bayes_coprod.model.design import make_design
    from bayes_coprod.model.direct import make_direct
    from bayes_coprod.model.ordinal import collapse_ordinal
    from bayes_coprod.model.participation import collapse_participation

    survey = make_survey(n)
    item = "three" if model == "ordinal" else None
    spec = bc.load_model(model)
    if item:
        spec = sample.choose_item(spec, item)
    start = time.perf_counter()
    design = make_design(survey, spec)
    found = {"design": time.perf_counter() - start}
    start = time.perf_counter()
    if model == "index":
        collapse_gaussian(*(design[name].values for name in ("x", "y", "country_index")))
    elif model == "participation":
        collapse_participation(design)
    elif model == "ordinal":
        collapse_ordinal(design)
    found["collapse"] = time.perf_counter() - start
    start = time.perf_counter()
    fit = bc.fit_model(spec, survey, progressbar=False)
    found["total"] = time.perf_counter() - start
    found["sampling"] = found["total"] - found["design"] - found["collapse"]
    findings = bc.check_fit(fit)
    found["failed"] = float(sum(finding.status == "fail" for finding in findings))
    found["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    if model == "items":
        drivers = chosen_drivers(design, survey.codebook.drivers)
        graph = build_model(spec, survey.codebook, design, fit.pilot)
        density = compile_density(
            graph, "auto", partial(make_direct, spec, design, drivers, fit.pilot)
        )
        times = []
        for _ in range(30):
            start = time.perf_counter()
            density.evaluate(density.start)
            times.append(time.perf_counter() - start)
        found["gradient_ms"] = 1e3 * float(np.median(times))
    return found


def main() -> None:
    """Alternate sizes and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--citizens", type=int, nargs="+", default=[5_000, 1_000_000])
    parser.add_argument("--models", nargs="+", default=["index", "participation", "ordinal"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        model, n, path = json.loads(options.task)
        Path(path).write_text(json.dumps(measure(model, n)), encoding="utf-8")
        return
    result: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/scale.py", *sys.argv[1:]]),
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "runs": {},
    }
    print(f"{'model':15}{'citizens':>10}{'design':>8}{'collapse':>9}{'sampling':>9}{'total':>8}"
          f"{'MB':>7}  checks failed")  # fmt: skip
    for model in options.models:
        runs: dict[int, list[dict[str, float]]] = {n: [] for n in options.citizens}
        for _ in range(options.repeats):
            for n in options.citizens:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, "found.json")
                    task = json.dumps([model, n, str(path)])
                    subprocess.run([sys.executable, __file__, "--task", task], check=True)
                    runs[n].append(json.loads(path.read_text(encoding="utf-8")))
        result["runs"][model] = runs
        for n, each in runs.items():
            at = {name: median(run[name] for run in each) for name in each[0]}
            gradient = f"  {at['gradient_ms']:.2f} ms a gradient" if "gradient_ms" in at else ""
            print(
                f"{model:15}{n:10,}{at['design']:8.2f}{at['collapse']:9.2f}{at['sampling']:9.2f}"
                f"{at['total']:8.2f}{at['peak_megabytes']:7.0f}  {at['failed']:.0f}{gradient}",
                flush=True,
            )
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
