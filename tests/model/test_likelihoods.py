from itertools import combinations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats

from bayes_coprod.model.coding import code_drivers
from bayes_coprod.model.design import make_design
from bayes_coprod.model.index import covariance
from bayes_coprod.model.likelihoods import LIKELIHOODS

PY = Mode("py", None)


def covariance_at(sd, rho):
    n = np.shape(sd)[-1]
    given = [pt.as_tensor(np.asarray(value, dtype=float)).type() for value in (sd, rho)]
    return pytensor.function(given, covariance(*given, n), mode=PY)(np.array(sd), np.array(rho))


def test_covariance_by_hand():
    # pairs in the order 12, 13, 23
    expected = [
        [4.0, 0.1 * 2 * 3, 0.2 * 2 * 5],
        [0.1 * 2 * 3, 9.0, -0.3 * 3 * 5],
        [0.2 * 2 * 5, -0.3 * 3 * 5, 25.0],
    ]
    np.testing.assert_allclose(covariance_at([2.0, 3.0, 5.0], [0.1, 0.2, -0.3]), expected)


def test_each_country_may_have_a_covariance_of_its_own(rng):
    sd, rho = rng.uniform(1, 2, size=(4, 3)), rng.uniform(-0.3, 0.3, size=(4, 3))
    expected = [covariance_at(*one) for one in zip(sd, rho, strict=True)]
    np.testing.assert_allclose(covariance_at(sd, rho), expected)


def test_one_outcome_has_its_variance():
    sd = pt.dvector()
    sigma = pytensor.function([sd], covariance(sd, None, 1), mode=PY)
    np.testing.assert_allclose(sigma([3.0]), [[9.0]])


def draw_of(fit, chain=0, draw=0):
    posterior = fit.posterior.isel(chain=chain, draw=draw)
    return {str(name): values.values for name, values in posterior.data_vars.items()}


CONTENTS = [
    {},
    {"forms": ["alone"]},
    {"outcomes": ["form", "sector"]},
    {"outcomes": ["form", "sector"], "sigma_varies": True},
    {"drivers": "none", "sigma_varies": True},
]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_citizens_density_is_the_joint_normal_of_the_answered_indices_in_points(
    small, random_fit, content
):
    fit = random_fit(small, **content)
    design, draw = fit.design, draw_of(fit)
    y = design["y"].values
    n = y.shape[1]
    given = {
        name: pt.as_tensor(draw[name]).type(name)
        for name in LIKELIHOODS["index"].parameters(fit.spec, design)
    }
    density = LIKELIHOODS["index"].citizens(fit.spec, design, given, None)
    ours = pytensor.function(list(given.values()), density, mode=PY)(*map(draw.get, given))

    unit = design["outcome_sd"].values
    expected = []
    for i, c in enumerate(design["country_index"].values):
        by_country = c if fit.spec.sigma_varies else ...
        correlation = np.eye(n)
        for k, (a, b) in enumerate(combinations(range(n), 2)):
            correlation[a, b] = correlation[b, a] = draw["rho"][by_country][k]
        sd = draw["residual_sd"][by_country] * unit
        mean = draw["b_intercept"][c]
        if "b" in draw:
            mean = mean + draw["b"][c] @ design["x"].values[i]
        has = ~np.isnan(y[i])
        expected.append(
            stats.multivariate_normal(
                (design["outcome_mean"].values + unit * mean)[has],
                (correlation * np.outer(sd, sd))[np.ix_(has, has)],
            ).logpdf((design["outcome_mean"].values + unit * y[i])[has])
        )
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_patterns_of_missing_outcomes_occur_in_the_small_survey(small, index_spec):
    present = make_design(small, index_spec(outcomes=["form", "sector"]))["y"].notnull()
    assert len(np.unique(present.values, axis=0)) > 8


def test_expected_index_is_the_pooled_mean_where_everything_is_zero(small, random_fit):
    from bayes_coprod.model.index import expected_indices

    fit = random_fit(small)
    zero = {name: 0 * value[None] for name, value in draw_of(fit).items()}
    x = np.zeros((1, 3, fit.design.sizes["coefficient"]))
    expected = expected_indices(fit.spec, fit.design, zero, x)
    np.testing.assert_allclose(expected, np.tile(fit.design["outcome_mean"].values, (1, 3, 1)))


def test_expected_index_of_a_citizen_by_hand(small, random_fit):
    from bayes_coprod.model.index import expected_indices

    fit = random_fit(small)
    design, draw = fit.design, draw_of(fit, chain=1, draw=3)
    raw = code_drivers(small.data.iloc[[7]], small.codebook.drivers)[0]
    x = (raw - design["column_mean"].values) / design["column_sd"].values
    given = {name: value[None] for name, value in draw.items()}
    ours = expected_indices(fit.spec, design, given, np.tile(x, (1, 3, 1)))
    unit, mean = design["outcome_sd"].values, design["outcome_mean"].values
    np.testing.assert_allclose(ours[0], mean + unit * (draw["b_intercept"] + draw["b"] @ x))
