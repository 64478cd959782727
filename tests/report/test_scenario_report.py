"""The scenarios section of a report."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayes_coprod as bc
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import by, to
from bayes_coprod.estimands.closing import closing_the_gap
from bayes_coprod.estimands.scenarios import IF_CAUSAL, scenario
from bayes_coprod.report.collect import collect_report
from bayes_coprod.report.data import ClosingFigure, Paragraph, ScenarioFigure, Table
from bayes_coprod.report.write import render_html, write_report

NASTY = '<b>More</b> & "better" trust'


@pytest.fixture
def fit(told, changeable):
    return told(changeable)


def section(report, heading="Scenarios"):
    (found,) = [s for s in report.sections if s.heading == heading]
    return found


def in_python(report):
    blocks = section(report, "Reproduce").blocks
    return next(block.text for block in blocks if getattr(block, "title", "") == "In Python")


def test_scenarios_are_told_when_asked_for_only(fit):
    assert "Scenarios" not in [s.heading for s in collect_report(fit).sections]
    asked = {"Trust": scenario(fit, {"trust": by(1)}), "Closing": closing_the_gap(fit)}
    report = collect_report(fit, scenarios=asked)
    headings = [s.heading for s in report.sections]
    assert headings.index("Scenarios") == headings.index("Drivers") + 1
    kinds = [type(block) for block in section(report).blocks]
    assert kinds == [Paragraph, Paragraph, ScenarioFigure, Table, ClosingFigure]


def test_each_scenario_says_what_it_comes_to_and_that_it_is_an_association(fit):
    found = scenario(fit, {"trust": by(1), "school": to("high")})
    blocks = section(collect_report(fit, prob=0.8, scenarios={"Both": found})).blocks
    assert blocks[0] == Paragraph(IF_CAUSAL)
    assert blocks[1].text.startswith("Both: trust by 1 and school to high, everybody. On the")
    assert "80 % equal-tailed credible interval of the difference" in blocks[1].text
    change = found["difference"].mean(("chain", "draw", "country"))
    said = re.findall(r"points of 100, ([+−]?[\d.]+) \(", blocks[1].text)
    for text, form in zip(said, ("alone", "together"), strict=True):
        assert float(text.replace("−", "-")) == pytest.approx(float(change.sel(form=form)), abs=0.6)
    assert IF_CAUSAL in blocks[2].note
    assert IF_CAUSAL in blocks[3].caption
    assert [row[:2] for row in blocks[3].rows][:2] == [
        ("Austria", "alone"),
        ("Austria", "together"),
    ]


@pytest.mark.parametrize(
    "content",
    [{"likelihood": "participation"}, {"outcomes": ["form", "sector"]}, {"forms": ["together"]}],
)
def test_all_kinds_of_models_tell_their_scenarios(told, changeable, content):
    fit = told(changeable, **content)
    report = collect_report(fit, scenarios={"Trust": scenario(fit, {"trust": by(1)})})
    assert "nan" not in render_html(report)


def test_names_are_escaped_and_figures_have_alternative_text(fit, tmp_path):
    asked = {NASTY: scenario(fit, {"trust": by(1)}), "Closing": closing_the_gap(fit)}
    page = write_report(fit, tmp_path / "report.html", scenarios=asked).read_text("utf-8")
    assert "<b>More" not in page
    assert "&lt;b&gt;More&lt;/b&gt; &amp;" in page
    assert 'aria-label="Arrows from levels now to levels then: Austria alone' in page
    assert 'aria-label="Change of the gap for each driver:' in page
    assert page.count("http") == page.count("http://www.w3.org")
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_the_lines_that_make_the_report_again_make_its_scenarios(fit):
    cells = pd.DataFrame({"country": list(fit.countries), "count": 1})
    asked = {
        "More": scenario(fit, {"trust": by(np.int64(1)), "school": to("high")}),
        "Some": scenario(
            fit, {"trust": to(3)}, only={"age": (18, 40), "school": ["low"]}, uncertainty="fixed"
        ),
        "All": closing_the_gap(fit, population=cells, random_seed=3),
    }
    report = collect_report(fit, scenarios=asked)
    code = in_python(report)
    assert 'write_report(fit, "report.html"' in code
    assert "scenarios=scenarios, findings=findings)" in code
    assert "# cells: the frame of the population" in code
    lines = code[code.index("# cells") : code.index("}\nbc.write") + 1]
    found = {"bc": bc, "fit": fit, "cells": cells}
    exec(lines, found)
    for name, dataset in found["scenarios"].items():
        xr.testing.assert_identical(dataset, asked[name])
    assert "bc.scenario(fit, {'trust': bc.by(1.0), 'school': bc.to('high')})" in lines
    assert "scenarios" not in in_python(collect_report(fit))


def test_what_is_no_scenario_of_the_fit_is_refused(fit, told, small, changeable, tmp_path):
    found = scenario(fit, {"trust": by(1)})
    path = tmp_path / "report.html"
    with pytest.raises(SpecError, match="write_report: scenarios is a list"):
        write_report(fit, path, scenarios=[found])
    with pytest.raises(SpecError, match="a DataArray is nothing that scenario"):
        write_report(fit, path, scenarios={"Trust": found["now"]})
    of_other_model = scenario(told(changeable, vary_by_country=["age"]), {"trust": by(1)})
    for other in (found.isel(draw=slice(5)), found.isel(country=[0, 1]), of_other_model):
        with pytest.raises(SpecError, match="the scenario 'Trust' is of another fit"):
            write_report(fit, path, scenarios={"Trust": other})
    assert not path.exists()
