"""Levels, effects and curves of the items model, held to one citizen at a time by quadrature."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit

import bayes_coprod as bc
from bayes_coprod.errors import SpecError
from bayes_coprod.model.quadrature import resolved
from bayes_coprod.survey.simulate import true_index

LAST = {"chain": -1, "draw": -1}


@pytest.fixture(scope="module")
def draw(items_fit):
    """One draw of the posterior, as arrays."""
    return {
        str(name): values.isel(LAST).values
        for name, values in items_fit.posterior.data_vars.items()
    }


def category_shares(fit, draw, x, weight=None):
    """Share of each category of each item in each country, one citizen and node at a time."""
    design = fit.design
    country = design["country_index"].values
    z = np.linspace(-9, 9, 241)
    w = np.exp(-0.5 * z**2)
    w /= w.sum()
    effects = np.concatenate([draw["b_intercept"][:, :, None], draw["b"]], axis=2)
    mu = np.einsum("nfp,np->nf", effects[country], np.column_stack([np.ones(len(x)), x]))
    shares, start = [], 0
    for k, (form, n) in enumerate(
        zip(design["item_form"].values, design["n_categories"].values, strict=True)
    ):
        kappa = draw["kappa"][start : start + n - 1] + draw["shift"][:, [k]]  # (country, threshold)
        start += n - 1
        theta = mu[:, form, None] + draw["sigma"][form] * z
        above = expit(theta[:, None, :] - kappa[country][:, :, None]) @ w  # (citizen, threshold)
        edges = np.column_stack([np.ones(len(x)), above, np.zeros(len(x))])
        p = edges[:, :-1] - edges[:, 1:]
        shares.append(
            np.stack([np.average(p[country == c], axis=0) for c in range(len(fit.countries))])
        )
    return shares


@pytest.fixture(scope="module")
def brute(items_fit, draw):
    return category_shares(items_fit, draw, items_fit.design["x"].values)


def at_last(quantity):
    return quantity.isel(LAST)


def test_category_shares_equal_brute_force(items_fit, brute):
    shares = at_last(bc.country_levels(items_fit, scale="category", uncertainty="fixed"))
    np.testing.assert_allclose(shares, np.concatenate(brute, axis=1), atol=1e-6)


def test_index_by_item_and_form_equal_brute_force(items_fit, brute):
    scored = np.stack([100 * p @ np.linspace(0, 1, p.shape[1]) for p in brute], axis=1)
    by_item = at_last(bc.country_levels(items_fit, by="item", uncertainty="fixed"))
    np.testing.assert_allclose(by_item, scored, atol=1e-4)
    form = items_fit.design["item_form"].values
    by_form = at_last(bc.country_levels(items_fit, uncertainty="fixed"))
    expected = np.stack([scored[:, form == f].mean(axis=1) for f in range(2)], axis=1)
    np.testing.assert_allclose(by_form, expected, atol=1e-4)


def test_share_counts_the_answers_that_take_part(items_fit, brute):
    first = items_fit.design["takes_part_from"].values
    expected = np.stack([p[:, j:].sum(axis=1) for p, j in zip(brute, first, strict=True)], axis=1)
    share = at_last(bc.country_levels(items_fit, scale="share", by="item", uncertainty="fixed"))
    np.testing.assert_allclose(share, expected, atol=1e-6)


def test_any_lies_between_the_largest_share_and_their_sum(items_fit):
    some = bc.country_levels(items_fit, scale="any", uncertainty="fixed")
    share = bc.country_levels(items_fit, scale="share", by="item", uncertainty="fixed")
    for form in some["form"].values:
        own = share.isel(item=share["form"].values == form)
        assert (some.sel(form=form) >= own.max("item") - 1e-9).all()
        assert (some.sel(form=form) <= own.sum("item") + 1e-9).all()


def test_any_equals_brute_force(items_fit, draw):
    """Given the propensity items are answered independently."""
    design = items_fit.design
    country = design["country_index"].values
    z = np.linspace(-9, 9, 241)
    w = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    effects = np.concatenate([draw["b_intercept"][:, :, None], draw["b"]], axis=2)
    x = np.column_stack([np.ones(len(country)), design["x"].values])
    mu = np.einsum("nfp,np->nf", effects[country], x)
    # the threshold under the lowest category that takes part
    start = np.cumsum(design["n_categories"].values - 1) - (design["n_categories"].values - 1)
    at = start + design["takes_part_from"].values - 1
    for f, form in enumerate(design["form"].values):
        nothing = 1.0
        for k in np.flatnonzero(design["item_form"].values == f):
            kappa = draw["kappa"][at[k]] + draw["shift"][country, k]
            theta = mu[:, f, None] + draw["sigma"][f] * z
            nothing = nothing * expit(kappa[:, None] - theta)
        some = 1 - nothing @ w
        expected = [some[country == c].mean() for c in range(len(items_fit.countries))]
        levels = bc.country_levels(items_fit, scale="any", uncertainty="fixed")
        np.testing.assert_allclose(at_last(levels.sel(form=form)), expected, atol=1e-6)


def test_any_of_one_item_is_its_share(items_fit):
    some = bc.country_levels(items_fit, scale="any", by="item", uncertainty="fixed")
    share = bc.country_levels(items_fit, scale="share", by="item", uncertainty="fixed")
    np.testing.assert_allclose(some, share, atol=1e-12)


def test_deviations_narrower_than_the_nodes_count_as_they_did_in_the_fit(items_fit, draw):
    nodes = items_fit.pilot.nodes
    sigma = np.array([nodes.least_sd[0] / 20, draw["sigma"][1]])
    fitted, _ = resolved(sigma, draw["rho"], nodes.least_sd, lambda x: np.logaddexp(0, x))
    posterior = items_fit.posterior.isel(chain=[-1], draw=[-1]).copy(deep=True)
    posterior["sigma"][0, 0] = sigma
    tree = items_fit.tree.copy()
    tree["posterior"] = xr.DataTree(posterior)
    narrow = replace(items_fit, tree=tree)
    shares = at_last(bc.country_levels(narrow, scale="category", uncertainty="fixed"))
    x = items_fit.design["x"].values
    expected = category_shares(items_fit, draw | {"sigma": fitted}, x)
    np.testing.assert_allclose(shares, np.concatenate(expected, axis=1), atol=1e-6)


def test_sectors_have_gaps_of_their_own(items_fit):
    gap = bc.gap(items_fit, by="sector", uncertainty="fixed")
    levels = bc.country_levels(items_fit, by="sector", uncertainty="fixed")
    health = levels.sel(outcome="individual: health") - levels.sel(outcome="collective: health")
    np.testing.assert_allclose(gap.sel(sector="health"), health)


def test_levels_hold_the_truth(items_fit, five):
    levels = bc.country_levels(items_fit)
    mean, sd = levels.mean(("chain", "draw")), levels.std(("chain", "draw"))
    z = (true_index(five) - mean) / sd
    assert (abs(z) < 4).all()
    assert float((z**2).mean()) < 3


def test_a_numeric_driver_moves_everybody(items_fit, draw, brute):
    effects = bc.driver_effects(items_fit, uncertainty="fixed")["by_country"]
    column = items_fit.design.get_index("coefficient").get_loc("age")
    x = items_fit.design["x"].values.copy()
    x[:, column] += 10 / float(items_fit.design["column_sd"].sel(coefficient="age"))
    assert_change(items_fit, at_last(effects.sel(driver="age")), draw, brute, x)


def test_a_binary_driver_goes_from_no_to_yes_for_everybody(items_fit, draw):
    effects = bc.driver_effects(items_fit, uncertainty="fixed")["by_country"]
    column = items_fit.design.get_index("coefficient").get_loc("female")
    no, yes = items_fit.design["x"].values.copy(), items_fit.design["x"].values.copy()
    mean = float(items_fit.design["column_mean"].sel(coefficient="female"))
    no[:, column], yes[:, column] = -mean, 1 - mean
    before = category_shares(items_fit, draw, no)
    assert_change(items_fit, at_last(effects.sel(driver="female")), draw, before, yes)


def assert_change(fit, effect, draw, before, x):
    after = category_shares(fit, draw, x)
    change = np.stack(
        [100 * (b - a) @ np.linspace(0, 1, a.shape[1]) for a, b in zip(before, after, strict=True)],
        axis=1,
    )
    form = fit.design["item_form"].values
    expected = np.stack([change[:, form == f].mean(axis=1) for f in range(2)], axis=1)
    np.testing.assert_allclose(effect.transpose("country", "form"), expected, atol=1e-3)


def test_the_link_scale_is_in_logits(items_fit):
    effects = bc.driver_effects(items_fit, scale="link")
    sd = float(items_fit.design["column_sd"].sel(coefficient="age"))
    expected = items_fit.posterior["b"].sel(coefficient="age") * 10 / sd
    assert effects.attrs["units"] == "logits"
    np.testing.assert_allclose(
        effects["by_country"].sel(driver="age").transpose(*expected.dims), expected
    )


def test_curves_are_shares_and_follow_the_driver(items_fit):
    curves = bc.category_curves(items_fit, "self_efficacy", "collective", uncertainty="fixed")
    np.testing.assert_allclose(curves.sum("category"), 1)
    never = curves.sel(category="never").mean(("chain", "draw")).values
    assert (np.diff(never) < 0).all()
    assert curves["value"].values.tolist() == ["none", "small", "some", "big"]


@pytest.mark.parametrize("driver", ["self_efficacy", "female", "education"])
def test_curves_set_everybody_to_a_level(items_fit, five, draw, driver):
    """Everybody's columns of a driver are those of a citizen with the level."""
    design = items_fit.design
    curves = at_last(bc.category_curves(items_fit, driver, "individual", uncertainty="fixed"))
    answers = five.data.set_index("citizen")[driver].loc[design["citizen"].values]
    columns = [str(name).split(":")[0] == driver for name in design["coefficient"].values]
    levels = five.codebook.driver(driver).levels or (0, 1)
    assert curves.sizes["value"] == len(levels)
    for value, level in enumerate(levels):
        x = design["x"].values.copy()
        x[:, columns] = x[np.flatnonzero(answers == level)[0], columns]
        assert_curve(items_fit, draw, curves.isel(value=value), x)


