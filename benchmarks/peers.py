"""One item and taking part, against bambi and against PyMC by hand: seconds and effective draws.

    python benchmarks/peers.py [--repeats 3] [--draws 1000] [--only NAME ...] [--out peers.json]

Needs ``pip install -e .[reference]``. The embedded survey, all drivers of ``five_nations`` (10
columns) with slopes that vary by country; an item with three categories and thresholds in common
(`ordinal`), and taking part in collective co-production (`participation`). All sides have the same
citizens, coded alike, the same priors of slopes and of SDs between countries, four chains, and the
same draws asked for; tuning is each one's own default. A clock starts at the call with data at hand
and stops with the draws, compilation included. Every run has a process of its own, and sides
alternate; a first round, which is not counted, fills what libraries cache on disk.

Smallest ESS are over what all sides know: each country's slopes and levels, their SDs between
countries, and thresholds. bambi has both of its samplers; by hand is PyMC's graph in nutpie.
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
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

# nothing heavy is imported here: on Linux a child's peak memory counts what its parent held

ITEM, FORM = "recycle", "collective"
CHAINS, CORES = 4, 2
LIBRARIES = ("bayes-coprod", "bambi", "pymc", "nutpie", "numba", "jax")


def make_design(case: str) -> Any:
    """The data, as the package codes them."""
    import bayes_coprod as bc
    from bayes_coprod.model.design import make_design as make

    return make(bc.five_nations(), bc.load_model(_spec(case)))


def _spec(case: str) -> dict[str, Any]:
    only = {"item": ITEM, "thresholds_vary": False} if case == "ordinal" else {"forms": [FORM]}
    return {"name": case, "likelihood": case} | only


def make_table(case: str) -> Any:
    """The same data as a table: y, country, and the coded drivers x0, x1, ..."""
    import pandas as pd

    design = make_design(case)
    columns = [f"x{i}" for i in range(design.sizes["coefficient"])]
    data = pd.DataFrame(design["x"].values, columns=columns)
    data["country"] = design["country"].values[design["country_index"].values]
    data["y"] = design["answer" if case == "ordinal" else "y"].values[:, 0].astype(int)
    return data


def run_ours(case: str, draws: int) -> tuple[float, dict[str, Any], int]:
    """Fit the package's model."""
    import bayes_coprod as bc

    survey = bc.five_nations()
    fit_model = bc.fit_model  # names of the package are lazy
    start = time.perf_counter()
    fit = fit_model(_spec(case), survey, draws=draws, progressbar=False)
    seconds = time.perf_counter() - start
    posterior = fit.posterior
    shared = {name: posterior[name] for name in ("b", "tau_intercept", "tau")}
    if case == "ordinal":
        shared["thresholds"] = posterior["kappa"] - posterior["b_intercept"]
    else:
        shared["levels"] = posterior["b_intercept"]
    return seconds, shared, int(fit.tree["sample_stats"]["diverging"].sum())


