import numpy as np
import pytest
import xarray as xr

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import (
    country_contrasts,
    country_levels,
    country_mean,
    country_ranks,
    gap,
)
from bayes_coprod.survey.read import read_survey

BY_SECTOR = {"outcomes": ["form", "sector"]}


@pytest.fixture
def some(small, random_fit):
    return random_fit(small)


def test_levels_of_these_respondents_by_hand(some):
    design, posterior = some.design, some.posterior
    levels = country_levels(some, uncertainty="fixed")
    assert levels.dims == ("chain", "draw", "country", "form")
    for c, country in enumerate(some.countries):
        x = design["x"].values[design["country_index"].values == c].mean(axis=0)
        for form in ("alone", "together"):
            at = {"country": country, "form": form}
            linear = posterior["b_intercept"].sel(at) + posterior["b"].sel(at).values @ x
            expected = design["outcome_mean"].sel(form=form) + linear * design["outcome_sd"].sel(
                form=form
            )
            np.testing.assert_allclose(levels.sel(at), expected, rtol=1e-10)


def test_levels_are_averages_of_expected_citizens(some):
    design, posterior = some.design, some.posterior.isel(chain=0, draw=2)
    country = design["country_index"].values
    eta = posterior["b_intercept"].values[country] + np.einsum(
        "np,nfp->nf", design["x"].values, posterior["b"].values[country]
    )
    expected = design["outcome_mean"].values + design["outcome_sd"].values * eta
    levels = country_levels(some, uncertainty="fixed").isel(chain=0, draw=2)
    for c in range(3):
        np.testing.assert_allclose(levels[c], expected[country == c].mean(axis=0), rtol=1e-10)


def test_the_bootstrap_moves_levels_around_the_fixed_ones(small, random_fit):
    fit = random_fit(small, chains=2, draws=2000)
    moved = country_levels(fit) - country_levels(fit, uncertainty="fixed")
    error = moved.std(("chain", "draw")) / np.sqrt(4000)
    assert (np.abs(moved.mean(("chain", "draw"))) < 4 * error).all()
    assert (error > 0).all()


def test_without_drivers_everybody_is_the_same(small, random_fit):
    fit = random_fit(small, drivers="none")
    fixed = country_levels(fit, uncertainty="fixed")
    np.testing.assert_allclose(country_levels(fit), fixed)
    unit, mean = fit.design["outcome_sd"].values, fit.design["outcome_mean"].values
    np.testing.assert_allclose(fixed, mean + unit * fit.posterior["b_intercept"])


def test_gap_is_first_form_minus_second(some):
    levels = country_levels(some)
    expected = levels.sel(form="alone", drop=True) - levels.sel(form="together", drop=True)
    assert gap(some).dims == ("chain", "draw", "country")
    assert gap(some).equals(expected)
    assert gap(some).attrs["units"] == "points of 100"


def test_gap_keeps_its_sign_when_the_items_change_places(
    small_frame, small_book, small, random_fit
):
    small_book["items"] = dict(reversed(small_book["items"].items()))
    fit = random_fit(read_survey(small_frame, small_book))
    levels = country_levels(fit)
    assert gap(fit).equals(
        levels.sel(form="alone", drop=True) - levels.sel(form="together", drop=True)
    )


def test_gap_of_one_form_is_refused(small, random_fit):
    with pytest.raises(SpecError, match="gap: the model has the form 'together' only"):
        gap(random_fit(small, forms=["together"]))


def test_gap_by_sector(small, random_fit):
    fit = random_fit(small, **BY_SECTOR)
    levels, difference = country_levels(fit), gap(fit)
    assert levels.dims == ("chain", "draw", "country", "outcome")
    assert difference.dims == ("chain", "draw", "country", "sector")
    assert list(difference["sector"].values) == ["home", "street"]
    for sector in ("home", "street"):
        np.testing.assert_array_equal(
            difference.sel(sector=sector),
            levels.sel(outcome=f"alone: {sector}") - levels.sel(outcome=f"together: {sector}"),
        )


def test_gap_by_sector_is_of_sectors_with_both_forms(small_frame, small_book, random_fit):
    del small_book["items"]["meet"]
    fit = random_fit(read_survey(small_frame, small_book), **BY_SECTOR)
    assert country_levels(fit).sizes["outcome"] == 3
    assert list(gap(fit)["sector"].values) == ["street"]
    del small_book["items"]["watch"], small_book["items"]["report"]
    fit = random_fit(read_survey(small_frame, small_book), **BY_SECTOR)
    with pytest.raises(SpecError, match="no sector has items of both forms"):
        gap(fit)


