import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.survey.entries import Driver, Item
from bayes_coprod.survey.harmonisation.check import check_harmonisation
from bayes_coprod.survey.harmonisation.numbers import Numbers, find_number_sign
from bayes_coprod.survey.harmonisation.rest_correlation import rest_correlations
from bayes_coprod.survey.harmonisation.shares import (
    Comparison,
    find_share_sign,
    ordinary_distance,
    shares_apart,
)
from bayes_coprod.survey.read import read_survey
from bayes_coprod.survey.simulate import five_nations
from bayes_coprod.wording import per_cent

REVERSED = {"never": "often", "often": "never"}
EDUCATION = Driver("education", "education", "Education", "categorical", ("low", "mid", "high"))


def look(survey, drivers=None):
    """Every finding; all drivers unless told otherwise."""
    known = [driver.name for driver in survey.codebook.drivers]
    return list(check_harmonisation(survey, known if drivers is None else drivers))


def flagged(survey, drivers=None):
    """(where, status) of all that stands out."""
    return {f.where: f.status for f in look(survey, drivers) if f.status != "pass"}


def recoded(survey, country, name, meaning):
    """The survey with one column of one country read otherwise."""
    data = survey.data.copy()
    there = data["country"] == country
    column = data[name]
    if callable(meaning):
        data[name] = column.where(~there, meaning(column))
    elif isinstance(column.dtype, pd.CategoricalDtype):
        values = [meaning.get(v, v) for v in column[there].astype(object)]
        data.loc[there, name] = pd.Categorical(values, dtype=column.dtype)
    else:
        data.loc[there, name] = column[there].map(meaning)
    return dataclasses.replace(survey, data=data)


def comparison(own, *others, entry=EDUCATION):
    counts = np.array(others)
    ordinary = ordinary_distance(counts / counts.sum(axis=1, keepdims=True))
    return Comparison(entry, np.array(own), counts, ordinary, "elsewhere")


# No fault


@pytest.mark.parametrize("seed", [2008, 6, 28, 39])  # the last three lie furthest apart of fifty
def test_countries_that_differ_as_countries_do_are_left_alone(seed):
    survey = five_nations(seed)
    (finding,) = look(survey)
    assert (finding.check, finding.status, finding.where) == ("harmonisation", "pass", "")
    assert 0 < finding.value < finding.limit


def test_a_survey_has_as_many_countries_as_it_has(rng):
    # the codes of sixty countries fit into eight bits, those of their answers do not
    n = 60 * 40
    data = {"country": np.repeat([f"land {c}" for c in range(60)], 40)}
    data |= {name: rng.integers(0, 4, n) for name in ("lock", "watch")}
    item = {"form": "alone", "categories": [0, 1, 2, 3]}
    book = {"country": {"column": "country"}, "items": {"lock": item, "watch": item}}
    survey = read_survey(
        pd.DataFrame(data), book | {"survey": {"name": "Many", "forms": ["alone"]}}
    )
    (finding,) = look(survey)
    assert finding.status == "pass" and finding.value < finding.limit


