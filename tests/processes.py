"""What the system knows of processes, from /proc: for tests of those that run children."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROC = Path("/proc")

needs_proc = pytest.mark.skipif(not (PROC / "self" / "stat").exists(), reason="children are looked at in /proc")


def children_of(pid: int) -> set[int]:
    """Those that run, and those that nobody reaped; none can be seen where there is no /proc."""
    return {int(entry.name) for entry in PROC.glob("[0-9]*") if _stat(int(entry.name))[1:2] == [str(pid)]}


def command_line(pid: int) -> str:
    """What the process was started with; empty where it is gone, or dead."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def state_of(pid: int) -> str:
    """A letter: `T` is frozen, `Z` dead, also of one that is gone."""
    return (_stat(pid) or ["Z"])[0]


def is_dead(pid: int) -> bool:
    return state_of(pid) in "ZX"


def soon(claim: Callable[[], bool]) -> bool:
    """Whether it is so, at the latest in ten seconds: for what only the system knows the moment of."""
    deadline = time.monotonic() + 10
    while not (holds := claim()) and time.monotonic() < deadline:
        os.sched_yield()
    return holds


def _stat(pid: int) -> list[str]:
    """What follows the name of the program in `proc_pid_stat(5)`; nothing where the process is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    # in brackets stands the name, which may hold anything
    return text.rpartition(") ")[2].split()
