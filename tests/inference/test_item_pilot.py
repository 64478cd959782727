import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from bayes_coprod.inference.pilot import fit_pilot
from bayes_coprod.model.design import make_design
from bayes_coprod.model.pilot import pilot_dataset, read_pilot
from bayes_coprod.survey.read import read_survey

N_VARYING = 2 * (1 + 5) + 3
"""Two forms' intercepts and coefficients, and the contrasts between their three and two items."""
N_OTHERS = 5 + 2 + 1
"""Distances between thresholds, citizens' SDs and their correlation."""


@pytest.fixture
def pilot_of(items_spec):
    def fit(survey, **content):
        spec = items_spec(**content)
        design = make_design(survey, spec)
        return design, fit_pilot(spec, survey.codebook, design)

    return fit


def test_a_pilot_knows_each_countrys_coefficients_and_what_they_share(small, pilot_of):
    _, pilot = pilot_of(small)
    assert pilot.problem == ""
    assert pilot.evidence.estimate.shape == (3, N_VARYING)
    assert np.isfinite(pilot.evidence.estimate).all()
    assert (pilot.evidence.precision > 0).all()
    n = N_VARYING + N_OTHERS
    assert pilot.whitening.centre.shape == (n,)
    np.testing.assert_array_equal(pilot.whitening.factor, np.tril(pilot.whitening.factor))
    assert (np.diag(pilot.whitening.factor) > 0).all()


@pytest.mark.parametrize(
    ("content", "n_varying", "n_common"),
    [
        ({"vary_by_country": ["school"]}, 2 * 3 + 3, N_VARYING + N_OTHERS),
        ({"vary_by_country": "none", "thresholds_vary": False}, 2, N_VARYING + N_OTHERS),
        ({"drivers": "none"}, 2 + 3, 2 + 3 + N_OTHERS),
        ({"forms": ["alone"]}, 6 + 2, 6 + 2 + 3 + 1),
    ],
)
def test_evidence_is_of_what_varies(small, pilot_of, content, n_varying, n_common):
    _, pilot = pilot_of(small, **content)
    assert pilot.evidence.estimate.shape == (3, n_varying)
    assert len(pilot.whitening.centre) == n_common


@pytest.mark.parametrize(
    "content",
    [
        {"pooling": "none"},
        {"pooling": "complete"},
        {"parametrisation": "centred"},
        {"parametrisation": "non_centred"},
    ],
)
def test_a_model_that_has_no_use_for_evidence_has_nodes_still(small, pilot_of, content):
    _, pilot = pilot_of(small, **content)
    assert pilot.evidence is None
    # common coordinates are whitened where they are all there is
    assert (pilot.whitening is None) == (content != {"pooling": "complete"})
    assert pilot.nodes is not None
    assert pilot.problem == ""


@pytest.mark.parametrize(
    ("rule", "is_grid"),
    [("auto", True), ("grid", True), pytest.param("dense", False, marks=pytest.mark.slow)],
)
def test_nodes_are_placed_by_the_rule(small, pilot_of, rule, is_grid):
    _, pilot = pilot_of(small, sampler={"quadrature": rule})
    assert pilot.nodes.is_grid == is_grid


@pytest.mark.parametrize("rule", ["grid", pytest.param("dense", marks=pytest.mark.slow)])
@pytest.mark.parametrize("forms", [["alone"], ["together"]])
def test_nodes_cover_every_citizens_propensity(small, pilot_of, forms, rule):
    design, pilot = pilot_of(small, forms=forms, drivers="none", sampler={"quadrature": rule})
    nodes = pilot.nodes
    assert nodes.place.shape == nodes.spacing.shape == (design.sizes["citizen"], 1)
    # at the pilot's mode; coordinates: effects, contrasts between items, distances, SD
    spread = item_parameters(design, pilot)
    theta = np.linspace(-12, 12, 4001)
    below = np.zeros(design.sizes["citizen"])
    above = np.zeros_like(below)
    for i, c in enumerate(design["country_index"].values):
        posterior = stats.norm(spread["mu"][c], spread["sigma"]).pdf(theta)
        for k, answer in enumerate(design["answer"].values[i]):
            if answer >= 0:
                ends = np.r_[-np.inf, spread["kappa"][c][k], np.inf]
                posterior *= expit(ends[answer + 1] - theta) - expit(ends[answer] - theta)
        posterior /= posterior.sum()
        at = nodes.at(0)[i]
        below[i] = posterior[theta < at[0]].sum()
        above[i] = posterior[theta > at[-1]].sum()
        sd = np.sqrt(posterior @ theta**2 - (posterior @ theta) ** 2)
        assert nodes.spacing[i, 0] < 1.05 * sd
    assert max(below.max(), above.max()) < 1e-5


def item_parameters(design, pilot):
    """A one-form model's stated parameters in each country at the pilot's mode."""
    from bayes_coprod.model.varying import zero_sum_contrasts

    n_categories = design["n_categories"].values
    n = len(n_categories)
    estimate = pilot.evidence.estimate  # (country, level and contrasts)
    rest = pilot.whitening.centre[n:]
    level, places = estimate[:, 0], estimate[:, 1:]
    first = places @ zero_sum_contrasts(n) - level.mean()
    gaps = np.split(np.exp(0.7 * rest[:-1]), np.cumsum(n_categories - 2)[:-1])
    return {
        "mu": level - level.mean(),
        "sigma": stats.halfnorm(scale=2).ppf(stats.norm.cdf(rest[-1])),
        "kappa": [
            [f + np.r_[0, np.cumsum(gap)] for f, gap in zip(row, gaps, strict=True)]
            for row in first
        ],
    }


def test_a_pilot_survives_its_file(small, pilot_of):
    _, pilot = pilot_of(small)
    again = read_pilot(pilot_dataset(pilot))
    for part in ("evidence", "whitening", "nodes"):
        for name, value in vars(getattr(pilot, part)).items():
            np.testing.assert_array_equal(getattr(getattr(again, part), name), value)
    assert again.problem == pilot.problem


def test_a_country_that_was_not_asked_an_item_is_no_special_case(small_frame, small_book, pilot_of):
    small_frame.loc[small_frame["country"] == "Cyprus", "meet"] = np.nan
    _, pilot = pilot_of(read_survey(small_frame, small_book))
    assert pilot.problem == ""
    assert np.isfinite(pilot.evidence.estimate).all()
    assert (pilot.evidence.precision > 0).all()


@pytest.mark.parametrize("sigma", [0.1, 5.0])
def test_citizens_who_hardly_differ_or_differ_much_are_no_special_case(
    small_frame, small_book, pilot_of, rng, sigma
):
    frame = small_frame.copy()
    theta = 0.1 * (frame["age"] - 50) + sigma * rng.normal(size=len(frame))
    for name, item in small_book["items"].items():
        thresholds = np.linspace(-1.5, 1.5, len(item["categories"]) - 1)
        latent = theta.to_numpy() + rng.logistic(size=len(frame))
        frame[name] = (latent[:, None] > thresholds).sum(axis=1)
    design, pilot = pilot_of(read_survey(frame, small_book), drivers=["age"])
    assert pilot.problem == ""
    assert np.isfinite(pilot.nodes.place).all()
    assert np.isfinite(pilot.evidence.estimate).all()
    assert (pilot.nodes.spacing > 0).all()
    assert max(pilot.nodes.n_nodes) <= 128
    assert np.ptp(pilot.nodes.place) > 1
