import dataclasses
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from bayes_coprod.drawing import svg_text
from bayes_coprod.errors import SurveyError
from bayes_coprod.report.survey_figures import plot_coverage, plot_shares
from bayes_coprod.survey.coverage import answered_share
from bayes_coprod.survey.describe import participation_shares
from bayes_coprod.survey.read import read_survey

SVG = "{http://www.w3.org/2000/svg}"


def cells(figure):
    """Row label to what its cells say, from left to right; headings have none."""
    (axes,) = figure.axes
    rows = {
        y: (label.get_text().replace("\n", " "), [])
        for y, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    }
    for text in axes.texts:
        x, y = text.get_position()
        rows[y][1].append((x, text.get_text()))
    return {label: [words for _, words in sorted(found)] for label, found in rows.values()}


def columns(figure):
    return [label.get_text().replace("\n", " ") for label in figure.axes[0].get_xticklabels()]


def title(figure):
    return figure.get_suptitle().replace("\n", " ")


def grey(colour):
    return float(np.dot(mpl.colors.to_rgb(colour), [0.299, 0.587, 0.114]))


def without(survey, country, item):
    data = survey.data.copy()
    data.loc[data["country"] == country, item] = None
    return dataclasses.replace(survey, data=data)


@pytest.fixture
def hand(small_frame, small_book):
    """A survey of three countries in which everybody answered `lock`, and one in two takes part."""
    small_frame["lock"] = np.resize([0, 2], len(small_frame))
    return read_survey(small_frame, small_book)


def test_items_stand_by_form_and_sector_under_headings(hand):
    figure = plot_shares(hand)
    assert isinstance(figure, Figure)
    assert list(cells(figure)) == [
        "alone: home", "lock", "alone: street", "watch", "report",
        "together: home", "meet", "together: street", "patrol",
    ]  # fmt: skip
    assert columns(figure) == ["Austria", "Belgium", "Cyprus"]
    assert cells(figure)["alone: home"] == []
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top  # the first row is on top


def test_cells_say_the_share_in_per_cent(hand):
    assert cells(plot_shares(hand))["lock"] == ["50"] * 3
    assert cells(plot_coverage(hand))["lock"] == ["100"] * 3
    for figure, shares in (
        (plot_shares(hand), participation_shares(hand)),
        (plot_coverage(hand), answered_share(hand).T),
    ):
        for item in hand.codebook.items:
            assert cells(figure)[item.label] == [f"{100 * s:.0f}" for s in shares.loc[item.name]]


def test_shares_are_weighted_where_there_are_weights_unless_told_otherwise(five):
    label = five.codebook.item("travel_green").label
    for weighted, words in ((None, "weighted"), (True, "weighted"), (False, "unweighted")):
        figure = plot_shares(five, weighted=weighted)
        shares = participation_shares(five, weighted=words == "weighted").loc["travel_green"]
        assert cells(figure)[label] == [f"{100 * share:.0f}" for share in shares]
        assert f"answered, {words}." in title(figure)


def test_without_weights_shares_are_unweighted_and_weighted_ones_refused(small):
    assert "unweighted" in title(plot_shares(small))
    with pytest.raises(SurveyError, match="has no weights"):
        plot_shares(small, weighted=True)


@pytest.mark.parametrize("plot", [plot_shares, plot_coverage])
def test_the_title_says_what_good_looks_like(five, plot):
    assert "Good: " in title(plot(five))


@pytest.mark.parametrize("plot", [plot_shares, plot_coverage])
def test_where_nobody_was_asked_the_cell_says_so(five, plot):
    figure = plot(without(five, "Denmark", "recycle"))
    found = cells(figure)["Recycles household waste"]
    assert found[1] == "not asked"
    assert found.count("not asked") == 1
    hatched = [patch for patch in figure.axes[0].collections if patch.get_hatch()]
    assert len(hatched) == 1


