"""Maintenance: what has been away for long is forgotten, and the space it took is given back.

In: a store, and how long to remember. Out: rows deleted in short transactions, so that other processes may write
between two of them, and a smaller file. A scan does not run meanwhile: its lock is held.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import StoreFull
from qacache.store import layouts, path_index
from qacache.store.database import explained, open_reader, open_writer, total_size
from qacache.store.lock import held, lock_path, scan_lock_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_BATCH = 1000
# Of pages that nothing uses any more, so many are given back in one transaction: 4 MB.
_PAGES = 1000
# VACUUM writes the whole database twice: a copy, and that into the write-ahead log (sqlite.org/lang_vacuum.html).
_VACUUM_COPIES = 2

_GONE = "status <> 'ok' AND status = 'vanished' AND away >= ?"
_OLD_SCANS = "started_ms < ? AND state <> 'running' AND id < (SELECT max(id) FROM scan)"


class Pruned(NamedTuple):
    """What was forgotten, or would be: rows of files, of changes and of scans; sizes of the file in bytes."""

    files: int
    changes: int
    scans: int
    size_before: int
    size_after: int


class Maintenance:
    """Prunes one store. Files go after `prune_after` complete scans without them, history after `history_s` seconds."""

    def __init__(
        self,
        path: str,
        *,
        prune_after: int,
        history_s: float,
        busy_timeout_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._prune_after = prune_after
        self._history_s = history_s
        self._busy_timeout_s = busy_timeout_s
        self._clock = clock

    def prune(self, *, full: bool = False, dry_run: bool = False) -> Pruned:
        """Forget what is due, and shrink the file; with `full` all of it is written anew, which takes longest.

        Raises `StoreLocked` while a scan runs, and `StoreFull` where there is no room for a `full` one.
        """
        cutoff_ms = int((self._clock() - self._history_s) * 1000)
        with explained(self._path), closing(open_reader(self._path)) as reader:
            before = total_size(reader)
            due = self._count(reader, cutoff_ms)
        if dry_run:
            return Pruned(*due, before, before)
        if full:
            self._refuse_without_room(before)
        with (
            held(scan_lock_path(self._path), purpose="qacache vacuum", timeout_s=0.0),
            explained(self._path),
            self._writer() as connection,
        ):
            forgotten = self._forget(connection, cutoff_ms)
            with self._locked(), _transaction(connection):
                layouts.forget_unused(connection)
            self._index_paths(connection)
            self._shrink(connection, full)
            return Pruned(*forgotten, before, total_size(connection))

    @contextmanager
    def _writer(self) -> Iterator[sqlite3.Connection]:
        connection = open_writer(self._path, self._busy_timeout_s)
        try:
            yield connection
        finally:
            # closing the last connection checkpoints, which is a write
            with self._locked():
                connection.close()

    def _count(self, connection: sqlite3.Connection, cutoff_ms: int) -> tuple[int, int, int]:
        (files,) = connection.execute(f"SELECT count(*) FROM file WHERE {_GONE}", (self._prune_after,)).fetchone()
        (changes,) = connection.execute(
            f"SELECT count(*) FROM change WHERE scan_id IN (SELECT id FROM scan WHERE {_OLD_SCANS})", (cutoff_ms,)
        ).fetchone()
        (scans,) = connection.execute(f"SELECT count(*) FROM scan WHERE {_OLD_SCANS}", (cutoff_ms,)).fetchone()
        return files, changes, scans

    def _forget(self, connection: sqlite3.Connection, cutoff_ms: int) -> tuple[int, int, int]:
        files = self._delete(connection, "file", _GONE, self._prune_after)
        changes = self._delete(connection, "change", f"scan_id IN (SELECT id FROM scan WHERE {_OLD_SCANS})", cutoff_ms)
        return files, changes, self._delete(connection, "scan", _OLD_SCANS, cutoff_ms)

    def _delete(self, connection: sqlite3.Connection, table: str, condition: str, value: int) -> int:
        """Delete the rows that fit, and return how many."""
        deleted = 0
        while True:
            with self._locked(), _transaction(connection):
                found = connection.execute(f"SELECT id FROM {table} WHERE {condition} LIMIT {_BATCH}", (value,))
                ids = [each for (each,) in found]
                if table == "file":
                    path_index.forget(connection, ids)
                connection.execute(f"DELETE FROM {table} WHERE id IN ({','.join('?' * len(ids))})", ids)
            if not ids:
                return deleted
            deleted += len(ids)

    def _index_paths(self, connection: sqlite3.Connection) -> None:
        """Bring the index of paths up to date: it leaves the last few to a time when there is nothing else to do."""
        is_behind = True
        while is_behind:
            with self._locked(), _transaction(connection):
                is_behind = path_index.index_batch(connection)

    def _shrink(self, connection: sqlite3.Connection, full: bool) -> None:
        if full:
            with self._locked():
                # stores that were put together by other programs may lack it
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("VACUUM")
        free = 0
        while (left := connection.execute("PRAGMA freelist_count").fetchone()[0]) and left != free:
            free = left
            with self._locked():
                # a page a row: all have to be read for the step to be done
                connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
        with self._locked():
            connection.execute("PRAGMA analysis_limit = 400")
            connection.execute("PRAGMA optimize")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _locked(self) -> AbstractContextManager[None]:
        return held(lock_path(self._path), purpose="qacache vacuum", timeout_s=self._busy_timeout_s)

    def _refuse_without_room(self, size: int) -> None:
        folder = os.path.dirname(os.path.abspath(self._path))
        free = shutil.disk_usage(folder).free
        if free < _VACUUM_COPIES * size:
            raise StoreFull(
                f"no room to write the store anew: {free:,} bytes are free in {folder}, "
                f"{_VACUUM_COPIES * size:,} are needed",
                hint="make room, or run it without --full",
            )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
