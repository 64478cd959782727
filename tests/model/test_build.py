"""The model's density against the stated priors and likelihood, written a second time in SciPy.

The sampler's coordinates are the model's own business: whatever they are, the density over them
must be that of the stated parameters times the Jacobian, which is taken here by differences. The
informed form has one more parameter a coefficient, the auxiliary centre m ~ N(beta, tau^2 / C),
which no other parameter depends on.
"""

from itertools import combinations

import numpy as np
import pytest
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.special import betaln

from bayes_coprod.inference.pilot import fit_pilot
from bayes_coprod.model.build import build_model, log_density_at, named_quantities
from bayes_coprod.model.design import make_design
from bayes_coprod.model.pilot import Evidence, Pilot, Whitening
from bayes_coprod.model.varying import zero_sum_contrasts
from bayes_coprod.survey.read import read_survey

PY = Mode("py", None)


def make_evidence(spec, design, n_varying, rng):
    """Evidence that has nothing to do with the data: the posterior must not depend on it."""
    if spec.parametrisation != "informed" or spec.pooling != "partial":
        return None
    shape = (design.sizes["country"], design["y"].shape[1] * (1 + n_varying))
    return Evidence(rng.normal(size=shape), rng.choice([0.0, 20.0, 1000.0], size=shape))


def make_whitening(design, rng):
    """A whitening that has nothing to do with the data either."""
    n = design["y"].shape[1] * (1 + design.sizes["coefficient"])
    factor = np.tril(rng.normal(0, 0.1, (n, n)), -1) + np.diag(rng.uniform(0.5, 2, n))
    return Whitening(rng.normal(0, 0.2, n), factor)


def slopes(named):
    """Slopes of each country; none without drivers."""
    return named.get("b", np.empty((*named["b_intercept"].shape, 0)))


def stated_parameters(spec, columns, named):
    """What the priors speak of: country contrasts instead of country coefficients."""
    keys = ("intercept", "beta", "residual_sd", "tau_intercept", "tau", "rho")
    stated = {key: named[key] for key in keys if key in named}
    if spec.pooling != "complete":
        contrasts = zero_sum_contrasts(len(named["b_intercept"]))
        stated["gamma_intercept"] = contrasts @ named["b_intercept"]  # (contrast, form)
        stated["gamma"] = np.tensordot(contrasts, slopes(named)[:, :, columns], 1)
    return stated


def auxiliary_centre(evidence, columns, tau_of, named, free):
    """Centre m of the informed form, b = s^2 (w estimate + m / tau^2) + s z, and its prior."""
    tau_slope = named["tau"][:, tau_of] if tau_of else slopes(named)[0, :, :0]
    tau = np.column_stack([named["tau_intercept"], tau_slope])
    b = np.concatenate([named["b_intercept"][..., None], slopes(named)[:, :, columns]], axis=-1)
    precision, estimate, z_b = (
        array.reshape(b.shape) for array in (evidence.precision, evidence.estimate, free["z_b"])
    )
    s2 = 1 / (precision + tau**-2)
    m = (b - np.sqrt(s2) * z_b) / s2 - precision * estimate
    centre = m[0] * tau**2
    prior = stats.norm(b.mean(axis=0), tau / np.sqrt(len(b)))
    return centre, prior.logpdf(centre).sum()


def log_prior(spec, stated, tau_of, frozen):
    total = 0.0
    for name in ("intercept", "beta", "residual_sd", "tau_intercept", "tau"):
        if name in stated:
            prior = spec.priors[name]
            total += frozen(prior).logpdf(stated[name]).sum()
    if spec.pooling == "partial":
        total += stats.norm(0, stated["tau_intercept"]).logpdf(stated["gamma_intercept"]).sum()
        if stated["gamma"].size:
            total += stats.norm(0, stated["tau"][:, tau_of]).logpdf(stated["gamma"]).sum()
    elif spec.pooling == "none":
        for name in ("gamma_intercept", "gamma"):
            total += stats.norm(0, 2).logpdf(stated[name]).sum()
    if "rho" in stated:
        total += sum(map(log_lkj(spec), np.atleast_2d(stated["rho"])))
    return total


def correlation(rho):
    n = int((1 + np.sqrt(1 + 8 * len(rho))) / 2)
    matrix = np.eye(n)
    for k, (i, j) in enumerate(combinations(range(n), 2)):
        matrix[i, j] = matrix[j, i] = rho[k]
    return matrix


