"""Items that run against the others of their form in one country."""

from __future__ import annotations

import numpy as np

from bayes_coprod import names
from bayes_coprod.survey.entries import Item
from bayes_coprod.survey.harmonisation.shares import Comparison
from bayes_coprod.survey.harmonisation.signs import Sign
from bayes_coprod.survey.read import Survey

AGAINST = 0.1
"""A correlation with the rest below minus this runs against it, where the others' median is above
this: items of one form measure one propensity, and weak ones hover around nought."""
SURELY = 3.3
"""Standard errors, by Fisher's z, by which it lies on its side of nought: one in two thousand."""
FEWEST = 30
"""Citizens with both, below which a correlation is not looked at."""


def rest_correlations(survey: Survey, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of each item with the rest of its form, within each country.

    One item in reverse order pulls down the correlations of all others. So, the most negative
    item of a country is turned round before the others are looked at.

    Parameters
    ----------
    survey : Survey
    gain : numpy.ndarray
        (item, country); how much nearer to the other countries an item's mirrored shares lie:
        which of two items is reversed, their correlation does not say.

    Returns
    -------
    correlation : numpy.ndarray
        (item, country), -1 to 1; NaN where there is no rest, or too little to look at.
    side : numpy.ndarray
        (item, country): 1 where it surely is positive, -1 where it surely runs against the rest,
        0 otherwise.

    References
    ----------
    .. [1] Nunnally & Bernstein (1994), Psychometric Theory, on corrected item-total correlations.
    """
    items = survey.codebook.items
    country = survey.data[names.COUNTRY].cat.codes.to_numpy()
    rows = [np.flatnonzero(country == c) for c in range(len(survey.countries))]
    correlation = np.full((len(items), len(rows)), np.nan)
    pairs = np.zeros(correlation.shape)
    for form in survey.codebook.forms:
        of_form = [i for i, item in enumerate(items) if item.form == form]
        score = np.stack([_score(survey, items[i]) for i in of_form])  # (item, citizen)
        of_country = [score.take(r, axis=1) for r in rows]
        cells = [_correlate(own) for own in of_country]
        correlation[of_form] = np.column_stack([cell[0] for cell in cells])
        pairs[of_form] = np.column_stack([cell[1] for cell in cells])
        for c, own in enumerate(of_country):
            _turn_round(correlation, pairs, own, of_form, c, gain)
    side = np.where(_surely(correlation, pairs), np.sign(correlation), 0.0)
    for c in range(len(rows)):
        side[(side[:, c] < 0) & ~_runs_against(correlation, pairs, c), c] = 0
    return correlation, side


def make_reversal(at: Comparison, own: float, other: float) -> Sign:
    """Make the sign of an item whose correlation with the rest is negative in one country."""
    correlation = f"{_signed(own)}, against {_signed(other)} in the other countries (median)"
    seen = (
        "Respondents who answer higher on the other items of its form answer lower on it there: "
        f"the correlation is {correlation}."
    )
    remedy = (
        "The answers stand in reverse order in that country's file, or the question runs the other "
        "way: recode them there."
    )
    fact = (
        f"answers to ‘{at.entry.label}’ run against those to the other items of its form "
        f"(correlation {correlation})"
    )
    return Sign("fail", own, -AGAINST, at.distance, seen, remedy, fact)


def _turn_round(
    correlation: np.ndarray,
    pairs: np.ndarray,
    score: np.ndarray,
    of_form: list[int],
    c: int,
    gain: np.ndarray,
) -> None:
    """Keep the correlations of items that run against the rest; turn them, and look again.

    It turns them in `score`, (item, citizen), too.
    """
    turned = set[int]()
    while len(turned) < len(of_form) // 2:
        against = _runs_against(correlation, pairs, c)
        candidates = [i for i in of_form if against[i] and i not in turned]
        if not candidates:
            return
        worst = min(candidates, key=lambda i: (round(correlation[i, c], 6), -gain[i, c]))
        turned.add(worst)
        score[of_form.index(worst)] *= -1
        again, _ = _correlate(score)
        for i, value in zip(of_form, again, strict=True):
            if i not in turned:
                correlation[i, c] = value


def _runs_against(correlation: np.ndarray, pairs: np.ndarray, c: int) -> np.ndarray:
    """Which items are surely negative in one country and positive elsewhere."""
    against = (correlation[:, c] < -AGAINST) & _surely(correlation[:, c], pairs[:, c])
    for i in np.flatnonzero(against):
        others = np.delete(correlation[i], c)
        others = others[~np.isnan(others)]
        against[i] = len(others) > 0 and np.median(others) > AGAINST
    return against


def _surely(correlation: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Whether a correlation's sign is beyond doubt; not where it is unknown."""
    z = np.arctanh(np.clip(abs(correlation), 0, 1 - 1e-12))
    return z * np.sqrt(np.maximum(pairs - 3, 0)) > SURELY


def _score(survey: Survey, item: Item) -> np.ndarray:
    """Answers from -1, the lowest category, to 1, the highest; NaN where missing."""
    codes = survey.data[item.name].cat.codes.to_numpy(dtype=float)
    return np.where(codes < 0, np.nan, 2 * codes / (len(item.categories) - 1) - 1)


def _correlate(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of each item with the mean of the others, and citizens who have both, (item,).

    `score` is (item, citizen).
    """
    answered = ~np.isnan(score)
    filled = np.where(answered, score, 0.0)
    n_rest = answered.sum(axis=0) - answered
    both = answered & (n_rest > 0)
    rest = (filled.sum(axis=0) - filled) / np.maximum(n_rest, 1)
    pairs = both.sum(axis=1)
    x, y = (_centred(v, both, pairs) for v in (filled, rest))
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    looked_at = (pairs >= FEWEST) & (size > 1e-9)
    return np.where(looked_at, (x * y).sum(axis=1) / np.where(looked_at, size, 1), np.nan), pairs


def _centred(value: np.ndarray, both: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Values less their mean where `both` are known, and 0 elsewhere, (item, citizen)."""
    mean = np.where(both, value, 0).sum(axis=1) / np.maximum(pairs, 1)
    return np.where(both, value - mean[:, None], 0)


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
