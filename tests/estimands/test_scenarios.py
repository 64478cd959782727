"""Scenarios, held to single citizens, to hand-computed cases and to simulated ones."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit

import bayes_coprod as bc
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import by, to
from bayes_coprod.estimands.countries import country_levels, gap
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.estimands.scenarios import scenario
from bayes_coprod.model.coding import code_drivers
from bayes_coprod.survey.read import read_survey

FIXED = {"uncertainty": "fixed"}
LIKELIHOODS = [
    {"likelihood": "index"},
    {"likelihood": "index", "outcomes": ["form", "sector"]},
    {"likelihood": "participation"},
    {"likelihood": "ordinal", "item": "watch"},
]


@pytest.fixture(params=LIKELIHOODS, ids=lambda content: "-".join(map(str, content.values())))
def any_fit(request, changeable, random_fit):
    fit = random_fit(changeable, draws=3, **request.param)
    if "kappa" in fit.posterior:  # thresholds ascend
        fit.tree["posterior"]["kappa"][:] = np.linspace(-2, 2, fit.posterior["kappa"].shape[-1])
    if "threshold_shift" in fit.posterior:
        fit.tree["posterior"]["threshold_shift"] *= 0.1
    return fit


@pytest.fixture
def taking_part(changeable, random_fit):
    return random_fit(changeable, likelihood="participation", draws=3)


def one_draw(fit, **at):
    """The same fit with one of its draws."""
    tree = fit.tree.copy()
    tree["posterior"] = xr.DataTree(fit.posterior.isel({name: [i] for name, i in at.items()}))
    return replace(fit, tree=tree)


def with_drivers(fit, *which, **said):
    """The same fit, with something else in the codebook's words on some drivers."""
    drivers = tuple(replace(d, **said) if d.name in which else d for d in fit.codebook.drivers)
    return replace(fit, codebook=replace(fit.codebook, drivers=drivers))


def test_now_is_the_level_and_nothing_changed_is_exactly_nothing(any_fit):
    found = scenario(any_fit, {"trust": by(0), "age": by(0)})
    assert (found["difference"] == 0).all()
    assert (found["clipped"] == 0).all()
    xr.testing.assert_allclose(
        found["now"].drop_attrs(), country_levels(any_fit).rename("now").drop_attrs()
    )
    assert found["now"].dims == country_levels(any_fit).dims
    assert (found["then"] - found["now"]).equals(found["difference"])


def test_what_everybody_can_do_is_the_drivers_effect(changeable, random_fit):
    for content in LIKELIHOODS[0], LIKELIHOODS[2]:
        fit = random_fit(changeable, draws=3, **content)
        no_ends = with_drivers(fit, "age", bounds=(0.0, 120.0))
        effect = driver_effects(no_ends)["by_country"].sel(driver="age", drop=True)
        ours = scenario(no_ends, {"age": by(10)})["difference"]
        np.testing.assert_allclose(ours, effect, rtol=1e-4, atol=5e-6)
        # from no to yes for everybody is from one setting to the other
        yes, no = (scenario(fit, {"female": to(level)})["then"] for level in ("yes", "no"))
        effect = driver_effects(fit)["by_country"].sel(driver="female", drop=True)
        np.testing.assert_allclose(yes - no, effect, rtol=1e-4, atol=5e-6)
        high, mid = (scenario(fit, {"school": to(level)})["then"] for level in ("high", "mid"))
        effect = driver_effects(fit)["by_country"].sel(driver="school: high", drop=True)
        np.testing.assert_allclose(high - mid, effect, rtol=1e-4, atol=5e-6)


