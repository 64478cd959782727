"""From a survey to the arrays of a model: labelled, coded and complete. DataFrames end here."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SpecError, SurveyError, make_error
from bayes_coprod.model.coding import code_drivers, coefficient_labels, driver_of_columns
from bayes_coprod.model.item_layout import FEWEST_FOR_DISCRIMINATION
from bayes_coprod.model.outcomes import code_outcomes, finish_outcomes
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.coverage import answered_share, check_survey
from bayes_coprod.survey.entries import Codebook, Driver, Item
from bayes_coprod.survey.read import Survey


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
        ``country_index`` (citizen), sorted; ``weight`` (citizen); ``asked``, ``without_driver``
        and ``without_outcome`` (country), counts of citizens; ``with_outcome`` (country, form or
        outcome), citizens behind each level; ``answered`` (country, item). Of ``index`` besides
        ``y`` (citizen, form or outcome): index in SDs from its pooled mean, NaN where fewer than
        half of the items were answered, with ``outcome_mean`` and ``outcome_sd`` in points. Of
        ``participation`` ``y``: 1 or 0, whether a citizen does any of the items; NaN where that
        is not known. Of ``items`` and ``ordinal`` ``answer`` (citizen, item): position of the
        category, -1 where there is none, with ``n_categories``, ``takes_part_from`` and
        ``item_form`` (item). The survey's findings stand in the attribute ``coverage``, as JSON.

    Raises
    ------
    SpecError
        If the specification names what the survey lacks.
    SurveyError
        If there are fewer than two countries, a country loses all its citizens, a driver or an
        item does not vary, numbers are too large or small to be squared, or a weight is missing or
        negative.
    """
    drivers = _chosen_drivers(survey, spec)
    items = _chosen_items(survey, spec)
    _check_countries(survey)
    weight = _weights(survey)
    raw = code_drivers(survey.data, drivers)  # (citizen, coefficient)
    response, has = code_outcomes(survey, spec, items)
    dim = str(has.dims[1])

    has_drivers = ~np.isnan(raw).any(axis=1)
    has_outcome = has.values.any(axis=1)
    country = survey.data[names.COUNTRY].cat.codes.to_numpy()
    used = np.flatnonzero(has_drivers & has_outcome)
    used = used[np.argsort(country[used], kind="stable")]
    _check_left(survey, country[used])
    _check_variation(survey.data, used, drivers, items)
    _check_discrimination(spec, items)

    per_sd = [driver.kind in ("numeric", "ordered") for driver in driver_of_columns(drivers)]
    x = raw.take(used, axis=0)
    mean = x.mean(axis=0)
    x -= mean
    sd = np.where(per_sd, np.sqrt(np.square(x).mean(axis=0)), 1.0)
    _check_scale(drivers, sd)
    x /= sd

    def count(rows: np.ndarray) -> np.ndarray:
        return np.bincount(country[rows], minlength=len(survey.countries))

    design = xr.Dataset(
        {
            "x": ((names.CITIZEN, names.COEFFICIENT), x),
            "country_index": (names.CITIZEN, country[used].astype(np.int64)),
            "weight": (names.CITIZEN, weight[used]),
            "column_mean": (names.COEFFICIENT, mean),
            "column_sd": (names.COEFFICIENT, sd),
            "asked": (names.COUNTRY, count(np.arange(len(raw)))),
            "without_driver": (names.COUNTRY, count(~has_drivers)),
            "without_outcome": (names.COUNTRY, count(has_drivers & ~has_outcome)),
            "with_outcome": (
                (names.COUNTRY, dim),
                np.stack([count(used[h]) for h in has.values[used].T], axis=1),
            ),
            "answered": (
                (names.COUNTRY, names.ITEM),
                answered_share(survey)[[item.name for item in items]].to_numpy(),
            ),
        },
        coords={
            # an index: of a million plain objects it would be guessed what they are
            names.CITIZEN: pd.Index(
                survey.data[names.CITIZEN].to_numpy(object)[used], dtype=object
            ),
            names.COUNTRY: list(survey.countries),
            names.COEFFICIENT: coefficient_labels(drivers),
            names.ITEM: [item.name for item in items],
            **has.coords,
        },
        attrs={
            "survey": survey.title,
            "origin": survey.origin,
            "command": survey.command,
            "coverage": json.dumps(
                [asdict(f) for f in check_survey(survey, [driver.name for driver in drivers])]
            ),
        },
    )
    design = design.assign(finish_outcomes(response.isel({names.CITIZEN: used}), spec))
    if spec.discrimination:
        design.attrs["discriminates"] = 1
    design.attrs["digest"] = _digest(design)
    return design


