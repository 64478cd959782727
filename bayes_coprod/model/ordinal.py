r"""The likelihood of ``ordinal``: the answers to one item, by a cumulative logit.

.. math::

    P(y_i \le j) = \operatorname{logistic}\Bigl(t_{c(i)j} - \sum_p x_{ip} b_{c(i)p}\Bigr), \qquad
    t_{cj} = -b_{c0} + \sum_{l=1}^{j} e^{g_{cl}} ,

with the level :math:`b_{c0}` of a country, which varies like any other coefficient, and the
distances between its thresholds: the same in all countries, or with logarithms :math:`g_{cl}` that
vary too. The posterior tells them as in ``items``: thresholds :math:`\kappa_j`, the mean of
:math:`t_{cj}` over countries; a country's intercept, minus the mean over its thresholds of what it
differs by; and, where distances vary, shifts of its thresholds, the rest.
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
from bayes_coprod.model.item_layout import item_layout
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.priors import from_normal, log_density
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.thresholds import category_bounds, log_interval
from bayes_coprod.model.varying import (
    common_coordinates,
    country_coefficients,
    effect_columns,
    flat_scales,
    predict_citizens,
)
from bayes_coprod.survey.entries import Driver

type Parameters = Mapping[str, TensorVariable]


def build_ordinal(
    spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...], pilot: Pilot | None
) -> None:
    """Register the model's variables, priors and likelihood in the PyMC model at hand."""
    varies, n_rest = ordinal_coordinates(spec, design, drivers)
    common = common_coordinates(len(varies) + n_rest, pilot)
    tau = flat_scales(spec, drivers, _n_gaps(design) if gaps_vary(spec, design) else 0)
    b = country_coefficients(
        spec,
        design.sizes[names.COUNTRY],
        varies,
        tau,
        common,
        None if pilot is None else pilot.evidence,
    )
    rest = common[len(varies) :]
    thresholds, slope = thresholds_and_slopes(spec, design, b, rest)
    _add_priors(spec, design, b.mean(axis=0), rest)
    _register(design, thresholds, slope, shifted=gaps_vary(spec, design))
    pm.Potential("answers", ordinal_log_likelihood(design, thresholds, slope))


def ordinal_coordinates(
    spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...]
) -> tuple[np.ndarray, int]:
    """Which of a country's coefficients vary, (coefficient,), and how many other coordinates are.

    Coefficients are the level, slopes and, where they vary, logarithms of distances between
    thresholds; the others are standard normals behind these distances where they are the same.
    """
    columns = effect_columns(spec, drivers, design.sizes[names.COEFFICIENT])
    n_gaps = _n_gaps(design)
    if gaps_vary(spec, design):
        return np.r_[columns, np.ones(n_gaps, dtype=bool)], 0
    return columns, n_gaps


def gaps_vary(spec: ModelSpec, design: xr.Dataset) -> bool:
    """Whether distances between thresholds differ between countries."""
    return spec.thresholds_vary and spec.pooling != "complete" and _n_gaps(design) > 0


def _n_gaps(design: xr.Dataset) -> int:
    """Distances between neighbouring thresholds."""
    return int(design["n_categories"].values[0]) - 2


def thresholds_and_slopes(
    spec: ModelSpec, design: xr.Dataset, b: TensorVariable, rest: TensorVariable
) -> tuple[TensorVariable, TensorVariable]:
    """Give each country's thresholds, (country, threshold), and slopes, (country, coefficient).

    Parameters
    ----------
    spec : ModelSpec
    design : xarray.Dataset
    b : TensorVariable
        (country, coefficient), of :func:`ordinal_coordinates`.
    rest : TensorVariable
        The other coordinates.
    """
    n_columns, n_gaps = design.sizes[names.COEFFICIENT], _n_gaps(design)
    first = -b[:, :1]
    slope = b[:, 1 : 1 + n_columns]
    if not n_gaps:
        return first, slope
    if gaps_vary(spec, design):
        gap = pt.exp(b[:, 1 + n_columns :])
    else:
        gap = from_normal(spec.priors["kappa_gap"], rest)[None]
    # t_j = t_0 + sum of the distances so far
    above = first + pt.dot(gap, np.triu(np.ones((n_gaps, n_gaps))))
    return pt.concatenate([first, above], axis=1), slope


