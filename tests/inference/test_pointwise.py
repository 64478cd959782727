import arviz_stats as azs
import numpy as np
from scipy import stats

from bayes_coprod.inference.pointwise import add_log_likelihood


def test_each_citizens_log_likelihood_is_the_joint_normal_of_the_answers(small, random_fit):
    fit = random_fit(small)
    design = fit.design
    with_it = add_log_likelihood(fit)
    values = with_it.tree["log_likelihood"]["answers"]
    assert values.dims == ("chain", "draw", "citizen")
    assert list(values["citizen"].values) == list(design["citizen"].values)

    draw = fit.posterior.isel(chain=1, draw=3)
    unit = design["outcome_sd"].values
    sd = draw["residual_sd"].values * unit
    sigma = np.outer(sd, sd)
    sigma[0, 1] *= draw["rho"].item()
    sigma[1, 0] *= draw["rho"].item()
    expected = []
    for y, x, c in zip(
        design["y"].values, design["x"].values, design["country_index"].values, strict=True
    ):
        mu = draw["b_intercept"].values[c] + draw["b"].values[c] @ x
        has = ~np.isnan(y)
        noise = stats.multivariate_normal(cov=sigma[np.ix_(has, has)])
        expected.append(noise.logpdf((unit * (y - mu))[has]))
    ours = values.isel(chain=1, draw=3)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    np.testing.assert_allclose(ours.sum(), np.sum(expected), rtol=1e-9)


def test_the_given_fit_stays_as_it_was(small, random_fit):
    fit = random_fit(small, forms=["alone"], drivers="none")
    with_it = add_log_likelihood(fit)
    assert "log_likelihood" not in fit.tree.children
    assert "log_likelihood" in with_it.tree.children
    assert with_it.spec is fit.spec


def test_arviz_leaves_one_citizen_out_at_a_time(flat_fit):
    with_it = add_log_likelihood(flat_fit)
    result = azs.loo(with_it.tree)
    assert result.n_data_points == flat_fit.design.sizes["citizen"] == 300
    # 2 forms: 9 coefficients each, 2 residual SDs and a correlation
    assert 10 < result.p < 30
    assert not result.warning
    in_sample = with_it.tree["log_likelihood"]["answers"].mean(("chain", "draw")).sum()
    assert -50 < result.elpd - float(in_sample) < 0
