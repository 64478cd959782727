import copy
import io
import re
import shlex
import tomllib
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.countries import (
    country_contrasts,
    country_levels,
    country_mean,
    country_ranks,
    gap,
)
from bayes_coprod.estimands.drivers import driver_contrast, driver_effects
from bayes_coprod.estimands.summarise import summarise
from bayes_coprod.finding import Finding, Findings
from bayes_coprod.model.spec import load_model
from bayes_coprod.report.collect import collect_report
from bayes_coprod.report.data import (
    Code,
    DriverFigure,
    Formula,
    GulfFigure,
    Interval,
    Paragraph,
    Table,
)
from bayes_coprod.report.write import render_html
from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.read import read_survey
from bayes_coprod.survey.simulate import five_nations

BY_SECTOR = {"outcomes": ["form", "sector"]}
ITEMS = ("lock", "watch", "report", "meet", "patrol")
BELIEF = "May one believe it?"
FULL = 'check_fit(fit, "full")'
ESTIMATE = re.compile(r"(−?[\d,.]+) \((−?[\d,.]+) to (−?[\d,.]+)\)")


def section(report, heading):
    (found,) = (part for part in report.sections if part.heading == heading)
    return found


def headings(report):
    return [part.heading for part in report.sections]


def blocks(report, kind):
    return [block for part in report.sections for block in part.blocks if isinstance(block, kind)]


def tables(report):
    return {table.name: table for table in blocks(report, Table)}


def paragraphs(report, heading):
    return " ".join(b.text for b in section(report, heading).blocks if isinstance(b, Paragraph))


def texts(part):
    """Every text of a report, wherever it stands."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from texts(each)
    elif is_dataclass(part):
        for field in fields(part):
            yield from texts(getattr(part, field.name))


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def saved(table):
    """What a table's CSV holds, as a reader of the file gets it."""
    return pd.read_csv(io.StringIO(table.csv))


def as_saved(frame):
    """A frame as it comes out of a CSV: no index, plain column names."""
    flat = frame.reset_index()
    flat.columns = [str(column) for column in flat.columns]
    return flat


def interval_of(row):
    return Interval(*row[["mean", "lower", "upper"]])


@pytest.fixture
def some(told, small):
    return told(small)


# The headline


def test_the_headline_says_the_estimands_rounded(fit, five_report):
    levels = summarise(country_mean(country_levels(fit)))["mean"]
    gulf = summarise(country_mean(gap(fit))).iloc[0]
    of_each = gap(fit)
    share = (of_each == of_each.max("country")).mean(("chain", "draw"))
    widest, likely = share["country"].values[share.values.argmax()], float(share.max())
    assert plain(five_report.headline) == (
        f"In these five countries individual co-production averages {levels['individual']:.1f} of "
        f"100 points and collective co-production {levels['collective']:.1f}: a gulf of "
        f"{gulf['mean']:.1f} points (89 % credible interval {gulf['lower']:.1f} to "
        f"{gulf['upper']:.1f}). It is widest in {widest} (probability {likely:.2f})."
    )


def test_levels_put_there_by_hand_are_said(hand_made):
    fit = hand_made({"Austria": (60, 20), "Belgium": (50, 20), "Cyprus": (55, 35)})
    assert plain(collect_report(fit).headline) == (
        "In these three countries alone co-production averages 55 of 100 points and together "
        "co-production 25: a gulf of 30 points (89 % credible interval 26 to 34). It is widest in "
        "Austria (probability > 0.99)."
    )


def test_a_gulf_the_other_way_is_said_so_and_is_not_negative(hand_made):
    fit = hand_made({"Austria": (20, 40), "Belgium": (15, 55), "Cyprus": (25, 55)})
    assert plain(collect_report(fit).headline) == (
        "In these three countries alone co-production averages 20 of 100 points and together "
        "co-production 50: a gulf of 30 points, together above alone (89 % credible interval 26 "
        "to 34). It is widest in Belgium (probability > 0.99)."
    )


def test_widest_is_in_the_direction_of_the_average(hand_made):
    levels = {"Austria": (30, 60), "Belgium": (70, 30), "Cyprus": (20, 55)}  # -30, 40, -35
    headline = collect_report(hand_made(levels)).headline
    assert "together above alone" in headline
    assert "widest in Cyprus" in headline


