import math
import re
import tomllib
from dataclasses import FrozenInstanceError

import pytest

from bayes_coprod.errors import CodebookError
from bayes_coprod.survey.codebook import codebook_content, load_codebook
from bayes_coprod.survey.entries import Codebook, Driver, Item

WHOLE_GRAMMAR = """
[survey]
name = "Five-nation survey of citizens"
synthetic = true
source = "simulate_survey, seed 2008"
forms = ["individual", "collective"]
citizen = "id"

[country]
column = "country"
labels = { CZ = "Czech Republic", DK = "Denmark" }

[weight]
column = "weight"

[missing]
values = ["don't know", "refused", -9]

[items.group_safety]
column = "q7_5"
label = "Takes part in a group to improve safety"
form = "collective"
sector = "safety"
categories = ["never", "sometimes", "often"]
takes_part_from = "often"
missing = ["no group here"]

[items.recycle]
form = "individual"
sector = "environment"
categories = [1, 2, 3, 4]

[drivers.self_efficacy]
label = "How much of a difference citizens can make"
kind = "ordered"
categories = ["none", "small", "some", "big"]
changeable = true

[drivers.age]
kind = "numeric"
unit = "years"
report_per = 10
bounds = [18, 99]
missing = [999]

[drivers.female]
column = "sex"
kind = "binary"
yes = ["female"]
no = ["male", "diverse"]

[drivers.education]
kind = "categorical"
categories = ["low", "medium", "high"]
reference = "medium"
"""


def changed(content, path, value):
    """The content with one value set, or taken out where it is None."""
    *tables, key = path.split(".")
    inner = content
    for table in tables:
        inner = inner.setdefault(table, {})
    if value is None:
        del inner[key]
    else:
        inner[key] = value
    return content


def refused(message):
    return pytest.raises(CodebookError, match=re.escape(message))


def test_whole_grammar_is_read(tmp_path):
    (tmp_path / "survey.toml").write_text(WHOLE_GRAMMAR)
    assert load_codebook(tmp_path / "survey.toml") == Codebook(
        name="Five-nation survey of citizens",
        synthetic=True,
        source="simulate_survey, seed 2008",
        forms=("individual", "collective"),
        country="country",
        country_labels={"CZ": "Czech Republic", "DK": "Denmark"},
        citizen="id",
        weight="weight",
        missing=("don't know", "refused", -9),
        items=(
            Item(
                name="group_safety",
                column="q7_5",
                label="Takes part in a group to improve safety",
                form="collective",
                sector="safety",
                categories=("never", "sometimes", "often"),
                takes_part_from="often",
                missing=("no group here",),
            ),
            Item(
                name="recycle",
                column="recycle",
                label="recycle",
                form="individual",
                sector="environment",
                categories=(1, 2, 3, 4),
                takes_part_from=2,
            ),
        ),
        drivers=(
            Driver(
                name="self_efficacy",
                column="self_efficacy",
                label="How much of a difference citizens can make",
                kind="ordered",
                categories=("none", "small", "some", "big"),
                changeable=True,
            ),
            Driver(
                name="age",
                column="age",
                label="age",
                kind="numeric",
                unit="years",
                report_per=10.0,
                bounds=(18.0, 99.0),
                missing=(999,),
            ),
            Driver(
                name="female",
                column="sex",
                label="female",
                kind="binary",
                yes=("female",),
                no=("male", "diverse"),
            ),
            Driver(
                name="education",
                column="education",
                label="education",
                kind="categorical",
                categories=("low", "medium", "high"),
                reference="medium",
            ),
        ),
    )


def test_the_shortest_codebook_gets_the_defaults():
    shortest = {
        "survey": {"name": "Short", "forms": ["alone"]},
        "country": {"column": "land"},
        "items": {"recycle": {"form": "alone", "categories": ["no", "yes"]}},
    }
    assert load_codebook(shortest) == Codebook(
        name="Short",
        synthetic=False,
        source="",
        forms=("alone",),
        country="land",
        country_labels={},
        citizen=None,
        weight=None,
        missing=(),
        items=(Item("recycle", "recycle", "recycle", "alone", None, ("no", "yes"), "yes"),),
        drivers=(),
    )


@pytest.mark.parametrize(
    ("driver", "default"),
    [
        ({"kind": "numeric"}, {"unit": "", "report_per": None, "bounds": None}),
        ({"kind": "binary", "yes": [1]}, {"yes": (1,), "no": ()}),
        ({"kind": "categorical", "categories": ["b", "a"]}, {"reference": "b"}),
        ({"kind": "ordered", "categories": ["b", "a"]}, {"reference": None, "changeable": False}),
    ],
    ids=lambda value: value.get("kind"),
)
def test_each_kind_of_driver_gets_its_defaults(content, driver, default):
    read = load_codebook(changed(content, "drivers", {"it": driver})).driver("it")
    assert read.column == read.label == "it"
    assert {key: getattr(read, key) for key in default} == default


