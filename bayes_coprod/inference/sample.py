"""Fitting: check everything, then sample."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import nutpie
import nutpie.compiled_pyfunc
import pymc as pm
import xarray as xr

from bayes_coprod import names
from bayes_coprod.inference.density import Density, compile_density
from bayes_coprod.inference.fit import Fit, spec_of_part
from bayes_coprod.inference.pilot import fit_pilot
from bayes_coprod.inference.pooled import pool_fits
from bayes_coprod.model.build import build_model, named_quantities
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.model.completed import make_completed_design, write_imputed
from bayes_coprod.model.design import make_design
from bayes_coprod.model.direct import make_direct
from bayes_coprod.model.pilot import pilot_dataset
from bayes_coprod.model.spec import (
    Gradient,
    ModelSpec,
    Sampler,
    choose_item,
    load_model,
    override_sampler,
)
from bayes_coprod.survey.entries import Codebook
from bayes_coprod.survey.read import Survey, check_is_survey

_COORDINATES = "coordinates"
_TARGET_ACCEPT = (0.65, 0.9)
"""The models' coordinates are close to independent normals: steps may be long. Where the data leave
too much open for that, draws diverge, and sampling begins again with shorter steps."""

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
    survey: Survey | Sequence[Survey],
    *,
    item: str | None = None,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    cores: int | None = None,
    random_seed: int | None = None,
    progressbar: bool = True,
    gradient: Gradient | None = None,
) -> Fit:
    """Fit a model to a survey, or to several completed data sets of one.

    Parameters
    ----------
    model : str, path, mapping or ModelSpec
        As for :func:`load_model`.
    survey : Survey or sequence of Survey
        A sequence: completed data sets of the same citizens, as :func:`impute` returns. Each has
        a fit of its own, and their draws are pooled.
    item : str, optional
        Replaces the model file's ``item``; of ``ordinal``.
    draws, tune, chains, cores, random_seed, gradient : optional
        Replace the model file's ``[sampler]`` settings; ``gradient`` is ``"auto"``,
        ``"jax"`` or ``"numba"``.
    progressbar : bool
        Show draws, divergences and time left, in a notebook or on a terminal.

    Returns
    -------
    Fit
        Citizens without one of the model's drivers, or without any outcome, are left out;
        ``fit.design`` counts them per country. Of `m` completed data sets the fit has `m` times
        the chains, and ``fit.parts`` the `m` fits.

    Raises
    ------
    SpecError
        If the model cannot be read or names what the survey lacks.
    SurveyError
        If the survey cannot carry the model, as :func:`make_design` says, or several are not
        completed data sets of one survey, as :func:`make_completed_design` says.

    Notes
    -----
    A run with divergences is discarded, and one with shorter steps takes its place; the
    posterior's attribute ``discarded_runs`` says so, and ``sampling_time`` counts both.

    The same seed gives the same draws on one machine.

    The first fit of a session switches JAX to 64-bit numbers for the whole process.

    The k-th completed data set is sampled with the seed ``random_seed + k - 1``. Draws of a
    mixture of the data sets' posteriors are those of the posterior given what was observed [1]_.

    References
    ----------
    .. [1] Gelman, Carlin, Stern, Dunson, Vehtari & Rubin (2013), Bayesian Data Analysis, 3rd ed.,
       section 18.2.
    """
    if not isinstance(survey, list | tuple):
        check_is_survey(survey, "fit_model")
    spec = override_sampler(
        choose_item(load_model(model), item),
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        random_seed=random_seed,
        gradient=gradient,
    )
    shown = progressbar and somebody_watches()
    if isinstance(survey, Survey):
        design = make_design(survey, spec)
        if survey.imputed:  # one of several completed data sets, fitted by itself
            design.attrs["imputed"] = write_imputed(survey, design)
        return fit_design(spec, survey.codebook, design, shown)
    design = make_completed_design(survey, spec)
    parts = [
        fit_design(
            spec_of_part(spec, k),
            survey[0].codebook,
            design.isel({names.IMPUTATION: k}, drop=True),
            shown,
        )
        for k in range(len(survey))
    ]
    return pool_fits(spec, design, parts)


def fit_design(
    spec: ModelSpec, codebook: Codebook, design: xr.Dataset, progressbar: bool = False
) -> Fit:
    """Fit one data set that is coded already."""
    start = time.perf_counter()
    pilot = fit_pilot(spec, codebook, design)
    graph = build_model(spec, codebook, design, pilot)
    drivers = chosen_drivers(design, codebook.drivers)
    density = compile_density(
        graph, spec.sampler.gradient, partial(make_direct, spec, design, drivers, pilot)
    )
    drawn, stats, how = _sample(density, spec.sampler, progressbar)
    how["sampling_time"] = time.perf_counter() - start
    tree = _tree(drawn, stats, graph, how)
    if pilot is not None:
        tree["pilot"] = xr.DataTree(pilot_dataset(pilot))
    return Fit(spec, codebook, design, tree)


def _sample(
    density: Density, settings: Sampler, progressbar: bool
) -> tuple[dict[str, np.ndarray], xr.Dataset, dict[str, float]]:
    """Draws of all the model's variables, (chain, draw, ...), statistics, and how they came."""
    compiled = _model(density)
    for target_accept in _TARGET_ACCEPT:
        sampled = _run(compiled, settings, progressbar, target_accept)
        if not sampled["sample_stats"]["diverging"].any():
            break
    discarded = _TARGET_ACCEPT.index(target_accept)
    how = {"target_accept": target_accept, "discarded_runs": discarded}
    stats = sampled["sample_stats"].to_dataset()
    drawn = sampled["posterior"].to_dataset()
    coordinates = drawn[_COORDINATES].values  # (chain, draw, coordinate)
    flat = density.expand(coordinates.reshape(-1, coordinates.shape[-1]))
    shape = coordinates.shape[:2]
    return {name: v.reshape(*shape, *v.shape[1:]) for name, v in flat.items()}, stats, how


