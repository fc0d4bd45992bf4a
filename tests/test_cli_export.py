"""`qacache export`: every record there is, for other programs."""

from __future__ import annotations

import gzip
import json
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from qacache.record import from_dict, to_dict
from tests.command import DEADLINE_S, Command
from tests.media import make_copy


def test_all_records_are_written_in_path_order(scanned: Command, clips: Path) -> None:
    done = scanned("export", "--format", "ndjson")
    assert [record["path"] for record in done.records] == [
        f"{clips}/{name}" for name in ("broken.mp4", "portrait.mp4", "wide.mkv")
    ]
    assert (done.status, done.err) == (0, "")


def test_records_can_be_read_back(scanned: Command) -> None:
    for record in scanned("export").records:
        assert {"qacache": 1, **json.loads(json.dumps(to_dict(from_dict(record))))} == record


def test_paths_choose_files_and_folders(scanned: Command, clips: Path) -> None:
    done = scanned("export", "wide.mkv", clips, cwd=clips)
    assert [Path(record["path"]).name for record in done.records] == [
        "wide.mkv",
        "broken.mp4",
        "portrait.mp4",
        "wide.mkv",
    ]


def test_paths_that_are_not_stored_are_named_and_exit_with_3(scanned: Command, clips: Path) -> None:
    done = scanned("export", "nowhere.mp4", "wide.mkv", cwd=clips)
    assert done.status == 3
    assert done.err == f"qacache: not in the store: {clips}/nowhere.mp4\n"
    assert len(done.records) == 1


def test_files_are_selected_as_find_does(scanned: Command, clips: Path, tmp_path: Path) -> None:
    def names(*arguments: str | Path) -> list[str]:
        return [Path(record["path"]).name for record in scanned("export", *arguments, cwd=clips).records]

    assert names("--orientation", "portrait") == ["portrait.mp4"]
    assert names("--status", "failed") == ["broken.mp4"]
    assert names("--under", clips, "wide.mkv", "--min-width=1") == ["portrait.mp4", "wide.mkv"]
    assert names("wide.mkv", "--where", "duration_s > 0") == ["wide.mkv"]
    scanned("export", "--status", "ok", "-o", tmp_path / "x.db")
    assert [Path(each["path"]).name for each in scanned("export", "--db", tmp_path / "x.db").records] == [
        "portrait.mp4",
        "wide.mkv",
    ]


def test_that_nothing_fits_is_said_and_no_error(scanned: Command, tmp_path: Path) -> None:
    done = scanned("export", "--codec", "av1")
    assert (done.status, done.out, done.err) == (0, "", "qacache: no file fits\n")
    done = scanned("export", "--codec", "av1", "--format", "csv")
    assert (done.status, len(done.out.splitlines()), done.err) == (0, 1, "qacache: no file fits\n")
    done = scanned("export", "--codec", "av1", "-o", tmp_path / "x.ndjson")
    assert (done.status, done.out, done.err) == (0, f"0 records, 0 B: {tmp_path}/x.ndjson\n", "")


def test_a_folder_that_is_not_stored_is_named_and_exits_with_3(scanned: Command) -> None:
    done = scanned("export", "--under", "/nowhere")
    assert (done.status, done.out, done.err) == (3, "", "qacache: not in the store: /nowhere\n")


def test_what_changed_since_a_scan_is_exported(qacache: Command, videos: Path) -> None:
    qacache("scan", videos)
    assert qacache("export", "--since", "1").records == []
    (videos / "wide.mkv").rename(videos / "moved.mkv")
    qacache("scan", videos)
    assert [(Path(each["path"]).name, each["status"]) for each in qacache("export", "--since", "1").records] == [
        ("moved.mkv", "ok"),
        ("wide.mkv", "vanished"),
    ]
    done = qacache("export", "--since", "7")
    assert (done.status, done.err) == (
        2,
        "qacache: no such scan: 7\nhint: there are scans 1-2; qacache scans lists them\n",
    )


