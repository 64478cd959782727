import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.integrate import dblquad, quad
from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from bayes_coprod.errors import SurveyError
from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.read import read_survey
from bayes_coprod.survey.simulate import five_nations, simulate_survey, true_index

CODEBOOK = load_codebook(
    {
        "survey": {"name": "Tiny", "forms": ["alone", "together"], "synthetic": True},
        "country": {"column": "land"},
        "items": {
            "recycle": {"form": "alone", "categories": ["never", "sometimes", "often"]},
            "group": {"form": "together", "categories": ["no", "yes"]},
        },
        "drivers": {"woman": {"kind": "binary", "yes": ["F"]}, "age": {"kind": "numeric"}},
    }
)
KAPPA = {"recycle": (-0.9, 0.6), "group": (1.1,)}
FORM = {"recycle": "alone", "group": "together"}
SIGMA = {"alone": 0.7, "together": 1.4}
LEVEL = {"A": {"alone": 0.3, "together": -0.2}, "B": {"alone": -0.3, "together": 0.2}}
SHIFT = {"recycle": {"A": 0.5, "B": -0.5}, "group": {"A": -0.4, "B": 0.4}}
RHO = 0.6


def tiny_truth(woman=0.0, age=0.0, rho=RHO):
    """The truth of the tiny survey; the effects are the same for both forms and countries."""
    beta = np.tile([woman, age], (2, 1))
    return xr.Dataset(
        {
            "beta": (("form", "coefficient"), beta),
            "b": (("country", "form", "coefficient"), np.tile(beta, (2, 1, 1))),
            "b_intercept": (
                ("country", "form"),
                [list(level.values()) for level in LEVEL.values()],
            ),
            "kappa": ("threshold", [*KAPPA["recycle"], *KAPPA["group"]]),
            "sigma": ("form", list(SIGMA.values())),
            "rho": rho,
            "shift": (("item", "country"), [list(shift.values()) for shift in SHIFT.values()]),
        },
        coords={
            "form": ["alone", "together"],
            "coefficient": ["woman", "age"],
            "country": ["A", "B"],
            "item": ["recycle", "group"],
            "threshold": [
                "recycle: never|sometimes",
                "recycle: sometimes|often",
                "group: no|yes",
            ],
        },
    )


def tiny_citizens(n):
    """Half the citizens in each country, a quarter of them women, ages of mean 50 and SD 10."""
    return pd.DataFrame(
        {
            "land": np.resize(["A", "B"], n),
            "woman": np.resize(["F", "F", "M", "M", "M", "M", "M", "M"], n),
            "age": np.resize([40] * 8 + [60] * 8, n),
        }
    )


def share_below(item, j, country, predictor=0.0):
    """P(y <= j), the citizen's own deviation integrated out numerically."""
    form = FORM[item]
    threshold = KAPPA[item][j] + SHIFT[item][country] - LEVEL[country][form] - predictor
    return quad(lambda e: expit(threshold - e) * norm.pdf(e, scale=SIGMA[form]), -12, 12)[0]


def assert_share(observed, share):
    """Within four binomial standard errors."""
    assert abs(observed.mean() - share) < 4 * np.sqrt(share * (1 - share) / len(observed))


@pytest.fixture(scope="module")
def tiny():
    return simulate_survey(tiny_truth(), tiny_citizens(80_000), CODEBOOK, random_seed=1)


# The closed form


@pytest.mark.parametrize(("item", "j"), [("recycle", 0), ("recycle", 1), ("group", 0)])
@pytest.mark.parametrize("country", ["A", "B"])
def test_shares_of_answers_are_those_of_the_graded_response_model(tiny, item, j, country):
    data = tiny.data[tiny.data["country"] == country]
    assert_share(data[item].cat.codes <= j, share_below(item, j, country))


def test_rare_answers_are_as_rare_as_the_logistic_tail():
    truth = tiny_truth().assign(kappa=("threshold", [-0.9, 0.6, 5.0]))
    truth = truth.assign(b_intercept=0 * truth["b_intercept"], shift=0 * truth["shift"])
    data = simulate_survey(truth, tiny_citizens(80_000), CODEBOOK).data
    sd = SIGMA["together"]
    share = quad(lambda e: expit(e - 5.0) * norm.pdf(e, scale=sd), -12, 12)[0]
    assert_share(data["group"] == "yes", share)


