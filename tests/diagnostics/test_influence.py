import arviz_stats as azs
import numpy as np
import pytest

from bayes_coprod.diagnostics import influence
from bayes_coprod.diagnostics.comparison import compare_models
from bayes_coprod.diagnostics.influence import check_influence, citizen_loo
from bayes_coprod.errors import SpecError
from bayes_coprod.inference import pointwise
from bayes_coprod.inference.pointwise import add_log_likelihood, alike
from bayes_coprod.survey.read import keep_complete


def found_in(findings, check):
    (found,) = [finding for finding in findings if finding.check == check]
    return found


@pytest.fixture
def mild_fit(random_fit):
    """Fits whose random draws lie close enough together to weigh them; `spread` times as far."""

    def make(survey, *, spread=1.0, **content):
        fit = random_fit(survey, **({"draws": 50} | content))
        posterior = fit.tree["posterior"].to_dataset()
        for name in {"b", "b_intercept"} & set(posterior):
            posterior[name] = posterior[name] * 0.05 * spread
        for name in {"residual_sd"} & set(posterior):
            posterior[name] = posterior[name] ** (0.05 * spread)
        fit.tree["posterior"] = posterior
        return fit

    return make


@pytest.fixture(scope="module")
def loo(flat_fit):
    return citizen_loo(flat_fit, refits=0)


def test_values_are_those_of_the_importance_weights(flat_fit, loo):
    log_likelihood = add_log_likelihood(flat_fit).tree["log_likelihood"]["answers"]
    # p(y_i | y_-i) = 1 / E[1 / p(y_i | theta)], not smoothed
    raw = -np.log(np.exp(-log_likelihood).mean(("chain", "draw")))
    np.testing.assert_allclose(loo.elpd_i, raw, atol=0.03)
    assert loo.elpd == pytest.approx(float(loo.elpd_i.sum()))
    assert loo.p == pytest.approx(float(loo.p_loo_i.sum()))
    assert list(loo.elpd_i["country"].values[[0, -1]]) == ["Austria", "Cyprus"]


def test_arviz_gives_the_same(flat_fit, loo):
    theirs = azs.loo(add_log_likelihood(flat_fit).tree, pointwise=True)
    np.testing.assert_allclose(loo.elpd_i, theirs.elpd_i, atol=1e-4)
    assert (loo.elpd, loo.se, loo.p) == pytest.approx((theirs.elpd, theirs.se, theirs.p), rel=1e-3)
    assert loo.good_k == theirs.good_k


def test_refits_are_exact_and_agree_with_good_weights(flat_fit, loo, monkeypatch):
    monkeypatch.setattr(influence, "limit_of_k", lambda fit: float(loo.pareto_k.max()) - 1e-9)
    repaired = citizen_loo(flat_fit, refits=3)
    (i,) = np.flatnonzero(repaired.pareto_k == 0)  # one is above the limit
    assert i == int(loo.pareto_k.values.argmax())
    assert float(repaired.elpd_i[i]) != float(loo.elpd_i[i])
    assert float(repaired.elpd_i[i]) == pytest.approx(float(loo.elpd_i[i]), abs=0.1)
    np.testing.assert_array_equal(repaired.influence_pareto_k, loo.pareto_k)
    # a refit repairs the prediction, not the fit that is quoted
    found = check_influence(flat_fit, of=repaired)[0]
    assert (found.status, found.value) == ("warn", float(loo.pareto_k.max()))
    others = np.arange(300) != i
    np.testing.assert_array_equal(repaired.elpd_i[others], loo.elpd_i[others])


def test_citizens_who_are_alike_and_blocks_change_nothing(strict, mild_fit, monkeypatch):
    fit = mild_fit(strict, likelihood="participation", drivers=["female"])
    whole = azs.loo(add_log_likelihood(fit).tree, pointwise=True, reff=1.0)
    monkeypatch.setattr(influence, "_efficiency", lambda fit: 1.0)
    monkeypatch.setattr(pointwise, "_BLOCK", 700)
    monkeypatch.setattr(influence, "_BLOCK", 300)
    ours = citizen_loo(fit, refits=0)
    first, kind = alike(fit.design)
    assert len(first) < 40 < len(kind)
    np.testing.assert_allclose(ours.elpd_i, whole.elpd_i, rtol=1e-9)
    np.testing.assert_allclose(ours.pareto_k, whole.pareto_k, rtol=1e-9)


def test_a_good_fit_passes(flat_fit, loo):
    found = check_influence(flat_fit, of=loo)
    assert found.status == "pass"
    # 2 forms: 9 coefficients each, 2 residual SDs and a correlation
    assert found_in(found, "p_loo").limit == 21
    assert 10 < found_in(found, "p_loo").value < 21


def test_too_many_effective_parameters_warn(flat_fit, loo):
    from dataclasses import replace

    assert found_in(check_influence(flat_fit, of=replace(loo, p=21.5)), "p_loo").status == "warn"


def test_the_citizen_who_moves_the_fit_is_named(small, mild_fit):
    fit = mild_fit(small, spread=4)
    found = found_in(check_influence(fit), "Pareto k")
    k = citizen_loo(fit, refits=0).pareto_k
    worst = int(k.values.argmax())
    assert found.status == "warn"
    assert found.where == f"citizen {k['citizen'].values[worst]}, {k['country'].values[worst]}"
    assert found.value == float(k.max())
    assert f"{int((k > 0.5).sum())} of 147 citizens" in found.message  # S = 100: 1 - 1/2
    assert found_in(check_influence(fit), "p_loo").status == "unknown"  # it has no proof


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_what_is_no_number_is_unknown(small, mild_fit, bad):
    fit = mild_fit(small)
    fit.tree["posterior"]["residual_sd"][1, 7] = bad
    found = check_influence(fit)
    assert [f.status for f in found] == ["unknown", "unknown"]
    assert "147 of 147 citizens" in found[0].message


