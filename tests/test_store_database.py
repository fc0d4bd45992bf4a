"""Opening stores: what is refused, and what SQLite's errors come out as."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from qacache.errors import (
    SchemaForeign,
    SchemaTooNew,
    SchemaUnsupported,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreOnNetwork,
)
from qacache.store import database, migrations
from qacache.store.database import APPLICATION_ID, SCHEMA_VERSION, refuse_network
from qacache.store.reader import Reader
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from qacache.store.writer import Writer
from tests.rows import probed

RETRIES = RetrySchedule(60, 3600)


def open_reader(path: str) -> None:
    with Reader(path):
        pass


def open_writer(path: str) -> None:
    with Writer(path, busy_timeout_s=0.2, retries=RETRIES):
        pass


def open_or_create(path: str) -> None:
    with Store(path, busy_timeout_s=0.2, retries=RETRIES, create=True):
        pass


def run_sql(path: str, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def fill(path: str, files: int = 2000) -> None:
    """Store so many files, and leave all of them in the database file proper."""
    with Writer(path, busy_timeout_s=0.2, retries=RETRIES) as writer:
        writer.write([probed(b"/v/%05d.mp4" % number, str(number)) for number in range(files)])


def damage_table(path: str, table: str) -> None:
    """Overwrite the page where the table begins."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    with open(path, "r+b") as file:
        file.seek((page - 1) * page_size)
        file.write(random.Random(1).randbytes(page_size))


every_opening = pytest.mark.parametrize("open_it", [open_reader, open_writer, open_or_create])


@pytest.mark.parametrize("open_it", [open_reader, open_writer, migrations.pending])
def test_a_missing_store_is_named_with_the_way_to_make_one(open_it: Callable[[str], object], tmp_path: Path) -> None:
    path = str(tmp_path / "missing.db")
    with pytest.raises(StoreMissing, match="no store at") as refused:
        open_it(path)
    assert path in str(refused.value)
    assert "qacache scan" in (refused.value.hint or "")
    assert refused.value.exit_code == 10
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("statements", [(), ("PRAGMA journal_mode = WAL",)], ids=["no bytes", "given up early"])
def test_a_database_with_nothing_in_it_is_no_store_yet(statements: tuple[str, ...], tmp_path: Path) -> None:
    path = str(tmp_path / "q.db")
    Path(path).touch()
    run_sql(path, *statements)
    with pytest.raises(StoreMissing, match="the file is empty"):
        open_reader(path)
    open_or_create(path)
    open_reader(path)


@pytest.mark.parametrize("application_id", [0, 0x47504B47])
@every_opening
def test_the_database_of_another_program_is_left_alone(
    open_it: Callable[[str], None], application_id: int, tmp_path: Path
) -> None:
    path = str(tmp_path / "other.db")
    run_sql(path, "CREATE TABLE file (path)", f"PRAGMA application_id = {application_id}", "PRAGMA user_version = 1")
    before = Path(path).read_bytes()
    with pytest.raises(SchemaForeign, match="other program") as refused:
        open_it(path)
    assert (refused.value.exit_code, "--db" in (refused.value.hint or "")) == (12, True)
    assert Path(path).read_bytes() == before


