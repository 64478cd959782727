"""How items, forms and thresholds lie in the arrays of ``items``, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.model.varying import effect_columns, zero_sum_contrasts
from bayes_coprod.survey.entries import Codebook, Driver

FEWEST_FOR_DISCRIMINATION = 3
"""Items of a form: of two, only the product of their discriminations with sigma can be learnt."""


@dataclass(frozen=True)
class ItemLayout:
    """How items, forms and thresholds lie in arrays.

    Parameters
    ----------
    form : numpy.ndarray
        (item,), position of the form.
    n_categories : numpy.ndarray
        (item,).
    n_forms : int
    discriminates : bool
        Whether items of forms that have three or more have discriminations of their own.
    """

    form: np.ndarray
    n_categories: np.ndarray
    n_forms: int
    discriminates: bool = False

    def of(self, form: int) -> np.ndarray:
        """Positions of a form's items."""
        return np.flatnonzero(self.form == form)

    @cached_property
    def first_threshold(self) -> np.ndarray:
        """Position of each item's first threshold, (item,)."""
        return np.cumsum(self.n_categories - 1) - (self.n_categories - 1)

    @cached_property
    def item_of_threshold(self) -> np.ndarray:
        """Position of the item of each threshold, (threshold,)."""
        return np.repeat(np.arange(len(self.form)), self.n_categories - 1)

    @property
    def free_sigma(self) -> np.ndarray:
        """Forms whose citizens' SD can be learnt: those with more than one item."""
        counts = np.bincount(self.form, minlength=self.n_forms)
        return np.flatnonzero(counts > 1)

    @property
    def steepness(self) -> np.ndarray:
        """Contrasts between the items whose discriminations are free, (contrast, item)."""
        own = self.contrasts
        if not self.discriminates:
            return own[:0]
        counts = np.bincount(self.form, minlength=self.n_forms)
        form = np.repeat(np.arange(self.n_forms), counts - 1)  # of each contrast
        return own[counts[form] >= FEWEST_FOR_DISCRIMINATION]

    @property
    def contrasts(self) -> np.ndarray:
        """Contrasts between the items of each form, (contrast, item)."""
        out = np.zeros((len(self.form) - self.n_forms, len(self.form)))
        row = 0
        for f in range(self.n_forms):
            items = self.of(f)
            if len(items) > 1:
                out[row : row + len(items) - 1, items] = zero_sum_contrasts(len(items))
            row += len(items) - 1
        return out


def item_layout(design: xr.Dataset) -> ItemLayout:
    """Read the layout off a design."""
    return ItemLayout(
        design["item_form"].values,
        design["n_categories"].values,
        design.sizes[names.FORM],
        bool(design.attrs.get("discriminates", False)),
    )


def response_layout(design: xr.Dataset) -> ItemLayout:
    """Read the layout off any design with answers.

    Each outcome of ``participation`` is a form of one yes or no.
    """
    if "item_form" in design:
        return item_layout(design)
    n_outcomes = design["y"].shape[1]
    return ItemLayout(np.arange(n_outcomes), np.full(n_outcomes, 2), n_outcomes)


def items_coords(codebook: Codebook, design: xr.Dataset) -> dict[str, list[str]]:
    """Labels of items and thresholds."""
    items = [codebook.item(str(name)) for name in design[names.ITEM].values]
    return {
        names.ITEM: [item.name for item in items],
        names.THRESHOLD: [
            names.threshold_label(item.name, below, above)
            for item in items
            for below, above in zip(item.levels, item.levels[1:], strict=False)
        ],
    }


def items_parameters(spec: ModelSpec, design: xr.Dataset) -> tuple[str, ...]:
    """Posterior variables that the likelihood is made of."""
    slope = ("b",) if design.sizes[names.COEFFICIENT] else ()
    shift = ("shift",) if shifts_vary(spec, item_layout(design)) else ()
    rho = ("rho",) if design.sizes[names.FORM] == 2 else ()
    steep = ("lambda",) if len(item_layout(design).steepness) else ()
    return ("b_intercept", *slope, "kappa", *shift, *steep, "sigma", *rho)


def shifts_vary(spec: ModelSpec, layout: ItemLayout) -> bool:
    """Whether items have shifts in each country."""
    several = len(layout.form) > layout.n_forms
    return spec.thresholds_vary and spec.pooling != "complete" and several


def which_vary(spec: ModelSpec, design: xr.Dataset, drivers: tuple[Driver, ...]) -> np.ndarray:
    """Effects of each form, then contrasts between items: whether each varies by country."""
    layout = item_layout(design)
    columns = effect_columns(spec, drivers, design.sizes[names.COEFFICIENT])
    shifts = np.full(len(layout.contrasts), shifts_vary(spec, layout))
    return np.r_[np.tile(columns, layout.n_forms), shifts]


def n_coordinates(design: xr.Dataset) -> tuple[int, int, int]:
    """Number of effects, of contrasts between items, and of the other common coordinates.

    The others are gaps between thresholds, discriminations, citizens' SDs, and their correlation.
    """
    layout = item_layout(design)
    n_effects = layout.n_forms * (1 + design.sizes[names.COEFFICIENT])
    n_gaps = int((layout.n_categories - 2).sum())
    n_rho = int(layout.n_forms == 2)
    n_rest = n_gaps + len(layout.steepness) + len(layout.free_sigma) + n_rho
    return n_effects, len(layout.contrasts), n_rest
