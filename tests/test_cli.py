"""The commands as they are typed: what they print, what they write, how they end."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tomlkit

from bayes_coprod.cli import main
from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.inference.fit import load_fit
from bayes_coprod.model.spec import list_models
from bayes_coprod.survey.coverage import check_survey
from bayes_coprod.survey.drafting.draft import draft_codebook
from bayes_coprod.survey.read import read_survey

COMMANDS = (
    "models", "demo", "codebook", "run", "check", "fit", "report", "compare", "scenario",
)  # fmt: skip
FEW = ("--draws", "20", "--tune", "20")  # too few to pass the checks

SMALL_BOOK = {
    "survey": {"name": "Small", "forms": ["alone", "together"]},
    "country": {"column": "country"},
    "items": {
        "lock": {"form": "alone", "categories": [0, 1, 2]},
        "report": {"form": "alone", "categories": [0, 1]},
        "meet": {"form": "together", "categories": [0, 1, 2]},
    },
    "drivers": {
        "age": {"kind": "numeric", "unit": "years"},
        "female": {"kind": "binary", "yes": [1], "no": [0]},
    },
}


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def type_in(folder, *arguments):
    """Run the command in this process, from its arguments to its exit code."""
    out, err = StringIO(), StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patched.setattr(sys, "argv", ["bayes-coprod", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    return Outcome(end.value.code or 0, out.getvalue(), err.getvalue())


def files_in(folder):
    return {path.name for path in folder.iterdir()}


def make_survey(folder, n=40):
    """A survey of three countries, its codebook, and one where a driver is mostly missing."""
    rng = np.random.default_rng(4)
    country = np.repeat(["Austria", "Belgium", "Cyprus"], n)
    # citizens who do differ: where answers say nothing of it, fits take their time
    latent = 2 * rng.normal(size=(3 * n, 1)) + rng.logistic(size=(3 * n, 3))
    answers = (latent[:, :, None] > [-0.5, 1.0]).sum(axis=2)
    rows = ["country,lock,report,meet,age,female"]
    gaps = ["country,lock,report,meet,age,female"]
    for i, (name, (lock, report, meet)) in enumerate(zip(country, answers, strict=True)):
        given = f"{name},{lock},{min(report, 1)},{meet}"
        age, female = rng.integers(18, 80), rng.integers(0, 2)
        rows.append(f"{given},{age},{female}")
        gaps.append(f"{given},{'' if i % 4 == 0 else age},{female}")
    (folder / "survey.csv").write_text("\n".join(rows))
    (folder / "gaps.csv").write_text("\n".join(gaps))  # 25 % have no age
    (folder / "book.toml").write_text(tomlkit.dumps(SMALL_BOOK))
    (folder / "women.toml").write_text(
        'name = "women"\nlikelihood = "index"\ndrivers = ["female"]\n[sampler]\ndraws = 50\n'
    )
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_survey(tmp_path)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder where `run` was run; tests write beside what it wrote."""
    return make_survey(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def ran(home):
    return type_in(
        home, "run", "survey.csv", "--codebook", "book.toml", "--draws", 120, "--save", "fit.nc"
    )


@pytest.fixture
def no_sampling(monkeypatch):
    """Whatever is refused must be refused before minutes of sampling."""

    def stop(*_, **__):
        pytest.fail("sampling began")

    monkeypatch.setattr("bayes_coprod.inference.sample._sample", stop)


# Help, and what there is


def test_help_lists_the_commands():
    outcome = subprocess.run(
        [sys.executable, "-m", "bayes_coprod", "--help"], capture_output=True, text=True, check=True
    )
    for command in COMMANDS:
        assert re.search(rf"^\W*{command} ", outcome.stdout, re.MULTILINE)
    assert outcome.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, tmp_path):
    code, out, _ = type_in(tmp_path, command, "--help")
    assert code == 0
    assert f"{command} " in out


def test_models_come_with_their_questions(tmp_path):
    code, out, err = type_in(tmp_path, "models")
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"{name}: {text}" for name, text in list_models().items()]
    assert "index: How much do citizens co-produce" in out


def test_a_codebook_that_is_there_is_kept(folder):
    before = (folder / "book.toml").read_text()
    for there in ("book.toml", "survey.csv"):
        code, _, err = type_in(folder, "codebook", "survey.csv", "--out", there)
        assert code == 2
        assert f"{there} exists already and will not be overwritten" in err
    assert (folder / "book.toml").read_text() == before


