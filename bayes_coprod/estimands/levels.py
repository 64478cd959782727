"""Values of drivers: what is meant by one, its columns, and which level a citizen has."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.model.coding import coefficient_labels, level_contrasts
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.entries import Driver, is_same, spelling_of

_BINARY = ("no", "yes")
SLACK = 1e-9
"""Rounding, in SDs, within which a value is at the end of its scale."""


def level_names(driver: Driver) -> tuple[str, ...]:
    """What the levels of a driver that is not numeric are called; of a binary one its sides."""
    return driver.levels or driver.sides


def level_position(driver: Driver, value: object, place: str) -> int:
    """Find the level that a value means.

    Parameters
    ----------
    driver : Driver
        Not numeric.
    value : str, int, float or bool
        A level as reports call it or as it stands in the file; of a binary driver also yes, no,
        true, false, 1, 0 and what reports call its two sides.
    place : str
        Function that messages name.

    Returns
    -------
    int
        Counted from 0; of a binary driver 1 is yes.

    Raises
    ------
    SpecError
        If the driver has no such level, or the value could mean two.
    """
    meanings = _meanings(driver, value)
    if len(meanings) == 1:
        return meanings.pop()
    known = level_names(driver)
    if meanings:
        raise make_error(
            SpecError,
            place,
            f"{driver.name} = {value} could mean {' or '.join(known[i] for i in meanings)}",
            remedy=f"Write one of {', '.join(map(repr, known))}.",
        )
    raise make_error(
        SpecError,
        place,
        f"{driver.name!r} has no level {value!r}",
        value=value,
        available=known,
    )


def _meanings(driver: Driver, value: object) -> set[int]:
    """Numbers of the levels that a value could mean."""
    spelling = spelling_of(value.item() if isinstance(value, np.generic) else value)
    if driver.kind != "binary":
        if isinstance(value, str) and value in driver.levels:
            return {driver.levels.index(value)}
        return {i for i, one in enumerate(driver.categories) if is_same(spelling, one)}
    if isinstance(value, bool | np.bool_):
        return {int(value)}
    for words in (_BINARY, driver.sides):
        if spelling in words:
            return {words.index(spelling)}
    in_file: tuple[tuple[Scalar, ...], ...] = (driver.no, driver.yes)
    meant = {i for i, values in enumerate(in_file) if any(is_same(spelling, v) for v in values)}
    return meant | {i for i in (0, 1) if is_same(spelling, i)}


def positions(driver: Driver, raw: np.ndarray) -> np.ndarray:
    """Number of the level that each citizen has, (citizen,), counted from 0.

    Parameters
    ----------
    driver : Driver
        Not numeric.
    raw : numpy.ndarray
        (citizen, column), before centring and scaling.

    Returns
    -------
    numpy.ndarray
    """
    if driver.kind != "categorical":
        return np.asarray(np.round(raw[:, 0]).astype(int))
    away = raw[:, None, :] - level_contrasts(len(driver.levels))  # (citizen, level, contrast)
    return np.asarray((away**2).sum(axis=2).argmin(axis=1))


def level_column(driver: Driver, position: int) -> np.ndarray:
    """A level's value in the driver's columns before centring, (column,)."""
    if driver.kind == "categorical":
        return np.asarray(level_contrasts(len(driver.levels))[position])
    return np.array([float(position)])


def driver_columns(design: xr.Dataset, driver: Driver) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, means and SDs of a driver's columns, each (column,)."""
    columns = design.get_index(names.COEFFICIENT).get_indexer(coefficient_labels([driver]))
    return columns, design["column_mean"].values[columns], design["column_sd"].values[columns]


def raw_values(design: xr.Dataset, x: np.ndarray, driver: Driver) -> np.ndarray:
    """A driver's columns before centring and scaling, (citizen, column)."""
    columns, mean, sd = driver_columns(design, driver)
    return np.asarray(x[:, 1 + columns] * sd + mean)
