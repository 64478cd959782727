"""Whatever comes in, it is read as the codebook says or refused in words: properties, not cases."""

import copy
import datetime
import decimal
import tomllib
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyreadstat
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pyarrow import parquet as pq

from bayes_coprod.errors import CodebookError, CoprodError, SurveyError
from bayes_coprod.model.design import make_design
from bayes_coprod.model.spec import load_model
from bayes_coprod.survey.codebook import codebook_content, load_codebook
from bayes_coprod.survey.coverage import check_survey
from bayes_coprod.survey.describe import describe
from bayes_coprod.survey.drafting.draft import draft_codebook
from bayes_coprod.survey.read import Survey, read_survey

# the same examples in every run, so that a run that passes passes again
often = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

BOOK = {
    "survey": {"name": "Any", "forms": ["alone", "together"], "citizen": "id"},
    "country": {"column": "land"},
    "weight": {"column": "w"},
    "missing": {"values": ["refused", -9]},
    "items": {
        "often": {"form": "alone", "categories": ["never", "sometimes", "often"]},
        "coded": {"form": "together", "categories": [0, 1, 2], "missing": [8]},
    },
    "drivers": {
        "age": {"kind": "numeric", "bounds": [18, 99]},
        "woman": {"kind": "binary", "yes": ["F"], "no": ["M"]},
        "school": {"kind": "categorical", "categories": ["low", "high"]},
    },
}
COLUMNS = ("id", "land", "w", "often", "coded", "age", "woman", "school")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 120),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["never", "sometimes", "often", "F", "M", "low", "high", "refused", "DK"]),
    st.sampled_from(["0", "1", "1.0", " 2 ", "1_8", "٣", "1e0", "nan", "-9", "8", "", " ", "🌍\n"]),
)  # fmt: skip
odd_cells = st.one_of(
    scalars,
    st.dates(),
    st.datetimes(),
    st.decimals(),
    st.binary(max_size=4),
    st.lists(st.integers(), max_size=2),
    st.complex_numbers(),
    st.just(pd.NA),
    st.just(pd.NaT),
    st.timedeltas(),
)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
toml_like = st.recursive(
    scalars | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


def meaning(cell, categories, missing):
    """What a cell of plain Python means: a category, or None for no answer; an oracle by hand."""
    if cell is None or cell is pd.NA or cell is pd.NaT or cell != cell:
        return None
    text = str(int(cell)) if isinstance(cell, float) and cell == int(cell) else str(cell).strip()
    if text == "":
        return None
    for choice in (*missing, *categories):
        if isinstance(choice, str):
            same = text == choice
        else:
            try:
                same = "_" not in text and decimal.Decimal(text) == choice
            except decimal.InvalidOperation:
                same = False
        if same:
            return None if choice in missing else str(choice)
    pytest.fail(f"the codebook does not know {cell!r}, and it was accepted")


def places(content):
    """Paths of all that stands in a codebook."""
    found = []

    def walk(node, path):
        for key in node:
            found.append((*path, key))
            if isinstance(node[key], dict):
                walk(node[key], (*path, key))

    walk(content, ())
    return found


@often
@given(st.data())
def test_a_codebook_is_read_or_refused(data):
    content = copy.deepcopy(BOOK)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(content)))
        node = content
        for key in path[:-1]:
            node = node[key]
        act = data.draw(st.sampled_from(["replace", "drop", "add"]))
        if act == "drop":
            del node[path[-1]]
        elif act == "replace":
            node[path[-1]] = data.draw(toml_like)
        else:
            node[data.draw(st.text(max_size=6))] = data.draw(toml_like)
        if not content:
            break
    try:
        book = load_codebook(content)
    except CodebookError as error:
        assert str(error).strip()
        return
    assert load_codebook(codebook_content(book)) == book


@often
@given(st.dictionaries(st.text(max_size=8), toml_like, max_size=4))
def test_anything_is_no_codebook_or_one(content):
    with pytest.raises(CodebookError):
        load_codebook(content)


def frame_of(data, cells, n):
    columns = {name: data.draw(st.lists(cells, min_size=n, max_size=n)) for name in COLUMNS}
    valid = {
        "id": [f"c{i}" for i in range(n)],
        "land": ["DK", "NO"] * n,
        "w": [1.0, 0.5] * n,
        "often": ["never", "often"] * n,
        "coded": [0, 2, 1] * n,
        "age": [18, 40.5, 99] * n,
        "woman": ["F", "M"] * n,
        "school": ["low", "high", None] * n,
    }
    # mostly valid, else nothing is ever accepted
    wild = data.draw(st.sets(st.sampled_from(COLUMNS), max_size=3))
    chosen = {name: columns[name] if name in wild else valid[name][:n] for name in COLUMNS}
    return {name: pd.Series(cells, dtype=object) for name, cells in chosen.items()}