def test_citizens_with_deviations_of_their_own_are_changed_alike(items_fit):
    fit = with_drivers(one_draw(items_fit, chain=1, draw=3), "age", "female", changeable=True)
    found = scenario(fit, {"self_efficacy": by(0), "age": by(0)})
    assert (found["difference"] == 0).all()
    effects = driver_effects(fit)["by_country"]
    fit = with_drivers(fit, "age", bounds=(0.0, 150.0))
    ours = scenario(fit, {"age": by(10)})["difference"]
    np.testing.assert_allclose(ours, effects.sel(driver="age", drop=True), atol=1e-3)
    yes, no = (scenario(fit, {"female": to(level)})["then"] for level in ("yes", "no"))
    np.testing.assert_allclose(yes - no, effects.sel(driver="female", drop=True), atol=1e-3)


CHANGES = {
    "age": (by(-30), lambda data: data["age"].sub(30).clip(lower=data["age"].min())),
    "trust": (by(2), lambda data: data["trust"].cat.codes.add(2).clip(upper=3)),
    "female": (to(True), lambda data: 0 * data["female"] + 1),
    "school": (to("high"), lambda data: 0 * data["age"] + 2),
}


@pytest.mark.parametrize(
    "drivers", [["age"], ["trust"], ["female"], ["school"], list(CHANGES), ["trust", "school"]]
)
def test_each_citizen_is_changed_and_the_others_are_not(changeable, taking_part, drivers):
    """The model's answers for citizens whose row of the survey is changed."""
    design = taking_part.design
    data = changeable.data.set_index("citizen").loc[design["citizen"].values]
    then = data.copy()
    for name in drivers:
        values = CHANGES[name][1](data)
        if name in ("trust", "school"):
            levels = data[name].cat
            then[name] = levels.categories[values.astype(int)]
            then[name] = then[name].astype(data[name].dtype)
        else:
            then[name] = values
    chosen = data["trust"].isin(["0", "2", "3"]).to_numpy() & data["age"].between(30, 70).to_numpy()
    for rows, only in ((chosen, {"age": (30, 70), "trust": ["0", 2, "3"]}), (chosen | True, None)):
        x = []
        for frame in (data, then):
            raw = code_drivers(frame, changeable.codebook.drivers)
            x.append((raw - design["column_mean"].values) / design["column_sd"].values)
        x = np.where(rows[:, None], x[1], x[0])
        country = design["country_index"].values
        posterior = taking_part.posterior.isel(chain=1, draw=2)
        eta = posterior["b_intercept"].values[country]
        eta = eta + np.einsum("ip,ifp->if", x, posterior["b"].values[country])
        p = expit(eta)
        expected = np.stack([p[country == c].mean(axis=0) for c in range(3)])
        found = scenario(
            taking_part, {name: CHANGES[name][0] for name in drivers}, only=only, **FIXED
        )
        np.testing.assert_allclose(found["then"][1, 2], expected, atol=2e-6)
        share = [rows[country == c].mean() for c in range(3)]
        np.testing.assert_allclose(found["changed"], share)


def test_shares_clipped_are_of_those_for_whom_the_scale_ends(changeable, taking_part):
    design = taking_part.design
    data = changeable.data.set_index("citizen").loc[design["citizen"].values]
    found = scenario(taking_part, {"trust": by(2), "age": by(-5), "female": to("yes")})
    short = {"trust": data["trust"] >= "2", "age": data["age"] < data["age"].min() + 5}
    for name, who in short.items():
        expected = who.groupby(data["country"], observed=True).mean()
        np.testing.assert_allclose(found["clipped"].sel(driver=name), expected)
    assert (found["clipped"].sel(driver="female") == 0).all()
    few = scenario(taking_part, {"trust": by(2)}, only={"trust": ["0", "2"]})
    expected = (data["trust"] == "2").groupby(data["country"], observed=True).mean()
    np.testing.assert_allclose(few["clipped"].sel(driver="trust"), expected)


