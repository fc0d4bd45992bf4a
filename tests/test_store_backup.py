"""Making, listing and verifying backups: what goes wrong is told, and nothing half done stays."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qacache.errors import SchemaForeign, SchemaTooNew, StoreCorrupt, StoreError, StoreFull, StoreMissing
from qacache.store import database
from qacache.store.backup import checking, copying, creation, files
from qacache.store.backup.checking import Contents
from qacache.store.backup.creation import create
from qacache.store.backup.files import TEMPORARY, Access, Partial
from qacache.store.backup.folder import Backup, Folder
from qacache.store.backup.jobs import Effort, Stopped, Tell
from qacache.store.backup.verification import verify
from qacache.store.lock import held, lock_path, scan_lock_path
from tests.backups import a_writer, all_in, execute, lose_index_entries, names, old_store, query, spoil
from tests.fakes import FakeClock
from tests.rows import failed, probed

PROJECT = Path(__file__).parents[1]
NAME = "qacache-20270115T080000Z"
VIDEOS = [b"/v/a.mp4", b"/v/b.mp4", b"/v/broken.mp4"]

DIE_WHILE = """
import os, signal, sys
from qacache.store.backup.creation import create
from qacache.store.backup.folder import Folder

def die(step, done, total):
    os.kill(os.getpid(), signal.SIGKILL)

create(sys.argv[1], Folder.of(sys.argv[1], hang_s=30), die)
"""


@pytest.fixture
def db(store_path: str) -> str:
    """A store of three files, that nobody has open."""
    with a_writer(store_path) as writer:
        writer.write([probed(VIDEOS[0], "a"), probed(VIDEOS[1], "b"), failed(VIDEOS[2])])
    return store_path


@pytest.fixture
def backups(db: str) -> Folder:
    return Folder.of(db, hang_s=30)


@pytest.fixture
def backup(db: str, backups: Folder, clock: FakeClock) -> Backup:
    """A backup of the three files."""
    return create(db, backups, clock=clock.time)


@pytest.fixture
def on_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the folder of backups for one on a network filesystem."""
    monkeypatch.setattr(creation, "is_network_type", lambda kind: True)


def manifest_of(backup: Backup) -> Path:
    return Path(backup.manifest_path)


def test_a_backup_is_a_whole_store_of_its_own(db: str, backup: Backup) -> None:
    assert backup.path == str(Path(db).parent / "backups" / f"{NAME}.db")
    assert names(backup.path) == VIDEOS
    for table in ("file", "media", "raw_probe", "failure", "change"):
        assert query(backup.path, f"SELECT * FROM {table}") == query(db, f"SELECT * FROM {table}")
    assert query(backup.path, "PRAGMA integrity_check") == [("ok",)]
    assert query(backup.path, "PRAGMA auto_vacuum") == query(db, "PRAGMA auto_vacuum") == [(2,)]


def test_a_backup_can_be_read_where_sqlite_may_not_lock(backup: Backup) -> None:
    assert query(backup.path, "PRAGMA journal_mode") == [("delete",)]
    assert all_in(os.path.dirname(backup.path)) == [f"{NAME}.db", f"{NAME}.json"]