def test_items_and_drivers_keep_the_order_of_the_file(content):
    book = load_codebook(content)
    assert [item.name for item in book.items] == ["recycle", "group"]
    assert [driver.name for driver in book.drivers] == ["efficacy", "age", "woman", "education"]
    assert book.item("group").levels == ("1", "2", "3")


def test_sectors_stand_in_order_of_appearance():
    assert load_codebook("five_nations").sectors == ("safety", "environment", "health")


def test_a_survey_may_have_no_sectors(content):
    assert load_codebook(content).sectors == ()


def test_a_codebook_is_returned_as_it_is(content):
    book = load_codebook(content)
    assert load_codebook(book) is book


def test_a_codebook_cannot_be_changed(content):
    with pytest.raises(FrozenInstanceError):
        load_codebook(content).name = "another"


def test_the_content_given_is_not_changed(content):
    before = repr(content)
    load_codebook(content)
    assert repr(content) == before


def test_content_and_codebook_are_the_same_thing(content):
    for source in (content, tomllib.loads(WHOLE_GRAMMAR), "five_nations"):
        book = load_codebook(source)
        assert load_codebook(codebook_content(book)) == book


def test_a_zero_that_is_no_default_survives_the_round_trip(content):
    changed(content, "items.group.categories", [2, 1, 0])
    changed(content, "items.group.takes_part_from", 0)
    book = load_codebook(content)
    assert load_codebook(codebook_content(book)) == book