def test_by_sector_it_is_said_which_form_is_subtracted(hand_made):
    each = (20, 60, 50, 20)  # alone: home, street; together: home, street
    fit = hand_made(dict.fromkeys(("Austria", "Belgium", "Cyprus"), each), **BY_SECTOR)
    assert plain(collect_report(fit).headline) == (
        "In these three countries the gap, alone minus together co-production, averages −30 "
        "points in home (−34 to −26) and 40 points in street (36 to 44); in brackets the 89 % "
        "credible interval."
    )


def test_no_country_is_named_that_is_not_likelier_the_widest_than_not(hand_made, with_draws):
    fit = hand_made({"Austria": (60, 20), "Belgium": (60, 20), "Cyprus": (60, 20)})
    b = fit.posterior["b_intercept"]
    noise = np.random.default_rng(4).normal(0, 0.05, b.shape)
    headline = collect_report(with_draws(fit, b_intercept=b + noise)).headline
    assert headline.endswith(". The data do not tell in which country it is widest.")


def test_where_all_countries_are_alike_none_is_called_the_widest(hand_made):
    fit = hand_made(dict.fromkeys(("Austria", "Belgium", "Cyprus"), (60, 20)), pooling="complete")
    report = collect_report(fit)
    assert "gulf of 40 points" in report.headline
    assert "widest" not in report.headline
    ranks = {row[1:] for row in tables(report)["ranks"].rows}
    assert len(ranks) == 1


# Which sections there are


def test_a_report_has_its_sections_in_order(five_report):
    assert headings(five_report) == [
        "The gulf",
        "Countries",
        "Drivers",
        "May one believe it?",
        "Data",
        "Model",
        "Limits",
        "Reproduce",
    ]


def test_one_form_has_no_gulf(told, small):
    report = collect_report(told(small, forms=["together"]))
    assert "The gulf" not in headings(report)
    assert not {"gap", "driver_contrast"} & set(tables(report))
    assert "gulf" not in report.headline
    assert "together" in report.headline
    assert {"levels", "contrasts", "ranks", "drivers"} <= set(tables(report))
    assert "level" in tables(report)["contrasts"].caption
    assert "alone" not in " ".join(texts(tables(report)["levels"]))
    (figure,) = blocks(report, DriverFigure)
    assert figure.forms == ("together",)


def test_without_drivers_there_is_no_section_of_drivers(told, small):
    report = collect_report(told(small, drivers="none"))
    assert "Drivers" not in headings(report)
    assert blocks(report, DriverFigure) == []
    assert not {"drivers", "driver_contrast", "between_countries"} & set(tables(report))


def test_by_sector_the_gap_is_by_sector(told, small):
    fit = told(small, **BY_SECTOR)
    report = collect_report(fit)
    table = tables(report)["gap"]
    assert table.header[:2] == ("Country", "Sector")
    assert [row[:2] for row in table.rows] == [
        (country, sector)
        for country in ("Austria", "Belgium", "Cyprus")
        for sector in ("home", "street")
    ]
    (figure,) = blocks(report, GulfFigure)
    places = {f"{country}, {sector}" for country, sector, *_ in table.rows}
    assert {row.place for row in figure.rows} == places
    assert [f.title for f in blocks(report, DriverFigure)] == ["Drivers: home", "Drivers: street"]
    for sector, average in summarise(country_mean(gap(fit)))["mean"].items():
        assert re.search(rf"{abs(average):.0f} points in {sector}\b", report.headline)
    assert "ranks" not in tables(report)


def test_sectors_of_one_form_each_have_no_gulf_and_still_a_report(told, small_frame, small_book):
    for name, item in small_book["items"].items():
        item["sector"] = "street" if name in ("lock", "watch", "report") else "home"
    fit = told(read_survey(small_frame, small_book), **BY_SECTOR)
    report = collect_report(fit)
    assert "The gulf" not in headings(report)
    assert tables(report)["levels"].header == ("Country", "Alone: street", "Together: home")
    assert [f.forms for f in blocks(report, DriverFigure)] == [("alone",), ("together",)]