def test_curves_of_a_numeric_driver_are_in_its_units(items_fit, draw):
    design = items_fit.design
    curves = at_last(bc.category_curves(items_fit, "age", "individual", uncertainty="fixed"))
    assert curves.sizes["value"] == 9
    for value in (0, 8):
        x = design["x"].values.copy()
        at = {"coefficient": "age"}
        years = float(curves["value"][value]) - float(design["column_mean"].sel(at))
        x[:, design.get_index("coefficient").get_loc("age")] = years / design["column_sd"].sel(at)
        assert_curve(items_fit, draw, curves.isel(value=value), x)


def assert_curve(fit, draw, curve, x):
    own = [p for p, f in zip(category_shares(fit, draw, x), fit.design["item_form"], strict=True)
           if f == 0]  # fmt: skip
    np.testing.assert_allclose(curve, np.mean(own, axis=(0, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fit: bc.driver_effects(fit, scale="link", by="item"), "by form, not by 'item'"),
        (lambda fit: bc.driver_effects(fit, scale="link", population="all"), "'all'"),
        (lambda fit: bc.country_levels(fit, scale="logit"), "knows no scale 'logit'"),
        (lambda fit: bc.country_levels(fit, by="region"), "unknown by 'region'"),
        (lambda fit: bc.country_levels(fit, scale="category", by="form"), "belong to items"),
        (lambda fit: bc.gap(fit, by="item"), "belongs to one form"),
        (lambda fit: bc.driver_effects(fit, scale="points"), "unknown scale 'points'"),
        (lambda fit: bc.category_curves(fit, "agee", "collective"), "'agee'"),
        (lambda fit: bc.category_curves(fit, "age", "group"), "no form 'group'"),
        (lambda fit: bc.citizen_propensities(fit, draws=10_000), "out of range"),
    ],
)
def test_what_cannot_be_said_is_refused(items_fit, call, said):
    with pytest.raises(SpecError, match=said):
        call(items_fit)


