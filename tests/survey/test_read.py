import csv
import gzip
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr

from bayes_coprod.errors import CodebookError, SurveyError
from bayes_coprod.survey.read import Imputed, Survey, keep_complete, read_survey
from bayes_coprod.survey.simulate import true_index


def refused(message):
    return pytest.raises(SurveyError, match=re.escape(message))


def expected():
    """What `frame` means by `content`, written out by hand."""
    return pd.DataFrame(
        {
            "citizen": pd.Series(["a", "b", "c", "d", "e"], dtype="str"),
            "country": pd.Categorical.from_codes([1, 0, 1, 0, 1], ["Norway", "Denmark"]),
            "weight": [1, 0.5, 2, 1.25, np.nan],
            "recycle": pd.Categorical.from_codes(
                [2, 0, -1, 1, -1], ["never", "sometimes", "often"], ordered=True
            ),
            "group": pd.Categorical.from_codes([0, 2, -1, 1, -1], ["1", "2", "3"], ordered=True),
            "efficacy": pd.Categorical.from_codes(
                [2, 0, 1, -1, -1], ["none", "some", "big"], ordered=True
            ),
            "age": [18, 99, 40.5, np.nan, np.nan],
            "woman": [1.0, 0.0, 1.0, 0.0, np.nan],
            "education": pd.Categorical.from_codes([0, 1, 1, -1, -1], ["low", "high"]),
        }
    )


def as_numbers(frame):
    """The same with numbers where a file has their spelling."""
    return frame.assign(**{c: pd.to_numeric(frame[c]) for c in ("w", "q2", "age")})


def to_file(path, text, encoding="utf-8"):
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def one_item(content, categories, missing=()):
    """The codebook with these answers to one of its items."""
    content["items"]["group"] = {
        "column": "q2",
        "form": "together",
        "categories": categories,
        "missing": list(missing),
    }
    return content


def read_cells(content, frame, column, cells, name):
    """How the cells of one column are read."""
    frame = frame.iloc[: len(cells)].assign(**{column: pd.Series(cells, dtype=object)})
    return list(read_survey(frame, content).data[name])


# The same data, however they come


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.parametrize("line", ["\n", "\r\n"], ids=["unix", "windows"])
def test_every_kind_of_csv_gives_the_same_data(
    content, frame, tmp_path, delimiter, encoding, ending, line
):
    text = frame.to_csv(index=False, sep=delimiter, lineterminator=line)
    survey = read_survey(to_file(tmp_path / f"s{ending}", text, encoding), content)
    pd.testing.assert_frame_equal(survey.data, expected())
    assert survey.origin == f"read_survey('s{ending}', codebook='codebook.toml')"
    assert survey.command == f"run s{ending} --codebook codebook.toml"


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame,
        as_numbers,
        lambda frame: frame.astype(object),
        lambda frame: frame.astype("category"),
        lambda frame: as_numbers(frame).convert_dtypes(),
        lambda frame: frame.set_index("nobody_asked"),
        pl.from_pandas,
        lambda frame: pl.from_pandas(as_numbers(frame)),
        lambda frame: pl.from_pandas(frame).cast(pl.Categorical),
        pa.Table.from_pandas,
        lambda frame: pa.Table.from_pandas(as_numbers(frame)),
        lambda frame: pa.Table.from_pandas(frame.astype("category")),
    ],
    ids=[
        "pandas",
        "pandas numbers",
        "pandas objects",
        "pandas categories",
        "pandas nullable",
        "pandas with an index",
        "polars",
        "polars numbers",
        "polars categories",
        "pyarrow",
        "pyarrow numbers",
        "pyarrow dictionaries",
    ],
)
def test_every_dataframe_gives_the_same_data(content, frame, convert):
    survey = read_survey(convert(frame), content)
    data = survey.data.astype({"citizen": "str"})
    pd.testing.assert_frame_equal(data, expected())
    assert survey.origin == "read_survey(frame, codebook='codebook.toml')"
    assert survey.command == ""


@pytest.mark.parametrize("kind", ["category", "string"])
def test_ids_are_text_whatever_the_dataframe_holds(content, frame, kind):
    ids = read_survey(frame.astype({"id": kind}), content).data["citizen"]
    pd.testing.assert_series_equal(ids, expected()["citizen"])


