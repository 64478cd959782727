"""SPSS and Stata files: labels, codes, what the file declares missing, and what could mean two."""

import datetime
import re

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from bayes_coprod.errors import SurveyError
from bayes_coprod.survey.read import read_survey

ANSWERS = {1: "never", 2: "sometimes", 3: "often"}
SPSS = (".sav", ".zsav")


def refused(message):
    return pytest.raises(SurveyError, match=re.escape(message))


@pytest.fixture
def book():
    return {
        "survey": {"name": "Labelled", "forms": ["alone", "together"]},
        "country": {"column": "land"},
        "items": {
            "recycle": {"form": "alone", "categories": ["never", "sometimes", "often"]},
            "group": {"form": "together", "categories": [1, 2, 3]},
        },
        "drivers": {
            "woman": {"column": "sex", "kind": "binary", "yes": ["female"]},
            "age": {"kind": "numeric", "bounds": [18, 99]},
        },
    }


@pytest.fixture
def cells():
    return pd.DataFrame(
        {
            "land": [1, 2, 1, 2, 1],
            "recycle": [3.0, 1.0, 2.0, np.nan, 3.0],
            "group": [1.0, 3.0, 2.0, 2.0, np.nan],
            "sex": [2.0, 1.0, 2.0, 1.0, np.nan],
            "age": [18.0, 99.0, 40.5, np.nan, 50.0],
            "nobody_asked": list("vwxyz"),
        }
    )


LABELS = {
    "land": {1: "Denmark", 2: "Norway"},
    "recycle": ANSWERS,
    "group": ANSWERS,
    "sex": {1: "male", 2: "female"},
}


def write(path, cells, labels=LABELS, missing=None, column_labels=None):
    """A file of the ending's format."""
    if path.suffix == ".dta":
        pyreadstat.write_dta(
            cells,
            path,
            variable_value_labels=labels,
            missing_user_values=missing,
            column_labels=column_labels,
        )
    else:
        pyreadstat.write_sav(
            cells,
            path,
            variable_value_labels=labels,
            missing_ranges=missing,
            column_labels=column_labels,
            compress=path.suffix == ".zsav",
        )
    return path


@pytest.mark.parametrize("ending", [*SPSS, ".dta"])
def test_categories_mean_labels_or_codes(tmp_path, book, cells, ending):
    survey = read_survey(write(tmp_path / f"s{ending}", cells), book)
    data = survey.data
    assert survey.countries == ("Denmark", "Norway")
    assert list(data["recycle"].cat.codes) == [2, 0, 1, -1, 2]
    assert list(data["recycle"].cat.categories) == ["never", "sometimes", "often"]
    assert list(data["group"].cat.codes) == [0, 2, 1, 1, -1]
    assert list(data["group"].cat.categories) == ["1", "2", "3"]
    np.testing.assert_array_equal(data["woman"], [1, 0, 1, 0, np.nan])
    np.testing.assert_array_equal(data["age"], [18, 99, 40.5, np.nan, 50])
    assert survey.origin == f"read_survey('s{ending}', codebook='codebook.toml')"
    assert survey.command == f"run s{ending} --codebook codebook.toml"


@pytest.mark.parametrize("ending", [*SPSS, ".dta"])
def test_the_same_answers_come_from_labels_in_csv_and_in_a_labelled_file(
    tmp_path, book, cells, ending
):
    book["items"]["group"]["categories"] = ["never", "sometimes", "often"]
    spelled = cells.assign(**{name: cells[name].map(LABELS[name]) for name in LABELS})
    spelled.to_csv(tmp_path / "s.csv", index=False)
    from_csv = read_survey(tmp_path / "s.csv", book).data
    from_file = read_survey(write(tmp_path / f"s{ending}", cells), book).data
    pd.testing.assert_frame_equal(from_csv, from_file)


@pytest.mark.parametrize("ending", SPSS)
def test_declared_values_and_ranges_of_spss_are_missing(tmp_path, book, cells, ending):
    cells["recycle"] = [3.0, 9.0, 7.0, 6.0, 1.0]
    cells["age"] = [18.0, 997.0, 999.0, 30.0, -1.0]
    missing = {"recycle": [9, {"lo": 6, "hi": 8}], "age": [{"lo": 900, "hi": 1000}, -1]}
    data = read_survey(write(tmp_path / f"s{ending}", cells, missing=missing), book).data
    assert list(data["recycle"].cat.codes) == [2, -1, -1, -1, 0]
    np.testing.assert_array_equal(data["age"], [18, np.nan, np.nan, 30, np.nan])


