"""The ledger: which files failed, for whoever asks about which, in order, along an index."""

from __future__ import annotations

import os
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qacache.errors import StoreCorrupt, StoreMissing
from qacache.events import Failed, Vanished
from qacache.models import Failure, RootIdentity
from qacache.store import ledger as ledger_module
from qacache.store.ledger import FailedFile, Ledger, failed_files, failure_dict
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import failed, probed, stat_of

NOW_MS = 1_800_000_000_000


@pytest.fixture
def ledger(store_path: str) -> Iterator[Ledger]:
    with Ledger(store_path) as ledger:
        yield ledger


def paths(failures: Iterator[FailedFile]) -> list[bytes]:
    return [each.path for each in failures]


def timed_out(path: bytes) -> Failed:
    return Failed(path, Failure("probe", "timeout", "took too long"), stat_of(path), None, "fake 1")


def test_a_failure_is_told_whole(writer: Writer, ledger: Ledger) -> None:
    writer.write([failed(b"/v/a.mp4", message="moov atom not found")])

    (only,) = ledger.failures([b"/"])

    assert only == FailedFile(
        b"/v/a.mp4", "probe", "invalid-data", "moov atom not found", 1, NOW_MS, NOW_MS + 60_000, "fake 1"
    )
    assert failure_dict(only) == {
        "stage": "probe",
        "reason": "invalid-data",
        "message": "moov atom not found",
        "attempts": 1,
        "failed_at": "2027-01-15T08:00:00.000Z",
        "next_retry": "2027-01-15T08:01:00.000Z",
        "prober": "fake 1",
    }


def test_attempts_and_times_are_those_of_the_last_failure(writer: Writer, ledger: Ledger, clock: FakeClock) -> None:
    writer.write([failed(b"/v/a.mp4")])
    clock.advance(100)
    writer.write([failed(b"/v/a.mp4")])

    (only,) = ledger.failures([b"/"])

    assert (only.attempts, only.failed_ms, only.next_retry_ms) == (2, NOW_MS + 100_000, NOW_MS + 220_000)


def test_files_that_are_well_or_vanished_are_left_out(writer: Writer, ledger: Ledger) -> None:
    writer.write([failed(b"/v/a.mp4"), failed(b"/v/gone.mp4"), probed(b"/v/ok.mp4"), failed(b"/v/mended.mp4")])
    writer.write([Vanished(b"/v/gone.mp4"), probed(b"/v/mended.mp4")])

    assert paths(ledger.failures([b"/"])) == [b"/v/a.mp4"]


