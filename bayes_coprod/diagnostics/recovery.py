"""What a survey of a given size would show of associations of a given size."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import arviz_stats as azs
import numpy as np
import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.calibration import check_count
from bayes_coprod.diagnostics.simulated import simulate_until_usable, truth_as_fit
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.changes import is_number
from bayes_coprod.estimands.summarise import IntervalKind, interval_settings, summarise
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.refit import map_fits
from bayes_coprod.inference.sample import fit_design
from bayes_coprod.model.coding import chosen_drivers, coefficient_labels
from bayes_coprod.model.design import make_design
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.spec import ModelSpec, choose_item, load_model, override_sampler
from bayes_coprod.model.subset import take_citizens
from bayes_coprod.streams import random_stream
from bayes_coprod.survey.entries import Codebook
from bayes_coprod.survey.read import Survey, check_is_survey

SURE = 0.95
"""Probability of an effect's sign that counts as knowing it."""
_OF_COUNTRY = {"beta": "b", "intercept": "b_intercept"}
"""Means over the countries that may be stated, and what moves with them in each country."""


def recover(
    spec: str | os.PathLike[str] | Mapping[str, Any] | ModelSpec,
    like: Survey,
    *,
    n: int = 100,
    truth: Mapping[str, Any] | None = None,
    effects: Sequence[str] | None = None,
    citizens: int | None = None,
    base: Fit | None = None,
    item: str | None = None,
    draws: int = 1000,
    prob: float | None = None,
    kind: IntervalKind | None = None,
    executor: Executor | None = None,
    random_seed: int = 2008,
    progressbar: bool = True,
) -> pd.DataFrame:
    """Fit surveys that are simulated from a stated truth, and see what is found of it.

    Parameters
    ----------
    spec : str, path, mapping or ModelSpec
        As for :func:`load_model`.
    like : Survey
        Whose citizens answer anew: their drivers and countries, and who left what open, are kept.
    n : int
        Surveys to simulate and fit.
    truth : mapping, optional
        Values of ``beta`` or ``intercept``, means over the countries in the model's own unit, by
        form or outcome and by coefficient: ``{"beta": {"collective": {"self_efficacy": 0.3}}}``;
        ``{"beta": 0}`` is all of them. The countries' own values move along.
    effects : sequence of str, optional
        Drivers or coefficients to look at; those that `truth` states otherwise, or all.
    citizens : int, optional
        How many there are in each country, each time drawn anew, with replacement, from the
        country's own; all of them as they are otherwise.
    base : Fit, optional
        Of this model to a survey in the same countries: its posterior means are the truth where
        none is stated. Otherwise the model is fitted to `like` first.
    item : str, optional
        Replaces the model file's ``item``; of ``ordinal``.
    draws : int
        Of each fit, in one chain.
    prob, kind : optional
        Of the intervals, as for :func:`summarise`.
    executor : concurrent.futures.Executor, optional
        Where the fits run: processes that are started with ``spawn``, a cluster's
        ``client.get_executor()``, or threads, which take turns; in this process otherwise.
    random_seed : int
        The same seed gives the same table, wherever the fits run.
    progressbar : bool
        Show how many are done, in a notebook or on a terminal.

    Returns
    -------
    pandas.DataFrame
        One row for each form or outcome and coefficient: ``truth``; ``bias`` of the posterior mean,
        and its Monte Carlo error ``bias_error``; mean ``width`` of the interval; and shares of the
        simulated surveys: ``coverage``, whose interval holds the truth; ``power``, whose interval
        excludes 0; ``sign``, where the truth's sign, or that of an effect of 0 being positive, has
        a probability above 0.95; and ``least_ess``, the smallest bulk effective sample size of a
        fit, whose interval is as rough as that is small. Kind and mass of the interval stand in the
        header, and how many surveys were simulated. ``attrs`` hold these too, ``discarded``,
        simulated surveys that could not carry the model and were drawn anew, and ``share_error``,
        the largest Monte Carlo error of a share.

    Raises
    ------
    SpecError
        If a number is below 1, a name is unknown, or `base` is a fit of another model.
    SurveyError
        If `like` is no survey or cannot carry the model, or next to no simulated one can.

    Notes
    -----
    The truth of each country stays the same in all simulated surveys: what is found is that of
    surveys in these countries. Coefficients are per SD of `like`'s drivers.
    """
    check_is_survey(like, "recover")
    for name, value in (("n", n), ("draws", draws), ("citizens", citizens)):
        if value is not None:
            check_count(name, value, "recover")
    prob, kind = interval_settings(prob, kind)
    truth = {} if truth is None else truth
    spec = choose_item(load_model(spec), item)
    design = make_design(like, spec)
    form = draw_priors(spec, like.codebook, design, 1, random_stream(random_seed, "prior"))
    state_truth(form, truth)
    labels = _effects(spec, like.codebook, design, effects, truth)
    if base is not None:
        check_is_fit(base, "recover")
    stated = state_truth(_base(spec, like.codebook, design, base, form), truth)
    one_chain = override_sampler(spec, chains=1, cores=1, draws=draws)
    shared = (one_chain, like.codebook, design, stated, labels, citizens, prob, kind)
    found = map_fits(
        _replicate,
        [_Task(*shared, random_seed, k) for k in range(n)],
        executor=executor,
        progressbar=progressbar,
        label="recovering",
    )
    chosen = stated["beta"].isel({names.CHAIN: 0, names.DRAW: 0}).sel({names.COEFFICIENT: labels})
    table = _assembled(chosen, [summary for summary, _ in found])
    discarded = sum(discarded for _, discarded in found)
    table.columns.name = f"{100 * prob:.4g} % {kind}, {n:,} surveys" + (
        f", {discarded:,} more discarded" if discarded else ""
    )
    table.attrs = {
        "model": spec.name,
        "interval_kind": kind,
        "interval_prob": prob,
        "n": n,
        "citizens": citizens,
        "discarded": discarded,
        "share_error": 0.5 / np.sqrt(n),
        "random_seed": random_seed,
    }
    return table