@pytest.mark.parametrize(
    "content",
    [
        {"pooling": "none"},
        {"pooling": "complete"},
        {"sigma_varies": True, "vary_by_country": ["school"]},
        {"vary_by_country": "none"},
        {"forms": ["alone"], **BY_SECTOR},
        {"sectors": ["home"], **BY_SECTOR, "drivers": ["trust"]},
    ],
    ids=[
        "no pooling",
        "complete pooling",
        "own covariance",
        "levels vary",
        "one form",
        "one sector",
    ],
)
def test_every_kind_of_model_has_a_report(told, small, content):
    report = collect_report(told(small, **content))
    assert report.headline.endswith(".")
    assert ("between_countries" in tables(report)) == (
        content.get("pooling", "partial") == "partial" and content.get("vary_by_country") != "none"
    )
    assert len(render_html(report)) > 50_000


# Synthetic data, failed checks


def test_synthetic_data_are_labelled(five_report):
    assert five_report.banner.startswith("Synthetic data")


def test_real_data_are_not_called_synthetic(told, small):
    report = collect_report(told(small, drivers="none"))
    assert report.banner == ""
    assert "synthetic" not in " ".join(texts(report.sections[:-1])).lower()


def test_a_good_fit_has_no_failed_checks(five_report):
    assert five_report.failed == ()
    checks = {finding.check for finding in blocks(five_report, Findings)[0]}
    assert {"R-hat", "divergences", "citizens", "driver coverage"} <= checks
    assert "do not quote" not in paragraphs(five_report, BELIEF)


def test_a_failed_check_stands_at_the_top_and_forbids_quoting(fit, with_draws):
    elsewhere = fit.posterior["beta"] + 5 * (fit.posterior["chain"] == 0)
    report = collect_report(with_draws(fit, beta=elsewhere.transpose("chain", "draw", ...)))
    assert report.failed[0].check == "R-hat"
    assert {f.status for f in report.failed} == {"fail"}
    assert all(f.where.startswith("beta[") and f.remedy for f in report.failed)
    assert set(report.failed) < set(blocks(report, Findings)[0])
    assert "do not quote the numbers" in paragraphs(report, BELIEF)


def test_what_could_not_be_checked_does_not_pass(fit):
    three_chains = fit.tree.isel(chain=[0, 1, 2], missing_dims="ignore")
    report = collect_report(replace(fit, tree=three_chains))
    assert report.failed == ()
    assert "passed" not in paragraphs(report, BELIEF)
    assert [f.status for f in blocks(report, Findings)[0].by_severity()][0] == "unknown"


# Intervals


@pytest.mark.parametrize("content", [{}, {"forms": ["alone"]}, BY_SECTOR], ids=str)
def test_kind_and_mass_of_the_interval_stand_wherever_there_is_one(told, small, content):
    report = collect_report(told(small, **content), prob=0.8, kind="hdi")
    kind_and_mass = "80 % highest-density credible interval"
    with_intervals = {
        name: table
        for name, table in tables(report).items()
        if any(re.search(r"\d to −?\d", plain(cell)) for row in table.rows for cell in row)
    }
    assert {"levels", "contrasts", "drivers", "between_countries", "priors"} <= set(with_intervals)
    # what a prior puts in an interval is no posterior: always equal-tailed, and said so
    assert "80 %" in with_intervals["priors"].caption
    assert "equal-tailed" in with_intervals.pop("priors").caption
    for table in with_intervals.values():
        assert kind_and_mass in table.caption, table.name
    for figure in blocks(report, GulfFigure | DriverFigure):
        assert kind_and_mass in figure.caption
    assert kind_and_mass in report.colophon
    assert "80 % credible interval" in report.headline
    assert "89 %" not in " ".join(texts(report))


def test_another_mass_gives_other_bounds(some):
    narrow, wide = (saved(tables(collect_report(some, prob=prob))["gap"]) for prob in (0.5, 0.9))
    assert (wide["lower"] < narrow["lower"]).all()
    assert (narrow["upper"] < wide["upper"]).all()
    np.testing.assert_array_equal(narrow["mean"], wide["mean"])


def test_what_is_no_interval_is_refused(some):
    with pytest.raises(SpecError, match=r"prob = 1.5 is no probability"):
        collect_report(some, prob=1.5)
    with pytest.raises(SpecError, match=r"unknown kind 'hpd'. Did you mean 'hdi'\?"):
        collect_report(some, kind="hpd")


# Tables


