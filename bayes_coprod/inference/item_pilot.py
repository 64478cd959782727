"""The pilot of ``items``: mode and information without pooling, and where to integrate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from pytensor.tensor import TensorVariable
from scipy.linalg import LinAlgError

from bayes_coprod import names
from bayes_coprod.inference.mode import (
    Coordinates,
    Objective,
    compile_objective,
    find_information,
    find_mode,
)
from bayes_coprod.model.item_layout import ItemLayout, item_layout, n_coordinates, which_vary
from bayes_coprod.model.items import (
    integrand,
    log_likelihood,
    make_integral,
    stated_parameters,
)
from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.pilot import Evidence, Pilot, Whitening
from bayes_coprod.model.quadrature import Nodes, finer, place_nodes
from bayes_coprod.model.spec import ModelSpec
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
_TOLERANCES = (1e-5, 1e-10)
"""Relative change of the density at which the search for its mode ends, once and again."""


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
    pull, steepest : numpy.ndarray
        (citizen, form) and (form,), of :func:`place_nodes`.
    """

    at: np.ndarray
    smallest: np.ndarray
    rho: float
    pull: np.ndarray
    steepest: np.ndarray


def fit_item_pilot(spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...]) -> Pilot:
    """Find mode and information of the model without pooling, and the nodes for its integral.

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
    Each country has coefficients of its own under unit-scale priors; see :mod:`.mode`.
    """
    coordinates = _coordinates(spec, design, drivers)
    nodes = _wide_nodes(design)
    at = _start(design, coordinates)
    # nodes for the whole population first, and close by once it is known where citizens lie
    for tolerance in _TOLERANCES:
        gradient_at = _compile(spec, design, coordinates, nodes)
        at, found = find_mode(gradient_at, at, tolerance)
        nodes = _place(spec, design, coordinates, at, nodes)
    problem = "" if found else "The pilot found no mode."
    gradient_at = _compile(spec, design, coordinates, nodes)
    try:
        evidence, whitening = find_information(gradient_at, at, coordinates)
    except LinAlgError:
        return Pilot(nodes=nodes, problem="The pilot's information matrix is not positive.")
    extremes = _extremes(spec, design, coordinates, gradient_at, at, evidence, whitening)
    nodes = _place(spec, design, coordinates, at, nodes, extremes)
    if spec.pooling == "partial" and spec.parametrisation == "informed":
        return Pilot(evidence, whitening, nodes, problem)
    return Pilot(None, whitening if spec.pooling == "complete" else None, nodes, problem)


def _coordinates(spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...]) -> Coordinates:
    varies = which_vary(spec, design, drivers)
    return Coordinates(design.sizes[names.COUNTRY], varies, n_coordinates(design)[-1])


def _wide_nodes(design: xr.Dataset) -> Nodes:
    """Nodes that are good enough to begin with, wherever citizens lie: 18 logits around 0."""
    shape = design.sizes[names.CITIZEN], design.sizes[names.FORM]
    return Nodes(np.zeros(shape), np.full(shape, 0.5), (36,) * shape[1])


def _start(design: xr.Dataset, coordinates: Coordinates) -> np.ndarray:
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
    return coordinates.vector(coefficients)