def state_truth(posterior: xr.Dataset, truth: Mapping[str, Any]) -> xr.Dataset:
    """Posterior means with some of them replaced.

    Parameters
    ----------
    posterior : xarray.Dataset
        (chain, draw, ...).
    truth : mapping
        As for :func:`recover`.

    Returns
    -------
    xarray.Dataset
        One chain of one draw.
    """
    sample = (names.CHAIN, names.DRAW)
    out = posterior.mean(sample).expand_dims({names.CHAIN: [0], names.DRAW: [0]})
    known = [name for name in _OF_COUNTRY if name in posterior]
    _check_mapping("truth", truth, known)
    for name, given in truth.items():
        values = out[name].copy(deep=True)
        _place_values(values, given, f"truth[{name!r}]", (), sample)
        own = _OF_COUNTRY[name]
        moved = out[own] + (values - out[name])
        out = out.assign({name: values, own: moved.transpose(*out[own].dims)})
    return out


def _place_values(
    values: xr.DataArray, given: Any, place: str, at: tuple[str, ...], sample: tuple[str, str]
) -> None:
    """Put given numbers where their labels say, down one dim after another."""
    dims = [dim for dim in values.dims if dim not in sample]
    if is_number(given):
        values.loc[dict(zip(dims, at, strict=False))] = float(given)
        return
    if len(at) == len(dims):
        raise make_error(
            SpecError, "recover", f"{place} is {given!r}", remedy="Give a finite number."
        )
    _check_mapping(place, given, [str(label) for label in values[dims[len(at)]].values])
    for label, below in given.items():
        _place_values(values, below, f"{place}[{label!r}]", (*at, label), sample)


def _check_mapping(place: str, given: object, known: Sequence[str]) -> None:
    if not isinstance(given, Mapping):
        raise make_error(
            SpecError,
            "recover",
            f"{place} is {given!r}",
            value="",  # resembles no name
            available=known,
            remedy="Give a mapping from these to values.",
        )
    for name in given:
        if name not in known:
            raise make_error(
                SpecError, "recover", f"{place} names {name!r}", value=name, available=known
            )


def _effects(
    spec: ModelSpec,
    codebook: Codebook,
    design: xr.Dataset,
    effects: Sequence[str] | None,
    truth: Mapping[str, Any],
) -> list[str]:
    """Coefficients to look at, in the order of the design."""
    columns = {
        driver.name: coefficient_labels([driver])
        for driver in chosen_drivers(design, codebook.drivers)
    }
    every = [str(label) for label in design[names.COEFFICIENT].values]
    if not every:
        raise make_error(
            SpecError,
            "recover",
            f"model {spec.name!r} has no drivers",
            remedy='Give it drivers = "all" or a list.',
        )
    if effects is not None and not effects:
        raise make_error(SpecError, "recover", "effects names none", value="", available=[*columns])
    wanted = _stated_coefficients(truth) if effects is None else []
    if effects is None and not wanted:
        return every
    for name in [effects] if isinstance(effects, str) else effects or ():
        if name not in columns and name not in every:
            raise make_error(
                SpecError,
                "recover",
                f"unknown effect {name!r}",
                value=name,
                available=dict.fromkeys([*columns, *every]),
            )
        wanted += columns.get(name, [name])
    return [label for label in every if label in wanted]


