"""Poststratification: the population described by counts, filled with the survey's citizens."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit, logit

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import by
from bayes_coprod.estimands.countries import country_levels, gap
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.estimands.population import citizen_kinds, kind_weights, mean_drivers
from bayes_coprod.estimands.scenarios import scenario

FIXED = {"uncertainty": "fixed"}
DRIVERS = ["age", "female", "school", "trust"]


def in_fit(fit, survey):
    """The survey's citizens who are in the fit, in its order."""
    data = survey.data.set_index("citizen").loc[fit.design["citizen"].values]
    return data.reset_index(drop=True)


def counted(data, columns):
    """A frame of the citizens themselves."""
    return data.groupby(["country", *columns], observed=True).size().reset_index(name="count")


@pytest.fixture(params=["index", "participation"])
def some(request, changeable, random_fit):
    return random_fit(changeable, likelihood=request.param, draws=4)


@pytest.fixture
def cells(changeable):
    """Cells of sex and school, with counts that are not the survey's."""
    frame = counted(changeable.data, ["female", "school"])
    frame["count"] = 10.0 * np.arange(1, len(frame) + 1)
    return frame.assign(female=np.where(frame["female"] == 1, "yes", "no"))


def by_citizen(fit, chain=1, draw=2):
    """Expected answers of each citizen, (citizen, form), and the country of each."""
    posterior = fit.posterior.isel(chain=chain, draw=draw)
    country = fit.design["country_index"].values
    eta = posterior["b_intercept"].values[country]
    eta = eta + np.einsum("ip,ifp->if", fit.design["x"].values, posterior["b"].values[country])
    if fit.spec.likelihood == "participation":
        return expit(eta), country
    return fit.design["outcome_mean"].values + fit.design["outcome_sd"].values * eta, country


@pytest.mark.parametrize("columns", [DRIVERS, ["female", "school"], ["age"], ["age", "trust"], []])
def test_a_frame_of_the_sample_is_the_sample(some, changeable, columns):
    frame = counted(in_fit(some, changeable), columns)
    ours = country_levels(some, population=frame, **FIXED)
    xr.testing.assert_allclose(
        ours.drop_attrs(), country_levels(some, **FIXED).drop_attrs(), atol=3e-6
    )
    moved = scenario(some, {"trust": by(1)}, population=frame, **FIXED)
    sample = scenario(some, {"trust": by(1)}, **FIXED)
    for name in ("then", "difference", "changed", "clipped"):
        np.testing.assert_allclose(moved[name], sample[name], atol=3e-6)


def test_levels_are_averages_of_cells(some, changeable, cells):
    """Citizens weigh as many people as their cell has, over as many citizens."""
    p, country = by_citizen(some)
    data = in_fit(some, changeable)
    own = data.assign(female=np.where(data["female"] == 1, "yes", "no"))
    key = ["country", "female", "school"]
    weight = own[key].astype(str).merge(cells.astype({k: str for k in key}), on=key)
    size = own.groupby(key, observed=True)["age"].transform("size").to_numpy()
    weight = weight["count"].to_numpy() / size
    expected = np.stack(
        [np.average(p[country == c], axis=0, weights=weight[country == c]) for c in range(3)]
    )
    found = country_levels(some, population=cells, **FIXED)
    np.testing.assert_allclose(found[1, 2], expected, atol=3e-6)
    unweighted = country_levels(some, **FIXED)
    assert float(np.abs(found - unweighted).max()) > 1e-3
    first, second = found.sel(form="alone"), found.sel(form="together")
    np.testing.assert_allclose(gap(some, population=cells, **FIXED), first - second)


def test_the_order_of_rows_and_cells_in_parts_change_nothing(some, cells):
    expected = country_levels(some, population=cells)
    shuffled = cells.sample(frac=1, random_state=1)
    assert country_levels(some, population=shuffled).equals(expected)
    half = cells.assign(count=cells["count"] / 2)
    twice = pd.concat([half, half])
    np.testing.assert_allclose(country_levels(some, population=twice), expected)


def test_files_codes_and_levels_mean_the_same(some, cells):
    codes = cells.assign(female=np.where(cells["female"] == "yes", 1, 0))
    assert country_levels(some, population=codes).equals(country_levels(some, population=cells))


def test_a_frame_of_all_drivers_needs_no_respondents(some, changeable):
    """One cell in each country: everybody is alike there, and the bootstrap has nothing to draw."""
    data = in_fit(some, changeable)
    frame = counted(data, DRIVERS)
    frame["count"] = 0
    one = frame.groupby("country", observed=True).head(1).index
    frame.loc[one, "count"] = 7
    found = country_levels(some, population=frame)
    p, _ = by_citizen(some)
    for c, row in enumerate(frame.loc[one].itertuples()):
        who = (data["country"] == row.country) & (data["age"] == row.age)
        who &= (data["female"] == row.female) & (data["school"] == row.school)
        who &= data["trust"] == row.trust
        np.testing.assert_allclose(found[1, 2, c], p[np.flatnonzero(who)[0]], atol=3e-6)
    np.testing.assert_allclose(country_levels(some, population=frame, **FIXED), found, rtol=1e-12)


