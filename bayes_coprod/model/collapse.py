"""From citizens to sums: the statistics that carry all that a likelihood needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class GaussianCells:
    """Sums over the citizens of one country who have the same outcomes.

    Parameters
    ----------
    country : numpy.ndarray
        (cell,), position of the country.
    observed : numpy.ndarray
        (cell, outcome), 1.0 where the cell's citizens have the outcome, else 0.0.
    n : numpy.ndarray
        (cell,), number of citizens.
    cross : numpy.ndarray
        (cell, z, z), sums of z z' with z = (1, x, y); an outcome that is missing counts as 0.
    """

    country: np.ndarray
    observed: np.ndarray
    n: np.ndarray
    cross: np.ndarray


def collapse_gaussian(x: np.ndarray, y: np.ndarray, country: np.ndarray) -> GaussianCells:
    """Collapse citizens to a joint normal likelihood's sufficient statistics, exactly.

    Parameters
    ----------
    x : numpy.ndarray
        (citizen, coefficient).
    y : numpy.ndarray
        (citizen, outcome), NaN where missing.
    country : numpy.ndarray
        (citizen,), position of the country.

    Returns
    -------
    GaussianCells
        One cell for each country and pattern of present outcomes that occurs.
    """
    observed = ~np.isnan(y)
    pattern = observed @ (1 << np.arange(y.shape[1]))  # (citizen,), one bit an outcome
    cell_of = country.astype(np.int64) << y.shape[1] | pattern
    cell, start = np.unique(np.sort(cell_of), return_index=True)
    order = np.argsort(cell_of, kind="stable")
    z = np.concatenate([np.ones((len(y), 1)), x, np.where(observed, y, 0.0)], axis=1)
    blocks = np.split(z[order], start[1:])
    bits = cell[:, None] >> np.arange(y.shape[1]) & 1
    return GaussianCells(
        country=cell >> y.shape[1],
        observed=bits.astype(float),
        n=np.array([len(block) for block in blocks], dtype=float),
        cross=np.stack([block.T @ block for block in blocks]),
    )


@dataclass(frozen=True)
class CountCells:
    """Answers of the citizens of one country who have the same drivers.

    Parameters
    ----------
    ends : numpy.ndarray
        (country + 1,), where the cells of each country begin and end.
    x : numpy.ndarray
        (cell, coefficient).
    counts : numpy.ndarray
        (cell, outcome, category), citizens; one who did not answer is in none.
    """

    ends: np.ndarray
    x: np.ndarray
    counts: np.ndarray

    @property
    def above(self) -> np.ndarray:
        """Citizens in the category above each threshold, (cell, outcome, threshold)."""
        return self.counts[:, :, 1:].copy()

    @property
    def beside(self) -> np.ndarray:
        """Citizens in the two categories beside each threshold, (cell, outcome, threshold)."""
        return self.counts[:, :, :-1] + self.counts[:, :, 1:]

    @property
    def between(self) -> np.ndarray:
        """Citizens in each category with a threshold on either side, (country, category)."""
        by_country = np.split(self.counts[:, :, 1:-1], self.ends[1:-1])
        return np.stack([counts.sum(axis=(0, 1)) for counts in by_country])


def collapse_counts(
    x: np.ndarray, answer: np.ndarray, country: np.ndarray, n_countries: int, n_categories: int
) -> CountCells:
    """Collapse citizens to counts of answers, exactly.

    Parameters
    ----------
    x : numpy.ndarray
        (citizen, coefficient).
    answer : numpy.ndarray
        (citizen, outcome), position of the category; -1 where there is none.
    country : numpy.ndarray
        (citizen,), position of the country.
    n_countries, n_categories : int

    Returns
    -------
    CountCells
        One cell for each country and combination of drivers that occurs.
    """
    first, cell_of = distinct_rows(country, x)
    shape = (len(first), 1 + n_categories)  # a column more, of those without an answer
    counts = [
        np.bincount(cell_of * shape[1] + 1 + own, minlength=shape[0] * shape[1]).reshape(shape)
        for own in answer.T
    ]
    return CountCells(
        ends=np.searchsorted(country[first], np.arange(n_countries + 1)),
        x=x[first],
        counts=np.stack(counts, axis=1)[:, :, 1:].astype(float),
    )


def distinct_rows(country: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find which citizens are alike.

    Parameters
    ----------
    country : numpy.ndarray
        (citizen,), position of the country.
    values : numpy.ndarray
        (citizen, column); NaN is equal to NaN.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        The first citizen of each kind, (kind,), sorted by country; and each one's kind, (citizen,).
    """
    key, size = country.astype(np.int64), int(country.max()) + 1
    for column in values.T:
        code, levels = pd.factorize(column, use_na_sentinel=False)
        if size > np.iinfo(np.int64).max // len(levels):  # sorting columns by one number each
            key = np.unique(key, return_inverse=True)[1]
            size = int(key.max()) + 1
        key, size = key * len(levels) + code, size * len(levels)
    kind, found = pd.factorize(key)  # in order of appearance: no sorting of citizens
    first = np.empty(len(found), dtype=np.int64)
    first[kind[::-1]] = np.arange(len(key))[::-1]
    order = np.argsort(found)
    return first[order], np.argsort(order)[kind]
