"""Poststratification frames: cells of a population, filled with the survey's citizens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.levels import (
    driver_columns,
    level_column,
    level_names,
    level_position,
    positions,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.model.design import country_ends
from bayes_coprod.survey.entries import Driver
from bayes_coprod.wording import listed

COUNT = "count"
"""Column of a frame with the number of people in each cell."""
_PLACE = "frame"


@dataclass(frozen=True)
class Cells:
    """Cells of a frame, each once, sorted by country.

    Parameters
    ----------
    drivers : tuple of Driver
        That the frame has.
    country : numpy.ndarray
        (cell,), position of the country in the fit.
    values : numpy.ndarray
        (cell, driver), the number of the level, or the value of a numeric driver.
    share : numpy.ndarray
        (cell,), of the country's people.
    """

    drivers: tuple[Driver, ...]
    country: np.ndarray
    values: np.ndarray
    share: np.ndarray


def read_cells(fit: Fit, frame: pd.DataFrame) -> Cells:
    """Check a poststratification frame against a fit.

    Parameters
    ----------
    fit : Fit
    frame : pandas.DataFrame
        One row a cell: ``country``, ``count``, and drivers of the model by their names, with levels
        as reports call them or as they stand in the survey's file. A cell that stands there twice
        is added up.

    Returns
    -------
    Cells

    Raises
    ------
    SpecError
        If a column, country or level is unknown, a value or count is missing, a count is negative,
        or a country has no cell or nobody in it.
    """
    drivers = _check_columns(fit, frame)
    for column in frame.columns:
        _refuse(frame[column].isna().to_numpy(), column, "a value is missing")
    country = _read_countries(fit, frame)
    count = _read_counts(frame)
    values = [_read_values(driver, frame[driver.name]) for driver in drivers]
    table = np.column_stack([country, *values])
    cells, cell_of = np.unique(table, axis=0, return_inverse=True)
    size = np.bincount(cell_of.ravel(), weights=count)
    place = cells[:, 0].astype(np.int64)
    total = np.bincount(place, weights=size, minlength=len(fit.countries))
    for name, n, people in zip(
        fit.countries, np.bincount(place, minlength=len(total)), total, strict=True
    ):
        if people == 0:
            raise make_error(
                SpecError,
                _PLACE,
                f"all counts of {name!r} are zero" if n else f"there is no cell of {name!r}",
                remedy="The frame describes every country of the fit.",
            )
    return Cells(drivers, place, cells[:, 1:], size / total[place])


def fill_cells(
    fit: Fit, cells: Cells
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str]:
    """Fill each cell with the survey's citizens in it, for the drivers that the frame lacks.

    A citizen is in the cell that has its country and levels and, of several, the nearest numbers.
    A cell without citizens is filled with all of its country.

    Parameters
    ----------
    fit : Fit
        Of one data set.
    cells : Cells

    Returns
    -------
    x : numpy.ndarray
        (kind, coefficient), coded as the design's, sorted by cell.
    n : numpy.ndarray
        (kind,), citizens.
    cell : numpy.ndarray
        (kind,), position among the cells with people in them.
    kept : numpy.ndarray
        (cell with people,), position among all.
    said : str
        What the population is, in words.

    Raises
    ------
    SpecError
        If the survey has citizens in a cell that the frame lacks.
    """
    design = fit.design
    x, country = design["x"].values, design["country_index"].values
    cell_of = _find_cells(fit, cells, x, country)
    kept = np.flatnonzero(cells.share > 0)
    own = np.concatenate(
        [np.empty(0, dtype=int), *(driver_columns(design, d)[0] for d in cells.drivers)]
    )
    lacking = np.setdiff1d(np.arange(x.shape[1]), own)
    coded = np.full((len(kept), x.shape[1]), np.nan)
    for j, driver in enumerate(cells.drivers):
        coded[:, driver_columns(design, driver)[0]] = _code(design, driver, cells.values[kept, j])
    if not len(lacking):
        ones = np.ones(len(kept), dtype=int)
        return coded, ones, np.arange(len(kept)), kept, _say(fit, cells, len(kept), 0)
    order = np.argsort(cell_of, kind="stable")
    begin = np.searchsorted(cell_of[order], np.arange(len(cells.share) + 1))
    ends = country_ends(design)
    parts, counts, empty = [], [], 0
    for k in kept:
        rows = order[begin[k] : begin[k + 1]]
        if not len(rows):
            c, empty = cells.country[k], empty + 1
            rows = np.arange(ends[c], ends[c + 1])
        alike, n = np.unique(x[np.ix_(rows, lacking)], axis=0, return_counts=True)
        parts.append(alike)
        counts.append(n)
    cell = np.repeat(np.arange(len(kept)), [len(n) for n in counts])
    filled = coded[cell]
    filled[:, lacking] = np.concatenate(parts)
    return filled, np.concatenate(counts), cell, kept, _say(fit, cells, len(kept), empty)


def _check_columns(fit: Fit, frame: pd.DataFrame) -> tuple[Driver, ...]:
    """Drivers that the frame has, in the model's order."""
    known = {d.name: d for d in chosen_drivers(fit.design, fit.codebook.drivers)}
    columns = list(frame.columns)
    for column in (names.COUNTRY, COUNT):
        if column not in columns:
            raise make_error(
                SpecError,
                _PLACE,
                f"there is no column {column!r}",
                value=column,
                available=columns,
                remedy="A frame has the columns country, count and drivers of the model.",
            )
    for column in columns:
        if columns.count(column) > 1:
            raise make_error(SpecError, _PLACE, f"there are two columns {column!r}")
        if column not in (names.COUNTRY, COUNT, *known):
            raise make_error(
                SpecError,
                _PLACE,
                f"the model has no driver {column!r}",
                value=column,
                available=known,
                remedy="Rename the column, or sum the counts over it.",
            )
    return tuple(driver for name, driver in known.items() if name in columns)


