import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.errors import CoprodError, SpecError, SurveyError
from bayes_coprod.model.coding import code_drivers
from bayes_coprod.survey.impute import _predictors, impute
from bayes_coprod.survey.read import read_survey

DRIVERS = ("age", "female", "school", "trust")


@pytest.fixture
def gappy_frame(small_frame):
    """Every driver has gaps; some citizens miss several drivers."""
    rng = np.random.default_rng(4)
    frame = small_frame.astype({"age": float, "female": object, "school": object, "trust": object})
    for driver in DRIVERS:
        frame.loc[rng.random(len(frame)) < 0.15, driver] = None
    return frame


@pytest.fixture
def gappy(gappy_frame, small_book):
    return read_survey(gappy_frame, small_book)


@pytest.fixture
def with_data(gappy):
    """The same survey with columns replaced."""
    return lambda **columns: replace(gappy, data=gappy.data.assign(**columns))


def assert_equal(one, other):
    pd.testing.assert_frame_equal(one.data, other.data)


def test_gaps_are_filled_with_values_that_somebody_gave_and_nothing_else_changes(gappy):
    completed = impute(gappy, m=2, iterations=2)
    assert len(completed) == 2
    for survey in completed:
        assert survey.codebook is gappy.codebook
        assert list(survey.data.columns) == list(gappy.data.columns)
        for driver in DRIVERS:
            before, after = gappy.data[driver], survey.data[driver]
            given = before.notna()
            assert after.dtype == before.dtype
            assert after.notna().all()
            assert (after[given] == before[given]).all()
            assert set(after) <= set(before[given])
        others = [name for name in gappy.data.columns if name not in DRIVERS]
        pd.testing.assert_frame_equal(survey.data[others], gappy.data[others])
        for driver in DRIVERS:
            missing = gappy.data[driver].isna()
            by_country = missing.groupby(gappy.data["country"], observed=True).mean()
            share, country, there = survey.imputed[driver]
            assert share == pytest.approx(missing.mean())
            assert (country, there) == (by_country.idxmax(), pytest.approx(by_country.max()))


def test_the_given_survey_stays_as_it_was(gappy):
    before = gappy.data.copy(deep=True)
    impute(gappy, m=2, iterations=1)
    pd.testing.assert_frame_equal(gappy.data, before)
    assert gappy.imputed == {}


def test_the_same_seed_gives_the_same_data_sets_and_another_gives_others(gappy):
    first, again = (impute(gappy, m=2, iterations=1, random_seed=3) for _ in range(2))
    other = impute(gappy, m=2, iterations=1, random_seed=4)
    for one, two in zip(first, again, strict=True):
        assert_equal(one, two)
    assert not first[0].data.equals(first[1].data)
    assert not first[0].data.equals(other[0].data)


def test_more_data_sets_begin_with_the_same(gappy):
    two, three = (impute(gappy, m=m, iterations=1) for m in (2, 3))
    assert_equal(two[1], three[1])


def test_nothing_is_printed_or_warned_of(gappy, with_data, capfd, recwarn):
    school = gappy.data["school"].cat.set_categories(["low", "mid", "high"])
    school[school == "high"] = "mid"
    school.iloc[0] = "high"  # one citizen only
    impute(with_data(school=school), m=2, iterations=1)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_a_level_that_nobody_has_is_never_filled_in(gappy, with_data):
    school = gappy.data["school"].copy()
    school[school == "low"] = np.nan
    for survey in impute(with_data(school=school), m=2, iterations=1):
        assert set(survey.data["school"]) == {"mid", "high"}
        assert list(survey.data["school"].cat.categories) == ["low", "mid", "high"]


def test_odd_names_are_no_obstacle(gappy_frame, small_book):
    named = {
        "self": small_book["drivers"].pop("female") | {"column": "female"},
        'how "old" [years]: {x}': small_book["drivers"].pop("age") | {"column": "age"},
        "âge, ß": small_book["drivers"].pop("trust") | {"column": "trust"},
    }
    small_book["drivers"] |= named
    survey = read_survey(gappy_frame, small_book)
    (one, _) = impute(survey, m=2, iterations=1)
    assert one.data[list(named)].notna().all(axis=None)


