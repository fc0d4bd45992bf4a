"""Migrations: a store is made, or brought up to date, by the steps of `qacache.store.steps`.

In: the path of a store. Out: the same with today's schema, and a backup of what it was before.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from sqlite_utils import Database

from qacache.errors import SchemaOutdated, StoreError
from qacache.store import database
from qacache.store.backup.copying import use_wal
from qacache.store.backup.creation import copy_checked
from qacache.store.backup.files import Access, Partial
from qacache.store.backup.jobs import silent
from qacache.store.lock import held, lock_path, scan_lock_path
from qacache.store.steps import STEPS


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
        STEPS.apply(db)


def pending(path: str) -> list[str]:
    """Return the names of the steps that the store at `path` still needs, oldest first."""
    try:
        database.open_reader(path).close()
    except SchemaOutdated:
        # not a writer: closing one may checkpoint, which is a write, and nobody holds the lock here
        with database.explained(path), closing(database.connect_read_only(path)) as connection:
            return [step.name for step in STEPS.pending(Database(connection))]
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
        if not STEPS.pending(db):
            return None  # another process was quicker
        backup = _back_up(connection, path)
        STEPS.apply(db)
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
