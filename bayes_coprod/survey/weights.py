"""Weights: whether they can be used, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.finding import Finding, Status
from bayes_coprod.survey.overview import effective_citizens, relative_weights
from bayes_coprod.survey.read import Survey

EXTREME_WEIGHT = 10.0
"""A citizen who counts for more than this many average citizens of the country."""
MOST_OF_ONE = 0.5
"""One citizen with more than this part of a country's weight is that country's result."""
EFFICIENCY_WARN = 0.5
"""Effective citizens per citizen: below it, weighting costs more than half the sample."""


def check_weights(survey: Survey) -> Iterator[Finding]:
    """Check that every citizen has a weight that can be used, and that none is everything."""
    if survey.codebook.weight is None:
        return
    found = [*_find_unusable(survey), *_find_concentrated(survey)]
    yield from found
    if found:
        return
    effective = effective_citizens(survey.data)
    mean = relative_weights(survey.data) / _country_mean(survey)
    yield Finding(
        "weights",
        "pass",
        "",
        float(mean.max()),
        EXTREME_WEIGHT,
        f"The largest is {mean.max():.1f} times its country's mean; each country counts for "
        f"{effective.min():,.0f} citizens of equal weight or more.",
    )


def _country_mean(survey: Survey) -> pd.Series:
    relative = relative_weights(survey.data)
    return relative.groupby(survey.data[names.COUNTRY], observed=False).transform("mean")


def _find_unusable(survey: Survey) -> Iterator[Finding]:
    weight = survey.data[names.WEIGHT]
    largest = weight.groupby(survey.data[names.COUNTRY], observed=False).transform("max")
    problems = {
        "missing": (weight.isna(), "Give every citizen a weight."),
        "infinite": (np.isinf(weight), "Give every citizen a weight that is a number."),
        "negative": (weight < 0, "A weight counts citizens; mend or drop the rows."),
        "zero, as all of their country's are": (
            (weight == 0) & (largest == 0),
            "Give that country weights, or read the survey without.",
        ),
    }
    for problem, (rows, remedy) in problems.items():
        if rows.any():
            yield _about_citizens(survey, rows, "fail", problem, remedy)
    rows = relative_weights(survey.data) > EXTREME_WEIGHT * _country_mean(survey)
    if rows.any():
        yield _about_citizens(
            survey,
            rows,
            "warn",
            f"more than {EXTREME_WEIGHT:g} times its country's mean",
            "A few citizens carry weighted results; trim the weights, or report both.",
        )


def _about_citizens(
    survey: Survey, rows: pd.Series, status: Status, problem: str, remedy: str
) -> Finding:
    return Finding(
        "weights",
        status,
        str(survey.data[names.CITIZEN][rows].iloc[0]),
        float(rows.sum()),
        0.0,
        f"{rows.sum():,} {'weight is' if rows.sum() == 1 else 'weights are'} {problem}.",
        remedy,
    )


def _find_concentrated(survey: Survey) -> Iterator[Finding]:
    """Countries where one citizen has most of the weight, or few have nearly all of it."""
    by_country = relative_weights(survey.data).groupby(survey.data[names.COUNTRY], observed=False)
    part = by_country.max() / by_country.sum().where(lambda total: total > 0)
    citizens, effective = by_country.count(), effective_citizens(survey.data)
    for country in part.index:
        # of two citizens one always has half: more than two fair parts is asked besides
        if part[country] > MOST_OF_ONE and part[country] * citizens[country] > 2:
            yield Finding(
                "weights",
                "fail",
                str(country),
                float(part[country]),
                MOST_OF_ONE,
                f"One citizen alone carries {_write(part[country])} of the country's weight.",
                "Mend or trim that weight: weighted results there are that citizen's answers.",
            )
        elif effective[country] < EFFICIENCY_WARN * citizens[country]:
            yield Finding(
                "weights",
                "warn",
                str(country),
                float(effective[country] / citizens[country]),
                EFFICIENCY_WARN,
                f"Weighted, its {citizens[country]:,} citizens tell as much as "
                f"{effective[country]:,.0f} of equal weight.",
                "Weighted results there are that uncertain; trim the weights, or report both.",
            )


def _write(value: float) -> str:
    return "over 99.9%" if value > 0.999 else f"{value:.1%}"
