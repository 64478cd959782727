import arviz_stats as azs
import numpy as np
import pytest
import xarray as xr

from bayes_coprod.errors import SpecError, SurveyError
from bayes_coprod.inference import sample
from bayes_coprod.inference.sample import fit_model
from bayes_coprod.model.design import make_design
from bayes_coprod.model.spec import load_model, override_sampler


def test_same_seed_same_draws(flat_survey, flat_model, flat_fit):
    again = fit_model(flat_model, flat_survey, draws=500, tune=200, progressbar=False)
    xr.testing.assert_identical(
        again.posterior.drop_attrs(deep=False), flat_fit.posterior.drop_attrs(deep=False)
    )


def test_chains_are_different(flat_fit):
    first = flat_fit.posterior["intercept"].isel(draw=0, form=0).values
    assert len(set(first)) == 4


def test_without_pooling_and_under_flat_priors_posterior_means_are_least_squares(flat_fit):
    design = flat_fit.design
    assert not design["y"].isnull().any()  # then outcomes that share X do not lean on each other
    x = np.column_stack([np.ones(design.sizes["citizen"]), design["x"].values])
    country = design["country_index"].values
    posterior = flat_fit.posterior[["b_intercept", "b"]]
    mcse = azs.mcse(posterior)
    mean = posterior.mean(("chain", "draw"))
    for c in range(design.sizes["country"]):
        rows = country == c
        squares, *_ = np.linalg.lstsq(x[rows], design["y"].values[rows], rcond=None)
        for name, expected in (("b_intercept", squares[0]), ("b", squares[1:].T)):
            error = np.abs(mean[name].values[c] - expected)
            assert (error < 4 * mcse[name].values[c]).all()
            assert (mcse[name].values[c] < 0.01).all()


def test_residual_sd_and_correlation_are_those_of_the_residuals(flat_fit):
    design, posterior = flat_fit.design, flat_fit.posterior
    x = np.column_stack([np.ones(design.sizes["citizen"]), design["x"].values])
    residuals = []
    for c in range(design.sizes["country"]):
        rows = design["country_index"].values == c
        y = design["y"].values[rows]
        residuals.append(y - x[rows] @ np.linalg.lstsq(x[rows], y, rcond=None)[0])
    residuals = np.concatenate(residuals)
    n_lost = 3 * x.shape[1]
    sd = np.sqrt((residuals**2).sum(axis=0) / (len(residuals) - n_lost))
    rho = np.corrcoef(residuals.T)[0, 1]
    np.testing.assert_allclose(posterior["residual_sd"].mean(("chain", "draw")), sd, rtol=0.02)
    assert float(posterior["rho"].mean()) == pytest.approx(rho, abs=0.02)


def test_what_was_overridden_stands_in_the_specification(fit, flat_fit):
    assert fit.spec == override_sampler(load_model("index"), draws=500, tune=300)
    assert (flat_fit.spec.sampler.draws, flat_fit.spec.sampler.tune) == (500, 200)
    assert flat_fit.posterior.sizes["draw"] == 500
    assert flat_fit.posterior.sizes["chain"] == flat_fit.spec.sampler.chains == 4


def test_nobody_is_lost_silently(five, fit):
    design = fit.design
    out = design["without_driver"] + design["without_outcome"]
    in_fit = np.bincount(design["country_index"].values)
    np.testing.assert_array_equal(design["asked"] - out, in_fit)
    np.testing.assert_array_equal(design["asked"], five.data["country"].value_counts(sort=False))
    drivers = [driver.name for driver in five.codebook.drivers]
    without = five.data[drivers].isna().any(axis=1).groupby(five.data["country"]).sum()
    np.testing.assert_array_equal(design["without_driver"], without)
    assert without.sum() > 100
    assert f"{without.sum():,} left out for want of a driver" in repr(fit)
    xr.testing.assert_identical(design, make_design(five, fit.spec))


def test_the_posterior_holds_named_quantities_with_real_labels(five, fit):
    posterior = fit.posterior
    dims = {name: values.dims[2:] for name, values in posterior.data_vars.items()}
    assert dims == {
        "intercept": ("form",),
        "beta": ("form", "coefficient"),
        "tau_intercept": ("form",),
        "tau": ("form", "driver"),
        "b_intercept": ("country", "form"),
        "b": ("country", "form", "coefficient"),
        "residual_sd": ("form",),
        "rho": ("pair",),
    }
    assert list(posterior["country"].values) == list(five.countries) == fit.countries
    assert list(posterior["form"].values) == ["individual", "collective"]
    assert list(posterior["coefficient"].values) == list(fit.design["coefficient"].values)
    assert list(posterior["driver"].values) == [driver.name for driver in five.codebook.drivers]
    assert list(posterior["pair"].values) == ["individual ~ collective"]
    xr.testing.assert_allclose(posterior["b"].mean("country"), posterior["beta"], atol=1e-10)


def test_the_tree_says_what_made_it(fit):
    attrs = fit.tree["posterior"].attrs
    assert attrs["inference_library"] == "nutpie"
    assert {"pymc_version", "bayes_coprod_version", "sampling_time"} <= set(attrs)
    assert attrs["discarded_runs"] == 0
    stats = set(fit.tree["sample_stats"].data_vars)
    assert {"diverging", "energy", "lp", "tree_depth", "acceptance_rate"} <= stats
    assert "pilot" in fit.tree.children


def test_a_run_with_divergences_is_discarded_and_said(flat_survey, flat_model, monkeypatch):
    run, taken = sample._run, []

    def diverge_at_first(*arguments):
        found = run(*arguments)
        found["sample_stats"]["diverging"][0, 0] = not taken
        taken.append(arguments[-1])
        return found

    monkeypatch.setattr(sample, "_run", diverge_at_first)
    fit = fit_model(flat_model, flat_survey, draws=20, tune=20, progressbar=False)
    attrs = fit.tree["posterior"].attrs
    assert taken == sorted(set(taken))
    assert len(taken) == 2
    assert (attrs["target_accept"], attrs["discarded_runs"]) == (taken[1], 1)
    assert not fit.tree["sample_stats"]["diverging"].any()


def test_everything_is_refused_before_sampling(five, small_frame, small_book, monkeypatch):
    from bayes_coprod.survey.read import read_survey

    def sampled(*_):
        raise AssertionError("sampling began")

    monkeypatch.setattr(sample, "_sample", sampled)
    with pytest.raises(SpecError, match="unknown driver 'ages'"):
        fit_model({"name": "a", "likelihood": "index", "drivers": ["ages"]}, five)
    with pytest.raises(SpecError, match="chains = 0"):
        fit_model("index", five, chains=0)
    with pytest.raises(SurveyError, match="no variation"):
        fit_model("index", read_survey(small_frame.assign(age=40), small_book))
    with pytest.raises(AssertionError, match="sampling began"):
        fit_model("index", five)