@pytest.mark.parametrize("country", ["A", "B"])
def test_the_forms_are_correlated_as_the_truth_says(tiny, country):
    data = tiny.data[tiny.data["country"] == country]
    sd = list(SIGMA.values())
    covariance = np.diag(sd) @ [[1, RHO], [RHO, 1]] @ np.diag(sd)
    density = multivariate_normal([0, 0], covariance).pdf
    at = {
        item: KAPPA[item][0] + SHIFT[item][country] - LEVEL[country][FORM[item]] for item in KAPPA
    }
    both, _ = dblquad(
        lambda v, u: expit(at["recycle"] - u) * expit(at["group"] - v) * density([u, v]),
        *(-5 * sd[0], 5 * sd[0]),
        *(-5 * sd[1], 5 * sd[1]),
        epsabs=1e-4,
    )
    neither = (data["recycle"] == "never") & (data["group"] == "no")
    assert_share(neither, both)
    # independent forms would be seen: their product is far from the share observed
    apart = share_below("recycle", 0, country) * share_below("group", 0, country)
    assert abs(neither.mean() - apart) > 5 * np.sqrt(apart * (1 - apart) / len(neither))


def test_a_binary_driver_acts_per_step_from_its_mean():
    survey = simulate_survey(tiny_truth(woman=1.0), tiny_citizens(80_000), CODEBOOK)
    for woman in (0.0, 1.0):
        rows = survey.data[(survey.data["woman"] == woman) & (survey.data["country"] == "A")]
        share = share_below("recycle", 0, "A", predictor=woman - 0.25)
        assert_share(rows["recycle"] == "never", share)


def test_a_numeric_driver_acts_per_standard_deviation():
    survey = simulate_survey(tiny_truth(age=0.8), tiny_citizens(80_000), CODEBOOK)
    for age in (40.0, 60.0):
        rows = survey.data[(survey.data["age"] == age) & (survey.data["country"] == "B")]
        share = share_below("group", 0, "B", predictor=0.8 * (age - 50) / 10)
        assert_share(rows["group"] == "no", share)


def test_means_and_deviations_of_the_drivers_are_added_to_the_truth(tiny):
    truth = tiny.truth.sel(coefficient=["woman", "age"])
    np.testing.assert_allclose(truth["column_mean"], [0.25, 50])
    np.testing.assert_allclose(truth["column_sd"], [1, 10])  # 1: per 0/1 step


def test_true_index_is_the_average_score_of_a_very_large_survey():
    truth = tiny_truth(woman=0.7, age=-0.5)
    survey = simulate_survey(truth, tiny_citizens(160_000), CODEBOOK, random_seed=3)
    index = true_index(survey)
    for country, data in survey.data.groupby("country", observed=True):
        for item, form in FORM.items():
            score = data[item].cat.codes / len(KAPPA[item]) * 100
            error = score.std() / np.sqrt(len(score))
            assert abs(score.mean() - float(index.sel(country=country, form=form))) < 4 * error


def test_true_index_is_the_integral_where_drivers_do_nothing(tiny):
    index = true_index(tiny)
    assert index.dims == ("country", "form")
    for country in "AB":
        expected = 100 * (1 - np.mean([share_below("recycle", j, country) for j in (0, 1)]))
        assert float(index.sel(country=country, form="alone")) == pytest.approx(expected, abs=1e-6)


# Seeds


def test_the_same_seed_gives_the_same_survey():
    citizens = tiny_citizens(500)
    one, same = (simulate_survey(tiny_truth(), citizens, CODEBOOK) for _ in range(2))
    other = simulate_survey(tiny_truth(), citizens, CODEBOOK, random_seed=2009)
    pd.testing.assert_frame_equal(one.data, same.data)
    assert (one.data["recycle"] != other.data["recycle"]).any()


def test_a_generator_may_stand_for_the_seed():
    citizens = tiny_citizens(500)
    seed, generator = 7, np.random.default_rng(7)
    first = simulate_survey(tiny_truth(), citizens, CODEBOOK, random_seed=seed)
    second = simulate_survey(tiny_truth(), citizens, CODEBOOK, random_seed=generator)
    pd.testing.assert_frame_equal(first.data, second.data)


