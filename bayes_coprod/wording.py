"""How sentences write lists and shares."""

from __future__ import annotations

from collections.abc import Sequence

EVERYBODY = "everybody"
"""Whom a scenario is about that is not about a subgroup."""


def listed(items: Sequence[str]) -> str:
    """Join items as a sentence does."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def capital(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]


def per_cent(share: float) -> str:
    """Write a share, 0 to 1, in whole per cent; one that is not quite none or all as such."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"
