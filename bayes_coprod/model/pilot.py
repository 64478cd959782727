"""What a pilot hands to the model: it sets the speed, never the posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.model.quadrature import Nodes


@dataclass(frozen=True)
class Evidence:
    r"""A Gaussian summary of what each country's data alone say about its coefficients.

    Parameters
    ----------
    estimate : numpy.ndarray
        (country, varying coefficient), in the model's own units.
    precision : numpy.ndarray
        Same shape, inverse variances; 0 where the data are silent.
    along : numpy.ndarray or None
        (country, varying coefficient, coordinate): by how much the estimate changes with each of
        the coordinates s that countries share, from :math:`s = 0`; ``None`` if it does not.
    """

    estimate: np.ndarray
    precision: np.ndarray
    along: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.estimate.shape != self.precision.shape:
            raise ValueError(
                f"Evidence: estimate has shape {self.estimate.shape}, precision "
                f"{self.precision.shape}; both are (country, varying coefficient)."
            )
        if not (self.precision >= 0).all():
            raise ValueError("Evidence: a precision is negative; it is an inverse variance.")


@dataclass(frozen=True)
class Whitening:
    """An affine map to the coordinates that countries share, near-independent a posteriori.

    Parameters
    ----------
    centre : numpy.ndarray
        (coordinate,).
    factor : numpy.ndarray
        (coordinate, coordinate), lower triangular.
    """

    centre: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True)
class Pilot:
    """The outcome of a pilot.

    Parameters
    ----------
    evidence : Evidence or None
        Where the country effects' parametrisation uses it.
    whitening : Whitening or None
    nodes : Nodes or None
        Of models that integrate over citizens.
    problem : str
        What went wrong, in a sentence; empty if nothing.
    """

    evidence: Evidence | None = None
    whitening: Whitening | None = None
    nodes: Nodes | None = None
    problem: str = ""


def pilot_dataset(pilot: Pilot) -> xr.Dataset:
    """Give a pilot's outcome as it is stored with a fit."""
    arrays: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    if pilot.evidence is not None:
        dims = (names.COUNTRY, "varying")
        arrays["estimate"] = dims, pilot.evidence.estimate
        arrays["precision"] = dims, pilot.evidence.precision
        if pilot.evidence.along is not None:
            arrays["along"] = (*dims, "shared"), pilot.evidence.along
    if pilot.whitening is not None:
        arrays["centre"] = ("coordinate",), pilot.whitening.centre
        arrays["factor"] = ("coordinate", "other"), pilot.whitening.factor
    if pilot.nodes is not None:
        dims = (names.CITIZEN, names.FORM)
        arrays["place"] = dims, pilot.nodes.place
        arrays["spacing"] = dims, pilot.nodes.spacing
        arrays["n_nodes"] = (names.FORM,), np.array(pilot.nodes.n_nodes)
        arrays["is_grid"] = (), np.array(int(pilot.nodes.is_grid))
    return xr.Dataset(arrays, attrs={"problem": pilot.problem})


def read_pilot(dataset: xr.Dataset) -> Pilot:
    """Read a pilot's outcome back from a fit."""
    values = {str(name): dataset[name].values for name in dataset.data_vars}
    return Pilot(
        evidence=(
            Evidence(values["estimate"], values["precision"], values.get("along"))
            if "estimate" in values
            else None
        ),
        whitening=Whitening(values["centre"], values["factor"]) if "centre" in values else None,
        nodes=(
            Nodes(
                values["place"],
                values["spacing"],
                tuple(int(n) for n in values["n_nodes"]),
                bool(values["is_grid"]),
            )
            if "place" in values
            else None
        ),
        problem=str(dataset.attrs["problem"]),
    )
