"""The flagship against the same model by hand: seconds, effective draws and memory of both.

    python benchmarks/flagship.py [--repeats 3] [--by-hand-draws 200] [--cold] [--gradient]
                                  [--compile-to numba] [--out flagship.json]

Ours is ``fit_model("items", five_nations())`` from the call to the result: design, pilot,
compilation, sampling. By hand is the same posterior in plain PyMC, one ``OrderedLogistic`` over all
answers, every citizen's deviations sampled (non-centred), by nutpie with four chains, 300 tuning
draws, the draws asked for, and its defaults otherwise; its clock starts with the design's arrays
and stops with the draws.

Every run has a process of its own. Imports and the making of the survey are outside both clocks and
given apart. Each side runs once before its measured runs, by hand to the end of its compilation, so
that both find what the libraries cache on disk; ``--cold`` adds one run of ours with empty caches.
``--compile-to`` replaces the model file's choice of what ours is compiled to.
``--gradient`` adds a gradient's milliseconds at the survey's size and at ten times that, and the
seconds that ``load_fit`` takes.

Besides the clock's seconds stand the processor's, of all threads: on a machine that does other work
at the same time only these can be compared.

Smallest ESS and largest R-hat are over all named quantities, which are the same on both sides. An
ESS of some tens from a run whose R-hat is far above 1 is itself a guess, more often high than low.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

# nothing heavy is imported here: on Linux a child's peak memory counts what its parent held

TUNE_BY_HAND = 300
CHAINS = 4
REPEATS_OF_GRADIENT = 100
LIBRARIES = ("bayes-coprod", "pymc", "pytensor", "nutpie", "numba", "jax", "numpy")
COMPARED = ("sigma", "rho", "tau_intercept", "tau", "tau_kappa", "beta", "kappa", "b", "shift")


def run_ours(options: dict[str, Any]) -> dict[str, Any]:
    """Fit the package's model once."""
    import_seconds = _import_all()
    import bayes_coprod as bc

    survey = bc.five_nations()
    start, cpu = time.perf_counter(), time.process_time()
    fit = bc.fit_model("items", survey, progressbar=False, gradient=options["compile_to"])
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    peak = _peak_megabytes()
    if options.get("save"):
        bc.save_fit(fit, options["save"])
    sampler = fit.spec.sampler
    return {
        "compiled_to": "jax" if sampler.gradient == "auto" else sampler.gradient,
        "chains": sampler.chains,
        "tune": sampler.tune,
        "draws": sampler.draws,
        "import_seconds": import_seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_megabytes": peak,
        **_quality(fit.posterior, fit.tree["sample_stats"].to_dataset()),
    }


