"""Surveys that are hard on the items model: the fit ends, and a check names what is not learnt."""

import warnings

import numpy as np
import pandas as pd
import pytest

import bayes_coprod as bc

ALONE = tuple(f"alone {k}" for k in range(5))
TOGETHER = tuple(f"together {k}" for k in range(3))


def make_book(alone=ALONE, together=TOGETHER, drivers=("age", "female")):
    items = {name: {"form": "alone", "categories": [0, 1, 2]} for name in alone}
    items |= {name: {"form": "together", "categories": [0, 1, 2]} for name in together}
    kinds = {
        "age": {"kind": "numeric"},
        "same age": {"kind": "numeric"},
        "female": {"kind": "binary", "yes": [1], "no": [0]},
    }
    return {
        "survey": {"name": "Hard", "forms": ["alone", "together"] if together else ["alone"]},
        "country": {"column": "country"},
        "items": items,
        "drivers": {name: kinds[name] for name in drivers},
    }


def make_people(book, sizes=(80, 80, 80, 80), sigma=1.0, rho=0.4, alike=False):
    """Answers of citizens whose propensities rise with age."""
    rng = np.random.default_rng(1)
    place = np.repeat(np.arange(len(sizes)), sizes)
    n = len(place)
    people = pd.DataFrame(
        {
            "country": [f"Country {c:02d}" for c in place],
            "age": rng.integers(18, 80, n),
            "female": rng.integers(0, 2, n),
        }
    )
    people["same age"] = people["age"]
    covariance = sigma**2 * np.array([[1, rho], [rho, 1]])
    propensity = rng.multivariate_normal([0, 0], covariance, n)
    propensity += 0.2 * rng.normal(size=(len(sizes), 2))[place]
    propensity += 0.02 * (people[["age"]].to_numpy() - 50)
    for name, item in book["items"].items():
        together = int(item["form"] == "together")
        first = 0.0 if alike else rng.normal(together, 0.8)
        latent = propensity[:, together] + rng.logistic(size=n)
        people[name] = (latent[:, None] > first + np.array([0.0, 1.1])).sum(axis=1).astype(float)
    return people


def separation():
    book = make_book()
    people = make_people(book)
    people.loc[people["country"] == "Country 02", list(TOGETHER)] = 0
    people.loc[(people["country"] == "Country 01") & (people["female"] == 1), list(TOGETHER)] = 0
    return book, people


def asked_of(n):
    def make():
        book = make_book()
        people = make_people(book)
        people.loc[people.index[people["country"] == "Country 01"][n:], ALONE[1]] = np.nan
        return book, people

    return make


def a_small_country():
    book = make_book()
    return book, make_people(book, (15, 100, 100, 100))


def identical_drivers():
    book = make_book(drivers=("age", "same age", "female"))
    return book, make_people(book)


def a_driver_that_varies_in_one_country():
    book = make_book()
    people = make_people(book)
    people.loc[people["country"] != "Country 00", "female"] = 0
    return book, people


def hardly_ever():
    book = make_book()
    people = make_people(book)
    people[TOGETHER[1]] = np.where(np.random.default_rng(3).random(len(people)) < 0.01, 2, 0)
    return book, people


def alike(sigma, rho):
    def make():
        book = make_book()
        return book, make_people(book, sigma=sigma, rho=rho, alike=True)

    return make


def discordant():
    """Wide, nearly equal propensities, which age moves apart."""
    book = make_book()
    people = make_people(book, sigma=3.0, rho=0.95)
    old = people["age"] > 50
    for name in TOGETHER:
        people.loc[old, name] = np.maximum(people.loc[old, name] - 1, 0)
    for name in ALONE:
        people.loc[old, name] = np.minimum(people.loc[old, name] + 1, 2)
    return book, people


def copies():
    book = make_book()
    people = make_people(book)
    for name in book["items"]:
        people[name] = people[ALONE[0]]
    return book, people


def forty_countries():
    book = make_book()
    return book, make_people(book, (20,) * 40)


def forty_items():
    book = make_book(alone=tuple(f"alone {k}" for k in range(40)), together=())
    return book, make_people(book)


def no_drivers():
    book = make_book(drivers=())
    return book, make_people(book)


def fit_and_check(case, model="items", item=None, draws=60):
    book, people = case()
    with warnings.catch_warnings():
        # what a reader of the survey is told is not what is tried here
        warnings.simplefilter("ignore", UserWarning)
        survey = bc.read_survey(people, book)
        fit = bc.fit_model(model, survey, item=item, draws=draws, tune=60, progressbar=False)
        return fit, bc.check_fit(fit)


SHORT = {"R-hat", "bulk ESS", "tail ESS", "E-BFMI"}
"""Checks that fail for want of draws, whatever the survey."""