def _add_priors(
    spec: ModelSpec, design: xr.Dataset, mean: TensorVariable, rest: TensorVariable
) -> None:
    """Priors of what countries have in common; `mean` is (coefficient,), over countries."""
    n_columns = design.sizes[names.COEFFICIENT]
    log_prior = log_density(spec.priors["kappa"], -mean[0])
    log_prior += pm.logp(pm.Normal.dist(0, 1), rest).sum()
    if n_columns:
        log_prior += log_density(spec.priors["beta"], mean[1 : 1 + n_columns]).sum()
    if gaps_vary(spec, design):
        log_gap = mean[1 + n_columns :]
        # of the distances' geometric mean over countries, and d gap / d log gap
        log_prior += (log_density(spec.priors["kappa_gap"], pt.exp(log_gap)) + log_gap).sum()
    pm.Potential("log_prior_common", log_prior)


def _register(
    design: xr.Dataset, thresholds: TensorVariable, slope: TensorVariable, *, shifted: bool
) -> None:
    """Register the named quantities of the model."""
    by_form = (names.COUNTRY, names.FORM)
    kappa = pm.Deterministic("kappa", thresholds.mean(axis=0), dims=names.THRESHOLD)
    away = thresholds - kappa
    intercept = -away.mean(axis=1, keepdims=True)
    pm.Deterministic("b_intercept", intercept, dims=by_form)
    if shifted:
        pm.Deterministic("threshold_shift", away + intercept, dims=(names.COUNTRY, names.THRESHOLD))
    if design.sizes[names.COEFFICIENT]:
        b = pm.Deterministic("b", slope[:, None, :], dims=(*by_form, names.COEFFICIENT))
        pm.Deterministic("beta", b.mean(axis=0), dims=(names.FORM, names.COEFFICIENT))


def ordinal_log_likelihood(
    design: xr.Dataset, thresholds: TensorVariable, slope: TensorVariable
) -> TensorVariable:
    """Log likelihood of all citizens, from thresholds and slopes of each country."""
    cells = collapse_ordinal(design)
    nothing = pt.zeros((design.sizes[names.COUNTRY], 1))
    eta = predict_citizens(cells.x, cells.ends, nothing, slope[:, None, :])
    return count_log_likelihood(cells, eta, thresholds)


def collapse_ordinal(design: xr.Dataset) -> CountCells:
    """Counts of the answers to the item."""
    return collapse_counts(
        design["x"].values,
        design["answer"].values,
        design["country_index"].values,
        design.sizes[names.COUNTRY],
        int(design["n_categories"].values[0]),
    )


def citizens_ordinal(
    spec: ModelSpec, design: xr.Dataset, parameters: Parameters, pilot: Pilot | None
) -> TensorVariable:
    """Log probability of each citizen's answer, (citizen,)."""
    answer = design["answer"].values[:, 0]
    country = design["country_index"].values
    eta = predict_citizens(
        design["x"].values, country_ends(design), parameters["b_intercept"], parameters.get("b")
    )[:, 0]
    (bounds,) = category_bounds(item_layout(design), parameters)
    return log_interval(eta, bounds[country, answer], bounds[country, answer + 1])


def ordinal_parameters(spec: ModelSpec, design: xr.Dataset) -> tuple[str, ...]:
    """Posterior variables that the likelihood is made of."""
    slope = ("b",) if design.sizes[names.COEFFICIENT] else ()
    shift = ("threshold_shift",) if gaps_vary(spec, design) else ()
    return ("b_intercept", *slope, "kappa", *shift)
