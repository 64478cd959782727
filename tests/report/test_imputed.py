"""From the command line to the report, with missing drivers that were filled in."""

import re
import sys
from html import unescape

import numpy as np
import pytest
import tomlkit

from bayes_coprod.cli import main
from bayes_coprod.inference.fit import load_fit

MODEL = {"name": "small", "likelihood": "index", "pooling": "complete", "sampler": {"chains": 2}}


def type_in(*arguments):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["bayes-coprod", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    return end.value.code


@pytest.fixture
def folder(small_frame, small_book, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    frame = small_frame.astype({"age": float})
    frame.loc[rng.random(len(frame)) < 0.3, "age"] = np.nan
    frame.to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "codebook.toml").write_text(tomlkit.dumps(small_book))
    (tmp_path / "model.toml").write_text(tomlkit.dumps(MODEL))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(report):
    """The text of the page, without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", report.read_text("utf-8"))))


def test_run_imputes_and_the_report_says_so(folder, capsys):
    command = "run s.csv --codebook codebook.toml --impute 2 --model model.toml"
    few = "--draws 30 --tune 30 --out report.html --save fit.nc"
    assert type_in(*command.split(), *few.split()) == 0
    out = capsys.readouterr().out
    assert "2 for each of 2 completed data sets" in out
    assert "imputed drivers (age)" in out

    fit = load_fit(folder / "fit.nc")
    assert fit.design.sizes["imputation"] == 2
    said = words_of(folder / "report.html")
    for sentence in (
        f"bayes-coprod {command} --out report.html",
        "two chains of 30 draws for each of two completed data sets",
        "Missing drivers were filled in two times",
        "and results rest on all two: age (",
        "Missing drivers were filled in as if those who miss one were like others",
    ):
        assert sentence in said
    assert "miss a driver or" not in said
    assert "Citizens who miss a driver are left out" not in said
    call = "bc.impute(bc.read_survey('s.csv', codebook='codebook.toml'), m=2, random_seed=2008)"
    assert f"survey = {call}" in said


def test_one_data_set_is_refused_with_exit_code_two(folder, capsys):
    assert type_in("fit", "s.csv", "--codebook", "codebook.toml", "--impute", 1) == 2
    assert "impute: m = 1 is no whole number from 2 on" in capsys.readouterr().err
