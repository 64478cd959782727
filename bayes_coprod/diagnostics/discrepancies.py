"""Statistics of answers, one for each place where a model may miss the data.

A statistic takes what citizens answered, (citizen, item or outcome), and is NaN where too few did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from bayes_coprod import names
from bayes_coprod.diagnostics.driver_groups import centred_columns, driver_groups
from bayes_coprod.diagnostics.replicate import observed_responses
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.design import country_ends
from bayes_coprod.model.item_layout import response_layout
from bayes_coprod.model.outcomes import outcome_dim

CALIBRATION = "calibration"
FEWEST = 30
"""Citizens behind a statistic: the SD of fewer is known to no better than an eighth."""


@dataclass(frozen=True)
class Discrepancy:
    """A family of statistics that are judged together.

    Parameters
    ----------
    check : str
        What findings call it.
    cells : tuple of str
        Where each statistic is taken.
    measure : callable
        Answers, (citizen, item or outcome), to statistics, (cell,).
    least_sd : numpy.ndarray
        (cell,), SD between replicates below which a statistic is not told apart.
    two_sided : bool
        Whether too small is as bad as too large.
    """

    check: str
    cells: tuple[str, ...]
    measure: Callable[[np.ndarray], np.ndarray]
    least_sd: np.ndarray
    two_sided: bool = True


def outcome_labels(fit: Fit) -> list[str]:
    """Forms, or forms in sectors, that a fit's answers are scored for; the item of ``ordinal``."""
    if fit.spec.likelihood == "ordinal":
        return [str(fit.design[names.ITEM].values[0])]
    return [str(label) for label in fit.design[outcome_dim(fit.spec)].values]


def make_score(fit: Fit) -> Callable[[np.ndarray], np.ndarray]:
    """Score of each citizen and form or outcome, from the answers, (citizen, outcome).

    Points of 100: the index, or the mean over the answered items, whose categories score in equal
    steps; of ``participation`` 1 or 0.
    """
    if "answer" not in fit.design:
        return lambda y: y
    layout = response_layout(fit.design)
    scale = 100 / (layout.n_categories - 1)
    member = np.eye(layout.n_forms)[layout.form]  # (item, form)

    def score(y: np.ndarray) -> np.ndarray:
        answered = ~np.isnan(y)
        n = answered @ member
        total = np.where(answered, y * scale, 0.0) @ member
        return np.where(n > 0, total / np.maximum(n, 1), np.nan)

    return score


def category_shares(fit: Fit) -> Discrepancy:
    """Share of each answer to each item in each country; of ``participation`` who takes part."""
    design = fit.design
    country, n_countries = design["country_index"].values, design.sizes[names.COUNTRY]
    answered = ~np.isnan(observed_responses(fit))
    n = np.stack([np.bincount(country, has, n_countries) for has in answered.T], axis=1)
    if "answer" in design:
        sizes = design["n_categories"].values
        items = [fit.codebook.item(str(name)) for name in design[names.ITEM].values]
        labels = [f"{item.name}: {level}" for item in items for level in item.levels]
        wanted = [(k, j) for k, size in enumerate(sizes) for j in range(size)]
    else:
        labels = outcome_labels(fit)
        wanted = [(k, 1) for k in range(len(labels))]
    of = n[:, [k for k, _ in wanted]]  # (country, category)
    of = np.where(of < FEWEST, np.nan, of)

    def measure(y: np.ndarray) -> np.ndarray:
        counts = [np.bincount(country, y[:, k] == j, n_countries) for k, j in wanted]
        return (np.stack(counts, axis=1) / of).ravel()

    cells = tuple(f"{label}, {name}" for name in fit.countries for label in labels)
    return Discrepancy(CALIBRATION, cells, measure, 1 / of.ravel())


def group_means(fit: Fit, like: Fit) -> Discrepancy:
    """Mean score of those at each level of each driver, in each country.

    `like` is the fit itself, or the first part of a pooled fit, whose bounds of groups all share.
    """
    score, labels = make_score(fit), outcome_labels(fit)
    country, n_countries = fit.design["country_index"].values, fit.design.sizes[names.COUNTRY]
    has = ~np.isnan(score(observed_responses(fit)))  # (citizen, outcome)
    groups = driver_groups(fit, like)
    place = [group.of * n_countries + country for group in groups]
    size = [len(group.labels) * n_countries for group in groups]

    def total(values: np.ndarray) -> np.ndarray:
        sums = [
            np.bincount(at, column, n)
            for at, n in zip(place, size, strict=True)
            for column in values.T
        ]
        return np.concatenate(sums) if sums else np.zeros(0)

    n = total(has.astype(float))
    n = np.where(n < FEWEST, np.nan, n)

    def measure(y: np.ndarray) -> np.ndarray:
        return total(np.where(has, score(y), 0.0)) / n

    cells = tuple(
        f"{label}: {level}, {name}"
        for group in groups
        for label in labels
        for level in group.labels
        for name in fit.countries
    )
    step = 1.0 if fit.spec.likelihood == "participation" else 0.0
    return Discrepancy("calibration by driver", cells, measure, step / n)


