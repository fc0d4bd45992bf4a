"""The store's schema, as the numbered steps that lead to it.

Append-only: a step that was released is never edited, and none imports today's models. Each step and the record
of it are one transaction. Nothing here needs an SQLite newer than 3.34.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from sqlite_utils import Database, Migrations

from qacache.errors import SchemaOutdated, StoreError
from qacache.store import compaction, database
from qacache.store.backup.copying import use_wal
from qacache.store.backup.creation import copy_checked
from qacache.store.backup.files import Access, Partial
from qacache.store.backup.jobs import silent
from qacache.store.lock import held, lock_path, scan_lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator

migrations = Migrations("qacache")


@migrations()
def m001_files_and_media(db: Database) -> None:
    """Make the tables (singular) and the public views (plural)."""
    for statement in _statements(_M001):
        db.execute(statement)
    db.execute("PRAGMA application_id = 0x71616361")
    db.execute("PRAGMA user_version = 1")


@migrations()
def m002_journal_and_mounts(db: Database) -> None:
    """Keep every change, what each root was, and for how long a file has been away."""
    for statement in _statements(_M002):
        db.execute(statement)
    db.execute("PRAGMA user_version = 2")


@migrations()
def m003_search(db: Database) -> None:
    """Let files be found by what is in them, and by parts of their paths, without a look at every row."""
    for statement in _statements(_M003):
        db.execute(statement)
    # not all SQLites were built with it; those without look at every path
    with suppress(sqlite3.OperationalError):
        for statement in _statements(_M003_PATH_INDEX):
            db.execute(statement)
    db.execute("PRAGMA user_version = 3")


@migrations()
def m004_proofs(db: Database) -> None:
    """Remember which files were read and found equal, and count hard links as one copy."""
    for statement in _statements(_M004):
        db.execute(statement)
    db.execute("PRAGMA user_version = 4")


@migrations()
def m005_compact(db: Database) -> None:
    """Store the same in half the room."""
    for statement in _statements(compaction.TABLES):
        db.execute(statement)
    compaction.copy(db.conn)
    kept = compaction.kept(db.conn)
    for statement in (*_statements(compaction.PLACES), *kept):
        db.execute(statement)
    db.execute("PRAGMA user_version = 5")


def create(path: str, busy_timeout_s: float) -> None:
    """Make a new store at `path`, with its folder; nothing happens where another process was quicker.

    Raises `StoreOnNetwork` and other `StoreError`s.
    """
    database.refuse_network(path)
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"no folder can be made for the store {path}: {error.strerror}",
            hint="choose another store with --db",
        ) from error
    with (
        held(lock_path(path), purpose="creating the store", timeout_s=busy_timeout_s),
        database.explained(path),
        closing(database.connect_for_writing(path, busy_timeout_s)) as connection,
    ):
        if database.is_empty(connection):
            database.use_wal(connection, path)
            make_schema(connection)


def make_schema(connection: sqlite3.Connection) -> None:
    """Make the tables and views in a database that is empty."""
    db = Database(connection)
    # all or nothing: other processes must not take half a store for some other program's database
    with db.atomic():
        migrations.apply(db)


def pending(path: str) -> list[str]:
    """Return the names of the steps that the store at `path` still needs, oldest first."""
    try:
        database.open_reader(path).close()
    except SchemaOutdated:
        # not a writer: closing one may checkpoint, which is a write, and nobody holds the lock here
        with database.explained(path), closing(database.connect_read_only(path)) as connection:
            return [step.name for step in migrations.pending(Database(connection))]
    return []


def migrate(path: str, busy_timeout_s: float) -> str | None:
    """Bring the store at `path` up to date; return the path of the backup made before, None if nothing was due.

    Raises a `SchemaError` for what cannot be migrated, `StoreLocked` while another process writes.
    """
    if not pending(path):
        return None
    with (
        held(scan_lock_path(path), purpose="migrating the store", timeout_s=0.0),
        held(lock_path(path), purpose="migrating the store", timeout_s=busy_timeout_s),
        database.explained(path),
        closing(database.connect_for_writing(path, busy_timeout_s)) as connection,
    ):
        db = Database(connection)
        if not migrations.pending(db):
            return None  # another process was quicker
        backup = _back_up(connection, path)
        migrations.apply(db)
        return backup


def _back_up(connection: sqlite3.Connection, path: str) -> str:
    """Write the store to a new file beside it, checked and synced; return that file's path."""
    try:
        return _write_backup(connection, path)
    except StoreError as error:
        raise type(error)(f"store {path} was not migrated: {error}", hint=error.hint) from error
    except OSError as error:
        raise StoreError(
            f"store {path} was not migrated: it cannot be backed up: {error}",
            hint="see that its folder can be written, and has room for another store",
        ) from error


def _write_backup(connection: sqlite3.Connection, path: str) -> str:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    target = f"{path}.schema-{version}.backup"
    temporary = f"{target}.tmp"
    if os.path.exists(temporary):
        os.unlink(temporary)
    with Partial(temporary, Access.of(os.stat(path))) as making:
        copy_checked(connection, making, silent, store=path)
        # for whoever puts it in the store's place by hand
        use_wal(making)
        making.move(target)
    return target


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of `script`; `executescript` would commit the transaction that is open."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