@pytest.mark.parametrize("content", [{}, {"forms": ["alone"]}, BY_SECTOR], ids=str)
def test_every_table_is_saved_unrounded(told, small, content):
    fit = told(small, **content)
    found = tables(collect_report(fit))
    dims = ("chain", "draw", "driver", ...)
    expected = {
        "levels": summarise(country_levels(fit)),
        "drivers": summarise(driver_effects(fit)["pooled"].transpose(*dims)),
        "between_countries": summarise(fit.posterior["tau"].transpose(*dims)),
    }
    if content != {"forms": ["alone"]}:
        expected |= {
            "gap": summarise(gap(fit)),
            "contrasts": summarise(country_contrasts(fit, of=gap)),
            "driver_contrast": summarise(driver_contrast(fit)["pooled"].transpose(*dims)),
        }
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(saved(found[name]), as_saved(frame), rtol=1e-12)


def test_counts_shares_and_ranks_are_saved_unrounded(fit, five_report):
    found = tables(five_report)
    ranks = country_ranks(fit, of=gap).mean(("chain", "draw")).to_pandas()
    pd.testing.assert_frame_equal(saved(found["ranks"]), as_saved(ranks))
    answered = fit.design["answered"].transpose("item", "country").to_pandas()
    pd.testing.assert_frame_equal(
        saved(found["coverage"]), as_saved(answered), check_names=False, rtol=1e-12
    )


@pytest.mark.parametrize("content", [{}, {"forms": ["alone"]}, BY_SECTOR], ids=str)
def test_every_cell_is_a_saved_number_rounded(told, small, content):
    found = tables(collect_report(told(small, **content)))
    names = {"levels", "gap", "contrasts", "drivers", "driver_contrast", "between_countries"}
    for name in names & set(found):
        rows = [row for row in found[name].rows if row[0] != "Mean of the countries"]
        if name == "between_countries":
            rows = [row[:-1] for row in rows]  # the prior has no draws
        cells = [match for row in rows for cell in row for match in ESTIMATE.findall(plain(cell))]
        written = saved(found[name])[["mean", "lower", "upper"]].to_numpy()
        assert len(cells) == len(written)
        for texts_, numbers in zip(cells, written, strict=True):
            for text, number in zip(texts_, numbers, strict=True):
                after = len(text.partition(".")[2])
                value = float(text.replace("−", "-").replace(",", ""))
                assert abs(value - number) <= 0.5 * 10**-after + 1e-9, (name, text, number)


@pytest.mark.parametrize("content", [{}, {"forms": ["alone"]}, BY_SECTOR], ids=str)
def test_every_row_has_a_cell_for_each_column(told, small, content):
    for table in tables(collect_report(told(small, **content))).values():
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert 0 < table.n_labels < len(table.header)


def test_the_mean_of_the_countries_closes_the_levels(fit, five_report):
    pooled = summarise(country_mean(country_levels(fit)))
    label, *cells = tables(five_report)["levels"].rows[-1]
    assert label == "Mean of the countries"
    for cell, (_, row) in zip(cells, pooled.iterrows(), strict=True):
        assert plain(cell) == f"{row['mean']:.1f} ({row['lower']:.1f} to {row['upper']:.1f})"


@pytest.mark.parametrize("content", [{}, BY_SECTOR], ids=str)
def test_probabilities_beside_an_estimate_are_those_of_its_draws(told, small, content):
    found = tables(collect_report(told(small, **content)))
    for name in ("gap", "contrasts", "driver_contrast"):
        assert found[name].header[-1].startswith("Probability")
        written = saved(found[name])["p_positive"]
        cells = [plain(row[-1]) for row in found[name].rows]
        assert 0.01 < written.median() < 0.99
        for cell, p in zip(cells, written, strict=True):
            assert cell == ("> 0.99" if p > 0.99 else "< 0.01" if p < 0.01 else f"{p:.2f}")


def test_a_probability_says_whether_a_gap_is_above_0(hand_made):
    fit = hand_made({"Austria": (60, 20), "Belgium": (40, 40), "Cyprus": (20, 60)})
    cells = [(row[0], plain(row[-1])) for row in tables(collect_report(fit))["gap"].rows]
    assert cells == [("Austria", "> 0.99"), ("Belgium", "0.50"), ("Cyprus", "< 0.01")]