def test_another_encoding_is_read_when_given(content, frame, tmp_path):
    content["country"]["labels"] = {"NO": "Norway", "Århus": "Denmark"}
    text = frame.replace("DK", "Århus").to_csv(index=False)
    survey = read_survey(to_file(tmp_path / "s.csv", text, "latin-1"), content, encoding="latin-1")
    pd.testing.assert_frame_equal(survey.data, expected())


def test_the_encoding_belongs_to_the_call_that_reads_the_file_again(content, frame, tmp_path):
    text = frame.to_csv(index=False)
    survey = read_survey(
        to_file(tmp_path / "my s.csv", text, "latin-1"), content, encoding="cp1252"
    )
    call = "read_survey('my s.csv', codebook='codebook.toml', encoding='cp1252')"
    assert survey.origin == call
    assert survey.command == "run 'my s.csv' --codebook codebook.toml --encoding cp1252"


def test_the_frame_given_is_not_changed(content, frame):
    before = frame.copy()
    read_survey(frame, content)
    pd.testing.assert_frame_equal(frame, before)


def test_permuting_rows_permutes_the_data_and_nothing_else(content, frame):
    order = [3, 0, 4, 1, 2]
    survey = read_survey(frame.iloc[order], content)
    pd.testing.assert_frame_equal(survey.data, expected().iloc[order].reset_index(drop=True))


def test_the_order_of_the_columns_changes_nothing(content, frame):
    pd.testing.assert_frame_equal(read_survey(frame[sorted(frame)], content).data, expected())


def test_quoted_cells_may_hold_the_delimiter_and_line_ends(content, frame, tmp_path):
    answer = "often,\nor so"
    content["items"]["recycle"]["categories"] = ["never", "sometimes", answer]
    file = to_file(tmp_path / "s.csv", frame.replace("often", answer).to_csv(index=False))
    assert list(read_survey(file, content).data["recycle"].cat.codes) == [2, 0, -1, 1, -1]


def test_line_ends_in_cells_do_no_harm_in_a_file_of_many_blocks(content, frame, tmp_path):
    # a reader that works block by block must not end a block within a cell
    many = frame.iloc[np.zeros(3000, dtype=int)].assign(nobody_asked="a line\n" * 200)
    survey = read_survey(to_file(tmp_path / "s.csv", many.to_csv(index=False)), content)
    assert len(survey.data) == 3000


def test_without_ids_citizens_are_numbered_from_one(content, frame):
    del content["survey"]["citizen"]
    assert list(read_survey(frame, content).data["citizen"]) == ["1", "2", "3", "4", "5"]


def test_without_weights_there_is_no_column_of_them(content, frame):
    del content["weight"]
    assert "weight" not in read_survey(frame, content).data


# Codes, labels and what is missing


@pytest.mark.parametrize("cell", ["1", "1.0", " 1 ", "01", 1, 1.0, np.int8(1), np.float32(1)])
def test_a_number_in_the_codebook_matches_however_the_file_writes_it(content, frame, cell):
    assert read_cells(one_item(content, [1, 2]), frame, "q2", [cell], "group") == ["1"]


@pytest.mark.parametrize("cell", ["1", 1, 1.0])
def test_text_in_the_codebook_matches_as_it_is_written(content, frame, cell):
    assert read_cells(one_item(content, ["1", "2"]), frame, "q2", [cell], "group") == ["1"]
    with refused(f"column 'q2', row 1: {str(int(cell))!r} is not in the codebook."):
        read_cells(one_item(content, ["01", "02"]), frame, "q2", [cell], "group")


def test_text_in_the_codebook_is_no_number(content, frame):
    assert read_cells(one_item(content, ["01", "02"]), frame, "q2", ["01"], "group") == ["01"]
    with refused("'1.0' is not in the codebook."):
        read_cells(one_item(content, ["1", "2"]), frame, "q2", ["1.0"], "group")