def test_the_citizens_given_are_kept_and_not_changed():
    citizens = tiny_citizens(50)
    survey = simulate_survey(tiny_truth(), citizens, CODEBOOK)
    pd.testing.assert_frame_equal(citizens, tiny_citizens(50))
    assert list(survey.data["age"]) == list(citizens["age"])
    assert list(survey.data["country"]) == list(citizens["land"])


# Missing answers


def test_missing_answers_are_as_many_as_asked():
    missing = {"recycle": 0.1, "age": 0.3}
    survey = simulate_survey(tiny_truth(), tiny_citizens(20_000), CODEBOOK, missing=missing)
    for name, share in missing.items():
        assert_share(survey.data[name].isna(), share)
    assert survey.data[["group", "woman"]].notna().all(axis=None)


def test_answers_are_drawn_before_they_are_lost():
    citizens = tiny_citizens(2000)
    whole = simulate_survey(tiny_truth(), citizens, CODEBOOK).data
    holed = simulate_survey(tiny_truth(), citizens, CODEBOOK, missing={"recycle": 0.5}).data
    kept = holed["recycle"].notna()
    assert (whole["recycle"][kept] == holed["recycle"][kept]).all()


def test_missing_that_names_nothing_is_refused_with_the_nearest():
    message = (
        "simulate_survey: missing names 'recycel', which is neither an item nor a driver. "
        "Did you mean 'recycle'? Available: recycle, group, woman, age."
    )
    with pytest.raises(SurveyError, match=re.escape(message)):
        simulate_survey(tiny_truth(), tiny_citizens(8), CODEBOOK, missing={"recycel": 0.1})


def test_citizens_that_do_not_fit_the_codebook_are_refused():
    with pytest.raises(SurveyError, match="the column 'age' is not in the data"):
        simulate_survey(tiny_truth(), tiny_citizens(8).drop(columns="age"), CODEBOOK)


def test_a_survey_that_was_read_has_no_true_index():
    citizens = tiny_citizens(8).assign(recycle="never", group="no")
    with pytest.raises(SurveyError, match="true_index: the survey has no truth. Only simulated"):
        true_index(read_survey(citizens, CODEBOOK))


def test_the_order_of_the_coefficients_changes_nothing():
    truth, citizens = tiny_truth(woman=1.0, age=-2.0), tiny_citizens(500)
    survey = simulate_survey(truth, citizens, CODEBOOK)
    permuted = simulate_survey(truth.isel(coefficient=[1, 0]), citizens, CODEBOOK)
    pd.testing.assert_frame_equal(permuted.data, survey.data)


def test_a_survey_without_drivers_can_be_simulated():
    content = {
        "survey": {"name": "Tiny", "forms": ["alone"]},
        "country": {"column": "land"},
        "items": {"recycle": {"form": "alone", "categories": ["never", "sometimes", "often"]}},
    }
    truth = tiny_truth().sel(form=["alone"], coefficient=[])
    survey = simulate_survey(truth, tiny_citizens(80), load_codebook(content))
    assert len(survey.data) == 80


def test_citizens_without_a_driver_do_not_all_answer_the_lowest():
    citizens = tiny_citizens(500).assign(age=[None] * 250 + [40, 60] * 125)
    try:
        survey = simulate_survey(tiny_truth(), citizens, CODEBOOK)
    except SurveyError:
        return  # refusing is as good
    assert set(survey.data["recycle"][:250].dropna()) != {"never"}


def test_a_country_that_the_truth_lacks_is_refused():
    with pytest.raises(SurveyError, match="'B'"):
        simulate_survey(tiny_truth().sel(country=["A"]), tiny_citizens(8), CODEBOOK)


# The embedded survey


def test_five_nations_has_the_size_of_the_study(five):
    assert five.data["country"].value_counts(sort=False).to_dict() == {
        "Czech Republic": 1003,
        "Denmark": 990,
        "France": 958,
        "Germany": 1000,
        "United Kingdom": 1000,
    }
    assert [sum(i.form == f for i in five.codebook.items) for f in five.codebook.forms] == [12, 3]
    assert five.truth.sizes["coefficient"] == 10
    assert five.data["citizen"].is_unique


