import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.errors import SurveyError
from bayes_coprod.survey.coverage import answered_share, check_survey
from bayes_coprod.survey.read import Imputed, read_survey

PER_COUNTRY = 100


@pytest.fixture
def blameless():
    """A hundred citizens in each of two countries, with nothing to find fault with."""
    n = 2 * PER_COUNTRY

    def repeated(*values):
        return np.resize(np.array(values, dtype=object), n)

    return pd.DataFrame(
        {
            "id": np.arange(n),
            "land": ["NO"] * PER_COUNTRY + ["DK"] * PER_COUNTRY,
            "w": repeated(0.8, 1.2),
            "q1": repeated("never", "sometimes", "often"),
            "q2": repeated(1, 2, 3),
            "q3": repeated("none", "some", "big"),
            "age": repeated(20, 40, 60),
            "sex": repeated("F", "M"),
            "education": repeated("low", "high"),
        }
    )


def only(survey, check):
    """The one finding of a check."""
    (finding,) = [f for f in check_survey(survey) if f.check == check]
    return finding


def accused(frame, content, drivers=None):
    """(check, status, where, value) of everything that does not pass."""
    findings = check_survey(read_survey(frame, content), drivers)
    return [(f.check, f.status, f.where, f.value) for f in findings if f.status != "pass"]


def test_nothing_is_accused_where_nothing_is_wrong(blameless, content):
    findings = check_survey(read_survey(blameless, content))
    assert [f.status for f in findings] == ["pass"] * 7
    assert [f.check for f in findings] == [
        "citizens",
        "item coverage",
        "driver coverage",
        "complete cases",
        "citizen ids",
        "weights",
        "harmonisation",
    ]


def test_nothing_is_accused_in_the_embedded_survey(five):
    assert check_survey(five).status == "pass"


def test_nothing_is_said_of_ids_and_weights_that_the_survey_lacks(blameless, content):
    del content["survey"]["citizen"], content["weight"]
    checks = {f.check for f in check_survey(read_survey(blameless, content))}
    assert not checks & {"citizen ids", "weights"}
    assert len(checks) == 5


def test_findings_are_printed_worst_first(blameless, content):
    blameless.loc[0, "w"] = None  # fail, and checked last
    blameless.loc[:14, "age"] = None  # warn
    findings = check_survey(read_survey(blameless, content))
    statuses = [line.split()[0] for line in repr(findings).splitlines()]
    assert statuses == ["fail", "warn", *["pass"] * 5]
    assert findings.status == "fail"


# Citizens


def test_items_that_nobody_has_sorted_warn(blameless, content):
    content["survey"]["forms"] = ["unsorted"]
    for item in content["items"].values():
        item["form"] = "unsorted"
    n = len(content["items"])
    assert accused(blameless, content) == [("forms", "warn", "unsorted", n)]
    found = only(read_survey(blameless, content), "forms")
    assert f"Items under the form 'unsorted', where a draft puts all: {n}." in found.message
    assert found.remedy.startswith("Sort each item into a form")


def test_fewer_than_a_hundred_citizens_warn(blameless, content):
    assert accused(blameless[1:], content) == [("citizens", "warn", "Norway", 99.0)]


def test_a_listed_country_without_citizens_warns(blameless, content):
    content["country"]["labels"]["SE"] = "Sweden"
    assert accused(blameless, content) == [("citizens", "warn", "Sweden", 0.0)]


# Items


def test_an_item_never_asked_in_a_country_warns_once(blameless, content):
    blameless.loc[PER_COUNTRY:, "q1"] = None
    assert accused(blameless, content) == [("item coverage", "warn", "recycle", 1.0)]
    findings = check_survey(read_survey(blameless, content))
    assert "Nobody answered it in Denmark." in repr(findings)


def test_an_item_never_asked_anywhere_names_every_country(blameless, content):
    blameless["q1"] = None
    findings = check_survey(read_survey(blameless, content)).only("warn")
    assert [(f.check, f.where, f.value) for f in findings] == [
        ("item coverage", "recycle", 2.0),
        ("categories", "recycle", 3.0),
    ]
    assert "in Norway and Denmark." in findings[0].message
    assert findings[1].message == "Nobody chose never, sometimes and often."


def test_more_than_a_fifth_of_the_answers_missing_warns_in_that_country(blameless, content):
    blameless.loc[:20, "q2"] = 8  # 21 of Norway's 100
    blameless.loc[180:, "q1"] = None  # 20 of Denmark's 100
    ((check, status, where, value),) = accused(blameless, content)
    assert (check, status, where) == ("item coverage", "warn", "group, Norway")
    assert value == pytest.approx(0.21)


