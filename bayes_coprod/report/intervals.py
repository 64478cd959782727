"""One kind and mass of interval for a whole report, and what every section reads with it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayes_coprod import names
from bayes_coprod.estimands.summarise import (
    IntervalKind,
    interval_settings,
    interval_words,
    summarise,
)
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.report.data import Interval

DRAWS = (names.CHAIN, names.DRAW)


@dataclass(frozen=True)
class IntervalChoice:
    """Mass and kind of every interval in a report."""

    prob: float
    kind: IntervalKind

    @property
    def words(self) -> str:
        """Such as ``89 % equal-tailed credible interval``."""
        return interval_words(self.kind, self.prob)

    @property
    def short(self) -> str:
        """Such as ``89 % credible interval``, where the kind has been said."""
        return f"{100 * self.prob:.4g} % credible interval"

    def table(self, draws: xr.DataArray) -> pd.DataFrame:
        """Summarise draws with this kind of interval."""
        return summarise(draws, prob=self.prob, kind=self.kind)

    def intervals(self, draws: xr.DataArray) -> list[Interval]:
        """One interval for each label of the draws' other dims, the last dim fastest."""
        bounds = self.table(draws)[["mean", "lower", "upper"]]
        return [Interval(*map(float, row)) for row in bounds.itertuples(index=False, name=None)]


@dataclass(frozen=True)
class Row:
    """One row of a summary."""

    mean: float
    lower: float
    upper: float
    p_positive: float


def rows_of(table: pd.DataFrame) -> list[Row]:
    """What reports read of a difference, row by row."""
    kept = table[["mean", "lower", "upper", "p_positive"]]
    return [Row(*map(float, row)) for row in kept.itertuples(index=False, name=None)]


def choose_interval(prob: float | None, kind: IntervalKind | None) -> IntervalChoice:
    """Fill in ArviZ's defaults for what is not given."""
    return IntervalChoice(*interval_settings(prob, kind))


def forms_of(fit: Fit) -> tuple[str, ...]:
    """Forms in the fit, in the codebook's order."""
    present = set(fit.design[names.FORM].values)
    return tuple(form for form in fit.codebook.forms if form in present)


def outcome_names(fit: Fit) -> tuple[str, ...]:
    """What reports call the outcomes: forms, forms in sectors, or the item of ``ordinal``."""
    if fit.spec.likelihood == "ordinal":
        (item,) = fit.design[names.ITEM].values
        return (f"‘{fit.codebook.item(str(item)).label}’",)
    return tuple(str(label) for label in fit.design[outcome_dim(fit.spec)].values)


def places_of(table: pd.DataFrame) -> list[str]:
    """Row labels of a summary as one text each."""
    return [label if isinstance(label, str) else ", ".join(label) for label in table.index]
