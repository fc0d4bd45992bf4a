"""Snapshots: stores to be read elsewhere, with some of the files, and without what only scans need.

In: entries, and the roots they were found below. Out: one file in SQLite's rollback mode, which needs none beside it to
be read, compact. The journal is not in it; the probers' whole answers are where the entries have them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from qacache.paths import range_below
from qacache.store import intake, migrations, path_index
from qacache.store.database import explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qacache.record import Entry
    from qacache.store.reader import Root

_BATCH = 1000


def write_snapshot(path: str, entries: Iterable[Entry], roots: Iterable[Root]) -> None:
    """Write a store with `entries` to the empty file `path`, which is nobody else's; of one path the first counts.

    It is not synced. Raises `StoreError`.
    """
    coming = iter(entries)
    with explained(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # who gets the file gets it whole, so that nothing need be undone in it
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")
        migrations.make_schema(connection)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO root (path, real_path, lower, upper, scanned_ms, file_count) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (root.path, root.identity.real_path, *range_below(root.path), root.scanned_ms, root.file_count)
                for root in roots
            ],
        )
        while batch := list(islice(coming, _BATCH)):
            intake.take_in(connection, batch, lambda stored, _: stored)
        while path_index.is_due(connection) and path_index.is_usable(connection):
            path_index.index_batch(connection)
        connection.execute("COMMIT")
        connection.execute("VACUUM")
