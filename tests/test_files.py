import os
import re

import pytest

from bayes_coprod.errors import CoprodError, SpecError
from bayes_coprod.files import read_toml, written_whole


def test_what_was_written_takes_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with written_whole(path, "write_report") as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"  # until the block has ended
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_does_not_end_leaves_nothing(tmp_path, stop):
    with (
        pytest.raises(stop),
        written_whole(tmp_path / "report.html", "write_report") as temporary,
    ):
        temporary.write_text("half a rep")
        raise stop
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_does_not_end_leaves_the_old_file(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(path, "write_report") as temporary:
        temporary.write_text("half a rep")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    with written_whole(tmp_path / "report.html", "write_report") as temporary:
        temporary.write_text("new")
    (tmp_path / "plain").touch()
    modes = {os.stat(path).st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_missing_folder_is_named(tmp_path):
    message = f"write_report: cannot write to the folder {tmp_path / 'reports'} (No such file"
    with (
        pytest.raises(CoprodError, match=re.escape(message)),
        written_whole(tmp_path / "reports" / "report.html", "write_report"),
    ):
        pytest.fail("the block was entered")


def test_toml_comes_with_its_text(tmp_path):
    (tmp_path / "a.toml").write_text("# Why?\nname = 'å'\n", encoding="utf-8")
    content, text = read_toml(tmp_path / "a.toml", "load_model", SpecError)
    assert content == {"name": "å"}
    assert text.startswith("# Why?")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (None, "there is no file {path}."),
        (b"name = 'caf\xe9'", "{path} is not UTF-8 text. Save it as UTF-8."),
        (b"name = ", "{path} is not valid TOML: Invalid value"),
        (b"a = 1\na = 2\n", "{path} is not valid TOML: Cannot overwrite a value"),
    ],
    ids=["absent", "latin-1", "unfinished", "key twice"],
)
def test_toml_that_cannot_be_read_is_refused(tmp_path, written, problem):
    path = tmp_path / "a.toml"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(SpecError, match=re.escape(f"load_model: {problem.format(path=path)}")):
        read_toml(path, "load_model", SpecError)


def test_a_folder_is_no_toml_file(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        read_toml(tmp_path, "load_model", SpecError)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with written_whole(tmp_path / "link", "test") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
