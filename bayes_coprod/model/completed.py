"""The design of several completed data sets of one survey: everything but the drivers is shared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.model.coding import chosen_drivers, driver_of_columns
from bayes_coprod.model.design import make_design
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.read import Imputed, Survey


def make_completed_design(surveys: Sequence[Survey], spec: ModelSpec) -> xr.Dataset:
    """Code completed data sets of one survey for a model.

    Parameters
    ----------
    surveys : sequence of Survey
        Two or more, the same but for values of drivers that were filled in, as from
        :func:`impute`.
    spec : ModelSpec

    Returns
    -------
    xarray.Dataset
        As :func:`make_design` of one, with ``x`` (imputation, citizen, coefficient); imputations
        are counted from 1. ``column_mean`` and ``column_sd`` are over all data sets together, so
        that coefficients have one unit. The attribute ``imputed`` holds how much of each driver
        was filled in, for :func:`read_imputed`.

    Raises
    ------
    SpecError
        As :func:`make_design`.
    SurveyError
        As :func:`make_design`; also if there are fewer than two surveys, they are not of the same
        citizens, or a driver that the model uses still has gaps.
    """
    _check_same(surveys)
    designs = [make_design(survey, spec) for survey in surveys]
    first = designs[0]
    drivers = chosen_drivers(first, surveys[0].codebook.drivers)
    _check_complete(surveys, [driver.name for driver in drivers])
    raw = np.stack(
        [d["x"].values * d["column_sd"].values + d["column_mean"].values for d in designs]
    )  # (imputation, citizen, coefficient)
    per_sd = [driver.kind in ("numeric", "ordered") for driver in driver_of_columns(drivers)]
    mean = raw.mean(axis=(0, 1))
    sd = np.where(per_sd, raw.std(axis=(0, 1)), 1.0)
    origin, command = _calls(surveys, {driver.name for driver in drivers})
    design = first.assign(
        x=((names.IMPUTATION, names.CITIZEN, names.COEFFICIENT), (raw - mean) / sd),
        column_mean=(names.COEFFICIENT, mean),
        column_sd=(names.COEFFICIENT, sd),
    )
    return design.assign_coords({names.IMPUTATION: np.arange(1, len(surveys) + 1)}).assign_attrs(
        origin=origin,
        command=command,
        imputed=write_imputed(surveys[0], first),
        digest=hashlib.sha256("".join(d.attrs["digest"] for d in designs).encode()).hexdigest(),
    )


def write_imputed(survey: Survey, design: xr.Dataset) -> str:
    """How much of each driver of a design was filled in, as JSON."""
    used = {driver.name for driver in chosen_drivers(design, survey.codebook.drivers)}
    return json.dumps({name: of for name, of in survey.imputed.items() if name in used})


def read_imputed(design: xr.Dataset) -> dict[str, Imputed]:
    """How much of each driver of a design was filled in; empty where the survey says nothing."""
    written = json.loads(design.attrs.get("imputed", "{}"))
    return {name: Imputed(*of) for name, of in written.items()}


def _check_same(surveys: Sequence[Survey]) -> None:
    """Refuse what are not completed data sets of one survey, naming the first difference."""
    for k, survey in enumerate(surveys):
        if not isinstance(survey, Survey):
            raise _refusal(
                f"survey {k + 1} is a {type(survey).__name__}",
                "Give surveys, such as impute(survey) returns.",
            )
    if len(surveys) < 2:
        raise _refusal(
            f"takes two completed data sets or more, and here "
            f"{'is one' if surveys else 'are none'}",
            "Give all that impute(survey) returned, or a survey by itself.",
        )
    first, *others = surveys
    shared = [names.CITIZEN, names.COUNTRY]
    shared += [names.WEIGHT] if first.codebook.weight is not None else []
    answers = {item.name: f"the answers to {item.name!r}" for item in first.codebook.items}
    for k, other in enumerate(others, start=2):
        # of surveys that were completed elsewhere nobody says which drivers had gaps
        given = {
            driver.name: f"the driver {driver.name!r}, which was not imputed"
            for driver in first.codebook.drivers
            if first.imputed and driver.name not in first.imputed
        }
        differences = (
            ["the codebook"]
            if other.codebook != first.codebook
            else [
                {**answers, **given}.get(name, name)
                for name in (*shared, *answers, *given)
                if not other.data[name].equals(first.data[name])
            ]
        )
        if differences:
            raise _refusal(
                f"survey {k} differs from survey 1 in {differences[0]}",
                "Completed data sets are of the same citizens and differ in the drivers that were "
                "filled in.",
            )


def _check_complete(surveys: Sequence[Survey], drivers: Sequence[str]) -> None:
    for k, survey in enumerate(surveys, start=1):
        for name in drivers:
            n = int(survey.data[name].isna().sum())
            if n:
                raise _refusal(
                    f"survey {k} still misses {n:,} values of the driver {name!r}",
                    "Fill them in by impute(survey), or fit the survey by itself: citizens "
                    "without the driver are then left out.",
                )


def _refusal(problem: str, remedy: str) -> SurveyError:
    return make_error(SurveyError, "fit_model", problem, remedy=remedy)


def _calls(surveys: Sequence[Survey], drivers: set[str]) -> tuple[str, str]:
    """The call that gives all data sets, and the command that reads and completes the survey."""
    origins = [survey.origin for survey in surveys]
    whole, n = origins[0].removesuffix("[0]"), len(origins)
    # all that one call of impute gave, in their order
    if f", m={n}, " in whole and origins == [f"{whole}[{k}]" for k in range(n)]:
        # the command fills in the model's drivers only, and others would help to predict them
        return whole, surveys[0].command if drivers >= surveys[0].imputed.keys() else ""
    return f"[{', '.join(f'bc.{origin}' for origin in origins)}]", ""
