"""Restoring a backup: what it takes, what it refuses, and that what was there is never lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from qacache.errors import (
    SchemaForeign,
    SchemaOutdated,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreOnNetwork,
    UsageError,
)
from qacache.store import database, migrations
from qacache.store.backup import checking, files
from qacache.store.backup.creation import create
from qacache.store.backup.files import TEMPORARY, Partial
from qacache.store.backup.folder import Backup, Folder, backup_at
from qacache.store.backup.jobs import Tell
from qacache.store.backup.restoring import Restored, restore
from qacache.store.lock import held, lock_path, scan_lock_path
from qacache.store.reader import Reader
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.backups import a_writer, all_in, execute, names, old_store, query, write
from tests.fakes import FakeClock
from tests.rows import failed, probed
from tests.test_store_backup import UNUSABLE

BEFORE = [b"/v/a.mp4", b"/v/broken.mp4"]
NOW = [*BEFORE, b"/v/new.mp4"]
ASIDE = "replaced-20270115T080000Z"


@pytest.fixture
def db(store_path: str) -> str:
    """A store of a video and a failure, that nobody has open."""
    with a_writer(store_path) as writer:
        writer.write([probed(BEFORE[0]), failed(BEFORE[1])])
    return store_path


@pytest.fixture
def backups(db: str) -> Folder:
    return Folder.of(db, hang_s=30)


@pytest.fixture
def backup(db: str, backups: Folder, clock: FakeClock) -> Backup:
    """A backup of those two files; there is a third one by now."""
    made = create(db, backups, clock=clock.time)
    write(db, NOW[2])
    return made


@pytest.fixture
def bring_back(db: str, backups: Folder, clock: FakeClock) -> Callable[[Backup], Restored]:
    return lambda backup: restore(backup, db, backups, busy_timeout_s=0.2, clock=clock.time)


BringBack = Callable[[Backup], Restored]


def left_over(db: str) -> list[str]:
    """What is beside the store that was not there before anything was restored."""
    # a reader that may not write leaves SQLite's own files behind
    usual = {"qacache.db", "qacache.db-wal", "qacache.db-shm", "qacache.db.lock", "qacache.db.scan.lock", "backups"}
    return [name for name in all_in(os.path.dirname(db)) if name not in usual]


def test_a_backup_becomes_the_store_and_the_store_is_set_aside(db: str, backup: Backup, bring_back: BringBack) -> None:
    restored = bring_back(backup)
    assert restored == Restored(backup, restored.contents, f"{db}.{ASIDE}")
    assert (restored.contents.counts["file"], restored.is_outdated) == (2, False)
    assert names(db) == BEFORE
    assert names(f"{db}.{ASIDE}") == NOW
    assert names(backup.path) == BEFORE


def test_what_was_restored_can_be_used_as_before(db: str, backup: Backup, bring_back: BringBack) -> None:
    bring_back(backup)
    assert query(db, "PRAGMA journal_mode") == [("wal",)]
    assert query(db, "PRAGMA auto_vacuum") == [(2,)]
    with Store(db, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as store:
        store.writer.write([probed(b"/v/later.mp4")])
        assert [found.path for found in store.reader.below(b"/", ())] == [*BEFORE, b"/v/later.mp4"]


def test_what_was_set_aside_is_one_file_and_can_be_restored_itself(
    db: str, backup: Backup, bring_back: BringBack, clock: FakeClock
) -> None:
    with a_writer(db) as writer:
        writer.write([probed(b"/v/last.mp4")])
    first = bring_back(backup)
    assert first.replaced is not None
    assert left_over(db) == [os.path.basename(first.replaced)]
    clock.advance(1)
    second = bring_back(backup_at(first.replaced))
    assert names(db) == [*BEFORE, b"/v/last.mp4", b"/v/new.mp4"]
    assert len(left_over(db)) == 2
    assert second.replaced != first.replaced


def test_two_restores_within_a_second_set_two_stores_aside(db: str, backup: Backup, bring_back: BringBack) -> None:
    first, second = bring_back(backup), bring_back(backup)
    assert first.replaced is not None
    assert second.replaced is not None
    assert names(first.replaced) == NOW
    assert names(second.replaced) == BEFORE


def test_a_store_that_is_lost_is_restored_with_its_folder(
    db: str, backup: Backup, backups: Folder, tmp_path: Path, clock: FakeClock
) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(backups.path, saved)
    shutil.rmtree(os.path.dirname(db))
    folder = Folder.of(db, str(saved), hang_s=30)
    [found] = folder.backups()
    restored = restore(found, db, folder, busy_timeout_s=0.2)
    assert restored.replaced is None
    assert names(db) == BEFORE


def test_a_store_that_is_damaged_is_set_aside_as_it_is(db: str, backup: Backup, bring_back: BringBack) -> None:
    Path(db).write_text("no database at all, " * 1000)
    Path(f"{db}-wal").write_text("no log")
    restored = bring_back(backup)
    assert restored.replaced is not None
    assert names(db) == BEFORE
    assert Path(restored.replaced).read_text().startswith("no database")
    assert Path(f"{restored.replaced}-wal").read_text() == "no log"


def test_the_database_of_another_program_is_not_replaced(
    db: str, backup: Backup, backups: Folder, tmp_path: Path
) -> None:
    other = execute(str(tmp_path / "other.db"), "CREATE TABLE notes (text)")
    content = Path(other).read_bytes()
    with pytest.raises(SchemaForeign, match=r"other\.db is some other program's"):
        restore(backup, other, backups, busy_timeout_s=0.2)
    assert Path(other).read_bytes() == content
    with pytest.raises(StoreError, match="is a folder"):
        restore(backup, str(tmp_path), backups, busy_timeout_s=0.2)


@pytest.mark.parametrize("path_of_lock", [lock_path, scan_lock_path])
def test_nothing_is_restored_while_a_scan_or_a_writer_runs(
    path_of_lock: Callable[[str], str], db: str, backup: Backup, bring_back: BringBack
) -> None:
    with (
        held(path_of_lock(db), purpose="qacache scan", timeout_s=0.0),
        pytest.raises(StoreLocked, match="qacache scan"),
    ):
        bring_back(backup)
    assert names(db) == NOW
    assert left_over(db) == []


def test_nothing_is_restored_while_anything_has_the_store_open(db: str, backup: Backup, bring_back: BringBack) -> None:
    with a_writer(db) as writer, pytest.raises(StoreLocked, match="locked by another process"):
        writer.write([probed(b"/v/more.mp4")])
        bring_back(backup)
    with Reader(db), pytest.raises(StoreLocked):
        bring_back(backup)
    assert names(db) == [*BEFORE, b"/v/more.mp4", b"/v/new.mp4"]
    bring_back(backup)
    assert names(db) == BEFORE


def test_whether_anything_has_the_store_open_is_asked_first_and_last(
    db: str, backup: Backup, bring_back: BringBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []
    transfer = files.transfer

    def open_meanwhile(source: str, partial: Partial, tell: Tell) -> None:
        fetched.append(Reader(db))
        transfer(source, partial, tell)

    monkeypatch.setattr(files, "transfer", open_meanwhile)
    with Reader(db), pytest.raises(StoreLocked):
        bring_back(backup)
    assert fetched == []
    with pytest.raises(StoreLocked):
        bring_back(backup)
    assert len(fetched) == 1
    del fetched[:]
    assert names(db) == NOW
    assert left_over(db) == []


def test_no_scan_begins_while_a_backup_is_restored(
    db: str, backup: Backup, bring_back: BringBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = []

    def try_to_scan(source: str, partial: Partial, tell: Tell) -> None:
        with (
            Store(db, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as store,
            pytest.raises(StoreLocked, match="qacache backup restore"),
            store.scanning(),
        ):
            pass
        refusals.append(source)
        transfer(source, partial, tell)

    transfer = files.transfer
    monkeypatch.setattr(files, "transfer", try_to_scan)
    bring_back(backup)
    assert refusals == [backup.path]


@pytest.mark.parametrize(("spoil_it", "problem"), UNUSABLE)
@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_backup_that_is_no_use_changes_nothing(
    spoil_it: Callable[[str], None],
    problem: str,
    has_manifest: bool,
    db: str,
    backup: Backup,
    bring_back: BringBack,
) -> None:
    if not has_manifest:
        os.unlink(backup.manifest_path)
    spoil_it(backup.path)
    with pytest.raises(StoreError, match=problem + ("|its size is" if has_manifest else "")):
        bring_back(backup_at(backup.path))
    assert names(db) == NOW
    assert left_over(db) == []


def test_a_backup_that_is_not_what_its_manifest_says_changes_nothing(
    db: str, backup: Backup, bring_back: BringBack
) -> None:
    with open(backup.path, "r+b") as file:
        # a byte that SQLite leaves to programs
        file.seek(71)
        file.write(b"\x01")
    with pytest.raises((StoreCorrupt, SchemaForeign)):
        bring_back(backup)
    execute(backup.path, "PRAGMA application_id = 0x71616361; UPDATE media SET duration_s = 5")
    with pytest.raises(StoreCorrupt, match="SHA-256 is not what its manifest says"):
        bring_back(backup)
    assert names(db) == NOW
    assert left_over(db) == []


def test_a_backup_of_an_older_schema_is_restored_and_needs_to_be_migrated(
    db: str, tmp_path: Path, backups: Folder
) -> None:
    old = old_store(str(tmp_path / "old.db"))
    folder = Folder.of(old, hang_s=30)
    restored = restore(create(old, folder), db, folder, busy_timeout_s=0.2)
    assert (restored.is_outdated, restored.contents.schema_version) == (True, 1)
    with pytest.raises(SchemaOutdated):
        Reader(db)
    migrations.migrate(db, busy_timeout_s=0.2)
    with Reader(db) as reader:
        assert len(list(reader.below(b"/", ()))) == restored.contents.counts["file"]


def test_the_backup_of_a_migration_can_be_restored(db: str, bring_back: BringBack) -> None:
    os.unlink(db)
    old_store(db)
    before = query(db, "SELECT path FROM file")
    path = migrations.migrate(db, busy_timeout_s=0.2)
    assert path is not None
    assert bring_back(backup_at(path)).is_outdated
    assert query(db, "SELECT path FROM file") == before


def test_which_store_is_meant_is_not_guessed_where_two_share_a_folder(
    db: str, backups: Folder, backup: Backup, tmp_path: Path, clock: FakeClock
) -> None:
    assert backups.newest(None) == backup
    theirs = str(tmp_path / "their computer" / "qacache.db")
    migrations.create(theirs, busy_timeout_s=0.2)
    clock.advance(60)
    other = create(theirs, backups, clock=clock.time)
    for name in (None, backups.path):
        with pytest.raises(UsageError, match=f"backups of 2 stores are in {backups.path}"):
            backups.newest(name)
    assert backups.newest(os.path.basename(backup.path)) == backup
    assert backups.newest(other.path) == other


def test_a_store_is_no_backup_of_itself(db: str, bring_back: BringBack) -> None:
    with pytest.raises(UsageError, match="is the store itself"):
        bring_back(backup_at(db))
    assert names(db) == BEFORE


def test_a_database_in_use_is_no_backup(db: str, bring_back: BringBack, tmp_path: Path) -> None:
    other = str(tmp_path / "other.db")
    migrations.create(other, busy_timeout_s=0.2)
    with a_writer(other) as writer:
        writer.write([probed(b"/w/x.mp4")])
        with pytest.raises(StoreError, match="is a database in use") as refused:
            bring_back(backup_at(other))
    assert "backup create" in (refused.value.hint or "")
    assert names(db) == BEFORE


def test_without_room_the_store_stays(
    db: str, backup: Backup, bring_back: BringBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk = shutil._ntuple_diskusage(total=9, used=8, free=1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full_disk)
    with pytest.raises(StoreFull, match="no room to restore"):
        bring_back(backup)
    assert names(db) == NOW
    assert left_over(db) == []


def test_a_store_is_not_restored_onto_a_network(
    db: str, backup: Backup, bring_back: BringBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_network_type", lambda kind: True)
    with pytest.raises(StoreOnNetwork):
        bring_back(backup)
    monkeypatch.undo()
    assert names(db) == NOW


@pytest.mark.parametrize("step", ["copying", "checking"])
def test_whatever_interrupts_it_the_store_stays(
    db: str, backup: Backup, backups: Folder, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(told: str, done: int, total: int) -> None:
        if told == step:
            raise KeyboardInterrupt

    def endless(path: str, tell: Tell) -> str:
        while True:
            tell("checking", 0, 0)

    def endless_transfer(source: str, partial: Partial, tell: Tell) -> None:
        while step == "copying":
            tell("copying", 1, 2)
        transfer(source, partial, tell)

    transfer = files.transfer
    monkeypatch.setattr(files, "sha256", endless)
    monkeypatch.setattr(files, "transfer", endless_transfer)
    with pytest.raises(KeyboardInterrupt):
        restore(backup, db, backups, interrupt, busy_timeout_s=0.2)
    assert names(db) == NOW
    assert left_over(db) == []


@pytest.fixture(params=["link", "rename"])
def setting_aside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the store aside by a second name, and where the filesystem knows none."""

    def refuse(old: str, new: str) -> None:
        raise PermissionError(1, "Operation not permitted", old)

    if request.param == "rename":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("setting_aside")
