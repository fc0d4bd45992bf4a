"""Running a program that cannot be trusted to end, to be brief, or to be gentle.

In: an argument list and bounds. Out: what it printed and how it ended. One deadline covers reading and waiting; what
breaks a bound is killed with its process group.
"""

from __future__ import annotations

import os
import resource
import selectors
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qacache.probe.children import TICK_S, Child, Children

if TYPE_CHECKING:
    from collections.abc import Sequence

End = Literal["exited", "timeout", "too-much-output", "cancelled"]

_MOST_FILES = 64
OUTPUT_BYTES = 16 * 1024 * 1024
_READ_BYTES = 64 * 1024
_STDERR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a program may use: seconds until it is killed, bytes of output, bytes of address space (0: any)."""

    timeout_s: float
    stdout_bytes: int = OUTPUT_BYTES
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended, and what it printed until then; `returncode` is minus the signal that killed it."""

    end: End
    returncode: int | None
    stdout: bytes
    stderr: bytes


class Processes:
    """Runs programs, from many threads at once."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._limits = _limits(bounds)
        self._children = Children()

    @property
    def abandoned(self) -> int:
        """How many children could not be killed, and still are there."""
        return self._children.abandoned

    def cancel(self) -> None:
        """Kill all that runs; what is run from now on ends at once as `cancelled`."""
        self._children.cancel()

    def resume(self) -> None:
        """Run programs again after `cancel`."""
        self._children.resume()

    def run(self, argv: Sequence[str | bytes]) -> Completed:
        """Run a program to its end, or to the first bound that it breaks; raises `OSError` where it cannot start."""
        if self._children.is_cancelled:
            return Completed("cancelled", None, b"", b"")
        deadline = time.monotonic() + self._bounds.timeout_s
        with _Pipe() as stdout, _Pipe() as stderr:
            child = self._children.start(
                argv, stdin=subprocess.DEVNULL, stdout=stdout.writer, stderr=stderr.writer, limits=self._limits
            )
            try:
                stdout.writer.close()
                stderr.writer.close()
                end, printed, said = self._read(child, stdout.reader, stderr.reader, deadline)
                if end == "exited" and not self._children.reaps(child, deadline):
                    end = "timeout"
            finally:
                self._children.end(child)
        if self._children.was_cancelled(child):
            end = "cancelled"
        return Completed(end, child.returncode, printed, said)

    def _read(self, child: Child, stdout: int, stderr: int, deadline: float) -> tuple[End, bytes, bytes]:
        """Read both streams until they close; what is beyond the bound of stderr is read and dropped."""
        printed, said = bytearray(), bytearray()
        end: End = "exited"
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ, printed)
            selector.register(stderr, selectors.EVENT_READ, said)
            while selector.get_map() and end == "exited":
                left_s = deadline - time.monotonic()
                for key, _ in selector.select(min(max(left_s, 0.0), TICK_S)):
                    data = os.read(key.fd, _READ_BYTES)
                    if not data:
                        selector.unregister(key.fd)
                    key.data.extend(data)
                del said[_STDERR_BYTES:]
                end = self._broken(child, len(printed), left_s)
        return end, bytes(printed[: self._bounds.stdout_bytes]), bytes(said)

    def _broken(self, child: Child, printed_bytes: int, left_s: float) -> End:
        """Return the bound that is broken, `exited` if none is."""
        if self._children.was_cancelled(child):
            return "cancelled"
        if printed_bytes > self._bounds.stdout_bytes:
            return "too-much-output"
        return "timeout" if left_s <= 0 else "exited"


class _Pipe:
    """A pipe of which a child gets the writing end; both ends are closed at the end of the block."""

    def __enter__(self) -> _Pipe:
        self.reader, writer = os.pipe()
        self.writer = open(writer, "wb", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        os.close(self.reader)


def _limits(bounds: Bounds) -> dict[int, tuple[int, int]]:
    """Return the limits of a program, by `resource.RLIMIT_...`; none may write files or cores."""
    cpu_s = int(bounds.timeout_s) + 1
    # at the soft limit of CPU time comes SIGXCPU, which tells why; at the hard one SIGKILL, which cannot be ignored
    limits = {resource.RLIMIT_CPU: (cpu_s, cpu_s + 1), resource.RLIMIT_CORE: (0, 0), resource.RLIMIT_FSIZE: (0, 0)}
    limits[resource.RLIMIT_NOFILE] = (_MOST_FILES, _MOST_FILES)
    if bounds.memory_bytes:
        limits[resource.RLIMIT_AS] = (bounds.memory_bytes, bounds.memory_bytes)
    return limits
