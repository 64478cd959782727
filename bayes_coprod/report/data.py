"""What a report says, as plain data: any format renders it, none adds a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from bayes_coprod.diagnostics.predictive_figures import CalibrationPanels
from bayes_coprod.finding import Findings


@dataclass(frozen=True)
class Interval:
    """A quantity's posterior mean and credible interval, in its own units."""

    mean: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Formula:
    """A formula in LaTeX, and the words that go with it."""

    latex: str
    words: str


@dataclass(frozen=True)
class Code:
    """Text to copy, folded away under its title."""

    title: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table of ready-made text; the first `n_labels` columns are labels, the rest numbers.

    `csv` holds the same numbers unrounded, to be saved under `name`.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    csv: str
    n_labels: int = 1


@dataclass(frozen=True)
class GulfRow:
    """Levels of both forms in one place, and the gap between them."""

    place: str
    first: Interval
    second: Interval
    gap: str


@dataclass(frozen=True)
class GulfFigure:
    """Both forms' levels, one row a place, the widest gap first."""

    forms: tuple[str, str]
    rows: tuple[GulfRow, ...]
    axis: str
    units: str
    caption: str
    alt: str


@dataclass(frozen=True)
class DriverRow:
    """What a stated change in one driver goes with, in each form."""

    label: str
    per: str
    effects: tuple[Interval, ...]


@dataclass(frozen=True)
class DriverFigure:
    """All drivers, one row each; where there are two forms, those that differ most first."""

    forms: tuple[str, ...]
    rows: tuple[DriverRow, ...]
    axis: str
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class ShiftFigure:
    """Shifts of each item's thresholds in each country, (item, country), and which stand out."""

    items: tuple[str, ...]
    countries: tuple[str, ...]
    shifts: tuple[tuple[float, ...], ...]
    stands_out: tuple[tuple[bool, ...], ...]
    caption: str
    alt: str


@dataclass(frozen=True)
class Curve:
    """Share of one answer along a driver, in per cent."""

    label: str
    shares: tuple[Interval, ...]


@dataclass(frozen=True)
class CurveFigure:
    """Shares of all answers along a driver, one panel a form.

    `values` are numbers, or the names of levels in their order.
    """

    driver: str
    values: tuple[str, ...] | tuple[float, ...]
    panels: tuple[tuple[str, tuple[Curve, ...]], ...]
    caption: str
    alt: str


@dataclass(frozen=True)
class ScenarioArrow:
    """One form's level now and then in one place, and the difference in words."""

    now: float
    then: float
    said: str


@dataclass(frozen=True)
class ScenarioRow:
    """Arrows of one place by the number of the form; a form that it lacks has none."""

    place: str
    arrows: tuple[tuple[int, ScenarioArrow], ...]


@dataclass(frozen=True)
class ScenarioFigure:
    """Levels now and then, one row a place; `title` and `note` stand in the figure itself."""

    forms: tuple[str, ...]
    rows: tuple[ScenarioRow, ...]
    axis: str
    title: str
    note: str
    caption: str
    alt: str


@dataclass(frozen=True)
class ClosingRow:
    """Change of the gap if a driver were at its best end, and how likely it does most."""

    driver: str
    end: str
    change: Interval
    first: str


@dataclass(frozen=True)
class ClosingFigure:
    """Changes of the gap, one row a driver; `note` stands in the figure itself."""

    rows: tuple[ClosingRow, ...]
    axis: str
    note: str
    caption: str
    alt: str


@dataclass(frozen=True)
class CalibrationFigure:
    """Observed shares of answers beside those that the model expects."""

    panels: CalibrationPanels
    caption: str
    alt: str


type Block = (
    Paragraph
    | Formula
    | Code
    | Table
    | GulfFigure
    | DriverFigure
    | ShiftFigure
    | CurveFigure
    | ScenarioFigure
    | ClosingFigure
    | CalibrationFigure
    | Findings
)


@dataclass(frozen=True)
class Section:
    """One numbered part of a report."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class ReportData:
    """A whole report.

    Parameters
    ----------
    title : str
    banner : str
        Said above everything, where the data are synthetic; else empty.
    failed : Findings
        Checks that failed; they stand above the headline.
    headline : str
        The one sentence.
    sections : tuple of Section
    colophon : str
    """

    title: str
    banner: str
    failed: Findings
    headline: str
    sections: tuple[Section, ...]
    colophon: str
