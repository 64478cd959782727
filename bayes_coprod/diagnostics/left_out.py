"""Countries that a fit hangs on: each is left out, and the model is fitted to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayes_coprod import names
from bayes_coprod.diagnostics.conclusions import conclusions
from bayes_coprod.errors import SpecError, SurveyError, make_error
from bayes_coprod.estimands.countries import country_levels
from bayes_coprod.inference.fit import Fit, check_is_fit, thin_fit
from bayes_coprod.inference.pointwise import add_log_likelihood, stream_log_likelihood, take_nodes
from bayes_coprod.inference.pooled import join_chains
from bayes_coprod.inference.refit import Refit, map_fits, run_refit
from bayes_coprod.inference.unseen import unseen_country
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.spec import override_sampler
from bayes_coprod.model.subset import only_country, what_is_missing, without_country
from bayes_coprod.streams import random_stream

FEWEST_COUNTRIES = 3
_WIDER = 2
"""Windows of citizens' nodes against those of the fit that knew their country."""


def leave_one_country_out(
    fit: Fit,
    *,
    draws: int = 250,
    executor: Executor | None = None,
    progressbar: bool = True,
) -> xr.Dataset:
    r"""What the other countries say of each, and what the fit would say without it.

    The model is fitted again without each country. There the country is one that was not surveyed:
    a coefficient that varies by country is drawn from
    :math:`N(\bar b, \tau^2 (1 + 1/C))`, with C the other countries and :math:`\bar b` their mean.

    .. math:: \text{shift}_{cq} = \frac{E(q \mid y_{-c}) - E(q \mid y)}{\operatorname{sd}(q \mid y)}

    Parameters
    ----------
    fit : Fit
        Of three countries or more.
    draws : int
        Of each chain and refit; of the fit as many are used, evenly spaced. Means of 1,000 draws
        tell a shift to 0.05 posterior SDs.
    executor : concurrent.futures.Executor, optional
        Where the refits run: threads, processes that are started with ``spawn``, or a cluster's
        ``client.get_executor()``. One after another in this process otherwise.
    progressbar : bool
        Show how many countries have been left out, in a notebook or on a terminal.

    Returns
    -------
    xarray.Dataset
        ``level`` (chain, draw, country, form or outcome): the country's own, as
        :func:`country_levels`, and ``predicted``, the same dims: what the others expect of its
        citizens; both in the model's own scale. ``log_density`` (country): sum over the country's
        citizens of the log predictive density of their answers, each by themselves, from the fit
        without it; ``log_density_known`` (country), the same from the fit that knows it;
        ``citizens`` (country). ``with_all`` (chain, draw, conclusion) and ``without`` (chain, draw,
        country, conclusion): mean levels, mean gap, and pooled driver effects, with ``units``
        (conclusion); ``shift`` (country, conclusion) in posterior SDs. ``reason`` (country): why a
        country could not be left out, and NaN in all the others; empty if it could.

    Raises
    ------
    SpecError
        If `draws` is not positive.
    SurveyError
        If there are fewer than three countries, or none can be left out.

    Notes
    -----
    Refits code drivers and outcomes as the fit does, so that priors and coefficients mean the same.
    The mean over countries is that over those in the fit: without a country it moves because
    that country is not in it, and because others are pooled less toward it.

    With ``sigma_varies`` no population of residuals is modelled, and ``log_density`` is NaN.
    """
    check_is_fit(fit, "leave_one_country_out")
    _check_countries(fit)
    reasons = {name: what_is_missing(without_country(fit.design, name)) for name in fit.countries}
    _check_some(reasons)
    if draws < 1:
        raise make_error(
            SpecError, "leave_one_country_out", f"draws is {draws}", remedy="Give 1 or more."
        )
    thin = thin_fit(fit, draws)
    tasks = [
        task for name, reason in reasons.items() if not reason for task in _tasks(fit, thin, name)
    ]
    found = map_fits(
        _leave_out, tasks, executor=executor, progressbar=progressbar, label="leaving out"
    )
    m = len(fit.parts)
    answers = {tasks[i].country: _joined(fit, found[i : i + m]) for i in range(0, len(tasks), m)}
    return _assembled(fit, thin, answers, reasons)


def _check_countries(fit: Fit) -> None:
    if len(fit.countries) < FEWEST_COUNTRIES:
        raise make_error(
            SurveyError,
            "leave_one_country_out",
            f"the fit has {len(fit.countries)} countries, {' and '.join(fit.countries)}, and what "
            "is left would be one",
            remedy=f"It takes {FEWEST_COUNTRIES} countries or more.",
        )