def _read_countries(fit: Fit, frame: pd.DataFrame) -> np.ndarray:
    """Position of each row's country, (row,)."""
    of = {name: c for c, name in enumerate(fit.countries)}
    given = frame[names.COUNTRY].astype(str)
    for name in given.unique():
        if name not in of:
            raise make_error(
                SpecError,
                _PLACE,
                f"the country {name!r} is not in the fit",
                value=name,
                available=of,
                remedy="Of a country that was not surveyed new_country speaks, and no frame.",
            )
    return given.map(of).to_numpy(dtype=np.int64)


def _read_counts(frame: pd.DataFrame) -> np.ndarray:
    count = frame[COUNT]
    if not pd.api.types.is_numeric_dtype(count) or pd.api.types.is_bool_dtype(count):
        raise make_error(SpecError, _PLACE, f"column {COUNT!r} holds {count.dtype}, not numbers")
    values = count.to_numpy(dtype=float)
    _refuse(~np.isfinite(values), COUNT, "a count is infinite")
    _refuse(values < 0, COUNT, "a count is negative")
    return np.asarray(values)


def _read_values(driver: Driver, column: pd.Series) -> np.ndarray:
    """Numbers of the levels, or values of a numeric driver, (row,)."""
    if driver.kind != "numeric":
        of = {value: level_position(driver, value, _PLACE) for value in column.unique()}
        return column.map(of).to_numpy(dtype=float)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise make_error(
            SpecError, _PLACE, f"{driver.name!r} is numeric, and the column holds {column.dtype}"
        )
    values = column.to_numpy(dtype=float)
    low, high = driver.bounds or (-np.inf, np.inf)
    outside = ~np.isfinite(values) | (values < low) | (values > high)
    _refuse(outside, driver.name, f"a value is outside the scale, {low:g} to {high:g}")
    return np.asarray(values)