def test_blanks_around_a_cell_do_not_count_but_case_does(content, frame):
    assert read_cells(content, frame, "q1", [" often "], "recycle") == ["often"]
    with refused("'Often' is not in the codebook. Did you mean 'often'?"):
        read_cells(content, frame, "q1", ["Often"], "recycle")


def test_categories_keep_the_order_of_the_codebook(content, frame):
    categories = read_survey(frame, one_item(content, [3, 1, 2], [8])).data["group"].cat
    assert list(categories.categories) == ["3", "1", "2"]
    assert categories.ordered


@pytest.mark.parametrize("cell", [None, np.nan, pd.NA, "", "  "])
def test_an_empty_cell_is_missing(content, frame, cell):
    for column, name in {"q1": "recycle", "age": "age", "sex": "woman", "w": "weight"}.items():
        assert np.isnan(read_cells(content, frame, column, [cell], name)[0])


@pytest.mark.parametrize("cell", ["refused", -9, -9.0, "-9", "-9.0"])
def test_what_the_survey_calls_missing_is_missing_in_every_column(content, frame, cell):
    columns = {"q1": "recycle", "q2": "group", "q3": "efficacy", "age": "age", "sex": "woman"}
    for column, name in {**columns, "education": "education", "w": "weight"}.items():
        assert np.isnan(read_cells(content, frame, column, [cell], name)[0])


def test_what_a_column_calls_missing_is_missing_there_only(content, frame):
    content["items"]["group"]["missing"] = ["no group"]
    assert np.isnan(read_cells(content, frame, "q2", ["no group"], "group")[0])
    with refused("column 'q1', row 1: 'no group' is not in the codebook."):
        read_cells(content, frame, "q1", ["no group"], "recycle")


@pytest.mark.parametrize("text", ["NA", "nan", "None", "null", "n/a"])
def test_text_that_others_take_for_missing_is_text(content, frame, tmp_path, text):
    file = to_file(tmp_path / "s.csv", frame.replace("sometimes", text).to_csv(index=False))
    with refused(f"s.csv, column 'q1', row 4: {text!r} is not in the codebook."):
        read_survey(file, content)
    content["items"]["recycle"]["categories"] = ["never", text, "often"]
    assert list(read_survey(file, content).data["recycle"].cat.codes) == [2, 0, -1, 1, -1]


def test_namibia_is_a_country(content, frame, tmp_path):
    del content["country"]["labels"]
    file = to_file(tmp_path / "s.csv", frame.replace("NO", "NA").to_csv(index=False))
    assert read_survey(file, content).countries == ("DK", "NA")


# Drivers


def test_numbers_may_be_written_as_numbers_or_text(content, frame):
    cells = ["18", " 20.5 ", 30, np.float32(40), "5e1"]
    assert read_cells(content, frame, "age", cells, "age") == [18, 20.5, 30, 40, 50]


def test_bounds_belong_to_the_range(content, frame):
    assert read_cells(content, frame, "age", [18, 99], "age") == [18, 99]


def test_the_one_other_value_of_a_binary_driver_means_no(content, frame):
    assert read_cells(content, frame, "sex", ["F", "what else"], "woman") == [1.0, 0.0]


def test_listed_values_of_a_binary_driver_mean_yes_or_no(content, frame):
    content["drivers"]["woman"] |= {"yes": ["F", 2], "no": ["M", 1], "missing": ["X"]}
    cells = ["F", "2", "M", 1.0, "X"]
    read = read_cells(content, frame, "sex", cells, "woman")
    np.testing.assert_array_equal(read, [1, 1, 0, 0, np.nan])


def test_truth_values_of_a_dataframe_are_the_text_they_print(content, frame):
    content["drivers"]["woman"]["yes"] = ["True"]
    frame = frame.assign(sex=[True, False, True, False, True])
    for source in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        assert list(read_survey(source, content).data["woman"]) == [1, 0, 1, 0, 1]


def test_only_an_ordered_driver_is_ordered(content, frame):
    data = read_survey(frame, content).data
    assert data["efficacy"].cat.ordered
    assert not data["education"].cat.ordered


# Countries


def test_listed_countries_stand_in_the_codebooks_order(content, frame):
    assert read_survey(frame, content).countries == ("Norway", "Denmark")


