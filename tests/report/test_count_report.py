"""Reports on models of counts: their own words and units."""

import numpy as np
import pandas as pd
import pytest

from bayes_coprod.inference.sample import fit_model
from bayes_coprod.report.collect import collect_report
from bayes_coprod.report.data import Table
from bayes_coprod.report.write import write_report
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
    assert "alone co-production" in table(data, "ranks").caption
    assert "from the lowest category to the highest" in table(data, "levels").caption
    assert "rho" not in table(data, "priors").caption


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
