"""`qacache migrate`: the store's schema, from the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from qacache.store import migrations
from tests.command import PROJECT, Command


@pytest.mark.parametrize("flags", [[], ["--check"]], ids=["migrate", "check"])
def test_a_store_of_this_schema_is_up_to_date(scanned: Command, flags: list[str]) -> None:
    done = scanned("migrate", *flags)
    assert (done.status, done.out, done.err) == (0, f"up to date: {scanned.db}\n", "")
    assert not list(scanned.db.parent.glob("*backup*"))


def test_programs_get_what_was_done_as_json(scanned: Command) -> None:
    assert scanned("migrate", "--json").records == [{"path": str(scanned.db), "applied": [], "backup": None}]
    assert scanned("migrate", "--check", "--json").records == [
        {"path": str(scanned.db), "pending": [], "backup": None},
    ]


def test_an_old_store_is_brought_up_to_date_after_a_backup(qacache: Command) -> None:
    path = qacache.home / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((PROJECT / "tests/data/schema/v1.sql").read_text())

    check = qacache("migrate", "--check", "--db", path)
    assert (check.status, check.err) == (12, "")
    assert check.out.startswith(f"out of date: {path}\nto be done: m002_journal_and_mounts")

    done = qacache("migrate", "--db", path)
    assert (done.status, done.err) == (0, "")
    head, steps, backup = done.out.splitlines()
    assert head == f"brought up to date: {path}"
    assert steps.startswith("done: m002_journal_and_mounts")
    assert Path(backup.removeprefix("backup: ")).exists()
    assert qacache("migrate", "--check", "--db", path).out == f"up to date: {path}\n"


def test_no_store_is_none_to_migrate(qacache: Command) -> None:
    done = qacache("migrate")
    assert (done.status, done.out) == (10, "")
    assert "no store at " in done.err


def test_a_store_that_is_too_old_is_refused(qacache: Command, store_path: str) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute("PRAGMA user_version = 0")
    done = qacache("migrate", "--db", store_path)
    assert (done.status, done.out) == (12, "")
    assert "is older than this qacache can migrate" in done.err


def test_the_database_of_another_program_is_left_alone(qacache: Command, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = path.read_bytes()
    done = qacache("migrate", "--db", path)
    assert (done.status, done.out) == (12, "")
    assert done.err == f"qacache: {path} is some other program's database\nhint: choose another store with --db\n"
    assert path.read_bytes() == before


def test_the_path_of_a_store_is_shown_harmless(qacache: Command) -> None:
    path = qacache.home / "\x1b]0;evil\x07.db"
    migrations.create(str(path), busy_timeout_s=1)
    assert qacache("migrate", "--db", path).out == f"up to date: {qacache.home}/\\x1b]0;evil\\x07.db\n"
    assert qacache("migrate", "--db", path, "--json").records[0]["path"] == str(path)
