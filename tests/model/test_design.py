from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_coprod.errors import SpecError, SurveyError
from bayes_coprod.model.coding import level_contrasts
from bayes_coprod.model.design import make_design
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.survey.read import read_survey

HAND_BOOK = {
    "survey": {"name": "By hand", "forms": ["alone", "together"], "citizen": "id"},
    "country": {"column": "country"},
    "items": {
        "lock": {"form": "alone", "categories": [0, 1, 2]},
        "watch": {"form": "alone", "categories": [0, 1, 2, 3]},
        "report": {"form": "alone", "categories": ["no", "yes"]},
        "meet": {"form": "together", "categories": [0, 1, 2]},
        "patrol": {"form": "together", "categories": [0, 1]},
    },
    "drivers": {"age": {"kind": "numeric"}},
}
HAND_FRAME = pd.DataFrame(
    {
        "id": list("abcdef"),
        "country": ["B", "A", "A", "B", "A", "B"],
        "lock": [0, 1, 2, None, 2, 1],
        "watch": [3, 3, None, None, 0, 1],
        "report": ["yes", None, None, "yes", "no", None],
        "meet": [0, 2, 1, None, None, 2],
        "patrol": [1, 1, None, None, 0, None],
        "age": [20, 30, 40, 50, 60, None],
    }
)


@pytest.fixture
def hand(index_spec):
    return make_design(read_survey(HAND_FRAME, HAND_BOOK), index_spec())


def points(design):
    """Outcomes as they were before standardising."""
    return design["y"] * design["outcome_sd"] + design["outcome_mean"]


def raw_columns(design):
    """Drivers as they were before centring and scaling."""
    return design["x"] * design["column_sd"] + design["column_mean"]


def test_scores_and_index_by_hand(hand):
    # d answered one item of three and nothing together, f has no age
    assert list(hand["citizen"].values) == ["b", "c", "e", "a"]
    expected = [
        [(50 + 100) / 2, (100 + 100) / 2],
        [np.nan, 50],  # one of three: too few; one of two: half, enough
        [(100 + 0 + 0) / 3, 0],
        [(0 + 100 + 100) / 3, (0 + 100) / 2],
    ]
    np.testing.assert_allclose(points(hand).values, expected, atol=1e-12)


def test_outcomes_are_standardised_over_the_citizens_who_have_them(hand):
    np.testing.assert_allclose(hand["y"].mean("citizen"), 0, atol=1e-12)
    np.testing.assert_allclose(hand["y"].std("citizen"), 1)
    assert hand["outcome_mean"].attrs["units"] == "points of 100"


def test_citizens_are_sorted_by_country_and_counted_per_country(hand):
    assert list(hand["country"].values) == ["A", "B"]
    assert list(hand["country_index"].values) == [0, 0, 0, 1]
    assert list(hand["asked"].values) == [3, 3]
    assert list(hand["without_driver"].values) == [0, 1]
    assert list(hand["without_outcome"].values) == [0, 1]
    np.testing.assert_allclose(hand["answered"].sel(item="report"), [1 / 3, 2 / 3])


def test_whoever_lacks_driver_and_outcome_is_counted_once(index_spec):
    frame = HAND_FRAME.copy()
    frame.loc[3, "age"] = None
    design = make_design(read_survey(frame, HAND_BOOK), index_spec())
    assert list(design["without_driver"].values) == [0, 2]
    assert list(design["without_outcome"].values) == [0, 0]


def test_the_top_of_a_four_step_item_is_100_points(index_spec):
    book = HAND_BOOK | {"items": {"watch": HAND_BOOK["items"]["watch"]}}
    book["survey"] = HAND_BOOK["survey"] | {"forms": ["alone"]}
    frame = HAND_FRAME.assign(watch=[0, 1, 2, 3, 3, 0], age=range(6))
    design = make_design(read_survey(frame, book), index_spec())
    index = points(design).sortby("citizen").values[:, 0]
    np.testing.assert_allclose(index, [0, 100 / 3, 200 / 3, 100, 100, 0], atol=1e-12)


