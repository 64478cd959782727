import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics.imputation import check_imputation, missing_information
from bayes_coprod.diagnostics.sampling import check_sampling
from bayes_coprod.diagnostics.worst import in_worst_part
from bayes_coprod.finding import Finding
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.spec import load_model

CHAINS, DRAWS = 4, 500


def make_part(rng, centre, *, sd=1.0, noise=True):
    """A posterior whose every quantity has mean `centre` exactly, and variance `sd` squared."""
    draws = rng.normal(size=(CHAINS, DRAWS, 2))
    draws = (draws - draws.mean((0, 1))) / draws.std((0, 1), ddof=1)
    b = centre + sd * draws
    return xr.Dataset(
        {
            "b": (("chain", "draw", "country"), b),
            "sigma": (("chain", "draw"), np.ones((CHAINS, DRAWS))),  # by convention
            "shift": (("chain", "draw"), 1e-17 * draws[..., 0]),  # zero but for rounding
        },
        coords={"chain": range(CHAINS), "draw": range(DRAWS), "country": ["Austria", "Belgium"]},
    )


def pooled(posteriors, stats=None, imputed="{}"):
    """A pooled fit that is nothing but draws."""
    labels = np.arange(1, len(posteriors) + 1)
    of_chain = ("chain", np.repeat(labels, CHAINS))
    chains = {"chain": np.arange(CHAINS * len(labels)), "imputation": of_chain}
    rng = np.random.default_rng(9)
    shape = (CHAINS * len(labels), DRAWS)
    stats = stats or {}
    groups = {
        "posterior": xr.concat(posteriors, dim="chain").assign_coords(chains),
        "sample_stats": xr.Dataset(
            {
                "diverging": (("chain", "draw"), stats.get("diverging", np.zeros(shape, bool))),
                "energy": (("chain", "draw"), stats.get("energy", rng.normal(size=shape))),
            },
            coords=chains,
        ),
    }
    groups |= {f"imputations/{k}": xr.Dataset() for k in labels}
    design = xr.Dataset(coords={"imputation": labels}, attrs={"imputed": imputed})
    spec = load_model({"name": "test", "likelihood": "index"})
    return Fit(spec, None, design, xr.DataTree.from_dict(groups))


def found_in(fit, check="imputation"):
    (found,) = [finding for finding in check_imputation(fit) if finding.check == check]
    return found


def spread(rng, centres):
    return [make_part(rng, centre) for centre in centres]


def test_the_fraction_is_rubins(rng):
    parts = spread(rng, [0.0, 0.5, 1.0])
    # W = 1, B = 0.25 less the Monte Carlo variance of each mean
    information = missing_information(parts)
    extra = 4 / 3 * 0.25
    expected = extra / (1 + extra)
    np.testing.assert_allclose(information["b"], expected, rtol=0.01)
    assert (information["b"] < expected).all()


def test_monte_carlo_error_is_no_spread(rng):
    # means of 2,000 draws each, that differ by their own error: B = 1 / 2000
    centres = np.array([-1, 0, 1]) / np.sqrt(2000)
    information = missing_information(spread(rng, centres))["b"]
    assert float(information.max()) < 2e-4  # 4/3 / 2000 without the correction


def test_data_sets_that_do_not_differ_miss_nothing(rng):
    part = make_part(rng, 0.3)
    information = missing_information([part, part])
    assert float(information.to_array().max()) == 0
    assert found_in(pooled([part, part])).status == "pass"


def test_what_is_constant_misses_nothing(rng):
    information = missing_information(spread(rng, [0.0, 1.0]))
    assert (float(information["sigma"]), float(information["shift"])) == (0, 0)


def test_what_is_constant_in_each_and_differs_between_them_is_all_missing(rng):
    parts = spread(rng, [0.0, 0.0])
    parts[1]["sigma"] += 1
    assert float(missing_information(parts)["sigma"]) == 1


@pytest.mark.parametrize(("m", "limit"), [(2, 0.1 * 2**0.5), (5, 0.1 * 8**0.5), (40, 0.5)])
def test_the_limit_grows_with_the_data_sets_up_to_a_half(rng, m, limit):
    assert found_in(pooled(spread(rng, [0.0] * m))).limit == pytest.approx(limit)


def centres_for(fraction, m):
    """Means whose fraction of missing information is the given one, with W = 1."""
    between = fraction / (1 - fraction) / (1 + 1 / m)
    steps = np.linspace(-1, 1, m)
    return steps * np.sqrt(between / steps.var(ddof=1))


