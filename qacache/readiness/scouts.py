"""Scouts: children that look at roots, so that nobody hangs with them.

In: a `RootTask`. Out: its verdicts, as the child comes to them, each within a deadline. A child that hangs in the
kernel cannot even be killed: it is left behind, keeps nobody waiting, and stays the only one for its root.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qacache.onlooker import end_child, is_there
from qacache.os_failures import NoAnswer
from qacache.readiness.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.readiness.roots import RootTask

# Python loads in a tenth of a second, but not from a disk that sleeps.
_START_S = 30.0
# What is left of the time of others while a child is killed.
_MARGIN_S = 5.0
_READ_BYTES = 65_536

# A fork would do but for the threads of a server: what they hold, nobody would let go of in the child.
_ARGUMENTS = ("-I", "-B", "-X", "utf8", "-c")
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from qacache.readiness.roots import main; main()"


class _Hanging(NamedTuple):
    """A child that does not end: since when nobody heard of it, by the monotonic clock, and what it told before."""

    pid: int
    since: float
    told: list[Verdict]


class Scouts:
    """Sends children to roots, each for at most `deadline_s` seconds a check; never two to the same root."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._hanging: dict[bytes, _Hanging] = {}

    @property
    def longest_s(self) -> float:
        """How many seconds it takes at most until there is another verdict, or none is waited for any more."""
        return _START_S + self._deadline_s + _MARGIN_S

    def look(self, task: RootTask) -> Iterator[Verdict]:
        """Yield what the checks of a root say; raises `NoAnswer` where one takes too long, or `ChildProcessError`.

        May be called from several threads, but for each root from one at a time.
        """
        hanging = self._hanging.pop(task.root, None)
        if hanging and is_there(hanging.pid):
            self._hanging[task.root] = hanging
            yield from hanging.told
            raise NoAnswer(f"no answer for {time.monotonic() - hanging.since:.0f} s")
        child = _Child(task)
        told: list[Verdict] = []
        try:
            for verdict in child.verdicts(self._deadline_s):
                told.append(verdict)
                yield verdict
        finally:
            child.end()
            if is_there(child.pid):
                self._hanging[task.root] = _Hanging(child.pid, time.monotonic() - self._deadline_s, told)


class _Child:
    """A child that looks at one root. Owns its pipes; raises `ChildProcessError` where it cannot be started."""

    def __init__(self, task: RootTask) -> None:
        request = task.to_json().encode()
        requests, to_child = os.pipe()
        self._from_child, replies = os.pipe()
        try:
            self.pid = _spawn(requests, replies)
        except OSError as error:
            os.close(to_child)
            os.close(self._from_child)
            raise ChildProcessError(f"no process can be started that looks at it: {error.strerror}") from error
        finally:
            os.close(requests)
            os.close(replies)
        # one that died already tells so by the end of its replies
        with suppress(BrokenPipeError), open(to_child, "wb") as file:
            file.write(request)
        self._poll = select.poll()
        self._poll.register(self._from_child, select.POLLIN)
        self._read = b""

    def verdicts(self, most_s: float) -> Iterator[Verdict]:
        """Yield what the child says; raises `NoAnswer`, and `ChildProcessError` for one that dies before."""
        if not self._line(_START_S):
            raise ChildProcessError("the process that looks at it ended before it did")
        while line := self._line(most_s):
            yield Verdict(*json.loads(line))

    def end(self) -> None:
        """Kill it, if it still runs."""
        os.close(self._from_child)
        end_child(self.pid)

    def _line(self, most_s: float) -> bytes:
        """Return the next line, with its end; nothing after the last one."""
        deadline = time.monotonic() + most_s
        while b"\n" not in self._read:
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise NoAnswer(f"no answer in {most_s:g} s")
            more = os.read(self._from_child, _READ_BYTES)
            if not more:
                return b""
            self._read += more
        line, end, self._read = self._read.partition(b"\n")
        return line + end


def _spawn(stdin: int, stdout: int) -> int:
    """Start a child, in a group of its own, that a Ctrl-C does not end; return its number."""
    argv = [sys.executable, *_ARGUMENTS, _PROGRAM, *(folder for folder in sys.path if folder), _own_folder()]
    return os.posix_spawn(
        sys.executable,
        argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            # whoever waits for the parent's output to end must not wait for a child that hangs
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setpgroup=0,
    )


def _own_folder() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
