"""Reports on models of counts: their own words and units."""

import re

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.diagnostics.predictive import check_predictive
from bayes_coprod.diagnostics.shares import calibration_table
from bayes_coprod.finding import Findings
from bayes_coprod.inference.sample import fit_model
from bayes_coprod.report.collect import collect_report
from bayes_coprod.report.data import CalibrationFigure, CurveFigure, Formula, Table
from bayes_coprod.report.write import render_html, write_report
from bayes_coprod.survey.read import read_survey


@pytest.fixture(scope="module")
def survey():
    rng = np.random.default_rng(3)
    n = 300
    age = rng.integers(18, 80, n)
    latent = 0.02 * (age - 50) + rng.normal(size=n)
    frame = pd.DataFrame({"country": np.tile(["Austria", "Belgium", "Cyprus"], n // 3), "age": age})
    for name, at in (("watch", [-0.7, 0.6, 1.5]), ("report", [0.5]), ("meet", [0.2, 1.0])):
        frame[name] = np.digitize(latent + rng.normal(size=n), at)
    forms = {"watch": "alone", "report": "alone", "meet": "together"}
    return read_survey(
        frame,
        {
            "survey": {"name": "Small", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {
                name: {
                    "form": form,
                    "categories": sorted(int(v) for v in frame[name].unique()),
                    "takes_part_from": int(frame[name].max()),
                }
                for name, form in forms.items()
            },
            "drivers": {"age": {"kind": "numeric"}},
        },
    )


def fit_of(survey, model, item=None):
    return fit_model(model, survey, item=item, draws=100, tune=100, progressbar=False)


@pytest.fixture(scope="module")
def participation(survey):
    return fit_of(survey, "participation")


@pytest.fixture(scope="module")
def ordinal(survey):
    return fit_of(survey, "ordinal", "watch")


def table(data, name):
    blocks = [block for section in data.sections for block in section.blocks]
    (found,) = [b for b in blocks if isinstance(b, Table) and b.name == name]
    return found


def test_taking_part_is_told_in_per_cent(participation):
    data = collect_report(participation)
    assert "per cent of citizens take part in alone co-production" in data.headline
    assert "percentage points" in data.headline
    assert "share of a country's citizens who take part, per cent" in table(data, "levels").caption
    assert "percentage points" in table(data, "gap").caption
    assert "Percentage points" in table(data, "drivers").caption
    number = float(table(data, "levels").csv.splitlines()[1].split(",")[2])
    assert 1 < number < 100
    assert "citizens who are alike" in str(data)
    assert "known of these many of them: 300 in alone and 300 in together" in str(data)
    assert "level of an outcome, mean over the countries" in str(table(data, "priors").rows)


def test_answers_to_an_item_name_it(ordinal):
    data = collect_report(ordinal)
    assert data.headline.startswith("In these three countries answers to ‘watch’ average ")
    assert "tau_kappa" in {row[0] for row in table(data, "priors").rows}
    assert data.title == "‘watch’ in three countries"
    assert table(data, "levels").header == ("Country", "‘watch’")
    assert table(data, "contrasts").header == ("Country", "Points", "Probability above 0")
    assert table(data, "drivers").header[-1] == "‘watch’"
    assert table(data, "between_countries").header[2] == "‘watch’"
    for name in ("contrasts", "ranks"):
        assert "level of ‘watch’" in table(data, name).caption
    (curves,) = (b for s in data.sections for b in s.blocks if isinstance(b, CurveFigure))
    assert [title for title, _ in curves.panels] == ["‘watch’"]
    assert "Per cent of answers to ‘watch’, mean" in curves.caption
    said = str(data).replace("'form': 'alone'", "")
    assert "Alone" not in said
    assert "form's items" not in said
    assert "from the lowest category to the highest" in table(data, "levels").caption
    assert "rho" not in table(data, "priors").caption


def test_formulas_of_one_item_have_no_outcome_f(ordinal, participation):
    def formulas(fit):
        sections = collect_report(fit).sections
        return [b.latex for s in sections for b in s.blocks if isinstance(b, Formula)]

    of_one = " ".join(formulas(ordinal))
    assert len(re.findall(r"\\mu_(i|\{i\})(?!\w)", of_one)) == 2
    assert "f" not in of_one
    assert " ".join(formulas(participation)).count(r"\mu_{if}") == 2


def test_an_item_of_two_answers_has_no_distances(survey):
    fit = fit_of(survey, "ordinal", "report")
    names = {row[0] for row in table(collect_report(fit), "priors").rows}
    assert "kappa" in names
    assert not names & {"kappa_gap", "tau_kappa"}


@pytest.mark.parametrize("model", ["participation", "ordinal"])
def test_it_is_written(request, model, tmp_path):
    fit = request.getfixturevalue(model)
    text = write_report(fit, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<svg" in text
    assert "nan (" not in text


@pytest.mark.parametrize("name", ["ordinal", "participation"])
def test_what_a_full_check_compared_is_shown_share_by_share(request, name):
    fit = request.getfixturevalue(name)

    def figures(report):
        return [b for part in report.sections for b in part.blocks if type(b) is CalibrationFigure]

    assert figures(collect_report(fit)) == []
    found = Findings([*check_fit(fit), *check_predictive(fit)], of=fit.digest)
    report = collect_report(fit, findings=found, prob=0.5)
    (figure,) = figures(report)
    table = calibration_table(fit, prob=0.5)
    outside = (table["observed"] < table["lower"]) | (table["observed"] > table["upper"])
    away = 100 * float(abs(table["observed"] - table["predicted"]).max())
    assert f"Of {outside.size} observed shares {int(outside.sum())} lie outside" in figure.alt
    assert f"the furthest is {away:.1f} percentage points" in figure.alt
    assert "hold 50 % of what the model would have given" in figure.caption
    assert f'aria-label="{figure.alt}"' in render_html(report)
