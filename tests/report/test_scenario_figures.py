"""Scenarios as figures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import by, to
from bayes_coprod.estimands.closing import closing_the_gap
from bayes_coprod.estimands.scenarios import IF_CAUSAL, scenario
from bayes_coprod.estimands.summarise import summarise
from bayes_coprod.report.intervals import choose_interval
from bayes_coprod.report.scenario_figures import plot_closing, plot_scenario
from bayes_coprod.report.scenarios import collect_closing, collect_scenario

BY_SECTOR = {"outcomes": ["form", "sector"]}
MEAN = ("chain", "draw")


@pytest.fixture
def fit(told, changeable):
    return told(changeable)


def caption(figure):
    return " ".join(figure._supxlabel.get_text().split())


def starts(axes):
    found = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    return [line.get_xdata()[0] for line in sorted(found, key=lambda line: line.get_ydata()[0])]


def arrows(axes):
    """(from, to) of each arrow, by row."""
    found = [text for text in axes.texts if text.arrow_patch is not None]
    return [(text.xyann[0], text.xy[0]) for text in sorted(found, key=lambda text: text.xy[1])]


def test_arrows_lead_from_now_to_then(fit):
    found = scenario(fit, {"trust": by(1), "age": by(20)})
    figure = plot_scenario(found)
    for axes, form in zip(figure.axes, ("alone", "together"), strict=True):
        now, then = (found[part].sel(form=form).mean(MEAN) for part in ("now", "then"))
        assert axes.get_title() == form
        np.testing.assert_allclose(starts(axes), now)
        np.testing.assert_allclose(arrows(axes), np.stack([now, then], axis=1))
    spans = [high - low for low, high in (axes.get_xlim() for axes in figure.axes)]
    assert spans[0] == pytest.approx(spans[1])  # a point is as long in both
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["Austria", "Belgium", "Cyprus"]


def test_the_difference_is_written_with_its_interval(fit):
    found = scenario(fit, {"trust": by(1)})
    data = collect_scenario(found, choose_interval(0.8, "hdi"))
    table = summarise(found["difference"], prob=0.8, kind="hdi")
    for row in data.rows:
        for form, arrow in row.arrows:
            at = table.loc[(row.place, data.forms[form])]
            mean = arrow.said.split(" ")[0]
            assert float(mean.replace("−", "-")) == pytest.approx(at["mean"], abs=0.6)
            assert mean[0] in "+−0"
    assert "80 % highest-density credible interval" in data.note


def test_the_sentence_on_association_stands_in_the_figure(fit):
    for figure in (
        plot_scenario(scenario(fit, {"trust": by(1)})),
        plot_closing(closing_the_gap(fit)),
    ):
        assert IF_CAUSAL in caption(figure)
        assert "89 % equal-tailed credible interval" in caption(figure)


def test_changes_and_who_is_changed_are_said(fit):
    found = scenario(fit, {"trust": by(2), "school": to("high")}, only={"age": (30, 50)})
    data = collect_scenario(found, choose_interval(None, None), "Both")
    assert data.title == "Both: trust by 2 and school to high. Arrows: from now to then"
    assert "citizens with age 30 to 50; levels are of all" in data.caption
    assert "cuts short the shift in trust of up to" in data.caption
    everybody = collect_scenario(scenario(fit, {"school": to("high")}), choose_interval(None, None))
    assert everybody.caption == "Everybody is changed."


def test_nothing_changed_has_marks_and_no_arrows(fit):
    figure = plot_scenario(scenario(fit, {"trust": by(0)}))
    assert [len(starts(axes)) for axes in figure.axes] == [3, 3]
    assert [arrows(axes) for axes in figure.axes] == [[], []]


@pytest.mark.parametrize(
    ("content", "panels", "rows"),
    [
        ({"likelihood": "participation"}, 2, 3),
        (BY_SECTOR, 2, 6),
        ({"forms": ["together"]}, 1, 3),
    ],
)
def test_models_of_all_kinds_can_be_drawn(told, changeable, content, panels, rows):
    figure = plot_scenario(scenario(told(changeable, **content), {"trust": by(1)}))
    assert len(figure.axes) == panels
    assert all(len(starts(axes)) == rows for axes in figure.axes)
    if "likelihood" in content:
        assert caption(figure).startswith("Per cent of citizens.")
        assert all(0 <= tick <= 100 for axes in figure.axes for tick in axes.get_xticks())


def test_the_driver_that_narrows_the_gap_most_comes_first(fit):
    found = closing_the_gap(fit)
    (axes,) = plot_closing(found).axes
    mean = found["gap"].mean((*MEAN, "country")).to_pandas().sort_values()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    ends = found["end"].to_pandas()
    assert labels == [f"{driver}\nto {ends[driver]}" for driver in mean.index]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots, mean)
    first = found["ranks"].sel(rank=1).mean(MEAN).to_pandas()[mean.index]
    said = [text.get_text() for text in axes.texts[:-1]]
    for text, p in zip(said, first, strict=True):
        assert text == ("<\N{NO-BREAK SPACE}0.01" if p < 0.01 else f"{p:.2f}")


def test_closing_by_sector_has_a_row_for_each(told, changeable):
    data = collect_closing(
        closing_the_gap(told(changeable, **BY_SECTOR)), choose_interval(None, None)
    )
    assert sorted(row.driver for row in data.rows if "trust" in row.driver) == [
        "trust, home",
        "trust, street",
    ]


def test_what_is_no_scenario_is_refused(fit):
    found = scenario(fit, {"trust": by(1)})
    with pytest.raises(SpecError, match=r"plot_scenario: a DataArray is nothing that scenario\("):
        plot_scenario(found["now"])
    with pytest.raises(SpecError, match="a Dataset without 'then' is nothing"):
        plot_scenario(found.drop_vars("then"))
    with pytest.raises(SpecError, match=r"plot_closing: .*Use closing_the_gap\(fit\)"):
        plot_closing(found)
    with pytest.raises(SpecError, match="prob = 2 is no probability"):
        plot_scenario(found, prob=2)


def test_plotting_leaves_no_trace(fit):
    plot_scenario(scenario(fit, {"trust": by(1)}))
    assert plt.get_fignums() == []
