"""What is drawn is what was measured, and titles say what good looks like."""

from dataclasses import replace
from functools import partial

import arviz_stats as azs
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from arviz_stats.utils import ELPDDataLOO
from matplotlib.figure import Figure

from bayes_coprod.diagnostics.countries import check_countries
from bayes_coprod.diagnostics.influence_figures import plot_influence, plot_left_out
from bayes_coprod.diagnostics.pit import check_pit
from bayes_coprod.diagnostics.predictive_figures import (
    plot_calibration,
    plot_pit,
    plot_reliability,
)
from bayes_coprod.diagnostics.prior_figures import plot_priors, plot_sensitivity
from bayes_coprod.diagnostics.replicate import (
    mean_probabilities,
    observed_responses,
    probability_below,
    thinned,
)
from bayes_coprod.diagnostics.sampling import check_sampling
from bayes_coprod.diagnostics.sampling_figures import plot_chains, plot_energy, sorted_parameters
from bayes_coprod.diagnostics.shares import calibration_table
from bayes_coprod.drawing import InlineFigure, svg_text, titled_figure
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import country_levels, country_mean

COUNTRIES = ["Austria", "Belgium", "Cyprus", "Denmark"]


def title(figure):
    return figure.get_suptitle().replace("\n", " ")


def name(axes):
    return axes.get_title(loc="left").replace("\n", " ")


def assert_says_what_is_good(figure):
    assert isinstance(figure, InlineFigure)
    assert " Good: " in title(figure)
    assert title(figure).endswith(".")
    assert svg_text(figure, "figure").startswith("<svg")


def rows(axes):
    return [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]


def marks(axes, marker):
    """(x, y) of all marks of a shape, in the order in which they were drawn."""
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return [tuple(xy) for line in lines for xy in np.asarray(line.get_xydata())]


MADE = {}


def copy_of(made, request, survey, **content):
    """A fit of random draws, which is made once, and may be changed."""
    if made not in MADE:
        make, of = (request.getfixturevalue(needed) for needed in ("random_fit", survey))
        MADE[made] = make(of, **content)
    return replace(MADE[made], tree=MADE[made].tree.copy(deep=True))


@pytest.fixture
def mixed(request):
    """Four chains of random numbers, of which one has gone elsewhere."""
    fit = copy_of("mixed", request, "small", chains=4, draws=50)
    fit.tree["posterior"]["b_intercept"][0, :, 1, 0] += 10
    return fit


@pytest.fixture
def ordinal(request):
    fit = copy_of("ordinal", request, "strict", likelihood="ordinal", item="watch", draws=50)
    fit.tree["posterior"]["kappa"][:] = [-1.0, 0.5, 2.0]
    fit.tree["posterior"]["threshold_shift"] *= 0.1
    return fit


@pytest.fixture
def loo():
    k = xr.DataArray(
        [0.1, 0.9, -0.2, 0.3, 0.8, np.nan],
        dims="citizen",
        coords={
            "citizen": [f"c{i}" for i in range(6)],
            "country": ("citizen", 3 * ["Austria"] + 3 * ["Belgium"]),
        },
    )
    return ELPDDataLOO(
        elpd=0.0, se=0.0, p=0.0, n_samples=100, n_data_points=6, scale="log",
        warning=True, good_k=0.7, pareto_k=k,
    )  # fmt: skip


@pytest.fixture
def left_out():
    """Four countries, of which Belgium moves the gap and Denmark could not be left out."""
    rng = np.random.default_rng(1)
    labels = ["mean level: alone", "mean level: together", "mean gap", "effect: alone, age"]
    shift = np.full((4, 4), 0.3)
    shift[1, 2], shift[3] = -4.0, np.nan
    level = xr.DataArray(
        rng.normal(size=(2, 100, 4, 2)), dims=("chain", "draw", "country", "form"),
        coords={"country": COUNTRIES, "form": ["alone", "together"]}, attrs={"units": "points"},
    )  # fmt: skip
    without = xr.DataArray(
        np.zeros((2, 100, 4, 4)), dims=("chain", "draw", "country", "conclusion")
    )
    return xr.Dataset(
        {
            "level": level,
            "predicted": level + rng.normal(size=level.shape),
            "shift": (("country", "conclusion"), shift),
            "with_all": (("chain", "draw", "conclusion"), np.zeros((2, 100, 4))),
            "without": without,
            "reason": ("country", ["", "", "", "no answer to 'lock'"]),
        },
        coords={"conclusion": labels, "units": ("conclusion", 4 * ["points"])},
        attrs={"n_countries": 4},
    )


