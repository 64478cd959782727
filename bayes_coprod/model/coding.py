"""How drivers become numbers: the columns of a model, and what each is called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import helmert

from bayes_coprod import names
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.entries import Driver


def chosen_drivers(design: xr.Dataset, drivers: Sequence[Driver]) -> tuple[Driver, ...]:
    """Drivers that a design holds, in the order of its coefficients."""
    present = set(design[names.COEFFICIENT].values)
    return tuple(d for d in drivers if set(coefficient_labels([d])) <= present)


def coefficient_labels(drivers: Sequence[Driver]) -> list[str]:
    """Name each driver's columns: its own name, or its numbered contrasts."""
    labels = []
    for driver in drivers:
        if driver.kind == "categorical":
            number = range(1, len(driver.levels))
            labels += [names.contrast_label(driver.name, j) for j in number]
        else:
            labels.append(driver.name)
    return labels


def code_drivers(data: pd.DataFrame, drivers: Sequence[Driver]) -> np.ndarray:
    """Drivers as numbers before centring and scaling.

    Parameters
    ----------
    data : pandas.DataFrame
        Columns as in ``Survey.data``.
    drivers : sequence of Driver

    Returns
    -------
    numpy.ndarray
        (citizen, coefficient): numeric as they are, binary 0/1, ordered 0 to J - 1, categorical as
        :func:`level_contrasts`; NaN where missing.
    """
    columns = [np.empty((len(data), 0))]
    for driver in drivers:
        if driver.kind in ("numeric", "binary"):
            columns.append(data[driver.name].to_numpy(dtype=float)[:, None])
            continue
        code = data[driver.name].cat.codes.to_numpy()
        coding = (
            np.arange(len(driver.levels), dtype=float)[:, None]
            if driver.kind == "ordered"
            else level_contrasts(len(driver.levels))
        )
        # a missing answer is code -1, and so the last row
        columns.append(np.vstack([coding, np.full(coding.shape[1], np.nan)])[code])
    return np.concatenate(columns, axis=1)


def level_contrasts(n_levels: int) -> np.ndarray:
    r"""Zero-sum coding of a categorical driver's levels, (level, contrast).

    Orthogonal columns over :math:`\sqrt 2`: with independent coefficients of SD s, the difference
    between any two levels has SD s, as a binary driver's step has, whatever the order of levels.
    """
    return np.asarray(helmert(n_levels).T / np.sqrt(2))


def varying_columns(spec: ModelSpec, drivers: Sequence[Driver]) -> tuple[list[int], list[str]]:
    """Columns whose coefficient varies by country, and the driver that each belongs to."""
    names_ = [driver.name for driver in driver_of_columns(drivers)]
    if spec.vary_by_country == "none" or spec.pooling == "complete":
        return [], []
    varying = names_ if spec.vary_by_country == "all" else spec.vary_by_country
    columns = [i for i, name in enumerate(names_) if name in varying]
    return columns, [names_[i] for i in columns]


def driver_of_columns(drivers: Sequence[Driver]) -> list[Driver]:
    """For each column the driver that it belongs to."""
    return [driver for driver in drivers for _ in coefficient_labels([driver])]
