import json
from dataclasses import replace

import arviz_stats as azs
import h5py
import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics.prior import draw_prior
from bayes_coprod.errors import CoprodError, FitFileError
from bayes_coprod.inference.fit import Fit, load_fit, save_fit, thin_fit


@pytest.fixture(scope="module")
def saved(flat_fit, tmp_path_factory):
    return save_fit(flat_fit, tmp_path_factory.mktemp("fits") / "fit.nc")


@pytest.fixture
def altered(saved, tmp_path):
    """A copy of the file that a test may spoil."""
    path = tmp_path / "fit.nc"
    path.write_bytes(saved.read_bytes())
    return path


def same(one, other):
    assert one.spec == other.spec
    assert one.codebook == other.codebook
    xr.testing.assert_identical(one.design, other.design)
    xr.testing.assert_identical(one.tree, other.tree)
    assert one.digest == other.digest


def test_a_fit_comes_back_as_it_was_saved(fit, tmp_path):
    same(load_fit(save_fit(fit, tmp_path / "fit.nc")), fit)


def test_a_loaded_fit_saves_and_loads_again(saved, flat_fit, tmp_path):
    loaded = load_fit(saved)
    same(load_fit(save_fit(loaded, str(tmp_path / "again.nc"))), flat_fit)
    assert "fit.nc" not in repr(loaded)
    assert repr(loaded) == repr(flat_fit)


def test_a_prior_is_no_fit_to_the_same_data(flat_fit, flat_model, flat_survey):
    assert draw_prior(flat_model, flat_survey, draws=2).digest != flat_fit.digest


@pytest.mark.parametrize(
    "content",
    [
        {"outcomes": ["form", "sector"], "sigma_varies": True, "vary_by_country": ["age"]},
        {"drivers": "none", "forms": ["alone"], "parametrisation": "centred"},
    ],
)
def test_every_kind_of_model_can_be_saved(small, random_fit, content, tmp_path):
    from bayes_coprod.inference.pilot import fit_pilot
    from bayes_coprod.model.build import build_model, log_density_at
    from bayes_coprod.model.pilot import pilot_dataset

    fit = random_fit(small, **content)
    pilot = fit_pilot(fit.spec, fit.codebook, fit.design)
    model = build_model(fit.spec, fit.codebook, fit.design, pilot)
    rng = np.random.default_rng(6)
    proof = xr.Dataset(
        {
            variable.name: (
                [f"{variable.name}_{i}" for i in range(variable.ndim)],
                rng.uniform(0.3, 0.7, size=variable.shape.eval()),
            )
            for variable in model.free_RVs
        }
    )
    draw = {name: proof[name].values for name in proof.data_vars}
    proof.attrs["log_density"] = log_density_at(model, draw)
    fit.tree["proof"] = xr.DataTree(proof)
    fit.tree["posterior"].attrs["bayes_coprod_version"] = "0.1.0"
    if pilot is not None:
        fit.tree["pilot"] = xr.DataTree(pilot_dataset(pilot))

    same(load_fit(save_fit(fit, tmp_path / "fit.nc")), fit)

    fit.tree["proof"].attrs["log_density"] += 1
    with pytest.raises(FitFileError, match="fails its proof"):
        load_fit(save_fit(fit, tmp_path / "fit.nc"))


def test_arviz_works_on_the_tree(fit):
    assert float(azs.rhat(fit.tree)["beta"].max()) < 1.05
    assert float(azs.ess(fit.tree)["beta"].min()) > 100
    table = azs.summary(fit.tree, var_names=["intercept", "rho"])
    assert list(table.index) == [
        "intercept[individual]",
        "intercept[collective]",
        "rho[individual ~ collective]",
    ]
    assert azs.bfmi(fit.tree["sample_stats"].to_dataset())["energy"].min() > 0.3


def test_arviz_works_on_a_loaded_tree(saved):
    assert "intercept[alone]" in azs.summary(load_fit(saved).tree).index


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FitFileError, match=r"load_fit: there is no file .*none\.nc"):
        load_fit(tmp_path / "none.nc")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(altered, share):
    whole = altered.read_bytes()
    altered.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FitFileError, match="fit.nc (cannot be read as|is no) netCDF"):
        load_fit(altered)


def test_a_file_that_is_not_hdf5_is_refused(tmp_path):
    path = tmp_path / "fit.nc"
    path.write_text("id,country\n1,DK\n")
    with pytest.raises(FitFileError, match="fit.nc is no netCDF file.*read_survey"):
        load_fit(path)


