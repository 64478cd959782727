"""Whether what was predicted with a probability happens as often, by pooling violators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.optimize import isotonic_regression

from bayes_coprod.diagnostics.compare import check_draws, compare
from bayes_coprod.diagnostics.discrepancies import FEWEST, Discrepancy, outcome_labels
from bayes_coprod.diagnostics.replicate import mean_probabilities, observed_responses, thinned
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.inference.fit import Fit, check_is_fit

BAND_PROB = 0.99
"""Of replicated curves, at each probability."""
_POINTS, _BINS = 101, 20


@dataclass(frozen=True, eq=False)
class _Event:
    """An answer above a threshold, and who was predicted to give one with which probability.

    Parameters
    ----------
    label : str
    outcome, threshold : int
        Column of the answers, and category that is exceeded.
    rows : numpy.ndarray
        (answered,), citizens who answered.
    p : numpy.ndarray
        (probability,), predicted ones, each once, in ascending order.
    group : numpy.ndarray
        (answered,), whose is which.
    """

    label: str
    outcome: int
    threshold: int
    rows: np.ndarray
    p: np.ndarray
    group: np.ndarray

    @property
    def n(self) -> np.ndarray:
        """Citizens with each probability, (probability,)."""
        return np.bincount(self.group)

    def calibrated(self, y: np.ndarray) -> np.ndarray:
        """Isotonic regression of what happened on the predicted probability, (probability,)."""
        happened = y[self.rows, self.outcome] > self.threshold
        share = np.bincount(self.group, happened) / self.n
        return np.asarray(isotonic_regression(share, weights=self.n).x)


def _events(fit: Fit, kept: np.ndarray) -> list[_Event]:
    predicted = mean_probabilities(fit, kept)  # (citizen, threshold)
    observed = observed_responses(fit)
    if fit.spec.likelihood == "ordinal":
        item = fit.codebook.item(outcome_labels(fit)[0])
        above = [(0, j) for j in range(len(item.levels) - 1)]
        labels = [f"{item.name}: {level} or more" for level in item.levels[1:]]
    else:
        labels = outcome_labels(fit)
        above = [(o, 0) for o in range(len(labels))]
    events = []
    for t, (o, j) in enumerate(above):
        rows = np.flatnonzero(~np.isnan(observed[:, o]))
        p, group = np.unique(predicted[rows, t], return_inverse=True)
        events.append(_Event(labels[t], o, j, rows, p, group))
    return events


def reliability(fit: Fit, kept: np.ndarray) -> Discrepancy:
    r"""Miscalibration of each predicted probability, after pooling adjacent violators.

    .. math:: T = \frac1n \sum_i (\hat c_i - p_i)^2

    with :math:`\hat c` the isotonic regression of what happened on the predicted probability p, of
    answering above a threshold.

    References
    ----------
    .. [1] Dimitriadis, Gneiting & Jordan (2021), Stable reliability diagrams for probabilistic
       classifiers, Proceedings of the National Academy of Sciences 118(8).
    """
    events = _events(fit, kept)

    def measure(y: np.ndarray) -> np.ndarray:
        return np.array(
            [
                (event.n * (event.calibrated(y) - event.p) ** 2).sum() / len(event.rows)
                if len(event.rows) >= FEWEST
                else np.nan
                for event in events
            ]
        )

    cells = tuple(event.label for event in events)
    return Discrepancy("reliability", cells, measure, np.zeros(len(cells)), two_sided=False)


def reliability_curves(fit: Fit, *, draws: int = 400, random_seed: int | None = None) -> xr.Dataset:
    """How often what was predicted with a probability happened, and how often it would have.

    Parameters
    ----------
    fit : Fit
        Of ``participation`` or ``ordinal``.
    draws : int
        How many draws are replicated at most, as in :func:`check_predictive`.
    random_seed : int, optional
        The fit's own otherwise.

    Returns
    -------
    xarray.Dataset
        ``predicted``, probabilities from the smallest to the largest of any citizen; ``observed``,
        the share in which it happened, made monotone by pooling; ``lower`` and ``upper``, where
        99 % of replicates have it; dims (event, point). ``edge`` (event, edge) and ``citizens``
        (event, bin): how many were predicted what. NaN of events that fewer than 30 answered.

    Raises
    ------
    SpecError
        If the model is another, or `draws` is not positive.
    """
    check_is_fit(fit, "plot_reliability")
    if fit.spec.likelihood not in ("participation", "ordinal"):
        raise make_error(
            SpecError,
            "plot_reliability",
            f"a model of {fit.spec.likelihood!r} predicts no single citizen's answer",
            available=("participation", "ordinal"),
            remedy="Use plot_pit for 'index' and plot_calibration for 'items'.",
        )
    seed = check_draws(fit, "plot_reliability", draws, random_seed)
    like = _events(fit.parts[0], thinned(fit.parts[0], draws))
    at = np.stack([np.linspace(event.p[0], event.p[-1], _POINTS) for event in like])
    (found,) = compare(fit, lambda part, kept: [_curves(_events(part, kept), at)], draws, seed)
    tail = (1 - BAND_PROB) / 2
    replicated = np.concatenate(found.replicated)
    curves = {
        "observed": found.observed.mean(axis=0),
        "lower": np.quantile(replicated, tail, axis=0),
        "upper": np.quantile(replicated, 1 - tail, axis=0),
    }
    dims = ("event", "point")
    counted = [np.histogram(event.p, _BINS, weights=event.n) for event in like]
    return xr.Dataset(
        {
            "predicted": (dims, at),
            **{name: (dims, values.reshape(at.shape)) for name, values in curves.items()},
            "citizens": (("event", "bin"), [count for count, _ in counted]),
            "edge": (("event", "edge"), [edge for _, edge in counted]),
        },
        coords={"event": [event.label for event in like]},
        attrs={"band_prob": BAND_PROB},
    )


def _curves(events: Sequence[_Event], at: np.ndarray) -> Discrepancy:
    """Calibrated probability of each event at predicted ones, (event, point)."""

    def measure(y: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [
                np.interp(p, event.p, event.calibrated(y))
                if len(event.rows) >= FEWEST
                else np.full(len(p), np.nan)
                for event, p in zip(events, at, strict=True)
            ]
        )

    cells = tuple(
        f"{event.label}, {p:.3g}" for event, own in zip(events, at, strict=True) for p in own
    )
    return Discrepancy("reliability", cells, measure, np.zeros(len(cells)))
