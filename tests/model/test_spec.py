import dataclasses

import pytest

from bayes_coprod.errors import SpecError
from bayes_coprod.model.spec import (
    ModelSpec,
    Prior,
    Sampler,
    list_models,
    load_model,
    override_sampler,
    spec_content,
    spec_digest,
)

MINIMAL = {"name": "test", "likelihood": "index"}


def test_a_name_a_path_and_a_mapping_give_the_same_model(tmp_path):
    by_name = load_model("index")
    content = spec_content(by_name)
    path = tmp_path / "mine.toml"
    path.write_text('# A question?\n\nname = "index"\nlikelihood = "index"\n', encoding="utf-8")
    by_path = load_model(path)

    assert load_model(content) == by_name
    assert dataclasses.replace(by_path, question=by_name.question) == by_name
    assert load_model(str(path)) == by_path
    assert load_model(by_name) == by_name


def test_a_specification_made_by_hand_is_checked_like_a_file():
    assert load_model(ModelSpec(name="x", likelihood="index")).priors == load_model("index").priors
    with pytest.raises(SpecError, match="unknown likelihood 'indx'. Did you mean 'index'"):
        load_model(ModelSpec(name="x", likelihood="indx"))


def test_the_question_is_the_first_comment_of_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('# Who,\n# and why?\n#\n# More.\nname = "a"\nlikelihood = "index"\n')
    assert load_model(path).question == "Who, and why?"
    assert list_models()["index"] == load_model("index").question
    assert "in each country?" in load_model("index").question


def test_a_minimal_model_has_the_documented_defaults():
    spec = load_model(MINIMAL)
    assert spec.priors == {
        "intercept": Prior("normal", (0, 1)),
        "beta": Prior("normal", (0, 0.5)),
        "tau_intercept": Prior("half_normal", (0.5,)),
        "tau": Prior("half_normal", (0.3,)),
        "residual_sd": Prior("half_normal", (1,)),
        "rho": Prior("lkj", (2,)),
    }
    assert (spec.drivers, spec.vary_by_country, spec.pooling) == ("all", "all", "partial")
    assert (spec.outcomes, spec.parametrisation, spec.sigma_varies) == (
        ("form",),
        "informed",
        False,
    )
    assert spec.sampler == Sampler(4, 1000, 300, None, 2008, "auto")


EVERYTHING = {
    **MINIMAL,
    "question": "Why?",
    "forms": ["alone"],
    "sectors": ["home", "street"],
    "outcomes": ["form", "sector"],
    "drivers": ["age", "trust"],
    "vary_by_country": ["age"],
    "pooling": "none",
    "sigma_varies": True,
    "parametrisation": "centred",
    "priors": {
        "intercept": "normal(-1, 2)",
        "beta": "normal(0, 0.123456789)",
        "tau_intercept": "exponential(3)",
        "tau": "log_normal(-1, 0.5)",
        "residual_sd": "uniform(0, 1e-7)",
        "rho": "lkj(1.5)",
    },
    "sampler": {
        "chains": 2,
        "draws": 50,
        "tune": 10,
        "cores": 1,
        "random_seed": 0,
        "gradient": "numba",
    },
}


def test_content_of_a_specification_reads_back_as_the_same():
    spec = load_model(EVERYTHING)
    assert load_model(spec_content(spec)) == spec
    assert spec_digest(load_model(spec_content(spec))) == spec_digest(spec)


@pytest.mark.parametrize("key", [key for key in EVERYTHING if key not in ("priors", "sampler")])
def test_digest_changes_with_every_key(key):
    other = {
        "name": "other",
        "likelihood": None,  # there is one only
        "question": "",
        "forms": ["together"],
        "sectors": ["home"],
        "outcomes": ["form"],
        "drivers": "all",
        "vary_by_country": "none",
        "pooling": "complete",
        "sigma_varies": False,
        "parametrisation": "informed",
    }[key]
    if other is not None:
        changed = load_model(EVERYTHING | {key: other})
        assert spec_digest(changed) != spec_digest(load_model(EVERYTHING))


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("priors", "intercept", "normal(-1, 2.0000001)"),
        ("priors", "beta", "normal(1e-9, 0.123456789)"),
        ("priors", "beta", "normal(0, 0.123456788)"),
        ("priors", "tau_intercept", "half_normal(3)"),
        ("priors", "tau", "log_normal(-1, 0.6)"),
        ("priors", "residual_sd", "uniform(1e-9, 1e-7)"),
        ("priors", "rho", "lkj(1.6)"),
        ("sampler", "chains", 3),
        ("sampler", "draws", 51),
        ("sampler", "tune", 11),
        ("sampler", "cores", 2),
        ("sampler", "random_seed", 1),
        ("sampler", "gradient", "jax"),
    ],
)
def test_digest_changes_with_every_prior_and_setting(table, key, value):
    changed = load_model(EVERYTHING | {table: EVERYTHING[table] | {key: value}})
    assert spec_digest(changed) != spec_digest(load_model(EVERYTHING))


def test_unknown_model_is_refused_with_a_suggestion():
    with pytest.raises(SpecError, match=r"unknown model 'indx'. Did you mean 'index'\?"):
        load_model("indx")


