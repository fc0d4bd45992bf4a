"""Everything that is written to the store: batches of events, and the journal of scans.

In: events, as the scan made them. Out: committed rows. Each batch is one short transaction under the write lock,
so that other processes may write between two of them.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from qacache.errors import StoreLocked
from qacache.events import Failed, Planned, Probed, Reused, Unchanged, Unstable, Vanished, Waiting
from qacache.paths import as_folder, nfc, range_below
from qacache.record import MEDIA_FIELDS, media_to_dict
from qacache.store import intake, journal, layouts, path_index, raw_answers
from qacache.store.database import explained, open_writer, signed
from qacache.store.displaced import Displaced
from qacache.store.lock import held, lock_path
from qacache.store.records import MEDIA_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from qacache.events import Event, ScanState
    from qacache.models import FileStat, Probe, RootIdentity
    from qacache.record import Entry

_UPSERT_FILE = """
INSERT INTO file (path, path_text, nfc_path, size, mtime_ns, inode, device, digest, status, first_seen_ms, last_seen_ms)
VALUES (:path, :path_text, :nfc_path, :size, :mtime_ns, :inode, :device, :digest, :status, :now_ms, :now_ms)
ON CONFLICT (path) DO UPDATE SET
    size = :size, mtime_ns = :mtime_ns, inode = :inode, device = :device, digest = :digest, status = :status,
    last_seen_ms = :now_ms, unlisted = 0, away = 0
