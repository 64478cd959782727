"""Every model file: it loads, builds, has a density, and says nothing absurd before the data."""

from pathlib import Path

import numpy as np
import pymc as pm
import pytest
from pytensor.compile.mode import Mode

from bayes_coprod.model.build import build_model
from bayes_coprod.model.design import make_design, outcome_dim
from bayes_coprod.model.spec import list_models, load_model

FILES = sorted((Path(__file__).parents[1] / "models").glob("*.toml"))
PY = Mode("py", "fast_compile")


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
    design = make_design(five, spec)
    # without a pilot: the priors are the same and can be drawn from
    return spec, design, build_model(spec, five.codebook, design)


def test_density_and_gradient_are_finite_at_the_start(built):
    _, _, model = built
    start = model.initial_point()
    assert np.isfinite(model.compile_logp(mode=PY)(start))
    assert np.isfinite(model.compile_dlogp(mode=PY)(start)).all()


def test_prior_draws_are_sane(built):
    spec, design, model = built
    level, slope, sd = pm.draw(
        [model["b_intercept"], model["b"], model["residual_sd"]],
        draws=400,
        random_seed=1,
        mode=PY,
    )
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
