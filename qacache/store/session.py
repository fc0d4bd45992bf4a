"""A store that is open for writing: a reader, a writer, and the lock of whoever scans."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from qacache.store import database
from qacache.store.lock import held, scan_lock_path
from qacache.store.reader import Reader
from qacache.store.writer import Writer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from qacache.store.retries import RetrySchedule


# Who only asks whether a scan runs holds its lock for a moment.
_ASKING_S = 0.1


class Store:
    """A store open for reading and writing, in the thread that opened it.

    With `create` it is made where there is none. `busy_timeout_s` is how long to wait for other processes;
    `retries` says when failed files are due again. Raises `StoreError`s.
    """

    def __init__(self, path: str, *, busy_timeout_s: float = 5.0, retries: RetrySchedule, create: bool = False) -> None:
        self.path = path
        if create and not database.exists(path):
            # loads sqlite_utils, which takes longer than a small scan
            from qacache.store import migrations

            migrations.create(path, busy_timeout_s)
        with ExitStack() as opening:
            self.writer = opening.enter_context(Writer(path, busy_timeout_s=busy_timeout_s, retries=retries))
            self.reader = opening.enter_context(Reader(path))
            self._resources = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def scanning(self) -> AbstractContextManager[None]:
        """Hold the scan lock for a block; raises `StoreLocked` at once where another scan runs."""
        return held(scan_lock_path(self.path), purpose="qacache scan", timeout_s=_ASKING_S)