def log_lkj(spec):
    """Lewandowski, Kurowicka & Joe (2009), equation 16."""
    (eta,) = spec.priors["rho"].arguments

    def log_density(rho):
        matrix = correlation(rho)
        d = len(matrix)
        constant = sum(
            (d - k) * ((2 * eta - 2 + d - k) * np.log(2) + betaln(*2 * [eta + (d - k - 1) / 2]))
            for k in range(1, d)
        )
        return (eta - 1) * np.linalg.slogdet(matrix)[1] - constant

    return log_density


def log_likelihood(spec, design, named):
    """Joint normal density of the answered indices, in points."""
    y, x, country = (design[name].values for name in ("y", "x", "country_index"))
    unit = design["outcome_sd"].values
    mu = named["b_intercept"][country] + np.einsum("np,nfp->nf", x, slopes(named)[country])
    total = 0.0
    key = np.column_stack([country, ~np.isnan(y)]).astype(int)
    for kind in np.unique(key, axis=0):
        rows, has = (key == kind).all(axis=1), kind[1:] > 0
        sd = named["residual_sd"][kind[0]] if spec.sigma_varies else named["residual_sd"]
        sigma = np.diag((sd * unit) ** 2)
        if "rho" in named:
            rho = named["rho"][kind[0]] if spec.sigma_varies else named["rho"]
            sigma = correlation(rho) * np.outer(sd * unit, sd * unit)
        noise = stats.multivariate_normal(cov=sigma[np.ix_(has, has)])
        total += noise.logpdf((unit * (y[rows] - mu[rows]))[:, has]).sum()
    return total


OTHER = {
    "intercept": "normal(0.3, 2)",
    "beta": "normal(-0.2, 0.4)",
    "tau_intercept": "uniform(0, 2)",
    "tau": "exponential(3)",
    "residual_sd": "log_normal(0, 0.5)",
    "rho": "lkj(1.5)",
}
CASES = {
    "one form, non-centred": {"forms": ["alone"], "parametrisation": "non_centred"},
    "one form, centred": {"forms": ["alone"], "parametrisation": "centred"},
    "one form, informed": {"forms": ["alone"]},
    "two forms, non-centred": {"parametrisation": "non_centred"},
    "two forms, centred": {"parametrisation": "centred"},
    "two forms, informed": {},
    "no pooling": {"pooling": "none"},
    "complete pooling": {"pooling": "complete"},
    "other priors": {"priors": OTHER},
    "own covariance": {"sigma_varies": True, "drivers": ["school"]},
    "four outcomes": {"outcomes": ["form", "sector"], "drivers": ["age"], "priors": OTHER},
    "few vary": {"vary_by_country": ["school"], "priors": OTHER},
    "intercepts vary": {"vary_by_country": "none"},
    "no drivers": {"drivers": "none"},
}


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_density_is_priors_times_likelihood_times_jacobian(
    case, whitened, small, index_spec, rng, coordinates_of, log_jacobian, frozen
):
    spec = index_spec(**CASES[case])
    design = make_design(small, spec)
    driver_of = [str(label).split(":")[0] for label in design["coefficient"].values]
    if spec.pooling == "complete" or spec.vary_by_country == "none":
        varies = []
    else:
        varies = driver_of if spec.vary_by_country == "all" else spec.vary_by_country
    columns = [p for p, name in enumerate(driver_of) if name in varies]
    order = list(dict.fromkeys(driver_of[p] for p in columns))
    tau_of = [order.index(driver_of[p]) for p in columns]
    evidence = make_evidence(spec, design, len(columns), rng)
    pilot = Pilot(evidence, make_whitening(design, rng) if whitened else None)
    coordinates = coordinates_of(build_model(spec, small.codebook, design, pilot))

    def parameters(vector):
        named, free = coordinates.evaluate(vector)
        stated = stated_parameters(spec, columns, named)
        if evidence is not None:
            stated["centre"], _ = auxiliary_centre(evidence, columns, tau_of, named, free)
        return np.concatenate([np.ravel(value) for value in stated.values()])

    vector = rng.normal(0, 0.7, coordinates.size)
    named, free = coordinates.evaluate(vector)
    assert len(parameters(vector)) == coordinates.size
    expected = (
        log_prior(spec, stated_parameters(spec, columns, named), tau_of, frozen)
        + log_likelihood(spec, design, named)
        + log_jacobian(parameters, vector)
    )
    if evidence is not None:
        expected += auxiliary_centre(evidence, columns, tau_of, named, free)[1]

    assert float(coordinates.log_density(coordinates.point(vector))) == pytest.approx(
        expected, rel=1e-8, abs=1e-5
    )
    assert log_density_at(coordinates.model, free) == pytest.approx(expected, rel=1e-8, abs=1e-5)


