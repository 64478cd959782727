"""How much the data can say: of scales between countries, and through whom they say the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayes_coprod import names
from bayes_coprod.finding import Finding
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.priors import cumulative

OVERLAP_LIMIT = 0.8
"""Shared mass of prior and posterior above which a scale is the prior's. A choice of ours: with few
countries some overlap is no fault."""
DOMINANT = 0.5
"""Share of citizens, or of the variation of a form's scores, that one country or item has."""
FEWEST_EVENTS = 10
"""Citizens of a country on the rarer side of a yes or no, below which it tells little by itself."""
_BINS = 20
_FEWEST_DRAWS = 200
_NAMED = 5
_SAMPLE = (names.CHAIN, names.DRAW)


def check_overlap(fit: Fit) -> list[Finding]:
    r"""Check whether SDs between countries were learnt, or are what the prior says.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    list of Finding
        None where nothing varies by country.

    Notes
    -----
    .. math:: \int \min\{p(\tau), p(\tau \mid y)\} \, d\tau

    taken over 20 intervals of equal prior probability [1]_.

    References
    ----------
    .. [1] Garrett & Zeger (2000), Latent class model diagnosis, Biometrics 56(4), 1055-1067.
    """
    overlaps = list(_overlaps(fit))
    if not overlaps:
        return []
    check, n_countries = "prior of SDs between countries", len(fit.countries)
    n_draws = fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]
    if n_draws < _FEWEST_DRAWS or not np.isfinite([value for value, _ in overlaps]).all():
        message = f"It takes {_FEWEST_DRAWS} finite draws to tell; there are {n_draws:,}."
        return [Finding(check, "unknown", "", None, OVERLAP_LIMIT, message, "Sample more draws.")]
    overlaps.sort(reverse=True)
    found = [label for value, label in overlaps if value > OVERLAP_LIMIT]
    value, label = overlaps[0]
    if not found:
        message = (
            f"{n_countries} countries tell of every SD between them; least of {label}, whose prior "
            f"and posterior share {100 * value:.0f} %."
        )
        return [Finding(check, "pass", "", value, OVERLAP_LIMIT, message)]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return [
        Finding(
            check,
            "warn",
            "; ".join(found[:_NAMED]) + more,
            value,
            OVERLAP_LIMIT,
            f"{n_countries} countries hardly tell {len(found)} of {len(overlaps)} SDs between "
            f"them: prior and posterior share up to {100 * value:.0f} %.",
            "Quote these with their prior. What countries have in common there is pooled as the "
            "prior says: compare with another prior of tau, or with pooling = 'none'.",
        )
    ]


def _overlaps(fit: Fit) -> Iterator[tuple[float, str]]:
    for name in ("tau_intercept", "tau", "tau_kappa"):
        if name not in fit.posterior:
            continue
        values = fit.posterior[name].transpose(*_SAMPLE, ...)
        probability = cumulative(fit.spec.priors[name], values.values)
        for at in np.ndindex(*values.shape[2:]):
            own = probability[(..., *at)].ravel()
            labels = (values[dim].values[i] for dim, i in zip(values.dims[2:], at, strict=True))
            yield overlap(own), names.quantity_label(name, labels)


def overlap(probability: np.ndarray) -> float:
    """Mass that a posterior shares with its prior, from prior probabilities of its draws."""
    if not np.isfinite(probability).all():
        return np.nan
    counts, _ = np.histogram(probability, _BINS, (0, 1))
    return float(np.minimum(counts / len(probability), 1 / _BINS).sum())


