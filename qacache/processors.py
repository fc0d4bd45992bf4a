"""Processors: how many there are for this process, which may be fewer than the machine has."""

from __future__ import annotations

import os


def processors() -> int:
    """Return how many processors this process may use, 1 or more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
