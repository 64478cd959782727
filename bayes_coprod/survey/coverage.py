"""Who was asked what, and what is missing: findings before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.finding import Finding, Findings
from bayes_coprod.survey.entries import UNSORTED, Codebook
from bayes_coprod.survey.harmonisation.check import check_harmonisation
from bayes_coprod.survey.read import Survey, check_is_survey, choose_drivers
from bayes_coprod.survey.weights import check_weights
from bayes_coprod.wording import listed

FEW_CITIZENS = 100
DRIVER_MISSING_WARN, DRIVER_MISSING_FAIL = 0.05, 0.20
ITEM_MISSING_WARN = 0.20
LEFT_OUT_WARN = 0.15
"""Part of a country lost for want of a driver. If those who go differ by half a standard deviation
from those who stay, its mean is off by 0.08, more than the error of a sample of a thousand."""

_NAMED = 5
"""How many countries a finding names, those with the most first."""

IMPUTE = "`impute(survey, m=5)` makes five completed surveys for `fit_model(model, [...])`."


def check_survey(survey: Survey, drivers: Sequence[str] | None = None) -> Findings:
    """Check a survey's coverage before a model is fitted.

    Parameters
    ----------
    survey : Survey
    drivers : sequence of str, optional
        Those that a model will use; all of the codebook otherwise.

    Returns
    -------
    Findings
        Items that nobody has sorted into a form (``warn`` where the codebook still says
        ``unsorted``), citizens per country (``warn`` below 100), items by country (never asked;
        more than 20 % of answers missing), categories that nobody chose, drivers (``warn`` above
        5 % missing, ``fail`` above 20 %), citizens of each country whom a missing driver leaves out
        of a fit (``warn`` above 15 %), citizens' ids, weights (``fail`` where one citizen carries
        most of a country's), and entries that one country seems to code otherwise than the others.

    Raises
    ------
    SurveyError
        If `survey` is none, or `drivers` names one that the codebook lacks.
    """
    check_is_survey(survey, "check_survey")
    chosen = choose_drivers(survey, drivers, "check_survey")
    return Findings(
        [
            *_check_forms(survey.codebook),
            *_check_citizens(survey),
            *_check_items(survey),
            *_check_drivers(survey, chosen),
            *_check_complete(survey, chosen),
            *_check_ids(survey),
            *check_weights(survey),
            *check_harmonisation(survey, chosen),
        ]
    )


def answered_share(survey: Survey) -> pd.DataFrame:
    """Share of citizens who answered each item, (country, item), 0 to 1."""
    items = [item.name for item in survey.codebook.items]
    country = survey.data[names.COUNTRY].cat.codes.to_numpy()
    asked = np.bincount(country, minlength=len(survey.countries))
    answered = {
        item: np.bincount(country, survey.data[item].notna(), minlength=len(asked)) / asked
        for item in items
    }
    return pd.DataFrame(answered, index=pd.Index(survey.countries, name=names.COUNTRY))


def _check_forms(codebook: Codebook) -> Iterator[Finding]:
    unsorted = [item.name for item in codebook.items if item.form == UNSORTED]
    if unsorted:
        yield Finding(
            "forms",
            "warn",
            UNSORTED,
            float(len(unsorted)),
            0.0,
            f"Items under the form {UNSORTED!r}, where a draft puts all: {len(unsorted)}. Nothing "
            "tells yet what citizens do alone from what they do together.",
            "Sort each item into a form: name one or two in `forms` of [survey], such as "
            '["individual", "collective"], and give each item its own.',
        )


def _check_citizens(survey: Survey) -> Iterator[Finding]:
    counts = survey.data[names.COUNTRY].value_counts(sort=False)
    for country, n in counts.items():
        if n < FEW_CITIZENS:
            yield Finding(
                "citizens",
                "warn",
                str(country),
                float(n),
                FEW_CITIZENS,
                f"Only {n} citizens were asked.",
                "Its estimates lean on the other countries; say so, or leave it out.",
            )
    if counts.min() >= FEW_CITIZENS:
        yield Finding(
            "citizens",
            "pass",
            "",
            float(counts.min()),
            FEW_CITIZENS,
            f"Each of the {len(counts)} countries has {counts.min():,} citizens or more.",
        )
    listed = survey.codebook.country_labels.values()
    for country in listed:
        if country not in counts.index:
            yield Finding(
                "citizens",
                "warn",
                country,
                0.0,
                FEW_CITIZENS,
                "The codebook lists the country; nobody in the data lives there.",
                "Check the country column, or take the country out of the codebook.",
            )


def _check_items(survey: Survey) -> Iterator[Finding]:
    answered = answered_share(survey)
    for item in survey.codebook.items:
        shares = answered[item.name]
        never_asked = [str(country) for country in shares.index[shares == 0]]
        if never_asked:
            yield Finding(
                "item coverage",
                "warn",
                item.name,
                float(len(never_asked)),
                0.0,
                f"Nobody answered it in {listed(never_asked)}.",
                "There its level comes from the model alone; compare countries with care.",
            )
        for country, share in shares.items():
            if 0 < share < 1 - ITEM_MISSING_WARN:
                yield Finding(
                    "item coverage",
                    "warn",
                    f"{item.name}, {country}",
                    1 - float(share),
                    ITEM_MISSING_WARN,
                    f"{1 - share:.0%} of the answers are missing.",
                    "Missing answers are taken as random given drivers and the other answers.",
                )
        yield from _check_categories(survey, item.name)
    worst = float(1 - answered.to_numpy().min())
    if worst <= ITEM_MISSING_WARN:
        yield Finding(
            "item coverage",
            "pass",
            "",
            worst,
            ITEM_MISSING_WARN,
            f"At most {worst:.1%} of the answers to an item are missing in any country.",
        )


def _check_categories(survey: Survey, name: str) -> Iterator[Finding]:
    counts = survey.data[name].value_counts(sort=False)
    nobody = [str(category) for category in counts.index[counts == 0]]
    if nobody:
        yield Finding(
            "categories",
            "warn",
            name,
            float(len(nobody)),
            0.0,
            f"Nobody chose {listed(nobody)}.",
            "Check the spelling in the codebook, or drop the category.",
        )


def _check_drivers(survey: Survey, chosen: list[str]) -> Iterator[Finding]:
    for driver in survey.codebook.drivers:
        if driver.name in chosen and driver.kind in ("categorical", "ordered"):
            yield from _check_categories(survey, driver.name)
    shares = survey.data[chosen].isna().mean()
    for name, share in shares.items():
        if share > DRIVER_MISSING_WARN:
            fails = share > DRIVER_MISSING_FAIL
            yield Finding(
                "driver coverage",
                "fail" if fails else "warn",
                str(name),
                float(share),
                DRIVER_MISSING_FAIL if fails else DRIVER_MISSING_WARN,
                f"{share:.1%} of citizens have no value and are left out of a fit that uses it.",
                f"Leave the driver out, or fill the gaps: {IMPUTE}",
            )
    if chosen and shares.max() <= DRIVER_MISSING_WARN:
        complete = survey.data[chosen].notna().all(axis=1).mean()
        yield Finding(
            "driver coverage",
            "pass",
            "",
            float(shares.max()),
            DRIVER_MISSING_WARN,
            f"At most {shares.max():.1%} of citizens miss a driver; "
            f"{complete:.1%} have all of them{_imputed(survey, chosen)}.",
        )


def _imputed(survey: Survey, chosen: Sequence[str]) -> str:
    shares = [
        f"{name} of {of.share:.1%} of citizens"
        for name, of in survey.imputed.items()
        if name in chosen
    ]
    return f", with what was filled in: {listed(shares)}" if shares else ""


def _check_complete(survey: Survey, chosen: list[str]) -> Iterator[Finding]:
    """Count whom each country loses where citizens who miss a driver are left out."""
    if not chosen:
        return
    incomplete = survey.data[chosen].isna().any(axis=1)
    lost = incomplete.groupby(survey.data[names.COUNTRY], observed=False).mean()
    for country, share in lost.items():
        if share > LEFT_OUT_WARN:
            yield Finding(
                "complete cases",
                "warn",
                str(country),
                float(share),
                LEFT_OUT_WARN,
                f"{share:.1%} of its citizens miss a driver and are left out of a fit with all.",
                f"Those who stay may differ from those who go. Keep them all: {IMPUTE}",
            )
    if lost.max() <= LEFT_OUT_WARN:
        most = lost.sort_values(ascending=False, kind="stable")[:_NAMED]
        rest = "; less elsewhere" if len(lost) > _NAMED else ""
        yield Finding(
            "complete cases",
            "pass",
            "",
            float(lost.max()),
            LEFT_OUT_WARN,
            "Left out of a fit with all drivers, for want of one: "
            + ", ".join(f"{share:.1%} in {country}" for country, share in most.items())
            + f"{rest}.",
        )


def _check_ids(survey: Survey) -> Iterator[Finding]:
    if survey.codebook.citizen is None:
        return
    repeated = survey.data[names.CITIZEN][survey.data[names.CITIZEN].duplicated()].unique()
    if len(repeated):
        yield Finding(
            "citizen ids",
            "fail",
            str(repeated[0]),
            float(len(repeated)),
            0.0,
            f"{len(repeated):,} ids occur on more than one row.",
            "Keep one row per citizen; rows counted twice make intervals too narrow.",
        )
    else:
        yield Finding("citizen ids", "pass", "", 0.0, 0.0, "Every id stands once.")
