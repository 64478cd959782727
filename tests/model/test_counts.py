"""Likelihoods of counts against sums over citizens, by hand."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy.special import expit

from bayes_coprod.errors import SpecError, SurveyError
from bayes_coprod.model.collapse import collapse_counts, distinct_rows
from bayes_coprod.model.counts import count_log_likelihood
from bayes_coprod.model.design import make_design
from bayes_coprod.model.likelihoods import LIKELIHOODS
from bayes_coprod.model.spec import load_model, spec_content

PY = Mode("py", None)


def spec_of(model, **changes):
    return load_model(spec_content(load_model(model)) | changes)


@pytest.fixture
def citizens(rng):
    n = 400
    country = np.sort(rng.integers(0, 3, n))
    x = np.column_stack([rng.integers(0, 3, n), rng.integers(0, 2, n)]).astype(float)
    answer = rng.integers(-1, 4, (n, 2))
    return x, answer, country


def test_cells_are_the_citizens_who_are_alike(citizens):
    x, answer, country = citizens
    cells = collapse_counts(x, answer, country, 3, 4)
    assert len(cells.x) == 18
    assert cells.counts.sum() == (answer >= 0).sum()
    for c, (i, j) in enumerate(zip(cells.ends, cells.ends[1:], strict=False)):
        for row in range(i, j):
            alike = (country == c) & (x == cells.x[row]).all(axis=1)
            for outcome, category in np.ndindex(2, 4):
                expected = (answer[alike, outcome] == category).sum()
                assert cells.counts[row, outcome, category] == expected


def test_rows_with_more_columns_than_a_number_can_hold_are_told_apart(rng):
    values = rng.normal(size=(500, 9))
    values[250:] = values[:250]
    values[3, 2] = values[253, 2] = np.nan
    first, kind = distinct_rows(np.zeros(500, dtype=int), values)
    assert len(first) == 250
    np.testing.assert_array_equal(kind[:250], kind[250:])
    np.testing.assert_array_equal(values[first][kind], values)


def test_the_sum_is_that_over_citizens(citizens, rng):
    x, answer, country = citizens
    cells = collapse_counts(x, answer, country, 3, 4)
    slope, kappa = rng.normal(size=(2, 2)), np.sort(rng.normal(size=(3, 3)), axis=1)
    eta = pt.as_tensor(cells.x @ slope)
    ours = pytensor.function([], count_log_likelihood(cells, eta, pt.as_tensor(kappa)), mode=PY)()
    bounds = np.concatenate([np.full((3, 1), -np.inf), kappa, np.full((3, 1), np.inf)], axis=1)
    expected = 0.0
    for i, outcome in np.argwhere(answer >= 0):
        at, y = (x[i] @ slope)[outcome], answer[i, outcome]
        below, above = bounds[country[i], y], bounds[country[i], y + 1]
        expected += np.log(expit(above - at) - expit(below - at))
    assert ours == pytest.approx(expected, rel=1e-12)


def draw_of(rng, likelihood, spec, design):
    """Random parameters in the shapes of a posterior."""
    n_countries, n_columns = design.sizes["country"], design.sizes["coefficient"]
    dim = "outcome" if "outcome" in design.sizes else "form"
    draw = {
        "b_intercept": rng.normal(size=(n_countries, design.sizes[dim])),
        "b": rng.normal(size=(n_countries, design.sizes[dim], n_columns)),
    }
    if likelihood == "ordinal":
        n = int(design["n_categories"][0]) - 1
        draw["kappa"] = 2.0 * np.arange(n)
        draw["threshold_shift"] = 0.3 * rng.normal(size=(n_countries, n))
    return {name: draw[name] for name in LIKELIHOODS[likelihood].parameters(spec, design)}


def by_citizen(likelihood, spec, design, draw):
    inputs = {name: pt.as_tensor(value).type(name) for name, value in draw.items()}
    output = LIKELIHOODS[likelihood].citizens(spec, design, inputs, None)
    return pytensor.function(list(inputs.values()), output, mode=PY)(*draw.values())


def test_what_a_citizen_does_has_its_bernoulli_probability(strict, rng):
    spec = spec_of("participation", outcomes=["form", "sector"])
    design = make_design(strict, spec)
    draw = draw_of(rng, "participation", spec, design)
    ours = by_citizen("participation", spec, design, draw)
    y, country = design["y"].values, design["country_index"].values
    slope = np.einsum("ip,ifp->if", design["x"].values, draw["b"][country])
    p = expit(draw["b_intercept"][country] + slope)
    expected = np.where(np.isnan(y), 0.0, np.log(np.where(y == 1, p, 1 - p))).sum(axis=1)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_an_answer_has_its_cumulative_logit_probability(small, rng):
    spec = spec_of("ordinal", item="watch")
    design = make_design(small, spec)
    draw = draw_of(rng, "ordinal", spec, design)
    ours = by_citizen("ordinal", spec, design, draw)
    country, answer = design["country_index"].values, design["answer"].values[:, 0]
    eta = draw["b_intercept"][country, 0]
    eta = eta + (design["x"].values * draw["b"][country, 0]).sum(axis=1)
    kappa = draw["kappa"] + draw["threshold_shift"]
    below = expit(np.column_stack([kappa[country] - eta[:, None]]))
    below = np.column_stack([np.zeros(len(eta)), below, np.ones(len(eta))])
    rows = np.arange(len(eta))
    expected = np.log(below[rows, answer + 1] - below[rows, answer])
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_participation_needs_a_yes_or_all_answers(strict):
    design = make_design(strict, spec_of("participation"))
    data = strict.data.set_index("citizen").loc[design["citizen"].values]
    seen = set()
    for form in strict.codebook.forms:
        own = [item for item in strict.codebook.items if item.form == form]
        for (_, row), y in zip(data.iterrows(), design["y"].sel(form=form).values, strict=True):
            answers = [None if row.isna()[item.name] else str(row[item.name]) for item in own]
            does = [a == str(item.takes_part_from) for a, item in zip(answers, own, strict=True)]
            expected = 1.0 if any(does) else np.nan if None in answers else 0.0
            np.testing.assert_equal(y, expected)
            seen.add(str(expected))
    assert seen == {"1.0", "0.0", "nan"}


def test_ordinal_takes_one_item(small):
    with pytest.raises(SpecError, match="explains one item, and none is named. Available: .*lock"):
        make_design(small, load_model("ordinal"))
    with pytest.raises(SpecError, match="no item 'wach'. Did you mean 'watch'"):
        make_design(small, spec_of("ordinal", item="wach"))
    with pytest.raises(SpecError, match="item does not apply to likelihood = 'index'"):
        spec_of("index", item="watch")
    with pytest.raises(SpecError, match="forms does not apply to likelihood = 'ordinal'"):
        spec_of("ordinal", item="watch", forms=["alone"])


def test_taking_part_without_variation_is_refused(small):
    with pytest.raises(SurveyError, match="taking part in 'alone' is 1 for every citizen"):
        make_design(small, spec_of("participation"))
