"""What the journal tells: scans and their changes, in order, in pages."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from qacache.diff import diff
from qacache.errors import StoreCorrupt, StoreMissing
from qacache.events import Event, ScanState, Vanished
from qacache.store import history as history_module
from qacache.store.history import Change, History
from qacache.store.journal import path_key
from qacache.store.lock import held, scan_lock_path
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import digest_of, probed, reused

START_MS = 1_800_000_000_000
A, B, C = b"/v/a.mp4", b"/v/b.mp4", b"/v/sub/c.mp4"


@pytest.fixture(params=[1, 2, 2000])
def page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of rows that are read at a time."""
    monkeypatch.setattr(history_module, "_PAGE", request.param)
    return int(request.param)


def scan(writer: Writer, *events: Event, state: ScanState = "complete") -> int:
    """Have a scan of /v end like that; return its id."""
    scan_id = writer.begin_scan([b"/v"])
    writer.write(events)
    writer.end_scan(scan_id, state, {"found": len(events)})
    return scan_id


def noted(store: str, after: int, through: int | None = None) -> list[tuple[int | None, str, bytes]]:
    with History(store) as history:
        return [(change.scan_id, change.kind, change.path) for change in history.changes(after, through)]


def test_scans_come_newest_first_with_all_that_is_known(store_path: str, writer: Writer, clock: FakeClock) -> None:
    first = writer.begin_scan([b"/v", b"/caf\xe9"])
    clock.advance(5)
    writer.end_scan(first, "interrupted", {"found": 3})
    second = writer.begin_scan([b"/w"])
    with History(store_path) as history, held(scan_lock_path(store_path), purpose="a scan", timeout_s=0):
        running, ended = history.scans()
        assert history.scan(first) == ended
    assert running == (second, ["/w"], START_MS + 5000, None, "running", {})
    assert ended.scan_id == first
    assert ended.roots == ["/v", "/caf\ufffd"]
    assert (ended.started_ms, ended.finished_ms, ended.state) == (START_MS, START_MS + 5000, "interrupted")
    assert ended.summary == {"found": 3, "changes": {}}


def test_a_scan_whose_process_died_was_interrupted(store_path: str, writer: Writer) -> None:
    writer.begin_scan([b"/v"])
    with History(store_path) as history:
        assert [scan.state for scan in history.scans()] == ["interrupted"]


@pytest.mark.usefixtures("page")
def test_no_scan_is_lost_between_pages(store_path: str, writer: Writer) -> None:
    ids = [scan(writer) for _ in range(5)]
    with History(store_path) as history:
        assert [each.scan_id for each in history.scans()] == ids[::-1]


@pytest.mark.parametrize("scan_id", [0, -1, 2, 1 << 80])
def test_a_scan_that_never_was_is_none(store_path: str, writer: Writer, scan_id: int) -> None:
    scan(writer)
    with History(store_path) as history:
        assert history.scan(scan_id) is None


def test_a_change_has_both_versions(store_path: str, writer: Writer, clock: FakeClock) -> None:
    writer.write([probed(A, "x")])
    clock.advance(1)
    scan_id = scan(writer, probed(A, "yy"), probed(B, "z"))
    with History(store_path) as history:
        before, replaced, added = history.changes(0)
    assert before[1:4] == (scan_id, "added", A)
    x, yy, z = ((1000 + len(word), digest_of(word), "h264") for word in ("x", "yy", "z"))
    # a video of the same length may be the same recording
    assert replaced == Change(replaced.change_id, scan_id, "re-encoded", A, None, START_MS + 1000, *x, *yy)
    assert added == Change(added.change_id, scan_id, "added", B, None, START_MS + 1000, None, None, None, *z)


@pytest.mark.usefixtures("page")
def test_changes_are_those_of_the_scans_asked_for_in_order(store_path: str, writer: Writer) -> None:
    first = scan(writer, probed(A, "x"), probed(B, "y"))
    second = scan(writer, Vanished(A))
    third = scan(writer, probed(C, "z"), Vanished(B))
    of_first = [(first, "added", A), (first, "added", B)]
    of_second = [(second, "removed", A)]
    of_third = [(third, "added", C), (third, "removed", B)]
    assert noted(store_path, 0) == of_first + of_second + of_third
    assert noted(store_path, 0, first) == of_first
    assert noted(store_path, first, third) == of_second + of_third
    assert noted(store_path, first, second) == of_second
    assert noted(store_path, third) == noted(store_path, second, second) == []


