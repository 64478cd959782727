"""Log priors by block against SciPy, on draws made for the purpose."""

import numpy as np
import pytest
from scipy import stats

from bayes_coprod.model.design import make_design
from bayes_coprod.model.log_prior import log_priors
from bayes_coprod.model.prior_draws import draw_priors
from bayes_coprod.model.spec import load_model
from bayes_coprod.model.varying import zero_sum_contrasts


@pytest.fixture
def make(strict):
    def of(**content):
        spec = load_model({"name": "test", **content})
        design = make_design(strict, spec)
        draws = draw_priors(spec, strict.codebook, design, 3, np.random.default_rng(2))
        return draws, log_priors(spec, design, draws)

    return of


def test_blocks_of_the_index_model(make):
    draws, blocks = make(likelihood="index")
    assert set(blocks) == {"beta", "tau", "thresholds", "sigma"}
    beta = stats.norm(0, 0.5).logpdf(draws["beta"].values).sum((2, 3))
    tau = stats.halfnorm(scale=0.5).logpdf(draws["tau_intercept"].values).sum(2)
    tau += stats.halfnorm(scale=0.3).logpdf(draws["tau"].values).sum((2, 3))
    sd = stats.halfnorm(scale=1).logpdf(draws["residual_sd"].values).sum(2)
    rho = draws["rho"].values[..., 0]
    level = stats.norm(0, 1).logpdf(draws["intercept"].values).sum(2)
    np.testing.assert_allclose(blocks["beta"], beta)
    np.testing.assert_allclose(blocks["tau"], tau)
    np.testing.assert_allclose(blocks["thresholds"], level)
    np.testing.assert_allclose(blocks["sigma"], sd + np.log1p(-(rho**2)))  # lkj(2): |R|^1


def test_blocks_of_the_items_model(make):
    draws, blocks = make(likelihood="items", discrimination=True)
    kappa, item = draws["kappa"].values, [str(v).split(":")[0] for v in draws["threshold"].values]
    starts = [item.index(name) for name in dict.fromkeys(item)]
    later = [j for j in range(len(item)) if j not in starts]
    thresholds = stats.norm(0, 4).logpdf(kappa[..., starts]).sum(-1)
    gaps = np.diff(kappa, axis=-1)[..., np.array(later) - 1]
    thresholds += stats.lognorm(0.7).logpdf(gaps).sum(-1)
    np.testing.assert_allclose(blocks["thresholds"], thresholds)
    sigma = stats.halfnorm(scale=2).logpdf(draws["sigma"].values).sum(-1) - np.log(2)
    # three items alone and two together: two contrasts of log discriminations are free
    free = np.log(draws["lambda"].values[..., :3]) @ zero_sum_contrasts(3).T
    sigma += stats.lognorm(0.3).logpdf(np.exp(free)).sum(-1)
    np.testing.assert_allclose(blocks["sigma"], sigma)


def test_scales_that_a_model_lacks_have_no_block(make):
    _, blocks = make(likelihood="participation", pooling="complete", drivers="none")
    assert set(blocks) == {"thresholds"}


def test_ordinal_thresholds_vary_about_geometric_means(make):
    draws, blocks = make(likelihood="ordinal", item="watch")
    here = draws["kappa"] + draws["threshold_shift"] - draws["b_intercept"].isel(form=0)
    here = here.transpose("chain", "draw", "country", "threshold").values
    gaps = np.exp(np.log(np.diff(here, axis=-1)).mean(axis=2))
    expected = stats.norm(0, 4).logpdf(here[..., 0].mean(axis=2))
    expected += stats.lognorm(0.7).logpdf(gaps).sum(-1)
    np.testing.assert_allclose(blocks["thresholds"], expected)
