from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics import left_out
from bayes_coprod.diagnostics.conclusions import conclusions
from bayes_coprod.diagnostics.countries import check_countries
from bayes_coprod.diagnostics.left_out import leave_one_country_out
from bayes_coprod.errors import SpecError, SurveyError, WorkerError
from bayes_coprod.estimands.countries import country_levels
from bayes_coprod.inference.pointwise import add_log_likelihood, take_nodes
from bayes_coprod.inference.sample import fit_model
from bayes_coprod.inference.unseen import unseen_country
from bayes_coprod.model.subset import only_country

INDEX = {"name": "index", "likelihood": "index", "drivers": ["age"]}
SETTINGS = {"draws": 100, "tune": 100, "chains": 2, "progressbar": False}


@pytest.fixture(scope="module")
def known(flat_survey):
    return fit_model(INDEX, flat_survey, **SETTINGS)


@pytest.fixture(scope="module")
def result(known):
    return leave_one_country_out(known)


def without(survey, country):
    data = survey.data[survey.data["country"] != country].reset_index(drop=True)
    data["country"] = data["country"].cat.remove_unused_categories()
    return replace(survey, data=data)


def alike(fit):
    """A fit whose countries are all as the first, and have no spread."""
    posterior = fit.tree["posterior"].to_dataset()
    for name, values in posterior.data_vars.items():
        if "country" in values.dims:
            same = values.isel(country=[0] * values.sizes["country"])
            posterior[name] = values.copy(data=same.values)
        if str(name).startswith("tau"):
            posterior[name] = xr.zeros_like(values)
    tree = fit.tree.copy()
    tree["posterior"] = xr.DataTree(posterior)
    return replace(fit, tree=tree)


def assert_as_known(fit):
    """Where countries are alike, one that was not seen is as they are."""
    country = fit.countries[1]
    own = fit.design["country_index"].values == 1
    rng = np.random.default_rng(4)
    unseen = unseen_country(
        fit, only_country(fit.design, country), take_nodes(fit, own, wider=2), rng
    )
    ours, known = (add_log_likelihood(f).tree["log_likelihood"]["answers"] for f in (unseen, fit))
    np.testing.assert_allclose(ours, known[..., own], rtol=1e-6)
    assert unseen.countries == [country]
    levels = [country_levels(f, uncertainty="fixed").sel(country=country) for f in (unseen, fit)]
    np.testing.assert_allclose(levels[0], levels[1], rtol=1e-6)


def test_an_unseen_country_among_equals_is_one_of_them(small, strict, random_fit):
    assert_as_known(alike(random_fit(small)))
    assert_as_known(alike(random_fit(strict, likelihood="participation", drivers="none")))
    ordinal = random_fit(strict, likelihood="ordinal", item="watch")
    ordinal.tree["posterior"]["kappa"][:] = [-1.0, 0.5, 2.0]
    ordinal.tree["posterior"]["threshold_shift"] *= 0.1
    shift = ordinal.tree["posterior"]["threshold_shift"]
    shift -= shift.mean("threshold")
    assert_as_known(alike(ordinal))


@pytest.mark.parametrize(("pooling", "sd"), [("partial", 0.7), ("none", 2.0), ("complete", 0.0)])
def test_an_unseen_country_is_drawn_from_where_the_others_leave_it(small, random_fit, pooling, sd):
    fit = random_fit(small, draws=4000, pooling=pooling, vary_by_country=["age"])
    posterior = fit.tree["posterior"].to_dataset()
    for name in {"tau", "tau_intercept"} & set(posterior):
        posterior[name] = xr.full_like(posterior[name], 0.7)
    fit.tree["posterior"] = posterior
    design = only_country(fit.design, "Belgium")
    unseen = unseen_country(fit, design, None, np.random.default_rng(4)).posterior
    away = {
        n: unseen[n].isel(country=0) - posterior[n].mean("country") for n in ("b", "b_intercept")
    }
    expected = sd * np.sqrt(1 + 1 / 3)
    np.testing.assert_allclose(away["b_intercept"].std(("chain", "draw")), expected, rtol=0.05)
    np.testing.assert_allclose(away["b"].sel(coefficient="age").std(), expected, rtol=0.05)
    np.testing.assert_allclose(away["b"].sel(coefficient="trust"), 0, atol=1e-12)


def test_the_others_are_fitted_as_if_the_country_had_not_been_asked(flat_survey, known, result):
    alone = conclusions(fit_model(INDEX, without(flat_survey, "Cyprus"), **SETTINGS))
    ours = result["without"].sel(country="Cyprus")
    assert list(ours["conclusion"].values) == list(alone["conclusion"].values)
    sample = ("chain", "draw")
    # drivers and outcomes are coded by all citizens here, and by the others there
    z = (ours.mean(sample) - alone.mean(sample)) / alone.std(sample)
    assert float(abs(z).max()) < 0.6
    assert float(abs(ours.std(sample) / alone.std(sample) - 1).max()) < 0.4


