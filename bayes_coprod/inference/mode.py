"""Mode and information of a model without pooling, where countries share a few coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable
from scipy.linalg import block_diag, cho_factor, cho_solve, cholesky
from scipy.optimize import minimize

from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.pilot import Evidence, Whitening
from bayes_coprod.model.varying import back_in_place

type Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Point to negative log density and its gradient."""

NOWHERE = 1e15
"""Stands for an infinite negative log density: the line search takes a smaller step."""
_STEP = 1e-4
"""In differences of the gradient."""


@dataclass(frozen=True)
class Coordinates:
    """Where a country's coefficients and the common coordinates lie in a vector.

    Parameters
    ----------
    n_countries : int
    varies : numpy.ndarray
        (coefficient,), whether each country has its own.
    n_rest : int
        Common coordinates besides the coefficients that do not vary: standard normal a priori.
    """

    n_countries: int
    varies: np.ndarray
    n_rest: int = 0

    @property
    def n_own(self) -> int:
        """Coefficients that each country has."""
        return int(self.varies.sum())

    @property
    def n_common(self) -> int:
        """Coordinates that countries share."""
        return int((~self.varies).sum()) + self.n_rest

    @property
    def size(self) -> int:
        """Of the vector: coefficients country by country, then what they share."""
        return self.n_countries * self.n_own + self.n_common

    def vector(self, coefficients: np.ndarray) -> np.ndarray:
        """Vector of countries that are all alike, from (coefficient,); the rest is 0."""
        own = np.tile(coefficients[self.varies], self.n_countries)
        return np.r_[own, coefficients[~self.varies], np.zeros(self.n_rest)]

    def split(self, at: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
        """Coefficients, (country, coefficient), and the rest of a vector."""
        n_own = self.n_countries * self.n_own
        n_fixed = self.n_common - self.n_rest
        own = at[:n_own].reshape((self.n_countries, self.n_own))
        fixed = pt.broadcast_to(at[n_own : n_own + n_fixed][None], (self.n_countries, n_fixed))
        b = pt.concatenate([own, fixed], axis=1)[:, back_in_place(self.varies)]
        return b, at[n_own + n_fixed :]


def compile_objective(
    coordinates: Coordinates,
    prior_sd: np.ndarray,
    log_likelihood: Callable[[TensorVariable, TensorVariable], TensorVariable],
) -> Objective:
    """Compile the negative log density of the model without pooling.

    Parameters
    ----------
    coordinates : Coordinates
    prior_sd : numpy.ndarray
        (coefficient,), each country's are normal around 0.
    log_likelihood : callable
        Coefficients, (country, coefficient), and the rest, in a graph -> scalar.

    Returns
    -------
    callable
    """
    at = pt.vector("at", shape=(coordinates.size,))
    b, rest = coordinates.split(at)
    sd = np.r_[
        np.tile(prior_sd[coordinates.varies], coordinates.n_countries),
        prior_sd[~coordinates.varies],
        np.ones(coordinates.n_rest),
    ]
    value = 0.5 * ((at / sd) ** 2).sum() - log_likelihood(b, rest)
    function = pytensor.function([at], [value, pytensor.grad(value, at)], mode=AS_WRITTEN)

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = function(point)
        if not np.isfinite(value):
            return NOWHERE, np.zeros_like(point)
        return float(value), np.asarray(gradient)

    return evaluate


def find_mode(objective: Objective, start: np.ndarray, tolerance: float) -> tuple[np.ndarray, bool]:
    """Search for the mode.

    Parameters
    ----------
    objective : callable
    start : numpy.ndarray
    tolerance : float
        Relative change of the density at which the search ends.

    Returns
    -------
    (numpy.ndarray, bool)
        The best point, and whether it is a mode.
    """
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B",
        options={"maxiter": 2000, "maxcor": 30, "ftol": tolerance},
    )  # fmt: skip
    somewhere = found.fun < NOWHERE
    return (found.x if somewhere else start), bool(found.success and somewhere)


def find_information(
    objective: Objective, at: np.ndarray, coordinates: Coordinates
) -> tuple[Evidence, Whitening]:
    r"""Evidence of each country, and the common coordinates' whitening, at the mode.

    Parameters
    ----------
    objective : callable
    at : numpy.ndarray
        The mode.
    coordinates : Coordinates

    Returns
    -------
    (Evidence, Whitening)

    Raises
    ------
    scipy.linalg.LinAlgError
        If the information matrix is not positive.

    Notes
    -----
    A country's block of the information matrix couples with other countries through the common
    coordinates s alone,

    .. math:: \begin{pmatrix} A_c & B_c \\ B_c' & S \end{pmatrix}, \qquad
        \operatorname{Var}(s) = \Bigl(S - \sum_c B_c' A_c^{-1} B_c\Bigr)^{-1},

    so one pair of gradients gives a column of every country's block.
    """
    n, k, m = coordinates.n_countries, coordinates.n_own, coordinates.n_common

    def column(positions: np.ndarray) -> np.ndarray:
        step = np.zeros_like(at)
        step[positions] = _STEP
        return (objective(at + step)[1] - objective(at - step)[1]) / (2 * _STEP)

    own = np.empty((n * k, k))
    for j in range(k):
        own[:, j] = column(np.arange(n) * k + j)[: n * k]
    a = own.reshape(n, k, k)
    a = (a + a.transpose(0, 2, 1)) / 2
    by_common = np.empty((len(at), m))
    for j in range(m):
        by_common[:, j] = column(np.array([n * k + j]))
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
