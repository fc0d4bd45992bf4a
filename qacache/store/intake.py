"""The intake: what other stores know comes into this one.

In: entries, in batches, and a rule for those of which something is stored. Out: rows, and how many there were of each
kind. The journal has none of it: it tells what scans found changed in the library, and this is older news of it. Device
and inode of a file are not known until it is looked at: till then it has device 0, which is none, and its row's number,
so that no two files pass for hard links of one. A row that no scan of this store has seen yet counts as seen when its
entry says so, whatever roots were scanned since.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Self

from qacache.paths import nfc
from qacache.store import database, layouts
from qacache.store.database import explained, open_reader
from qacache.store.journal import text_if_no_utf8
from qacache.store.layouts import Layouts
from qacache.store.reader import Found
from qacache.store.records import MEDIA_COLUMNS, RAW_COLUMN, RECORD_COLUMNS, entry_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from qacache.record import Entry

    Merge = Callable[[Entry, Entry], Entry]


# As `Reader` tells it: a complete scan of a root above has seen what is listed there.
_LAST_SEEN_MS = """
CASE WHEN file.status = 'vanished' OR file.unlisted THEN file.last_seen_ms ELSE max(file.last_seen_ms, coalesce(
    (SELECT max(scanned_ms) FROM root WHERE file.path >= lower AND file.path < upper), 0)) END
"""

_SELECT = f"""
SELECT file.id, file.path, file.status, {_LAST_SEEN_MS}, file.size, file.mtime_ns,
    {", ".join(RECORD_COLUMNS)}, {RAW_COLUMN}
FROM file LEFT JOIN media ON media.file_id = file.id LEFT JOIN failure ON failure.file_id = file.id
WHERE file.path IN
"""

_STREAMS = 6 + RECORD_COLUMNS.index(layouts.COLUMN)

# what a search goes by (see `qacache.store.criteria`): of a row that is there, the triggers of `media` keep it
_IS_KIND = " AND ".join(
    f"kind.{name} IS media.{name}"
    for name in ("format_name", "video_codec", "audio_codec", "orientation", "hdr", "display_width", "display_height")
)

_IS_UNLISTED = "?8 <> 'vanished' AND EXISTS (SELECT 1 FROM root WHERE ?2 >= lower AND ?2 < upper AND scanned_ms > ?10)"

# FAIL, here and below: what goes wrong ends the whole transaction, so that SQLite need not note for each row what the
# triggers have changed by then, which takes as long as the row itself
_INSERT_FILE = f"""
INSERT OR FAIL INTO file (
    id, path, path_text, nfc_path, size, mtime_ns, inode, device, digest, status,
    first_seen_ms, last_seen_ms, unlisted, kind_id, length_s
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1, 0, ?7, ?8, ?9, ?10, {_IS_UNLISTED},
    (SELECT kind.id FROM media JOIN kind ON {_IS_KIND} WHERE media.file_id = ?1),
    (SELECT duration_s FROM media WHERE file_id = ?1))
"""

_UPDATE_FILE = f"""
UPDATE file SET
    inode = CASE WHEN (size, mtime_ns) = (?5, ?6) THEN inode ELSE ?1 END,
    device = CASE WHEN (size, mtime_ns) = (?5, ?6) THEN device ELSE 0 END,
    away = CASE ?8 WHEN 'vanished' THEN away ELSE 0 END,
    size = ?5, mtime_ns = ?6, digest = ?7, status = ?8, first_seen_ms = ?9, last_seen_ms = ?10,
    unlisted = {_IS_UNLISTED}
