"""Fits of the items model: one posterior whatever the coordinates, and the truth recovered."""

import copy

import arviz_stats as azs
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_coprod.inference.fit import load_fit, save_fit
from bayes_coprod.inference.sample import fit_model
from bayes_coprod.names import threshold_label
from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.simulate import simulate_survey

COUNTRIES = ["Austria", "Belgium", "Cyprus"]
ITEMS = {
    "lock": "alone",
    "watch": "alone",
    "report": "alone",
    "meet": "together",
    "vote": "together",
}
SHIFT = {
    "lock": [1.2, -1.2, 0.0],
    "watch": [-1.2, 1.2, 0.0],
    "report": [0.0, 0.0, 0.0],
    "meet": [0.0, 1.1, -1.1],
    "vote": [0.0, -1.1, 1.1],
}
COMPARED = ("beta", "b", "b_intercept", "kappa", "shift", "sigma", "rho")
VARIANTS = {
    "centred": {"parametrisation": "centred"},
    "non_centred": {"parametrisation": "non_centred"},
    "one form": {"forms": ["alone"]},
    "one form, dense": {"forms": ["alone"], "sampler": {"quadrature": "dense"}},
}


@pytest.fixture(scope="module")
def shifted():
    """Answers of 120 citizens in each of three countries, whose items are not comparable."""
    book = {
        "survey": {"name": "Shifted", "forms": ["alone", "together"]},
        "country": {"column": "country"},
        "items": {name: {"form": form, "categories": [0, 1, 2]} for name, form in ITEMS.items()},
        "drivers": {
            "age": {"kind": "numeric"},
            "female": {"kind": "binary", "yes": [1], "no": [0]},
        },
    }
    codebook = load_codebook(book)
    rng = np.random.default_rng(4)
    n = 120 * len(COUNTRIES)
    citizens = pd.DataFrame(
        {
            "country": np.repeat(COUNTRIES, n // len(COUNTRIES)),
            "age": rng.integers(18, 80, n),
            "female": rng.integers(0, 2, n),
        }
    )
    beta = np.array([[0.3, 0.4], [0.6, -0.2]])
    deviation = np.array([[0.2, 0.0], [-0.1, 0.2], [-0.1, -0.2]])
    labels = [
        threshold_label(item.name, below, above)
        for item in codebook.items
        for below, above in zip(item.levels, item.levels[1:], strict=False)
    ]
    truth = xr.Dataset(
        {
            "beta": (("form", "coefficient"), beta),
            "b": (("country", "form", "coefficient"), beta + deviation[:, None]),
            "b_intercept": (("country", "form"), [[0.4, -0.3], [-0.2, 0.5], [-0.2, -0.2]]),
            "kappa": ("threshold", [-1.5, 0.2, -0.5, 1.0, 0.0, 1.4, 0.3, 1.5, -0.4, 1.8]),
            "shift": (("item", "country"), list(SHIFT.values())),
            "sigma": ("form", [1.0, 1.5]),
            "rho": 0.2,
        },
        coords={
            "form": list(codebook.forms),
            "coefficient": ["age", "female"],
            "country": COUNTRIES,
            "threshold": labels,
            "item": list(SHIFT),
        },
    )
    return simulate_survey(truth, citizens, codebook, missing={"meet": 0.1, "lock": 0.1})


@pytest.fixture(scope="module")
def fit_shifted(shifted):
    """Fits of the shifted survey, each variant once."""
    fits = {}

    def fit(variant):
        if variant not in fits:
            content = copy.deepcopy(VARIANTS.get(variant, {}))
            content = {"name": variant, "likelihood": "items", **content}
            fits[variant] = fit_model(content, shifted, draws=400, tune=100, progressbar=False)
        return fits[variant]

    return fit


def z_scores(fit, truth):
    """Distance of a truth from the posterior mean in posterior SDs, of each quantity."""
    posterior = fit.posterior
    out = {}
    for name in ("beta", "b", "b_intercept", "kappa", "sigma", "rho"):
        values = posterior[name]
        expected = truth[name]
        if name == "rho":
            values = values.squeeze("pair")
        else:
            expected = expected.transpose(*values.dims[2:])
            expected = expected.sel({dim: values[dim] for dim in expected.dims})
        error = values.mean(("chain", "draw")) - expected
        out[name] = (error / values.std(("chain", "draw"))).values
    return out


def assert_truth_is_within_four_sds(fit, truth):
    for name, z in z_scores(fit, truth).items():
        assert np.isfinite(z).all(), name
        assert np.abs(z).max() < 4, name


def test_chains_agree(fit_shifted):
    tree = fit_shifted("informed").tree
    for name in COMPARED:
        assert float(azs.rhat(tree)[name].max()) < 1.05, name
        assert float(azs.ess(tree)[name].min()) > 100, name


def test_hardly_a_draw_diverges(fit_shifted):
    diverging = fit_shifted("informed").tree["sample_stats"]["diverging"]
    assert int(diverging.sum()) <= 3  # of 1,600


def assert_same_posterior(one, other):
    compared = [name for name in COMPARED if name in one.posterior]
    errors = [azs.mcse(fit.posterior[compared]) for fit in (one, other)]
    for name in compared:
        means = [fit.posterior[name].mean(("chain", "draw")) for fit in (one, other)]
        bound = 4 * np.sqrt(errors[0][name] ** 2 + errors[1][name] ** 2)
        assert (np.abs(means[0] - means[1]) < bound).all(), name
        assert float(bound.max()) < 0.3, name  # close enough to tell


@pytest.mark.parametrize("parametrisation", ["centred", "non_centred"])
@pytest.mark.slow
def test_coordinates_leave_the_posterior_as_it_is(fit_shifted, parametrisation):
    assert_same_posterior(fit_shifted("informed"), fit_shifted(parametrisation))


@pytest.mark.slow
def test_the_rule_of_the_quadrature_leaves_the_posterior_as_it_is(fit_shifted):
    grid, dense = fit_shifted("one form"), fit_shifted("one form, dense")
    assert grid.pilot.nodes.is_grid
    assert np.ptp(dense.pilot.nodes.spacing) > 0
    assert_same_posterior(grid, dense)


def test_the_truth_is_recovered(fit_shifted, shifted):
    assert_truth_is_within_four_sds(fit_shifted("informed"), shifted.truth)


def test_planted_shifts_are_found(fit_shifted, shifted):
    shift = fit_shifted("informed").posterior["shift"]
    truth = shifted.truth["shift"].transpose("country", "item").sel(country=shift["country"])
    mean, sd = shift.mean(("chain", "draw")), shift.std(("chain", "draw"))
    assert (np.abs(mean - truth) < 4 * sd).all()
    beyond = (np.sign(truth) * shift > 0.3).mean(("chain", "draw"))
    assert (beyond.values[np.abs(truth.values) > 0.5] > 0.9).all()
    unmoved = (np.abs(shift) > 0.5).mean(("chain", "draw")).values[truth.values == 0]
    assert (unmoved < 0.5).all()


def test_a_fit_proves_itself_when_it_is_read(fit_shifted, tmp_path):
    fit = fit_shifted("informed")
    loaded = load_fit(save_fit(fit, tmp_path / "fit.nc"))
    xr.testing.assert_identical(loaded.posterior, fit.posterior)
    assert loaded.pilot.nodes.n_nodes == fit.pilot.nodes.n_nodes
    assert loaded.spec == fit.spec


def test_the_posterior_holds_named_quantities_with_real_labels(items_fit, five):
    dims = {name: values.dims[2:] for name, values in items_fit.posterior.data_vars.items()}
    assert dims == {
        "beta": ("form", "coefficient"),
        "tau_intercept": ("form",),
        "tau": ("form", "driver"),
        "tau_kappa": (),
        "b_intercept": ("country", "form"),
        "b": ("country", "form", "coefficient"),
        "kappa": ("threshold",),
        "shift": ("country", "item"),
        "sigma": ("form",),
        "rho": ("pair",),
    }
    assert list(items_fit.posterior["item"].values) == [item.name for item in five.codebook.items]
    assert list(items_fit.posterior["threshold"].values) == list(five.truth["threshold"].values)


def test_the_truth_of_the_five_nations_is_recovered(items_fit, five):
    assert_truth_is_within_four_sds(items_fit, five.truth)


def test_no_shift_is_found_in_the_five_nations_where_none_was_planted(items_fit):
    beyond = (np.abs(items_fit.posterior["shift"]) > 0.5).mean(("chain", "draw"))
    assert (beyond < 0.9).all()
