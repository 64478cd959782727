"""The likelihoods, one record each, registered by name.

A likelihood knows how to put itself into a PyMC model, and what each citizen contributes to it;
whatever asks about a fit goes through these and no second copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import xarray as xr
from pytensor.tensor import TensorVariable

from bayes_coprod.model.index import build_index, citizens_index, index_parameters
from bayes_coprod.model.item_layout import items_coords, items_parameters
from bayes_coprod.model.items import build_items, citizens_items
from bayes_coprod.model.ordinal import build_ordinal, citizens_ordinal, ordinal_parameters
from bayes_coprod.model.participation import (
    build_participation,
    citizens_participation,
    participation_parameters,
)
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.entries import Codebook, Driver

type Parameters = Mapping[str, TensorVariable]


@dataclass(frozen=True)
class Likelihood:
    """What the rest of the package needs of a likelihood.

    Parameters
    ----------
    build : callable
        ``(spec, design, drivers, pilot)`` -> None; registers everything in the model at hand.
    citizens : callable
        ``(spec, design, parameters, pilot)`` -> log likelihood of each citizen, (citizen,).
    parameters : callable
        ``(spec, design)`` -> names of the posterior's variables that a likelihood is made of.
    coords : callable
        ``(codebook, design)`` -> labels of the dims that are the likelihood's own.
    """

    build: Callable[[ModelSpec, xr.Dataset, tuple[Driver, ...], Pilot | None], None]
    citizens: Callable[[ModelSpec, xr.Dataset, Parameters, Pilot | None], TensorVariable]
    parameters: Callable[[ModelSpec, xr.Dataset], tuple[str, ...]]
    coords: Callable[[Codebook, xr.Dataset], dict[str, list[str]]]


LIKELIHOODS: dict[str, Likelihood] = {
    "items": Likelihood(build_items, citizens_items, items_parameters, items_coords),
    "index": Likelihood(build_index, citizens_index, index_parameters, lambda *_: {}),
    "participation": Likelihood(
        build_participation, citizens_participation, participation_parameters, lambda *_: {}
    ),
    "ordinal": Likelihood(build_ordinal, citizens_ordinal, ordinal_parameters, items_coords),
}