def test_numeric_and_ordered_drivers_have_mean_0_and_sd_1(small, index_spec):
    design = make_design(small, index_spec())
    for name in ("age", "trust"):
        column = design["x"].sel(coefficient=name)
        assert float(column.mean()) == pytest.approx(0, abs=1e-12)
        assert float(column.std()) == pytest.approx(1)
    rows = small.data.set_index("citizen").loc[list(design["citizen"].values)]
    raw = raw_columns(design)
    np.testing.assert_allclose(raw.sel(coefficient="age"), rows["age"])
    np.testing.assert_allclose(raw.sel(coefficient="trust"), rows["trust"].cat.codes)


@pytest.mark.parametrize("unit", [1e160, 1e-170])
def test_numbers_that_cannot_be_squared_are_refused(small, index_spec, unit):
    survey = replace(small, data=small.data.assign(age=small.data["age"] * unit))
    with (
        np.errstate(over="ignore", under="ignore"),
        pytest.raises(SurveyError, match="'age' are too large or too small"),
    ):
        make_design(survey, index_spec())


def test_a_binary_driver_is_0_or_1_minus_its_mean(small, index_spec):
    design = make_design(small, index_spec())
    rows = small.data.set_index("citizen").loc[list(design["citizen"].values)]
    expected = rows["female"] - rows["female"].mean()
    np.testing.assert_allclose(design["x"].sel(coefficient="female"), expected)
    assert float(design["column_sd"].sel(coefficient="female")) == 1


def test_a_categorical_driver_is_contrasts_of_its_levels_minus_their_mean(small, index_spec):
    design = make_design(small, index_spec())
    labels = ["school: contrast 1", "school: contrast 2"]
    rows = small.data.set_index("citizen").loc[list(design["citizen"].values)]
    expected = level_contrasts(3)[rows["school"].cat.codes]
    column = design["x"].sel(coefficient=labels)
    np.testing.assert_allclose(column, expected - expected.mean(axis=0), atol=1e-12)
    assert (design["column_sd"].sel(coefficient=labels) == 1).all()


@pytest.mark.parametrize("n_levels", [2, 3, 7])
def test_contrasts_sum_to_zero_with_one_unit_between_any_two_levels(n_levels):
    contrasts = level_contrasts(n_levels)
    assert contrasts.shape == (n_levels, n_levels - 1)
    np.testing.assert_allclose(contrasts.sum(axis=0), 0, atol=1e-12)
    distance = np.linalg.norm(contrasts[:, None] - contrasts[None], axis=2)
    np.testing.assert_allclose(distance, 1 - np.eye(n_levels), atol=1e-12)


def test_columns_stand_in_the_codebooks_order_and_drivers_can_be_chosen(small, index_spec):
    columns = ["age", "female", "school: contrast 1", "school: contrast 2", "trust"]
    assert list(make_design(small, index_spec())["coefficient"].values) == columns
    chosen = make_design(small, index_spec(drivers=["trust", "age"]))
    assert list(chosen["coefficient"].values) == ["age", "trust"]
    assert make_design(small, index_spec(drivers="none")).sizes["coefficient"] == 0


def test_a_citizen_without_a_driver_stays_if_the_model_does_without_it(
    small_frame, small_book, index_spec
):
    small_frame.loc[:9, "trust"] = np.nan
    survey = read_survey(small_frame, small_book)
    assert int(make_design(survey, index_spec())["without_driver"].sum()) == 10
    assert int(make_design(survey, index_spec(drivers=["age"]))["without_driver"].sum()) == 0


def in_order(design):
    """A design's data by citizen, in alphabetical order."""
    return design[["x", "y", "weight"]].reset_coords(drop=True).sortby("citizen")


def test_permuting_citizens_changes_nothing_but_order(small_frame, small_book, index_spec, rng):
    one = make_design(read_survey(small_frame, small_book), index_spec())
    shuffled = small_frame.sample(frac=1, random_state=rng)
    other = make_design(read_survey(shuffled, small_book), index_spec())
    xr.testing.assert_allclose(in_order(other), in_order(one), rtol=1e-12, atol=1e-12)
    xr.testing.assert_identical(other["asked"], one["asked"])
    np.testing.assert_array_equal(other["country_index"], one["country_index"])


