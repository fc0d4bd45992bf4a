"""The checkup: what SQLite and the store can do."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest

from qacache.errors import StoreLocked, StoreMissing
from qacache.store.checkup import SQLITE_VERSION, checkpoint, has_trigrams
from qacache.store.lock import held, lock_path
from qacache.store.session import Store
from tests.rows import probed


def test_a_checkpoint_moves_all_that_was_written(store: Store) -> None:
    store.writer.write([probed(b"/a.mp4")])

    done = checkpoint(store.path, 0.0)

    assert done.journal_mode == "wal"
    assert done.log_bytes == done.done_bytes > 0
    # what is only in the database now is all there is
    with closing(sqlite3.connect(f"file:{store.path}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM videos").fetchone() == (1,)


def test_a_checkpoint_gets_as_far_as_the_oldest_reader(store: Store) -> None:
    store.writer.write([probed(b"/a.mp4")])
    with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM file").fetchone()
        store.writer.write([probed(b"/b.mp4")])
        done = checkpoint(store.path, 0.0)
    assert 0 < done.done_bytes < done.log_bytes


def test_a_checkpoint_is_a_write_and_waits_for_its_turn(store_path: str) -> None:
    with held(lock_path(store_path), purpose="a test", timeout_s=0.0), pytest.raises(StoreLocked, match="a test"):
        checkpoint(store_path, 0.0)


def test_without_a_store_there_is_nothing_to_checkpoint(store_path: str) -> None:
    os.unlink(store_path)
    with pytest.raises(StoreMissing):
        checkpoint(store_path, 0.0)


def test_trigrams_are_tried_and_not_guessed() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        options = {name for (name,) in connection.execute("PRAGMA compile_options")}
    assert has_trigrams() == ("ENABLE_FTS5" in options and SQLITE_VERSION >= (3, 34))