def correlated(rng, n=2000):
    """A survey in which two drivers go together and with the items, and countries differ."""
    country = rng.integers(0, 3, n)
    common = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "country": np.array(["Austria", "Belgium", "Cyprus"])[country],
            "trust": np.clip(np.round(1.5 + common + 0.5 * rng.normal(size=n)), 0, 3),
            "hope": np.clip(np.round(1.5 + common + 0.5 * rng.normal(size=n)), 0, 3),
            "age": np.round(50 + 10 * (country - 1) + 8 * rng.normal(size=n)),
        }
    )
    latent = 0.6 * (frame["trust"] - 1.5) + rng.normal(size=n)
    for item in ("watch", "meet"):
        frame[item] = np.clip(np.round(1.5 + latent + 0.5 * rng.normal(size=n)), 0, 3)
    book = {
        "survey": {"name": "Correlated", "forms": ["alone", "together"]},
        "country": {"column": "country"},
        "items": {
            item: {"form": form, "categories": [0, 1, 2, 3]}
            for item, form in (("watch", "alone"), ("meet", "together"))
        },
        "drivers": {
            "trust": {"kind": "ordered", "categories": [0, 1, 2, 3]},
            "hope": {"kind": "ordered", "categories": [0, 1, 2, 3]},
            "age": {"kind": "numeric"},
        },
    }
    return frame, book


def slope(survey, rows=slice(None)):
    """Least-squares slope of the mean answer on trust, hope and age held."""
    score = survey.data[["watch", "meet"]].apply(lambda column: column.cat.codes).mean(axis=1)
    x = np.column_stack([np.ones(len(score)), code_drivers(survey.data, survey.codebook.drivers)])
    return np.linalg.lstsq(x[rows], score.to_numpy()[rows], rcond=None)[0][1]


def test_complete_cases_that_answers_select_are_mended(rng):
    frame, book = correlated(rng, 4000)
    full = slope(read_survey(frame, book))
    # the more citizens do, the less they say of their trust
    does = frame["watch"] + frame["meet"]
    lost = rng.random(len(frame)) < np.select([does >= 4, does == 3], [0.75, 0.4], 0.02)
    survey = read_survey(frame.assign(trust=frame["trust"].where(~lost)), book)
    of_complete = slope(survey, ~lost)
    of_imputed = np.mean([slope(one) for one in impute(survey, m=5, iterations=1)])
    assert of_complete < 0.85 * full  # what the gaps do to complete cases
    assert abs(of_imputed - full) < 0.5 * abs(of_complete - full)


def test_drivers_that_are_missing_together_keep_what_binds_them(rng):
    frame, book = correlated(rng)
    lost = rng.random(len(frame)) < 0.4
    gone = {name: frame[name].where(~lost) for name in ("trust", "hope")}
    survey = read_survey(frame.assign(**gone), book)
    (one, _) = impute(survey, m=2)
    after = one.data[["trust", "hope"]].apply(lambda column: column.cat.codes)[lost]
    true = frame["trust"].corr(frame["hope"])
    assert after["trust"].corr(after["hope"]) == pytest.approx(true, abs=0.1)


def test_all_that_is_known_counts_where_the_gaps_are_among_the_first_rows(rng):
    """miceforest counts rows in the smallest integers that hold the last gap, here up to 255."""
    frame, book = correlated(rng, 1200)
    frame["trust"] = frame["hope"]
    frame.loc[200:255, "trust"] = 3 - frame["hope"]  # what it would take for all others
    gone = frame["trust"].where(frame.index >= 200)
    (one, _) = impute(read_survey(frame.assign(trust=gone), book), m=2, iterations=1)
    after = one.data["trust"].cat.codes[:200]
    assert after.corr(frame["hope"][:200]) > 0.7


def test_unanswered_items_are_no_answers_to_the_trees(small):
    columns = _predictors(small)
    answers = {name: small.data[name].cat.codes for name in ("lock", "watch", "report")}
    tops = {"lock": 2, "watch": 3, "report": 1}
    scores = pd.DataFrame({k: v.where(v >= 0) / tops[k] for k, v in answers.items()})
    assert scores.isna().any(axis=None)
    np.testing.assert_allclose(columns["form alone"], scores.mean(axis=1))
    np.testing.assert_array_equal(np.isnan(columns["item watch"]), answers["watch"] < 0)


