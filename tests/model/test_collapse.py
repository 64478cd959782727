from itertools import product

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.compile.mode import Mode

from bayes_coprod.model.collapse import collapse_gaussian
from bayes_coprod.model.index import collapsed_log_likelihood, covariance
from bayes_coprod.model.likelihoods import LIKELIHOODS

COUNTRIES, COEFFICIENTS = 3, 2


def make_data(n_outcomes, rng):
    """A design in which every pattern of present outcomes occurs, not all in every country."""
    patterns = [p for p in product([False, True], repeat=n_outcomes) if any(p)]
    present = np.array([p for p in patterns for _ in range(6)])
    n = len(present)
    country = np.sort(rng.integers(0, COUNTRIES, n))
    country[:2], country[-2:] = 0, COUNTRIES - 1
    rng.shuffle(present)
    y = np.where(present, rng.normal(size=present.shape), np.nan)
    return xr.Dataset(
        {
            "x": (("citizen", "coefficient"), rng.normal(size=(n, COEFFICIENTS))),
            "y": (("citizen", "form"), y),
            "country_index": ("citizen", country),
            "outcome_mean": ("form", rng.uniform(10, 60, n_outcomes)),
            "outcome_sd": ("form", rng.uniform(5, 30, n_outcomes)),
        },
        coords={"form": [f"f{i}" for i in range(n_outcomes)]},
    )


def make_parameters(n_outcomes, sigma_varies, rng):
    by_country = (COUNTRIES,) if sigma_varies else ()
    pairs = n_outcomes * (n_outcomes - 1) // 2
    parameters = {
        "b_intercept": rng.normal(size=(COUNTRIES, n_outcomes)),
        "b": rng.normal(size=(COUNTRIES, n_outcomes, COEFFICIENTS)),
        "residual_sd": rng.uniform(0.5, 2, size=(*by_country, n_outcomes)),
    }
    if pairs:
        parameters["rho"] = rng.uniform(-0.4, 0.6, size=(*by_country, pairs))
    return parameters


def collapsed(design, given):
    cells = collapse_gaussian(
        design["x"].values, design["y"].values, design["country_index"].values
    )
    sigma = covariance(given["residual_sd"], given.get("rho"), design.sizes["form"])
    # from standardised outcomes to points
    jacobian = (design["y"].notnull() * np.log(design["outcome_sd"])).sum().item()
    return collapsed_log_likelihood(cells, given["b_intercept"], given["b"], sigma) - jacobian


def value_and_gradient(log_likelihood, parameters):
    given = {name: pt.as_tensor(value).type(name) for name, value in parameters.items()}
    value = log_likelihood(given)
    function = pytensor.function(
        list(given.values()),
        [value, *pt.grad(value, list(given.values()))],
        mode=Mode("py", None),
    )
    return function(*parameters.values())


@pytest.mark.parametrize("sigma_varies", [False, True])
@pytest.mark.parametrize("n_outcomes", [1, 2, 3, 4])
def test_density_and_gradient_equal_the_sum_over_citizens(
    n_outcomes, sigma_varies, index_spec, rng
):
    spec = index_spec(sigma_varies=sigma_varies)
    design = make_data(n_outcomes, rng)
    parameters = make_parameters(n_outcomes, sigma_varies, rng)

    together = value_and_gradient(lambda given: collapsed(design, given), parameters)
    one_by_one = value_and_gradient(
        lambda given: LIKELIHOODS["index"].citizens(spec, design, given, None).sum(), parameters
    )

    for ours, theirs in zip(together, one_by_one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


def test_cells_hold_the_sums_over_their_citizens(rng):
    design = make_data(3, rng)
    x, y, country = (design[name].values for name in ("x", "y", "country_index"))
    cells = collapse_gaussian(x, y, country)

    assert cells.n.sum() == len(y)
    seen = set()
    for c, pattern, n, cross in zip(
        cells.country, cells.observed, cells.n, cells.cross, strict=True
    ):
        rows = (country == c) & (~np.isnan(y) == (pattern > 0)).all(axis=1)
        z = np.column_stack([np.ones(rows.sum()), x[rows], np.where(pattern, y[rows], 0)])
        assert n == rows.sum() > 0
        np.testing.assert_allclose(cross, sum(np.outer(row, row) for row in z), atol=1e-12)
        seen.add((c, tuple(pattern)))
    assert len(seen) == len(cells.n)


def test_cells_do_not_depend_on_the_order_of_citizens(rng):
    design = make_data(2, rng)
    shuffled = design.isel(citizen=rng.permutation(design.sizes["citizen"]))
    one, other = (
        collapse_gaussian(d["x"].values, d["y"].values, d["country_index"].values)
        for d in (design, shuffled)
    )
    for field in ("country", "observed", "n"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    np.testing.assert_allclose(one.cross, other.cross, atol=1e-12)


def test_there_is_one_cell_a_country_and_pattern_whatever_n(rng):
    country = np.repeat(np.arange(COUNTRIES), 1000)
    y = rng.normal(size=(len(country), 2))
    y[::3, 1] = np.nan
    cells = collapse_gaussian(rng.normal(size=(len(y), 1)), y, country)
    assert len(cells.n) == 2 * COUNTRIES
