"""Connections to the store: how one is opened, what is refused, and what SQLite's errors mean.

In: the path of the database. Out: a `sqlite3.Connection` with the pragmas of its role, on a file that is known
to be a qacache store of the right schema; or the `StoreError` that says why not.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from qacache.errors import (
    SchemaForeign,
    SchemaOutdated,
    SchemaTooNew,
    SchemaUnsupported,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreOnNetwork,
    StoreReadOnly,
)
from qacache.filesystem import MOUNTINFO, filesystem_type, is_network_type

if TYPE_CHECKING:
    from collections.abc import Iterator

# "qaca": tells a qacache store from any other SQLite file
APPLICATION_ID = 0x71616361
SCHEMA_VERSION = 5
OLDEST_SCHEMA_VERSION = 1

_OTHER_STORE = "choose another store with --db"
_MAKE_ONE = "make one with: qacache scan FOLDER"

_SQLITE_ERRORS: tuple[tuple[str, type[StoreError], str, str], ...] = (
    ("not a database", StoreCorrupt, "is no SQLite database", _OTHER_STORE),
    ("malformed", StoreCorrupt, "is damaged", "restore a backup, or move it away and scan again"),
    ("file is encrypted", StoreCorrupt, "is no SQLite database", _OTHER_STORE),
    ("disk I/O error", StoreError, "cannot be read or written", "check the disk it is on: it may be full, or failing"),
    ("disk is full", StoreFull, "cannot grow: its disk is full", "free some space, then run this again"),
    ("readonly", StoreReadOnly, "cannot be written", f"make it writable, or {_OTHER_STORE}"),
    ("locked", StoreLocked, "is locked by another process", "wait until it is done, or stop it"),
    ("unable to open", StoreError, "cannot be opened", "check that its folder exists and can be written"),
)


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn what SQLite raises in the block into the `StoreError` that it means for the store `path`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise explanation(error, path) from error


def explanation(error: sqlite3.DatabaseError, path: str) -> StoreError:
    """Return the `StoreError` that SQLite's `error` means for the store `path`."""
    text = str(error)
    for sign, kind, problem, hint in _SQLITE_ERRORS:
        if sign in text:
            return kind(f"store {path} {problem} ({text})", hint=hint)
    return StoreError(f"store {path}: {text}")


def signed(number: int) -> int:
    """Return an unsigned 64-bit number as the signed one of the same bits, which SQLite can hold."""
    return number - (1 << 64) if number >= 1 << 63 else number


def open_reader(path: str) -> sqlite3.Connection:
    """Return a read-only connection to the store at `path`.

    Raises `StoreMissing`, a `SchemaError`, or `StoreCorrupt`.
    """
    if not os.path.exists(path):
        raise StoreMissing(f"no store at {path}", hint=_MAKE_ONE)
    refuse_folder(path)
    # a reader writes, too: it shares memory with writers through a file
    refuse_network(path)
    with explained(path):
        connection = connect_read_only(path)
    return _checked(connection, path)


def open_reader_of_any_age(path: str) -> sqlite3.Connection:
    """Return a connection as `open_reader` does, to a store of an older schema, too."""
    try:
        return open_reader(path)
    except SchemaOutdated:
        with explained(path):
            return connect_read_only(path)