def test_unlisted_countries_are_sorted(content, frame):
    del content["country"]["labels"]
    # in the order of the file, Sweden would come first
    assert read_survey(frame.replace("DK", "SE"), content).countries == ("NO", "SE")


def test_a_listed_country_without_citizens_is_no_country_of_the_survey(content, frame):
    content["country"]["labels"] = {"SE": "Sweden", "NO": "Norway", "DK": "Denmark"}
    assert read_survey(frame, content).countries == ("Norway", "Denmark")


def test_countries_may_be_numbers(content, frame):
    content["country"]["labels"] = {"1": "Norway", "2": "Denmark"}
    for codes in ([2, 1, 2, 1, 2], [2.0, 1.0, 2.0, 1.0, 2.0], list("21212")):
        pd.testing.assert_frame_equal(
            read_survey(frame.assign(land=codes), content).data, expected()
        )


def test_what_the_survey_calls_missing_is_no_country(content, frame):
    del content["country"]["labels"]
    with refused("column 'land', row 1"):
        read_survey(frame.replace("DK", "refused"), content)


def test_an_empty_id_is_not_the_text_nan(content, frame):
    frame.loc[[1, 2], "id"] = None
    try:
        ids = read_survey(frame, content).data["citizen"]
    except SurveyError:
        return  # refusing is as good
    assert list(ids.isna()) == [False, True, True, False, False]


# Files that cannot be read


def test_a_missing_file_is_named(content, tmp_path):
    with refused(f"read_survey: there is no file {tmp_path / 'no.csv'}."):
        read_survey(tmp_path / "no.csv", content)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_an_empty_file_is_refused(content, tmp_path, ending):
    with refused(f"s{ending}: the file is empty."):
        read_survey(to_file(tmp_path / f"s{ending}", ""), content)
    with refused(f"s{ending}: the file begins with an empty line."):
        read_survey(to_file(tmp_path / f"s{ending}", "\nid,age\n1,40\n"), content)


def test_commas_in_quoted_names_are_no_delimiters(content, frame, tmp_path):
    frame["one, two, three, four, five, six, seven, eight, nine, ten, eleven"] = 0
    path = to_file(tmp_path / "s.csv", frame.to_csv(index=False, sep=";", quoting=csv.QUOTE_ALL))
    assert len(read_survey(path, content).data) == len(frame)


def test_a_file_with_nothing_but_a_header_is_refused(content, frame, tmp_path):
    with refused("s.csv: there are no citizens. The file needs one row per citizen."):
        read_survey(to_file(tmp_path / "s.csv", frame[:0].to_csv(index=False)), content)


def test_a_header_that_ends_without_a_line_end_is_still_a_header(content, frame, tmp_path):
    header = frame[:0].to_csv(index=False).rstrip()
    with refused("s.csv: there are no citizens."):
        read_survey(to_file(tmp_path / "s.csv", header), content)


def test_a_dataframe_without_rows_is_refused(content, frame):
    with refused("read_survey: there are no citizens."):
        read_survey(frame[:0], content)


@pytest.mark.parametrize("name", ["survey.xlsx", "survey.sas7bdat", "survey", "survey.zip"])
def test_an_unknown_format_is_refused_with_the_known_ones(content, name):
    ending = name.removeprefix("survey")
    message = f"read_survey: {name} has an unknown format {ending!r}. Available: .csv, .csv.gz"
    with refused(message):
        read_survey(name, content)


@pytest.mark.parametrize("where", ["header", "cell"])
def test_a_file_in_another_encoding_is_refused_with_a_way_out(content, frame, tmp_path, where):
    if where == "header":
        frame = frame.rename(columns={"nobody_asked": "café"})
    else:
        frame = frame.replace("often", "très")
    file = to_file(tmp_path / "s.csv", frame.to_csv(index=False), "latin-1")
    with refused("text. Give the file's encoding, for example encoding='latin-1' or 'cp1252'."):
        read_survey(file, content)


def test_the_encoding_is_called_as_it_was_given(content, frame, tmp_path):
    text = frame.replace("often", "très").to_csv(index=False)
    with refused("is not utf-8 text."):
        read_survey(to_file(tmp_path / "s.csv", text, "latin-1"), content)


