r"""Replicated answers: what a fitted model would have had the same citizens answer, draw by draw.

Each draw's replicate is made, reduced by whoever asks, and forgotten: no array of citizens, items
and draws is ever held. Ordered answers come from the latent variable of the cumulative logit,

.. math:: y_{ik} = \#\{j : \lambda_k \theta_{i f(k)} + e_{ik} > t_{k j c(i)}\}, \qquad
    e_{ik} \sim \operatorname{Logistic}(0, 1),

with new deviations of each citizen where the model knows deviations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.special import expit, log_ndtr

from bayes_coprod import names
from bayes_coprod.estimands.expected import posterior_draws
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.build import compile_citizen_log_likelihood
from bayes_coprod.model.design import country_ends
from bayes_coprod.model.grid_op import expected_propensity
from bayes_coprod.model.index import covariance
from bayes_coprod.model.item_layout import ItemLayout, response_layout
from bayes_coprod.model.items import integrand_at
from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.thresholds import discriminations, effects_and_thresholds

type Draw = Mapping[str, np.ndarray]


def thinned(fit: Fit, draws: int) -> np.ndarray:
    """Positions of at most `draws` draws of all chains, evenly spaced, (draw,)."""
    n_all = fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]
    return np.linspace(0, n_all - 1, min(draws, n_all)).round().astype(int)


def observed_responses(fit: Fit) -> np.ndarray:
    """What citizens answered, (citizen, item or outcome); NaN where nothing.

    Positions of categories in ``items`` and ``ordinal``; 1 or 0 in ``participation``; of ``index``
    points of 100.
    """
    design = fit.design
    if "answer" in design:
        answer = design["answer"].values
        return np.where(answer < 0, np.nan, answer)
    y = design["y"].values
    if fit.spec.likelihood == "index":
        return np.asarray(design["outcome_mean"].values + design["outcome_sd"].values * y)
    return np.asarray(y, dtype=float)


def replicates(fit: Fit, kept: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Replicate all citizens' answers at some draws, missing where theirs are missing.

    Parameters
    ----------
    fit : Fit
        To one data set.
    kept : numpy.ndarray
        (draw,), from :func:`thinned`.
    rng : numpy.random.Generator

    Yields
    ------
    numpy.ndarray
        (citizen, item or outcome), as :func:`observed_responses`.
    """
    missing = np.isnan(observed_responses(fit))
    draw_one = _draw_indices if fit.spec.likelihood == "index" else _draw_answers
    for answers in draw_one(fit, kept, rng):
        answers[missing] = np.nan
        yield answers


def mean_probabilities(fit: Fit, kept: np.ndarray) -> np.ndarray:
    """Probability of each citizen to answer above each threshold, averaged over some draws.

    Parameters
    ----------
    fit : Fit
        Of ``participation`` or ``ordinal``, whose citizens have no deviations.
    kept : numpy.ndarray
        (draw,), from :func:`thinned`.

    Returns
    -------
    numpy.ndarray
        (citizen, threshold), of ``participation`` (citizen, outcome).
    """
    country, layout = fit.design["country_index"].values, response_layout(fit.design)
    total: np.ndarray | float = 0.0
    for draw in _at(fit, kept):
        effects, kappa = effects_and_thresholds(layout, draw)
        total = total + expit(_linear_predictor(fit, effects) - kappa[country])
    return np.asarray(total / len(kept))


