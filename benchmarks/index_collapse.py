"""What the exact collapse of the `index` model buys: a gradient's cost against citizens.

    python benchmarks/index_collapse.py

Both densities are the package's own: the collapsed one that is sampled, and the sum over citizens
of the pointwise one. Times are medians of repeated evaluations in one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytensor
import pytensor.tensor as pt

from bayes_coprod.model.collapse import collapse_gaussian
from bayes_coprod.model.design import make_design
from bayes_coprod.model.likelihoods import LIKELIHOODS, collapsed_log_likelihood, covariance
from bayes_coprod.model.spec import load_model
from bayes_coprod.survey.simulate import five_nations

TIMES = (1, 10, 100)
REPEATS = 30


def median_ms(function: Callable[..., list[object]], *arguments: np.ndarray) -> float:
    """Median time of one call, in milliseconds."""
    function(*arguments)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for part in function(*arguments):
            np.asarray(part)  # JAX returns before it has computed
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    """Time both gradients on copies of the embedded survey."""
    spec = load_model("index")
    design = make_design(five_nations(), spec)
    country, form, coefficient = (design.sizes[d] for d in ("country", "form", "coefficient"))
    rng = np.random.default_rng(1)
    at = {
        "b_intercept": rng.normal(0, 0.1, (country, form)),
        "b": rng.normal(0, 0.1, (country, form, coefficient)),
        "residual_sd": np.full(form, 0.9),
        "rho": np.full(1, 0.3),
    }
    print("citizens  collapse s  collapsed ms  citizen by citizen ms  ratio")
    for times in TIMES:
        copies = design.isel(citizen=np.tile(np.arange(design.sizes["citizen"]), times))
        inputs = {name: pt.tensor(name, shape=v.shape, dtype="float64") for name, v in at.items()}
        start = time.perf_counter()
        cells = collapse_gaussian(
            copies["x"].values, copies["y"].values, copies["country_index"].values
        )
        collapsing = time.perf_counter() - start
        sigma = covariance(inputs["residual_sd"], inputs["rho"], form)
        densities = {
            "collapsed": collapsed_log_likelihood(cells, inputs["b_intercept"], inputs["b"], sigma),
            "citizens": LIKELIHOODS["index"].citizens(spec, copies, inputs).sum(),
        }
        taken = {}
        for name, density in densities.items():
            gradient = pytensor.function(
                list(inputs.values()), pt.grad(density, list(inputs.values())), mode="JAX"
            )
            taken[name] = median_ms(gradient, *at.values())
        print(
            f"{copies.sizes['citizen']:8,}  {collapsing:10.3f}  {taken['collapsed']:12.2f}  "
            f"{taken['citizens']:21.2f}  {taken['citizens'] / taken['collapsed']:5.0f}"
        )


if __name__ == "__main__":
    main()