def test_missing_file_and_broken_toml_are_refused(tmp_path):
    with pytest.raises(SpecError, match=r"there is no file .*mine\.toml"):
        load_model(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text("name = ")
    with pytest.raises(SpecError, match="is not valid TOML"):
        load_model(tmp_path / "mine.toml")


def test_a_refusal_names_the_file(tmp_path):
    (tmp_path / "mine.toml").write_text('name = "a"\nlikelihood = "index"\npoolng = "none"\n')
    with pytest.raises(
        SpecError, match=r"^mine\.toml: unknown key 'poolng'. Did you mean 'pooling'"
    ):
        load_model(tmp_path / "mine.toml")


REFUSALS = {
    "unknown key": ({"driver": ["age"]}, r"unknown key 'driver'. Did you mean 'drivers'\?"),
    "unknown likelihood": ({"likelihood": "ind"}, "unknown likelihood 'ind'"),
    "unknown pooling": ({"pooling": "ful"}, "unknown pooling 'ful'.*partial, none, complete"),
    "unknown parametrisation": ({"parametrisation": "x"}, "unknown parametrisation 'x'"),
    "outcomes": ({"outcomes": ["sector"]}, r"outcomes = \['sector'\] is not usable"),
    "no outcomes": ({"outcomes": []}, r"outcomes = \[\] is not usable"),
    "one driver, no list": ({"drivers": "age"}, "drivers = 'age' is not usable.*is a list too"),
    "drivers of another type": ({"vary_by_country": 3}, "vary_by_country = 3 is not usable"),
    "flag": ({"sigma_varies": "yes"}, "sigma_varies = 'yes' is not usable. Give true or false"),
    "flag as number": ({"sigma_varies": 1}, "sigma_varies = 1 is not usable"),
    "forms": ({"forms": "alone"}, "forms = 'alone' is not usable"),
    "forms of numbers": ({"forms": [1]}, r"forms = \[1\] is not usable"),
    "name of another type": ({"name": 3}, "name = 3 is not usable"),
    "priors of another type": ({"priors": "wide"}, "priors = 'wide' is not usable"),
    "unknown prior": ({"priors": {"bet": "normal(0, 1)"}}, r"\[priors\]: unknown key 'bet'"),
    "no prior": ({"priors": {"beta": "cauchy(0, 1)"}}, r"beta = 'cauchy\(0, 1\)' is no prior"),
    "no call": ({"priors": {"beta": "normal"}}, "beta = 'normal' is no prior"),
    "number": ({"priors": {"beta": 0.5}}, "beta = 0.5 is not usable"),
    "unfitting": (
        {"priors": {"tau": "normal(0, 1)"}},
        r"a normal prior does not fit tau. Available: half_normal\(sd\), exponential\(rate\)",
    ),
    "unfitting rho": ({"priors": {"rho": "uniform(-1, 1)"}}, "uniform prior does not fit rho"),
    "zero scale": ({"priors": {"tau": "half_normal(0)"}}, "is not a proper half_normal prior"),
    "negative SD": ({"priors": {"beta": "normal(0, -1)"}}, "is not a proper normal prior"),
    "infinite": ({"priors": {"beta": "normal(0, inf)"}}, "is not a proper normal prior"),
    "not a number": ({"priors": {"beta": "normal(nan, 1)"}}, "is not a proper normal prior"),
    "too few arguments": ({"priors": {"beta": "normal(1)"}}, "is not a proper normal prior"),
    "words": ({"priors": {"beta": "normal(a, b)"}}, "is not a proper normal prior"),
    "backward": ({"priors": {"tau": "uniform(2, 1)"}}, "is not a proper uniform prior"),
    "negative scale": ({"priors": {"tau": "uniform(-1, 1)"}}, "a uniform scale starts at 0"),
    "eta": ({"priors": {"rho": "lkj(0)"}}, "is not a proper lkj prior"),
    "no chain": ({"sampler": {"chains": 0}}, r"\[sampler\]: chains = 0 is too small"),
    "no draws": ({"sampler": {"draws": 0}}, "draws = 0 is too small"),
    "half a draw": ({"sampler": {"draws": 10.5}}, "draws = 10.5 is not usable"),
    "true draws": ({"sampler": {"draws": True}}, "draws = True is not usable"),
    "no tuning": ({"sampler": {"tune": 0}}, "tune = 0 is too small"),
    "no core": ({"sampler": {"cores": 0}}, "cores = 0 is too small"),
    "negative seed": ({"sampler": {"random_seed": -1}}, "random_seed = -1 is too small"),
    "gradient": ({"sampler": {"gradient": "torch"}}, "unknown gradient 'torch'.*jax, numba"),
    "quadrature": ({"sampler": {"quadrature": "grid"}}, "quadrature does not apply to .*'index'"),
    "unknown setting": ({"sampler": {"samples": 9}}, "unknown key 'samples'"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused(case):
    change, message = REFUSALS[case]
    with pytest.raises(SpecError, match=message):
        load_model(MINIMAL | change)


@pytest.mark.parametrize("key", MINIMAL)
def test_name_and_likelihood_are_required(key):
    with pytest.raises(SpecError, match=f"'{key}' is missing"):
        load_model({k: v for k, v in MINIMAL.items() if k != key})


def test_overrides_replace_what_is_given_and_keep_the_rest():
    spec = load_model(EVERYTHING)
    changed = override_sampler(spec, draws=70, cores=None, random_seed=0, gradient="jax")
    assert changed.sampler == Sampler(2, 70, 10, 1, 0, "jax")
    assert dataclasses.replace(changed, sampler=spec.sampler) == spec
    assert override_sampler(spec) == spec


def test_a_bad_override_is_refused_in_the_name_of_fit_model():
    with pytest.raises(SpecError, match="^fit_model: draws = 1 is too small"):
        override_sampler(load_model("index"), draws=1)


def test_a_specification_shows_its_priors_and_settings():
    shown = repr(load_model("index"))
    assert "tau = half_normal(0.3)" in shown
    assert "random_seed = 2008" in shown
    assert "<pre>" in load_model("index")._repr_html_()
    assert isinstance(load_model("index"), ModelSpec)
