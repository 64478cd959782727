"""Size and completeness of each country's sample, and what its weights leave of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.survey.entries import Codebook


def make_overview(data: pd.DataFrame, codebook: Codebook) -> pd.DataFrame:
    """Size and completeness of each country's sample.

    Parameters
    ----------
    data : pandas.DataFrame
        As ``Survey.data``.
    codebook : Codebook

    Returns
    -------
    pandas.DataFrame
        One row a country, with the columns ``citizens``; ``answered``, the share of answers to
        items that were given, and ``complete``, the share of citizens with all drivers, both 0 to
        1; and, where the survey has weights, ``effective_citizens``, of equal weight, who would
        tell as much as the weighted ones.
    """
    country = data[names.COUNTRY]
    items = [item.name for item in codebook.items]
    drivers = [driver.name for driver in codebook.drivers]
    by_citizen = pd.DataFrame(
        {
            "answered": data[items].notna().mean(axis=1),
            "complete": data[drivers].notna().all(axis=1).astype(float),
        }
    )
    overview = by_citizen.groupby(country, observed=False).mean()
    overview.insert(0, "citizens", country.value_counts(sort=False))
    if codebook.weight is not None:
        overview["effective_citizens"] = effective_citizens(data)
    return overview.rename_axis(index=names.COUNTRY)


def relative_weights(data: pd.DataFrame) -> pd.Series:
    """Each citizen's weight as a part of the largest of the country, 0 to 1.

    So scaled, no sum and no square of weights overflows, whatever their unit. NaN where a weight
    is missing, infinite or negative, and where no weight of the country is positive.
    """
    weight = data[names.WEIGHT]
    usable = weight.where(np.isfinite(weight) & (weight >= 0))
    largest = usable.groupby(data[names.COUNTRY], observed=False).transform("max")
    return usable / largest.where(largest > 0)


def effective_citizens(data: pd.DataFrame) -> pd.Series:
    r"""Number of citizens, weighted alike, who would tell as much, by country.

    Parameters
    ----------
    data : pandas.DataFrame
        As ``Survey.data``, with weights.

    Returns
    -------
    pandas.Series
        Index country; citizens; NaN where no weight can be used.

    Notes
    -----
    .. math:: n_c = \Bigl(\sum_i w_i\Bigr)^2 \Big/ \sum_i w_i^2

    References
    ----------
    .. [1] Kish (1965), Survey Sampling, Wiley.
    """
    weight = relative_weights(data)
    by_country = data[names.COUNTRY]
    total = weight.groupby(by_country, observed=False).sum()
    squares = (weight**2).groupby(by_country, observed=False).sum()
    return total**2 / squares.where(squares > 0)