def test_failures_come_in_path_order_over_any_number_of_pages(
    writer: Writer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_SELECT", ledger_module._SELECT.replace("LIMIT 2000", "LIMIT 2"))
    names = [b"/v/%d.mp4" % number for number in range(7)]
    writer.write([failed(name) for name in reversed(names)])

    assert paths(ledger.failures([b"/"])) == names


def test_what_is_mended_between_two_pages_is_not_told(
    writer: Writer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_SELECT", ledger_module._SELECT.replace("LIMIT 2000", "LIMIT 1"))
    writer.write([failed(b"/v/a.mp4"), failed(b"/v/b.mp4"), failed(b"/v/c.mp4")])
    failures = ledger.failures([b"/"])

    first = next(failures)
    writer.write([probed(b"/v/a.mp4"), probed(b"/v/b.mp4")])

    assert [first.path, *paths(failures)] == [b"/v/a.mp4", b"/v/c.mp4"]


@pytest.mark.parametrize("under", [[b"/"], [b"/w", b"/v/a", b"/v/a.mp4"], [b"/v/a.mp4", b"/w/c.mp4"]])
def test_a_listing_goes_on_after_any_path(writer: Writer, ledger: Ledger, under: list[bytes]) -> None:
    names = [b"/v/a", b"/v/a.mp4", b"/v/a/x.mp4", b"/v/b.mp4", b"/w/c.mp4"]
    writer.write([failed(name) for name in names])
    whole = paths(ledger.failures(under))

    assert whole == sorted(whole)
    for name in [b"", b"/v", b"/v/a\0", *names, b"/x"]:
        assert paths(ledger.failures(under, after=name)) == [each for each in whole if each > name]


def test_paths_are_files_or_folders_and_never_only_called_alike(writer: Writer, ledger: Ledger) -> None:
    names = [b"/v/a", b"/v/a-old/x.mp4", b"/v/a.mp4", b"/v/a/x.mp4", b"/v/a/y/z.mp4", b"/v/a0"]
    writer.write([failed(name) for name in names])

    assert paths(ledger.failures([b"/v/a"])) == [b"/v/a", b"/v/a/x.mp4", b"/v/a/y/z.mp4"]
    assert paths(ledger.failures([b"/v/a.mp4"])) == [b"/v/a.mp4"]
    assert paths(ledger.failures([b"/v/none"])) == []


def test_paths_that_overlap_tell_each_failure_once(writer: Writer, ledger: Ledger) -> None:
    names = [b"/v/a/x.mp4", b"/v/b.mp4", b"/w/c.mp4"]
    writer.write([failed(name) for name in names])

    assert paths(ledger.failures([b"/w", b"/v/a", b"/v", b"/v/a/x.mp4", b"/v/"])) == names


def test_names_with_any_byte_are_told_once(writer: Writer, ledger: Ledger) -> None:
    names = [b"/v/caf\xe9\n.mp4", b"/v/\xff\xff"]
    writer.write([failed(name) for name in names])

    assert paths(ledger.failures([b"/v"])) == names
    assert [paths(ledger.failures([name])) for name in names] == [[names[0]], [names[1]]]


def test_since_leaves_out_what_failed_before(writer: Writer, ledger: Ledger, clock: FakeClock) -> None:
    writer.write([failed(b"/v/old.mp4")])
    clock.advance(10)
    writer.write([failed(b"/v/new.mp4")])

    assert paths(ledger.failures([b"/"], since_ms=NOW_MS)) == [b"/v/new.mp4", b"/v/old.mp4"]
    assert paths(ledger.failures([b"/"], since_ms=NOW_MS + 1)) == [b"/v/new.mp4"]
    assert paths(ledger.failures([b"/"], since_ms=NOW_MS + 10_001)) == []


def test_reasons_leave_out_all_others(writer: Writer, ledger: Ledger) -> None:
    writer.write([failed(b"/v/a.mp4"), timed_out(b"/v/b.mp4")])

    assert paths(ledger.failures([b"/"], reasons=["timeout"])) == [b"/v/b.mp4"]
    assert paths(ledger.failures([b"/"], reasons=["timeout", "invalid-data"])) == [b"/v/a.mp4", b"/v/b.mp4"]
    assert paths(ledger.failures([b"/"], reasons=["no-such-reason"])) == []


def test_a_failure_waits_until_its_next_retry_unless_permissions_were_missing() -> None:
    failure = FailedFile(b"/v/a.mp4", "probe", "timeout", "slow", 1, NOW_MS, NOW_MS + 1, "fake 1")

    assert failure.is_waiting(NOW_MS)
    assert not failure.is_waiting(NOW_MS + 1)
    assert not failure._replace(reason="permission-denied").is_waiting(NOW_MS)


def test_without_paths_all_failures_are_told(store_path: str, writer: Writer) -> None:
    writer.write([failed(b"/v/a.mp4"), failed(b"/w/b.mp4")])

    assert paths(failed_files(store_path)) == [b"/v/a.mp4", b"/w/b.mp4"]


def test_files_below_a_linked_root_are_found_by_their_real_names(store_path: str, writer: Writer) -> None:
    writer.write([failed(b"/link/a/x.mp4")])
    writer.end_root(b"/link", RootIdentity(b"/real"), file_count=1, scanned_ms=NOW_MS, unlisted=[])

    for asked in (b"/link/a", b"/real/a", b"/real/a/x.mp4", b"/real"):
        assert paths(failed_files(store_path, [asked])) == [b"/link/a/x.mp4"]


@pytest.mark.parametrize("stored_form", ["NFC", "NFD"])
@pytest.mark.parametrize("asked_form", ["NFC", "NFD"])
def test_files_and_folders_are_found_in_either_unicode_form(
    store_path: str, writer: Writer, stored_form: str, asked_form: str
) -> None:
    stored, asked = (os.fsencode(unicodedata.normalize(form, "/v/Café")) for form in (stored_form, asked_form))
    writer.write([failed(stored + b"/x.mp4"), failed(stored + b".mp4"), probed(stored + b"/ok.mp4")])

    assert paths(failed_files(store_path, [asked])) == [stored + b"/x.mp4"]
    assert paths(failed_files(store_path, [asked + b".mp4"])) == [stored + b".mp4"]


def test_a_listing_reads_no_more_than_it_must(store_path: str) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {ledger_module._SELECT}", (b"/v/", b"/v0"))
        steps = [step for *_, step in plan]

    assert len(steps) == 2
    assert steps[0].startswith("SEARCH") and "USING INDEX file_not_ok" in steps[0]
    assert steps[1].startswith("SEARCH") and "USING INTEGER PRIMARY KEY" in steps[1]


def test_without_a_store_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        Ledger(str(tmp_path / "none.db"))
    with pytest.raises(StoreMissing):
        next(failed_files(str(tmp_path / "none.db")))


def test_a_store_that_is_damaged_is_told_as_such(store_path: str, writer: Writer, ledger: Ledger) -> None:
    writer.write([failed(b"/v/%d.mp4" % number, message="long " * 50) for number in range(2000)])
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    with open(store_path, "r+b") as file:
        file.seek(page_size)
        file.write(b"\xee" * (os.path.getsize(store_path) - page_size))

    with pytest.raises(StoreCorrupt, match="is damaged"):
        list(ledger.failures([b"/"]))


def test_a_ledger_is_closed_by_its_block(store_path: str) -> None:
    with Ledger(store_path) as ledger:
        pass
    with pytest.raises(Exception, match="closed"):
        list(ledger.failures([b"/"]))
