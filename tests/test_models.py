"""Every model file: it loads, builds, has a density, and says nothing absurd before the data."""

from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.replace import clone_replace
from scipy.special import expit

from bayes_coprod.model.build import build_model
from bayes_coprod.model.design import make_design
from bayes_coprod.model.item_layout import item_layout, n_coordinates
from bayes_coprod.model.outcomes import outcome_dim
from bayes_coprod.model.pilot import Pilot
from bayes_coprod.model.priors import draw
from bayes_coprod.model.quadrature import Nodes
from bayes_coprod.model.spec import choose_item, list_models, load_model

FILES = sorted((Path(__file__).parents[1] / "models").glob("*.toml"))
PY = Mode("py", None)


def files_of(likelihood):
    return [path for path in FILES if load_model(path).likelihood == likelihood]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_every_file_is_offered_by_its_name(path):
    assert load_model(path.stem) == load_model(path)
    assert load_model(path).name == path.stem
    assert list_models()[path.stem].endswith("?")


@pytest.fixture
def built(path, five):
    spec = load_model(path)
    if spec.likelihood == "ordinal":
        spec = choose_item(spec, "recycle")
    design = make_design(five, spec)
    # without evidence and whitening: the priors are the same and can be drawn from
    shape = design.sizes["citizen"], design.sizes["form"]
    wide = Nodes(np.zeros(shape), np.full(shape, 0.5), (64,) * shape[1])
    pilot = Pilot(nodes=wide) if spec.likelihood == "items" else None
    return spec, design, build_model(spec, five.codebook, design, pilot)


def test_density_and_gradient_are_finite_at_the_start(built):
    _, _, model = built
    start = model.initial_point()
    assert np.isfinite(model.compile_logp(mode=PY)(start))
    assert np.isfinite(model.compile_dlogp(mode=PY)(start)).all()


def draw_prior(spec, design, model, names, draws=400):
    """Draw from the priors: what countries have in common first, then the rest given it."""
    rng = np.random.default_rng(1)
    assert spec.vary_by_country == "all"
    n_columns = 1 + design.sizes["coefficient"]
    n_outcomes = design.sizes[outcome_dim(spec)]
    effects = draw(spec.priors["beta"], (draws, n_outcomes, n_columns), rng)
    if spec.likelihood == "items":
        layout = item_layout(design)
        first = draw(spec.priors["kappa"], (draws, len(layout.form)), rng)
        level = [-first[:, layout.of(f)].mean(axis=1) for f in range(n_outcomes)]
        effects[:, :, 0] = np.stack(level, axis=1)
        rest = rng.normal(size=(draws, n_coordinates(design)[2]))
        others = [first @ layout.contrasts.T, rest]
    elif spec.likelihood == "ordinal":
        effects[:, :, 0] = -draw(spec.priors["kappa"], (draws, 1), rng)
        others = [np.log(draw(spec.priors["kappa_gap"], (draws, 1), rng))]
    else:
        effects[:, :, 0] = draw(spec.priors["intercept"], (draws, n_outcomes), rng)
        others = []
    common = np.concatenate([effects.reshape(draws, -1), *others], axis=1)
    # the common coordinates of this draw, the others anew
    row = pm.Categorical.dist(np.full(draws, 1 / draws))
    drawn = clone_replace(
        [model[name] for name in names], {model["z_common"]: pt.as_tensor(common)[row]}
    )
    return pm.draw(drawn, draws=draws, random_seed=1, mode=PY)


@pytest.mark.parametrize("path", files_of("index"), ids=lambda path: path.stem)
def test_prior_draws_of_indices_are_sane(built):
    spec, design, model = built
    level, slope, sd = draw_prior(spec, design, model, ["b_intercept", "b", "residual_sd"])
    mean, unit = design["outcome_mean"].values, design["outcome_sd"].values
    points = mean + unit * level
    assert ((points > -50) & (points < 150)).mean() > 0.95  # the scale is 0 to 100
    assert ((points > 0) & (points < 100)).mean() > 0.5
    steps = np.abs(slope * unit[:, None])
    assert (steps < 50).mean() > 0.95
    assert (steps > 1).mean() > 0.5
    assert (sd > 0).all()
    assert (unit * sd < 100).mean() > 0.99
    assert points.shape[1:] == (5, design.sizes[outcome_dim(spec)])


@pytest.mark.parametrize("path", files_of("items"), ids=lambda path: path.stem)
def test_prior_draws_of_items_are_sane(built):
    spec, design, model = built
    level, slope, kappa, shift, sigma, rho = draw_prior(
        spec, design, model, ["b_intercept", "b", "kappa", "shift", "sigma", "rho"]
    )
    assert np.std(kappa[:, ::2]) == pytest.approx(4, rel=0.1)  # every item has two thresholds
    lowest = expit(kappa[:, ::2])
    assert ((lowest > 0.01) & (lowest < 0.99)).mean() > 0.6  # a category may be rare, or not
    assert ((kappa[:, 1::2] - kappa[:, ::2]) > 0).all()
    odds = np.exp(np.abs(slope))
    assert (odds < 5).mean() > 0.95
    assert (odds > 1.1).mean() > 0.5
    assert (np.abs(level) < 2).mean() > 0.95
    assert (np.abs(shift) < 1.5).mean() > 0.99
    assert ((sigma > 0.1) & (sigma < 6)).mean() > 0.9
    assert (np.abs(rho) < 1).all()
    assert np.std(rho) == pytest.approx(np.sqrt(1 / 3), rel=0.1)


@pytest.mark.parametrize("path", files_of("participation"), ids=lambda path: path.stem)
def test_prior_draws_of_participation_are_sane(built):
    spec, design, model = built
    level, slope = draw_prior(spec, design, model, ["b_intercept", "b"])
    share = expit(level)
    assert ((share > 0.01) & (share < 0.99)).mean() > 0.8
    assert (share < 0.5).mean() == pytest.approx(0.5, abs=0.07)
    odds = np.exp(np.abs(slope))
    assert (odds < 5).mean() > 0.95
    assert (odds > 1.1).mean() > 0.5


@pytest.mark.parametrize("path", files_of("ordinal"), ids=lambda path: path.stem)
def test_prior_draws_of_an_item_are_sane(built):
    spec, design, model = built
    level, slope, kappa, shift = draw_prior(
        spec, design, model, ["b_intercept", "b", "kappa", "threshold_shift"]
    )
    assert (np.diff(kappa, axis=1) > 0).all()
    assert (np.diff(kappa[:, None] + shift, axis=2) > 0).all()  # in every country
    assert np.std(kappa[:, 0]) == pytest.approx(4, rel=0.15)
    assert (np.abs(level) < 2).mean() > 0.95
    assert (np.abs(shift) < 1).mean() > 0.95
    assert (np.exp(np.abs(slope)) < 5).mean() > 0.95