def test_shifts_are_differences_in_posterior_sds(known, result):
    sample = ("chain", "draw")
    all_ = conclusions(known)
    xr.testing.assert_allclose(result["with_all"], all_.drop_attrs())
    moved = result["without"].mean(sample) - all_.mean(sample)
    xr.testing.assert_allclose(
        result["shift"], (moved / all_.std(sample)).transpose("country", ...)
    )
    # Austria does least and Cyprus most
    label = "mean level: alone"
    assert float(result["shift"].sel(country="Austria", conclusion=label)) > 0.8
    assert float(result["shift"].sel(country="Cyprus", conclusion=label)) < -1


def test_what_is_not_known_is_predicted_worse(known, result):
    assert (result["log_density"] < result["log_density_known"]).all()
    assert (result["log_density"] > result["log_density_known"] - 200).all()
    assert list(result["citizens"].values) == [100, 100, 100]
    own = country_levels(known)
    xr.testing.assert_allclose(result["level"], own)
    wider = result["predicted"].std(("chain", "draw")) / own.std(("chain", "draw"))
    assert float(wider.min()) > 1.5


def test_findings_name_what_hangs_on_which_country(result):
    moved = result.copy(deep=True)
    moved["shift"].loc[{"country": "Cyprus", "conclusion": "mean level: alone"}] = -3.04
    warned = check_countries(moved).only("warn")
    (found,) = [f for f in warned if f.where.startswith("mean level: alone")]
    assert (found.where, found.value) == ("mean level: alone, Cyprus", -3.04)
    # 3 countries x 2 levels, two-sided at 0.01, over sqrt(2)
    assert found.limit == pytest.approx(3.1440 / np.sqrt(2), rel=1e-3)
    before, after = (
        float(draws.sel(conclusion="mean level: alone").mean())
        for draws in (result["with_all"], result["without"].sel(country="Cyprus"))
    )
    assert found.message == (
        "Without Cyprus 'mean level: alone' moves by 3.0 posterior SDs, "
        f"from {before:.3g} to {after:.3g} points of 100."
    )


def test_what_stays_in_place_passes_and_what_does_not_is_named(result):
    rng = np.random.default_rng(1)
    many = xr.Dataset(coords={"draw": np.arange(1000)})
    still = result.isel(draw=[0] * 1000).assign_coords(many.coords)
    still["predicted"] = still["level"] + rng.normal(size=still["level"].shape)
    still["shift"] = xr.full_like(result["shift"], 0.1)
    assert check_countries(still).status == "pass"
    still["shift"].loc[{"country": "Cyprus", "conclusion": "mean gap"}] = -5
    (warned,) = check_countries(still).only("warn")
    assert warned.where == "mean gap, Cyprus"
    still["predicted"].loc[{"country": "Belgium", "form": "alone"}] += 100
    assert [f.where for f in check_countries(still).only("warn")][-1] == "alone, Belgium"


def test_an_item_that_one_country_alone_answered_is_named(flat_survey):
    data = flat_survey.data.copy()
    data.loc[data["country"] != "Cyprus", "patrol"] = np.nan
    survey = replace(flat_survey, data=data)
    items = {"name": "i", "likelihood": "items", "forms": ["together"], "drivers": ["age"]}
    fit = fit_model(items, survey, **(SETTINGS | {"draws": 10, "tune": 20}))
    result = leave_one_country_out(fit, progressbar=False)
    assert list(result["reason"].values) == ["", "", "no answers to the item 'patrol'"]
    assert result["shift"].isnull().all("conclusion").values.tolist() == [False, False, True]
    assert np.isfinite(result["log_density"].values[:2]).all()
    (unknown,) = [f for f in check_countries(result) if f.check == "left-out country"]
    assert (unknown.status, unknown.where) == ("unknown", "Cyprus")
    assert "without it there is no answers to the item 'patrol'" in unknown.message


def test_two_countries_are_too_few(flat_survey, random_fit):
    fit = random_fit(without(flat_survey, "Cyprus"))
    with pytest.raises(SurveyError, match="the fit has 2 countries, Austria and Belgium, and what"):
        leave_one_country_out(fit)


def test_no_draws_are_refused(known):
    with pytest.raises(SpecError, match="draws is 0"):
        leave_one_country_out(known, draws=0)


def test_a_worker_that_fails_names_the_country(known, monkeypatch):
    def fail(refit):
        raise MemoryError("no room")

    monkeypatch.setattr(left_out, "run_refit", fail)
    message = "leaving out, without Austria: failed with MemoryError: no room"
    with ThreadPoolExecutor(1) as pool, pytest.raises(WorkerError, match=message):
        leave_one_country_out(known, executor=pool)


def test_anything_else_is_no_result():
    with pytest.raises(SpecError, match="takes what leave_one_country_out returned"):
        check_countries(xr.Dataset())


def test_a_cluster_gives_what_this_process_gives(known, result):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = leave_one_country_out(known, executor=client.get_executor())
    xr.testing.assert_identical(there, result)
