"""What figures read of a result: draws of a quantity, its forms, its units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.report import words
from bayes_coprod.report.data import Interval
from bayes_coprod.report.intervals import DRAWS, IntervalChoice, places_of, rows_of

_SHARES = "share of "
_POINTS = "points of 100"


@dataclass(frozen=True)
class Units:
    """Units of levels and of their differences, and what the result's own 1 is worth in them."""

    level: str
    difference: str
    per: float = 1.0

    def given(self, draws: xr.DataArray) -> xr.DataArray:
        """Draws in these units."""
        return draws if self.per == 1 else (draws * self.per).assign_attrs(draws.attrs)


@dataclass(frozen=True)
class Difference:
    """A difference in one place, and the probability that it is above 0."""

    interval: Interval
    p_positive: float


def check_result(
    result: object, place: str, remedy: str, *, dims: Sequence[str] = (), any_of: Sequence[str] = ()
) -> xr.DataArray:
    """Refuse what is no quantity's draws, lacks a dim, or is in logits alone.

    Parameters
    ----------
    result : object
    place : str
        Function that messages name.
    remedy : str
        What to give instead.
    dims : sequence of str
        Dims that it has, besides chain and draw.
    any_of : sequence of str
        Dims of which it has one.

    Returns
    -------
    xarray.DataArray
        The result.

    Raises
    ------
    SpecError
        If it cannot be drawn.
    """
    if not isinstance(result, xr.DataArray):
        kind = type(result).__name__
        raise make_error(SpecError, place, f"a {kind} is no quantity's draws", remedy=remedy)
    missing = [dim for dim in (*DRAWS, *dims) if dim not in result.dims]
    if not missing and any_of and not set(any_of) & set(result.dims):
        missing = [" or ".join(any_of)]
    if missing:
        raise make_error(
            SpecError,
            place,
            f"the draws have no dim {missing[0]}, only {', '.join(map(str, result.dims))}",
            remedy=remedy,
        )
    if result.attrs.get("units") == "logits":
        raise make_error(
            SpecError,
            place,
            "logits alone say little to a reader",
            remedy="Use scale='index' or scale='share' where the quantity is computed.",
        )
    return result


def check_dataset(result: object, wanted: Sequence[str], place: str, source: str) -> xr.Dataset:
    """Refuse what is not the Dataset that an estimand returned."""
    held = result.data_vars if isinstance(result, xr.Dataset) else ()
    missing = [name for name in wanted if name not in held]
    if not isinstance(result, xr.Dataset) or missing:
        kind = type(result).__name__
        problem = f"a {kind} without {missing[0]!r}" if held else f"a {kind}"
        raise make_error(
            SpecError,
            place,
            f"{problem} is nothing that {source} returned",
            remedy=f"Use {source}.",
        )
    return result


def units_of(draws: xr.DataArray) -> Units:
    """Units in which a result is shown: shares of something as per cent of it."""
    units = str(draws.attrs.get("units", ""))
    if units.startswith(_SHARES):
        return Units(f"per cent of {units.removeprefix(_SHARES)}", "percentage points", 100.0)
    if units == _POINTS:
        return Units(units, "points")
    return Units(units, units)


def said_of(draws: xr.DataArray) -> str:
    """What contrasts or ranks are of, in words."""
    name = str(draws.attrs.get("of", ""))
    return {"country_levels": "level", "gap": "gap between the forms"}.get(name, name or "quantity")


def split_forms(draws: xr.DataArray) -> dict[str, xr.DataArray]:
    """Split by form, outcomes into form and sector; under an empty name where there are none."""
    if names.FORM in draws.dims:
        return {
            str(form): draws.sel({names.FORM: form}, drop=True) for form in draws[names.FORM].values
        }
    if names.OUTCOME not in draws.dims:
        return {"": draws}
    own = draws[names.FORM].values
    return {
        str(form): draws.isel({names.OUTCOME: np.flatnonzero(own == form)})
        .swap_dims({names.OUTCOME: names.SECTOR})
        .reset_coords([names.OUTCOME, names.FORM], drop=True)
        for form in dict.fromkeys(own)
    }


def differences(draws: xr.DataArray, choice: IntervalChoice) -> dict[str, Difference]:
    """Summaries of a difference by place, such as ``Denmark`` or ``Denmark, safety``."""
    table = choice.table(draws)
    return {
        place: Difference(Interval(row.mean, row.lower, row.upper), row.p_positive)
        for place, row in zip(places_of(table), rows_of(table), strict=True)
    }


def means(draws: xr.DataArray, choice: IntervalChoice) -> dict[str, float]:
    """Posterior means by place."""
    table = choice.table(draws)
    return dict(zip(places_of(table), map(float, table["mean"]), strict=True))


def said_difference(interval: Interval, after: int) -> str:
    """Write a difference with its sign, and its interval's bounds behind it."""
    mean = words.number(interval.mean, after)
    plus = "+" if not mean.startswith(words.MINUS) and mean.strip("0.") else ""
    return f"{plus}{mean} ({words.span(interval, after)})"