# Check a survey


def test_a_survey_is_shown_and_checked(folder):
    code, out, err = type_in(folder, "check", "survey.csv", "--codebook", "book.toml")
    survey = read_survey(folder / "survey.csv", folder / "book.toml")
    assert (code, err) == (0, "")
    assert out == f"{survey!r}\n{check_survey(survey)!r}\n"
    assert "fail" not in out


def test_a_failed_check_ends_with_1_where_that_is_asked_for(folder):
    typed = ("check", "gaps.csv", "-c", "book.toml")
    code, out, err = type_in(folder, *typed)
    assert (code, err) == (0, "")
    assert "fail     driver coverage (age): 25.0% of citizens have no value" in out
    code, same, err = type_in(folder, *typed, "--strict")
    assert (code, same, err) == (1, out, "A check failed.\n")


def test_nothing_fails_where_all_is_well(folder):
    assert type_in(folder, "check", "survey.csv", "-c", "book.toml", "--strict").code == 0


def test_another_encoding_is_read_when_given(folder):
    text = (folder / "survey.csv").read_text().replace("Austria", "Österreich")
    (folder / "latin.csv").write_bytes(text.encode("latin-1"))
    typed = ("check", "latin.csv", "-c", "book.toml")
    code, _, err = type_in(folder, *typed)
    assert code == 2
    assert "latin.csv: byte" in err
    assert "encoding" in err
    code, out, _ = type_in(folder, *typed, "--encoding", "latin-1")
    assert code == 0
    assert "Österreich 40" in out


# Draft a codebook


def test_a_codebook_is_drafted_in_utf_8_whatever_the_terminal_speaks(folder):
    text = (folder / "survey.csv").read_text().replace("Austria", "Österreich 😀")
    (folder / "emoji.csv").write_text(text, encoding="utf-8")
    shown = subprocess.run(
        [sys.executable, "-m", "bayes_coprod", "codebook", "emoji.csv"],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    assert shown.stdout.decode("utf-8") == draft_codebook(folder / "emoji.csv")
    assert "Österreich 😀".encode() in shown.stdout
    assert shown.stderr == b""
    code, out, err = type_in(folder, "codebook", "emoji.csv", "--out", "draft.toml")
    assert (code, out, err) == (0, f"Codebook: {folder / 'draft.toml'}\n", "")
    assert (folder / "draft.toml").read_bytes() == shown.stdout
    code, out, _ = type_in(folder, "check", "emoji.csv", "-c", "draft.toml")
    assert code == 0
    assert "warn     forms (unsorted): " in out
    assert "Sort each item into a form" in out


def test_a_draft_of_another_encoding(folder):
    text = (folder / "survey.csv").read_text().replace("Austria", "Österreich")
    (folder / "latin.csv").write_bytes(text.encode("latin-1"))
    typed = ("codebook", "latin.csv", "-o", "draft.toml")
    assert type_in(folder, *typed, "--encoding", "latin-1").code == 0
    assert "check latin.csv --codebook codebook.toml --encoding latin-1\n" in (
        folder / "draft.toml"
    ).read_text(encoding="utf-8")
    assert type_in(folder, *typed).code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("survy.csv",), "read_survey: there is no file survy.csv."),
        (("book.toml",), "book.toml has an unknown format '.toml'."),
        (("survey.csv", "-o", "folder"), "output: folder is a folder."),
        (("survey.csv", "-o", "drafts/draft.toml"), "there is no folder drafts."),
    ],
    ids=["no survey", "no format", "a folder", "no folder"],
)
def test_what_cannot_be_drafted_leaves_nothing_behind(folder, arguments, message):
    (folder / "folder").mkdir()
    before = files_in(folder)
    code, out, err = type_in(folder, "codebook", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert message in err
    assert files_in(folder) == before


# Wrong input


@pytest.mark.parametrize("command", ["run", "fit", "check"])
@pytest.mark.parametrize(
    ("survey", "book", "message"),
    [
        ("survy.csv", "book.toml", "read_survey: there is no file survy.csv."),
        ("survey.csv", "bok.toml", "load_codebook: there is no file bok.toml."),
        ("survey.csv", "five_nation", "unknown codebook 'five_nation'. Did you mean"),
        ("survey.csv", "women.toml", "women.toml: 'survey' is missing."),
        ("wrong.csv", "book.toml", "wrong.csv, column 'lock', row 3: "),
        ("empty.csv", "book.toml", "empty.csv: the file is empty."),
        ("book.toml", "book.toml", "book.toml has an unknown format '.toml'."),
    ],
    ids=[
        "no survey",
        "no codebook",
        "unknown codebook",
        "no codebook but a model",
        "unknown value",
        "empty",
        "unknown format",
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(
    folder, no_sampling, command, survey, book, message
):
    lines = (folder / "survey.csv").read_text().splitlines()
    lines[3] = "Austria,always,1,2,40,1"
    (folder / "wrong.csv").write_text("\n".join(lines))
    (folder / "empty.csv").touch()
    before = files_in(folder)
    code, out, err = type_in(folder, command, survey, "--codebook", book)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert message in err
    assert files_in(folder) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "survey.csv", "-c", "book.toml", "-m", "indx"), "Did you mean 'index'?"),
        (("fit", "survey.csv", "-c", "book.toml", "-m", "my.toml"), "there is no file my.toml."),
        (("run", "survey.csv", "-c", "book.toml", "--draws", "0"), "draws = 0 is too small."),
        (("demo", "--model", "women"), "unknown model 'women'."),
        (("report", "fit.nc"), "load_fit: there is no file fit.nc."),
        (("check", "fit.nc"), "load_fit: there is no file fit.nc."),
        (("report", "survey.csv"), "load_fit: survey.csv is no netCDF file"),
    ],
    ids=["model", "model file", "draws", "model of the demo", "fit", "fit to check", "no fit"],
)
def test_a_wrong_model_or_fit_is_one_message_and_exit_code_2(
    folder, no_sampling, arguments, message
):
    before = files_in(folder)
    code, _, err = type_in(folder, *arguments)
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert message in err
    assert files_in(folder) == before


