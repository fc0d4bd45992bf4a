"""Wake-up: what a thread that waits on descriptors waits on as well, so that others can have it look around."""

from __future__ import annotations

import os
import threading
from contextlib import suppress


class Wakeup:
    """A descriptor that is ready once somebody called `wake`, until `clear`. Owns a pipe."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        # of the writer: its number may be another file's as soon as it is closed
        self._lock = threading.Lock()
        self._is_closed = False

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._reader

    def wake(self) -> None:
        """Make it ready. For any thread, even after `close`."""
        # where the pipe is full, it is ready
        with self._lock, suppress(BlockingIOError):
            if not self._is_closed:
                os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Make it not ready, however often it was woken up."""
        with suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def close(self) -> None:
        """Give up the pipe; for the thread that waits."""
        with self._lock:
            self._is_closed = True
            os.close(self._writer)
        os.close(self._reader)