@pytest.fixture
def sensitivity():
    table = pd.DataFrame(
        [
            ("mean gap", "tau", 0.01),
            ("mean gap", "beta", 0.2),
            ("mean gap", "likelihood", 0.3),
            ("effect: alone, age", "tau", 0.0),
            ("effect: alone, age", "beta", np.nan),
            ("effect: alone, age", "likelihood", 0.02),
        ],
        columns=["quantity", "block", "sensitivity"],
    )
    table.attrs["limit"] = 0.05
    return table


FIGURES = {
    "chains": ("mixed", lambda fit, **where: plot_chains(fit, n=3, **where)),
    "traces": ("mixed", lambda fit, **where: plot_chains(fit, n=3, kind="trace", **where)),
    "energy": ("mixed", plot_energy),
    "calibration": ("ordinal", plot_calibration),
    "reliability": ("ordinal", lambda fit, **where: plot_reliability(fit, draws=20, **where)),
    "influence": ("loo", plot_influence),
    "left out": ("left_out", plot_left_out),
    "sensitivity": ("sensitivity", plot_sensitivity),
}
"""All that are drawn fast, with what they are drawn of."""


@pytest.fixture
def draw(request):
    of, plot = FIGURES[request.param]
    return partial(plot, request.getfixturevalue(of))


every_figure = pytest.mark.parametrize("draw", FIGURES, indirect=True)


@every_figure
def test_a_title_says_what_good_looks_like_and_nothing_else_changes(draw):
    before = dict(mpl.rcParams)
    assert_says_what_is_good(draw())
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


@every_figure
def test_a_figure_can_be_part_of_another(draw):
    whole = Figure(figsize=(14, 8), layout="constrained")
    left, right = whole.subfigures(1, 2)
    assert draw(figure=left) is left
    assert left.axes
    assert not right.axes
    assert len(left.get_suptitle().split("\n")) <= 4  # wrapped to its own width


def test_titles_are_wrapped_to_the_width():
    for width in (3, 6):
        with titled_figure(None, "word " * 60, width, 1) as figure:
            lines = figure.get_suptitle().split("\n")
        assert max(map(len, lines)) <= width / 0.068
        assert figure.get_size_inches()[1] > 1 + 0.15 * len(lines)


# Chains


def test_the_worst_parameter_stands_first_and_has_the_name_that_the_check_gives_it(mixed):
    (found,) = [f for f in check_sampling(mixed) if f.check == "R-hat"]
    assert found.where == "b_intercept[Belgium, alone]"
    figure = plot_chains(mixed, n=3)
    assert len(figure.axes) == 3
    r_hat = float(azs.rhat(mixed.posterior)["b_intercept"][1, 0])
    assert name(figure.axes[0]).startswith(f"{found.where} R-hat {r_hat:.3f}; bulk ESS ")


def test_only_where_a_chain_strays_points_are_marked(mixed):
    marked = [bool(len(axes.collections[0].get_offsets())) for axes in plot_chains(mixed).axes]
    assert marked == [True, False, False, False]


def test_ranks_and_traces_are_those_of_the_chains(mixed):
    chains = mixed.posterior["b_intercept"][:, :, 1, 0].values
    first = plot_chains(mixed, n=1, kind="trace").axes[0]
    np.testing.assert_allclose([line.get_ydata() for line in first.lines], chains)
    ranks = plot_chains(mixed, n=1).axes[0].lines
    # all draws of the chain that has gone elsewhere are above all others
    assert ranks[0].get_ydata().min() == pytest.approx(-0.75, abs=0.03)
    assert all(line.get_ydata().min() > -0.05 for line in ranks[1:])


def test_what_is_constant_by_convention_is_no_parameter_and_what_sticks_is_the_worst(mixed):
    posterior = mixed.tree["posterior"]
    posterior["b"][:, :, 0, 0, 0] = 3.2
    assert name(plot_chains(mixed).axes[0]).startswith("b[Austria, alone, age] R-hat nan")
    posterior["b_intercept"][:, :, 2, 1] = 0.0
    named = [parameter.label for parameter in sorted_parameters(mixed)]
    assert "b_intercept[Cyprus, together]" not in named
    assert len(named) == sum(v[0, 0].size for v in posterior.data_vars.values()) - 1


