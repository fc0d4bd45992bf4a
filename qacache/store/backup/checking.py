"""Checking a finished copy of a store: whether it is one, whether it is whole, and what is in it.

In: the path of a file that nobody writes. Out: its `Contents`, or the `StoreError` that says what is wrong with it.

`PRAGMA integrity_check` takes longer than all the rest of a backup together, as it looks up every row in every index;
`quick_check`, which does not, would pass a store that lost entries of an index. So whatever else is to be known of the
file is found out at the same time.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import SchemaForeign, SchemaTooNew, SchemaUnsupported, StoreCorrupt, StoreError
from qacache.store import database
from qacache.store.backup import files, jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from qacache.store.backup.jobs import Effort, Tell

OLDER_HINT = "an older backup may be whole: qacache backup list"

# KiB: rows are looked up in indexes of digests, which is in no order, and each page is wanted again and again.
_CACHE_KIB = 65_536
# Steps of SQLite's virtual machine between two looks whether a check is to end: some milliseconds.
_STEPS = 100_000


class Contents(NamedTuple):
    """What a store has: its schema, who it is, and how many rows there are in each table.

    `store_id` is the moment when the store was made, which all its backups have in common; empty where nobody knows.
    """

    schema_version: int
    store_id: str
    counts: Mapping[str, int]


def contents(connection: sqlite3.Connection) -> Contents:
    """Return what is in a store of any schema. May raise what SQLite raises."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = _tables(connection)
    store_id = None
    if "_sqlite_migrations" in tables:
        (store_id,) = connection.execute("SELECT min(applied_at) FROM _sqlite_migrations").fetchone()
    counts = {name: connection.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()[0] for name in tables}
    return Contents(version, str(store_id or ""), counts)


def examine(path: str, tell: Tell, *, name: str) -> Contents:
    """Return what is in the copy of a store at `path`, all of which is checked.

    Raises `StoreCorrupt`, or the `SchemaError` that makes it no use; `name` is what they call it.
    """
    found = _look(path, name)
    with _explained(name):
        jobs.run(_checks(path, name), tell)
    return found


def seal(path: str, tell: Tell, *, name: str) -> tuple[Contents, str]:
    """Return what is in the copy at `path`, and its SHA-256; all of it is checked, and on its disk.

    Raises as `examine`, and `OSError`.
    """

    def sync(effort: Effort) -> str:
        files.sync(path)
        return ""

    found = _look(path, name)
    work = [*_checks(path, name), sync, lambda effort: files.sha256(path, effort.tell)]
    with _explained(name):
        *_, digest = jobs.run(work, tell)
    return found, digest


def connect_finished(path: str) -> sqlite3.Connection:
    """Return a read-only connection to a file that nobody writes, wherever it lies: it needs no locks."""
    return database.connect_uri(path, "mode=ro&immutable=1")


def _look(path: str, name: str) -> Contents:
    with _explained(name), closing(connect_finished(path)) as connection:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if database.is_empty(connection):
            raise StoreCorrupt(f"{name} is empty", hint=OLDER_HINT)
        if application_id != database.APPLICATION_ID:
            raise SchemaForeign(f"{name} is some other program's database", hint="name a backup of qacache")
        if version > database.SCHEMA_VERSION:
            raise SchemaTooNew(
                f"{name} has schema {version}, newer than this qacache (knows {database.SCHEMA_VERSION})",
                hint="upgrade qacache",
            )
        if version < database.OLDEST_SCHEMA_VERSION:
            raise SchemaUnsupported(
                f"{name} has schema {version}, older than this qacache can migrate "
                f"(from {database.OLDEST_SCHEMA_VERSION})",
                hint="scan again instead",
            )
        return contents(connection)


def _checks(path: str, name: str) -> list[Callable[[Effort], str]]:
    return [partial(_check, path, name, pragma) for pragma in ("integrity_check(1)", "foreign_key_check")]


def _check(path: str, name: str, pragma: str, effort: Effort) -> str:
    effort.tell("checking")
    with closing(connect_finished(path)) as connection:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.set_progress_handler(effort.is_over, _STEPS)
        try:
            row = connection.execute(f"PRAGMA {pragma}").fetchone()
        except sqlite3.OperationalError as error:
            if effort.is_over():
                raise jobs.Stopped from error
            raise
    if row not in (None, ("ok",)):
        is_integrity = len(row) == 1
        problem = " ".join(row[0].split()) if is_integrity else f"row {row[1]} of {row[0]} refers to no {row[2]}"
        raise StoreCorrupt(f"{name} is damaged: {problem}", hint=OLDER_HINT)
    return ""


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "not a database" in text:
            raise StoreCorrupt(f"{name} is no SQLite database", hint="name a backup of qacache") from error
        if "malformed" in text:
            raise StoreCorrupt(f"{name} is damaged: {text}", hint=OLDER_HINT) from error
        raise StoreError(f"{name} cannot be read: {text}") from error


def _tables(connection: sqlite3.Connection) -> list[str]:
    # virtual ones have no pages: theirs are those of tables that they keep
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    return [name for (name,) in connection.execute(query)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
