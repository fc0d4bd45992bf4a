"""Onlooker: what the child processes of `qacache.freshness`, `qacache.sight` and `qacache.readiness` have in common.

Each looks at a disk in its parent's place, because on a mount whose server is gone a look may never end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

# So long a killed child may take to die, unless it hangs.
_DEATH_S = 0.1


def end_child(pid: int) -> None:
    """Kill the child and reap it; one that hangs in the kernel is left to itself."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _DEATH_S
        while not os.waitpid(pid, os.WNOHANG)[0] and time.monotonic() < deadline:
            time.sleep(0.001)


def is_there(pid: int) -> bool:
    """Whether a child that was killed is not dead yet, as it hangs in the kernel; it is reaped if it is."""
    try:
        return not os.waitpid(pid, os.WNOHANG)[0]
    except ChildProcessError:
        return False


def leave_terminal() -> None:
    """Be silent, in a child: whoever waits for the parent's output to end must not wait for a child that hangs."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)


def is_mounted(root: bytes) -> bool:
    """Whether the root holds anything: an unmounted one is an empty folder, or none."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is not None
    except OSError:
        return False
