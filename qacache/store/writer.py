"""Everything that is written to the store: batches of events, and the journal of scans.

In: events, as the scan made them. Out: committed rows. Each batch is one short transaction under the write lock,
so that other processes may write between two of them.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from qacache.errors import StoreLocked
from qacache.paths import as_folder, range_below
from qacache.store import intake, journal, path_index
from qacache.store.database import explained, open_writer, signed
from qacache.store.file_rows import LAST_SCANNED_MS, FileRows
from qacache.store.lock import held, lock_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from qacache.events import Event, ScanState
    from qacache.models import RootIdentity
    from qacache.record import Entry
    from qacache.store.retries import RetrySchedule

# For so many busy time-outs a write waits for other processes: hours of a scan are worth more than one.
_PATIENCE = 4

_PAIRS = 500
# 64 MB of write-ahead log, to which it is cut back
_PAGES_OF_MANY = 16_000


class Writer:
    """Writes to one store. Owns its connection, which belongs to the thread that made it.

    `batches` counts what was stored since then.
    """

    def __init__(
        self,
        path: str,
        *,
        busy_timeout_s: float,
        retries: RetrySchedule,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._clock = clock
        self._connection = open_writer(path, busy_timeout_s)
        self.batches = 0
        self._rows = FileRows(self._connection, retries)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        # closing the last connection checkpoints, which is a write; but who has the lock all this time has a
        # connection, too, and then this is not the last
        with suppress(StoreLocked), held(lock_path(self.path), purpose="closing", timeout_s=self._busy_timeout_s):
            self._connection.close()
        self._connection.close()

    def write(self, events: Sequence[Event]) -> None:
        """Store the outcome of each event, all or none; raises `StoreError`."""
        if not events:
            return
        now_ms = self._now_ms()
        with self._transaction("storing results"):
            # before any row changes: of two files that swapped their names, each is the other's source
            sources = [self._rows.source_of(event) for event in events]
            for event, source in zip(events, sources, strict=True):
                self._rows.write(event, source, now_ms)
        self.batches += 1
        self._index_batch()

    def take_in(self, entries: Sequence[Entry], merge: intake.Merge) -> intake.Taken:
        """Store what another store knows, all or none, as `qacache.store.intake` does; raises `StoreError`."""
        # a checkpoint after each of many batches, of much the same pages of indexes, takes a fifth of the time
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_OF_MANY}")
        with self._transaction("importing") as connection:
            taken = intake.take_in(connection, entries, merge)
        self._index_batch()
        return taken

    def begin_scan(self, roots: Sequence[bytes]) -> int:
        """Record that a scan of `roots` began; return its id."""
        names = json.dumps([root.decode(errors="replace") for root in roots])
        with explained(self.path):
            self._rows.displaced.begin()
        died = self._connection.execute("SELECT id FROM scan WHERE state = 'running'").fetchall()
        for (scan_id,) in died:
            self._join_pairs(scan_id)
        with self._transaction("starting a scan") as connection:
            # whoever starts a scan holds the scan lock: a scan that still runs is one whose process died
            connection.execute("UPDATE scan SET state = 'interrupted' WHERE state = 'running'")
            row = connection.execute(
                "INSERT INTO scan (started_ms, state, roots) VALUES (?, 'running', ?)",
                (self._now_ms(), names),
            )
            assert row.lastrowid is not None
            journal.begin(connection, row.lastrowid)
        self._rows.scan_id = row.lastrowid
        return row.lastrowid

    def end_scan(self, scan_id: int, state: ScanState, summary: Mapping[str, object]) -> dict[str, int]:
        """Record how the scan ended, with its counts by outcome; return how many changes of each kind it found."""
        self._rows.scan_id = None
        self._join_pairs(scan_id)
        while self._index_batch():  # there may be more, of others that wrote
            pass
        with self._transaction("ending a scan") as connection:
            changes = journal.count(connection, scan_id)
            connection.execute(
                "UPDATE scan SET state = ?, finished_ms = ?, summary = ? WHERE id = ?",
                (state, self._now_ms(), json.dumps({**summary, "changes": changes}), scan_id),
            )
        return changes

    def _index_batch(self) -> bool:
        """Index a batch of paths, where there is a whole one; return whether that was so."""
        if not path_index.is_due(self._connection):
            return False
        with self._transaction("indexing paths") as connection:
            return path_index.index_batch(connection)

    def _join_pairs(self, scan_id: int) -> None:
        """Tell moves and new encodings from files that came and went, so many at a time that others can write, too."""
        with explained(self.path):
            pairs = journal.pairs(self._connection, scan_id)
        for start in range(0, len(pairs), _PAIRS):
            with self._transaction("storing moves") as connection:
                for pair in pairs[start : start + _PAIRS]:
                    journal.join(connection, pair)

    def end_root(
        self,
        root: bytes,
        identity: RootIdentity,
        *,
        file_count: int,
        scanned_ms: int,
        unlisted: Sequence[bytes],
    ) -> None:
        """Record that a scan saw all below `root`, but for the folders `unlisted`, and what the root was.

        `scanned_ms` is when that scan began. What the rows below `unlisted` say stays as it was.
        """
        lower, upper = range_below(root)
        real_path, filesystem, source, inode = identity
        outer = [folder for folder in unlisted if not any(folder.startswith(as_folder(each)) for each in unlisted)]
        with self._transaction("ending a root") as connection:
            for folder in outer:
                # 2 is "this time, too"; a row that was not seen before keeps the moment when it was
                connection.execute(
                    "UPDATE file SET unlisted = 2, last_seen_ms = "
                    f"CASE WHEN unlisted THEN last_seen_ms ELSE max(last_seen_ms, {LAST_SCANNED_MS}) END "
                    "WHERE path >= ? AND path < ? AND status <> 'vanished'",
                    range_below(folder),
                )
            connection.execute(
                "UPDATE file SET unlisted = unlisted - 1 WHERE unlisted AND path >= ? AND path < ?", (lower, upper)
            )
            # of what was not listed, nobody knows whether it came back
            for step, folder in (*((-1, folder) for folder in outer), (1, root)):
                connection.execute(
                    "UPDATE file SET away = away + ? "
                    "WHERE status <> 'ok' AND status = 'vanished' AND path >= ? AND path < ?",
                    (step, *range_below(folder)),
                )
            connection.execute(
                "INSERT OR REPLACE INTO root "
                "(path, real_path, lower, upper, scanned_ms, file_count, filesystem, source, inode) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (root, real_path, lower, upper, scanned_ms, file_count, filesystem, source, inode and signed(inode)),
            )

    def displaced_path(self, digest: bytes, size: int) -> bytes | None:
        """Return the path at which that content was until this scan stored another there, None if it was not."""
        return self._rows.displaced.path_of(digest, size)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _begin(self) -> None:
        # not deferred: a reader that turns writer is refused at once, whatever the busy timeout
        for _ in range(_PATIENCE - 1):
            with suppress(sqlite3.OperationalError):
                self._connection.execute("BEGIN IMMEDIATE")
                return
        self._connection.execute("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, purpose: str) -> Iterator[sqlite3.Connection]:
        with (
            held(lock_path(self.path), purpose=purpose, timeout_s=_PATIENCE * self._busy_timeout_s),
            explained(self.path),
        ):
            self._begin()
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
