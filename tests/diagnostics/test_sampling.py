import numpy as np
import pytest
import xarray as xr

from bayes_coprod.diagnostics.sampling import check_sampling
from bayes_coprod.inference.fit import Fit

CHAINS, DRAWS = 4, 1000
COUNTRIES, FORMS = ("Austria", "Belgium"), ("alone", "together")
BULK, TAIL = "bulk ESS", "tail ESS"


def autoregressive(rng, phi, shape):
    """A stationary chain along the last axis, of variance 1 and lag-1 correlation phi."""
    steps = rng.normal(size=shape)
    for i in range(1, shape[-1]):
        steps[..., i] = phi * steps[..., i - 1] + np.sqrt(1 - phi**2) * steps[..., i]
    return steps


@pytest.fixture
def good(rng):
    """Draws that pass every check."""
    b = rng.normal(size=(CHAINS, DRAWS, 2, 2))
    posterior = xr.Dataset(
        {
            "b": (("chain", "draw", "country", "form"), b),
            "mean": (("chain", "draw"), rng.normal(size=(CHAINS, DRAWS))),
        },
        coords={
            "chain": range(CHAINS),
            "draw": range(DRAWS),
            "country": list(COUNTRIES),
            "form": list(FORMS),
        },
    )
    stats = xr.Dataset(
        {
            "diverging": (("chain", "draw"), np.zeros((CHAINS, DRAWS), dtype=bool)),
            "energy": (("chain", "draw"), rng.normal(size=(CHAINS, DRAWS))),
        },
        coords={"chain": range(CHAINS), "draw": range(DRAWS)},
    )
    return {"posterior": posterior, "sample_stats": stats}


def check(groups):
    found = check_sampling(Fit(None, None, None, xr.DataTree.from_dict(groups)))
    assert [f.check for f in found] == ["R-hat", BULK, TAIL, "divergences", "E-BFMI"]
    return {f.check: f for f in found}


def spoil(groups, draws):
    """Put draws, (chain, draw), in the place of one quantity."""
    groups["posterior"]["b"][:, :, 1, 0] = draws
    return groups


def test_good_draws_pass_every_check_without_a_remedy(good):
    found = check(good)
    assert {f.status for f in found.values()} == {"pass"}
    assert {f.remedy for f in found.values()} == {""}
    assert "chains agree" in found["R-hat"].message


@pytest.mark.parametrize(
    ("shift", "status", "words"),
    [(0.45, "warn", "agree only roughly"), (3.0, "fail", "disagree")],
)
def test_a_chain_that_is_elsewhere_shows_in_r_hat(good, rng, shift, status, words):
    draws = rng.normal(size=(CHAINS, DRAWS))
    draws[0] += shift
    found = check(spoil(good, draws))["R-hat"]
    assert (found.status, found.where) == (status, "b[Belgium, alone]")
    assert (found.value > 1.01) and (status != "warn" or found.value < 1.05)
    assert (found.limit, words in found.message) == (1.01, True)
    assert "more draws" in found.remedy


def test_r_hat_is_unknown_with_fewer_than_four_chains(good):
    three = {name: group.isel(chain=[0, 1, 2]) for name, group in good.items()}
    found = check(three)["R-hat"]
    assert (found.status, found.value) == ("unknown", None)
    assert "there are 3" in found.message
    assert "chains=4" in found.remedy


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_quantity_that_does_not_move_is_unknown_not_pass(good):
    found = check(spoil(good, np.ones((CHAINS, DRAWS))))
    assert found["R-hat"].status == "unknown"
    assert found["R-hat"].where == "b[Belgium, alone]"
    assert found[BULK].status == found[TAIL].status == "unknown"


def test_what_is_constant_by_convention_is_judged_where_it_is_no_number(good):
    good["posterior"]["sigma"] = (("chain", "draw"), np.full((CHAINS, DRAWS), np.nan))
    found = check(good)
    for name in ("R-hat", BULK, TAIL):
        assert (found[name].status, found[name].where) == ("unknown", "sigma")