@pytest.mark.parametrize("command", ["run", "fit"])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (("ordinal", "--item", "mete"), "no item 'mete'. Did you mean 'meet'?"),
        (("ordinal",), "it explains one item, and none is named."),
        (
            ("items", "--item", "meet"),
            "model 'items': it is no model of a single item, and item = 'meet' was given. "
            "Leave the item out, or fit 'ordinal', which explains one.",
        ),
        (("men.toml",), "unknown driver 'men'"),
    ],
    ids=["unknown", "none", "another model", "unknown driver"],
)
def test_what_the_survey_lacks_is_refused_before_anything_is_printed(
    folder, no_sampling, command, model, message
):
    (folder / "men.toml").write_text('name = "men"\nlikelihood = "index"\ndrivers = ["men"]\n')
    code, out, err = type_in(folder, command, "survey.csv", "-c", "book.toml", "-m", *model)
    assert (code, out) == (2, "")
    assert message in err
    assert "likelihood" not in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "Usage"),
        (("fly",), "fly"),
        (("run", "survey.csv"), "--codebook"),
        (("check", "survey.csv"), "--codebook"),
        (("run", "survey.csv", "-c", "book.toml", "--draws", "many"), "--draws"),
        (("run", "survey.csv", "-c", "book.toml", "--frobnicate"), "--frobnicate"),
    ],
    ids=["nothing", "no such command", "no codebook", "none to check", "no number", "no option"],
)
def test_what_is_typed_wrong_ends_with_2_and_says_where(folder, arguments, word):
    before = files_in(folder)
    code, out, err = type_in(folder, *arguments)
    assert code == 2
    assert word in re.sub("\x1b\\[[0-9;]*m", "", out + err)
    assert files_in(folder) == before


