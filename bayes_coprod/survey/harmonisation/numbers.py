"""A country's values of a numeric driver beside those of the other countries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_coprod.survey.entries import Driver
from bayes_coprod.survey.harmonisation.signs import Sign
from bayes_coprod.wording import per_cent

MOST = 0.5
"""A country stands out from more than this part of the others; from all would ask too much where
two countries have the same fault."""
SCALE, SCALE_BEYOND_MOST = 3.0, 1.5
"""Times as wide or narrow as the others' median, and as most of the others: years, points and
their like spread alike between countries; another unit or scale differs by ten more often than by
less than three."""
MOST_ALIKE, REST_ALIKE = 0.98, 0.10
"""Share of one value that leaves a driver next to nothing to say, if in every other country the
second share or more have another."""


@dataclass(frozen=True)
class Numbers:
    """A country's values of a driver.

    Parameters
    ----------
    values : numpy.ndarray
        (citizen,), none missing.
    quantiles : numpy.ndarray
        1, 5, 50, 95 and 99 per cent of them, each a value that somebody has.
    """

    values: np.ndarray
    quantiles: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Numbers:
        """Look at a country's values."""
        at = (0.01, 0.05, 0.5, 0.95, 0.99)
        return cls(values, np.quantile(values, at, method="inverted_cdf"))


def find_number_sign(
    driver: Driver, own: Numbers, others: Sequence[Numbers], elsewhere: str
) -> Sign | None:
    """The most telling sign that the values show, if any.

    Parameters
    ----------
    driver : Driver
        A numeric one.
    own : Numbers
        The country's.
    others : sequence of Numbers
        Those of each other country.
    elsewhere : str
        Which countries those are, in words.
    """
    at = _Values(driver, own, others, elsewhere)
    return _find_apart(at) or _find_constant(at) or _find_scale(at) or _find_shifted(at)


class _Values:
    """A country beside the others, in numbers and words."""

    def __init__(
        self, driver: Driver, own: Numbers, others: Sequence[Numbers], elsewhere: str
    ) -> None:
        self.values = own.values
        self.other_values = [other.values for other in others]
        self.own = own.quantiles
        self.others = np.stack([other.quantiles for other in others])  # (country, quantile)
        # of a median over countries one that reads otherwise makes no nonsense
        low, middle, high = np.median(self.others, axis=0)[1:4]
        self.name = f"‘{driver.label}’"
        self.unit = f" {driver.unit}" if driver.unit else ""
        self.distance = float(abs(self.own[2] - middle) / ((high - low) or 1.0))
        self.spans = (
            f"between {self.own[1]:.6g} and {self.own[3]:.6g}{self.unit} in 90 % of respondents",
            f"between {low:.6g} and {high:.6g} {elsewhere}",
        )

    @property
    def seen(self) -> str:
        return f"{self.name} lies {self.spans[0]} there, and {self.spans[1]}."

    @property
    def fact(self) -> str:
        return f"{self.name} lies {self.spans[0]}, and {self.spans[1]}"


def _find_apart(at: _Values) -> Sign | None:
    """The middle 98 % share no value with those of most other countries."""
    lowest, highest = at.others[:, 0], at.others[:, -1]
    apart = ((at.own[-1] < lowest) | (at.own[0] > highest)) & (lowest < highest)
    if apart.mean() <= MOST:
        return None
    limit = _nearest(at.own[2], lowest[apart], highest[apart])
    remedy = "Check the unit and what was asked there, and bring the values to one scale."
    return Sign("fail", float(at.own[2]), limit, at.distance, at.seen, remedy, at.fact)


def _find_constant(at: _Values) -> Sign | None:
    value = at.own[2]  # if nearly all have one value, it is the median
    share = float((at.values == value).mean())
    if share < MOST_ALIKE:
        return None
    rest = min(float((other != value).mean()) for other in at.other_values)
    if rest < REST_ALIKE:
        return None
    own = f"{at.name} is {value:.6g}{at.unit} for {per_cent(share)} of respondents"
    seen = f"{own} there, and lies {at.spans[1]}."
    remedy = "Check whether it was asked there, and whether a code for no answer was taken for one."
    fact = f"{own}, and lies {at.spans[1]}"
    return Sign("warn", share, MOST_ALIKE, at.distance, seen, remedy, fact)


def _find_scale(at: _Values) -> Sign | None:
    own = at.own[3] - at.own[1]
    others = at.others[:, 3] - at.others[:, 1]
    if own == 0 or others.min() == 0:
        return None  # most have the same value: a width says nothing
    times = own / np.median(others)
    wider = times > SCALE and (own > SCALE_BEYOND_MOST * others).mean() > MOST
    narrower = times < 1 / SCALE and (own < others / SCALE_BEYOND_MOST).mean() > MOST
    if not (wider or narrower):
        return None
    limit = SCALE if wider else 1 / SCALE
    remedy = "Check the unit and the scale there, and bring the values to one."
    return Sign("warn", float(times), limit, at.distance, at.seen, remedy, at.fact)


def _find_shifted(at: _Values) -> Sign | None:
    """The median lies outside the middle 90 % of most other countries."""
    middle, lowest, highest = at.own[2], at.others[:, 1], at.others[:, 3]
    outside = ((middle < lowest) | (middle > highest)) & (lowest < highest)
    if outside.mean() <= MOST:
        return None
    limit = _nearest(middle, lowest[outside], highest[outside])
    remedy = "Check the unit, the scale and what was asked there."
    return Sign("warn", float(middle), limit, at.distance, at.seen, remedy, at.fact)


def _nearest(middle: float, lowest: np.ndarray, highest: np.ndarray) -> float:
    """The bound that lies nearest."""
    bounds = np.concatenate([lowest, highest])
    return float(bounds[np.argmin(abs(bounds - middle))])