def test_each_coefficient_has_its_own_unit(told, small):
    fit = told(small)
    table = tables(collect_report(fit))["between_countries"]
    sd = {name: float(fit.design["column_sd"].sel(coefficient=name)) for name in ("age", "trust")}
    assert {row[0]: plain(row[1]) for row in table.rows} == {
        "age": f"per SD ({sd['age']:.1f} years)",
        "female": "from no to yes",
        "school": "between two levels",
        "trust": f"per SD ({sd['trust']:.2f} steps)",
    }
    assert "per SD or step" not in table.caption


def test_binary_drivers_are_told_by_the_codebooks_words(told, small_frame, small_book):
    small_frame["female"] = small_frame["female"].map({1: "woman", 0: "man"})
    small_book["drivers"]["female"] |= {"yes": ["woman"], "no": ["man"]}
    report = collect_report(told(read_survey(small_frame, small_book)))
    found = {name: dict(row[:2] for row in table.rows) for name, table in tables(report).items()}
    assert plain(found["drivers"]["female"]) == "woman against man"
    assert plain(found["between_countries"]["female"]) == "from man to woman"
    (figure,) = blocks(report, DriverFigure)
    assert "female woman against man" in figure.alt


def test_levels_have_no_probability_of_being_positive(fit, five_report):
    assert "p_positive" not in saved(tables(five_report)["levels"])
    assert "p_positive" in saved(tables(five_report)["gap"])


# Figures


def test_the_gulf_figure_holds_levels_and_gaps_the_widest_first(fit, five_report):
    (figure,) = blocks(five_report, GulfFigure)
    levels, gaps = summarise(country_levels(fit)), summarise(gap(fit))
    assert figure.forms == ("individual", "collective")
    assert [r.place for r in figure.rows] == list(gaps["mean"].sort_values(ascending=False).index)
    for row in figure.rows:
        for form, interval in (("individual", row.first), ("collective", row.second)):
            assert interval == interval_of(levels.loc[row.place, form])
        assert row.gap == f"{gaps.loc[row.place, 'mean']:.0f}"
        assert f"{row.place} {row.gap}" in figure.alt


def test_the_widest_gap_is_first_whichever_way_it_runs(hand_made):
    fit = hand_made({"Austria": (20, 40), "Belgium": (15, 55), "Cyprus": (60, 30)})
    (figure,) = blocks(collect_report(fit), GulfFigure)
    assert [(row.place, row.gap) for row in figure.rows] == [
        ("Belgium", "−40"),
        ("Cyprus", "30"),
        ("Austria", "−20"),
    ]


def test_drivers_that_go_most_with_the_second_form_come_first(fit, five_report):
    (figure,) = blocks(five_report, DriverFigure)
    effects, contrast = driver_effects(fit)["pooled"], driver_contrast(fit)["pooled"]
    order = summarise(contrast)["mean"].sort_values(ascending=False).index
    summary = summarise(effects)
    assert [(row.label, row.per) for row in figure.rows] == [
        (effects["label"].sel(driver=d).item(), effects["per"].sel(driver=d).item()) for d in order
    ]
    for driver, row in zip(order, figure.rows, strict=True):
        for form, effect in zip(figure.forms, row.effects, strict=True):
            assert effect == interval_of(summary.loc[form, driver])
    assert "most with the collective form, against the individual, come first" in figure.caption
    assert all(f"{row.label} {row.per}" in figure.alt for row in figure.rows)


def test_drivers_of_one_form_are_sorted_by_what_goes_with_them(told, small):
    (figure,) = blocks(collect_report(told(small, forms=["alone"])), DriverFigure)
    means = [effect.mean for row in figure.rows for effect in row.effects]
    assert len(means) == 5
    assert means == sorted(means, reverse=True)


# Data


