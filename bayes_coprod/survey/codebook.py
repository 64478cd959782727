"""The codebook: what the columns of a survey mean.

It is the user's main piece of work: short, forgiving to write, strict to read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from bayes_coprod import names
from bayes_coprod.errors import CodebookError, make_error
from bayes_coprod.files import read_toml
from bayes_coprod.strict import Scalar, StrictTable

type Kind = Literal["numeric", "binary", "categorical", "ordered"]

KINDS: tuple[Kind, ...] = ("numeric", "binary", "categorical", "ordered")


@dataclass(frozen=True)
class Item:
    """A question about something that citizens do.

    Parameters
    ----------
    name : str
        How the package calls it.
    column : str
        Column of the file.
    label : str
        How reports call it.
    form : str
        One of the codebook's forms.
    sector : str or None
        ``None`` where the survey has no sectors.
    categories : tuple
        The answers as they stand in the file, lowest first.
    takes_part_from : str, int or float
        The lowest category that counts as taking part.
    missing : tuple
        Values of this column that mean no answer, besides the survey's.
    """

    name: str
    column: str
    label: str
    form: str
    sector: str | None
    categories: tuple[Scalar, ...]
    takes_part_from: Scalar
    missing: tuple[Scalar, ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """The categories as text."""
        return tuple(str(category) for category in self.categories)


@dataclass(frozen=True)
class Driver:
    """Something that may go with what citizens do.

    Parameters
    ----------
    name, column, label : str
        How the package, the file and reports call it.
    kind : {"numeric", "binary", "categorical", "ordered"}
        Sets the coding.
    categories : tuple
        Of a categorical or ordered driver, as they stand in the file; ordered: lowest first.
    reference : str, int, float or None
        Level of a categorical driver with which reports compare.
    yes, no : tuple
        Values of a binary driver; an empty `no` means the one other value in the file.
    unit : str
        Of a numeric driver, for reports.
    report_per : float or None
        Amount of a numeric driver that reports quote; ``None``: one standard deviation.
    bounds : (float, float) or None
        A numeric value outside is refused.
    changeable : bool
        Whether scenarios may change it.
    missing : tuple
        Values of this column that mean no answer, besides the survey's.
    """

    name: str
    column: str
    label: str
    kind: Kind
    categories: tuple[Scalar, ...] = ()
    reference: Scalar | None = None
    yes: tuple[Scalar, ...] = ()
    no: tuple[Scalar, ...] = ()
    unit: str = ""
    report_per: float | None = None
    bounds: tuple[float, float] | None = None
    changeable: bool = False
    missing: tuple[Scalar, ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """The categories as text."""
        return tuple(str(category) for category in self.categories)


@dataclass(frozen=True)
class Codebook:
    """What a survey asked, of whom, and how the answers stand in the file.

    Parameters
    ----------
    name : str
        Of the survey.
    synthetic : bool
        Whether the data are simulated; shown wherever the survey is shown.
    source : str
        Where the data come from.
    forms : tuple of str
        One or two; the gap is the first minus the second.
    country : str
        Column with the country.
    country_labels : mapping of str to str
        Value in the file to name; empty: names are the values as they stand.
    citizen, weight : str or None
        Columns with the citizen's id and the survey weight.
    missing : tuple
        Values that mean no answer in any column.
    items : tuple of Item
    drivers : tuple of Driver
    """

    name: str
    synthetic: bool
    source: str
    forms: tuple[str, ...]
    country: str
    country_labels: Mapping[str, str]
    citizen: str | None
    weight: str | None
    missing: tuple[Scalar, ...]
    items: tuple[Item, ...]
    drivers: tuple[Driver, ...]
    place: str = field(default="codebook", compare=False, repr=False)

    @property
    def sectors(self) -> tuple[str, ...]:
        """The items' sectors in order of appearance; empty if the survey has none."""
        return tuple(dict.fromkeys(item.sector for item in self.items if item.sector is not None))

    @property
    def entries(self) -> tuple[Item | Driver, ...]:
        """Items, then drivers."""
        return (*self.items, *self.drivers)

    def item(self, name: str) -> Item:
        """Look an item up by name."""
        return next(item for item in self.items if item.name == name)

    def driver(self, name: str) -> Driver:
        """Look a driver up by name."""
        return next(driver for driver in self.drivers if driver.name == name)


