"""Surveys and fits that many tests look at; each is made once."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from filelock import FileLock

SMALL_BOOK = {
    "survey": {"name": "Small", "forms": ["alone", "together"], "citizen": "id"},
    "country": {"column": "country"},
    "items": {
        "lock": {"form": "alone", "sector": "home", "categories": [0, 1, 2]},
        "watch": {"form": "alone", "sector": "street", "categories": [0, 1, 2, 3]},
        "report": {"form": "alone", "sector": "street", "categories": [0, 1]},
        "meet": {"form": "together", "sector": "home", "categories": [0, 1, 2]},
        "patrol": {"form": "together", "sector": "street", "categories": [0, 1, 2]},
    },
    "drivers": {
        "age": {"kind": "numeric", "unit": "years", "report_per": 10},
        "female": {"kind": "binary", "yes": [1], "no": [0]},
        "school": {
            "kind": "categorical",
            "categories": ["low", "mid", "high"],
            "reference": "mid",
        },
        "trust": {"kind": "ordered", "categories": [0, 1, 2, 3]},
    },
}


def draw_answers(rng, book, n_per_country, countries=("Austria", "Belgium", "Cyprus")):
    """A table for a codebook in which what citizens do goes with age and country."""
    n = n_per_country * len(countries)
    place = np.repeat(np.arange(len(countries)), n_per_country)
    age = rng.integers(18, 80, n)
    frame = pd.DataFrame(
        {
            "id": [f"c{i:03d}" for i in range(n)],
            "country": np.array(countries)[place],
            "age": age,
            "female": rng.integers(0, 2, n),
            "school": rng.choice(["low", "mid", "high"], n),
            "trust": rng.integers(0, 4, n),
        }
    )
    propensity = 0.2 * place + 0.01 * (age - 50) + rng.normal(0, 0.4, n)
    for name, item in book["items"].items():
        top = len(item["categories"]) - 1
        latent = 0.45 + 0.4 * propensity + rng.normal(0, 0.25, n)
        frame[name] = np.clip(np.round(top * latent), 0, top)
    return frame


@pytest.fixture
def rng():
    return np.random.default_rng(2008)


@pytest.fixture
def small_book():
    """A codebook's content with two forms, two sectors and a driver of each kind."""
    return copy.deepcopy(SMALL_BOOK)


@pytest.fixture
def small_frame():
    """Fifty citizens in each of three countries; some answers are missing."""
    rng = np.random.default_rng(1)
    frame = draw_answers(rng, SMALL_BOOK, 50)
    for item in SMALL_BOOK["items"]:
        frame.loc[rng.random(len(frame)) < 0.25, item] = np.nan
    return frame


@pytest.fixture
def small(small_frame, small_book):
    from bayes_coprod.survey.read import read_survey

    return read_survey(small_frame, small_book)


@pytest.fixture
def strict(small_frame, small_book):
    """The small survey, where only the highest answer is taking part: not everybody does."""
    from bayes_coprod.survey.read import read_survey

    for item in small_book["items"].values():
        item["takes_part_from"] = item["categories"][-1]
    return read_survey(small_frame, small_book)


@pytest.fixture
def index_spec():
    """Specifications of the index model: the stated keys, defaults for the rest."""
    from bayes_coprod.model.spec import load_model

    return lambda **content: load_model({"name": "test", "likelihood": "index", **content})


@pytest.fixture
def items_spec():
    """Specifications of the items model: the stated keys, defaults for the rest."""
    from bayes_coprod.model.spec import load_model

    return lambda **content: load_model({"name": "test", "likelihood": "items", **content})


@pytest.fixture(scope="session")
def quantities_of():
    """Dims of a model's named quantities, and the coords; each model is built once."""
    from bayes_coprod.model.build import build_model, named_quantities
    from bayes_coprod.model.spec import spec_digest

    known = {}

    def look(spec, codebook, design):
        key = spec_digest(spec), design.attrs["digest"], design.attrs["survey"]
        if key not in known:
            model = build_model(spec, codebook, design)
            dims = {name: model.named_vars_to_dims[name] for name in named_quantities(model)}
            known[key] = dims, {dim: list(labels) for dim, labels in model.coords.items()}
        return known[key]

    return look


