"""Citizens grouped by their drivers, in the survey's own words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_coprod import names
from bayes_coprod.estimands.levels import positions, raw_values
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.survey.entries import Driver


@dataclass(frozen=True)
class DriverGroups:
    """Who belongs to which group of a driver.

    Parameters
    ----------
    labels : tuple of str
        Of the groups, such as ``age 18 to 39``.
    of : numpy.ndarray
        (citizen,), position of the group.
    """

    labels: tuple[str, ...]
    of: np.ndarray


@dataclass(frozen=True)
class DriverColumn:
    """One column of a driver.

    Parameters
    ----------
    driver, label : str
        Its driver, and what it is called itself.
    x : numpy.ndarray
        (citizen,), per SD of a numeric or ordered driver, else centred 0/1.
    """

    driver: str
    label: str
    x: np.ndarray


def driver_groups(fit: Fit, like: Fit) -> list[DriverGroups]:
    """Group citizens by each driver: its levels, or thirds of a driver with more than three steps.

    Parameters
    ----------
    fit : Fit
        To one data set.
    like : Fit
        Whose citizens set the bounds of the groups: the fit itself, or another part of a pooled
        fit, so that all parts have the same groups.

    Returns
    -------
    list of DriverGroups
        One a driver, in the order of the design.
    """
    return [
        _by_level(driver, values)
        if driver.kind == "categorical"
        else _by_size(driver, values, reference)
        for (driver, values), (_, reference) in zip(_values(fit), _values(like), strict=True)
    ]


def centred_columns(fit: Fit) -> list[DriverColumn]:
    """Columns of all drivers; a categorical one has one for each level, 1 for those who have it.

    Parameters
    ----------
    fit : Fit
        To one data set.

    Returns
    -------
    list of DriverColumn
    """
    columns = []
    for driver, values in _values(fit):
        if driver.kind == "categorical":
            for j, level in enumerate(driver.levels):
                has = (values == j).astype(float)
                label = names.level_label(driver.name, level)
                columns.append(DriverColumn(driver.name, label, has - has.mean()))
            continue
        x = values - values.mean()
        sd = 1.0 if driver.kind == "binary" else values.std()
        columns.append(DriverColumn(driver.name, driver.name, x / sd))
    return columns


def _values(fit: Fit) -> list[tuple[Driver, np.ndarray]]:
    """Each driver and its values, (citizen,): as they are, or positions of categories."""
    design = fit.design
    x = np.column_stack([np.ones(design.sizes[names.CITIZEN]), design["x"].values])
    found = []
    for driver in chosen_drivers(design, fit.codebook.drivers):
        raw = raw_values(design, x, driver)
        if driver.kind == "categorical":
            found.append((driver, positions(driver, raw)))
        else:
            found.append((driver, raw[:, 0].round(9)))  # what scaling added is not a new value
    return found


def _by_level(driver: Driver, values: np.ndarray) -> DriverGroups:
    labels = tuple(names.level_label(driver.name, level) for level in driver.levels)
    return DriverGroups(labels, values)


def _by_size(driver: Driver, values: np.ndarray, reference: np.ndarray) -> DriverGroups:
    """Groups of a driver whose values are ordered: as they are up to three, else thirds."""
    distinct = np.unique(reference)
    cuts = distinct[:-1]
    if len(distinct) > 3:
        thirds = np.quantile(reference, [1 / 3, 2 / 3], method="lower")
        cuts = np.unique(thirds[thirds < distinct[-1]])
    of, say = np.searchsorted(cuts, reference), _word(driver)
    labels = []
    for g in range(len(cuts) + 1):
        low, high = say(reference[of == g].min()), say(reference[of == g].max())
        labels.append(f"{driver.name} {low}" if low == high else f"{driver.name} {low} to {high}")
    return DriverGroups(tuple(labels), np.searchsorted(cuts, values))


def _word(driver: Driver) -> Callable[[float], str]:
    """How a driver's values are called."""
    if driver.kind == "ordered":
        return lambda value: driver.levels[int(value)]
    if driver.kind == "binary":
        return lambda value: "yes" if value else "no"
    return lambda value: f"{value:.4g}"
