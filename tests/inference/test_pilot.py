import numpy as np
import pytest

from bayes_coprod.inference.pilot import fit_pilot
from bayes_coprod.model.design import make_design


def least_squares_by_hand(design, outcome):
    """Per country with a unit-scale prior, the residual variance from a first pass."""
    y = design["y"].values[:, outcome]
    x = np.column_stack([np.ones(len(y)), design["x"].values])
    has, country = ~np.isnan(y), design["country_index"].values
    noise = 1.0
    for _ in range(2):
        estimates, variances, squares = [], [], 0.0
        for c in range(design.sizes["country"]):
            rows = has & (country == c)
            information = x[rows].T @ x[rows] / noise + np.eye(x.shape[1])
            estimates.append(np.linalg.solve(information, x[rows].T @ y[rows] / noise))
            variances.append(np.diag(np.linalg.inv(information)))
            squares += ((y[rows] - x[rows] @ estimates[-1]) ** 2).sum()
        noise = squares / has.sum()
    return np.array(estimates), np.array(variances)  # (country, 1 + coefficient)


def by_outcome(pilot):
    """Estimate and precision of two outcomes, (country, outcome, varying coefficient)."""
    assert pilot.whitening is pilot.nodes is None
    evidence = pilot.evidence
    return [array.reshape(len(array), 2, -1) for array in (evidence.estimate, evidence.precision)]


def test_pilot_is_least_squares_per_country(small, index_spec):
    spec = index_spec()
    design = make_design(small, spec)
    assert design["y"].isnull().any(dim="citizen").all()  # outcomes are missing in both forms
    ours, precision = by_outcome(fit_pilot(spec, small.codebook, design))
    for f in range(2):
        estimate, variance = least_squares_by_hand(design, f)
        np.testing.assert_allclose(ours[:, f], estimate, rtol=1e-9)
        np.testing.assert_allclose(1 / precision[:, f], variance, rtol=1e-9)


def test_pilot_keeps_the_columns_that_vary(small, index_spec):
    design = make_design(small, index_spec())
    everything, some, none = (
        by_outcome(fit_pilot(index_spec(vary_by_country=varying), small.codebook, design))
        for varying in ("all", ["school"], "none")
    )
    np.testing.assert_array_equal(some[0], everything[0][:, :, [0, 3, 4]])
    np.testing.assert_array_equal(none[1], everything[1][:, :, [0]])


def test_a_country_without_an_outcome_is_no_special_case(small_frame, small_book, index_spec):
    from bayes_coprod.survey.read import read_survey

    gone = small_frame["country"] == "Cyprus"
    small_frame.loc[gone, ["meet", "patrol"]] = np.nan
    survey = read_survey(small_frame, small_book)
    pilot = fit_pilot(index_spec(), survey.codebook, make_design(survey, index_spec()))
    assert np.isfinite(pilot.evidence.estimate).all()
    assert (pilot.evidence.precision > 0).all()


@pytest.mark.parametrize(
    "content",
    [
        {"pooling": "none"},
        {"pooling": "complete"},
        {"parametrisation": "centred"},
        {"parametrisation": "non_centred"},
    ],
)
def test_there_is_no_pilot_where_it_has_no_use(small, index_spec, content):
    spec = index_spec(**content)
    assert fit_pilot(spec, small.codebook, make_design(small, spec)) is None
