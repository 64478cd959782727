"""Tables of a report, rendered by great-tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

import pandas as pd
from great_tables import GT

from bayes_coprod.finding import Findings
from bayes_coprod.report.data import Table

_SIGNS = {"pass": "\N{CHECK MARK}", "warn": "!", "fail": "\N{BALLOT X}", "unknown": "?"}


def html_table(table: Table) -> str:
    """Render a table: labels left, numbers right, and a link that saves it as CSV."""
    rendered = _render(table.header, table.rows, table.n_labels, table.name)
    address = f"data:text/csv;charset=utf-8,{quote(table.csv)}"
    return (
        f'<figure class="table"><figcaption>{escape(table.caption)} '
        f'<a download="{escape(table.name)}.csv" href="{address}">Save as CSV</a></figcaption>'
        f"{rendered}</figure>"
    )


def html_findings(findings: Findings, name: str) -> str:
    """Render findings, worst first, as the table of that name."""
    header = ("Status", "Check", "Where", "Result", "What to do")
    rows = [
        (f"{_SIGNS[f.status]}\N{NO-BREAK SPACE}{f.status}", f.check, f.where, f.message, f.remedy)
        for f in findings.by_severity()
    ]
    kept = len(header) if any(f.remedy for f in findings) else len(header) - 1
    return _render(header[:kept], [row[:kept] for row in rows], kept, name)


def _render(header: Sequence[str], rows: Sequence[Sequence[str]], n_labels: int, name: str) -> str:
    """Table in a box that scrolls by itself where the screen is narrow; great-tables escapes."""
    columns = [f"column_{i}" for i in range(len(header))]  # two headers may read the same
    table = (
        GT(pd.DataFrame(rows, columns=columns), id=f"table-{name}")
        .cols_label(dict(zip(columns, header, strict=True)))
        .cols_align("left", columns[:n_labels])
        .tab_options(
            table_font_names=["inherit"],
            table_background_color="transparent",
            data_row_padding="4px",
            table_font_size="0.92em",
        )
    )
    if n_labels < len(columns):
        table = table.cols_align("right", columns[n_labels:])
    return f'<div class="wide">{table.as_raw_html()}</div>'
