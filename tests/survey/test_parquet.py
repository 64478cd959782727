"""Parquet: a file, or a folder of files with one row after the other."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from bayes_coprod.errors import CodebookError, SurveyError
from bayes_coprod.survey.read import read_survey


def refused(message):
    return pytest.raises(SurveyError, match=re.escape(message))


@pytest.fixture
def typed(frame):
    """The same data with numbers where they are numbers."""
    return frame.assign(**{c: pd.to_numeric(frame[c]) for c in ("w", "q2", "age")})


@pytest.fixture
def folder(tmp_path, typed):
    """Two files that hold the citizens in order."""
    (tmp_path / "survey").mkdir()
    typed[:2].to_parquet(tmp_path / "survey" / "part-0.parquet")
    typed[2:].to_parquet(tmp_path / "survey" / "part-1.parquet")
    return tmp_path / "survey"


def test_a_file_gives_what_the_dataframe_gives(content, typed, tmp_path):
    typed.set_index("nobody_asked").to_parquet(tmp_path / "s.parquet")
    survey = read_survey(tmp_path / "s.parquet", content)
    pd.testing.assert_frame_equal(survey.data, read_survey(typed, content).data)
    assert survey.origin == "read_survey('s.parquet', codebook='codebook.toml')"


def test_an_index_that_the_codebook_names_is_a_column(content, typed, tmp_path):
    typed.set_index("id").to_parquet(tmp_path / "s.parquet")
    assert list(read_survey(tmp_path / "s.parquet", content).data["citizen"]) == list("abcde")


def test_a_folder_gives_its_files_one_after_the_other(content, typed, folder):
    survey = read_survey(folder, content)
    pd.testing.assert_frame_equal(survey.data, read_survey(typed, content).data)
    assert survey.command == "run survey --codebook codebook.toml"


def test_folders_named_by_country_are_a_column(content, typed, tmp_path):
    for land, part in typed.groupby("land"):
        (tmp_path / "s" / f"land={land}").mkdir(parents=True)
        part.drop(columns="land").to_parquet(tmp_path / "s" / f"land={land}" / "0.parquet")
    data = read_survey(tmp_path / "s", content).data
    assert list(data["citizen"]) == ["a", "c", "e", "b", "d"]
    assert list(data["country"]) == ["Denmark"] * 3 + ["Norway"] * 2


def test_names_of_folders_are_text(content, typed, tmp_path):
    del content["country"]["labels"]
    for land in ("1", "01"):
        (tmp_path / "s" / f"land={land}").mkdir(parents=True)
        part = typed.drop(columns="land").assign(id=[f"{i} {land}" for i in range(len(typed))])
        part.to_parquet(tmp_path / "s" / f"land={land}" / "0.parquet")
    assert read_survey(tmp_path / "s", content).countries == ("01", "1")
    typed.to_parquet(tmp_path / "s" / "land=1" / "0.parquet")
    with refused("the column 'land' is both in the file and in the name of its folder."):
        read_survey(tmp_path / "s", content)


def test_notes_of_the_program_that_wrote_a_folder_are_no_data(content, typed, folder):
    (folder / "_SUCCESS").write_text("")
    (folder / ".hidden.parquet").write_text("")
    (folder / "README.txt").write_text("")
    assert len(read_survey(folder, content).data) == 5


def test_files_of_a_folder_may_write_numbers_differently(content, typed, folder):
    typed[2:].astype({"q2": "float32", "age": str}).to_parquet(folder / "part-1.parquet")
    typed[:2].astype({"q2": "int8"}).to_parquet(folder / "part-0.parquet")
    pd.testing.assert_frame_equal(
        read_survey(folder, content).data, read_survey(typed, content).data
    )


def test_a_file_that_lacks_a_column_is_refused_not_filled(content, typed, folder):
    typed[2:].drop(columns="q1").to_parquet(folder / "part-1.parquet")
    with refused("survey/part-1.parquet: the column 'q1' is not in the data."):
        read_survey(folder, content)


def test_text_that_is_not_marked_as_text_is_refused(content, typed, tmp_path):
    table = pa.Table.from_pandas(typed.astype({"land": str}))
    place = table.schema.get_field_index("land")
    table = table.set_column(place, "land", table["land"].cast(pa.binary()))
    parquet.write_table(table, tmp_path / "s.parquet")
    with refused("column 'land': its cells are bytes, and no text says how to read them."):
        read_survey(tmp_path / "s.parquet", content)


def test_a_bad_row_is_counted_through_the_files(content, typed, folder):
    typed.loc[3, "q1"] = "offen"
    typed[2:].to_parquet(folder / "part-1.parquet")
    with refused("survey, column 'q1', row 4: 'offen' is not in the codebook."):
        read_survey(folder, content)


def test_types_that_other_programs_write(content, typed, tmp_path):
    table = pa.Table.from_pandas(typed, preserve_index=False)
    columns = {
        "q1": table["q1"].dictionary_encode(),
        "q2": table["q2"].cast(pa.decimal128(30, 2)),
        "age": table["age"].cast(pa.float32()),
        "land": table["land"].cast(pa.large_string()),
    }
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    parquet.write_table(table, tmp_path / "s.parquet")
    data = read_survey(tmp_path / "s.parquet", content).data
    pd.testing.assert_frame_equal(data, read_survey(typed, content).data)


def test_cells_that_are_lists_are_refused(content, typed, tmp_path):
    typed["q1"] = [["often"]] * 5
    typed.to_parquet(tmp_path / "s.parquet")
    with refused("s.parquet, column 'q1': its cells are no single values"):
        read_survey(tmp_path / "s.parquet", content)


@pytest.mark.parametrize("kept", [0, 3, 200, -9])
def test_a_truncated_file_is_refused(content, typed, tmp_path, kept):
    typed.to_parquet(tmp_path / "s.parquet")
    whole = (tmp_path / "s.parquet").read_bytes()
    (tmp_path / "s.parquet").write_bytes(whole[:kept])
    with refused("s.parquet: the file cannot be read as parquet"):
        read_survey(tmp_path / "s.parquet", content)


def test_what_is_not_there_is_refused(content, tmp_path):
    with refused(f"read_survey: there is no file {tmp_path / 'no.parquet'}."):
        read_survey(tmp_path / "no.parquet", content)
    with refused(f"read_survey: the folder {tmp_path} holds no .parquet file."):
        read_survey(tmp_path, content)


def test_without_rows_there_are_no_citizens(content, typed, tmp_path):
    typed[:0].to_parquet(tmp_path / "s.parquet")
    with refused("s.parquet: there are no citizens."):
        read_survey(tmp_path / "s.parquet", content)


def test_one_bad_row_among_ten_million_is_named(tmp_path):
    rows = 10_000_000
    land = np.zeros(rows, dtype=np.int8)
    land[::2] = 1
    often = np.ones(rows, dtype=np.int8)
    often[7_654_320] = 7
    parquet.write_table(pa.table({"land": land, "often": often}), tmp_path / "s.parquet")
    book = {
        "survey": {"name": "Large", "forms": ["alone"]},
        "country": {"column": "land"},
        "items": {"often": {"form": "alone", "categories": [0, 1]}},
    }
    with refused("s.parquet, column 'often', row 7654321: '7' is not in the codebook."):
        read_survey(tmp_path / "s.parquet", book)


# Entries that not every file has


def test_an_optional_entry_is_read_where_the_file_has_it(content, frame):
    content["items"]["group"]["optional"] = True
    content["items"]["meet"] = {"form": "together", "categories": [1, 2], "optional": True}
    content["drivers"]["age"]["optional"] = True
    survey = read_survey(frame, content)
    assert [item.name for item in survey.codebook.items] == ["recycle", "group"]
    without = read_survey(frame.drop(columns="age"), content)
    assert [driver.name for driver in without.codebook.drivers] == [
        "efficacy",
        "woman",
        "education",
    ]
    assert "age" not in without.data


def test_a_file_without_any_item_of_a_form_is_refused(content, frame):
    content["items"]["group"]["optional"] = True
    with pytest.raises(CodebookError, match="no item has the form 'together'"):
        read_survey(frame.drop(columns="q2"), content)


def test_without_the_key_a_column_is_required(content, frame):
    with refused("the column 'q2' is not in the data."):
        read_survey(frame.drop(columns="q2"), content)