# Refusals


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("surveys", {}, "codebook: unknown key 'surveys'. Did you mean 'survey'?"),
        ("survey.form", "a", "codebook [survey]: unknown key 'form'. Did you mean 'forms'?"),
        ("country.colum", "a", "codebook [country]: unknown key 'colum'. Did you mean 'column'?"),
        ("weight.trim", 5, "codebook [weight]: unknown key 'trim'. Available: column."),
        ("missing.value", [1], "codebook [missing]: unknown key 'value'. Did you mean 'values'?"),
        (
            "items.recycle.categorys",
            ["a", "b"],
            "codebook [items.recycle]: unknown key 'categorys'. Did you mean 'categories'?",
        ),
        (
            "drivers.age.bound",
            [1, 2],
            "codebook [drivers.age]: unknown key 'bound'. Did you mean 'bounds'?",
        ),
        # a key of another kind is no key of this one
        ("drivers.woman.unit", "kg", "codebook [drivers.woman]: unknown key 'unit'."),
        ("drivers.efficacy.reference", "big", "codebook [drivers.efficacy]: unknown key 'refer"),
        ("items.recycle.changeable", True, "codebook [items.recycle]: unknown key 'changeable'."),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(content, path, value, message):
    with refused(message):
        load_codebook(changed(content, path, value))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("survey", "codebook: 'survey' is missing. Give a table [survey]."),
        ("country", "codebook: 'country' is missing. Give a table [country]."),
        ("survey.name", "codebook [survey]: 'name' is missing. Give a string in quotes."),
        ("survey.forms", "codebook [survey]: 'forms' is missing. Give a list of strings."),
        ("country.column", "codebook [country]: 'column' is missing."),
        ("items.recycle.form", "codebook [items.recycle]: 'form' is missing."),
        ("items.recycle.categories", "codebook [items.recycle]: 'categories' is missing."),
        ("drivers.age.kind", "codebook [drivers.age]: 'kind' is missing."),
        ("drivers.woman.yes", "codebook [drivers.woman]: 'yes' is missing."),
        ("drivers.efficacy.categories", "codebook [drivers.efficacy]: 'categories' is missing."),
    ],
)
def test_a_missing_key_is_named(content, path, message):
    with refused(message):
        load_codebook(changed(content, path, None))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("survey.name", 2008, "codebook [survey]: name = 2008 is not usable."),
        ("survey.synthetic", "no", "codebook [survey]: synthetic = 'no' is not usable."),
        ("survey.forms", "alone", "codebook [survey]: forms = 'alone' is not usable."),
        ("items.recycle", "q1", "codebook [items.recycle]: expected a table, found 'q1'."),
        ("country.labels", {"NO": 1}, "codebook [country] [labels]: NO = 1 is not usable."),
        ("drivers.woman.yes", [True], "codebook [drivers.woman]: yes contains True."),
        ("drivers.age.report_per", "10", "codebook [drivers.age]: report_per = '10' is not usa"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(content, path, value, message):
    with refused(message):
        load_codebook(changed(content, path, value))


def test_a_category_that_is_called_something_twice_is_refused(content):
    twice = {"1": "never", "1.0": "seldom"}
    with refused("codebook [items.group] [labels]: the category 1 is called something twice."):
        load_codebook(changed(content, "items.group.labels", twice))


@pytest.mark.parametrize("forms", [[], ["alone", "alone"], ["alone", "together", "online"]])
def test_other_than_one_or_two_different_forms_is_refused(content, forms):
    with refused(f"codebook [survey]: forms = {forms}"):
        load_codebook(changed(content, "survey.forms", forms))


def test_an_unknown_form_is_refused_with_the_nearest(content):
    message = "codebook [items.group]: unknown form 'togehter'. Did you mean 'together'?"
    with refused(message):
        load_codebook(changed(content, "items.group.form", "togehter"))


def test_a_form_without_items_is_refused(content):
    with refused("codebook: no item has the form 'together'. Drop the form"):
        load_codebook(changed(content, "items.group.form", "alone"))


def test_a_codebook_without_items_is_refused(content):
    with refused("codebook: there is no item. Add a table [items.NAME]."):
        load_codebook(changed(content, "items", {}))


@pytest.mark.parametrize(
    ("takes_part_from", "message"),
    [
        (
            "offen",
            "takes_part_from = 'offen' is no category above the lowest. Did you mean 'often'",
        ),
        ("never", "takes_part_from = 'never' is no category above the lowest. Available: sometim"),
    ],
)
def test_taking_part_from_no_category_or_the_lowest_is_refused(content, takes_part_from, message):
    with refused(f"codebook [items.recycle]: {message}"):
        load_codebook(changed(content, "items.recycle.takes_part_from", takes_part_from))


@pytest.mark.parametrize("entry", ["items.recycle", "drivers.efficacy", "drivers.education"])
@pytest.mark.parametrize("categories", [[], ["yes"], ["no", "yes", "no"], [1, "1"]])
def test_categories_repeated_or_too_few_are_refused(content, entry, categories):
    message = f"codebook [{entry}]: categories = {categories} are not two or more different values"
    with refused(message):
        load_codebook(changed(content, f"{entry}.categories", categories))


def test_an_unknown_kind_is_refused_with_all_kinds(content):
    message = (
        "codebook [drivers.age]: unknown kind 'number'. Did you mean 'numeric'? "
        "Available: numeric, binary, categorical, ordered."
    )
    with refused(message):
        load_codebook(changed(content, "drivers.age.kind", "number"))


def test_a_reference_that_is_no_category_is_refused(content):
    message = "codebook [drivers.education]: reference = 'hihg' is no category. Did you mean 'high'"
    with refused(message):
        load_codebook(changed(content, "drivers.education.reference", "hihg"))


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([99, 18], "bounds = [99, 18] leave no room. Give [smallest, largest]."),
        ([18, 18], "bounds = [18, 18] leave no room."),
        ([18], "bounds = [18] are not two numbers."),
        ([1, 2, 3], "bounds = [1, 2, 3] are not two numbers."),
        (["18", 99], "bounds = ['18', 99] are not two numbers."),
    ],
)
def test_bounds_that_bound_nothing_are_refused(content, bounds, message):
    with refused(f"codebook [drivers.age]: {message}"):
        load_codebook(changed(content, "drivers.age.bounds", bounds))


@pytest.mark.parametrize("amount", [0, -10])
def test_an_amount_to_report_that_is_not_positive_is_refused(content, amount):
    with refused(f"codebook [drivers.age]: report_per = {amount} is not positive."):
        load_codebook(changed(content, "drivers.age.report_per", amount))


@pytest.mark.parametrize(("key", "value"), [("bounds", [math.nan, 5]), ("report_per", math.nan)])
def test_nan_is_no_number_to_write_in_a_codebook(content, key, value):
    with refused(f"codebook [drivers.age]: {key} = "):
        load_codebook(changed(content, f"drivers.age.{key}", value))


@pytest.mark.parametrize(("yes", "no"), [([], ["M"]), (["F"], ["M", "F"])])
def test_a_binary_driver_that_tells_no_two_groups_is_refused(content, yes, no):
    content["drivers"]["woman"] |= {"yes": yes, "no": no}
    with refused(f"codebook [drivers.woman]: yes = {yes} and no = {no} do not tell two groups."):
        load_codebook(content)


@pytest.mark.parametrize("other", ["land", "id", "w", "q2", "age"])
def test_a_column_used_twice_is_refused(content, other):
    with refused(f"codebook: the column {other!r} is used 2 times. Each column"):
        load_codebook(changed(content, "items.recycle.column", other))


@pytest.mark.parametrize("name", ["citizen", "country", "weight", "intercept"])
@pytest.mark.parametrize("tables", ["items", "drivers"])
def test_the_packages_own_names_are_refused(content, tables, name):
    entry = {"kind": "numeric"} if tables == "drivers" else content["items"]["group"]
    with refused(f"codebook: the name {name!r} is the package's own. Choose another"):
        load_codebook(changed(content, f"{tables}.{name}", entry))