def test_a_category_that_nobody_chose_warns(blameless, content):
    frame = blameless.replace({"q1": {"sometimes": "often"}, "q2": {1: 2, 3: 2}})
    assert accused(frame, content) == [
        ("categories", "warn", "recycle", 1.0),
        ("categories", "warn", "group", 2.0),
    ]
    messages = [f.message for f in check_survey(read_survey(frame, content)).only("warn")]
    assert messages == ["Nobody chose sometimes.", "Nobody chose 1 and 3."]


def test_answered_share_is_by_country_and_item(blameless, content):
    blameless.loc[:24, "q1"] = None
    blameless.loc[150:, "q2"] = None
    shares = answered_share(read_survey(blameless, content))
    assert list(shares.index) == ["Norway", "Denmark"]
    assert list(shares) == ["recycle", "group"]
    np.testing.assert_allclose(shares, [[0.75, 1.0], [1.0, 0.5]])


# Drivers


@pytest.mark.parametrize(
    ("missing", "status"), [(10, "pass"), (11, "warn"), (40, "warn"), (41, "fail")]
)
@pytest.mark.parametrize(("column", "name"), [("age", "age"), ("sex", "woman"), ("q3", "efficacy")])
def test_a_driver_missing_for_a_twentieth_warns_and_for_a_fifth_fails(
    blameless, content, column, name, missing, status
):
    half = missing // 2
    blameless.loc[: half - 1, column] = None
    blameless.loc[PER_COUNTRY : PER_COUNTRY + missing - half - 1, column] = None
    found = [f for f in accused(blameless, content) if f[0] == "driver coverage"]
    expected = [("driver coverage", status, name, missing / 200)]
    assert found == (expected if status != "pass" else [])


def test_only_the_drivers_of_the_model_are_checked(blameless, content):
    blameless.loc[:99, "age"] = None
    assert accused(blameless, content, ["woman", "education"]) == []
    assert accused(blameless, content, ["age"]) == [
        ("driver coverage", "fail", "age", 0.5),
        ("complete cases", "warn", "Norway", 1.0),
    ]
    assert accused(blameless, content, []) == []


def test_the_share_with_all_drivers_is_told(blameless, content):
    blameless.loc[:9, "age"] = None
    blameless.loc[5:14, "sex"] = None  # 15 of 200 miss one or the other
    findings = check_survey(read_survey(blameless, content))
    (finding,) = (f for f in findings if f.check == "driver coverage")
    assert finding.message == "At most 5.0% of citizens miss a driver; 92.5% have all of them."


@pytest.mark.parametrize(("lost", "status"), [(15, "pass"), (16, "warn")])
def test_a_country_that_loses_more_than_15_per_cent_of_its_citizens_warns(
    blameless, content, lost, status
):
    blameless.loc[PER_COUNTRY : PER_COUNTRY + lost - 7, "age"] = None
    blameless.loc[PER_COUNTRY + lost - 10 : PER_COUNTRY + lost - 1, "sex"] = None  # in part others
    findings = [
        f for f in check_survey(read_survey(blameless, content)) if f.check == "complete cases"
    ]
    (finding,) = findings
    assert (finding.status, finding.value) == (status, pytest.approx(lost / 100))
    assert finding.where == ("Denmark" if status == "warn" else "")
    assert f"{lost:.1f}%" in finding.message


def test_what_is_lost_names_imputation_as_the_remedy(blameless, content):
    blameless.loc[:49, "age"] = None
    found = check_survey(read_survey(blameless, content)).only("warn", "fail")
    assert {f.check for f in found} == {"driver coverage", "complete cases"}
    assert all("impute(survey, m=5)" in f.remedy for f in found)


def test_each_country_that_loses_citizens_is_named(blameless, content):
    blameless.loc[:29, "age"] = None
    blameless.loc[PER_COUNTRY : PER_COUNTRY + 19, "sex"] = None
    lost = [f[2:] for f in accused(blameless, content) if f[0] == "complete cases"]
    assert lost == [("Norway", 0.3), ("Denmark", 0.2)]


def test_an_unknown_driver_is_refused_with_the_nearest(five):
    message = "check_survey: unknown driver 'self_eficacy'. Did you mean 'self_efficacy'? Available"
    with pytest.raises(SurveyError, match=re.escape(message)):
        check_survey(five, ["age", "self_eficacy"])