def test_permuting_countries_changes_nothing_but_order(small_frame, small_book, index_spec):
    one = make_design(read_survey(small_frame, small_book), index_spec())
    small_book["country"]["labels"] = {name: name for name in ("Cyprus", "Austria", "Belgium")}
    other = make_design(read_survey(small_frame, small_book), index_spec())
    assert list(other["country"].values) == ["Cyprus", "Austria", "Belgium"]
    xr.testing.assert_allclose(in_order(other), in_order(one), rtol=1e-12, atol=1e-12)
    for name in ("asked", "without_outcome", "answered"):
        xr.testing.assert_identical(other[name].sortby("country"), one[name])


def test_permuting_items_changes_nothing_but_order(small_frame, small_book, index_spec):
    one = make_design(read_survey(small_frame, small_book), index_spec())
    small_book["items"] = dict(reversed(small_book["items"].items()))
    other = make_design(read_survey(small_frame, small_book), index_spec())
    assert list(other["item"].values) == list(one["item"].values)[::-1]
    xr.testing.assert_allclose(
        in_order(other).sel(form=one["form"].values), in_order(one), rtol=1e-12, atol=1e-12
    )


def test_forms_stand_in_the_codebooks_order_whatever_the_order_of_items(
    small_frame, small_book, index_spec
):
    small_book["items"] = dict(reversed(small_book["items"].items()))
    survey = read_survey(small_frame, small_book)
    assert list(make_design(survey, index_spec())["form"].values) == ["alone", "together"]


def test_digest_tells_data_apart(small_frame, small_book, index_spec):
    def digest(frame):
        return make_design(read_survey(frame, small_book), index_spec()).attrs["digest"]

    assert len(digest(small_frame)) == 64
    assert digest(small_frame) == digest(small_frame.copy())
    first = small_frame["lock"].first_valid_index()
    changed = small_frame.copy()
    changed.loc[first, "lock"] = (changed.loc[first, "lock"] + 1) % 3
    assert digest(changed) != digest(small_frame)
    moved = small_frame.copy()
    moved.loc[0, "country"] = "Cyprus"
    assert digest(moved) != digest(small_frame)


def test_outcomes_by_form_and_sector_say_which(small, index_spec):
    spec = index_spec(outcomes=["form", "sector"])
    design = make_design(small, spec)
    assert outcome_dim(spec) == "outcome"
    labels = ["alone: home", "alone: street", "together: home", "together: street"]
    assert sorted(design["outcome"].values) == labels
    by_label = design.sel(outcome=labels)
    assert list(by_label["form"].values) == ["alone", "alone", "together", "together"]
    assert list(by_label["sector"].values) == ["home", "street", "home", "street"]
    rows = small.data.set_index("citizen").loc[list(design["citizen"].values)]
    home = rows["lock"].cat.codes.astype(float).replace(-1, np.nan) * 50
    np.testing.assert_allclose(points(design).sel(outcome="alone: home"), home)


def test_forms_and_sectors_choose_the_items(small, index_spec):
    street = make_design(small, index_spec(sectors=["street"]))
    assert list(street["item"].values) == ["watch", "report", "patrol"]
    assert list(street["form"].values) == ["alone", "together"]
    together = make_design(small, index_spec(forms=["together"], sectors=["home"]))
    assert list(together["item"].values) == ["meet"]
    assert list(together["form"].values) == ["together"]


def test_weights_follow_their_citizens(small_frame, small_book, index_spec):
    unweighted = make_design(read_survey(small_frame, small_book), index_spec())
    assert (unweighted["weight"] == 1).all()
    small_book["weight"] = {"column": "weight"}
    weight = np.arange(len(small_frame)) / 10
    survey = read_survey(small_frame.assign(weight=weight), small_book)
    design = make_design(survey, index_spec())
    expected = pd.Series(weight, small_frame["id"]).loc[list(design["citizen"].values)]
    np.testing.assert_array_equal(design["weight"], expected)


def test_one_country_is_refused(small_frame, small_book, index_spec):
    survey = read_survey(small_frame.assign(country="Austria"), small_book)
    with pytest.raises(SurveyError, match="all citizens live in 'Austria'.*two or more"):
        make_design(survey, index_spec())


