import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import country_levels, country_ranks, gap
from bayes_coprod.estimands.summarise import interval_words, summarise


@pytest.fixture
def draws(rng):
    return xr.DataArray(
        rng.gamma(2.0, size=(4, 500, 3, 2)) - 1,
        dims=("chain", "draw", "country", "form"),
        coords={"country": ["A", "B", "C"], "form": ["alone", "together"]},
        name="quantity",
        attrs={"units": "points of 100"},
    )


def flat(draws, **labels):
    return draws.sel(**labels).values.ravel()


def test_each_number_is_numpys(draws):
    table = summarise(draws, prob=0.8, kind="eti")
    assert list(table.columns) == ["mean", "median", "sd", "lower", "upper", "p_positive"]
    assert table.index.names == ["country", "form"]
    assert len(table) == 6
    for country in draws["country"].values:
        for form in draws["form"].values:
            values = flat(draws, country=country, form=form)
            expected = [
                values.mean(),
                np.median(values),
                values.std(ddof=1),
                *np.quantile(values, [0.1, 0.9]),
                (values > 0).mean(),
            ]
            np.testing.assert_allclose(table.loc[(country, form)], expected, rtol=1e-12)


def test_the_highest_density_interval_is_the_narrowest_that_holds_the_mass(draws):
    table = summarise(draws, prob=0.8, kind="hdi")
    equal_tailed = summarise(draws, prob=0.8, kind="eti")
    assert (table["upper"] - table["lower"] < equal_tailed["upper"] - equal_tailed["lower"]).all()
    values = np.sort(flat(draws, country="B", form="alone"))
    n_in = int(np.floor(0.8 * len(values)))
    widths = values[n_in:] - values[: len(values) - n_in]
    row = table.loc[("B", "alone")]
    assert row["upper"] - row["lower"] == pytest.approx(widths.min(), rel=0.01)
    inside = ((values >= row["lower"]) & (values <= row["upper"])).mean()
    assert inside == pytest.approx(0.8, abs=0.002)


def test_kind_and_mass_stand_in_header_and_attrs(draws):
    table = summarise(draws, prob=0.955, kind="hdi")
    assert table.columns.name == "points of 100; 95.5 % hdi"
    assert table.attrs == {
        "units": "points of 100",
        "interval_kind": "hdi",
        "interval_prob": 0.955,
    }
    assert "95.5 % hdi" in table.to_string()
    assert interval_words("eti", 0.89) == "89 % equal-tailed credible interval"


def test_the_default_is_arviz(draws):
    table = summarise(draws)
    assert (table.attrs["interval_kind"], table.attrs["interval_prob"]) == ("eti", 0.89)
    pd.testing.assert_frame_equal(table, summarise(draws, prob=0.89, kind="eti"))


def test_draws_above_zero_are_counted_and_zero_is_not_above():
    draws = xr.DataArray([[0.0, 0.0, 1.0, -1.0]], dims=("chain", "draw"))
    assert summarise(draws)["p_positive"].item() == 0.25


def test_indicators_have_a_probability_and_no_interval(draws):
    table = summarise(draws > 1)
    assert list(table.columns) == ["probability"]
    assert "interval_kind" not in table.attrs
    assert table.attrs["units"] == "probability"
    np.testing.assert_allclose(
        table.loc[("B", "alone"), "probability"],
        (flat(draws, country="B", form="alone") > 1).mean(),
    )


def test_a_row_says_of_which_change_it_is(draws):
    per = ("form", ["per SD", "per step"])
    table = summarise(draws.assign_coords(per=per))
    assert list(table.columns[:2]) == ["per", "mean"]
    assert list(table["per"]) == ["per SD", "per step"] * 3
    pd.testing.assert_frame_equal(table.drop(columns="per"), summarise(draws))
    one = summarise(draws.assign_coords(per=per).sel(form="together"))
    assert list(one["per"]) == ["per step"] * 3


def test_levels_have_no_probability_of_being_positive(draws):
    levels = abs(draws).rename("country_levels")
    table = summarise(levels)
    assert list(table.columns) == ["mean", "median", "sd", "lower", "upper"]
    pd.testing.assert_frame_equal(table, summarise(levels.rename("x")).drop(columns="p_positive"))
    difference = (levels - levels.mean("country")).rename("country_levels")
    assert "p_positive" in summarise(difference)


def test_a_difference_between_forms_keeps_its_probability_though_it_keeps_its_name(draws):
    levels = abs(draws).rename("country_levels").assign_attrs(units="points of 100")
    levels[..., 0] += 100
    difference = levels.sel(form="alone") - levels.sel(form="together")
    assert difference.name == "country_levels"
    assert (difference > 0).all()
    assert (summarise(difference)["p_positive"] == 1).all()
    assert "p_positive" not in summarise(levels.sel(form="alone"))


def test_one_number_gets_its_name(draws):
    table = summarise(draws.isel(country=0, form=0, drop=True))
    assert list(table.index) == ["quantity"]
    assert len(summarise(draws.isel(form=0))) == 3


def test_rows_follow_the_order_of_labels_whatever_the_order_of_dims(draws):
    turned = draws.transpose("form", "draw", "country", "chain")
    table = summarise(turned)
    assert table.index.names == ["form", "country"]
    expected = summarise(draws).swaplevel().loc[table.index]
    pd.testing.assert_frame_equal(table, expected)


def test_every_estimand_can_be_summarised(small, random_fit):
    fit = random_fit(small)
    for quantity in (country_levels(fit), gap(fit), country_ranks(fit, of=gap)):
        table = summarise(quantity)
        assert table.notna().all(axis=None)
        assert table.attrs["units"] == quantity.attrs["units"]
    ranks = summarise(country_ranks(fit, of=gap))["probability"]
    np.testing.assert_allclose(ranks.groupby("country").sum(), 1)


@pytest.mark.parametrize("prob", [0, 1, 89, -0.1, float("nan")])
def test_what_is_no_probability_is_refused(draws, prob):
    with pytest.raises(SpecError, match=f"prob = {prob} is no probability"):
        summarise(draws, prob=prob)


def test_an_unknown_kind_is_refused(draws):
    with pytest.raises(SpecError, match=r"unknown kind.* 'hpd'. Did you mean 'hdi'\?.*eti, hdi"):
        summarise(draws, kind="hpd")


@pytest.mark.parametrize("dim", ["chain", "draw"])
def test_averaged_draws_are_refused(draws, dim):
    with pytest.raises(SpecError, match=f"the draws have no dim '{dim}'"):
        summarise(draws.mean(dim))


def test_a_dataset_is_refused_with_what_it_holds():
    draws = xr.DataArray(np.zeros((2, 5)), dims=("chain", "draw"))
    with pytest.raises(SpecError, match="holds several quantities. Available: pooled, by_country"):
        summarise(xr.Dataset({"pooled": draws, "by_country": draws}))
