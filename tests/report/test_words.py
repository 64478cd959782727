import pytest

from bayes_coprod.report import words
from bayes_coprod.report.data import Interval


def of_half_widths(*half_widths):
    return [Interval(50.0, 50.0 - half, 50.0 + half) for half in half_widths]


# Decimals


@pytest.mark.parametrize(
    ("half_width", "places"),
    [(0.03, 2), (0.099, 2), (0.11, 1), (0.56, 1), (0.99, 1), (1.01, 0), (2.0, 0), (9.9, 0)],
)
def test_a_number_ends_where_half_its_interval_begins(half_width, places):
    assert words.decimals(of_half_widths(half_width)) == places


def test_wide_intervals_round_to_whole_numbers_and_no_further():
    assert words.decimals(of_half_widths(12.0)) == words.decimals(of_half_widths(400.0)) == 0


def test_a_column_follows_its_narrowest_interval():
    assert words.decimals(of_half_widths(0.5, 2.0, 3.0)) == 1


def test_one_very_narrow_interval_gives_one_decimal_more_and_no_further():
    assert words.decimals(of_half_widths(0.0004, 2.0, 3.0)) == 1
    assert words.decimals(of_half_widths(0.0004, 0.2, 0.3)) == 2


def test_one_very_wide_interval_changes_nothing():
    assert words.decimals(of_half_widths(0.4, 0.5, 300.0)) == 1


def test_intervals_without_width_do_not_count():
    assert words.decimals(of_half_widths(0.0, 0.5)) == 1
    assert words.decimals(of_half_widths(0.0)) == 0
    assert words.decimals([]) == 0


def test_intervals_may_come_one_by_one():
    assert words.decimals(interval for interval in of_half_widths(0.5, 0.6)) == 1


# Numbers


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (47.726, 1, "47.7"),
        (47.726, 0, "48"),
        (-2.94, 1, "−2.9"),
        (-2.94, 0, "−3"),
        (1234.5, 1, "1,234.5"),
        (-20000.0, 0, "−20,000"),
        (0.0, 2, "0.00"),
        (-0.06, 1, "−0.1"),
        (100.0, 0, "100"),
        (-10.0, 0, "−10"),
    ],
)
def test_a_number_has_its_places_and_a_real_minus(value, places, text):
    assert words.number(value, places) == text


@pytest.mark.parametrize(("value", "places"), [(-0.0, 0), (-0.4, 0), (-0.04, 1), (-0.0049, 2)])
def test_there_is_no_negative_zero(value, places):
    assert words.number(value, places) == words.number(0.0, places)


def test_an_estimate_is_a_mean_with_its_bounds():
    assert words.span(Interval(-0.02, -0.81, 0.77), 1) == "−0.8 to 0.8"
    estimate = words.estimate(Interval(-0.02, -0.81, 0.77), 1)
    assert estimate.replace("\N{NO-BREAK SPACE}", " ") == "0.0 (−0.8 to 0.8)"


def test_bounds_of_an_estimate_are_not_torn_apart():
    before, bounds = words.estimate(Interval(47.7, 47.2, 48.3), 1).split(" ")
    assert before == "47.7"
    assert bounds == "(47.2\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}48.3)"


# Probabilities


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "< 0.01"),
        (0.0099, "< 0.01"),
        (0.01, "0.01"),
        (0.014, "0.01"),
        (0.5, "0.50"),
        (0.83, "0.83"),
        (0.986, "0.99"),
        (0.99, "0.99"),
        (0.9901, "> 0.99"),
        (1.0, "> 0.99"),
    ],
)
def test_a_probability_is_never_0_or_1(value, text):
    assert words.probability(value).replace("\N{NO-BREAK SPACE}", " ") == text


# Words


@pytest.mark.parametrize(
    ("n", "text"), [(0, "no"), (1, "one"), (5, "five"), (12, "twelve"), (13, "13"), (4951, "4,951")]
)
def test_small_counts_are_words(n, text):
    assert words.count(n) == text
