"""Readiness: what each check finds, where all is well and where it is not, and that nothing makes it hang."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from errno import EIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.config.sections import Config, Db, Ffprobe, Scan
from qacache.config.upkeep import CHECKS, Doctor
from qacache.probe.libav import prober as libav_prober
from qacache.readiness import system
from qacache.readiness.roots import RootTask
from qacache.readiness.rounds import Readiness
from qacache.readiness.system import clock_verdict, has_wal_reset_fault, sqlite_verdict
from qacache.readiness.verdicts import Finding, finding_dict, summary_dict
from qacache.store.history import JournaledScan
from qacache.store.lock import held, lock_path, scan_lock_path
from qacache.store.reader import Reader
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.command import make_script, processes_about
from tests.fakes import FakeClock
from tests.fuse_mount import ANY, LISTINGS, READS, FuseMount, mounted
from tests.libraries import scan
from tests.media import make_file
from tests.processes import children_of, needs_proc
from tests.rows import probed

# for looks that answer at once; a look that hangs is given up much sooner
AMPLE_S = 30.0
SHORT_S = 0.5

PROBERS = ("prober-libav", "prober-ffprobe")
ROOT = ("root-present", "root-listable", "root-readable", "root-writable")


def config_of(path: str, *roots: Path, deadline_s: float = AMPLE_S, **scan_keys: Any) -> Config:
    """A configuration with these roots, which leaves the probers out: to start them takes longest."""
    return Config(
        db=Db(path=path, busy_timeout_s=0.0),
        scan=Scan(roots=tuple(map(str, roots)), **scan_keys),
        doctor=Doctor(deadline_s=deadline_s, skip=PROBERS),
    )


def findings(config: Config, clock: FakeClock | None = None) -> list[Finding]:
    return list(Readiness(config, clock).findings())


def found(config: Config, check: str) -> Finding:
    """What that check finds of the one thing it looks at."""
    [finding] = [finding for finding in findings(config) if finding.check == check]
    return finding


def states(told: list[Finding], path: Path | str) -> dict[str, str]:
    return {finding.check: finding.state for finding in told if finding.path == os.fsencode(path)}


def run_sql(path: str, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.fixture
def filled(library: Path) -> Path:
    """A library of two files."""
    make_file(library / "folder" / "a.mp4", b"content of a")
    make_file(library / "b.mp4", b"content of b")
    return library


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[FuseMount]:
    """A mount with one file, that can be told to misbehave."""
    with mounted(tmp_path / "nas", make_file(tmp_path / "served" / "film.mp4", b"content").parent) as mount:
        yield mount


# all of it


def test_where_all_is_well_every_check_says_so(store: Store, filled: Path) -> None:
    scan(store, filled)

    config = replace(config_of(store.path, filled), doctor=Doctor(skip=("sqlite-version",)))
    told = findings(config)

    assert [finding.check for finding in told] == list(CHECKS)
    assert {finding.check: finding.state for finding in told if finding.state != "ok"} == {"sqlite-version": "skipped"}


def test_without_a_store_and_roots_nothing_failed_yet(tmp_path: Path) -> None:
    told = findings(config_of(str(tmp_path / "none" / "q.db")))

    assert not [finding for finding in told if finding.state == "failed"]
    assert {finding.check for finding in told if finding.state == "skipped"} == {
        *("database-schema", "write-lock", "wal-checkpoint", "root-present", *PROBERS)
    }
    assert all("qacache scan FOLDER" in f.hint for f in told if f.check in {"database-schema", "root-present"})
    assert not (tmp_path / "none").exists()


def test_checks_that_are_not_wanted_are_left_out(store_path: str, library: Path) -> None:
    library.rmdir()
    config = replace(config_of(store_path, library), doctor=Doctor(skip=("root-present", "clock", *PROBERS)))

    told = {finding.check: finding for finding in findings(config)}

    assert told["clock"].state == told["root-present"].state == "skipped"
    assert "doctor.skip" in told["clock"].says
    assert told["root-listable"].state == "failed"


def test_programs_are_told_in_objects(tmp_path: Path) -> None:
    name = os.fsdecode(b"/caf\xe9")
    told = finding_dict(Finding("root-present", "failed", "root is missing", "mount it", os.fsencode(name)))
    assert told == {
        "event": "check",
        "check": "root-present",
        "state": "failed",
        "message": "root is missing",
        "hint": "mount it",
        "path": "/caf\ufffd",
        "path_b64": "L2NhZuk=",
    }
    assert finding_dict(Finding("clock", "ok", "clock says"))["path"] is None
    assert summary_dict({"ok": 3}) == {
        "event": "summary",
        "state": "ok",
        "ok": 3,
        "warning": 0,
        "failed": 0,
        "skipped": 0,
    }
    assert summary_dict({"ok": 3, "failed": 1})["state"] == "failed"


# the store


def test_a_store_on_a_network_filesystem_is_refused_and_not_looked_into(mount: FuseMount) -> None:
    path = str(mount.folder / "q.db")

    told = findings(config_of(path))

    assert states(told, path) == {
        "database-filesystem": "failed",
        **dict.fromkeys(("database-schema", "write-lock", "wal-checkpoint"), "skipped"),
    }
    assert "network filesystem (fuse)" in told[0].says
    assert "--db" in told[0].hint


@pytest.mark.parametrize(
    ("statement", "says", "hint"),
    [
        ("PRAGMA user_version = 1", "store schema 1 is older than this qacache needs", "qacache migrate"),
        ("PRAGMA user_version = 0", "older than this qacache can migrate", "scan again"),
        ("PRAGMA user_version = 99", "store schema 99 is newer", "upgrade qacache"),
        ("PRAGMA application_id = 5", "some other program's database", "--db"),
    ],
    ids=["outdated", "unsupported", "newer", "foreign"],
)
def test_a_store_of_another_schema_fails_with_the_way_out(
    store_path: str, statement: str, says: str, hint: str
) -> None:
    run_sql(store_path, statement)

    told = {finding.check: finding for finding in findings(config_of(store_path))}

    assert told["database-schema"].state == "failed"
    assert says in told["database-schema"].says
    assert hint in told["database-schema"].hint
    assert told["wal-checkpoint"].state == "skipped"
    assert "without database-schema" in told["wal-checkpoint"].says


def test_a_store_that_is_no_database_fails(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    path.write_bytes(b"nothing that SQLite knows, " * 100)

    finding = found(config_of(str(path)), "database-schema")

    assert (finding.state, finding.path) == ("failed", os.fsencode(path))
    assert "is no SQLite database" in finding.says


def test_who_writes_for_long_is_named_and_no_checkpoint_is_tried(store_path: str) -> None:
    with held(lock_path(store_path), purpose="a long write", timeout_s=0.0):
        told = {finding.check: finding for finding in findings(config_of(store_path))}

    assert told["write-lock"].state == "warning"
    assert f"pid {os.getpid()} (a long write) holds {lock_path(store_path)}" in told["write-lock"].says
    assert told["wal-checkpoint"].state == "skipped"
    assert "a long write" in told["wal-checkpoint"].says


def test_a_reader_that_holds_up_the_checkpoint_is_noticed(store: Store) -> None:
    config = config_of(store.path)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM file").fetchone()
        store.writer.write([probed(b"/new.mp4")])
        during = found(config, "wal-checkpoint")
    after = found(config, "wal-checkpoint")

    assert during.state == "warning"
    assert "a reader has held up" in during.says
    assert "fuser" in during.hint
    assert after.state == "ok"


def test_a_store_without_a_write_ahead_log_fails(store_path: str) -> None:
    run_sql(store_path, "PRAGMA journal_mode = DELETE")

    finding = found(config_of(store_path), "wal-checkpoint")

    assert finding.state == "failed"
    assert "its journal_mode is delete" in finding.says
    assert "PRAGMA journal_mode = WAL" in finding.hint


def test_too_little_space_at_the_store_fails(store_path: str) -> None:
    config = replace(config_of(store_path), doctor=Doctor(min_free_bytes=1 << 60, skip=PROBERS))

    finding = found(config, "database-space")

    assert finding.state == "failed"
    assert finding.path == os.fsencode(os.path.dirname(store_path))
    assert "doctor.min_free" in finding.hint


def test_a_running_scan_is_named_and_is_no_trouble(store_path: str) -> None:
    with held(scan_lock_path(store_path), purpose="qacache scan", timeout_s=0.0):
        finding = found(config_of(store_path), "scan-lock")

    assert finding.state == "ok"
    assert f"pid {os.getpid()} (qacache scan)" in finding.says
    assert "no scan runs" in found(config_of(store_path), "scan-lock").says


# the clock, SQLite

NOW_S = 1_800_000_000.0
YEAR_S = 365.25 * 86_400


def scan_at(started_s: float, finished_s: float | None = None) -> JournaledScan:
    finished_ms = None if finished_s is None else int(finished_s * 1000)
    return JournaledScan(7, [], int(started_s * 1000), finished_ms, "complete", {})


@pytest.mark.parametrize(
    ("installed_s", "last_scan", "state"),
    [
        (NOW_S - 100, None, "ok"),
        (NOW_S - 100, scan_at(NOW_S - 50, NOW_S - 40), "ok"),
        (NOW_S - 100, scan_at(NOW_S + 30), "ok"),
        (NOW_S - 100, scan_at(NOW_S + 3600), "failed"),
        (NOW_S - 100, scan_at(NOW_S - 50, NOW_S + 3600), "failed"),
        (NOW_S + 3600, None, "ok"),
        (NOW_S + 2 * 86_400, None, "failed"),
        (1.0, None, "ok"),
        (NOW_S - 4 * YEAR_S, scan_at(NOW_S - 4 * YEAR_S), "ok"),
        (NOW_S - 40 * YEAR_S, scan_at(NOW_S - 4 * YEAR_S), "ok"),
    ],
)
def test_a_clock_that_is_set_back_is_noticed(installed_s: float, last_scan: JournaledScan | None, state: str) -> None:
    verdict = clock_verdict(NOW_S, installed_s, last_scan)
    assert verdict.state == state
    assert bool(verdict.hint) == (state == "failed")


@pytest.mark.parametrize("last_scan", [None, scan_at(NOW_S)])
def test_a_clock_that_is_years_ahead_is_noticed(last_scan: JournaledScan | None) -> None:
    verdict = clock_verdict(NOW_S + 73 * YEAR_S, NOW_S, last_scan)
    assert verdict.state == "warning"
    assert "for 73 years" in verdict.says


def test_the_clock_is_compared_with_the_last_scan_of_the_store(store: Store, filled: Path) -> None:
    scan(store, filled)
    config = config_of(store.path)

    [early] = [each for each in findings(config, FakeClock(1e9)) if each.check == "clock"]

    assert early.state == "failed"
    assert early.says.startswith("clock says 2001-09-09T01:46:40.000Z, before the last scan, 1, ")
    assert found(config, "clock").state == "ok"


@pytest.mark.parametrize(
    ("version", "is_faulty"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 34, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 9), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_releases_of_sqlite_with_the_wal_reset_fault_are_known(version: tuple[int, ...], is_faulty: bool) -> None:
    assert has_wal_reset_fault(version) is is_faulty


def test_a_faulty_sqlite_is_a_warning_that_can_be_turned_off_and_an_old_one_a_failure() -> None:
    assert sqlite_verdict((3, 51, 3)).state == "ok"
    faulty = sqlite_verdict((3, 40, 1))
    assert (faulty.state, 'doctor.skip = ["sqlite-version"]' in faulty.hint) == ("warning", True)
    assert sqlite_verdict((3, 33, 0)).state == "failed"


def test_an_sqlite_without_trigrams_is_a_warning(store_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(config_of(store_path), "search-index").state == "ok"
    monkeypatch.setattr(system, "has_trigrams", lambda: False)
    assert found(config_of(store_path), "search-index").state == "warning"


# the probers


def probers(engine: str, path: str = "ffprobe", *, deadline_s: float = AMPLE_S) -> tuple[Finding, Finding]:
    """What is found of libav, and of ffprobe."""
    config = Config(
        db=Db(path="/nowhere/q.db"),
        ffprobe=Ffprobe(engine=engine, path=path),
        doctor=Doctor(deadline_s=deadline_s),
    )
    told = {finding.check: finding for finding in findings(config)}
    return told["prober-libav"], told["prober-ffprobe"]


@pytest.fixture
def no_ffprobe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def no_libav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libav_prober, "find_spec", lambda name: None)


def test_probers_are_tried_and_named_with_their_versions() -> None:
    libav, ffprobe = probers("auto")
    assert (libav.state, ffprobe.state) == ("ok", "ok")
    assert libav.says.startswith("libav ")
    assert ffprobe.says.startswith("ffprobe ")


def test_a_prober_that_is_not_wanted_is_not_asked(no_ffprobe: None) -> None:
    libav, ffprobe = probers("libav")
    assert (libav.state, ffprobe.state) == ("ok", "skipped")
    assert "ffprobe.engine is libav" in ffprobe.says
    libav, ffprobe = probers("ffprobe")
    assert (libav.state, ffprobe.state) == ("skipped", "failed")
    assert "install FFmpeg" in ffprobe.hint


def test_one_of_both_probers_is_enough_for_auto(no_ffprobe: None, tmp_path: Path) -> None:
    libav, ffprobe = probers("auto")
    assert (libav.state, ffprobe.state) == ("ok", "skipped")
    named = probers("auto", str(tmp_path / "not-here"))
    assert [each.state for each in named] == ["ok", "failed"]


def test_without_libav_all_is_left_to_ffprobe(no_libav: None) -> None:
    assert [each.state for each in probers("auto")] == ["warning", "ok"]
    assert [each.state for each in probers("libav")] == ["failed", "skipped"]


def test_without_any_prober_the_check_fails(no_libav: None, no_ffprobe: None) -> None:
    assert [each.state for each in probers("auto")] == ["warning", "failed"]


def test_an_ffprobe_that_tells_its_version_and_no_more_fails(tmp_path: Path) -> None:
    script = 'case "$*" in *-version*) echo ffprobe version 5.1.9 ;; *) exit 1 ;; esac'
    _, ffprobe = probers("ffprobe", str(make_script(tmp_path / "ffprobe", script)))
    assert ffprobe.state == "failed"
    assert "ffprobe 5.1.9 cannot describe a plain sound" in ffprobe.says


def test_an_ffprobe_that_hangs_is_given_up(tmp_path: Path) -> None:
    hanging = make_script(tmp_path / "ffprobe", "sleep 60")
    _, ffprobe = probers("ffprobe", str(hanging), deadline_s=SHORT_S)
    assert ffprobe.state == "failed"
    assert ffprobe.says == f"this is no ffprobe: {hanging} (it does not end)"
    assert not processes_about(str(hanging))


def test_an_ffprobe_that_hangs_on_a_file_is_given_up(tmp_path: Path) -> None:
    script = 'case "$*" in *-version*) echo ffprobe version 5.1.9 ;; *) sleep 60 ;; esac'
    hanging = make_script(tmp_path / "ffprobe", script)
    _, ffprobe = probers("ffprobe", str(hanging), deadline_s=2.0)
    assert ffprobe.state == "failed"
    assert "ffprobe 5.1.9 cannot describe a plain sound: timeout" in ffprobe.says
    assert not processes_about(str(hanging))


# roots


def test_a_root_that_is_missing_fails_and_is_not_looked_into(store_path: str, library: Path) -> None:
    library.rmdir()

    told = findings(config_of(store_path, library))

    assert states(told, library) == dict(zip(ROOT, ["failed", "skipped", "skipped", "skipped"], strict=True))
    [missing] = [finding for finding in told if finding.state == "failed"]
    assert missing.says == f"root is missing: {library}"
    assert "mounted" in missing.hint


def test_a_root_that_is_a_file_fails(store_path: str, tmp_path: Path) -> None:
    path = make_file(tmp_path / "film.mp4", b"content")
    assert found(config_of(store_path, path), "root-present").says == f"root is no folder: {path}"


def test_a_root_that_nothing_was_mounted_on_fails_where_there_were_files(store: Store, filled: Path) -> None:
    scan(store, filled)
    filled.rename(filled.with_name("away"))
    filled.mkdir()

    told = findings(config_of(store.path))

    assert states(told, filled) == dict(zip(ROOT, ["ok", "failed", "skipped", "skipped"], strict=True))
    [empty] = [finding for finding in told if finding.state == "failed"]
    assert empty.says == f"root is empty, but the store knows files in it: {filled}"
    assert "--accept-shrink" in empty.hint


def test_a_new_root_that_is_empty_is_a_warning(store_path: str, library: Path) -> None:
    told = findings(config_of(store_path, library))
    assert states(told, library) == dict(zip(ROOT, ["ok", "warning", "skipped", "ok"], strict=True))


def test_a_root_on_another_filesystem_than_before_is_a_warning(store: Store, filled: Path) -> None:
    scan(store, filled)
    run_sql(store.path, "UPDATE root SET filesystem = 'nfs4', source = 'nas:/videos'")

    finding = found(config_of(store.path), "root-present")

    assert finding.state == "warning"
    assert "nfs4 nas:/videos was mounted there, and now " in finding.says


def test_roots_are_those_of_the_configuration_and_of_the_store(store: Store, filled: Path, tmp_path: Path) -> None:
    scan(store, filled)
    configured = tmp_path / "configured"
    make_file(configured / "c.mp4", b"content of c")

    told = findings(config_of(store.path, configured))

    assert [finding.path for finding in told if finding.check == "root-present"] == [
        os.fsencode(configured),
        os.fsencode(filled),
    ]


def test_a_root_that_is_not_configured_any_more_may_be_gone(store: Store, filled: Path, tmp_path: Path) -> None:
    scan(store, filled)
    filled.rename(filled.with_name("away"))

    assert states(findings(config_of(store.path, tmp_path)), filled)["root-present"] == "failed"
    assert states(findings(config_of(store.path, tmp_path / "away")), filled)["root-present"] == "warning"
    assert states(findings(config_of(store.path)), filled)["root-present"] == "failed"


def test_files_that_went_since_the_last_scan_do_not_make_a_root_unreadable(store: Store, filled: Path) -> None:
    scan(store, filled)
    (filled / "b.mp4").unlink()
    assert f"{filled}/folder/a.mp4" in found(config_of(store.path), "root-readable").says
    (filled / "folder" / "a.mp4").rename(filled / "folder" / "c.mp4")
    assert f"{filled}/folder/c.mp4" in found(config_of(store.path), "root-readable").says


def test_a_fifo_in_the_place_of_a_file_is_not_waited_for(store: Store, filled: Path) -> None:
    scan(store, filled)
    for path in (filled / "b.mp4", filled / "folder" / "a.mp4"):
        path.unlink()
        os.mkfifo(path)
    assert found(config_of(store.path, deadline_s=AMPLE_S), "root-readable").state != "failed"


def test_a_root_by_a_name_of_any_bytes_is_looked_at(store_path: str, tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"caf\xe9\n")
    make_file(root / "a.mp4", b"content")
    told = findings(config_of(store_path, root))
    assert states(told, root) == dict.fromkeys(ROOT, "ok")
    assert not [finding for finding in told if "\n" in finding.says]


def test_a_root_need_not_be_writable_where_that_is_configured(store_path: str, filled: Path) -> None:
    for folder in (filled, filled.parent, Path("/")):
        config = config_of(store_path, filled, read_only_roots=(str(folder),))
        assert found(config, "root-writable").state == "skipped"
    config = config_of(store_path, filled, read_only_roots=(f"{filled}-2",))
    assert found(config, "root-writable").state == "ok"


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (ANY, ["failed", "skipped", "skipped", "skipped"]),
        (LISTINGS, ["ok", "failed", "skipped", "skipped"]),
        (READS, ["ok", "ok", "failed", "skipped"]),
    ],
    ids=["all", "listings", "reads"],
)
def test_a_mount_that_stalls_fails_in_time_and_no_other_root_waits(
    store_path: str, filled: Path, mount: FuseMount, operations: Any, expected: list[str]
) -> None:
    mount.stall(operations)

    told = findings(config_of(store_path, mount.folder, filled, deadline_s=SHORT_S))

    assert states(told, mount.folder) == dict(zip(ROOT, expected, strict=True))
    assert states(told, filled) == dict.fromkeys(ROOT, "ok")
    [dead] = [finding for finding in told if finding.state == "failed"]
    assert dead.says == f"root {mount.folder}: no answer in 0.5 s"
    assert "mount" in dead.hint


def test_a_mount_that_cannot_be_read_fails(store_path: str, mount: FuseMount) -> None:
    mount.fail(EIO, READS)

    told = findings(config_of(store_path, mount.folder))

    assert states(told, mount.folder) == dict(zip(ROOT, ["ok", "ok", "failed", "skipped"], strict=True))
    [dead] = [finding for finding in told if finding.state == "failed"]
    assert dead.says == f"no file in the root can be read: {mount.folder}/film.mp4: input/output error"


def test_what_hangs_is_asked_once_however_often_one_looks_and_again_when_it_answers(
    store_path: str, mount: FuseMount
) -> None:
    mount.stall(LISTINGS)
    readiness = Readiness(config_of(store_path, mount.folder, deadline_s=SHORT_S))

    for _ in range(3):
        assert states(list(readiness.findings()), mount.folder)["root-listable"] == "failed"
    assert mount.unanswered() == ["served"]

    [hanging] = readiness._scouts._hanging.values()
    mount.recover()
    os.waitpid(hanging.pid, 0)
    assert states(list(readiness.findings()), mount.folder) == dict.fromkeys(ROOT, "ok")


def test_several_may_ask_at_the_same_time(store: Store, filled: Path) -> None:
    scan(store, filled)
    readiness = Readiness(config_of(store.path))
    told: list[list[Finding]] = []

    askers = [threading.Thread(target=lambda: told.append(list(readiness.findings()))) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(AMPLE_S)

    assert len(told) == 8
    for each in told:
        assert [finding.check for finding in each] == list(CHECKS)
        assert not [finding for finding in each if finding.state == "failed"]


def test_a_store_that_hangs_is_given_up(mount: FuseMount, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a local disk that hangs, that is; a mount like this one would be refused
    monkeypatch.setattr("qacache.filesystem.NETWORK_TYPES", frozenset())
    path = mount.folder / "q.db"
    mount.stall(ANY)

    told = findings(config_of(str(path), filled, deadline_s=SHORT_S))

    assert states(told, path)["database-filesystem"] == "failed"
    assert states(told, mount.folder)["database-space"] == "failed"
    assert states(told, filled) == dict.fromkeys(ROOT, "ok")


def test_nothing_is_written_into_a_root(store: Store, filled: Path) -> None:
    scan(store, filled)
    before = {path: os.lstat(path).st_mtime_ns for path in (filled, *filled.rglob("*"))}

    findings(config_of(store.path, filled))

    assert {path: os.lstat(path).st_mtime_ns for path in (filled, *filled.rglob("*"))} == before


def test_a_store_is_as_it_was_afterwards(store: Store, filled: Path) -> None:
    scan(store, filled)
    with closing(sqlite3.connect(store.path)) as connection:
        before = connection.serialize()

    findings(config_of(store.path, filled))

    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.serialize() == before
    with Reader(store.path) as reader, Store(store.path, retries=RetrySchedule(60, 3600)) as again:
        again.writer.write([probed(b"/new.mp4")])
        assert reader.known(b"/new.mp4") is not None


# scouts


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (("sys.executable", "/not/here"), "no process can be started that looks at it: No such file or directory"),
        (("_PROGRAM", "raise SystemExit(1)"), "the process that looks at it ended before it did"),
    ],
    ids=["no interpreter", "dies"],
)
def test_a_root_that_nobody_can_be_sent_to_fails(
    store_path: str, filled: Path, monkeypatch: pytest.MonkeyPatch, broken: tuple[str, str], says: str
) -> None:
    name, value = broken
    monkeypatch.setattr(f"qacache.readiness.scouts.{name}", value)

    told = findings(config_of(store_path, filled))

    assert states(told, filled) == dict(zip(ROOT, ["failed", "skipped", "skipped", "skipped"], strict=True))
    [failed] = [finding for finding in told if finding.state == "failed"]
    assert failed.says == f"root {filled}: {says}"
    assert failed.hint


@given(
    root=st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name),
    files=st.lists(st.binary(max_size=20), max_size=3),
    is_read_only=st.booleans(),
)
def test_tasks_get_to_scouts_whatever_the_names(root: bytes, files: list[bytes], is_read_only: bool) -> None:
    task = RootTask(root=root, mount="nfs4 nas:/\udce9", files=files, is_read_only=is_read_only, skip=["root-present"])
    assert RootTask.from_json(task.to_json()) == task


@needs_proc
def test_nothing_is_left_of_a_look(store_path: str, filled: Path) -> None:
    before = children_of(os.getpid()), set(os.listdir("/proc/self/fd"))
    findings(config_of(store_path, filled))
    assert (children_of(os.getpid()), set(os.listdir("/proc/self/fd"))) == before


def test_a_scout_loads_little() -> None:
    program = "import sys, qacache.readiness.roots; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlite3", "typer", "rich", "concurrent.futures", "subprocess", "sqlite_utils"} & set(loaded)
