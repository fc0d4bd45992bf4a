"""Copying a store that may be in use: what it was at one moment, in a file of its own.

In: a connection to the store. Out: a copy in rollback mode, as nothing that will be read on a network filesystem may be
in WAL mode.

A read transaction keeps that moment for as long as the copy takes. No lock of qacache's is held: reading neither writes
nor checkpoints, so this cannot be one of two connections that do so at the same instant, which is what corrupts stores
in SQLite before 3.51.3 (sqlite.org/wal.html#walresetbug). A scan writes on meanwhile; only its log is not reset before
the end. SQLite's backup API takes an eighth of the time of `VACUUM INTO` at a million files, and can be interrupted
between two steps; what it copies is not compacted, which is what `qacache vacuum` is for.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from qacache.errors import StoreFull, StoreReadOnly
from qacache.store import database
from qacache.store.backup.checking import Contents, contents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.store.backup.files import Partial
    from qacache.store.backup.jobs import Tell

# A step of the copy: 4 MB.
_PAGES = 1000
# sqlite.org/fileformat2.html#file_format_version_numbers
_MODE_OFFSET = 18
_ROLLBACK_MODE, _WAL_MODE = b"\x01\x01", b"\x02\x02"


def copy(source: sqlite3.Connection, making: Partial, tell: Tell, *, store: str) -> Contents:
    """Write the store as it is at this moment to `making`, which is empty; return what is in it.

    Nothing is synced, or checked. Raises `StoreFull` and other `StoreError`s, which name the `store`.
    """
    with (
        _explained(making.path, store),
        closing(database.connect_uri(making.path, "mode=rw&nolock=1")) as target,
        _one_moment(source),
    ):
        # nobody else has the file, and one that is not finished is thrown away
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        page_bytes = source.execute("PRAGMA page_size").fetchone()[0]
        source.backup(
            target,
            pages=_PAGES,
            progress=lambda _, left, total: tell("copying", (total - left) * page_bytes, total * page_bytes),
        )
        found = contents(source)
    os.pwrite(making.descriptor, _ROLLBACK_MODE, _MODE_OFFSET)
    return found


def use_wal(making: Partial) -> None:
    """Make a finished copy a store, in WAL mode as all of them are, and sync it. Raises `OSError`.

    SQLite is not asked to: where `flock` and its locks are of one kind, as on macOS, it would wait for `making`.
    """
    os.pwrite(making.descriptor, _WAL_MODE, _MODE_OFFSET)
    os.fsync(making.descriptor)


@contextmanager
def _one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        # the transaction begins with the first thing that is read
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _explained(path: str, store: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        # the store is only read: it is the copy that has to be written
        if "full" in str(error):
            raise StoreFull(
                f"no room for a copy of the store in {os.path.dirname(path)}: {error}", hint="free some space there"
            ) from error
        if "readonly" in str(error) or "unable to open" in str(error):
            raise StoreReadOnly(
                f"no copy of the store can be written to {path}: {error}", hint="see who may write there"
            ) from error
        raise database.explanation(error, store) from error
