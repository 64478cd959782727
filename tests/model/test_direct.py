"""Kernels of the models against the graphs in which the models are written down."""

from functools import partial

import numpy as np
import pytensor
import pytest
from pymc.model.transform.optimization import freeze_dims_and_data
from pymc.pytensorf import join_nonshared_inputs

from bayes_coprod.inference.density import compile_density
from bayes_coprod.inference.pilot import fit_pilot
from bayes_coprod.model.build import build_model
from bayes_coprod.model.coding import chosen_drivers
from bayes_coprod.model.design import make_design
from bayes_coprod.model.direct import make_direct
from bayes_coprod.model.modes import AS_WRITTEN
from bayes_coprod.model.pilot import Evidence, Pilot
from bayes_coprod.model.spec import load_model, spec_content

OTHER_SCALES = {
    "tau_intercept": "exponential(2)",
    "tau": "log_normal(-1, 0.5)",
    "residual_sd": "uniform(0.1, 3)",
}
CASES = {
    "index": ("index", {}),
    "index, one outcome": ("index", {"forms": ["alone"]}),
    "index, other priors": ("index", {"priors": OTHER_SCALES | {"rho": "lkj(1)"}}),
    "index, some vary": ("index", {"vary_by_country": ["age"]}),
    "index, no drivers": ("index", {"drivers": "none"}),
    "participation": ("participation", {}),
    "participation by sector": ("participation", {"outcomes": ["form", "sector"]}),
    "participation, levels vary": ("participation", {"vary_by_country": "none"}),
    "ordinal": ("ordinal", {"item": "watch"}),
    "ordinal, common distances": ("ordinal", {"item": "watch", "thresholds_vary": False}),
    "ordinal, other distances": (
        "ordinal",
        {
            "item": "watch",
            "thresholds_vary": False,
            "vary_by_country": ["trust"],
            "priors": {"kappa": "normal(1, 3)", "kappa_gap": "half_normal(2)"},
        },
    ),
    "ordinal, two categories": ("ordinal", {"item": "report"}),
    "items": ("items", {}),
    "items, one form": ("items", {"forms": ["alone"]}),
    "items, discrimination": ("items", {"discrimination": True}),
    "items, common thresholds": ("items", {"thresholds_vary": False}),
    "items, other priors": (
        "items",
        {
            "vary_by_country": ["trust"],
            "priors": {
                "kappa": "normal(1, 3)",
                "kappa_gap": "exponential(1)",
                "sigma": "uniform(0, 3)",
                "rho": "uniform(-0.5, 0.9)",
                "tau_kappa": "exponential(3)",
            },
        },
    ),
    "items, no drivers": ("items", {"drivers": "none"}),
}
IN_EVERY_RUN = (
    "index",
    "index, some vary",
    "participation",
    "ordinal",
    "ordinal, other distances",
    "items",
    "items, one form",
    "items, discrimination",
)
"""Python evaluates each graph node by node, which takes a while."""


def prepare(survey, model, changes):
    content = spec_content(load_model(model))
    priors = content["priors"] | changes.get("priors", {})
    if model != "index":
        priors.pop("residual_sd", None)
    spec = load_model(content | changes | {"priors": priors})
    design = make_design(survey, spec)
    pilot = fit_pilot(spec, survey.codebook, design)
    graph = build_model(spec, survey.codebook, design, pilot)
    drivers = chosen_drivers(design, survey.codebook.drivers)
    return graph, partial(make_direct, spec, design, drivers, pilot)


def evaluate_graph(graph):
    """Log density and gradient on one vector of coordinates, from the graph as it stands."""
    graph = freeze_dims_and_data(graph)  # as for sampling: it changes the coordinates' order
    point = graph.initial_point()
    (value,), x = join_nonshared_inputs(point, [graph.logp()], graph.value_vars)
    return pytensor.function([x], [value, pytensor.grad(value, x)], mode=AS_WRITTEN)


def positions(graph, name):
    """Where a coordinate lies in the vector."""
    graph = freeze_dims_and_data(graph)
    point = graph.initial_point()
    sizes = [np.size(point[value.name]) for value in graph.value_vars]
    k = [value.name for value in graph.value_vars].index(name)
    return np.arange(sum(sizes[:k]), sum(sizes[: k + 1]))