def test_a_backup_has_a_manifest(db: str, backup: Backup) -> None:
    told = json.loads(manifest_of(backup).read_text())
    content = Path(backup.path).read_bytes()
    assert (told["size"], told["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (told["created"], told["verified"]) == ("2027-01-15T08:00:00.000Z",) * 2
    assert (told["schema"], told["rows"]["file"], told["rows"]["failure"]) == (database.SCHEMA_VERSION, 3, 1)
    assert told["store"] == db


def test_backups_of_one_second_have_different_names(db: str, backups: Folder, clock: FakeClock) -> None:
    made = [create(db, backups, clock=clock.time) for _ in range(3)]
    assert [os.path.basename(each.path) for each in made] == [f"{NAME}.db", f"{NAME}-2.db", f"{NAME}-3.db"]
    assert backups.backups() == [*reversed(made)]


def test_a_backup_is_what_the_store_was_when_it_began(
    db: str, backups: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_PAGES", 1)
    steps = []

    def write_on(step: str, done: int, total: int) -> None:
        if step == "copying":
            steps.append(step)
            assert len(steps) < 1000, "it begins again and again"
            # at every page that is copied: two rows in one transaction, and a checkpoint
            writer.write([probed(b"/v/new %d.mp4" % len(steps), "n"), probed(b"/v/a.mp4", str(len(steps)))])
            query(db, "PRAGMA wal_checkpoint")

    with a_writer(db) as writer:
        before = query(db, "SELECT path, digest FROM file ORDER BY path")
        backup = create(db, backups, write_on)
        assert len(steps) > 10
        assert query(backup.path, "SELECT path, digest FROM file ORDER BY path") == before
        assert len(names(db)) == len(VIDEOS) + len(steps)
    assert verify(backup, backups).error is None


def test_what_is_in_the_log_only_is_in_the_backup(db: str, backups: Folder) -> None:
    with a_writer(db) as writer:
        writer.write([probed(b"/v/new.mp4")])
        log = os.path.getsize(f"{db}-wal")
        backup = create(db, backups)
        assert names(backup.path) == [*VIDEOS, b"/v/new.mp4"]
        assert os.path.getsize(f"{db}-wal") == log > 0


def test_a_backup_needs_no_lock(db: str, backups: Folder) -> None:
    with (
        held(scan_lock_path(db), purpose="qacache scan", timeout_s=0.0),
        held(lock_path(db), purpose="writing", timeout_s=0.0),
    ):
        assert names(create(db, backups).path) == VIDEOS


def test_an_outdated_store_can_be_backed_up(tmp_path: Path) -> None:
    path = old_store(str(tmp_path / "old.db"))
    backup = create(path, Folder.of(path, hang_s=30))
    assert backup.manifest is not None
    assert backup.manifest.contents.schema_version == 1
    assert query(backup.path, "SELECT count(*) FROM file") == query(path, "SELECT count(*) FROM file")


def test_a_backup_is_no_more_readable_than_the_store(db: str, backups: Folder, clock: FakeClock) -> None:
    for mode in (0o600, 0o640, 0o644):
        os.chmod(db, mode)
        backup = create(db, backups, clock=clock.time)
        for path in (backup.path, backup.manifest_path):
            assert stat.S_IMODE(os.stat(path).st_mode) == mode


def test_the_umask_takes_more_rights_away(db: str, backups: Folder) -> None:
    os.chmod(db, 0o664)
    before = os.umask(0o077)
    try:
        backup = create(db, backups)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(backup.path).st_mode) == 0o600


def test_a_group_that_is_another_one_gets_no_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    with Partial(str(tmp_path / "x"), Access(0o660, 1, 1)) as partial:
        assert stat.S_IMODE(os.fstat(partial.descriptor).st_mode) == 0o600


@pytest.mark.parametrize("step", ["copying", "checking"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_interrupts_it_nothing_half_done_stays(
    db: str, backups: Folder, step: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(told: str, done: int, total: int) -> None:
        if told == step:
            raise error

    # a check that lasts until it is told to end
    monkeypatch.setattr(files, "sync", lambda path: None)
    monkeypatch.setattr(files, "sha256", endless)
    with pytest.raises(error):
        create(db, backups, interrupt)
    assert all_in(backups.path) == []


def endless(path: str, tell: Tell) -> str:
    while True:
        tell("checking", 0, 0)


def test_what_a_killed_process_left_behind_is_removed_by_the_next(db: str, backups: Folder) -> None:
    for _ in range(2):
        died = subprocess.run([sys.executable, "-c", DIE_WHILE, db], cwd=PROJECT, timeout=60, check=False)
        assert died.returncode == -signal.SIGKILL
        [left] = all_in(backups.path)
        assert left.endswith(TEMPORARY)
        assert backups.backups() == []
    create(db, backups)
    assert len(all_in(backups.path)) == 2


def test_what_another_process_is_making_is_left_alone(db: str, backups: Folder, clock: FakeClock) -> None:
    os.mkdir(backups.path)
    with Partial(os.path.join(backups.path, f"{NAME}.db{TEMPORARY}"), Access(0o600, 0, 0)) as other:
        backup = create(db, backups, clock=clock.time)
        assert os.path.basename(backup.path) == f"{NAME}-2.db"
        other.move(os.path.join(backups.path, f"{NAME}.db"))
    assert f"{NAME}.db" in all_in(backups.path)


@pytest.mark.parametrize(("age_s", "left"), [(3600, True), (2 * 86_400, False)])
def test_where_there_are_no_locks_what_is_a_day_old_was_left_behind(
    db: str, backups: Folder, age_s: float, left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    os.mkdir(backups.path)
    half = Path(backups.path) / f"qacache-20260101T000000Z.db{TEMPORARY}"
    half.touch()
    then = time.time() - age_s
    os.utime(half, (then, then))
    create(db, backups)
    assert half.exists() == left


def test_two_backups_at_once_are_two_backups(db: str, backups: Folder, clock: FakeClock) -> None:
    inner: list[Backup] = []

    def make_another(step: str, done: int, total: int) -> None:
        if not inner:
            inner.append(create(db, backups, clock=clock.time))

    outer = create(db, backups, make_another, clock=clock.time)
    assert backups.backups() == [*inner, outer]
    assert [verify(each, backups).error for each in (*inner, outer)] == [None, None]


def test_a_copy_that_has_not_what_the_store_had_is_no_backup(
    db: str, backups: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copying.copy

    def miscount(*arguments: Any, **options: Any) -> Contents:
        return copy(*arguments, **options)._replace(counts={"file": 4})

    monkeypatch.setattr(copying, "copy", miscount)
    with pytest.raises(StoreCorrupt, match="has not what the store has"):
        create(db, backups)
    assert all_in(backups.path) == []


def test_a_backup_that_cannot_be_given_its_name_leaves_no_manifest(
    db: str, backups: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def refuse(old: str, new: str) -> None:
        if new.endswith(".db"):
            raise OSError(5, "Input/output error", new)
        rename(old, new)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StoreError, match="input/output error"):
        create(db, backups)
    assert all_in(backups.path) == []


def test_a_check_ends_when_it_is_told_to(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ending(Effort):
        def tell(self, step: str, done: int = 0, total: int = 0) -> None:
            """Be told that it is over in the midst of the work only."""

        def is_over(self) -> bool:
            return True

    monkeypatch.setattr(checking, "_STEPS", 1)
    with pytest.raises(Stopped):
        checking._check(db, "it", "integrity_check(1)", Ending())


@pytest.mark.usefixtures("on_network")
def test_on_a_network_a_backup_is_made_beside_the_store_first(
    db: str, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = []
    connect = sqlite3.connect

    def listen(path: str, **options: Any) -> sqlite3.Connection:
        connected.append(path)
        return connect(path, **options)

    monkeypatch.setattr(sqlite3, "connect", listen)
    nas = Folder.of(db, str(tmp_path / "nas"), hang_s=30)
    backup = create(db, nas, clock=clock.time)
    assert backup.path == str(tmp_path / "nas" / f"{NAME}.db")
    assert verify(backup, nas).error is None
    assert all_in(nas.path) == [f"{NAME}.db", f"{NAME}.json"]
    assert not [name for name in all_in(os.path.dirname(db)) if TEMPORARY in name or "backups" in name]
    # to verify it is the only reason to open it there
    assert {path for path in connected if "nas" in path} == {f"file:{backup.path}?mode=ro&immutable=1"}


@pytest.mark.usefixtures("on_network")
def test_what_does_not_arrive_as_it_was_sent_is_no_backup(
    db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = files.transfer

    def send_wrongly(source: str, partial: Partial, tell: Tell) -> None:
        send(source, partial, tell)
        spoil(partial.path, 9000)

    monkeypatch.setattr(files, "transfer", send_wrongly)
    nas = Folder.of(db, str(tmp_path / "nas"), hang_s=30)
    with pytest.raises(StoreCorrupt, match="not what is read there"):
        create(db, nas)
    assert all_in(nas.path) == []
    assert not [name for name in all_in(os.path.dirname(db)) if TEMPORARY in name]


def test_without_room_no_backup_is_begun(db: str, backups: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk = shutil._ntuple_diskusage(total=9, used=8, free=1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full_disk)
    with pytest.raises(StoreFull, match=r"1 bytes are free in .*backups, [0-9,]+ are needed"):
        create(db, backups)
    assert all_in(backups.path) == []


def test_without_a_store_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    path = str(tmp_path / "qacache.db")
    with pytest.raises(StoreMissing):
        create(path, Folder.of(path, hang_s=30))
    assert all_in(str(tmp_path)) == []


@pytest.mark.parametrize(
    "change", ["PRAGMA application_id = 7", f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}"]
)
def test_what_is_no_store_of_this_qacache_is_not_backed_up(db: str, backups: Folder, change: str) -> None:
    execute(db, change)
    with pytest.raises((SchemaForeign, SchemaTooNew)):
        create(db, backups)


def test_a_damaged_store_makes_no_backup(db: str, backups: Folder) -> None:
    lose_index_entries(db)
    assert query(db, "PRAGMA quick_check") == [("ok",)]
    with pytest.raises(StoreCorrupt, match=rf"store {db} is damaged: .*file_not_ok") as refused:
        create(db, backups)
    assert "qacache backup list" in (refused.value.hint or "")
    assert all_in(backups.path) == []


def test_rows_that_refer_to_nothing_make_no_backup(db: str, backups: Folder) -> None:
    execute(db, "PRAGMA foreign_keys = OFF; DELETE FROM file WHERE path = CAST('/v/a.mp4' AS BLOB)")
    with pytest.raises(StoreCorrupt, match=r"is damaged: row 1 of (media|raw_probe) refers to no file"):
        create(db, backups)


def test_a_folder_that_cannot_be_made_is_told(db: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "backups"):
        with pytest.raises(StoreError, match=f"{path}: not a directory"):
            create(db, Folder.of(db, str(path), hang_s=30))


def test_backups_of_other_stores_and_other_files_are_not_listed(db: str, backups: Folder, backup: Backup) -> None:
    for name in ("other-20270115T080000Z.db", "qacache-2027.db", "qacache-20270115T080000Z.txt", "notes"):
        (Path(backups.path) / name).touch()
    assert backups.backups() == [backup]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no manifest"),
        ("", "its manifest is damaged"),
        ("[]", "its manifest is damaged"),
        ('{"manifest": 1}', "its manifest is damaged"),
        ('{"manifest": 1, "sha256": 5}', "its manifest is damaged"),
        ("[" * 100_000, "its manifest is damaged"),
        ("\udcff", "its manifest is damaged"),
    ],
)
def test_a_backup_without_its_manifest_is_listed_with_a_doubt(
    backups: Folder, backup: Backup, text: str | None, problem: str
) -> None:
    if text is None:
        manifest_of(backup).unlink()
    else:
        manifest_of(backup).write_bytes(text.encode(errors="surrogateescape"))
    [listed] = backups.backups()
    assert (listed.manifest, listed.problem, listed.is_verified, listed.is_damaged) == (None, problem, False, False)
    verified = verify(listed, backups)
    assert verified.error is None
    assert verified.contents is not None
    assert verified.contents.counts["file"] == 3


def test_a_manifest_of_the_future_is_not_guessed_at(backups: Folder, backup: Backup) -> None:
    told = json.loads(manifest_of(backup).read_text())
    manifest_of(backup).write_text(json.dumps({**told, "manifest": 2}))
    assert backups.backups()[0].problem == "its manifest is damaged"


def test_a_whole_backup_verifies_and_its_manifest_says_when(backups: Folder, backup: Backup, clock: FakeClock) -> None:
    clock.advance(100)
    verified = verify(backup, backups, clock=clock.time)
    assert (verified.error, verified.backup.is_verified) == (None, True)
    assert json.loads(manifest_of(backup).read_text())["verified"] == "2027-01-15T08:01:40.000Z"
    assert backups.backups() == [verified.backup]


@pytest.mark.parametrize("offset", [200, 30_000])
def test_a_backup_that_changed_is_damaged_and_remembered_as_such(backups: Folder, backup: Backup, offset: int) -> None:
    spoil(backup.path, offset)
    assert backups.backups()[0].is_verified
    verified = verify(backup, backups)
    assert isinstance(verified.error, StoreCorrupt)
    assert str(verified.error) == f"backup {backup.path} is damaged: its SHA-256 is not what its manifest says"
    [listed] = backups.backups()
    assert listed.is_damaged
    assert listed.problem == "is damaged: its SHA-256 is not what its manifest says"
    spoil(backup.path, offset)
    assert verify(listed, backups).error is None
    assert backups.backups()[0].is_verified


def test_a_backup_that_cannot_be_read_is_not_said_to_be_damaged(
    backups: Folder, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, tell: Tell) -> str:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(files, "sha256", fail)
    assert "input/output error" in str(verify(backup, backups).error)
    assert backups.backups() == [backup]


def test_a_backup_that_was_cut_off_is_told_at_once(backups: Folder, backup: Backup) -> None:
    os.truncate(backup.path, backup.size - 4096)
    [listed] = backups.backups()
    assert listed.problem == f"is damaged: {backup.size - 4096:,} bytes instead of {backup.size:,}"
    assert "its size is" in str(verify(listed, backups).error)


def make_text(path: str) -> None:
    Path(path).write_text("no database at all, " * 1000)


def make_empty(path: str) -> None:
    Path(path).write_bytes(b"")


def make_foreign(path: str) -> None:
    os.unlink(path)
    execute(path, "CREATE TABLE notes (text)")


def make_newer(path: str) -> None:
    execute(path, f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")


def make_ancient(path: str) -> None:
    execute(path, "PRAGMA user_version = 0")


def make_short(path: str) -> None:
    os.truncate(path, os.path.getsize(path) - 8192)


UNUSABLE = [
    (make_text, "is no SQLite database"),
    (make_empty, "is empty"),
    (make_foreign, "is some other program's database"),
    (make_newer, "newer than this qacache"),
    (make_ancient, "older than this qacache can migrate"),
    (make_short, "is damaged"),
    (lose_index_entries, "is damaged: .*file_not_ok"),
]


@pytest.mark.parametrize(("spoil_it", "problem"), UNUSABLE)
def test_without_a_manifest_a_backup_is_still_checked(
    backups: Folder, backup: Backup, spoil_it: Callable[[str], None], problem: str
) -> None:
    manifest_of(backup).unlink()
    spoil_it(backup.path)
    [listed] = backups.backups()
    verified = verify(listed, backups)
    assert verified.contents is None
    assert re.search(problem, str(verified.error))
