"""The codebook: what the columns of a survey mean.

It is the user's main piece of work: short, forgiving to write, strict to read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from bayes_coprod.errors import CodebookError, make_error
from bayes_coprod.files import read_toml
from bayes_coprod.strict import StrictTable
from bayes_coprod.survey.entries import Codebook, Driver, Item
from bayes_coprod.survey.parse import parse_codebook


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
        return parse_codebook(StrictTable(source, "codebook", CodebookError))
    if not isinstance(source, str | os.PathLike):
        raise make_error(
            CodebookError,
            "load_codebook",
            f"{source!r} cannot be read as a codebook",
            remedy="Give a name, a path, a mapping or a Codebook.",
        )
    text = os.fspath(source)
    if Path(text).suffix == ".toml":
        content, _ = read_toml(Path(text), "load_codebook", CodebookError)
        return parse_codebook(StrictTable(content, Path(text).name, CodebookError))
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
        if not (value is None or value is False or value in ((), "", {}))
    }
