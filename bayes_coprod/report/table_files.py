"""Summaries as files: CSV to compute with, HTML and LaTeX to read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from great_tables import GT

from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.estimands.summarise import interval_words
from bayes_coprod.files import written_whole
from bayes_coprod.report import words
from bayes_coprod.report.data import Interval
from bayes_coprod.wording import capital

_SAID = ("units", "interval_kind", "interval_prob", "contrast", "population", "uncertainty")
_BOUNDS = ["lower", "upper"]
_IN_UNITS = ("now", "then", "difference", "mean", "median", "sd", *_BOUNDS)
_HEADS = {"sd": "SD", "p_positive": "Probability above 0"}
_PROBABILITIES = ("probability", "p_positive")


def write_table(
    table: pd.DataFrame, path: str | os.PathLike[str], *, title: str | None = None
) -> Path:
    """Write a summary to a file, with units and the kind and mass of its intervals.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`summarise`; or any other without intervals.
    path : str or path
        Its ending says what is written. ``.csv``: unrounded numbers, with units, interval and
        interpretation as columns; ``.html``: a page; ``.tex``: a LaTeX table, for the packages
        booktabs and caption. The last two round to what the intervals support.
    title : str, optional
        Stands above the table, not in a CSV file.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    SpecError
        If `table` is none, has intervals of unknown kind, or the ending is another.
    CoprodError
        If the folder cannot be written to.

    Examples
    --------
    >>> write_table(summarise(gap(fit), prob=0.9, kind="hdi"), "gap.tex")  # doctest: +SKIP
    """
    _check_table(table)
    target = Path(path)
    text = _FORMATS[check_ending(target)](table, title)
    with written_whole(target, "write_table") as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
    return target


def check_ending(path: Path) -> str:
    """Ending of a table's file, or refuse it."""
    ending = path.suffix.lower()
    if ending not in _FORMATS:
        raise make_error(
            SpecError,
            "write_table",
            f"unknown ending {path.suffix!r}",
            value=path.suffix,
            available=_FORMATS,
        )
    return ending


def table_caption(table: pd.DataFrame) -> str:
    """Say a summary's units, and the kind and mass of its intervals."""
    said = []
    if "units" in table.attrs:
        said.append(f"in {table.attrs['units']}")
    if "contrast" in table.attrs:
        said.append(str(table.attrs["contrast"]))
    if "interval_kind" in table.attrs:
        words_ = interval_words(table.attrs["interval_kind"], table.attrs["interval_prob"])
        said.append(f"lower and upper: {words_}")
    return capital("; ".join(said))


def _check_table(table: object) -> None:
    remedy = "Give what summarise returns."
    if not isinstance(table, pd.DataFrame):
        kind = type(table).__name__
        raise make_error(SpecError, "write_table", f"a {kind} is no table", remedy=remedy)
    if set(_BOUNDS) & set(table.columns) and "interval_kind" not in table.attrs:
        raise make_error(
            SpecError,
            "write_table",
            "the table does not say of which kind and mass its intervals are",
            remedy=remedy,
        )


def _csv(table: pd.DataFrame, title: str | None) -> str:
    there = {*table.index.names, *table.columns}
    said = {
        key: table.attrs[key]
        for key in (*_SAID, "interpretation")
        if key in table.attrs and key not in there
    }
    # the header of the columns would become a line of its own
    plain = table.rename_axis(columns=None).assign(**said)
    return str(plain.to_csv())


def _html(table: pd.DataFrame, title: str | None) -> str:
    return _rendered(table, title).as_raw_html(make_page=True)


def _latex(table: pd.DataFrame, title: str | None) -> str:
    return _rendered(table, title).as_latex()


_FORMATS: dict[str, Callable[[pd.DataFrame, str | None], str]] = {
    ".csv": _csv,
    ".html": _html,
    ".tex": _latex,
}


def _rendered(table: pd.DataFrame, title: str | None) -> GT:
    """Table with labels left and numbers right; great-tables escapes."""
    labels = [str(name or "") for name in table.index.names]
    cells = [
        *([str(part) for part in level] for level in _index_columns(table)),
        *(_written(table[name], table) for name in table.columns),
    ]
    heads = [
        *(capital(label) for label in labels),
        *(_HEADS.get(str(name), capital(str(name))) for name in table.columns),
    ]
    keys = [f"column_{i}" for i in range(len(cells))]  # two headers may read the same
    text = [
        key
        for key, name in zip(keys[len(labels) :], table.columns, strict=True)
        if not pd.api.types.is_numeric_dtype(table[name])
    ]
    rendered = (
        GT(pd.DataFrame(dict(zip(keys, cells, strict=True))), id="table")
        .cols_label(dict(zip(keys, heads, strict=True)))
        .cols_align("right", keys)
        .cols_align("left", [*keys[: len(labels)], *text])
    )
    caption = table_caption(table)
    if title or caption:
        rendered = rendered.tab_header(title or caption, caption if title and caption else None)
    if "interpretation" in table.attrs:
        rendered = rendered.tab_source_note(str(table.attrs["interpretation"]))
    return rendered


def _index_columns(table: pd.DataFrame) -> list[pd.Index]:
    return [table.index.get_level_values(i) for i in range(table.index.nlevels)]


def _written(column: pd.Series, table: pd.DataFrame) -> list[str]:
    """A column as text, with the decimals that the intervals support."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return [str(value) for value in column]
    if column.name in _PROBABILITIES:
        return [words.probability(float(value)) for value in column]
    if pd.api.types.is_integer_dtype(column):
        return [words.number(float(value), 0) for value in column]
    after = 2
    if column.name in _IN_UNITS and set(_BOUNDS) <= set(table.columns):
        bounds = table[_BOUNDS].astype(float).itertuples(index=False, name=None)
        after = words.decimals(Interval(low, low, high) for low, high in bounds)
    return [words.number(float(value), after) for value in column]