WHERE id = ?1
"""

_INSERT = {
    "media": f"INSERT OR FAIL INTO media ({', '.join(MEDIA_COLUMNS)}) VALUES ({', '.join('?' * len(MEDIA_COLUMNS))})",
    "raw_probe": "INSERT OR FAIL INTO raw_probe (file_id, json) VALUES (?, ?)",
    "failure": "INSERT OR FAIL INTO failure "
    "(file_id, stage, reason, message, attempts, failed_ms, next_retry_ms, prober, size, mtime_ns) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
}


class Taken(NamedTuple):
    """How many entries were new to the store, changed what it had, and told it nothing."""

    added: int
    updated: int
    kept: int


def take_in(connection: sqlite3.Connection, entries: Sequence[Entry], merge: Merge) -> Taken:
    """Store `entries` in the transaction that is open, 30,000 at most; return what came of it.

    `merge` is given what is stored of a file and the entry, and returns what is to be stored.
    """
    stored = _stored(connection, entries)
    taken, news = _decide({path: entry for path, (_, entry) in stored.items()}, entries, merge)
    (last_id,) = connection.execute("SELECT coalesce(max(id), 0) FROM file").fetchone()
    new_ids = count(last_id + 1)
    known = [(stored[path][0], entry) for path, entry in news.items() if path in stored]
    new = [(next(new_ids), entry) for path, entry in news.items() if path not in stored]
    _write(connection, new, known)
    return taken


class Preview:
    """Says what `take_in` would do, and does nothing. Owns its connection; a store that is not there yet is empty."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = open_reader(path) if database.exists(path) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def take_in(self, entries: Sequence[Entry], merge: Merge) -> Taken:
        """Return what would come of `entries`, 30,000 at most; raises `StoreError`."""
        with explained(self._path):
            stored = _stored(self._connection, entries) if self._connection is not None else {}
        return _decide({path: entry for path, (_, entry) in stored.items()}, entries, merge)[0]


def _stored(connection: sqlite3.Connection, entries: Sequence[Entry]) -> Mapping[bytes, tuple[int, Entry]]:
    """Return what is stored of the files of `entries`, with the ids of their rows, by path."""
    rows = connection.execute(
        f"{_SELECT} ({','.join('?' * len(entries))})", [entry.path for entry in entries]
    ).fetchall()
    known = Layouts()
    known.learn((row[_STREAMS] for row in rows), connection.execute)
    return {
        path: (file_id, entry_of(Found(path, status, last_seen_ms, size, mtime_ns, values)))
        for row in rows
        for file_id, path, status, last_seen_ms, size, mtime_ns, *values in [
            (*row[:_STREAMS], known.streams_known(row[_STREAMS]), *row[_STREAMS + 1 :])
        ]
    }


def _decide(known: dict[bytes, Entry], entries: Iterable[Entry], merge: Merge) -> tuple[Taken, Mapping[bytes, Entry]]:
    """Return how many entries are what, and those that are to be stored, by path."""
    news: dict[bytes, Entry] = {}
    added = updated = kept = 0
    for entry in entries:
        before = known.get(entry.path)
        after = entry if before is None else merge(before, entry)
        if before is None:
            added += 1
        elif after == before:
            kept += 1
            continue
        else:
            updated += 1
        # the next entry may be of the same file
        known[entry.path] = news[entry.path] = after
    return Taken(added, updated, kept), news


def _write(
    connection: sqlite3.Connection, new: Sequence[tuple[int, Entry]], known: Sequence[tuple[int, Entry]]
) -> None:
    """Store entries with the ids of their rows, those that are new and those of rows that are there."""
    # the media first, so that a new row of `file` is written once, with what the triggers would tell it
    connection.execute("PRAGMA defer_foreign_keys = ON")
    for table in _INSERT:
        connection.executemany(f"DELETE FROM {table} WHERE file_id = ?", [(file_id,) for file_id, _ in known])
    rows = [*new, *known]
    connection.executemany(
        _INSERT["media"],
        [
            (
                *(file_id, entry.prober, entry.parser_version, entry.probed_ms),
                *(*entry.media, entry.tags or "{}", layouts.stored(connection, entry.streams or "[]")),
            )
            for file_id, entry in rows
            if entry.media is not None
        ],
    )
    connection.executemany(_INSERT_FILE, [_file_row(file_id, entry) for file_id, entry in new])
    connection.executemany(_UPDATE_FILE, [_file_row(file_id, entry) for file_id, entry in known])
    connection.executemany(
        _INSERT["raw_probe"], [(file_id, entry.raw) for file_id, entry in rows if entry.raw is not None]
    )
    connection.executemany(
        _INSERT["failure"],
        [(file_id, *entry.error, entry.size, entry.mtime_ns) for file_id, entry in rows if entry.error is not None],
    )


def _file_row(file_id: int, entry: Entry) -> tuple[object, ...]:
    composed = nfc(entry.path)
    return (
        file_id,
        entry.path,
        text_if_no_utf8(entry.path) if composed is None else None,
        None if composed == entry.path else composed,
        entry.size,
        entry.mtime_ns,
        bytes.fromhex(entry.digest) if entry.digest else None,
        entry.status,
        entry.first_seen_ms,
        entry.last_seen_ms,
    )
