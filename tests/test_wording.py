import pytest

from bayes_coprod.wording import capital, listed, per_cent


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], ""),
        (["Austria"], "Austria"),
        (["Austria", "Belgium"], "Austria and Belgium"),
        (["Austria", "Belgium", "Cyprus"], "Austria, Belgium and Cyprus"),
    ],
)
def test_lists_read_as_a_sentence(items, text):
    assert listed(items) == text


@pytest.mark.parametrize(
    ("text", "begun"), [("without a driver", "Without a driver"), ("", ""), ("UK", "UK")]
)
def test_only_the_first_letter_becomes_a_capital(text, begun):
    assert capital(text) == begun


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.004, "under 1 %"), (0.126, "13 %"), (0.996, "over 99 %"), (1, "100 %")],
)
def test_what_is_not_quite_none_or_all_is_said_so(share, text):
    assert per_cent(share) == text