def test_energy_is_that_of_each_chain(mixed):
    energy = mixed.tree["sample_stats"]["energy"]
    energy[2] = np.linspace(0, 1, 50)  # hardly any change from draw to draw
    bfmi = azs.bfmi(mixed.tree["sample_stats"].to_dataset()[["energy"]])["energy"].values
    axes = plot_energy(mixed).axes[1]
    assert rows(axes) == [f"chain {i}" for i in range(4)]
    np.testing.assert_allclose(marks(axes, "D"), [(bfmi[2], 2)])
    np.testing.assert_allclose(marks(axes, "o"), [(bfmi[i], i) for i in (0, 1, 3)])


# Predictions


def test_dots_are_observed_less_expected_shares_and_those_off_their_bars_are_diamonds(ordinal):
    table = calibration_table(ordinal, draws=100)
    figure = plot_calibration(ordinal, of=table)
    assert [name(axes) for axes in figure.axes] == ordinal.countries
    assert "89 %" in title(figure)
    outside = (table["observed"] < table["lower"]) | (table["observed"] > table["upper"])
    assert 0 < int(outside.sum()) < outside.size
    for country, axes in zip(ordinal.countries, figure.axes, strict=True):
        own = table.sel(country=country)
        away = 100 * (own["observed"] - own["predicted"]).values
        out = outside.sel(country=country).values
        np.testing.assert_allclose([x for x, _ in marks(axes, "o")], away[~out])
        np.testing.assert_allclose([x for x, _ in marks(axes, "D")], away[out])
        bars = np.array([path.vertices[:, 0] for path in axes.collections[0].get_paths()])
        expected = 100 * np.stack([own["lower"], own["upper"]], axis=1)
        np.testing.assert_allclose(bars, expected - 100 * own["predicted"].values[:, None])
    assert rows(figure.axes[0]) == ["watch"]
    top = [y for _, y in marks(figure.axes[0], "o") + marks(figure.axes[0], "D")]
    assert len(set(np.round(top, 6))) == 4  # a row an answer


def test_items_stand_by_their_labels_and_take_no_more_than_their_rows(items_like):
    fit, table = items_like
    axes = plot_calibration(fit, of=table).axes[0]
    assert rows(axes) == [item.label for item in fit.codebook.items]
    ticks, places = axes.get_yticks(), sorted(y for _, y in marks(axes, "o") + marks(axes, "D"))
    # answers to an item lie around its label, and nearer to it than to any other
    nearest = [int(abs(ticks - y).argmin()) for y in places]
    assert nearest == [0] * 3 + [1] * 4 + [2] * 2 + [3] * 3 + [4] * 3


@pytest.fixture
def items_like(random_fit, small):
    """A table as an items model would have it."""
    from bayes_coprod.diagnostics.shares import _category_coords
    from bayes_coprod.model.design import make_design
    from bayes_coprod.model.spec import load_model

    spec = load_model({"name": "test", "likelihood": "items"})
    fit = replace(random_fit(small), spec=spec, design=make_design(small, spec))
    coords = _category_coords(fit)
    shape = (3, len(coords["category"]))
    share = np.random.default_rng(1).uniform(size=shape)
    values = {"observed": share, "predicted": share, "lower": share - 0.01, "upper": share + 0.01}
    table = xr.Dataset(
        {key: (("country", "category"), value) for key, value in values.items()},
        coords={"country": fit.countries, **coords},
        attrs={"interval_prob": 0.89},
    )
    return fit, table


def test_a_country_without_enough_answers_has_no_dots(ordinal):
    table = calibration_table(ordinal, draws=100)
    table["observed"][0] = np.nan
    axes = plot_calibration(ordinal, of=table).axes[0]
    assert not np.isfinite([x for x, _ in marks(axes, "o") + marks(axes, "D")]).any()


