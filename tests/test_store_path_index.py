"""The index of paths: that it leaves nothing out, whatever happens to the files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from qacache.events import Vanished
from qacache.store import migrations, path_index, steps
from qacache.store.database import SCHEMA_VERSION
from qacache.store.maintenance import Maintenance
from qacache.store.session import Store
from tests.rows import probed, reused

PATHS = (b"/v/summer holiday.mp4", "/v/cafe\u0301.mkv".encode(), b"/v/caf\xe9 au lait.ts")


@pytest.fixture
def connection(store: Store) -> Iterator[sqlite3.Connection]:
    """A connection to a store with three files."""
    store.writer.write([probed(path, str(number)) for number, path in enumerate(PATHS)])
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        yield connection


def indexed(connection: sqlite3.Connection, *texts: str) -> list[int]:
    match = path_index.match_of([[list(texts)]])
    return [row for (row,) in connection.execute("SELECT rowid FROM path_trigram WHERE path_trigram MATCH ?", (match,))]


def unindexed(connection: sqlite3.Connection) -> list[int]:
    return [row for (row,) in connection.execute("SELECT file_id FROM unindexed ORDER BY 1")]


def test_new_files_wait_for_the_index_and_are_taken_in_batches(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unindexed(connection) == [1, 2, 3]
    monkeypatch.setattr(path_index, "BATCH", 2)
    assert path_index.is_due(connection)
    path_index.index_batch(connection)
    assert unindexed(connection) == [3]
    assert not path_index.is_due(connection)
    assert indexed(connection, "holiday") == [1]
    path_index.index_batch(connection)
    assert unindexed(connection) == []
    assert indexed(connection, "caf") == [2, 3]


def test_a_writer_indexes_what_is_due(
    store: Store, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_index, "BATCH", 2)
    store.writer.write([probed(b"/v/winter holiday.mp4", "x")])
    assert unindexed(connection) == [3, 4]
    store.writer.write([Vanished(b"/v/winter holiday.mp4")])
    assert unindexed(connection) == []
    assert indexed(connection, "holiday") == [1, 4]


def test_the_end_of_a_scan_indexes_all_that_is_due(
    store: Store, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = store.writer.begin_scan([b"/v"])
    monkeypatch.setattr(path_index, "BATCH", 1)
    store.writer.end_scan(scan, "complete", {})
    assert unindexed(connection) == []
    assert indexed(connection, "caf") == [2, 3]


def test_where_there_is_no_fts5_nothing_waits_for_it(
    store: Store, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_index, "is_usable", lambda connection: False)
    monkeypatch.setattr(path_index, "BATCH", 1)
    scan = store.writer.begin_scan([b"/v"])
    store.writer.write([probed(b"/v/more.mp4", "x")])
    store.writer.end_scan(scan, "complete", {})
    Maintenance(store.path, prune_after=3, history_s=1e9, busy_timeout_s=0.2).prune()
    assert unindexed(connection) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("café.mkv", [2]), ("caf\N{REPLACEMENT CHARACTER} au", [3]), ("CAFÉ", [2]), ("holiday.", [1])],
)
def test_paths_are_indexed_as_text_in_form_nfc(connection: sqlite3.Connection, text: str, expected: list[int]) -> None:
    path_index.index_batch(connection)
    assert indexed(connection, path_index.fold(text)) == expected


def test_a_file_that_changes_stays_in_the_index_as_it_is(store: Store, connection: sqlite3.Connection) -> None:
    path_index.index_batch(connection)
    store.writer.write([probed(PATHS[0], "new"), Vanished(PATHS[1]), reused(PATHS[2], "new", PATHS[0])])
    assert unindexed(connection) == []
    assert indexed(connection, "holiday") == [1]


def test_what_is_pruned_leaves_the_index(store: Store, connection: sqlite3.Connection) -> None:
    path_index.index_batch(connection)
    store.writer.write([probed(b"/v/late holiday.mp4", "x"), Vanished(PATHS[0]), Vanished(b"/v/late holiday.mp4")])
    connection.execute("UPDATE file SET away = 9")
    assert unindexed(connection) == [4]
    maintenance = Maintenance(store.path, prune_after=3, history_s=1e9, busy_timeout_s=0.2)
    assert maintenance.prune().files == 2
    assert indexed(connection, "holiday") == unindexed(connection) == []
    assert indexed(connection, "caf") == [2, 3]
    # its id may be given again
    store.writer.write([probed(b"/v/early holiday.mp4", "y")])
    assert unindexed(connection) == [4]
    path_index.index_batch(connection)
    assert indexed(connection, "early", "holiday") == [4]
    assert connection.execute("INSERT INTO path_trigram (path_trigram) VALUES ('integrity-check')").fetchall() == []


def test_a_vacuum_brings_the_index_up_to_date(store: Store, connection: sqlite3.Connection) -> None:
    assert unindexed(connection) == [1, 2, 3]
    Maintenance(store.path, prune_after=3, history_s=1e9, busy_timeout_s=0.2).prune(full=True)
    assert unindexed(connection) == []
    assert indexed(connection, "holiday") == [1]


def test_a_store_that_was_made_without_an_index_gets_one(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE path_trigram")
    assert not path_index.is_usable(connection)
    path_index.forget(connection, [1])
    path_index.index_batch(connection)
    assert path_index.is_usable(connection)
    assert indexed(connection, "holiday") == [1]


def test_a_store_that_is_made_where_there_is_no_fts5_works_without(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path_factory.mktemp("plain") / "qacache.db")
    real = steps._sql
    without = {"m003_path_index": "CREATE VIRTUAL TABLE path_trigram USING no_such_module;"}
    monkeypatch.setattr(steps, "_sql", lambda name: without.get(name) or real(name))
    migrations.create(path, busy_timeout_s=0.2)
    with closing(sqlite3.connect(path)) as connection:
        assert not path_index.is_usable(connection)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([[["holiday"]]], '(("day" AND "hol" AND "ida" AND "lid" AND "oli"))'),
        ([[["abc", "bcd"]]], '(("abc" AND "bcd"))'),
        ([[["abc"], ["xyz"]]], '(("abc") OR ("xyz"))'),
        ([[["abc"]], [["xyz"]]], '(("abc")) AND (("xyz"))'),
        ([[['a"b']]], '(("a""b"))'),
        # too short for any trigram: the other criteria have to do
        ([[["ab"]]], None),
        ([[["abc"], ["ab"]]], None),
        ([[["abc"]], [["ab"]]], '(("abc"))'),
        # letters of which not all releases know both cases
        ([[["\U00010400\U00010401\U00010402"]]], None),
        ([[["日本語"]]], '(("日本語"))'),
        ([], None),
    ],
)
def test_an_expression_asks_for_trigrams(groups: list[list[list[str]]], expected: str | None) -> None:
    assert path_index.match_of(groups) == expected


def test_of_a_long_text_few_trigrams_are_enough() -> None:
    match = path_index.match_of([[["abcdefghijklmnopqrstuvwxyz" * 100]]])
    assert match is not None
    assert 3 < match.count("AND") < 20
