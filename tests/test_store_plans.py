"""How SQLite goes about the statements of readers and writers: along indexes, whatever the size of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from qacache.events import Vanished
from qacache.models import RootIdentity
from qacache.store import reader, writer
from qacache.store.reader import COLUMNS, Reader
from qacache.store.records import RECORD_COLUMNS
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.rows import digest_of, failed, probed, reused

A, B, C = b"/v/a.mp4", b"/v/b.mp4", b"/v/sub/c.mp4"

Plans = Callable[[], dict[str, list[str]]]


@pytest.fixture
def plans(store_path: str, monkeypatch: pytest.MonkeyPatch) -> Plans:
    """Have every statement noted that readers and writers run from now on; gives each with SQLite's plan for it."""
    statements: list[str] = []

    def noting(open_it: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        def opened(*arguments: Any) -> sqlite3.Connection:
            connection = open_it(*arguments)
            connection.set_trace_callback(statements.append)
            return connection

        return opened

    monkeypatch.setattr(reader, "open_reader", noting(reader.open_reader))
    monkeypatch.setattr(writer, "open_writer", noting(writer.open_writer))

    def explain() -> dict[str, list[str]]:
        with closing(sqlite3.connect(store_path)) as connection:
            return {
                each: [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {each}")]
                for each in statements
                # temporary tables are the other connection's own
                if not each.startswith(("PRAGMA", "--")) and "displaced" not in each
            }

    return explain


def test_no_lookup_and_no_listing_reads_more_than_it_must(store_path: str, plans: Plans) -> None:
    with Reader(store_path) as asked:
        list(asked.known_files(b"/v"))
        list(asked.below(b"/v", RECORD_COLUMNS))
        list(asked.below(b"/v", tuple(COLUMNS.values()), only_failed=True))
        asked.known(A)
        asked.find(A, RECORD_COLUMNS)
        asked.find_composed("/v/cafe\u0301.mp4".encode(), RECORD_COLUMNS)
        asked.path_with_content(digest_of("a"), 1)
    explained = plans()
    assert len(explained) == 7
    for statement, steps in explained.items():
        assert steps, statement
        assert [step for step in steps if not step.startswith("SEARCH ")] == [], statement


def test_no_write_reads_more_than_it_must(store_path: str, plans: Plans) -> None:
    with Writer(store_path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as asked:
        asked.write([probed(A), failed(B), reused(C, "a", A), Vanished(A)])
        asked.write([reused(C, "a", A)])
        asked.end_root(b"/v", RootIdentity(b"/v"), file_count=3, scanned_ms=1, unlisted=[b"/v/sub"])
    reading = {statement: steps for statement, steps in plans().items() if steps}
    assert len(reading) > 6
    # of the last, a batch is looked at
    small = ("root", "scan", "unindexed")
    for statement, steps in reading.items():
        large = [step for step in steps if not step.endswith(tuple(f" {table}" for table in small))]
        assert [step for step in large if step.startswith("SCAN") and "VALUES" not in step] == [], statement
        assert [step for step in large if "TEMP B-TREE" in step] == [], statement


def test_a_content_is_looked_for_by_its_digest_and_never_by_its_size(store_path: str, plans: Plans) -> None:
    with Reader(store_path) as reader, Writer(store_path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as asked:
        reader.path_with_content(digest_of("a"), 1)
        reader.path_with_failure(digest_of("a"), 1)
        asked.write([probed(A, "a")])
        scan = asked.begin_scan([b"/v"])
        asked.write([Vanished(A), probed(B, "a")])
        asked.end_scan(scan, "complete", {})
    by_content = {statement: steps for statement, steps in plans().items() if "AND digest IS NOT NULL" in statement}
    assert len(by_content) > 3
    for statement, steps in by_content.items():
        files = [step for step in steps if step.startswith("SEARCH file")]
        assert [step for step in files if "file_digest" not in step and "file_content" not in step] == [], statement


def test_a_transaction_takes_its_lock_at_once(store_path: str, plans: Plans) -> None:
    with Writer(store_path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as asked:
        asked.write([probed(A)])
        asked.end_scan(asked.begin_scan([b"/v"]), "complete", {})
        asked.end_root(b"/v", RootIdentity(b"/v"), file_count=3, scanned_ms=1, unlisted=[b"/v/sub"])
    begun = {statement for statement in plans() if statement.startswith("BEGIN")}
    assert begun == {"BEGIN IMMEDIATE"}


def test_duplicates_are_counted_along_an_index(store_path: str) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        steps = [step for *_, step in connection.execute("EXPLAIN QUERY PLAN SELECT * FROM duplicates")]
    assert any("USING COVERING INDEX file_digest" in step for step in steps)
    # the inodes of one group at a time
    assert [step for step in steps if "TEMP B-TREE" in step] in ([], ["USE TEMP B-TREE FOR count(DISTINCT)"])
