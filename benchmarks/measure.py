"""Measuring commands: wall time in turns with a rival, and peak memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what was measured, the ratio, what it is to be, and both sides in words."""

    what: str
    ratio: float
    limit: float
    is_at_least: bool
    ours: str
    theirs: str

    @property
    def is_reached(self) -> bool:
        """Whether the figure is what it is to be."""
        return self.ratio >= self.limit if self.is_at_least else self.ratio <= self.limit

    def line(self) -> str:
        """Return the row as it is printed."""
        wanted = f"{'>=' if self.is_at_least else '<='} {self.limit:g}"
        verdict = "ok" if self.is_reached else "SHORT"
        return f"{self.what:52} {self.ratio:7.2f}  {wanted:>8}  {verdict:5}  {self.ours:>22} : {self.theirs}"


QACACHE = str(Path(sysconfig.get_path("scripts")) / "qacache")
"""The command that is measured."""

_STARTER = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)]
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions), 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""

HEADER = f"{'what':52} {'ratio':>7}  {'wanted':>8}  {'':5}  {'qacache':>22} : the other"


def run(command: Sequence[str] | str, *, stdin: bytes | None = None, statuses: Sequence[int] = (0,)) -> float:
    """Return the seconds that a command takes; output goes nowhere. A string is a shell's."""
    began = time.perf_counter()
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    took = time.perf_counter() - began
    if done.returncode not in statuses:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return took


def in_turns(ours: Callable[[], float], theirs: Callable[[], float], times: int) -> tuple[float, float]:
    """Return the median seconds of both, run in turns after one warm-up of each."""
    ours()
    theirs()
    mine, other = medians([ours, theirs], times)
    return mine, other


def medians(runs: Sequence[Callable[[], float]], times: int) -> list[float]:
    """Return the median seconds of each, all run in turns."""
    rounds = [[each() for each in runs] for _ in range(times)]
    return [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]


def tree_memory_bytes(pid: int) -> int:
    """Return what a process and its children hold: what several share is counted once (PSS, of Linux)."""
    process = Path(f"/proc/{pid}")
    try:
        rollup = (process / "smaps_rollup").read_text().splitlines()
        # of all threads: each has the children that it started
        children = [child for each in (process / "task").glob("*/children") for child in each.read_text().split()]
    except OSError:  # it has just ended
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
    return own + sum(tree_memory_bytes(int(child)) for child in children)


def peak_memory_bytes(command: Sequence[str]) -> int:
    """Return the largest resident memory that a command has."""
    return run_measured(command)[1]


def run_measured(command: Sequence[str]) -> tuple[float, int]:
    """Return the seconds that a command takes, and the largest resident memory that it has, in bytes."""
    # Linux counts what whoever starts a program holds at that moment as the program's: it is started by a small one
    starter = [sys.executable, "-I", "-S", "-c", _STARTER]
    began = time.perf_counter()
    done = subprocess.run([*starter, *command], capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return took, int(done.stdout) * 1024