def _check_some(reasons: dict[str, str]) -> None:
    if all(reasons.values()):
        raise make_error(
            SurveyError,
            "leave_one_country_out",
            "no country can be left out; "
            + "; ".join(f"without {name!r} there is {why}" for name, why in reasons.items()),
            remedy="Leave these items or drivers out of the model.",
        )


@dataclass(frozen=True, eq=False)
class _Task:
    """A country that is left out: the fit of the others, and its citizens."""

    country: str
    refit: Refit
    design: xr.Dataset
    nodes: Nodes | None
    random_seed: int
    place: int

    def __str__(self) -> str:
        return str(self.refit)


def _tasks(fit: Fit, thin: Fit, country: str) -> Iterator[_Task]:
    """One for each completed data set."""
    place = fit.countries.index(country)
    own = fit.design["country_index"].values == place
    for part in fit.parts:
        spec = override_sampler(part.spec, draws=thin.posterior.sizes[names.DRAW])
        yield _Task(
            country,
            Refit(f"without {country}", spec, part.codebook, without_country(part.design, country)),
            only_country(part.design, country),
            take_nodes(part, own, wider=_WIDER),
            part.spec.sampler.random_seed,
            place,
        )


def _leave_out(task: _Task) -> xr.Dataset:
    """Fit without a country, and give what that says of it and of the rest."""
    without = run_refit(task.refit)
    rng = random_stream(task.random_seed, "unseen country", task.place)
    unseen = unseen_country(without, task.design, task.nodes, rng)
    found = xr.Dataset(
        {
            "predicted": country_levels(unseen).isel({names.COUNTRY: 0}, drop=True),
            "without": conclusions(without),
        }
    )
    log_density = np.full(1, np.nan)
    if not task.refit.spec.sigma_varies:
        seen = add_log_likelihood(unseen).tree["log_likelihood"].to_dataset()
        log_density = _log_means(seen["answers"])
    return found.assign(log_density=(names.CITIZEN, log_density))


def _log_means(log_likelihood: xr.DataArray) -> np.ndarray:
    """Log of each citizen's mean likelihood over the draws, (citizen,)."""
    flat = log_likelihood.values.reshape(-1, log_likelihood.sizes[names.CITIZEN])
    return np.asarray(logsumexp(flat, axis=0) - np.log(len(flat)))


def _joined(fit: Fit, parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """One country's answers, of all completed data sets."""
    each = np.stack([part["log_density"].values for part in parts])  # (data set, citizen)
    total = (logsumexp(each, axis=0) - np.log(len(each))).sum()
    draws = [part.drop_vars("log_density") for part in parts]
    joined = (
        draws[0] if len(parts) == 1 else join_chains(draws, fit.design[names.IMPUTATION].values)
    )
    return joined.assign(log_density=total)


def _assembled(
    fit: Fit, thin: Fit, answers: dict[str, xr.Dataset], reasons: dict[str, str]
) -> xr.Dataset:
    """Put all countries together, with what the fit says that knows them all."""
    of_countries = xr.concat(
        answers.values(),
        dim=xr.Variable(names.COUNTRY, list(answers)),
        coords="minimal",
        compat="equals",
        join="exact",
    ).reindex({names.COUNTRY: fit.countries})
    with_all = conclusions(thin)
    sample = (names.CHAIN, names.DRAW)
    shift = (of_countries["without"].mean(sample) - with_all.mean(sample)) / with_all.std(sample)
    level = country_levels(thin)
    order = (*sample, names.COUNTRY, ...)
    index = fit.design["country_index"].values
    known = np.bincount(index, _known(thin), minlength=len(fit.countries))
    return xr.Dataset(
        {
            "level": level,
            "predicted": of_countries["predicted"].transpose(*order).assign_attrs(level.attrs),
            "log_density": of_countries["log_density"],
            "log_density_known": (names.COUNTRY, known),
            "citizens": (names.COUNTRY, np.bincount(index)),
            "with_all": with_all,
            "without": of_countries["without"].transpose(*order),
            "shift": shift.assign_attrs(units="posterior SDs"),
            "reason": (names.COUNTRY, [reasons[name] for name in fit.countries]),
        },
        attrs={"n_countries": len(fit.countries)},
    )


def _known(fit: Fit) -> np.ndarray:
    """Log predictive density of each citizen's answers, which the fit has seen, (citizen,)."""
    everybody = np.arange(fit.design.sizes[names.CITIZEN])
    return np.concatenate([_log_means(block) for _, block in stream_log_likelihood(fit, everybody)])