def test_a_country_without_a_weight_is_not_called_unasked(five):
    weights = five.data["weight"].mask(five.data["country"] == "France", 0.0)
    figure = plot_shares(dataclasses.replace(five, data=five.data.assign(weight=weights)))
    assert {found[2] for found in cells(figure).values() if found} == {"no weight"}


def test_what_is_not_quite_none_or_all_is_not_called_so(hand):
    data = hand.data.iloc[np.repeat(np.arange(len(hand.data)), 10)].copy()
    labels = data["lock"].cat.categories
    there = (data["country"] == "Austria").to_numpy().nonzero()[0]
    data.iloc[there, data.columns.get_loc("lock")] = labels[2]
    data.iloc[there[0], data.columns.get_loc("lock")] = labels[0]
    there = (data["country"] == "Cyprus").to_numpy().nonzero()[0]
    data.iloc[there, data.columns.get_loc("lock")] = labels[0]
    data.iloc[there[0], data.columns.get_loc("lock")] = labels[2]
    figure = plot_shares(dataclasses.replace(hand, data=data))
    assert cells(figure)["lock"] == [">99", "50", "<1"]


def test_darker_is_more_also_in_grey_and_figures_stand_out(five):
    (axes,) = plot_shares(five).axes
    shades = [grey(c.get_facecolor()[0][:3]) for c in axes.collections]
    says = [float(text.get_text().strip("<>")) for text in axes.texts]
    order = np.argsort(says, kind="stable")
    assert (np.diff(np.array(shades)[order]) < 0.02).all()
    assert shades[np.argmax(says)] < 0.3 < 0.7 < shades[np.argmin(says)]
    for shade, text in zip(shades, axes.texts, strict=True):
        assert abs(shade - grey(text.get_color())) > 0.28


def test_gaps_are_dark_in_coverage(hand):
    (axes,) = plot_coverage(hand).axes
    says = [float(text.get_text()) for text in axes.texts]
    shades = [grey(c.get_facecolor()[0][:3]) for c in axes.collections]
    assert shades[np.argmax(says)] > shades[np.argmin(says)]


def test_labels_are_shown_as_they_stand(small_frame, small_book):
    small_book["items"]["lock"]["label"] = "Pays $x^2$ & <b>more</b>\nat 😀"
    small_book["country"]["labels"] = {
        "Austria": "$A_1$", "Belgium": "<i>B</i> & co", "Cyprus": "C",
    }  # fmt: skip
    survey = read_survey(small_frame, small_book)
    for plot in (plot_shares, plot_coverage):
        svg = svg_text(plot(survey), "cells")
        words = {element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")}
        assert {"Pays $x^2$ & <b>more</b> at 😀", "$A_1$"} <= words
        assert "<i>B</i>" in words


def test_thirty_countries_and_long_labels_stay_legible(small_book, small_frame):
    small_book["items"]["lock"]["label"] = "A label that goes on and on " * 5
    names = [f"Country {i:02d} of the United Kingdoms" for i in range(30)]
    small_frame["country"] = np.resize(names, len(small_frame))
    figure = plot_shares(read_survey(small_frame, small_book))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert max(len(line) for label in labels for line in label.split("\n")) <= 34
    assert labels[1].endswith("…") and labels[1].count("\n") == 1
    assert all(len(name) <= 28 and name.endswith("…") for name in columns(figure))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts[:30]]
    assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))
    whole = figure.get_window_extent()
    for text in [*figure.axes[0].get_yticklabels(), *figure.axes[0].get_xticklabels()]:
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and box.y1 <= whole.y1


def test_one_country_is_drawn(five):
    data = five.data[five.data["country"] == "France"].copy()
    data["country"] = data["country"].cat.remove_unused_categories()
    figure = plot_coverage(dataclasses.replace(five, data=data))
    assert columns(figure) == ["France"]


def test_plotting_leaves_no_trace(five):
    before = dict(mpl.rcParams)
    svg_text(plot_shares(five), "shares")
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []
