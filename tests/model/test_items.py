"""The items model against its stated priors and likelihood, written a second time in NumPy."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from bayes_coprod.errors import SpecError
from bayes_coprod.model.build import build_model, log_density_at, named_quantities
from bayes_coprod.model.design import make_design
from bayes_coprod.model.item_layout import item_layout
from bayes_coprod.model.pilot import Evidence, Pilot, Whitening
from bayes_coprod.model.quadrature import Nodes, resolved
from bayes_coprod.model.spec import load_model
from bayes_coprod.model.varying import zero_sum_contrasts
from bayes_coprod.survey.read import read_survey


def wide_nodes(design, rule):
    """Nodes that are good at any parameters of size one."""
    shape = design.sizes["citizen"], design.sizes["form"]
    spacing = np.full(shape, 0.25)
    if rule == "dense":
        spacing *= np.random.default_rng(1).uniform(0.95, 1.0, shape)
    return Nodes(np.zeros(shape), spacing, (120, 122)[: shape[1]], rule != "dense")


def lengths(design):
    """Items, forms and coefficients, as they lie in the model's flat vectors."""
    form, n_categories = design["item_form"].values, design["n_categories"].values
    n_forms, n_columns = design.sizes["form"], 1 + design.sizes["coefficient"]
    return form, n_categories, n_forms, n_columns


def item_contrasts(design):
    """Orthonormal contrasts between the items of each form, (contrast, item)."""
    form, _, n_forms, _ = lengths(design)
    rows = [np.zeros((0, len(form)))]
    for f in range(n_forms):
        (own,) = np.nonzero(form == f)
        if len(own) > 1:
            block = np.zeros((len(own) - 1, len(form)))
            block[:, own] = zero_sum_contrasts(len(own))
            rows.append(block)
    return np.concatenate(rows)


def steep_contrasts(design):
    """Contrasts between the items of forms with three or more, (contrast, item)."""
    form, _, n_forms, _ = lengths(design)
    rows = item_contrasts(design)
    few = np.isin(form, np.flatnonzero(np.bincount(form, minlength=n_forms) < 3))
    return rows[~(rows[:, few] != 0).any(axis=1)]


def split_kappa(design, kappa):
    """First thresholds of the items, and the distances of the others from the one before."""
    _, n_categories, _, _ = lengths(design)
    by_item = np.split(kappa, np.cumsum(n_categories - 1)[:-1])
    return np.array([k[0] for k in by_item]), np.concatenate([np.diff(k) for k in by_item])


def varying(spec, design):
    """Columns of an outcome that vary besides the intercept, and the scale of each."""
    driver_of = [str(label).split(":")[0] for label in design["coefficient"].values]
    if spec.pooling == "complete" or spec.vary_by_country == "none":
        return [], []
    chosen = driver_of if spec.vary_by_country == "all" else spec.vary_by_country
    columns = [p for p, name in enumerate(driver_of) if name in chosen]
    order = list(dict.fromkeys(driver_of[p] for p in columns))
    return columns, [order.index(driver_of[p]) for p in columns]


def stated(spec, design, named):
    """What the priors speak of, each with its free components only."""
    first, gaps = split_kappa(design, named["kappa"])
    form = lengths(design)[0]
    out = {"kappa": first, "kappa_gap": gaps}
    out |= {
        name: named[name]
        for name in ("beta", "tau_intercept", "tau", "tau_kappa", "rho")
        if name in named
    }
    out["sigma"] = named["sigma"][np.bincount(form) > 1]
    if "lambda" in named:
        out["gamma_lambda"] = steep_contrasts(design) @ np.log(named["lambda"])
    if spec.pooling != "complete":
        contrasts = zero_sum_contrasts(len(named["b_intercept"]))
        out["gamma_intercept"] = contrasts @ named["b_intercept"]  # (contrast, form)
        if varying(spec, design)[0]:
            slopes = named["b"][:, :, varying(spec, design)[0]]
            out["gamma"] = np.tensordot(contrasts, slopes, 1)
        if "shift" in named:
            out["gamma_shift"] = contrasts @ named["shift"] @ item_contrasts(design).T
    return out


def log_prior(spec, design, values, frozen):
    total = 0.0
    for name in ("kappa", "kappa_gap", "beta", "tau_intercept", "tau", "tau_kappa", "sigma", "rho"):
        if name in values:
            total += frozen(spec.priors[name]).logpdf(values[name]).sum()
    steep = spec.priors["lambda"].arguments[1]
    scales = {"gamma_intercept": 2.0, "gamma": 2.0, "gamma_shift": 2.0, "gamma_lambda": steep}
    if spec.pooling == "partial":
        scales["gamma_intercept"] = values["tau_intercept"]
        if "gamma" in values:
            scales["gamma"] = values["tau"][:, varying(spec, design)[1]]
        if "gamma_shift" in values:
            scales["gamma_shift"] = values["tau_kappa"]
    for name, scale in scales.items():
        if name in values:
            total += stats.norm(0, scale).logpdf(values[name]).sum()
    return total


def auxiliary_centre(spec, design, evidence, named, free):
    """Centre m of the informed form, b = s^2 (w estimate + m / tau^2) + s z, and its log prior."""
    _, _, n_forms, n_columns = lengths(design)
    form, columns, tau_of = lengths(design)[0], *varying(spec, design)
    first, _ = split_kappa(design, named["kappa"])
    n_countries = len(named["b_intercept"])
    effects = np.zeros((n_countries, n_forms, n_columns))
    # thresholds carry the level
    level = np.array([-first[form == f].mean() for f in range(n_forms)])
    effects[:, :, 0] = named["b_intercept"] + level
    tau = [named["tau_intercept"][:, None]]
    if n_columns > 1:
        effects[:, :, 1:] = named["b"]
    if columns:
        tau.append(named["tau"][:, tau_of])
    b = [effects[:, :, [0, *(1 + np.array(columns, dtype=int))]].reshape(n_countries, -1)]
    scale = [np.concatenate(tau, axis=1).ravel()]
    if "shift" in named:
        b.append((first + named["shift"]) @ item_contrasts(design).T)
        scale.append(np.full(b[1].shape[1], named["tau_kappa"]))
    b, tau = np.concatenate(b, axis=1), np.concatenate(scale)
    w = evidence.precision
    s2 = 1 / (w + tau**-2)
    m = ((b - np.sqrt(s2) * free["z_b"]) / s2 - w * evidence.estimate) * tau**2
    np.testing.assert_allclose(m, np.broadcast_to(m[0], m.shape), atol=1e-6)
    return m[0], stats.norm(b.mean(axis=0), tau / np.sqrt(n_countries)).logpdf(m[0]).sum()


def log_likelihood(design, named, least_sd, n_nodes=141):
    """Every citizen's deviations integrated on a fine grid of standard normals."""
    form, n_categories, n_forms, _ = lengths(design)
    x, country = design["x"].values, design["country_index"].values
    mu = named["b_intercept"][country]
    if "b" in named:
        mu = mu + np.einsum("np,nfp->nf", x, named["b"][country])
    # what becomes of deviations too narrow for the nodes is held to elsewhere
    sigma, rho = resolved(
        named["sigma"], named.get("rho", np.zeros(1)), least_sd, lambda v: np.logaddexp(0, v)
    )
    rho = rho[0]
    z = np.linspace(-8, 8, n_nodes)
    weight = stats.norm.pdf(z) * (z[1] - z[0])
    thresholds = np.split(named["kappa"], np.cumsum(n_categories - 1)[:-1])
    shift = named.get("shift", np.zeros((design.sizes["country"], len(form))))
    steep = named.get("lambda", np.ones(len(form)))
    total = 0.0
    for i, c in enumerate(country):
        likelihood = [np.ones(n_nodes), np.ones((n_nodes, n_nodes))][:n_forms]
        theta = [mu[i, 0] + sigma[0] * z]
        if n_forms == 2:
            eps = rho * z[:, None] + np.sqrt(1 - rho**2) * z
            theta.append(mu[i, 1] + sigma[1] * eps)
        for k, answer in enumerate(design["answer"].values[i]):
            if answer >= 0:
                ends = np.r_[-np.inf, thresholds[k] + shift[c, k], np.inf]
                at = steep[k] * theta[form[k]]
                likelihood[form[k]] *= expit(ends[answer + 1] - at) - expit(ends[answer] - at)
        each = likelihood[0]
        if n_forms == 2:
            each = each * (likelihood[1] @ weight)
        total += np.log(each @ weight)
    return total


OTHER = {
    "kappa": "normal(0.5, 3)",
    "kappa_gap": "exponential(1.5)",
    "beta": "normal(-0.2, 0.4)",
    "tau_intercept": "uniform(0, 2)",
    "tau": "exponential(3)",
    "tau_kappa": "log_normal(-1, 0.5)",
    "sigma": "uniform(0.5, 3)",
    "rho": "uniform(-0.5, 0.9)",
}
CASES = {
    "non-centred": {"parametrisation": "non_centred"},
    "centred": {"parametrisation": "centred"},
    "informed": {},
    "thresholds in common": {"thresholds_vary": False},
    "thresholds in common, centred": {"thresholds_vary": False, "parametrisation": "centred"},
    "no pooling": {"pooling": "none"},
    "complete pooling": {"pooling": "complete"},
    "one form": {"forms": ["alone"]},
    "one form, non-centred": {"forms": ["alone"], "parametrisation": "non_centred"},
    "few vary": {"vary_by_country": ["school"]},
    "intercepts vary": {"vary_by_country": "none"},
    "no drivers": {"drivers": "none"},
    "other priors": {"priors": OTHER},
    "discrimination": {"discrimination": True, "priors": {"lambda": "log_normal(0, 0.5)"}},
    "discrimination, centred": {"discrimination": True, "parametrisation": "centred"},
}


def make_pilot(spec, design, rng, rule="grid", whitened=False):
    """A pilot that has nothing to do with the data: the posterior must not depend on it."""
    form, n_categories, n_forms, n_columns = lengths(design)
    n_contrasts = len(form) - n_forms
    evidence = whitening = None
    if spec.parametrisation == "informed" and spec.pooling == "partial":
        n = n_forms * (1 + len(varying(spec, design)[0])) + n_contrasts * spec.thresholds_vary
        shape = design.sizes["country"], n
        precision = rng.choice([0.0, 20.0, 1000.0], size=shape)
        precision[0] = 20.0  # with silence in all countries a centre of size one is hardly drawn
        evidence = Evidence(rng.normal(0, 0.5, size=shape), precision)
    if whitened:
        n = n_forms * n_columns + n_contrasts + (n_categories - 2).sum()
        n += (np.bincount(form) > 1).sum() + (n_forms == 2)
        n += spec.discrimination * len(steep_contrasts(design))
        factor = np.tril(rng.normal(0, 0.05, (n, n)), -1) + np.diag(rng.uniform(0.5, 1.3, n))
        whitening = Whitening(rng.normal(0, 0.2, n), factor)
    return Pilot(evidence, whitening, wide_nodes(design, rule))


@pytest.fixture
def assert_density_is_as_stated(coordinates_of, log_jacobian, frozen, rng):
    def check(spec, survey, **of_pilot):
        design = make_design(survey, spec)
        pilot = make_pilot(spec, design, rng, **of_pilot)
        coordinates = coordinates_of(build_model(spec, survey.codebook, design, pilot))
        evidence = pilot.evidence

        def parameters(vector):
            named, free = coordinates.evaluate(vector)
            values = stated(spec, design, named)
            if evidence is not None:
                values["centre"], _ = auxiliary_centre(spec, design, evidence, named, free)
            return np.concatenate([np.ravel(value) for value in values.values()])

        vector = rng.normal(0, 0.5, coordinates.size)
        named, free = coordinates.evaluate(vector)
        assert len(parameters(vector)) == coordinates.size
        expected = (
            log_prior(spec, design, stated(spec, design, named), frozen)
            + log_likelihood(design, named, pilot.nodes.least_sd)
            + log_jacobian(parameters, vector)
        )
        if evidence is not None:
            expected += auxiliary_centre(spec, design, evidence, named, free)[1]
        ours = log_density_at(coordinates.model, free)
        assert ours == pytest.approx(expected, rel=1e-8, abs=1e-5)

    return check


@pytest.mark.parametrize("case", CASES)
def test_density_is_priors_times_likelihood_times_jacobian(
    case, small, items_spec, assert_density_is_as_stated
):
    assert_density_is_as_stated(items_spec(**CASES[case]), small)


@pytest.mark.parametrize("rule", ["grid", "dense"])
@pytest.mark.parametrize(
    "content",
    [
        {"drivers": ["age"]},
        {"pooling": "none", "drivers": ["age"]},
        {"discrimination": True, "drivers": ["age"]},
    ],
)
def test_whitening_and_rule_leave_the_density_as_stated(
    content, rule, small, items_spec, assert_density_is_as_stated
):
    assert_density_is_as_stated(items_spec(**content), small, rule=rule, whitened=True)


@pytest.fixture
def one_meets(small_frame, small_book):
    """The small survey, one of its forms of a single item."""
    del small_book["items"]["patrol"]
    return read_survey(small_frame, small_book)


@pytest.mark.parametrize("parametrisation", ["informed", "centred"])
def test_density_with_a_form_of_one_item(
    parametrisation, one_meets, items_spec, assert_density_is_as_stated
):
    spec = items_spec(parametrisation=parametrisation, drivers=["age", "school"])
    assert_density_is_as_stated(spec, one_meets)


@pytest.fixture
def point(coordinates_of, rng):
    """A random point of a model's named quantities, by name."""

    def draw(survey, spec):
        design = make_design(survey, spec)
        model = build_model(spec, survey.codebook, design, make_pilot(spec, design, rng))
        coordinates = coordinates_of(model)
        return design, coordinates.evaluate(rng.normal(0, 0.7, coordinates.size))[0]

    return draw