def test_the_line_of_the_pit_is_the_share_of_citizens_below_and_leaves_where_the_check_warns(mixed):
    figure = plot_pit(mixed, draws=100)
    assert_says_what_is_good(figure)
    assert [name(axes) for axes in figure.axes] == ["alone", "together"]
    below = probability_below(mixed, thinned(mixed, 100))
    finding = check_pit(mixed, 100, mixed.spec.sampler.random_seed)
    beyond = []
    for o, axes in enumerate(figure.axes):
        line = axes.lines[-1]
        x, y = line.get_xdata(), line.get_ydata()
        values = below[~np.isnan(below[:, o]), o]
        np.testing.assert_allclose(y, [(values <= at).mean() - at for at in x], atol=1e-9)
        band = axes.collections[0].get_paths()[0].vertices
        lower, upper = band[1 : len(x) + 1, 1], band[len(x) + 2 : -1, 1][::-1]
        beyond += [np.max(np.where(y > 0, y / upper, y / lower))]
    assert max(beyond) == pytest.approx(finding.value)


def test_reliability_is_the_share_in_which_it_happened(random_fit, strict):
    """Nobody with the lowest probabilities, everybody with the highest ones."""
    fit = random_fit(
        strict, likelihood="participation", drivers=["female"], draws=10, pooling="complete"
    )
    p = mean_probabilities(fit, thinned(fit, 20))
    has = ~np.isnan(observed_responses(fit))
    y = np.where(has, p > np.median(p, axis=0), np.nan)
    fit = replace(fit, design=fit.design.assign(y=(fit.design["y"].dims, y)))
    figure = plot_reliability(fit, draws=20)
    for o, axes in enumerate(figure.axes):
        (line,) = [line for line in axes.lines if line.get_linestyle() == "-"]
        own = p[has[:, o], o]
        assert line.get_xdata()[[0, -1]] == pytest.approx([own.min(), own.max()])
        assert line.get_ydata()[[0, -1]] == pytest.approx([0, 1])
        assert (np.diff(line.get_ydata()) >= 0).all()
        assert len(axes.patches) == 20


def test_reliability_of_an_item_has_a_panel_for_each_threshold(ordinal):
    figure = plot_reliability(ordinal, draws=20)
    levels = ordinal.codebook.item("watch").levels
    assert [name(axes) for axes in figure.axes] == [f"watch: {x} or more" for x in levels[1:]]


# What a fit hangs on


