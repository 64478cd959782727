"""Reading a survey: every value is matched with the codebook, or refused by name."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from narwhals.typing import IntoDataFrame

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.columns import require_columns
from bayes_coprod.survey.csv_file import NOBODY, ONE_ROW
from bayes_coprod.survey.entries import Codebook
from bayes_coprod.survey.match import match_columns
from bayes_coprod.survey.overview import make_overview
from bayes_coprod.survey.parse import check_codebook
from bayes_coprod.survey.sources import open_table

if TYPE_CHECKING:
    import xarray as xr


class Imputed(NamedTuple):
    """How much of a driver was filled in.

    Parameters
    ----------
    share : float
        Of all citizens, 0 to 1.
    country : str
        Where the share is largest.
    share_there : float
        Of that country's citizens, 0 to 1.
    """

    share: float
    country: str
    share_there: float


@dataclass(frozen=True, eq=False)
class Survey:
    """Citizens' answers, each value checked against the codebook.

    Parameters
    ----------
    codebook : Codebook
        What the columns mean.
    data : pandas.DataFrame
        One row a citizen: ``citizen``, ``country`` (categorical), ``weight`` where the survey has
        one, each item (ordered categorical), and each driver: numeric as float, binary as 1.0 and
        0.0, ordered and categorical as categorical. Missing values are missing.
    origin : str
        The call that gives it again, without the package's name.
    command : str
        The command, and its arguments, that reads it from the shell; empty if none does.
    truth : xarray.Dataset or None
        Of a simulated survey: the parameters it was drawn from, named as in a posterior.
    imputed : mapping of str to Imputed
        Driver to how much of it was filled in; empty if nothing was.
    """

    codebook: Codebook
    data: pd.DataFrame
    origin: str
    command: str = ""
    truth: xr.Dataset | None = None
    imputed: Mapping[str, Imputed] = field(default_factory=dict)

    @property
    def countries(self) -> tuple[str, ...]:
        """Countries with at least one citizen."""
        return tuple(self.data[names.COUNTRY].cat.categories)

    @property
    def title(self) -> str:
        """The survey's name, with a warning where the data are synthetic."""
        return self.codebook.name + (" (synthetic data)" if self.codebook.synthetic else "")

    def __repr__(self) -> str:
        overview = make_overview(self.data, self.codebook)
        counts = overview["citizens"]
        return "\n".join(
            [
                f"Survey: {self.title}",
                f"  {len(self.data):,} citizens in {len(counts)} countries: "
                + ", ".join(f"{country} {n:,}" for country, n in counts.items()),
                *(f"  {line}" for line in self._contents()),
                f"  {_mean_by_citizen(overview, 'answered'):.1%} of the answers to items are "
                f"given; {_mean_by_citizen(overview, 'complete'):.1%} of citizens have all drivers",
            ]
        )

    def _contents(self) -> list[str]:
        """What was asked, a line each."""
        book = self.codebook
        by_form = [f"{sum(i.form == form for i in book.items)} {form}" for form in book.forms]
        filled_in = {name: f" ({of.share:.1%} imputed)" for name, of in self.imputed.items()}
        drivers = [driver.name + filled_in.get(driver.name, "") for driver in book.drivers]
        return [
            f"{len(book.items)} items: {', '.join(by_form)}",
            f"{len(drivers)} drivers: {', '.join(drivers)}",
            f"weights: {'none' if book.weight is None else book.weight}",
        ]

    def _repr_html_(self) -> str:
        overview = make_overview(self.data, self.codebook)
        columns: dict[str, tuple[str, str]] = {
            "citizens": ("citizens", "{:,.0f}"),
            "answered": ("answers to items given", "{:.1%}"),
            "complete": ("citizens with all drivers", "{:.1%}"),
            "effective_citizens": ("citizens of equal weight", "{:,.0f}"),
        }
        shown = [columns[name] for name in overview]
        head = "".join(f"<th>{title}</th>" for title in ("country", *(title for title, _ in shown)))
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(str(country))}</td>"
            + "".join(
                f"<td>{form.format(value)}</td>"
                for (_, form), value in zip(shown, row, strict=True)
            )
            + "</tr>"
            for country, row in zip(overview.index, overview.to_numpy(), strict=True)
        )
        lines = "".join(f"<li>{escape(line)}</li>" for line in self._contents())
        return (
            f"<div><b>{escape(f'Survey: {self.title}')}</b><ul>{lines}</ul>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )


def _mean_by_citizen(overview: pd.DataFrame, column: str) -> float:
    return float((overview[column] * overview["citizens"]).sum() / overview["citizens"].sum())


def read_survey(
    source: str | os.PathLike[str] | IntoDataFrame,
    codebook: str | os.PathLike[str] | Mapping[str, Any] | Codebook,
    *,
    encoding: str | None = None,
) -> Survey:
    """Read a survey file or dataframe with its codebook.

    Parameters
    ----------
    source : str, path or dataframe
        A ``.csv`` or ``.csv.gz`` file, separated by commas, semicolons or tabs; an SPSS file,
        ``.sav`` or ``.zsav``; a Stata file, ``.dta``; a ``.parquet`` file or a folder of them; or
        any eager dataframe that narwhals knows (pandas, polars, pyarrow).
    codebook : str, path, mapping or Codebook
        As for :func:`load_codebook`. Of a file with value labels its categories mean labels or
        codes, whichever the file has; what could be both is refused.
    encoding : str, optional
        Of the file's text; UTF-8, or what an SPSS or Stata file says of itself, unless given.

    Returns
    -------
    Survey
        Citizens in the order of the file; its codebook without the optional entries that the file
        lacks. Only the columns that the codebook names are read.

    Raises
    ------
    SurveyError
        If the file cannot be read, lacks a column, or holds a value that the codebook does not
        explain: an unknown answer, text for a number, a number out of bounds, an empty country.
    CodebookError
        As :func:`load_codebook`; also if the file has no item of a form.

    Notes
    -----
    An empty cell is missing by itself, and so is what an SPSS or Stata file declares to be: values
    and ranges, ``.a`` to ``.z``. Whatever else means no answer stands in the codebook. A day is
    written as ``2008-05-31``. The number in messages is that of the row below the header, counted
    from 1 without empty lines, and through the files of a folder in the order of their names.
    """
    book = load_codebook(codebook)
    table = open_table(source, encoding)
    book = _without_absent(book, table.columns)
    wanted = _wanted_columns(book)
    require_columns(wanted, table.columns, table.place)
    check_codebook(book)
    columns = table.read(wanted)
    if not len(columns[0].cells):
        raise make_error(SurveyError, table.place, NOBODY, remedy=ONE_ROW)
    data = match_columns(columns, book, table.place)
    return Survey(book, data, *_calls(source, encoding))


def check_is_survey(survey: object, place: str) -> None:
    """Refuse what is no survey where a function begins with one."""
    if not isinstance(survey, Survey):
        raise make_error(
            SurveyError,
            place,
            f"takes a survey, and this is a {type(survey).__name__}",
            remedy="Give one survey of several."
            if isinstance(survey, Sequence) and not isinstance(survey, str)
            else "Read the data first: read_survey(path, codebook).",
        )


def choose_drivers(survey: Survey, drivers: Sequence[str] | None, place: str) -> list[str]:
    """Names of the drivers that are asked for, all where none are; refuse unknown ones."""
    known = [driver.name for driver in survey.codebook.drivers]
    if drivers is None:
        return known
    for name in [drivers] if isinstance(drivers, str) else drivers:
        if name not in known:
            raise make_error(
                SurveyError, place, f"unknown driver {name!r}", value=name, available=known
            )
    return [drivers] if isinstance(drivers, str) else list(drivers)


def keep_complete(survey: Survey, drivers: Sequence[str] | None = None) -> Survey:
    """Keep the citizens who have a value of each of these drivers.

    A model leaves out citizens who miss one of its drivers. Fitted to what this returns, models
    with fewer and with more of these drivers are of the same citizens. Nothing that is made of it
    speaks of those who are not kept: look at `survey` itself for how many they are.

    Parameters
    ----------
    survey : Survey
    drivers : sequence of str, optional
        All of the codebook otherwise.

    Returns
    -------
    Survey

    Raises
    ------
    SurveyError
        If `survey` is none or was imputed, the codebook lacks such a driver, or nobody has all of
        them.
    """
    check_is_survey(survey, "keep_complete")
    if survey.imputed:
        raise make_error(
            SurveyError,
            "keep_complete",
            f"the drivers {list(survey.imputed)} have been filled in, and how many of those kept "
            "would not be known",
            remedy="Keep the complete ones first, and impute after that.",
        )
    wanted = choose_drivers(survey, drivers, "keep_complete")
    data = survey.data.dropna(subset=wanted).reset_index(drop=True)
    if data.empty:
        raise make_error(
            SurveyError, "keep_complete", f"nobody has all of {wanted}", remedy="Give fewer."
        )
    data[names.COUNTRY] = data[names.COUNTRY].cat.remove_unused_categories()
    kept = {names.COUNTRY: list(data[names.COUNTRY].cat.categories)}
    return replace(
        survey,
        data=data,
        origin=f"keep_complete(bc.{survey.origin}, {wanted})",
        command="",
        truth=None if survey.truth is None else survey.truth.sel(kept),
    )


def _calls(source: object, encoding: str | None) -> tuple[str, str]:
    """The call, and the command, that read the survey again."""
    if not isinstance(source, str | os.PathLike):
        return "read_survey(frame, codebook='codebook.toml')", ""
    name = Path(source).name
    in_python = "" if encoding is None else f", encoding={encoding!r}"
    in_shell = "" if encoding is None else f" --encoding {encoding}"
    return (
        f"read_survey({name!r}, codebook='codebook.toml'{in_python})",
        f"run {shlex.quote(name)} --codebook codebook.toml{in_shell}",
    )


def _wanted_columns(book: Codebook) -> list[str]:
    single = [book.citizen, book.country, book.weight]
    return [c for c in single if c is not None] + [e.column for e in book.entries]


def _without_absent(book: Codebook, columns: Sequence[str]) -> Codebook:
    """The codebook without the optional entries whose column is not there."""
    return replace(
        book,
        items=tuple(i for i in book.items if not i.optional or i.column in columns),
        drivers=tuple(d for d in book.drivers if not d.optional or d.column in columns),
    )
