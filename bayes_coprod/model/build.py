"""The model as a PyMC graph, and the functions compiled from the same graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr

from bayes_coprod import names
from bayes_coprod.model.coding import chosen_drivers, varying_columns
from bayes_coprod.model.likelihoods import LIKELIHOODS
from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.entries import Codebook

type Arrays = Mapping[str, np.ndarray]


def build_model(
    spec: ModelSpec, codebook: Codebook, design: xr.Dataset, pilot: Pilot | None = None
) -> pm.Model:
    """Write the model down; the one place where its maths stands.

    Parameters
    ----------
    spec : ModelSpec
    codebook : Codebook
        Of the survey in the design.
    design : xarray.Dataset
        From :func:`make_design`.
    pilot : Pilot, optional
        Sets the speed only; ``items`` needs its nodes.

    Returns
    -------
    pymc.Model
        Its named quantities are the posterior's; variables that begin with ``z_`` are sampling
        coordinates.
    """
    drivers = chosen_drivers(design, codebook.drivers)
    dim = outcome_dim(spec)
    outcomes = [str(name) for name in design[dim].values]
    coords: dict[str, list[str]] = {
        names.COUNTRY: [str(name) for name in design[names.COUNTRY].values],
        dim: outcomes,
        names.COEFFICIENT: [str(name) for name in design[names.COEFFICIENT].values],
        names.DRIVER: list(dict.fromkeys(varying_columns(spec, drivers)[1])),
        names.PAIR: [names.pair_label(a, b) for a, b in combinations(outcomes, 2)],
        **LIKELIHOODS[spec.likelihood].coords(codebook, design),
    }
    with pm.Model(coords={name: labels for name, labels in coords.items() if labels}) as model:
        LIKELIHOODS[spec.likelihood].build(spec, design, drivers, pilot)
    return model


def named_quantities(model: pm.Model) -> list[str]:
    """Names of the model's variables that a posterior keeps: all but sampling coordinates."""
    variables = [variable.name for variable in (*model.free_RVs, *model.deterministics)]
    return [name for name in variables if not name.startswith("z_")]


def log_density_at(model: pm.Model, draw: Arrays) -> float:
    """Log density of the model, in sampling coordinates, at one draw of its variables.

    Parameters
    ----------
    model : pymc.Model
    draw : mapping of str to numpy.ndarray
        Each of ``model.free_RVs`` on its own scale.

    Returns
    -------
    float
    """
    point = {}
    for variable in model.free_RVs:
        value = model.rvs_to_values[variable]
        transform = model.rvs_to_transforms[variable]
        at = pt.as_tensor_variable(draw[variable.name])
        if transform is not None:
            at = transform.forward(at, *variable.owner.inputs)
        point[value.name] = at.eval(mode=AS_WRITTEN)
    return float(model.compile_logp(mode=AS_WRITTEN)(point))


def compile_citizen_log_likelihood(
    spec: ModelSpec, design: xr.Dataset, posterior: xr.Dataset, pilot: Pilot | None
) -> Callable[[Arrays], np.ndarray]:
    """Compile the log likelihood of each citizen at one draw.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    posterior : xarray.Dataset
        Tells the parameters' shapes.
    pilot : Pilot or None
        That of the fit.

    Returns
    -------
    callable
        Parameters of one draw, by name -> (citizen,).
    """
    likelihood = LIKELIHOODS[spec.likelihood]
    inputs = {
        name: pt.tensor(name, shape=posterior[name].shape[2:], dtype="float64")
        for name in likelihood.parameters(spec, design)
    }
    output = likelihood.citizens(spec, design, inputs, pilot)
    # the integral over citizens is compiled already, and around it there is next to nothing
    mode = AS_WRITTEN if spec.likelihood == "items" else "JAX"
    function = pytensor.function(list(inputs.values()), output, mode=mode)
    return lambda draw: np.asarray(function(*(draw[name] for name in inputs)))