@pytest.mark.parametrize(
    ("case", "named"),
    [
        pytest.param(separation, {"deviations"}, id="separation"),
        pytest.param(asked_of(10), set(), id="an item answered by ten people"),
        pytest.param(a_small_country, set(), id="a country of 15", marks=pytest.mark.slow),
        pytest.param(identical_drivers, set(), id="identical drivers", marks=pytest.mark.slow),
        pytest.param(
            a_driver_that_varies_in_one_country,
            set(),
            id="a driver of one country",
            marks=pytest.mark.slow,
        ),
        pytest.param(hardly_ever, {"deviations"}, id="99 % never", marks=pytest.mark.slow),
        pytest.param(discordant, set(), id="sigma 3, rho 0.95, discordant"),
        pytest.param(alike(0.05, 0.0), {"deviations"}, id="no deviations", marks=pytest.mark.slow),
        pytest.param(alike(4.0, 0.98), set(), id="one propensity", marks=pytest.mark.slow),
        pytest.param(
            copies, {"quadrature", "deviations"}, id="all items the same", marks=pytest.mark.slow
        ),
        pytest.param(forty_countries, set(), id="40 countries", marks=pytest.mark.slow),
        pytest.param(forty_items, set(), id="one form with 40 items", marks=pytest.mark.slow),
        pytest.param(no_drivers, set(), id="no drivers", marks=pytest.mark.slow),
    ],
)
def test_the_fit_ends_and_says_what_is_not_learnt(case, named):
    fit, findings = fit_and_check(case)
    for name, values in fit.posterior.data_vars.items():
        assert np.isfinite(values).all(), name
    assert np.isfinite(bc.country_levels(fit)).all()
    assert not fit.tree["sample_stats"]["diverging"].any()
    assert "unknown" not in {f.status for f in findings}
    told = {f.check for f in findings if f.status in ("warn", "fail")} - SHORT
    (quadrature,) = (f for f in findings if f.check == "quadrature")
    assert quadrature.status in ("pass", "fail") or "quadrature" in named
    assert named <= told
    assert all(f.remedy for f in findings if f.status in ("warn", "fail"))


def never_below(case, name, country):
    """The same, and in one country nobody gives the lowest answer to an item."""

    def make():
        book, people = case()
        low = (people["country"] == country) & (people[name] == 0)
        people.loc[low, name] = 1
        return book, people

    return make


@pytest.mark.parametrize(
    ("case", "model", "item"),
    [
        pytest.param(separation, "participation", None, id="separation"),
        pytest.param(a_small_country, "participation", None, id="a country of 15"),
        pytest.param(identical_drivers, "participation", None, id="identical drivers"),
        pytest.param(separation, "ordinal", TOGETHER[0], id="separation of an item"),
        pytest.param(asked_of(10), "ordinal", ALONE[1], id="an item answered by ten people"),
        pytest.param(
            a_driver_that_varies_in_one_country, "ordinal", ALONE[0], id="a driver of one country"
        ),
        pytest.param(hardly_ever, "ordinal", TOGETHER[1], id="99 % never"),
        pytest.param(
            never_below(a_small_country, ALONE[0], "Country 02"), "ordinal", ALONE[0],
            id="a category that nobody in a country has",
        ),
    ],
)  # fmt: skip
def test_models_of_counts_end_without_divergences(case, model, item):
    fit, findings = fit_and_check(case, model, item)
    for name, values in fit.posterior.data_vars.items():
        assert np.isfinite(values).all(), name
    levels = bc.country_levels(fit)
    assert ((levels >= 0) & (levels <= 100)).all()
    assert not fit.tree["sample_stats"]["diverging"].any()
    failed = {f.check for f in findings if f.status == "fail"} - SHORT
    assert not failed
    assert all(f.remedy for f in findings if f.status in ("warn", "fail"))


def test_what_is_not_learnt_of_identical_drivers_is_shared_by_the_prior():
    fit, _ = fit_and_check(identical_drivers, "participation")
    beta = fit.posterior["beta"].sel(form="alone")
    both = beta.sel(coefficient=["age", "same age"])
    # their sum is learnt; each by itself has nearly the prior's width
    assert float(both.sum("coefficient").std()) < 0.7 * float(both.std(("chain", "draw")).min())


def test_a_country_where_an_item_was_not_asked_is_the_least_certain():
    fit, _ = fit_and_check(asked_of(0), draws=200)
    spread = bc.country_levels(fit, by="item").sel(item=ALONE[1]).std(("chain", "draw"))
    assert spread.idxmax("country") == "Country 01"
    assert float(spread.sel(country="Country 01")) > 1.1 * float(spread.median())