def test_there_is_a_store_by_either_name_however_it_is_set_aside(
    db: str, backup: Backup, bring_back: BringBack
) -> None:
    bring_back(backup)
    assert (names(db), names(f"{db}.{ASIDE}")) == (BEFORE, NOW)
    assert os.stat(db).st_nlink == os.stat(f"{db}.{ASIDE}").st_nlink == 1


def test_there_is_a_store_at_any_time(
    db: str, backup: Backup, bring_back: BringBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, seen = os.rename, []

    def look(old: str, new: str) -> None:
        seen.append(names(db))
        rename(old, new)
        seen.append(names(db))

    monkeypatch.setattr(os, "rename", look)
    bring_back(backup)
    assert (seen[0], seen[-1]) == (NOW, BEFORE)
    assert all(each in (NOW, BEFORE) for each in seen)


@pytest.mark.usefixtures("setting_aside")
def test_when_the_backup_cannot_be_given_its_name_the_store_keeps_it(
    db: str, backup: Backup, bring_back: BringBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def fail_at_last(old: str, new: str) -> None:
        if TEMPORARY in old:
            raise OSError(5, "Input/output error", old)
        rename(old, new)

    monkeypatch.setattr(os, "rename", fail_at_last)
    with pytest.raises(StoreError, match="input/output error"):
        bring_back(backup)
    assert names(db) == NOW
    assert left_over(db) == []


@pytest.mark.usefixtures("setting_aside")
def test_a_store_that_is_not_what_was_restored_is_taken_back(
    db: str, backup: Backup, bring_back: BringBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = checking.contents

    def misread(connection: sqlite3.Connection) -> checking.Contents:
        [(_, _, path)] = connection.execute("PRAGMA database_list").fetchall()
        found = look(connection)
        return found._replace(counts={}) if path == db else found

    monkeypatch.setattr(checking, "contents", misread)
    with pytest.raises(StoreCorrupt, match="is not what was restored"):
        bring_back(backup)
    assert names(db) == NOW
    assert left_over(db) == []


def test_what_a_killed_restore_left_behind_is_removed_by_the_next(
    db: str, backup: Backup, bring_back: BringBack
) -> None:
    Path(f"{os.path.dirname(db)}/qacache-20270101T000000Z.db{TEMPORARY}").write_text("half")
    bring_back(backup)
    assert left_over(db) == [f"qacache.db.{ASIDE}"]


def test_the_store_keeps_its_rights(db: str, backup: Backup, bring_back: BringBack) -> None:
    os.chmod(db, 0o640)
    bring_back(backup)
    assert stat.S_IMODE(os.stat(db).st_mode) == 0o640


def test_a_store_that_was_not_there_is_no_more_readable_than_its_backup(
    db: str, backup: Backup, bring_back: BringBack
) -> None:
    os.unlink(db)
    os.chmod(backup.path, 0o600)
    bring_back(backup)
    assert stat.S_IMODE(os.stat(db).st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_store_that_root_restores_stays_its_owners(db: str, backup: Backup, bring_back: BringBack) -> None:
    os.chown(db, 1234, 5678)
    assert bring_back(backup).replaced
    assert (os.stat(db).st_uid, os.stat(db).st_gid) == (1234, 5678)
    os.unlink(db)
    os.chown(os.path.dirname(db), 4321, 8765)
    assert bring_back(backup).replaced is None
    assert (os.stat(db).st_uid, os.stat(db).st_gid) == (4321, 8765)


def test_where_the_store_is_a_link_what_it_leads_to_is_replaced(
    db: str, backup: Backup, bring_back: BringBack, tmp_path: Path
) -> None:
    real = tmp_path / "disk" / "real.db"
    real.parent.mkdir()
    os.rename(db, real)
    os.symlink(real, db)
    restored = bring_back(backup)
    assert os.path.islink(db)
    assert names(db) == names(str(real)) == BEFORE
    assert restored.replaced == f"{real}.{ASIDE}"
    assert names(restored.replaced) == NOW
