"""Fitting: check everything, then sample."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import nutpie
import pymc as pm
import xarray as xr

from bayes_coprod import names
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.pilot import fit_pilot
from bayes_coprod.model.build import build_model, named_quantities
from bayes_coprod.model.design import make_design
from bayes_coprod.model.pilot import pilot_dataset
from bayes_coprod.model.spec import Gradient, ModelSpec, Sampler, load_model, override_sampler
from bayes_coprod.survey.read import Survey

_STATS = {
    "diverging": "diverging",
    "energy": "energy",
    "logp": "lp",
    "n_steps": "n_steps",
    "depth": "tree_depth",
    "step_size": "step_size",
    "mean_tree_accept": "acceptance_rate",
}
"""The sampler's statistics that are kept, and what ArviZ calls them."""


def fit_model(
    model: str | os.PathLike[str] | Mapping[str, Any] | ModelSpec,
    survey: Survey,
    *,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    cores: int | None = None,
    random_seed: int | None = None,
    progressbar: bool = True,
    gradient: Gradient | None = None,
) -> Fit:
    """Fit a model to a survey.

    Parameters
    ----------
    model : str, path, mapping or ModelSpec
        As for :func:`load_model`.
    survey : Survey
    draws, tune, chains, cores, random_seed, gradient : optional
        Replace the model file's ``[sampler]`` settings.
    progressbar : bool
        Show draws, divergences and time left, in a notebook or on a terminal.

    Returns
    -------
    Fit
        Citizens without one of the model's drivers, or without any outcome, are left out;
        ``fit.design`` counts them per country.

    Raises
    ------
    SpecError
        If the model cannot be read or names what the survey lacks.
    SurveyError
        If the survey cannot carry the model, as :func:`make_design` says.

    Notes
    -----
    The first fit of a session switches JAX to 64-bit numbers for the whole process.
    """
    spec = override_sampler(
        load_model(model),
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        random_seed=random_seed,
        gradient=gradient,
    )
    design = make_design(survey, spec)
    start = time.perf_counter()
    pilot = fit_pilot(spec, survey.codebook, design)
    graph = build_model(spec, survey.codebook, design, pilot)
    sampled = _sample(graph, spec.sampler, progressbar and _somebody_watches())
    tree = _tree(sampled, graph, time.perf_counter() - start)
    if pilot is not None:
        tree["pilot"] = xr.DataTree(pilot_dataset(pilot))
    return Fit(spec, survey.codebook, design, tree)


def _sample(graph: pm.Model, settings: Sampler, progressbar: bool) -> xr.DataTree:
    if settings.gradient == "jax":
        compiled = nutpie.compile_pymc_model(graph, backend="jax", gradient_backend="pytensor")
    else:
        compiled = nutpie.compile_pymc_model(graph, backend="numba")
    running = nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=settings.random_seed,
        save_warmup=False,
        progress_bar=progressbar,
        blocking=False,
    )
    try:
        return running.wait()
    except BaseException:  # an interrupted run must not pass for a finished one
        running.cancel()
        raise


def _somebody_watches() -> bool:
    """Whether there is a terminal or a notebook to draw a progress bar in."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _tree(sampled: xr.DataTree, graph: pm.Model, seconds: float) -> xr.DataTree:
    """Keep named quantities and ArviZ's statistics, and one draw as the fit's proof."""
    drawn = sampled["posterior"].to_dataset()
    stats = sampled["sample_stats"].to_dataset()
    posterior = drawn[named_quantities(graph)]
    posterior.attrs = {
        "inference_library": "nutpie",
        "inference_library_version": version("nutpie"),
        "pymc_version": version("pymc"),
        "arviz_stats_version": version("arviz-stats"),
        "bayes_coprod_version": version("bayes-coprod"),
        "sampling_time": seconds,
    }
    last = {names.CHAIN: -1, names.DRAW: -1}
    proof = drawn[[variable.name for variable in graph.free_RVs]].isel(last)
    proof = proof.reset_coords([names.CHAIN, names.DRAW], drop=True)
    proof.attrs = {"log_density": float(stats["logp"].isel(last))}
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": stats[list(_STATS)].rename(_STATS),
            "proof": proof,
        }
    )
