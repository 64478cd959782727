"""The pilot of ``items``: mode and information without pooling, and where to integrate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytensor
import pytensor.tensor as pt
import xarray as xr
from scipy.linalg import LinAlgError, block_diag, cho_factor, cho_solve, cholesky
from scipy.optimize import minimize

from bayes_coprod import names
from bayes_coprod.model.item_layout import item_layout, n_coordinates, which_vary
from bayes_coprod.model.items import (
    integrand,
    log_likelihood,
    make_integral,
    stated_parameters,
)
from bayes_coprod.model.modes import AT_ONCE
from bayes_coprod.model.pilot import Evidence, Pilot, Whitening
from bayes_coprod.model.quadrature import Nodes, finer, place_nodes
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import back_in_place
from bayes_coprod.survey.entries import Driver

_PRIOR_SD = 4.0
"""Of a place of a contrast between items, or a level; slopes have 1."""
_FAR_OUT = 3.0
"""SDs from the mode that the nodes have to bear."""
_IMPLAUSIBLE = 12.5
"""Fall of the log density from its mode that the sampler hardly ever meets."""
_AT_MOST_OPEN = 1.0
"""SD of a citizen's expected propensity that windows bear, in logits."""
_NEGLIGIBLE = 0.03
"""Variance of deviations that nodes need not resolve, in SDs of its estimate."""
_STEP = 1e-4
"""In differences of the gradient."""
_TOLERANCES = (1e-5, 1e-10)
"""Relative change of the density at which the search for its mode ends, once and again."""
_NOWHERE = 1e15
"""Stands for an infinite negative log density: the line search takes a smaller step."""


@dataclass(frozen=True)
class _Coordinates:
    """Where a country's coefficients and the common coordinates lie in the pilot's vector."""

    n_countries: int
    varies: np.ndarray  # (coefficient,)
    n_rest: int

    @property
    def n_own(self) -> int:
        return int(self.varies.sum())

    @property
    def n_common(self) -> int:
        return int((~self.varies).sum()) + self.n_rest

    @property
    def size(self) -> int:
        return self.n_countries * self.n_own + self.n_common


@dataclass(frozen=True)
class _Extremes:
    """What nodes have to bear besides the mode.

    Parameters
    ----------
    at : numpy.ndarray
        A vector where the deviations are as wide as is plausible.
    smallest : numpy.ndarray
        (form,), the smallest plausible SDs of deviations.
    rho : float
        Their strongest plausible correlation.
    pull : numpy.ndarray
        (citizen, form), of :func:`place_nodes`.
    """

    at: np.ndarray
    smallest: np.ndarray
    rho: float
    pull: np.ndarray


def fit_item_pilot(spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...]) -> Pilot:
    r"""Find mode and information of the model without pooling, and the nodes for its integral.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    drivers : tuple of Driver
        Of the design.

    Returns
    -------
    Pilot
        With its problem in words where it failed; and without evidence and whitening where not
        even the information at the best point found is of use.

    Notes
    -----
    Each country has coefficients of its own under unit-scale priors. Its block of the information
    matrix couples with other countries through the common coordinates s alone,

    .. math:: \begin{pmatrix} A_c & B_c \\ B_c' & S \end{pmatrix}, \qquad
        \operatorname{Var}(s) = \Bigl(S - \sum_c B_c' A_c^{-1} B_c\Bigr)^{-1},

    so one pair of gradients gives a column of every country's block.
    """
    coordinates = _coordinates(spec, design, drivers)
    nodes = _wide_nodes(design)
    at = _start(design, coordinates)
    # nodes for the whole population first, and close by once it is known where citizens lie
    for tolerance in _TOLERANCES:
        gradient_at = _compile(spec, design, coordinates, nodes)
        found = minimize(
            gradient_at, at, jac=True, method="L-BFGS-B",
            options={"maxiter": 2000, "maxcor": 30, "ftol": tolerance},
        )  # fmt: skip
        if found.fun < _NOWHERE:
            at = found.x
        nodes = _place(spec, design, coordinates, at, nodes)
    found_mode = found.success and found.fun < _NOWHERE
    problem = "" if found_mode else "The pilot found no mode."
    gradient_at = _compile(spec, design, coordinates, nodes)
    try:
        evidence, whitening = _information(gradient_at, at, coordinates)
    except LinAlgError:
        return Pilot(nodes=nodes, problem="The pilot's information matrix is not positive.")
    extremes = _extremes(spec, design, coordinates, gradient_at, at, evidence, whitening)
    nodes = _place(spec, design, coordinates, at, nodes, extremes)
    if spec.pooling == "partial" and spec.parametrisation == "informed":
        return Pilot(evidence, whitening, nodes, problem)
    return Pilot(None, whitening if spec.pooling == "complete" else None, nodes, problem)


