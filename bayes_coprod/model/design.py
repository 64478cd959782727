"""From a survey to the arrays of a model: labelled, coded and complete. DataFrames end here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import helmert

from bayes_coprod import names
from bayes_coprod.errors import SpecError, SurveyError, make_error
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.coverage import answered_share, check_survey
from bayes_coprod.survey.entries import Driver, Item
from bayes_coprod.survey.read import Survey

LEAST_ANSWERED = 0.5
"""Share of an outcome's items that a citizen must have answered to have an index."""


def outcome_dim(spec: ModelSpec) -> str:
    """Name the dim along which the model's outcomes lie."""
    return names.FORM if spec.outcomes == (names.FORM,) else names.OUTCOME


def make_design(survey: Survey, spec: ModelSpec) -> xr.Dataset:
    """Code a survey for a model and refuse what the model cannot use.

    Parameters
    ----------
    survey : Survey
    spec : ModelSpec

    Returns
    -------
    xarray.Dataset
        ``x`` (citizen, coefficient): numeric and ordered drivers per pooled SD, binary ones 0/1,
        categorical ones as zero-sum contrasts, all minus ``column_mean`` and over ``column_sd``;
        ``y`` (citizen, form or outcome): index in SDs from its pooled mean, NaN where fewer than
        half of the items were answered, with ``outcome_mean`` and ``outcome_sd`` in points;
        ``country_index`` (citizen), sorted; ``weight`` (citizen); ``asked``, ``without_driver``
        and ``without_outcome`` (country), counts of citizens; ``with_outcome`` (country, form or
        outcome), citizens behind each level; ``answered`` (country, item). The survey's findings
        stand in the attribute ``coverage``, as JSON.

    Raises
    ------
    SpecError
        If the specification names what the survey lacks.
    SurveyError
        If there are fewer than two countries, a country loses all its citizens, a driver or an
        item does not vary, or a weight is missing or negative.
    """
    drivers = _chosen_drivers(survey, spec)
    items = _chosen_items(survey, spec)
    outcomes = _outcomes(items, spec, survey.codebook.forms)
    _check_countries(survey)
    weight = _weights(survey)

    raw = code_drivers(survey.data, drivers)  # (citizen, coefficient)
    scores = np.stack([_index(survey.data, group) for group in outcomes.values()], axis=1)
    has_drivers = ~np.isnan(raw).any(axis=1)
    has_outcome = ~np.isnan(scores).all(axis=1)
    country = survey.data[names.COUNTRY].cat.codes.to_numpy()
    used = np.flatnonzero(has_drivers & has_outcome)
    used = used[np.argsort(country[used], kind="stable")]
    _check_left(survey, country[used])
    _check_variation(survey.data.iloc[used], drivers, items)

    per_sd = np.array([driver.kind in ("numeric", "ordered") for driver in _driver_of(drivers)])
    mean = raw[used].mean(axis=0)
    sd = np.where(per_sd, raw[used].std(axis=0), 1.0)
    _check_outcomes(scores[used], list(outcomes))
    outcome_mean = np.nanmean(scores[used], axis=0)
    outcome_sd = np.nanstd(scores[used], axis=0)

    dim = outcome_dim(spec)
    coefficients = coefficient_labels(drivers)
    n_countries = len(survey.countries)
    coords: dict[str, object] = {
        names.CITIZEN: survey.data[names.CITIZEN].to_numpy(dtype=object)[used],
        names.COUNTRY: list(survey.countries),
        names.COEFFICIENT: coefficients,
        names.ITEM: [item.name for item in items],
        dim: list(outcomes),
    }
    if dim == names.OUTCOME:
        coords[names.FORM] = (dim, [group[0].form for group in outcomes.values()])
        coords[names.SECTOR] = (dim, [str(group[0].sector) for group in outcomes.values()])

    def count(rows: np.ndarray) -> np.ndarray:
        return np.bincount(country[rows], minlength=n_countries)

    design = xr.Dataset(
        {
            "x": ((names.CITIZEN, names.COEFFICIENT), (raw[used] - mean) / sd),
            "y": ((names.CITIZEN, dim), (scores[used] - outcome_mean) / outcome_sd),
            "country_index": (names.CITIZEN, country[used].astype(np.int64)),
            "weight": (names.CITIZEN, weight[used]),
            "column_mean": (names.COEFFICIENT, mean),
            "column_sd": (names.COEFFICIENT, sd),
            "outcome_mean": (dim, outcome_mean, {"units": "points of 100"}),
            "outcome_sd": (dim, outcome_sd, {"units": "points of 100"}),
            "asked": (names.COUNTRY, count(np.arange(len(raw)))),
            "without_driver": (names.COUNTRY, count(~has_drivers)),
            "without_outcome": (names.COUNTRY, count(has_drivers & ~has_outcome)),
            "with_outcome": (
                (names.COUNTRY, dim),
                np.stack([count(used[has]) for has in ~np.isnan(scores[used]).T], axis=1),
            ),
            "answered": (
                (names.COUNTRY, names.ITEM),
                answered_share(survey)[[item.name for item in items]].to_numpy(),
            ),
        },
        coords=coords,
        attrs={
            "survey": survey.title,
            "origin": survey.origin,
            "command": survey.command,
            "coverage": json.dumps(
                [asdict(f) for f in check_survey(survey, [driver.name for driver in drivers])]
            ),
        },
    )
    design.attrs["digest"] = _digest(design)
    return design


