"""Simulation-based calibration: whether posteriors hold the truth as often as they say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import arviz_stats as azs
import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.simulated import simulate_until_usable, truth_as_fit
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.refit import map_fits
from bayes_coprod.inference.sample import fit_design
from bayes_coprod.model.build import compile_citizen_log_likelihood
from bayes_coprod.model.design import make_design
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.spec import ModelSpec, choose_item, load_model, override_sampler
from bayes_coprod.streams import random_stream
from bayes_coprod.survey.entries import Codebook
from bayes_coprod.survey.read import Survey, check_is_survey

QUANTITY, REPLICATION = "quantity", "replication"
LOG_LIKELIHOOD = "log likelihood"
_DRAWS_A_RANK = 6
"""Draws at first for each that is kept; twice as many where they are too dependent."""
_ATTEMPTS = 4
_ROUNDING = 1e-9

type Place = tuple[str, int]
"""A variable of the posterior, and a position in it, its own dims laid flat."""


def calibrate(
    spec: str | os.PathLike[str] | Mapping[str, Any] | ModelSpec,
    like: Survey,
    *,
    n: int = 200,
    item: str | None = None,
    ranked: int = 99,
    executor: Executor | None = None,
    random_seed: int = 2008,
    progressbar: bool = True,
) -> xr.Dataset:
    r"""Rank truths from the priors among the draws of fits to surveys simulated from them.

    With :math:`\theta^* \sim p(\theta)`, :math:`y \sim p(y \mid \theta^*)` and L independent draws
    :math:`\theta_l \sim p(\theta \mid y)`, the rank

    .. math:: r = \#\{l : q(\theta_l) < q(\theta^*)\}

    of any quantity q is uniform on 0 to L, if the model, its priors and the sampler are what they
    are said to be.

    Parameters
    ----------
    spec : str, path, mapping or ModelSpec
        As for :func:`load_model`.
    like : Survey
        Whose citizens answer anew: their drivers and countries, and who left what open, are kept.
    n : int
        Surveys to simulate and fit.
    item : str, optional
        Replaces the model file's ``item``; of ``ordinal``.
    ranked : int
        L, draws of each fit among which truths are ranked: of one chain of six times as many, or
        more where these are not worth `ranked` independent ones, evenly spaced.
    executor : concurrent.futures.Executor, optional
        Where the fits run: processes that are started with ``spawn``, a cluster's
        ``client.get_executor()``, or threads, which take turns; in this process otherwise.
    random_seed : int
        The same seed and `n` give the same ranks, wherever the fits run.
    progressbar : bool
        Show how many are done, in a notebook or on a terminal.

    Returns
    -------
    xarray.Dataset
        ``rank`` and ``truth`` (quantity, replication): of the first and the last element of each
        named quantity, such as ``beta[collective, age]``, and of the log likelihood of all answers.
        ``ess`` (replication): bulk effective sample size of the worst quantity's chain.
        ``discarded`` (replication): simulated surveys, with their truths, that could not carry the
        model, as where everybody gives the same answer, and were drawn anew. Attributes:
        ``ranked``, ``model``, ``survey`` and ``random_seed``.

    Raises
    ------
    SpecError
        If `n` or `ranked` is below 1, or the model cannot be read or does not fit the survey.
    SurveyError
        If `like` is no survey or cannot carry the model, or next to no simulated one can.

    Notes
    -----
    Discarding looks at the answers only, so ranks stay uniform: given the answers, the truth is
    distributed as the posterior says, whichever answers are let through.

    Drivers and outcomes stay in the units of `like`, in which the priors are stated. A fit to a
    survey takes these units from its answers, which is not examined.

    References
    ----------
    .. [1] Talts, Betancourt, Simpson, Vehtari & Gelman (2018), Validating Bayesian inference
       algorithms with simulation-based calibration, arXiv:1804.06788.
    .. [2] Modrák et al. (2025), Simulation-based calibration checking for Bayesian computation: the
       choice of test quantities shapes sensitivity, Bayesian Analysis 20(2): on the log likelihood.
    """
    check_is_survey(like, "calibrate")
    check_count("n", n, "calibrate")
    check_count("ranked", ranked, "calibrate")
    spec = choose_item(load_model(spec), item)
    design = make_design(like, spec)
    # two to spare, from which it shows what is constant
    truths = draw_priors(spec, like.codebook, design, n + 2, random_stream(random_seed, "prior"))
    places = _places(truths)
    tasks = [
        _Task(spec, like.codebook, design, _only(truths, k), tuple(places), ranked, random_seed, k)
        for k in range(n)
    ]
    found = map_fits(
        _replicate, tasks, executor=executor, progressbar=progressbar, label="calibrating"
    )
    joined = xr.concat(found, dim=REPLICATION, join="exact").transpose(QUANTITY, REPLICATION)
    return joined.assign_coords(
        {QUANTITY: [*places.values(), LOG_LIKELIHOOD], REPLICATION: np.arange(n)}
    ).assign_attrs(ranked=ranked, model=spec.name, survey=like.title, random_seed=random_seed)


def check_count(name: str, value: object, place: str) -> None:
    """Refuse what is no whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise make_error(
            SpecError, place, f"{name} is {value!r}", remedy="Give a whole number, 1 or more."
        )