def test_an_encoding_that_nobody_knows_is_refused(content, frame, tmp_path):
    file = to_file(tmp_path / "s.csv", frame.to_csv(index=False))
    with refused("s.csv: the file cannot be read as CSV (unknown encoding: utf-9)."):
        read_survey(file, content, encoding="utf-9")


def test_a_compressed_file_named_csv_is_refused(content, frame, tmp_path):
    (tmp_path / "s.csv").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    with refused("s.csv: byte 1 is not"):
        read_survey(tmp_path / "s.csv", content)


def test_a_plain_file_named_gz_is_refused(content, frame, tmp_path):
    frame.to_csv(tmp_path / "s.csv.gz", index=False, compression=None)
    with refused("s.csv.gz: the file cannot be read as CSV (Not a gzipped file"):
        read_survey(tmp_path / "s.csv.gz", content)


@pytest.fixture
def compressed(frame):
    """A .csv.gz of some length, that no repetition makes short."""
    rng = np.random.default_rng(2008)
    rows = frame.iloc[np.zeros(5000, dtype=int)].assign(id=rng.integers(10**12, size=5000))
    return gzip.compress(rows.to_csv(index=False).encode())


@pytest.mark.parametrize("kept", [5, 200, 10_000, -1])
def test_a_truncated_gz_is_refused(content, compressed, tmp_path, kept):
    (tmp_path / "s.csv.gz").write_bytes(compressed[:kept])
    message = "s.csv.gz: the file cannot be read as CSV (Compressed file ended before"
    with refused(message):
        read_survey(tmp_path / "s.csv.gz", content)


def test_a_damaged_gz_is_refused(content, compressed, tmp_path):
    for start in range(1000, 10_000, 1000):  # what the damage does depends on where it is
        damaged = bytearray(compressed)
        damaged[start : start + 50] = bytes(255 - byte for byte in damaged[start : start + 50])
        (tmp_path / "s.csv.gz").write_bytes(damaged)
        with refused("s.csv.gz: the file cannot be read as CSV"):
            read_survey(tmp_path / "s.csv.gz", content)


@pytest.mark.parametrize("line", [b"\x89PNG\r\n\x1a\n", b"PK\x03\x04\x14\x00\x06\x00", b"\0" * 99])
def test_a_binary_file_named_csv_is_refused(content, tmp_path, line):
    (tmp_path / "s.csv").write_bytes(line)
    with refused("s.csv: "):
        read_survey(tmp_path / "s.csv", content)


def test_a_binary_file_without_lines_is_refused(content, tmp_path):
    (tmp_path / "s.csv").write_bytes(b"\0" * 200_000)
    with refused("s.csv: "):
        read_survey(tmp_path / "s.csv", content)


def test_a_folder_is_no_file(content, tmp_path):
    (tmp_path / "s.csv").mkdir()
    with refused("s.csv is a folder, and no file"):
        read_survey(tmp_path / "s.csv", content)


@pytest.mark.parametrize("source", [None, 5, {"q1": ["never"]}, ["never"]])
def test_what_is_neither_path_nor_dataframe_is_refused(content, source):
    with refused(f"read_survey: {type(source).__name__} is neither a path nor a dataframe."):
        read_survey(source, content)


def test_a_delimiter_at_the_end_of_every_row_shifts_nothing(content, frame, tmp_path):
    header, *rows = frame.to_csv(index=False).splitlines()
    text = "\n".join([header, *(f"{row}," for row in rows)])
    survey = read_survey(to_file(tmp_path / "s.csv", text), content)
    pd.testing.assert_frame_equal(survey.data, expected())


def test_a_row_longer_than_the_header_is_refused(tmp_path):
    content = {
        "survey": {"name": "Small survey", "forms": ["alone"]},
        "country": {"column": "land"},
        "items": {
            name: {"form": "alone", "categories": ["never", "often"]} for name in ("q1", "q2")
        },
    }
    # "never, ever" without quotes: what follows it is one column to the right
    text = "land,q1,q2\nNO,never,often\nDK,never,often,never\n"
    with refused("s.csv"):
        read_survey(to_file(tmp_path / "s.csv", text), content)


