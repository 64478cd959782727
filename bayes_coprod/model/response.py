r"""What a population is expected to answer, citizens' own deviations integrated out.

For one draw and country, the expected answer is a smooth function of a citizen's expected
propensity alone,

.. math:: R_{cr}(\mu) = \int f_{cr}(\theta) \, N(\theta \mid \mu, \sigma_f^2) \, d\theta .

It is tabulated once on a lattice, and citizens are laid onto the lattice by cubic interpolation,
which costs less than six digits and makes the rest independent of their number. A change that moves
all citizens of a country alike is read off between the nodes of the same table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from bayes_coprod.model.answer_tables import category_probabilities, probability_above
from bayes_coprod.model.grid_op import make_scale
from bayes_coprod.model.item_layout import ItemLayout, response_layout
from bayes_coprod.model.items import integrand_at
from bayes_coprod.model.lattice import (
    average_moved,
    lay_on_lattice,
    normal_weights,
    propensities,
)
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.thresholds import discriminations, effects_and_thresholds

type ResponseScale = Literal["index", "share", "any", "category"]
type Draw = Mapping[str, np.ndarray]

_STEP = 0.1
"""Of the lattice, in logits, of answers as steep as a logistic: interpolation errs below 1e-6."""
_REACH = 6.5
"""Of a citizen's deviations, in SDs."""


@dataclass(frozen=True)
class Response:
    """What is asked of the answers to some items of one form.

    Parameters
    ----------
    form : int
        Position of the form.
    items : numpy.ndarray
        Positions of the items.
    """

    form: int
    items: np.ndarray


@dataclass(frozen=True)
class Question:
    """What is asked of a population.

    Parameters
    ----------
    responses : tuple of Response
    scale : {"index", "share", "any", "category"}
    scores : tuple of numpy.ndarray
        For each form, what each answer counts for: (category of the form, response).
    taking_part : tuple of numpy.ndarray
        Of ``any``, for each response, the answers that are taking part: (category of the form,
        item of the response).
    """

    responses: tuple[Response, ...]
    scale: ResponseScale
    scores: tuple[np.ndarray, ...]
    taking_part: tuple[np.ndarray, ...] = ()


class Versions(NamedTuple):
    """Citizens as they are, and what they are changed to; made by :func:`make_versions`.

    Parameters
    ----------
    x : numpy.ndarray
        (1 + coefficient, citizen), ones first: the first version.
    changes : tuple of (numpy.ndarray, numpy.ndarray)
        Of each other version the columns in which it differs from the first, (column,), and by how
        much, (column, citizen).
    """

    x: np.ndarray
    changes: tuple[tuple[np.ndarray, np.ndarray], ...]


def make_versions(versions: Sequence[np.ndarray]) -> Versions:
    """Lay citizens out so that each draw takes few steps through them.

    Parameters
    ----------
    versions : sequence of numpy.ndarray
        One or more, each (citizen, 1 + coefficient), ones first, coded as the design's.

    Returns
    -------
    Versions
    """
    first, *others = (np.ascontiguousarray(x.T) for x in versions)
    differ = [np.flatnonzero((x != first).any(axis=1)) for x in others]
    return Versions(
        first, tuple((at, x[at] - first[at]) for x, at in zip(others, differ, strict=True))
    )