@dataclass(frozen=True, eq=False)
class _Task:
    """A survey that is to be simulated and fitted."""

    spec: ModelSpec
    codebook: Codebook
    design: xr.Dataset
    truth: xr.Dataset
    places: tuple[Place, ...]
    ranked: int
    random_seed: int
    replication: int

    def __str__(self) -> str:
        return f"survey {self.replication + 1}"


def _only(draws: xr.Dataset, k: int) -> xr.Dataset:
    return draws.isel({names.DRAW: [k]}).assign_coords({names.DRAW: [0]})


def _places(draws: xr.Dataset) -> dict[Place, str]:
    """First and last element of each quantity that is no constant, and what they are called."""
    places: dict[Place, str] = {}
    for name, values in draws.data_vars.items():
        flat = values.values.reshape(draws.sizes[names.DRAW], -1)
        varying = np.flatnonzero(np.ptp(flat, axis=0) > _ROUNDING)
        for position in varying[[0, -1]] if len(varying) else []:
            at = np.unravel_index(position, values.shape[2:])
            labels = (values[dim].values[i] for dim, i in zip(values.dims[2:], at, strict=True))
            places[str(name), int(position)] = names.quantity_label(name, labels)
    return places


def _values(posterior: xr.Dataset, places: tuple[Place, ...]) -> np.ndarray:
    """The chosen quantities of one chain, (draw, quantity)."""
    n = posterior.sizes[names.DRAW]
    return np.stack([posterior[name].values.reshape(n, -1)[:, i] for name, i in places], axis=1)


def _replicate(task: _Task) -> xr.Dataset:
    """Simulate a survey, fit it, and rank the truth."""
    rng = random_stream(task.random_seed, "calibration", task.replication)
    truth, design, discarded = simulate_until_usable(_truths(task, rng), rng, "calibrate")
    fit, ess = _fit(task, design, int(rng.integers(2**31)))
    step = fit.posterior.sizes[names.DRAW] // task.ranked
    kept = fit.posterior.isel({names.DRAW: slice(step - 1, None, step)})
    evaluate = compile_citizen_log_likelihood(task.spec, design, fit.posterior, fit.pilot)

    def quantities(draws: xr.Dataset) -> np.ndarray:
        arrays = {str(name): values.values[0] for name, values in draws.data_vars.items()}
        log_likelihood = [
            evaluate({name: values[i] for name, values in arrays.items()}).sum()
            for i in range(draws.sizes[names.DRAW])
        ]
        return np.column_stack([_values(draws, task.places), log_likelihood])

    (stated,) = quantities(truth.posterior)
    return xr.Dataset(
        {
            "rank": (QUANTITY, (quantities(kept) < stated).sum(axis=0)),
            "truth": (QUANTITY, stated),
            "ess": ess,
            "discarded": discarded,
        }
    )


def _truths(task: _Task, rng: np.random.Generator) -> Iterator[Fit]:
    """The task's truth, and others where it does not do."""
    truth = task.truth
    while True:
        yield truth_as_fit(task.spec, task.codebook, task.design, truth)
        truth = draw_priors(task.spec, task.codebook, task.design, 1, rng)


def _fit(task: _Task, design: xr.Dataset, random_seed: int) -> tuple[Fit, float]:
    """A chain that is worth as many independent draws as are ranked, and what it is worth."""
    for attempt in range(_ATTEMPTS):
        spec = override_sampler(
            task.spec,
            chains=1,
            cores=1,
            draws=task.ranked * _DRAWS_A_RANK * 2**attempt,
            random_seed=random_seed,
        )
        fit = fit_design(spec, task.codebook, design)
        draws = _values(fit.posterior, task.places)
        ess = float(np.min([azs.ess(draws[None, :, q]) for q in range(draws.shape[1])]))
        if ess >= task.ranked:
            break
    return fit, ess