def test_the_bootstrap_redraws_citizens_within_cells(changeable, cells, random_fit):
    fit = random_fit(changeable, chains=2, draws=1000)
    kinds = citizen_kinds(fit, cells)
    weights = np.stack(list(kind_weights(fit, kinds, "bootstrap", 1)))
    first = np.flatnonzero(np.diff(kinds.stratum, prepend=-1))
    totals = np.add.reduceat(weights, first, axis=1)
    np.testing.assert_allclose(totals, np.tile(kinds.total, (2000, 1)))
    own = kinds.stratum == 0
    n, total = kinds.n[own].sum(), kinds.total[0]
    share = kinds.n[own] / n
    sd = total * np.sqrt(share * (1 - share) / (n + 1))  # of a Dirichlet
    np.testing.assert_allclose(weights[:, own].mean(axis=0), total * share, atol=4 * sd[0] / 44)
    np.testing.assert_allclose(weights[:, own].std(axis=0), sd, rtol=0.1)
    means = mean_drivers(fit, kinds, "bootstrap", 1)
    female = list(fit.design["coefficient"].values).index("female")
    assert means[:, :, female].std(axis=0).max() < 1e-12  # the frame holds it
    assert means[:, :, 0].std(axis=0).min() > 0.01


def test_numbers_go_to_the_nearest_of_the_frame(some, changeable):
    frame = pd.DataFrame(
        [(c, a, n) for c in some.countries for a, n in ((30, 1.0), (60, 3.0))],
        columns=["country", "age", "count"],
    )
    kinds = citizen_kinds(some, frame)
    assert kinds.n.sum() == some.design.sizes["citizen"]
    data = in_fit(some, changeable)
    young = (data["age"] < 45).to_numpy()
    country = some.design["country_index"].values
    # 45 is as far from both, and belongs to the first
    for c in range(3):
        n = kinds.n[kinds.stratum == 2 * c].sum()
        assert n == (young | (data["age"] == 45).to_numpy())[country == c].sum()
    at = {"coefficient": "age"}
    mean, sd = (float(some.design[name].sel(at)) for name in ("column_mean", "column_sd"))
    column = list(some.design["coefficient"].values).index("age")
    found = mean_drivers(some, kinds, "fixed", 1)[0, :, column]
    np.testing.assert_allclose(found, (52.5 - mean) / sd)


def test_a_cell_without_citizens_has_those_of_its_country(changeable, random_fit):
    data = changeable.data
    frame = counted(data[data["country"] != "Cyprus"], ["trust"])
    nobody = (data["country"] == "Cyprus") & (data["trust"] == "3")
    thinned = replace(changeable, data=data[~nobody].reset_index(drop=True))
    fit = random_fit(thinned, likelihood="participation", draws=4)
    cyprus = pd.DataFrame(
        {"country": "Cyprus", "trust": ["0", "1", "2", "3"], "count": [0, 0, 0, 9]}
    )
    found = country_levels(fit, population=pd.concat([frame, cyprus]), **FIXED)
    # all of Cyprus with the highest trust
    design = fit.design
    own = design["country_index"].values == 2
    x = design["x"].values[own].copy()
    mean, sd = (
        float(design[name].sel(coefficient="trust")) for name in ("column_mean", "column_sd")
    )
    x[:, list(design["coefficient"].values).index("trust")] = (3 - mean) / sd
    posterior = fit.posterior.isel(chain=0, draw=0, country=2)
    eta = posterior["b_intercept"].values + x @ posterior["b"].values.T
    np.testing.assert_allclose(found[0, 0, 2], expit(eta).mean(axis=0), atol=3e-6)
    assert "(in 1 cells without any: of the country)" in found.attrs["population"]


def test_selection_on_a_driver_of_the_model_is_repaired(changeable, random_fit):
    """Women answer three times as often as men; a census knows how many there are."""
    rng = np.random.default_rng(4)
    data = changeable.data
    women = data["female"] == 1
    keep = (women | (rng.random(len(data)) < 1 / 3)).to_numpy()
    selected = replace(changeable, data=data[keep].reset_index(drop=True))
    fit = random_fit(selected, likelihood="participation", drivers=["female"], draws=4)
    # logits of men, and how much more women's are, in every draw
    men, more = -1.0, 2.0
    posterior = fit.tree["posterior"]
    posterior["b"][:] = more
    posterior["b_intercept"][:] = men + more * float(fit.design["column_mean"][0])
    census = counted(data, ["female"])
    share = women.groupby(data["country"], observed=True).mean().to_numpy()
    truth = share * expit(men + more) + (1 - share) * expit(men)
    repaired = country_levels(fit, population=census)
    np.testing.assert_allclose(repaired, np.tile(truth[:, None], (2, 4, 1, 2)), atol=3e-6)
    naive = country_levels(fit, **FIXED)
    assert (naive.mean(("chain", "draw", "form")).values > truth + 0.08).all()


