"""From a codebook's TOML to its nouns: every contradiction is refused by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, product
from math import inf
from typing import Any

from bayes_coprod import names
from bayes_coprod.errors import CodebookError, make_error
from bayes_coprod.strict import Scalar, StrictTable
from bayes_coprod.survey.entries import (
    KINDS,
    Codebook,
    Driver,
    Item,
    Kind,
    is_ambiguous,
    is_same,
)


def parse_codebook(table: StrictTable) -> Codebook:
    """Make a codebook of a TOML file's content, or refuse it by name."""
    survey = table.table("survey")
    country = table.table("country")
    weight = table.table("weight", {})
    missing = table.table("missing", {})
    forms = survey.texts("forms")
    if not 1 <= len(forms) <= 2 or len(set(forms)) < len(forms):
        raise make_error(
            CodebookError,
            survey.place,
            f"forms = {list(forms)} are {len(forms)}",
            remedy="A survey has one form or two different ones; the gap is first minus second.",
        )
    labels = country.table("labels", {})
    codebook = Codebook(
        name=survey.text("name"),
        synthetic=survey.flag("synthetic", False),
        source=survey.text("source", ""),
        forms=forms,
        citizen=survey.text("citizen", None),
        country=country.text("column"),
        country_labels={key: labels.text(key) for key in list(labels.content)},
        weight=weight.text("column", None),
        missing=missing.scalars("values", ()),
        items=tuple(_parse_item(n, t, forms) for n, t in table.tables("items").items()),
        drivers=tuple(_parse_driver(n, t) for n, t in table.tables("drivers").items()),
        place=table.place,
    )
    for part in (table, survey, country, weight, missing):
        part.finish()
    check_codebook(codebook)
    return _with_labels_told_apart(codebook)


def _with_labels_told_apart(codebook: Codebook) -> Codebook:
    """Add its name to each label that several entries bear: reports go by labels."""
    count = Counter(entry.label for entry in codebook.entries)

    def told_apart[E: (Item, Driver)](entry: E) -> E:
        if count[entry.label] == 1:
            return entry
        return replace(entry, label=f"{entry.label} ({entry.name})")

    return replace(
        codebook,
        items=tuple(told_apart(item) for item in codebook.items),
        drivers=tuple(told_apart(driver) for driver in codebook.drivers),
    )


def _parse_item(name: str, table: StrictTable, forms: tuple[str, ...]) -> Item:
    categories = _parse_categories(table)
    item = Item(
        name=name,
        column=table.text("column", name),
        label=table.text("label", name),
        form=table.choice("form", forms),
        sector=table.text("sector", None),
        categories=categories,
        takes_part_from=table.take(
            "takes_part_from", (str, int, float), categories[1], "one of the categories"
        ),
        labels=_parse_labels(table, categories),
        missing=table.scalars("missing", ()),
        optional=table.flag("optional", False),
    )
    table.finish()
    if item.takes_part_from not in categories[1:]:
        raise make_error(
            CodebookError,
            table.place,
            f"takes_part_from = {item.takes_part_from!r} is no category above the lowest",
            value=item.takes_part_from,
            available=categories[1:],
        )
    return item


def _parse_categories(table: StrictTable) -> tuple[Scalar, ...]:
    categories = table.scalars("categories")
    if len(categories) < 2 or any(is_ambiguous(a, b) for a, b in combinations(categories, 2)):
        raise make_error(
            CodebookError,
            table.place,
            f"categories = {list(categories)} are not two or more different values",
            remedy="Name every answer once, the lowest first.",
        )
    return categories


def _parse_labels(table: StrictTable, categories: tuple[Scalar, ...]) -> dict[str, str]:
    """What categories are called, by category as text."""
    labels = table.table("labels", {})
    called = {}
    for key in list(labels.content):
        meant = [category for category in categories if is_same(key, category)]
        if not meant:
            raise make_error(
                table.error,
                labels.place,
                f"{key!r} is no category",
                value=key,
                available=categories,
            )
        if str(meant[0]) in called:
            raise make_error(
                table.error,
                labels.place,
                f"the category {meant[0]!r} is called something twice",
                value=key,
                remedy="Keep one of the two lines.",
            )
        called[str(meant[0])] = labels.text(key)
    names_ = [called.get(str(category), str(category)) for category in categories]
    for name in names_:
        if names_.count(name) > 1:
            raise make_error(
                table.error,
                labels.place,
                f"{names_.count(name)} categories are called {name!r}",
                remedy="Give each category a name of its own; recode the file to merge two.",
            )
    return called


