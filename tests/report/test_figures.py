import re
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from bayes_coprod.drawing import svg_text
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import country_levels, gap
from bayes_coprod.estimands.drivers import driver_contrast, driver_effects
from bayes_coprod.estimands.summarise import summarise
from bayes_coprod.report.figures import plot_drivers, plot_gulf
from bayes_coprod.survey.read import read_survey

BY_SECTOR = {"outcomes": ["form", "sector"]}
SVG = "{http://www.w3.org/2000/svg}"
LEVELS = {"Austria": (60, 40), "Belgium": (40, 80), "Cyprus": (70, 40)}


def axes_of(figure):
    (axes,) = figure.axes
    return axes


def labels_of(figure):
    """Labels of the rows, from top to bottom."""
    axes = axes_of(figure)
    bottom, top = axes.get_ylim()
    assert bottom > top  # row 0 is on top
    assert list(axes.get_yticks()) == list(range(len(axes.get_yticks())))
    return [label.get_text() for label in axes.get_yticklabels()]


def dots(figure, marker):
    """(x, y) of all markers of a shape, by row."""
    lines = [line for line in axes_of(figure).lines if line.get_marker() == marker]
    points = [(line.get_xdata()[0], line.get_ydata()[0], line) for line in lines]
    return sorted(points, key=lambda point: point[1])


def bars(figure, colour):
    """Bounds of all intervals of a colour, by row."""
    lines = [
        line
        for line in axes_of(figure).lines
        if line.get_marker() == "|" and line.get_color() == colour
    ]
    return [tuple(line.get_xdata()) for line in sorted(lines, key=lambda bar: bar.get_ydata()[0])]


