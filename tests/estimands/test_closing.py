from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import bayes_coprod as bc
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import to
from bayes_coprod.estimands.closing import closing_the_gap
from bayes_coprod.estimands.scenarios import scenario


@pytest.fixture(params=["index", "participation"])
def some(request, changeable, random_fit):
    return random_fit(changeable, likelihood=request.param, draws=6)


def test_each_driver_is_moved_to_the_end_that_raises_the_second_form(some):
    found = closing_the_gap(some)
    age = some.design["x"].sel(coefficient="age") * some.design["column_sd"].sel(coefficient="age")
    age = age + some.design["column_mean"].sel(coefficient="age")
    ends = {
        "age": (float(age.min()), float(age.max())),
        "female": ("no", "yes"),
        "school": ("low", "mid", "high"),
        "trust": ("0", "3"),
    }
    assert list(found["driver"].values) == list(ends)
    for name, values in ends.items():
        there = {f"{v:g}" if name == "age" else v: scenario(some, {name: to(v)}) for v in values}
        rise = {
            label: float(s["difference"].sel(form="together").mean()) for label, s in there.items()
        }
        best = max(rise, key=rise.__getitem__)
        at = found.sel(driver=name)
        assert at["end"].item() == best
        change = there[best]["difference"]
        alone, together = (change.sel(form=form, drop=True) for form in ("alone", "together"))
        np.testing.assert_allclose(at["second_form"], together, atol=1e-12)
        np.testing.assert_allclose(at["first_form"], alone, atol=1e-12)
        np.testing.assert_allclose(at["gap"], alone - together, atol=1e-12)


def test_the_change_of_the_gap_is_that_of_the_forms(some):
    found = closing_the_gap(some)
    xr.testing.assert_allclose(found["gap"], found["first_form"] - found["second_form"])
    gap = bc.gap(some)
    then = scenario(some, {"trust": to(found["end"].sel(driver="trust").item())})["then"]
    np.testing.assert_allclose(
        gap + found["gap"].sel(driver="trust"),
        then.sel(form="alone") - then.sel(form="together"),
        atol=1e-12,
    )


def test_rank_1_has_the_driver_with_which_the_gap_falls_most(some):
    found = closing_the_gap(some)
    assert found["ranks"].dims == ("chain", "draw", "driver", "rank")
    assert (found["ranks"].sum("rank") == 1).all()
    assert (found["ranks"].sum("driver") == 1).all()
    mean = found["gap"].mean("country")
    lowest = (found["ranks"] * mean).sum("driver").sel(rank=1)
    assert (lowest == mean.min("driver")).all()
    by_country = (found["ranks_by_country"] * found["gap"]).sum("driver")
    assert (by_country.sel(rank=4) == found["gap"].max("driver")).all()
    table = bc.summarise(found["ranks"])["probability"]
    np.testing.assert_allclose(table.groupby("driver").sum(), 1)


def changeable_only(fit, *which):
    drivers = tuple(replace(d, changeable=d.name in which) for d in fit.codebook.drivers)
    return replace(fit, codebook=replace(fit.codebook, drivers=drivers))


def test_only_changeable_drivers_are_moved(some):
    found = closing_the_gap(changeable_only(some, "trust"))
    assert list(found["driver"].values) == ["trust"]


def test_results_say_what_they_are(some):
    found = closing_the_gap(some)
    for quantity in (found, found["gap"], found["ranks"]):
        assert "A cross-section gives associations" in quantity.attrs["interpretation"]
    assert "larger change of the second form" in found.attrs["best_end"]
    assert found["gap"].attrs["units"] in ("points of 100", "share of citizens")
    assert found["ranks"].attrs["units"] == "probability"


def test_by_sector_where_the_outcomes_are(changeable, random_fit):
    found = closing_the_gap(random_fit(changeable, outcomes=["form", "sector"], draws=2))
    assert set(found["gap"].dims) == {"chain", "draw", "country", "sector", "driver"}
    assert list(found["gap"]["sector"].values) == ["home", "street"]


def test_items_are_asked_alike(items_fit):
    tree = items_fit.tree.copy()
    tree["posterior"] = xr.DataTree(items_fit.posterior.isel(draw=slice(0, 5)))
    fit = replace(items_fit, tree=tree)
    found = closing_the_gap(fit)
    for driver, end in (("self_efficacy", "big"), ("consultation", "often")):
        own = found.sel(driver=driver)
        assert own["end"] == end
        change = scenario(fit, {driver: to(end)})["difference"]
        np.testing.assert_allclose(own["second_form"], change.sel(form="collective"), atol=1e-9)
        np.testing.assert_allclose(own["first_form"], change.sel(form="individual"), atol=1e-9)


def test_without_two_forms_or_changeable_drivers_it_is_refused(changeable, random_fit):
    with pytest.raises(SpecError, match="no gap: its outcomes are .*'alone'"):
        closing_the_gap(random_fit(changeable, forms=["alone"]))
    with pytest.raises(SpecError, match="no gap"):
        closing_the_gap(random_fit(changeable, likelihood="ordinal", item="watch"))
    with pytest.raises(SpecError, match="none of the model's drivers is changeable.*and fit again"):
        closing_the_gap(changeable_only(random_fit(changeable)))
    with pytest.raises(SpecError, match="none of the model's drivers is changeable"):
        closing_the_gap(random_fit(changeable, drivers="none"))
