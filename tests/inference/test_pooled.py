from dataclasses import replace
from functools import partial

import arviz_stats as azs
import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.errors import FitFileError, SurveyError
from bayes_coprod.estimands.countries import country_levels, gap
from bayes_coprod.estimands.curves import category_curves
from bayes_coprod.estimands.drivers import driver_contrast, driver_effects, strongest_driver
from bayes_coprod.estimands.groups import group_levels
from bayes_coprod.estimands.pooling import compare_pooling
from bayes_coprod.estimands.propensities import citizen_propensities
from bayes_coprod.inference.fit import load_fit, save_fit
from bayes_coprod.inference.pointwise import add_log_likelihood
from bayes_coprod.inference.sample import fit_model
from bayes_coprod.model.completed import make_completed_design, read_imputed
from bayes_coprod.model.design import make_design
from bayes_coprod.survey.impute import impute

SETTINGS = {"draws": 60, "tune": 60, "chains": 2, "progressbar": False}
INDEX = {"name": "index", "likelihood": "index", "pooling": "complete"}
# one form: the integral over citizens is along one axis
ITEMS = {"name": "items", "likelihood": "items", "pooling": "complete", "forms": ["alone"]}


@pytest.fixture(scope="module")
def gappy(flat_survey):
    """Fewer citizens, of whom every third misses the age."""
    data = flat_survey.data.iloc[::2].reset_index(drop=True)
    age = data["age"].mask(np.random.default_rng(2).random(len(data)) < 0.3)
    return replace(flat_survey, data=data.assign(age=age), origin="read_survey('s.csv')")


@pytest.fixture(scope="module")
def completed(gappy):
    return impute(gappy, m=2, iterations=1)


@pytest.fixture(scope="module")
def pooled(completed):
    return fit_model(INDEX, completed, **SETTINGS)


@pytest.fixture(scope="module")
def pooled_items(completed):
    return fit_model(ITEMS, list(completed), **SETTINGS)


def assert_the_same(ours, expected, fit):
    """Draws are those of the parts, and say that they are the pooled fit's."""
    variables = ours.data_vars.values() if isinstance(ours, xr.Dataset) else [ours]
    for variable in variables:
        assert variable.attrs["fit"] == fit.digest
    xr.testing.assert_equal(ours.drop_vars("imputation"), expected)
    assert ours.attrs == expected.attrs | {"fit": fit.digest}


def of_parts(fit, quantity):
    """A quantity of each part, and the chains of all one after another."""
    return xr.concat([quantity(part) for part in fit.parts], dim="chain", join="exact")


def assert_pooled(fit, quantity, **given):
    ours = quantity(fit, **given)
    assert list(ours["chain"].values) == [0, 1, 2, 3]
    assert list(ours["imputation"].values) == [1, 1, 2, 2]
    expected = of_parts(fit, lambda part: quantity(part, **given))
    assert_the_same(ours, expected, fit)


def test_chains_of_all_data_sets_follow_one_another(pooled):
    assert pooled.posterior.sizes["chain"] == 4
    assert list(pooled.posterior["chain"].values) == [0, 1, 2, 3]
    assert list(pooled.posterior["imputation"].values) == [1, 1, 2, 2]
    assert pooled.tree["sample_stats"].sizes["chain"] == 4
    one, two = pooled.parts
    for k, part in enumerate((one, two)):
        assert part.posterior.sizes["chain"] == 2
        assert part.design["x"].dims == ("citizen", "coefficient")
        assert part.spec.sampler.random_seed == pooled.spec.sampler.random_seed + k
        assert part.parts == (part,)
    assert not np.array_equal(one.posterior["beta"], two.posterior["beta"])
    seconds = [part.posterior.attrs["sampling_time"] for part in pooled.parts]
    assert pooled.posterior.attrs["sampling_time"] == pytest.approx(sum(seconds))
    assert "4 chains of 60 draws, 2 for each of 2 completed data sets" in repr(pooled)
    assert "150 citizens in 3 countries; 0 left out for want of a driver" in repr(pooled)


def test_a_part_is_the_fit_of_its_data_set(pooled):
    """Each part samples what it would sample alone: the same data, coding and seed."""
    from bayes_coprod.inference.sample import fit_design

    part = pooled.parts[1]
    alone = fit_design(part.spec, part.codebook, part.design, False)
    np.testing.assert_allclose(alone.posterior["beta"], part.posterior["beta"], rtol=1e-6)