def test_bounds_of_the_codebook_are_the_ends(small_frame, small_book, random_fit):
    small_book["drivers"]["age"] |= {"changeable": True, "bounds": [0, 90]}
    fit = random_fit(read_survey(small_frame, small_book))
    age = fit.design["x"].sel(coefficient="age") * fit.design["column_sd"].sel(coefficient="age")
    age = age + fit.design["column_mean"].sel(coefficient="age")
    found = scenario(fit, {"age": by(30)}, **FIXED)
    country = fit.design["country_index"].values
    expected = [float((age.values[country == c] > 60 + 1e-9).mean()) for c in range(3)]
    np.testing.assert_allclose(found["clipped"][:, 0], expected)
    assert scenario(fit, {"age": to(90)})["then"].notnull().all()
    with pytest.raises(SpecError, match="age = 91 is outside its scale, 0 to 90"):
        scenario(fit, {"age": to(91)})


def test_two_countries_and_two_kinds_of_citizens_by_hand(changeable, random_fit):
    """A quarter of one country's citizens and half of the other's are women."""
    data = changeable.data
    women = data["female"] == 1
    rows = []
    for country, n_women, n_men in (("Austria", 5, 15), ("Belgium", 8, 8)):
        there = data["country"] == country
        rows += [data[there & women].head(n_women), data[there & ~women].head(n_men)]
    chosen = data.index.isin([i for part in rows for i in part.index])
    citizens = data[chosen].reset_index(drop=True)
    citizens["country"] = citizens["country"].cat.remove_unused_categories()
    for item in changeable.codebook.items:
        citizens[item.name] = citizens[item.name].fillna(item.levels[0])
    fit = random_fit(
        replace(changeable, data=citizens), likelihood="participation", drivers=["female"]
    )
    posterior = fit.tree["posterior"]
    mean = float(fit.design["column_mean"][0])
    assert mean == pytest.approx(13 / 36)
    # logits of men, and how much more women's are
    men, more = np.array([[-1.0, 0.5], [0.0, 1.0]]), np.array([[0.4, -0.2], [1.0, 0.6]])
    posterior["b"][:] = more[:, :, None]
    posterior["b_intercept"][:] = men + mean * more
    found = scenario(fit, {"female": to("yes")}, **FIXED)
    share = np.array([[0.25], [0.5]])
    now = share * expit(men + more) + (1 - share) * expit(men)
    np.testing.assert_allclose(found["now"][0, 0], now, atol=2e-6)
    np.testing.assert_allclose(found["then"][0, 0], expit(men + more), atol=2e-6)
    expected = (1 - share) * (expit(men + more) - expit(men))
    np.testing.assert_allclose(found["difference"][0, 0], expected, atol=4e-6)
    only_men = scenario(fit, {"female": to("yes")}, only={"female": "no"}, **FIXED)
    np.testing.assert_allclose(only_men["difference"], found["difference"], atol=4e-6)
    np.testing.assert_allclose(only_men["changed"], 1 - share[:, 0])


def test_weights_are_the_same_now_and_then(taking_part):
    """A change for nobody in a country is none, though the citizens are drawn anew."""
    found = scenario(taking_part, {"trust": by(1)}, only={"trust": "3"})
    assert (found["difference"] == 0).all()
    assert float(found["now"].std()) > 0
    moved = scenario(taking_part, {"trust": by(1)}, random_seed=1)
    assert not moved["now"].equals(scenario(taking_part, {"trust": by(1)})["now"])


