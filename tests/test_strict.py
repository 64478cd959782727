import re

import pytest

from bayes_coprod.errors import CodebookError, SpecError
from bayes_coprod.strict import StrictTable


def table(**content):
    return StrictTable(content, "items.toml [sampler]", SpecError)


def refused(message):
    return pytest.raises(SpecError, match=re.escape(f"items.toml [sampler]: {message}"))


def test_each_taker_gives_what_stands_there():
    full = table(
        name="a", on=True, draws=5, size=2, mixed=[1, "b", 0.5], words=["c"], kind="lkj", inner={}
    )
    assert full.text("name") == "a"
    assert full.flag("on", False) is True
    assert full.whole("draws", 1000, least=1) == 5
    assert full.number("size") == 2.0
    assert full.scalars("mixed") == (1, "b", 0.5)
    assert full.texts("words") == ("c",)
    assert full.choice("kind", ("lkj", "normal")) == "lkj"
    assert full.table("inner").place == "items.toml [sampler] [inner]"
    full.finish()  # everything was asked for


def test_each_taker_gives_its_default_where_nothing_stands():
    empty = table()
    assert empty.text("name", "b") == "b"
    assert empty.flag("on", True) is True
    assert empty.whole("draws", None, least=1) is None
    assert empty.number("size", None) is None
    assert empty.scalars("mixed", ()) == ()
    assert empty.texts("words", None) is None
    assert empty.choice("kind", ("lkj",), None) is None
    assert empty.tables("priors") == {}
    empty.finish()


def test_tables_come_by_name_and_know_their_place():
    inner = table(priors={"beta": {"form": "normal"}, "tau": {}}).tables("priors")
    assert list(inner) == ["beta", "tau"]
    assert inner["beta"].place == "items.toml [sampler] [priors.beta]"
    assert inner["beta"].text("form") == "normal"


@pytest.mark.parametrize(
    ("content", "take", "message"),
    [
        ({}, lambda t: t.text("name"), "'name' is missing. Give a string in quotes."),
        ({"name": 1}, lambda t: t.text("name"), "name = 1 is not usable. Give a string in quotes."),
        ({"on": "yes"}, lambda t: t.flag("on", False), "on = 'yes' is not usable. Give true or f"),
        ({"draws": 0}, lambda t: t.whole("draws", 1, 1), "draws = 0 is too small. Give a whole nu"),
        ({"draws": 1.5}, lambda t: t.whole("draws", 1, 1), "draws = 1.5 is not usable"),
        # true is 1 to Python, not to whoever wrote the file
        ({"draws": True}, lambda t: t.whole("draws", 1, 1), "draws = True is not usable"),
        ({"size": True}, lambda t: t.number("size"), "size = True is not usable. Give a number."),
        ({"size": "2"}, lambda t: t.number("size"), "size = '2' is not usable. Give a number."),
        ({"mixed": "ab"}, lambda t: t.scalars("mixed"), "mixed = 'ab' is not usable. Give a list"),
        ({"mixed": [[1]]}, lambda t: t.scalars("mixed"), "mixed contains [1]. Only strings and"),
        ({"mixed": [True]}, lambda t: t.scalars("mixed"), "mixed contains True"),
        ({"words": ["a", 1]}, lambda t: t.texts("words"), "words = ['a', 1] is not usable"),
        ({"inner": 3}, lambda t: t.table("inner"), "inner = 3 is not usable. Give a table [inner]"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(content, take, message):
    with refused(message):
        take(table(**content))


def test_a_table_that_is_none_is_refused_with_its_place():
    with pytest.raises(SpecError, match=re.escape("[priors.beta]: expected a table, found 3")):
        table(priors={"beta": 3}).tables("priors")


def test_a_choice_outside_the_list_is_refused_with_the_nearest():
    with refused("unknown kind 'nromal'. Did you mean 'normal'? Available: lkj, normal."):
        table(kind="nromal").choice("kind", ("lkj", "normal"))


def test_a_key_nobody_asked_for_is_refused_with_the_nearest():
    strict = table(draws=5, chians=4)
    strict.whole("draws", 1000, least=1)
    strict.whole("chains", 4, least=1)
    with refused("unknown key 'chians'. Did you mean 'chains'? Available: chains, draws."):
        strict.finish()


def test_the_error_is_of_the_kind_asked_for():
    with pytest.raises(CodebookError, match="expected a table, found 3"):
        StrictTable(3, "codebook", CodebookError)


def test_the_content_given_is_not_changed():
    content = {"name": "a"}
    StrictTable(content, "here", SpecError).text("name")
    assert content == {"name": "a"}