def test_a_name_that_is_no_utf8_comes_with_its_bytes(qacache: Command, library: Path, clips: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("names are UTF-8 here")
    make_copy(library / "\udcff.mp4", clips / "wide.mkv")
    qacache("scan", library)
    (record,) = qacache("export").records
    assert record["path"] == f"{library}/\N{REPLACEMENT CHARACTER}.mp4"
    assert from_dict(record).path == bytes(library) + b"/\xff.mp4"


def test_an_unknown_format_is_wrong_usage(scanned: Command) -> None:
    done = scanned("export", "--format", "xlsx")
    assert (done.status, done.out) == (2, "")
    assert "'xlsx'" in done.err


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.ndjson", b'{"qacache":1,"path":'),
        ("x.jsonl", b'{"qacache":1,"path":'),
        ("x", b'{"qacache":1,"path":'),
        ("x.csv", b"path,path_b64,size,"),
        ("x.db", b"SQLite format 3\0"),
        ("x.SQLITE", b"SQLite format 3\0"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_name_of_the_file_says_in_which_form_it_is(
    scanned: Command, tmp_path: Path, name: str, start: bytes, ending: str
) -> None:
    done = scanned("export", "--output", tmp_path / (name + ending))
    assert (done.status, done.err) == (0, "")
    assert re.fullmatch(rf"3 records, [0-9.]+ k?B: {tmp_path}/{name}{ending}\n", done.out)
    data = (tmp_path / (name + ending)).read_bytes()
    assert (gzip.decompress(data) if ending else data).startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name + ending]


def test_the_form_may_be_said_against_the_name(scanned: Command, tmp_path: Path) -> None:
    assert scanned("export", "--format", "csv", "-o", tmp_path / "x.json").status == 0
    assert (tmp_path / "x.json").read_text().startswith("path,")
    assert scanned("export", "-o", tmp_path / "x.xlsx").err == (
        f"qacache: what form {tmp_path}/x.xlsx is to have does not show in its name\nhint: say it with --format\n"
    )
    assert not (tmp_path / "x.xlsx").exists()


def test_what_goes_to_a_file_is_what_goes_to_a_pipe(scanned: Command, tmp_path: Path) -> None:
    for form in ("ndjson", "csv"):
        scanned("export", "--format", form, "-o", tmp_path / form)
        assert (tmp_path / form).read_bytes().decode() == scanned("export", "--format", form).out


def test_a_snapshot_answers_look_ups_and_needs_no_file_beside_it(scanned: Command, clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "laptop"
    folder.mkdir()
    scanned("export", "-o", folder / "snapshot.db")
    folder.chmod(0o555)
    asked = ("lookup", "--json", clips)
    assert scanned(*asked, "--db", folder / "snapshot.db").records == scanned(*asked).records
    assert [path.name for path in folder.iterdir()] == ["snapshot.db"]
    folder.chmod(0o755)
    with closing(sqlite3.connect(folder / "snapshot.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        for table, count in {"file": 3, "raw_probe": 0, "scan": 0, "change": 0, "root": 1}.items():
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (count,), table


def test_a_snapshot_can_be_piped(scanned: Command, tmp_path: Path) -> None:
    piped = scanned.start("export", "--format", "sqlite", "broken.mp4")
    assert piped.stdout is not None
    with piped.stdout:
        (tmp_path / "x.db").write_bytes(piped.stdout.read())
    assert piped.stderr is not None
    with piped.stderr:
        assert b"not in the store" in piped.stderr.read()
    assert piped.wait(60) == 3
    assert scanned("export", "--db", tmp_path / "x.db").out == ""


def test_a_snapshot_has_what_was_chosen_once(scanned: Command, clips: Path, tmp_path: Path) -> None:
    done = scanned("export", "wide.mkv", "wide.mkv", "none.mkv", "-o", tmp_path / "x.db", cwd=clips)
    assert done.status == 3
    assert [Path(each["path"]).name for each in scanned("export", "--db", tmp_path / "x.db").records] == ["wide.mkv"]


def test_whole_answers_are_exported_where_asked_for(scanned: Command, tmp_path: Path) -> None:
    records = scanned("export", "--raw").records
    assert [sorted(record.get("raw", {})) for record in records] == [[], ["format", "streams"], ["format", "streams"]]
    assert all("raw" not in record for record in scanned("export").records)
    scanned("export", "--raw", "-o", tmp_path / "x.db")
    assert scanned("export", "--raw", "--db", tmp_path / "x.db").records == records
    assert scanned("export", "--raw", "--format", "csv").status == 2


def test_no_other_form_is_json(scanned: Command) -> None:
    assert scanned("export", "--json").out == scanned("export").out
    done = scanned("export", "--json", "--format", "csv")
    assert (done.status, done.err.split("\n")[0]) == (2, "qacache: --json and --format csv are two forms")


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", ".lock", ".scan.lock"])
def test_the_store_is_not_replaced_by_its_export(scanned: Command, tmp_path: Path, ending: str) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(f"{scanned.db}{ending}")
    before = scanned.db.read_bytes()
    for path in (Path(f"{scanned.db}{ending}"), link):
        done = scanned("export", "--format", "sqlite", "-o", path)
        assert done.status == 2
        assert done.err.startswith(f"qacache: the export would take the place of the store: {path}\n")
    assert scanned.db.read_bytes() == before


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_a_database_in_use_is_not_replaced(scanned: Command, tmp_path: Path, ending: str) -> None:
    (tmp_path / f"x.db{ending}").touch()
    done = scanned("export", "-o", tmp_path / "x.db")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"qacache: the export would take the place of a database in use: {tmp_path}/x.db\n")
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_is_a_file_too_and_gets_nothing_else(scanned: Command, name: str) -> None:
    piped = scanned.start("export", "-o", name)
    assert piped.stdout is not None
    assert piped.stderr is not None
    with piped.stdout, piped.stderr:
        assert piped.stdout.read().decode() == scanned("export").out
    assert piped.wait(DEADLINE_S) == 0


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(scanned: Command, tmp_path: Path) -> None:
    done = scanned("export", "-o", tmp_path / "none" / "x.csv")
    assert (done.status, done.err) == (1, f"qacache: {tmp_path}/none/x.csv: no such file or directory\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("form", ["ndjson", "csv", "sqlite"])
def test_a_device_that_is_full_is_named(scanned: Command, form: str) -> None:
    done = scanned("export", "--format", form, "-o", "/dev/full")
    assert (done.status, done.err) == (1, "qacache: /dev/full: no space left on device\n")
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("form", ["ndjson", "csv", "sqlite"])
def test_an_export_that_is_ended_leaves_the_old_file_and_no_other(
    qacache: Command, videos: Path, tmp_path: Path, form: str
) -> None:
    qacache("scan", videos)
    target = tmp_path / "out" / "x"
    target.parent.mkdir()
    target.write_text("old")
    # it says so while it writes, and has much to write after that
    running = qacache.start("export", "--format", form, "-o", str(target), "unknown.mp4", *[str(videos)] * 20_000)
    assert running.stderr is not None
    assert running.stdout is not None
    with running.stdout, running.stderr:
        assert b"not in the store" in running.stderr.readline()
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == 130
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("x", "old")]


def test_what_a_terminal_would_act_on_is_made_visible(qacache: Command, library: Path, clips: Path) -> None:
    make_copy(library / "\x1b]0;title\x07=1.mkv", clips / "wide.mkv")
    qacache("scan", library)
    for form, shown in (("csv", "\\x1b]0;title\\x07=1.mkv"), ("ndjson", "\\u001b]0;title\\u0007=1.mkv")):
        done = qacache.on_terminal("export", "--format", form).wait()
        assert (done.status, "\x1b" in done.out) == (0, False)
        assert shown in done.out.replace("\n", "")
    assert "\x1b]0;title\x07=1.mkv" in qacache("export", "--format", "csv").out


def test_a_database_is_not_written_to_a_terminal(scanned: Command) -> None:
    done = scanned.on_terminal("export", "--format", "sqlite").wait()
    assert (done.status, done.out.split("\n")[0]) == (2, "qacache: a database is nothing to look at")


def test_records_go_where_they_were_sent_while_progress_is_shown(scanned: Command, clips: Path, tmp_path: Path) -> None:
    done = scanned.on_terminal("export", *[clips] * 500, stdout=tmp_path / "x").wait()
    assert len((tmp_path / "x").read_text().splitlines()) == 1500
    assert "1,500 records" in done.out
    assert "qacache" not in done.out


def test_progress_is_shown_on_a_terminal_and_goes_again(scanned: Command, clips: Path, tmp_path: Path) -> None:
    terminal = scanned.on_terminal("export", "-o", tmp_path / "x.csv", *[clips] * 3000)
    done = terminal.wait()
    assert done.status == 0
    assert "records" in done.out
    assert done.out.rstrip().split("\x1b[2K")[-1].startswith("9,000 records, ")


def test_without_a_store_the_status_is_10(qacache: Command) -> None:
    assert qacache("export").status == 10


@pytest.mark.parametrize("command", ["export", "lookup"])
def test_a_reader_that_has_seen_enough_is_no_error(scanned: Command, clips: Path, command: str) -> None:
    # more than any pipe holds: it breaks in the middle
    paths = [str(clips)] * 300
    running = scanned.start(command, *paths)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline()
    running.stdout.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    assert running.wait(60) == 0


@pytest.mark.parametrize("command", ["export", "lookup", "config"])
def test_a_reader_that_was_never_there_is_no_error(scanned: Command, clips: Path, command: str) -> None:
    arguments = ["config", "show"] if command == "config" else [command, str(clips)]
    running = scanned.start(*arguments)
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    with running.stderr:
        assert running.stderr.read() == b""
    assert running.wait(60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", ["export", "lookup"])
def test_a_full_disk_below_the_output_is_an_error(scanned: Command, clips: Path, command: str) -> None:
    done = scanned(command, clips, wrapper=["sh", "-c", 'exec "$@" >/dev/full', "sh"])
    assert (done.status, done.err) == (1, "qacache: output: no space left on device\n")


def test_the_store_is_not_changed(scanned: Command) -> None:
    before = scanned.db.stat().st_mtime_ns
    scanned("export")
    assert scanned.db.stat().st_mtime_ns == before
    assert subprocess.run(["ls", scanned.db.parent], capture_output=True, check=True).stdout.startswith(b"qacache.db\n")