@pytest.mark.usefixtures("page")
def test_what_was_found_since_the_last_scan_belongs_to_now(store_path: str, writer: Writer) -> None:
    first = scan(writer, probed(A, "x"))
    writer.write([probed(B, "y"), probed(C, "z")])
    assert noted(store_path, first) == [(None, "added", B), (None, "added", C)]
    assert noted(store_path, 0, first) == [(first, "added", A)]
    second = scan(writer)
    assert noted(store_path, first, second) == [(second, "added", B), (second, "added", C)]


def test_what_others_found_while_a_scan_ran_belongs_to_the_next_one(store_path: str, writer: Writer) -> None:
    first = writer.begin_scan([b"/v"])
    writer.write([probed(A, "x")])
    with Writer(store_path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as other:
        other.write([probed(B, "y")])
    writer.write([probed(C, "z")])
    writer.end_scan(first, "complete", {})
    second = scan(writer)
    assert noted(store_path, 0, first) == [(first, "added", A), (first, "added", C)]
    assert noted(store_path, first, second) == noted(store_path, first) == [(second, "added", B)]


def test_changes_of_a_scan_that_runs_are_read_up_to_where_reading_began(
    store_path: str, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "_PAGE", 1)
    writer.begin_scan([b"/v"])
    writer.write([probed(A, "x"), probed(B, "y")])
    with History(store_path) as history:
        changes = history.changes(0)
        assert next(changes).path == A
        writer.write([probed(C, "z")])
        assert [change.path for change in changes] == [B]


@pytest.mark.usefixtures("page")
def test_changes_of_one_scan_are_read_from_any_of_them_on(store_path: str, writer: Writer) -> None:
    first = scan(writer, probed(A, "x"), probed(B, "y"))
    second = scan(writer, Vanished(A), probed(B, "yy"), probed(C, "z"))
    with History(store_path) as history:
        for scan_id in (first, second, 99):
            whole = list(history.changes(scan_id - 1, scan_id))
            assert list(history.changes_of(scan_id)) == whole
            for change_id in range(7):
                later = [each for each in whole if each.change_id >= change_id]
                assert list(history.changes_of(scan_id, first=change_id)) == later
        assert len(whole) == 0


def test_changes_are_linked_by_the_files_that_they_speak_of(store_path: str, writer: Writer) -> None:
    scan(writer, probed(A, "x"), probed(B, "y"), probed(C, "z"))
    writer.write([probed(A, "xx"), probed(C, "zz")])
    second = scan(writer, reused(b"/v/new.mp4", "xx", A), Vanished(A), Vanished(B))
    with History(store_path) as history:
        replaced, other, moved, removed = changes = list(history.changes_of(second))
        links = [history.linked(each) for each in changes]
    assert (moved.kind, moved.from_path, replaced.path) == ("moved", A, A)
    # and nothing of the scan before
    assert links == [[replaced, moved], [other], [replaced, moved], [removed]]


def test_a_page_of_changes_reads_no_more_than_it_must(store_path: str) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        connection.create_function("path_key", 1, path_key, deterministic=True)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {history_module._SELECT_OF_PATH}", (1, A, A, 1))
        steps = [step for *_, step in plan if step.startswith(("SEARCH", "SCAN"))]
    assert all(step.startswith("SEARCH") and "path" in step for step in steps), steps
    assert len(steps) == 3


def test_names_that_are_no_utf8_are_whole(store_path: str, writer: Writer) -> None:
    scan(writer, probed(b"/v/\xff.mp4", "x"))
    second = scan(writer, reused(b"/v/\xfe.mp4", "x", b"/v/\xff.mp4"), Vanished(b"/v/\xff.mp4"))
    with History(store_path) as history:
        (moved,) = history.changes(second - 1, second)
    assert (moved.kind, moved.path, moved.from_path) == ("moved", b"/v/\xfe.mp4", b"/v/\xff.mp4")


def test_a_move_within_one_scan_is_told_once(store_path: str, writer: Writer) -> None:
    first = scan(writer, probed(A, "x"))
    scan(writer, Vanished(A), reused(C, "x", A))
    with History(store_path) as history:
        (moved,) = history.changes(first)
    assert (moved.kind, moved.is_half_told) == ("moved", False)


def test_a_move_of_which_an_earlier_scan_saw_half_weighs_half_in_each(store_path: str, writer: Writer) -> None:
    first = scan(writer, probed(A, "x"))
    second = scan(writer, Vanished(A), state="interrupted")
    third = scan(writer, reused(C, "x", A))
    size = 1001
    with History(store_path) as history:
        assert [change.is_half_told for change in history.changes(first)] == [False, True]
        deltas = [
            diff(history.changes(after, through)).size_delta
            for after, through in ((first, second), (second, third), (first, third))
        ]
        (moved,) = diff(history.changes(first, third)).files
    assert deltas == [-size, size, 0]
    assert (moved.kind, moved.from_path, moved.path) == ("moved", A, C)


def test_a_new_encoding_that_was_there_before_weighs_nothing_when_the_old_one_goes(
    store_path: str, writer: Writer
) -> None:
    scan(writer, probed(b"/v/a.mov", "long"))
    second = scan(writer, probed(A, "x"))
    scan(writer, Vanished(b"/v/a.mov"))
    with History(store_path) as history:
        (recoded,) = history.changes(second)
        (removed,) = diff(history.changes(second)).files
        (both,) = diff(history.changes(second - 1)).files
    assert (recoded.kind, recoded.path, recoded.is_half_told) == ("re-encoded", A, True)
    assert (removed.kind, removed.size_delta) == ("removed", -1004)
    assert (both.kind, both.size_delta) == ("re-encoded", -3)


def test_a_new_encoding_in_one_scan_is_told_once(store_path: str, writer: Writer) -> None:
    first = scan(writer, probed(b"/v/a.mov", "long"))
    scan(writer, Vanished(b"/v/a.mov"), probed(A, "x"))
    with History(store_path) as history:
        (recoded,) = history.changes(first)
    assert (recoded.kind, recoded.from_path, recoded.is_half_told) == ("re-encoded", b"/v/a.mov", False)


def test_no_page_reads_more_than_it_must(store_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []

    def noting(path: str) -> sqlite3.Connection:
        connection = open_reader(path)
        connection.set_trace_callback(statements.append)
        return connection

    open_reader = history_module.open_reader
    monkeypatch.setattr(history_module, "open_reader", noting)
    with History(store_path) as history:
        list(history.scans())
        history.scan(1)
        list(history.changes(1))
        list(history.changes(1, 2))
    assert len(statements) == 7
    with closing(sqlite3.connect(store_path)) as connection:
        connection.create_function("path_key", 1, path_key, deterministic=True)
        for statement in statements:
            plan: list[tuple[Any, ...]] = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            steps = [step for *_, step in plan if not step.startswith("CORRELATED")]
            assert [step for step in steps if not step.startswith("SEARCH ")] == [], statement


def test_a_history_is_closed_by_its_block(store_path: str) -> None:
    with History(store_path) as history:
        pass
    with pytest.raises(Exception, match="closed"):
        next(history.scans())


def test_without_a_store_there_is_no_history(tmp_path: object) -> None:
    with pytest.raises(StoreMissing):
        History(f"{tmp_path}/none.db")


def test_a_damaged_store_is_a_typed_error(store_path: str, writer: Writer) -> None:
    for number in range(200):
        scan(writer, probed(b"/v/%d.mp4" % number, str(number)))
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    with open(store_path, "r+b") as file:
        file.seek(20 * page_bytes)
        file.write(b"\xff" * (os.path.getsize(store_path) - 20 * page_bytes))
    with History(store_path) as history, pytest.raises(StoreCorrupt, match="is damaged"):
        list(history.changes(0))
        list(history.scans())
