from dataclasses import replace

import numpy as np
import pytest

import bayes_coprod as bc
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import by
from bayes_coprod.estimands.reach import reach, reached
from bayes_coprod.estimands.scenarios import scenario

FIXED = {"uncertainty": "fixed"}


@pytest.fixture
def taking_part(changeable, random_fit):
    return random_fit(changeable, likelihood="participation", draws=8)


@pytest.fixture
def linear(changeable, random_fit):
    return random_fit(changeable, draws=10)


def with_age(fit, **said):
    """The same fit, with something else in the codebook's words on age."""
    drivers = tuple(replace(d, **said) if d.name == "age" else d for d in fit.codebook.drivers)
    return replace(fit, codebook=replace(fit.codebook, drivers=drivers))


def level_after(fit, driver, shift, form="together", **more):
    return scenario(fit, {driver: by(shift)}, **more)["then"].sel(form=form)


def test_it_is_the_first_step_at_which_the_scenario_is_there(taking_part):
    for form in ("alone", "together"):
        found = reach(taking_part, "trust", 0.4, form=form)
        assert found.dims == ("chain", "draw", "country")
        levels = np.stack([level_after(taking_part, "trust", s, form) for s in range(4)])
        met = levels >= 0.4
        for at in np.ndindex(found.shape):
            own = met[(slice(None), *at)]
            expected = np.flatnonzero(own)[0] if own.any() else np.inf
            assert found.values[at] == expected
        assert {0.0, np.inf} < set(found.values.ravel())
        assert ((found > 0) & (found < np.inf)).any()


def test_the_second_form_is_meant_unless_another_is_named(taking_part):
    assert reach(taking_part, "trust", 0.4).equals(
        reach(taking_part, "trust", 0.4, form="together")
    )
    assert reach(taking_part, "trust", 0.4).attrs["form"] == "together"


def test_a_numeric_shift_lies_between_those_that_were_evaluated(taking_part):
    target = 0.5
    found = reach(taking_part, "age", target, **FIXED)
    some = (found > 0) & (found < np.inf)
    assert some.any()
    for chain, draw, country in zip(*np.nonzero(some.values), strict=True):
        shift = float(found[chain, draw, country])
        there = level_after(taking_part, "age", shift, **FIXED)[chain, draw, country]
        assert abs(float(there) - target) < 0.01
        short = level_after(taking_part, "age", 0.8 * shift, **FIXED)[chain, draw, country]
        assert short < target


def test_a_linear_model_reaches_it_where_the_line_does(changeable, random_fit):
    """No citizen is near the ends: the level is a straight line along the shift."""
    fit = with_age(random_fit(changeable, draws=10), bounds=(-1000.0, 1000.0))
    fit.tree["posterior"]["b"] *= 0.01
    fit.tree["posterior"]["b_intercept"] *= 0.1
    now = bc.country_levels(fit, **FIXED).sel(form="together")
    sd = float(fit.design["column_sd"].sel(coefficient="age"))
    slope = fit.posterior["b"].sel(coefficient="age", form="together")
    slope = slope * float(fit.design["outcome_sd"].sel(form="together")) / sd  # a year
    target = float(now.max()) - 0.001
    expected = (target - now) / slope
    found = reach(fit, "age", target, **FIXED)
    sure = (now < target) & (expected > 0) & (expected < 900)
    assert sure.any()
    np.testing.assert_allclose(found.values[sure], expected.values[sure], rtol=1e-9)
    assert (found.values[(now < target) & (slope < 0)] == np.inf).all()


def test_down_is_the_other_way(taking_part):
    up, down = (reach(taking_part, "trust", 0.4, down=down) for down in (False, True))
    # who is not there already cannot come nearer both ways
    assert not ((up > 0) & (up < np.inf) & (down > 0) & (down < np.inf)).any()
    levels = level_after(taking_part, "trust", -3)
    never = np.isinf(down)
    assert (levels.values[never.values] < 0.4).all()
    assert (levels.values[~never.values & (down.values > 0)] >= 0.4).all()