@pytest.mark.parametrize("top", [10, 100])
def test_an_item_of_many_steps_in_reverse_is_found(rng, top):
    n = 900
    propensity = rng.normal(size=n)
    book = {
        "survey": {"name": "Scales", "forms": ["alone"]},
        "country": {"column": "country"},
        "items": {
            name: {"form": "alone", "categories": list(range(top + 1))} for name in ("a", "b", "d")
        },
    }
    data = pd.DataFrame({"country": np.repeat(["A", "B", "C"], n // 3)})
    for name in book["items"]:
        share = 0.5 + 0.15 * propensity + 0.08 * rng.normal(size=n)
        data[name] = np.clip(np.round(top * share), 0, top).astype(int)
    there = data["country"] == "C"
    data.loc[there, "d"] = top - data.loc[there, "d"]
    assert flagged(read_survey(data, book)) == {"d, C": "fail"}


def test_the_largest_distance_and_its_limit_are_told(five):
    (finding,) = look(five, [])
    counts = [
        (item, pd.crosstab(five.data["country"], five.data[item.name]).to_numpy())
        for item in five.codebook.items
    ]
    ratios = [
        (at.distance / at.limit, at.distance, at.limit)
        for item, table in counts
        for c in range(5)
        for at in [comparison(table[c], *np.delete(table, c, axis=0), entry=item)]
    ]
    assert (finding.value, finding.limit) == pytest.approx(max(ratios)[1:])


def test_a_survey_of_one_country_has_nothing_to_compare(five):
    data = five.data[five.data["country"] == "France"].copy()
    data["country"] = data["country"].cat.remove_unused_categories()
    assert look(dataclasses.replace(five, data=data)) == []


def test_what_too_few_answered_is_unknown(small_frame, small_book):
    small_frame = small_frame.groupby("country").head(29)
    (finding,) = look(read_survey(small_frame, small_book))
    assert (finding.status, finding.value) == ("unknown", None)


@pytest.mark.parametrize("seed", range(5))
def test_tiny_countries_raise_no_alarm(seed):
    survey = five_nations(seed)
    tiny = survey.data.groupby("country", observed=False).sample(32, random_state=seed)
    assert flagged(dataclasses.replace(survey, data=tiny)) == {}


# Items


@pytest.mark.parametrize("item", ["recycle", "travel_green", "report_crime", "group_health"])
def test_an_item_in_reverse_order_in_one_country_fails(five, item):
    planted = recoded(five, "Germany", item, REVERSED)
    assert flagged(planted) == {f"{item}, Germany": "fail"}
    (finding,) = (f for f in look(planted) if f.status == "fail")
    assert finding.value < finding.limit == -0.1
    assert "the correlation is −0." in finding.message


def test_several_reversed_items_of_a_form_are_told_from_the_others(five):
    planted = five
    for item in ("recycle", "exercise", "report_crime"):
        planted = recoded(planted, "France", item, REVERSED)
    planted = recoded(planted, "Denmark", "group_safety", REVERSED)
    assert set(flagged(planted)) == {
        "recycle, France",
        "exercise, France",
        "report_crime, France",
        "group_safety, Denmark",
    }


def test_of_two_items_the_one_whose_shares_are_mirrored_is_reversed():
    rng = np.random.default_rng(3)
    content = {
        "survey": {"name": "Two", "forms": ["alone"]},
        "country": {"column": "country"},
        "items": {
            name: {"form": "alone", "categories": [0, 1, 2, 3]} for name in ("first", "second")
        },
    }
    country = np.repeat(["A", "B", "C", "D"], 500)
    latent = rng.normal(size=(2000, 1)) + 0.7 * rng.normal(size=(2000, 2))
    answers = np.digitize(latent, [0.2, 1.0, 1.8])
    answers[country == "B", 1] = 3 - answers[country == "B", 1]
    frame = pd.DataFrame(answers, columns=["first", "second"]).assign(country=country)
    assert flagged(read_survey(frame, content)) == {"second, B": "fail"}


def test_an_item_that_goes_with_the_others_is_not_called_reversed(five):
    """Its shares are mirrored, yet who does other things does this one more."""
    data = five.data.copy()
    there = data["country"] == "Germany"
    codes, *rest = (
        data.loc[there, f"group_{sector}"].cat.codes
        for sector in ("health", "safety", "environment")
    )
    # nine in ten never do; let nine in ten do so often, in the same order of citizens
    rank = (codes + 0.1 * sum(rest)).rank(pct=True, method="first")
    raised = np.digitize(rank, [0.03, 0.15])
    labels = data["group_health"].cat.categories
    data.loc[there, "group_health"] = pd.Categorical(
        labels[raised], dtype=data["group_health"].dtype
    )
    (finding,) = (
        f for f in look(dataclasses.replace(five, data=data)) if f.where == "group_health, Germany"
    )
    assert finding.status == "warn"
    assert "everse" not in finding.message + finding.remedy


def test_rest_correlation_is_that_of_an_item_with_the_mean_of_the_others(five):
    items = five.codebook.items
    correlation, side = rest_correlations(five, np.zeros((len(items), 5)))
    rest = [i.name for i in items if i.form == "individual" and i.name != "recycle"]
    scores = five.data[[*rest, "recycle"]].apply(
        lambda column: column.cat.codes.replace(-1, np.nan)
    )
    there = five.data["country"] == "France"
    expected = scores[there]["recycle"].corr(scores[there][rest].mean(axis=1))
    row = [i.name for i in items].index("recycle")
    assert correlation[row, five.countries.index("France")] == pytest.approx(expected)
    assert (side == 1).all()


def test_an_answer_that_one_country_lacks_is_named(five):
    planted = recoded(five, "France", "exercise", {"sometimes": "often"})
    assert flagged(planted) == {"exercise, France": "warn"}
    (finding,) = (f for f in look(planted) if f.status == "warn")
    assert "is ‘sometimes’ for nobody there" in finding.message
    assert "‘often’ has" in finding.message  # where they went


# Drivers


@pytest.mark.parametrize(
    ("name", "meaning", "status"),
    [
        ("performance", {"good": "very good", "very good": "good"}, "warn"),
        ("education", {"low": "medium"}, "warn"),
        ("education", {"high": np.nan}, "warn"),
        ("consultation", REVERSED, "warn"),
        ("urban", {1.0: 0.0, 0.0: 1.0}, "warn"),
        ("urban", {0.0: 1.0, 1.0: 1.0}, "warn"),
        ("age", lambda age: 2008 - age, "fail"),
        ("age", lambda age: age / 10, "fail"),
        ("age", lambda age: 12 * age, "fail"),
        ("age", lambda age: 40 + 0 * age, "warn"),
    ],
    ids=[
        "exchanged", "merged", "recoded away", "reversed", "swapped", "constant", "year of birth",
        "decades", "months", "one value",
    ],
)  # fmt: skip
def test_a_driver_coded_otherwise_in_one_country_is_found(five, name, meaning, status):
    planted = recoded(five, "United Kingdom", name, meaning)
    assert flagged(planted) == {f"{name}, United Kingdom": status}


def test_a_swap_that_cannot_be_seen_is_not_spoken_of(five):
    assert flagged(recoded(five, "France", "female", {1.0: 0.0, 0.0: 1.0})) == {}


def test_two_countries_with_one_fault_are_both_found(five):
    planted = five
    for country in ("Denmark", "France"):
        planted = recoded(planted, country, "age", lambda age: 2008 - age)
        planted = recoded(planted, country, "education", {"low": "medium"})
    assert set(flagged(planted)) == {
        "education, Denmark",
        "education, France",
        "age, Denmark",
        "age, France",
    }


def test_of_two_countries_both_are_named():
    survey = five_nations()
    data = survey.data[survey.data["country"].isin(["France", "Germany"])].copy()
    data["country"] = data["country"].cat.remove_unused_categories()
    two = dataclasses.replace(survey, data=data)
    assert flagged(two) == {}
    planted = recoded(two, "France", "age", lambda age: 2008 - age)
    assert flagged(planted) == {"age, France": "fail", "age, Germany": "fail"}
    assert "in Germany." in look(planted)[0].message


def test_only_the_drivers_of_the_model_are_looked_at(five):
    planted = recoded(five, "France", "age", lambda age: 2008 - age)
    assert flagged(planted, ["education"]) == {}
    assert flagged(planted, ["age"]) == {"age, France": "fail"}


# Identities


def test_the_order_of_countries_and_citizens_changes_nothing(five):
    planted = recoded(five, "France", "age", lambda age: 2008 - age)
    planted = recoded(planted, "Denmark", "recycle", REVERSED)
    planted = recoded(planted, "Germany", "education", {"low": "medium"})
    data = planted.data.sample(frac=1, random_state=5)
    data["country"] = data["country"].cat.reorder_categories(planted.countries[::-1])
    permuted = dataclasses.replace(planted, data=data)

    def told(survey):
        return {f.where: (f.status, f.message, f.remedy) for f in look(survey)}

    assert told(permuted) == told(planted)
    assert len(told(planted)) == 3


def test_at_most_one_finding_for_an_entry_in_a_country(five):
    planted = recoded(five, "France", "recycle", {"never": "often", "sometimes": "never"})
    wheres = [f.where for f in look(planted)]
    assert len(wheres) == len(set(wheres))


def test_empty_columns_and_countries_without_answers_are_passed_over(five):
    data = five.data.copy()
    data["recycle"] = pd.Categorical([None] * len(data), dtype=data["recycle"].dtype)
    data["age"] = np.nan
    data.loc[data["country"] == "France", [e.name for e in five.codebook.entries]] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flagged(dataclasses.replace(five, data=data)) == {}


# Words


def test_the_sentence_for_a_methods_section_stands_ready(five):
    planted = recoded(five, "Denmark", "urban", {1.0: 0.0, 0.0: 1.0})
    (finding,) = look(planted)
    shares = planted.data.groupby("country", observed=False)["urban"].mean()
    own, others = shares["Denmark"], shares.drop("Denmark").mean()
    assert finding.message.startswith(
        f"‘Lives in a town or city’ is ‘urban’ for {100 * own:.0f} % there, against "
        f"{100 * others:.0f} % in the other countries on average."
    )
    assert finding.remedy.endswith(
        'If it is a difference between countries, report it: "In Denmark ‘Lives in a town or '
        f"city’ is ‘urban’ for {100 * own:.0f} % of respondents, against {100 * others:.0f} % in "
        "the other countries on average; we took this as a difference between countries, not of "
        'coding."'
    )


def test_of_a_binary_driver_the_yes_is_told():
    urban = Driver("urban", "urban", "Urban", "binary", yes=("town", "city"))
    sign = find_share_sign(comparison([920, 80], *[[500, 500]] * 4, entry=urban), True)
    assert sign.seen == "‘Urban’ is ‘town or city’ for 8 % there, against 50 % elsewhere."


def test_text_from_the_data_goes_in_as_it_is(five):
    odd = "<b>low</b> 😀\n$x_1$"
    entries = tuple(
        dataclasses.replace(driver, label=odd, categories=(odd, "medium", "high"), reference=odd)
        if driver.name == "education"
        else driver
        for driver in five.codebook.drivers
    )
    data = five.data.assign(education=five.data["education"].cat.rename_categories({"low": odd}))
    survey = dataclasses.replace(
        five, data=data, codebook=dataclasses.replace(five.codebook, drivers=entries)
    )
    (finding,) = look(recoded(survey, "France", "education", {odd: "high"}))
    assert f"‘{odd}’ is ‘{odd}’ for nobody there" in finding.message


@pytest.mark.parametrize(
    ("share", "written"),
    [(0, "0 %"), (0.004, "under 1 %"), (0.2, "20 %"), (0.997, "over 99 %"), (1, "100 %")],
)
def test_per_cent(share, written):
    assert per_cent(share) == written


# By hand


def test_distance_is_the_share_who_would_have_to_answer_otherwise():
    assert shares_apart(np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.2])) == pytest.approx(0.3)


def test_ordinary_distance_is_the_median_of_medians_and_one_odd_country_moves_it_little():
    shares = np.array([[0.5, 0.5], [0.52, 0.48], [0.54, 0.46], [1.0, 0.0]])
    # from another: 0.04, 0.02, 0.04, 0.48 (medians of three)
    assert ordinary_distance(shares) == pytest.approx(0.04)
    assert np.isnan(ordinary_distance(shares[:2]))


def test_others_count_alike_whatever_their_size():
    at = comparison([100, 100, 100], [800, 100, 100], [10, 40, 50])
    np.testing.assert_allclose(at.mean, [0.45, 0.25, 0.30])
    assert at.distance == pytest.approx(0.45 - 1 / 3)


def test_chance_shrinks_with_the_sample_and_is_that_of_equal_countries():
    small, large = (comparison(*[[n, n, n]] * 5).chance for n in (30, 3000))
    assert small == pytest.approx(10 * large)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(300, [0.2, 0.3, 0.5], size=(2000, 5))
    apart = [comparison(*draw).distance for draw in draws]
    assert np.quantile(apart, 0.999) < comparison(*draws[0]).chance


@pytest.mark.parametrize(
    ("own", "others", "words"),
    [
        ([700, 0, 300], [300, 400, 300], "‘mid’ for nobody there"),  # merged
        ([300, 400, 300], [700, 0, 300], "‘mid’ for 40 % there"),  # nobody has it elsewhere
        ([450, 300, 250], [250, 300, 450], "In reverse order it would be 25 %"),
        (
            [600, 100, 300],
            [100, 300, 600],
            "Reading ‘low’ as ‘high’ and ‘high’ as ‘mid’ and ‘mid’ as ‘low’, it would be like the",
        ),
        ([250, 250, 500], [100, 400, 500], None),  # 15 per cent otherwise, within chance and limit
        ([990, 5, 5], [900, 50, 50], "‘low’ for 99 % there"),  # hardly anything left to say
        ([200, 0, 800], [195, 5, 800], None),  # as rare as that anywhere
        ([20, 0, 20], [16, 8, 16], None),  # of forty, eight may be missing by chance
        ([6600, 1700, 1700], [2000, 4000, 4000], "That is 3.3 times as many"),
    ],
)
def test_the_most_telling_sign_is_told(own, others, words):
    sign = find_share_sign(comparison(own, *[others] * 4), may_be_reversed=True)
    assert (sign.seen if sign else None) is None if words is None else words in sign.seen


def test_where_countries_differ_anyway_more_is_allowed():
    own = [600, 250, 150]
    alike = [[300, 400, 300]] * 4
    diverse = [[150, 400, 450], [250, 450, 300], [350, 400, 250], [450, 350, 200]]  # 0.15 apart
    assert find_share_sign(comparison(own, *alike), True).status == "warn"
    assert find_share_sign(comparison(own, *diverse), True) is None


def test_a_category_that_is_rare_everywhere_is_not_missed():
    """Though of ten thousand a hundred would have it."""
    assert find_share_sign(comparison([5000, 0, 5000], *[[495, 10, 495]] * 4), True) is None
    assert find_share_sign(comparison([5000, 0, 5000], *[[490, 20, 490]] * 4), True) is not None


def test_three_times_as_many_may_be_chance():
    times = [
        "3.5 times as many"
        in getattr(find_share_sign(comparison(own, *[[4, 48, 48]] * 4), False), "seen", "")
        for own in ([14, 43, 43], [140, 430, 430])
    ]
    assert times == [False, True]


@pytest.mark.parametrize(("n", "flags"), [(50, False), (54, True)])
def test_an_absent_category_should_have_had_ten_citizens(n, flags):
    at = comparison([n // 2, 0, n // 2], *[[80, 40, 80]] * 4)
    assert ("nobody" in getattr(find_share_sign(at, True), "seen", "")) is flags


def test_an_item_s_category_may_be_several_times_as_common():
    """A lower level makes the lowest category of an item several times as common."""
    item = Item("recycle", "recycle", "Recycles", "alone", None, ("low", "mid", "high"), "mid")
    shares = ([1800, 4000, 4200], *[[500, 4500, 5000]] * 4)
    assert find_share_sign(comparison(*shares, entry=item), False) is None
    assert "3.6 times" in find_share_sign(comparison(*shares), False).seen


@pytest.mark.parametrize(
    ("own", "status", "words"),
    [
        (np.arange(1918, 1991), "fail", "between 1921 and 1987 years in 90 % of respondents there"),
        (np.arange(18, 91) / 10, "fail", "between 2.1 and 8.7 years"),
        (np.linspace(40, 60, 73), "warn", "between 40.8"),  # a third as wide
        (np.arange(85, 158), "warn", "between 88 and 154"),  # its middle beyond nearly all
        (np.full(73, 50.0), "warn", "is 50 years for 100 % of respondents there"),
        (np.arange(30, 103), None, ""),
    ],
)
def test_numbers_on_another_scale(own, status, words):
    age = Driver("age", "age", "Age", "numeric", unit="years")
    others = [Numbers.of(np.arange(18.0, 91.0))] * 3
    sign = find_number_sign(age, Numbers.of(own.astype(float)), others, "elsewhere")
    assert (sign.status if sign else None) == status
    assert status is None or words in sign.seen
