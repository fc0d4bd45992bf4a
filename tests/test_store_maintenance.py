"""Maintenance of the store: what is forgotten, what stays, and the room that is given back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from qacache.errors import StoreFull, StoreLocked
from qacache.events import Event, Vanished
from qacache.models import RootIdentity
from qacache.store.lock import held, lock_path, scan_lock_path
from qacache.store.maintenance import Maintenance
from qacache.store.reader import Reader
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import failed, probed

A, B = b"/v/a.mp4", b"/v/sub/b.mp4"
DAY_S = 86_400
PRUNE_AFTER = 3


@pytest.fixture
def scan(writer: Writer, clock: FakeClock) -> Any:
    """A complete scan of `/v`, which found the events given and could not list the folders `unlisted`."""

    def run(*events: Event, unlisted: tuple[bytes, ...] = ()) -> None:
        clock.advance(DAY_S)
        scan_id = writer.begin_scan([b"/v"])
        writer.write(events)
        writer.end_root(
            b"/v", RootIdentity(b"/v"), file_count=1, scanned_ms=int(clock.time() * 1000), unlisted=unlisted
        )
        writer.end_scan(scan_id, "complete", {})

    return run


@pytest.fixture
def maintenance(store_path: str, clock: FakeClock) -> Maintenance:
    return Maintenance(store_path, prune_after=PRUNE_AFTER, history_s=100 * DAY_S, busy_timeout_s=0.2, clock=clock.time)


def names(store_path: str) -> list[bytes]:
    with Reader(store_path) as reader:
        return [row.path for row in reader.below(b"/", ())]


def count(store_path: str, table: str) -> int:
    with closing(sqlite3.connect(store_path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_file_that_stays_away_is_forgotten_after_so_many_scans(
    scan: Any, maintenance: Maintenance, store_path: str
) -> None:
    scan(probed(A), probed(B))
    scan(Vanished(A))
    scan()
    assert maintenance.prune().files == 0
    scan()
    assert maintenance.prune().files == 1
    assert names(store_path) == [B]
    assert (count(store_path, "media"), count(store_path, "raw_probe")) == (1, 1)


def test_descriptions_of_streams_that_no_file_has_are_forgotten(
    scan: Any, maintenance: Maintenance, store_path: str
) -> None:
    scan(probed(A, "x"))
    maintenance.prune()
    assert count(store_path, "layout") == 1
    scan(failed(A, "y"))
    maintenance.prune()
    assert count(store_path, "layout") == 0


def test_a_file_that_comes_back_has_not_been_away(scan: Any, maintenance: Maintenance, store_path: str) -> None:
    scan(probed(A), probed(B))
    scan(Vanished(A))
    scan()
    scan(probed(A))
    scan(Vanished(A))
    scan()
    assert maintenance.prune().files == 0
    assert names(store_path) == [A, B]


def test_scans_that_could_not_list_its_folder_do_not_count(scan: Any, maintenance: Maintenance) -> None:
    scan(probed(A), probed(B))
    scan(Vanished(B))
    for _ in range(5):
        scan(unlisted=(b"/v/sub",))
    assert maintenance.prune().files == 0
    scan()
    scan()
    assert maintenance.prune().files == 1


def test_scans_of_other_roots_do_not_count(
    scan: Any, maintenance: Maintenance, writer: Writer, clock: FakeClock
) -> None:
    scan(probed(A), probed(b"/w/c.mp4"))
    scan(Vanished(b"/w/c.mp4"))
    for _ in range(5):
        scan()
    assert maintenance.prune().files == 0


def test_a_file_that_is_there_is_never_forgotten(scan: Any, maintenance: Maintenance, store_path: str) -> None:
    scan(probed(A), probed(B))
    for _ in range(10):
        scan()
    assert maintenance.prune().files == 0
    assert names(store_path) == [A, B]


def test_old_history_is_forgotten_but_for_the_last_scan(
    scan: Any, maintenance: Maintenance, store_path: str, clock: FakeClock
) -> None:
    scan(probed(A))
    scan(probed(B))
    assert maintenance.prune()[1:3] == (0, 0)
    clock.advance(101 * DAY_S)
    assert maintenance.prune()[1:3] == (1, 1)
    assert (count(store_path, "scan"), count(store_path, "change")) == (1, 1)
    assert names(store_path) == [A, B]


def test_a_dry_run_tells_the_same_and_changes_nothing(scan: Any, maintenance: Maintenance, store_path: str) -> None:
    scan(probed(A), probed(B))
    scan(Vanished(A))
    scan()
    scan()
    told = maintenance.prune(dry_run=True)
    assert names(store_path) == [A, B]
    assert maintenance.prune()[:3] == told[:3] == (1, 0, 0)


class Case(NamedTuple):
    full: bool


@pytest.mark.parametrize("case", [Case(full=False), Case(full=True)], ids=["steps", "full"])
def test_the_room_is_given_back(scan: Any, maintenance: Maintenance, store_path: str, case: Case) -> None:
    many = [b"/v/%d.mp4" % number for number in range(3000)]
    scan(*(probed(path, str(path)) for path in many))
    scan(*(Vanished(path) for path in many[1:]))
    scan()
    scan()
    pruned = maintenance.prune(full=case.full)
    assert pruned.files == 2999
    assert pruned.size_after < pruned.size_before / 2
    assert pruned.size_after == os.path.getsize(store_path)
    assert os.path.getsize(f"{store_path}-wal") == 0
    with closing(sqlite3.connect(store_path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_a_store_that_cannot_shrink_in_steps_does_so_when_it_is_written_anew(
    scan: Any, maintenance: Maintenance, store_path: str, writer: Writer
) -> None:
    scan(*(probed(b"/v/%d.mp4" % number, str(number)) for number in range(500)))
    scan(*(Vanished(b"/v/%d.mp4" % number) for number in range(499)))
    scan()
    scan()
    writer.__exit__(None, None, None)
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")
        connection.execute("PRAGMA journal_mode = WAL")
    in_steps = maintenance.prune()
    anew = maintenance.prune(full=True)
    assert in_steps.size_after >= in_steps.size_before
    assert anew.size_after < in_steps.size_before * 0.6
    with closing(sqlite3.connect(store_path)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_dry_run_asks_for_no_lock(maintenance: Maintenance, store_path: str) -> None:
    with (
        held(scan_lock_path(store_path), purpose="qacache scan", timeout_s=0.0),
        held(lock_path(store_path), purpose="writing", timeout_s=0.0),
    ):
        assert maintenance.prune(dry_run=True)[:3] == (0, 0, 0)


def test_nothing_is_forgotten_while_a_scan_runs(maintenance: Maintenance, store_path: str) -> None:
    with (
        held(scan_lock_path(store_path), purpose="qacache scan", timeout_s=0.0),
        pytest.raises(StoreLocked, match="qacache scan"),
    ):
        maintenance.prune()


def test_without_room_for_a_copy_nothing_is_written_anew(
    maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk = shutil._ntuple_diskusage(total=100, used=99, free=1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full_disk)
    with pytest.raises(StoreFull, match="no room") as refused:
        maintenance.prune(full=True)
    assert "--full" in (refused.value.hint or "")


def test_in_a_new_store_there_is_nothing_to_forget(maintenance: Maintenance) -> None:
    assert maintenance.prune()[:3] == (0, 0, 0)
