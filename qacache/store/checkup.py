"""What a doctor asks of SQLite and of a store: can it checkpoint, can it index, is its release a sound one.

Out: plain facts. What is good or bad about them is for `qacache.readiness` to say.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import NamedTuple

from qacache.store.database import explained, open_writer
from qacache.store.lock import held, lock_path

_POLL_S = 0.05

SQLITE_VERSION = sqlite3.sqlite_version_info
"""The release of SQLite that this process runs."""


class Checkpoint(NamedTuple):
    """How a checkpoint went: bytes in the write-ahead log, and how many of them are in the database now.

    `journal_mode` is `wal`, or else the store has no such log.
    """

    journal_mode: str
    log_bytes: int
    done_bytes: int


def checkpoint(path: str, timeout_s: float) -> Checkpoint:
    """Move what is in the write-ahead log of the store at `path` to the database, as far as readers let it.

    Tries again for `timeout_s` while a reader holds it up. Raises as `open_writer`, and `StoreLocked` where another
    process writes for that long.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        done = _checkpoint_once(path, timeout_s)
        if done.done_bytes >= done.log_bytes or time.monotonic() >= deadline:
            return done
        time.sleep(_POLL_S)


def _checkpoint_once(path: str, timeout_s: float) -> Checkpoint:
    with (
        # until the connection is closed, which may checkpoint, too
        held(lock_path(path), purpose="qacache doctor", timeout_s=timeout_s),
        explained(path),
        closing(open_writer(path, timeout_s)) as connection,
    ):
        (journal_mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        # waits for nobody
        _, log_pages, done_pages = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return Checkpoint(journal_mode, log_pages * page_bytes, done_pages * page_bytes)


def has_trigrams() -> bool:
    """Whether this SQLite can index parts of words: FTS5 with its tokenizer `trigram`."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE paths USING fts5 (path, tokenize = 'trigram')")
        except sqlite3.OperationalError:
            return False
    return True
