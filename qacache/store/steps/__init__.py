"""The steps that lead to the store's schema, each with its SQL in a file beside it.

Append-only: a step that was released is never edited, and none imports today's models. Each step and the record
of it are one transaction. Nothing here needs an SQLite newer than 3.34.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING

from sqlite_utils import Migrations

from qacache.store.steps import compaction

if TYPE_CHECKING:
    from sqlite_utils import Database

STEPS = Migrations("qacache")


@STEPS()
def m001_files_and_media(db: Database) -> None:
    """Make the tables (singular) and the public views (plural)."""
    _execute(db, _sql("m001_files_and_media"))
    db.execute("PRAGMA application_id = 0x71616361")
    db.execute("PRAGMA user_version = 1")


@STEPS()
def m002_journal_and_mounts(db: Database) -> None:
    """Keep every change, what each root was, and for how long a file has been away."""
    _execute(db, _sql("m002_journal_and_mounts"))
    db.execute("PRAGMA user_version = 2")


@STEPS()
def m003_search(db: Database) -> None:
    """Let files be found by what is in them, and by parts of their paths, without a look at every row."""
    _execute(db, _sql("m003_search"))
    # not all SQLites were built with it; those without look at every path
    with suppress(sqlite3.OperationalError):
        _execute(db, _sql("m003_path_index"))
    db.execute("PRAGMA user_version = 3")


@STEPS()
def m004_proofs(db: Database) -> None:
    """Remember which files were read and found equal, and count hard links as one copy."""
    _execute(db, _sql("m004_proofs"))
    db.execute("PRAGMA user_version = 4")


@STEPS()
def m005_compact(db: Database) -> None:
    """Store the same in half the room."""
    _execute(db, compaction.TABLES)
    compaction.copy(db.conn)
    kept = compaction.kept(db.conn)
    _execute(db, compaction.PLACES)
    for statement in kept:
        db.execute(statement)
    db.execute("PRAGMA user_version = 5")


def _sql(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _execute(db: Database, script: str) -> None:
    """Execute the statements of `script`; `executescript` would commit the transaction that is open."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