def test_an_index_fit_has_no_items_to_speak_of(fit):
    for call in (
        lambda: bc.citizen_propensities(fit),
        lambda: bc.category_curves(fit, "age", "collective"),
        lambda: bc.country_levels(fit, scale="share"),
        lambda: bc.country_levels(fit, by="item"),
    ):
        with pytest.raises(SpecError, match="items"):
            call()


def test_propensities_spread_as_the_model_says(items_fit):
    theta = bc.citizen_propensities(items_fit, draws=20)
    posterior = items_fit.posterior.sel(draw=theta["draw"])
    b = np.concatenate([posterior["b_intercept"].values[..., None], posterior["b"].values], axis=-1)
    country, x = items_fit.design["country_index"].values, items_fit.design["x"].values
    mu = np.einsum("sdnfp,np->sdnf", b[:, :, country], np.column_stack([np.ones(len(x)), x]))
    deviation = (theta.values - mu).reshape(-1, 2)
    np.testing.assert_allclose(
        deviation.std(axis=0), posterior["sigma"].mean(("chain", "draw")), rtol=0.02
    )
    rho = np.corrcoef(deviation.T)[0, 1]
    assert abs(rho - float(posterior["rho"].mean())) < 0.02


def test_propensities_are_not_bound_to_nodes(items_fit):
    theta = bc.citizen_propensities(items_fit, draws=5)
    one = theta.isel(citizen=0, form=0).values.ravel()
    assert len(np.unique(np.round(one, 9))) == one.size


def test_the_same_seed_gives_the_same_propensities(items_fit):
    first = bc.citizen_propensities(items_fit, draws=2, random_seed=3)
    assert first.equals(bc.citizen_propensities(items_fit, draws=2, random_seed=3))
    assert not first.equals(bc.citizen_propensities(items_fit, draws=2, random_seed=4))
