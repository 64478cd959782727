"""Levels, gaps and effects of participation and ordinal models, citizen by citizen."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit

from bayes_coprod.diagnostics.items import check_shifts
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import country_levels, gap
from bayes_coprod.estimands.curves import category_curves
from bayes_coprod.estimands.drivers import driver_contrast, driver_effects
from bayes_coprod.estimands.population import citizen_kinds, kind_weights
from bayes_coprod.inference.pointwise import add_log_likelihood

FIXED = {"uncertainty": "fixed"}


@pytest.fixture
def taking_part(strict, random_fit):
    return random_fit(strict, likelihood="participation", draws=3)


@pytest.fixture
def of_item(strict, random_fit):
    fit = random_fit(strict, likelihood="ordinal", item="watch", draws=3)
    fit.tree["posterior"]["kappa"][:] = [-1.0, 0.5, 2.0]
    fit.tree["posterior"]["threshold_shift"] *= 0.1
    return fit


def by_citizen(fit, chain=0, draw=0):
    """Linear predictor of each citizen, (citizen, outcome), the country and the posterior."""
    posterior = fit.posterior.isel(chain=chain, draw=draw)
    country, x = fit.design["country_index"].values, fit.design["x"].values
    eta = posterior["b_intercept"].values[country]
    eta = eta + np.einsum("ip,ifp->if", x, posterior["b"].values[country])
    return eta, country, posterior


def mean_by_country(values, country):
    return np.stack([values[country == c].mean(axis=0) for c in range(country.max() + 1)])


def answers(fit, eta, country, posterior):
    """Probability of each category, (citizen, category)."""
    kappa = (posterior["kappa"] + posterior["threshold_shift"]).transpose("country", ...).values
    below = expit(kappa[country] - eta)
    below = np.column_stack([np.zeros(len(eta)), below, np.ones(len(eta))])
    return np.diff(below, axis=1)


def test_levels_are_mean_probabilities(taking_part):
    levels = country_levels(taking_part, **FIXED)
    assert levels.dims == ("chain", "draw", "country", "form")
    assert levels.attrs["units"] == "share of citizens"
    eta, country, _ = by_citizen(taking_part, 1, 2)
    expected = mean_by_country(expit(eta), country)
    np.testing.assert_allclose(levels.values[1, 2], expected, atol=2e-6)
    first, second = levels.sel(form="alone"), levels.sel(form="together")
    xr.testing.assert_allclose(gap(taking_part, of=levels), (first - second).rename("gap"))


def test_levels_by_sector_are_those_that_were_fitted(strict, random_fit):
    fit = random_fit(strict, likelihood="participation", outcomes=["form", "sector"], draws=2)
    levels = country_levels(fit, **FIXED)
    eta, country, _ = by_citizen(fit)
    np.testing.assert_allclose(levels[0, 0], mean_by_country(expit(eta), country), atol=2e-6)
    assert list(gap(fit, of=levels)["sector"]) == ["home", "street"]
    with pytest.raises(SpecError, match="by form and sector, not by 'item'"):
        country_levels(fit, by="item")


def test_levels_of_an_item(of_item):
    eta, country, posterior = by_citizen(of_item)
    p = answers(of_item, eta, country, posterior)
    index = country_levels(of_item, **FIXED)[0, 0, :, 0]
    expected = mean_by_country(p @ (100 * np.arange(4) / 3), country)
    np.testing.assert_allclose(index, expected, atol=1e-4)
    categories = country_levels(of_item, scale="category", **FIXED)[0, 0]
    np.testing.assert_allclose(categories, mean_by_country(p, country), atol=2e-6)
    share = country_levels(of_item, scale="share", **FIXED)[0, 0, :, 0]
    np.testing.assert_allclose(share, mean_by_country(p[:, 3], country), atol=2e-6)


def test_effects_are_mean_changes(taking_part):
    effects = driver_effects(taking_part, **FIXED)["by_country"]
    eta, country, posterior = by_citizen(taking_part)
    sd = float(taking_part.design["column_sd"].sel(coefficient="age"))
    step = 10 / sd * posterior["b"].sel(coefficient="age").values[country]
    expected = mean_by_country(expit(eta + step) - expit(eta), country)
    ours = effects.sel(driver="age")[0, 0]
    np.testing.assert_allclose(ours, expected, atol=4e-6)
    link = driver_effects(taking_part, scale="link")["by_country"].sel(driver="age")[0, 0]
    np.testing.assert_allclose(link, 10 / sd * posterior["b"].sel(coefficient="age"))
    contrast = driver_contrast(taking_part)["by_country"].sel(driver="age")[0, 0]
    full = driver_effects(taking_part)["by_country"].sel(driver="age")[0, 0]
    np.testing.assert_allclose(contrast, full.sel(form="together") - full.sel(form="alone"))


def test_curves_of_an_item(of_item):
    curves = category_curves(of_item, "trust", "alone", **FIXED)
    np.testing.assert_allclose(curves.sum("category"), 1, atol=1e-5)
    eta, country, posterior = by_citizen(of_item)
    mean, sd = (
        float(of_item.design[name].sel(coefficient="trust"))
        for name in ("column_mean", "column_sd")
    )
    at = list(of_item.design["coefficient"].values).index("trust")
    there = (3 - mean) / sd - of_item.design["x"].values[:, at]
    eta = eta + (there * posterior["b"].values[country, 0, at])[:, None]
    p = mean_by_country(answers(of_item, eta, country, posterior), country).mean(axis=0)
    np.testing.assert_allclose(curves[0, 0, :, -1], p, atol=4e-6)


@pytest.mark.parametrize("scale", ["index", "share", "category"])
def test_participation_knows_shares_of_citizens_only(taking_part, scale):
    with pytest.raises(SpecError, match=f"'participation' knows no scale '{scale}'.*'items'"):
        country_levels(taking_part, scale=scale)


def test_an_item_has_no_gap(of_item):
    with pytest.raises(SpecError, match="explains one item, 'watch', and a gap takes two"):
        gap(of_item)
    with pytest.raises(SpecError, match="knows no scale 'any'"):
        country_levels(of_item, scale="any")


def test_thresholds_that_are_shifted_in_a_country_are_named(strict, random_fit):
    fit = random_fit(strict, likelihood="ordinal", item="watch", draws=50)
    posterior = fit.tree["posterior"]
    posterior["threshold_shift"][:] = 0.1
    assert check_shifts(fit)[0].status == "pass"
    posterior["threshold_shift"][:, :, 1, 2] = 0.8
    (found,) = check_shifts(fit)
    assert (found.status, found.where) == ("warn", "watch: 2|3 in Belgium (+0.8)")


def test_citizens_who_are_alike_count_together(strict, random_fit):
    """A drawn share of all citizens is the same in distribution whoever is counted together."""
    fit = random_fit(strict, likelihood="participation", drivers=["female", "trust"])
    kinds = citizen_kinds(fit, "sample")
    assert kinds.n.sum() == fit.design.sizes["citizen"]
    assert len(kinds.n) <= 3 * 2 * 4
    eta, country, _ = by_citizen(fit)
    levels = country_levels(fit, **FIXED)
    np.testing.assert_allclose(levels[0, 0], mean_by_country(expit(eta), country), atol=2e-6)
    fit = random_fit(strict, likelihood="participation", drivers=["female"], draws=4000)
    kinds = citizen_kinds(fit, "sample")
    weights = np.stack(list(kind_weights(fit, kinds, "bootstrap", 3)))
    share, n = kinds.n[:2] / kinds.n[:2].sum(), kinds.n[:2].sum()
    np.testing.assert_allclose(weights[:, :2].mean(axis=0), share, atol=0.005)
    # of a Dirichlet
    sd = np.sqrt(share * (1 - share) / (n + 1))
    np.testing.assert_allclose(weights[:, :2].std(axis=0), sd, rtol=0.05)


@pytest.mark.parametrize("content", [{"likelihood": "participation"}, {"likelihood": "index"}])
def test_cells_add_up_to_the_citizens(strict, random_fit, content):
    fit = random_fit(strict, drivers=["female"], draws=2, **content)
    citizens = add_log_likelihood(fit).tree["log_likelihood"]["answers"]
    cells = add_log_likelihood(fit, by="cell").tree["cell_log_likelihood"]["answers"]
    assert cells.sizes["cell"] < citizens.sizes["citizen"]
    assert int(cells["multiplicity"].sum()) == citizens.sizes["citizen"]
    total = (cells * cells["multiplicity"]).sum("cell")
    np.testing.assert_allclose(total, citizens.sum("citizen"), rtol=1e-10)
    each = pd.Series(np.repeat(cells.values[0, 0], cells["multiplicity"]))
    np.testing.assert_allclose(np.sort(each), np.sort(citizens.values[0, 0]), rtol=1e-10)


def test_what_has_no_cells_is_refused(strict, random_fit):
    fit = random_fit(strict, likelihood="participation", draws=2)
    with pytest.raises(SpecError, match="unknown by 'cells'. Did you mean 'cell'"):
        add_log_likelihood(fit, by="cells")