def words_of(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


# The gulf


def test_one_row_for_each_country_the_widest_gap_on_top(hand_made):
    figure = plot_gulf(hand_made(LEVELS))
    assert isinstance(figure, Figure)
    assert labels_of(figure) == ["Belgium", "Cyprus", "Austria"]
    written = [text.get_text() for text in axes_of(figure).texts]
    assert written == ["−40 points", "30 points", "20 points", "alone", "together"]


def test_dots_and_bars_are_levels_and_their_intervals(hand_made):
    fit = hand_made(LEVELS)
    figure = plot_gulf(fit, prob=0.8)
    summary = summarise(country_levels(fit), prob=0.8)
    for form, marker in (("alone", "o"), ("together", "D")):
        points = dots(figure, marker)
        rows = summary.xs(form, level="form").loc[["Belgium", "Cyprus", "Austria"]]
        np.testing.assert_allclose([x for x, _, _ in points], rows["mean"])
        np.testing.assert_allclose(bars(figure, points[0][2].get_color()), rows[["lower", "upper"]])


def test_forms_are_named_beside_their_own_dots(hand_made):
    figure = plot_gulf(hand_made(LEVELS))
    named = {text.get_text(): text for text in axes_of(figure).texts[-2:]}
    for form, marker in (("alone", "o"), ("together", "D")):
        x, _, dot = dots(figure, marker)[0]
        assert named[form].get_position()[0] == pytest.approx(x)
        assert named[form].get_color() == dot.get_color()


def test_the_axis_holds_the_whole_scale(hand_made):
    axes = axes_of(plot_gulf(hand_made(LEVELS)))
    assert axes.get_xlim() == (0, 100)
    assert "points" in axes.get_xlabel()


def test_by_sector_each_country_has_a_row_for_each(told, small):
    fit = told(small, **BY_SECTOR)
    order = summarise(gap(fit))["mean"].abs().sort_values(ascending=False).index
    assert labels_of(plot_gulf(fit)) == [", ".join(label) for label in order]


def test_one_form_has_no_gulf_to_plot(told, small):
    with pytest.raises(SpecError, match="gap: the model has the form 'alone' only"):
        plot_gulf(told(small, forms=["alone"]))


# Drivers


def test_one_row_for_each_driver_sorted_by_the_difference_between_the_forms(told, small):
    fit = told(small)
    contrast = driver_contrast(fit)["pooled"]
    order = summarise(contrast)["mean"].sort_values(ascending=False).index
    labels = labels_of(plot_drivers(fit))
    assert labels == [
        f"{contrast['label'].sel(driver=d).item()}\n{contrast['per'].sel(driver=d).item()}"
        for d in order
    ]
    assert "age\nper 10 years" in labels


def test_dots_and_bars_are_associations_and_their_intervals(told, small):
    fit = told(small)
    figure = plot_drivers(fit, kind="hdi")
    summary = summarise(driver_effects(fit)["pooled"], kind="hdi")
    order = summarise(driver_contrast(fit)["pooled"])["mean"].sort_values(ascending=False).index
    for form, marker in (("alone", "o"), ("together", "D")):
        points = dots(figure, marker)
        rows = summary.loc[form].loc[order]
        np.testing.assert_allclose([x for x, _, _ in points], rows["mean"])
        np.testing.assert_allclose(bars(figure, points[0][2].get_color()), rows[["lower", "upper"]])


def test_forms_differ_in_shape_and_filling_not_in_colour_alone(told, small):
    figure = plot_drivers(told(small))
    ((_, y, filled), *_), ((_, other, hollow), *_) = dots(figure, "o"), dots(figure, "D")
    assert y != other  # side by side, where one could hide the other
    assert filled.get_markerfacecolor() == filled.get_color()
    assert hollow.get_markerfacecolor() == "white"


def test_there_is_a_line_at_zero(told, small):
    lines = axes_of(plot_drivers(told(small))).lines
    assert any(list(line.get_xdata()) == [0, 0] for line in lines)


def test_drivers_of_one_form_are_plotted(told, small):
    figure = plot_drivers(told(small, forms=["together"]))
    assert len(labels_of(figure)) == len(dots(figure, "o")) == 5
    assert dots(figure, "D") == []


def test_drivers_of_a_sector_are_plotted(told, small):
    fit = told(small, **BY_SECTOR)
    effects = driver_effects(fit)["pooled"]
    for sector in ("home", "street"):
        alone = [x for x, _, _ in dots(plot_drivers(fit, sector=sector), "o")]
        expected = summarise(effects.sel(outcome=f"alone: {sector}"))["mean"]
        np.testing.assert_allclose(sorted(alone), sorted(expected))


@pytest.mark.parametrize(
    ("content", "sector", "message"),
    [
        (BY_SECTOR, None, r"the model has one figure for each sector.*Available: home, street"),
        (BY_SECTOR, "stret", r"sector = 'stret'.*Did you mean 'street'\?"),
        ({}, "home", r"sector = 'home', and the model has no sectors"),
        ({"drivers": "none"}, None, r"model 'test' has no drivers"),
    ],
    ids=["sector missing", "sector unknown", "no sectors", "no drivers"],
)
def test_drivers_that_cannot_be_plotted_are_refused(told, small, content, sector, message):
    with pytest.raises(SpecError, match=message):
        plot_drivers(told(small, **content), sector=sector)


@pytest.mark.parametrize("plot", [plot_gulf, plot_drivers])
def test_what_is_no_interval_is_refused(told, small, plot):
    fit = told(small)
    for prob in (0, 1, 89):
        with pytest.raises(SpecError, match=f"prob = {prob} is no probability"):
            plot(fit, prob=prob)
    with pytest.raises(SpecError, match="unknown kind 'ci'"):
        plot(fit, kind="ci")


# As SVG


def test_svg_holds_no_address_but_its_namespaces_and_no_date(hand_made):
    svg = svg_text(plot_gulf(hand_made(LEVELS)), "gulf")
    addresses = set(re.findall(r'(\S*?)="(?:https?:)?//[^"]*"', svg))
    assert addresses == {"xmlns", "xmlns:xlink"}
    assert svg.count("//") == 2
    assert not re.search(r"metadata|matplotlib|\d{4}-\d\d-\d\d", svg, re.IGNORECASE)
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"


def test_text_stays_text(hand_made):
    written = words_of(svg_text(plot_gulf(hand_made(LEVELS)), "gulf"))
    assert {"Austria", "Belgium", "Cyprus", "30 points", "alone", "together"} <= set(written)


def test_labels_are_shown_as_they_stand(told, small_frame, small_book):
    """No dollar sign begins a formula, no bracket a tag."""
    small_book["drivers"]["age"]["label"] = "Earns $10 to $20"
    small_book["drivers"]["trust"]["label"] = "Pays $x^$ & <more>"
    small_book["country"]["labels"] = {c: f"${c}_1$" for c in ("Austria", "Belgium", "Cyprus")}
    fit = told(read_survey(small_frame, small_book))
    assert {"Earns $10 to $20", "Pays $x^$ & <more>"} <= set(
        words_of(svg_text(plot_drivers(fit), "drivers"))
    )
    assert "$Belgium_1$" in words_of(svg_text(plot_gulf(fit), "gulf"))


def test_long_labels_break_between_words(told, small_frame, small_book):
    long = "How much of a difference citizens can make"
    small_book["drivers"]["trust"]["label"] = long
    figure = plot_drivers(told(read_survey(small_frame, small_book)))
    (label,) = (label for label in labels_of(figure) if label.startswith("How"))
    *lines, per = label.split("\n")
    assert " ".join(lines) == long
    assert per == "per step"
    assert max(map(len, lines)) <= 26


def test_svg_of_the_same_fit_is_the_same(hand_made):
    fit = hand_made(LEVELS)
    one, other = (svg_text(plot_gulf(fit), "gulf") for _ in range(2))
    assert one == other


def test_two_figures_share_no_ids_in_one_page(told, small):
    fit = told(small)
    ids = [
        identity
        for figure, name in ((plot_gulf(fit), "gulf"), (plot_drivers(fit), "drivers"))
        for identity in re.findall(r'\bid="([^"]*)"', svg_text(figure, name))
    ]
    assert ids
    assert len(ids) == len(set(ids))


def test_what_an_svg_refers_to_is_in_it(told, small):
    svg = svg_text(plot_drivers(told(small)), "drivers")
    referred = re.findall(r'(?:url\(|href=")#([^)"]+)', svg)
    assert referred
    assert set(referred) <= set(re.findall(r'\bid="([^"]*)"', svg))


def test_plotting_leaves_no_trace(told, small):
    before = dict(mpl.rcParams)
    svg_text(plot_drivers(told(small)), "drivers")
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []
