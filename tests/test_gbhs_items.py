"""The items model on real input: self and social acts of 14 countries, a part of each."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayes_coprod as bc

pytestmark = pytest.mark.slow  # two minutes: few people leave much open, and nodes are many
CODEBOOK = Path(__file__).parent / "codebooks" / "gbhs.toml"
AT_MOST = 120
"""People of each country."""


@pytest.fixture(scope="module")
def fit(gbhs_file):
    people = pd.read_csv(gbhs_file)
    part = people.groupby("country").sample(AT_MOST, random_state=1, replace=True).drop_duplicates()
    survey = bc.read_survey(part.reset_index(drop=True), CODEBOOK)
    return bc.fit_model("items", survey, draws=200, progressbar=False)


def test_nothing_fails(fit):
    findings = bc.check_fit(fit)
    assert "fail" not in {f.status for f in findings}, findings


def test_levels_are_near_the_plain_means(fit):
    """Shares of all who answered; the model pools 14 countries and so moves the small ones most."""
    levels = bc.country_levels(fit, by="item").mean(("chain", "draw"))
    answer = fit.design["answer"].values
    top = fit.design["n_categories"].values - 1
    score = np.where(answer < 0, np.nan, 100 * answer / top)
    plain = pd.DataFrame(score).groupby(fit.design["country_index"].values).mean()
    difference = levels.transpose("country", "item").values - plain.to_numpy()
    assert np.sqrt(np.mean(difference**2)) < 4
    assert abs(difference.mean()) < 1
