import numpy as np
import pytest

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands import population
from bayes_coprod.estimands.countries import country_levels
from bayes_coprod.estimands.population import citizen_kinds
from bayes_coprod.survey.read import read_survey

CHAINS, DRAWS = 4, 1000
N_DRAWS = CHAINS * DRAWS


def mean_drivers(fit, who, uncertainty, seed):
    return population.mean_drivers(fit, citizen_kinds(fit, who), uncertainty, seed)


@pytest.fixture
def weighted(small_frame, small_book, random_fit):
    """Fits of a survey with given weights, (citizen,)."""
    small_book["weight"] = {"column": "weight"}

    def make(weight, **shape):
        return random_fit(read_survey(small_frame.assign(weight=weight), small_book), **shape)

    return make


def by_country(fit):
    country = fit.design["country_index"].values
    for c in range(fit.design.sizes["country"]):
        rows = country == c
        yield c, fit.design["x"].values[rows], fit.design["weight"].values[rows]


def test_the_bootstrap_has_the_samples_mean_and_the_closed_form_sd(small, random_fit):
    fit = random_fit(small, chains=CHAINS, draws=DRAWS)
    means = mean_drivers(fit, "sample", "bootstrap", 1)
    assert means.shape == (N_DRAWS, 3, fit.design.sizes["coefficient"])
    for c, x, _ in by_country(fit):
        # Dirichlet(1, ..., 1) weights: Var(sum w x) = Var(x) / (n + 1)
        sd = np.sqrt(x.var(axis=0) / (len(x) + 1))
        np.testing.assert_array_less(
            np.abs(means[:, c].mean(axis=0) - x.mean(axis=0)), 4 * sd / np.sqrt(N_DRAWS)
        )
        np.testing.assert_allclose(means[:, c].std(axis=0), sd, rtol=4 / np.sqrt(2 * N_DRAWS))


def test_bootstrap_weights_are_shared_by_a_citizens_drivers(small, random_fit):
    fit = random_fit(small, chains=CHAINS, draws=DRAWS)
    means = mean_drivers(fit, "sample", "bootstrap", 1)
    for c, x, _ in by_country(fit):
        np.testing.assert_allclose(np.corrcoef(means[:, c].T), np.corrcoef(x.T), atol=0.07)


def test_countries_are_drawn_independently(small, random_fit):
    fit = random_fit(small, chains=CHAINS, draws=DRAWS)
    means = mean_drivers(fit, "sample", "bootstrap", 1)[:, :, 0]
    off = np.corrcoef(means.T)[np.triu_indices(3, 1)]
    assert (np.abs(off) < 4 / np.sqrt(N_DRAWS)).all()


def test_fixed_is_the_mean_in_every_draw(small, random_fit):
    fit = random_fit(small)
    means = mean_drivers(fit, "sample", "fixed", 1)
    for c, x, _ in by_country(fit):
        np.testing.assert_allclose(means[:, c], np.tile(x.mean(axis=0), (10, 1)), atol=1e-12)


def test_weights_weigh(small_frame, weighted, rng):
    weight = rng.lognormal(size=len(small_frame))
    fit = weighted(weight, chains=CHAINS, draws=DRAWS)
    fixed = mean_drivers(fit, "weighted", "fixed", 1)
    bootstrap = mean_drivers(fit, "weighted", "bootstrap", 1)
    for c, x, w in by_country(fit):
        expected = np.average(x, weights=w, axis=0)
        np.testing.assert_allclose(fixed[0, c], expected, atol=1e-12)
        # first-order SD of a ratio of weighted sums; both are off by a few per cent at n = 50
        share = w / w.sum()
        sd = np.sqrt((share**2) @ (x - expected) ** 2)
        np.testing.assert_allclose(bootstrap[:, c].std(axis=0), sd, rtol=0.15)
        np.testing.assert_allclose(bootstrap[:, c].mean(axis=0), expected, atol=0.15 * sd.max())


@pytest.mark.parametrize("uncertainty", ["bootstrap", "fixed"])
def test_equal_weights_are_no_weights(small_frame, weighted, uncertainty):
    fit = weighted(2.5)
    np.testing.assert_allclose(
        mean_drivers(fit, "weighted", uncertainty, 1),
        mean_drivers(fit, "sample", uncertainty, 1),
        atol=1e-12,
    )


def test_a_citizen_of_weight_zero_does_not_count(small_frame, weighted):
    fit = weighted(np.where(small_frame["female"] == 1, 0.0, 1.0))
    means = mean_drivers(fit, "weighted", "bootstrap", 1)
    female = list(fit.design["coefficient"].values).index("female")
    none = -float(fit.design["column_mean"][female])
    np.testing.assert_allclose(means[:, :, female], none, atol=1e-12)


def test_the_seed_sets_the_bootstrap(small, random_fit):
    fit = random_fit(small)
    one = mean_drivers(fit, "sample", "bootstrap", 1)
    np.testing.assert_array_equal(one, mean_drivers(fit, "sample", "bootstrap", 1))
    assert not np.array_equal(one, mean_drivers(fit, "sample", "bootstrap", 2))
    levels = country_levels(fit)
    assert levels.identical(country_levels(fit, random_seed=2008))
    assert not levels.equals(country_levels(fit, random_seed=2009))


def test_the_size_of_a_block_changes_nothing(small, random_fit, monkeypatch):
    fit = random_fit(small, chains=2, draws=50)
    one = mean_drivers(fit, "sample", "bootstrap", 1)
    monkeypatch.setattr(population, "_BLOCK", 500)
    np.testing.assert_array_equal(mean_drivers(fit, "sample", "bootstrap", 1), one)
    monkeypatch.setattr(population, "_BLOCK", 1)
    np.testing.assert_allclose(mean_drivers(fit, "sample", "bootstrap", 1), one, atol=1e-12)


def test_what_is_averaged_over_stands_in_the_attrs(small, random_fit, weighted):
    attrs = country_levels(random_fit(small)).attrs
    assert attrs["units"] == "points of 100"
    assert "counted once" in attrs["population"]
    assert attrs["uncertainty"] == "Bayesian bootstrap over citizens"
    attrs = country_levels(weighted(1.0), population="weighted", uncertainty="fixed").attrs
    assert "nothing else" in attrs["population"]
    assert "about these respondents only" in attrs["uncertainty"]


def test_a_country_without_weight_is_refused(small_frame, weighted):
    fit = weighted(np.where(small_frame["country"] == "Belgium", 0.0, 1.0))
    with pytest.raises(SpecError, match="all weights in 'Belgium' are zero"):
        country_levels(fit, population="weighted")
    assert country_levels(fit).notnull().all()


def test_weights_that_the_survey_lacks_are_refused(small, random_fit):
    with pytest.raises(SpecError, match="'weighted', but the survey has no weights"):
        country_levels(random_fit(small), population="weighted")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"population": "weight"}, r"unknown population 'weight'. Did you mean 'weighted'\?"),
        ({"uncertainty": "none"}, "unknown uncertainty 'none'.*Available: bootstrap, fixed"),
    ],
)
def test_unknown_names_are_refused(small, random_fit, argument, message):
    with pytest.raises(SpecError, match=message):
        country_levels(random_fit(small), **argument)
