"""Citizens whom a fit hangs on: each is left out, by importance weights or by fitting again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import arviz_stats as azs
import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDDataLOO
from scipy.special import logsumexp

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.finding import Finding, Findings
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.pointwise import (
    add_log_likelihood,
    alike,
    look_at,
    stream_log_likelihood,
    take_nodes,
)
from bayes_coprod.inference.refit import Refit, map_fits, run_refit
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.subset import take_citizens

FEWEST_DRAWS = 25
"""Of all chains together: a fifth of them is the tail, and its shape takes five."""
MANY = 20
"""Citizens beyond whom refits are no remedy."""
_BLOCK = 2_000_000
"""Importance weights that are smoothed at a time."""


def citizen_loo(
    fit: Fit, *, refits: int = 5, executor: Executor | None = None, progressbar: bool = True
) -> ELPDDataLOO:
    r"""How well each citizen's answers are predicted from those of all others.

    .. math:: \text{elpd}_i = \log p(y_i \mid y_{-i})
        = \log \int p(y_i \mid \theta) \, p(\theta \mid y_{-i}) \, d\theta

    with the citizen's own deviations integrated out. Importance weights make the posterior without
    a citizen out of that with all. Where they cannot, as their Pareto k says, the model is fitted
    again without the citizen, which is exact.

    Parameters
    ----------
    fit : Fit
    refits : int
        At most so many citizens are left out by fitting again, those with the largest k. Citizens
        of a country with the same drivers and answers take one refit together. 0: none.
    executor : concurrent.futures.Executor, optional
        Where the refits run; as for :func:`leave_one_country_out`.
    progressbar : bool
        Show the refits' progress.

    Returns
    -------
    arviz_stats.utils.ELPDDataLOO
        Pointwise: ``elpd_i``, ``p_loo_i`` and ``pareto_k``, dims (citizen,), natural logarithms of
        densities in the survey's units. ``pareto_k`` is 0 of those who were left out by a refit;
        ``influence_pareto_k`` is what it was. NaN where the log likelihood is not finite or does
        not vary over the draws.

    Raises
    ------
    SpecError
        If there are fewer than 25 draws, or `refits` is negative.

    Notes
    -----
    Refits code drivers and outcomes as the fit does, so that priors mean the same. The limit of k
    for S draws is :math:`\min(1 - 1 / \log_{10} S, 0.7)`, the result's ``good_k``.

    Citizens are taken in blocks, so that memory does not grow with their number.

    References
    ----------
    .. [1] Vehtari, Gelman & Gabry (2017), Practical Bayesian model evaluation using leave-one-out
       cross-validation and WAIC, Statistics and Computing 27(5), 1413-1432.
    .. [2] Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling,
       JMLR 25(72).
    """
    check_is_fit(fit, "citizen_loo")
    _check_draws(fit)
    if refits < 0:
        raise make_error(SpecError, "citizen_loo", f"refits is {refits}", remedy="0 or more.")
    first, kind = alike(fit.design)
    elpd, k, lppd = _importance_weighted(fit, first)
    good_k = limit_of_k(fit)
    exact = [int(i) for i in np.argsort(-k) if k[i] > good_k][:refits]
    repaired = k.copy()
    if exact:
        elpd[exact] = _left_out(fit, first[exact], executor, progressbar)
        repaired[exact] = 0.0
    return _assembled(fit, good_k, [v[kind] for v in (elpd, lppd - elpd, repaired, k)])


def limit_of_k(fit: Fit) -> float:
    """Pareto k up to which importance weights do, given the number of draws."""
    return float(min(1 - 1 / np.log10(_n_draws(fit)), 0.7))


def _n_draws(fit: Fit) -> int:
    sizes = fit.posterior.sizes
    return int(sizes[names.CHAIN] * sizes[names.DRAW])


def _check_draws(fit: Fit) -> None:
    if _n_draws(fit) < FEWEST_DRAWS:
        raise make_error(
            SpecError,
            "citizen_loo",
            f"the fit has {_n_draws(fit)} draws, and importance weights take {FEWEST_DRAWS}",
            remedy="Fit with more draws.",
        )


def _importance_weighted(fit: Fit, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elpd, Pareto k, and log predictive density with all citizens, of some; (citizen,) each."""
    elpd, k, lppd = np.full((3, len(which)), np.nan)
    efficiency, n_draws = _efficiency(fit), _n_draws(fit)
    for at, values in stream_log_likelihood(fit, which):
        for few in np.array_split(at, -(-len(at) * n_draws // _BLOCK)):
            block = values.isel({names.CITIZEN: few - at[0]})
            flat = block.values.reshape(n_draws, -1)
            usable = _usable(flat, efficiency)
            if usable.any():
                few = few[usable]
                elpd[few], k[few] = _smoothed(block.isel({names.CITIZEN: usable}), efficiency)
                lppd[few] = logsumexp(flat[:, usable], axis=0) - np.log(n_draws)
    return elpd, k, lppd


def _usable(flat: np.ndarray, efficiency: float) -> np.ndarray:
    """Whether importance ratios are finite, and their tails vary, (citizen,)."""
    n = len(flat)
    tail = int(min(n // 5, 3 * np.sqrt(n / efficiency)))
    finite = np.isfinite(flat).all(axis=0)
    lowest = np.partition(flat, tail - 1, axis=0)[:tail]
    with np.errstate(invalid="ignore"):  # infinite ones
        return np.asarray(finite & (np.ptp(lowest, axis=0) > 0))


def _smoothed(log_likelihood: xr.DataArray, efficiency: float) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise elpd and Pareto k by smoothed importance weights, (citizen,) each."""
    tree = xr.DataTree.from_dict({"log_likelihood": xr.Dataset({"answers": log_likelihood})})
    with warnings.catch_warnings():
        # k is judged by who asked for it, citizen by citizen
        warnings.filterwarnings("ignore", category=UserWarning, module="arviz_stats")
        loo = azs.loo(tree, pointwise=True, reff=efficiency)
    return loo.elpd_i.values, loo.pareto_k.values


def _efficiency(fit: Fit) -> float:
    """Effective draws over draws, the mean over all quantities; within each completed data set."""
    shares = []
    for part in fit.parts:
        sizes = azs.ess(part.posterior, method="mean")
        ess = np.concatenate([sizes[name].values.ravel() for name in sizes.data_vars])
        shares.append(ess[np.isfinite(ess)].mean() / _n_draws(part))
    return float(np.mean(shares)) if np.isfinite(shares).all() else 1.0


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """A citizen who is left out: the fit without, and what the citizen said."""

    refit: Refit
    design: xr.Dataset
    nodes: Nodes | None

    def __str__(self) -> str:
        return str(self.refit)


def _left_out(
    fit: Fit, which: Sequence[int] | np.ndarray, executor: Executor | None, progressbar: bool
) -> np.ndarray:
    """Exact elpd of citizens at given positions, (citizen,)."""
    tasks = [
        _LeftOut(
            Refit(
                f"without citizen {part.design[names.CITIZEN].values[i]}",
                part.spec,
                part.codebook,
                take_citizens(part.design, np.arange(part.design.sizes[names.CITIZEN]) != i),
            ),
            take_citizens(part.design, np.array([i])),
            take_nodes(part, np.array([i])),
        )
        for i in which
        for part in fit.parts
    ]
    elpd = map_fits(_predict, tasks, executor=executor, progressbar=progressbar, label="refits")
    # data sets count the same, since their fits have the same number of draws
    of_parts = np.reshape(elpd, (len(which), len(fit.parts)))
    return np.asarray(logsumexp(of_parts, axis=1) - np.log(len(fit.parts)))


def _predict(task: _LeftOut) -> float:
    """Fit without a citizen, and give the log predictive density of the citizen's answers."""
    without = run_refit(task.refit)
    seen = add_log_likelihood(look_at(without, task.design, task.nodes))
    values = seen.tree["log_likelihood"].to_dataset()["answers"].values
    return float(logsumexp(values) - np.log(values.size))


def _assembled(fit: Fit, good_k: float, pointwise: Sequence[np.ndarray]) -> ELPDDataLOO:
    """Put each citizen's values together as ArviZ does."""
    citizens = fit.design[names.CITIZEN]
    country = fit.design[names.COUNTRY].values[fit.design["country_index"].values]
    coords = {names.CITIZEN: citizens.values, names.COUNTRY: (names.CITIZEN, country)}
    elpd_i, p_loo_i, k, before = (
        xr.DataArray(values, dims=names.CITIZEN, coords=coords) for values in pointwise
    )
    elpd, se, p, _ = elpd_i.azstats.loo_summary(p_loo_i)
    return ELPDDataLOO(
        elpd=float(elpd),
        se=float(se),
        p=float(p),
        n_samples=_n_draws(fit),
        n_data_points=len(citizens),
        scale="log",
        warning=bool((k > good_k).any()),
        good_k=good_k,
        elpd_i=elpd_i,
        pareto_k=k,
        p_loo_i=p_loo_i,
        influence_pareto_k=before,
    )


def check_influence(fit: Fit, *, of: ELPDDataLOO | None = None) -> Findings:
    """Check whether single citizens move a fit, and whether it is as flexible as it should be.

    Parameters
    ----------
    fit : Fit
    of : arviz_stats.utils.ELPDDataLOO, optional
        What :func:`citizen_loo` returned, if it is at hand; made without refits otherwise.

    Returns
    -------
    Findings
        The largest Pareto k, with citizen and country; and the effective number of parameters,
        which does not exceed that of parameters unless the model is badly misspecified. Both
        ``unknown`` with fewer than 25 draws, or where a log likelihood is not finite.

    Raises
    ------
    SpecError
        If `fit` is none.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling,
       JMLR 25(72).
    .. [2] Vehtari, Gelman & Gabry (2017), Statistics and Computing 27(5), 1413-1432.
    """
    check_is_fit(fit, "check_influence")
    if of is None and _n_draws(fit) < FEWEST_DRAWS:
        problem = f"It takes {FEWEST_DRAWS} draws to tell; there are {_n_draws(fit)}."
        remedy = "Fit with more draws."
        return Findings(_unknown(check, "", problem, remedy) for check in ("Pareto k", "p_loo"))
    loo = citizen_loo(fit, refits=0) if of is None else of
    missing = loo.pareto_k.isnull() | loo.elpd_i.isnull()
    if missing.any():
        where = _named(loo.pareto_k, int(missing.values.argmax()))
        problem = (
            f"The log likelihood of {int(missing.sum()):,} of {loo.n_data_points:,} citizens is "
            "not finite, or the same at all draws."
        )
        remedy = "Look at their answers and drivers; fit again with another random_seed."
        return Findings(_unknown(check, where, problem, remedy) for check in ("Pareto k", "p_loo"))
    return Findings([_check_k(loo), _check_p(fit, loo)])


def _unknown(check: str, where: str, message: str, remedy: str) -> Finding:
    return Finding(check, "unknown", where, None, None, message, remedy)


def _named(values: xr.DataArray, i: int) -> str:
    """A citizen and the country."""
    one = values.isel({names.CITIZEN: i})
    return f"citizen {one[names.CITIZEN].item()}, {one[names.COUNTRY].item()}"


def _check_k(loo: ELPDDataLOO) -> Finding:
    # a refit makes the prediction exact, but the citizen moves the fit that is quoted all the same
    k = getattr(loo, "influence_pareto_k", loo.pareto_k)
    worst = int(k.values.argmax())
    n = int((k > loo.good_k).sum())
    message = f"The largest is {float(k[worst]):.2f}; no single citizen moves the fit much."
    if n:
        message = (
            f"{n:,} of {loo.n_data_points:,} citizens {'has' if n == 1 else 'have'} a k above "
            f"{loo.good_k:.2f}, up to {float(k[worst]):.2f}: without any one of "
            "them the posterior would differ more than importance weights can follow."
        )
    return Finding(
        "Pareto k",
        "warn" if n else "pass",
        _named(k, worst),
        float(k[worst]),
        loo.good_k,
        message,
        _remedy(n),
    )


def _remedy(n: int) -> str:
    if n > MANY:
        return "So many point to a model that does not fit; look at how well it predicts."
    if n:
        return f"Look at their answers and drivers; citizen_loo(fit, refits={n}) fits without them."
    return ""


def _check_p(fit: Fit, loo: ELPDDataLOO) -> Finding:
    tree = fit.parts[0].tree
    if "proof" not in tree.children:
        return _unknown(
            "p_loo",
            "",
            f"It is {loo.p:.1f}, and the fit does not tell its number of parameters.",
            "Fit with fit_model.",
        )
    sampled = tree["proof"].to_dataset()
    n = sum(sampled[name].size for name in sampled.data_vars)
    too_many = loo.p > n
    return Finding(
        "p_loo",
        "warn" if too_many else "pass",
        "",
        float(loo.p),
        float(n),
        f"The effective number of parameters is {loo.p:.1f}, and {n} are sampled"
        + ("; more than there are point to a model that does not fit." if too_many else "."),
        "Look at how well the model predicts the answers; a driver or a shift may be missing."
        if too_many
        else "",
    )