def test_what_is_filled_in_follows_country_and_other_drivers(rng):
    frame, book = correlated(rng)
    lost = rng.random(len(frame)) < 0.4
    survey = read_survey(
        frame.assign(age=frame["age"].where(~lost), hope=frame["hope"].where(lost)), book
    )
    (one, _) = impute(survey, m=2, iterations=2)
    age, hope = one.data["age"][lost], one.data["hope"].cat.codes[~lost]
    np.testing.assert_allclose(
        age.groupby(frame["country"]).mean(), frame["age"].groupby(frame["country"]).mean(), atol=2
    )
    assert age.std() == pytest.approx(frame["age"].std(), rel=0.1)
    np.testing.assert_allclose(
        hope.groupby(frame["trust"]).mean(), frame["hope"].groupby(frame["trust"]).mean(), atol=0.2
    )


def test_the_calls_that_give_it_again(small):
    survey = replace(
        small,
        data=small.data.assign(female=small.data["female"].mask(small.data["age"] < 30)),
        origin="read_survey('s.csv', codebook='c.toml')",
        command="run s.csv --codebook c",
    )
    one, two = impute(survey, m=2)
    call = "impute(bc.read_survey('s.csv', codebook='c.toml'), m=2, random_seed=2008)"
    assert (one.origin, two.origin) == (f"{call}[0]", f"{call}[1]")
    assert one.command == "run s.csv --codebook c --impute 2"
    other, _ = impute(survey, m=2, iterations=1, random_seed=1)
    assert other.origin.endswith("m=2, random_seed=1, iterations=1)[0]")
    assert other.command == ""  # no command gives these
    assert impute(replace(survey, command="demo"), m=2)[0].command == ""
    (chosen, _) = impute(survey, m=2, drivers=["female"])
    assert chosen.origin == f"{call[:-1]}, drivers=['female'])[0]"
    assert_equal(chosen, one)


def test_nothing_to_impute_is_said(small):
    with pytest.raises(SurveyError, match="none of the drivers is missing.*as it is"):
        impute(small)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"m": 1}, "m = 1 is no whole number from 2 on.*there is no spread"),
        ({"m": 2.0}, "m = 2.0 is no whole number"),
        ({"m": True}, "m = True is no whole number"),
        ({"iterations": 0}, "iterations = 0 is no whole number from 1 on"),
        ({"random_seed": -1}, "random_seed = -1 is no whole number from 0 on"),
    ],
)
def test_arguments_out_of_range_are_refused(gappy, arguments, message):
    with pytest.raises(SpecError, match=f"impute: {message}"):
        impute(gappy, **arguments)


def test_what_is_no_survey_is_refused(gappy):
    with pytest.raises(SurveyError, match="impute: takes a survey, and this is a DataFrame"):
        impute(gappy.data)


def test_a_driver_that_nobody_has_is_refused(with_data):
    with pytest.raises(SurveyError, match="driver 'age': nobody has a value. Leave the driver out"):
        impute(with_data(age=np.nan))


def test_a_driver_that_is_the_same_for_all_is_refused(gappy, with_data):
    age = gappy.data["age"].where(gappy.data["age"].isna(), 40.0)
    with pytest.raises(SurveyError, match="driver 'age': all who have a value have the same"):
        impute(with_data(age=age))


def test_a_driver_that_a_country_was_not_asked_is_refused(gappy, with_data):
    trust = gappy.data["trust"].mask(gappy.data["country"] == "Belgium")
    message = "driver 'trust': nobody in Belgium has a value.*drivers=.*or leave out the country"
    with pytest.raises(SurveyError, match=message):
        impute(with_data(trust=trust))


def test_drivers_that_are_not_asked_for_keep_their_gaps(gappy, with_data):
    trust = gappy.data["trust"].mask(gappy.data["country"] == "Belgium")
    survey = with_data(trust=trust)
    for one in impute(survey, m=2, iterations=1, drivers=["age", "female"]):
        assert one.data[["age", "female"]].notna().all(axis=None)
        assert set(one.imputed) == {"age", "female"}
        pd.testing.assert_frame_equal(
            one.data[["school", "trust"]], survey.data[["school", "trust"]]
        )
    with pytest.raises(SurveyError, match="impute: unknown driver 'rage'.*Available: .*age"):
        impute(survey, drivers=["rage"])


def test_without_miceforest_the_extra_is_named(gappy, monkeypatch):
    monkeypatch.setitem(sys.modules, "miceforest", None)
    with pytest.raises(CoprodError, match="the package with its extra 'impute'"):
        impute(gappy)
