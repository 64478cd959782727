import numpy as np
import pymc as pm
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.replace import clone_replace
from scipy import stats

from bayes_coprod.model.build import build_model, named_quantities
from bayes_coprod.model.design import make_design
from bayes_coprod.model.pilot import Evidence
from bayes_coprod.model.varying import _informed, zero_sum_contrasts

COUNTRIES = 4
SHAPE = (COUNTRIES, 6)  # country, varying coefficient
PY = Mode("py", None)


def informed(tau, evidence, shared=()):
    """(z_m, z_b) -> (log density, coefficients) of the informed prior at a fixed tau."""
    with pm.Model() as model:
        z_m = pm.Flat("z_m", shape=SHAPE[1:])
        b = _informed(
            pm.math.constant(tau), z_m, pm.math.constant(np.array(shared, float)), evidence
        )
    log_density = model.compile_logp(mode=PY)
    value = model.compile_fn(b, inputs=[model["z_m"], model["z_b"]], mode=PY)

    def evaluate(z_m, z_b):
        point = {"z_m": z_m, "z_b": z_b}
        return float(log_density(point)), value(point)

    return evaluate


def centre_of(b, z_b, tau, evidence):
    """The auxiliary centre m, from b = s^2 (w estimate + m / tau^2) + s z."""
    s2 = 1 / (evidence.precision + 1 / tau**2)
    return ((b - np.sqrt(s2) * z_b) / s2 - evidence.precision * evidence.estimate) * tau**2


@pytest.mark.parametrize("tau", [1e-3, 0.1, 5.0])
def test_informed_density_is_the_prior_times_the_jacobian(tau, rng):
    precision = rng.choice([0.0, 30.0, 4000.0], size=SHAPE)  # silent, weak and strong data
    evidence = Evidence(rng.normal(size=SHAPE), precision)
    evaluate = informed(np.full(SHAPE[1:], tau), evidence)
    z_m, z_b = rng.normal(size=SHAPE[1:]), rng.normal(size=SHAPE)

    log_density, b = evaluate(z_m, z_b)

    m = centre_of(b, z_b, tau, evidence)
    np.testing.assert_allclose(m, np.broadcast_to(m[0], m.shape), atol=1e-6)  # one for all
    beta = b.mean(axis=0)
    gamma = np.tensordot(zero_sum_contrasts(COUNTRIES), b, 1)
    stated = (  # the prior of beta is the caller's
        stats.norm(0, tau).logpdf(gamma).sum()
        + stats.norm(beta, tau / np.sqrt(COUNTRIES)).logpdf(m[0]).sum()
    )
    # the map is linear: z_b -> b given m, and z_m -> m; (beta, gamma) -> b has sqrt(C)
    moved = evaluate(z_m + 1, z_b)[1]
    slope_of_m = centre_of(moved, z_b, tau, evidence)[0] - m[0]
    s = np.sqrt(tau**2 / (1 + precision * tau**2))
    jacobian = np.log(s).sum() + np.log(slope_of_m).sum() - b[0].size * 0.5 * np.log(COUNTRIES)
    assert log_density == pytest.approx(stated + jacobian, rel=1e-6)


@pytest.mark.parametrize("tau", [1e-3, 0.1, 5.0])
def test_with_exact_evidence_z_is_standard_normal_whatever_tau(tau, rng):
    estimate, precision = rng.normal(size=SHAPE), rng.uniform(10, 5000, size=SHAPE)
    evaluate = informed(np.full(SHAPE[1:], tau), Evidence(estimate, precision))

    def log_posterior(z):  # data: estimate ~ Normal(b, 1 / sqrt(precision))
        log_density, b = evaluate(*z)
        return log_density - 0.5 * (precision * (estimate - b) ** 2).sum()

    one, other = ((rng.normal(size=SHAPE[1:]), rng.normal(size=SHAPE)) for _ in range(2))
    squares = [sum((part**2).sum() for part in z) for z in (one, other)]
    expected = -0.5 * (squares[0] - squares[1])
    assert log_posterior(one) - log_posterior(other) == pytest.approx(expected, rel=1e-3)


def test_evidence_that_moves_with_what_countries_share_is_evidence_elsewhere(rng):
    estimate, precision = rng.normal(size=SHAPE), rng.uniform(0, 100, size=SHAPE)
    along, shared = rng.normal(size=(*SHAPE, 3)), rng.normal(size=3)
    tau = np.full(SHAPE[1:], 0.4)
    moves = informed(tau, Evidence(estimate, precision, along), shared)
    stays = informed(tau, Evidence(estimate + along @ shared, precision))
    z = rng.normal(size=SHAPE[1:]), rng.normal(size=SHAPE)
    assert moves(*z)[0] == pytest.approx(stays(*z)[0], rel=1e-12)
    np.testing.assert_allclose(moves(*z)[1], stays(*z)[1], rtol=1e-12)


@pytest.mark.parametrize("n_countries", [2, 5, 14])
def test_contrasts_are_orthonormal_and_sum_to_zero(n_countries):
    contrasts = zero_sum_contrasts(n_countries)
    np.testing.assert_allclose(contrasts @ contrasts.T, np.eye(n_countries - 1), atol=1e-12)
    np.testing.assert_allclose(contrasts.sum(axis=1), 0, atol=1e-12)


def draw_given_common(model, names, **options):
    """Random draws of a model's quantities, what countries have in common standard normal."""
    common = model["z_common"]
    normal = pm.Normal.dist(0, 1, shape=common.type.shape)
    variables = clone_replace([model[name] for name in names], {common: normal})
    return [np.asarray(value) for value in pm.draw(variables, mode=PY, **options)]


@pytest.fixture
def prior_draw(small):
    """One random point of a model's named quantities, and the model."""

    def draw(spec):
        model = build_model(spec, small.codebook, make_design(small, spec))
        names = named_quantities(model)
        return model, dict(zip(names, draw_given_common(model, names, random_seed=4), strict=True))

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
    assert (draw["b"] == draw["b"][0]).all()
    assert (draw["b_intercept"] == draw["b_intercept"][0]).all()
    np.testing.assert_allclose(draw["beta"], draw["b"][0], rtol=1e-12)
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
    b, b_intercept = draw_given_common(model, ["b", "b_intercept"], draws=4000, random_seed=1)
    # 2 contrasts of variance tau^2 among 3 countries: the sample SD with C - 1 is tau
    for values, tau in ((b_intercept, 2.0), (b[..., [0, 4]], 0.5)):
        scale = np.sqrt(values.var(axis=1, ddof=1).mean(axis=0))
        np.testing.assert_allclose(scale, tau, rtol=4 / np.sqrt(2 * 2 * 4000))