def test_a_cell_without_a_column_is_refused_where_other_rows_end_with_a_delimiter(
    content, frame, tmp_path
):
    header, *rows = frame.to_csv(index=False).splitlines()
    text = "\n".join([header, *(f"{row}," for row in rows[:-1]), f"{rows[-1]},lost"])
    with refused("s.csv"):
        read_survey(to_file(tmp_path / "s.csv", text), content)


def test_a_row_shorter_than_the_header_is_refused(content, frame, tmp_path):
    text = frame.to_csv(index=False).rstrip().rsplit(",", 1)[0]
    with refused("s.csv, row 5: the file cannot be read as CSV: 9 cells where 10 are due."):
        read_survey(to_file(tmp_path / "s.csv", text), content)


def test_a_name_in_the_header_may_hold_a_line_end(content, frame, tmp_path):
    frame = frame[["nobody_asked", *frame.columns[:-1]]]
    text = frame.rename(columns={"nobody_asked": "nobody\nasked"}).to_csv(index=False)
    survey = read_survey(to_file(tmp_path / "s.csv", text), content)
    pd.testing.assert_frame_equal(survey.data, expected())


# Columns


@pytest.mark.parametrize("column", ["id", "land", "w", "q1", "age"])
def test_a_column_that_is_not_there_is_refused_with_the_nearest(content, frame, tmp_path, column):
    frame = frame.rename(columns={column: f"{column}_"})
    problem = f"the column {column!r} is not in the data. Did you mean '{column}_'?"
    with refused(f"read_survey: {problem}"):
        read_survey(frame, content)
    with refused(f"s.csv: {problem}"):
        read_survey(to_file(tmp_path / "s.csv", frame.to_csv(index=False)), content)


def test_a_column_that_stands_twice_is_refused(content, frame, tmp_path):
    text = frame.rename(columns={"nobody_asked": "q1"}).to_csv(index=False)
    with refused("s.csv: the column 'q1' stands there twice."):
        read_survey(to_file(tmp_path / "s.csv", text), content)


def test_a_column_that_nobody_reads_may_stand_twice(content, frame, tmp_path):
    frame.insert(0, "nobody_asked", "x", allow_duplicates=True)
    file = to_file(tmp_path / "s.csv", frame.to_csv(index=False))
    pd.testing.assert_frame_equal(read_survey(file, content).data, expected())


def test_a_column_that_stands_twice_in_a_dataframe_is_refused(content, frame):
    with refused("'q1'"):
        read_survey(frame.rename(columns={"nobody_asked": "q1"}), content)


# Values


def test_an_unknown_answer_is_refused_with_its_place_and_the_nearest(content, frame, tmp_path):
    frame.loc[[1, 3], "q1"] = "offen"
    answer = (
        "column 'q1', row 2: 'offen' is not in the codebook (2 such rows). Did you mean 'often'? "
        "Available: never, sometimes, often. Add it to the categories, or to the missing values."
    )
    with refused(f"read_survey, {answer}"):
        read_survey(frame, content)
    with refused(f"s.csv, {answer}"):
        read_survey(to_file(tmp_path / "s.csv", frame.to_csv(index=False)), content)


def test_a_row_is_counted_from_one_whatever_the_index(content, frame):
    frame.loc[3, "q1"] = "offen"
    with refused("column 'q1', row 4: 'offen'"):
        read_survey(frame.set_axis(list("vwxyz")), content)


@pytest.mark.parametrize(
    ("column", "cell"), [("q1", "?"), ("q2", 4), ("q2", "1.5"), ("q3", "huge"), ("education", 1)]
)
def test_a_value_that_the_codebook_does_not_know_is_refused(content, frame, column, cell):
    with refused(f"read_survey, column {column!r}, row 1: {str(cell)!r} is not in the codebook."):
        read_cells(content, frame, column, [cell, *frame[column][1:]], column)


@pytest.mark.parametrize("cell", [None, np.nan, "", "  "])
def test_an_empty_country_is_refused(content, frame, tmp_path, cell):
    frame.loc[2, "land"] = cell
    problem = (
        "column 'land', row 3: '' is no country: the cell is empty or means no answer. "
        "Every citizen needs a"
    )
    for source in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        with refused(f"read_survey, {problem}"):
            read_survey(source, content)
    with refused(f"s.csv, {problem}"):
        read_survey(to_file(tmp_path / "s.csv", frame.to_csv(index=False)), content)


