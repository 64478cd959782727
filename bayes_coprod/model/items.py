r"""The likelihood of ``items``: ordinal answers, one propensity per citizen and form.

.. math::

    P(y_{ik} \le j) &=
        \operatorname{logistic}(\kappa_{kj} + s_{kc(i)} - \lambda_k \theta_{i f(k)}) , \\
    \theta_{if} &= b_{c(i)f0} + \sum_p x_{ip} b_{c(i)fp} + \varepsilon_{if} , \qquad
    \varepsilon_i \sim N(0, \Sigma) .

Country intercepts sum to zero: thresholds carry the level. Shifts s sum to zero over countries for
each item, and over a form's items for each country; so they are the coefficients of contrasts
between the items of a form, which vary by country like any other coefficient. The level of a form
and the mean places of its contrasts are its items' first thresholds in other coordinates.
Discriminations :math:`\lambda` are 1, or positive with logarithms that sum to zero over the items
of each form that has three or more: there the unit of the propensity is theirs on average.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pytensor.tensor import TensorVariable
from scipy.linalg import block_diag

from bayes_coprod import names
from bayes_coprod.model.design import country_ends
from bayes_coprod.model.grid_op import GridCitizens, GridIntegral, GridLogLikelihood
from bayes_coprod.model.item_layout import (
    ItemLayout,
    item_layout,
    n_coordinates,
    shifts_vary,
    which_vary,
)
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.priors import from_normal, log_density
from bayes_coprod.model.quadrature import Nodes, log_marginal, resolved
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.thresholds import (
    category_bounds,
    country_thresholds,
    discriminations,
    effects_and_thresholds,
    log_interval,
)
from bayes_coprod.model.varying import (
    common_coordinates,
    country_coefficients,
    flat_scales,
    predict_citizens,
)
from bayes_coprod.survey.entries import Driver

type Parameters = Mapping[str, TensorVariable]


def build_items(
    spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...], pilot: Pilot | None
) -> None:
    """Register the model's variables, priors and likelihood in the PyMC model at hand."""
    layout = item_layout(design)
    n_effects, n_contrasts, n_rest = n_coordinates(design)
    common = common_coordinates(n_effects + n_contrasts + n_rest, pilot)
    varies = which_vary(spec, design, drivers)
    tau = flat_scales(spec, drivers, n_contrasts if shifts_vary(spec, layout) else 0)
    b = country_coefficients(
        spec,
        design.sizes[names.COUNTRY],
        varies,
        tau,
        common,
        None if pilot is None else pilot.evidence,
    )
    rest = common[n_effects + n_contrasts :]
    parameters = stated_parameters(spec, design, b, rest)
    _add_priors(spec, layout, parameters, rest)
    pm.Potential("answers", log_likelihood(design, _register(parameters), _nodes(pilot)))