class Population:
    """A design's citizens, asked for their expected answers draw by draw.

    Parameters
    ----------
    design : xarray.Dataset
        Of any model but ``index``.
    nodes : Nodes or None
        That the model was fitted with: it knows deviations as far as they resolve them. Without
        them citizens have no deviations.
    ends : numpy.ndarray
        (country + 1,), where the citizens of each country begin and end.
    """

    def __init__(self, design: xr.Dataset, nodes: Nodes | None, ends: np.ndarray) -> None:
        self.nodes = nodes
        self.layout = response_layout(design)
        self.ends = ends
        masks = [self.layout.form == f for f in range(self.layout.n_forms)]
        self.scales = [make_scale(self.layout.n_categories, mask) for mask in masks]
        self.own = [np.flatnonzero(mask) for mask in masks]
        self.takes_part_from = (
            design["takes_part_from"].values
            if "takes_part_from" in design
            else np.ones(self.layout.n_forms, dtype=np.int64)
        )

    def expect(
        self,
        draw: Draw,
        versions: Versions,
        weight: np.ndarray,
        question: Question,
        moves: np.ndarray | None = None,
        start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Expected responses of each country's population at one draw.

        Parameters
        ----------
        draw : mapping of str to numpy.ndarray
            The posterior's variables at one draw.
        versions : Versions
            From :func:`make_versions`.
        weight : numpy.ndarray
            (citizen,), sums to 1 in each country; or (version, citizen), of each version its own.
        question : Question
        moves : numpy.ndarray, optional
            (move, country, form), what is added to everybody's propensity; nothing, once for each
            version, otherwise.
        start : numpy.ndarray, optional
            (move,), position of the version that each move begins from; as they come otherwise.

        Returns
        -------
        numpy.ndarray
            (move, country, response), of ``category`` (move, country, category of all responses):
            points of 100 for ``index``, else a share.
        """
        effects, kappa, steep, sigma = self._stated(draw)
        n_versions = 1 + len(versions.changes)
        if moves is None:
            moves = np.zeros((n_versions, *effects.shape[:2]))
        if start is None:
            start = np.arange(n_versions)
        mu = np.empty((self.layout.n_forms, n_versions, versions.x.shape[1]))
        mu[:, 0] = propensities(effects, versions.x, self.ends)
        for v, (columns, change) in enumerate(versions.changes, start=1):
            mu[:, v] = mu[:, 0] + propensities(effects[:, :, columns], change, self.ends)
        weight = np.atleast_2d(weight)
        out: np.ndarray | float = 0.0
        for f in range(self.layout.n_forms):
            step = _STEP / self._steepest(f, steep)
            own = np.ascontiguousarray(moves[:, :, f])
            lattice = _lattice(mu[f], own, step)
            table = self._table(question, f, kappa, steep, float(sigma[f]), lattice)
            laid = lay_on_lattice(mu[f], weight, self.ends, lattice)
            out = out + average_moved(laid, start, table, own / step)
        return np.asarray(out)

    def _stated(self, draw: Draw) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Effects, thresholds, discriminations, and SDs of deviations, as they were fitted."""
        if self.nodes is None:
            effects, kappa = effects_and_thresholds(self.layout, draw)
            steep = discriminations(self.layout, draw)
            return effects, kappa, steep, np.zeros(self.layout.n_forms)
        return integrand_at(self.layout, draw, self.nodes)[:4]

    def _steepest(self, form: int, steep: np.ndarray) -> float:
        return max(1.0, float(steep[self.own[form]].max()))

    def _table(
        self,
        question: Question,
        form: int,
        kappa: np.ndarray,
        steep: np.ndarray,
        sigma: float,
        lattice: np.ndarray,
    ) -> np.ndarray:
        """Expected answers at given expected propensities, (country, response, lattice node)."""
        if sigma == 0:
            return self._answers(question, form, kappa, steep, lattice)
        # the trapezoidal rule is exact where the spacing resolves both deviations and logistics
        spacing = 0.7 * min(sigma, 1 / self._steepest(form, steep))
        low, high = lattice[0] - _REACH * sigma, lattice[-1] + _REACH * sigma
        grid = spacing * np.arange(np.floor(low / spacing), np.ceil(high / spacing) + 1)
        answers = self._answers(question, form, kappa, steep, grid)
        return answers @ normal_weights(grid, lattice, sigma)

    def _answers(
        self,
        question: Question,
        form: int,
        kappa: np.ndarray,
        steep: np.ndarray,
        grid: np.ndarray,
    ) -> np.ndarray:
        """Expected answers at given propensities, (country, response, node)."""
        scale = self.scales[form]
        above = probability_above(kappa, steep, scale, grid)
        p = category_probabilities(kappa, steep, above, scale, grid)
        if question.scale != "any":
            return question.scores[form].T @ p
        out = np.zeros((len(kappa), len(question.responses), len(grid)))
        for r, response in enumerate(question.responses):
            if response.form == form:
                # given the propensity, items are answered independently
                takes_part = question.taking_part[r].T @ p  # (country, item, node)
                out[:, r] = 1 - np.prod(1 - takes_part, axis=1)
        return out

    def ask(self, responses: list[Response], scale: ResponseScale) -> Question:
        """Prepare a question: what each answer counts for.

        Parameters
        ----------
        responses : list of Response
        scale : {"index", "share", "any", "category"}

        Returns
        -------
        Question
        """
        scores = tuple(self._scores(responses, scale, f) for f in range(self.layout.n_forms))
        taking_part = (
            _one_by_one(scores[r.form][:, i], self.layout, r.form) for i, r in enumerate(responses)
        )
        return Question(
            tuple(responses), scale, scores, tuple(taking_part) if scale == "any" else ()
        )

    def _scores(self, responses: list[Response], scale: ResponseScale, form: int) -> np.ndarray:
        item, category = _categories(self.layout, form)
        if scale == "category":
            n = self.layout.n_categories
            wanted = [(k, j) for r in responses for k in r.items for j in range(n[k])]
            return np.array(
                [
                    [i == k and c == j for k, j in wanted]
                    for i, c in zip(item, category, strict=True)
                ],
                dtype=float,
            )
        if scale == "index":
            value = 100 * category / (self.layout.n_categories[item] - 1)
        else:
            value = (category >= self.takes_part_from[item]).astype(float)
        per_item = [1 if scale == "any" else len(r.items) for r in responses]
        return np.stack(
            [np.isin(item, r.items) * value / n for r, n in zip(responses, per_item, strict=True)],
            axis=1,
        )


def _categories(layout: ItemLayout, form: int) -> tuple[np.ndarray, np.ndarray]:
    """Item and number of each category of a form's items, (category of the form,)."""
    own = layout.of(form)
    n = layout.n_categories[own]
    return np.repeat(own, n), np.concatenate([np.arange(j) for j in n])


def _one_by_one(counts: np.ndarray, layout: ItemLayout, form: int) -> np.ndarray:
    """Split what counts by item, (category of the form, item that counts)."""
    item, _ = _categories(layout, form)
    return np.stack([counts * (item == k) for k in np.unique(item[counts > 0])], axis=1)


def _lattice(mu: np.ndarray, moves: np.ndarray, step: float) -> np.ndarray:
    """Nodes that hold all propensities before and after they move, and three more at each end."""
    low = mu.min() + min(moves.min(), 0.0)
    high = mu.max() + max(moves.max(), 0.0)
    # multiples of the step: what is asked of some citizens hangs on no others that are asked about
    return step * np.arange(np.floor(low / step) - 3, np.floor(high / step) + 5)
