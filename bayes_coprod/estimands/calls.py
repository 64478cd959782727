"""The call that made a result, in Python, so that a report can tell how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from bayes_coprod.estimands.changes import Setting, Shift
from bayes_coprod.inference.fit import Fit
from bayes_coprod.model.spec import spec_digest

_DEFAULTS = {"population": "sample", "uncertainty": "bootstrap"}


def made_by(fit: Fit, function: str, *arguments: Any, **settings: Any) -> dict[str, str]:
    """Attributes of a result that tell which fit it is of, and how it is made again.

    Parameters
    ----------
    fit : Fit
    function : str
        The public name of what made it.
    *arguments : object
        After the fit.
    **settings : object
        By keyword; defaults are left out.

    Returns
    -------
    dict
        ``call``, such as ``bc.scenario(fit, {'trust': bc.by(1.0)})``, in which a frame is called
        ``cells``; and ``fit``, a digest of the fit's data and model.
    """
    given = [_said(value) for value in arguments]
    for name, value in settings.items():
        if value is not None and not (isinstance(value, str) and value == _DEFAULTS.get(name)):
            given.append(f"{name}={_said(value)}")
    return {"call": f"bc.{function}({', '.join(['fit', *given])})", "fit": fit_digest(fit)}


def fit_digest(fit: Fit) -> str:
    """Digest of a fit's data and of its model, 64 hexadecimal digits."""
    both = str(fit.design.attrs.get("digest")) + spec_digest(fit.spec)
    return sha256(both.encode()).hexdigest()


def _said(value: Any) -> str:
    if isinstance(value, Shift):
        return f"bc.by({value.amount!r})"
    if isinstance(value, Setting):
        return f"bc.to({_said(value.value)})"
    if isinstance(value, pd.DataFrame):
        return "cells"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_said(k)}: {_said(v)}" for k, v in value.items()) + "}"
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        value = value.tolist()
    if isinstance(value, list | tuple):
        inside = ", ".join(map(_said, value))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value.item() if isinstance(value, np.generic) else value)