def score_shapes(fit: Fit) -> Discrepancy:
    """Spread, ends and tails of each score in each country.

    Of ``index`` spread, skewness and tails are those of residuals from least squares on the drivers
    in each country, of data and replicates alike: fitting has then shrunk both.
    """
    score, labels, ends = make_score(fit), outcome_labels(fit), country_ends(fit.design)
    has = ~np.isnan(score(observed_responses(fit)))
    is_index = fit.spec.likelihood == "index"
    columns = fit.design["x"].values if is_index else np.zeros((len(has), 0))
    x = np.column_stack([np.ones(len(has)), columns])
    shapes = ("SD", "at the floor", "at the ceiling", "skewness") + ("tails",) * is_index
    rows = [
        (o, a + np.flatnonzero(has[a:b, o])) for a, b in pairwise(ends) for o in range(len(labels))
    ]
    bases = [np.linalg.qr(x[i])[0] for _, i in rows]  # (citizen, column), orthonormal
    enough = [len(i) >= max(FEWEST, 2 * x.shape[1]) for _, i in rows]

    def measure(y: np.ndarray) -> np.ndarray:
        at = score(y)
        return np.concatenate(
            [
                _shape(at[i, o], basis, len(shapes)) if fine else np.full(len(shapes), np.nan)
                for (o, i), basis, fine in zip(rows, bases, enough, strict=True)
            ]
        )

    cells = tuple(
        f"{label}: {shape}, {name}"
        for name in fit.countries
        for label in labels
        for shape in shapes
    )
    n = np.array([max(len(i), 1) for _, i in rows])
    counted = np.isin(shapes, ("at the floor", "at the ceiling"))
    return Discrepancy("scores", cells, measure, (counted / n[:, None]).ravel())


def _shape(at: np.ndarray, basis: np.ndarray, n_shapes: int) -> np.ndarray:
    """SD, shares at both ends, skewness, and Geary's ratio of mean deviation to SD."""
    away = at - basis @ (basis.T @ at)
    sd = away.std()
    # nobody differs: neither skewed nor with tails
    z = away / sd if sd > 0 else away
    shapes = [sd, (at <= 0).mean(), (at >= 100).mean(), (z**3).mean(), abs(z).mean()]
    return np.array(shapes[:n_shapes])


def score_correlations(fit: Fit) -> Discrepancy:
    """Correlation between each two scores in each country."""
    score, labels, ends = make_score(fit), outcome_labels(fit), country_ends(fit.design)
    has = ~np.isnan(score(observed_responses(fit)))
    pairs = list(combinations(range(len(labels)), 2))
    rows = [
        (i, j, a + np.flatnonzero(has[a:b, i] & has[a:b, j]))
        for a, b in pairwise(ends)
        for i, j in pairs
    ]

    def measure(y: np.ndarray) -> np.ndarray:
        at = score(y)
        return np.array([_correlation(at[r, i], at[r, j]) for i, j, r in rows])

    cells = tuple(
        f"{names.pair_label(labels[i], labels[j])}, {name}"
        for name in fit.countries
        for i, j in pairs
    )
    return Discrepancy("correlation of scores", cells, measure, np.zeros(len(cells)))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < FEWEST:
        return np.nan
    sd = first.std() * second.std()
    # a score that is the same for all goes with nothing
    return float(np.cov(first, second, ddof=0)[0, 1] / sd) if sd > 0 else 0.0


def interactions(fit: Fit) -> Discrepancy:
    r"""How a score goes with the product of two drivers, beyond what each goes with.

    .. math:: T = \sum_i w_i y_i \Big/ \sum_i w_i^2

    with w the product less its least-squares prediction from the drivers in each country: what the
    model fits, the levels and slopes of countries, cancels from T, which is the coefficient that
    the product would have in a linear model.
    """
    score, labels, ends = make_score(fit), outcome_labels(fit), country_ends(fit.design)
    has = ~np.isnan(score(observed_responses(fit)))
    columns = centred_columns(fit)
    pairs = [(a, b) for a, b in combinations(columns, 2) if a.driver != b.driver]
    x = np.column_stack([np.ones(len(has)), fit.design["x"].values])
    weights = [
        _products(x, [(a.x, b.x) for a, b in pairs], has[:, o], ends) for o in range(len(labels))
    ]

    def measure(y: np.ndarray) -> np.ndarray:
        at = np.where(has, score(y), 0.0)
        return np.concatenate([at[:, o] @ w for o, w in enumerate(weights)])

    cells = tuple(f"{label}: {a.label} x {b.label}" for label in labels for a, b in pairs)
    return Discrepancy("driver interactions", cells, measure, np.zeros(len(cells)))


def _products(
    x: np.ndarray,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    has: np.ndarray,
    ends: np.ndarray,
) -> np.ndarray:
    """Weights of the answers of those who have one, (citizen, pair); NaN: no such product."""
    out = np.zeros((len(x), len(pairs)))
    if not pairs:
        return out
    before = np.zeros(len(pairs))
    for a, b in pairwise(ends):
        rows = a + np.flatnonzero(has[a:b])
        if len(rows) < max(FEWEST, 2 * x.shape[1]):
            continue
        product = np.stack([first[rows] * second[rows] for first, second in pairs], axis=1)
        fitted = x[rows] @ np.linalg.lstsq(x[rows], product, rcond=None)[0]
        out[rows] = product - fitted
        before += ((product - product.mean(axis=0)) ** 2).sum(axis=0)
    left = (out**2).sum(axis=0)
    # a product that the drivers themselves give leaves rounding only
    return out / np.where(left > 1e-6 * before, left, np.nan)