def check_events(fit: Fit) -> list[Finding]:
    """Name countries where nearly everybody takes part, or nearly nobody.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    list of Finding
        Of ``participation`` only: answers in several categories tell more than a yes or no.

    References
    ----------
    .. [1] Peduzzi, Concato, Kemper, Holford & Feinstein (1996), A simulation study of the number of
       events per variable in logistic regression analysis, J. Clinical Epidemiology 49(12).
    """
    if fit.spec.likelihood != "participation":
        return []
    y, country = fit.design["y"], fit.design["country_index"].values
    cells = []
    for c, place in enumerate(fit.countries):
        for outcome, own in zip(y[y.dims[1]].values, y.values[country == c].T, strict=True):
            none, some = int((own == 0).sum()), int((own == 1).sum())
            if none + some:  # where it was not asked, nothing is rare
                cells.append((min(none, some), some <= none, f"{outcome}, {place}"))
    cells.sort()
    few = [cell for n, _, cell in cells if n < FEWEST_EVENTS]
    value, is_yes, worst = cells[0]
    message = f"The fewest who {'take' if is_yes else 'do not take'} part are {value:,}, in {worst}"
    if not few:
        return [Finding("rare outcomes", "pass", "", value, FEWEST_EVENTS, f"{message}.")]
    more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
    return [
        Finding(
            "rare outcomes",
            "warn",
            "; ".join(few[:_NAMED]) + more,
            value,
            FEWEST_EVENTS,
            f"{message}; it takes {FEWEST_EVENTS} of either in each country.",
            "There, associations rest on the other countries and the prior. Fit 'items', which "
            "reads every answer, or change takes_part_from in the codebook.",
        )
    ]


def check_dominance(fit: Fit) -> list[Finding]:
    """Name a country, and items, through which most of what is common to all is learnt.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    list of Finding
        ``largest country`` of three countries or more; ``largest item`` of ``items``, for the form
        of three items or more where one of them makes up most of the differences between citizens.
    """
    found = []
    if len(fit.countries) > 2:
        found.append(_largest_country(fit))
    if fit.spec.likelihood == "items":
        found += _largest_item(fit)
    return found


def _largest_country(fit: Fit) -> Finding:
    share = np.bincount(fit.design["country_index"].values) / fit.design.sizes[names.CITIZEN]
    at, value = int(share.argmax()), float(share.max())
    beyond = value > DOMINANT
    country = fit.countries[at]
    return Finding(
        "largest country",
        "warn" if beyond else "pass",
        country if beyond else "",
        value,
        DOMINANT,
        f"{100 * value:.0f} % of the citizens are of {country}.",
        "Means over countries weigh countries equally, but what all have in common (thresholds, "
        f"SDs of citizens, correlations) is mostly {country}'s: see leave_one_country_out."
        if beyond
        else "",
    )


def _no_largest_item(fit: Fit) -> list[Finding]:
    """Say that shares could not be measured, if there is a form of which they could be."""
    if np.bincount(fit.design["item_form"].values).max() < 3:
        return []
    message = "Hardly anybody answered all items of a form, or all answered the same."
    return [Finding("largest item", "unknown", "", None, DOMINANT, message, "Look at the survey.")]


def _largest_item(fit: Fit) -> list[Finding]:
    r"""Share of an item in the variance of its form's scores, cov(item, score) / var(score)."""
    answer, top = fit.design["answer"].values, fit.design["n_categories"].values - 1
    score = np.where(answer < 0, np.nan, answer / top)
    worst: tuple[float, str, str] | None = None
    for f, form in enumerate(fit.design[names.FORM].values):
        own = np.flatnonzero(fit.design["item_form"].values == f)
        complete = score[:, own][~np.isnan(score[:, own]).any(axis=1)]
        if len(own) < 3 or len(complete) < 2:
            continue
        total = complete.sum(axis=1)
        if total.var() == 0:
            continue
        share = ((complete - complete.mean(0)) * (total - total.mean())[:, None]).mean(0)
        share /= total.var()
        k = int(share.argmax())
        item = str(fit.design[names.ITEM].values[own[k]])
        if worst is None or share[k] > worst[0]:
            worst = float(share[k]), str(form), item
    if worst is None:
        return _no_largest_item(fit)
    value, form, item = worst
    beyond = value > DOMINANT
    return [
        Finding(
            "largest item",
            "warn" if beyond else "pass",
            item if beyond else "",
            value,
            DOMINANT,
            f"{item!r} makes up {100 * value:.0f} % of the variance of scores of {form!r}.",
            f"What is said of {form!r} is mostly said of it: fit without it, and compare."
            if beyond
            else "",
        )
    ]
