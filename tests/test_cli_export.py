"""`qacache export`: every record there is, for other programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qacache.record import from_dict, to_dict
from tests.command import Command
from tests.media import make_copy


def test_all_records_are_written_in_path_order(scanned: Command, clips: Path) -> None:
    done = scanned("export", "--format", "ndjson")
    assert [record["path"] for record in done.records] == [
        f"{clips}/{name}" for name in ("broken.mp4", "portrait.mp4", "wide.mkv")
    ]
    assert (done.status, done.err) == (0, "")


def test_records_can_be_read_back(scanned: Command) -> None:
    for record in scanned("export").records:
        assert json.loads(json.dumps(to_dict(from_dict(record)))) == record


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