def _parse_driver(name: str, table: StrictTable) -> Driver:
    kind: Kind = table.choice("kind", KINDS)
    given: dict[str, Any] = {}
    if kind in ("categorical", "ordered"):
        given["categories"] = _parse_categories(table)
        given["labels"] = _parse_labels(table, given["categories"])
    if kind == "categorical":
        categories = given["categories"]
        given["reference"] = table.take(
            "reference", (str, int, float), categories[0], "one of the categories"
        )
        if given["reference"] not in categories:
            raise make_error(
                CodebookError,
                table.place,
                f"reference = {given['reference']!r} is no category",
                value=given["reference"],
                available=categories,
            )
        given["reference"] = categories[categories.index(given["reference"])]  # 2, not 2.0
    if kind == "binary":
        given["yes"] = table.scalars("yes")
        given["no"] = table.scalars("no", ())
        if not given["yes"] or any(is_ambiguous(*p) for p in product(given["yes"], given["no"])):
            raise make_error(
                CodebookError,
                table.place,
                f"yes = {list(given['yes'])} and no = {list(given['no'])} do not tell two groups",
                remedy="Name at least one value that means yes, and none twice.",
            )
    if kind == "numeric":
        given["unit"] = table.text("unit", "")
        given["report_per"] = table.number("report_per", None)
        given["bounds"] = _parse_bounds(table)
        if given["report_per"] is not None and not 0 < given["report_per"] < inf:
            raise make_error(
                CodebookError,
                table.place,
                f"report_per = {given['report_per']:g} is not positive",
                remedy="Give the amount that effects are quoted for, such as 10 for ten years.",
            )
    driver = Driver(
        name=name,
        column=table.text("column", name),
        label=table.text("label", name),
        kind=kind,
        changeable=table.flag("changeable", False),
        missing=table.scalars("missing", ()),
        optional=table.flag("optional", False),
        **given,
    )
    table.finish()
    return driver


def _parse_bounds(table: StrictTable) -> tuple[float, float] | None:
    bounds = table.scalars("bounds", ())
    if not bounds:
        return None
    if len(bounds) != 2 or isinstance(bounds[0], str) or isinstance(bounds[1], str):
        raise make_error(
            CodebookError,
            table.place,
            f"bounds = {list(bounds)} are not two numbers",
            remedy="Give [smallest, largest].",
        )
    low, high = float(bounds[0]), float(bounds[1])
    if not low < high:  # nan is less than nothing
        raise make_error(
            CodebookError,
            table.place,
            f"bounds = {list(bounds)} leave no room",
            remedy="Give [smallest, largest].",
        )
    return low, high


def check_codebook(codebook: Codebook) -> None:
    """Refuse what is said twice, cannot be told apart, or leaves a form without items."""
    place = codebook.place
    if not codebook.items:
        raise make_error(
            CodebookError, place, "there is no item", remedy="Add a table [items.NAME]."
        )
    _check_names(codebook)
    _check_columns(codebook)
    _check_country_labels(codebook)
    _check_groups(codebook)
    _check_missing(codebook)


def _check_names(codebook: Codebook) -> None:
    seen: set[str] = set()
    for entry in codebook.entries:
        if entry.name in names.RESERVED or entry.name in seen:
            why = "is the package's own" if entry.name in names.RESERVED else "stands twice"
            raise make_error(
                CodebookError,
                codebook.place,
                f"the name {entry.name!r} {why}",
                remedy="Choose another and give `column` if the file calls it so.",
            )
        seen.add(entry.name)


def _check_columns(codebook: Codebook) -> None:
    own = (codebook.country, codebook.citizen, codebook.weight)
    columns = [entry.column for entry in codebook.entries]
    columns += [column for column in own if column is not None]
    for column in columns:
        if columns.count(column) > 1:
            raise make_error(
                CodebookError,
                codebook.place,
                f"the column {column!r} is used {columns.count(column)} times",
                remedy="Each column of the file has one meaning.",
            )


def _check_country_labels(codebook: Codebook) -> None:
    labels = list(codebook.country_labels.values())
    for label in labels:
        if labels.count(label) > 1:
            raise make_error(
                CodebookError,
                f"{codebook.place} [country]",
                f"{labels.count(label)} labels are {label!r}",
                remedy="Each country has one value in the file; recode the file to merge two.",
            )


def _check_groups(codebook: Codebook) -> None:
    for form in codebook.forms:
        if not any(item.form == form for item in codebook.items):
            raise make_error(
                CodebookError,
                codebook.place,
                f"no item has the form {form!r}",
                remedy="Drop the form from [survey] forms, or give it items.",
            )
    without = [item.name for item in codebook.items if item.sector is None]
    if codebook.sectors and without:
        raise make_error(
            CodebookError,
            codebook.place,
            f"item {without[0]!r} has no sector while others have one",
            available=codebook.sectors,
            remedy="Give every item a sector, or none.",
        )


def _check_missing(codebook: Codebook) -> None:
    for entry in codebook.entries:
        answers = [*entry.categories, *getattr(entry, "yes", ()), *getattr(entry, "no", ())]
        for value in (*codebook.missing, *entry.missing):
            if any(is_ambiguous(value, answer) for answer in answers):
                raise make_error(
                    CodebookError,
                    codebook.place,
                    f"{value!r} is both an answer to {entry.name!r} and a missing value",
                    remedy="Take it out of one of the two lists.",
                )