def read_or_none(source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            survey = read_survey(source, BOOK)
        except SurveyError as error:
            assert str(error).strip()
            return None
        assert isinstance(survey, Survey)
        check_survey(survey)
        describe(survey)
        for model in ("index", "items"):
            try:
                make_design(survey, load_model(model))
            except CoprodError as error:
                assert str(error).strip()
        return survey


@often
@given(st.data(), st.integers(1, 7))
def test_a_dataframe_is_read_as_the_codebook_says_or_refused(data, n):
    frame = pd.DataFrame(frame_of(data, odd_cells, n))
    survey = read_or_none(frame)
    if survey is None:
        return
    for name, categories, missing in (
        ("often", ["never", "sometimes", "often"], ["refused", -9]),
        ("coded", [0, 1, 2], [8, "refused", -9]),
        ("school", ["low", "high"], ["refused", -9]),
    ):
        expected = [meaning(cell, categories, missing) for cell in frame[name]]
        read = [None if pd.isna(value) else str(value) for value in survey.data[name]]
        assert read == expected
    ages = survey.data["age"].dropna()
    assert ((ages >= 18) & (ages <= 99)).all()
    assert np.isfinite(survey.data["weight"].dropna()).all()
    assert len(survey.data) == n


@often
@given(st.data(), st.integers(1, 6))
def test_typed_columns_are_read_or_refused(data, n):
    """Columns of one type, as files have them: numbers, text, days, truth values, categories."""
    typed = [
        st.integers(-(2**40), 2**40),
        st.floats(),
        st.booleans(),
        st.text(max_size=5),
        st.dates(datetime.date(1600, 1, 1)),
    ]
    columns = frame_of(data, st.none(), n)
    name = data.draw(st.sampled_from(COLUMNS))
    columns[name] = pd.Series(
        data.draw(st.lists(data.draw(st.sampled_from(typed)), min_size=n, max_size=n))
    )
    frame = pd.DataFrame(columns).infer_objects()
    if data.draw(st.booleans()):
        frame[name] = frame[name].astype("category")
    read_or_none(frame)
    try:
        other = pl.from_pandas(frame)
    except Exception:  # whatever polars itself does not take
        return
    read_or_none(other)


@often
@given(st.data(), st.integers(1, 6))
def test_a_parquet_file_is_read_like_its_dataframe(tmp_path_factory, data, n):
    columns = frame_of(data, st.none(), n)
    name = data.draw(st.sampled_from(COLUMNS))
    of_one_type = st.sampled_from([st.integers(-9, 99), st.floats(width=32), st.booleans(), words])
    columns[name] = pd.Series(
        data.draw(st.lists(data.draw(of_one_type) | st.none(), min_size=n, max_size=n))
    )
    path = tmp_path_factory.mktemp("any") / "s.parquet"
    frame = pd.DataFrame(columns)
    pq.write_table(pa.Table.from_pandas(frame), path)
    from_file, from_frame = read_or_none(path), read_or_none(frame)
    assert (from_file is None) == (from_frame is None)
    if from_file is not None:
        pd.testing.assert_frame_equal(from_file.data, from_frame.data)


codes = st.sampled_from([0, 1, 2, 8, -9, 3, 1.5, np.nan])


@settings(often, max_examples=15)
@given(st.data(), st.sampled_from([".sav", ".dta"]), st.integers(1, 5))
def test_a_labelled_file_is_read_by_label_and_code_or_refused(tmp_path_factory, data, ending, n):
    frame = pd.DataFrame(frame_of(data, st.none(), n)).drop(columns=["school", "woman"])
    frame = frame.assign(
        school=["low"] * n, woman=["F"] * n, age=40.0, w=1.0, land=["DK"] * n, id=range(n)
    )
    cells = {
        name: data.draw(st.lists(codes, min_size=n, max_size=n)) for name in ("often", "coded")
    }
    often_labels = data.draw(st.permutations(["never", "sometimes", "often", "refused"]))
    labels = {
        "often": dict(zip([0, 1, 2, 8], often_labels, strict=True)),
        "coded": data.draw(st.dictionaries(st.sampled_from([0, 1, 2, 8]), words.filter(str.strip))),
    }
    path = tmp_path_factory.mktemp("any") / f"s{ending}"
    declared = data.draw(st.sets(st.sampled_from([3, 8]))) if ending == ".sav" else set()
    write = pyreadstat.write_sav if ending == ".sav" else pyreadstat.write_dta
    options = {"missing_ranges": {"often": sorted(declared)}} if declared else {}
    write(frame.assign(**cells), path, variable_value_labels=labels, **options)
    survey = read_or_none(path)
    if survey is None:
        return
    said = [None if c in declared else labels["often"].get(c, c) for c in cells["often"]]
    known = ["never", "sometimes", "often"]
    expected = [meaning(cell, known, ["refused", -9]) for cell in said]
    assert [None if pd.isna(v) else str(v) for v in survey.data["often"]] == expected
    # a code is the category, whatever the file calls it, unless the label is another category
    expected = [meaning(cell, [0, 1, 2], [8, "refused", -9]) for cell in cells["coded"]]
    assert [None if pd.isna(v) else str(v) for v in survey.data["coded"]] == expected


@often
@given(st.data(), st.sampled_from([",", ";", "\t"]))
def test_a_text_file_is_read_or_refused(tmp_path_factory, data, delimiter):
    n = data.draw(st.integers(0, 5))
    text = pd.DataFrame(frame_of(data, scalars, n)).to_csv(index=False, sep=delimiter)
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + 1] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.mktemp("any") / "s.csv"
    path.write_bytes(raw)
    survey = read_or_none(path)
    if survey is not None:
        assert set(survey.data["often"].dropna()) <= {"never", "sometimes", "often"}
        assert set(survey.data["coded"].dropna()) <= {"0", "1", "2"}


@often
@given(st.data())
def test_a_draft_is_valid_whatever_the_columns_hold(data):
    names = data.draw(
        st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5, unique=True)
    )
    n = data.draw(st.integers(1, 6))
    frame = pd.DataFrame(
        {
            name: pd.Series(data.draw(st.lists(odd_cells, min_size=n, max_size=n)), dtype=object)
            for name in names
        }
    )
    try:
        text = draft_codebook(frame)
    except SurveyError:
        return
    content = tomllib.loads(text)
    if content.get("items") and content["country"]["column"] in names:
        # every entry was proved against the data, so the whole is a codebook that reads them
        assert len(read_survey(frame, content).data) == n
