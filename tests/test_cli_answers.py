"""``compare`` and ``scenario`` as they are typed, on a fit of random draws."""

import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.cli import main
from bayes_coprod.cli.changes import read_changes, read_only
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import by, to
from bayes_coprod.estimands.countries import country_contrasts, country_levels, gap
from bayes_coprod.estimands.scenarios import IF_CAUSAL, scenario
from bayes_coprod.estimands.summarise import summarise
from bayes_coprod.survey.read import read_survey
from bayes_coprod.wording import per_cent


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def fitted(small_frame, small_book, random_fit):
    for driver in small_book["drivers"].values():
        driver["changeable"] = True
    return random_fit(read_survey(small_frame, small_book), draws=20)


@pytest.fixture
def type_in(fitted, monkeypatch, tmp_path):
    """Run a command on the fit, from its arguments to its exit code."""
    monkeypatch.setattr("bayes_coprod.inference.fit.load_fit", lambda path: fitted)

    def run(command, *arguments):
        out, err = StringIO(), StringIO()
        monkeypatch.setattr(sys, "argv", ["bayes-coprod", command, "fit.nc", *arguments])
        with (
            chdir(tmp_path),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            main()
        return Outcome(end.value.code or 0, out.getvalue(), err.getvalue())

    return run


# Comparing


def test_compare_prints_levels_contrasts_and_ranks(type_in, fitted):
    code, out, err = type_in("compare", "--prob", "0.8", "--kind", "hdi")
    assert (code, err) == (0, "")
    interval = "points of 100, 80 % highest-density credible interval"
    assert f"Gap between the forms, {interval}\n" in out
    assert f"Gap between the forms, minus the countries' mean, {interval}\n" in out
    assert "probability of each rank; 1 is the highest" in out
    table = summarise(country_contrasts(fitted, of=gap), prob=0.8, kind="hdi")
    assert table.round(2).to_string() in out
    assert "Each country's citizens in the fit, counted once; Bayesian bootstrap" in out


@pytest.mark.parametrize("reference", ["Austria", "pairwise"])
def test_compare_takes_a_reference_and_writes_the_contrasts(type_in, fitted, tmp_path, reference):
    typed = ("compare", "--of", "form", "--reference", reference, "--out", "table.csv")
    code, out, err = type_in(*typed)
    assert (code, err) == (0, "")
    assert f"Table: {tmp_path / 'table.csv'}\n" in out
    read = pd.read_csv(tmp_path / "table.csv")
    table = summarise(country_contrasts(fitted, of=country_levels, reference=reference))
    np.testing.assert_allclose(read[["mean", "lower", "upper"]], table[["mean", "lower", "upper"]])
    assert set(read["units"]) == {"points of 100"}
    assert read.columns.is_unique


def test_compare_takes_one_form(type_in, fitted):
    code, out, _ = type_in("compare", "--of", "together")
    assert code == 0
    own = country_levels(fitted).sel(form=["together"])
    assert summarise(country_contrasts(fitted, of=own)).round(2).to_string() in out


# Scenarios


def test_scenario_prints_now_then_and_the_difference(type_in, fitted, tmp_path):
    typed = ("--set", "trust+1", "--set", "school=high", "--only", "age=30:50", "-o", "s.tex")
    code, out, err = type_in("scenario", *typed)
    assert (code, err) == (0, "")
    found = scenario(fitted, {"trust": by(1), "school": to("high")}, only={"age": (30, 50)})
    table = summarise(found["difference"])
    for column in ("mean", "lower", "upper"):
        assert " ".join(f"{value:.2f}" for value in table[column][:1]) in out
    now = summarise(found["now"])["mean"].iloc[0]
    assert f"{now:.2f}" in out
    low, high = (per_cent(float(end)) for end in (found["changed"].min(), found["changed"].max()))
    changed = "Changed: citizens with age 30 to 50; levels are of all"
    assert f"{changed} ({low} to {high} of a country)\n" in out
    assert "An end of the scale cuts trust short for up to" in out
    said = "their difference, points of 100, 89 % equal-tailed credible interval\n"
    assert f"Scenario trust by 1 and school to high: levels now and then, and {said}" in out
    assert f"{IF_CAUSAL}\n" in out
    assert IF_CAUSAL in (tmp_path / "s.tex").read_text("utf-8")


def test_a_scenario_about_everybody_says_so(type_in):
    code, out, err = type_in("scenario", "--set", "trust+1")
    assert (code, err) == (0, "")
    assert "Changed: everybody\n" in out


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--set", "trst+1"], "--set: the model has no driver 'trst'. Did you mean 'trust'?"),
        (["--set", "trust"], "'trust' is no change. Write driver+1, driver-0.5 or driver=level."),
        (["--set", "trust+one"], "'trust+one' is no change"),
        (["--set", "trust+1", "--set", "trust=2"], "'trust' is changed twice"),
        (["--set", "school=hihg"], "'school' has no level 'hihg'. Did you mean 'high'?"),
        (["--set", "school+1"], "'school' is categorical and has no steps"),
        (["--set", "age=old"], "'age' is numeric, not 'old'"),
        (["--set", "trust+1", "--only", "trust"], "--only: 'trust' names nobody"),
        (["--set", "trust+1", "--only", "agee=1:2"], "--only: the model has no driver 'agee'"),
        (["--set", "trust+1", "--only", "age=30"], "only['age'] = [30.0] is no range"),
        (["--set", "trust+1", "--scale", "indx"], "'indx'"),
        (["--set", "trust+1", "--prob", "89"], "prob = 89.0 is no probability"),
        (["--set", "trust+1", "--out", "a.xls"], "unknown ending '.xls'"),
        (["--set", "trust+1", "--out", "no/a.csv"], "no/a.csv cannot be written: there is no"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_in_a_scenario_are_one_message(type_in, typed, message):
    code, out, err = type_in("scenario", *typed)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert message in err


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--of", "gapp"], "unknown quantity 'gapp'. Did you mean 'gap'?"),
        (["--kind", "ci"], "unknown kind 'ci'"),
        (["--out", "a.txt"], "unknown ending '.txt'"),
    ],
)
def test_mistakes_in_a_comparison_are_one_message(type_in, typed, message):
    code, out, err = type_in("compare", *typed)
    assert (code, out) == (2, "")
    assert message in err


def test_an_unknown_reference_is_refused_before_anything_is_printed(type_in):
    code, out, err = type_in("compare", "-r", "Austra")
    assert (code, out) == (2, "")
    assert "Did you mean 'Austria'?" in err


def test_changes_are_read(fitted):
    typed = ["trust+1", "age-0.5", "school=high", "female = yes"]
    assert read_changes(fitted, typed) == {
        "trust": by(1),
        "age": by(-0.5),
        "school": to("high"),
        "female": to("yes"),
    }
    assert read_changes(fitted, ["age=40"]) == {"age": to(40.0)}
    assert read_changes(fitted, ["age+1e1"]) == {"age": by(10)}


def test_who_is_changed_is_read(fitted):
    only = read_only(fitted, ["trust=0", "trust=1", "age=18:30"])
    assert only == {"trust": ["0", "1"], "age": [18.0, 30.0]}
    with pytest.raises(SpecError, match="names nobody"):
        read_only(fitted, ["age"])
