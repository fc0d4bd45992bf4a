"""The rows of single files: what became of a file comes in as an event, and its rows say so afterwards.

All of it happens within a transaction of whoever calls; `qacache.store.writer` has it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from qacache.events import Failed, Planned, Probed, Reused, Unchanged, Unstable, Vanished, Waiting
from qacache.paths import nfc
from qacache.record import MEDIA_FIELDS, media_to_dict
from qacache.store import journal, layouts, raw_answers
from qacache.store.database import signed
from qacache.store.displaced import Displaced
from qacache.store.records import MEDIA_COLUMNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from qacache.events import Event
    from qacache.models import FileStat, Probe
    from qacache.store.retries import RetrySchedule

LAST_SCANNED_MS = "coalesce((SELECT max(scanned_ms) FROM root WHERE file.path >= lower AND file.path < upper), 0)"
"""The last complete scan of any root above a path: when a row that is listed there was last seen for sure."""

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


class Source(NamedTuple):
    """What is known of a content: its media and the raw answer, or else the failure to probe it."""

    media: Sequence[Any] | None
    failure: Sequence[Any]


class FileRows:
    """Writes the rows of files through a connection, which is somebody else's.

    While there is a `scan_id`, what changes is that scan's to tell of; otherwise it is the next one's.
    """

    def __init__(self, connection: sqlite3.Connection, retries: RetrySchedule) -> None:
        self._connection = connection
        self._retries = retries
        self.scan_id: int | None = None
        self.displaced = Displaced(connection, MEDIA_COLUMNS[1:])

    def source_of(self, event: Event) -> Source | None:
        """Return what `event` reuses, None where it reuses nothing, or the store has it no more."""
        if not isinstance(event, Reused):
            return None
        content = event.source, event.digest
        media = self._connection.execute(_SELECT_MEDIA, content).fetchone()
        # after a scan their layouts may have been forgotten
        if media is None and self.scan_id is not None:
            media = self.displaced.media_of(event.digest)
        failure = None if media else self._connection.execute(_SELECT_FAILURE, content).fetchone()
        return Source(media, failure or ()) if media or failure else None

    def write(self, event: Event, source: Source | None, now_ms: int) -> None:
        """Store what became of a file; `source` is what `source_of` the event was before anything was written."""
        match event:
            case Probed(stat, digest, probe):
                media = probe.media
                after = journal.Version(stat.size, digest, media.video_codec, media.duration_s)
                self._record(stat.path, after, now_ms)
                file_id = self._upsert_file(stat, digest, "ok", now_ms)
                self._replace_media(file_id, probe, now_ms)
                self._connection.execute("DELETE FROM failure WHERE file_id = ?", (file_id,))
            case Reused(stat, digest):
                self._reuse(stat, digest, source, now_ms)
            case Failed(stat=None):
                pass
            case Failed():
                self._fail(event, now_ms)
            case Vanished(path):
                self._record(path, journal.NO_FILE, now_ms)
                self._connection.execute(
                    "UPDATE file SET status = 'vanished', last_seen_ms = "
                    f"CASE WHEN unlisted THEN last_seen_ms ELSE max(last_seen_ms, {LAST_SCANNED_MS}) END "
                    "WHERE path = ? AND status <> 'vanished'",
                    (path,),
                )
            case Unchanged() | Unstable() | Planned() | Waiting():
                pass
            case _:
                assert_never(event)

    def _record(self, path: bytes, after: journal.Version, now_ms: int) -> None:
        before = journal.stored_version(self._connection, path)
        # the row of a file that went keeps what was known of it
        if self.scan_id is not None and after != journal.NO_FILE and before.digest not in (None, after.digest):
            self.displaced.keep(path)
        journal.record(self._connection, self.scan_id, now_ms, path, before, after)

    def _upsert_file(self, stat: FileStat, digest: bytes | None, status: str, now_ms: int) -> int:
        composed = nfc(stat.path)
        self._connection.execute(
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
        return _file_id(self._connection, stat.path)

    def _replace_media(self, file_id: int, probe: Probe, now_ms: int) -> None:
        media = media_to_dict(probe.media)
        values = [media[name] for name in MEDIA_FIELDS]
        what = (*values, _compact(media["tags"]), layouts.stored(self._connection, _compact(media["streams"])))
        self._connection.execute(_INSERT_MEDIA, (file_id, probe.prober, probe.parser_version, now_ms, *what))
        self._connection.execute(_INSERT_RAW, (file_id, raw_answers.pack(_compact(probe.raw))))

    def _reuse(self, stat: FileStat, digest: bytes, source: Source | None, now_ms: int) -> None:
        if source is None:
            return  # another process has just forgotten or changed the source: the next scan looks again
        if source.media is None:
            self._reuse_failure(stat, digest, source, now_ms)
            return
        *media, raw = source.media
        known = dict(zip(MEDIA_COLUMNS[1:], media, strict=True))
        after = journal.Version(stat.size, digest, known["video_codec"], known["duration_s"])
        self._record(stat.path, after, now_ms)
        file_id = self._upsert_file(stat, digest, "ok", now_ms)
        self._connection.execute(_INSERT_MEDIA, (file_id, *media))
        if raw is None:
            self._connection.execute("DELETE FROM raw_probe WHERE file_id = ?", (file_id,))
        else:
            self._connection.execute(_INSERT_RAW, (file_id, raw))
        self._connection.execute("DELETE FROM failure WHERE file_id = ?", (file_id,))

    def _reuse_failure(self, stat: FileStat, digest: bytes, source: Source, now_ms: int) -> None:
        self._record(stat.path, journal.Version(stat.size, digest), now_ms)
        file_id = self._upsert_file(stat, digest, "failed", now_ms)
        self._forget_media(file_id)
        *what, prober, attempts, failed_ms, next_retry_ms = source.failure
        self._connection.execute(
            _UPSERT_FAILURE,
            (file_id, *what, prober, stat.size, stat.mtime_ns, attempts, failed_ms, next_retry_ms),
        )

    def _forget_media(self, file_id: int) -> None:
        self._connection.execute("DELETE FROM media WHERE file_id = ?", (file_id,))
        self._connection.execute("DELETE FROM raw_probe WHERE file_id = ?", (file_id,))

    def _fail(self, event: Failed, now_ms: int) -> None:
        assert event.stat is not None
        stat = event.stat
        before = self._connection.execute(
            "SELECT file.size, file.mtime_ns, file.digest, failure.size, failure.mtime_ns, failure.prober, "
            "failure.attempts FROM file LEFT JOIN failure ON failure.file_id = file.id WHERE path = ?",
            (stat.path,),
        ).fetchone()
        same_stat = before is not None and before[:2] == (stat.size, stat.mtime_ns)
        digest = event.digest or (before[2] if same_stat else None)
        same_content = digest is not None and before is not None and digest == before[2]
        self._record(stat.path, journal.Version(stat.size, digest), now_ms)
        file_id = self._upsert_file(stat, digest, "failed", now_ms)
        if not same_content:
            self._forget_media(file_id)
        same_failure = before is not None and before[3:6] == (stat.size, stat.mtime_ns, event.prober)
        attempts = before[6] + 1 if same_failure else 1
        failure = event.failure
        self._connection.execute(
            _UPSERT_FAILURE,
            (
                *(file_id, failure.stage, failure.reason, failure.message, event.prober),
                *(stat.size, stat.mtime_ns, attempts, now_ms, now_ms + self._retries.wait_ms(attempts)),
            ),
        )


def _file_id(connection: sqlite3.Connection, path: bytes) -> int:
    (file_id,) = connection.execute("SELECT id FROM file WHERE path = ?", (path,)).fetchone()
    return int(file_id)


def _compact(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # half of a surrogate pair, which some tags hold, is no text that SQLite can store
    return text.encode(errors="replace").decode()
