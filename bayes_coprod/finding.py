"""What a check found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

type Status = Literal["pass", "warn", "fail", "unknown"]

_SEVERITY: dict[str, int] = {"pass": 0, "unknown": 1, "warn": 2, "fail": 3}


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    check : str
        What was checked.
    status : {"pass", "warn", "fail", "unknown"}
        ``unknown`` where it could not be measured; never ``pass`` then.
    where : str
        The parameter, item, driver or country concerned; empty if all of them.
    value : float or None
        What was measured.
    limit : float or None
        What it is held to.
    message : str
        The result as a sentence.
    remedy : str
        What to do next; empty if nothing.
    """

    check: str
    status: Status
    where: str
    value: float | None
    limit: float | None
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.status:<7}  {self.check}{place}: {self.message}{remedy}"


class Findings(tuple[Finding, ...]):
    """Findings in the order of the checks; printed worst first.

    Parameters
    ----------
    findings : iterable of Finding
        In any order.
    of : str, optional
        ``digest`` of the fit that :func:`check_fit` judged by these; some of them are of none.
    call : str, optional
        The call that gives these again; empty if none does.
    """

    of: str | None
    call: str

    def __new__(
        cls, findings: Iterable[Finding] = (), of: str | None = None, call: str = ""
    ) -> Findings:
        """Keep the findings in the order given."""
        new = super().__new__(cls, tuple(findings))
        new.of, new.call = of, call
        return new

    @property
    def status(self) -> Status:
        """The worst status: ``fail`` before ``warn`` before ``unknown`` before ``pass``."""
        return max((f.status for f in self), key=_SEVERITY.__getitem__, default="unknown")

    def by_severity(self) -> list[Finding]:
        """Worst first, otherwise in the order of the checks."""
        return sorted(self, key=lambda f: -_SEVERITY[f.status])

    def only(self, *statuses: Status) -> Findings:
        """Return those with one of the given statuses."""
        return Findings(f for f in self if f.status in statuses)

    def to_frame(self) -> pd.DataFrame:
        """One row a finding, columns as the fields of :class:`Finding`."""
        import pandas as pd

        return pd.DataFrame(
            [asdict(f) for f in self], columns=[field.name for field in fields(Finding)]
        )

    def to_dict(self) -> dict[str, Any]:
        """The worst ``status``, and all ``findings`` as plain mappings that JSON can hold."""
        return {"status": self.status, "findings": [asdict(f) for f in self]}

    def __repr__(self) -> str:
        if not self:
            return "No findings: nothing was checked."
        return "\n".join(str(f) for f in self.by_severity())

    def _repr_html_(self) -> str:
        header = ("status", "check", "where", "result", "to do")
        cells = [(f.status, f.check, f.where, f.message, f.remedy) for f in self.by_severity()]
        shown = len(header) if any(f.remedy for f in self) else len(header) - 1
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in header[:shown])
        rows = "".join(
            "<tr>"
            + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row[:shown])
            + "</tr>"
            for row in cells
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
