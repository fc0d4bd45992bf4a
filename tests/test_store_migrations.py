"""Making stores, and bringing old ones up to date."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database, Migrations

from qacache.errors import SchemaOutdated, StoreError, StoreLocked, StoreReadOnly
from qacache.record import stream_to_dict
from qacache.store import database, migrations, raw_answers, steps
from qacache.store.lock import held, lock_path, scan_lock_path
from qacache.store.reader import Reader
from qacache.store.records import RECORD_COLUMNS, record_of
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from qacache.store.standing import Standings
from qacache.store.writer import Writer
from tests.rows import probed

PROJECT = Path(__file__).parents[1]
SCHEMAS = Path(__file__).parent / "data" / "schema"
TODAY = database.SCHEMA_VERSION
NEXT = TODAY + 1
RETRIES = RetrySchedule(60, 3600)

CREATE_TOGETHER = """
import sys
from qacache.store import migrations
from qacache.store.session import Store
from qacache.store.retries import RetrySchedule
print("ready", flush=True)
sys.stdin.readline()
with Store(sys.argv[1], busy_timeout_s=20, retries=RetrySchedule(60, 3600), create=True) as store:
    store.writer.begin_scan([b"/v"])
"""


def query(path: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def schema_of(path: str) -> list[tuple[Any, ...]]:
    return query(path, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")


def version_of(path: str) -> int:
    return int(query(path, "PRAGMA user_version")[0][0])


def load(schema: Path, path: str) -> str:
    """Make the store that a dump describes."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.read_text(encoding="utf-8"))
    return path


def add_note(db: Database) -> None:
    db.execute("ALTER TABLE file ADD COLUMN note TEXT")
    db.execute(f"PRAGMA user_version = {NEXT}")


Future = Callable[..., None]


@pytest.fixture
def future(monkeypatch: pytest.MonkeyPatch) -> Future:
    """Have a qacache of the future, whose schema takes more steps than today's."""

    def use(*more: Callable[[Database], None]) -> None:
        later = Migrations("qacache")
        for step in (
            steps.m001_files_and_media,
            steps.m002_journal_and_mounts,
            steps.m003_search,
            steps.m004_proofs,
            *more,
        ):
            later()(step)
        monkeypatch.setattr(migrations, "STEPS", later)
        monkeypatch.setattr(database, "SCHEMA_VERSION", TODAY + len(more))

    return use


@pytest.fixture
def old_store(store_path: str, writer: Writer) -> str:
    """A store with one file, of the schema before the one of the future."""
    writer.write([probed(b"/old.mp4")])
    return store_path


def test_a_new_store_is_made_with_its_folders_and_settings(tmp_path: Path) -> None:
    path = str(tmp_path / "not" / "there" / "yet" / "q.db")
    migrations.create(path, busy_timeout_s=0.2)
    settings = ("journal_mode", "auto_vacuum", "application_id", "user_version")
    values = [query(path, f"PRAGMA {name}")[0][0] for name in settings]
    assert values == ["wal", 2, 0x71616361, database.SCHEMA_VERSION]
    assert query(path, "SELECT * FROM videos") == []


def test_what_is_there_already_is_not_made_again(old_store: str) -> None:
    migrations.create(old_store, busy_timeout_s=0.2)
    assert query(old_store, "SELECT path FROM videos") == [("/old.mp4",)]


def test_others_never_see_half_a_store(tmp_path: Path, future: Future) -> None:
    path = str(tmp_path / "q.db")
    seen = []
    future(lambda db: seen.append(database.exists(path)))
    migrations.create(path, busy_timeout_s=0.2)
    assert seen == [False]
    assert database.exists(path)


def test_a_store_that_could_not_be_finished_is_made_next_time(
    tmp_path: Path, future: Future, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Database) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    path = str(tmp_path / "q.db")
    with monkeypatch.context():
        future(fail)
        with pytest.raises(StoreError, match="disk I/O error"):
            migrations.create(path, busy_timeout_s=0.2)
    monkeypatch.undo()
    with Store(path, busy_timeout_s=0.2, retries=RETRIES, create=True) as store:
        assert list(store.reader.below(b"/", ())) == []


