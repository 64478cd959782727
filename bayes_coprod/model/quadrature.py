r"""The integral over citizens' propensities.

A citizen i has one propensity for each of one or two forms,
:math:`\theta_i \sim N(\mu_i, \Sigma)`, and the answers of form f depend on :math:`\theta_{if}`
only. With equally spaced nodes :math:`\theta_{if} = c_{if} + h_{if} j` around a place
:math:`c_{if}` of the citizen's own, and :math:`P = \Sigma^{-1}`, :math:`\delta_i = c_i - \mu_i`,

.. math::

    L_i &= \frac{h_{i1} h_{i2}}{2\pi |\Sigma|^{1/2}} \, e^{-\delta_i' P \delta_i / 2}
           \sum_{jk} U_{ij} \, W_{ijk} \, V_{ik} , \\
    U_{ij} &= p(y_{i1} \mid \theta_{i1} = c_{i1} + h_{i1} j) \,
              e^{-h_{i1} (P\delta_i)_1 j \,-\, (1 - |\rho|) P_{11} h_{i1}^2 j^2 / 2} , \\
    W_{ijk} &= e^{-|\rho| (\sqrt{P_{11}} h_{i1} j \,-\, s \sqrt{P_{22}} h_{i2} k)^2 / 2} ,
               \qquad s = \operatorname{sign} \rho ,

and V like U. The trapezoidal rule converges faster than any power of the spacing, so a spacing of
one posterior SD gives six digits. Measured from the citizen's own place, W is at most 1, and it is
the same for all citizens whose spacing is the same.

Two rules place the nodes. On the **grid** all citizens share the spacing, and every place is a
node of one grid, so that probabilities of answers are looked up in one small table
(:mod:`bayes_coprod.model.grid_op`). The **dense** rule gives each citizen a spacing of its own and
evaluates answer by answer: slower, and good for propensities that are known very unequally well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

MOST_NODES = 128
"""Nodes a form and citizen; a prior that needs more is not resolved, and a check says so."""

_WORTH_IT = 64
"""Nodes a form and citizen beyond which "auto" looks whether nodes of one's own need fewer."""

_MOST_FINER = 2000
"""Nodes a form of a finer rule, whose square has to fit into memory."""

_TAIL = 1e-7
"""Share of a citizen's posterior that may lie beyond the nodes, on either side."""

_SPACING = 0.95
"""Distance of the nodes in SDs of the best-known citizen."""

SHARPNESS = 20.0
"""How soon deviations too narrow for the nodes give way to those that are not."""

_LOGISTIC = 1.0
"""Distance of the nodes that resolves a logistic edge, whatever the SD."""

_THINNED = 32**2
"""Nodes a citizen, of all forms together, beyond which thinner grids are at hand."""

_THINNER = np.sqrt(2)
"""Ratio of the spacings of one grid and the next."""


@dataclass(frozen=True)
class Nodes:
    """Where a citizen's propensities are evaluated.

    Parameters
    ----------
    place : numpy.ndarray
        (citizen, form), the middle node.
    spacing : numpy.ndarray
        (citizen, form), on the latent scale.
    n_nodes : tuple of int
        For each form.
    is_grid : bool
        Whether all citizens share the spacing, and every place is a node of one grid.
    """

    place: np.ndarray
    spacing: np.ndarray
    n_nodes: tuple[int, ...]
    is_grid: bool = True

    @cached_property
    def least_sd(self) -> np.ndarray:
        """SDs of deviations that the nodes just resolve, (form,): the sum errs by 1e-4."""
        return self.spacing.max(axis=0) / np.sqrt(2)

    def at(self, form: int) -> np.ndarray:
        """Nodes of one form, (citizen, node)."""
        return self.place[:, form, None] + self.spacing[:, form, None] * steps(self.n_nodes)[form]


def finer(nodes: Nodes, factor: int) -> Nodes:
    """Nodes on a grid, `factor` times as close and `factor` times as wide.

    Where citizens' own nodes differ so much that this takes too many, they are less close.
    """
    reach = (nodes.spacing * np.array(nodes.n_nodes)).max(axis=0) * factor
    spacing = np.maximum(nodes.spacing.min(axis=0) / factor, reach / _MOST_FINER)
    return Nodes(
        np.round(nodes.place / spacing) * spacing,
        np.broadcast_to(spacing, nodes.spacing.shape),
        tuple(int(n) + 2 for n in np.ceil(reach / spacing)),
    )


def coarser(nodes: Nodes) -> Nodes | None:
    """Nodes on a coarser grid of the same width; ``None`` where few are left, or at the limit."""
    wider = np.minimum(nodes.spacing[0] * _THINNER, np.maximum(nodes.spacing[0], _LOGISTIC))
    if np.prod(nodes.n_nodes) <= _THINNED or np.array_equal(wider, nodes.spacing[0]):
        return None
    reach = nodes.spacing[0] * np.array(nodes.n_nodes)
    return Nodes(
        np.round(nodes.place / wider) * wider,
        np.broadcast_to(wider, nodes.spacing.shape),
        tuple(int(n) + 1 for n in np.ceil(reach / wider)),  # places move by half a spacing
    )


