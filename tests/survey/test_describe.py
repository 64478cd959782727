import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.errors import SurveyError
from bayes_coprod.survey.coverage import answered_share
from bayes_coprod.survey.describe import describe, participation_shares
from bayes_coprod.survey.overview import make_overview
from bayes_coprod.survey.read import read_survey


@pytest.fixture
def hand(content):
    """Four Norwegians and two Danes; one Norwegian and all Danes did not answer `group`."""
    frame = pd.DataFrame(
        {
            "id": list("abcdef"),
            "land": ["NO"] * 4 + ["DK"] * 2,
            "w": [1.0, 2.0, 3.0, 4.0, 0.5, 1.5],
            "q1": ["never", "often", "often", "sometimes", "often", "never"],
            "q2": [1, 3, None, 3, None, None],
            "q3": ["big", "none", None, "some", "big", "big"],
            "age": [20, 30, 40, None, 50, 60],
            "sex": ["F", "M", "F", "M", "F", "M"],
            "education": ["low", "high"] * 3,
        }
    )
    return read_survey(frame, content)


def with_weights(survey, weights):
    return dataclasses.replace(survey, data=survey.data.assign(weight=weights))


def test_shares_by_hand(hand):
    shares = describe(hand)
    assert list(shares.index) == [
        ("alone", "recycle", "never"),
        ("alone", "recycle", "sometimes"),
        ("alone", "recycle", "often"),
        ("together", "group", "1"),
        ("together", "group", "2"),
        ("together", "group", "3"),
    ]
    assert list(shares.columns.names) == ["weighting", "country"]
    third = 1 / 3
    np.testing.assert_allclose(
        shares["unweighted"],
        [[0.25, 0.5], [0.25, 0], [0.5, 0.5], [third, np.nan], [0, np.nan], [2 * third, np.nan]],
    )
    np.testing.assert_allclose(
        shares["weighted"],
        [[0.1, 0.75], [0.4, 0], [0.5, 0.25], [1 / 7, np.nan], [0, np.nan], [6 / 7, np.nan]],
    )
    assert "0 to 1" in shares.attrs["units"]


def overview_of(survey):
    return make_overview(survey.data, survey.codebook)


def test_participation_by_hand(hand):
    shares = participation_shares(hand)
    assert (list(shares.index), list(shares)) == (["recycle", "group"], ["Norway", "Denmark"])
    np.testing.assert_allclose(shares, [[0.75, 0.5], [2 / 3, np.nan]])
    np.testing.assert_allclose(
        participation_shares(hand, weighted=True), [[0.9, 0.25], [6 / 7, np.nan]]
    )


def test_who_takes_part_gave_the_codebook_s_category_or_a_higher_one(hand):
    recycle, group = hand.codebook.items
    items = (dataclasses.replace(recycle, takes_part_from="often"), group)
    survey = dataclasses.replace(hand, codebook=dataclasses.replace(hand.codebook, items=items))
    np.testing.assert_allclose(participation_shares(survey).loc["recycle"], [0.5, 0.5])


def test_overview_by_hand(hand):
    overview = overview_of(hand)
    assert list(overview.index) == ["Norway", "Denmark"]
    assert list(overview["citizens"]) == [4, 2]
    np.testing.assert_allclose(overview["answered"], [7 / 8, 0.5])
    np.testing.assert_allclose(overview["complete"], [0.5, 1.0])
    np.testing.assert_allclose(overview["effective_citizens"], [100 / 30, 4 / 2.5])


def test_equal_weights_are_no_weights(five):
    shares = describe(with_weights(five, 7.0))
    np.testing.assert_allclose(shares["weighted"], shares["unweighted"], rtol=1e-12)
    overview = overview_of(with_weights(five, 7.0))
    np.testing.assert_allclose(overview["effective_citizens"], overview["citizens"])


def test_a_survey_without_weights_has_unweighted_shares_only(small):
    assert set(describe(small).columns.get_level_values("weighting")) == {"unweighted"}
    assert "effective_citizens" not in overview_of(small)
    with pytest.raises(SurveyError, match="participation_shares: the survey has no weights"):
        participation_shares(small, weighted=True)


def test_shares_of_an_item_sum_to_one_and_agree_with_participation(five):
    shares = describe(five)
    np.testing.assert_allclose(shares.groupby(level="item").sum(), 1)
    takes_part = shares.drop("never", level="category").groupby(level="item").sum()
    for weighting in ("unweighted", "weighted"):
        pd.testing.assert_frame_equal(
            takes_part[weighting].loc[[item.name for item in five.codebook.items]],
            participation_shares(five, weighted=weighting == "weighted"),
            check_index_type=False,
        )


def test_a_citizen_of_weight_two_is_two_citizens(five):
    data = five.data.iloc[::7]
    twice = pd.concat([data, data.iloc[:300]], ignore_index=True).assign(weight=1.0)
    weighted = data.assign(weight=np.where(np.arange(len(data)) < 300, 2.0, 1.0))
    one = describe(dataclasses.replace(five, data=weighted))["weighted"]
    other = describe(dataclasses.replace(five, data=twice))["unweighted"]
    pd.testing.assert_frame_equal(one, other)


def test_the_order_of_countries_changes_columns_only(five):
    data = five.data.copy()
    data["country"] = data["country"].cat.reorder_categories(five.countries[::-1])
    turned = describe(dataclasses.replace(five, data=data.sample(frac=1, random_state=1)))
    assert list(turned["weighted"]) == list(five.countries[::-1])
    pd.testing.assert_frame_equal(turned[describe(five).columns], describe(five))


def test_who_has_no_usable_weight_counts_for_nothing(five):
    dropped = five.data["citizen"].str.endswith(("1", "2", "3"))
    without = dataclasses.replace(five, data=five.data[~dropped])
    expected = describe(without)["weighted"]
    for bad in (0.0, np.nan, np.inf, -2.0):
        weights = five.data["weight"].mask(dropped, bad)
        pd.testing.assert_frame_equal(describe(with_weights(five, weights))["weighted"], expected)


def test_a_country_without_a_weight_has_no_weighted_shares(five):
    weights = five.data["weight"].mask(five.data["country"] == "France", 0.0)
    shares = describe(with_weights(five, weights))
    assert shares["weighted"]["France"].isna().all()
    assert shares["weighted"].drop(columns="France").notna().all(axis=None)
    assert shares["unweighted"].notna().all(axis=None)


@pytest.mark.parametrize("unit", [1e-310, 1e300, 1e307])
def test_the_unit_of_the_weights_does_not_matter(five, unit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = with_weights(five, five.data["weight"] * unit)
        shares, overview = describe(scaled), overview_of(scaled)
    np.testing.assert_allclose(shares, describe(five), rtol=1e-9)
    np.testing.assert_allclose(overview, overview_of(five), rtol=1e-9)


def test_categories_are_called_as_in_the_codebook(small_frame, small_book):
    odd = ["😀\nno", "<b>yes</b>", "$x_1$"]
    small_book["items"]["lock"]["categories"] = odd
    small_frame["lock"] = small_frame["lock"].map(dict(enumerate(odd)))
    shares = describe(read_survey(small_frame, small_book))
    assert list(shares.xs("lock", level="item").index.get_level_values("category")) == odd


def test_overview_agrees_with_coverage(five):
    np.testing.assert_allclose(
        overview_of(five)["answered"], answered_share(five).mean(axis=1), rtol=1e-12
    )
