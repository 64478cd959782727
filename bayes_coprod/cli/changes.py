"""Changes and subgroups as they are typed: ``trust+1``, ``age-0.5``, ``consultation=often``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bayes_coprod.errors import SpecError, make_error

if TYPE_CHECKING:
    from bayes_coprod.estimands.changes import Setting, Shift
    from bayes_coprod.inference.fit import Fit
    from bayes_coprod.strict import Scalar

_SHIFT = re.compile(r"(?P<driver>.+?)(?P<amount>[+-](?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.I)


def read_changes(fit: Fit, typed: Sequence[str]) -> dict[str, Shift | Setting]:
    """Read what is to be changed.

    Parameters
    ----------
    fit : Fit
    typed : sequence of str
        ``driver+1``, ``driver-0.5`` or ``driver=level``.

    Returns
    -------
    dict of str to Shift or Setting

    Raises
    ------
    SpecError
        If something is no change, a driver is unknown, or one is changed twice.
    """
    from bayes_coprod.estimands.changes import by, find_driver, to

    changes: dict[str, Shift | Setting] = {}
    for text in typed:
        name, sign, value = text.partition("=")
        shift = None if sign else _SHIFT.fullmatch(text.strip())
        if not sign and shift is None:
            raise make_error(
                SpecError,
                "--set",
                f"{text!r} is no change",
                remedy="Write driver+1, driver-0.5 or driver=level.",
            )
        name = (name if shift is None else shift["driver"]).strip()
        driver = find_driver(fit, name, "--set")
        if name in changes:
            raise make_error(SpecError, "--set", f"{name!r} is changed twice", remedy="Choose one.")
        if shift is not None:
            changes[name] = by(float(shift["amount"]))
        else:
            changes[name] = to(_number(value) if driver.kind == "numeric" else value.strip())
    return changes


def read_only(fit: Fit, typed: Sequence[str]) -> dict[str, list[Scalar]]:
    """Read who is changed.

    Parameters
    ----------
    fit : Fit
    typed : sequence of str
        ``driver=level``, several of one driver for any of them, or ``driver=low:high`` of a
        numeric one.

    Returns
    -------
    dict of str to list

    Raises
    ------
    SpecError
        If something names nobody, or a driver is unknown.
    """
    from bayes_coprod.estimands.changes import find_driver

    only: dict[str, list[Scalar]] = {}
    for text in typed:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign:
            raise make_error(
                SpecError,
                "--only",
                f"{text!r} names nobody",
                remedy="Write driver=level, or driver=low:high of a numeric one.",
            )
        numeric = find_driver(fit, name, "--only").kind == "numeric"
        only.setdefault(name, []).extend(map(_number, value.split(":")) if numeric else [value])
    return only


def _number(text: str) -> float | str:
    """A number, or the text for the estimand to refuse."""
    try:
        return float(text)
    except ValueError:
        return text