def test_wrong_input_shows_no_traceback_to_the_shell(tmp_path):
    outcome = subprocess.run(
        [sys.executable, "-m", "bayes_coprod", "run", "no.csv", "-c", "five_nations"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 2
    assert (outcome.stdout, outcome.stderr) == (
        "",
        "Error: read_survey: there is no file no.csv.\n",
    )


def test_a_bug_shows_itself(folder, monkeypatch):
    """Only what the user can mend is made one line; the rest is ours to see whole."""

    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("bayes_coprod.survey.read.read_survey", fail)
    with chdir(folder), pytest.raises(ZeroDivisionError), monkeypatch.context() as patched:
        patched.setattr(sys, "argv", ["bayes-coprod", "check", "survey.csv", "-c", "book.toml"])
        main()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "survey.csv", "-c", "book.toml", "--out", "reports/report.html"),
        ("run", "survey.csv", "-c", "book.toml", "--out", "folder"),
        ("run", "survey.csv", "-c", "book.toml", "--save", "fits/fit.nc"),
        ("run", "survey.csv", "-c", "book.toml", "--save", "folder"),
        ("run", "survey.csv", "-c", "book.toml", "--out", "x", "--save", "./x"),
        ("fit", "survey.csv", "-c", "book.toml", "--out", "fits/fit.nc"),
        ("fit", "survey.csv", "-c", "book.toml", "--out", "folder"),
        ("demo", "--out", "reports/report.html"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_written_is_refused_before_sampling(folder, no_sampling, arguments):
    (folder / "folder").mkdir()
    before = files_in(folder)
    code, _, err = type_in(folder, *arguments)
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert str(Path(arguments[-1])) in err
    assert files_in(folder) == before
    assert files_in(folder / "folder") == set()


# Run, and what can be done with what it leaves


def test_run_does_everything_in_one_go(home, ran):
    assert (ran.code, ran.err) == (0, "")
    fit = load_fit(home / "fit.nc")
    survey = read_survey(home / "survey.csv", home / "book.toml")
    for said in (survey, check_survey(survey), fit, check_fit(fit)):
        assert repr(said) in ran.out
    for words in ("Levels", "Gap between the forms"):
        assert f"{words}, points of 100, 89 % equal-tailed credible interval\n" in ran.out
    assert f"Fit: {home / 'fit.nc'}\n" in ran.out
    assert f"Report: {home / 'report.html'}\n" in ran.out
    assert "Co-production in three countries" in (home / "report.html").read_text("utf-8")
    assert fit.spec.sampler.draws == 120


def test_run_leaves_nothing_but_its_files(folder, home, ran):
    assert files_in(home) >= {"report.html", "fit.nc"}
    assert not [name for name in files_in(home) if name.startswith(".")]


def test_a_fit_is_checked_from_its_file(home, ran):
    code, out, err = type_in(home, "check", "fit.nc")
    assert (code, err) == (0, "")
    assert out == f"{check_fit(load_fit(home / 'fit.nc'))!r}\n"


def test_what_is_no_level_of_checks_is_refused(home, ran, tmp_path):
    for typed in (("check", "fit.nc"), ("report", "fit.nc", "--out", tmp_path / "report.html")):
        code, _, err = type_in(home, *typed, "--level", "ful")
        assert code == 2
        assert "unknown level 'ful'" in err
        assert "'full'" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("typed", "other"),
    [
        (("survey.csv", "-c", "book.toml", "--level", "full", "--refits"), "--level and --refits"),
        (("fit.nc", "-c", "book.toml"), "--codebook"),
        (("fit.nc", "--encoding", "utf-8"), "--encoding"),
    ],
)
def test_options_that_say_nothing_of_what_is_checked_are_refused(home, ran, typed, other):
    code, out, err = type_in(home, "check", *typed)
    assert (code, out) == (2, "")
    assert f"{other} is for checks of a " in err


def test_a_quick_check_makes_no_refits(home, ran):
    code, _, err = type_in(home, "check", "fit.nc", "--refits")
    assert code == 2
    assert "a quick check makes no refits" in err


def test_a_report_is_written_from_a_file_byte_by_byte_the_same(home, ran, tmp_path):
    code, out, err = type_in(home, "report", "fit.nc", "--out", tmp_path / "again.html")
    assert (code, err) == (0, "")
    assert out == f"Report: {tmp_path / 'again.html'}\n"
    again, first = (path.read_bytes() for path in (tmp_path / "again.html", home / "report.html"))
    assert again == first
    assert files_in(tmp_path) == {"again.html"}


def test_what_is_read_is_never_written_over(home, ran):
    for typed, name in (
        (("report", "fit.nc", "--out", "fit.nc"), "fit.nc"),
        (("run", "survey.csv", "-c", "book.toml", "--out", "survey.csv"), "survey.csv"),
        (("fit", "survey.csv", "-c", "book.toml", "--out", "book.toml"), "book.toml"),
    ):
        before = (home / name).read_bytes()
        code, _, err = type_in(home, *typed)
        assert code == 2
        assert f"{name} is an input as well and would be overwritten" in err
        assert (home / name).read_bytes() == before


def test_a_report_in_no_folder_is_refused(home, ran):
    code, _, err = type_in(home, "report", "fit.nc", "--out", "reports/report.html")
    assert code == 2
    assert err.startswith("Error: ")
    assert "reports" in err


def test_fit_keeps_a_fit_with_the_settings_given(folder):
    """So few draws fail the checks: 1 under --strict, and the file is there to look at."""
    typed = ("fit", "survey.csv", "-c", "book.toml", "--out", "few.nc", "--strict", *FEW)
    of = ("--model", "ordinal", "--item", "meet")
    code, out, err = type_in(folder, *typed, *of, "--chains", 4, "--seed", 5)
    assert (code, err) == (1, "A check failed.\n")
    assert f"Fit: {folder / 'few.nc'}\n" in out
    fit = load_fit(folder / "few.nc")
    sampler = fit.spec.sampler
    assert (sampler.draws, sampler.tune, sampler.chains, sampler.random_seed) == (20, 20, 4, 5)
    assert fit.posterior.sizes["draw"] == 20
    assert fit.spec.item == "meet"
    assert repr(check_fit(fit)) in out

    assert type_in(folder, "check", "few.nc").code == 0
    assert type_in(folder, "check", "few.nc", "--strict").code == 1
    code, _, err = type_in(folder, "report", "few.nc", "--out", "few.html", "--strict")
    assert (code, err) == (1, "A check failed.\n")
    assert "A check failed" in (folder / "few.html").read_text("utf-8")


def test_run_under_strict_minds_the_survey_as_well(folder):
    typed = ("run", "gaps.csv", "-c", "book.toml", "-m", "index", "--strict", "--draws", 300)
    code, out, err = type_in(folder, *typed)
    assert (code, err) == (1, "A check failed.\n")
    (failed,) = re.findall(r"^fail .*", out, re.MULTILINE)  # the sampler's checks did not
    assert "driver coverage (age)" in failed
    assert "report.html" in files_in(folder)


def test_only_the_drivers_of_the_model_are_minded(folder):
    """A model of one's own, by its path; the driver with the gaps is not in it."""
    code, out, _ = type_in(folder, "run", "gaps.csv", "-c", "book.toml", "-m", "women.toml")
    assert code == 0
    assert "driver coverage (age)" not in out
    assert "0 left out for want of a driver, 0 of answers" in out


def test_the_demo_is_labelled_synthetic(folder):
    code, out, err = type_in(folder, "demo", "--model", "women.toml", "--out", "demo.html")
    assert (code, err) == (0, "")
    assert "(synthetic data)" in out
    assert "Synthetic data: every number" in (folder / "demo.html").read_text("utf-8")


# Interrupted

# a shell that starts tests in the background may hand down that Ctrl-C is ignored
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from bayes_coprod.cli import main
main()
"""


def wait_for_sampling(process):
    """Until the sampler's threads are there; where that cannot be seen, for a while."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.is_dir():
        time.sleep(20)
        return
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, "it ended before it was interrupted"
        for task in tasks.iterdir():
            try:
                if task.joinpath("comm").read_text().startswith("nutpie-worker"):
                    time.sleep(1)
                    return
            except FileNotFoundError:  # a thread that has ended meanwhile
                continue
        time.sleep(0.2)
    pytest.fail("no sampling within two minutes")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent in another way there")
def test_ctrl_c_during_sampling_leaves_everything_as_it_was(folder):
    (folder / "report.html").write_text("the report of last week")
    before = files_in(folder)
    options = ("--save", "fit.nc", "--draws", "1000000")
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "run", "survey.csv", "-c", "book.toml", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while "driver coverage" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        wait_for_sampling(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130  # 128 + SIGINT, as shells have it
    assert "Traceback" not in err
    assert "Report" not in out
    assert files_in(folder) == before
    assert (folder / "report.html").read_text() == "the report of last week"
