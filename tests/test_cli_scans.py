"""`qacache scans`: the scans there were."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from qacache.store import migrations
from qacache.store.lock import held, scan_lock_path
from qacache.times import iso_time_ms
from tests.command import Command
from tests.media import make_copy

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HOSTILE = "\x1b]0;evil\x07 100%"


@pytest.fixture
def scanned_twice(qacache: Command, videos: Path) -> Command:
    """The command after a scan of three clips, and one of four of which two are others."""
    qacache("scan", videos)
    (videos / "wide.mkv").rename(videos / "very wide.mkv")
    make_copy(videos / "copy.mp4", videos / "portrait.mp4")
    qacache("scan", videos)
    return qacache


def screen_of(command: Command, *arguments: str, columns: int) -> str:
    return ESCAPE.sub("", command.on_terminal("scans", *arguments, columns=columns).wait().out)


def run_sql(command: Command, statement: str) -> None:
    with closing(sqlite3.connect(command.db)) as connection, connection:
        connection.execute(statement)


def test_scans_are_lines_for_programs_the_newest_first(scanned_twice: Command, videos: Path) -> None:
    done = scanned_twice("scans")
    assert (done.status, done.err) == (0, "")
    second, first = done.rows
    assert [second["scan"], first["scan"]] == ["2", "1"]
    assert {name: second[name] for name in ("state", "found", "unchanged", "reused", "vanished", "probed")} == {
        "state": "complete",
        "found": "4",
        "unchanged": "2",
        "reused": "2",
        "vanished": "1",
        "probed": "0",
    }
    kinds = ("added", "removed", "moved", "replaced", "re-encoded")
    assert [second[kind] for kind in kinds] == ["1", "0", "1", "0", "0"]
    assert [first[name] for name in ("added", "probed", "failed")] == ["3", "2", "1"]
    assert json.loads(second["roots"]) == [str(videos)]
    assert float(second["duration_s"]) >= 0
    assert float(second["files_per_s"]) > 0
    assert iso_time_ms(second["started"]) >= iso_time_ms(first["started"])


def test_scans_are_objects_in_json(scanned_twice: Command, videos: Path) -> None:
    second, first = scanned_twice("scans", "--json").records
    assert (second["event"], second["scan_id"], first["scan_id"]) == ("scan", 2, 1)
    assert (second["state"], second["found"], second["roots"]) == ("complete", 4, [str(videos)])
    assert second["changes"] == {"added": 1, "moved": 1}
    assert first["changes"] == {"added": 3}
    assert iso_time_ms(second["started"]) <= iso_time_ms(second["finished"])
    assert second["files_per_s"] == pytest.approx(4 / second["duration_s"], abs=0.001)


def test_limit_names_the_last_scans(scanned_twice: Command) -> None:
    assert [row["scan"] for row in scanned_twice("scans", "--limit", "1").rows] == ["2"]
    assert [each["scan_id"] for each in scanned_twice("scans", "--json", "--limit", "1").records] == [2]
    assert [row["scan"] for row in scanned_twice("scans", "--limit", "0").rows] == ["2", "1"]


def test_people_see_a_table(scanned_twice: Command, videos: Path) -> None:
    screen = screen_of(scanned_twice, columns=250)
    header, _, second, *_ = screen.split("\n")
    assert header.split() == [
        "scan",
        "started",
        "state",
        "took",
        "files",
        "speed",
        "size",
        "outcome,",
        "changes,",
        "roots",
    ]
    assert re.match(r" +2 +\d{4}-\d\d-\d\d \d\d:\d\d +complete +\d+\.\d s +4 +[0-9.,]+ files/s ", second)
    assert second.rstrip().endswith("2 unchanged · 2 reused · 1 vanished")
    assert "changes: 1 added · 1 moved" in screen
    assert "2 probed · 1 failed" in screen
    assert "videos" in screen


def test_a_narrow_table_has_room_for_what_matters(scanned_twice: Command) -> None:
    screen = screen_of(scanned_twice, columns=80)
    assert "speed" not in screen
    assert max(map(len, screen.split("\n"))) <= 80
    assert "changes: 1 added · 1 moved" in re.sub(r"\s+", " ", screen)


def test_a_table_says_how_many_scans_it_leaves_out(scanned_twice: Command) -> None:
    screen = screen_of(scanned_twice, "--limit", "1", columns=80)
    assert screen.endswith("... and 1 older: --limit 0 lists all\n")
    assert "older" not in screen_of(scanned_twice, columns=80)
    assert "older" not in screen_of(scanned_twice, "--limit", "0", columns=80)


def test_a_table_has_the_first_of_many_roots(qacache: Command, library: Path, clips: Path) -> None:
    folders = [library / f"root {number}" for number in range(8)]
    for folder in folders:
        make_copy(folder / "a.mkv", clips / "wide.mkv")
    qacache("scan", *folders)
    screen = screen_of(qacache, columns=250)
    assert "root 4" in screen
    assert "root 5" not in screen
    assert "... and 3 more" in screen


def test_what_is_not_known_is_a_dash(scanned_twice: Command) -> None:
    run_sql(scanned_twice, "UPDATE scan SET state = 'running', finished_ms = NULL, summary = NULL WHERE id = 2")
    run_sql(scanned_twice, "UPDATE scan SET summary = json_remove(summary, '$.bytes') WHERE id = 1")
    with held(scan_lock_path(str(scanned_twice.db)), purpose="a scan", timeout_s=0):
        second, first = scanned_twice("scans").rows
        screen = screen_of(scanned_twice, columns=130)
    assert second["state"] == "running"
    assert {second[name] for name in ("duration_s", "found", "files_per_s", "bytes", "probed", "added")} == {"-"}
    assert (first["bytes"], first["added"], first["removed"]) == ("-", "3", "0")
    second, first = scanned_twice("scans", "--json").records
    assert (second["finished"], second["found"], second["bytes"], second["changes"]) == (None, None, None, None)
    assert (first["bytes"], first["found"]) == (None, 3)
    assert re.search(r" 2 +\S+ \S+ +running +- +- +- +-", screen)


def test_a_scan_whose_process_died_was_interrupted(scanned_twice: Command) -> None:
    run_sql(scanned_twice, "UPDATE scan SET state = 'running', finished_ms = NULL, summary = NULL WHERE id = 2")

    assert [row["state"] for row in scanned_twice("scans").rows] == ["interrupted", "complete"]


def test_a_scan_that_was_refused_says_why(scanned_twice: Command, videos: Path) -> None:
    missing = videos / "none"
    assert scanned_twice("scan", missing).status == 14

    refused, *_ = scanned_twice("scans", "--json").records
    assert (refused["state"], refused["roots"]) == ("failed", [str(missing)])
    assert refused["refused"] == [f"root is missing: {missing}"]
    assert f"refused: root is missing: {missing}" in screen_of(scanned_twice, columns=250)


def test_bytes_are_those_of_the_summary(scanned_twice: Command) -> None:
    run_sql(scanned_twice, "UPDATE scan SET summary = json_set(summary, '$.bytes', 1400000000)")
    assert {row["bytes"] for row in scanned_twice("scans").rows} == {"1400000000"}
    assert {each["bytes"] for each in scanned_twice("scans", "--json").records} == {1_400_000_000}
    assert screen_of(scanned_twice, columns=130).count(" 1.4 GB ") == 2


def test_a_long_scan_took_hours(scanned_twice: Command) -> None:
    run_sql(scanned_twice, "UPDATE scan SET summary = json_set(summary, '$.duration_s', 3723.4)")
    assert screen_of(scanned_twice, columns=130).count(" 1:02:03 ") == 2


def test_no_name_of_a_root_acts_on_a_terminal(qacache: Command, library: Path, clips: Path) -> None:
    folder = library / HOSTILE
    make_copy(folder / "a.mkv", clips / "wide.mkv")
    qacache("scan", folder)
    table = qacache.on_terminal("scans", columns=250).wait().out
    assert "\x1b]" not in table
    assert r"\x1b]0;evil\x07 100%" in table
    done = qacache("scans")
    assert "\x1b" not in done.out
    assert done.rows[0]["roots"].endswith('\\u001b]0;evil\\u0007 100%25"]')
    done = qacache("scans", "--json")
    assert "\x1b" not in done.out
    assert done.records[0]["roots"] == [str(folder)]


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 here")
def test_a_root_that_is_no_utf8_is_listed(qacache: Command, library: Path, clips: Path) -> None:
    make_copy(library / "\udcff" / "a.mkv", clips / "wide.mkv")
    qacache("scan", library / "\udcff")
    assert qacache("scans", "--json").records[0]["roots"] == [f"{library}/\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_no_scans_yet_is_no_error(qacache: Command, flags: list[str]) -> None:
    migrations.create(str(qacache.db), busy_timeout_s=1.0)
    done = qacache("scans", *flags)
    assert done.status == 0
    assert done.err == "no scans yet; the first is made with: qacache scan FOLDER\n"
    assert [line for line in done.out.split("\n")[1:] if line] == []


def test_without_a_store_the_status_is_10(qacache: Command) -> None:
    done = qacache("scans")
    assert (done.status, done.out) == (10, "")
    assert "hint: make one with: qacache scan FOLDER\n" in done.err


def test_a_limit_below_zero_is_wrong_usage(scanned: Command) -> None:
    assert scanned("scans", "--limit", "-1").status == 2
