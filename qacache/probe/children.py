"""Children: the processes that probe, each owned until it is reaped.

In: an argument list and the pipes that the child gets. Out: a process in a group of its own, in a bare environment,
within limits. What ends is reaped; what is to end is killed with its group; what even SIGKILL does not end (it waits
for a dead mount inside the kernel) is left behind, counted, and reaped when it can be.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Child = subprocess.Popen[bytes]

DEFAULT_MEMORY_BYTES = 1024**3

# How soon `cancel` is noticed where killing does not close the pipes: their holder is unkillable, or left the group.
TICK_S = 0.2

# How long a killed child may take to be gone before it counts as unkillable.
_REAP_S = 2.0
KILLED_WITHIN_S = 2 * _REAP_S
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1"}


class Children:
    """Starts children, from many threads at once, and owns every one until it is reaped."""

    def __init__(self) -> None:
        # reentrant: a signal handler that cancels may interrupt the thread that holds it
        self._lock = threading.RLock()
        self._running: set[Child] = set()
        self._unkillable: list[Child] = []
        self._killed_by_cancel: WeakSet[Child] = WeakSet()
        self.is_cancelled = False

    @property
    def abandoned(self) -> int:
        """How many children could not be killed, and still are there."""
        return self._reap_abandoned()

    def cancel(self) -> None:
        """Kill all that run; `is_cancelled` says so until `resume`, and what is started meanwhile is killed, too."""
        with self._lock:
            self.is_cancelled = True
            self._killed_by_cancel.update(self._running)
            for child in self._running:
                _kill(child)

    def resume(self) -> None:
        """Let children run again after `cancel`."""
        self.is_cancelled = False

    def was_cancelled(self, child: Child) -> bool:
        """Whether it was `cancel` that ended the child, though others may run again by now."""
        return child in self._killed_by_cancel

    def start(
        self,
        argv: Sequence[str | bytes],
        *,
        stdin: int | IO[bytes],
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        limits: Mapping[int, tuple[int, int]] = {},
        variables: Mapping[str, str] = {},
    ) -> Child:
        """Start a program; raises `OSError` where that cannot be done.

        `limits` are pairs, soft and hard, by `resource.RLIMIT_...`; `variables` are added to the bare environment.
        """
        self._reap_abandoned()
        environment = {**_ENVIRONMENT, **variables}
        child = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, process_group=0)
        try:
            _limit(child.pid, limits)
            with self._lock:
                self._running.add(child)
                if self.is_cancelled:
                    self._killed_by_cancel.add(child)
                    _kill(child)
        except BaseException:
            self.end(child)
            raise
        return child

    def end(self, child: Child) -> None:
        """Kill the child, if it still runs, and reap it, if that is possible."""
        if child.returncode is not None:
            return
        _kill(child)
        if not self.reaps(child, time.monotonic() + _REAP_S):
            with self._lock:
                self._running.discard(child)
                self._unkillable.append(child)

    def reaps(self, child: Child, until: float) -> bool:
        """Wait until then, by the monotonic clock, for the child to end; whether it did, and is reaped.

        Reaping takes it from the running ones in one step: its number may be another process's from then on, which
        `cancel` must not kill.
        """
        pause_s = 0.0001
        while True:
            with self._lock:
                if child.poll() is not None:
                    self._running.discard(child)
                    return True
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, 0.05)

    def _reap_abandoned(self) -> int:
        with self._lock:
            self._unkillable = [child for child in self._unkillable if child.poll() is None]
            return len(self._unkillable)


def _kill(child: Child) -> None:
    # the group, not the child: a wrapper script's own children hold the pipes, too
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _limit(pid: int, limits: Mapping[int, tuple[int, int]]) -> None:
    """Bound what the child may use, on systems that can do that from outside (Linux).

    From here rather than by `preexec_fn`, which is unsafe with threads and slows the start, or by prlimit(1),
    which is one more process a file. Until this is done the child is loading its libraries.
    """
    if not hasattr(resource, "prlimit"):
        return
    for kind, limit in limits.items():
        # refused where a stricter limit is inherited already, or the program runs as somebody else
        with suppress(ProcessLookupError, PermissionError):
            resource.prlimit(pid, kind, limit)