@pytest.mark.parametrize("of", [country_levels, gap])
def test_countries_weigh_the_same_in_the_mean_of_each_draw(some, of):
    values = of(some)
    expected = sum(values.sel(country=name, drop=True) for name in some.countries) / 3
    xr.testing.assert_allclose(country_mean(values), expected)
    assert country_mean(values).attrs == values.attrs
    with pytest.raises(SpecError, match=r"country_mean: of is no quantity .* country_mean\(gap"):
        country_mean(expected)


def test_the_contrast_of_a_country_with_itself_is_0(some):
    for country in some.countries:
        contrasts = country_contrasts(some, of=gap, reference=country)
        assert (contrasts.sel(country=country) == 0).all()
        assert contrasts.attrs["contrast"] == f"minus {country}"


def test_contrasts_with_the_mean_sum_to_0(some):
    contrasts = country_contrasts(some)
    np.testing.assert_allclose(contrasts.sum("country"), 0, atol=1e-10)
    levels = country_levels(some)
    xr.testing.assert_allclose(
        contrasts.sel(country="Cyprus") - contrasts.sel(country="Austria"),
        levels.sel(country="Cyprus") - levels.sel(country="Austria"),
    )


def test_pairwise_contrasts_are_differences_and_add_up(some):
    pairs = country_contrasts(some, of=gap, reference="pairwise")
    assert pairs.dims == ("chain", "draw", "contrast")
    labels = ["Austria - Belgium", "Austria - Cyprus", "Belgium - Cyprus"]
    assert list(pairs["contrast"].values) == labels
    values = gap(some)
    for label in labels:
        a, b = label.split(" - ")
        np.testing.assert_array_equal(
            pairs.sel(contrast=label), values.sel(country=a) - values.sel(country=b)
        )
    first, second, third = (pairs.sel(contrast=label, drop=True) for label in labels)
    xr.testing.assert_allclose(first + third, second)


def test_a_pair_turned_round_changes_its_sign(some):
    values = gap(some)
    a, b = (
        country_contrasts(some, of=given, reference="pairwise")
        for given in (values, values.isel(country=[2, 1, 0]))
    )
    np.testing.assert_array_equal(
        a.sel(contrast="Austria - Cyprus"), -b.sel(contrast="Cyprus - Austria")
    )


def test_contrasts_take_a_quantity_or_its_draws(some):
    one, other = country_contrasts(some, of=gap(some)), country_contrasts(some, of=gap)
    assert one.identical(other)
    assert one.attrs["units"] == "points of 100"


def test_an_unknown_reference_is_refused(some):
    with pytest.raises(SpecError, match=r"unknown reference 'Cypros'. Did you mean 'Cyprus'\?"):
        country_contrasts(some, reference="Cypros")


@pytest.mark.parametrize("of", [country_levels, gap])
def test_in_each_draw_each_country_has_one_rank_and_each_rank_one_country(some, of):
    ranks = country_ranks(some, of=of)
    assert ranks.dims[:4] == ("chain", "draw", "country", "rank")
    assert list(ranks["rank"].values) == [1, 2, 3]
    assert (ranks.sum("rank") == 1).all()
    assert (ranks.sum("country") == 1).all()
    assert ranks.attrs["units"] == "probability"


def test_rank_1_is_the_highest(some):
    values = gap(some)
    ranks = country_ranks(some, of=values)
    of_rank = (ranks * values).sum("country")
    assert (of_rank.sel(rank=1) == values.max("country")).all()
    assert (of_rank.sel(rank=3) == values.min("country")).all()


def test_a_country_without_the_quantity_has_no_rank_and_takes_none(random_fit, small):
    fit = random_fit(small)
    levels = country_levels(fit).isel(form=0)
    missing = levels.where(levels["country"] != "Belgium")
    ranks = country_ranks(fit, of=missing)
    assert not ranks.sel(country="Belgium").any()
    others = country_ranks(fit, of=levels.sel(country=["Austria", "Cyprus"]))
    np.testing.assert_array_equal(
        ranks.sel(country=["Austria", "Cyprus"], rank=[1, 2]), others.values
    )
