"""A line to one child: paths go out, answers come in, each within a deadline.

Owns the child and the pipes to it. What goes wrong with the child is an answer, too, so that it is blamed on the file
that the child had at that time, and on no other.
"""

from __future__ import annotations

import fcntl
import os
import select
import termios
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from qacache.probe.children import TICK_S
from qacache.probe.libav import wire
from qacache.probe.process import OUTPUT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO

    from qacache.probe.children import Children

_READ_BYTES = 64 * 1024
_DYING_S = 2.0
_ARGUMENTS = ("-I", "-B", "-X", "utf8", "-c")
# The child looks for modules where it is told to, and nowhere else: not where it happens to be, nor where variables
# point.
_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from qacache.probe.libav.child import main; main(int(sys.argv[1]))"


# Where glibc would keep what a large frame took for the next, and for each thread, it gives it back: children of one
# library went up and down between 110 and 220 MB, and now stay at 100 MB.
_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


class Command(NamedTuple):
    """How a child is started: the interpreter, the folders of its modules, and its bytes of address space (0: any)."""

    python: str
    folders: Sequence[str]
    memory_bytes: int

    def argv(self) -> list[str]:
        """Return the argument list."""
        return [self.python, *_ARGUMENTS, _PROGRAM, str(self.memory_bytes), *self.folders]


class Reply(NamedTuple):
    """How a question ended: the child's `answer`, or why there is none, and what it printed on standard error.

    `status` is the exit status of a child that is `gone`: minus the signal where one killed it, None where none could.
    `is_unread` says that it did not even read the path.
    """

    end: Literal["answered", "gone", "timeout", "too-much-output", "cancelled"]
    answer: bytes = b""
    status: int | None = None
    printed: bytes = b""
    is_unread: bool = False


class Line:
    """One child, from its start to `close`; raises `OSError` where it cannot be started."""

    def __init__(self, children: Children, command: Command) -> None:
        self.asked = 0
        self._children = children
        with ExitStack() as to_close, ExitStack() as childs_ends:
            requests, self._to_child = _pipe(childs_ends, to_close)
            self._from_child, answers = _pipe(to_close, childs_ends)
            self._stderr, complaints = _pipe(to_close, childs_ends)
            # what the child complains of is read where it matters, if ever: neither side waits for the other
            os.set_blocking(complaints.fileno(), False)
            os.set_blocking(self._stderr.fileno(), False)
            self._child = children.start(
                command.argv(), stdin=requests, stdout=answers, stderr=complaints, variables=_variables()
            )
            to_close.callback(children.end, self._child)
            self._to_close = to_close.pop_all()
        self._poll = select.poll()
        self._poll.register(self._from_child, select.POLLIN)

    @property
    def is_open(self) -> bool:
        """Whether the child still runs."""
        return not self._children.reaps(self._child, until=0.0)

    def ask(self, path: bytes, timeout_s: float) -> Reply | None:
        """Send a path and wait for the answer; None where the child was gone before it could get the path."""
        self.asked += 1
        # of an earlier file
        self._stderr.read(_READ_BYTES)
        try:
            wire.send(self._to_child.fileno(), path)
        except BrokenPipeError:
            self.close()
            return None
        reply = self.listen(timeout_s)
        return None if reply.is_unread else reply

    def listen(self, timeout_s: float) -> Reply:
        """Wait for an answer; a child that gives none in time is killed."""
        deadline = time.monotonic() + timeout_s
        read = bytearray()
        while (reply := self._finished(read, deadline)) is None:
            if self._poll.poll(max(0.0, min(deadline - time.monotonic(), TICK_S)) * 1000):
                part = os.read(self._from_child.fileno(), _READ_BYTES)
                if not part:
                    return self._gone()
                read += part
        if reply.end != "answered":
            self.close()
        return reply

    def close(self) -> None:
        """Kill the child, if it still runs, and reap it."""
        self._to_close.close()

    def _finished(self, read: bytearray, deadline: float) -> Reply | None:
        answer = wire.message_in(read)
        if answer is not None:
            return Reply("answered", answer)
        if self._children.was_cancelled(self._child):
            return Reply("cancelled")
        if wire.promised_bytes(read) > OUTPUT_BYTES:
            return Reply("too-much-output", printed=self._printed())
        return Reply("timeout", printed=self._printed()) if time.monotonic() >= deadline else None

    def _gone(self) -> Reply:
        """Return the end of a child that has closed its pipes: it is dying, or dead."""
        self._children.reaps(self._child, time.monotonic() + _DYING_S)
        printed, is_unread = self._printed(), _is_unread(self._to_child)
        self.close()
        if self._children.was_cancelled(self._child):
            return Reply("cancelled")
        return Reply("gone", status=self._child.returncode, printed=printed, is_unread=is_unread)

    def _printed(self) -> bytes:
        return self._stderr.read(_READ_BYTES) or b""


def _is_unread(pipe: FileIO) -> bool:
    """Whether there is something in the pipe, as far as the system tells."""
    size = bytearray(4)
    with suppress(OSError):
        fcntl.ioctl(pipe, termios.FIONREAD, size)
    return any(size)


def _variables() -> dict[str, str]:
    # a Python that was not installed where it was built for may need the first to start
    inherited = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return inherited | _MALLOC


def _pipe(reader_owner: ExitStack, writer_owner: ExitStack) -> tuple[FileIO, FileIO]:
    """Return the two ends of a new pipe, each to be closed by its owner."""
    reader, writer = os.pipe()
    return (
        reader_owner.enter_context(open(reader, "rb", buffering=0)),
        writer_owner.enter_context(open(writer, "wb", buffering=0)),
    )
