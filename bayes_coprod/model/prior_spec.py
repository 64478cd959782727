"""Priors as a model file writes them: which parameters have one, and which families fit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.strict import StrictTable

_SCALES = ("half_normal", "exponential", "log_normal", "uniform")
PRIORS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "index": {
        "intercept": ("normal(0, 1)", ("normal",)),
        "beta": ("normal(0, 0.5)", ("normal",)),
        "tau_intercept": ("half_normal(0.5)", _SCALES),
        "tau": ("half_normal(0.3)", _SCALES),
        "residual_sd": ("half_normal(1)", _SCALES),
        "rho": ("lkj(2)", ("lkj",)),
    },
    "items": {
        "kappa": ("normal(0, 4)", ("normal",)),
        "kappa_gap": ("log_normal(0, 0.7)", _SCALES),
        "beta": ("normal(0, 0.5)", ("normal",)),
        "tau_intercept": ("half_normal(0.5)", _SCALES),
        "tau": ("half_normal(0.3)", _SCALES),
        "tau_kappa": ("half_normal(0.3)", _SCALES),
        "lambda": ("log_normal(0, 0.3)", ("log_normal",)),
        "sigma": ("half_normal(2)", _SCALES),
        "rho": ("uniform(-1, 1)", ("uniform",)),
    },
    "ordinal": {
        "kappa": ("normal(0, 4)", ("normal",)),
        "kappa_gap": ("log_normal(0, 0.7)", _SCALES),
        "beta": ("normal(0, 0.5)", ("normal",)),
        "tau_intercept": ("half_normal(0.5)", _SCALES),
        "tau": ("half_normal(0.3)", _SCALES),
        "tau_kappa": ("half_normal(0.3)", _SCALES),
    },
    "participation": {
        "intercept": ("normal(0, 3)", ("normal",)),
        "beta": ("normal(0, 0.5)", ("normal",)),
        "tau_intercept": ("half_normal(0.5)", _SCALES),
        "tau": ("half_normal(0.3)", _SCALES),
    },
}
"""For each likelihood its parameters with priors: the default, and the families that fit."""

_ARGUMENTS = {
    "normal": ("mean", "sd"),
    "half_normal": ("sd",),
    "exponential": ("rate",),
    "log_normal": ("mean", "sd"),
    "uniform": ("lower", "upper"),
    "lkj": ("eta",),
}


@dataclass(frozen=True)
class Prior:
    """A prior by family and arguments.

    Parameters
    ----------
    family : str
        normal, half_normal, exponential, log_normal, uniform or lkj.
    arguments : tuple of float
        In the order in which the family is written.
    """

    family: str
    arguments: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.family}({', '.join(map(_shortest, self.arguments))})"


def _shortest(value: float) -> str:
    """Write a number in the fewest digits that read back as the same number."""
    return repr(int(value)) if value.is_integer() else repr(value)


def parse_priors(table: StrictTable, likelihood: str) -> dict[str, Prior]:
    """Read the priors of a likelihood's parameters; the defaults where none are given."""
    parameters = PRIORS[likelihood]
    written = {name: table.text(name, default) for name, (default, _) in parameters.items()}
    table.finish()
    return {
        name: _parse_prior(text, name, parameters[name][1], table.place)
        for name, text in written.items()
    }


def _parse_prior(text: str, parameter: str, fitting: tuple[str, ...], place: str) -> Prior:
    match = re.fullmatch(r"\s*(\w+)\s*\(([^()]*)\)\s*", text)
    family = match.group(1) if match else text
    if match is None or family not in _ARGUMENTS:
        raise make_error(
            SpecError,
            place,
            f"{parameter} = {text!r} is no prior",
            value=family,
            available=[f"{name}({', '.join(_ARGUMENTS[name])})" for name in fitting],
        )
    if family not in fitting:
        raise make_error(
            SpecError,
            place,
            f"a {family} prior does not fit {parameter}",
            available=[f"{name}({', '.join(_ARGUMENTS[name])})" for name in fitting],
        )
    expected = _ARGUMENTS[family]
    try:
        arguments = tuple(float(part) for part in match.group(2).split(","))
    except ValueError:
        arguments = ()
    if len(arguments) != len(expected) or not _is_proper(parameter, family, arguments):
        raise make_error(
            SpecError,
            place,
            f"{parameter} = {text!r} is not a proper {family} prior",
            remedy=f"Write {family}({', '.join(expected)}) with numbers; scales are positive, "
            "a uniform scale starts at 0 or above, a uniform rho stays within -1 to 1, lambda is "
            "log_normal(0, sd).",
        )
    return Prior(family, arguments)


def _is_proper(parameter: str, family: str, arguments: tuple[float, ...]) -> bool:
    if not all(abs(a) < float("inf") for a in arguments):
        return False
    if family == "uniform":
        least, most = (-1.0, 1.0) if parameter == "rho" else (0.0, float("inf"))
        return least <= arguments[0] < arguments[1] <= most
    if parameter == "lambda" and arguments[0] != 0:  # their logarithms average to zero
        return False
    return arguments[-1] > 0