"""

_INSERT_MEDIA = (
    f"INSERT OR REPLACE INTO media ({', '.join(MEDIA_COLUMNS)}) VALUES ({', '.join('?' * len(MEDIA_COLUMNS))})"
)

_SELECT_MEDIA = (
    f"SELECT {', '.join(f'media.{name}' for name in MEDIA_COLUMNS[1:])}, raw_probe.json "
    # what was imported may have no raw answer
    "FROM file JOIN media ON media.file_id = file.id LEFT JOIN raw_probe ON raw_probe.file_id = file.id "
    "WHERE file.path = ? AND file.digest = ? AND file.status <> 'failed'"
)

_SELECT_FAILURE = (
    "SELECT stage, reason, message, prober, attempts, failed_ms, next_retry_ms "
    "FROM file JOIN failure ON failure.file_id = file.id WHERE file.path = ? AND file.digest = ?"
)

_INSERT_RAW = "INSERT OR REPLACE INTO raw_probe (file_id, json) VALUES (?, ?)"

_UPSERT_FAILURE = """
INSERT OR REPLACE INTO failure
    (file_id, stage, reason, message, prober, size, mtime_ns, attempts, failed_ms, next_retry_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# For so many busy time-outs a write waits for other processes: hours of a scan are worth more than one.
_PATIENCE = 4

_PAIRS = 500
# 64 MB of write-ahead log, to which it is cut back
_PAGES_OF_MANY = 16_000

# The last complete scan of any root above a path: when a row that is listed there was last seen for sure.
_SCANNED_MS = "coalesce((SELECT max(scanned_ms) FROM root WHERE file.path >= lower AND file.path < upper), 0)"


class _Source(NamedTuple):
    """What is known of a content: its media and the raw answer, or else the failure to probe it."""

    media: Sequence[Any] | None
    failure: Sequence[Any]


class RetrySchedule:
    """When a failed file is tried again: after `min_s`, then twice as long each time, up to `max_s`.

    The wait varies by a tenth, so that files that failed together do not come back together.
    """

    def __init__(self, min_s: float, max_s: float, jitter: Callable[[], float] = random.random) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._jitter = jitter

    def wait_ms(self, attempts: int) -> int:
        """Return the milliseconds to wait after that many attempts (1 or more)."""
        wait_s = min(self._max_s, self._min_s * 2.0 ** min(attempts - 1, 60))
        return int(wait_s * 1000 * (0.9 + 0.2 * self._jitter()))


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
        self._retries = retries
        self._clock = clock
        self._connection = open_writer(path, busy_timeout_s)
        self.batches = 0
        self._scan_id: int | None = None
        self._displaced = Displaced(self._connection, MEDIA_COLUMNS[1:])

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
        with self._transaction("storing results") as connection:
            # before any row changes: of two files that swapped their names, each is the other's source
            sources = [self._source(connection, event) for event in events]
            for event, source in zip(events, sources, strict=True):
                self._write_one(connection, event, source, now_ms)
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
            self._displaced.begin()
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
        self._scan_id = row.lastrowid
        return row.lastrowid

    def end_scan(self, scan_id: int, state: ScanState, summary: Mapping[str, object]) -> dict[str, int]:
        """Record how the scan ended, with its counts by outcome; return how many changes of each kind it found."""
        self._scan_id = None
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
                    f"CASE WHEN unlisted THEN last_seen_ms ELSE max(last_seen_ms, {_SCANNED_MS}) END "
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

    def _write_one(self, connection: sqlite3.Connection, event: Event, source: _Source | None, now_ms: int) -> None:
        match event:
            case Probed(stat, digest, probe):
                media = probe.media
                after = journal.Version(stat.size, digest, media.video_codec, media.duration_s)
                self._record(connection, stat.path, after, now_ms)
                file_id = self._upsert_file(connection, stat, digest, "ok", now_ms)
                self._replace_media(connection, file_id, probe, now_ms)
                connection.execute("DELETE FROM failure WHERE file_id = ?", (file_id,))
            case Reused(stat, digest):
                self._reuse(connection, stat, digest, source, now_ms)
            case Failed(stat=None):
                pass
            case Failed():
                self._fail(connection, event, now_ms)
            case Vanished(path):
                self._record(connection, path, journal.NO_FILE, now_ms)
                connection.execute(
                    "UPDATE file SET status = 'vanished', last_seen_ms = "
                    f"CASE WHEN unlisted THEN last_seen_ms ELSE max(last_seen_ms, {_SCANNED_MS}) END "
                    "WHERE path = ? AND status <> 'vanished'",
                    (path,),
                )
            case Unchanged() | Unstable() | Planned() | Waiting():
                pass
            case _:
                assert_never(event)

    def displaced_path(self, digest: bytes, size: int) -> bytes | None:
        """Return the path at which that content was until this scan stored another there, None if it was not."""
        return self._displaced.path_of(digest, size)

    def _record(self, connection: sqlite3.Connection, path: bytes, after: journal.Version, now_ms: int) -> None:
        before = journal.stored_version(connection, path)
        # the row of a file that went keeps what was known of it
        if self._scan_id is not None and after != journal.NO_FILE and before.digest not in (None, after.digest):
            self._displaced.keep(path)
        journal.record(connection, self._scan_id, now_ms, path, before, after)

    def _source(self, connection: sqlite3.Connection, event: Event) -> _Source | None:
        """Return what `event` reuses, None where it reuses nothing, or the store has it no more."""
        if not isinstance(event, Reused):
            return None
        content = event.source, event.digest
        media = connection.execute(_SELECT_MEDIA, content).fetchone()
        # after a scan their layouts may have been forgotten
        if media is None and self._scan_id is not None:
            media = self._displaced.media_of(event.digest)
        failure = None if media else connection.execute(_SELECT_FAILURE, content).fetchone()
        return _Source(media, failure or ()) if media or failure else None

    def _upsert_file(
        self, connection: sqlite3.Connection, stat: FileStat, digest: bytes | None, status: str, now_ms: int
    ) -> int:
        composed = nfc(stat.path)
        connection.execute(
            _UPSERT_FILE,
            {
                "path": stat.path,
                "path_text": journal.text_if_no_utf8(stat.path) if composed is None else None,
                "nfc_path": None if composed == stat.path else composed,
                "size": stat.size,
                "mtime_ns": stat.mtime_ns,
                "inode": signed(stat.inode),
                "device": signed(stat.device),
                "digest": digest,
                "status": status,
                "now_ms": now_ms,
            },
        )
        return _file_id(connection, stat.path)

    def _replace_media(self, connection: sqlite3.Connection, file_id: int, probe: Probe, now_ms: int) -> None:
        media = media_to_dict(probe.media)
        values = [media[name] for name in MEDIA_FIELDS]
        what = (*values, _compact(media["tags"]), layouts.stored(connection, _compact(media["streams"])))
        connection.execute(_INSERT_MEDIA, (file_id, probe.prober, probe.parser_version, now_ms, *what))
        connection.execute(_INSERT_RAW, (file_id, raw_answers.pack(_compact(probe.raw))))

    def _reuse(
        self,
        connection: sqlite3.Connection,
        stat: FileStat,
        digest: bytes,
        source: _Source | None,
        now_ms: int,
    ) -> None:
        if source is None:
            return  # another process has just forgotten or changed the source: the next scan looks again
        if source.media is None:
            self._reuse_failure(connection, stat, digest, source, now_ms)
            return
        *media, raw = source.media
        known = dict(zip(MEDIA_COLUMNS[1:], media, strict=True))
        after = journal.Version(stat.size, digest, known["video_codec"], known["duration_s"])
        self._record(connection, stat.path, after, now_ms)
        file_id = self._upsert_file(connection, stat, digest, "ok", now_ms)
        connection.execute(_INSERT_MEDIA, (file_id, *media))
        if raw is None:
            connection.execute("DELETE FROM raw_probe WHERE file_id = ?", (file_id,))
        else:
            connection.execute(_INSERT_RAW, (file_id, raw))
        connection.execute("DELETE FROM failure WHERE file_id = ?", (file_id,))

    def _reuse_failure(
        self, connection: sqlite3.Connection, stat: FileStat, digest: bytes, source: _Source, now_ms: int
    ) -> None:
        self._record(connection, stat.path, journal.Version(stat.size, digest), now_ms)
        file_id = self._upsert_file(connection, stat, digest, "failed", now_ms)
        self._forget_media(connection, file_id)
        *what, prober, attempts, failed_ms, next_retry_ms = source.failure
        connection.execute(
            _UPSERT_FAILURE,
            (file_id, *what, prober, stat.size, stat.mtime_ns, attempts, failed_ms, next_retry_ms),
        )

    def _forget_media(self, connection: sqlite3.Connection, file_id: int) -> None:
        connection.execute("DELETE FROM media WHERE file_id = ?", (file_id,))
        connection.execute("DELETE FROM raw_probe WHERE file_id = ?", (file_id,))

    def _fail(self, connection: sqlite3.Connection, event: Failed, now_ms: int) -> None:
        assert event.stat is not None
        stat = event.stat
        before = connection.execute(
            "SELECT file.size, file.mtime_ns, file.digest, failure.size, failure.mtime_ns, failure.prober, "
            "failure.attempts FROM file LEFT JOIN failure ON failure.file_id = file.id WHERE path = ?",
            (stat.path,),
        ).fetchone()
        same_stat = before is not None and before[:2] == (stat.size, stat.mtime_ns)
        digest = event.digest or (before[2] if same_stat else None)
        same_content = digest is not None and before is not None and digest == before[2]
        self._record(connection, stat.path, journal.Version(stat.size, digest), now_ms)
        file_id = self._upsert_file(connection, stat, digest, "failed", now_ms)
        if not same_content:
            self._forget_media(connection, file_id)
        same_failure = before is not None and before[3:6] == (stat.size, stat.mtime_ns, event.prober)
        attempts = before[6] + 1 if same_failure else 1
        failure = event.failure
        connection.execute(
            _UPSERT_FAILURE,
            (
                *(file_id, failure.stage, failure.reason, failure.message, event.prober),
                *(stat.size, stat.mtime_ns, attempts, now_ms, now_ms + self._retries.wait_ms(attempts)),
            ),
        )

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


def _file_id(connection: sqlite3.Connection, path: bytes) -> int:
    (file_id,) = connection.execute("SELECT id FROM file WHERE path = ?", (path,)).fetchone()
    return int(file_id)


def _compact(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # half of a surrogate pair, which some tags hold, is no text that SQLite can store
    return text.encode(errors="replace").decode()