def test_who_was_left_out_adds_up(told, small_frame, small_book):
    items = list(small_book["items"])
    small_frame.loc[[0, 1, 2, 60], "age"] = np.nan  # three in Austria, one in Belgium
    small_frame.loc[[2, 70, 71], items] = np.nan  # one of them misses a driver as well
    report = collect_report(told(read_survey(small_frame, small_book)))
    table = tables(report)["citizens"]
    assert table.header == (
        "Country",
        "Asked",
        "Without a driver",
        "Without an outcome",
        "In the fit",
    )
    counts = {row[0]: [int(cell) for cell in row[1:]] for row in table.rows}
    # besides those above, whoever answered fewer than half of the items of both forms
    answered = small_frame[items].notna()
    alone, together = answered[items[:3]].sum(axis=1) >= 1.5, answered[items[3:]].any(axis=1)
    silent = small_frame["age"].notna() & ~alone & ~together
    without = silent.groupby(small_frame["country"]).sum()
    assert counts["Austria"] == [50, 3, without["Austria"], 47 - without["Austria"]]
    assert counts["Belgium"] == [50, 1, without["Belgium"], 49 - without["Belgium"]]
    assert counts["Cyprus"] == [50, 0, without["Cyprus"], 50 - without["Cyprus"]]
    for asked, *left_out, used in counts.values():
        assert asked == sum(left_out) + used
    of_all = [sum(counts[c][i] for c in counts if c != "All countries") for i in range(4)]
    assert counts.pop("All countries") == of_all
    lost = of_all[1] + of_all[2]
    assert f"150 citizens were asked. {lost} of them ({lost / 150:.1%}) are left out" in paragraphs(
        report, "Data"
    )
    assert saved(table).set_index("country").T.to_dict("list") == counts


def test_no_reason_is_given_where_nobody_is_left_out(told, small_frame, small_book):
    complete = small_frame.assign(**{name: small_frame[name].fillna(0) for name in ITEMS})
    said = paragraphs(collect_report(told(read_survey(complete, small_book))), "Data")
    assert "150 citizens were asked. None of them is left out." in said
    assert "because" not in said
    complete.loc[3, "age"] = np.nan
    said = paragraphs(collect_report(told(read_survey(complete, small_book))), "Data")
    assert "1 of them (0.7%) are left out because they miss a driver; results speak" in said


def test_countries_with_fewer_than_a_hundred_citizens_are_named(told, small_frame, small_book):
    thrice = pd.concat([small_frame] * 3, ignore_index=True).assign(id=range(450))
    thrice.loc[(thrice["country"] == "Belgium").to_numpy().nonzero()[0][:60], "age"] = np.nan
    report = collect_report(told(read_survey(thrice, small_book)))  # 150 asked, 90 in the fit
    assert "Belgium: fewer than 100 citizens" in paragraphs(report, "Data")
    assert "Austria" not in paragraphs(report, "Data")


def test_nothing_is_said_of_few_citizens_where_there_are_enough(five_report):
    assert "fewer than 100" not in paragraphs(five_report, "Data")


def test_coverage_is_in_per_cent_and_says_what_was_not_asked(told, small_frame, small_book):
    small_frame.loc[small_frame["country"] == "Cyprus", "watch"] = np.nan
    small_book["items"]["watch"]["label"] = "Keeps an eye open"
    report = collect_report(told(read_survey(small_frame, small_book), drivers="none"))
    table = tables(report)["coverage"]
    assert table.header == ("Item", "Form", "Austria", "Belgium", "Cyprus")
    share = small_frame["watch"].notna().groupby(small_frame["country"]).mean()
    assert table.rows[1] == (
        "Keeps an eye open",
        "alone",
        f"{100 * share['Austria']:.0f}",
        f"{100 * share['Belgium']:.0f}",
        "not asked",
    )


# Model, limits


@pytest.mark.parametrize(
    ("content", "formulas", "says"),
    [
        ({}, 4, "Partial pooling"),
        ({"pooling": "none"}, 4, "No pooling"),
        ({"pooling": "complete"}, 3, "Complete pooling"),
    ],
    ids=str,
)
def test_the_model_is_said_in_formulas(told, small, content, formulas, says):
    report = collect_report(told(small, **content))
    found = blocks(report, Formula)
    assert len(found) == formulas
    assert sum(says in formula.words for formula in found) == 1


def test_priors_are_those_of_the_fit_with_what_they_imply(told, small):
    priors = {"tau": "exponential(3)", "residual_sd": "log_normal(0, 0.5)"}
    report = collect_report(told(small, priors=priors), prob=0.8)
    table = saved(tables(report)["priors"]).set_index("Unnamed: 0")
    expected = {
        "intercept": ("normal(0, 1)", stats.norm(0, 1)),
        "beta": ("normal(0, 0.5)", stats.norm(0, 0.5)),
        "tau_intercept": ("half_normal(0.5)", stats.halfnorm(scale=0.5)),
        "tau": ("exponential(3)", stats.expon(scale=1 / 3)),
        "residual_sd": ("log_normal(0, 0.5)", stats.lognorm(0.5)),
        "rho": ("lkj(2)", stats.beta(2, 2, loc=-1, scale=2)),  # of two outcomes
    }
    assert list(table.index) == list(expected)
    for name, (text, prior) in expected.items():
        assert table.loc[name, "prior"] == text
        bounds = table.loc[name, ["lower", "upper"]].to_numpy(dtype=float)
        np.testing.assert_allclose(bounds, prior.ppf([0.1, 0.9]), atol=1e-6)


