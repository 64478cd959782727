"""The whole way on real input: 27,124 people in, a report out, by the command that users type."""

import io
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

CODEBOOK = Path(__file__).parent / "codebooks" / "gbhs.toml"
ALONE = ("diet", "excercise", "sleep", "relax", "supplements", "protection")  # sic
SOCIAL = ("socialise", "intellect", "wlbalance")
SCORE = {"Never": 0, "Rarely": 100 / 3, "Occasionally": 200 / 3, "Frequently": 100}


@pytest.fixture(scope="module")
def ran(gbhs_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gbhs")
    arguments = ["run", gbhs_file, "-c", CODEBOOK, "-m", "index", "--draws", "300", "--strict"]
    outcome = subprocess.run(
        [sys.executable, "-m", "bayes_coprod", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return outcome, folder / "report.html"


@pytest.fixture(scope="module")
def report(ran):
    return ran[1].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def levels(report):
    """Levels by country, as a reader saves them from the report."""
    (address,) = re.findall(
        r'download="levels.csv" href="data:text/csv;charset=utf-8,(.*?)"', report
    )
    return pd.read_csv(io.StringIO(unquote(address))).set_index(["country", "form"])


@pytest.fixture(scope="module")
def raw(gbhs_file):
    """Plain means of the indices by country, of those who answered half of the items or more."""
    answers = pd.read_csv(gbhs_file)
    means = {}
    for form, items in (("individual", ALONE), ("social", SOCIAL)):
        scores = answers[[f"q05_{item}_gen" for item in items]].replace(SCORE).astype(float)
        enough = scores.notna().sum(axis=1) >= len(items) / 2
        means[form] = scores.mean(axis=1)[enough].groupby(answers["country"]).mean()
    return pd.DataFrame(means)


def test_it_runs_and_no_check_fails(ran):
    outcome, report = ran
    assert outcome.returncode == 0, outcome.stderr  # under --strict
    assert outcome.stderr == ""
    assert "27,124 citizens in 14 countries" in outcome.stdout
    assert not re.search(r"^fail", outcome.stdout, re.MULTILINE)
    assert outcome.stdout.endswith(f"Report: {report.resolve()}\n")
    assert list(report.parent.iterdir()) == [report]


def test_the_report_is_of_all_countries_and_of_real_data(report, levels):
    assert "Co-production in 14 countries" in report
    assert "Synthetic data" not in report
    assert "A check failed" not in report
    assert levels.index.get_level_values("country").nunique() == 14
    assert "27,124 citizens were asked" in report


def test_social_behaviours_are_ahead_and_the_report_says_so(report):
    assert "social above individual" in report


def test_levels_are_near_the_raw_means(levels, raw):
    """Partial pooling moves a country of 115 a little, one of 10,000 not at all."""
    model = levels["mean"].unstack("form")
    assert set(model.index) == set(raw.index)
    assert (model - raw).abs().to_numpy().max() < 3
    assert (model - raw).abs().loc[["UK", "Netherlands"]].to_numpy().max() < 0.5


def test_norway_is_ahead_of_ukraine_alone_and_behind_it_together(levels, raw):
    model = levels["mean"].unstack("form")
    for table in (raw, model):
        ahead = table.loc["Norway"] - table.loc["Ukraine"]
        assert ahead["individual"] > 20
        assert ahead["social"] < 0
    assert (model["individual"].idxmin(), model["individual"].idxmax()) == ("Ukraine", "Norway")
