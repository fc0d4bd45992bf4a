"""`qacache backup`: what it says and does, in a terminal, in pipes and to programs."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.backups import all_in, execute, names, old_store, spoil
from tests.command import Command, hanging_ffprobe, probed_by
from tests.media import age, make_file

MANY_ROWS = """
CREATE TABLE filler AS
WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number LIMIT 400000)
SELECT value, random() AS a, random() AS b FROM number;
CREATE INDEX filler_a ON filler (a);
CREATE INDEX filler_b ON filler (b);
"""


@pytest.fixture
def stored(qacache: Command, videos: Path) -> Command:
    """The command with the three clips in its store."""
    assert qacache("scan", videos).status == 3
    return qacache


@pytest.fixture
def folder(stored: Command) -> Path:
    """Where the backups are by default."""
    return stored.db.parent / "backups"


def one_in(folder: Path) -> Path:
    [backup] = folder.glob("*.db")
    return backup


def test_a_backup_is_made_beside_the_store(stored: Command, folder: Path) -> None:
    done = stored("backup", "create")
    assert (done.status, done.err) == (0, "")
    assert done.out == f"{one_in(folder)}: 3 files, {os.path.getsize(one_in(folder)) / 1000:.0f} kB, checked\n"


def test_the_folder_is_configured_or_named(stored: Command, tmp_path: Path) -> None:
    stored("backup", "create", QACACHE_BACKUP_DIRECTORY=str(tmp_path / "configured"))
    stored("backup", "create", tmp_path / "named", QACACHE_BACKUP_DIRECTORY=str(tmp_path / "configured"))
    assert one_in(tmp_path / "configured").name.startswith("qacache-")
    assert one_in(tmp_path / "named").name.startswith("qacache-")
    assert len(stored("backup", "list", tmp_path / "named").rows) == 1


def test_programs_get_a_backup_as_json(stored: Command, folder: Path) -> None:
    [told] = stored("backup", "create", "--json").records
    assert (told["path"], told["size"]) == (str(one_in(folder)), os.path.getsize(one_in(folder)))
    assert (told["files"], told["state"], told["problem"], told["store"]) == (3, "ok", None, str(stored.db))
    assert stored("backup", "list", "--json").records == [told]
    [verified] = stored("backup", "verify", "--json").records
    assert verified | {"verified": 0} == {**told, "ok": True, "error": None, "verified": 0}


def test_backups_are_listed_for_pipes_and_for_people(stored: Command, folder: Path) -> None:
    for _ in range(2):
        stored("backup", "create")
    next(folder.glob("*.json")).unlink()
    states = {row["state"] for row in stored("backup", "list").rows}
    assert states == {"ok", "unproven"}
    screen = stored.on_terminal("backup", "list").wait()
    assert screen.status == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen.out)
    first, *table = plain.splitlines()
    assert first == str(folder)
    assert all(len(line) <= 80 for line in table)
    assert all(any(line.startswith(path.name) for line in table) for path in folder.glob("*.db"))
    assert sorted(line.strip().split("  ")[-1] for line in table[2:]) == ["no manifest", "ok"]


@pytest.mark.parametrize("command", ["list", "prune"])
def test_without_backups_there_is_a_hint(stored: Command, folder: Path, command: str) -> None:
    done = stored("backup", command)
    assert done.status == 0
    assert done.err == f"no backups of qacache in {folder}; make one with: qacache backup create\n"


@pytest.mark.parametrize("command", ["verify", "restore"])
def test_without_backups_there_is_nothing_to_verify_or_restore(stored: Command, folder: Path, command: str) -> None:
    done = stored("backup", command)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"qacache: no backup of qacache in {folder}\nhint: make one with: qacache backup create\n"
    done = stored("backup", command, "nonsense.db")
    assert (done.status, done.err) == (
        1,
        f"qacache: no backup at {folder}/nonsense.db\nhint: see qacache backup list\n",
    )


def test_without_a_store_there_is_nothing_to_back_up_but_backups_are_listed(stored: Command, folder: Path) -> None:
    stored("backup", "create")
    stored.db.unlink()
    done = stored("backup", "create")
    assert (done.status, done.out) == (10, "")
    assert len(stored("backup", "list").rows) == 1
    assert stored("backup", "restore").status == 0
    assert names(str(stored.db))


def test_verify_names_each_backup_and_fails_if_one_is_damaged(stored: Command, folder: Path) -> None:
    for _ in range(2):
        stored("backup", "create")
    [newer, older] = [row["path"] for row in stored("backup", "list").rows]
    assert stored("backup", "verify").out == "".join(
        f"ok  {path}: 3 files, {os.path.getsize(path) / 1000:.0f} kB\n" for path in (newer, older)
    )
    spoil(older, 20_000)
    done = stored("backup", "verify")
    assert done.status == 3
    assert done.out.splitlines()[1] == (f"failed  backup {older} is damaged: its SHA-256 is not what its manifest says")
    assert [row["state"] for row in stored("backup", "list").rows] == ["ok", "damaged"]
    assert stored("backup", "verify", os.path.basename(newer)).status == 0
    assert stored("backup", "verify", folder).status == 3
    assert str(folder) in stored("backup", "verify", "backups", cwd=folder.parent).out
    [good, bad] = stored("backup", "verify", "--json").records
    assert (good["ok"], good["error"], bad["ok"]) == (True, None, False)
    assert "SHA-256" in bad["error"]


def test_a_backup_without_a_manifest_is_verified_with_a_doubt(stored: Command, folder: Path) -> None:
    stored("backup", "create")
    one_in(folder).with_suffix(".json").unlink()
    done = stored("backup", "verify")
    assert done.status == 0
    assert "(no manifest: its content was checked, but not that it is what it was)" in done.out


def test_restore_says_what_is_there_now_and_where_the_rest_is(stored: Command, folder: Path, videos: Path) -> None:
    stored("backup", "create")
    (videos / "wide.mkv").unlink()
    stored("scan", videos)
    assert stored("lookup", "--field", "status", videos / "wide.mkv").out == "vanished\n"
    done = stored("backup", "restore")
    assert (done.status, done.err) == (0, "")
    first, second = done.out.splitlines()
    assert first.startswith(f"{stored.db}: 3 files, as of 20")
    replaced = second.removeprefix("the database that was there: ")
    assert stored("lookup", "--field", "status", videos / "wide.mkv").out == "ok\n"
    assert stored("lookup", "--field", "status", videos / "wide.mkv", "--db", replaced).out == "vanished\n"
    assert stored("scan", videos).status in (0, 3)


def test_restore_takes_a_name_a_path_or_a_folder(stored: Command, folder: Path) -> None:
    stored("backup", "create")
    backup = one_in(folder)
    for name in (backup.name, backup, folder):
        [told] = stored("backup", "restore", name, "--json").records
        assert (told["store"], told["files"], told["outdated"]) == (str(stored.db), 3, False)
        assert told["backup"]["path"] == str(backup)
        assert Path(told["replaced"]).exists()


def test_restore_of_an_older_schema_says_what_is_to_be_done(qacache: Command, tmp_path: Path) -> None:
    old = old_store(str(tmp_path / "old.db"))
    [told] = qacache("backup", "create", "--db", old, "--json").records
    done = qacache("backup", "restore", told["path"])
    assert done.status == 0
    assert done.out.splitlines()[-1] == "its schema is 1, an older one: now run qacache migrate"
    assert qacache("export").status == 12
    assert qacache("migrate").status == 0
    assert qacache("export").status == 0


def test_restore_is_refused_while_a_scan_runs_and_a_backup_is_not(stored: Command, clips: Path, tmp_path: Path) -> None:
    stored("backup", "create")
    library = tmp_path / "library"
    for name in ("first.mp4", "slow.mp4"):
        age(make_file(library / name, (clips / "portrait.mp4").read_bytes() + name.encode()), 100)
    scan = stored.start("scan", "--jobs", "2", "--json", library, **probed_by(hanging_ffprobe(tmp_path)))
    assert scan.stdout is not None
    assert b"first.mp4" in scan.stdout.readline()
    try:
        refused = stored("backup", "restore")
        made = stored("backup", "create", "--json")
    finally:
        (tmp_path / "go").touch()
        scan.communicate(timeout=60)
    assert refused.status == 11
    assert "(qacache scan)" in refused.err
    assert made.status == 0
    assert stored("backup", "verify", made.records[0]["path"]).status == 0
    assert stored("backup", "restore").status == 0


def test_restore_of_something_else_is_refused(stored: Command, tmp_path: Path) -> None:
    other = execute(str(tmp_path / "other.db"), "CREATE TABLE notes (text)")
    done = stored("backup", "restore", other)
    assert done.status == 12
    assert done.err == (f"qacache: backup {other} is some other program's database\nhint: name a backup of qacache\n")
    (tmp_path / "text.db").write_text("no database at all, " * 1000)
    done = stored("backup", "restore", tmp_path / "text.db")
    assert (done.status, done.err.splitlines()[0]) == (
        1,
        f"qacache: backup {tmp_path / 'text.db'} is no SQLite database",
    )


def test_prune_says_what_goes_and_why_the_rest_stays(stored: Command, folder: Path) -> None:
    rules = {f"QACACHE_BACKUP_KEEP_{rule}": "0" for rule in ("DAILY", "WEEKLY", "MONTHLY")}
    rules["QACACHE_BACKUP_KEEP_LAST"] = "1"
    for _ in range(2):
        stored("backup", "create")
    [newer, older] = [Path(row["path"]) for row in stored("backup", "list").rows]
    size = f"{older.stat().st_size / 1000:.0f} kB"
    told = stored("backup", "prune", "--dry-run", **rules)
    assert (told.status, told.out) == (
        0,
        f"{newer.name}  kept (newest verified, last)\n{older.name}  would remove\n"
        f"would remove 1 of 2 backups, {size}\n",
    )
    assert older.exists()
    done = stored("backup", "prune", "--json", **rules)
    assert [(each["path"], each["kept_by"], each["removed"]) for each in done.records] == [
        (str(newer), ["newest verified", "last"], False),
        (str(older), [], True),
    ]
    assert all_in(str(folder)) == [newer.name, newer.with_suffix(".json").name]


def test_create_can_prune(stored: Command, folder: Path) -> None:
    rules = {f"QACACHE_BACKUP_KEEP_{rule}": "0" for rule in ("DAILY", "WEEKLY", "MONTHLY")}
    for _ in range(3):
        done = stored("backup", "create", "--prune", QACACHE_BACKUP_KEEP_LAST="2", **rules)
    assert done.out.endswith("kB\n")
    assert "removed 1 of 3 backups" in done.out
    assert len(list(folder.glob("*.db"))) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_interrupted_leaves_nothing_behind(
    stored: Command, folder: Path, number: signal.Signals
) -> None:
    execute(str(stored.db), MANY_ROWS)
    making = stored.start("backup", "create")
    while not folder.exists() or not any(folder.iterdir()):
        assert making.poll() is None
    making.send_signal(number)
    out, _ = making.communicate(timeout=60)
    assert (making.returncode, out) == (130, b"")
    assert all_in(str(folder)) == []


def test_on_a_terminal_there_is_progress(stored: Command, folder: Path) -> None:
    execute(str(stored.db), MANY_ROWS)
    terminal = stored.on_terminal("backup", "create")
    screen = terminal.read_until("checking")
    assert "\x1b[" in screen
    done = terminal.wait()
    assert done.status == 0
    assert f"{one_in(folder).name}: 3 files" in done.out.replace("\n", "")


def test_names_are_shown_harmless(stored: Command, tmp_path: Path) -> None:
    evil = tmp_path / "\x1b]0;evil\x07"
    evil.mkdir()
    stored("backup", "create", evil)
    for arguments in (["create", evil], ["list", evil], ["verify", evil], ["prune", evil], ["restore", evil]):
        for flags in ([], ["--json"]):
            done = stored("backup", *arguments, *flags)
            assert done.status == 0
            assert not {"\x1b", "\x07"} & {*done.out, *done.err}


def test_folders_that_are_no_utf8_work(stored: Command, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    assert stored("backup", "create", folder).status == 0
    assert stored("backup", "list", folder).rows[0]["path"].startswith(f"{tmp_path}/caf%E9/")
    assert stored("backup", "verify", folder).status == 0
    assert stored("backup", "restore", folder).status == 0