def _coordinates(spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...]) -> _Coordinates:
    varies = which_vary(spec, design, drivers)
    return _Coordinates(design.sizes[names.COUNTRY], varies, n_coordinates(design)[-1])


def _wide_nodes(design: xr.Dataset) -> Nodes:
    """Nodes that are good enough to begin with, wherever citizens lie: 18 logits around 0."""
    shape = design.sizes[names.CITIZEN], design.sizes[names.FORM]
    return Nodes(np.zeros(shape), np.full(shape, 0.5), (36,) * shape[1])


def _start(design: xr.Dataset, coordinates: _Coordinates) -> np.ndarray:
    """Thresholds from the items' shares of the lowest category, all else at its prior's middle."""
    layout = item_layout(design)
    answer = design["answer"].values
    lowest = ((answer == 0).sum(axis=0) + 0.5) / ((answer >= 0).sum(axis=0) + 1.0)
    first = np.log(lowest / (1 - lowest)) * 1.2  # a little wider than without deviations
    level = [-first[layout.of(f)].mean() for f in range(layout.n_forms)]
    n_columns = 1 + design.sizes[names.COEFFICIENT]
    effects = np.zeros((layout.n_forms, n_columns))
    effects[:, 0] = level
    coefficients = np.r_[effects.ravel(), layout.contrasts @ first]
    return np.r_[
        np.tile(coefficients[coordinates.varies], coordinates.n_countries),
        coefficients[~coordinates.varies],
        np.zeros(coordinates.n_rest),
    ]


