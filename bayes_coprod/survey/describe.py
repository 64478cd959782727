"""What a survey says before any model: shares of each answer, item and country."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.entries import Item
from bayes_coprod.survey.overview import relative_weights
from bayes_coprod.survey.read import Survey, check_is_survey

WEIGHTING = "weighting"
UNITS = "share of those who answered, 0 to 1"


def describe(survey: Survey) -> pd.DataFrame:
    r"""Shares of each answer to each item in each country, as they are and weighted.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    pandas.DataFrame
        Index (form, item, category) in the codebook's order; columns (weighting, country), with
        ``unweighted`` and, where the survey has weights, ``weighted``. Shares, 0 to 1, of those
        who answered the item; NaN where nobody did.

    Raises
    ------
    SurveyError
        If `survey` is none.

    Notes
    -----
    With :math:`w_i = 1` if unweighted,

    .. math:: p_{ckj} = \sum_{i \in c} w_i [y_{ik} = j] \Big/
        \sum_{i \in c} w_i [y_{ik} \text{ answered}]

    Who has no weight, an infinite or a negative one counts for nothing in weighted shares; where
    all who answered count for nothing, these are NaN. :func:`check_survey` names such weights.

    Examples
    --------
    >>> import bayes_coprod as bc
    >>> shares = bc.describe(bc.five_nations())
    >>> shares["weighted"].xs("recycle", level="item").round(2)  # doctest: +SKIP
    """
    check_is_survey(survey, "describe")
    tables = {
        weighting: pd.concat(
            {
                (item.form, item.name): _category_shares(survey, item, weight)
                for item in survey.codebook.items
            },
            names=[names.FORM, names.ITEM],
        )
        for weighting, weight in _weightings(survey).items()
    }
    frame = pd.concat(tables, axis=1, names=[WEIGHTING])
    frame.attrs["units"] = UNITS
    return frame


def participation_shares(survey: Survey, *, weighted: bool = False) -> pd.DataFrame:
    """Share of citizens who take part, by item and country.

    Parameters
    ----------
    survey : Survey
    weighted : bool
        Whether a citizen counts by weight.

    Returns
    -------
    pandas.DataFrame
        (item, country), 0 to 1: of those who answered the item, those who gave its category
        ``takes_part_from`` or a higher one; NaN where nobody answered.

    Raises
    ------
    SurveyError
        If weighted shares are wanted of a survey without weights.
    """
    weightings = _weightings(survey)
    chosen = "weighted" if weighted else "unweighted"
    if chosen not in weightings:
        raise make_error(
            SurveyError,
            "participation_shares",
            "the survey has no weights",
            remedy="Name their column in the codebook's [weight], or give weighted=False.",
        )
    rows = {}
    for item in survey.codebook.items:
        shares = _category_shares(survey, item, weightings[chosen])
        rows[item.name] = shares.iloc[item.categories.index(item.takes_part_from) :].sum(
            skipna=False
        )
    frame = pd.DataFrame(rows).T.rename_axis(index=names.ITEM, columns=names.COUNTRY)
    frame.attrs["units"] = UNITS
    return frame


def _weightings(survey: Survey) -> dict[str, np.ndarray]:
    """How much each citizen counts, (citizen,), by kind of weighting."""
    weightings = {"unweighted": np.ones(len(survey.data))}
    if survey.codebook.weight is not None:
        weightings["weighted"] = relative_weights(survey.data).fillna(0.0).to_numpy()
    return weightings


def _category_shares(survey: Survey, item: Item, weight: np.ndarray) -> pd.DataFrame:
    """Shares of the answers to one item, (category, country)."""
    n_countries, n_categories = len(survey.countries), len(item.levels)
    country = survey.data[names.COUNTRY].cat.codes.to_numpy().astype(int)
    answer = survey.data[item.name].cat.codes.to_numpy().astype(int)
    answered = answer >= 0
    total = np.bincount(
        (country * n_categories + answer)[answered],
        weights=weight[answered],
        minlength=n_countries * n_categories,
    ).reshape(n_countries, n_categories)
    everybody = total.sum(axis=1, keepdims=True)
    shares = total / np.where(everybody > 0, everybody, np.nan)
    return pd.DataFrame(
        shares.T,
        index=pd.Index(item.levels, name=names.CATEGORY),
        columns=pd.Index(survey.countries, name=names.COUNTRY),
    )
