"""Surveys whose drivers scenarios may change."""

import pytest


@pytest.fixture
def changeable(small_frame, small_book):
    """The small survey, every driver changeable; only the highest answer is taking part."""
    from bayes_coprod.survey.read import read_survey

    for driver in small_book["drivers"].values():
        driver["changeable"] = True
    for item in small_book["items"].values():
        item["takes_part_from"] = item["categories"][-1]
    return read_survey(small_frame, small_book)
