"""The call that made a result, in Python, so that a report can tell how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayes_coprod.estimands.changes import Setting, Shift

_DEFAULTS = {"population": "sample", "uncertainty": "bootstrap"}


def call_of(function: str, *arguments: Any, **settings: Any) -> str:
    """Write the call that makes a result again.

    Parameters
    ----------
    function : str
        The public name of what made it.
    *arguments : object
        After the fit.
    **settings : object
        By keyword; defaults are left out.

    Returns
    -------
    str
        Such as ``bc.scenario(fit, {'trust': bc.by(1.0)})``, in which a frame is called ``cells``.
    """
    given = [_said(value) for value in arguments]
    for name, value in settings.items():
        if value is not None and not (isinstance(value, str) and value == _DEFAULTS.get(name)):
            given.append(f"{name}={_said(value)}")
    return f"bc.{function}({', '.join(['fit', *given])})"


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