def test_all_data_sets_are_coded_alike(completed, index_spec):
    design = make_completed_design(completed, index_spec())
    assert design["x"].dims == ("imputation", "citizen", "coefficient")
    x = design["x"] * design["column_sd"] + design["column_mean"]
    for k, survey in enumerate(completed, start=1):
        by_id = survey.data.set_index("citizen").loc[design["citizen"].values]
        for driver in ("age", "female"):
            np.testing.assert_allclose(x.sel(imputation=k, coefficient=driver), by_id[driver])
    age = design["x"].sel(coefficient="age")
    assert float(age.mean()) == pytest.approx(0, abs=1e-12)
    assert float(age.std()) == pytest.approx(1)
    assert float(design["column_sd"].sel(coefficient="female")) == 1
    assert design["without_driver"].sum() == 0
    assert read_imputed(design) == completed[0].imputed
    other = make_completed_design(completed[::-1], index_spec())
    assert other.attrs["digest"] != design.attrs["digest"]


def test_the_call_that_gives_all_data_sets(gappy, completed, index_spec):
    def attrs(surveys):
        return make_completed_design(surveys, index_spec()).attrs

    call = "impute(bc.read_survey('s.csv'), m=2, random_seed=2008, iterations=1)"
    assert attrs(completed)["origin"] == call
    turned = attrs(completed[::-1])
    assert turned["origin"] == f"[bc.{call}[1], bc.{call}[0]]"
    three = impute(replace(gappy, command="run s.csv"), m=3)
    assert attrs(three)["command"] == "run s.csv --impute 3"
    fewer = index_spec(drivers=["female"])  # the command would not fill in age
    assert make_completed_design(three, fewer).attrs["command"] == ""
    assert attrs(three[:2])["command"] == ""
    assert attrs(three[:2])["origin"].startswith("[bc.impute(")


@pytest.mark.parametrize(
    ("quantity", "given"),
    [
        (country_levels, {}),
        (country_levels, {"uncertainty": "fixed"}),
        (gap, {}),
        (driver_effects, {}),
        (driver_contrast, {"scale": "link"}),
    ],
)
def test_quantities_of_an_index_fit_are_those_of_its_parts(pooled, quantity, given):
    assert_pooled(pooled, quantity, **given)


@pytest.mark.parametrize(
    ("quantity", "given"),
    [
        (country_levels, {"scale": "any"}),
        (driver_effects, {"scale": "share"}),
        (driver_effects, {"scale": "link"}),
        (category_curves, {"driver": "female", "form": "alone"}),
        (citizen_propensities, {"draws": 5}),
    ],
)
def test_quantities_of_an_items_fit_are_those_of_its_parts(pooled_items, quantity, given):
    assert_pooled(pooled_items, quantity, **given)


def test_groups_are_those_of_its_parts(pooled_items):
    ours = group_levels(pooled_items, "female")
    assert ours["share"].dims == ("country", "group")
    expected = of_parts(pooled_items, lambda part: group_levels(part, "female")["levels"])
    assert_the_same(ours["levels"], expected, pooled_items)


def test_countries_by_themselves_are_fitted_to_each_data_set(completed):
    fit = fit_model({"name": "index", "likelihood": "index"}, completed, **SETTINGS)
    ours = compare_pooling(fit, of=partial(gap, uncertainty="fixed"), progressbar=False)
    xr.testing.assert_equal(ours["partial"], gap(fit, uncertainty="fixed"))
    assert list(ours["none"]["imputation"].values) == [1, 1, 2, 2]
    first = fit.parts[0]
    alone = compare_pooling(first, of=partial(gap, uncertainty="fixed"), progressbar=False)
    of_first = ours["none"].isel(chain=slice(2)).drop_vars("imputation")
    np.testing.assert_allclose(alone["none"], of_first)


def test_curves_along_a_number_are_at_the_same_values_in_all_parts(pooled_items):
    curves = category_curves(pooled_items, "age", "alone")
    assert curves.sizes["value"] == 9
    assert curves.notnull().all()
    np.testing.assert_allclose(curves.sum("category"), 1)


def test_a_seed_of_ones_own_differs_between_parts(pooled):
    ours = country_levels(pooled, random_seed=7)
    one, two = (country_levels(part, random_seed=7 + k) for k, part in enumerate(pooled.parts))
    np.testing.assert_array_equal(ours, np.concatenate([one, two]))


def test_the_strongest_driver_is_found(pooled, gappy):
    assert strongest_driver(pooled) in {driver.name for driver in gappy.codebook.drivers}


def test_each_draw_has_the_likelihood_of_its_data_set(pooled):
    with_it = add_log_likelihood(pooled)
    values = with_it.tree["log_likelihood"]["answers"]
    expected = [add_log_likelihood(part).tree["log_likelihood"]["answers"] for part in pooled.parts]
    np.testing.assert_array_equal(values, np.concatenate(expected))
    assert azs.loo(with_it.tree).n_data_points == 150
    assert "log_likelihood" in with_it.parts[1].tree.children