def test_each_citizen_has_a_dot_and_those_beyond_the_limit_a_name(loo):
    figure = plot_influence(loo)
    (axes,) = figure.axes
    dots = np.asarray(axes.collections[0].get_offsets())
    np.testing.assert_allclose(dots, np.c_[range(5), [0.1, 0.9, -0.2, 0.3, 0.8]])
    assert marks(axes, "D") == [(1, 0.9), (4, 0.8)]
    assert [text.get_text() for text in axes.texts] == ["citizen c1", "citizen c4"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Austria", "Belgium"]
    assert "5 citizens" in title(figure)
    assert "Of 1 more it could not be measured." in title(figure)


def test_citizens_who_were_left_out_by_refits_keep_the_k_that_they_had(loo):
    loo["influence_pareto_k"] = loo.pareto_k
    loo.pareto_k = loo.pareto_k.where(loo.pareto_k < 0.7, 0.0)
    assert marks(plot_influence(loo).axes[0], "D") == [(1, 0.9), (4, 0.8)]


def test_countries_are_named_where_the_check_warns(left_out):
    figure = plot_left_out(left_out)
    (axes,) = figure.axes
    assert rows(axes) == list(left_out["conclusion"].values)
    warned = [f for f in check_countries(left_out).only("warn") if f.check.endswith("weight")]
    assert [f.where for f in warned] == ["mean gap, Belgium"]
    assert [text.get_text() for text in axes.texts] == ["Belgium"]
    ((x, y),) = marks(axes, "D")
    assert (x, y) == (-4.0, pytest.approx(axes.get_yticks()[2]))
    assert len(marks(axes, "o")) == 3 * 4 - 1  # Denmark has none
    assert "1 of 4 countries could not be left out." in title(figure)
    limits = [path.vertices[0, 0] for path in axes.collections[1].get_paths()]
    assert limits[2] == pytest.approx(warned[0].limit)


# Priors


def test_curves_are_the_posteriors_and_priors_by_the_survey_s_labels(mixed):
    figure = plot_priors(mixed, draws=100)
    assert_says_what_is_good(figure)
    levels, effects, spreads = figure.axes
    assert rows(levels) == ["level", "gap"]
    assert "age, per 10 years" in rows(effects)
    assert rows(spreads) == ["level", "age", "female", "school", "trust"]
    assert "points" in levels.get_xlabel()
    alone = levels.lines[0]
    own = country_mean(country_levels(mixed, uncertainty="fixed")).sel(form="alone").values
    peak = alone.get_xdata()[alone.get_ydata().argmin()]
    assert np.quantile(own, 0.05) < peak < np.quantile(own, 0.95)
    assert alone.get_ydata().min() == pytest.approx(-0.8)
    taus = [area.get_paths()[0].vertices[:, 0] for area in spreads.collections]
    assert len(taus) == 2 * 5
    assert min(x.min() for x in taus) >= 0
    # half_normal(0.5) and half_normal(0.3): the largest of 100 draws
    assert 0.9 < max(x.max() for x in taus[:2]) < 2.5
    assert 0.5 < max(x.max() for x in taus[2:]) < 1.5


def test_marks_are_filled_where_a_prior_moves_a_quantity_or_the_data_do_not(sensitivity):
    (axes,) = plot_sensitivity(sensitivity).axes
    assert rows(axes) == ["mean gap", "effect: alone, age"]
    drawn = {
        (line.get_marker(), line.get_markerfacecolor() != "white"): np.asarray(line.get_xdata())
        for line in axes.lines
        if line.get_linestyle() == "None" and len(line.get_xdata())
    }
    assert {key: x[np.isfinite(x)].tolist() for key, x in drawn.items()} == {
        ("o", False): [0.01, 0.001],  # zero has no place on this axis
        ("D", True): [0.2],
        ("D", False): [],
        ("x", False): [0.3],
        ("X", True): [0.02],
    }


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: plot_chains(f, n=0), "plot_chains: n is 0"),
        (lambda f: plot_chains(f, kind="rnk"), r"unknown kind 'rnk'.*Did you mean 'rank'\?"),
        (lambda f: plot_chains(f.posterior), "plot_chains: .*Dataset"),
        (lambda f: plot_calibration(f), "a model of 'index' has no categories"),
        (lambda f: plot_reliability(f), "a model of 'index' predicts no single citizen's answer"),
        (lambda f: plot_pit(f, draws=0), "draws = 0 is out of range"),
        (lambda f: plot_pit(f, draws=20), "it takes 100 draws to tell, and there are 20"),
        (lambda f: plot_influence(f), "takes what citizen_loo returned, and this is a Fit"),
        (lambda f: plot_left_out(f), "takes what leave_one_country_out returned.*Fit"),
        (lambda f: plot_priors(f, draws=3), "plot_priors: draws is 3"),
        (lambda f: plot_sensitivity(f), "takes what prior_sensitivity returned.*Fit"),
        (lambda f: plot_energy("fit.nc"), "plot_energy: .*load_fit"),
    ],
)
def test_what_cannot_be_drawn_is_refused(mixed, call, message):
    with pytest.raises(SpecError, match=message):
        call(mixed)


def test_one_chain_has_no_ranks_but_a_trace(random_fit, small):
    fit = random_fit(small, chains=1, draws=50)
    with pytest.raises(SpecError, match=r"ranks compare chains, and there is one.*kind='trace'"):
        plot_chains(fit)
    assert len(plot_chains(fit, kind="trace", n=2).axes) == 2


def test_a_fit_without_energy_says_so(mixed):
    del mixed.tree["sample_stats"]
    with pytest.raises(SpecError, match="the fit has no energy in sample_stats"):
        plot_energy(mixed)


def test_the_pit_is_of_indices_and_a_table_of_the_fit_s_countries(ordinal):
    with pytest.raises(SpecError, match="a model of 'ordinal'.*plot_reliability"):
        plot_pit(ordinal)
    table = calibration_table(ordinal, draws=10)
    with pytest.raises(SpecError, match="other countries than the fit"):
        plot_calibration(ordinal, of=table.isel(country=[0, 1]))
    with pytest.raises(SpecError, match="of takes what calibration_table returned.*ndarray"):
        plot_calibration(ordinal, of=np.zeros(3))
    with pytest.raises(SpecError, match="prob = 2 is no probability"):
        plot_calibration(ordinal, prob=2)


def test_countries_of_which_none_could_be_left_out_have_no_figure(left_out):
    left_out["reason"][:] = "no answers"
    with pytest.raises(SpecError, match="no country could be left out"):
        plot_left_out(left_out)