def open_writer(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    """Return a connection that may write to the store at `path`, which must exist.

    Write only while holding the store's write lock. Raises as `open_reader`, and `StoreReadOnly`.
    """
    if not os.path.exists(path):
        raise StoreMissing(f"no store at {path}", hint=_MAKE_ONE)
    refuse_folder(path)
    refuse_network(path)
    with explained(path):
        connection = connect_for_writing(path, busy_timeout_s)
    return _checked(connection, path)


def connect_for_writing(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    """Return a connection for writing, whatever the schema of the file; it is made where there is none."""
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
    try:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal" and connection.execute("PRAGMA page_count").fetchone()[0] == 0:
            # must be set before the first table exists
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for pragma in (
            "synchronous = NORMAL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "cache_size = -4096",
            "journal_size_limit = 67108864",
            "mmap_size = 0",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds nothing yet: new, or given up before its first table."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def total_size(connection: sqlite3.Connection) -> int:
    """Return the bytes of the database: not its file's, as what was written last is in the write-ahead log."""
    (pages,), (page_bytes,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages * page_bytes)


def use_wal(connection: sqlite3.Connection, path: str) -> None:
    """Switch a new store to write-ahead logging; raises `StoreError` where the filesystem cannot do it."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(
            f"store {path} cannot use write-ahead logging: SQLite answered {mode!r}",
            hint="put the store on a local disk with --db",
        )


def refuse_folder(path: str) -> None:
    """Raise `StoreError` where `path` is a folder."""
    if os.path.isdir(path):
        raise StoreError(f"store {path} is a folder, not a file", hint=_OTHER_STORE)


def refuse_network(path: str, mountinfo_path: str = MOUNTINFO) -> None:
    """Raise `StoreOnNetwork` where `path` is, or would be, on a network filesystem."""
    kind = filesystem_type(path, mountinfo_path)
    if kind is not None and is_network_type(kind):
        raise StoreOnNetwork(
            f"store {path} is on a network filesystem ({kind}), where SQLite databases get corrupted",
            hint="put the store on a local disk with --db; the videos may well be on the network",
        )


def exists(path: str) -> bool:
    """Whether there is a database at `path` with anything in it, be it a store or not."""
    if not os.path.exists(path) or not os.path.getsize(path):
        return False
    refuse_folder(path)
    with explained(path), closing(connect_read_only(path)) as connection:
        return not is_empty(connection)


def check_schema(connection: sqlite3.Connection, path: str) -> None:
    """Raise the `SchemaError` that applies to what is in the database, if any; `StoreMissing` for nothing at all."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID and is_empty(connection):
        raise StoreMissing(f"no store yet, the file is empty: {path}", hint=_MAKE_ONE)
    if application_id != APPLICATION_ID:
        raise SchemaForeign(f"{path} is some other program's database", hint=_OTHER_STORE)
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"store schema {version} is newer than this qacache (knows {SCHEMA_VERSION}): {path}",
            hint=f"upgrade qacache, or {_OTHER_STORE}",
        )
    if version < OLDEST_SCHEMA_VERSION:
        raise SchemaUnsupported(
            f"store schema {version} is older than this qacache can migrate (from {OLDEST_SCHEMA_VERSION}): {path}",
            hint=f"move it away and scan again, or {_OTHER_STORE}",
        )
    if version < SCHEMA_VERSION:
        raise SchemaOutdated(
            f"store schema {version} is older than this qacache needs ({SCHEMA_VERSION}): {path}",
            hint="run: qacache migrate (it makes a backup first)",
        )


def _checked(connection: sqlite3.Connection, path: str) -> sqlite3.Connection:
    try:
        with explained(path):
            check_schema(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_read_only(path: str) -> sqlite3.Connection:
    """Return a read-only connection, whatever the schema of the file."""
    try:
        return connect_uri(path, "mode=ro")
    except sqlite3.OperationalError as error:
        # A WAL database in a folder that cannot be written, or is full: SQLite wants to make a -shm file. Where
        # there is no -wal, nobody is writing, and the file can be read as it is.
        wants_shm = any(sign in str(error) for sign in ("unable to open", "readonly", "disk I/O"))
        if not wants_shm or os.path.exists(f"{path}-wal"):
            raise
        return connect_uri(path, "mode=ro&immutable=1")


def connect_uri(path: str, query: str) -> sqlite3.Connection:
    """Return a connection that SQLite's URI parameters describe (sqlite.org/uri.html), whatever is in the file."""
    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    if name.startswith("//"):
        # what follows two slashes is a host; an empty one is this computer
        name = f"//{name}"
    connection = sqlite3.connect(f"file:{name}?{query}", uri=True, isolation_level=None)
    try:
        # the last one reads the file
        for pragma in ("cell_size_check = ON", "trusted_schema = OFF", "schema_version"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection
