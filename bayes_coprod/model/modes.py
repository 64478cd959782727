"""How PyTensor evaluates graphs that are no part of sampling."""

from __future__ import annotations

from pytensor.compile.mode import Mode

AT_ONCE = Mode(linker="py", optimizer="fast_compile")
"""Evaluates a graph a few times without compiling it."""

AS_WRITTEN = Mode(linker="py", optimizer=None)
"""Evaluates a graph as it stands, where rewriting it would take longer than that."""