def test_a_country_that_is_not_listed_is_refused(content, frame):
    message = (
        "read_survey, column 'land', row 1: 'DE' is not in the codebook's [country] labels "
        "(3 such rows). Available: NO, DK. Add it, or drop its rows."
    )
    with refused(message):
        read_survey(frame.replace("DK", "DE"), content)


@pytest.mark.parametrize(
    "cell", ["old", "1,5", "0x1A", "nan", "NaN", "inf", "-inf", np.inf, "1 000"]
)
@pytest.mark.parametrize(("column", "name"), [("age", "age"), ("w", "weight")])
def test_what_is_no_finite_number_is_refused_where_one_is_due(content, frame, column, name, cell):
    message = f"column {column!r}, row 1: {str(cell)!r} is not a number. Write numbers with a dec"
    with refused(f"read_survey, {message}"):
        read_cells(content, frame, column, [cell], name)


@pytest.mark.parametrize("cell", ["1e400", "-1e400"])
def test_a_number_beyond_all_bounds_is_refused(content, frame, cell):
    del content["drivers"]["age"]["bounds"]
    for column, name in (("age", "age"), ("w", "weight")):
        with refused(f"column {column!r}, row 1: {cell!r} is not a number."):
            read_cells(content, frame, column, [cell], name)


@pytest.mark.parametrize("cell", [True, 1 + 0j])
@pytest.mark.parametrize("first", [False, True])
def test_what_python_takes_for_a_number_is_none(content, frame, cell, first):
    cells = [cell, 1] if first else [1, cell]
    with refused(f"row {2 - first}: {str(cell)!r} is not in the codebook"):
        read_cells(one_item(content, [0, 1]), frame, "q2", cells, "group")


def test_columns_of_a_dataframe_may_be_named_by_numbers(content, frame):
    content["items"]["group"]["column"] = "2"
    survey = read_survey(frame.rename(columns={"q2": 2}), content)
    pd.testing.assert_frame_equal(survey.data, expected())


def test_an_underscore_makes_no_number(content, frame):
    with refused("'1_8' is not a number"):
        read_cells(content, frame, "age", ["1_8"], "age")


@pytest.mark.parametrize("cell", ["17.9", 99.5, "-1", 1000])
def test_a_number_out_of_bounds_is_refused_not_clipped(content, frame, cell):
    message = (
        f"read_survey, column 'age', row 2: '{cell}' is outside the bounds 18 to 99. "
        "Mend the value, widen the bounds, or add it to missing."
    )
    with refused(message):
        read_cells(content, frame, "age", [18, cell], "age")


def test_several_values_that_may_mean_no_are_refused(content, frame):
    message = (
        "read_survey, column 'sex': several values may mean no: 'M', 'X'. "
        "List those that do as `no = [...]` in [drivers.woman], and the others as missing."
    )
    with refused(message):
        read_cells(content, frame, "sex", ["F", "M", "X", "M"], "woman")


def test_a_value_that_means_neither_yes_nor_no_is_refused(content, frame):
    content["drivers"]["woman"]["no"] = ["M"]
    message = (
        "read_survey, column 'sex', row 3: 'X' means neither yes nor no (2 such rows). "
        "Available: F, M. Add it to yes, no or missing of [drivers.woman]."
    )
    with refused(message):
        read_cells(content, frame, "sex", ["F", "M", "X", "X"], "woman")


def test_the_codebook_is_checked_before_the_file_is_opened(content, tmp_path):
    del content["items"]
    with pytest.raises(CodebookError, match="there is no item"):
        read_survey(tmp_path / "no.csv", content)


# What is shown


def test_repr_counts_citizens_items_and_drivers(content, frame):
    assert repr(read_survey(frame, content)) == (
        "Survey: Small survey\n"
        "  5 citizens in 2 countries: Norway 2, Denmark 3\n"
        "  2 items: 1 alone, 1 together\n"
        "  4 drivers: efficacy, age, woman, education\n"
        "  weights: w\n"
        "  60.0% of the answers to items are given; 60.0% of citizens have all drivers"
    )