def test_a_target_that_is_met_takes_no_shift_and_one_out_of_reach_never_comes(taking_part):
    assert (reach(taking_part, "trust", 0) == 0).all()
    assert (reach(taking_part, "age", 0) == 0).all()
    for driver in ("trust", "age"):
        never = reach(taking_part, driver, 1)
        assert np.isinf(never).all()
        with pytest.raises(SpecError, match=r"never reached: they have no mean.*reached\(of\)"):
            bc.summarise(never)
        table = bc.summarise(reached(never))["probability"].unstack("shift")
        assert (table["never"] == 1).all()
        assert (table.drop(columns="never") == 0).all(axis=None)


def test_the_distribution_function_keeps_those_who_never_reach_it(taking_part):
    found = reach(taking_part, "trust", 0.4)
    indicators = reached(found)
    assert indicators.dims == ("chain", "draw", "country", "shift")
    assert list(indicators["shift"].values) == ["0", "1", "2", "3", "never"]
    table = bc.summarise(indicators)["probability"].unstack("shift")
    for country in taking_part.countries:
        values = found.sel(country=country).values
        for shift in range(4):
            assert table.loc[country, str(shift)] == pytest.approx((values <= shift).mean())
        assert table.loc[country, "never"] == pytest.approx(np.isinf(values).mean())
        assert table.loc[country, "3"] + table.loc[country, "never"] == pytest.approx(1)
    own = reached(reach(taking_part, "age", 0.4), shifts=[0, 7.5])
    assert list(own["shift"].values) == ["0", "7.5", "never"]
    assert indicators.attrs["units"] == "probability"
    assert indicators.attrs["shift_units"] == "steps"
    assert "A cross-section gives associations" in indicators.attrs["interpretation"]


def test_models_of_one_form_or_of_sectors_are_asked_alike(changeable, random_fit):
    of_item = random_fit(changeable, likelihood="ordinal", item="watch", draws=3)
    of_item.tree["posterior"]["kappa"][:] = [-1.0, 0.5, 2.0]
    of_item.tree["posterior"]["threshold_shift"] *= 0.1
    found = reach(of_item, "trust", 55)
    assert found.attrs["form"] == "alone"
    assert found.dims == ("chain", "draw", "country")
    sectors = random_fit(changeable, outcomes=["form", "sector"], draws=3)
    found = reach(sectors, "trust", 55)
    assert found.dims == ("chain", "draw", "country", "outcome")
    assert list(found["outcome"].values) == ["together: home", "together: street"]


REFUSED = [
    (("trsut", 0.4), r"reach: the model has no driver 'trsut'. Did you mean 'trust'\?"),
    (("school", 0.4), "'school' is categorical and has no steps"),
    (("female", 0.4), "'female' is binary and has no steps"),
    (("trust", 1.2), "target = 1.2 is outside the scale 'any', 0 to 1"),
    (("trust", -0.1), "outside the scale"),
    (("trust", float("nan")), "target = nan is outside the scale"),
    (("trust", "high"), "target = high is outside the scale"),
]


def test_what_cannot_be_reached_for_is_refused(taking_part):
    for arguments, said in REFUSED:
        with pytest.raises(SpecError, match=said):
            reach(taking_part, *arguments)


def test_other_refusals(taking_part, linear):
    with pytest.raises(SpecError, match=r"no form 'togther'. Did you mean 'together'\?"):
        reach(taking_part, "trust", 0.4, form="togther")
    with pytest.raises(SpecError, match="target = 101 is outside the scale 'index', 0 to 100"):
        reach(linear, "trust", 101)
    with pytest.raises(SpecError, match="'age' can be changed"):
        reach(with_age(linear, changeable=False), "age", 50)
    with pytest.raises(SpecError, match="takes what reach returned"):
        reached(bc.country_levels(taking_part))
    with pytest.raises(SpecError, match="-1 is no shift"):
        reached(reach(taking_part, "trust", 0.4), shifts=[-1])
