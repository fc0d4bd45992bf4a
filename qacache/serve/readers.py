"""Readers for workers: a thread's own connections to the store come out, as SQLite wants it; they are kept open."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qacache.store.search import Search

if TYPE_CHECKING:
    from qacache.store.reader import Reader


class _Open(NamedTuple):
    search: Search
    identity: tuple[int, int]


class Readers:
    """What reads the store at `path`, for any thread: each gets its own."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._local = threading.local()

    def search(self) -> Search:
        """Return this thread's search. Raises the `StoreError` for why there is none."""
        opened: _Open | None = getattr(self._local, "opened", None)
        # what was restored from a backup is another file by the same name
        if opened is None or opened.identity != self._identity():
            self.leave()
            opened = self._local.opened = _Open(Search(self.path), self._identity())
        return opened.search

    def reader(self) -> Reader:
        """Return this thread's reader; raises as `search`."""
        return self.search().reader

    def leave(self) -> None:
        """Close what this thread has."""
        opened: _Open | None = self._local.__dict__.pop("opened", None)
        if opened is not None:
            opened.search.__exit__()

    def _identity(self) -> tuple[int, int]:
        with suppress(OSError):
            stat = os.stat(self.path)
            return stat.st_dev, stat.st_ino
        return (0, 0)