@pytest.mark.parametrize(
    ("fraction", "status"), [(0.26, "pass"), (0.31, "warn"), (0.48, "warn"), (0.52, "fail")]
)
def test_too_few_data_sets_warn_and_mostly_imputed_fails(rng, fraction, status):
    parts = spread(rng, centres_for(fraction, 5))
    for part in parts:
        part["b"][..., 0] = make_part(rng, 0.0)["b"][..., 0]  # Austria has no spread
    found = found_in(pooled(parts))
    assert (found.status, found.where) == (status, "b[Belgium]")
    assert found.value == pytest.approx(fraction, abs=0.005)
    assert f"costs at most {found.value:.0%} of the information on any quantity" in found.message
    enough, too_few = "5 completed data sets are enough", "5 completed data sets are not enough"
    assert (enough in found.message) == (status == "pass")
    assert (too_few in found.message) == (status == "warn")
    # m = 1 + (0.31 / 0.1)^2 / 2
    assert (f"m={int(np.ceil(1 + found.value**2 / 0.02))} or more" in found.remedy) == (
        status == "warn"
    )
    assert ("complete cases" in found.remedy) == (status == "fail")
    assert (found.remedy == "") == (status == "pass")


def test_draws_that_are_not_numbers_are_unknown(rng):
    parts = spread(rng, [0.0, 0.1, 0.2])
    parts[1]["b"][0, 0, 1] = np.nan
    found = found_in(pooled(parts))
    assert (found.status, found.where, found.value) == ("unknown", "b[Belgium]", None)


def test_an_ordinary_fit_has_no_such_finding(rng):
    tree = xr.DataTree.from_dict({"posterior": make_part(rng, 0.0)})
    assert check_imputation(Fit(None, None, None, tree)) == []
    assert check_imputation(Fit(None, None, xr.Dataset(), tree)) == []


@pytest.mark.parametrize(("share", "status"), [(0.19, "pass"), (0.21, "warn")])
def test_shares_that_were_filled_in_are_said(rng, share, status):
    part = make_part(rng, 0.0)
    written = {"age": (0.04, "Austria", 0.06), "trust": (share, "Belgium", 0.49)}
    fit = pooled([part, part], imputed=json.dumps(written))
    found = found_in(fit, "imputed drivers")
    assert (found.status, found.where, found.value) == (status, "trust", share)
    said = f"trust {share:.1%} (in Belgium 49.0%), age 4.0% (in Austria 6.0%)."
    assert found.message.endswith(said)


def test_a_country_that_was_mostly_filled_in_is_named(rng):
    part = make_part(rng, 0.0)
    written = {"age": (0.04, "Austria", 0.51), "trust": (0.1, "Belgium", 0.2)}
    found = found_in(pooled([part, part], imputed=json.dumps(written)), "imputed drivers")
    assert (found.status, found.where, found.value) == ("warn", "age, Austria", 0.51)
    assert found.limit == 0.5


def test_chains_are_judged_within_their_data_set_and_the_worst_is_named(rng):
    parts = spread(rng, [0.0, 8.0, -8.0])  # together they would disagree
    fit = pooled(parts)
    found = {finding.check: finding for finding in check_sampling(fit)}
    assert found["R-hat"].status == "pass"
    assert found["bulk ESS"].value > 1000
    parts[1]["b"][0, :, 1] += 3
    found = {finding.check: finding for finding in check_sampling(pooled(parts))}
    assert (found["R-hat"].status, found["R-hat"].where) == ("fail", "data set 2, b[Belgium]")
    assert found["bulk ESS"].where == "data set 2, b[Belgium]"
    assert found["bulk ESS"].limit == 100 * CHAINS


def test_divergences_are_counted_over_all_data_sets(rng):
    diverging = np.zeros((3 * CHAINS, DRAWS), bool)
    diverging[1, :2] = diverging[9, :3] = True
    fit = pooled(spread(rng, [0.0, 0.0, 0.0]), {"diverging": diverging})
    (found,) = (finding for finding in check_sampling(fit) if finding.check == "divergences")
    assert (found.value, found.where) == (5, "data set 1, data set 3")
    assert found.message.startswith("5 of 6,000 draws diverged")
    assert found.status == "warn"  # 0.08 %, though it is 0.15 % of the third data set's


def test_energy_is_that_of_the_worst_data_set(rng):
    energy = rng.normal(size=(3 * CHAINS, DRAWS))
    energy[6] = np.cumsum(energy[6])
    fit = pooled(spread(rng, [0.0, 0.0, 0.0]), {"energy": energy})
    found = {finding.check: finding for finding in check_sampling(fit)}
    assert (found["E-BFMI"].status, found["E-BFMI"].where) == ("fail", "data set 2, chain 2")


def judge(values, statuses, **given):
    """Keep the worst of given findings, one for each part."""
    findings = iter(
        Finding("check", status, "b", value, 1.0, "")
        for value, status in zip(values, statuses, strict=True)
    )
    fit = SimpleNamespace(parts=tuple(values))
    return in_worst_part(fit, lambda _: next(findings), **given)


def test_a_worse_status_comes_before_a_worse_value():
    assert judge([5.0, 1.0, 3.0], ["pass", "fail", "warn"]).where == "data set 2, b"
    assert judge([5.0, 9.0, 3.0], ["pass"] * 3).where == "data set 2, b"
    assert judge([5.0, 9.0, 3.0], ["pass"] * 3, largest=False).where == "data set 3, b"
    assert judge([5.0, None, 3.0], ["pass", "unknown", "pass"]).status == "unknown"
    assert judge([5.0], ["warn"]).where == "b"