def test_priors_of_what_the_model_lacks_are_not_listed(told, small):
    one_form = tables(collect_report(told(small, forms=["alone"])))["priors"]
    assert "rho" not in [row[0] for row in one_form.rows]
    alike = tables(collect_report(told(small, pooling="complete", drivers="none")))["priors"]
    assert [row[0] for row in alike.rows] == ["intercept", "residual_sd", "rho"]


def test_the_model_says_its_question_its_units_and_its_sampling(fit, five_report):
    said = paragraphs(five_report, "Model")
    assert fit.spec.question in said
    for form, sd in zip(fit.design["form"].values, fit.design["outcome_sd"].values, strict=True):
        assert f"{sd:.1f} points for {form}" in said
    assert "four chains of 500 draws after 300 tuning draws" in said


def test_few_countries_are_called_few(five_report):
    assert "Five countries are few" in paragraphs(five_report, "Limits")


def test_limits_say_that_associations_are_no_changes(five_report):
    assert "cross-section" in paragraphs(five_report, "Limits")
    assert "cross-section" in paragraphs(five_report, "Drivers")


# Words


@pytest.mark.parametrize(
    "content", [{"forms": ["alone"]}, {"pooling": "none", **BY_SECTOR}], ids=str
)
def test_no_words_of_tests_or_of_causes(told, small, five_report, content):
    for report in (five_report, collect_report(told(small, **content))):
        said = " ".join(texts(report)).lower()
        for word in ("significan", "confidence", "p-value", "causes", "impact"):
            assert word not in said
        assert not re.search(r"\beffects?\b", said)  # effective sample sizes are another word


# Reproduce


def codes(report):
    return {code.title: code.text for code in blocks(report, Code)}


def test_model_and_codebook_in_the_report_are_those_of_the_fit(told, small):
    fit = told(small, priors={"tau": "exponential(3)"}, vary_by_country=["age"], question="Why?")
    found = codes(collect_report(fit))
    assert load_model(tomllib.loads(found["model.toml"])) == fit.spec
    assert load_codebook(tomllib.loads(found["codebook.toml"])) == fit.codebook


def test_seed_digest_and_versions_are_said(fit, five_report):
    said = paragraphs(five_report, "Reproduce")
    assert f"Seed {fit.spec.sampler.random_seed}" in said
    assert fit.design.attrs["digest"][:16] in said
    assert re.search(r"bayes_coprod \d.*PyMC \d.*nutpie \d.*Python 3.*numpy \d", said)


def test_what_has_to_be_saved_first_is_said_and_stands_first(
    told, small, small_frame, small_book, tmp_path
):
    small_frame.to_csv(tmp_path / "s.csv", index=False)
    report = collect_report(told(read_survey(tmp_path / "s.csv", small_book), drivers="none"))
    said = paragraphs(report, "Reproduce")
    assert "first save what stands under model.toml and under codebook.toml as files" in said
    assert said.endswith("Then run the command in that folder, or the lines in Python.")
    assert list(codes(report)) == ["model.toml", "codebook.toml", "The command", "In Python"]
    said = paragraphs(collect_report(told(small, drivers="none")), "Reproduce")  # a dataframe
    assert said.endswith("Then run the lines in Python in that folder.")


def test_the_embedded_survey_needs_no_codebook_file(five_report):
    said = paragraphs(five_report, "Reproduce")
    assert "first save what stands under model.toml as a file of this name" in said
    assert "codebook.toml" not in said


def test_the_embedded_survey_is_made_again_by_its_call(five_report):
    found = codes(five_report)
    compile(found["In Python"], "report", "exec")
    assert "survey = bc.five_nations(random_seed=2008)" in found["In Python"]
    assert found["The command"].startswith("bayes-coprod demo ")


