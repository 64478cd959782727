"""The model's log density as the sampler calls it: compiled, with the gradient, on one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numpy.typing import ArrayLike
from pymc.model.transform.optimization import freeze_dims_and_data
from pymc.pytensorf import join_nonshared_inputs
from pytensor.graph.replace import clone_replace, vectorize_graph
from pytensor.graph.traversal import ancestors
from pytensor.tensor import TensorVariable

from bayes_coprod.model.direct import Direct
from bayes_coprod.model.grid_op import GridLogLikelihood
from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.spec import Gradient

type Compiled = Literal["jax", "numba"]
type Prepare = Callable[[Mapping[str, np.ndarray]], Direct | None]


@dataclass(frozen=True)
class Density:
    """A model's log density.

    Parameters
    ----------
    start : numpy.ndarray
        (coordinate,), a point to begin at.
    evaluate : callable
        (coordinate,) -> log density and gradient.
    expand : callable
        (draw, coordinate) -> all variables of the model, the draws along the first axis.
    """

    start: np.ndarray
    evaluate: Callable[[np.ndarray], tuple[float, np.ndarray]]
    expand: Callable[[np.ndarray], dict[str, np.ndarray]]


def compile_density(
    model: pm.Model, gradient: Gradient = "auto", prepare: Prepare | None = None
) -> Density:
    """Compile a model's log density.

    Parameters
    ----------
    model : pymc.Model
    gradient : {"auto", "jax", "numba"}
        What the density is compiled to; ``"auto"`` takes kernels where the model has them, else
        JAX.
    prepare : callable, optional
        Positions of the model's coordinates -> its log density by kernels, or ``None``.

    Returns
    -------
    Density

    Notes
    -----
    The integral over citizens is machine code that JAX could only call back through Python, which
    chains on several cores wait for. It is called between two compiled halves instead: one from
    the coordinates to what the integral takes, one from its gradients to those by the coordinates.
    """
    model = freeze_dims_and_data(model)
    point = model.initial_point()
    variables = model.replace_rvs_by_values(model.unobserved_RVs)
    outputs, x = join_nonshared_inputs(point, [model.logp(), *variables], model.value_vars)
    log_density, *expanded = outputs
    labels = [variable.name for variable in model.unobserved_RVs]

    def expand(draws: np.ndarray) -> dict[str, np.ndarray]:
        many = pt.dmatrix("draws")
        expand_all = pytensor.function(
            [many], vectorize_graph(expanded, {x: many}), mode=AS_WRITTEN
        )
        return dict(zip(labels, expand_all(draws), strict=True))

    start = np.concatenate([np.ravel(point[value.name]) for value in model.value_vars])
    direct = None if prepare is None or gradient != "auto" else prepare(_places(point, model))
    if direct is not None:
        return Density(start, direct, expand)
    compiled: Compiled = "jax" if gradient == "auto" else gradient
    integrals = [
        v for v in ancestors([log_density])
        if v.owner is not None and isinstance(v.owner.op, GridLogLikelihood) and v.index == 0
    ]  # fmt: skip
    if not integrals:
        return Density(start, _whole(x, log_density, compiled), expand)
    (integral,) = integrals
    return Density(start, _in_halves(x, log_density, integral, compiled), expand)


def _places(point: Mapping[str, np.ndarray], model: pm.Model) -> dict[str, np.ndarray]:
    """Positions of each of the model's coordinates in a vector of all."""
    labels = [value.name for value in model.value_vars]
    ends = np.cumsum([0, *(np.size(point[name]) for name in labels)])
    return {name: np.arange(i, j) for name, i, j in zip(labels, ends, ends[1:], strict=False)}


def _compile(
    inputs: list[TensorVariable], outputs: list[TensorVariable], gradient: Compiled
) -> Callable[..., Sequence[ArrayLike]]:
    function = pytensor.function(inputs, outputs, mode=gradient.upper(), on_unused_input="ignore")
    return function.vm.jit_fn


def _whole(
    x: TensorVariable, log_density: TensorVariable, gradient: Compiled
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    both = _compile([x], [log_density, pytensor.grad(log_density, x)], gradient)

    def evaluate(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_x = both(at)
        return np.asarray(value).item(), np.asarray(by_x)

    return evaluate


def _in_halves(
    x: TensorVariable, log_density: TensorVariable, integral: TensorVariable, gradient: Compiled
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    arguments = integral.owner.inputs
    shapes = [argument.type.shape for argument in arguments]
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    (rest,) = clone_replace([log_density], {integral: pt.zeros(())})
    # one vector each way: what goes in or out of compiled code costs by the piece
    taken = pt.concatenate([argument.ravel() for argument in arguments])
    slope = pt.dvector("slope")
    forward = _compile([x], [pt.concatenate([rest[None], taken])], gradient)
    by_x = pytensor.grad(rest + (slope * taken).sum(), x)
    backward = _compile([x, slope], [by_x], gradient)
    integrate = integral.owner.op.value_and_gradients

    def evaluate(at: np.ndarray) -> tuple[float, np.ndarray]:
        at = at.copy()
        value, flat = np.split(np.asarray(forward(at)[0]), [1])
        pieces = [flat[i:j].reshape(s) for i, j, s in zip(ends, ends[1:], shapes, strict=False)]
        log_likelihood, *by_pieces = integrate(*pieces)
        slopes = np.concatenate([np.ravel(by_piece) for by_piece in by_pieces])
        return float(value[0] + log_likelihood), np.asarray(backward(at, slopes)[0])

    return evaluate