def test_two_million_simulated_citizens(items_fit, five):
    """Levels, gap and scenario of one draw are what citizens drawn from it answer on average."""
    fit = one_draw(items_fit, chain=0, draw=7)
    design, draw = fit.design, fit.posterior.isel(chain=0, draw=0)
    copies, rng = 450, np.random.default_rng(11)
    assert copies * design.sizes["citizen"] > 2_000_000
    data = five.data.set_index("citizen").loc[design["citizen"].values]
    then = data.copy()
    low = data["self_efficacy"].isin(["none", "small", "some"]).to_numpy()
    levels = data["self_efficacy"].cat.categories
    up = levels[np.minimum(data["self_efficacy"].cat.codes + 2, 3)]
    then["self_efficacy"] = np.where(low, up, data["self_efficacy"])
    then["self_efficacy"] = then["self_efficacy"].astype(data["self_efficacy"].dtype)
    then.loc[low, "consultation"] = "often"
    b = np.concatenate([draw["b_intercept"].values[:, :, None], draw["b"].values], axis=2)
    rho = float(draw["rho"].squeeze())
    sigma = draw["sigma"].values
    factor = np.linalg.cholesky(np.outer(sigma, sigma) * np.array([[1, rho], [rho, 1]]))
    first = np.cumsum(design["n_categories"].values - 1) - (design["n_categories"].values - 1)
    ours = scenario(
        fit,
        {"self_efficacy": by(2), "consultation": to("often")},
        only={"self_efficacy": ["none", "small", "some"]},
        **FIXED,
    )
    levels = country_levels(fit, **FIXED)
    country = design["country_index"].values
    form = design["item_form"].values
    for c in range(5):
        own = country == c
        mu = []
        for frame in (data, then):
            raw = code_drivers(frame[own], five.codebook.drivers)
            x = (raw - design["column_mean"].values) / design["column_sd"].values
            mu.append(np.column_stack([np.ones(len(x)), x]) @ b[c].T)
        n = copies * own.sum()
        deviation = rng.normal(size=(n, 2)) @ factor.T
        score = np.zeros((2, 2, n))  # (now or then, form, citizen)
        for k, categories in enumerate(design["n_categories"].values):
            kappa = draw["kappa"].values[first[k] : first[k] + categories - 1]
            kappa = kappa + draw["shift"].values[c, k]
            latent = deviation[:, form[k]] + rng.logistic(size=n)
            for when in (0, 1):
                at = latent + np.repeat(mu[when][:, form[k]], copies)
                answer = sum((at > threshold).astype(int) for threshold in kappa)
                score[when, form[k]] += 100 * answer / (categories - 1) / (form == form[k]).sum()
        change = score[1] - score[0]
        both = score[0, 0] - score[0, 1]
        for simulated, exact in (
            (score[0, 0], levels[0, 0, c, 0]),
            (score[0, 1], levels[0, 0, c, 1]),
            (both, gap(fit, of=levels)[0, 0, c]),
            (change[0], ours["difference"][0, 0, c, 0]),
            (change[1], ours["difference"][0, 0, c, 1]),
        ):
            error = simulated.std() / np.sqrt(n)
            assert abs(simulated.mean() - float(exact)) < 4 * error


def test_results_say_what_they_are(taking_part):
    found = scenario(
        taking_part, {"trust": by(1), "school": to("high")}, only={"trust": ["0", "1"]}
    )
    for quantity in (found, found["now"], found["then"], found["difference"]):
        assert "A cross-section gives associations" in quantity.attrs["interpretation"]
        assert quantity.attrs["units"] == "share of citizens"
    assert found.attrs["changes"] == "trust by 1 and school to high"
    assert "levels are of all" in found.attrs["changed"]
    assert scenario(taking_part, {"trust": by(1)}).attrs["changed"] == "everybody"
    assert bc.summarise(found["difference"])["mean"].notna().all()


def test_a_part_of_a_pooled_fit_answers_for_itself(changeable, random_fit):
    from bayes_coprod.inference.pooled import pool_fits

    parts = [random_fit(changeable, likelihood="participation", draws=2) for _ in range(2)]
    first, second = parts[0].design, parts[1].design.copy(deep=True)
    column = list(second["coefficient"].values).index("age")
    second["x"][:, column] = second["x"][::-1, column].values
    design = first.assign(
        x=(
            ("imputation", "citizen", "coefficient"),
            np.stack([first["x"].values, second["x"].values]),
        )
    ).assign_coords(imputation=[1, 2])
    for part in parts:
        part.tree["posterior"].attrs = {
            "target_accept": 0.8,
            "discarded_runs": 0,
            "sampling_time": 1.0,
        }
    fit = pool_fits(parts[0].spec, design, parts)
    found = scenario(fit, {"age": by(5)}, random_seed=3)
    assert list(found["imputation"].values) == [1, 1, 2, 2]
    of_parts = [
        scenario(part, {"age": by(5)}, random_seed=3 + k) for k, part in enumerate(fit.parts)
    ]
    joined = xr.concat([one["difference"] for one in of_parts], dim="chain")
    np.testing.assert_array_equal(found["difference"], joined)
    clipped = sum(one["clipped"] for one in of_parts) / 2
    np.testing.assert_allclose(found["clipped"], clipped)