def _stated_coefficients(truth: Mapping[str, Any]) -> list[str]:
    """Coefficients that a truth names."""
    by_form = truth.get("beta")
    named = by_form.values() if isinstance(by_form, Mapping) else ()
    return [label for own in named if isinstance(own, Mapping) for label in own]


def _base(
    spec: ModelSpec, codebook: Codebook, design: xr.Dataset, base: Fit | None, form: xr.Dataset
) -> xr.Dataset:
    """Draws whose means are the truth where none is stated; `form` is what they have to be like."""
    if base is None:
        return fit_design(spec, codebook, design).posterior
    posterior = base.posterior
    for name, wanted in form.data_vars.items():
        has = posterior.get(name)
        if has is None or has.dims != wanted.dims:
            raise _other_base(f"has no {name!r} of the same form")
        for dim in wanted.dims[2:]:
            if list(has[dim].values) != list(wanted[dim].values):
                raise _other_base(f"has other labels of {dim!r}")
    return posterior


def _other_base(problem: str) -> SpecError:
    return make_error(
        SpecError,
        "recover",
        f"base is a fit of another model or to other countries: it {problem}",
        remedy="Fit this model to a survey in these countries, or leave base out.",
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """A survey that is to be simulated and fitted."""

    spec: ModelSpec
    codebook: Codebook
    design: xr.Dataset
    truth: xr.Dataset
    labels: list[str]
    citizens: int | None
    prob: float
    kind: IntervalKind
    random_seed: int
    replication: int

    def __str__(self) -> str:
        return f"survey {self.replication + 1}"


def _replicate(task: _Task) -> tuple[pd.DataFrame, int]:
    """What a fit to a simulated survey says of the effects, and how many were discarded."""
    rng = random_stream(task.random_seed, "recovery", task.replication)
    _, design, discarded = simulate_until_usable(_truths(task, rng), rng, "recover")
    spec = override_sampler(task.spec, random_seed=int(rng.integers(2**31)))
    fit = fit_design(spec, task.codebook, design)
    beta = fit.posterior["beta"].sel({names.COEFFICIENT: task.labels})
    ess = azs.ess(beta, method="bulk").transpose(*beta.dims[2:])
    return summarise(beta, prob=task.prob, kind=task.kind).assign(ess=ess.values.ravel()), discarded


def _truths(task: _Task, rng: np.random.Generator) -> Iterator[Fit]:
    """The truth in citizens who are drawn anew at each attempt."""
    while True:
        design = task.design
        if task.citizens is not None:
            design = redraw_citizens(design, task.citizens, rng)
        yield truth_as_fit(task.spec, task.codebook, design, task.truth)


def redraw_citizens(design: xr.Dataset, n: int, rng: np.random.Generator) -> xr.Dataset:
    """Draw citizens of each country with replacement; units and coding stay.

    Parameters
    ----------
    design : xarray.Dataset
    n : int
        In each country.
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
    """
    country = design["country_index"].values
    own = [np.flatnonzero(country == c) for c in range(design.sizes[names.COUNTRY])]
    drawn = take_citizens(design, np.concatenate([rng.choice(at, n) for at in own]))
    return drawn.assign_coords({names.CITIZEN: np.arange(n * len(own)).astype(object)})


def _assembled(truth: xr.DataArray, found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Means and shares over the simulated surveys."""
    value = truth.values.ravel()  # (row,)
    mean, lower, upper, positive, ess = (
        np.stack([one[column].to_numpy() for one in found])  # (survey, row)
        for column in ("mean", "lower", "upper", "p_positive", "ess")
    )
    n = len(found)
    sd = mean.std(axis=0, ddof=1) if n > 1 else np.full(len(value), np.nan)
    return pd.DataFrame(
        {
            "truth": value,
            "bias": mean.mean(axis=0) - value,
            "bias_error": sd / np.sqrt(n),
            "width": (upper - lower).mean(axis=0),
            "coverage": ((lower <= value) & (value <= upper)).mean(axis=0),
            "power": ((lower > 0) | (upper < 0)).mean(axis=0),
            "sign": (np.where(value < 0, 1 - positive, positive) > SURE).mean(axis=0),
            "least_ess": ess.min(axis=0),
        },
        index=found[0].index,
    )