def load_codebook(source: str | os.PathLike[str] | Mapping[str, Any] | Codebook) -> Codebook:
    """Read a codebook.

    Parameters
    ----------
    source : str, path, mapping or Codebook
        The name of a codebook of the package (``"five_nations"``), the path of a TOML file, the
        content of one, or a codebook, which is returned as it is.

    Returns
    -------
    Codebook
        Checked for everything that can be checked without data.

    Raises
    ------
    CodebookError
        If there is no such codebook, or it has an unknown key, lacks one, or contradicts itself.

    Examples
    --------
    >>> load_codebook("five_nations").forms
    ('individual', 'collective')
    """
    if isinstance(source, Codebook):
        return source
    if isinstance(source, Mapping):
        return _parse(StrictTable(source, "codebook", CodebookError))
    text = os.fspath(source)
    if Path(text).suffix == ".toml":
        content, _ = read_toml(Path(text), "load_codebook", CodebookError)
        return _parse(StrictTable(content, Path(text).name, CodebookError))
    shipped = {
        Path(entry.name).stem: entry
        for entry in files("bayes_coprod.survey").joinpath("codebooks").iterdir()
        if entry.name.endswith(".toml")
    }
    if text not in shipped:
        raise make_error(
            CodebookError,
            "load_codebook",
            f"unknown codebook {text!r}",
            value=text,
            available=sorted(shipped),
            remedy="A file of your own needs the ending .toml.",
        )
    return load_codebook(Path(str(shipped[text])))


def codebook_content(codebook: Codebook) -> dict[str, Any]:
    """The codebook as TOML content, such that ``load_codebook`` gives it back."""
    survey: dict[str, Any] = {
        "name": codebook.name,
        "synthetic": codebook.synthetic,
        "source": codebook.source,
        "forms": list(codebook.forms),
    }
    if codebook.citizen is not None:
        survey["citizen"] = codebook.citizen
    content: dict[str, Any] = {"survey": survey, "country": {"column": codebook.country}}
    if codebook.country_labels:
        content["country"]["labels"] = dict(codebook.country_labels)
    if codebook.weight is not None:
        content["weight"] = {"column": codebook.weight}
    if codebook.missing:
        content["missing"] = {"values": list(codebook.missing)}
    content["items"] = {item.name: _without_defaults(item) for item in codebook.items}
    content["drivers"] = {driver.name: _without_defaults(driver) for driver in codebook.drivers}
    return content


def _without_defaults(entry: Item | Driver) -> dict[str, Any]:
    kept = {key: value for key, value in vars(entry).items() if key != "name"}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in kept.items()
        if value not in (None, (), "", False)
    }


def _parse(table: StrictTable) -> Codebook:
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
    _check_names(codebook)
    return codebook


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
        missing=table.scalars("missing", ()),
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
    if len(categories) < 2 or len({str(c) for c in categories}) < len(categories):
        raise make_error(
            CodebookError,
            table.place,
            f"categories = {list(categories)} are not two or more different values",
            remedy="Name every answer once, the lowest first.",
        )
    return categories


def _parse_driver(name: str, table: StrictTable) -> Driver:
    kind: Kind = table.choice("kind", KINDS)
    given: dict[str, Any] = {}
    if kind in ("categorical", "ordered"):
        given["categories"] = _parse_categories(table)
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
    if kind == "binary":
        given["yes"] = table.scalars("yes")
        given["no"] = table.scalars("no", ())
        if not given["yes"] or set(given["yes"]) & set(given["no"]):
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
        if given["report_per"] is not None and given["report_per"] <= 0:
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
    if low >= high:
        raise make_error(
            CodebookError,
            table.place,
            f"bounds = {list(bounds)} leave no room",
            remedy="Give [smallest, largest].",
        )
    return low, high


def _check_names(codebook: Codebook) -> None:
    """Refuse what is said twice or cannot be told apart."""
    place = codebook.place
    if not codebook.items:
        raise make_error(
            CodebookError, place, "there is no item", remedy="Add a table [items.NAME]."
        )
    entries = codebook.entries
    seen: set[str] = set()
    for entry in entries:
        if entry.name in names.RESERVED or entry.name in seen:
            why = "is the package's own" if entry.name in names.RESERVED else "stands twice"
            raise make_error(
                CodebookError,
                place,
                f"the name {entry.name!r} {why}",
                remedy="Choose another and give `column` if the file calls it so.",
            )
        seen.add(entry.name)
    columns = [entry.column for entry in entries] + [
        column
        for column in (codebook.country, codebook.citizen, codebook.weight)
        if column is not None
    ]
    for column in columns:
        if columns.count(column) > 1:
            raise make_error(
                CodebookError,
                place,
                f"the column {column!r} is used {columns.count(column)} times",
                remedy="Each column of the file has one meaning.",
            )
    for form in codebook.forms:
        if not any(item.form == form for item in codebook.items):
            raise make_error(
                CodebookError,
                place,
                f"no item has the form {form!r}",
                remedy="Drop the form from [survey] forms, or give it items.",
            )
    if codebook.sectors and any(item.sector is None for item in codebook.items):
        item = next(item for item in codebook.items if item.sector is None)
        raise make_error(
            CodebookError,
            place,
            f"item {item.name!r} has no sector while others have one",
            available=codebook.sectors,
            remedy="Give every item a sector, or none.",
        )
    for entry in entries:
        values = {str(v) for v in (*entry.categories, *getattr(entry, "yes", ()))}
        for value in (*codebook.missing, *entry.missing):
            if str(value) in values:
                raise make_error(
                    CodebookError,
                    place,
                    f"{value!r} is both an answer to {entry.name!r} and a missing value",
                    remedy="Take it out of one of the two lists.",
                )
