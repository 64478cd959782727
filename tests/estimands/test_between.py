from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logit

import bayes_coprod as bc
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.between import new_country, pooling_factor, variance_shares

FIXED = {"uncertainty": "fixed"}


def test_a_new_country_is_a_draw_from_where_the_countries_are(changeable, random_fit):
    fit = random_fit(changeable, likelihood="participation", drivers="none", draws=2000)
    posterior = fit.tree["posterior"]
    posterior["b_intercept"][:] = np.array([[-1.0, 0.2], [0.0, 0.4], [0.4, 0.9]])
    posterior["tau_intercept"][:] = [0.5, 0.1]
    found = new_country(fit)
    assert list(found["country"].values) == ["a country not surveyed"]
    level = logit(found.values[:, :, 0]).reshape(-1, 2)
    mean, sd = np.array([-0.2, 0.5]), np.array([0.5, 0.1]) * np.sqrt(4 / 3)
    assert (np.abs(level.mean(axis=0) - mean) < 4 * sd / np.sqrt(4000)).all()
    np.testing.assert_allclose(level.std(axis=0), sd, rtol=4 / np.sqrt(8000))


def test_in_a_linear_model_slopes_of_average_citizens_do_not_matter(changeable, random_fit):
    fit = random_fit(changeable, draws=1000)
    posterior = fit.tree["posterior"]
    posterior["b_intercept"][:] = 0.3
    posterior["tau_intercept"][:] = 0.4
    found = new_country(fit, **FIXED)
    unit = fit.design["outcome_sd"].values
    expected = fit.design["outcome_mean"].values + 0.3 * unit
    sd = 0.4 * np.sqrt(4 / 3) * unit
    values = found.values.reshape(-1, 2)
    assert (np.abs(values.mean(axis=0) - expected) < 4 * sd / np.sqrt(2000)).all()
    np.testing.assert_allclose(values.std(axis=0), sd, rtol=4 / np.sqrt(4000))


def test_if_countries_are_alike_it_is_one_of_them_with_everybodys_citizens(changeable, random_fit):
    fit = random_fit(changeable, likelihood="participation", draws=3)
    posterior = fit.tree["posterior"]
    posterior["tau"][:] = 0
    posterior["tau_intercept"][:] = 0
    found = new_country(fit, **FIXED)
    mean = posterior.to_dataset().mean("country").isel(chain=1, draw=2)
    x = fit.design["x"].values
    eta = mean["b_intercept"].values + x @ mean["b"].values.T
    np.testing.assert_allclose(found[1, 2, 0], expit(eta).mean(axis=0), atol=3e-6)


def test_the_seed_sets_it_and_the_label_says_that_it_is_unseen(changeable, random_fit):
    fit = random_fit(changeable)
    found = new_country(fit)
    assert found.identical(new_country(fit, random_seed=fit.spec.sampler.random_seed))
    assert not found.equals(new_country(fit, random_seed=3))
    assert "was not surveyed" in found.attrs["population"]
    assert "a country not surveyed" in str(bc.summarise(found))
    assert fit.countries == ["Austria", "Belgium", "Cyprus"]


def test_items_know_new_countries(items_fit):
    tree = items_fit.tree.copy()
    tree["posterior"] = xr.DataTree(items_fit.posterior.isel(draw=slice(0, 50)))
    fit = replace(items_fit, tree=tree)
    found = new_country(fit)
    assert found.dims == ("chain", "draw", "country", "form")
    seen = bc.country_levels(fit)
    middle = bc.country_mean(seen).mean(("chain", "draw"))
    assert (abs(found.mean(("chain", "draw", "country")) - middle) < 6).all()
    assert (found.std(("chain", "draw")) > seen.std(("chain", "draw")).max("country")).all()


