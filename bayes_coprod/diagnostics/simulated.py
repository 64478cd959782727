"""Simulated surveys: what a design's citizens would answer if a stated truth held.

Citizens, their drivers and countries, and who left what open stay; only the answers are new. So do
the units: an index stays in SDs of the survey that the design was made of, in which its priors are
stated.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.diagnostics.replicate import replicates
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.pilot import Pilot, pilot_dataset
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.subset import what_is_missing
from bayes_coprod.survey.entries import Codebook

MOST_DISCARDED = 500
"""Simulated surveys in a row that cannot carry the model."""
_CLOSE = 1e-6
"""Spacing of nodes that leave every citizens' SD as it was drawn, in logits."""


def truth_as_fit(spec: ModelSpec, codebook: Codebook, design: xr.Dataset, truth: xr.Dataset) -> Fit:
    """A stated truth, of which can be asked what is asked of a fit.

    Parameters
    ----------
    spec : ModelSpec
    codebook : Codebook
    design : xarray.Dataset
    truth : xarray.Dataset
        The model's named quantities, (chain, draw, ...), of one chain and draw.

    Returns
    -------
    Fit
        Without a sampler's statistics.
    """
    pilot = Pilot(nodes=_close_nodes(design) if spec.likelihood == "items" else None)
    groups = {"posterior": truth, "pilot": pilot_dataset(pilot)}
    return Fit(spec, codebook, design, xr.DataTree.from_dict(groups))


def simulate_answers(fit: Fit, rng: np.random.Generator) -> xr.Dataset:
    """Replace the answers of a design by simulated ones.

    Parameters
    ----------
    fit : Fit
        From :func:`truth_as_fit`.
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
        The fit's design, missing what it missed, without the digest of its data.
    """
    (answers,) = replicates(fit, np.zeros(1, dtype=int), rng)
    design = fit.design.copy()
    design.attrs.pop("digest", None)
    if "answer" in design:
        codes = np.where(np.isnan(answers), -1, answers).astype(np.int64)
        return design.assign(answer=(design["answer"].dims, codes))
    if fit.spec.likelihood == "index":
        answers = (answers - design["outcome_mean"].values) / design["outcome_sd"].values
    return design.assign(y=(design["y"].dims, answers))


def simulate_until_usable(
    truths: Iterable[Fit], rng: np.random.Generator, place: str
) -> tuple[Fit, xr.Dataset, int]:
    """Simulate a survey on which the model can be fitted.

    Parameters
    ----------
    truths : iterable of Fit
        From :func:`truth_as_fit`; one for each attempt.
    rng : numpy.random.Generator
    place : str
        What messages call the caller.

    Returns
    -------
    (Fit, xarray.Dataset, int)
        Truth and design of the first that is usable, and how many were discarded before it.

    Raises
    ------
    SurveyError
        If none of :data:`MOST_DISCARDED` is.
    """
    problem = ""
    for discarded, truth in enumerate(islice(truths, MOST_DISCARDED)):
        design = simulate_answers(truth, rng)
        problem = what_is_missing(design)
        if not problem:
            return truth, design, discarded
    raise make_error(
        SurveyError,
        place,
        f"none of {MOST_DISCARDED} simulated surveys can carry the model; the last has {problem}",
        remedy="Take priors or a truth under which citizens differ, or more citizens.",
    )


def _close_nodes(design: xr.Dataset) -> Nodes:
    """Nodes on which nothing is integrated: on wider ones a narrow SD would be widened."""
    shape = design.sizes[names.CITIZEN], design.sizes[names.FORM]
    return Nodes(np.zeros(shape), np.full(shape, _CLOSE), (1,) * shape[1])