def test_a_code_beside_a_declared_range_is_refused(tmp_path, book, cells):
    cells["recycle"] = [3.0, 9.0, 8.5, 6.0, 1.0]
    file = write(tmp_path / "s.sav", cells, missing={"recycle": [{"lo": 6, "hi": 8}]})
    with refused("s.sav, column 'recycle', row 2: '9' is not in the codebook (2 such rows)."):
        read_survey(file, book)


def test_declared_text_of_spss_is_missing(tmp_path, book, cells):
    cells["land"] = ["Denmark", "Norway", "Denmark", "Norway", "Denmark"]
    cells["recycle"] = ["often", "never", "XX", "sometimes", ""]
    labels = {name: LABELS[name] for name in ("group", "sex")}
    file = write(tmp_path / "s.sav", cells, labels, missing={"recycle": ["XX"]})
    assert list(read_survey(file, book).data["recycle"].cat.codes) == [2, 0, -1, 1, -1]


def test_extended_missing_values_of_stata_are_missing_whatever_they_are_called(
    tmp_path, book, cells
):
    cells["recycle"] = [3, "a", 2, "z", 1]
    cells["age"] = [18.5, "b", 40.0, 30.0, None]
    labels = {**LABELS, "recycle": {**ANSWERS, "a": "refused", "z": "often (says the partner)"}}
    missing = {"recycle": ["a", "z"], "age": ["b"]}
    data = read_survey(write(tmp_path / "s.dta", cells, labels, missing), book).data
    assert list(data["recycle"].cat.codes) == [2, -1, 1, -1, 0]
    np.testing.assert_array_equal(data["age"], [18.5, np.nan, 40, 30, np.nan])


def test_a_letter_in_a_text_column_of_stata_is_a_letter(tmp_path, book, cells):
    book["items"]["recycle"]["categories"] = ["a", "b"]
    cells["recycle"] = ["a", "b", "a", "", "b"]
    labels = {name: LABELS[name] for name in ("land", "group", "sex")}
    data = read_survey(write(tmp_path / "s.dta", cells, labels), book).data
    assert list(data["recycle"].cat.codes) == [0, 1, 0, -1, 1]


@pytest.mark.parametrize("ending", [*SPSS, ".dta"])
def test_days_and_text_are_read_where_the_codebook_names_them(tmp_path, book, cells, ending):
    first, second = datetime.date(2008, 5, 1), datetime.date(2008, 5, 31)
    cells["day"] = [first, second, first, None, second]
    cells["mood"] = ["good", "bad", "good", "", "bad "]
    book["drivers"] |= {
        "day": {"kind": "categorical", "categories": ["2008-05-01", "2008-05-31"]},
        "mood": {"kind": "categorical", "categories": ["bad", "good"]},
    }
    data = read_survey(write(tmp_path / f"s{ending}", cells), book).data
    assert list(data["day"].cat.codes) == [0, 1, 0, -1, 1]
    assert list(data["mood"].cat.codes) == [1, 0, 1, -1, 0]
    book["drivers"]["day"] = {"kind": "numeric"}
    with refused("column 'day', row 1: '2008-05-01' is not a number (4 such rows)."):
        read_survey(tmp_path / f"s{ending}", book)


# What could mean two things


def test_a_category_that_is_one_codes_label_and_anothers_code_is_refused(tmp_path, book, cells):
    book["items"]["group"]["categories"] = [0, 1, 2]
    labels = {**LABELS, "group": {1: "0", 2: "1", 3: "2"}}
    with refused("s.dta, column 'group': 1 in the codebook could be '1' (0) or '2' (1)."):
        read_survey(write(tmp_path / "s.dta", cells, labels), book)


def test_a_label_that_repeats_its_code_is_fine(tmp_path, book, cells):
    labels = {**LABELS, "group": {1: "1", 2: "2", 3: "3"}}
    data = read_survey(write(tmp_path / "s.dta", cells, labels), book).data
    assert list(data["group"].cat.codes) == [0, 2, 1, 1, -1]


def test_two_codes_with_one_label_are_refused_as_a_category(tmp_path, book, cells):
    labels = {**LABELS, "recycle": {1: "never", 2: "often", 3: "often"}}
    book["items"]["recycle"]["categories"] = ["never", "often"]
    file = write(tmp_path / "s.dta", cells, labels)
    with refused("'often' in the codebook could be '3' (often) or '2' (often)."):
        read_survey(file, book)
    book["items"]["recycle"]["categories"] = [1, 2, 3]
    assert list(read_survey(file, book).data["recycle"].cat.codes) == [2, 0, 1, -1, 2]


def test_two_codes_with_one_label_are_fine_where_both_mean_no_answer(tmp_path, book, cells):
    labels = {**LABELS, "recycle": {1: "never", 2: "no answer", 3: "no answer", 4: "often"}}
    book["items"]["recycle"] |= {"categories": ["never", "often"], "missing": ["no answer"]}
    data = read_survey(write(tmp_path / "s.dta", cells, labels), book).data
    assert list(data["recycle"].cat.codes) == [-1, 0, -1, -1, -1]