def test_selection_on_what_the_model_does_not_know_is_not_repaired(changeable, random_fit):
    """The same, and the model has another driver: it learns the level of those who answered."""
    rng = np.random.default_rng(4)
    data = changeable.data
    women = data["female"] == 1
    keep = (women | (rng.random(len(data)) < 1 / 3)).to_numpy()
    selected = replace(changeable, data=data[keep].reset_index(drop=True))
    fit = random_fit(selected, likelihood="participation", drivers=["school"], draws=4)
    answered, asked = (
        own.groupby(of["country"], observed=True).mean().to_numpy()
        for own, of in ((women[keep], data[keep]), (women, data))
    )
    learnt, truth = (share * expit(1.0) + (1 - share) * expit(-1.0) for share in (answered, asked))
    posterior = fit.tree["posterior"]
    posterior["b"][:] = 0.0
    posterior["b_intercept"][:] = logit(learnt)[:, None]
    for population in ("sample", counted(data, ["school"])):
        levels = country_levels(fit, population=population)
        np.testing.assert_allclose(levels, np.tile(learnt[:, None], (2, 4, 1, 2)), atol=3e-6)
    assert (learnt > truth + 0.08).all()


def test_results_say_what_was_averaged_over(some, cells):
    said = country_levels(some, population=cells).attrs["population"]
    assert said.startswith("a poststratification frame of 18 cells by country, female and school")
    assert "age and trust as among the survey's citizens of each cell" in said
    assert "repairs selection on what it contains, nothing else" in said
    found = scenario(some, {"trust": by(1)}, population=cells)
    assert found.attrs["population"] == said
    if some.spec.likelihood == "participation":  # of index, effects are no averages
        assert driver_effects(some, population=cells).attrs["population"] == said


def test_effects_take_a_frame(some, cells):
    effects = driver_effects(some, population=cells, **FIXED)["by_country"].sel(driver="age")
    assert effects.notnull().all()
    sample = driver_effects(some, **FIXED)["by_country"].sel(driver="age")
    # the same for everybody in a linear model
    assert effects.equals(sample) == (some.spec.likelihood == "index")
    with pytest.raises(SpecError, match="a count is negative"):
        driver_effects(some, scale="link", population=cells.assign(count=-1))


def changed(cells, column, row, value):
    frame = cells.astype({column: object})
    frame.loc[row, column] = value
    return frame


REFUSED = {
    "no counts": (lambda c: c.drop(columns="count"), "no column 'count'.*country, female, school"),
    "no country": (lambda c: c.drop(columns="country"), "there is no column 'country'"),
    "no driver": (lambda c: c.rename(columns={"school": "shool"}), "'shool'. Did you mean 'sc"),
    "twice": (lambda c: pd.concat([c, c[["female"]]], axis=1), "two columns 'female'"),
    "level": (lambda c: changed(c, "school", 2, "hihg"), "no level 'hihg'. Did you mean 'high'"),
    "country": (lambda c: changed(c, "country", 0, "Austia"), "'Austia' is not in.*'Austria'"),
    "unsurveyed": (lambda c: changed(c, "country", 0, "Denmark"), "'Denmark' is not in the"),
    "nobody": (lambda c: c[c["country"] != "Cyprus"], "there is no cell of 'Cyprus'"),
    "empty": (lambda c: c.iloc[:0], "there is no cell of 'Austria'"),
    "zero": (
        lambda c: c.assign(count=c["count"].where(c["country"] != "Belgium", 0)),
        "all counts of 'Belgium' are zero",
    ),
    "negative": (
        lambda c: c.assign(count=c["count"] - 10.5),
        r"column 'count', row 1: a count is negative \(1 such\)",
    ),
    "missing count": (
        lambda c: c.assign(count=c["count"].where(c.index != 3)),
        "column 'count', row 4: a value is missing",
    ),
    "missing level": (lambda c: changed(c, "school", 5, None), "column 'school', row 6: a val"),
    "infinite": (lambda c: c.assign(count=np.inf), "a count is infinite"),
    "words": (lambda c: c.assign(count="many"), "column 'count' holds .*, not numbers"),
    "missing cell": (
        lambda c: c.drop(index=1),
        "no cell of Austria, female = no, school = mid, and the survey has such citizens",
    ),
    "age": (lambda c: c.assign(age="old"), "'age' is numeric, and the column holds"),
}  # fmt: skip


def test_what_is_no_frame_of_this_survey_is_refused(some, cells):
    for make, said in REFUSED.values():
        with pytest.raises(SpecError, match=said):
            country_levels(some, population=make(cells))


def test_what_is_no_population_is_refused(some):
    with pytest.raises(SpecError, match="population is a list. Available: sample, weighted.*cells"):
        country_levels(some, population=["sample"])


def test_values_outside_the_bounds_are_refused(some, changeable):
    drivers = tuple(
        replace(d, bounds=(0.0, 99.0)) if d.name == "age" else d for d in some.codebook.drivers
    )
    fit = replace(some, codebook=replace(some.codebook, drivers=drivers))
    frame = counted(changeable.data, ["age"])
    frame.loc[3, "age"] = 120
    with pytest.raises(
        SpecError, match="column 'age', row 4: a value is outside the scale, 0 to 9"
    ):
        country_levels(fit, population=frame)