def test_another_netcdf_file_is_refused(tmp_path):
    path = tmp_path / "weather.nc"
    xr.Dataset({"rain": ("day", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FitFileError, match="weather.nc is not a fit of this package"):
        load_fit(path)


def test_another_arviz_file_is_refused(tmp_path, flat_fit):
    path = tmp_path / "other.nc"
    flat_fit.tree.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FitFileError, match="other.nc is not a fit of this package"):
        load_fit(path)


@pytest.mark.parametrize(
    "variable", ["posterior/beta", "design/y", "design/column_sd", "proof/z_residual_sd"]
)
def test_an_altered_value_is_refused(altered, variable):
    with h5py.File(altered, "r+") as file:
        value = file[variable]
        first = (0,) * value.ndim
        value[first] = value[first] + 1e-9
    with pytest.raises(FitFileError, match=r"fit\.nc was altered after it was saved"):
        load_fit(altered)


def test_an_altered_label_is_refused(altered):
    with h5py.File(altered, "r+") as file:
        file["design/country"][0] = "Bulgaria"
    with pytest.raises(FitFileError, match=r"fit\.nc was altered"):
        load_fit(altered)


def test_an_altered_title_is_refused(altered):
    with h5py.File(altered, "r+") as file:
        file["design"].attrs["survey"] = "A real survey"
    with pytest.raises(FitFileError, match=r"fit\.nc was altered"):
        load_fit(altered)


@pytest.mark.parametrize(
    ("attribute", "key", "value"),
    [("spec", "pooling", "partial"), ("codebook", "survey", {"name": "Real", "forms": ["a"]})],
)
def test_an_altered_attribute_is_refused(altered, attribute, key, value):
    with h5py.File(altered, "r+") as file:
        content = json.loads(file.attrs[attribute])
        file.attrs[attribute] = json.dumps(content | {key: value})
    with pytest.raises(FitFileError, match=r"fit\.nc was altered"):
        load_fit(altered)


def test_another_format_version_is_refused_by_number(altered):
    with h5py.File(altered, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(FitFileError, match="format version 99, this package reads version 2"):
        load_fit(altered)


def test_a_model_that_gives_another_density_fails_the_proof(flat_fit, tmp_path):
    tree = flat_fit.tree.copy(deep=True)
    tree["proof"].attrs["log_density"] += 0.1
    path = save_fit(replace(flat_fit, tree=tree), tmp_path / "fit.nc")  # with a digest that fits
    with pytest.raises(FitFileError, match=r"fails its proof.*It was fitted with bayes_coprod"):
        load_fit(path)


def test_changed_data_fail_the_proof(flat_fit, tmp_path):
    design = flat_fit.design.copy(deep=True)
    design["y"][0, 0] += 0.5
    path = save_fit(replace(flat_fit, design=design), tmp_path / "fit.nc")
    with pytest.raises(FitFileError, match="fails its proof"):
        load_fit(path)


def test_nothing_half_written_stays_when_writing_fails(flat_fit, tmp_path, monkeypatch):
    path = tmp_path / "fit.nc"
    path.write_text("the earlier fit")

    def fail(_, temporary, **__):
        temporary.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fail)
    with pytest.raises(OSError, match="no space left"):
        save_fit(flat_fit, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["fit.nc"]
    assert path.read_text() == "the earlier fit"


def test_a_missing_folder_is_refused(flat_fit, tmp_path):
    with pytest.raises(CoprodError, match="save_fit: cannot write to the folder .*Make it first"):
        save_fit(flat_fit, tmp_path / "none" / "fit.nc")


def test_saving_leaves_the_fit_as_it_was(flat_fit, tmp_path):
    groups = set(flat_fit.tree.children)
    save_fit(flat_fit, tmp_path / "fit.nc")
    assert set(flat_fit.tree.children) == groups
    assert flat_fit.tree.attrs == {}


def test_a_fit_is_shown_with_its_escaped_name(flat_fit):
    named = replace(flat_fit, spec=replace(flat_fit.spec, name="<b>"))
    assert "300 citizens in 3 countries" in repr(named)
    assert "&lt;b&gt;" in named._repr_html_()
    assert isinstance(named, Fit)


def test_a_thinned_fit_has_evenly_spaced_draws_of_each_chain(fit):
    thin = thin_fit(fit, 3)
    np.testing.assert_array_equal(thin.posterior["b"], fit.posterior["b"].isel(draw=[0, 250, 499]))
    assert list(thin.posterior["draw"].values) == [0, 1, 2]
    assert "sample_stats" not in thin.tree.children
    assert thin_fit(fit, 500) is fit
