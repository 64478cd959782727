"""Tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import pandas as pd


def print_table(title: str, table: pd.DataFrame) -> None:
    """Print a summary under its title, units, and kind and mass of its intervals."""
    from bayes_coprod.estimands.summarise import interval_words

    units = str(table.attrs["units"])
    words = interval_words(table.attrs["interval_kind"], table.attrs["interval_prob"])
    typer.echo(f"\n{title}, {units}, {words}")
    typer.echo(table.round(3 if units.startswith("share") else 2).to_string())