def test_five_nations_says_that_it_is_synthetic(five):
    assert five.codebook.synthetic
    assert "(synthetic data)" in five.title
    assert (five.origin, five.command) == ("five_nations(random_seed=2008)", "demo")


def test_five_nations_is_the_same_each_time_and_another_with_another_seed(five):
    pd.testing.assert_frame_equal(five_nations().data, five.data)
    other = five_nations(random_seed=1)
    assert not other.data["age"].equals(five.data["age"])
    assert (other.origin, other.command) == ("five_nations(random_seed=1)", "")


def test_country_deviations_of_the_truth_sum_to_zero(five):
    deviations = five.truth["b"] - five.truth["beta"]
    np.testing.assert_allclose(deviations.sum("country"), 0, atol=1e-12)
    np.testing.assert_allclose(five.truth["b_intercept"].sum("country"), 0, atol=1e-12)
    varies = abs(deviations).max(["country", "form"]) > 1e-12
    assert list(varies["coefficient"].values[varies]) == ["self_efficacy"]


def test_truth_carries_the_published_signs(five):
    individual, collective = (five.truth["beta"].sel(form=f) for f in five.codebook.forms)

    def of(name):
        return float(individual.sel(coefficient=name)), float(collective.sel(coefficient=name))

    per_sd = ["age", "performance", "information", "consultation"]
    assert all(of("self_efficacy")[1] > abs(of(name)[1]) for name in per_sd)
    assert of("self_efficacy")[1] > of("self_efficacy")[0] > 0
    assert of("female")[0] > 0 and abs(of("female")[1]) < 0.05
    assert of("age")[0] > 0 and of("age")[1] == 0
    assert max(of("performance")) < 0
    assert min(of("information")) > 0
    assert of("consultation")[1] > of("consultation")[0] > 0
    assert of("urban")[1] < 0


def test_individual_level_is_near_sixty_and_collective_between_ten_and_fifteen(five):
    index = true_index(five)
    individual, collective = (index.sel(form=form) for form in five.codebook.forms)
    assert 55 < individual.mean() < 65
    assert 10 < collective.mean() < 15
    assert (individual > collective + 40).all()  # the gulf, in every country


def test_citizens_of_five_nations_answer_as_its_truth_expects(five):
    """The citizens' own items, averaged by country: an oracle for the oracle."""
    index = true_index(five)
    for form in five.codebook.forms:
        items = [item.name for item in five.codebook.items if item.form == form]
        score = five.data[items].apply(lambda item: item.cat.codes.replace(-1, np.nan) * 50.0)
        citizen = score.mean(axis=1).groupby(five.data["country"], observed=True)
        error = citizen.std() / np.sqrt(citizen.count())
        observed = citizen.mean().to_xarray().sel(country=index["country"])
        assert (abs(observed - index.sel(form=form)) < 4 * error.to_numpy()).all()


def test_environment_stands_above_health_above_safety(five):
    score = {}
    for sector in ("environment", "health", "safety"):
        items = [
            item.name
            for item in five.codebook.items
            if item.sector == sector and item.form == "individual"
        ]
        assert len(items) == 4
        codes = five.data[items].apply(lambda item: item.cat.codes.replace(-1, np.nan))
        score[sector] = codes.mean(axis=1).groupby(five.data["country"], observed=True).mean()
    assert (score["environment"] > score["health"]).all()
    assert (score["health"] > score["safety"]).all()


def test_self_efficacy_and_consultation_are_missing_most_often(five):
    missing = five.data.isna().mean().drop(["citizen", "country", "weight"])
    assert set(missing.nlargest(2).index) == {"self_efficacy", "consultation"}
    assert missing.max() < 0.05
    for item in five.codebook.items:
        assert_share(five.data[item.name].isna(), 0.02)


def test_weights_average_one_in_every_country(five):
    weights = five.data["weight"].groupby(five.data["country"], observed=True)
    np.testing.assert_allclose(weights.mean(), 1, atol=1e-3)
    assert (weights.std() > 0.2).all()
