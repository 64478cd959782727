"""Errors for people: each names the value, the place, the alternatives and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 20
"""How many alternatives a message lists before it only counts them."""


class CoprodError(Exception):
    """Something in the input that the package cannot work with, said in words."""


class CodebookError(CoprodError):
    """A codebook that cannot be read or contradicts itself."""


class SurveyError(CoprodError):
    """Data that do not fit their codebook or cannot carry the model."""


class SpecError(CoprodError):
    """A model file, prior or argument that cannot be used."""


class FitFileError(CoprodError):
    """A fit file that is damaged, foreign, or no longer gives the same model."""


class WorkerError(CoprodError):
    """One of many fits that failed where it ran; the cause is chained."""


def make_error[E: CoprodError](
    kind: type[E],
    place: str,
    problem: str,
    *,
    value: object = None,
    available: Iterable[object] | None = None,
    remedy: str = "",
) -> E:
    """Build the error; the caller raises it, so that the traceback ends where it happened.

    Parameters
    ----------
    kind : type
        ``CoprodError`` or a child.
    place : str
        Function, file, table or column.
    problem : str
        What is wrong, without a full stop.
    value : object, optional
        What stood there; used to guess what was meant among `available`.
    available : iterable, optional
        What could have stood there.
    remedy : str, optional
        What to do, as a sentence.

    Returns
    -------
    CoprodError
        Of the given kind.
    """
    parts = [f"{place}: {problem}."]
    if available is not None:
        choices = [str(choice) for choice in available]
        near = get_close_matches(str(value), choices, n=1)
        if near:
            parts.append(f"Did you mean {near[0]!r}?")
        more = f" and {len(choices) - _SHOWN} more" if len(choices) > _SHOWN else ""
        parts.append(f"Available: {', '.join(choices[:_SHOWN]) or 'none'}{more}.")
    if remedy:
        parts.append(remedy)
    return kind(" ".join(parts))
