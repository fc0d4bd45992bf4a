"""Access: looks at files, each when it is its mount's turn, and none for longer than the mount may take.

In: paths, and mounts with their limits. Out: what the system says, or `OSError`s: `NoAnswer` where a mount hangs, or
was given up before. May be asked from any thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Self, TypeVar

from qacache.os_failures import NoAnswer, os_failure
from qacache.paths import as_folder
from qacache.scan.budget import Pace
from qacache.scan.places import places_at, silent_place
from qacache.scan.workers import within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qacache.scan.mounts import Mounts

Result = TypeVar("Result")

# what took the place of a file is not followed, and not waited for
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class Stopped(Exception):
    """Nothing more is to be looked at."""


class Access:
    """How files are looked at. `roots` are folders below which they are, `rate` how many are read a second (0: any)."""

    def __init__(self, mounts: Mounts, *, roots: Sequence[bytes] = (), rate: float = 0.0) -> None:
        self.mounts = mounts
        self._roots = sorted(roots, key=len, reverse=True)
        self._pace = Pace(rate)
        self.is_stopped = False
        self.bytes_read = 0
        self._counting = Lock()

    def stop(self) -> None:
        """Let nobody look at anything any more. May be called from a signal handler."""
        self.is_stopped = True
        self.mounts.stop()

    def locate(self, path: bytes) -> None:
        """Find out which mount `path` is on, where that is not known yet; may take as long as a mount may."""
        if self.mounts.place_of(path) is not None:
            return
        inner = (root for root in self._roots if path.startswith(as_folder(root)))
        folder = next(inner, None) or os.path.dirname(path)
        try:
            self.mounts.add(within(self.mounts.hang_s, places_at, folder))
        except OSError as error:
            self.mounts.add([silent_place(folder)])
            self.mounts.note(path, os_failure("stat", error), of_content=True)

    def ask(self, path: bytes, function: Callable[..., Result], *arguments: object) -> Result:
        """Return what `function(*arguments)` does, which looks at `path`.

        Raises what that raises, `NoAnswer`, and `Stopped`.
        """
        with self.mounts.turn(path):
            if self.is_stopped:
                raise Stopped
            if self.mounts.is_over(path):
                raise NoAnswer("its mount is given up")
            try:
                if self.mounts.is_network(path):
                    answer = within(self.mounts.hang_s, function, *arguments)
                else:
                    answer = function(*arguments)
            except OSError as error:
                self.mounts.note(path, os_failure("digest", error), of_content=True)
                raise
            self.mounts.note(path, None, of_content=True)
            return answer

    def count(self, size: int) -> None:
        """Take note that so many bytes were read."""
        with self._counting:
            self.bytes_read += size

    def open(self, path: bytes) -> OpenFile:
        """Return the file, open for reading, when one more may be read; raises as `ask`."""
        self._pace.wait(lambda: self.is_stopped)
        self.mounts.pace(path)
        return OpenFile(self, path)


class OpenFile:
    """A file that is open for reading. Owns its descriptor."""

    def __init__(self, access: Access, path: bytes) -> None:
        self._access = access
        self._path = path
        self._descriptor = access.ask(path, os.open, path, _FLAGS)
        self._hangs = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._hangs:
            return  # so would this
        with suppress(OSError):
            try:
                self._ask(os.close, self._descriptor)
            except Stopped:
                os.close(self._descriptor)

    def fill(self, buffer: bytearray, offset: int) -> bool:
        """Fill the buffer with what is at `offset`; whether there is as much.

        Raises as `Access.ask`; who hangs in the system may still write to the buffer after that.
        """
        is_full = self._ask(_fill, self._descriptor, buffer, offset)
        self._access.count(len(buffer))
        return is_full

    def _ask(self, function: Callable[..., Result], *arguments: object) -> Result:
        try:
            return self._access.ask(self._path, function, *arguments)
        except NoAnswer:
            self._hangs = True
            raise


def _fill(descriptor: int, buffer: bytearray, offset: int) -> bool:
    # in place: to have new memory for each chunk takes as long as to read it
    done = os.preadv(descriptor, [buffer], offset)
    with memoryview(buffer) as view:
        while 0 < done < len(buffer) and (more := os.preadv(descriptor, [view[done:]], offset + done)):
            done += more
    return done == len(buffer)
