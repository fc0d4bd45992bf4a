"""What becomes of events: rows, and what the store says of them afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.events import Event, Failed, Planned, Probed, Unchanged, Unstable, Vanished, Waiting
from qacache.models import Failure, FileStat
from qacache.record import Record
from qacache.store import lock, raw_answers
from qacache.store.lock import held, lock_path
from qacache.store.reader import Reader
from qacache.store.records import RECORD_COLUMNS, record_of
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import digest_of, failed, probe_of, probed, reused, stat_of

PROJECT = Path(__file__).parents[1]
START_MS = 1_800_000_000_000
A, B, C = b"/v/a.mp4", b"/v/b.mp4", b"/v/sub/c.mp4"

DIE_IN_THE_MIDDLE = """
import os, sys
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.rows import failed, probed

die = lambda: os._exit(9)
with Writer(sys.argv[1], busy_timeout_s=1, retries=RetrySchedule(60, 3600, jitter=die)) as writer:
    writer.write([probed(b"/v/new.mp4"), failed(b"/v/deadly.mp4")])
"""


def record_at(store: str, path: bytes) -> Record | None:
    with Reader(store) as reader:
        found = reader.find(path, RECORD_COLUMNS)
        return record_of(found) if found else None


def stored(store: str, path: bytes) -> Record:
    record = record_at(store, path)
    assert record is not None
    return record


def title_of(store: str, path: bytes) -> str | None:
    """The content that the store believes the file to have."""
    media = stored(store, path).media
    return media.tags["title"] if media else None


def query(store: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(sql, values).fetchall()


def test_a_probed_file_is_stored_with_all_that_is_known(store_path: str, writer: Writer) -> None:
    event = probed(A, "x", size=5, mtime_ns=-7)
    writer.write([event])
    assert stored(store_path, A) == Record(
        path=A,
        size=5,
        mtime_ns=-7,
        digest=digest_of("x").hex(),
        status="ok",
        first_seen_ms=START_MS,
        last_seen_ms=START_MS,
        probed_ms=START_MS,
        prober="fake 1",
        parser_version=3,
        media=event.probe.media,
    )


def test_a_file_that_is_probed_again_keeps_when_it_was_first_seen(
    store_path: str, writer: Writer, clock: FakeClock
) -> None:
    writer.write([probed(A, "old")])
    clock.advance(10)
    writer.write([probed(A, "new")])
    record = stored(store_path, A)
    assert (record.first_seen_ms, record.last_seen_ms, record.probed_ms) == (
        START_MS,
        START_MS + 10_000,
        START_MS + 10_000,
    )
    assert title_of(store_path, A) == "new"


def test_what_the_prober_said_can_be_read_back_whole(store_path: str, writer: Writer) -> None:
    raw = {"format": {"tags": {"title": "Ünïcode 🎬\u0000"}}, "streams": [{"index": 0, "x": 1.5}], "none": None}
    writer.write([Probed(stat_of(A), digest_of("a"), probe_of("a", raw=raw))])
    [(blob,)] = query(store_path, "SELECT json FROM raw_probe")
    assert json.loads(raw_answers.unpack(blob)) == raw


def test_half_a_surrogate_pair_in_a_tag_is_replaced(store_path: str, writer: Writer) -> None:
    probe = probe_of("a", raw={"title": "\ud83c"}, tags={"title": "half \ud83c", "\udfff": "key"})
    writer.write([Probed(stat_of(A), digest_of("a"), probe)])
    media = stored(store_path, A).media
    assert media is not None
    assert media.tags == {"title": "half ?", "?": "key"}


@pytest.mark.parametrize("number", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_inode_and_device_numbers_may_have_64_bits(number: int, store_path: str, writer: Writer) -> None:
    writer.write([probed(A, inode=number, device=number)])
    assert query(store_path, "SELECT inode & 0xffff, device & 0xffff FROM file") == [(number & 0xFFFF, number & 0xFFFF)]


@pytest.mark.parametrize("mtime_ns", [-(1 << 63), (1 << 63) - 1])
def test_times_far_away_are_kept(mtime_ns: int, store_path: str, writer: Writer) -> None:
    writer.write([probed(A, mtime_ns=mtime_ns)])
    assert stored(store_path, A).mtime_ns == mtime_ns
    assert len(query(store_path, "SELECT * FROM videos")) == 1


@pytest.mark.parametrize(("mtime_ns", "kept"), [(1 << 63, (1 << 63) - 1), (-(1 << 64), -(1 << 63))])
def test_a_time_beyond_64_bits_becomes_the_nearest_that_fits(
    mtime_ns: int, kept: int, store_path: str, writer: Writer
) -> None:
    stat = FileStat.of(A, os.stat_result([0] * 10, {"st_mtime_ns": mtime_ns}))
    writer.write([Probed(stat, digest_of("a"), probe_of("a"))])
    assert stored(store_path, A).mtime_ns == kept


@pytest.mark.parametrize(
    "path",
    [
        b"/v/caf\xe9.mp4",
        b"/v/a\nb\tc.mp4",
        b"/" + b"\xff/x" * 1300,
        b"/v/-x.mp4",
        b"/v/%41?#'\".mp4",
        "/v/é🎬.mp4".encode(),
    ],
    ids=["no UTF-8", "newline", "4,000 bytes", "dash", "punctuation", "Unicode"],
)
def test_any_path_is_stored_byte_for_byte(path: bytes, store_path: str, writer: Writer) -> None:
    writer.write([probed(path), failed(path + b"2")])
    assert stored(store_path, path).path == path
    assert stored(store_path, path + b"2").status == "failed"
    assert query(store_path, "SELECT path FROM videos") == [
        (path.decode(errors="replace"),),
        (path.decode(errors="replace") + "2",),
    ]


def test_a_touched_file_keeps_its_media(store_path: str, writer: Writer, clock: FakeClock) -> None:
    writer.write([probed(A, "x", mtime_ns=1)])
    clock.advance(10)
    writer.write([reused(A, "x", A, mtime_ns=2)])
    record = stored(store_path, A)
    assert (record.status, record.mtime_ns, record.probed_ms) == ("ok", 2, START_MS)
    assert title_of(store_path, A) == "x"


def test_a_copy_has_the_media_of_its_source(store_path: str, writer: Writer, clock: FakeClock) -> None:
    writer.write([probed(A, "x")])
    clock.advance(10)
    writer.write([reused(B, "x", A)])
    source, copy = stored(store_path, A), stored(store_path, B)
    assert (copy.media, copy.prober, copy.probed_ms) == (source.media, source.prober, source.probed_ms)
    assert (copy.first_seen_ms, copy.digest) == (START_MS + 10_000, source.digest)
    assert query(store_path, "SELECT count(DISTINCT json), count(*) FROM raw_probe") == [(1, 2)]


def test_two_files_that_swapped_their_names_swap_their_media(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "x"), probed(B, "y")])
    writer.write([reused(A, "y", B), reused(B, "x", A)])
    assert (title_of(store_path, A), title_of(store_path, B)) == ("y", "x")


def test_a_source_that_changes_in_the_same_batch_gives_what_it_had(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "x")])
    writer.write([probed(A, "y"), reused(B, "x", A)])
    assert (title_of(store_path, A), title_of(store_path, B)) == ("y", "x")


def test_a_source_that_no_longer_has_the_content_gives_nothing(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "y")])
    writer.write([reused(B, "x", A), reused(C, "x", b"/v/unknown.mp4")])
    assert (record_at(store_path, B), record_at(store_path, C)) == (None, None)


def test_a_failure_is_stored_with_its_reason_and_when_it_is_due_again(store_path: str, writer: Writer) -> None:
    writer.write([failed(A, message="Invalid data found")])
    record = stored(store_path, A)
    assert (record.status, record.media, record.prober) == ("failed", None, None)
    assert record.error is not None
    assert (record.error.stage, record.error.reason, record.error.message) == (
        "probe",
        "invalid-data",
        "Invalid data found",
    )
    assert (record.error.attempts, record.error.next_retry_ms) == (1, START_MS + 60_000)


def test_attempts_count_while_content_and_prober_are_the_same(store_path: str, writer: Writer) -> None:
    def attempts() -> int | None:
        error = stored(store_path, A).error
        return error.attempts if error else None

    counts = []
    for event in (
        *(failed(A), failed(A), failed(A)),
        *(failed(A, prober="fake 2"), failed(A, prober="fake 2")),
        *(failed(A, mtime_ns=1), failed(A, mtime_ns=1)),
        *(failed(A, mtime_ns=1, size=1), probed(A, mtime_ns=1, size=1), failed(A, mtime_ns=1, size=1)),
    ):
        writer.write([event])
        counts.append(attempts())
    assert counts == [1, 2, 3, 1, 2, 1, 2, 1, None, 1]


def test_retries_are_further_and_further_apart(store_path: str, writer: Writer) -> None:
    waits_s = []
    for _ in range(8):
        writer.write([failed(A)])
        error = stored(store_path, A).error
        assert error is not None
        waits_s.append((error.next_retry_ms - START_MS) / 1000)
    assert waits_s == [60, 120, 240, 480, 960, 1920, 3600, 3600]


@pytest.mark.parametrize(("jitter", "wait_ms"), [(0.0, 9000), (0.5, 10_000), (1.0, 11_000)])
def test_a_wait_varies_by_a_tenth(jitter: float, wait_ms: int) -> None:
    assert RetrySchedule(10, 100, jitter=lambda: jitter).wait_ms(1) == wait_ms


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_no_wait_is_longer_than_the_longest_and_a_tenth(attempts: int, jitter: float) -> None:
    assert 54_000 <= RetrySchedule(60, 3600, jitter=lambda: jitter).wait_ms(attempts) <= 3_960_000


def test_a_failure_of_unchanged_content_keeps_the_media_that_is_known(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "x")])
    writer.write([failed(A, "x")])
    assert stored(store_path, A).status == "failed"
    assert title_of(store_path, A) == "x"


def test_a_failure_of_a_touched_file_of_the_same_content_keeps_its_media(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "x", mtime_ns=1)])
    writer.write([failed(A, "x", mtime_ns=2)])
    assert title_of(store_path, A) == "x"


@pytest.mark.parametrize("change", [{"mtime_ns": 2}, {"size": 2}, {}], ids=["mtime", "size", "digest alone"])
def test_a_failure_of_changed_content_forgets_the_media(
    change: dict[str, int], store_path: str, writer: Writer
) -> None:
    writer.write([probed(A, "x", mtime_ns=1, size=1)])
    writer.write([failed(A, "y", **{"mtime_ns": 1, "size": 1} | change)])
    record = stored(store_path, A)
    assert (record.media, record.digest) == (None, digest_of("y").hex())
    assert query(store_path, "SELECT * FROM raw_probe") == []


@pytest.mark.parametrize(("mtime_ns", "title"), [(1, "x"), (2, None)])
def test_a_file_that_could_not_even_be_read_keeps_the_media_of_the_same_size_and_mtime(
    mtime_ns: int, title: str | None, store_path: str, writer: Writer
) -> None:
    writer.write([probed(A, "x", mtime_ns=1)])
    writer.write([Failed(A, Failure("digest", "io-error", "no"), stat_of(A, "x", mtime_ns=mtime_ns))])
    record = stored(store_path, A)
    assert (record.status, record.digest) == ("failed", digest_of("x").hex() if title else None)
    assert title_of(store_path, A) == title


@pytest.mark.parametrize("success", [probed(A, "x"), reused(A, "x", B)], ids=["probed", "reused"])
def test_success_forgets_the_failure(success: Event, store_path: str, writer: Writer) -> None:
    writer.write([probed(B, "x"), failed(A, "x")])
    writer.write([success])
    record = stored(store_path, A)
    assert (record.status, record.error) == ("ok", None)
    assert query(store_path, "SELECT * FROM failures") == []


def test_a_failure_without_a_stat_leaves_no_row(store_path: str, writer: Writer) -> None:
    writer.write([Failed(b"/v/sub", Failure("list", "permission-denied", "no"))])
    assert record_at(store_path, b"/v/sub") is None


def test_a_vanished_file_keeps_all_but_its_status(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "x")])
    before = stored(store_path, A)
    writer.write([Vanished(A), Vanished(b"/v/never-seen.mp4")])
    assert stored(store_path, A) == replace(before, status="vanished")
    assert record_at(store_path, b"/v/never-seen.mp4") is None


@pytest.mark.parametrize("event", [probed(A, "x"), reused(A, "x", A), failed(A, "x")])
def test_a_vanished_file_comes_back(event: Event, store_path: str, writer: Writer, clock: FakeClock) -> None:
    writer.write([probed(A, "x")])
    writer.write([Vanished(A)])
    clock.advance(10)
    writer.write([event])
    record = stored(store_path, A)
    assert record.status == ("failed" if isinstance(event, Failed) else "ok")
    assert (record.first_seen_ms, record.last_seen_ms) == (START_MS, START_MS + 10_000)
    assert title_of(store_path, A) == "x"


def test_a_moved_file_leaves_a_vanished_row_behind(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "x")])
    writer.write([Vanished(A), reused(B, "x", A)])
    assert (stored(store_path, A).status, stored(store_path, B).status) == ("vanished", "ok")
    assert title_of(store_path, B) == "x"


def test_events_that_change_nothing_are_not_stored(store_path: str, writer: Writer) -> None:
    writer.write([Unchanged([A]), Unstable(A), Planned(A, "new"), Waiting()])
    assert query(store_path, "SELECT * FROM file") == []


def test_a_batch_is_stored_whole_or_not_at_all(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, "x")])
    broken = Probed(stat_of(C), digest_of("c"), replace(probe_of("c"), parser_version=1 << 70))
    with pytest.raises(OverflowError):
        writer.write([probed(B), Vanished(A), broken])
    assert (stored(store_path, A).status, record_at(store_path, B), record_at(store_path, C)) == ("ok", None, None)
    writer.write([probed(B)])
    assert stored(store_path, B).status == "ok"


def test_a_batch_whose_process_dies_is_not_stored(store_path: str, writer: Writer) -> None:
    writer.write([probed(A)])
    command = [sys.executable, "-c", DIE_IN_THE_MIDDLE, store_path]
    died = subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=60, check=False)
    assert died.returncode == 9, died.stderr
    assert query(store_path, "SELECT path FROM videos") == [("/v/a.mp4",)]
    writer.write([probed(B)])
    assert query(store_path, "PRAGMA integrity_check") == [("ok",)]


def test_a_reader_in_the_middle_of_a_listing_holds_no_write_up(store_path: str, writer: Writer) -> None:
    writer.write([probed(A), probed(C)])
    with Reader(store_path) as reader:
        rows = reader.below(b"/v", ())
        assert next(rows).path == A
        writer.write([probed(B)])
        assert [row.path for row in rows] == [C]
        assert reader.known(B) is not None


def test_a_scan_is_in_the_journal_from_its_beginning(store_path: str, writer: Writer, clock: FakeClock) -> None:
    scan = writer.begin_scan([b"/v", b"/caf\xe9"])
    running = query(store_path, "SELECT id, state, started_at, finished_at, summary FROM scans")
    clock.advance(1.5)
    writer.end_scan(scan, "complete", {"found": 3})
    assert running == [(scan, "running", "2027-01-15T08:00:00.000Z", None, None)]
    [(roots, state, finished, summary)] = query(store_path, "SELECT roots, state, finished_at, summary FROM scans")
    assert (state, finished) == ("complete", "2027-01-15T08:00:01.500Z")
    assert (json.loads(roots), json.loads(summary)) == (["/v", "/caf\ufffd"], {"found": 3, "changes": {}})


def test_a_scan_whose_process_died_counts_as_interrupted_when_the_next_begins(store_path: str, writer: Writer) -> None:
    first, second = writer.begin_scan([b"/v"]), writer.begin_scan([b"/v"])
    assert query(store_path, "SELECT id, state FROM scans") == [(first, "interrupted"), (second, "running")]


def test_a_closed_writer_leaves_all_in_the_database_file(store_path: str) -> None:
    with Writer(store_path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([probed(A)])
    assert sorted(os.listdir(os.path.dirname(store_path))) == ["qacache.db", "qacache.db.lock"]


def test_a_write_waits_longer_than_one_timeout_for_another_process(
    store_path: str, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ExitStack()
    other.enter_context(held(lock_path(store_path), purpose="vacuum", timeout_s=1))
    clock = FakeClock()
    begin = clock.now
    clock.on_sleep = lambda _: other.close() if clock.now - begin > 0.5 else None
    monkeypatch.setattr(lock, "time", clock)

    writer.write([probed(A)])

    assert 0.5 < clock.now - begin < 0.8
    assert query(store_path, "SELECT path FROM videos") == [(A.decode(),)]
