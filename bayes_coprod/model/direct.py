"""Log density and gradient of the models without a graph, by kernels.

The models are written down in :mod:`.build`, and tests hold this to what stands there. It covers
the shipped form of each, partial pooling informed by a pilot; others are compiled from their graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import betaln

from bayes_coprod import names
from bayes_coprod.model.coding import varying_columns
from bayes_coprod.model.coefficient_kernel import (
    FAMILIES,
    Effects,
    Scales,
    by_coordinates,
    find_coefficients,
)
from bayes_coprod.model.collapse import CountCells, collapse_gaussian
from bayes_coprod.model.count_kernel import Counts, count_likelihood
from bayes_coprod.model.index import log_jacobian
from bayes_coprod.model.item_kernel import Arguments, Items, item_arguments, item_gradients
from bayes_coprod.model.item_layout import ItemLayout, item_layout, shifts_vary
from bayes_coprod.model.items import make_integral
from bayes_coprod.model.normal_kernel import Normals, normal_likelihood
from bayes_coprod.model.ordinal import collapse_ordinal, gaps_vary, ordinal_coordinates
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.participation import collapse_participation
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.prior_spec import Prior
from bayes_coprod.model.quadrature import SHARPNESS
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import effect_columns
from bayes_coprod.survey.entries import Driver

type Direct = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Sampling coordinates, (coordinate,) -> log density and gradient."""

_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class _Problem:
    """A model, its data, and where its coordinates lie in a vector."""

    spec: ModelSpec
    design: xr.Dataset
    drivers: tuple[Driver, ...]
    pilot: Pilot
    places: Mapping[str, np.ndarray]


def make_direct(
    spec: ModelSpec,
    design: xr.Dataset,
    drivers: tuple[Driver, ...],
    pilot: Pilot | None,
    places: Mapping[str, np.ndarray],
) -> Direct | None:
    """Prepare the log density and its gradient, where kernels have the model.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    drivers : tuple of Driver
    pilot : Pilot or None
        That of the graph.
    places : mapping of str to numpy.ndarray
        Positions of each of the graph's coordinates, flat.

    Returns
    -------
    callable or None
        ``None`` if the model takes its graph.
    """
    if spec.pooling != "partial" or pilot is None or pilot.evidence is None:
        return None
    return _DIRECT[spec.likelihood](_Problem(spec, design, drivers, pilot, places))


def _index(problem: _Problem) -> Direct | None:
    design, priors, places = problem.design, problem.spec.priors, problem.places
    n_outcomes = design.sizes[outcome_dim(problem.spec)]
    if problem.spec.sigma_varies or n_outcomes > 2:
        return None
    cells = collapse_gaussian(
        design["x"].values, design["y"].values, design["country_index"].values
    )
    normals = Normals(cells.country, cells.observed, cells.n, cells.cross)
    answers = cells.n @ cells.observed.sum(axis=1)
    constant = -0.5 * answers * np.log(2 * np.pi) + log_jacobian(design).sum()
    sds = _scales(places["z_residual_sd"], priors["residual_sd"])
    effects = _effects(problem, _outcome_terms(problem, "intercept"), own=sds)

    def evaluate(at: np.ndarray) -> tuple[float, np.ndarray]:
        found, value = find_coefficients(at, effects)
        sd = found.scale[-n_outcomes:]
        data, by_b, by_sd, _ = normal_likelihood(found.b, sd, 0.0, normals)
        return value + data + constant, by_coordinates(at, effects, found, by_b, by_sd, _NOTHING)

    if n_outcomes == 1:
        return evaluate
    (eta,) = priors["rho"].arguments
    (odds_at,) = places["z_partial_logodds__"]
    constant -= betaln(eta, eta)

    def evaluate_two(at: np.ndarray) -> tuple[float, np.ndarray]:
        found, value = find_coefficients(at, effects)
        sd = found.scale[-n_outcomes:]
        p = 1 / (1 + np.exp(-at[odds_at]))  # rho = 2 p - 1, p a priori Beta(eta, eta)
        data, by_b, by_sd, by_rho = normal_likelihood(found.b, sd, 2 * p - 1, normals)
        out = by_coordinates(at, effects, found, by_b, by_sd, _NOTHING)
        out[odds_at] = by_rho * 2 * p * (1 - p) + eta * (1 - 2 * p)
        return value + data + constant + eta * (np.log(p) + np.log1p(-p)), out

    return evaluate_two


