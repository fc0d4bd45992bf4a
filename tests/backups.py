"""What tests of backups share: stores to back up, ways to spoil a file, and what is left in a folder."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from qacache.store.reader import Reader
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.rows import probed

SCHEMAS = Path(__file__).parent / "data" / "schema"


def a_writer(path: str) -> Writer:
    return Writer(path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600))


def write(path: str, *names: bytes) -> None:
    """Store a video by each name."""
    with a_writer(path) as writer:
        writer.write([probed(name, str(name)) for name in names])


def names(path: str) -> list[bytes]:
    """The files that the store knows."""
    with Reader(path) as reader:
        return [row.path for row in reader.below(b"/", ())]


def query(path: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def execute(path: str, sql: str) -> str:
    """Change a database behind the store's back; return its path."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
    return path


def old_store(path: str, version: int = 1) -> str:
    """Make a store of an old schema."""
    return execute(path, (SCHEMAS / f"v{version}.sql").read_text(encoding="utf-8"))


def lose_index_entries(path: str) -> None:
    """Damage a store as SQLite's WAL-reset bug does: rows that an index lacks, which only integrity_check sees."""
    execute(
        path,
        """
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = replace(sql, 'WHERE status <> ', 'WHERE status = ') WHERE name = 'file_not_ok';
        """,
    )


def spoil(path: str, offset: int) -> None:
    """Turn over the bits of 64 bytes of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        content = file.read(64)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in content))


def all_in(folder: str) -> list[str]:
    return sorted(os.listdir(folder))