def test_a_value_that_two_entries_of_the_codebook_name_is_refused(tmp_path, book, cells):
    file = write(tmp_path / "s.dta", cells)
    book["items"]["recycle"]["categories"] = ["never", "sometimes", 2, "often"]
    with refused("column 'recycle': '2' (sometimes) is both 'sometimes' and 2 in the codebook."):
        read_survey(file, book)
    book["items"]["recycle"] |= {"categories": ["never", "often"], "missing": [3]}
    with refused("column 'recycle': '3' (often) is both 'often' and 3 in the codebook."):
        read_survey(file, book)


@pytest.mark.parametrize("category", ["often", 3])
def test_a_category_that_the_file_declares_missing_is_refused(tmp_path, book, cells, category):
    book["items"]["recycle"]["categories"] = ["never", "sometimes", category]
    file = write(tmp_path / "s.sav", cells, missing={"recycle": [3]})
    with refused(
        f"column 'recycle': {category!r} is a category in the codebook, and the file declares "
        "'3' (often) to mean no answer."
    ):
        read_survey(file, book)


def test_a_label_of_stata_that_means_no_answer_is_no_category(tmp_path, book, cells):
    cells["recycle"] = [3, "a", 2, 1, 1]
    labels = {**LABELS, "recycle": {**ANSWERS, "a": "refused"}}
    book["items"]["recycle"]["categories"] = ["never", "sometimes", "often", "refused"]
    file = write(tmp_path / "s.dta", cells, labels, {"recycle": ["a"]})
    with refused("the file declares '.a' (refused) to mean no answer."):
        read_survey(file, book)


def test_a_labelled_number_without_bounds_may_mean_no_answer(tmp_path, book, cells):
    cells["age"] = [18.0, 99.0, 40.0, 98.0, 50.0]
    labels = {**LABELS, "age": {98: "refused", 99: "ninety-nine or older", 50: "50"}}
    file = write(tmp_path / "s.dta", cells, labels)
    del book["drivers"]["age"]["bounds"]
    with refused(
        "column 'age', row 2: '99' (ninety-nine or older) has a label that is no number: it may "
        "mean no answer (2 such rows). Add it to missing, or give `bounds`"
    ):
        read_survey(file, book)
    book["drivers"]["age"]["missing"] = ["refused"]
    with refused("column 'age', row 2: '99' (ninety-nine or older) has a label"):
        read_survey(file, book)
    book["drivers"]["age"]["bounds"] = [18, 99]
    np.testing.assert_array_equal(read_survey(file, book).data["age"], [18, 99, 40, np.nan, 50])


def test_an_unknown_answer_is_named_with_code_and_label(tmp_path, book, cells):
    book["items"]["recycle"]["categories"] = ["never", "sometime", "often"]
    with refused(
        "s.dta, column 'recycle', row 3: '2' (sometimes) is not in the codebook. "
        "Did you mean 'sometime'?"
    ):
        read_survey(write(tmp_path / "s.dta", cells), book)


def test_countries_with_one_label_are_refused_and_told_apart_by_code(tmp_path, book, cells):
    file = write(tmp_path / "s.dta", cells, {**LABELS, "land": {1: "Germany", 2: "Germany"}})
    with refused("'1' (Germany) and '2' (Germany) are both called 'Germany'."):
        read_survey(file, book)
    book["country"]["labels"] = {"1": "East", "2": "West"}
    assert read_survey(file, book).countries == ("East", "West")


def test_countries_are_listed_by_label_or_by_code(tmp_path, book, cells):
    file = write(tmp_path / "s.dta", cells)
    for labels in ({"Norway": "NO", "Denmark": "DK"}, {"2": "NO", "1": "DK"}):
        book["country"]["labels"] = labels
        survey = read_survey(file, book)
        assert survey.countries == ("NO", "DK")
        assert list(survey.data["country"]) == ["DK", "NO", "DK", "NO", "DK"]


# Text that is hard to carry


@pytest.mark.parametrize("ending", [".sav", ".dta"])
@pytest.mark.parametrize(
    "hard", ["🌍 often", "often,\nor so", "<b>often</b>", 'a = "b" # ]', "$x_1$ & co", "'''"]
)
def test_labels_come_out_as_they_went_in(tmp_path, book, cells, ending, hard):
    book["items"]["recycle"]["categories"] = ["never", "sometimes", hard]
    book["items"]["recycle"]["label"] = hard
    file = write(tmp_path / f"s{ending}", cells, {**LABELS, "recycle": {**ANSWERS, 3: hard}})
    survey = read_survey(file, book)
    assert list(survey.data["recycle"].cat.categories) == ["never", "sometimes", hard]
    assert survey.codebook.item("recycle").label == hard