def _participation(problem: _Problem) -> Direct:
    cells = collapse_participation(problem.design)
    effects = _effects(problem, _outcome_terms(problem, "intercept"))
    return _of_counts(effects, _counts(cells))


def _ordinal(problem: _Problem) -> Direct | None:
    spec, design = problem.spec, problem.design
    varies, n_rest = ordinal_coordinates(spec, design, problem.drivers)
    prior = spec.priors["kappa_gap"]
    if gaps_vary(spec, design) and prior.family != "log_normal":  # else logarithms are normal
        return None
    terms = _outcome_terms(problem, "kappa")
    terms.mean[0] *= -1  # the level is minus the first threshold
    n_gaps = len(varies) - len(terms.mean)
    if n_gaps:
        terms = terms.followed_by(n_gaps, prior.arguments, varies=True)
    effects = _effects(problem, terms, _scales(np.arange(n_rest), prior))
    return _of_counts(effects, _counts(collapse_ordinal(design)))


def _of_counts(effects: Effects, counts: Counts) -> Direct:
    def evaluate(at: np.ndarray) -> tuple[float, np.ndarray]:
        found, value = find_coefficients(at, effects)
        data, by_b, by_gaps = count_likelihood(found.b, found.rest, counts)
        return value + data, by_coordinates(at, effects, found, by_b, _NOTHING, by_gaps)

    return evaluate


def _counts(cells: CountCells) -> Counts:
    x = np.ascontiguousarray(cells.x)
    return Counts(x, cells.ends, cells.above, cells.beside, cells.between)


