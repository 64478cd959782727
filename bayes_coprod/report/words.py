"""Numbers and names as a reader meets them."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from statistics import median

from bayes_coprod.report.data import Interval

MINUS = "\N{MINUS SIGN}"
_SHORT = 24

_NUMBERS = (
    "no one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
)


def decimals(intervals: Iterable[Interval]) -> int:
    """Decimals that the intervals support: to the first digit of half their width.

    One number for a whole column: that of the narrowest, but at most one more than the typical.
    """
    half_widths = [(i.upper - i.lower) / 2 for i in intervals if i.upper > i.lower]
    if not half_widths:
        return 0
    narrowest, typical = (-floor(log10(f(half_widths))) for f in (min, median))
    return max(0, min(narrowest, typical + 1))


def number(value: float, places: int) -> str:
    """Write a number, with a real minus sign and no negative zero."""
    text = f"{value:,.{places}f}"
    if text.lstrip("-").strip("0.,") == "":
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def span(interval: Interval, places: int) -> str:
    """Write an interval's bounds."""
    return f"{number(interval.lower, places)} to {number(interval.upper, places)}"


def estimate(interval: Interval, places: int) -> str:
    """Write a mean with its interval's bounds behind it."""
    return f"{number(interval.mean, places)} {unbroken(f'({span(interval, places)})')}"


def probability(value: float) -> str:
    """Write a probability to two decimals; near the ends only on which side it lies."""
    if value > 0.99:
        return unbroken("> 0.99")
    if value < 0.01:
        return unbroken("< 0.01")
    return f"{value:.2f}"


def count(n: int) -> str:
    """Write a small count as a word."""
    return _NUMBERS[n] if n < len(_NUMBERS) else f"{n:,}"


def short_unbroken(text: str) -> str:
    """Keep a text on one line, unless a table's column would get wide by it."""
    return unbroken(text) if len(text) <= _SHORT else text


def unbroken(text: str) -> str:
    """Keep a short text on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")