def run_bambi(case: str, draws: int, sampler: str) -> tuple[float, dict[str, Any], int]:
    """Fit bambi's model by one of its samplers."""
    import bambi as bmb
    import pandas as pd

    data = make_table(case)
    columns = [name for name in data.columns if name not in ("y", "country")]
    if case == "ordinal":
        data["y"] = pd.Categorical(data["y"], ordered=True)
    start = time.perf_counter()

    def varying(scale: float) -> bmb.Prior:
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=scale))

    slopes = " + ".join([*columns, *(f"(0 + {name} | country)" for name in columns)])
    model = bmb.Model(
        f"y ~ {'0' if case == 'ordinal' else '1'} + (1 | country) + {slopes}",
        data,
        family="cumulative" if case == "ordinal" else "bernoulli",
        center_predictors=False,
        priors={
            **dict.fromkeys(columns, bmb.Prior("Normal", mu=0, sigma=0.5)),
            "1|country": varying(0.5),
            **{f"{name}|country": varying(0.3) for name in columns},
        },
    )
    tree = model.fit(
        draws=draws, chains=CHAINS, cores=CORES, random_seed=2008, inference_method=sampler,
        progressbar=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    found = tree["posterior"].to_dataset()
    shared = {name: found[name] + found[f"{name}|country"] for name in columns}
    shared |= {f"tau {name}": found[f"{name}|country_sigma"] for name in columns}
    shared["tau_intercept"] = found["1|country_sigma"]
    level = found["1|country"]
    shared["levels"] = (
        found["threshold"] - level if case == "ordinal" else found["Intercept"] + level
    )
    return seconds, shared, int(tree["sample_stats"]["diverging"].sum())


def run_by_hand(case: str, draws: int) -> tuple[float, dict[str, Any], int]:
    """Sample the model as one would write it in PyMC."""
    import numpy as np
    import nutpie
    import pymc as pm

    design = make_design(case)
    x, country = design["x"].values, design["country_index"].values
    answer = design["answer" if case == "ordinal" else "y"].values[:, 0].astype(int)
    n_countries, n_columns = design.sizes["country"], x.shape[1]
    start = time.perf_counter()
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 0.5, shape=n_columns)
        tau_intercept = pm.HalfNormal("tau_intercept", 0.5)
        tau = pm.HalfNormal("tau", 0.3, shape=n_columns)
        level = tau_intercept * pm.ZeroSumNormal("z_level", 1, shape=n_countries)
        d = pm.ZeroSumNormal("z_d", 1, shape=(n_columns, n_countries))
        b = pm.Deterministic("b", beta + (tau[:, None] * d).T)
        eta = level[country] + (b[country] * x).sum(axis=1)
        if case == "ordinal":
            cut = pm.Normal(
                "cut", 0, 4, shape=int(answer.max()), initval=np.arange(answer.max()),
                transform=pm.distributions.transforms.ordered,
            )  # fmt: skip
            pm.OrderedLogistic("y", eta, cut, compute_p=False, observed=answer)
            pm.Deterministic("levels", cut[None] - level[:, None])
        else:
            intercept = pm.Normal("intercept", 0, 3)
            pm.Bernoulli("y", logit_p=intercept + eta, observed=answer)
            pm.Deterministic("levels", intercept + level)
    tree = nutpie.sample(
        nutpie.compile_pymc_model(model),
        draws=draws, chains=CHAINS, cores=CORES, seed=2008, save_warmup=False, progress_bar=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    found = tree["posterior"].to_dataset()
    shared = {name: found[name] for name in ("b", "tau_intercept", "tau", "levels")}
    return seconds, shared, int(tree["sample_stats"]["diverging"].sum())


SIDES = {
    "ours": run_ours,
    "bambi, nutpie": lambda case, draws: run_bambi(case, draws, "nutpie"),
    "bambi, PyMC": lambda case, draws: run_bambi(case, draws, "pymc"),
    "PyMC by hand": run_by_hand,
}


def measure(case: str, side: str, draws: int) -> dict[str, Any]:
    """One run in this process: seconds, and what its draws are worth."""
    import arviz_stats as azs
    import numpy as np

    seconds, shared, divergences = SIDES[side](case, draws)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    ess = {
        method: min(float(np.min(azs.ess(values, method=method))) for values in shared.values())
        for method in ("bulk", "tail")
    }
    return {
        "seconds": seconds,
        "min_bulk_ess": ess["bulk"],
        "min_tail_ess": ess["tail"],
        "max_r_hat": max(float(np.max(azs.rhat(values))) for values in shared.values()),
        "divergences": divergences,
        "peak_megabytes": peak,
    }


def in_process(case: str, side: str, draws: int) -> dict[str, Any]:
    """Run one side in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found.json")
        task = json.dumps([case, side, draws, str(found)])
        subprocess.run([sys.executable, __file__, "--task", task], check=True)
        return json.loads(found.read_text(encoding="utf-8"))


def main() -> None:
    """Alternate the sides and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--cases", nargs="+", default=["ordinal", "participation"])
    parser.add_argument("--only", nargs="+", default=list(SIDES), choices=list(SIDES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", type=Path, help="write the item's data for brms.R, and end")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        make_table("ordinal").to_csv(options.write, index=False)
        return
    if options.task:
        case, side, draws, found = json.loads(options.task)
        Path(found).write_text(json.dumps(measure(case, side, draws)), encoding="utf-8")
        return
    result: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/peers.py", *sys.argv[1:]]),
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {CORES} cores",
        "versions": {name: version(name) for name in LIBRARIES},
        "draws": options.draws,
        "runs": {},
    }
    for case in options.cases:
        runs: dict[str, list[dict[str, Any]]] = {side: [] for side in options.only}
        for repeat in range(options.repeats + 1):
            for side in options.only:
                found = in_process(case, side, options.draws)
                print(case, side, {k: round(v, 2) for k, v in found.items()}, flush=True)
                if repeat:
                    runs[side].append(found)
        result["runs"][case] = runs
        print(f"\n{case}: medians of {options.repeats}")
        print(f"{'side':16}{'s':>8}{'bulk ESS':>10}{'tail ESS':>10}{'ESS/s':>8}{'R-hat':>7}"
              f"{'diverged':>10}{'MB':>7}")  # fmt: skip
        for side, each in runs.items():
            at = {name: median(run[name] for run in each) for name in each[0]}
            rate = median(run["min_bulk_ess"] / run["seconds"] for run in each)
            print(
                f"{side:16}{at['seconds']:8.1f}{at['min_bulk_ess']:10.0f}{at['min_tail_ess']:10.0f}"
                f"{rate:8.1f}{at['max_r_hat']:7.3f}{at['divergences']:10.0f}"
                f"{at['peak_megabytes']:7.0f}"
            )
        print(flush=True)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