def chosen_drivers(design: xr.Dataset, drivers: Sequence[Driver]) -> tuple[Driver, ...]:
    """Drivers that a design holds, in the order of its coefficients."""
    present = set(design[names.COEFFICIENT].values)
    return tuple(d for d in drivers if set(coefficient_labels([d])) <= present)


def coefficient_labels(drivers: Sequence[Driver]) -> list[str]:
    """Name each driver's columns: its own name, or its numbered contrasts."""
    labels = []
    for driver in drivers:
        if driver.kind == "categorical":
            number = range(1, len(driver.levels))
            labels += [names.contrast_label(driver.name, j) for j in number]
        else:
            labels.append(driver.name)
    return labels


def code_drivers(data: pd.DataFrame, drivers: Sequence[Driver]) -> np.ndarray:
    """Drivers as numbers before centring and scaling.

    Parameters
    ----------
    data : pandas.DataFrame
        Columns as in ``Survey.data``.
    drivers : sequence of Driver

    Returns
    -------
    numpy.ndarray
        (citizen, coefficient): numeric as they are, binary 0/1, ordered 0 to J - 1, categorical as
        :func:`level_contrasts`; NaN where missing.
    """
    columns = [np.empty((len(data), 0))]
    for driver in drivers:
        if driver.kind in ("numeric", "binary"):
            columns.append(data[driver.name].to_numpy(dtype=float)[:, None])
            continue
        code = data[driver.name].cat.codes.to_numpy()
        coding = (
            np.arange(len(driver.levels), dtype=float)[:, None]
            if driver.kind == "ordered"
            else level_contrasts(len(driver.levels))
        )
        columns.append(np.where(code[:, None] < 0, np.nan, coding[code]))
    return np.concatenate(columns, axis=1)


def level_contrasts(n_levels: int) -> np.ndarray:
    r"""Zero-sum coding of a categorical driver's levels, (level, contrast).

    Orthogonal columns over :math:`\sqrt 2`: with independent coefficients of SD s, the difference
    between any two levels has SD s, as a binary driver's step has, whatever the order of levels.
    """
    return np.asarray(helmert(n_levels).T / np.sqrt(2))


def varying_columns(spec: ModelSpec, drivers: Sequence[Driver]) -> tuple[list[int], list[str]]:
    """Columns whose coefficient varies by country, and the driver that each belongs to."""
    names_ = [driver.name for driver in _driver_of(drivers)]
    if spec.vary_by_country == "none" or spec.pooling == "complete":
        return [], []
    varying = names_ if spec.vary_by_country == "all" else spec.vary_by_country
    columns = [i for i, name in enumerate(names_) if name in varying]
    return columns, [names_[i] for i in columns]


def _driver_of(drivers: Sequence[Driver]) -> list[Driver]:
    """For each column the driver that it belongs to."""
    return [driver for driver in drivers for _ in coefficient_labels([driver])]


def _chosen_drivers(survey: Survey, spec: ModelSpec) -> tuple[Driver, ...]:
    known = [driver.name for driver in survey.codebook.drivers]
    place = f"model {spec.name!r}"
    for key in ("drivers", "vary_by_country"):
        wanted = getattr(spec, key)
        for name in () if isinstance(wanted, str) else wanted:
            if name not in known:
                raise make_error(
                    SpecError,
                    place,
                    f"{key} has the unknown driver {name!r}",
                    value=name,
                    available=known,
                )
    if spec.drivers == "none":
        chosen: tuple[str, ...] = ()
    else:
        chosen = tuple(known) if spec.drivers == "all" else spec.drivers
    if not isinstance(spec.vary_by_country, str):
        for name in spec.vary_by_country:
            if name not in chosen:
                raise make_error(
                    SpecError,
                    place,
                    f"vary_by_country has {name!r}, which is not among its drivers",
                    value=name,
                    available=chosen,
                )
    return tuple(driver for driver in survey.codebook.drivers if driver.name in chosen)


