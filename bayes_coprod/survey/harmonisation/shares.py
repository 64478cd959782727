r"""A country's shares of an entry's categories beside those of the other countries.

Two sets of shares lie apart by their total variation distance, the share of citizens who would
have to answer otherwise to make them alike,

.. math:: d(p, q) = \tfrac12 \sum_k |p_k - q_k| .

How far countries lie apart without any fault is learnt from the other countries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_coprod.survey.entries import Driver
from bayes_coprod.survey.harmonisation.signs import (
    Entry,
    Sign,
    write_answer,
    write_levels,
)
from bayes_coprod.wording import capital, per_cent

DIFFERENT = 0.15
"""Distance beyond chance: a difference in level of half a logit, which countries of one survey
have, moves a seventh of the answers at most."""
RECODED = 0.10
"""Distance beyond chance where another order of the categories explains it: less is asked,
since two things speak for it."""
ORDINARY, ORDINARY_RECODED = 2.5, 2.0
"""Times the median distance of two other countries, which the distance beyond chance exceeds
besides. In the Global Brain Health Survey, whose 14 countries recruited each in its own way, one
comparison in 182 does (`benchmarks/harmonisation.py`)."""
FEW_DIFFERENT, FEW_RECODED = 0.35, 0.25
"""The first two limits with fewer than three other countries, from which nothing is learnt of
how far countries lie apart; in that survey one pair in nine lies further apart than 0.35."""
EXPLAINED = 1 / 3
"""Part of the distance that another order of the categories may leave."""
CHANCE = 3.0
"""Standard deviations of the sample that are put down to chance."""
ABSENT_SHARE = 0.02
"""Categories rarer elsewhere are not missed."""
ABSENT_EXPECTED = 10.0
"""Citizens whom a category should have had, were it as rare as in the lowest quarter of the
other countries: nobody then is no chance, exp(-10), nor with samples clustered twofold."""
TIMES = 3.0
"""How many times as common as elsewhere a category stands out, if beyond chance it is also
:data:`BEYOND_ALL` times as common as where it is commonest."""
BEYOND_ALL = 1.5
TIMES_SHARE = 0.05
"""Rarer categories vary by such factors without any fault. Only drivers are looked at: an item's
lowest category is several times as common where the level is lower, which is what is studied."""
RAREST = 0.01
"""What a category that is rarer still, or that nobody has elsewhere, is taken for."""
CONSTANT = 0.98
"""Share of one category that leaves a driver or item next to nothing to say."""


@dataclass(frozen=True)
class Comparison:
    """One country's answers beside those of the countries it is compared with.

    Parameters
    ----------
    entry : Item or Driver
    own : numpy.ndarray
        Answers in each category, (category,).
    others : numpy.ndarray
        The same in the other countries, (country, category).
    ordinary : float
        Median distance of two other countries; NaN with fewer than three.
    elsewhere : str
        Which countries those are, in words.
    """

    entry: Entry
    own: np.ndarray
    others: np.ndarray
    ordinary: float
    elsewhere: str

    @cached_property
    def share(self) -> np.ndarray:
        """Of those who answered, (category,)."""
        return self.own / self.own.sum()

    @cached_property
    def other_shares(self) -> np.ndarray:
        """Of those who answered, (country, category)."""
        return self.others / self.others.sum(axis=1, keepdims=True)

    @cached_property
    def mean(self) -> np.ndarray:
        """Equally weighted mean of the other countries' shares, (category,)."""
        return self.other_shares.mean(axis=0)

    @cached_property
    def distance(self) -> float:
        """Of the country from the mean of the others."""
        return shares_apart(self.share, self.mean)

    @cached_property
    def chance(self) -> float:
        r"""Distance that samples of this size have without any difference.

        .. math:: \tfrac12 \sum_k \sqrt{2 v q_k (1 - q_k) / \pi} + z \sqrt{v} / 2, \qquad
            v = 1/n + \sum_d 1 / (n_d D^2)
        """
        variance = 1 / self.own.sum() + (1 / self.others.sum(axis=1)).sum() / len(self.others) ** 2
        mean = 0.5 * np.sqrt(2 / np.pi * variance * self.mean * (1 - self.mean)).sum()
        # one answer moves the distance by 1/n at most, so that its SD is at most sqrt(1/n) / 2
        return float(mean + CHANCE * np.sqrt(variance) / 2)

    @property
    def limit(self) -> float:
        """The distance allowed: chance, and what lies between countries anyway."""
        between = max(DIFFERENT, ORDINARY * self.ordinary)
        return self.chance + (FEW_DIFFERENT if np.isnan(self.ordinary) else between)

    @property
    def recoded_limit(self) -> float:
        """The distance allowed where another order of the categories explains it."""
        between = max(RECODED, ORDINARY_RECODED * self.ordinary)
        return self.chance + (FEW_RECODED if np.isnan(self.ordinary) else between)