@pytest.mark.parametrize("kind", ["pooled", "pooled_items"])
def test_a_pooled_fit_comes_back_as_it_was_saved(kind, request, tmp_path):
    fit = request.getfixturevalue(kind)
    loaded = load_fit(save_fit(fit, tmp_path / "fit.nc"))
    xr.testing.assert_identical(loaded.design, fit.design)
    xr.testing.assert_identical(loaded.tree, fit.tree)
    assert repr(loaded) == repr(fit)
    assert country_levels(loaded).identical(country_levels(fit))


def test_each_part_must_prove_itself(pooled, tmp_path):
    tree = pooled.tree.copy(deep=True)
    tree["imputations/2/proof"].attrs["log_density"] += 0.1
    with pytest.raises(FitFileError, match="fails its proof"):
        load_fit(save_fit(replace(pooled, tree=tree), tmp_path / "fit.nc"))


@pytest.mark.slow
def test_data_sets_that_do_not_differ_give_the_posterior_of_one(flat_survey):
    settings = {**SETTINGS, "draws": 500, "tune": 150}
    one = fit_model(INDEX, flat_survey, **settings)
    both = fit_model(INDEX, [flat_survey, flat_survey], **settings)
    np.testing.assert_allclose(both.parts[0].design["x"], one.design["x"], atol=1e-12)
    draws = ("chain", "draw")
    for name in ("beta", "residual_sd", "rho"):
        sd = one.posterior[name].std(draws)
        away = abs(both.posterior[name].mean(draws) - one.posterior[name].mean(draws))
        assert float((away / sd).max()) < 0.2
        np.testing.assert_allclose(both.posterior[name].std(draws), sd, rtol=0.15)
    (found,) = [f for f in check_fit(both) if f.check == "imputation"]
    assert (found.status, found.value < 0.03) == ("pass", True)


def refuse(surveys, message):
    with pytest.raises(SurveyError, match=f"fit_model: {message}"):
        fit_model(INDEX, surveys, **SETTINGS)


def test_too_few_data_sets_are_refused(completed):
    refuse(completed[:1], "takes two completed data sets or more, and here is one")
    refuse([], "takes two completed data sets or more, and here are none")


def test_what_are_no_surveys_is_refused(completed):
    refuse([completed[0], "s.csv"], "survey 2 is a str")
    refuse("s.csv", "takes a survey, and this is a str")
    refuse(iter(completed), "takes a survey, and this is a tuple_iterator")


def test_gaps_that_are_left_are_refused(gappy, completed):
    refuse([completed[0], gappy], r"survey 2 still misses \d+ values of the driver 'age'")


def test_gaps_of_a_driver_that_the_model_leaves_out_are_no_matter(gappy, index_spec):
    design = make_completed_design([gappy, gappy], index_spec(drivers=["female"]))
    assert design.sizes["imputation"] == 2


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("citizen", "somebody", "citizen"),
        ("country", "Cyprus", "country"),
        ("watch", "3", "the answers to 'watch'"),
        ("female", 0.5, "the driver 'female', which was not imputed"),
    ],
)
def test_other_citizens_or_answers_are_refused(completed, column, value, said):
    data = completed[1].data.copy()
    data.loc[data.index[0], column] = value
    other = replace(completed[1], data=data)
    refuse([*completed, other], f"survey 3 differs from survey 1 in {said}. Completed data sets")


def test_another_codebook_is_refused(completed):
    other = replace(completed[1], codebook=replace(completed[1].codebook, name="Other"))
    refuse([completed[0], other], "survey 2 differs from survey 1 in the codebook")


def test_one_completed_data_set_by_itself_is_unknown(completed, pooled):
    alone = fit_model(INDEX, completed[0], **SETTINGS)
    assert make_design(completed[0], alone.spec).attrs["digest"] == alone.design.attrs["digest"]
    for fit in (alone, pooled.parts[0]):
        found = {finding.check: finding for finding in check_fit(fit)}
        assert found["imputed drivers"].where == "age"
        assert found["imputation"].status == "unknown"
        assert "One completed data set by itself" in found["imputation"].message


def test_completed_data_sets_of_a_model_of_counts_are_pooled_and_checked(completed):
    model = {"name": "any", "likelihood": "participation", "forms": ["together"]}
    fit = fit_model(model, completed, draws=40, tune=60, progressbar=False)
    levels = country_levels(fit)
    assert levels.sizes["chain"] == 4 * len(completed)
    assert ((levels > 0) & (levels < 1)).all()
    assert "imputation" in {finding.check for finding in check_fit(fit)}
    fit.tree["imputations/2/pilot"].attrs["problem"] = "The pilot found no mode."
    (found,) = [finding for finding in check_fit(fit) if finding.check == "pilot"]
    assert (found.status, found.message) == ("warn", "The pilot found no mode.")