@pytest.mark.parametrize(
    "content",
    [{}, {"parametrisation": "centred"}, {"parametrisation": "non_centred"}, {"pooling": "none"}],
)
def test_deviations_of_countries_and_items_sum_to_zero(small, items_spec, point, content):
    design, named = point(small, items_spec(**content))
    form = item_layout(design).form
    assert (np.abs(named["shift"]) > 1e-3).all()
    np.testing.assert_allclose(named["shift"].sum(axis=0), 0, atol=1e-9)
    for f in (0, 1):
        np.testing.assert_allclose(named["shift"][:, form == f].sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(named["b_intercept"].sum(axis=0), 0, atol=1e-9)
    assert (np.abs(named["b_intercept"]) > 1e-3).all()
    np.testing.assert_allclose(named["b"].mean(axis=0), named["beta"], atol=1e-12)


def test_thresholds_of_an_item_rise(small, items_spec, point):
    design, named = point(small, items_spec())
    _, gaps = split_kappa(design, named["kappa"])
    assert len(gaps) == (design["n_categories"].values - 2).sum()
    assert (gaps > 0).all()


def test_a_form_of_one_item_has_sigma_one_and_no_shift(one_meets, items_spec, point):
    design, named = point(one_meets, items_spec())
    assert list(design["form"].values) == ["alone", "together"]
    assert named["sigma"][1] == 1
    assert named["sigma"][0] != 1
    assert (named["shift"][:, 3] == 0).all()
    assert (named["shift"][:, :3] != 0).any()
    assert named["kappa"].shape == (2 + 3 + 1 + 2,)


@pytest.mark.parametrize(
    ("content", "absent"),
    [
        ({"thresholds_vary": False}, {"shift", "tau_kappa"}),
        ({"forms": ["together"]}, {"rho"}),
        ({"drivers": "none"}, {"b", "beta", "tau"}),
        ({"vary_by_country": "none"}, {"tau"}),
        ({"pooling": "none"}, {"tau", "tau_intercept", "tau_kappa"}),
        ({"pooling": "complete"}, {"tau", "tau_intercept", "tau_kappa", "shift"}),
    ],
)
def test_only_what_the_model_has_is_a_named_quantity(small, items_spec, rng, content, absent):
    everything = {
        "b_intercept", "b", "beta", "kappa", "shift", "sigma", "rho",
        "tau", "tau_intercept", "tau_kappa",
    }  # fmt: skip
    spec = items_spec(**content)
    design = make_design(small, spec)
    model = build_model(spec, small.codebook, design, make_pilot(spec, design, rng))
    assert set(named_quantities(model)) == everything - absent


def test_quantities_bear_the_surveys_labels(small, items_spec, rng):
    spec = items_spec()
    design = make_design(small, spec)
    model = build_model(spec, small.codebook, design, make_pilot(spec, design, rng))
    assert model.named_vars_to_dims["shift"] == ("country", "item")
    assert model.named_vars_to_dims["kappa"] == ("threshold",)
    assert model.named_vars_to_dims["b"] == ("country", "form", "coefficient")
    assert list(model.coords["item"]) == ["lock", "watch", "report", "meet", "patrol"]
    assert len(model.coords["threshold"]) == 2 + 3 + 1 + 2 + 2
    assert model.coords["threshold"][0].startswith("lock: ")
    assert model.coords["pair"] == ("alone ~ together",)


def test_a_model_without_nodes_is_refused(small, items_spec):
    spec = items_spec()
    with pytest.raises(ValueError, match="give a pilot with nodes"):
        build_model(spec, small.codebook, make_design(small, spec))


def test_discriminations_have_one_as_their_mean_in_forms_of_three_items(small, items_spec, point):
    design, named = point(small, items_spec(discrimination=True))
    form = lengths(design)[0]
    assert np.log(named["lambda"][form == 0]).sum() == pytest.approx(0, abs=1e-12)
    assert (abs(np.log(named["lambda"][form == 0])) > 1e-3).all()
    np.testing.assert_array_equal(named["lambda"][form == 1], 1.0)  # two items


def test_discrimination_takes_a_form_of_three_items(small, items_spec):
    with pytest.raises(SpecError, match="takes a form of three items or more.*'together' has 2"):
        make_design(small, items_spec(discrimination=True, forms=["together"]))
    with pytest.raises(SpecError, match=r"lambda = 'log_normal\(0.2, 0.3\)' is not a proper"):
        items_spec(discrimination=True, priors={"lambda": "log_normal(0.2, 0.3)"})
    with pytest.raises(SpecError, match="discrimination does not apply to likelihood = 'index'"):
        load_model({"name": "x", "likelihood": "index", "discrimination": True})
