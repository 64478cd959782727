"""The text of a draft: TOML whatever the labels hold, and a comment at each guess."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import tomlkit

from bayes_coprod.strict import Scalar
from bayes_coprod.survey.drafting.entries import Battery, Entry
from bayes_coprod.survey.drafting.guess import LeftOut, said
from bayes_coprod.survey.drafting.profile import Answer, Profile
from bayes_coprod.survey.drafting.roles import Roles
from bayes_coprod.survey.drafting.words import shortened
from bayes_coprod.survey.entries import UNSORTED

_WIDTH = 100
_LONGEST_COMMENT, _LONGEST_NAME, _LONGEST_REASON = 180, 60, 150
_GUESS = "# guess:"


@dataclass(frozen=True, eq=False)
class Draft:
    """What a draft says.

    Parameters
    ----------
    name, place : str
        Of the survey, and where it lies.
    steps : tuple of str
        What to do with the codebook next.
    n_citizens : int
    columns : tuple of str
        All that the file has.
    country : Profile or None
    roles : Roles
    missing : tuple
        Values that mean no answer in any column.
    batteries : tuple of Battery
    drivers : tuple of Entry
    left_out : tuple of LeftOut
    """

    name: str
    place: str
    steps: tuple[str, ...]
    n_citizens: int
    columns: tuple[str, ...]
    country: Profile | None
    roles: Roles
    missing: tuple[Scalar, ...]
    batteries: tuple[Battery, ...]
    drivers: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]


def write_draft(draft: Draft) -> str:
    """Write a draft as TOML."""
    body = [
        *_survey_lines(draft),
        *_country_lines(draft),
        *_shared_lines(draft),
        *_item_lines(draft.batteries),
        *(line for driver in draft.drivers for line in _entry_lines("drivers", driver)),
        *_left_out_lines(draft.left_out),
    ]
    n_guesses = sum(line.startswith(_GUESS) for line in body)
    return "\n".join([*_head_lines(draft, n_guesses), *body]) + "\n"


def _head_lines(draft: Draft, n_guesses: int) -> Iterator[str]:
    n_items = sum(len(battery.entries) for battery in draft.batteries)
    yield comment(f"Drafted by bayes_coprod {version('bayes-coprod')} from {draft.place}:")
    yield comment(
        f"{draft.n_citizens:,} citizens, {len(draft.columns):,} columns; "
        f"items: {n_items:,}, drivers: {len(draft.drivers):,}, guesses to check: {n_guesses:,}."
    )
    yield '# Each guess is a comment that begins with "guess:". Delete what you do not study: a'
    yield "# model uses every item and, unless it names some, every driver. Then:"
    for step in draft.steps:
        yield comment(f"    {step}", keep=True)
    yield ""


def _survey_lines(draft: Draft) -> Iterator[str]:
    yield "[survey]"
    yield _line("name", _legible(draft.name))
    yield _line("source", _legible(draft.place))
    yield "# to do: name one or two forms, such as individual and collective, and give one to each"
    yield "# item. Their order matters: the gap is the first minus the second."
    yield _line("forms", [UNSORTED])
    yield from map(comment, draft.roles.notes.get("citizen", ()))
    if draft.roles.citizen is not None:
        yield _line("citizen", draft.roles.citizen)


def _country_lines(draft: Draft) -> Iterator[str]:
    yield ""
    yield "[country]"
    if draft.country is None:
        placeholder = "NAME OF THE COLUMN"
        while placeholder in draft.columns:
            placeholder += "!"
        yield comment(
            "guess: no column looks like a country. Name it; a survey of one country needs such a "
            "column as well."
        )
        yield _line("column", placeholder)
        return
    present = [answer for answer in draft.country.answers if answer.count]
    called = [said(answer) for answer in present]
    yield comment(f"{len(present)} in the data: {', '.join(called)}")
    if draft.country.n_empty:
        yield comment(
            f"guess: {draft.country.n_empty:,} citizens have no country: drop their rows, or "
            "reading is refused."
        )
    yield _line("column", draft.country.column.name)
    if len(set(called)) < len(called):
        yield comment(
            "guess: countries that the file calls the same are told apart by their codes."
        )
        yield _line("labels", {a.value.spelling: _own_name(a, called) for a in present})


def _own_name(answer: Answer, called: Sequence[str]) -> str:
    name = said(answer)
    return name if called.count(name) == 1 else f"{name} ({answer.value.spelling})"


def _shared_lines(draft: Draft) -> Iterator[str]:
    if draft.roles.weight is not None:
        yield ""
        yield from map(comment, draft.roles.notes.get("weight", ()))
        yield "[weight]"
        yield _line("column", draft.roles.weight)
    if draft.missing:
        yield ""
        yield comment("guess: no answer in any column; most that have such values have these.")
        yield "[missing]"
        yield _line("values", list(draft.missing))


def _item_lines(batteries: Sequence[Battery]) -> Iterator[str]:
    if not batteries:
        yield ""
        yield comment(
            "guess: no column looks like something that citizens do. Add [items.NAME] tables."
        )
    for battery in batteries:
        yield ""
        yield from map(comment, battery.notes)
        first, *rest = battery.entries
        yield from list(_entry_lines("items", first))[1:]
        for entry in rest:
            yield from _entry_lines("items", entry)


def _entry_lines(kind: str, entry: Entry) -> Iterator[str]:
    yield ""
    yield from map(comment, entry.notes)
    yield f"[{kind}.{tomlkit.key(entry.name).as_string()}]"
    for key, value in entry.content.items():
        yield _line(key, _legible(value) if key == "label" else value)


def _left_out_lines(left_out: Sequence[LeftOut]) -> Iterator[str]:
    if not left_out:
        return
    yield ""
    yield "# Left out:"
    for reason in dict.fromkeys(out.reason for out in left_out):
        columns = [
            shortened(out.column, _LONGEST_NAME) or "(no name)"
            for out in left_out
            if out.reason == reason
        ]
        text = f"{shortened(reason, _LONGEST_REASON)}: {', '.join(columns)}"
        yield from textwrap.wrap(
            text, _WIDTH, initial_indent="# - ", subsequent_indent="#   ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip


def _line(key: str, value: Any) -> str:
    start = f"{key} = "
    if isinstance(value, Mapping):
        pairs = (f"{tomlkit.key(k).as_string()} = {_value(v)}" for k, v in value.items())
        return f"{start}{{ {', '.join(pairs)} }}"
    if not isinstance(value, list):
        return start + _value(value)
    values = [_value(each) for each in value]
    line = f"{start}[{', '.join(values)}]"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{start}[", *(f"    {each}," for each in values), "]"])


def _value(value: Any) -> str:
    return tomlkit.item(value).as_string()


def comment(text: str, *, keep: bool = False) -> str:
    """A comment of one line, whatever the text holds; `keep` its blanks and its length."""
    if keep:
        return "# " + "".join(c if c.isprintable() else " " for c in text)
    return f"# {shortened(text, _LONGEST_COMMENT)}"


def _legible(text: str) -> str:
    """The text without what a file in UTF-8 cannot hold."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
