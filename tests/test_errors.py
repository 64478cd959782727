import pytest

from bayes_coprod.errors import (
    CodebookError,
    CoprodError,
    FitFileError,
    SpecError,
    SurveyError,
    make_error,
)

MODELS = ["index", "items", "ordinal", "participation"]


def test_message_names_value_place_alternatives_and_remedy():
    error = make_error(
        SpecError,
        "load_model",
        "unknown model 'itmes'",
        value="itmes",
        available=MODELS,
        remedy="A file of your own needs the ending .toml.",
    )
    assert str(error) == (
        "load_model: unknown model 'itmes'. Did you mean 'items'? "
        "Available: index, items, ordinal, participation. "
        "A file of your own needs the ending .toml."
    )


def test_the_shortest_message_is_place_and_problem():
    assert str(make_error(CoprodError, "here", "it rains")) == "here: it rains."


def test_nothing_is_guessed_where_nothing_is_near():
    message = str(make_error(CoprodError, "here", "what", value="zzz", available=MODELS))
    assert "Did you mean" not in message


def test_no_alternative_is_said_to_be_none():
    assert str(make_error(CoprodError, "here", "what", available=[])).endswith("Available: none.")


def test_alternatives_need_not_be_text():
    message = str(make_error(CoprodError, "here", "what", value=10, available=[1, 2, 100]))
    assert message.endswith("Did you mean '100'? Available: 1, 2, 100.")


def test_alternatives_beyond_twenty_are_counted():
    message = str(make_error(CoprodError, "here", "what", available=range(23)))
    assert message.endswith("18, 19 and 3 more.")
    assert str(make_error(CoprodError, "here", "what", available=range(20))).endswith("18, 19.")


@pytest.mark.parametrize("kind", [CodebookError, SurveyError, SpecError, FitFileError])
def test_each_kind_is_given_back_and_caught_as_the_packages_own(kind):
    error = make_error(kind, "here", "what")
    assert type(error) is kind
    assert isinstance(error, CoprodError)
