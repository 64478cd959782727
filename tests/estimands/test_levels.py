"""Levels of drivers, by the words that the survey has for them."""

from dataclasses import replace

import pytest

from bayes_coprod.errors import SpecError
from bayes_coprod.estimands.changes import by, to
from bayes_coprod.estimands.closing import closing_the_gap
from bayes_coprod.estimands.groups import group_levels
from bayes_coprod.estimands.levels import level_names, level_position
from bayes_coprod.estimands.scenarios import scenario


@pytest.fixture
def some(changeable, random_fit):
    """A fit whose binary driver says woman and man."""
    fit = random_fit(changeable, draws=2)
    drivers = tuple(
        replace(d, yes=("woman",), no=("man",)) if d.name == "female" else d
        for d in fit.codebook.drivers
    )
    return replace(fit, codebook=replace(fit.codebook, drivers=drivers))


def test_a_binary_drivers_levels_are_its_sides(some):
    female = some.codebook.driver("female")
    assert level_names(female) == ("man", "woman")
    said = {"man": 0, "woman": 1, "no": 0, "yes": 1, 0: 0, 1: 1}
    assert {word: level_position(female, word, "here") for word in said} == said
    assert [level_position(female, word, "here") for word in (False, True)] == [0, 1]
    others = replace(female, no=("man", "other", "unknown", "none"))
    assert level_names(others) == ("others", "woman")
    assert [level_position(others, word, "here") for word in ("others", "other", "woman")] == [
        0,
        0,
        1,
    ]


def test_results_say_the_surveys_words(some):
    ends = closing_the_gap(some)["end"].sel(driver="female").item()
    assert ends in ("man", "woman")
    assert group_levels(some, "female")["group"].values.tolist() == ["man", "woman"]


@pytest.mark.parametrize("change", [to("girl"), by(1)])
def test_messages_say_the_surveys_words(some, change):
    with pytest.raises(SpecError, match="Available: man, woman"):
        scenario(some, {"female": change})
