"""Every prior's density, quantile and random draw.

Densities in a model's graph are PyMC's and those outside of it SciPy's; a test holds them to each
other. What is ours is the map from a standard normal to the prior, through which scales are
sampled: the prior is unchanged, and its long left tail in log scale becomes Gaussian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable
from scipy import stats

from bayes_coprod.model.prior_spec import Prior


@dataclass(frozen=True)
class _Family:
    graph: Callable[..., TensorVariable]
    frozen: Callable[..., Any]
    from_normal: Callable[..., TensorVariable]


def _upper_tail(z: TensorVariable) -> TensorVariable:
    """Phi(-z), accurate far out."""
    return 0.5 * pt.erfc(z / np.sqrt(2))


# F^-1(Phi(z)) of each family. The half-normal's goes through the upper tail on purpose: erfinv is
# infinite beyond z = 8, erfcinv is not.
_FAMILIES: dict[str, _Family] = {
    "normal": _Family(
        lambda mean, sd: pm.Normal.dist(mean, sd),
        lambda mean, sd: stats.norm(mean, sd),
        lambda z, mean, sd: mean + sd * z,
    ),
    "half_normal": _Family(
        lambda sd: pm.HalfNormal.dist(sd),
        lambda sd: stats.halfnorm(scale=sd),
        lambda z, sd: sd * np.sqrt(2) * pt.erfcinv(_upper_tail(z)),
    ),
    "exponential": _Family(
        lambda rate: pm.Exponential.dist(rate),
        lambda rate: stats.expon(scale=1 / rate),
        lambda z, rate: -pt.log(_upper_tail(z)) / rate,
    ),
    "log_normal": _Family(
        lambda mean, sd: pm.LogNormal.dist(mean, sd),
        lambda mean, sd: stats.lognorm(sd, scale=np.exp(mean)),
        lambda z, mean, sd: pt.exp(mean + sd * z),
    ),
    "uniform": _Family(
        lambda lower, upper: pm.Uniform.dist(lower, upper),
        lambda lower, upper: stats.uniform(lower, upper - lower),
        lambda z, lower, upper: lower + (upper - lower) * _upper_tail(-z),
    ),
}


def log_density(prior: Prior, value: TensorVariable) -> TensorVariable:
    """Log density of each element of `value`, in the graph."""
    return pm.logp(_FAMILIES[prior.family].graph(*_exact(prior)), value)


def from_normal(prior: Prior, z: TensorVariable) -> TensorVariable:
    """Map a standard normal to the prior: its quantile function at Phi(z), in the graph."""
    return _FAMILIES[prior.family].from_normal(z, *_exact(prior))


def quantile(prior: Prior, probability: np.ndarray | float, n_outcomes: int = 2) -> np.ndarray:
    """Quantiles of a prior.

    Parameters
    ----------
    prior : Prior
        An ``lkj`` stands for one of its correlations.
    probability : array_like
        0 to 1.
    n_outcomes : int
        Size of the correlation matrix of an ``lkj``.

    Returns
    -------
    numpy.ndarray
        Shape of `probability`, in the parameter's units.
    """
    return np.asarray(_frozen(prior, n_outcomes).ppf(probability))


def cumulative(prior: Prior, value: np.ndarray) -> np.ndarray:
    """Prior probability of being below each number; not of an ``lkj``."""
    return np.asarray(_frozen(prior, 2).cdf(value))


def log_density_of(prior: Prior, value: np.ndarray) -> np.ndarray:
    """Log density at numbers.

    Parameters
    ----------
    prior : Prior
    value : numpy.ndarray
        Of an ``lkj`` correlation matrices, (..., outcome, outcome).

    Returns
    -------
    numpy.ndarray
        Shape of `value`; of an ``lkj`` (...), up to a constant.
    """
    if prior.family == "lkj":
        return np.asarray((prior.arguments[0] - 1) * np.linalg.slogdet(value)[1])
    return np.asarray(_frozen(prior, 2).logpdf(value))


def draw(prior: Prior, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random draws from a prior.

    Parameters
    ----------
    prior : Prior
        Of an ``lkj``, `shape` ends with the size of the correlation matrix, twice.
    shape : tuple of int
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        Of the given shape.
    """
    if prior.family != "lkj":
        return np.asarray(_frozen(prior, 2).rvs(size=shape, random_state=rng))
    *size, n, _ = shape
    factor = pm.draw(
        pm.LKJCorr.dist(n, prior.arguments[0], size=tuple(size)),
        random_seed=int(rng.integers(2**31)),
    )
    return np.asarray(factor @ np.swapaxes(factor, -1, -2))


def _exact(prior: Prior) -> tuple[np.float64, ...]:
    """Arguments that PyTensor keeps in 64 bits: a plain 0.3 would become a 32-bit constant."""
    return tuple(np.float64(argument) for argument in prior.arguments)


def _frozen(prior: Prior, n_outcomes: int) -> Any:
    if prior.family == "lkj":
        # under LKJ(eta) each correlation of n outcomes is 2 Beta(a, a) - 1, a = eta - 1 + n / 2
        a = prior.arguments[0] - 1 + n_outcomes / 2
        return stats.beta(a, a, loc=-1, scale=2)
    return _FAMILIES[prior.family].frozen(*prior.arguments)
