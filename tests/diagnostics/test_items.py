"""Checks of the items model: each passes a good fit, and none passes a bad one."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import bayes_coprod as bc
from bayes_coprod.diagnostics.items import check_deviations, check_shifts
from bayes_coprod.model.pilot import pilot_dataset
from bayes_coprod.model.quadrature import Nodes


def finding(fit, check):
    (found,) = [f for f in bc.check_fit(fit) if f.check == check]
    return found


@pytest.fixture
def altered():
    """The same fit with another pilot, or with other draws."""

    def make(fit, pilot=None, **variables):
        tree = fit.tree.copy()
        tree["posterior"] = xr.DataTree(fit.posterior.assign(variables))
        if pilot is not None:
            tree["pilot"] = xr.DataTree(pilot_dataset(pilot))
        return replace(fit, tree=tree)

    return make


def test_a_good_fit_passes(items_fit):
    for check in ("quadrature", "deviations", "pilot", "comparability"):
        assert finding(items_fit, check).status == "pass"


def test_draws_that_are_not_finite_are_unknown(items_fit, altered):
    for name, check in (("shift", "comparability"), ("sigma", "deviations")):
        values = items_fit.posterior[name].copy(deep=True)
        values[0, 0] = np.nan
        (found,) = (f for f in _of_items(altered(items_fit, **{name: values})) if f.check == check)
        assert found.status == "unknown"


def test_a_handful_of_draws_tells_no_shift(items_fit, altered):
    few = items_fit.posterior.isel(draw=slice(4))
    tree = items_fit.tree.copy()
    tree["posterior"] = xr.DataTree(few)
    (found,) = check_shifts(replace(items_fit, tree=tree))
    assert (found.check, found.status) == ("comparability", "unknown")


def _of_items(fit):
    return [check_deviations(fit), *check_shifts(fit)]


def test_a_grid_that_is_too_narrow_fails(items_fit, altered):
    nodes = items_fit.pilot.nodes
    narrow = Nodes(nodes.place, nodes.spacing, tuple(n // 2 for n in nodes.n_nodes))
    found = finding(altered(items_fit, replace(items_fit.pilot, nodes=narrow)), "quadrature")
    assert found.status == "fail"
    assert "dense" in found.remedy


def test_a_grid_that_is_too_coarse_fails(items_fit, altered):
    nodes = items_fit.pilot.nodes
    coarse = Nodes(np.round(nodes.place / (3 * nodes.spacing)) * 3 * nodes.spacing,
                   3 * nodes.spacing, nodes.n_nodes)  # fmt: skip
    found = finding(altered(items_fit, replace(items_fit.pilot, nodes=coarse)), "quadrature")
    assert found.status in ("fail", "unknown")


def test_deviations_too_narrow_for_the_nodes_are_named(items_fit, altered):
    sigma = items_fit.posterior["sigma"].copy()
    sigma[:, :40, 1] = 0.01  # a tenth of 400 draws
    found = finding(altered(items_fit, sigma=sigma), "deviations")
    assert (found.status, found.where) == ("warn", "collective")
    assert found.value == pytest.approx(0.1)
    rho = xr.full_like(items_fit.posterior["rho"], -0.999)
    found = finding(altered(items_fit, rho=rho), "deviations")
    assert (found.status, found.value) == ("fail", 1)


def test_a_problem_of_the_pilot_is_said(items_fit, altered):
    fit = altered(items_fit, replace(items_fit.pilot, problem="The pilot found no mode."))
    assert finding(fit, "pilot").status == "warn"
    assert finding(fit, "pilot").message == "The pilot found no mode."


def test_a_shift_beyond_the_limit_is_named(items_fit, altered):
    shift = items_fit.posterior["shift"].copy()
    shift.loc[{"country": "Denmark", "item": "recycle"}] -= 1.0
    found = finding(altered(items_fit, shift=shift), "comparability")
    assert found.status == "warn"
    assert found.where.startswith("recycle in Denmark (-1.")


def test_an_index_fit_has_no_such_checks(fit):
    assert {f.check for f in bc.check_fit(fit)}.isdisjoint(
        {"quadrature", "deviations", "comparability", "pilot"}
    )