def _run(
    compiled: nutpie.compiled_pyfunc.PyFuncModel,
    settings: Sampler,
    progressbar: bool,
    target_accept: float,
) -> xr.DataTree:
    running = nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=settings.random_seed,
        target_accept=target_accept,
        save_warmup=False,
        progress_bar=progressbar,
        blocking=False,
    )
    try:
        return running.wait()
    except BaseException:  # an interrupted run must not pass for a finished one
        running.cancel()
        raise


def _model(density: Density) -> nutpie.compiled_pyfunc.PyFuncModel:
    """A density as nutpie takes it; it keeps coordinates, which are expanded in one go."""
    n = len(density.start)

    def scatter(seed: int) -> np.ndarray:
        return density.start + np.random.default_rng(seed).uniform(-1, 1, n)

    return nutpie.compiled_pyfunc.from_pyfunc(
        n,
        lambda: density.evaluate,
        lambda *_: lambda at: {_COORDINATES: at.copy()},
        [np.dtype("float64")],
        [(n,)],
        [_COORDINATES],
        make_initial_point_fn=scatter,
    )


def somebody_watches() -> bool:
    """Whether there is a terminal or a notebook to draw a progress bar in."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _tree(
    drawn: dict[str, np.ndarray], stats: xr.Dataset, graph: pm.Model, how: Mapping[str, Any]
) -> xr.DataTree:
    """Keep named quantities and ArviZ's statistics, and one draw as the fit's proof."""
    dims = {
        name: (names.CHAIN, names.DRAW, *_dims(graph, name)) for name in named_quantities(graph)
    }
    used = {dim for of in dims.values() for dim in of}
    posterior = xr.Dataset(
        {name: (of, drawn[name]) for name, of in dims.items()},
        coords={
            names.CHAIN: stats[names.CHAIN],
            names.DRAW: stats[names.DRAW],
            **{dim: list(labels) for dim, labels in graph.coords.items() if dim in used},
        },
        attrs={
            "inference_library": "nutpie",
            "inference_library_version": version("nutpie"),
            "pymc_version": version("pymc"),
            "arviz_stats_version": version("arviz-stats"),
            "bayes_coprod_version": version("bayes-coprod"),
            **how,
        },
    )
    last = {
        v.name: ([f"{v.name}_{i}" for i in range(v.ndim)], drawn[v.name][-1, -1])
        for v in graph.free_RVs
    }
    proof = xr.Dataset(last, attrs={"log_density": float(stats["logp"].values[-1, -1])})
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": stats[list(_STATS)].rename(_STATS),
            "proof": proof,
        }
    )


def _dims(graph: pm.Model, name: str) -> tuple[str, ...]:
    return graph.named_vars_to_dims.get(name, ())