def enough(
    nodes: Nodes, n_answers: np.ndarray, steepest: float, sigma: np.ndarray, rho: float
) -> bool:
    r"""Whether nodes on a grid resolve all citizens' propensities at given deviations.

    Parameters
    ----------
    nodes : Nodes
    n_answers : numpy.ndarray
        (form,), most answers of a citizen, each of which has at most information
        :math:`\lambda^2 / 3` about the propensity.
    steepest : float
        Largest discrimination.
    sigma : numpy.ndarray
        (form,), SDs of the citizens' deviations.
    rho : float
        Their correlation.

    Notes
    -----
    As for :func:`place_nodes`: the error is about :math:`2 \exp(-2 \pi^2 k' S k)`, S the least
    posterior covariance in units of the spacings, k the shortest integer vectors.
    """
    if (nodes.spacing[0] * steepest > _LOGISTIC).any():
        return False
    information = n_answers * steepest**2 / 3
    rest = 1 - rho**2
    precision = np.diag(1 / (sigma**2 * rest) + information)
    if len(sigma) == 2:
        precision[0, 1] = precision[1, 0] = -rho / (sigma[0] * sigma[1] * rest)
    s = np.linalg.inv(precision) / np.outer(nodes.spacing[0], nodes.spacing[0])
    least = np.diag(s).min()
    if len(sigma) == 2:
        least = min(least, s[0, 0] + s[1, 1] - 2 * abs(s[0, 1]))
    return bool(least >= 1 / _SPACING**2)


