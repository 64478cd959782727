"""A first codebook, drafted from what a file says of itself."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from narwhals.typing import IntoDataFrame

from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.columns import Table
from bayes_coprod.survey.csv_file import NOBODY, ONE_ROW
from bayes_coprod.survey.drafting.entries import (
    Battery,
    Entry,
    choose_batteries,
    find_refusals,
    make_battery,
    make_driver,
    share_missing,
)
from bayes_coprod.survey.drafting.guess import Categories, LeftOut, Numbers, guess_column
from bayes_coprod.survey.drafting.profile import Profile, profile_columns
from bayes_coprod.survey.drafting.roles import find_country, find_roles
from bayes_coprod.survey.drafting.text import Draft, write_draft
from bayes_coprod.survey.sources import open_table


def draft_codebook(
    source: str | os.PathLike[str] | IntoDataFrame, *, encoding: str | None = None
) -> str:
    """Draft a codebook from the labels and the values of a file.

    Parameters
    ----------
    source : str, path or dataframe
        As for :func:`read_survey`. SPSS and Stata files say most; without labels more is guessed.
    encoding : str, optional
        Of the file's text; UTF-8, or what an SPSS or Stata file says of itself, unless given.

    Returns
    -------
    str
        A codebook in TOML with a comment at each guess that needs a human. All items have the form
        ``unsorted``: which are done alone and which together no file says. Questions about doing
        something that share their answers are items, other answers and numbers are drivers; the
        columns that are neither are listed at the end with the reason.

    Raises
    ------
    SurveyError
        If the file cannot be read, or holds no columns or no citizens.

    Notes
    -----
    Every entry has been read from the data before it is written, so a draft of a file with labels,
    with a country and with items is accepted as it stands. Columns are read 200 at a time and only
    their distinct values are kept: the memory is that of 200 columns. The file is read once for
    each 200, once for each column that is called like a country, and all over if none is.
    """
    table = open_table(source, encoding)
    if not table.columns:
        raise make_error(SurveyError, table.place, "there are no columns to draft a codebook from")
    country, profiles, unread = _profile(table)
    everything = profiles if country is None else [country, *profiles]
    if not any(profile.n_citizens for profile in everything):
        raise make_error(SurveyError, table.place, NOBODY, remedy=ONE_ROW)
    roles = find_roles(profiles)
    spoken_for = {roles.weight, roles.citizen, *(out.column for out in roles.left_out)}
    answers = [profile for profile in profiles if profile.column.name not in spoken_for]
    batteries, drivers, unused = _make_entries(answers)
    missing, shared, own = share_missing(batteries, drivers, country)
    name, place, steps = _calls(source, encoding)
    return write_draft(
        Draft(
            name=name,
            place=place,
            steps=steps,
            n_citizens=everything[0].n_citizens,
            columns=table.columns,
            country=country,
            roles=roles,
            missing=missing,
            batteries=shared,
            drivers=own,
            left_out=(*unread, *roles.left_out, *unused),
        )
    )


def _profile(table: Table) -> tuple[Profile | None, list[Profile], list[LeftOut]]:
    """The country, the other columns, and those that cannot be read."""
    count = Counter(table.columns)
    usable = [name for name, n in count.items() if n == 1]
    twice = [name for name, n in count.items() if n > 1]
    unread = [LeftOut(name, "a name that several columns bear") for name in twice]
    column, country = find_country(table, usable) or (None, None)
    profiles = []
    for profile in profile_columns(table, usable, column):
        if isinstance(profile, tuple):
            unread.append(LeftOut(*profile))
        elif column is None or profile.column.name != column.name:
            profiles.append(profile)
    return country, profiles, unread


def _make_entries(
    profiles: Sequence[Profile],
) -> tuple[list[Battery], list[Entry], list[LeftOut]]:
    """Items and drivers, none of which the data refuse, and the columns that are neither."""
    guesses = [guess_column(profile) for profile in profiles]
    left_out = [guess for guess in guesses if isinstance(guess, LeftOut)]
    shapes = [guess for guess in guesses if not isinstance(guess, LeftOut)]
    has_labels = any(profile.column.value_labels for profile in profiles)
    while True:
        batteries, drivers = _sort_entries(shapes, has_labels)
        made = [*(entry for battery in batteries for entry in battery.entries), *drivers]
        refused = find_refusals(made)
        if not refused:
            return batteries, drivers, left_out
        # what is left may make other batteries
        left_out += [LeftOut(name, reason) for name, reason in refused.items()]
        shapes = [shape for shape in shapes if shape.profile.column.name not in refused]


def _sort_entries(
    shapes: Sequence[Categories | Numbers], has_labels: bool
) -> tuple[list[Battery], list[Entry]]:
    taken: set[str] = set()
    chosen = choose_batteries(shapes, has_labels)
    batteries = [make_battery(battery, taken) for battery in chosen]
    items = {answers.profile.column.name for battery in chosen for answers in battery}
    rest = [shape for shape in shapes if shape.profile.column.name not in items]
    return batteries, [make_driver(shape, taken) for shape in rest]


def _calls(source: object, encoding: str | None) -> tuple[str, str, tuple[str, ...]]:
    """The survey's name, where it comes from, and what to do next."""
    if not isinstance(source, str | os.PathLike):
        read = 'survey = bc.read_survey(frame, "codebook.toml")'
        return "Survey", "a dataframe", (read, "bc.check_survey(survey)")
    path = Path(source)
    options = "" if encoding is None else f" --encoding {encoding}"
    rest = f"{shlex.quote(path.name)} --codebook codebook.toml{options}"
    stem = path.name.removesuffix(".gz").removesuffix(path.with_suffix("").suffix)
    return (
        stem.removesuffix(Path(stem).suffix) if path.is_file() else path.name,
        path.name,
        tuple(f"bayes-coprod {command} {rest}" for command in ("check", "run")),
    )