def _chosen_items(survey: Survey, spec: ModelSpec) -> tuple[Item, ...]:
    book = survey.codebook
    place = f"model {spec.name!r}"
    for key, known in (("forms", book.forms), ("sectors", book.sectors)):
        for name in getattr(spec, key) or ():
            if name not in known:
                raise make_error(
                    SpecError,
                    place,
                    f"{key} has {name!r}, which the survey lacks",
                    value=name,
                    available=known,
                )
    if names.SECTOR in spec.outcomes and not book.sectors:
        raise make_error(
            SpecError,
            place,
            "its outcomes are by sector, and the survey's items have no sector",
            remedy='Give each item a sector in the codebook, or set outcomes = ["form"].',
        )
    items = tuple(
        item
        for item in book.items
        if (spec.forms is None or item.form in spec.forms)
        and (spec.sectors is None or item.sector in spec.sectors)
    )
    for form in spec.forms or book.forms:
        if not any(item.form == form for item in items):
            raise make_error(
                SpecError,
                place,
                f"the survey has no item of form {form!r} in the sectors "
                f"{list(spec.sectors or ())}",
                remedy="Widen sectors, or leave the form out of forms.",
            )
    return items


def _outcomes(
    items: Sequence[Item], spec: ModelSpec, forms: Sequence[str]
) -> dict[str, list[Item]]:
    """Items of each outcome, in the codebook's order of forms, then of sectors."""
    groups: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: forms.index(item.form)):
        label = (
            item.form
            if spec.outcomes == (names.FORM,)
            else names.outcome_label(item.form, str(item.sector))
        )
        groups.setdefault(label, []).append(item)
    return groups


def _index(data: pd.DataFrame, items: Sequence[Item]) -> np.ndarray:
    """Mean score over the answered items, 0 to 100, (citizen,); NaN if too few were answered."""
    # score = 100 j / (J - 1)
    score = np.stack(
        [
            np.where(code < 0, np.nan, 100 * code / (len(item.levels) - 1))
            for item in items
            for code in [data[item.name].cat.codes.to_numpy(dtype=float)]
        ],
        axis=1,
    )  # (citizen, item)
    answered = ~np.isnan(score)
    n_answered = answered.sum(axis=1)
    index = np.where(answered, score, 0).sum(axis=1) / np.maximum(n_answered, 1)
    return np.where(n_answered >= LEAST_ANSWERED * len(items), index, np.nan)


def _weights(survey: Survey) -> np.ndarray:
    """Survey weights, (citizen,); 1 where the survey has none."""
    if survey.codebook.weight is None:
        return np.ones(len(survey.data))
    weight = survey.data[names.WEIGHT].to_numpy()
    bad = ~(weight >= 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        problem = "missing" if np.isnan(weight[row]) else f"{weight[row]:g}, which is negative"
        raise make_error(
            SurveyError,
            f"survey, column {survey.codebook.weight!r}, row {row + 1}",
            f"the weight is {problem} ({bad.sum():,} such rows)",
            remedy="Mend the weights or drop those rows; without weights, take [weight] out of "
            "the codebook.",
        )
    return np.asarray(weight)


def _check_countries(survey: Survey) -> None:
    if len(survey.countries) < 2:
        raise make_error(
            SurveyError,
            "survey",
            f"all citizens live in {survey.countries[0]!r}",
            remedy="The models compare countries and need two or more.",
        )


def _check_left(survey: Survey, country: np.ndarray) -> None:
    """Refuse a country that has lost everybody; `country` holds the citizens that are left."""
    left = np.bincount(country, minlength=len(survey.countries))
    for name, n in zip(survey.countries, left, strict=True):
        if n == 0:
            raise make_error(
                SurveyError,
                "survey",
                f"nobody in {name!r} has all drivers and an outcome",
                remedy="Leave out the driver that was not asked there (`drivers` in the model "
                "file), or leave out the country. check_survey shows what is missing.",
            )


def _check_variation(data: pd.DataFrame, drivers: Sequence[Driver], items: Sequence[Item]) -> None:
    """Refuse drivers and items that are the same for all citizens in the fit."""
    kinds = (("driver", drivers, "model"), ("item", items, "codebook"))
    for kind, entries, home in kinds:
        for entry in entries:
            column = data[entry.name].dropna()
            if column.nunique() < 2:
                value = "nothing" if column.empty else repr(str(column.iloc[0]))
                raise make_error(
                    SurveyError,
                    f"survey, column {entry.column!r}",
                    f"the {kind} {entry.name!r} has no variation: every citizen in the fit "
                    f"has {value}",
                    remedy=f"Leave the {kind} out of the {home}, or check how it is read.",
                )


def _check_outcomes(scores: np.ndarray, labels: Sequence[str]) -> None:
    """Refuse an outcome that is the same for everybody, or that nobody has; (citizen, outcome)."""
    for label, score in zip(labels, scores.T, strict=True):
        values = np.unique(score[~np.isnan(score)])
        if len(values) < 2:
            has = f"is {values[0]:g} for" if len(values) else "is missing for"
            raise make_error(
                SurveyError,
                "survey",
                f"the index of {label!r} {has} every citizen in the fit",
                remedy="A citizen needs answers to half of its items. Look at the items with "
                "check_survey, or leave the form out of the model file.",
            )


def _digest(design: xr.Dataset) -> str:
    """Digest of the data that a model sees, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in ("x", "y", "country_index", "weight"):
        digest.update(np.ascontiguousarray(design[name].values).tobytes())
    return digest.hexdigest()
