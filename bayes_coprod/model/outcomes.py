"""What citizens are modelled by: an index, taking part or not, or the answers themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.entries import Item
from bayes_coprod.survey.read import Survey

type Response = tuple[xr.Dataset, xr.DataArray]
"""Variables of a design, and who has which outcome, (citizen, form or outcome)."""

LEAST_ANSWERED = 0.5
"""Share of an outcome's items that a citizen must have answered to have an index."""


def outcome_dim(spec: ModelSpec) -> str:
    """Name the dim along which the model's outcomes lie."""
    return names.FORM if spec.outcomes == (names.FORM,) else names.OUTCOME


def code_outcomes(survey: Survey, spec: ModelSpec, items: tuple[Item, ...]) -> Response:
    """Code what a model explains, of all citizens.

    Parameters
    ----------
    survey : Survey
    spec : ModelSpec
    items : tuple of Item
        Those that the model uses.

    Returns
    -------
    (xarray.Dataset, xarray.DataArray)
        Variables of the design, with a dim citizen; and who has which outcome, bool, dims (citizen,
        form or outcome).
    """
    if spec.likelihood in ("items", "ordinal"):
        return _answers(survey, items)
    score = {"index": _index, "participation": _takes_part}[spec.likelihood]
    outcomes = _outcomes(items, spec, survey.codebook.forms)
    dim = outcome_dim(spec)
    coords: dict[str, object] = {dim: list(outcomes)}
    if dim == names.OUTCOME:
        coords[names.FORM] = (dim, [group[0].form for group in outcomes.values()])
        coords[names.SECTOR] = (dim, [str(group[0].sector) for group in outcomes.values()])
    scores = xr.DataArray(
        np.stack([score(survey.data, group) for group in outcomes.values()], axis=1),
        dims=(names.CITIZEN, dim),
        coords=coords,
    )
    return xr.Dataset({"y": scores}), scores.notnull()


def finish_outcomes(response: xr.Dataset, spec: ModelSpec) -> xr.Dataset:
    """Check the outcomes of the citizens in the fit, and give indices in SDs."""
    if "y" in response:
        _check_outcomes(response["y"], spec.likelihood)
    return _standardised(response) if spec.likelihood == "index" else response


def _standardised(response: xr.Dataset) -> xr.Dataset:
    """Indices in SDs from their pooled means."""
    scores = response["y"]
    # outcome by outcome: numpy's own means that skip what is missing copy all of it
    given = [own[~np.isnan(own)] for own in scores.values.T]
    like = scores.isel({names.CITIZEN: 0}, drop=True).assign_attrs(units="points of 100")
    mean = like.copy(data=[own.mean() for own in given])
    sd = like.copy(data=[own.std() for own in given])
    return xr.Dataset({"y": (scores - mean) / sd, "outcome_mean": mean, "outcome_sd": sd})


def _answers(survey: Survey, items: tuple[Item, ...]) -> Response:
    """Answers, (citizen, item), and who answered an item of each form, (citizen, form)."""
    answer = np.stack(
        [survey.data[item.name].cat.codes.to_numpy(dtype=np.int64) for item in items], axis=1
    )
    forms = [form for form in survey.codebook.forms if any(item.form == form for item in items)]
    form = np.array([item.form for item in items])
    response = xr.Dataset(
        {
            "answer": ((names.CITIZEN, names.ITEM), answer),
            "n_categories": (names.ITEM, [len(item.levels) for item in items]),
            "takes_part_from": (
                names.ITEM,
                [item.categories.index(item.takes_part_from) for item in items],
            ),
            "item_form": (names.ITEM, [forms.index(item.form) for item in items]),
        }
    )
    has = np.stack([(answer[:, form == f] >= 0).any(axis=1) for f in forms], axis=1)
    return response, xr.DataArray(has, dims=(names.CITIZEN, names.FORM), coords={names.FORM: forms})


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
        ]
    )  # (item, citizen)
    answered = ~np.isnan(score)
    n_answered = answered.sum(axis=0)
    index = np.where(answered, score, 0).sum(axis=0) / np.maximum(n_answered, 1)
    return np.where(n_answered >= LEAST_ANSWERED * len(items), index, np.nan)


def _takes_part(data: pd.DataFrame, items: Sequence[Item]) -> np.ndarray:
    """Whether a citizen does any of the items, 1 or 0, (citizen,); NaN if that is not known.

    A citizen who does one takes part whatever else is missing; one who does none of those answered
    does not take part only if all were answered.
    """
    code = np.stack([data[item.name].cat.codes.to_numpy() for item in items])  # (item, citizen)
    first = np.array([item.categories.index(item.takes_part_from) for item in items])
    does = (code >= first[:, None]).any(axis=0)
    return np.where(does, 1.0, np.where((code >= 0).all(axis=0), 0.0, np.nan))


def _check_outcomes(scores: xr.DataArray, likelihood: str) -> None:
    """Refuse an outcome that is the same for everybody, or that nobody has; (citizen, outcome)."""
    what, remedy = {
        "index": ("the index of", "A citizen needs answers to half of its items."),
        "participation": (
            "taking part in",
            "A citizen needs one yes, or an answer to each of its items. Change takes_part_from in "
            "the codebook, or fit 'items', which reads every answer.",
        ),
    }[likelihood]
    for label, score in zip(scores[scores.dims[1]].values, scores.values.T, strict=True):
        values = np.unique(score[~np.isnan(score)])
        if len(values) < 2:
            has = f"is {values[0]:g} for" if len(values) else "is missing for"
            raise make_error(
                SurveyError,
                "survey",
                f"{what} {str(label)!r} {has} every citizen in the fit",
                remedy=f"{remedy} Otherwise look at the items with check_survey, or leave the form "
                "out of the model file.",
            )
