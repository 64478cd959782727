"""What answers and checks cost after a fit, beside the fit and a plain NumPy loop.

    python benchmarks/answers.py [--fit fit.nc] [--draws 1000] [--loop 40] [--only QUANTITY ...]
                                 [--out answers.json]

The five-nation `items` fit, made here or loaded. Each quantity has a process of its own: seconds of
the call, after a first one with a few draws, which compiles; and by how much the process grew. The
fit is measured in the same way, after one with few draws. Loops are the same quantities as one
would write them down: at each draw and for each citizen Gauss-Hermite quadrature of the items'
expected scores; of the effects one driver's, in points. They are run with some of the draws, and
their seconds are scaled to all; their largest difference from the package is printed.
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
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

DRIVER = "self_efficacy"
NODES = 31
"""Of the loop's quadrature."""
SAID = {
    "fit": "fit_model",
    "levels": "country_levels and gap",
    "effects": "driver_effects, all scales",
    "scenario": "one scenario",
    "levels_loop": "the same levels, plain NumPy loop",
    "effects_loop": "one effect in points, plain NumPy loop",
    "scenario_loop": "the same scenario, plain NumPy loop",
    "quick": "check_fit, quick",
    "full": "check_fit, full",
    "left_out": "leave_one_country_out",
}


def with_draws(fit: Any, n: int) -> Any:
    """The same fit with the first n draws of each chain."""
    import xarray as xr

    tree = fit.tree.copy()
    for name in ("posterior", "sample_stats"):
        tree[name] = xr.DataTree(fit.tree[name].to_dataset().isel(draw=slice(0, n)))
    return replace(fit, tree=tree)


def ask(quantity: str, fit: Any) -> Any:
    """Call what is measured."""
    import bayes_coprod as bc

    if quantity == "fit":
        draws = fit.posterior.sizes["draw"]
        return bc.fit_model("items", bc.five_nations(), draws=draws, progressbar=False)
    if quantity in ("quick", "full"):
        return bc.check_fit(fit, quantity)
    if quantity == "left_out":
        return bc.leave_one_country_out(fit, progressbar=False)
    if quantity == "levels":
        levels = bc.country_levels(fit)
        return bc.gap(fit, of=levels)
    if quantity == "effects":
        return [bc.driver_effects(fit, scale=scale) for scale in ("link", "index", "share", "any")]
    if quantity == "scenario":
        return bc.scenario(fit, {DRIVER: bc.by(1)})
    x = fit.design["x"].values
    if quantity == "levels_loop":
        return loop(fit, x)
    return loop(fit, one_step_up(fit, clipped=quantity == "scenario_loop")) - loop(fit, x)


def one_step_up(fit: Any, clipped: bool) -> np.ndarray:
    """Citizens' drivers with a step more of self-efficacy, coded as the fit has them."""
    at = {"coefficient": DRIVER}
    mean, sd = (float(fit.design[name].sel(at)) for name in ("column_mean", "column_sd"))
    column = list(fit.design["coefficient"].values).index(DRIVER)
    top = len(next(d for d in fit.codebook.drivers if d.name == DRIVER).levels) - 1
    x = fit.design["x"].values.copy()
    step = x[:, column] * sd + mean + 1
    x[:, column] = ((np.minimum(step, top) if clipped else step) - mean) / sd
    return x


def the_same(quantity: str, fit: Any) -> Any:
    """What the package says of a loop's quantity, of these respondents."""
    import bayes_coprod as bc

    if quantity == "levels_loop":
        return bc.country_levels(fit, uncertainty="fixed")
    if quantity == "effects_loop":
        effects = bc.driver_effects(fit, scale="index", uncertainty="fixed")["by_country"]
        return effects.sel(driver=DRIVER)
    return bc.scenario(fit, {DRIVER: bc.by(1)}, uncertainty="fixed")["difference"]


