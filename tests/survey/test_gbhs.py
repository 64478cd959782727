"""The Global Brain Health Survey: 27,124 real citizens and all their gaps."""

from pathlib import Path

import pytest

from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.coverage import answered_share, check_survey
from bayes_coprod.survey.read import read_survey

CODEBOOK = Path(__file__).parents[1] / "codebooks" / "gbhs.toml"


@pytest.fixture(scope="module")
def gbhs(gbhs_file):
    return read_survey(gbhs_file, CODEBOOK)


def test_its_codebook_can_be_read_without_the_data():
    book = load_codebook(CODEBOOK)
    assert book.forms == ("individual", "social")
    assert [item.form for item in book.items] == ["individual"] * 6 + ["social"] * 3
    assert {item.takes_part_from for item in book.items} == {"Occasionally"}
    assert [(driver.name, driver.kind) for driver in book.drivers] == [
        ("male", "binary"),
        ("age", "ordered"),
        ("education", "categorical"),
        ("illness", "binary"),
    ]
    assert not book.synthetic


def test_all_citizens_are_read_in_their_countries(gbhs):
    counts = gbhs.data["country"].value_counts()
    assert len(gbhs.data) == counts.sum() == 27_124
    assert len(gbhs.countries) == 14
    assert gbhs.countries == tuple(sorted(gbhs.countries))
    assert counts["UK"] == counts.max() == 10_160
    assert counts["Belgium"] == counts.min() == 115


def test_answers_are_as_many_as_other_software_counted(gbhs):
    """The table of ../shared/reference/README.md, made in R."""
    answers = gbhs.data["exercise"]
    assert list(answers.value_counts(sort=False)) == [269, 2384, 8919, 15489]
    assert answers.isna().sum() == 63


def test_drivers_are_read_and_other_sexes_are_missing(gbhs):
    assert gbhs.data["male"].isna().sum() == 119
    assert gbhs.data["male"].mean() == pytest.approx(7692 / (7692 + 19313))  # 71 % women
    assert gbhs.data["illness"].sum() == 10_986
    assert gbhs.data[["age", "education", "illness"]].notna().all(axis=None)
    assert gbhs.data["age"].cat.ordered


def test_its_coverage_is_good_and_the_weakest_spot_is_named(gbhs):
    findings = [f for f in check_survey(gbhs) if f.check != "harmonisation"]
    assert [(f.check, f.status) for f in findings] == [
        ("citizens", "pass"),
        ("item coverage", "pass"),
        ("driver coverage", "pass"),
        ("complete cases", "pass"),
    ]
    citizens, items, drivers, complete = findings
    assert citizens.value == 115
    shares = answered_share(gbhs).stack()
    assert shares.idxmin() == ("UK", "protection")
    assert items.value == pytest.approx(1 - shares.min())
    assert 0.10 < items.value < 0.12
    assert drivers.value == pytest.approx(119 / 27_124)
    lost = gbhs.data["male"].isna().groupby(gbhs.data["country"], observed=False).mean()
    assert complete.value == pytest.approx(lost.max())


def test_three_samples_that_are_like_no_other_are_named_and_nothing_else(gbhs):
    """Ukraine's are young men, Italy's are young; what people do varies as countries do."""
    found = [f for f in check_survey(gbhs) if f.check == "harmonisation"]
    assert {f.status for f in found} == {"warn"}
    assert {f.where for f in found} == {"male, Ukraine", "age, Ukraine", "age, Italy"}
    messages = {f.where: f.message for f in found}
    assert "‘Male’ for 78 % there" in messages["male, Ukraine"]
    assert "‘71-80’ for nobody there" in messages["age, Ukraine"]
    assert "‘18-25’ for 38 % there" in messages["age, Italy"]
    assert "in the other countries but Ukraine" in messages["age, Italy"]