def check_names(survey: Survey, spec: ModelSpec) -> None:
    """Refuse a specification that names what the survey lacks, or leaves open what it must name.

    Parameters
    ----------
    survey : Survey
    spec : ModelSpec

    Raises
    ------
    SpecError
        If a driver, an item, a form or a sector of the specification is not the survey's.
    """
    _chosen_drivers(survey, spec)
    _chosen_items(survey, spec)


def country_ends(design: xr.Dataset) -> np.ndarray:
    """Where the citizens of each country begin and end, (country + 1,)."""
    n_countries = design.sizes[names.COUNTRY]
    return np.searchsorted(design["country_index"].values, np.arange(n_countries + 1))


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
    if spec.likelihood == "ordinal":
        return (_chosen_item(book, spec, place),)
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


def _chosen_item(book: Codebook, spec: ModelSpec, place: str) -> Item:
    known = [item.name for item in book.items]
    if spec.item is None:
        raise make_error(
            SpecError,
            place,
            "it explains one item, and none is named",
            available=known,
            remedy='Give item = "..." in the model file or to fit_model, or --item on the command '
            "line.",
        )
    if spec.item not in known:
        raise make_error(
            SpecError,
            place,
            f"the survey has no item {spec.item!r}",
            value=spec.item,
            available=known,
        )
    return book.item(spec.item)


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


def _check_discrimination(spec: ModelSpec, items: Sequence[Item]) -> None:
    """Refuse discriminations that no form has enough items for."""
    counts = Counter(item.form for item in items)
    if spec.discrimination and max(counts.values()) < FEWEST_FOR_DISCRIMINATION:
        raise make_error(
            SpecError,
            f"model {spec.name!r}",
            "discrimination = true takes a form of three items or more, and here "
            + ", ".join(f"{form!r} has {n}" for form, n in counts.items()),
            remedy="Leave discrimination out.",
        )


def _check_variation(
    data: pd.DataFrame, used: np.ndarray, drivers: Sequence[Driver], items: Sequence[Item]
) -> None:
    """Refuse drivers and items that are the same for all citizens in the fit."""
    kinds = (("driver", drivers, "model"), ("item", items, "codebook"))
    for kind, entries, home in kinds:
        for entry in entries:
            column = data[entry.name]
            coded = column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column
            number = coded.to_numpy(dtype=float)[used]  # -1 or NaN where missing
            known = number >= 0 if coded is not column else ~np.isnan(number)
            if not known.any() or np.ptp(number[known]) == 0:
                value = repr(str(column.iloc[used[known.argmax()]])) if known.any() else "nothing"
                raise make_error(
                    SurveyError,
                    f"survey, column {entry.column!r}",
                    f"the {kind} {entry.name!r} has no variation: every citizen in the fit "
                    f"has {value}",
                    remedy=f"Leave the {kind} out of the {home}, or check how it is read.",
                )


def _check_scale(drivers: Sequence[Driver], sd: np.ndarray) -> None:
    """Refuse drivers whose numbers are too large, or too small, to be squared."""
    for driver, own in zip(driver_of_columns(drivers), sd, strict=True):
        if not 0 < own < np.inf:
            raise make_error(
                SurveyError,
                f"survey, column {driver.column!r}",
                f"numbers of the driver {driver.name!r} are too large or too small to compute with",
                remedy="Give it in another unit.",
            )


def _digest(design: xr.Dataset) -> str:
    """Digest of the data that a model sees, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in ("x", "y", "answer", "country_index", "weight"):
        if name in design:
            digest.update(np.ascontiguousarray(design[name].values).tobytes())
    return digest.hexdigest()