# Ids and weights


def test_an_id_on_two_rows_fails_and_is_counted_once(blameless, content):
    blameless.loc[[3, 7], "id"] = 5
    blameless.loc[150, "id"] = 151
    assert accused(blameless, content) == [("citizen ids", "fail", "5", 2.0)]


@pytest.mark.parametrize(("weight", "problem"), [(None, "missing"), (-0.1, "negative")])
def test_a_weight_missing_or_negative_fails_and_names_the_citizen(
    blameless, content, weight, problem
):
    blameless.loc[[30, 130], "w"] = weight
    assert accused(blameless, content) == [("weights", "fail", "30", 2.0)]
    assert f"2 weights are {problem}." in repr(check_survey(read_survey(blameless, content)))


def test_one_weight_is_one(blameless, content):
    blameless.loc[30, "w"] = None
    assert "1 weight is missing." in repr(check_survey(read_survey(blameless, content)))


def test_a_weight_beyond_ten_means_of_its_country_warns(blameless, content):
    blameless["w"] = np.repeat([1.0, 100.0], PER_COUNTRY)  # large where all are large
    blameless.loc[30, "w"] = 12.0  # 12 / 1.11 = 10.8 means
    assert accused(blameless, content) == [("weights", "warn", "30", 1.0)]


@pytest.mark.parametrize("largest", [1e300, 1e308])
def test_one_citizen_with_nearly_all_the_weight_fails_and_nothing_overflows(
    blameless, content, largest
):
    blameless["w"] = 1.0
    blameless.loc[130, "w"] = largest
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = accused(blameless, content)
    assert ("weights", "fail", "Denmark", 1.0) in found
    assert not any(where == "Norway" for _, _, where, _ in found)


def test_weights_all_large_are_weights_all_alike(blameless, content):
    blameless["w"] = 1.5e308
    assert accused(blameless, content) == []
    assert "counts for 100 citizens" in repr(check_survey(read_survey(blameless, content)))


@pytest.mark.parametrize(("weight", "fails"), [(98.0, False), (100.0, True)])
def test_one_citizen_fails_with_more_than_half_of_a_country(blameless, content, weight, fails):
    blameless["w"] = 1.0
    blameless.loc[130, "w"] = weight  # beside 99 others
    ((status, value),) = (f[1::2] for f in accused(blameless, content) if f[2] == "Denmark")
    assert status == ("fail" if fails else "warn")
    effective = (weight + 99) ** 2 / (weight**2 + 99)
    assert value == pytest.approx(weight / (weight + 99) if fails else effective / 100)


def test_weights_that_halve_a_country_warn(blameless, content):
    blameless["w"] = 1.0
    blameless.loc[: PER_COUNTRY - 1, "w"] = np.resize([0.0, 0.0, 0.0, 2.0], PER_COUNTRY)
    assert accused(blameless, content) == [("weights", "warn", "Norway", 0.25)]
    assert "tell as much as 25 of equal weight" in repr(
        check_survey(read_survey(blameless, content))
    )


def test_an_infinite_weight_fails(blameless, content):
    survey = read_survey(blameless, content)
    survey.data.loc[30, "weight"] = np.inf
    found = [(f.status, f.where) for f in check_survey(survey) if f.check == "weights"]
    assert found == [("fail", "30")]


def test_weights_that_are_all_zero_do_not_pass(blameless, content):
    blameless["w"] = 0.0
    assert any(check == "weights" for check, *_ in accused(blameless, content))


def test_a_check_changes_nothing(blameless, content):
    survey = read_survey(blameless, content)
    before = survey.data.copy()
    check_survey(survey)
    pd.testing.assert_frame_equal(survey.data, before)


def test_what_complete_cases_cost_is_said_of_each_country(small_frame, small_book):
    small_frame.loc[:4, "age"] = np.nan  # of 50 citizens of the first country
    small_frame.loc[[50], "trust"] = np.nan
    finding = only(read_survey(small_frame, small_book), "complete cases")
    assert finding.message == (
        "Left out of a fit with all drivers, for want of one: 10.0% in Austria, 2.0% in Belgium, "
        "0.0% in Cyprus."
    )


def test_what_was_filled_in_is_said(small):
    completed = replace(small, imputed={"age": Imputed(0.25, "Cyprus", 0.3)})
    assert (
        "all of them, with what was filled in: age of 25.0% of citizens."
        in only(completed, "driver coverage").message
    )