@every_opening
def test_a_store_of_a_newer_qacache_is_refused(open_it: Callable[[str], None], store_path: str) -> None:
    run_sql(store_path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(SchemaTooNew, match=rf"schema {SCHEMA_VERSION + 1} .*knows {SCHEMA_VERSION}\)") as refused:
        open_it(store_path)
    assert "upgrade" in (refused.value.hint or "")


@every_opening
def test_a_store_older_than_any_migration_is_refused(
    open_it: Callable[[str], None], store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = database.SCHEMA_VERSION
    monkeypatch.setattr(database, "SCHEMA_VERSION", today + 2)
    monkeypatch.setattr(database, "OLDEST_SCHEMA_VERSION", today + 1)
    with pytest.raises(SchemaUnsupported, match=rf"schema {today} .*\(from {today + 1}\)") as refused:
        open_it(store_path)
    assert "scan again" in (refused.value.hint or "")


@every_opening
def test_a_file_that_is_no_database_is_left_alone(open_it: Callable[[str], None], tmp_path: Path) -> None:
    path = tmp_path / "list.db"
    path.write_text("This is a shopping list, whatever its name says.\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="no SQLite database") as refused:
        open_it(str(path))
    assert "--db" in (refused.value.hint or "")
    assert path.read_bytes() == before


@every_opening
def test_a_folder_is_no_store(open_it: Callable[[str], None], tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused:
        open_it(str(tmp_path))
    assert str(tmp_path) in str(refused.value)


def test_damage_is_told_when_a_query_meets_it(store_path: str) -> None:
    fill(store_path)
    damage_table(store_path, "file")
    damage_table(store_path, "file_walk")
    with Reader(store_path) as reader:
        with pytest.raises(StoreCorrupt, match="is damaged") as refused:
            list(reader.below(b"/v", ()))
        with pytest.raises(StoreCorrupt):
            reader.find(b"/v/00001.mp4", ())
        with pytest.raises(StoreCorrupt):
            list(reader.known_files(b"/"))
    assert store_path in str(refused.value)
    assert "backup" in (refused.value.hint or "")


def test_damage_is_told_when_a_write_meets_it(store_path: str) -> None:
    fill(store_path)
    damage_table(store_path, "media")
    with (
        Writer(store_path, busy_timeout_s=0.2, retries=RETRIES) as writer,
        pytest.raises(StoreCorrupt, match="is damaged"),
    ):
        writer.write([probed(b"/v/new.mp4")])
    with Reader(store_path) as reader:
        assert reader.known(b"/v/new.mp4") is None


def test_a_store_that_was_cut_off_is_damaged(store_path: str) -> None:
    fill(store_path)
    os.truncate(store_path, os.path.getsize(store_path) // 2)
    with pytest.raises(StoreCorrupt, match="is damaged"), Reader(store_path) as reader:
        list(reader.below(b"/", ("media.tags",)))


@pytest.mark.parametrize("length", [99, 600])
@every_opening
def test_the_first_bytes_of_a_store_are_no_store(open_it: Callable[[str], None], length: int, store_path: str) -> None:
    os.truncate(store_path, length)
    with pytest.raises(StoreCorrupt):
        open_it(store_path)


@pytest.mark.parametrize("path", ["/mnt/nas/q.db", "/mnt/nas/not/there/yet/q.db"])
def test_a_path_on_a_network_filesystem_is_refused(path: str, tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /mnt/nas rw - nfs4 nas:/ rw\n")
    refuse_network("/mnt/nasty/q.db", str(table))
    with pytest.raises(StoreOnNetwork, match=r"network filesystem \(nfs4\)") as refused:
        refuse_network(path, str(table))
    assert "local disk" in (refused.value.hint or "")


def test_no_store_is_made_or_written_on_a_network_filesystem(
    store_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "filesystem_type", lambda path, mountinfo: "cifs")
    with pytest.raises(StoreOnNetwork):
        open_or_create(str(tmp_path / "new" / "q.db"))
    with pytest.raises(StoreOnNetwork):
        open_writer(store_path)
    assert not (tmp_path / "new").exists()


def test_another_programs_lock_on_the_database_is_a_locked_store(store_path: str, writer: Writer) -> None:
    with closing(sqlite3.connect(store_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="locked"):
            writer.write([probed(b"/a.mp4")])
    writer.write([probed(b"/a.mp4")])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.OperationalError("database or disk is full"), StoreFull),
        (sqlite3.OperationalError("database is locked"), StoreLocked),
        (sqlite3.DatabaseError("malformed database schema (x)"), StoreCorrupt),
        (sqlite3.OperationalError("disk I/O error"), StoreError),
        (sqlite3.IntegrityError("something never seen before"), StoreError),
    ],
)
def test_sqlites_errors_become_the_stores_with_their_cause(error: sqlite3.Error, kind: type[StoreError]) -> None:
    with pytest.raises(StoreError) as raised, database.explained("/s/q.db"):
        raise error
    assert type(raised.value) is kind
    assert raised.value.__cause__ is error
    assert "/s/q.db" in str(raised.value)
    assert str(error) in str(raised.value)


def test_errors_that_are_not_sqlites_pass() -> None:
    with pytest.raises(KeyError), database.explained("/s/q.db"):
        raise KeyError


@pytest.mark.parametrize("name", ["50% of? them #1 & more.db", "caf\udce9.db", "line\nbreak.db", " .db", "-x.db"])
def test_stores_may_have_any_name(name: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)
    with Store(path, busy_timeout_s=0.2, retries=RETRIES, create=True) as store:
        store.writer.write([probed(b"/a.mp4")])
        assert store.reader.known(b"/a.mp4") is not None
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"{name}.lock"])


def test_a_relative_path_is_one_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_or_create("q.db")
    open_reader("q.db")
    assert (tmp_path / "q.db").exists()


def test_a_path_with_a_doubled_slash_in_front_is_a_path(store_path: str) -> None:
    open_reader(f"/{store_path}")


def test_a_reader_cannot_write(store_path: str) -> None:
    with closing(database.open_reader(store_path)) as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM file")


def test_connections_do_not_trust_what_is_in_the_database(store_path: str) -> None:
    with (
        closing(database.open_reader(store_path)) as reader,
        closing(database.open_writer(store_path, 0.2)) as writer,
    ):
        for connection in (reader, writer):
            assert connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
            assert connection.execute("PRAGMA cell_size_check").fetchone() == (1,)


def test_the_application_id_is_the_first_letters_of_the_name() -> None:
    assert APPLICATION_ID.to_bytes(4, "big") == b"qaca"