def _items(problem: _Problem) -> Direct | None:
    spec, design, nodes = problem.spec, problem.design, problem.pilot.nodes
    assert nodes is not None
    if not nodes.is_grid:
        return None
    layout = item_layout(design)
    terms = _outcome_terms(problem, "kappa")
    # a form's level is minus the mean of its items' first thresholds
    levels = np.arange(layout.n_forms) * (len(terms.mean) // layout.n_forms)
    terms.mean[levels] *= -1
    terms.sd[levels] /= np.sqrt(np.bincount(layout.form))
    _, sd = spec.priors["kappa"].arguments
    shifts = shifts_vary(spec, layout)
    terms = terms.followed_by(len(layout.contrasts), (0.0, sd), varies=shifts)
    integral = make_integral(design, nodes)
    effects = _effects(problem, terms, _item_rest(spec, layout))
    items = _item_positions(layout, nodes.least_sd)

    def evaluate(at: np.ndarray) -> tuple[float, np.ndarray]:
        found, value = find_coefficients(at, effects)
        arguments = item_arguments(found.b, found.rest, items)
        log_likelihood, (by_effects, by_kappa, by_steepness, by_sigma, by_rho) = integral.evaluate(
            *arguments
        )
        by = Arguments(by_effects, by_kappa, by_steepness, by_sigma, float(by_rho))
        by_b, by_rest = item_gradients(found.b, found.rest, items, arguments, by)
        out = by_coordinates(at, effects, found, by_b, _NOTHING, by_rest)
        return value + float(log_likelihood.sum()), out

    return evaluate


def _item_positions(layout: ItemLayout, least_sd: np.ndarray) -> Items:
    n_thresholds = len(layout.item_of_threshold)
    gap = np.full(n_thresholds, -1)
    after = np.setdiff1d(np.arange(n_thresholds), layout.first_threshold)
    gap[after] = np.arange(len(after))
    return Items(
        layout.form,
        layout.item_of_threshold,
        gap,
        layout.contrasts,
        layout.steepness,
        layout.free_sigma,
        least_sd,
        SHARPNESS,
    )


def _item_rest(spec: ModelSpec, layout: ItemLayout) -> Scales:
    """Common parameters besides the coefficients."""
    priors = spec.priors
    _, sd = priors["lambda"].arguments
    parts = [
        (int((layout.n_categories - 2).sum()), priors["kappa_gap"]),
        (len(layout.steepness), Prior("normal", (0.0, sd))),
        (len(layout.free_sigma), priors["sigma"]),
        (int(layout.n_forms == 2), priors["rho"]),
    ]
    ends = np.cumsum([n for n, _ in parts])
    return _joined(
        [
            _scales(np.arange(end - n, end), prior)
            for end, (n, prior) in zip(ends, parts, strict=True)
        ]
    )


@dataclass(frozen=True)
class _Terms:
    """Coefficients, each (coefficient,): which vary by country, and priors of their means."""

    varies: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def followed_by(self, n: int, prior: tuple[float, ...], varies: bool) -> _Terms:
        """These, and after them `n` more: shifts of thresholds between countries."""
        return _Terms(
            np.r_[self.varies, np.full(n, varies)],
            np.r_[self.mean, np.full(n, prior[0])],
            np.r_[self.sd, np.full(n, prior[1])],
        )


def _outcome_terms(problem: _Problem, level: str) -> _Terms:
    """Level and slopes of each outcome; `level` names the level's prior."""
    spec, design = problem.spec, problem.design
    n_outcomes, n_columns = design.sizes[outcome_dim(spec)], design.sizes[names.COEFFICIENT]
    each = [spec.priors[level].arguments] + n_columns * [spec.priors["beta"].arguments]
    mean, sd = np.array(n_outcomes * each).T.copy()
    return _Terms(np.tile(effect_columns(spec, problem.drivers, n_columns), n_outcomes), mean, sd)


def _scales(at: Sequence[int] | np.ndarray, prior: Prior) -> Scales:
    """Scales of one prior."""
    n = len(at)
    arguments = np.zeros((n, 2))
    arguments[:, : len(prior.arguments)] = prior.arguments
    family = FAMILIES.index(prior.family)
    return Scales(np.array(at, dtype=np.int64), np.full(n, family), arguments)


def _joined(parts: Sequence[Scales]) -> Scales:
    return Scales(*(np.concatenate(of) for of in zip(*parts, strict=True)))


_NONE = Scales(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros((0, 2)))


def _effects(
    problem: _Problem, terms: _Terms, rest: Scales = _NONE, own: Scales = _NONE
) -> Effects:
    """Lay out what kernels take of coefficients; `own` have coordinates of their own."""
    spec, places = problem.spec, problem.places
    n_outcomes = problem.design.sizes[outcome_dim(spec)]
    scales = [_scales(places["z_tau_intercept"], spec.priors["tau_intercept"])]
    driver_of = varying_columns(spec, problem.drivers)[1]
    varying = list(dict.fromkeys(driver_of))
    if varying:
        scales.append(_scales(places["z_tau"], spec.priors["tau"]))
    scale_of = [
        place
        for f in range(n_outcomes)
        for place in (f, *(n_outcomes + f * len(varying) + varying.index(d) for d in driver_of))
    ]
    n_shifts = int(terms.varies.sum()) - len(scale_of)
    if n_shifts:
        scale_of += n_shifts * [sum(len(of.at) for of in scales)]
        scales.append(_scales(places["z_tau_kappa"], spec.priors["tau_kappa"]))
    evidence, whitening = problem.pilot.evidence, problem.pilot.whitening
    assert evidence is not None
    n_countries, n_varying = evidence.precision.shape
    size = len(places["z_common"])
    nothing = np.zeros((n_countries, n_varying, 0))
    return Effects(
        common_at=int(places["z_common"][0]),
        b_at=int(places["z_b"][0]),
        varying=np.flatnonzero(terms.varies),
        fixed=np.flatnonzero(~terms.varies),
        scales=_joined([*scales, own]),
        scale_of=np.array(scale_of),
        rest=rest,
        prior_mean=terms.mean,
        prior_sd=terms.sd,
        estimate=np.ascontiguousarray(evidence.estimate),
        precision=np.ascontiguousarray(evidence.precision),
        along=nothing if evidence.along is None else np.ascontiguousarray(evidence.along),
        centre=np.zeros(size) if whitening is None else whitening.centre.copy(),
        factor=np.eye(size) if whitening is None else np.ascontiguousarray(whitening.factor),
    )


_DIRECT: Mapping[str, Callable[[_Problem], Direct | None]] = {
    "index": _index,
    "items": _items,
    "ordinal": _ordinal,
    "participation": _participation,
}