@pytest.mark.parametrize(
    "case",
    [
        case if case in IN_EVERY_RUN else pytest.param(case, marks=pytest.mark.slow)
        for case in CASES
    ],
)
def test_value_and_gradient_are_the_graphs(strict, rng, case):
    graph, direct = prepare(strict, *CASES[case])
    by_graph = evaluate_graph(graph)
    by_kernels = compile_density(graph, "auto", direct)
    assert by_kernels.evaluate.__module__ == "bayes_coprod.model.direct"
    for scale in (0.3, 1.0):
        at = by_kernels.start + scale * rng.normal(size=len(by_kernels.start))
        value, gradient = by_graph(at)
        ours, own_gradient = by_kernels.evaluate(at)
        assert ours == pytest.approx(float(value), rel=1e-11)
        np.testing.assert_allclose(own_gradient, gradient, atol=1e-9 * abs(gradient).max())


def test_scales_far_out_in_their_prior_are_the_graphs(small):
    graph, direct = prepare(small, "index", {})
    by_graph, by_kernels = evaluate_graph(graph), compile_density(graph, "auto", direct)
    for z in (-6.0, 6.0):
        at = by_kernels.start.copy()
        at[positions(graph, "z_tau")] = z
        value, gradient = by_graph(at)
        ours, own_gradient = by_kernels.evaluate(at)
        assert ours == pytest.approx(float(value), rel=1e-9)
        np.testing.assert_allclose(own_gradient, gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "forms", [["alone", "together"], pytest.param(["alone"], marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("z", [-8.0, 8.0])
def test_deviations_that_nodes_do_not_resolve_are_the_graphs(strict, forms, z):
    """Where SDs and the correlation bend toward what the nodes resolve."""
    graph, direct = prepare(strict, "items", {"forms": forms})
    by_graph, by_kernels = evaluate_graph(graph), compile_density(graph, "auto", direct)
    at = by_kernels.start.copy()
    at[positions(graph, "z_common")[-len(forms) :]] = z  # SDs, and the correlation of two forms
    value, gradient = by_graph(at)
    ours, own_gradient = by_kernels.evaluate(at)
    assert ours == pytest.approx(float(value), rel=1e-9)
    np.testing.assert_allclose(own_gradient, gradient, atol=1e-8 * abs(gradient).max())


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("index", {"pooling": "none"}),
        ("index", {"parametrisation": "centred"}),
        ("index", {"sigma_varies": True}),
        ("index", {"outcomes": ["form", "sector"]}),
        ("ordinal", {"item": "watch", "priors": {"kappa_gap": "half_normal(1)"}}),
    ],
)
def test_what_kernels_do_not_know_is_left_to_the_graph(small, model, changes):
    _, direct = prepare(small, model, changes)
    assert direct({}) is None


def test_what_is_left_to_the_graph_is_compiled_from_it(small):
    graph, direct = prepare(small, "index", {"pooling": "none"})
    density = compile_density(graph, "auto", direct)
    assert density.evaluate.__module__ == "bayes_coprod.inference.density"
    assert np.isfinite(density.evaluate(density.start)[0])


def test_evidence_sets_the_speed_only(strict, rng):
    """Whatever the evidence, both forms of the density are those of one posterior."""
    content = spec_content(load_model("participation"))
    spec = load_model(content)
    design = make_design(strict, spec)
    drivers = chosen_drivers(design, strict.codebook.drivers)
    pilot = fit_pilot(spec, strict.codebook, design)
    shape = pilot.evidence.precision.shape
    silent = Evidence(rng.normal(size=shape), np.where(rng.random(shape) < 0.3, 0.0, 5.0))
    other = Pilot(silent)
    graph = build_model(spec, strict.codebook, design, other)
    direct = partial(make_direct, spec, design, drivers, other)
    by_graph, by_kernels = evaluate_graph(graph), compile_density(graph, "auto", direct)
    at = rng.normal(size=len(by_kernels.start))
    value, gradient = by_graph(at)
    ours, own_gradient = by_kernels.evaluate(at)
    assert ours == pytest.approx(float(value), rel=1e-11)
    np.testing.assert_allclose(own_gradient, gradient, rtol=1e-8, atol=1e-8)