def _graph(
    spec: ModelSpec, design: xr.Dataset, coordinates: _Coordinates, at: pt.TensorVariable
) -> tuple[dict[str, pt.TensorVariable], pt.TensorVariable]:
    """Stated parameters at the pilot's vector, and its log prior."""
    n_own = coordinates.n_countries * coordinates.n_own
    own = at[:n_own].reshape((coordinates.n_countries, coordinates.n_own))
    n_fixed = coordinates.n_common - coordinates.n_rest
    fixed, rest = at[n_own : n_own + n_fixed], at[n_own + n_fixed :]
    varies = coordinates.varies
    b = pt.concatenate(
        [own, pt.broadcast_to(fixed[None], (coordinates.n_countries, n_fixed))], axis=1
    )[:, back_in_place(varies)]
    n_effects = n_coordinates(design)[0]
    sd = np.full(len(varies), _PRIOR_SD)
    sd[:n_effects] = 1.0
    sd[: n_effects : n_effects // design.sizes[names.FORM]] = _PRIOR_SD  # the intercepts
    log_prior = -0.5 * ((own / sd[varies]) ** 2).sum() - 0.5 * (rest**2).sum()
    log_prior += -0.5 * ((fixed / sd[~varies]) ** 2).sum()
    return stated_parameters(spec, design, b, rest), log_prior


def _compile(
    spec: ModelSpec, design: xr.Dataset, coordinates: _Coordinates, nodes: Nodes
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Negative log density and its gradient."""
    at = pt.vector("at", shape=(coordinates.size,))
    parameters, log_prior = _graph(spec, design, coordinates, at)
    value = -(log_prior + log_likelihood(design, parameters, nodes))
    function = pytensor.function([at], [value, pytensor.grad(value, at)], mode=AT_ONCE)

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = function(point)
        if not np.isfinite(value):
            return _NOWHERE, np.zeros_like(point)
        return float(value), np.asarray(gradient)

    return evaluate


def _place(
    spec: ModelSpec,
    design: xr.Dataset,
    coordinates: _Coordinates,
    at: np.ndarray,
    nodes: Nodes,
    extremes: _Extremes | None = None,
) -> Nodes:
    """Place nodes where the citizens' propensities lie at the given parameters.

    With extremes the nodes also hold, and resolve, what the sampler may meet elsewhere.
    """
    smallest, rho = _deviations(spec, design, coordinates, at)
    widen, pull = 2.0, None
    if extremes is not None:
        widen *= float((_deviations(spec, design, coordinates, extremes.at)[0] / smallest).max())
        at, smallest, rho, pull = extremes.at, extremes.smallest, extremes.rho, extremes.pull
    if not nodes.is_grid:
        nodes = finer(nodes, 1)
    # twice as close as before
    n_fine = tuple(min(int(2 * widen * n), 512) for n in nodes.n_nodes)
    fine = Nodes(nodes.place, nodes.spacing / 2, n_fine)
    integral = make_integral(design, fine)
    parameters, _ = _graph(spec, design, coordinates, pt.as_tensor(at))
    effects, kappa, *deviations = (
        value.eval(mode=AT_ONCE) for value in integrand(design, parameters, fine)
    )
    weights, correlation = integral.posterior(effects, kappa, deviations[0], float(deviations[1]))
    narrow = np.maximum(smallest * np.sqrt(2 * (1 - abs(rho))), _negligible(design))
    nodes_at = [fine.at(f) for f in range(len(weights))]
    return place_nodes(weights, nodes_at, correlation, narrow, spec.sampler.quadrature, pull)


def _deviations(
    spec: ModelSpec, design: xr.Dataset, coordinates: _Coordinates, at: np.ndarray
) -> tuple[np.ndarray, float]:
    """SDs of the citizens' deviations, and their correlation."""
    parameters, _ = _graph(spec, design, coordinates, pt.as_tensor(at))
    rho = float(parameters["rho"].eval(mode=AT_ONCE)[0]) if "rho" in parameters else 0.0
    return parameters["sigma"].eval(mode=AT_ONCE), rho


def _extremes(
    spec: ModelSpec,
    design: xr.Dataset,
    coordinates: _Coordinates,
    gradient_at: Callable[[np.ndarray], tuple[float, np.ndarray]],
    at: np.ndarray,
    evidence: Evidence,
    whitening: Whitening,
) -> _Extremes:
    """Find how far the sampler may go from the mode."""
    n_sigma, n_rho = len(item_layout(design).free_sigma), int(design.sizes[names.FORM] == 2)
    n = n_sigma + n_rho
    sd = np.sqrt((whitening.factor[len(whitening.factor) - n :] ** 2).sum(axis=1))

    def moved(of_sigma: float, of_rho: float) -> np.ndarray:
        out = at.copy()
        out[len(at) - n :] += sd * np.repeat([of_sigma, of_rho], [n_sigma, n_rho])
        return out

    # information at the mode tells little of the tail where sigma is small
    mode = gradient_at(at)[0]
    steps_up = np.arange(_FAR_OUT, 0.5, -0.5)
    up = next((s for s in steps_up if gradient_at(moved(s, 0))[0] < mode + _IMPLAUSIBLE), 0.5)
    ends = [_deviations(spec, design, coordinates, moved(-_FAR_OUT, s * _FAR_OUT)) for s in (-1, 1)]
    # pooling knows a country better than its own data do
    uncertainty = np.minimum(_uncertainty(design, coordinates, evidence), _AT_MOST_OPEN)
    widest = _deviations(spec, design, coordinates, moved(up, 0))[0]
    return _Extremes(
        at=moved(up, 0),
        smallest=ends[0][0],
        rho=max((rho for _, rho in ends), key=abs),
        pull=_FAR_OUT * uncertainty / widest**2,
    )


def _uncertainty(design: xr.Dataset, coordinates: _Coordinates, evidence: Evidence) -> np.ndarray:
    """SD of each citizen's expected propensities, (citizen, form), from what varies by country."""
    n_effects, n_forms = n_coordinates(design)[0], design.sizes[names.FORM]
    variance = np.zeros((coordinates.n_countries, len(coordinates.varies)))
    variance[:, coordinates.varies] = 1 / evidence.precision
    of_effects = variance[:, :n_effects].reshape(coordinates.n_countries, n_forms, -1)
    x = np.column_stack([np.ones(design.sizes[names.CITIZEN]), design["x"].values])
    return np.sqrt(np.einsum("ip,ifp->if", x**2, of_effects[design["country_index"].values]))


def _negligible(design: xr.Dataset) -> np.ndarray:
    r"""SDs of deviations that the data cannot tell from none, (form,).

    A citizen's answers to n items have at most information n / 3 about the propensity. Where there
    are no deviations their variance is so estimated with an SD of at least
    :math:`\sqrt 2 / (\sum_i (n_i / 3)^2)^{1/2}`.
    """
    answered = design["answer"].values >= 0
    layout = item_layout(design)
    own = [answered[:, layout.of(f)].sum(axis=1) / 3 for f in range(layout.n_forms)]
    sd_of_variance = np.array([np.sqrt(2 / (n**2).sum()) for n in own])
    # nodes at a distance h resolve deviations down to h / sqrt(2)
    return np.sqrt(2 * _NEGLIGIBLE * sd_of_variance)


def _information(
    gradient_at: Callable[[np.ndarray], tuple[float, np.ndarray]],
    at: np.ndarray,
    coordinates: _Coordinates,
) -> tuple[Evidence, Whitening]:
    """Evidence of each country, and the common coordinates' whitening, at the mode."""
    n, k, m = coordinates.n_countries, coordinates.n_own, coordinates.n_common

    def column(positions: np.ndarray) -> np.ndarray:
        step = np.zeros_like(at)
        step[positions] = _STEP
        return (gradient_at(at + step)[1] - gradient_at(at - step)[1]) / (2 * _STEP)

    own = np.empty((n * k, k))
    for j in range(k):
        own[:, j] = column(np.arange(n) * k + j)[: n * k]
    a = own.reshape(n, k, k)
    a = (a + a.transpose(0, 2, 1)) / 2
    by_common = np.stack([column(np.array([n * k + j])) for j in range(m)], axis=-1)
    b, s = by_common[: n * k].reshape(n, k, m), by_common[n * k :]
    own_variance = np.stack([_inverse(block) for block in a])
    to_common = own_variance @ b  # (country, own, common)
    schur = (s + s.T) / 2 - np.einsum("cki,ckj->ij", b, to_common)
    common_variance = _inverse(schur)

    # given the common coordinates; countries differ by more than the data's noise, and that much
    # their mean stands open besides
    estimate = at[: n * k].reshape(n, k)
    noise = np.diagonal(own_variance, axis1=1, axis2=2)
    between = np.maximum(estimate.var(axis=0, ddof=1) - noise.mean(axis=0), 0.0)
    mean_variance = own_variance.sum(axis=0) / n**2 + np.diag(between) / n
    # centres of varying coefficients come in SDs, the others in their own units
    unit = np.sqrt(np.diag(mean_variance))
    joint = block_diag(mean_variance / np.outer(unit, unit), common_variance)
    varies = coordinates.varies
    order = np.r_[back_in_place(varies), np.arange(len(varies), k + m)]
    centre = np.r_[np.zeros(k), at[n * k :]]
    return (
        Evidence(estimate + to_common @ at[n * k :], 1 / noise, -to_common),
        Whitening(centre[order], cholesky(joint[np.ix_(order, order)], lower=True)),
    )


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix; refuses any other."""
    return cho_solve(cho_factor(matrix), np.eye(len(matrix))) if matrix.size else matrix