_M001 = """
CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,          -- as the operating system has it
    path_text TEXT,                     -- only where path is no UTF-8: with replacement characters
    nfc_path BLOB,                      -- only where it differs: path in Unicode form NFC
    size INTEGER NOT NULL,              -- bytes
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    device INTEGER NOT NULL,
    digest BLOB,                        -- xxh3_128 of size, head, middle and tail
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'vanished')),
    first_seen_ms INTEGER NOT NULL,     -- since the epoch
    last_seen_ms INTEGER NOT NULL,      -- by itself; a complete scan of a root above has seen it, too, unless
    unlisted INTEGER NOT NULL DEFAULT 0 -- its folder could not be listed in the last scan
);
-- all that the merge join reads: of millions of rows a third of the bytes
CREATE INDEX file_walk ON file (path, size, mtime_ns, status);
CREATE INDEX file_digest ON file (digest) WHERE digest IS NOT NULL;
-- of content that is known, to reuse its probe
CREATE INDEX file_content ON file (digest, size) WHERE digest IS NOT NULL AND status <> 'failed';
CREATE INDEX file_nfc_path ON file (nfc_path) WHERE nfc_path IS NOT NULL;
CREATE INDEX file_not_ok ON file (path) WHERE status <> 'ok';
CREATE INDEX file_unlisted ON file (path) WHERE unlisted;

CREATE TABLE media (
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
    streams TEXT NOT NULL               -- a JSON array
);

CREATE TABLE raw_probe (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    json BLOB NOT NULL                  -- what the prober said, zlib
);

CREATE TABLE failure (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    prober TEXT,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failed_ms INTEGER NOT NULL,
    next_retry_ms INTEGER NOT NULL
);

CREATE TABLE scan (
    id INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,                -- NULL: it runs, or died
    state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'interrupted', 'failed')),
    roots TEXT NOT NULL,                -- a JSON array
    summary TEXT                        -- a JSON object: counts by outcome
);

CREATE TABLE root (
    path BLOB PRIMARY KEY,
    real_path BLOB NOT NULL,            -- without symbolic links
    lower BLOB NOT NULL,                -- lower <= path < upper: the paths below
    upper BLOB NOT NULL,
    scanned_ms INTEGER NOT NULL,        -- the start of its last complete scan
    file_count INTEGER NOT NULL         -- what that scan found
);

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
    media.streams
FROM file LEFT JOIN media ON media.file_id = file.id;

CREATE VIEW failures AS
SELECT
    file.id,
    coalesce(file.path_text, CAST(file.path AS TEXT)) AS path,
    file.size,
    failure.stage,
    failure.reason,
    failure.message,
    failure.prober,
    failure.attempts,
    strftime('%Y-%m-%dT%H:%M:%fZ', failure.failed_ms / 1e3, 'unixepoch') AS failed_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', failure.next_retry_ms / 1e3, 'unixepoch') AS next_retry
FROM failure JOIN file ON file.id = failure.file_id
WHERE file.status = 'failed';

CREATE VIEW duplicates AS
SELECT
    lower(hex(file.digest)) AS digest,
    file.size,
    count(*) AS files,
    (count(*) - 1) * file.size AS wasted
FROM file
WHERE file.digest IS NOT NULL AND file.status <> 'vanished'
GROUP BY file.digest
HAVING count(*) > 1;

CREATE VIEW scans AS
SELECT
    scan.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', scan.started_ms / 1e3, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', scan.finished_ms / 1e3, 'unixepoch') AS finished_at,
    scan.state,
    scan.roots,
    scan.summary
FROM scan;
"""

_M002 = """
CREATE TABLE change (
    id INTEGER PRIMARY KEY,
    scan_id INTEGER REFERENCES scan (id) ON DELETE CASCADE, -- NULL: found since the last one, the next one's
    kind TEXT NOT NULL CHECK (kind IN ('added', 'removed', 'moved', 'replaced', 're-encoded')),
    path BLOB NOT NULL,
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
CREATE INDEX change_scan ON change (scan_id, kind);
CREATE INDEX change_path ON change (path);
CREATE INDEX change_from_path ON change (from_path) WHERE from_path IS NOT NULL;

-- how many complete scans of a root above did not see it, of what vanished
ALTER TABLE file ADD COLUMN away INTEGER NOT NULL DEFAULT 0;

ALTER TABLE root ADD COLUMN filesystem TEXT;    -- type, such as nfs4; NULL: not known
ALTER TABLE root ADD COLUMN source TEXT;        -- what is mounted, such as nas:/volume1/media
ALTER TABLE root ADD COLUMN inode INTEGER;      -- of the folder

CREATE VIEW changes AS
SELECT
    change.id,
    change.scan_id,
    change.kind,
    coalesce(change.path_text, CAST(change.path AS TEXT)) AS path,
    coalesce(change.from_path_text, CAST(change.from_path AS TEXT)) AS from_path,
    strftime('%Y-%m-%dT%H:%M:%fZ', change.changed_ms / 1e3, 'unixepoch') AS changed_at,
    change.size_before,
    change.size_after,
    coalesce(change.size_after, 0) - coalesce(change.size_before, 0) AS size_delta,
    change.codec_before,
    change.codec_after,
    change.duration_before_s,
    change.duration_after_s
FROM change;
"""

