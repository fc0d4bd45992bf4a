"""The step to schema 5, which stores the same in half the room.

Out: descriptions of streams as layouts that files share (`qacache.store.layouts`), raw answers packed with a dictionary
(`qacache.store.raw_answers`), and changes looked up by a number for each path, not by a second copy of it. Tables are
written anew, which leaves no gaps. The forms are those of this schema: when they change, this step keeps them.
"""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qacache.store import layouts, raw_answers
from qacache.store.journal import path_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_BATCH = 1000

# Both view and triggers are the same afterwards, but cannot be there while their tables are not.
_KEPT = "FROM sqlite_master WHERE name = 'changes' OR (type = 'trigger' AND tbl_name = 'media')"

TABLES = """
CREATE TABLE layout (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given again: readers remember what they stand for
    checksum INTEGER NOT NULL,          -- CRC-32 of json
    json TEXT NOT NULL                  -- an object, but for what holds the place of values: char(1), (2), (3)
);
CREATE INDEX layout_checksum ON layout (checksum);

CREATE TABLE compact_media (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    prober TEXT NOT NULL,
    parser_version INTEGER NOT NULL,
    probed_ms INTEGER NOT NULL,
    format_name TEXT NOT NULL,
    duration_s REAL,
    bit_rate INTEGER,
    width INTEGER,
    height INTEGER,
    display_width INTEGER,
    display_height INTEGER,
    rotation INTEGER,
    orientation TEXT,
    hdr TEXT,
    video_codec TEXT,
    audio_codec TEXT,
    avg_frame_rate TEXT,
    tags TEXT NOT NULL,                 -- a JSON object
    layouts TEXT NOT NULL               -- a JSON array: of each stream the id of its layout, and its own values
);

CREATE TABLE compact_raw_probe (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    json BLOB NOT NULL                  -- what the prober said, zlib, mostly with a dictionary
);

CREATE TABLE compact_change (
    id INTEGER PRIMARY KEY,
    scan_id INTEGER REFERENCES scan (id) ON DELETE CASCADE, -- NULL: found since the last one, the next one's
    kind TEXT NOT NULL CHECK (kind IN ('added', 'removed', 'moved', 'replaced', 're-encoded')),
    path BLOB NOT NULL,
    path_key INTEGER NOT NULL,          -- CRC-32 of path, less 2^31
    path_text TEXT,                     -- only where path is no UTF-8: with replacement characters
    from_path BLOB,                     -- where it was before, of what was moved or has another extension now
    from_path_text TEXT,
    changed_ms INTEGER NOT NULL,        -- since the epoch
    size_before INTEGER,                -- bytes; NULL: it was not there
    digest_before BLOB,
    codec_before TEXT,                  -- of the main video
    duration_before_s REAL,
    size_after INTEGER,                 -- bytes; NULL: it is not there any more
    digest_after BLOB,
    codec_after TEXT,
    duration_after_s REAL
);
"""

PLACES = """
DROP VIEW videos;
DROP VIEW changes;
DROP TABLE media;
DROP TABLE raw_probe;
DROP TABLE change;
ALTER TABLE compact_media RENAME TO media;
ALTER TABLE compact_raw_probe RENAME TO raw_probe;
ALTER TABLE compact_change RENAME TO change;

CREATE INDEX change_scan ON change (scan_id, kind);
CREATE INDEX change_path ON change (path_key);
CREATE INDEX change_from_path ON change (from_path) WHERE from_path IS NOT NULL;

-- file_digest has all that it had
DROP INDEX file_content;

CREATE VIEW videos AS
SELECT
    file.id,
    coalesce(file.path_text, CAST(file.path AS TEXT)) AS path,
    file.size,
    strftime('%Y-%m-%dT%H:%M:%fZ', file.mtime_ns / 1e9, 'unixepoch') AS modified,
    file.mtime_ns,
    nullif(lower(hex(file.digest)), '') AS digest,
    file.status,
    strftime('%Y-%m-%dT%H:%M:%fZ', file.first_seen_ms / 1e3, 'unixepoch') AS first_seen,
    strftime('%Y-%m-%dT%H:%M:%fZ', CASE
        WHEN file.status = 'vanished' OR file.unlisted THEN file.last_seen_ms
        ELSE max(file.last_seen_ms, coalesce((
            SELECT max(root.scanned_ms) FROM root WHERE file.path >= root.lower AND file.path < root.upper
        ), 0))
    END / 1e3, 'unixepoch') AS last_seen,
    strftime('%Y-%m-%dT%H:%M:%fZ', media.probed_ms / 1e3, 'unixepoch') AS probed_at,
    media.prober,
    media.format_name,
    media.duration_s,
    media.bit_rate,
    media.width,
    media.height,
    media.display_width,
    media.display_height,
    media.rotation,
    media.orientation,
    media.hdr,
    media.video_codec,
    media.audio_codec,
    media.avg_frame_rate,
    media.tags,
    -- by json_each alone: other functions of JSON may not be used by views of a schema that is not trusted
    CASE WHEN media.layouts IS NOT NULL THEN '[' || coalesce((
        SELECT group_concat(replace(replace(replace(layout.json,
            char(1), coalesce((SELECT value FROM json_each(part.value, '$[1]')), '')),
            char(2), coalesce((SELECT value FROM json_each(part.value, '$[2]')), '')),
            char(3), coalesce((SELECT value FROM json_each(part.value, '$[3]')), '')), ',')
        -- in the order of the array
        FROM json_each(media.layouts) AS part
        CROSS JOIN layout ON layout.id = (SELECT value FROM json_each(part.value, '$[0]'))
    ), '') || ']' END AS streams
FROM file LEFT JOIN media ON media.file_id = file.id;
"""


def kept(connection: sqlite3.Connection) -> list[str]:
    """Return the statements that make anew what goes with the old tables and comes back as it was."""
    return [sql for (sql,) in connection.execute(f"SELECT sql {_KEPT} ORDER BY name")]


def copy(connection: sqlite3.Connection) -> None:
    """Copy all rows from the old tables to the new ones, within the transaction that is open."""
    for *media, streams in _rows(connection, "media"):
        _insert(connection, "compact_media", (*media, layouts.stored(connection, _compact(streams))))
    for file_id, packed in _rows(connection, "raw_probe"):
        _insert(connection, "compact_raw_probe", (file_id, _repacked(packed)))
    connection.create_function("path_key", 1, path_key, deterministic=True)
    connection.execute(
        "INSERT INTO compact_change SELECT id, scan_id, kind, path, path_key(path), path_text, from_path, "
        "from_path_text, changed_ms, size_before, digest_before, codec_before, duration_before_s, size_after, "
        "digest_after, codec_after, duration_after_s FROM change ORDER BY id"
    )


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    last = -1 << 63
    while rows := connection.execute(
        f"SELECT * FROM {table} WHERE file_id > ? ORDER BY file_id LIMIT {_BATCH}", (last,)
    ).fetchall():
        yield from rows
        last = rows[-1][0]


def _insert(connection: sqlite3.Connection, table: str, row: tuple[Any, ...]) -> None:
    connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)


def _compact(streams: str) -> str:
    # it is one already, if qacache wrote it
    is_compact = streams.startswith('[{"index":') or streams == "[]"
    return streams if is_compact else json.dumps(json.loads(streams), ensure_ascii=False, separators=(",", ":"))


def _repacked(packed: bytes) -> bytes:
    # what is damaged stays what it is
    with suppress(zlib.error, UnicodeDecodeError):
        return raw_answers.pack(zlib.decompress(packed).decode())
    return packed