def test_processes_that_make_the_same_store_at_once_make_one(tmp_path: Path, store_path: str) -> None:
    path = str(tmp_path / "new" / "q.db")
    command = [sys.executable, "-c", CREATE_TOGETHER, path]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=PROJECT, text=True, **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    complaints = [process.communicate(timeout=60)[1] for process in processes]
    assert complaints == [""] * 4
    assert schema_of(path) == schema_of(store_path)
    assert query(path, "SELECT count(*) FROM scan") == [(4,)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = str(tmp_path / "file" / "folder" / "q.db")
    with pytest.raises(StoreError, match="no folder can be made") as refused:
        migrations.create(path, busy_timeout_s=0.2)
    assert path in str(refused.value)
    assert "--db" in (refused.value.hint or "")


def test_todays_schema_has_its_dump() -> None:
    latest = max(SCHEMAS.glob("v*.sql"), key=lambda schema: int(schema.stem[1:]))
    assert latest.name == f"v{database.SCHEMA_VERSION}.sql"


@pytest.mark.parametrize("schema", sorted(SCHEMAS.glob("v*.sql")), ids=lambda schema: schema.stem)
def test_every_old_schema_becomes_exactly_the_fresh_one(schema: Path, tmp_path: Path, store_path: str) -> None:
    path = load(schema, str(tmp_path / "old.db"))
    files = query(path, "SELECT path FROM file ORDER BY path")
    migrations.migrate(path, busy_timeout_s=0.2)
    assert schema_of(path) == schema_of(store_path)
    assert version_of(path) == database.SCHEMA_VERSION
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "PRAGMA foreign_key_check") == []
    with Reader(path) as reader:
        records = [record_of(found) for found in reader.below(b"/", RECORD_COLUMNS)]
    assert [(record.path,) for record in records] == files
    assert [record.status for record in records] == ["ok", "failed", "ok", "ok", "vanished"]
    assert [record.media is None for record in records] == [False, True, False, False, False]
    assert [json.loads(streams) for (streams,) in query(path, "SELECT streams FROM videos WHERE streams > ''")] == [
        [stream_to_dict(stream) for stream in record.media.streams] for record in records if record.media
    ]
    assert [json.loads(raw_answers.unpack(raw)) for (raw,) in query(path, "SELECT json FROM raw_probe")] == [
        {"title": title} for title in "aacd"
    ]
    with Standings(path) as standings:
        gone = standings.find(b"/v/gone.mp4")
    assert gone is not None
    # there was no journal in the first schema
    assert (gone.departure is None) == (schema.stem == "v1")


def test_a_store_that_is_up_to_date_is_left_as_it_is(old_store: str) -> None:
    before = sorted(os.listdir(Path(old_store).parent))
    assert migrations.pending(old_store) == []
    assert migrations.migrate(old_store, busy_timeout_s=0.2) is None
    assert sorted(os.listdir(Path(old_store).parent)) == before


def test_an_outdated_store_is_refused_until_it_is_migrated(old_store: str, future: Future) -> None:
    future(add_note)
    for open_it in (lambda: Reader(old_store), lambda: Store(old_store, retries=RETRIES, create=True)):
        with pytest.raises(SchemaOutdated, match=rf"schema {TODAY} is older .*\({NEXT}\)") as refused:
            open_it()
        assert "qacache migrate" in (refused.value.hint or "")
    migrations.migrate(old_store, busy_timeout_s=0.2)
    with Reader(old_store) as reader:
        assert reader.known(b"/old.mp4") is not None


def test_pending_steps_are_told_without_a_change_or_a_lock(old_store: str, future: Future) -> None:
    future(add_note, lambda db: None)
    before = sorted(os.listdir(Path(old_store).parent)), schema_of(old_store)
    with held(lock_path(old_store), purpose="writing", timeout_s=0.0):
        assert migrations.pending(old_store) == ["add_note", "<lambda>"]
    assert (sorted(os.listdir(Path(old_store).parent)), schema_of(old_store)) == before


def test_a_migration_keeps_a_backup_of_what_was_before(old_store: str, future: Future) -> None:
    before = schema_of(old_store)
    future(add_note)
    backup = migrations.migrate(old_store, busy_timeout_s=0.2)
    assert backup == f"{old_store}.schema-{TODAY}.backup"
    assert (version_of(backup), schema_of(backup)) == (TODAY, before)
    assert query(backup, "PRAGMA integrity_check") == [("ok",)]
    assert query(backup, "SELECT path FROM videos") == [("/old.mp4",)]
    assert query(old_store, "SELECT path, note FROM file") == [(b"/old.mp4", None)]
    assert version_of(old_store) == NEXT
    assert migrations.migrate(old_store, busy_timeout_s=0.2) is None


