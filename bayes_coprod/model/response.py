r"""What a population is expected to answer, citizens' own deviations integrated out.

The propensities of a country's population are spread as

.. math:: p_{cf}(\theta) = \sum_{i \in c} w_i \, N(\theta \mid \mu_{if}, \sigma_f^2),

and the expected share of any answer is the integral of its probability over that distribution. It
is evaluated on one grid for all citizens: each is first laid onto a lattice of expected
propensities by cubic interpolation, which costs less than six digits and makes the rest independent
of the number of citizens. Where a model knows no deviations the lattice is the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from bayes_coprod.model.answer_tables import category_probabilities, compiled, probability_above
from bayes_coprod.model.grid_op import expected_propensity, make_scale
from bayes_coprod.model.item_layout import ItemLayout, response_layout
from bayes_coprod.model.items import integrand_at
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.thresholds import discriminations, effects_and_thresholds

type ResponseScale = Literal["index", "share", "any", "category"]
type Draw = Mapping[str, np.ndarray]

_STEP = 0.1
"""Of the lattice, in logits: the interpolation errs by less than 1e-6."""
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
class Spread:
    """How one form's propensities are spread in each country's population.

    Parameters
    ----------
    grid : numpy.ndarray
        (node,), propensities.
    share : numpy.ndarray
        (country, node), sums to 1 in each country.
    """

    grid: np.ndarray
    share: np.ndarray


@dataclass(frozen=True)
class Question:
    """What is asked of a population.

    Parameters
    ----------
    responses : tuple of Response
    scale : {"index", "share", "any", "category"}
    scores : tuple of numpy.ndarray
        For each form, what each answer counts for: (category of the form, response).
    """

    responses: tuple[Response, ...]
    scale: ResponseScale
    scores: tuple[np.ndarray, ...]


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
        own = [self.layout.form == f for f in range(self.layout.n_forms)]
        self.scales = [make_scale(self.layout.n_categories, mask) for mask in own]
        self.takes_part_from = (
            design["takes_part_from"].values
            if "takes_part_from" in design
            else np.ones(self.layout.n_forms, dtype=np.int64)
        )

    def propensities(self, draw: Draw, x: np.ndarray, weight: np.ndarray) -> list[Spread]:
        """How propensities are spread in each country's population at one draw.

        Parameters
        ----------
        draw : mapping of str to numpy.ndarray
            The posterior's variables at one draw.
        x : numpy.ndarray
            (citizen, 1 + coefficient), ones first, coded as the design's.
        weight : numpy.ndarray
            (citizen,), sums to 1 in each country.

        Returns
        -------
        list of Spread
            For each form.
        """
        if self.nodes is None:
            effects, _ = effects_and_thresholds(self.layout, draw)
            sigma = np.zeros(self.layout.n_forms)
        else:
            effects, _, _, sigma, _ = integrand_at(self.layout, draw, self.nodes)
        mu = expected_propensity(effects, x, self.ends)
        return [
            _spread(mu[:, f].copy(), weight, self.ends, float(sd)) for f, sd in enumerate(sigma)
        ]

    def expect(
        self,
        draw: Draw,
        spread: list[Spread],
        question: Question,
        moves: np.ndarray | None = None,
    ) -> np.ndarray:
        """Expected responses of each country's population at one draw.

        Parameters
        ----------
        draw : mapping of str to numpy.ndarray
        spread : list of Spread
            From :meth:`propensities`.
        question : Question
        moves : numpy.ndarray, optional
            (move, country, form): what is added to everybody's propensity; one move by 0 otherwise.

        Returns
        -------
        numpy.ndarray
            (move, country, response), of ``category`` (move, country, category of all responses):
            points of 100 for ``index``, else a share.
        """
        n_countries = len(self.ends) - 1
        if moves is None:
            moves = np.zeros((1, n_countries, self.layout.n_forms))
        kappa = effects_and_thresholds(self.layout, draw)[1]
        steep = discriminations(self.layout, draw)
        out: np.ndarray | float = 0.0
        for f, scores in enumerate(question.scores):
            # to add to a propensity is to take from the thresholds, (move x country, threshold)
            moved = kappa - moves[:, :, f, None] * steep[self.layout.item_of_threshold]
            moved = moved.reshape(-1, kappa.shape[-1])
            grid = spread[f].grid
            above = probability_above(moved, steep, self.scales[f], grid)
            p = category_probabilities(moved, steep, above, self.scales[f], grid)
            p = p.reshape(len(moves), n_countries, *p.shape[1:])
            share = spread[f].share[:, :, None]  # (country, node, 1)
            if question.scale != "any":
                out = out + (p @ share)[..., 0] @ scores
                continue
            # given the propensity, items are answered independently
            for r, response in enumerate(question.responses):
                if response.form == f:
                    takes_part = np.swapaxes(p, 2, 3) @ _one_by_one(scores[:, r], self.layout, f)
                    some = 1 - np.prod(1 - takes_part, axis=-1)  # (move, country, node)
                    only = np.eye(len(question.responses))[r]
                    out = out + (some[..., None, :] @ share)[..., 0] * only
        return np.asarray(out)

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
        return Question(
            tuple(responses),
            scale,
            tuple(self._scores(responses, scale, f) for f in range(self.layout.n_forms)),
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


def _spread(mu: np.ndarray, weight: np.ndarray, ends: np.ndarray, sigma: float) -> Spread:
    low, high = mu.min(), mu.max()
    lattice = low + _STEP * np.arange(-1, int((high - low) / _STEP) + 3)
    laid = _lay_on_lattice(mu, weight, ends, lattice[0], _STEP, len(lattice))
    if sigma == 0:
        return Spread(lattice, laid)
    # the trapezoidal rule is exact where the spacing resolves both deviations and logistics
    spacing = min(0.7 * sigma, 0.7)
    n_nodes = int((high - low + 2 * _REACH * sigma) / spacing) + 2
    grid = low - _REACH * sigma + spacing * np.arange(n_nodes)
    z = (grid - lattice[:, None]) / sigma
    return Spread(grid, laid @ np.exp(-0.5 * z**2) * (spacing / (sigma * np.sqrt(2 * np.pi))))


@compiled
def _lay_on_lattice(
    mu: np.ndarray, weight: np.ndarray, ends: np.ndarray, origin: float, step: float, n: int
) -> np.ndarray:
    """Lay weights onto an equally spaced lattice by cubic interpolation, (country, node).

    A smooth function's weighted mean over citizens is then its weighted sum over the lattice.
    `mu` and `weight` are (citizen,); every `mu` has two nodes on either side.
    """
    out = np.zeros((len(ends) - 1, n))
    for c in range(len(out)):
        for i in range(ends[c], ends[c + 1]):
            at = (mu[i] - origin) / step
            j = min(max(int(at), 1), n - 3)
            t = at - j
            out[c, j - 1] -= weight[i] * t * (t - 1) * (t - 2) / 6
            out[c, j] += weight[i] * (t + 1) * (t - 1) * (t - 2) / 2
            out[c, j + 1] -= weight[i] * (t + 1) * t * (t - 2) / 2
            out[c, j + 2] += weight[i] * (t + 1) * t * (t - 1) / 6
    return out