_KIND = "format_name, video_codec, audio_codec, orientation, hdr, display_width, display_height"

_IS_KIND = """
    kind.format_name IS {0}.format_name AND kind.video_codec IS {0}.video_codec
    AND kind.audio_codec IS {0}.audio_codec AND kind.orientation IS {0}.orientation AND kind.hdr IS {0}.hdr
    AND kind.display_width IS {0}.display_width AND kind.display_height IS {0}.display_height
"""

_FOLLOW_MEDIA = f"""
    INSERT INTO kind ({_KIND}) SELECT NEW.{_KIND.replace(", ", ", NEW.")}
        WHERE NOT EXISTS (SELECT 1 FROM kind WHERE {_IS_KIND.format("NEW")});
    UPDATE file SET length_s = NEW.duration_s, kind_id = (SELECT id FROM kind WHERE {_IS_KIND.format("NEW")})
        WHERE id = NEW.file_id;
"""

_M003 = f"""
-- What many files have in common. In a library of a million there are a thousand kinds: what fits is found by them.
CREATE TABLE kind (
    id INTEGER PRIMARY KEY,
    format_name TEXT,
    video_codec TEXT,
    audio_codec TEXT,
    orientation TEXT,
    hdr TEXT,
    display_width INTEGER,
    display_height INTEGER
);
CREATE INDEX kind_all ON kind ({_KIND});
INSERT INTO kind ({_KIND}) SELECT DISTINCT {_KIND} FROM media;

-- of the media of a file, where there are any
ALTER TABLE file ADD COLUMN kind_id INTEGER;
ALTER TABLE file ADD COLUMN length_s REAL;
UPDATE file SET (kind_id, length_s) = (
    SELECT kind.id, media.duration_s FROM media, kind WHERE media.file_id = file.id AND {_IS_KIND.format("media")}
);
CREATE TRIGGER media_added AFTER INSERT ON media BEGIN {_FOLLOW_MEDIA} END;
CREATE TRIGGER media_changed AFTER UPDATE ON media BEGIN {_FOLLOW_MEDIA} END;
CREATE TRIGGER media_removed AFTER DELETE ON media BEGIN
    UPDATE file SET kind_id = NULL, length_s = NULL WHERE id = OLD.file_id;
END;

-- Both hold all that files are chosen by, so that a search has to look at nothing else, even if it looks at all of one.
DROP INDEX file_walk;
CREATE INDEX file_walk ON file (path, size, mtime_ns, status, kind_id, length_s, path_text, nfc_path);
CREATE INDEX file_size ON file (size, status, kind_id, length_s, mtime_ns);

-- the files that the index of paths does not have yet: many at a time take it a third of the time
CREATE TABLE unindexed (file_id INTEGER PRIMARY KEY);
INSERT INTO unindexed (file_id) SELECT id FROM file;
CREATE TRIGGER file_added AFTER INSERT ON file BEGIN
    INSERT INTO unindexed (file_id) VALUES (NEW.id);
END;
CREATE TRIGGER file_removed AFTER DELETE ON file BEGIN
    DELETE FROM unindexed WHERE file_id = OLD.id;
END;
"""

_M003_PATH_INDEX = """
CREATE VIRTUAL TABLE path_trigram
    USING fts5 (path, content = '', columnsize = 0, detail = none, tokenize = 'trigram');
INSERT INTO path_trigram (rowid, path)
    SELECT id, coalesce(path_text, CAST(coalesce(nfc_path, path) AS TEXT)) FROM file;
DELETE FROM unindexed;
"""

_M004 = """
-- what is in files that were compared with others, as long as they are what they were then
CREATE TABLE proof (
    file_id INTEGER NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    length INTEGER NOT NULL,            -- bytes from the beginning: all, or up to where it differs from another
    hash BLOB NOT NULL,                 -- xxh3_128 of these
    size INTEGER NOT NULL,              -- of the file
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    PRIMARY KEY (file_id, length)
) WITHOUT ROWID;

-- all that duplicates are counted by
DROP INDEX file_digest;
CREATE INDEX file_digest ON file (digest, size, device, inode, status) WHERE digest IS NOT NULL;

DROP VIEW duplicates;
CREATE VIEW duplicates AS
SELECT
    lower(hex(file.digest)) AS digest,
    file.size,
    count(*) AS files,
    count(DISTINCT file.device || ' ' || file.inode) AS copies, -- hard links are names of one
    (count(DISTINCT file.device || ' ' || file.inode) - 1) * file.size AS wasted
FROM file
WHERE file.digest IS NOT NULL AND file.status <> 'vanished'
GROUP BY file.digest, file.size
HAVING copies > 1;
"""