def test_named_quantities_hold_no_sampling_coordinates(small, index_spec):
    spec = index_spec()
    model = build_model(spec, small.codebook, make_design(small, spec))
    assert set(named_quantities(model)) == {
        "intercept",
        "beta",
        "tau_intercept",
        "tau",
        "b_intercept",
        "b",
        "residual_sd",
        "rho",
    }


def test_quantities_bear_the_surveys_labels(small, index_spec):
    spec = index_spec(outcomes=["form", "sector"], sigma_varies=True)
    design = make_design(small, spec)
    model = build_model(spec, small.codebook, design)
    assert model.named_vars_to_dims["b"] == ("country", "outcome", "coefficient")
    assert model.named_vars_to_dims["tau"] == ("outcome", "driver")
    assert model.named_vars_to_dims["residual_sd"] == ("country", "outcome")
    assert model.named_vars_to_dims["rho"] == ("country", "pair")
    assert model.coords["country"] == ("Austria", "Belgium", "Cyprus")
    outcomes = list(design["outcome"].values)
    assert list(model.coords["outcome"]) == outcomes
    assert model.coords["pair"][0] == f"{outcomes[0]} ~ {outcomes[1]}"


def test_permuting_countries_leaves_the_density_unchanged(
    small_frame, small_book, small, index_spec, rng, coordinates_of
):
    spec = index_spec(parametrisation="non_centred")
    order = [2, 0, 1]
    names = [small.countries[c] for c in order]
    small_book["country"]["labels"] = {name: name for name in names}
    permuted = read_survey(small_frame, small_book)
    assert list(permuted.countries) == names

    first, second = (
        build_model(spec, survey.codebook, make_design(survey, spec))
        for survey in (small, permuted)
    )
    coordinates = coordinates_of(first)
    _, draw = coordinates.evaluate(rng.normal(size=coordinates.size))
    contrasts = zero_sum_contrasts(3)
    # d = H' z, permuted, and back to contrasts: z' = H P H' z
    turn = contrasts @ contrasts.T[order]
    turned = draw | {"z_gamma": np.tensordot(turn, draw["z_gamma"], 1)}

    assert log_density_at(second, turned) == pytest.approx(log_density_at(first, draw), rel=1e-12)
    assert log_density_at(second, draw) != pytest.approx(log_density_at(first, draw), abs=0.1)


def test_permuting_countries_leaves_the_informed_density_unchanged(
    small_frame, small_book, small, index_spec, rng, coordinates_of
):
    spec = index_spec()
    order = [2, 0, 1]
    small_book["country"]["labels"] = {small.countries[c]: small.countries[c] for c in order}
    models = []
    for survey in (small, read_survey(small_frame, small_book)):
        design = make_design(survey, spec)
        pilot = fit_pilot(spec, survey.codebook, design)
        models.append(build_model(spec, survey.codebook, design, pilot))
    coordinates = coordinates_of(models[0])
    _, draw = coordinates.evaluate(rng.normal(size=coordinates.size))
    turned = draw | {"z_b": draw["z_b"][order]}
    assert log_density_at(models[1], turned) == pytest.approx(
        log_density_at(models[0], draw), rel=1e-12
    )


def test_permuting_citizens_leaves_the_density_unchanged(
    small_frame, small_book, small, index_spec, rng, coordinates_of
):
    shuffled = read_survey(small_frame.sample(frac=1, random_state=rng), small_book)
    spec = index_spec()
    first, second = (
        build_model(spec, survey.codebook, make_design(survey, spec))
        for survey in (small, shuffled)
    )
    coordinates = coordinates_of(first)
    vector = rng.normal(size=coordinates.size)
    at = coordinates_of(second).log_density(coordinates.point(vector))
    assert at == pytest.approx(coordinates.log_density(coordinates.point(vector)), rel=1e-12)


def test_no_drivers_is_a_model_too(small, index_spec):
    spec = index_spec(drivers="none")
    model = build_model(spec, small.codebook, make_design(small, spec))
    assert set(named_quantities(model)) == {
        "intercept",
        "tau_intercept",
        "b_intercept",
        "residual_sd",
        "rho",
    }
    assert np.isfinite(model.compile_logp(mode=PY)(model.initial_point()))