@pytest.mark.parametrize("name", ["survey.csv", 'the "new" citizen\'s survey.csv'])
def test_a_file_is_read_again_by_its_name(told, small_frame, small_book, tmp_path, name):
    small_frame.to_csv(tmp_path / name, index=False)
    fit = told(read_survey(tmp_path / name, small_book), drivers="none")
    found = codes(collect_report(fit))
    program = compile(found["In Python"], "report", "exec")
    assert name in [c for c in program.co_consts if isinstance(c, str)]
    command, verb, survey, *options = shlex.split(found["The command"])
    assert (command, verb, survey) == ("bayes-coprod", "run", name)
    assert {"--codebook", "--model", "--out"} <= set(options)


def test_a_dataframe_is_not_called_a_file(told, small):
    found = codes(collect_report(told(small, drivers="none")))
    compile(found["In Python"], "report", "exec")
    assert not any(
        quoted in text for text in found.values() for quoted in ("'a dataframe'", '"a dataframe"')
    )


def test_the_demo_is_not_named_for_another_seed(told):
    """`bayes-coprod demo` draws seed 2008, so it would make another report."""
    fit = told(five_nations(random_seed=7), drivers="none", pooling="complete")
    found = codes(collect_report(fit))
    assert "bc.five_nations(random_seed=7)" in found["In Python"]
    assert "demo" not in found.get("The command", "")


def test_a_report_changes_nothing_of_its_fit(some):
    before, design = copy.deepcopy(some.tree), some.design.copy(deep=True)
    collect_report(some)
    assert some.tree.identical(before)
    assert some.design.identical(design)


def test_an_outcome_that_nobody_in_a_country_has_is_said_and_never_called_widest(
    told, small_frame, small_book
):
    together = [n for n, item in small_book["items"].items() if item["form"] == "together"]
    small_frame.loc[small_frame["country"] == "Cyprus", together] = np.nan
    report = collect_report(told(read_survey(small_frame, small_book)))
    assert "Nobody in the fit has an index of together in Cyprus" in paragraphs(report, "Countries")
    assert "widest in Cyprus" not in report.headline


def test_a_failed_coverage_check_stands_at_the_top(told, small_frame, small_book):
    small_frame.loc[::3, "age"] = np.nan
    report = collect_report(told(read_survey(small_frame, small_book)))
    assert "driver coverage" in {finding.check for finding in report.failed}


def test_the_model_section_names_the_drivers_that_vary(told, small):
    section = paragraphs(collect_report(told(small)), "Model")
    assert "varies by country" not in section
    formulas = blocks(collect_report(told(small, vary_by_country="none")), Formula)
    assert any("Only the level varies by country" in formula.words for formula in formulas)


def test_findings_that_are_at_hand_are_those_of_the_report(fit):
    found = Findings(
        [
            Finding("calibration", "fail", "recycle", 0.1, 0.05, "It does not fit.", "Mend it."),
            Finding("Pareto k", "pass", "", 0.2, 0.7, "No citizen moves the fit."),
        ],
        of=fit.digest,
    )
    report = collect_report(fit, findings=found)
    (belief,) = (section for section in report.sections if section.heading == BELIEF)
    (shown,) = (block for block in belief.blocks if isinstance(block, Findings))
    assert set(found) < set(shown)
    assert "R-hat" not in {finding.check for finding in shown}
    assert list(report.failed) == [found[0]]
    # no call gives these again
    assert "# findings: those that were given" in codes(report)["In Python"]
    assert "The command" not in codes(report)


def test_the_command_stands_where_it_would_make_this_report(fit):
    assert "The command" in codes(collect_report(fit))
    other = codes(collect_report(fit, prob=0.5))
    assert "The command" not in other
    assert 'prob=0.5, kind="eti", findings=findings)' in other["In Python"]
    full = codes(collect_report(fit, findings=Findings([*check_fit(fit)], fit.digest, FULL)))
    assert "The command" not in full
    assert f"findings = bc.{FULL}" in full["In Python"]


def test_a_command_with_another_seed_is_not_shown(some):
    for seed, shown in ((some.spec.sampler.random_seed, True), (7, False)):
        some.design.attrs["command"] = f"run s.csv --codebook b.toml --impute 5 --seed {seed}"
        assert ("The command" in codes(collect_report(some))) == shown