def test_draws_that_do_not_vary_are_unknown(small, mild_fit):
    fit = mild_fit(small)
    posterior = fit.tree["posterior"].to_dataset()
    fit.tree["posterior"] = posterior.isel(draw=[0] * 50).isel(chain=[0, 0])
    assert check_influence(fit).status == "unknown"


def test_a_handful_of_draws_is_unknown(small, random_fit):
    fit = random_fit(small, chains=1, draws=4)
    assert {f.status for f in check_influence(fit)} == {"unknown"}
    with pytest.raises(SpecError, match="the fit has 4 draws, and importance weights take 25"):
        citizen_loo(fit)


def test_fewer_than_no_refits_are_refused(flat_fit):
    with pytest.raises(SpecError, match="refits is -1"):
        citizen_loo(flat_fit, refits=-1)


def test_models_of_the_same_answers_are_compared(small, mild_fit):
    fit = mild_fit(small, drivers=["age"])
    wide = mild_fit(small, drivers=["age"])
    wide.tree["posterior"]["residual_sd"] *= 3
    table = compare_models({"wide": wide, "as it is": fit})
    loos = {name: citizen_loo(f, refits=0).elpd for name, f in (("wide", wide), ("as it is", fit))}
    assert dict(table["elpd"]) == pytest.approx(loos)
    assert list(table.index) == sorted(loos, key=lambda name: -loos[name])
    assert table["elpd_diff"].iloc[1] == pytest.approx(-abs(loos["wide"] - loos["as it is"]))


def test_close_calls_are_to_be_read_with_care(flat_fit):
    table = compare_models({"one": flat_fit, "the same": flat_fit})
    assert list(table["note"]) == ["", "read with care: a difference below 4"]


def test_few_citizens_are_to_be_read_with_care(small, mild_fit):
    from dataclasses import replace

    few = replace(small, data=small.data.iloc[::2].reset_index(drop=True))
    fit = mild_fit(few)
    assert all("fewer than 100 citizens" in n for n in compare_models({"a": fit, "b": fit})["note"])


def refused(fits, match):
    with pytest.raises(SpecError, match=match):
        compare_models(fits)


def test_other_likelihoods_are_refused(small, strict, random_fit):
    index = random_fit(small, draws=1)
    part = random_fit(strict, likelihood="participation", draws=1)
    refused({"a": index, "b": part}, "'a' and 'b' cannot be compared: .*a density in points, the")


def test_other_outcomes_are_refused(small, random_fit):
    both = random_fit(small, draws=1)
    one = random_fit(small, forms=["alone"], draws=1)
    refused({"a": both, "b": one}, "the one explains alone, together, the other alone")


def test_other_items_are_refused(small, random_fit):
    watch = random_fit(small, likelihood="ordinal", item="watch", draws=1)
    lock = random_fit(small, likelihood="ordinal", item="lock", draws=1)
    refused({"a": watch, "b": lock}, "the one explains watch, the other lock")


def test_other_citizens_are_refused(small, random_fit):
    from dataclasses import replace

    data = small.data.copy()
    data.loc[:6, "age"] = np.nan
    gappy = replace(small, data=data)
    with_age, without = random_fit(gappy, draws=1), random_fit(gappy, drivers=["female"], draws=1)
    refused(
        {"age": with_age, "no age": without},
        "'age' and 'no age' cannot be compared: the first has 0 citizens",
    )


def test_the_remedy_gives_both_models_the_same_citizens(small, random_fit):
    from dataclasses import replace

    gappy = replace(
        small, data=small.data.assign(age=small.data["age"].where(lambda age: age > 30))
    )
    contents = [{"drivers": ["age", "female"]}, {"drivers": ["female"]}]
    refused(
        {content["drivers"][0]: random_fit(gappy, draws=1, **content) for content in contents},
        r"fit both to keep_complete\(survey, \['age', 'female'\]\)",
    )
    same = keep_complete(gappy, ["age", "female"])
    one, other = (random_fit(same, draws=1, **content) for content in contents)
    assert one.design["citizen"].equals(other.design["citizen"])


def test_other_answers_are_refused(small, random_fit):
    from dataclasses import replace

    data = small.data.copy()
    answered = data["meet"].notna() & data["patrol"].notna()
    row = data.index[answered & (data["meet"] != data["meet"].cat.categories[2])][0]
    data.loc[row, "meet"] = data["meet"].cat.categories[2]
    other = random_fit(replace(small, data=data), draws=1)
    refused(
        {"a": random_fit(small, draws=1), "b": other},
        "1 citizen has other answers, in form 'together'",
    )


def test_what_is_not_several_fits_is_refused(flat_fit):
    refused({"alone": flat_fit}, "takes two fits or more, each under a name")
    refused([flat_fit, flat_fit], "takes two fits or more, each under a name")
    refused({"a": flat_fit, "b": 3}, "takes a fit, and this is a int")


def test_values_that_are_no_numbers_are_not_compared(small, mild_fit):
    fit, bad = mild_fit(small), mild_fit(small)
    bad.tree["posterior"]["residual_sd"][:] = np.nan
    refused({"fit": fit, "bad": bad}, "log likelihood of 147 citizens in 'bad' is not finite")