def loop(fit: Any, x: np.ndarray) -> np.ndarray:
    """Levels in points of these respondents, (draw, country, form), citizen by citizen."""
    design = fit.design
    country = design["country_index"].values
    form_of, n_categories = design["item_form"].values, design["n_categories"].values
    node, weight = np.polynomial.hermite_e.hermegauss(NODES)
    weight = weight / weight.sum()
    posterior = fit.posterior.stack(sample=("chain", "draw"))
    out = []
    for s in range(posterior.sizes["sample"]):
        draw = posterior.isel(sample=s)
        b = draw["b"].transpose("country", "form", "coefficient").values[country]
        intercept = draw["b_intercept"].transpose("country", "form").values[country]
        mu = intercept + np.einsum("ifp,ip->if", b, x)
        shift = draw["shift"].transpose("country", "item").values[country]
        score, start = np.zeros(mu.shape), 0
        for k, (f, n) in enumerate(zip(form_of, n_categories, strict=True)):
            theta = mu[:, f, None] + draw["sigma"].values[f] * node  # (citizen, node)
            for kappa in draw["kappa"].values[start : start + n - 1]:
                above = 1 / (1 + np.exp(kappa + shift[:, k, None] - theta))
                score[:, f] += 100 / (n - 1) * (above @ weight) / (form_of == f).sum()
            start += n - 1
        out.append([score[country == c].mean(axis=0) for c in range(country.max() + 1)])
    return np.array(out)


def measure(quantity: str, path: str, draws: int, n_loop: int) -> dict[str, float]:
    """Seconds and growth of one quantity, in this process."""
    import bayes_coprod as bc

    fit = bc.load_fit(path)
    fit = with_draws(fit, min(draws, fit.posterior.sizes["draw"]))
    n_draws = fit.posterior.sizes["draw"] * fit.posterior.sizes["chain"]
    if quantity != "left_out":  # its refits have draws enough to warm up on
        ask(quantity, with_draws(fit, 10))
    scaled, is_loop = 1.0, quantity.endswith("_loop")
    if is_loop:
        per_chain = max(1, n_loop // fit.posterior.sizes["chain"])
        fit = with_draws(fit, per_chain)
        scaled = n_draws / (per_chain * fit.posterior.sizes["chain"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, start_cpu = time.perf_counter(), time.process_time()
    answer = ask(quantity, fit)
    found = {
        "draws": float(n_draws),
        "seconds": scaled * (time.perf_counter() - start),
        "cpu_seconds": scaled * (time.process_time() - start_cpu),
        "grew_megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    if is_loop:
        ours = the_same(quantity, fit).transpose("chain", "draw", "country", "form")
        found["largest_difference"] = float(abs(ours.values.reshape(answer.shape) - answer).max())
    return found


def make_fit(path: str, draws: int) -> None:
    """Fit the five nations and save the draws."""
    import bayes_coprod as bc

    fit = bc.fit_model("items", bc.five_nations(), draws=draws, progressbar=False)
    bc.save_fit(fit, path)


def run(*task: object) -> None:
    """Do one task in a process of its own."""
    subprocess.run([sys.executable, __file__, "--task", json.dumps(task)], check=True)


def main() -> None:
    """Measure each quantity in turn, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", type=Path, help="a saved five-nation items fit; made otherwise")
    parser.add_argument("--draws", type=int, default=1_000, help="of each of the four chains")
    parser.add_argument("--loop", type=int, default=40, help="draws of the NumPy loop")
    parser.add_argument("--only", nargs="+", choices=SAID, default=list(SAID), metavar="QUANTITY")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("answers.json"))
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        kind, *given = json.loads(options.task)
        if kind == "fit":
            make_fit(*given)
            return
        quantity, path, draws, n_loop, to = given
        found = measure(quantity, path, draws, n_loop)
        Path(to).write_text(json.dumps(found), encoding="utf-8")
        return
    result: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/answers.py", *sys.argv[1:]]),
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "quantities": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = str(options.fit or Path(folder, "fit.nc"))
        if options.fit is None:
            run("fit", path, options.draws)
        print(f"{'':36}{'draws':>7}{'s':>8}{'CPU s':>8}{'grew MB':>9}{'peak MB':>9}", flush=True)
        for quantity in options.only:
            to = Path(folder, "found.json")
            run("measure", quantity, path, options.draws, options.loop, str(to))
            found = json.loads(to.read_text(encoding="utf-8"))
            result["quantities"][quantity] = found
            print(
                f"{SAID[quantity]:36}{found['draws']:7,.0f}{found['seconds']:8.1f}"
                f"{found['cpu_seconds']:8.1f}{found['grew_megabytes']:9.0f}"
                f"{found['peak_megabytes']:9.0f}",
                flush=True,
            )
    for quantity, found in result["quantities"].items():
        if "largest_difference" in found:
            away = f"{found['largest_difference']:.1e} points of 100"
            print(f"{SAID[quantity]}: differs from the package by at most {away}")
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
