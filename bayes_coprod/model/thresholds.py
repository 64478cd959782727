"""Thresholds of items in each country, and what lies between them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from bayes_coprod.model.item_layout import ItemLayout

type Parameters = Mapping[str, TensorVariable]

_FAR = 1e8
"""Stands for an infinite threshold: its logistic is 0 or 1 and its gradients vanish."""


def country_thresholds(layout: ItemLayout, parameters: Parameters) -> TensorVariable:
    """Thresholds in each country, (country, threshold)."""
    kappa = parameters["kappa"]
    if "shift" in parameters:
        return kappa + parameters["shift"][:, layout.item_of_threshold]
    if "threshold_shift" in parameters:
        return kappa + parameters["threshold_shift"]
    return pt.broadcast_to(kappa, (parameters["b_intercept"].shape[0], kappa.shape[0]))


def category_bounds(layout: ItemLayout, parameters: Parameters) -> list[TensorVariable]:
    """Thresholds of each item with the infinite ends, (country, J + 1)."""
    kappa = country_thresholds(layout, parameters)
    end = pt.full((kappa.shape[0], 1), np.float64(_FAR))
    ends = np.cumsum(layout.n_categories - 1)
    return [
        pt.concatenate([-end, kappa[:, start:stop], end], axis=1)
        for start, stop in zip(layout.first_threshold, ends, strict=True)
    ]


def log_interval(
    theta: TensorVariable, lower: TensorVariable, upper: TensorVariable
) -> TensorVariable:
    r"""Log probability that a latent answer falls between two thresholds.

    .. math::

        \log P = -\operatorname{softplus}(\theta - b) - \operatorname{softplus}(a - \theta)
                 + \log(1 - e^{-(b - a)})

    It never takes the difference of two logistics, so it does not underflow.
    """
    return (
        -pt.softplus(theta - upper) - pt.softplus(lower - theta) + pt.log(-pt.expm1(lower - upper))
    )


def effects_and_thresholds(
    layout: ItemLayout, draw: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Effects (country, form, 1 + coefficient) and thresholds (country, threshold) of a draw."""
    effects = draw["b_intercept"][:, :, None]
    if "b" in draw:
        effects = np.concatenate([effects, draw["b"]], axis=2)
    # in participation the level is all in the intercept
    kappa = draw.get("kappa", np.zeros(len(layout.form)))
    kappa = np.zeros((len(effects), 1)) + kappa
    if "shift" in draw:
        kappa = kappa + draw["shift"][:, layout.item_of_threshold]
    if "threshold_shift" in draw:
        kappa = kappa + draw["threshold_shift"]
    return np.ascontiguousarray(effects), kappa


def discriminations(layout: ItemLayout, draw: Mapping[str, np.ndarray]) -> np.ndarray:
    """Discrimination of each item at a draw, (item,); 1 where the model has none."""
    return np.asarray(draw.get("lambda", np.ones(len(layout.form))))