def run_by_hand(options: dict[str, Any]) -> dict[str, Any]:
    """Sample the model as one would write it in PyMC."""
    import_seconds = _import_all()
    import nutpie

    from bayes_coprod.model.design import make_design
    from bayes_coprod.model.spec import load_model
    from bayes_coprod.survey.simulate import five_nations

    design = make_design(five_nations(), load_model("items"))
    start, cpu = time.perf_counter(), time.process_time()
    compiled = nutpie.compile_pymc_model(model_by_hand(design))
    compile_seconds = time.perf_counter() - start
    if not options["draws"]:
        return {"compile_seconds": compile_seconds}
    tree = nutpie.sample(
        compiled,
        draws=options["draws"],
        tune=TUNE_BY_HAND,
        chains=CHAINS,
        seed=2008,
        save_warmup=False,
        progress_bar=False,
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    posterior = tree["posterior"].to_dataset()
    named = [name for name in posterior.data_vars if not str(name).startswith("z_")]
    return {
        "chains": CHAINS,
        "tune": TUNE_BY_HAND,
        "draws": options["draws"],
        "import_seconds": import_seconds,
        "compile_seconds": compile_seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_megabytes": _peak_megabytes(),
        **_quality(posterior[named], tree["sample_stats"].to_dataset()),
    }


def model_by_hand(design: Any) -> Any:
    """The model of models/items.toml in plain PyMC; the design's items have three categories."""
    import numpy as np
    import pymc as pm
    import pytensor.tensor as pt

    x, country, form = (design[name].values for name in ("x", "country_index", "item_form"))
    answer = design["answer"].values
    who, item = np.nonzero(answer >= 0)
    driver = _driver_of_column([str(name) for name in design["coefficient"].values])
    n_forms, n_items = design.sizes["form"], design.sizes["item"]
    coords = {name: design[name].values for name in ("country", "form", "coefficient", "item")}
    coords |= {"driver": list(dict.fromkeys(driver)), "citizen": np.arange(len(x))}
    column = [coords["driver"].index(name) for name in driver]
    with pm.Model(coords=coords) as model:
        beta = pm.Normal("beta", 0, 0.5, dims=("form", "coefficient"))
        tau_intercept = pm.HalfNormal("tau_intercept", 0.5, dims="form")
        tau = pm.HalfNormal("tau", 0.3, dims=("form", "driver"))
        tau_kappa = pm.HalfNormal("tau_kappa", 0.3)
        sigma = pm.HalfNormal("sigma", 2, dims="form")
        rho = pm.Uniform("rho", -1, 1)
        first = pm.Normal("z_first", 0, 4, dims="item")
        gap = pm.LogNormal("z_gap", 0, 0.7, dims="item")

        # the last axis is the one that sums to zero
        u = pm.ZeroSumNormal("z_u", 1, dims=("form", "country"))
        d = pm.ZeroSumNormal("z_d", 1, dims=("form", "coefficient", "country"))
        b_intercept = pm.Deterministic(
            "b_intercept", (tau_intercept[:, None] * u).T, dims=("country", "form")
        )
        b = pm.Deterministic(
            "b",
            (beta[:, :, None] + tau[:, column][:, :, None] * d).transpose(2, 0, 1),
            dims=("country", "form", "coefficient"),
        )
        # shifts sum to zero over countries and over each form's items; those stand form by form
        z_shift = [
            pm.ZeroSumNormal(f"z_shift_{f}", 1, n_zerosum_axes=2, shape=(len(coords["country"]), n))
            for f, n in enumerate(np.bincount(form))
        ]
        place = np.argsort(np.argsort(form, kind="stable"))
        shift = pm.Deterministic(
            "shift", tau_kappa * pt.concatenate(z_shift, axis=1)[:, place], dims=("country", "item")
        )
        kappa = pm.Deterministic("kappa", pt.stack([first, first + gap], axis=1).ravel())

        z = pm.Normal("z_eps", 0, 1, dims=("citizen", "form"))
        eps = pt.stack(
            [sigma[0] * z[:, 0], sigma[1] * (rho * z[:, 0] + pt.sqrt(1 - rho**2) * z[:, 1])],
            axis=1,
        )
        theta = b_intercept[country] + (b[country] * x[:, None, :]).sum(axis=-1) + eps
        pm.OrderedLogistic(
            "answers",
            eta=theta[who, form[item]] - shift[country[who], item],
            cutpoints=kappa.reshape((n_items, 2))[item],
            compute_p=False,
            observed=answer[who, item],
        )
    assert n_forms == 2 and (design["n_categories"].values == 3).all()
    return model


def _driver_of_column(labels: list[str]) -> list[str]:
    """Drivers of the design's columns: a categorical one has several."""
    from bayes_coprod.model.coding import driver_of_columns
    from bayes_coprod.survey.codebook import load_codebook

    drivers = [driver.name for driver in driver_of_columns(load_codebook("five_nations").drivers)]
    assert len(drivers) == len(labels)
    return drivers


def run_gradient(options: dict[str, Any]) -> dict[str, Any]:
    """Time our density with its gradient at the survey's size and at a multiple of it."""
    import numpy as np
    import pandas as pd

    from bayes_coprod.inference.density import compile_density
    from bayes_coprod.inference.pilot import fit_pilot
    from bayes_coprod.model.build import build_model
    from bayes_coprod.model.design import make_design
    from bayes_coprod.model.spec import load_model
    from bayes_coprod.survey.read import Survey
    from bayes_coprod.survey.simulate import five_nations

    survey, spec = five_nations(), load_model("items")
    n = len(survey.data) * options["times"]
    data = pd.concat([survey.data] * options["times"], ignore_index=True)
    data["citizen"] = [f"c{i:06d}" for i in range(n)]
    design = make_design(Survey(survey.codebook, data, survey.origin), spec)
    start = time.perf_counter()
    pilot = fit_pilot(spec, survey.codebook, design)
    pilot_seconds = time.perf_counter() - start
    graph = build_model(spec, survey.codebook, design, pilot)
    density = compile_density(graph, options["compile_to"] or spec.sampler.gradient)
    rng = np.random.default_rng(1)
    points = density.start + rng.normal(0, 0.5, (REPEATS_OF_GRADIENT, len(density.start)))
    times = [_seconds(lambda at=at: density.evaluate(at)) for at in points]
    return {
        "citizens_in_survey": n,
        "citizens_in_model": design.sizes["citizen"],
        "coordinates": len(density.start),
        "pilot_seconds": pilot_seconds,
        "milliseconds": 1e3 * float(np.median(times)),
    }


def run_load(options: dict[str, Any]) -> dict[str, Any]:
    """Load a saved fit: its model is rebuilt and one draw's density compared."""
    import_seconds = _import_all()
    import bayes_coprod as bc

    seconds = _seconds(lambda: bc.load_fit(options["path"]))
    megabytes = Path(options["path"]).stat().st_size / 1e6
    return {"import_seconds": import_seconds, "seconds": seconds, "file_megabytes": megabytes}


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _import_all() -> float:
    """Import the package and what it samples with; seconds."""
    start = time.perf_counter()
    import jax
    import nutpie
    import pymc

    import bayes_coprod as bc

    assert callable(bc.fit_model) and jax and nutpie and pymc  # names of the package are lazy
    return time.perf_counter() - start


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def _quality(posterior: Any, stats: Any) -> dict[str, Any]:
    """What the draws are worth, and where they lie."""
    import arviz_stats as azs
    import numpy as np

    def every(statistic: Any) -> np.ndarray:
        return np.concatenate([np.ravel(values) for values in statistic.data_vars.values()])

    bulk, tail = (every(azs.ess(posterior, method=method)) for method in ("bulk", "tail"))
    means = {}
    for name in COMPARED:
        draws = posterior[[name]]
        means[name] = {
            "mean": np.ravel(draws[name].mean(("chain", "draw"))).tolist(),
            "sd": np.ravel(draws[name].std(("chain", "draw"))).tolist(),
            "mcse": np.ravel(azs.mcse(draws, method="mean")[name]).tolist(),
        }
    return {
        "quantities": len(bulk),
        "min_bulk_ess": float(bulk.min()),
        "min_tail_ess": float(tail.min()),
        "max_r_hat": float(every(azs.rhat(posterior)).max()),
        "divergences": int(stats["diverging"].sum()),
        "steps_per_draw": float(stats["n_steps"].mean()),
        "posterior": means,
    }


RUNS = {"ours": run_ours, "by_hand": run_by_hand, "gradient": run_gradient, "load": run_load}


def in_process(kind: str, *, empty_caches: str = "", **options: Any) -> dict[str, Any]:
    """Run one measurement in a fresh process and give what it found."""
    environment = dict(os.environ)
    if empty_caches:
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        environment |= {
            "JAX_ENABLE_COMPILATION_CACHE": "false",
            "NUMBA_CACHE_DIR": str(Path(empty_caches, "numba")),
            "PYTENSOR_FLAGS": f"base_compiledir={Path(empty_caches, 'pytensor')}",
        }
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found.json")
        task = json.dumps({"kind": kind, "found": str(found), "options": options})
        subprocess.run([sys.executable, __file__, "--task", task], check=True, env=environment)
        return json.loads(found.read_text(encoding="utf-8"))


def do_task(task: dict[str, Any]) -> None:
    """Be the fresh process."""
    found = RUNS[task["kind"]](task["options"])
    Path(task["found"]).write_text(json.dumps(found), encoding="utf-8")


def ess_per_second(run: dict[str, Any], of: str = "seconds") -> float:
    """Smallest bulk ESS per second of total time, compilation included."""
    return run["min_bulk_ess"] / run[of]


def differences(ours: dict[str, Any], by_hand: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By how much the two posteriors differ: in our SDs, and in Monte Carlo errors."""
    found = {}
    for name in COMPARED:
        one, other = ours["posterior"][name], by_hand["posterior"][name]
        gaps = [b - a for a, b in zip(one["mean"], other["mean"], strict=True)]
        errors = [(a**2 + b**2) ** 0.5 for a, b in zip(one["mcse"], other["mcse"], strict=True)]
        in_sd = [abs(gap) / sd for gap, sd in zip(gaps, one["sd"], strict=True)]
        in_mcse = [abs(gap) / error for gap, error in zip(gaps, errors, strict=True)]
        found[name] = {"largest_in_sd": max(in_sd), "largest_in_mcse": max(in_mcse)}
        if name in ("sigma", "rho"):
            found[name] |= {"ours": one["mean"], "by_hand": other["mean"]}
    return found


COLUMNS = {
    "seconds": "{:9.1f}",
    "cpu_seconds": "{:9.1f}",
    "compile_seconds": "{:9.1f}",
    "import_seconds": "{:9.1f}",
    "min_bulk_ess": "{:9.0f}",
    "min_tail_ess": "{:9.0f}",
    "max_r_hat": "{:9.3f}",
    "divergences": "{:9d}",
    "steps_per_draw": "{:9.1f}",
    "peak_megabytes": "{:9.0f}",
}


def show(label: str, run: dict[str, Any]) -> None:
    """Print one row of the table."""
    cells = [COLUMNS[name].format(run[name]) if name in run else f"{'':9}" for name in COLUMNS]
    draws = f"{run['chains']} x ({run['tune']} + {run['draws']})"
    print(f"{label:14}{draws:17}{' '.join(cells)} {ess_per_second(run):10.3f}", flush=True)


def machine() -> dict[str, Any]:
    """Size of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": os.cpu_count(), "memory_gigabytes": round(memory / 1e9, 1)}


def measure(arguments: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Run all that was asked for; print as it comes."""
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "load_before": os.getloadavg()[0],
        "versions": {name: version(name) for name in LIBRARIES},
    }
    head = " ".join(f"{name[:9]:>9}" for name in COLUMNS)
    print(f"{'':14}{'draws':17}{head} {'ESS/s':>10}", flush=True)
    ours = {"compile_to": arguments.compile_to}
    if arguments.cold:
        result["cold"] = in_process("ours", empty_caches=folder, **ours)
        show("ours, cold", result["cold"])
    saved = str(Path(folder, "fit.nc"))
    in_process("ours", save=saved, **ours)  # fills the caches
    result["ours"] = [in_process("ours", **ours) for _ in range(arguments.repeats)]
    for run in result["ours"]:
        show("ours", run)
    if arguments.gradient:
        result["load"] = in_process("load", path=saved)
        result["gradient"] = [in_process("gradient", times=times, **ours) for times in (1, 10)]
        show_gradient(result)
    if arguments.by_hand_draws:
        in_process("by_hand", draws=0)  # fills the caches
        result["by_hand"] = in_process("by_hand", draws=arguments.by_hand_draws)
        show("by hand", result["by_hand"])
        compare(result)
    return result


def show_gradient(result: dict[str, Any]) -> None:
    """Print what a gradient and a loading cost."""
    small, large = result["gradient"]
    for run in (small, large):
        print(
            f"gradient at {run['citizens_in_model']:,} citizens: {run['milliseconds']:.2f} ms, "
            f"pilot {run['pilot_seconds']:.1f} s"
        )
    print(f"ratio {large['milliseconds'] / small['milliseconds']:.1f}")
    print(f"load_fit: {result['load']['seconds']:.2f} s", flush=True)


def compare(result: dict[str, Any]) -> None:
    """Print how often ours is faster, and whether both found the same posterior."""
    ours = sorted(result["ours"], key=ess_per_second)[len(result["ours"]) // 2]
    by_hand = result["by_hand"]
    for of in ("seconds", "cpu_seconds"):
        result[f"ratio_{of}"] = ess_per_second(ours, of) / ess_per_second(by_hand, of)
    result["differences"] = differences(ours, by_hand)
    print(
        "smallest bulk ESS per second, median run of ours over by hand: "
        f"{result['ratio_seconds']:.0f}; per second of the processor: "
        f"{result['ratio_cpu_seconds']:.0f}"
    )
    print(f"load of the machine: {result['load_before']:.1f} before, {os.getloadavg()[0]:.1f} now")
    for name, found in result["differences"].items():
        means = "".join(
            f" {side} {', '.join(f'{mean:.3f}' for mean in found[side])};"
            for side in ("ours", "by_hand")
            if side in found
        )
        print(
            f"{name}:{means} largest difference {found['largest_in_sd']:.2f} SD, "
            f"{found['largest_in_mcse']:.1f} combined MCSE"
        )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="warm runs of ours")
    parser.add_argument("--by-hand-draws", type=int, default=200, help="per chain; 0: leave out")
    parser.add_argument("--cold", action="store_true", help="ours once with empty caches")
    parser.add_argument("--gradient", action="store_true", help="gradient and load_fit too")
    parser.add_argument("--compile-to", choices=["jax", "numba"], help="what ours is compiled to")
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        do_task(json.loads(arguments.task))
        return
    if arguments.repeats < 1:
        parser.error("--repeats: at least 1")
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments, folder)
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
