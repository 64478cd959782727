"""The integral over citizens on a grid that all share, as one operation of the model's graph."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from itertools import pairwise

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from bayes_coprod.model.answer_tables import Patterns, Scale, add_by_kappa, answer_products
from bayes_coprod.model.grid_kernel import (
    Form,
    Windows,
    draw_nodes,
    integrate,
    log_likelihoods,
    node_weights,
)
from bayes_coprod.model.quadrature import Nodes, coarser, enough, steps

_MOST_PATTERNS = 100
"""Items are grouped as long as their answers have no more patterns than this."""

type _Forms = list[tuple[Windows, Patterns]]


class GridIntegral:
    """The integral for given nodes and answers.

    Nodes have to resolve the narrowest deviations that the sampler meets. Where there are many of
    them they are thinned for all others: each evaluation takes the coarsest grid that is enough.

    Parameters
    ----------
    nodes : Nodes
        On a grid.
    x : numpy.ndarray
        (citizen, coefficient), coded drivers.
    answer : numpy.ndarray
        (citizen, item), position of the category; -1: none.
    ends : numpy.ndarray
        (country + 1,), where each country's citizens begin, and the end; some may have none.
    n_categories, item_form : numpy.ndarray
        (item,).
    """

    def __init__(
        self,
        nodes: Nodes,
        x: np.ndarray,
        answer: np.ndarray,
        ends: np.ndarray,
        n_categories: np.ndarray,
        item_form: np.ndarray,
    ) -> None:
        self.nodes = nodes
        self.x = np.column_stack([np.ones(len(x)), x])
        self.ends = ends
        country = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        self.n_forms = len(nodes.n_nodes)
        self.n_answers = np.array(
            [(answer[:, item_form == f] >= 0).sum(axis=1).max() for f in range(self.n_forms)]
        )
        self.forms: _Forms = [
            _make_form(nodes, f, answer, country, n_categories, item_form == f)
            for f in range(self.n_forms)
        ]

    @cached_property
    def thinned(self) -> list[tuple[Nodes, _Forms]]:
        """Grids on which the same is integrated with less effort, the coarsest first."""
        out: list[tuple[Nodes, _Forms]] = []
        nodes = coarser(self.nodes)
        while nodes is not None:
            forms = [
                _thin_form(nodes, f, patterns, windows.row)
                for f, (windows, patterns) in enumerate(self.forms)
            ]
            out.insert(0, (nodes, forms))
            nodes = coarser(nodes)
        return out

    def _forms_for(self, discrimination: np.ndarray, sigma: np.ndarray, rho: float) -> _Forms:
        for nodes, forms in self.thinned:
            if enough(nodes, self.n_answers, float(discrimination.max()), sigma, rho):
                return forms
        return self.forms

    def shifted(self, by: np.ndarray) -> GridIntegral:
        """The same integral on a grid that is shifted by a part of its spacing, (form,)."""
        out = copy(self)
        out.__dict__.pop("thinned", None)
        out.nodes = Nodes(self.nodes.place + by, self.nodes.spacing, self.nodes.n_nodes)
        out.forms = [
            (windows._replace(grid=windows.grid + d), patterns._replace(grid=patterns.grid + d))
            for (windows, patterns), d in zip(self.forms, by, strict=True)
        ]
        return out

    def evaluate(
        self,
        effects: np.ndarray,
        kappa: np.ndarray,
        discrimination: np.ndarray,
        sigma: np.ndarray,
        rho: float,
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Log likelihood of each citizen, and gradients of their sum.

        Parameters
        ----------
        effects : numpy.ndarray
            (country, form, 1 + coefficient), the intercept first.
        kappa : numpy.ndarray
            (country, threshold).
        discrimination : numpy.ndarray
            (item,).
        sigma : numpy.ndarray
            (form,).
        rho : float
            0 for one form.

        Returns
        -------
        (numpy.ndarray, list of numpy.ndarray)
            (citizen,); by each argument.
        """
        forms = self._forms_for(discrimination, sigma, rho)
        above, products = zip(
            *(answer_products(kappa, discrimination, p) for _, p in forms), strict=True
        )
        value, by_mu, *by_row, by_sigma, by_rho = integrate(
            *self._arguments(forms, effects, products, sigma, rho)
        )
        by_kappa, by_discrimination = np.zeros_like(kappa), np.zeros_like(discrimination)
        for f, (_, patterns) in enumerate(forms):
            add_by_kappa(kappa, above[f], by_row[f], patterns, by_kappa, by_discrimination)
        return value, [
            _by_effects(by_mu[:, : self.n_forms], self.x, self.ends),
            by_kappa,
            by_discrimination,
            by_sigma[: self.n_forms],
            np.asarray(by_rho),
        ]

    def log_likelihood(
        self,
        effects: np.ndarray,
        kappa: np.ndarray,
        discrimination: np.ndarray,
        sigma: np.ndarray,
        rho: float,
    ) -> np.ndarray:
        """Log likelihood of each citizen, (citizen,); parameters as of :meth:`evaluate`."""
        forms = self._forms_for(discrimination, sigma, rho)
        products = [answer_products(kappa, discrimination, p)[1] for _, p in forms]
        return log_likelihoods(*self._arguments(forms, effects, products, sigma, rho))

    def posterior(
        self,
        effects: np.ndarray,
        kappa: np.ndarray,
        discrimination: np.ndarray,
        sigma: np.ndarray,
        rho: float,
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Posterior of each citizen on the nodes; parameters as of :meth:`evaluate`.

        Returns
        -------
        (list of numpy.ndarray, numpy.ndarray)
            For each form (citizen, node), each citizen's weights, which add up to 1; (citizen,),
            the correlation of the two propensities, 0 for one form.
        """
        products = [answer_products(kappa, discrimination, p)[1] for _, p in self.forms]
        *weights, cross = node_weights(*self._arguments(self.forms, effects, products, sigma, rho))
        weights = weights[: self.n_forms]
        if self.n_forms == 1:
            return weights, np.zeros(len(cross))
        offset = [
            h * j for h, j in zip(self.nodes.spacing[0], steps(self.nodes.n_nodes), strict=True)
        ]
        mean = [w @ x for w, x in zip(weights, offset, strict=True)]
        square = [w @ x**2 for w, x in zip(weights, offset, strict=True)]
        sd = [np.sqrt(b - a**2) for a, b in zip(mean, square, strict=True)]
        return weights, (cross - mean[0] * mean[1]) / (sd[0] * sd[1])

    def draw(
        self,
        effects: np.ndarray,
        kappa: np.ndarray,
        discrimination: np.ndarray,
        sigma: np.ndarray,
        rho: float,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Draw a node of each form from each citizen's posterior, (citizen, form), in logits."""
        products = [answer_products(kappa, discrimination, p)[1] for _, p in self.forms]
        uniform = rng.random((len(self.x), 2))
        arguments = self._arguments(self.forms, effects, products, sigma, rho)
        drawn = draw_nodes(*arguments, uniform)
        return drawn[:, : self.n_forms]

    def _arguments(
        self,
        on: _Forms,
        effects: np.ndarray,
        products: Sequence[np.ndarray],
        sigma: np.ndarray,
        rho: float,
    ) -> tuple[np.ndarray, np.ndarray, float, Form, Form]:
        """What the kernel takes: two forms, of which the second may be one that nobody answers."""
        mu = expected_propensity(effects, self.x, self.ends)
        forms = [Form(windows, p) for (windows, _), p in zip(on, products, strict=True)]
        if self.n_forms == 1:
            mu, sigma, rho = np.column_stack([mu, np.zeros(len(mu))]), np.append(sigma, 1.0), 0.0
            forms.append(_unanswered(len(mu)))
        return mu, sigma, rho, forms[0], forms[1]


def expected_propensity(effects: np.ndarray, x: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Expected propensities, (citizen, form).

    Parameters
    ----------
    effects : numpy.ndarray
        (country, form, 1 + coefficient), the intercept first.
    x : numpy.ndarray
        (citizen, 1 + coefficient), ones first, sorted by country.
    ends : numpy.ndarray
        (country + 1,), where each country's citizens begin, and the end.
    """
    return np.concatenate(
        [x[a:b] @ own.T for own, a, b in zip(effects, ends[:-1], ends[1:], strict=True)]
    )


def _by_effects(by_mu: np.ndarray, x: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Gradient by the effects, (country, form, 1 + coefficient), from that by mu."""
    return np.stack([by_mu[a:b].T @ x[a:b] for a, b in pairwise(ends)])


def _make_form(
    nodes: Nodes,
    form: int,
    answer: np.ndarray,
    country: np.ndarray,
    n_categories: np.ndarray,
    own: np.ndarray,
) -> tuple[Windows, Patterns]:
    """One form's windows on the grid, and its citizens' patterns of answers to `own` items."""
    scale = make_scale(n_categories, own)
    answer, n_categories = answer[:, own], n_categories[own]
    start_of = np.cumsum(n_categories) - n_categories  # a category's position is this plus answer
    rows, row_country, row_category = [], [], []
    offset = 0
    groups = _group(n_categories)
    widest = max(len(group) for group in groups)
    for group in groups:
        category = np.where(answer[:, group] < 0, -1, answer[:, group] + start_of[group])
        pattern, row = np.unique(np.column_stack([country, category]), axis=0, return_inverse=True)
        rows.append(row + offset)
        offset += len(pattern)
        row_country.append(pattern[:, 0])
        padding = np.full((len(pattern), widest - len(group)), -1)
        row_category.append(np.column_stack([pattern[:, 1:], padding]))
    country_of, category_of = np.concatenate(row_country), np.concatenate(row_category)
    windows = _make_windows(nodes, form, np.ascontiguousarray(np.stack(rows, axis=1)))
    return windows, Patterns(windows.grid, country_of, category_of, scale)


def _make_windows(nodes: Nodes, form: int, row: np.ndarray) -> Windows:
    """Lay one form's windows on the grid; `row` is (citizen, group)."""
    place, spacing = nodes.place[:, form], float(nodes.spacing[0, form])
    middle = nodes.n_nodes[form] // 2
    origin = float(place.min() - spacing * middle)
    first = np.rint((place - origin) / spacing).astype(np.int64) - middle
    n_grid = int(first.max()) + nodes.n_nodes[form]
    grid = origin + spacing * np.arange(n_grid)
    return Windows(first, nodes.n_nodes[form], spacing, grid, row)


def _thin_form(
    nodes: Nodes, form: int, patterns: Patterns, row: np.ndarray
) -> tuple[Windows, Patterns]:
    """Lay one form's patterns of answers on other nodes."""
    windows = _make_windows(nodes, form, row)
    return windows, patterns._replace(grid=windows.grid)


def _unanswered(n_citizens: int) -> Form:
    """A form that nobody answers: one node, which integrates a standard normal prior exactly."""
    nobody = np.zeros(n_citizens, dtype=np.int64)
    windows = Windows(nobody, 1, np.sqrt(2 * np.pi), np.zeros(1), nobody[:, None])
    return Form(windows, np.ones((1, 1)))


def make_scale(n_categories: np.ndarray, own: np.ndarray) -> Scale:
    """Lay out the thresholds of the items that are a form's `own`; both (item,)."""
    threshold = np.flatnonzero(np.repeat(own, n_categories - 1))
    item = np.repeat(np.arange(own.sum()), n_categories[own] - 1)  # of each threshold
    return Scale(
        threshold=threshold,
        category_below=np.arange(len(threshold)) + item,
        is_last=np.append(item[1:] != item[:-1], True),
        item=np.flatnonzero(own)[item],
    )


def _group(n_categories: np.ndarray) -> list[list[int]]:
    """Neighbouring items whose answers have few patterns together."""
    groups: list[list[int]] = []
    patterns = np.inf
    for k, n in enumerate(n_categories):
        patterns *= n
        if patterns > _MOST_PATTERNS:
            groups.append([])
            patterns = n
        groups[-1].append(k)
    return groups


class GridLogLikelihood(Op):  # type: ignore[misc]
    """Sum of the citizens' log likelihood, from (effects, kappa, discrimination, sigma, rho).

    The outputs after the first are the gradients, which come with the value at no cost.
    """

    def __init__(self, integral: GridIntegral) -> None:
        self.integral = integral

    def make_node(self, *inputs: Variable) -> Apply:
        """Take what :meth:`GridIntegral.evaluate` takes."""
        tensors = [pt.as_tensor_variable(value, dtype="float64") for value in inputs]
        return Apply(self, tensors, [pt.dscalar(), *(tensor.type() for tensor in tensors)])

    def perform(
        self, node: Apply, inputs: Sequence[np.ndarray], output_storage: list[list[np.ndarray]]
    ) -> None:
        """Evaluate value and gradients."""
        for storage, value in zip(output_storage, self.value_and_gradients(*inputs), strict=True):
            storage[0] = value

    def value_and_gradients(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Sum of the log likelihood and its gradient by each input."""
        effects, kappa, steep, sigma = (np.ascontiguousarray(value) for value in inputs[:4])
        per_citizen, gradients = self.integral.evaluate(
            effects, kappa, steep, sigma, float(inputs[4])
        )
        return [np.asarray(per_citizen.sum()), *gradients]

    def infer_shape(self, node: Apply, shapes: list[object]) -> list[object]:
        """The value is a scalar; gradients have their input's shape."""
        return [(), *shapes]

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Scale the gradients by the cotangent of the value, the one that is ever asked for."""
        return [cotangents[0] * gradient for gradient in outputs[1:]]


class GridCitizens(Op):  # type: ignore[misc]
    """Log likelihood of each citizen, without a gradient; inputs as :class:`GridLogLikelihood`."""

    def __init__(self, integral: GridIntegral) -> None:
        self.integral = integral

    def make_node(self, *inputs: Variable) -> Apply:
        """Take what :meth:`GridIntegral.evaluate` takes."""
        tensors = [pt.as_tensor_variable(value, dtype="float64") for value in inputs]
        return Apply(self, tensors, [pt.dvector()])

    def perform(
        self, node: Apply, inputs: Sequence[np.ndarray], output_storage: list[list[np.ndarray]]
    ) -> None:
        """Evaluate the log likelihood of each citizen, (citizen,)."""
        effects, kappa, steep, sigma = (np.ascontiguousarray(value) for value in inputs[:4])
        arguments = effects, kappa, steep, sigma, float(inputs[4])
        output_storage[0][0] = self.integral.log_likelihood(*arguments)