@pytest.fixture
def random_fit(index_spec, quantities_of):
    """Fits whose draws are plain random numbers in the right shapes: no sampling."""
    from bayes_coprod.inference.fit import Fit
    from bayes_coprod.model.design import make_design

    def make(survey, *, chains=2, draws=5, **content):
        spec = index_spec(**content)
        design = make_design(survey, spec)
        quantities, labels = quantities_of(spec, survey.codebook, design)
        rng = np.random.default_rng(5)
        coords = {"chain": list(range(chains)), "draw": list(range(draws)), **labels}
        posterior = xr.Dataset(
            {
                name: (dims, rng.normal(size=[len(coords[dim]) for dim in dims]))
                for name, own in quantities.items()
                for dims in [("chain", "draw", *own)]
            },
            coords=coords,
        )
        for name in ("residual_sd", "tau", "tau_intercept"):
            if name in posterior:
                posterior[name] = np.exp(posterior[name])
        if "beta" in posterior:
            posterior["beta"] = posterior["b"].mean("country")
        if "rho" in posterior:
            posterior["rho"] = 0.3 * np.tanh(posterior["rho"])
        stats = xr.Dataset(
            {
                "diverging": (("chain", "draw"), np.zeros((chains, draws), dtype=bool)),
                "energy": (("chain", "draw"), rng.normal(size=(chains, draws))),
            }
        )
        tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
        return Fit(spec, survey.codebook, design, tree)

    return make


@pytest.fixture(scope="session")
def five():
    from bayes_coprod.survey.simulate import five_nations

    return five_nations()


@pytest.fixture(scope="session")
def fit(five):
    """The shipped index model, fitted to the five nations with few draws."""
    from bayes_coprod.inference.sample import fit_model

    return fit_model("index", five, draws=500, tune=300, progressbar=False)


@pytest.fixture(scope="session")
def items_fit(five, tmp_path_factory, worker_id):
    """The shipped items model, fitted to the five nations with few draws, once for all workers."""
    from bayes_coprod.inference.fit import load_fit, save_fit
    from bayes_coprod.inference.sample import fit_model

    own = tmp_path_factory.getbasetemp()
    path = (own if worker_id == "master" else own.parent) / "items_fit.nc"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            save_fit(fit_model("items", five, draws=400, tune=100, progressbar=False), path)
    return load_fit(path)


@pytest.fixture(scope="session")
def flat_survey():
    """Complete answers of 100 citizens in each of three countries, without sectors."""
    from bayes_coprod.survey.read import read_survey

    book = copy.deepcopy(SMALL_BOOK)
    for item in book["items"].values():
        del item["sector"]
    book["drivers"] = {name: book["drivers"][name] for name in ("age", "female")}
    return read_survey(draw_answers(np.random.default_rng(3), book, 100), book)


@pytest.fixture(scope="session")
def flat_model():
    """No pooling and priors that say next to nothing: posterior means are least squares."""
    return {
        "name": "flat",
        "likelihood": "index",
        "pooling": "none",
        "priors": {
            "intercept": "normal(0, 100)",
            "beta": "normal(0, 100)",
            "residual_sd": "uniform(0, 50)",
            "rho": "lkj(1)",
        },
    }


@pytest.fixture(scope="session")
def flat_fit(flat_survey, flat_model):
    from bayes_coprod.inference.sample import fit_model

    return fit_model(flat_model, flat_survey, draws=500, tune=200, progressbar=False)


@pytest.fixture(scope="session")
def gbhs_file():
    """The Global Brain Health Survey, which lies beside the checkout and is no part of it."""
    path = Path(__file__).parents[1].parent / "shared" / "data" / "gbhs" / "gbhs.csv.gz"
    if not path.exists():
        pytest.skip(f"no real data here: there is no {path}")
    return path
