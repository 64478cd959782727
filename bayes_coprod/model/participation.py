r"""The likelihood of ``participation``: who takes part at all, in each form.

.. math:: P(y_{if} = 1) = \operatorname{logistic}\Bigl(b_{c(i)f0} + \sum_p x_{ip} b_{c(i)fp}\Bigr)

Outcomes are independent given drivers and country. Citizens of a country who have the same drivers
are counted: the density needs these counts only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pytensor.tensor import TensorVariable

from bayes_coprod import names
from bayes_coprod.model.collapse import CountCells, collapse_counts
from bayes_coprod.model.counts import count_log_likelihood
from bayes_coprod.model.design import country_ends
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import country_effects, predict_citizens
from bayes_coprod.survey.entries import Driver

type Parameters = Mapping[str, TensorVariable]


def build_participation(
    spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...], pilot: Pilot | None
) -> None:
    """Register the model's variables, priors and likelihood in the PyMC model at hand."""
    intercept, slope = country_effects(spec, design, drivers, pilot)
    pm.Potential("participation", participation_log_likelihood(design, intercept, slope))


def participation_log_likelihood(
    design: xr.Dataset, intercept: TensorVariable, slope: TensorVariable
) -> TensorVariable:
    """Log likelihood of all citizens, from levels (country, outcome) and slopes of each country."""
    cells = collapse_participation(design)
    eta = predict_citizens(cells.x, cells.ends, intercept, slope)
    return count_log_likelihood(cells, eta, pt.zeros((design.sizes[names.COUNTRY], 1)))


def collapse_participation(design: xr.Dataset) -> CountCells:
    """Counts of those who do not and who do take part, of each outcome."""
    y = design["y"].values
    return collapse_counts(
        design["x"].values,
        np.where(np.isnan(y), -1, y).astype(np.int64),
        design["country_index"].values,
        design.sizes[names.COUNTRY],
        n_categories=2,
    )


def citizens_participation(
    spec: ModelSpec, design: xr.Dataset, parameters: Parameters, pilot: Pilot | None
) -> TensorVariable:
    """Log probability of what each citizen does, (citizen,)."""
    y = design["y"].values
    eta = predict_citizens(
        design["x"].values, country_ends(design), parameters["b_intercept"], parameters.get("b")
    )
    has = ~np.isnan(y)
    return (has * (np.where(has, y, 0.0) * eta - pt.softplus(eta))).sum(axis=1)


def participation_parameters(spec: ModelSpec, design: xr.Dataset) -> tuple[str, ...]:
    """Posterior variables that the likelihood is made of."""
    return ("b_intercept", *(("b",) if design.sizes[names.COEFFICIENT] else ()))
