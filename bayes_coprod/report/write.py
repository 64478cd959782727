"""Rendering a report as one self-contained HTML file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined
from latex2mathml.converter import convert
from markupsafe import Markup

from bayes_coprod.diagnostics.predictive_figures import draw_calibration
from bayes_coprod.drawing import AnyFigure, svg_text
from bayes_coprod.estimands.summarise import IntervalKind
from bayes_coprod.files import written_whole
from bayes_coprod.finding import Findings
from bayes_coprod.inference.fit import Fit, check_is_fit
from bayes_coprod.report.collect import collect_report
from bayes_coprod.report.data import (
    Block,
    CalibrationFigure,
    ClosingFigure,
    Code,
    CurveFigure,
    DriverFigure,
    Formula,
    GulfFigure,
    Paragraph,
    ReportData,
    ScenarioFigure,
    ShiftFigure,
    Table,
)
from bayes_coprod.report.figures import draw_drivers, draw_gulf
from bayes_coprod.report.item_figures import draw_curves, draw_shifts
from bayes_coprod.report.scenario_figures import draw_closing, draw_scenario
from bayes_coprod.report.tables import html_findings, html_table


def write_report(
    fit: Fit,
    path: str | os.PathLike[str],
    *,
    prob: float | None = None,
    kind: IntervalKind | None = None,
    scenarios: Mapping[str, xr.Dataset] | None = None,
    findings: Findings | None = None,
) -> Path:
    """Write a report on a fit: one HTML file that needs nothing else.

    Parameters
    ----------
    fit : Fit
    path : str or path
        Of the file, which appears once it is complete.
    prob, kind : optional
        Mass and kind of the credible intervals; ArviZ's defaults otherwise.
    scenarios : mapping of str to xarray.Dataset, optional
        Names of scenarios with what :func:`scenario` or :func:`closing_the_gap` returned for this
        fit; they have a section of the report.
    findings : Findings, optional
        What :func:`check_fit` returned for this fit, such as of the full check; those of the quick
        check otherwise.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    CoprodError
        If the folder cannot be written to.
    SpecError
        If the interval is none; if a scenario is none, or the findings are not those of a check,
        of this fit.
    """
    check_is_fit(fit, "write_report")
    text = render_html(
        collect_report(fit, prob=prob, kind=kind, scenarios=scenarios, findings=findings)
    )
    with written_whole(path, "write_report") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def render_html(data: ReportData) -> str:
    """Render a report's data as a page."""
    environment = Environment(
        loader=PackageLoader("bayes_coprod.report"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html").render(
        report=data,
        render=_render_block,
        failed=Markup(html_findings(data.failed, "failed")),
    )


def _render_block(block: Block) -> Markup:
    """Render a block as HTML; everything that comes from data is escaped here."""
    match block:
        case Paragraph(text):
            html = f"<p>{escape(text)}</p>"
        case Formula(latex, words):
            formula = convert(latex, display="block")
            html = f'<div class="formula">{formula}<p>{escape(words)}</p></div>'
        case Code(title, text):
            summary = f"<summary>{escape(title)}</summary>"
            html = f"<details>{summary}<pre>{escape(text)}</pre></details>"
        case Table():
            html = html_table(block)
        case Findings():
            html = html_findings(block, "findings")
        case GulfFigure():
            html = _figure(draw_gulf(block), "gulf", block.caption, block.alt)
        case ShiftFigure():
            html = _figure(draw_shifts(block), "shifts", block.caption, block.alt)
        case CurveFigure():
            html = _figure(draw_curves(block), "curves", block.caption, block.alt)
        case DriverFigure():
            html = _figure(draw_drivers(block), block.title, block.caption, block.alt)
        case ScenarioFigure():
            html = _figure(draw_scenario(block), block.title, block.caption, block.alt)
        case ClosingFigure():
            html = _figure(draw_closing(block), block.caption, block.caption, block.alt)
        case CalibrationFigure(data, caption, alt):
            html = _figure(draw_calibration(data), "calibration", caption, alt)
    return Markup(html)


def _figure(figure: AnyFigure, name: str, caption: str, alt: str) -> str:
    svg = svg_text(figure, name)
    # size in points would fix the width; the view box alone lets the page choose it
    svg = re.sub(r'<svg ([^>]*?)(?:width|height)="[^"]*pt" ', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)(?:width|height)="[^"]*pt" ', r"<svg \1", svg, count=1)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
    return f'<figure class="plot">{svg}<figcaption>{escape(caption)}</figcaption></figure>'