def shares_apart(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation distance of two sets of shares, 0 to 1."""
    return float(abs(one - other).sum() / 2)


def ordinary_distance(shares: np.ndarray) -> float:
    """Median over countries of the median distance from another, (country, category).

    Two medians, so that one odd country among four moves it little; NaN with fewer than three.
    """
    n = len(shares)
    if n < 3:
        return np.nan
    apart = abs(shares[:, None] - shares[None]).sum(axis=2) / 2  # (country, country)
    others = apart[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    return float(np.median(np.median(others, axis=1)))


def mirror_gain(comparison: Comparison) -> float:
    """How much nearer to the other countries the mirrored shares lie."""
    return comparison.distance - shares_apart(comparison.share[::-1], comparison.mean)


def find_share_sign(comparison: Comparison, may_be_reversed: bool) -> Sign | None:
    """The most telling sign that the shares show, if any.

    Parameters
    ----------
    comparison : Comparison
    may_be_reversed : bool
        Whether the answers' order is in doubt; it is not where an item goes with the others.
    """
    is_driver = isinstance(comparison.entry, Driver)
    return (
        (_find_reversed(comparison) if may_be_reversed else None)
        or (_find_exchanged(comparison) if is_driver else None)
        or _find_absent(comparison)
        or _find_constant(comparison)
        or (_find_multiplied(comparison) if is_driver else None)
        or _find_different(comparison)
    )


def _find_reversed(at: Comparison) -> Sign | None:
    limit = at.recoded_limit
    mirrored = shares_apart(at.share[::-1], at.mean)
    if at.distance <= limit or mirrored > EXPLAINED * at.distance:
        return None
    k = _furthest(at)
    how = "swapped" if len(at.share) == 2 else "in reverse order"
    # the share that reading the codes the other way would give
    seen = f"{_seen(at, k)} {capital(how)} it would be {per_cent(at.share[::-1][k])}."
    remedy = f"Check whether the values stand {how} in that country's file, and recode them there."
    return Sign("warn", at.distance, limit, at.distance, seen, remedy, _fact(at, [k]))


def _find_exchanged(at: Comparison) -> Sign | None:
    limit = at.recoded_limit
    # shares matched by rank: no order of the categories lies nearer
    own, mean = np.argsort(-at.share, kind="stable"), np.argsort(-at.mean, kind="stable")
    matched = shares_apart(at.share[own], at.mean[mean])
    if len(own) < 3 or at.distance <= limit or matched > EXPLAINED * at.distance:
        return None
    moved = [
        (a, b)
        for a, b in zip(own, mean, strict=True)
        if a != b and max(at.share[a], at.mean[b]) >= ABSENT_SHARE
    ]
    names = write_levels(at.entry)
    read = " and ".join(f"‘{names[a]}’ as ‘{names[b]}’" for a, b in moved)
    seen = f"{_seen(at, _furthest(at))} Reading {read}, it would be like the others."
    remedy = "Check the order of the codes in that country's file, and recode them there."
    return Sign("warn", at.distance, limit, at.distance, seen, remedy, _fact(at, [_furthest(at)]))


def _find_absent(at: Comparison) -> Sign | None:
    common = np.quantile(at.other_shares, 0.25, axis=0)
    expected = np.where((at.own == 0) & (common >= ABSENT_SHARE), at.own.sum() * common, 0.0)
    missed = [k for k in np.argsort(-expected, kind="stable") if expected[k] > ABSENT_EXPECTED]
    if not missed:
        return None
    missed.sort()
    share, answer = per_cent(at.mean[missed].sum()), write_answer(at.entry, missed)
    seen = (
        f"{capital(answer)} for nobody there, against {share} {at.elsewhere}; even as rare as in "
        f"the lowest quarter of them, {expected.max():.0f} respondents would have it."
    )
    if at.distance > at.recoded_limit:
        most = int(np.argmax(at.share - at.mean))
        own, other = per_cent(at.share[most]), per_cent(at.mean[most])
        seen += f" ‘{write_levels(at.entry)[most]}’ has {own} there and {other} elsewhere."
    remedy = (
        "Check whether that country's questionnaire offered the category, and whether its file "
        "merges it with another."
    )
    fact = f"{answer} for none of the respondents, against {share} {at.elsewhere}"
    return Sign("warn", float(expected.max()), ABSENT_EXPECTED, at.distance, seen, remedy, fact)


def _find_constant(at: Comparison) -> Sign | None:
    k = int(np.argmax(at.share))
    rest = 1 - at.other_shares[:, k]
    expected = at.own.sum() * float(np.quantile(rest, 0.25))
    if (
        at.share[k] < CONSTANT
        or rest.min() < TIMES * (1 - at.share[k])
        or expected <= ABSENT_EXPECTED
    ):
        return None
    remedy = "Check whether the others were asked there, and whether the file merges categories."
    return Sign(
        "warn", float(at.share[k]), CONSTANT, at.distance, _seen(at, k), remedy, _fact(at, [k])
    )


def _find_multiplied(at: Comparison) -> Sign | None:
    n = at.own.sum()
    surely = at.share - CHANCE * np.sqrt(at.share * (1 - at.share) / n)
    most = at.other_shares.max(axis=0)
    mean = np.maximum(at.mean, RAREST)
    stands_out = (
        (at.share >= TIMES_SHARE) & (at.share > TIMES * mean) & (surely > BEYOND_ALL * most)
    )
    if not stands_out.any():
        return None
    times = np.where(stands_out, at.share / mean, 0.0)
    k = int(np.argmax(times))
    seen = _seen(at, k)
    if at.mean[k] > RAREST:
        seen += f" That is {times[k]:.1f} times as many."
    remedy = "Compare the questionnaires and the coding there: the category may hold another."
    return Sign("warn", float(times[k]), TIMES, at.distance, seen, remedy, _fact(at, [k]))


def _find_different(at: Comparison) -> Sign | None:
    limit = at.limit
    if at.distance <= limit:
        return None
    k = _furthest(at)
    remedy = "Compare the questionnaires and the coding there."
    return Sign("warn", at.distance, limit, at.distance, _seen(at, k), remedy, _fact(at, [k]))


def _furthest(at: Comparison) -> int:
    """The category that differs most; of two, which differ alike, the second: yes."""
    apart = abs(at.share - at.mean)
    return 1 if len(apart) == 2 else int(np.argmax(apart))


def _against(at: Comparison, levels: Sequence[int]) -> str:
    own, other = per_cent(at.share[levels].sum()), per_cent(at.mean[levels].sum())
    return f"{own} there, against {other} {at.elsewhere}"


def _seen(at: Comparison, k: int) -> str:
    return f"{capital(write_answer(at.entry, [k]))} for {_against(at, [k])}."


def _fact(at: Comparison, levels: Sequence[int]) -> str:
    own, other = per_cent(at.share[levels].sum()), per_cent(at.mean[levels].sum())
    answer = write_answer(at.entry, levels)
    return f"{answer} for {own} of respondents, against {other} {at.elsewhere}"
