from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.drivers import driver_contrast, driver_effects
from bayes_coprod.model.coding import code_drivers, level_contrasts
from bayes_coprod.model.index import expected_indices


@pytest.fixture
def some(small, random_fit):
    return random_fit(small)


def with_driver(fit, name, **changes):
    """The same fit, with something else in the codebook's words on a driver."""
    drivers = tuple(
        replace(driver, **changes) if driver.name == name else driver
        for driver in fit.codebook.drivers
    )
    return replace(fit, codebook=replace(fit.codebook, drivers=drivers))


def in_points(fit, form="alone"):
    """beta and b of a form, per model unit, in points."""
    unit = float(fit.design["outcome_sd"].sel(form=form))
    posterior = fit.posterior.sel(form=form)
    return posterior["beta"] * unit, posterior["b"] * unit


def assert_effect(fit, driver, expected):
    """`expected` makes an effect from coefficients (..., coefficient)."""
    effects = driver_effects(fit)
    for form in ("alone", "together"):
        for name, coefficients in zip(("pooled", "by_country"), in_points(fit, form), strict=True):
            ours = effects[name].sel(form=form, driver=driver)
            np.testing.assert_allclose(ours, expected(coefficients), rtol=1e-12)


def sd_of(fit, driver):
    return float(fit.design["column_sd"].sel(coefficient=driver))


def test_every_driver_has_its_rows(some):
    effects = driver_effects(some)
    assert effects["pooled"].dims == ("chain", "draw", "form", "driver")
    assert effects["by_country"].dims == ("chain", "draw", "country", "form", "driver")
    per = dict(zip(effects["driver"].values, effects["per"].values, strict=True))
    assert per == {
        "age": "per 10 years",
        "female": "yes against no",
        "school: low": "against mid",
        "school: high": "against mid",
        "trust": "per step",
    }
    assert effects["pooled"].attrs["units"] == "points of 100"
    assert "cross-section" in effects.attrs["interpretation"]


def test_a_numeric_driver_per_reported_amount(some):
    assert_effect(some, "age", lambda b: b.sel(coefficient="age") * 10 / sd_of(some, "age"))
    per_5 = with_driver(some, "age", report_per=5.0)
    assert_effect(per_5, "age", lambda b: b.sel(coefficient="age") * 5 / sd_of(some, "age"))


def test_a_numeric_driver_without_an_amount_per_sd(some):
    fit = with_driver(some, "age", report_per=None)
    assert_effect(fit, "age", lambda b: b.sel(coefficient="age"))
    words = driver_effects(fit)["per"].sel(driver="age").item()
    assert words == f"per SD ({sd_of(some, 'age'):.1f} years)"


def test_an_ordered_driver_per_step(some):
    assert_effect(some, "trust", lambda b: b.sel(coefficient="trust") / sd_of(some, "trust"))


def test_a_binary_driver_is_quoted_by_the_codebooks_own_words(some):
    fit = with_driver(some, "female", yes=("woman",), no=("man",))
    assert driver_effects(fit)["per"].sel(driver="female").item() == "woman against man"


def test_a_binary_driver_yes_against_no(some):
    assert_effect(some, "female", lambda b: b.sel(coefficient="female"))


def test_a_categorical_driver_level_minus_reference(some):
    columns = ["school: contrast 1", "school: contrast 2"]
    low, mid, high = level_contrasts(3)
    for level, code in (("low", low), ("high", high)):
        assert_effect(
            some,
            f"school: {level}",
            lambda b, code=code: b.sel(coefficient=columns).values @ (code - mid),
        )


def test_another_reference_flips_the_sign_and_nothing_else(some):
    one, other = driver_effects(some), driver_effects(with_driver(some, "school", reference="low"))
    assert list(other["driver"].values) == [
        "age",
        "female",
        "school: mid",
        "school: high",
        "trust",
    ]
    for name in ("pooled", "by_country"):
        low_mid, mid_low = (
            one[name].sel(driver="school: low"),
            other[name].sel(driver="school: mid"),
        )
        np.testing.assert_array_equal(mid_low, -low_mid)
        np.testing.assert_allclose(
            other[name].sel(driver="school: high"),
            one[name].sel(driver="school: high") - low_mid,
            atol=1e-12,
        )
        for driver in ("age", "female", "trust"):
            np.testing.assert_array_equal(
                other[name].sel(driver=driver), one[name].sel(driver=driver)
            )


@pytest.mark.parametrize(
    ("driver", "before", "after", "row"),
    [
        ("age", 40.0, 50.0, "age"),
        ("female", 0.0, 1.0, "female"),
        ("school", "mid", "high", "school: high"),
        ("trust", "1", "2", "trust"),
    ],
)
def test_an_effect_is_what_the_model_expects_of_a_citizen_who_changes(
    some, small, driver, before, after, row
):
    design = some.design
    draws = {k: v.values[0] for k, v in some.posterior.data_vars.items()}  # first chain
    expected = []
    for value in (before, after):
        citizen = small.data.iloc[[0]].copy()
        citizen.loc[:, driver] = value
        raw = code_drivers(citizen, small.codebook.drivers)[0]
        x = (raw - design["column_mean"].values) / design["column_sd"].values
        expected.append(expected_indices(some.spec, design, draws, np.tile(x, (5, 3, 1))))
    ours = driver_effects(some)["by_country"].sel(driver=row).isel(chain=0)
    np.testing.assert_allclose(ours, expected[1] - expected[0], atol=1e-9)


def test_pooled_effects_average_those_of_the_countries(fit):
    effects = driver_effects(fit)
    xr.testing.assert_allclose(effects["by_country"].mean("country"), effects["pooled"])


def test_the_contrast_is_second_form_minus_first(some):
    effects, contrast = driver_effects(some), driver_contrast(some)
    assert contrast["pooled"].dims == ("chain", "draw", "driver")
    for name in ("pooled", "by_country"):
        np.testing.assert_array_equal(
            contrast[name],
            effects[name].sel(form="together") - effects[name].sel(form="alone"),
        )
    assert list(contrast["per"].values) == list(effects["per"].values)


def test_effects_by_sector_bear_form_and_sector(small, random_fit):
    fit = random_fit(small, outcomes=["form", "sector"])
    pooled = driver_effects(fit)["pooled"]
    assert pooled.dims == ("chain", "draw", "outcome", "driver")
    assert set(pooled["sector"].values) == {"home", "street"}
    contrast = driver_contrast(fit)["pooled"]
    np.testing.assert_allclose(
        contrast.sel(sector="home"),
        pooled.sel(outcome="together: home") - pooled.sel(outcome="alone: home"),
    )


def test_drivers_of_a_part_model(small, random_fit):
    fit = random_fit(small, drivers=["trust"], pooling="complete")
    assert list(driver_effects(fit)["driver"].values) == ["trust"]


def test_a_model_without_drivers_is_refused(small, random_fit):
    with pytest.raises(SpecError, match="driver_effects: model 'test' has no drivers"):
        driver_effects(random_fit(small, drivers="none"))


def test_one_form_has_no_contrast(small, random_fit):
    with pytest.raises(SpecError, match="the form 'alone' only"):
        driver_contrast(random_fit(small, forms=["alone"]))


def test_an_unknown_scale_is_refused(some):
    with pytest.raises(SpecError, match=r"unknown scale 'lnk'.*Did you mean 'link'\?"):
        driver_effects(some, scale="lnk")