REFUSED = [
    ({"agee": by(1)}, {}, r"scenario: the model has no driver 'agee'. Did you mean 'age'\?"),
    ({"school": by(1)}, {}, "'school' is categorical and has no steps.*low, mid, high"),
    ({"female": by(1)}, {}, "'female' is binary and has no steps.*no, yes.*to"),
    ({"school": to("hihg")}, {}, r"'school' has no level 'hihg'. Did you mean 'high'\?"),
    ({"trust": to(4)}, {}, "'trust' has no level 4. .*Available: 0, 1, 2, 3"),
    ({"age": to(200)}, {}, "age = 200 is outside its scale, 18 to 79"),
    ({"age": to(float("nan"))}, {}, "'age' is numeric, not nan"),
    ({"age": to("old")}, {}, "'age' is numeric, not 'old'"),
    ({"trust": 1}, {}, "the change of 'trust' is a int. Write by"),
    ({}, {}, "there are no changes"),
    ([("trust", by(1))], {}, "changes are no mapping"),
    ({"trust": by(1)}, {"only": ["trust"]}, "only is a list"),
    ({"trust": by(1)}, {"only": {"trusty": "1"}}, "no driver 'trusty'.*'trust'"),
    ({"trust": by(1)}, {"only": {"trust": "7"}}, "'trust' has no level '7'"),
    ({"trust": by(1)}, {"only": {"age": 30}}, r"only\['age'\] = 30 is no range"),
    ({"trust": by(1)}, {"only": {"age": (40, 30)}}, "is no range"),
    ({"trust": by(1)}, {"only": {"age": (90, 95)}}, "nobody in the population has age 90 to 95"),
    ({"trust": by(1)}, {"only": {"trust": []}}, "nobody in the population has"),
    ({"trust": by(1)}, {"scale": "index"}, "knows no scale 'index'"),
    ({"trust": by(1)}, {"population": "all"}, "unknown population 'all'"),
]


def test_what_cannot_be_asked_is_refused(taking_part):
    for changes, more, said in REFUSED:
        with pytest.raises(SpecError, match=said):
            scenario(taking_part, changes, **more)


def test_subgroups_may_be_arrays(taking_part):
    levels = {"trust": ["1", "2"]}, {"trust": np.array(["1", "2"])}
    ages = {"age": (30, 40)}, {"age": (np.int64(30), np.int64(40))}
    for one, other in (levels, ages):
        ours, theirs = (scenario(taking_part, {"trust": by(1)}, only=only) for only in (one, other))
        np.testing.assert_array_equal(ours["difference"], theirs["difference"])


def test_amounts_are_numbers():
    for amount in (float("inf"), "1", None, True):
        with pytest.raises(SpecError, match="is no finite number"):
            by(amount)


def test_what_the_codebook_holds_fixed_is_not_changed(small, random_fit):
    with pytest.raises(SpecError, match=r"'age' can be changed.*changeable = true in \[drivers"):
        scenario(random_fit(small), {"age": by(1)})


def test_codes_that_could_mean_two_levels_are_refused(small_frame, small_book, random_fit):
    small_book["drivers"]["female"] = {
        "kind": "binary", "yes": [2], "no": [1], "changeable": True
    }  # fmt: skip
    survey = read_survey(small_frame.assign(female=small_frame["female"] + 1), small_book)
    fit = random_fit(survey)
    with pytest.raises(SpecError, match="female = 1 could mean no or yes.*'no', 'yes'"):
        scenario(fit, {"female": to(1)})
    for value in (2, "yes", True):
        assert scenario(fit, {"female": to(value)}).equals(scenario(fit, {"female": to("yes")}))