def test_a_country_may_be_called_like_a_category(tmp_path, book, cells):
    file = write(tmp_path / "s.dta", cells, {**LABELS, "land": {1: "often", 2: "never"}})
    survey = read_survey(file, book)
    assert survey.countries == ("never", "often")
    assert list(survey.data["recycle"].cat.codes) == [2, 0, 1, -1, 2]


# Files that cannot be read


@pytest.mark.parametrize("ending", [*SPSS, ".dta"])
def test_a_missing_or_foreign_file_is_refused(tmp_path, book, ending):
    with refused(f"read_survey: there is no file {tmp_path / f'no{ending}'}."):
        read_survey(tmp_path / f"no{ending}", book)
    for data in (b"", b"\0" * 999, b"land,recycle\n1,2\n"):
        (tmp_path / f"s{ending}").write_bytes(data)
        with refused(f"s{ending}: the file cannot be read as"):
            read_survey(tmp_path / f"s{ending}", book)


@pytest.mark.parametrize("ending", [*SPSS, ".dta"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, book, cells, ending):
    many = pd.concat([cells] * 200, ignore_index=True)
    whole = write(tmp_path / f"s{ending}", many).read_bytes()
    # within the header, the data, and, of Stata, the labels, which come last
    for kept in (100, len(whole) // 2, len(whole) - 200, len(whole) - 2):
        (tmp_path / f"s{ending}").write_bytes(whole[:kept])
        with refused(f"s{ending}"):
            read_survey(tmp_path / f"s{ending}", book)


@pytest.mark.parametrize("ending", [".sav", ".dta"])
def test_a_damaged_file_is_read_or_refused_in_words(tmp_path, book, cells, ending):
    many = pd.concat([cells] * 50, ignore_index=True)
    whole = write(tmp_path / f"s{ending}", many).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(6):
        damaged = bytearray(whole)
        for at in rng.integers(len(whole), size=rng.integers(1, 20)):
            damaged[at] = rng.integers(256)
        (tmp_path / f"s{ending}").write_bytes(damaged)
        try:
            survey = read_survey(tmp_path / f"s{ending}", book)
        except SurveyError:
            continue
        assert set(survey.data["recycle"].dropna()) <= {"never", "sometimes", "often"}


def test_a_header_that_would_end_the_process_is_refused(tmp_path, book):
    """Byte 180 says whether the first variable has a label; there is none."""
    plain = pd.DataFrame({"land": [1.0, 2, 1, 2, 1], "recycle": [3.0, 1, 2, np.nan, 3]})
    labels = {"land": {1: "D", 2: "N"}}
    damaged = bytearray(write(tmp_path / "s.sav", plain, labels).read_bytes())
    assert damaged[180] == 0
    damaged[180] = 1
    (tmp_path / "s.sav").write_bytes(damaged)
    with refused("s.sav: the file cannot be read as SPSS data (its header is damaged)."):
        read_survey(tmp_path / "s.sav", book)


@pytest.mark.parametrize("version", [8, 10, 12])
def test_an_old_stata_file_that_lost_its_labels_is_refused(tmp_path, book, cells, version):
    """Labels come last, and formats before 117 have no mark at their end."""
    pyreadstat.write_dta(cells, tmp_path / "s.dta", variable_value_labels=LABELS, version=version)
    whole = (tmp_path / "s.dta").read_bytes()
    assert len(read_survey(tmp_path / "s.dta", book).data) == 5
    for lost in (1, 20, 60, 130):
        (tmp_path / "s.dta").write_bytes(whole[:-lost])
        with refused("s.dta"):
            read_survey(tmp_path / "s.dta", book)


def test_a_fraction_that_means_no_answer_is_found_with_half_the_digits(book, cells):
    book["drivers"]["age"] = {"kind": "numeric", "missing": [-99.9]}
    book["country"]["labels"] = {"1": "DK", "2": "NO"}
    book["items"]["recycle"]["categories"] = [1, 2, 3]
    book["drivers"]["woman"]["yes"] = [2]
    cells["age"] = np.array([18, -99.9, 40.5, np.nan, 50], dtype=np.float32)
    ages = read_survey(cells, book).data["age"]
    np.testing.assert_array_equal(ages, [18, np.nan, 40.5, np.nan, 50])


def test_endings_may_be_in_capitals(tmp_path, book, cells):
    write(tmp_path / "s.dta", cells).rename(tmp_path / "S.DTA")
    assert len(read_survey(tmp_path / "S.DTA", book).data) == 5