def steps(n_nodes: Sequence[int]) -> list[np.ndarray]:
    """Distances of the nodes from the middle one, in spacings, for each form."""
    return [np.arange(n) - float(n // 2) for n in n_nodes]


def citizen_precision(
    sigma: TensorVariable, rho: TensorVariable | None
) -> tuple[TensorVariable, TensorVariable]:
    """Precision of the citizens' deviations, (form, form), and log determinant of its inverse."""
    if rho is None:
        return (1 / sigma**2)[:, None], 2 * pt.log(sigma[0])
    rest = 1 - rho**2
    correlation = pt.stacklists([[1, -rho], [-rho, 1]]) / rest
    precision = correlation / (sigma[:, None] * sigma[None, :])
    return precision, 2 * pt.log(sigma).sum() + pt.log(rest)


def log_marginal(
    nodes: Nodes,
    log_answers: Sequence[TensorVariable],
    mu: TensorVariable,
    sigma: TensorVariable,
    rho: TensorVariable | None,
) -> TensorVariable:
    """Log likelihood of each citizen, propensities integrated out.

    Parameters
    ----------
    nodes : Nodes
    log_answers : sequence of TensorVariable
        For each form (citizen, node): log probability of the citizen's answers at the nodes.
    mu : TensorVariable
        (citizen, form), expected propensities.
    sigma : TensorVariable
        (form,), SDs of the citizens' deviations.
    rho : TensorVariable or None
        Their correlation; ``None`` for one form.

    Returns
    -------
    TensorVariable
        (citizen,).
    """
    precision, log_determinant = citizen_precision(sigma, rho)
    n_forms = nodes.spacing.shape[1]
    log_scale = np.log(nodes.spacing).sum(axis=1) - 0.5 * n_forms * np.log(2 * np.pi)
    from_mu = [nodes.at(f) - mu[:, f, None] for f in range(n_forms)]  # (citizen, node)
    own = [log_answers[f] - 0.5 * precision[f, f] * from_mu[f] ** 2 for f in range(n_forms)]
    if rho is None:
        log_weight = own[0]
    else:
        # (citizen, node of the first form, node of the second)
        product = from_mu[0][:, :, None] * from_mu[1][:, None, :]
        log_weight = own[0][:, :, None] + own[1][:, None, :] - precision[0, 1] * product
    together = pt.logsumexp(log_weight, axis=tuple(range(1, 1 + n_forms)))
    return log_scale - 0.5 * log_determinant + together


def resolved[T: (TensorVariable, np.ndarray)](
    sigma: T, rho: T, least_sd: np.ndarray, softplus: Callable[[T], T]
) -> tuple[T, T]:
    r"""Widen deviations that are too narrow for the nodes to those that nodes just resolve.

    On nodes too far apart a density is fiction: where every mu sits on a node it rises without
    bound as sigma falls. The true likelihood levels off there, since deviations much narrower than
    what is known of a propensity are as good as none; so do these, smoothly:

    .. math:: \sigma_f \ge l_f, \qquad \sigma_f \sqrt{2 (1 - |\rho|)} \ge l_f .

    Twice as far from the bounds they are what they were to eight digits.

    Parameters
    ----------
    sigma : TensorVariable or numpy.ndarray
        (form,), SDs of the citizens' deviations.
    rho : TensorVariable or numpy.ndarray
        (1,), their correlation; 0 for one form.
    least_sd : numpy.ndarray
        (form,), of :class:`Nodes`.
    softplus : callable
        For what sigma and rho are.

    Returns
    -------
    (sigma, rho)
    """
    sharp = SHARPNESS / least_sd
    sigma = least_sd + softplus(sharp * (sigma - least_sd)) / sharp
    margin = ((least_sd / sigma) ** 2).max(keepdims=True) / 2  # least 1 - |rho|
    sharp = SHARPNESS / margin
    over, under = softplus(sharp * (rho - 1 + margin)), softplus(-sharp * (rho + 1 - margin))
    return sigma, rho + (under - over) / sharp


def place_nodes(
    weights: Sequence[np.ndarray],
    at: Sequence[np.ndarray],
    correlation: np.ndarray,
    narrow: np.ndarray,
    rule: str,
    pull: np.ndarray | None = None,
    steepest: np.ndarray | None = None,
) -> Nodes:
    r"""Place nodes where the citizens' posterior propensities lie.

    Parameters
    ----------
    weights : sequence of numpy.ndarray
        For each form (citizen, node): posterior probability of the nodes of a wide, fine rule.
    at : sequence of numpy.ndarray
        For each form (citizen, node), on the latent scale.
    correlation : numpy.ndarray
        (citizen,), posterior correlation of the two propensities; 0 for one form.
    narrow : numpy.ndarray
        (form,), :math:`\sigma_f \sqrt{2 (1 - |\rho|)}`: the prior must be resolved too.
    rule : {"auto", "grid", "dense"}
    pull : numpy.ndarray, optional
        (citizen, form), changes of mu in units of :math:`\sigma^2` that the windows have to bear:
        they move a propensity by its posterior variance times this.
    steepest : numpy.ndarray, optional
        (form,), the largest discrimination of an item; 1 otherwise.

    Returns
    -------
    Nodes
        On a grid, unless the rule is "dense", or "auto" and nodes of one's own are cheaper.

    Notes
    -----
    By Poisson's summation formula the error for a normal posterior is about
    :math:`2 \exp(-2 \pi^2 k' S k)` with S the posterior covariance in units of the spacings and k
    the integer vectors: spacings of 0.95 SD leave 1e-9 for independent propensities, more where
    they are skewed; they shrink by :math:`\sqrt{2 (1 - |r|)}` where the correlation r exceeds one
    half.
    """
    places, spacings, counts = [], [], []
    steep = np.ones(len(at)) if steepest is None else steepest
    shrink = np.sqrt(np.minimum(1.0, 2 * (1 - np.abs(correlation))))  # (citizen,)
    for f, (weight, node) in enumerate(zip(weights, at, strict=True)):
        mean = (weight * node).sum(axis=1)
        sd = np.sqrt(np.maximum((weight * (node - mean[:, None]) ** 2).sum(axis=1), 1e-12))
        spacing = np.minimum(_SPACING * np.minimum(sd * shrink, narrow[f]), _LOGISTIC / steep[f])
        below = np.cumsum(weight, axis=1)
        rows = np.arange(len(node))
        low = node[rows, np.maximum((below > _TAIL).argmax(axis=1) - 1, 0)]
        high = node[rows, np.minimum((below >= 1 - _TAIL).argmax(axis=1), node.shape[1] - 1)]
        if pull is not None:
            middle, half = (low + high) / 2, np.hypot((high - low) / 2, sd**2 * pull[:, f])
            low, high = middle - half, middle + half
        place = (low + high) / 2
        if rule == "dense":
            spacing = np.maximum(spacing, (high - low) / (MOST_NODES - 2))
        else:
            closest = max(spacing.min(), (high - low).max() / (MOST_NODES - 2))
            spacing = np.full_like(spacing, closest)
            place = np.round(place / spacing) * spacing
        places.append(place)
        spacings.append(spacing)
        # two to spare: the sampler walks around the pilot's mode
        counts.append(min(int(np.ceil(((high - low) / spacing).max())) + 2, MOST_NODES))
    nodes = Nodes(
        np.stack(places, axis=1), np.stack(spacings, axis=1), tuple(counts), rule != "dense"
    )
    if rule == "auto" and max(counts) > _WORTH_IT:
        own = place_nodes(weights, at, correlation, narrow, "dense", pull, steepest)
        # a node of one's own costs some thirty times as much
        if 30 * np.prod(own.n_nodes) < np.prod(counts):
            return own
    return nodes
