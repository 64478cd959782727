"""What a report says of the items model."""

import re
from dataclasses import replace

import numpy as np
import pytest

import bayes_coprod as bc
from bayes_coprod.errors import SpecError
from bayes_coprod.report.collect import collect_report
from bayes_coprod.report.data import CurveFigure, Formula, ShiftFigure, Table
from bayes_coprod.report.intervals import choose_interval
from bayes_coprod.report.item_figures import draw_shifts
from bayes_coprod.report.items import collect_curves, collect_shifts
from bayes_coprod.report.write import render_html


@pytest.fixture(scope="module")
def report(items_fit):
    return collect_report(items_fit)


@pytest.fixture(scope="module")
def blocks(report):
    return [block for section in report.sections for block in section.blocks]


def only(blocks, kind, name=None):
    (found,) = [b for b in blocks if isinstance(b, kind) and name in (None, getattr(b, "name", ""))]
    return found


def test_citizens_and_items_have_a_section(report):
    headings = [section.heading for section in report.sections]
    assert headings.index("Citizens and items") == headings.index("Drivers") + 1


def test_the_spread_of_citizens_is_the_posterior(blocks, items_fit):
    table = only(blocks, Table, "propensities")
    assert [row[0] for row in table.rows] == [
        "SD of citizens' propensity, individual",
        "SD of citizens' propensity, collective",
        "Correlation of the two",
    ]
    said = float(re.match(r"[\d.]+", table.rows[0][1])[0])
    sigma = items_fit.posterior["sigma"].sel(form="individual")
    assert said == round(float(sigma.mean()), 2)


def test_every_threshold_has_a_row(blocks, items_fit):
    table = only(blocks, Table, "thresholds")
    assert len(table.rows) == items_fit.posterior.sizes["threshold"]


def test_shifts_are_posterior_means_and_none_stands_out(blocks, items_fit):
    figure = only(blocks, ShiftFigure)
    shift = items_fit.posterior["shift"].mean(("chain", "draw")).transpose("item", "country")
    np.testing.assert_allclose(figure.shifts, shift)
    assert not np.any(figure.stands_out)
    assert figure.alt.endswith("none.")


def test_a_shift_beyond_the_limit_is_ringed_and_named(items_fit, with_draws):
    shift = items_fit.posterior["shift"].copy()
    shift.loc[{"country": "France", "item": "exercise"}] += 1.0
    figure = collect_shifts(with_draws(items_fit, shift=shift))
    assert np.sum(figure.stands_out) == 1
    assert "Exercises in France 1." in figure.alt
    rings = draw_shifts(figure).axes[0].collections[-1]
    assert len(rings.get_offsets()) == 1


def test_answers_are_shown_along_the_strongest_driver(blocks):
    figure = only(blocks, CurveFigure)
    assert figure.driver == "How much of a difference citizens can make"
    for _, curves in figure.panels:
        total = np.sum([[share.mean for share in curve.shares] for curve in curves], axis=0)
        np.testing.assert_allclose(total, 100)


@pytest.mark.parametrize(
    ("label", "axis"),
    [("Age", "Age, years"), ("Age in years", "Age in years"), ("Age (Years)", "Age (Years)")],
)
def test_a_unit_that_the_label_says_is_not_said_twice(items_fit, label, axis):
    drivers = [
        replace(d, label=label) if d.name == "age" else d for d in items_fit.codebook.drivers
    ]
    book = replace(items_fit.codebook, drivers=tuple(drivers))
    few = items_fit.tree.isel(draw=slice(2), missing_dims="ignore")
    fit = replace(items_fit, codebook=book, tree=few)
    assert collect_curves(fit, choose_interval(None, None), "age").driver == axis


def test_the_model_is_said_in_its_formulas_and_units(blocks):
    latex = " ".join(block.latex for block in blocks if isinstance(block, Formula))
    assert r"\operatorname{logistic}" in latex and "s_{kc(i)}" in latex
    assert "logits" in only(blocks, Table, "priors").caption
    assert "logits" in only(blocks, Table, "between_countries").caption


def test_the_page_has_all_four_figures(report):
    page = render_html(report)
    assert page.count('<figure class="plot">') == 4
    assert "SDs of the outcome" not in page


def test_figures_of_notebooks_are_the_same(items_fit):
    assert len(bc.plot_categories(items_fit, "age").axes) == 2
    assert bc.plot_shifts(items_fit).axes


def test_an_index_fit_has_neither_figure(fit):
    with pytest.raises(SpecError, match="no shifts"):
        bc.plot_shifts(fit)
    with pytest.raises(SpecError, match="items"):
        bc.plot_categories(fit, "age")
