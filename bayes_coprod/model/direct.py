"""Log density and gradient of the collapsed models without a graph, by kernels.

The models are written down in :mod:`.build`, and tests hold this to what stands there. It covers
the shipped form of each, partial pooling informed by a pilot; others are compiled from their graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.special import betaln

from bayes_coprod import names
from bayes_coprod.model.coding import varying_columns
from bayes_coprod.model.collapse import CountCells, collapse_gaussian
from bayes_coprod.model.direct_kernels import (
    FAMILIES,
    Counts,
    Effects,
    Normals,
    Scales,
    count_density,
    normal_density,
)
from bayes_coprod.model.index import log_jacobian
from bayes_coprod.model.ordinal import collapse_ordinal, gaps_vary, ordinal_coordinates
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.participation import collapse_participation
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.prior_spec import Prior
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import effect_columns
from bayes_coprod.survey.entries import Driver

type Direct = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Sampling coordinates, (coordinate,) -> log density and gradient."""


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
    if spec.likelihood == "index":
        return _index(spec, design, drivers, pilot, places)
    if spec.likelihood == "participation":
        n_outcomes = design.sizes[outcome_dim(spec)]
        effects = _effects(spec, design, drivers, pilot, places)
        counts = _counts(collapse_participation(design), _scales([], None))
        return lambda at: count_density(at, effects, counts, n_outcomes)
    if spec.likelihood == "ordinal":
        return _ordinal(spec, design, drivers, pilot, places)
    return None


def _index(
    spec: ModelSpec,
    design: xr.Dataset,
    drivers: tuple[Driver, ...],
    pilot: Pilot,
    places: Mapping[str, np.ndarray],
) -> Direct | None:
    n_outcomes = design.sizes[outcome_dim(spec)]
    if spec.sigma_varies or n_outcomes > 2:
        return None
    cells = collapse_gaussian(
        design["x"].values, design["y"].values, design["country_index"].values
    )
    answers = cells.n @ cells.observed.sum(axis=1)
    constant = -0.5 * answers * np.log(2 * np.pi) + log_jacobian(design).sum()
    (eta,) = spec.priors["rho"].arguments
    odds_at = -1
    if n_outcomes == 2:
        (odds_at,) = places["z_partial_logodds__"]
        constant -= betaln(eta, eta)
    effects = _effects(spec, design, drivers, pilot, places)
    normals = Normals(
        cells.country,
        cells.observed,
        cells.n,
        cells.cross,
        float(constant),
        _scales(places["z_residual_sd"], spec.priors["residual_sd"]),
        int(odds_at),
        float(eta),
    )
    return lambda at: normal_density(at, effects, normals)


def _ordinal(
    spec: ModelSpec,
    design: xr.Dataset,
    drivers: tuple[Driver, ...],
    pilot: Pilot,
    places: Mapping[str, np.ndarray],
) -> Direct | None:
    _, n_rest = ordinal_coordinates(spec, design, drivers)
    prior = spec.priors["kappa_gap"]
    if gaps_vary(spec, design) and prior.family != "log_normal":  # else logarithms are normal
        return None
    effects = _effects(spec, design, drivers, pilot, places)
    counts = _counts(collapse_ordinal(design), _scales(np.arange(n_rest), prior))
    return lambda at: count_density(at, effects, counts, 1)


def _counts(cells: CountCells, gaps: Scales) -> Counts:
    return Counts(
        np.ascontiguousarray(cells.x), cells.ends, cells.above, cells.beside, cells.between, gaps
    )


def _scales(at: Sequence[int] | np.ndarray, prior: Prior | None) -> Scales:
    """Scales of one prior."""
    n = len(at)
    arguments = np.zeros((n, 2))
    if prior is not None:
        arguments[:, : len(prior.arguments)] = prior.arguments
    family = 0 if prior is None else FAMILIES.index(prior.family)
    return Scales(np.array(at, dtype=np.int64), np.full(n, family), arguments)


def _effects(
    spec: ModelSpec,
    design: xr.Dataset,
    drivers: tuple[Driver, ...],
    pilot: Pilot,
    places: Mapping[str, np.ndarray],
) -> Effects:
    n_outcomes, n_columns = design.sizes[outcome_dim(spec)], design.sizes[names.COEFFICIENT]
    varies, n_gaps = np.tile(effect_columns(spec, drivers, n_columns), n_outcomes), 0
    level = "intercept"
    if spec.likelihood == "ordinal":
        n_gaps = len(ordinal_coordinates(spec, design, drivers)[0]) - len(varies)
        varies = np.r_[varies, np.ones(n_gaps, dtype=bool)]
        level = "kappa"
    each = [spec.priors[level].arguments] + n_columns * [spec.priors["beta"].arguments]
    of_gaps = n_gaps * [spec.priors["kappa_gap"].arguments] if n_gaps else []
    prior = np.array(n_outcomes * each + of_gaps)
    if level == "kappa":
        prior[0, 0] *= -1  # the level is minus the first threshold
    scales = [_scales(places["z_tau_intercept"], spec.priors["tau_intercept"])]
    driver_of = varying_columns(spec, drivers)[1]
    varying = list(dict.fromkeys(driver_of))
    if varying:
        scales.append(_scales(places["z_tau"], spec.priors["tau"]))
    scale_of = [
        place
        for f in range(n_outcomes)
        for place in (f, *(n_outcomes + f * len(varying) + varying.index(d) for d in driver_of))
    ]
    if n_gaps:
        scale_of += n_gaps * [sum(len(of.at) for of in scales)]
        scales.append(_scales(places["z_tau_kappa"], spec.priors["tau_kappa"]))
    assert pilot.evidence is not None
    evidence, whitening = pilot.evidence, pilot.whitening
    n_countries, n_varying = evidence.precision.shape
    size = len(places["z_common"])
    n_shared = 0 if evidence.along is None else evidence.along.shape[2]
    return Effects(
        common_at=int(places["z_common"][0]),
        b_at=int(places["z_b"][0]),
        varying=np.flatnonzero(varies),
        fixed=np.flatnonzero(~varies),
        scales=Scales(*(np.concatenate(parts) for parts in zip(*scales, strict=True))),
        scale_of=np.array(scale_of),
        prior_mean=prior[:, 0].copy(),
        prior_sd=prior[:, 1].copy(),
        estimate=np.ascontiguousarray(evidence.estimate),
        precision=np.ascontiguousarray(evidence.precision),
        along=np.zeros((n_countries, n_varying, n_shared))
        if evidence.along is None
        else np.ascontiguousarray(evidence.along),
        centre=np.zeros(size) if whitening is None else whitening.centre.copy(),
        factor=np.eye(size) if whitening is None else np.ascontiguousarray(whitening.factor),
    )