def test_a_backup_can_be_put_in_the_stores_place(
    old_store: str, tmp_path: Path, future: Future, monkeypatch: pytest.MonkeyPatch
) -> None:
    future(add_note)
    backup = migrations.migrate(old_store, busy_timeout_s=0.2)
    assert backup is not None
    monkeypatch.undo()
    os.rename(backup, tmp_path / "restored.db")
    with Store(str(tmp_path / "restored.db"), busy_timeout_s=0.2, retries=RETRIES) as store:
        store.writer.write([probed(b"/new.mp4")])
        assert [found.path for found in store.reader.below(b"/", ())] == [b"/new.mp4", b"/old.mp4"]
        assert query(store.path, "PRAGMA journal_mode") == [("wal",)]
        assert query(store.path, "PRAGMA auto_vacuum") == [(2,)]


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), KeyError("a mistake")])
def test_a_step_that_fails_leaves_the_store_as_it_was_and_the_backup(
    error: Exception, old_store: str, future: Future
) -> None:
    def fail(db: Database) -> None:
        add_note(db)
        db.execute("DELETE FROM file")
        raise error

    before = schema_of(old_store)
    future(fail)
    with pytest.raises((StoreError, KeyError)):
        migrations.migrate(old_store, busy_timeout_s=0.2)
    assert (version_of(old_store), schema_of(old_store)) == (TODAY, before)
    assert query(old_store, "SELECT path FROM videos") == [("/old.mp4",)]
    assert query(f"{old_store}.schema-{TODAY}.backup", "SELECT path FROM videos") == [("/old.mp4",)]
    future(add_note)
    assert migrations.migrate(old_store, busy_timeout_s=0.2) is not None
    assert version_of(old_store) == NEXT


def test_steps_before_the_one_that_fails_stay_done(old_store: str, future: Future) -> None:
    def fail(db: Database) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    future(add_note, fail)
    with pytest.raises(StoreError):
        migrations.migrate(old_store, busy_timeout_s=0.2)
    assert version_of(old_store) == NEXT
    assert migrations.pending(old_store) == ["fail"]


def test_a_store_whose_backup_fails_is_not_migrated(old_store: str, future: Future) -> None:
    os.mkdir(f"{old_store}.schema-{TODAY}.backup")
    future(add_note)
    with pytest.raises(StoreError, match="cannot be backed up") as refused:
        migrations.migrate(old_store, busy_timeout_s=0.2)
    assert old_store in str(refused.value)
    assert version_of(old_store) == TODAY


def test_what_a_backup_left_half_done_is_no_obstacle(old_store: str, future: Future) -> None:
    Path(f"{old_store}.schema-{TODAY}.backup.tmp").write_bytes(b"half")
    future(add_note)
    backup = migrations.migrate(old_store, busy_timeout_s=0.2)
    assert backup is not None
    assert query(backup, "SELECT path FROM videos") == [("/old.mp4",)]
    assert not os.path.exists(f"{backup}.tmp")


@pytest.mark.parametrize("path_of_lock", [lock_path, scan_lock_path])
def test_nothing_is_migrated_under_a_scan_or_a_write(
    path_of_lock: Callable[[str], str], old_store: str, future: Future
) -> None:
    future(add_note)
    with (
        held(path_of_lock(old_store), purpose="qacache scan", timeout_s=0.0),
        pytest.raises(StoreLocked, match="qacache scan"),
    ):
        migrations.migrate(old_store, busy_timeout_s=0.05)
    assert version_of(old_store) == TODAY
    assert not os.path.exists(f"{old_store}.schema-{TODAY}.backup")


def test_a_store_that_another_process_has_just_migrated_is_not_migrated_again(
    old_store: str, future: Future, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = migrations.pending

    def be_overtaken(path: str) -> list[str]:
        steps = look(path)
        monkeypatch.setattr(migrations, "pending", look)
        assert migrations.migrate(path, busy_timeout_s=0.2) is not None
        return steps

    future(add_note)
    monkeypatch.setattr(migrations, "pending", be_overtaken)
    assert migrations.migrate(old_store, busy_timeout_s=0.2) is None
    assert [name for name in os.listdir(Path(old_store).parent) if "backup" in name] == [
        f"qacache.db.schema-{TODAY}.backup"
    ]


def test_the_schema_uses_nothing_that_sqlite_3_34_lacks(store_path: str) -> None:
    newer = (
        "STRICT",
        "RETURNING",
        "->",
        "MATERIALIZED",
        "DROP COLUMN",
        "UNIXEPOCH(",
        "FORMAT(",
        "CONCAT(",
        "TIMEDIFF(",
    )
    text = " ".join(sql.upper() for *_, sql in schema_of(store_path) if sql)
    assert [word for word in newer if re.search(rf"(?<![A-Z_]){re.escape(word)}", text)] == []
    # what users may write in their own expressions is up to their SQLite
    modules = [module for module in Path(migrations.__file__).parent.rglob("*.py") if module.name != "where.py"]
    sources = [module.read_text(encoding="utf-8") for module in modules]
    assert [word for word in ("RETURNING", "->>", "MATERIALIZED", "DROP COLUMN") if word in " ".join(sources)] == []


def test_a_read_only_store_cannot_be_migrated_but_says_what_is_due(old_store: str, future: Future) -> None:
    future(add_note)
    os.unlink(lock_path(old_store))
    os.mkdir(lock_path(old_store))
    with pytest.raises(StoreReadOnly):
        migrations.migrate(old_store, busy_timeout_s=0.2)
    assert migrations.pending(old_store) == ["add_note"]
    os.rmdir(lock_path(old_store))