def test_an_item_and_a_driver_of_the_same_name_are_refused(content):
    with refused("codebook: the name 'recycle' stands twice."):
        load_codebook(changed(content, "drivers.recycle", {"kind": "numeric"}))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("missing.values", ["never"], "'never' is both an answer to 'recycle' and a missing value"),
        ("items.group.missing", [3], "3 is both an answer to 'group' and a missing value"),
        ("items.group.missing", ["3"], "'3' is both an answer to 'group' and a missing value"),
        ("drivers.efficacy.missing", ["big"], "'big' is both an answer to 'efficacy'"),
        ("drivers.woman.missing", ["F"], "'F' is both an answer to 'woman'"),
    ],
)
def test_a_value_both_answer_and_missing_is_refused(content, path, value, message):
    with refused(f"codebook: {message}"):
        load_codebook(changed(content, path, value))


@pytest.mark.parametrize("change", ["no", "1.0"])
def test_a_value_both_answer_and_missing_is_refused_however_it_is_written(content, change):
    if change == "no":
        content["drivers"]["woman"] |= {"no": ["M"], "missing": ["M"]}
    else:
        content["items"]["group"]["missing"] = [1.0]  # a cell 1 would match both
    with refused("is both an answer to"):
        load_codebook(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("items.group.categories", [1, 1.0]),
        ("drivers.woman", {"kind": "binary", "yes": [1], "no": ["1"]}),
    ],
)
def test_values_that_the_same_cell_matches_are_refused(content, path, value):
    with refused("codebook ["):
        load_codebook(changed(content, path, value))


def test_two_countries_of_the_same_name_are_refused(content):
    with refused("Norway"):
        load_codebook(changed(content, "country.labels", {"NO": "Norway", "N": "Norway"}))


def test_sectors_are_for_all_items_or_none(content):
    message = "codebook: item 'group' has no sector while others have one. Available: environment."
    with refused(message):
        load_codebook(changed(content, "items.recycle.sector", "environment"))


def test_messages_name_the_file(tmp_path):
    (tmp_path / "mine.toml").write_text(WHOLE_GRAMMAR.replace("reference", "refrence"))
    with refused("mine.toml [drivers.education]: unknown key 'refrence'. Did you mean 'reference'"):
        load_codebook(tmp_path / "mine.toml")


def test_a_missing_file_is_named(tmp_path):
    with refused(f"load_codebook: there is no file {tmp_path / 'mine.toml'}."):
        load_codebook(tmp_path / "mine.toml")


def test_invalid_toml_is_refused_with_its_line(tmp_path):
    (tmp_path / "mine.toml").write_text('[survey]\nname = "a\n')
    with refused("mine.toml is not valid TOML: Illegal character '\\n' (at line 2"):
        load_codebook(tmp_path / "mine.toml")


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "mine.toml").write_bytes('[survey]\nname = "café"\n'.encode("latin-1"))
    with refused("mine.toml is not UTF-8 text. Save it as UTF-8."):
        load_codebook(tmp_path / "mine.toml")


def test_a_byte_order_mark_is_no_part_of_the_codebook(tmp_path):
    (tmp_path / "mine.toml").write_text(WHOLE_GRAMMAR, encoding="utf-8-sig")
    assert load_codebook(tmp_path / "mine.toml").forms == ("individual", "collective")


def test_an_unknown_codebook_of_the_package_is_refused_with_the_nearest():
    message = (
        "load_codebook: unknown codebook 'five_natoins'. Did you mean 'five_nations'? "
        "Available: ess, five_nations, issp2004, issp2014. "
        "A file of your own needs the ending .toml."
    )
    with refused(message):
        load_codebook("five_natoins")


@pytest.mark.parametrize(
    ("yes", "no", "sides"),
    [
        (["female"], ["male"], ("male", "female")),
        (["female"], [], ("others", "female")),
        (["female"], [2], ("others", "female")),
        (["town", "city"], ["village "], ("village", "town or city")),
        (["member"], ["no"], ("others", "member")),
        (["member"], ["a", "b", "c", "d"], ("others", "member")),
        (["others"], [], ("no", "yes")),
        (["yes"], ["no"], ("no", "yes")),
        (["TRUE"], [], ("no", "yes")),
        (["1"], ["male"], ("no", "yes")),
        ([1], [0], ("no", "yes")),
    ],
)
def test_sides_of_a_binary_driver_are_called_as_in_the_file(small_book, yes, no, sides):
    small_book["drivers"]["female"] |= {"yes": yes, "no": no}
    assert load_codebook(small_book).driver("female").sides == sides
