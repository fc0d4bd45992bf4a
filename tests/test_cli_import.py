"""`qacache import`: what another store knows comes in, and what is wrong with it is named by file and line."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qacache.store.lock import held, lock_path
from tests.command import DEADLINE_S, Command
from tests.test_exchange_check import good


@pytest.fixture
def exported(scanned: Command, tmp_path: Path) -> Path:
    """The three clips as NDJSON."""
    scanned("export", "-o", tmp_path / "clips.ndjson")
    return tmp_path / "clips.ndjson"


def record(name: str, **changes: Any) -> str:
    return json.dumps(good(path=f"/v/{name}.mp4", **changes)) + "\n"


@pytest.mark.parametrize("name", ["x.ndjson", "x.csv.gz", "x.db", "x.db.gz"])
def test_what_was_exported_is_imported(
    scanned: Command, qacache: Command, clips: Path, tmp_path: Path, name: str
) -> None:
    scanned("export", "-o", tmp_path / name)

    done = qacache("import", tmp_path / name)

    assert (done.status, done.out, done.err) == (0, "3 records: 3 new\n", "")
    asked = ("lookup", "--field", "orientation", clips)
    assert qacache(*asked).out == scanned(*asked).out
    assert qacache("import", tmp_path / name).out == "3 records: 3 known already\n"


def test_a_whole_store_is_imported(scanned: Command, qacache: Command, clips: Path) -> None:
    assert qacache("import", scanned.db).out == "3 records: 3 new\n"
    assert qacache("lookup", "--json", clips).records == scanned("lookup", "--json", clips).records


def test_a_scan_takes_imported_files_for_known_ones(scanned: Command, qacache: Command, clips: Path) -> None:
    qacache("import", scanned.db)
    done = qacache("scan", clips)
    assert done.status == 0
    assert "3 unchanged" in done.out
    assert "not tried again yet: 1 that failed before" in done.out


def test_standard_input_is_imported(qacache: Command, exported: Path, clips: Path) -> None:
    assert qacache("import", "-", stdin=gzip.compress(exported.read_bytes())).out == "3 records: 3 new\n"
    assert len(qacache("lookup", "--json", clips).records) == 3


def test_folders_are_mapped(qacache: Command, exported: Path, clips: Path, videos: Path) -> None:
    done = qacache("import", "--map", f"{clips.parent}=/elsewhere", "--map", f"{clips}={videos}", exported)
    assert (done.status, done.out) == (0, "3 records: 3 new\n")
    assert [each["path"] for each in qacache("export").records] == [
        f"{videos}/{name}" for name in ("broken.mp4", "portrait.mp4", "wide.mkv")
    ]


def test_a_map_that_fits_no_file_is_told(qacache: Command, exported: Path, clips: Path) -> None:
    done = qacache("import", "--map", f"{clips}=/x", "--map", f"{clips}s=/y", "--dry-run", exported)
    assert (done.status, done.out) == (0, "3 records, as it would be: 3 new\n")
    assert done.err == f"qacache: --map changed nothing: no file is below {clips}s/\n"


def test_a_map_that_is_none_is_wrong_usage(qacache: Command, exported: Path) -> None:
    done = qacache("import", "--map", "/mnt", exported)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("qacache: --map /mnt does not say what is where\nhint: write FROM=TO")


def test_bad_records_are_named_by_file_and_line_and_exit_with_3(qacache: Command, tmp_path: Path) -> None:
    path = tmp_path / "odd\x1b name"
    path.write_text(record("a") + "{\n" + record("b", size="5") + record("c", chapters=[]) + record("d"))
    done = qacache("import", path)
    shown = f"qacache: {tmp_path}/odd\\x1b name"
    assert done.err == (
        f"{shown}:2: no JSON: expecting property name enclosed in double quotes at column 2\n"
        f"{shown}:3: size is no whole number from 0: '5'\n"
        f"{shown}:4: no such field: chapters\n"
    )
    assert (done.status, done.out) == (3, "5 records: 2 new · 3 refused\n")
    assert [each["path"] for each in qacache("export").records] == ["/v/a.mp4", "/v/d.mp4"]


def test_names_in_bad_records_do_nothing_to_a_terminal(qacache: Command, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(record("a", status="\x1b[2J"))
    done = qacache("import", tmp_path / "x")
    assert done.status == 3
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("data", "stored", "problem"),
    [
        (gzip.compress((record("a") + record("b")).encode())[:-8], 2, "ends early: the rest of the gzip is missing"),
        (record("a").encode("utf-16"), 0, "is no UTF-8, but UTF-16 or the like"),
        (record("a").encode() + record("b", qacache=2).encode(), 1, "was written by a newer qacache: line 2: "),
        (b"[]", 0, "is one JSON array"),
        (b"hello\n", 0, "is no CSV of records"),
        (None, 0, "cannot be read: no such file or directory"),
    ],
    ids=["gzip", "utf-16", "newer", "array", "text", "missing"],
)
def test_a_file_that_cannot_be_read_on_is_told_of_and_others_are_imported(
    qacache: Command, tmp_path: Path, data: bytes | None, stored: int, problem: str
) -> None:
    if data is not None:
        (tmp_path / "bad").write_bytes(data)
    (tmp_path / "good").write_text(record("z"))
    done = qacache("import", tmp_path / "bad", tmp_path / "good")
    assert done.status == 1
    assert done.err.startswith(f"qacache: {tmp_path}/bad {problem}")
    assert done.out == f"{stored + 1} record{'s' * bool(stored)}: {stored + 1} new\n"
    assert len(qacache("export").records) == stored + 1


def test_an_older_store_says_how_to_bring_it_up_to_date(scanned: Command, qacache: Command, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    old.write_bytes(scanned.db.read_bytes())
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA user_version = 1")
    done = qacache("import", old)
    assert done.status == 1
    assert done.err.endswith("hint: bring it up to date first: qacache migrate --db FILE\n")


def test_json_tells_all_on_standard_output(qacache: Command, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text(record("a") + "5\n")
    done = qacache("import", "--json", tmp_path / "bad", tmp_path / "none")
    assert done.err == ""
    assert done.records == [
        {"event": "refused", "file": f"{tmp_path}/bad", "number": 2, "problem": "no JSON object: 5"},
        {
            "event": "given-up",
            "file": f"{tmp_path}/none",
            "problem": "cannot be read: no such file or directory",
            "hint": None,
        },
        {
            "event": "summary",
            "dry_run": False,
            "complete": True,
            "records": 2,
            "added": 1,
            "updated": 0,
            "kept": 0,
            "refused": 1,
            "given_up": 1,
        },
    ]
    assert done.status == 1


def test_what_is_newer_stays_unless_it_is_to_be_replaced(qacache: Command, tmp_path: Path) -> None:
    (tmp_path / "new").write_text(record("a", prober="new", probed_at="2027-02-01T00:00:00Z"))
    (tmp_path / "old").write_text(record("a", prober="old"))
    qacache("import", tmp_path / "new")
    assert qacache("import", tmp_path / "old").out == "1 record: 1 known already\n"
    assert qacache("export").records[0]["prober"] == "new"
    assert qacache("import", "--replace", tmp_path / "old").out == "1 record: 1 changed\n"
    assert qacache("export").records[0]["prober"] == "old"


def test_a_dry_run_says_what_would_be_and_makes_nothing(qacache: Command, exported: Path) -> None:
    done = qacache("import", "--dry-run", exported)
    assert (done.status, done.out) == (0, "3 records, as it would be: 3 new\n")
    assert not qacache.db.exists()


def test_nothing_is_nothing(qacache: Command, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    done = qacache("import", tmp_path / "x")
    assert (done.status, done.out, done.err) == (0, "0 records: nothing to import\n", "")


def test_without_a_file_there_is_nothing_to_import(qacache: Command) -> None:
    done = qacache("import")
    assert (done.status, done.out) == (2, "")
    assert "hint: see qacache import --help" in done.err


def test_while_another_process_writes_it_waits_and_gives_up(qacache: Command, exported: Path) -> None:
    qacache("import", exported)
    with held(lock_path(str(qacache.db)), purpose="a test", timeout_s=0):
        done = qacache("import", "--replace", exported, QACACHE_DB_BUSY_TIMEOUT="20ms")
    assert (done.status, done.out) == (11, "")
    assert "a test" in done.err


def test_an_import_that_is_ended_keeps_what_is_stored_and_says_how_much(qacache: Command, tmp_path: Path) -> None:
    path = tmp_path / "x"
    many = "".join(record(f"{number:05}") for number in range(10_000))
    # it says so when it comes there, and waits for more of it
    os.mkfifo(path)
    running = qacache.start("import", path)
    assert running.stderr is not None
    assert running.stdout is not None
    with running.stdout, running.stderr, open(path, "w") as feed:
        feed.write(many + "5\n")
        feed.flush()
        assert b"no JSON object" in running.stderr.readline()
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == 130
        assert running.stdout.read() == b"10,001 records (interrupted): 10,000 new \xc2\xb7 1 refused\n"
    assert len(qacache("export").records) == 10_000


def test_progress_is_shown_on_a_terminal(qacache: Command, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("".join(record(str(number)) for number in range(2)) + record("bad", size=-1))
    done = qacache.on_terminal("import", tmp_path / "x", columns=200).wait()
    assert done.status == 3
    assert "records · " in done.out
    assert done.out.rstrip().split("\x1b[2K")[-1] == "3 records: 2 new · 1 refused"
    assert "x:3: size is no whole number" in done.out


def test_the_rows_of_an_import_are_those_of_the_store(scanned: Command, qacache: Command, tmp_path: Path) -> None:
    scanned("export", "--raw", "-o", tmp_path / "x.ndjson")
    qacache("import", tmp_path / "x.ndjson")
    for query in (
        "SELECT path, size, digest, status, last_seen, probed_at, prober, tags, streams FROM videos ORDER BY path",
        "SELECT path, size, stage, reason, message, prober, attempts, failed_at, next_retry FROM failures",
        "SELECT json FROM raw_probe ORDER BY 1",
    ):
        with closing(sqlite3.connect(scanned.db)) as first, closing(sqlite3.connect(qacache.db)) as second:
            assert second.execute(query).fetchall() == first.execute(query).fetchall()
