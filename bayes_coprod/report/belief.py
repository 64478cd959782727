"""May one believe it? What the checks found, in a section of its own."""

from __future__ import annotations

import numpy as np

from bayes_coprod.diagnostics.discrepancies import CALIBRATION
from bayes_coprod.diagnostics.predictive_figures import read_panels
from bayes_coprod.diagnostics.shares import calibration_table
from bayes_coprod.finding import Findings
from bayes_coprod.inference.fit import Fit
from bayes_coprod.report.data import CalibrationFigure, Paragraph, Section
from bayes_coprod.report.intervals import IntervalChoice


def belief_section(fit: Fit, choice: IntervalChoice, findings: Findings) -> Section:
    """Say what the checks found, and after a full check how well shares are predicted."""
    status = findings.status
    said = {
        "pass": "Every check of the data and of the sampler passed.",
        "warn": "A check warns; what it means for the numbers stands beside it.",
        "fail": "A check failed; do not quote the numbers.",
        "unknown": "Not everything could be checked.",
    }[status]
    looked = any(finding.check == CALIBRATION for finding in findings)
    has_shares = looked and fit.spec.likelihood != "index"
    figures = [_calibration_figure(fit, choice)] if has_shares else []
    return Section("May one believe it?", (Paragraph(said), findings, *figures))


def _calibration_figure(fit: Fit, choice: IntervalChoice) -> CalibrationFigure:
    """What the full check compared, share by share."""
    table = calibration_table(fit, prob=choice.prob, kind=choice.kind)
    panels = read_panels(fit, table)
    known = ~np.isnan(panels.observed)
    furthest = float(np.nanmax(np.abs(panels.observed), initial=0.0))
    alt = (
        f"Of {known.sum():,} observed shares {panels.strays[known].sum():,} lie outside the "
        f"interval of what the model would have given; the furthest is {furthest:.1f} percentage "
        "points from what is expected."
    )
    return CalibrationFigure(panels, f"{panels.title} Diamonds lie outside. {alt}", alt)
