"""May this fit be believed, and what follows from its choices? All checks in one call."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Literal, get_args

from bayes_coprod import names
from bayes_coprod.diagnostics.countries import check_countries, draws_to_judge
from bayes_coprod.diagnostics.imputation import check_imputation
from bayes_coprod.diagnostics.influence import FEWEST_DRAWS, check_influence, citizen_loo
from bayes_coprod.diagnostics.information import check_dominance, check_events, check_overlap
from bayes_coprod.diagnostics.items import check_items, check_pilot, check_shifts
from bayes_coprod.diagnostics.left_out import FEWEST_COUNTRIES, leave_one_country_out
from bayes_coprod.diagnostics.predictive import check_predictive
from bayes_coprod.diagnostics.prior import (
    SENSITIVITY_LIMIT,
    check_sensitivity,
    not_finite,
    prior_sensitivity,
)
from bayes_coprod.diagnostics.sampling import check_sampling
from bayes_coprod.diagnostics.worst import in_worst_part
from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.finding import Finding, Findings
from bayes_coprod.inference.fit import Fit, check_is_fit, thin_fit
from bayes_coprod.model.subset import what_is_missing, without_country

_ENOUGH = 1000
"""Draws that are weighed: for citizens whom nobody fits without, and for the priors."""

QUICK_CALL = "check_fit(fit)"

type Level = Literal["quick", "full"]


def check_fit(
    fit: Fit,
    level: Level = "quick",
    *,
    refits: bool = False,
    executor: Executor | None = None,
    progressbar: bool = True,
) -> Findings:
    """Check whether a fit may be believed, and what its answers rest on.

    Parameters
    ----------
    fit : Fit
    level : {"quick", "full"}
        ``"quick"``: the sampler's work, the integral over citizens, comparability, and how much
        the data can say. ``"full"``: besides, whether the model predicts the answers
        (:func:`check_predictive`), whether single citizens move it (:func:`check_influence`), and
        how far priors shape what is quoted (:func:`prior_sensitivity`).
    refits : bool
        Of the full check: fit again without each country (:func:`leave_one_country_out`), and
        without citizens whom importance weights cannot follow.
    executor : concurrent.futures.Executor, optional
        Where the refits run; one after another in this process otherwise.
    progressbar : bool
        Of the refits.

    Returns
    -------
    Findings
        What could not be measured is ``unknown``; R-hat is, with fewer than four chains. Of several
        completed data sets each check is made within each, and the worst is named; divergences are
        counted over all, and the spread between data sets has a finding of its own.

    Raises
    ------
    SpecError
        If the level is unknown, or refits are asked of a quick check.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Rank-normalization, folding, and
       localization: An improved R-hat, Bayesian Analysis 16(2), 667-718.
    """
    check_is_fit(fit, "check_fit")
    if level not in get_args(Level.__value__):
        raise make_error(
            SpecError,
            "check_fit",
            f"unknown level {level!r}",
            value=level,
            available=get_args(Level.__value__),
        )
    if refits and level == "quick":
        raise make_error(
            SpecError, "check_fit", "a quick check makes no refits", remedy='Ask for level="full".'
        )
    quick = _quick(fit)
    if level == "quick":
        return Findings(quick, fit.digest, QUICK_CALL)
    predictive = check_predictive(fit)
    influence = _influence(fit, refits, executor, progressbar)
    sensitivity = _sensitivity(_enough(fit))
    countries = _countries(fit, executor, progressbar) if refits else Findings()
    call = f'check_fit(fit, "full"{", refits=True" if refits else ""})'
    found = [*quick, *predictive, *influence, *sensitivity, *countries]
    return Findings(found, fit.digest, call)


def _quick(fit: Fit) -> list[Finding]:
    """What takes seconds."""
    pilot = fit.parts[0].pilot
    of_model = check_shifts(fit) if "threshold_shift" in fit.posterior else []
    if pilot is not None and pilot.nodes is not None:
        of_model = check_items(fit)
    elif any(part.pilot is not None and part.pilot.problem for part in fit.parts):
        of_model = [in_worst_part(fit, check_pilot), *of_model]
    return [
        *check_sampling(fit),
        *check_imputation(fit),
        *of_model,
        *check_overlap(fit),
        *check_events(fit),
        *check_dominance(fit),
    ]


def _influence(fit: Fit, refits: bool, executor: Executor | None, progressbar: bool) -> Findings:
    """Leave citizens out, those whom weights cannot follow by fitting again where that is asked."""
    sizes = fit.posterior.sizes
    if not refits or sizes[names.CHAIN] * sizes[names.DRAW] < FEWEST_DRAWS:
        return check_influence(_enough(fit))
    return check_influence(fit, of=citizen_loo(fit, executor=executor, progressbar=progressbar))


def _enough(fit: Fit) -> Fit:
    """As many draws as it takes to weigh them by a likelihood or a prior."""
    return thin_fit(fit, -(-_ENOUGH // fit.posterior.sizes[names.CHAIN]))


def _sensitivity(fit: Fit) -> Findings:
    """How far priors shape what is quoted."""
    where = not_finite(fit)
    if not where:
        return check_sensitivity(prior_sensitivity(fit))
    message = f"Draws of {where} are not finite, and weigh nothing."
    remedy = "Fit again with another random_seed."
    found = Finding(
        "sensitivity to the priors", "unknown", where, None, SENSITIVITY_LIMIT, message, remedy
    )
    return Findings([found])


def _countries(fit: Fit, executor: Executor | None, progressbar: bool) -> Findings:
    """Leave countries out."""
    if len(fit.countries) < FEWEST_COUNTRIES:
        return Findings(
            [
                Finding(
                    "one country's weight",
                    "unknown",
                    "",
                    None,
                    None,
                    f"It takes {FEWEST_COUNTRIES} countries to leave one out; there are "
                    f"{len(fit.countries)}.",
                )
            ]
        )
    if all(what_is_missing(without_country(fit.design, name)) for name in fit.countries):
        message = "Each country alone holds answers or drivers that the model needs."
        return Findings(
            [
                Finding(
                    "one country's weight",
                    "unknown",
                    "",
                    None,
                    None,
                    message,
                    "Leave these items or drivers out of the model.",
                )
            ]
        )
    draws = draws_to_judge(fit)
    return check_countries(
        leave_one_country_out(fit, draws=draws, executor=executor, progressbar=progressbar)
    )
