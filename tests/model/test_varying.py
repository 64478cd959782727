import numpy as np
import pymc as pm
import pytest
from pytensor.compile.mode import Mode
from scipy import stats

from bayes_coprod.model.build import build_model, named_quantities
from bayes_coprod.model.design import make_design
from bayes_coprod.model.varying import Evidence, _informed_contrasts, zero_sum_contrasts

SHAPE = (2, 3, 4)  # form, 1 + varying, contrast
PY = Mode("py", "fast_compile")


def informed_log_density(evidence, tau):
    """z -> (log density, gamma) of the informed prior at a fixed tau."""
    with pm.Model() as model:
        gamma = _informed_contrasts(pm.math.constant(tau), evidence, SHAPE)
    log_density = model.compile_logp(mode=PY)
    value = model.compile_fn(gamma, inputs=[model["z_gamma"]], mode=PY)
    return lambda z: (float(log_density({"z_gamma": z})), value({"z_gamma": z}))


@pytest.mark.parametrize("tau", [1e-3, 0.1, 5.0])
def test_informed_density_is_the_prior_times_the_jacobian(tau, rng):
    precision = rng.choice([0.0, 30.0, 4000.0], size=SHAPE)  # silent, weak and strong data
    evidence = Evidence(rng.normal(size=SHAPE), precision)
    z = rng.normal(size=SHAPE)

    log_density, gamma = informed_log_density(evidence, np.full((2, 3, 1), tau))(z)

    jacobian = 0.5 * np.log(tau**2 / (1 + precision * tau**2)).sum()
    expected = stats.norm(0, tau).logpdf(gamma).sum() + jacobian
    assert log_density == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("tau", [1e-3, 0.1, 5.0])
def test_with_exact_evidence_z_is_standard_normal_whatever_tau(tau, rng):
    estimate, precision = rng.normal(size=SHAPE), rng.uniform(10, 5000, size=SHAPE)
    evaluate = informed_log_density(Evidence(estimate, precision), np.full((2, 3, 1), tau))

    def log_posterior(z):  # data: estimate ~ Normal(gamma, 1 / sqrt(precision))
        log_density, gamma = evaluate(z)
        return log_density - 0.5 * (precision * (estimate - gamma) ** 2).sum()

    a, b = rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    expected = -0.5 * (a**2).sum() + 0.5 * (b**2).sum()
    assert log_posterior(a) - log_posterior(b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n_countries", [2, 5, 14])
def test_contrasts_are_orthonormal_and_sum_to_zero(n_countries):
    contrasts = zero_sum_contrasts(n_countries)
    np.testing.assert_allclose(contrasts @ contrasts.T, np.eye(n_countries - 1), atol=1e-12)
    np.testing.assert_allclose(contrasts.sum(axis=1), 0, atol=1e-12)


def test_evidence_of_two_shapes_is_refused():
    with pytest.raises(ValueError, match=r"estimate has shape \(1, 2, 3\), precision \(1, 2, 1\)"):
        Evidence(np.zeros((1, 2, 3)), np.zeros((1, 2, 1)))


@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_evidence_of_negative_or_unknown_precision_is_refused(value):
    with pytest.raises(ValueError, match="precision is negative"):
        Evidence(np.zeros((1, 1, 1)), np.full((1, 1, 1), value))


@pytest.fixture
def prior_draw(small):
    """One random point of a model's named quantities, and the model."""

    def draw(spec):
        model = build_model(spec, small.codebook, make_design(small, spec))
        names = named_quantities(model)
        values = pm.draw([model[name] for name in names], random_seed=4, mode=PY)
        return model, dict(zip(names, map(np.asarray, values), strict=True))

    return draw


@pytest.mark.parametrize("parametrisation", ["non_centred", "centred"])
@pytest.mark.parametrize("pooling", ["partial", "none"])
def test_country_coefficients_average_to_beta(index_spec, prior_draw, pooling, parametrisation):
    _, draw = prior_draw(index_spec(pooling=pooling, parametrisation=parametrisation))
    np.testing.assert_allclose(draw["b"].mean(axis=0), draw["beta"], atol=1e-12)
    np.testing.assert_allclose(draw["b_intercept"].mean(axis=0), draw["intercept"], atol=1e-12)
    assert (np.ptp(draw["b"], axis=0) > 0).all()


def test_complete_pooling_gives_every_country_the_same(index_spec, prior_draw):
    _, draw = prior_draw(index_spec(pooling="complete"))
    assert (draw["b"] == draw["beta"]).all()
    assert (draw["b_intercept"] == draw["intercept"]).all()
    assert not {"tau", "tau_intercept"} & set(draw)


def test_no_pooling_has_no_scales(index_spec, prior_draw):
    _, draw = prior_draw(index_spec(pooling="none"))
    assert set(draw) == {"intercept", "beta", "b_intercept", "b", "residual_sd", "rho"}


def test_only_listed_drivers_vary_by_country(index_spec, prior_draw):
    model, draw = prior_draw(index_spec(vary_by_country=["school", "age"]))
    assert list(model.coords["driver"]) == ["age", "school"]  # one tau for all of its contrasts
    assert draw["tau"].shape == (2, 2)
    spread = np.ptp(draw["b"], axis=0).min(axis=0)
    varies = dict(zip(model.coords["coefficient"], spread > 1e-9, strict=True))
    assert varies == {
        "age": True,
        "female": False,
        "school: contrast 1": True,
        "school: contrast 2": True,
        "trust": False,
    }


def test_intercepts_alone_may_vary(index_spec, prior_draw):
    model, draw = prior_draw(index_spec(vary_by_country="none"))
    assert "tau" not in draw
    assert "driver" not in model.coords
    assert draw["tau_intercept"].shape == (2,)
    np.testing.assert_allclose(np.ptp(draw["b"], axis=0), 0, atol=1e-12)
    assert (np.ptp(draw["b_intercept"], axis=0) > 0).all()


def test_deviations_have_the_scale_tau_of_their_driver(small, index_spec):
    spec = index_spec(
        vary_by_country=["age", "trust"],
        priors={"tau_intercept": "uniform(2, 2.0001)", "tau": "uniform(0.5, 0.5001)"},
    )
    model = build_model(spec, small.codebook, make_design(small, spec))
    b, b_intercept = pm.draw(
        [model["b"], model["b_intercept"]], draws=4000, random_seed=1, mode=PY
    )
    # 2 contrasts of variance tau^2 among 3 countries: the sample SD with C - 1 is tau
    for values, tau in ((b_intercept, 2.0), (b[..., [0, 4]], 0.5)):
        scale = np.sqrt(values.var(axis=1, ddof=1).mean(axis=0))
        np.testing.assert_allclose(scale, tau, rtol=4 / np.sqrt(2 * 2 * 4000))
