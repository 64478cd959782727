"""How PyTensor evaluates graphs that are no part of sampling."""

from __future__ import annotations

from pytensor.compile.mode import Mode

AS_WRITTEN = Mode(linker="py", optimizer=None)
"""Evaluates a graph as it stands, where rewriting it would take longer than that."""