def stated_parameters(
    spec: ModelSpec, design: xr.Dataset, b: TensorVariable, rest: TensorVariable
) -> dict[str, TensorVariable]:
    """Give the parameters as they are stated, from the coordinates they are sampled in.

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    b : TensorVariable
        (country, coefficient): each form's intercept and slopes, then the places of the contrasts
        between items.
    rest : TensorVariable
        Standard normals: gaps between thresholds, discriminations, citizens' SDs, and their
        correlation.

    Returns
    -------
    dict of str to TensorVariable
        As the posterior has them, and besides ``first``, each item's first threshold.
    """
    layout = item_layout(design)
    n_effects = n_coordinates(design)[0]
    n_countries = design.sizes[names.COUNTRY]
    effects = b[:, :n_effects].reshape((n_countries, layout.n_forms, n_effects // layout.n_forms))
    places = b[:, n_effects:]  # (country, contrast)
    level = effects.mean(axis=0)[:, 0]
    # first thresholds: places of the contrasts, less the form's level
    to_items = layout.contrasts.T  # (item, contrast)
    first = pt.dot(to_items, places.mean(axis=0)) - level[layout.form]

    n_gaps, free = int((layout.n_categories - 2).sum()), layout.free_sigma
    n_steep = len(layout.steepness)
    deviations = rest[n_gaps + n_steep :]
    gap = from_normal(spec.priors["kappa_gap"], rest[:n_gaps])
    parameters = {
        "b_intercept": effects[:, :, 0] - level,
        "b": effects[:, :, 1:],
        "first": first,
        "kappa": _thresholds(layout, first, gap),
        # the SD of a form with one item cannot be told from its thresholds: 1 by convention
        "sigma": pt.set_subtensor(
            pt.ones(layout.n_forms)[free],
            from_normal(spec.priors["sigma"], deviations[: len(free)]),
        ),
    }
    if n_steep:
        _, sd = spec.priors["lambda"].arguments
        z = rest[n_gaps : n_gaps + n_steep]
        parameters["lambda"] = pt.exp(np.float64(sd) * pt.dot(layout.steepness.T, z))
    if shifts_vary(spec, layout):
        parameters["shift"] = pt.dot(places - places.mean(axis=0), to_items.T)
    if layout.n_forms == 2:
        parameters["rho"] = from_normal(spec.priors["rho"], rest[-1:])
    return parameters


def _register(parameters: Parameters) -> Parameters:
    """Register the stated parameters as named quantities of the model."""
    by_country = (names.COUNTRY, names.FORM)
    dims: dict[str, tuple[str, ...]] = {
        "b_intercept": by_country,
        "b": (*by_country, names.COEFFICIENT),
        "kappa": (names.THRESHOLD,),
        "shift": (names.COUNTRY, names.ITEM),
        "lambda": (names.ITEM,),
        "sigma": (names.FORM,),
        "rho": (names.PAIR,),
    }
    registered = dict(parameters)
    if parameters["b"].type.shape[2] == 0:
        del dims["b"]
    else:
        pm.Deterministic("beta", parameters["b"].mean(axis=0), dims=(names.FORM, names.COEFFICIENT))
    for name, of in dims.items():
        if name in parameters:
            registered[name] = pm.Deterministic(name, parameters[name], dims=of)
    return registered


def _add_priors(
    spec: ModelSpec, layout: ItemLayout, parameters: Parameters, rest: TensorVariable
) -> None:
    """Priors of what countries have in common, as a density of the coordinates."""
    beta = parameters["b"].mean(axis=0)
    log_prior = log_density(spec.priors["kappa"], parameters["first"]).sum()
    # log |d first / d (level, places)|: the contrasts are orthonormal, the level is not
    log_prior += 0.5 * np.log(np.bincount(layout.form)).sum()
    log_prior += pm.logp(pm.Normal.dist(0, 1), rest).sum()
    if beta.type.shape[1] != 0:
        log_prior += log_density(spec.priors["beta"], beta).sum()
    pm.Potential("log_prior_common", log_prior)


def _thresholds(layout: ItemLayout, first: TensorVariable, gap: TensorVariable) -> TensorVariable:
    """All thresholds, (threshold,), from each item's first and the gaps after it."""
    # kappa = first of the item + sum of its gaps so far
    sums = block_diag(*(np.tri(n - 1, n - 2, -1) for n in layout.n_categories))
    kappa = first[layout.item_of_threshold]
    return kappa + pt.dot(sums, gap) if sums.shape[1] else kappa


def _nodes(pilot: Pilot | None) -> Nodes:
    if pilot is None or pilot.nodes is None:
        raise ValueError("The model integrates over citizens: give a pilot with nodes.")
    return pilot.nodes


def expected_propensity(design: xr.Dataset, parameters: Parameters) -> TensorVariable:
    """Expected propensities, mu, (citizen, form)."""
    return predict_citizens(
        design["x"].values, country_ends(design), parameters["b_intercept"], parameters.get("b")
    )


def _deviations(
    parameters: Parameters, nodes: Nodes
) -> tuple[TensorVariable, TensorVariable | None]:
    """SDs of citizens' deviations and their correlation, as the nodes resolve them."""
    rho = parameters.get("rho")
    sigma, correlation = resolved(
        parameters["sigma"],
        pt.zeros(1) if rho is None else rho,
        nodes.least_sd,
        pt.softplus,
    )
    return sigma, None if rho is None else correlation[0]


def make_integral(design: xr.Dataset, nodes: Nodes) -> GridIntegral:
    """Prepare the integral over a design's citizens."""
    layout = item_layout(design)
    return GridIntegral(
        nodes,
        design["x"].values,
        design["answer"].values,
        country_ends(design),
        layout.n_categories,
        layout.form,
    )


def integrand(design: xr.Dataset, parameters: Parameters, nodes: Nodes) -> list[TensorVariable]:
    """What an integral on a grid takes: see :meth:`GridIntegral.evaluate`."""
    sigma, rho = _deviations(parameters, nodes)
    effects = parameters["b_intercept"][:, :, None]
    if "b" in parameters:
        effects = pt.concatenate([effects, parameters["b"]], axis=2)
    layout = item_layout(design)
    return [
        effects,
        country_thresholds(layout, parameters),
        parameters.get("lambda", pt.ones(len(layout.form))),
        sigma,
        pt.zeros(()) if rho is None else rho,
    ]


def integrand_at(
    layout: ItemLayout, draw: Mapping[str, np.ndarray], nodes: Nodes
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """What an integral on a grid takes, at one draw of the posterior's variables."""
    sigma, rho = resolved(
        draw["sigma"],
        draw.get("rho", np.zeros(1)),
        nodes.least_sd,
        lambda x: np.logaddexp(0, x),
    )
    steep = discriminations(layout, draw)
    return (*effects_and_thresholds(layout, draw), steep, sigma, float(rho[0]))


def log_likelihood(design: xr.Dataset, parameters: Parameters, nodes: Nodes) -> TensorVariable:
    """Log likelihood of all citizens, on the given nodes."""
    if nodes.is_grid:
        integral = make_integral(design, nodes)
        return GridLogLikelihood(integral)(*integrand(design, parameters, nodes))[0]
    return _answer_by_answer(design, parameters, nodes).sum()


def _answer_by_answer(design: xr.Dataset, parameters: Parameters, nodes: Nodes) -> TensorVariable:
    """Log likelihood of each citizen, on nodes that need no grid in common, (citizen,)."""
    layout = item_layout(design)
    country, answer = design["country_index"].values, design["answer"].values
    bounds = category_bounds(layout, parameters)
    log_answers = []
    for f in range(layout.n_forms):
        at = nodes.at(f)
        total = pt.zeros(at.shape)
        for k in layout.of(f):
            rows = np.flatnonzero(answer[:, k] >= 0)
            if not len(rows):
                continue
            y = answer[rows, k]
            lower, upper = bounds[k][country[rows], y], bounds[k][country[rows], y + 1]
            eta = at[rows] * parameters["lambda"][k] if "lambda" in parameters else at[rows]
            log_p = log_interval(eta, lower[:, None], upper[:, None])
            total = total + log_p if len(rows) == len(at) else pt.inc_subtensor(total[rows], log_p)
        log_answers.append(total)
    sigma, rho = _deviations(parameters, nodes)
    return log_marginal(nodes, log_answers, expected_propensity(design, parameters), sigma, rho)


def citizens_items(
    spec: ModelSpec, design: xr.Dataset, parameters: Parameters, pilot: Pilot | None
) -> TensorVariable:
    """Log likelihood of each citizen, deviations integrated out, (citizen,)."""
    nodes = _nodes(pilot)
    if nodes.is_grid:
        integral = make_integral(design, nodes)
        return GridCitizens(integral)(*integrand(design, parameters, nodes))
    return _answer_by_answer(design, parameters, nodes)
