"""Summaries as files."""

import io
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_coprod.errors import CoprodError, SpecError
from bayes_coprod.estimands.summarise import summarise
from bayes_coprod.report.table_files import write_table

NASTY = "<b>R&D_1</b> 5% $x^2$ \\{#}~"


@pytest.fixture
def gaps(rng):
    return xr.DataArray(
        rng.normal(48.237, 1.3, size=(4, 250, 2)),
        dims=("chain", "draw", "country"),
        coords={"country": ["Austria", NASTY]},
        name="gap",
        attrs={"units": "points of 100", "interpretation": "Associations & no causes."},
    )


def test_csv_holds_the_numbers_as_they_are_and_what_they_mean(gaps, tmp_path):
    table = summarise(gaps, prob=0.8, kind="hdi")
    path = write_table(table, tmp_path / "gap.csv", title="Not here")
    assert path == tmp_path / "gap.csv"
    read = pd.read_csv(path, index_col="country")
    np.testing.assert_allclose(read[list(table.columns)], table, rtol=1e-15)
    assert list(read.index) == ["Austria", NASTY]
    said = read.iloc[:, len(table.columns) :]
    assert list(said.columns) == ["units", "interval_kind", "interval_prob", "interpretation"]
    assert said.iloc[1].tolist() == ["points of 100", "hdi", 0.8, "Associations & no causes."]


@pytest.mark.parametrize("ending", ["html", "tex"])
def test_what_is_read_is_rounded_and_says_interval_mass_and_units(gaps, tmp_path, ending):
    path = write_table(summarise(gaps, prob=0.9), tmp_path / f"gap.{ending}", title="The gulf")
    text = unescape(path.read_text("utf-8"))
    text = text.replace("\\%", "%").replace("\\&", "&").replace(r"\textgreater{}", ">")
    for said in (
        "The gulf",
        "In points of 100; lower and upper: 90 % equal-tailed credible interval",
        "Associations & no causes.",
        "Probability above 0",
    ):
        assert said in text
    assert not re.search(r"\b4[5-9]\.\d|\b5[0-4]\.\d", text)  # intervals support no decimals
    assert ">\N{NO-BREAK SPACE}0.99" in text


def test_labels_are_escaped(gaps, tmp_path):
    table = summarise(gaps)
    html = write_table(table, tmp_path / "gap.html", title=NASTY).read_text("utf-8")
    assert "<b>" not in html
    assert html.count("&lt;b&gt;R&amp;D_1&lt;/b&gt; 5% $x^2$ \\{#}~") == 2
    assert html.startswith("<!DOCTYPE html>")
    latex = write_table(table, tmp_path / "gap.tex", title=NASTY).read_text("utf-8")
    escaped = (
        r"\textless{}b\textgreater{}R\&D\_1\textless{}/b\textgreater{} 5\% "
        r"\$x\textasciicircum{}2\$ \textbackslash{}\{\#\}\textasciitilde{}"
    )
    assert latex.count(escaped) == 2
    assert r"\toprule" in latex


def test_the_same_table_is_the_same_file(gaps, tmp_path):
    one, other = (
        write_table(summarise(gaps), tmp_path / name).read_text("utf-8")
        for name in ("a.html", "b.html")
    )
    assert one == other
    assert "http" not in one


def test_several_labels_and_one_number_alone_are_written(rng, tmp_path):
    draws = xr.DataArray(
        rng.normal(size=(2, 50, 2, 2)),
        dims=("chain", "draw", "country", "form"),
        coords={"country": ["A", "B"], "form": ["alone", "together"]},
        name="x",
    )
    path = write_table(summarise(draws), tmp_path / "x.csv")
    assert pd.read_csv(path).columns[:2].tolist() == ["country", "form"]
    assert "together" in write_table(summarise(draws), tmp_path / "x.tex").read_text("utf-8")
    one = write_table(summarise(draws.isel(country=0, form=0, drop=True)), tmp_path / "one.csv")
    assert pd.read_csv(io.StringIO(one.read_text())).shape[0] == 1


def test_a_table_without_intervals_needs_none(tmp_path):
    ranks = pd.DataFrame({1: [0.25, 0.75], 2: [0.75, 0.25]}, index=pd.Index(["A", "B"], name="c"))
    text = write_table(ranks, tmp_path / "ranks.tex").read_text("utf-8")
    assert "0.25" in text
    assert r"\caption" not in text


def test_what_cannot_be_written_is_refused(gaps, tmp_path):
    table = summarise(gaps)
    with pytest.raises(SpecError, match=r"unknown ending '.html5'. Did you mean '.html'\?.*.csv"):
        write_table(table, tmp_path / "gap.html5")
    with pytest.raises(SpecError, match="a DataArray is no table. Give what summarise returns"):
        write_table(gaps, tmp_path / "gap.csv")
    unsaid = table.copy()
    unsaid.attrs = {}
    with pytest.raises(SpecError, match="does not say of which kind and mass"):
        write_table(unsaid, tmp_path / "gap.csv")
    with pytest.raises(CoprodError, match="write_table: cannot write to the folder"):
        write_table(table, tmp_path / "no" / "gap.csv")
    assert list(tmp_path.iterdir()) == []
