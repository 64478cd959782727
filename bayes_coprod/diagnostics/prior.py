"""What the priors say before the data, and how much of the answer is theirs after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import arviz_stats as azs
import numpy as np
import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.conclusions import CONCLUSION, conclusions
from bayes_coprod.diagnostics.simulated import truth_as_fit
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.countries import country_levels, gap, has_gap
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.finding import Finding, Findings
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.inference.pointwise import alike, stream_log_likelihood
from bayes_coprod.model.design import check_names, make_design
from bayes_coprod.model.log_prior import BLOCKS, log_priors
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.spec import ModelSpec, choose_item, load_model
from bayes_coprod.streams import random_stream
from bayes_coprod.survey.read import Survey, check_is_survey

SENSITIVITY_LIMIT = 0.05
LIKELIHOOD = "likelihood"
AT_THE_ENDS = 0.5
"""Share of the prior within a hundredth of an end of the scale that is too much."""
NO_DIFFERENCE = 0.025
"""Probability of either sign below which a prior rules it out."""
FEWEST_DRAWS = 400
"""Below this many, importance weights tell sensitivity from noise no more."""
_FEWEST_PRIOR_DRAWS = 200
_SAMPLE = (names.CHAIN, names.DRAW)


def draw_prior(
    model: str | Path | Mapping[str, Any] | ModelSpec,
    survey: Survey,
    *,
    item: str | None = None,
    draws: int = 1000,
    random_seed: int | None = None,
) -> Fit:
    """Draw from a model's priors, so that any quantity can be asked what it was before the data.

    Parameters
    ----------
    model : str, pathlib.Path, mapping or ModelSpec
        As for :func:`fit_model`.
    survey : Survey
        Tells which countries, items and drivers there are; answers are used only where a prior is
        in units of their mean and SD, as in ``index``.
    item : str, optional
        Replaces the model file's ``item``; of ``ordinal``.
    draws : int
        In one chain.
    random_seed : int, optional
        The model's own otherwise.

    Returns
    -------
    Fit
        Its ``posterior`` holds draws from the prior, and every quantity of it is the prior's, such
        as ``country_levels(draw_prior("items", survey))``.

    Raises
    ------
    CoprodError
        What :func:`fit_model` refuses before it samples; or `draws` is not positive.
    """
    check_is_survey(survey, "draw_prior")
    if draws < 1:
        raise make_error(SpecError, "draw_prior", f"draws is {draws}", remedy="Give 1 or more.")
    spec = choose_item(load_model(model), item)
    check_names(survey, spec)
    design = make_design(survey, spec)
    seed = spec.sampler.random_seed if random_seed is None else random_seed
    rng = random_stream(seed, "prior")
    values = draw_priors(spec, survey.codebook, design, draws, rng)
    return truth_as_fit(spec, survey.codebook, design, values.assign_attrs(sampling_time=0.0))


def check_prior(
    model: str | Path | Mapping[str, Any] | ModelSpec,
    survey: Survey,
    *,
    item: str | None = None,
    draws: int = 1000,
    random_seed: int | None = None,
) -> Findings:
    """Check what the priors imply for shares and points, before anything is sampled.

    Parameters
    ----------
    model, survey, item, draws, random_seed
        As for :func:`draw_prior`.

    Returns
    -------
    Findings
        ``prior levels``: warns where more than half of a level's prior lies within a hundredth of
        an end of its scale, or beyond. ``prior gap`` and ``prior effects``: warn where one sign has
        a prior probability below 0.025, so that "no difference" is ruled out before the data.
        ``unknown`` with fewer than 200 draws.

    Raises
    ------
    CoprodError
        As :func:`draw_prior`.

    Notes
    -----
    Wide priors on the logit scale are not vague: with a normal(0, 10) intercept most of the prior
    says that everybody takes part, or nobody [1]_.

    References
    ----------
    .. [1] Gabry, Simpson, Vehtari, Betancourt & Gelman (2019), Visualization in Bayesian workflow,
       Journal of the Royal Statistical Society A 182(2), 389-402.
    """
    prior = draw_prior(model, survey, item=item, draws=draws, random_seed=random_seed)
    if draws < _FEWEST_PRIOR_DRAWS:
        message = f"It takes {_FEWEST_PRIOR_DRAWS} draws to tell; there are {draws}."
        return Findings(
            [Finding("prior", "unknown", "", None, None, message, "Give more of them as draws.")]
        )
    levels = country_levels(prior, uncertainty="fixed")
    findings = [_check_levels(levels)]
    if has_gap(prior):
        findings.append(_check_sign(gap(prior, of=levels), "prior gap"))
    if prior.design.sizes[names.COEFFICIENT]:
        findings.append(_check_sign(driver_effects(prior)["pooled"], "prior effects"))
    return Findings(findings)


def _check_levels(levels: xr.DataArray) -> Finding:
    """Find the level whose prior sits most at the ends of its scale."""
    top = 100.0 if levels.attrs["units"].startswith("points") else 1.0
    share = ((levels < top / 100) | (levels > top - top / 100)).mean(_SAMPLE)
    value, where = _largest(share)
    low, high = (float(levels.quantile(q)) for q in (0.05, 0.95))
    middle = f"nine tenths of all levels' prior lie between {low:.3g} and {high:.3g}"
    return Finding(
        "prior levels",
        "warn" if value > AT_THE_ENDS else "pass",
        where if value > AT_THE_ENDS else "",
        value,
        AT_THE_ENDS,
        f"{100 * value:.0f} % of a level's prior lies within {top / 100:g} of an end of the scale, "
        f"or beyond (limit {100 * AT_THE_ENDS:.0f} %); {middle} {levels.attrs['units']}.",
        "Narrow the priors of intercept or thresholds: they say that nobody or everybody does it."
        if value > AT_THE_ENDS
        else "",
    )


def _check_sign(values: xr.DataArray, check: str) -> Finding:
    """Find the difference of which the prior rules out one sign."""
    above = (values > 0).mean(_SAMPLE)
    value, where = _largest(-above.where(above < 0.5, 1 - above))
    beyond = -value < NO_DIFFERENCE
    sd = float(values.std(_SAMPLE).max())
    return Finding(
        check,
        "warn" if beyond else "pass",
        where if beyond else "",
        -value,
        NO_DIFFERENCE,
        f"The less likely sign has prior probability {-value:.2g} (limit {NO_DIFFERENCE:g}); prior "
        f"SD up to {sd:.2g} {values.attrs['units']}.",
        "Centre the priors of what it is made of at no difference, or widen them."
        if beyond
        else "",
    )


def _largest(values: xr.DataArray) -> tuple[float, str]:
    at = np.unravel_index(int(values.values.argmax()), values.shape)
    labels = [str(values[dim].values[i]) for dim, i in zip(values.dims, at, strict=True)]
    return float(values.values[at]), ", ".join(labels)


def prior_sensitivity(fit: Fit) -> pd.DataFrame:
    r"""How much the quantities people quote would move if a prior said a little more or less.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    pandas.DataFrame
        One row a quantity and block: ``quantity`` (mean levels, gaps, contrasts of countries,
        pooled driver effects), ``block`` (``beta``, ``tau``, ``thresholds``, ``sigma``, or
        ``likelihood``), ``sensitivity`` (unitless; above 0.05 the block shapes the answer; NaN
        where draws are too few or constant), and a ``sentence``, empty where there is
        nothing to say. ``attrs["limit"]`` is 0.05.

    Raises
    ------
    SpecError
        If it is given no fit, or one whose draws are not finite.

    Notes
    -----
    The density of each block of stated parameters, or the likelihood, is raised to the power
    :math:`\alpha` near 1 by importance weights, and the change of a quantity's distribution is
    measured by its cumulative Jensen-Shannon distance per doubling of :math:`\alpha` [1]_.
    Deviations of countries given their SD belong to no block: scaling them would move the SD. Of
    several completed data sets the largest value is given.

    References
    ----------
    .. [1] Kallioinen, Paananen, Bürkner & Vehtari (2024), Detecting and diagnosing prior and
       likelihood sensitivity with power-scaling, Statistics and Computing 34, 57.
    """
    check_is_fit(fit, "prior_sensitivity")
    where = not_finite(fit)
    if where:
        raise make_error(
            SpecError,
            "prior_sensitivity",
            f"draws of {where} are not finite",
            remedy="Look at these draws; fit again with another random_seed.",
        )
    parts = [_sensitivity(part) for part in fit.parts]
    of_parts = xr.concat(parts, dim="part")
    # the least that the data say is what is worst of them
    worst = of_parts.max("part", skipna=False).where(
        of_parts["block"] != LIKELIHOOD, of_parts.min("part", skipna=False)
    )
    rows = [
        {
            "quantity": str(quantity),
            "block": str(block),
            "sensitivity": float(worst.sel(block=block, conclusion=quantity)),
        }
        for quantity in worst[CONCLUSION].values
        for block in worst["block"].values
    ]
    table = pd.DataFrame(rows)
    of_data = table[table["block"] == LIKELIHOOD].set_index("quantity")["sensitivity"]
    table["sentence"] = [
        _sentence(row.quantity, row.block, row.sensitivity, float(of_data[row.quantity]))
        for row in table.itertuples()
    ]
    table.attrs["limit"] = SENSITIVITY_LIMIT
    return table


def not_finite(fit: Fit) -> str:
    """Name a variable of the posterior that is not finite; empty if all are."""
    posterior = fit.posterior
    return next(
        (str(name) for name in posterior if not np.isfinite(posterior[name].values).all()), ""
    )


def _sensitivity(fit: Fit) -> xr.DataArray:
    """Sensitivity of each quantity to each block, (block, conclusion), of one data set."""
    posterior = fit.posterior
    quantities = conclusions(fit, by_country=True)
    priors = log_priors(fit.spec, fit.design, posterior)
    first, kind = alike(fit.design)
    citizens = xr.DataArray(np.bincount(kind), dims=names.CITIZEN)
    data = sum(
        xr.dot(block.drop_vars(names.CITIZEN), citizens[at], dim=names.CITIZEN)
        for at, block in stream_log_likelihood(fit, first)
    )
    densities = priors.assign({LIKELIHOOD: data})
    out = xr.DataArray(
        np.full((len(densities), quantities.sizes[CONCLUSION]), np.nan),
        dims=("block", CONCLUSION),
        coords={"block": [str(name) for name in densities], CONCLUSION: quantities[CONCLUSION]},
    )
    known = (abs(quantities) < np.inf).all(_SAMPLE) & (quantities.std(_SAMPLE) > 0)
    if posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW] < FEWEST_DRAWS or not known.any():
        return out
    kept = quantities.isel({CONCLUSION: np.flatnonzero(known)}).drop_vars("units")
    for name, density in densities.items():
        if np.isfinite(density).all():
            tree = xr.DataTree.from_dict(
                {"posterior": kept.to_dataset(), "log_prior": density.to_dataset(name="density")}
            )
            found = azs.psense(tree, group="prior")["conclusions"]
            out.loc[{"block": name, CONCLUSION: kept[CONCLUSION]}] = found.values
    return out


_SAID = {
    "beta": "driver effects",
    "tau": "how much countries differ",
    "thresholds": "levels and thresholds",
    "sigma": "how much citizens differ",
}


def _sentence(quantity: str, block: str, value: float, of_data: float) -> str:
    """Say in words what a sensitivity means; empty where it means nothing."""
    if np.isnan(value):
        return f"Of {quantity!r} it could not be measured how it depends on {_block(block)}."
    if block == LIKELIHOOD:
        if value >= SENSITIVITY_LIMIT:
            return ""
        return f"The data hardly move {quantity!r} ({value:.2f}): it says what the priors say."
    if value < SENSITIVITY_LIMIT:
        return ""
    if of_data < SENSITIVITY_LIMIT:
        why = "the data say little"
    else:
        why = "the data and this prior pull apart, or the prior is strong"
    return f"{quantity!r} depends on {_block(block)} ({value:.2f}): {why}."


def _block(block: str) -> str:
    return "the data" if block == LIKELIHOOD else f"the prior of {_SAID[block]}"


def check_is_sensitivity(table: object, place: str) -> None:
    """Refuse what is no table of sensitivities where a function begins with one."""
    columns = {"quantity", "block", "sensitivity"}
    if isinstance(table, pd.DataFrame) and columns <= set(table) and "limit" in table.attrs:
        return
    raise make_error(
        SpecError,
        place,
        f"takes what prior_sensitivity returned, and this is a {type(table).__name__}",
        remedy=f"{place}(prior_sensitivity(fit)).",
    )


def check_sensitivity(sensitivity: pd.DataFrame) -> Findings:
    """Check whether what is quoted is the data's answer or the priors'.

    Parameters
    ----------
    sensitivity : pandas.DataFrame
        What :func:`prior_sensitivity` returned.

    Returns
    -------
    Findings
        One for each block of priors, with the quantity that depends on it most, and one for
        quantities that the data hardly move.

    Raises
    ------
    SpecError
        If `sensitivity` is anything else.
    """
    check_is_sensitivity(sensitivity, "check_sensitivity")
    found = []
    for block, own in sensitivity.groupby("block", sort=False):
        of_data = block == LIKELIHOOD
        check = f"sensitivity to {_block(str(block))}"
        if own["sensitivity"].isna().any():
            where = str(own["quantity"][own["sensitivity"].isna()].iloc[0])
            found.append(
                Finding(
                    check,
                    "unknown",
                    where,
                    None,
                    SENSITIVITY_LIMIT,
                    "It could not be measured: draws are too few, constant or not finite.",
                    f"Sample {FEWEST_DRAWS} draws or more.",
                )
            )
            continue
        order = own.sort_values("sensitivity", ascending=of_data, kind="stable")
        worst = order.iloc[0]
        beyond = own["sensitivity"] < SENSITIVITY_LIMIT
        if not of_data:
            beyond = ~beyond
        found.append(_judged(check, worst, int(beyond.sum()), len(own), str(block)))
    return Findings(found)


def _judged(check: str, worst: pd.Series, beyond: int, n: int, block: str) -> Finding:
    if not beyond:
        message = f"No quantity depends on it beyond the limit; most does {worst['quantity']!r}."
        if block == LIKELIHOOD:
            message = f"The data move all {n} quantities; least {worst['quantity']!r}."
        return Finding(check, "pass", "", float(worst["sensitivity"]), SENSITIVITY_LIMIT, message)
    keys = ", ".join(BLOCKS.get(block, ()))
    return Finding(
        check,
        "warn",
        str(worst["quantity"]),
        float(worst["sensitivity"]),
        SENSITIVITY_LIMIT,
        f"{worst['sentence']} It is {beyond} of {n} quantities in all.",
        "Report these as prior and data together, not as findings of the survey."
        if block == LIKELIHOOD
        else f"Fit with another prior ({keys}) and report both.",
    )
