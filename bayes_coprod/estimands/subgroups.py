"""Subgroups: citizens with given levels, or numbers in a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.changes import find_driver, is_number
from bayes_coprod.estimands.levels import (
    SLACK,
    driver_columns,
    level_position,
    positions,
    raw_values,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.strict import Scalar
from bayes_coprod.survey.entries import Driver
from bayes_coprod.wording import listed

type Only = Mapping[str, Scalar | Sequence[Scalar]]
type Subgroup = tuple[tuple[Driver, np.ndarray], ...]


def subgroup(design: xr.Dataset, x: np.ndarray, wanted: Subgroup) -> np.ndarray:
    """Whether each citizen is in a subgroup, (citizen,).

    Parameters
    ----------
    design : xarray.Dataset
    x : numpy.ndarray
        (citizen, 1 + coefficient), ones first.
    wanted : tuple of (Driver, numpy.ndarray)
        From :func:`check_only`.

    Returns
    -------
    numpy.ndarray
    """
    inside = np.ones(len(x), dtype=bool)
    for driver, which in wanted:
        raw = raw_values(design, x, driver)
        if driver.kind == "numeric":
            slack = SLACK * driver_columns(design, driver)[2][0]
            inside &= (raw[:, 0] >= which[0] - slack) & (raw[:, 0] <= which[1] + slack)
        else:
            inside &= np.isin(positions(driver, raw), which)
    return inside


def check_only(fit: Fit, only: Only | None, place: str) -> Subgroup:
    """Check a subgroup: the numbers of its levels, or the ends of its range, for each driver."""
    if only is not None and not isinstance(only, Mapping):
        raise make_error(
            SpecError,
            place,
            f"only is a {type(only).__name__}",
            remedy='Give drivers with their levels, such as {"trust": ["none", "small"]}.',
        )
    wanted: list[tuple[Driver, np.ndarray]] = []
    for name, which in (only or {}).items():
        driver = find_driver(fit, name, place)
        given: Sequence[Scalar] = (
            list(which)
            if isinstance(which, Sequence | np.ndarray) and not isinstance(which, str)
            else [which]
        )
        if driver.kind != "numeric":
            found = [level_position(driver, level, place) for level in given]
            wanted.append((driver, np.array(found, dtype=int)))
            continue
        if (
            len(given) != 2
            or not all(map(is_number, given))
            or not float(given[0]) <= float(given[1])
        ):
            raise make_error(
                SpecError,
                place,
                f"only[{name!r}] = {which!r} is no range",
                remedy="Give (low, high); both ends belong to it.",
            )
        wanted.append((driver, np.array([float(end) for end in given])))
    return tuple(wanted)


def said_of_only(only: Only, wanted: Subgroup) -> str:
    """Say who is in a subgroup, such as ``trust none or small and age 18 to 30``."""
    said = []
    for (name, which), (driver, _) in zip(only.items(), wanted, strict=True):
        parts = [which] if isinstance(which, str) or not isinstance(which, Sequence) else which
        between = " to " if driver.kind == "numeric" else " or "
        written = [f"{part:g}" if isinstance(part, float) else str(part) for part in parts]
        said.append(f"{name} {between.join(written)}")
    return listed(said)