def test_a_country_that_loses_everybody_is_refused(small_frame, small_book, index_spec):
    small_frame.loc[small_frame["country"] == "Cyprus", "trust"] = np.nan
    survey = read_survey(small_frame, small_book)
    with pytest.raises(SurveyError, match="nobody in 'Cyprus' has all drivers and an outcome"):
        make_design(survey, index_spec())
    assert make_design(survey, index_spec(drivers=["age"])).sizes["country"] == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("age", 40, r"column 'age': the driver 'age' has no variation: .*'40\.0'"),
        ("female", 1, "the driver 'female' has no variation"),
        ("school", "low", "the driver 'school' has no variation.*'low'"),
        ("trust", 2, "the driver 'trust' has no variation.*'2'.*out of the model"),
        ("lock", 1, "the item 'lock' has no variation.*'1'.*out of the codebook"),
        ("lock", None, "the item 'lock' has no variation.*has nothing"),
    ],
)
def test_what_does_not_vary_is_refused(small_frame, small_book, index_spec, name, value, message):
    small_frame[name] = value
    with pytest.raises(SurveyError, match=message):
        make_design(read_survey(small_frame, small_book), index_spec())


def test_a_driver_that_varies_only_among_citizens_left_out_is_refused(
    small_frame, small_book, index_spec
):
    small_frame["female"] = (small_frame.index < 5).astype(int)
    small_frame.loc[small_frame.index < 5, "age"] = np.nan
    with pytest.raises(SurveyError, match="the driver 'female' has no variation"):
        make_design(read_survey(small_frame, small_book), index_spec())


def test_an_outcome_that_nobody_has_is_refused(small_frame, small_book, index_spec):
    small_book["items"]["guard"] = {"form": "together", "sector": "home", "categories": [0, 1]}
    small_frame["guard"] = small_frame.index % 2
    for j, name in enumerate(("meet", "patrol", "guard")):  # split ballot: one item each
        small_frame.loc[small_frame.index % 3 != j, name] = np.nan
    with pytest.raises(SurveyError, match="'together'"):
        make_design(read_survey(small_frame, small_book), index_spec())


def test_an_outcome_that_is_the_same_for_all_is_refused(small_frame, small_book, index_spec):
    small_frame["meet"] = 2 * (small_frame.index % 2)
    small_frame["patrol"] = 2 - small_frame["meet"]
    with pytest.raises(SurveyError, match="'together'"):
        make_design(read_survey(small_frame, small_book), index_spec())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"drivers": ["ages"]}, r"drivers has the unknown driver 'ages'. Did you mean 'age'\?"),
        ({"vary_by_country": ["sex"]}, "vary_by_country has the unknown driver 'sex'"),
        (
            {"drivers": ["age"], "vary_by_country": ["trust"]},
            "vary_by_country has 'trust', which is not among its drivers. Available: age",
        ),
        ({"forms": ["alon"]}, r"forms has 'alon', .* Did you mean 'alone'\?"),
        ({"sectors": ["hom"]}, r"sectors has 'hom', .* Did you mean 'home'\?"),
    ],
)
def test_names_that_the_survey_lacks_are_refused(small, index_spec, content, message):
    with pytest.raises(SpecError, match=f"model 'test': {message}"):
        make_design(small, index_spec(**content))


def test_a_form_without_items_in_the_sectors_is_refused(small_frame, small_book, index_spec):
    del small_book["items"]["meet"]
    survey = read_survey(small_frame, small_book)
    with pytest.raises(SpecError, match="no item of form 'together' in the sectors .'home'."):
        make_design(survey, index_spec(sectors=["home"]))
    assert make_design(survey, index_spec(forms=["alone"], sectors=["home"])).sizes["form"] == 1


def test_outcomes_by_sector_are_refused_without_sectors(index_spec):
    survey = read_survey(HAND_FRAME, HAND_BOOK)
    with pytest.raises(SpecError, match="the survey's items have no sector"):
        make_design(survey, index_spec(outcomes=["form", "sector"]))


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.5, r"'w', row 8: the weight is -1\.5, which is negative \(1 such"), (np.nan, "missing")],
)
def test_bad_weights_are_refused(small_frame, small_book, index_spec, value, message):
    small_book["weight"] = {"column": "w"}
    small_frame["w"] = 1.0
    small_frame.loc[7, "w"] = value
    with pytest.raises(SurveyError, match=message):
        make_design(read_survey(small_frame, small_book), index_spec())
