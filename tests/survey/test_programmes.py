"""Ready codebooks, on small files in the programmes' formats; the data themselves are not ours."""

import re

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from bayes_coprod.errors import CodebookError, SurveyError
from bayes_coprod.model.design import make_design
from bayes_coprod.survey.codebook import codebook_content, load_codebook
from bayes_coprod.survey.coverage import check_survey
from bayes_coprod.survey.entries import Driver
from bayes_coprod.survey.read import read_survey

N = 240
PROGRAMMES = ("ess", "issp2004", "issp2014")
ROUND_ITEMS = {
    8: {"wrkprty", "pbldmn", "wrkorg"},
    9: {"wrkprty", "pbldmn", "wrkorg"},
    10: {"donprty", "pbldmna", "volunfp"},
    11: {"donprty", "pbldmna", "volunfp"},
}


def values_of(entry):
    """Codes that mean something, and those that do not."""
    if isinstance(entry, Driver) and entry.kind == "numeric":
        low, high = entry.bounds
        return list(range(int(low), int(high) + 1)), list(entry.missing)
    given = entry.categories or (*entry.yes, *entry.no)
    return list(given), list(entry.missing)


def make_file(book, columns=None, missing=0.1):
    """Codes as a programme's CSV file has them, every one of them in use."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(index=range(N))
    for entry in book.entries:
        codes, lost = values_of(entry)
        drawn = rng.choice(codes, N)
        drawn[: len(codes)] = codes[:N]
        if lost:
            drawn = np.where(rng.random(N) < missing, rng.choice(lost, N), drawn)
        frame[entry.column] = drawn.astype(float)
    countries = list(book.country_labels) or ["AT", "BE", "CZ"]
    frame[book.country] = np.resize(countries[:3], N)
    if book.weight:
        frame[book.weight] = rng.lognormal(0, 0.3, N)
    if book.citizen:
        frame[book.citizen] = np.arange(1, N + 1)
    return frame if columns is None else frame[columns]


def words(entry):
    """Value labels as the programme would have them, missing codes included."""
    codes, lost = values_of(entry)
    if isinstance(entry, Driver) and entry.kind == "numeric":
        codes = codes[:1]  # such as 0, no trust at all
    labels = {int(code): f"answer {code}" for code in codes}
    return labels | {int(code): ("Refusal", "Don't know", "No answer", "Other")[i % 4] + f" {code}"
                     for i, code in enumerate(lost)}  # fmt: skip


def as_sav(path, frame, book):
    columns = {entry.column: entry for entry in book.entries if entry.column in frame}
    pyreadstat.write_sav(
        frame,
        path,
        variable_value_labels={name: words(entry) for name, entry in columns.items()},
        missing_ranges={n: list(e.missing)[:3] for n, e in columns.items() if e.missing},
    )
    return path


def as_dta(path, frame, book):
    """Missing codes as .a, .b, ...: what a programme's own conversion makes of them."""
    frame = frame.copy()
    labels, lost = {}, {}
    for entry in book.entries:
        if entry.column not in frame:
            continue
        letters = {code: "abcdefgh"[i] for i, code in enumerate(entry.missing)}
        whole = frame[entry.column].astype(int).astype(object)
        frame[entry.column] = whole.map(lambda code, of=letters: of.get(code, code))
        lost[entry.column] = list(letters.values())
        labels[entry.column] = {
            letters.get(code, code): text for code, text in words(entry).items()
        }
    pyreadstat.write_dta(
        frame, path, variable_value_labels=labels, missing_user_values=lost, version=15
    )
    return path


@pytest.mark.parametrize("name", PROGRAMMES)
def test_it_says_what_it_is_and_holds_no_data(name):
    book = load_codebook(name)
    assert not book.synthetic
    assert book.forms == ("individual", "collective")
    assert re.search(r"round|2004|2014", book.name)
    assert load_codebook(codebook_content(book)) == book


@pytest.mark.parametrize("name", PROGRAMMES)
def test_the_same_file_in_three_formats_gives_the_same_survey(name, tmp_path):
    book = load_codebook(name)
    frame = make_file(book)
    frame.to_csv(tmp_path / "s.csv", index=False)
    plain = read_survey(tmp_path / "s.csv", name)
    for file in (as_sav(tmp_path / "s.sav", frame, book), as_dta(tmp_path / "s.dta", frame, book)):
        pd.testing.assert_frame_equal(read_survey(file, name).data, plain.data)
    for entry in book.entries:
        answers = plain.data[entry.name]
        assert 0.02 < answers.isna().mean() < 0.25  # the missing codes and nothing else
        if hasattr(answers, "cat"):
            assert set(answers.dropna()) == set(entry.levels)


@pytest.mark.parametrize("name", PROGRAMMES)
def test_yes_is_above_no_and_often_above_never(name):
    for item in load_codebook(name).items:
        lowest, highest = item.levels[0], item.levels[-1]
        assert (lowest, highest) == ("no", "yes") or "never" in lowest, item.name
        assert len(set(item.levels)) == len(item.levels)


@pytest.mark.parametrize("number", ROUND_ITEMS)
def test_a_round_of_ess_is_read_with_the_items_that_it_asked(number, tmp_path):
    book = load_codebook("ess")
    optional = {item.name for item in book.items if item.optional}
    absent = list(optional - ROUND_ITEMS[number])
    frame = make_file(book).drop(columns=absent)
    survey = read_survey(as_sav(tmp_path / f"ESS{number}.sav", frame, book), "ess")
    collective = {item.name for item in survey.codebook.items if item.form == "collective"}
    assert collective == ROUND_ITEMS[number]
    assert optional == set.union(*ROUND_ITEMS.values())
    assert len(survey.codebook.items) == 8
    assert {"contplt", "badge", "sgnptit", "bctprd", "pstplonl"} < {
        item.name for item in survey.codebook.items
    }
    drivers = {driver.name for driver in survey.codebook.drivers}
    assert drivers == {
        "psppsgva", "actrolga", "cptppola", "stfgov", "stfdem", "trstprl",
        "gndr", "agea", "eisced", "mnactic", "domicil",
    }  # fmt: skip


def test_ess_without_any_collective_item_is_refused():
    frame = make_file(load_codebook("ess")).drop(columns=list(set.union(*ROUND_ITEMS.values())))
    with pytest.raises(CodebookError, match="no item has the form 'collective'"):
        read_survey(frame, "ess")


@pytest.mark.parametrize("name", PROGRAMMES)
def test_a_code_that_the_programme_does_not_have_is_refused(name):
    book = load_codebook(name)
    item = book.items[0]
    frame = make_file(book)
    frame.loc[17, item.column] = 6
    with pytest.raises(SurveyError, match=rf"column '{item.column}', row 18: '6' is not in the"):
        read_survey(frame, name)


@pytest.mark.parametrize("name", PROGRAMMES)
def test_it_can_be_checked_and_coded_for_a_model(name, items_spec):
    survey = read_survey(make_file(load_codebook(name), missing=0.02), name)
    findings = check_survey(survey)
    assert "citizen ids" not in {f.check for f in findings if f.status == "fail"}
    design = make_design(survey, items_spec())
    assert design.sizes["item"] == len(survey.codebook.items)
    assert design.sizes["form"] == 2
