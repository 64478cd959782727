"""What a report's levels are measured in, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from bayes_coprod.inference.fit import Fit


@dataclass(frozen=True)
class Measure:
    """The scale of levels, gaps and effects in a report.

    Parameters
    ----------
    level : str
        What a level is, as a sentence begins.
    unit, units : str
        Of a level, and of a difference of levels.
    of : str
        What the units are units of.
    per : float
        Units that the quantities' own 1 is worth.
    """

    level: str
    unit: str
    units: str
    of: str
    per: float = 1.0

    @property
    def is_share(self) -> bool:
        """Whether levels are shares of citizens."""
        return self.per != 1.0

    def given(self, quantity: xr.DataArray) -> xr.DataArray:
        """A quantity in the report's units."""
        if self.per == 1:
            return quantity
        scaled = (quantity * self.per).rename(quantity.name)
        return scaled.assign_attrs(quantity.attrs | {"units": self.units})


_INDEX = Measure("Index", "points of 100", "points", "the index")
_ANSWER = Measure("Answer", "points of 100", "points", "the answer")
_SHARE = Measure(
    "Citizens who take part", "per cent", "percentage points", "citizens who take part", per=100.0
)


def measure_of(fit: Fit) -> Measure:
    """What a report on a fit measures in."""
    return {"participation": _SHARE, "ordinal": _ANSWER}.get(fit.spec.likelihood, _INDEX)