def test_pooling_by_hand(changeable, random_fit):
    fit = random_fit(changeable, draws=50)
    found = pooling_factor(fit)
    assert found.dims == ("form", "driver")
    assert list(found["driver"].values) == ["age", "female", "school", "trust"]
    b = fit.posterior["b"].values.reshape(100, 3, 2, -1)  # (draw, country, form, coefficient)
    top, bottom = b.mean(axis=0).var(axis=0), b.var(axis=1).mean(axis=0)
    columns = list(fit.design["coefficient"].values)
    for driver, own in (
        ("age", ["age"]),
        ("school", ["school: contrast 1", "school: contrast 2"]),
        ("trust", ["trust"]),
    ):
        at = [columns.index(name) for name in own]
        expected = 1 - top[:, at].sum(axis=1) / bottom[:, at].sum(axis=1)
        np.testing.assert_allclose(found.sel(driver=driver), expected)


def test_pooling_lies_between_none_and_complete(changeable, random_fit):
    fit = random_fit(changeable, draws=500, vary_by_country=["age", "trust"])
    posterior = fit.tree["posterior"]
    assert list(pooling_factor(fit)["driver"].values) == ["age", "trust"]
    assert (pooling_factor(fit) > 0.98).all()  # nothing but noise
    posterior["b"][:] = posterior["b"].isel(chain=0, draw=0).values
    np.testing.assert_allclose(pooling_factor(fit), 0, atol=1e-10)  # known exactly


LIKELIHOODS = [
    {"likelihood": "index"},
    {"likelihood": "index", "sigma_varies": True},
    {"likelihood": "index", "outcomes": ["form", "sector"]},
    {"likelihood": "participation"},
    {"likelihood": "ordinal", "item": "watch"},
]


def assert_shares(fit):
    """Variances over single citizens, of whom every country has as many."""
    shares = variance_shares(fit)
    np.testing.assert_allclose(shares.sum("part"), 1)
    posterior = fit.posterior.isel(chain=-1, draw=-1)
    country, x = fit.design["country_index"].values, fit.design["x"].values
    weight = 1 / np.bincount(country)[country]
    level = posterior["b_intercept"].values[country]
    drivers = np.zeros_like(level)
    if "b" in posterior:
        drivers = np.einsum("ip,ifp->if", x, posterior["b"].values[country])
    own = {
        "items": lambda: posterior["sigma"].values ** 2,
        "index": lambda: posterior["residual_sd"].values ** 2,
    }.get(fit.spec.likelihood, lambda: np.pi**2 / 3)()
    if fit.spec.sigma_varies:
        own = own.mean(axis=0)
    for f in range(level.shape[1]):
        covariance = np.cov(level[:, f], drivers[:, f], aweights=weight, ddof=0)
        citizens = np.ravel(own)[f % np.size(own)]
        parts = np.array([covariance[0, 0], covariance[1, 1], 2 * covariance[0, 1], citizens])
        np.testing.assert_allclose(shares[-1, -1, f], parts / parts.sum(), atol=1e-10)


@pytest.mark.parametrize("content", LIKELIHOODS, ids=lambda c: "-".join(map(str, c.values())))
def test_shares_are_those_of_citizens(changeable, random_fit, content):
    assert_shares(random_fit(changeable, draws=2, **content))


def test_shares_of_items_and_without_drivers(changeable, random_fit, items_fit):
    assert_shares(items_fit)
    shares = variance_shares(random_fit(changeable, likelihood="participation", drivers="none"))
    assert (shares.sel(part=["drivers", "covariance"]) == 0).all()
    assert (shares.sel(part="countries") > 0).all()


def test_without_partial_pooling_there_is_no_population_of_countries(changeable, random_fit):
    for pooling in ("none", "complete"):
        fit = random_fit(changeable, pooling=pooling)
        for quantity in (new_country, pooling_factor):
            with pytest.raises(
                SpecError, match=f"pooling = '{pooling}' the model knows no populat"
            ):
                quantity(fit)
        assert variance_shares(fit).notnull().all()
    with pytest.raises(SpecError, match="no driver's association varies by country"):
        pooling_factor(random_fit(changeable, vary_by_country="none"))
