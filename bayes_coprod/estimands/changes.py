"""Changes in drivers: by an amount or to a value, as far as their scales go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.levels import (
    SLACK,
    driver_columns,
    level_column,
    level_names,
    level_position,
    raw_values,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.entries import Driver
from bayes_coprod.wording import listed


@dataclass(frozen=True)
class Shift:
    """A change by an amount; made by :func:`by`."""

    amount: float


@dataclass(frozen=True)
class Setting:
    """A change to a value or level; made by :func:`to`."""

    value: Scalar


def by(amount: float) -> Shift:
    """Change a driver by an amount, for :func:`scenario`.

    Parameters
    ----------
    amount : float
        Of a numeric driver in its units; of an ordered one in steps.

    Returns
    -------
    Shift

    Raises
    ------
    SpecError
        If `amount` is no finite number.
    """
    if not is_number(amount):
        raise make_error(SpecError, "by", f"{amount!r} is no finite number")
    return Shift(float(amount))


def to(value: Scalar) -> Setting:
    """Change a driver to a value or level, for :func:`scenario`.

    Parameters
    ----------
    value : str, int, float or bool
        Of a numeric driver a number in its units; of a binary one yes or no; of all others a level,
        as reports call it or as it stands in the file.

    Returns
    -------
    Setting
    """
    return Setting(value)


@dataclass(frozen=True)
class Move:
    """A driver's change in the model's columns.

    Parameters
    ----------
    driver : Driver
    amount : float or None
        By how much it is shifted, in its own units.
    target : numpy.ndarray or None
        (column,), where it is set to, before centring.
    ends : (float, float)
        Of its scale, in its own units; not of a categorical one.
    """

    driver: Driver
    amount: float | None
    target: np.ndarray | None
    ends: tuple[float, float]


def find_driver(fit: Fit, name: str, place: str) -> Driver:
    """Look up a driver of the model, or refuse."""
    drivers = {d.name: d for d in chosen_drivers(fit.design, fit.codebook.drivers)}
    if name not in drivers:
        raise make_error(
            SpecError,
            place,
            f"the model has no driver {name!r}",
            value=name,
            available=drivers,
        )
    return drivers[name]


def check_changeable(driver: Driver, place: str) -> None:
    """Refuse to change what the codebook does not call changeable."""
    if not driver.changeable:
        raise make_error(
            SpecError,
            place,
            f"the codebook does not say that {driver.name!r} can be changed",
            remedy=f"Set changeable = true in [drivers.{driver.name}] and fit again.",
        )


def make_moves(fit: Fit, changes: Mapping[str, Shift | Setting], place: str) -> tuple[Move, ...]:
    """Check changes against the fit's drivers, and code them.

    Parameters
    ----------
    fit : Fit
    changes : mapping of str to Shift or Setting
        Driver to its change.
    place : str
        Function that messages name.

    Returns
    -------
    tuple of Move

    Raises
    ------
    SpecError
        If a driver is unknown or not changeable, or does not take the change.
    """
    if not isinstance(changes, Mapping) or not changes:
        raise make_error(
            SpecError,
            place,
            "there are no changes" if isinstance(changes, Mapping) else "changes are no mapping",
            remedy='Give drivers with their changes, such as {"trust": by(1)}.',
        )
    moves = []
    for name, change in changes.items():
        driver = find_driver(fit, name, place)
        if not isinstance(change, Shift | Setting):
            raise make_error(
                SpecError,
                place,
                f"the change of {name!r} is a {type(change).__name__}",
                remedy="Write by(amount) or to(value).",
            )
        moves.append(make_move(fit, driver, change, place))
        check_changeable(driver, place)
    return tuple(moves)


def make_move(fit: Fit, driver: Driver, change: Shift | Setting, place: str) -> Move:
    """Code one driver's change, or refuse one that it does not take."""
    ends = driver_ends(fit, driver)
    if isinstance(change, Shift):
        if driver.kind in ("categorical", "binary"):
            raise make_error(
                SpecError,
                place,
                f"{driver.name!r} is {driver.kind} and has no steps to go by",
                available=level_names(driver),
                remedy="Write to(level), or driver=level on the command line.",
            )
        return Move(driver, change.amount, None, ends)
    if driver.kind != "numeric":
        position = level_position(driver, change.value, place)
        return Move(driver, None, level_column(driver, position), ends)
    low, high = ends
    slack = SLACK * driver_columns(fit.design, driver)[2][0]
    if not is_number(change.value):
        raise make_error(SpecError, place, f"{driver.name!r} is numeric, not {change.value!r}")
    if not low - slack <= float(change.value) <= high + slack:
        raise make_error(
            SpecError,
            place,
            f"{driver.name} = {change.value} is outside its scale, {low:g} to {high:g}",
            remedy="Choose a value that citizens can have; without bounds in the codebook, one "
            "in the range that was seen.",
        )
    return Move(driver, None, np.array([float(change.value)]), ends)


def driver_ends(fit: Fit, driver: Driver) -> tuple[float, float]:
    """Lowest and highest value that a driver can have, in its own units.

    Of a numeric one the codebook's bounds, or the values in the fit.
    """
    if driver.kind != "numeric":
        return 0.0, float(max(len(driver.levels), 2) - 1)
    if driver.bounds is not None:
        return driver.bounds
    at = {names.COEFFICIENT: driver.name}
    raw = fit.design["x"].sel(at) * fit.design["column_sd"].sel(at) + fit.design["column_mean"].sel(
        at
    )
    return float(raw.min()), float(raw.max())


def apply_moves(
    design: xr.Dataset, x: np.ndarray, moves: Sequence[Move], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Change the drivers of some citizens, as far as the scales go.

    Parameters
    ----------
    design : xarray.Dataset
    x : numpy.ndarray
        (citizen, 1 + coefficient), ones first, coded as the design's.
    moves : sequence of Move
    rows : numpy.ndarray
        (citizen,), whether a citizen is changed.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        `x` after the changes; and (citizen, move), whether an end of the scale cut the shift short.
    """
    x = x.copy()
    clipped = np.zeros((len(x), len(moves)), dtype=bool)
    for k, move in enumerate(moves):
        columns, mean, sd = driver_columns(design, move.driver)
        if move.target is not None:
            x[np.ix_(rows, 1 + columns)] = (move.target - mean) / sd
            continue
        assert move.amount is not None
        raw = raw_values(design, x, move.driver)[:, 0]
        # a shift by 0 is exactly 0, whatever the rounding at the ends
        room = np.minimum(move.ends[0] - raw, 0), np.maximum(move.ends[1] - raw, 0)
        change = np.clip(move.amount, *room)
        clipped[:, k] = rows & (np.abs(change - move.amount) > SLACK * sd[0])
        x[:, 1 + columns[0]] += np.where(rows, change / sd[0], 0.0)
    return x, clipped


def words(moves: Sequence[Move], changes: Mapping[str, Shift | Setting]) -> str:
    """Say the changes, such as ``trust by 1 and age to 40``."""
    said = []
    for move in moves:
        change = changes[move.driver.name]
        what = f"by {change.amount:g}" if isinstance(change, Shift) else f"to {change.value}"
        said.append(f"{move.driver.name} {what}")
    return listed(said)


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and not true or false."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return bool(np.isfinite(value))