def test_repr_says_what_was_imputed(content, frame):
    survey = replace(read_survey(frame, content), imputed={"age": Imputed(0.2, "Norway", 0.3)})
    assert "4 drivers: efficacy, age (20.0% imputed), woman" in repr(survey)
    assert "age (20.0% imputed)" in survey._repr_html_()


def test_html_shows_each_country_s_sample(content, frame):
    page = read_survey(frame, content)._repr_html_()
    rows = [re.findall(r"<td.*?>(.*?)</td>", row) for row in page.split("<tr>")[2:]]
    assert rows == [
        ["Norway", "2", "100.0%", "50.0%", "2"],
        ["Denmark", "3", "33.3%", "66.7%", "2"],
    ]


def test_synthetic_data_are_called_so_wherever_they_are_shown(content, frame):
    content["survey"]["synthetic"] = True
    survey = read_survey(frame, content)
    for shown in (survey.title, repr(survey), survey._repr_html_()):
        assert "Small survey (synthetic data)" in shown


def test_html_escapes_what_the_codebook_and_the_data_say(content, frame):
    content["survey"]["name"] = "<script>alert(1)</script>"
    content["country"]["labels"] = {"NO": "<b>Norway", "DK": "Denmark & more"}
    page = read_survey(frame, content)._repr_html_()
    assert "<script>" not in page
    assert "<b>Norway" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Denmark &amp; more" in page


def test_a_survey_that_was_read_has_no_truth(content, frame):
    survey = read_survey(frame, content)
    assert isinstance(survey, Survey)
    assert survey.truth is None


# A part of a survey


@pytest.fixture
def gappy(small):
    """Those below 40 have no age, and every seventh citizen no trust."""
    data = small.data
    every_seventh = pd.Series(np.arange(len(data)) % 7 == 0, index=data.index)
    return replace(
        small,
        data=data.assign(
            age=data["age"].where(data["age"] > 40), trust=data["trust"].mask(every_seventh)
        ),
    )


def test_those_who_have_the_drivers_are_kept(gappy):
    has_age, has_trust = (gappy.data[name].notna() for name in ("age", "trust"))
    kept = keep_complete(gappy, ["age"])
    assert list(kept.data["citizen"]) == list(gappy.data["citizen"][has_age])
    assert kept.origin == f"keep_complete(bc.{gappy.origin}, ['age'])"
    assert kept.command == ""
    both = keep_complete(gappy, ["age", "trust"])
    assert list(both.data["citizen"]) == list(gappy.data["citizen"][has_age & has_trust])
    drivers = [driver.name for driver in gappy.codebook.drivers]
    everything = gappy.data[drivers].notna().all(axis=1)
    assert list(keep_complete(gappy).data["citizen"]) == list(gappy.data["citizen"][everything])


def test_a_country_that_loses_everybody_is_gone(five):
    lost = five.data["country"] == "Denmark"
    rest = keep_complete(
        replace(five, data=five.data.assign(age=five.data["age"].mask(lost))), "age"
    )
    assert rest.countries == tuple(name for name in five.countries if name != "Denmark")
    assert list(rest.truth["country"].values) == list(rest.countries)
    levels = true_index(rest)
    xr.testing.assert_allclose(levels, true_index(five).sel(country=levels["country"]))


def test_an_unknown_driver_and_an_empty_rest_are_refused(small):
    with pytest.raises(SurveyError, match="keep_complete: unknown driver 'agee'. Did you mean"):
        keep_complete(small, ["agee"])
    nobody = replace(small, data=small.data.assign(age=np.nan))
    with pytest.raises(SurveyError, match=r"nobody has all of \['age'\]"):
        keep_complete(nobody, "age")
    with pytest.raises(SurveyError, match="takes a survey"):
        keep_complete(small.data)
    filled = replace(small, imputed={"age": Imputed(0.2, "Austria", 0.3)})
    with pytest.raises(SurveyError, match=r"\['age'\] have been filled in.*impute after that"):
        keep_complete(filled, ["trust"])
