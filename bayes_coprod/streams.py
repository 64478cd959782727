"""Random numbers that share a seed and nothing else."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def random_stream(random_seed: int, purpose: str, *places: int) -> np.random.Generator:
    """A generator of its own for one purpose, and for one of its places.

    Parameters
    ----------
    random_seed : int
        The user's, or a fit's.
    purpose : str
        What the numbers are for. Two purposes that drew from one stream would go along with each
        other: citizens' weights with the prior's draws, say.
    *places : int
        Such as the position of a country, or of a replication.

    Returns
    -------
    numpy.random.Generator
        The same for the same arguments.
    """
    key = (crc32(purpose.encode()), *places)
    return np.random.default_rng(np.random.SeedSequence(random_seed, spawn_key=key))
