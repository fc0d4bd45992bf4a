"""Running a program that cannot be trusted to end, to be brief, or to be gentle.

In: an argument list and bounds. Out: what it printed and how it ended. Each program runs in a process group of its
own, without standard input, in a bare environment. One deadline covers reading and waiting; what breaks a bound is
killed with its group, and every child is reaped. A child that even SIGKILL does not end (it waits for a dead mount
inside the kernel) is left behind, counted, and reaped when it can be.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

End = Literal["exited", "timeout", "too-much-output", "cancelled"]

_MOST_FILES = 64
_READ_BYTES = 64 * 1024
_STDERR_BYTES = 64 * 1024
# How long a killed child may take to be gone before it counts as unkillable.
_REAP_S = 2.0
# How soon `cancel` is noticed where killing does not close the pipes: their holder is unkillable, or left the group.
_TICK_S = 0.2
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a program may use: seconds until it is killed, bytes of output, bytes of address space (0: any)."""

    timeout_s: float
    stdout_bytes: int = 16 * 1024 * 1024
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended, and what it printed until then; `returncode` is minus the signal that killed it."""

    end: End
    returncode: int | None
    stdout: bytes
    stderr: bytes


class Processes:
    """Runs programs, from many threads at once. Owns every child until it is reaped."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        # reentrant: a signal handler that cancels may interrupt the thread that holds it
        self._lock = threading.RLock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._unkillable: list[subprocess.Popen[bytes]] = []
        self._cancelled = False

    @property
    def abandoned(self) -> int:
        """How many children could not be killed, and still are there."""
        return self._reap_abandoned()

    def cancel(self) -> None:
        """Kill all that runs; what is run from now on ends at once as `cancelled`."""
        with self._lock:
            self._cancelled = True
            for child in self._running:
                _kill(child)

    def resume(self) -> None:
        """Run programs again after `cancel`."""
        self._cancelled = False

    def run(self, argv: Sequence[str | bytes]) -> Completed:
        """Run a program to its end, or to the first bound that it breaks; raises `OSError` where it cannot start."""
        if self._cancelled:
            return Completed("cancelled", None, b"", b"")
        self._reap_abandoned()
        deadline = time.monotonic() + self._bounds.timeout_s
        with _Pipe() as stdout, _Pipe() as stderr:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout.writer,
                stderr=stderr.writer,
                env=_ENVIRONMENT,
                process_group=0,
            )
            try:
                _limit(child.pid, self._bounds)
                self._began(child)
                stdout.writer.close()
                stderr.writer.close()
                end, printed, said = self._read(stdout.reader, stderr.reader, deadline)
                if end == "exited" and not self._reaps(child, deadline):
                    end = "timeout"
            finally:
                self._ended(child)
        return Completed("cancelled" if self._cancelled else end, child.returncode, printed, said)

    def _reap_abandoned(self) -> int:
        with self._lock:
            self._unkillable = [child for child in self._unkillable if child.poll() is None]
            return len(self._unkillable)

    def _began(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.add(child)
            if self._cancelled:
                _kill(child)

    def _read(self, stdout: int, stderr: int, deadline: float) -> tuple[End, bytes, bytes]:
        """Read both streams until they close; what is beyond the bound of stderr is read and dropped."""
        printed, said = bytearray(), bytearray()
        end: End = "exited"
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ, printed)
            selector.register(stderr, selectors.EVENT_READ, said)
            while selector.get_map() and end == "exited":
                left_s = deadline - time.monotonic()
                for key, _ in selector.select(min(max(left_s, 0.0), _TICK_S)):
                    data = os.read(key.fd, _READ_BYTES)
                    if not data:
                        selector.unregister(key.fd)
                    key.data.extend(data)
                del said[_STDERR_BYTES:]
                end = self._broken(len(printed), left_s)
        return end, bytes(printed[: self._bounds.stdout_bytes]), bytes(said)

    def _broken(self, printed_bytes: int, left_s: float) -> End:
        """Return the bound that is broken, `exited` if none is."""
        if self._cancelled:
            return "cancelled"
        if printed_bytes > self._bounds.stdout_bytes:
            return "too-much-output"
        return "timeout" if left_s <= 0 else "exited"

    def _ended(self, child: subprocess.Popen[bytes]) -> None:
        if child.returncode is not None:
            return
        _kill(child)
        if not self._reaps(child, time.monotonic() + _REAP_S):
            with self._lock:
                self._running.discard(child)
                self._unkillable.append(child)

    def _reaps(self, child: subprocess.Popen[bytes], until: float) -> bool:
        """Wait until then for the child to end; whether it did, and is reaped.

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


class _Pipe:
    """A pipe of which a child gets the writing end; both ends are closed at the end of the block."""

    def __enter__(self) -> _Pipe:
        self.reader, writer = os.pipe()
        self.writer = open(writer, "wb", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        os.close(self.reader)


def _kill(child: subprocess.Popen[bytes]) -> None:
    # the group, not the child: a wrapper script's own children hold the pipes, too
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _limit(pid: int, bounds: Bounds) -> None:
    """Bound what the child may use, on systems that can do that from outside (Linux).

    From here rather than by `preexec_fn`, which is unsafe with threads and slows the start, or by prlimit(1),
    which is one more process a file. Until this is done the child is loading its libraries.
    """
    if not hasattr(resource, "prlimit"):
        return
    cpu_s = int(bounds.timeout_s) + 1
    # at the soft limit of CPU time comes SIGXCPU, which tells why; at the hard one SIGKILL, which cannot be ignored
    limits = {resource.RLIMIT_CPU: (cpu_s, cpu_s + 1), resource.RLIMIT_CORE: (0, 0), resource.RLIMIT_FSIZE: (0, 0)}
    limits[resource.RLIMIT_NOFILE] = (_MOST_FILES, _MOST_FILES)
    if bounds.memory_bytes:
        limits[resource.RLIMIT_AS] = (bounds.memory_bytes, bounds.memory_bytes)
    for kind, limit in limits.items():
        # refused where a stricter limit is inherited already, or the program runs as somebody else
        with suppress(ProcessLookupError, PermissionError):
            resource.prlimit(pid, kind, limit)