def test_draws_that_are_not_numbers_are_unknown_in_both_sizes(good):
    found = check(spoil(good, np.full((CHAINS, DRAWS), np.nan)))
    for name in ("R-hat", BULK, TAIL):
        assert (found[name].status, found[name].where) == ("unknown", "b[Belgium, alone]")


# lag-1 correlation phi leaves about (1 - phi) / (1 + phi) of the draws
@pytest.mark.parametrize(("phi", "status"), [(0.87, "warn"), (0.97, "fail")])
def test_draws_that_hang_together_show_in_the_effective_sample_size(good, rng, phi, status):
    found = check(spoil(good, autoregressive(rng, phi, (CHAINS, DRAWS))))[BULK]
    assert (found.status, found.where) == (status, "b[Belgium, alone]")
    assert found.limit == 100 * CHAINS
    assert (50 * CHAINS <= found.value < 100 * CHAINS) == (status == "warn")


def test_tail_size_is_judged_on_its_own(good, rng):
    # the sign is new in each draw, the size is sticky: averages are fine, bounds are not
    size = np.abs(autoregressive(rng, 0.98, (CHAINS, DRAWS)))
    found = check(spoil(good, size * rng.choice([-1, 1], size=size.shape)))
    assert found[BULK].status == "pass"
    assert (found[TAIL].status, found[TAIL].where) == ("fail", "b[Belgium, alone]")


def test_limits_of_the_effective_sample_size_grow_with_the_chains(good, rng):
    many = {
        name: xr.concat([group, group + 0], dim="chain").assign_coords(chain=range(8))
        for name, group in good.items()
    }
    assert check(many)[BULK].limit == 800


@pytest.mark.parametrize(("count", "status"), [(0, "pass"), (1, "warn"), (4, "warn"), (5, "fail")])
def test_one_divergence_warns_and_more_than_one_in_a_thousand_fail(good, count, status):
    diverging = good["sample_stats"]["diverging"]
    diverging[1, :count] = True
    found = check(good)["divergences"]
    assert (found.status, found.value) == (status, count)
    assert f"{count} of 4,000 draws" in found.message


# E-BFMI of a stationary chain is about 2 (1 - phi)
@pytest.mark.parametrize(("phi", "status"), [(0.8, "pass"), (0.875, "warn"), (0.95, "fail")])
def test_energy_that_creeps_is_found_in_its_chain(good, rng, phi, status):
    good["sample_stats"]["energy"][2] = autoregressive(rng, phi, (DRAWS,))
    found = check(good)["E-BFMI"]
    assert (found.status, found.where) == (status, "chain 2")
    assert (found.value, found.limit) == (pytest.approx(2 * (1 - phi), abs=0.06), 0.3)


def test_energy_that_was_not_measured_is_unknown(good):
    good["sample_stats"]["energy"][3] = np.nan
    found = check(good)["E-BFMI"]
    assert found.status == "unknown"
    assert "slowly" not in found.message


def test_the_worst_of_all_quantities_is_named(good, rng):
    mean = rng.normal(size=(CHAINS, DRAWS))
    mean[0] += 5
    good["posterior"]["mean"][:] = mean
    mild = rng.normal(size=(CHAINS, DRAWS))
    mild[0] += 2
    assert check(spoil(good, mild))["R-hat"].where == "mean"


def test_divergences_that_lie_together_are_located(good, rng):
    """Twenty divergent draws where one quantity is small; those of the others are as all are."""
    draws = rng.normal(size=(CHAINS, DRAWS))
    draws[0, :20] = rng.normal(-3, 0.1, 20)
    spoil(good, draws)["sample_stats"]["diverging"][0, :20] = True
    assert "mostly at small b[Belgium, alone]." in check(good)["divergences"].message


def test_divergences_all_over_the_place_are_not_located(good, rng):
    good["sample_stats"]["diverging"][:] = rng.random((CHAINS, DRAWS)) < 0.01
    assert "mostly" not in check(good)["divergences"].message


def test_a_fit_without_the_samplers_statistics_is_unknown_in_them(good):
    del good["sample_stats"]
    found = check(good)
    for name in ("divergences", "E-BFMI"):
        assert (found[name].status, found[name].value) == ("unknown", None)
    assert found["R-hat"].status == "pass"