def _refuse(bad: np.ndarray, column: object, problem: str) -> None:
    """Refuse the first row, (row,), that is bad."""
    if bad.any():
        row = int(np.flatnonzero(bad)[0]) + 1
        raise make_error(
            SpecError, f"{_PLACE}, column {column!r}, row {row}", f"{problem} ({bad.sum()} such)"
        )


def _find_cells(fit: Fit, cells: Cells, x: np.ndarray, country: np.ndarray) -> np.ndarray:
    """Cell of each citizen, (citizen,); refuse if the frame lacks one."""
    has = [np.asarray(country, dtype=float)]
    for driver in cells.drivers:
        columns, mean, sd = driver_columns(fit.design, driver)
        raw = x[:, columns] * sd + mean
        numeric = driver.kind == "numeric"
        has.append(raw[:, 0] if numeric else positions(driver, raw).astype(float))
    table = np.column_stack(has)
    cell_table = np.column_stack([cells.country, cells.values])
    exact = [0, *(1 + j for j, d in enumerate(cells.drivers) if d.kind != "numeric")]
    near = [1 + j for j, d in enumerate(cells.drivers) if d.kind == "numeric"]
    both = np.concatenate([cell_table[:, exact], table[:, exact]])
    group = np.unique(both, axis=0, return_inverse=True)[1].ravel()
    of_cell, of_citizen = group[: len(cell_table)], group[len(cell_table) :]
    missing = np.flatnonzero(~np.isin(of_citizen, of_cell))
    if len(missing):
        raise _missing_cell(fit, cells, table[missing[0]], len(missing))
    found = np.empty(len(x), dtype=np.int64)
    unit = np.array([driver_columns(fit.design, cells.drivers[j - 1])[2][0] for j in near])
    for g in np.unique(of_citizen):
        rows, there = np.flatnonzero(of_citizen == g), np.flatnonzero(of_cell == g)
        away = np.zeros((len(rows), len(there)))
        for j, sd in zip(near, unit, strict=True):
            away += ((table[rows, j][:, None] - cell_table[there, j]) / sd) ** 2
        found[rows] = there[away.argmin(axis=1)]
    return found


def _missing_cell(fit: Fit, cells: Cells, citizen: np.ndarray, n: int) -> SpecError:
    said = [fit.countries[int(citizen[0])]]
    for driver, value in zip(cells.drivers, citizen[1:], strict=True):
        if driver.kind != "numeric":
            said.append(f"{driver.name} = {level_names(driver)[int(value)]}")
    return make_error(
        SpecError,
        _PLACE,
        f"there is no cell of {', '.join(said)}, and the survey has such citizens "
        f"({n} of the survey's are in no cell)",
        remedy="Add the cells that are missing; with a count of 0 if nobody is in them.",
    )


def _code(design: xr.Dataset, driver: Driver, values: np.ndarray) -> np.ndarray:
    """Coded columns of a driver's values, (cell, column)."""
    _, mean, sd = driver_columns(design, driver)
    if driver.kind == "numeric":
        return np.asarray((values[:, None] - mean) / sd)
    n_levels = max(len(driver.levels), 2)
    table = np.stack([level_column(driver, i) for i in range(n_levels)])
    return np.asarray((table[values.astype(int)] - mean) / sd)


def _say(fit: Fit, cells: Cells, n_cells: int, empty: int) -> str:
    held = [names.COUNTRY, *(driver.name for driver in cells.drivers)]
    known = chosen_drivers(fit.design, fit.codebook.drivers)
    lacking = [driver.name for driver in known if driver.name not in held]
    said = f"a poststratification frame of {n_cells:,} cells by {listed(held)}, its counts fixed"
    if lacking:
        said += (
            f"; {listed(lacking)} as among the survey's citizens of each cell, each counted once"
        )
    if empty:
        said += f" (in {empty:,} cells without any: of the country)"
    return said + "; it repairs selection on what it contains, nothing else"