def _compile(
    spec: ModelSpec, design: xr.Dataset, coordinates: Coordinates, nodes: Nodes
) -> Objective:
    """Negative log density and its gradient."""
    prior_sd = np.full(len(coordinates.varies), _PRIOR_SD)
    n_effects = n_coordinates(design)[0]
    prior_sd[:n_effects] = 1.0
    prior_sd[: n_effects : n_effects // design.sizes[names.FORM]] = _PRIOR_SD  # the intercepts

    def likelihood(b: TensorVariable, rest: TensorVariable) -> TensorVariable:
        return log_likelihood(design, stated_parameters(spec, design, b, rest), nodes)

    return compile_objective(coordinates, prior_sd, likelihood)


def _stated(
    spec: ModelSpec, design: xr.Dataset, coordinates: Coordinates, at: np.ndarray
) -> dict[str, TensorVariable]:
    """Stated parameters at the pilot's vector."""
    return stated_parameters(spec, design, *coordinates.split(pt.as_tensor(at)))


def _place(
    spec: ModelSpec,
    design: xr.Dataset,
    coordinates: Coordinates,
    at: np.ndarray,
    nodes: Nodes,
    extremes: _Extremes | None = None,
) -> Nodes:
    """Place nodes where the citizens' propensities lie at the given parameters.

    With extremes the nodes also hold, and resolve, what the sampler may meet elsewhere.
    """
    smallest, rho = _deviations(spec, design, coordinates, at)
    widen, pull, steepest = 2.0, None, None
    if extremes is not None:
        widen *= float((_deviations(spec, design, coordinates, extremes.at)[0] / smallest).max())
        at, smallest, rho = extremes.at, extremes.smallest, extremes.rho
        pull, steepest = extremes.pull, extremes.steepest
    if not nodes.is_grid:
        nodes = finer(nodes, 1)
    # twice as close as before
    n_fine = tuple(min(int(2 * widen * n), 512) for n in nodes.n_nodes)
    fine = Nodes(nodes.place, nodes.spacing / 2, n_fine)
    integral = make_integral(design, fine)
    parameters = _stated(spec, design, coordinates, at)
    effects, kappa, steep, sigma, correlated = (
        value.eval(mode=AS_WRITTEN) for value in integrand(design, parameters, fine)
    )
    weights, correlation = integral.posterior(effects, kappa, steep, sigma, float(correlated))
    narrow = np.maximum(smallest * np.sqrt(2 * (1 - abs(rho))), _negligible(design))
    nodes_at = [fine.at(f) for f in range(len(weights))]
    if steepest is None:
        steepest = _by_form(steep, item_layout(design))
    rule = spec.sampler.quadrature
    return place_nodes(weights, nodes_at, correlation, narrow, rule, pull, steepest)


def _by_form(discrimination: np.ndarray, layout: ItemLayout) -> np.ndarray:
    """Largest discrimination of each form's items, (form,)."""
    return np.array([discrimination[layout.of(f)].max() for f in range(layout.n_forms)])


def _steepest(
    spec: ModelSpec, design: xr.Dataset, coordinates: Coordinates, at: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Largest plausible discrimination of each form's items, (form,).

    `sd` is (common coordinate,), how far the data leave these open.
    """
    layout = item_layout(design)
    parameters = _stated(spec, design, coordinates, at)
    if "lambda" not in parameters:
        return np.ones(layout.n_forms)
    n_steep = len(layout.steepness)
    n_after = len(layout.free_sigma) + int(layout.n_forms == 2)
    own = sd[len(sd) - n_after - n_steep : len(sd) - n_after]
    of_log = spec.priors["lambda"].arguments[1] * np.sqrt(own**2 @ layout.steepness**2)
    widest = parameters["lambda"].eval(mode=AS_WRITTEN) * np.exp(_FAR_OUT * of_log)
    return _by_form(widest, layout)


def _deviations(
    spec: ModelSpec, design: xr.Dataset, coordinates: Coordinates, at: np.ndarray
) -> tuple[np.ndarray, float]:
    """SDs of the citizens' deviations, and their correlation."""
    parameters = _stated(spec, design, coordinates, at)
    rho = float(parameters["rho"].eval(mode=AS_WRITTEN)[0]) if "rho" in parameters else 0.0
    return parameters["sigma"].eval(mode=AS_WRITTEN), rho


def _extremes(
    spec: ModelSpec,
    design: xr.Dataset,
    coordinates: Coordinates,
    gradient_at: Objective,
    at: np.ndarray,
    evidence: Evidence,
    whitening: Whitening,
) -> _Extremes:
    """Find how far the sampler may go from the mode."""
    n_sigma, n_rho = len(item_layout(design).free_sigma), int(design.sizes[names.FORM] == 2)
    n = n_sigma + n_rho
    all_sd = np.sqrt((whitening.factor**2).sum(axis=1))
    sd = all_sd[len(all_sd) - n :]

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
        steepest=_steepest(spec, design, coordinates, at, all_sd),
    )


def _uncertainty(design: xr.Dataset, coordinates: Coordinates, evidence: Evidence) -> np.ndarray:
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