def probability_below(fit: Fit, kept: np.ndarray) -> np.ndarray:
    r"""Probability of an index below each citizen's own, predicted from the other citizens.

    .. math:: u_i = \sum_s \Phi_{is} / p_{is} \Big/ \sum_s 1 / p_{is}

    with :math:`\Phi_{is}` the distribution function of an outcome and :math:`p_{is}` the density of
    all that a citizen has, at draw s. Averages run along the draws, so weights are not smoothed.

    Parameters
    ----------
    fit : Fit
        Of ``index``, to one data set.
    kept : numpy.ndarray
        (draw,), from :func:`thinned`.

    Returns
    -------
    numpy.ndarray
        (citizen, outcome); NaN where an index is missing, or a density not finite.
    """
    y, country = fit.design["y"].values, fit.design["country_index"].values
    log_likelihood = compile_citizen_log_likelihood(fit.spec, fit.design, fit.posterior, fit.pilot)
    has, layout = ~np.isnan(y), response_layout(fit.design)
    below = np.full(y.shape, -np.inf)
    total = np.full((len(y), 1), -np.inf)
    for draw in _at(fit, kept):
        mu = _linear_predictor(fit, effects_and_thresholds(layout, draw)[0])
        sd = draw["residual_sd"]
        z = np.where(has, y - mu, 0.0) / (sd[country] if fit.spec.sigma_varies else sd)
        log_weight = -log_likelihood(draw)[:, None]
        with np.errstate(invalid="ignore"):  # where a density is not finite
            below = np.logaddexp(below, log_ndtr(z) + log_weight)
            total = np.logaddexp(total, log_weight)
    with np.errstate(invalid="ignore"):
        return np.where(has, np.exp(below - total), np.nan)


def _at(fit: Fit, kept: np.ndarray) -> Iterator[Draw]:
    wanted = set(kept.tolist())
    return (draw for i, draw in enumerate(posterior_draws(fit)) if i in wanted)


def _linear_predictor(fit: Fit, effects: np.ndarray) -> np.ndarray:
    """Linear predictor of each citizen, (citizen, form or outcome)."""
    x = fit.design["x"].values
    return expected_propensity(
        effects, np.column_stack([np.ones(len(x)), x]), country_ends(fit.design)
    )


def _draw_answers(fit: Fit, kept: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Ordered answers to all items, (citizen, item or outcome)."""
    design, layout = fit.design, response_layout(fit.design)
    country = design["country_index"].values
    first, n = layout.first_threshold, layout.n_categories
    for draw in _at(fit, kept):
        theta, kappa, steep = _propensities(fit, layout, draw, rng)
        out = np.empty((len(country), len(n)))
        for k, form in enumerate(layout.form):
            latent = steep[k] * theta[:, form] + rng.logistic(size=len(country))
            out[:, k] = 0
            for j in range(first[k], first[k] + n[k] - 1):
                out[:, k] += latent > kappa[country, j]
        yield out


def _propensities(
    fit: Fit, layout: ItemLayout, draw: Draw, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propensities (citizen, form), thresholds (country, threshold), discriminations (item,)."""
    if fit.spec.likelihood != "items":
        effects, kappa = effects_and_thresholds(layout, draw)
        return _linear_predictor(fit, effects), kappa, discriminations(layout, draw)
    assert fit.pilot is not None and fit.pilot.nodes is not None
    effects, kappa, steep, sigma, rho = integrand_at(layout, draw, fit.pilot.nodes)
    mu = _linear_predictor(fit, effects)
    z = rng.normal(size=mu.shape)
    if z.shape[1] == 2:
        z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    return mu + sigma * z, kappa, steep


def _draw_indices(fit: Fit, kept: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Indices in points, (citizen, outcome)."""
    design, layout = fit.design, response_layout(fit.design)
    country = design["country_index"].values
    mean, sd = design["outcome_mean"].values, design["outcome_sd"].values
    for draw, factor in zip(_at(fit, kept), _residual_factors(fit, kept), strict=True):
        mu = _linear_predictor(fit, effects_and_thresholds(layout, draw)[0])
        z = rng.normal(size=mu.shape)
        noise = (factor[country] @ z[:, :, None])[..., 0] if factor.ndim == 3 else z @ factor.T
        yield mean + sd * (mu + noise)


def _residual_factors(fit: Fit, kept: np.ndarray) -> np.ndarray:
    """Cholesky factors of the residual covariance, (draw, [country,] outcome, outcome)."""

    def at(name: str) -> np.ndarray:
        values = fit.posterior[name].values
        return np.asarray(values.reshape(-1, *values.shape[2:])[kept])

    rho = at("rho") if "rho" in fit.posterior else None
    n_outcomes = fit.design["y"].shape[1]
    # all draws at once
    return np.linalg.cholesky(covariance(at("residual_sd"), rho, n_outcomes).eval(mode=AS_WRITTEN))
