"""Contrasts, ranks and pooling as figures: what is drawn is what the estimands say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import country_contrasts, country_levels, country_ranks, gap
from bayes_coprod.estimands.drivers import driver_effects
from bayes_coprod.estimands.summarise import summarise
from bayes_coprod.report.country_figures import plot_contrasts, plot_ranks
from bayes_coprod.report.pooling_figures import plot_pooling

LEVELS = {"Austria": (60, 40), "Belgium": (40, 80), "Cyprus": (70, 40)}
BY_SECTOR = {"outcomes": ["form", "sector"]}


def rows(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def marks(axes, marker):
    """Places of all marks of a shape, from top to bottom."""
    found = [line for line in axes.lines if line.get_marker() == marker]
    return [line.get_xdata()[0] for line in sorted(found, key=lambda line: line.get_ydata()[0])]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def caption(figure):
    return " ".join(figure._supxlabel.get_text().split())


# Contrasts


def test_contrasts_stand_in_order_with_their_probabilities(hand_made):
    fit = hand_made(LEVELS)  # gaps 20, -40 and 30, their mean 3.3
    contrasts = country_contrasts(fit, of=gap)
    figure = plot_contrasts(contrasts, prob=0.8)
    (axes,) = figure.axes
    assert rows(axes) == ["Cyprus", "Austria", "Belgium"]
    np.testing.assert_allclose(marks(axes, "o"), [80 / 3, 50 / 3, -130 / 3])
    bars = {tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"}
    table = summarise(contrasts, prob=0.8)
    assert bars == set(zip(table["lower"], table["upper"], strict=True))
    assert [text.replace("\N{NO-BREAK SPACE}", "") for text in texts(figure)[:3]] == [
        ">0.99",
        ">0.99",
        "<0.01",
    ]
    assert any(list(line.get_xdata()) == [0, 0] for line in axes.lines)
    said = caption(figure)
    assert said.startswith("Gap between the forms: each country minus the countries' mean, in poi")
    assert "80 % equal-tailed credible interval" in said


def test_both_forms_lie_side_by_side_and_are_named(hand_made):
    contrasts = country_contrasts(hand_made(LEVELS))
    figure = plot_contrasts(contrasts)
    (axes,) = figure.axes
    assert rows(axes) == ["Cyprus", "Austria", "Belgium"]
    for form, marker in (("alone", "o"), ("together", "D")):
        of = contrasts.sel(form=form).mean(("chain", "draw"))
        np.testing.assert_allclose(marks(axes, marker), of.sel(country=rows(axes)))
    assert {"alone", "together"} <= set(texts(figure))


def test_the_reference_itself_has_no_row(hand_made):
    fit = hand_made(LEVELS)
    figure = plot_contrasts(country_contrasts(fit, of=gap, reference="Austria"))
    assert rows(figure.axes[0]) == ["Cyprus", "Belgium"]
    assert "each country minus Austria" in caption(figure)
    figure = plot_contrasts(country_contrasts(fit, of=gap, reference="pairwise"))
    assert rows(figure.axes[0]) == ["Austria - Belgium", "Austria - Cyprus", "Belgium - Cyprus"]


def test_shares_are_drawn_in_percentage_points(told, changeable):
    fit = told(changeable, likelihood="participation")
    contrasts = country_contrasts(fit)
    figure = plot_contrasts(contrasts)
    expected = 100 * contrasts.sel(form="alone").mean(("chain", "draw"))
    np.testing.assert_allclose(marks(figure.axes[0], "o"), sorted(expected, reverse=True))
    assert "percentage points" in caption(figure)


def test_by_sector_each_country_has_a_row_for_each(told, small):
    fit = told(small, **BY_SECTOR)
    (axes,) = plot_contrasts(country_contrasts(fit)).axes
    places = [f"{country}, {sector}" for country in LEVELS for sector in ("home", "street")]
    assert sorted(rows(axes)) == places
    assert len(marks(axes, "o")) == len(marks(axes, "D")) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.to_dataset(name="x"), "plot_contrasts: a Dataset is no quantity"),
        (lambda c: c.mean("draw"), "have no dim draw, only chain, country"),
        (lambda c: c.isel(country=0), "have no dim country or contrast"),
        (lambda c: c.assign_attrs(units="logits"), "logits alone.*scale='index'"),
        (lambda c: c.drop_attrs(), "no contrasts. Give country_contrasts"),
    ],
)
def test_what_are_no_contrasts_is_refused(hand_made, change, message):
    with pytest.raises(SpecError, match=message):
        plot_contrasts(change(country_contrasts(hand_made(LEVELS), of=gap)))


# Ranks


def test_each_cell_holds_the_probability_of_its_rank(told, small):
    ranks = country_ranks(told(small), of=gap)
    figure = plot_ranks(ranks)
    (axes,) = figure.axes
    share = ranks.mean(("chain", "draw"))
    order = (share * share["rank"]).sum("rank").to_pandas().sort_values(kind="stable").index
    assert rows(axes) == list(order)
    written = np.array(texts(figure)).reshape(3, 3)
    for country, row in zip(order, written, strict=True):
        for rank, text in zip((1, 2, 3), row, strict=True):
            p = float(share.sel(country=country, rank=rank))
            assert text == ("<0.01" if p < 0.01 else ">0.99" if p > 0.99 else f"{p:.2f}")
    assert "Gap between the forms: probability of each rank" in caption(figure)


def test_forms_have_a_panel_each_and_countries_one_order(told, small):
    figure = plot_ranks(country_ranks(told(small)))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["alone", "together"]
    assert len(texts(figure)) == 18


def test_darker_is_more_probable(hand_made):
    (axes,) = plot_ranks(country_ranks(hand_made(LEVELS), of=gap)).axes
    grey = [cell.get_facecolor()[0][:3] @ np.array([0.3, 0.6, 0.1]) for cell in axes.collections]
    sure = [text.get_text() == ">0.99" for text in axes.texts]
    assert sum(sure) == 3
    assert max(np.array(grey)[sure]) < 0.3 < 0.7 < min(np.array(grey)[np.invert(sure)])


def test_many_ranks_are_shades_without_figures(hand_made):
    ranks = country_ranks(hand_made(LEVELS), of=gap)
    many = np.eye(20, dtype=bool)[None, None].repeat(2, axis=1)
    labels = {"country": [f"Country {i}" for i in range(20)], "rank": range(1, 21)}
    figure = plot_ranks(type(ranks)(many, labels, dims=("chain", "draw", "country", "rank")))
    assert texts(figure) == []
    assert len(figure.axes[0].collections) == 400


def test_what_are_no_ranks_is_refused(hand_made):
    fit = hand_made(LEVELS)
    with pytest.raises(SpecError, match="have no dim rank.*country_ranks"):
        plot_ranks(gap(fit))
    with pytest.raises(SpecError, match="no ranks: they are numbers"):
        plot_ranks(country_ranks(fit, of=gap).astype(float))


# Pooling


def test_crosses_are_without_pooling_and_dots_with_it(told, small):
    partial = driver_effects(told(small))["by_country"]
    none = 2 * partial + 1
    none.attrs = partial.attrs
    figure = plot_pooling(partial, none)
    heads, panels = figure.axes[:2], figure.axes[2:]
    assert [axes.texts[0].get_text() for axes in heads] == ["alone", "together"]
    assert len(panels) == 2 * partial.sizes["driver"]
    for d, (alone, together) in enumerate(zip(panels[::2], panels[1::2], strict=True)):
        assert rows(alone) == list(LEVELS)
        assert alone.get_xlim() == together.get_xlim()
        for axes, form, marker in ((alone, "alone", "o"), (together, "together", "D")):
            at = partial.isel(driver=d).sel(form=form).mean(("chain", "draw"))
            np.testing.assert_allclose(marks(axes, marker), at)
            np.testing.assert_allclose(marks(axes, "x"), 2 * at + 1)
            (mean,) = (line for line in axes.lines if line.get_linestyle() == "--")
            assert mean.get_xdata()[0] == pytest.approx(float(at.mean()))
    age = list(partial["driver"].values).index("age")
    assert panels[2 * age].get_title(loc="left") == "age, per 10 years"


def test_levels_have_one_row_of_panels(hand_made):
    levels = country_levels(hand_made(LEVELS))
    figure = plot_pooling(levels, levels)
    assert len(figure.axes) == 4
    assert caption(figure).startswith("Points of 100.")
    one = plot_pooling(levels.sel(form="alone", drop=True), levels.sel(form="alone", drop=True))
    assert len(one.axes) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.to_dataset(name="x"), "a Dataset is no quantity"),
        (lambda a: a.isel(form=0), "partial has the dims .* none has chain, draw, country"),
        (lambda a: a.isel(country=[0, 1]), "other labels of country"),
        (lambda a: a.assign_attrs(units="share of items"), "none in share of items"),
    ],
)
def test_two_that_are_not_alike_are_refused(hand_made, change, message):
    levels = country_levels(hand_made(LEVELS))
    with pytest.raises(SpecError, match=message):
        plot_pooling(levels, change(levels))


def test_the_link_scale_is_refused(told, changeable):
    effects = driver_effects(told(changeable, likelihood="participation"), scale="link")
    with pytest.raises(SpecError, match="logits alone"):
        plot_pooling(effects["by_country"], effects["by_country"])


def test_plotting_leaves_no_trace(hand_made):
    fit = hand_made(LEVELS)
    plot_contrasts(country_contrasts(fit))
    plot_ranks(country_ranks(fit))
    assert plt.get_fignums() == []
