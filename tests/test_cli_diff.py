"""`qacache diff`: what changed between scans."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qacache.record import path_from_fields
from qacache.store import migrations
from qacache.store.lock import held, scan_lock_path
from tests.command import Command, Done
from tests.media import make_clip, make_copy, make_file

Changed = list[tuple[str, str, str | None]]


@pytest.fixture(scope="module")
def library(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of `three_scans`."""
    return tmp_path_factory.mktemp("three-scans") / "library"


@pytest.fixture(scope="module")
def three_scans(library: Path, clips: Path) -> Command:
    """The command after three scans of `library`, see `make_three_scans`: for tests that only read."""
    return make_three_scans(Command(library.parent / "home"), Path(shutil.copytree(clips, library)))


@pytest.fixture
def own_scans(qacache: Command, videos: Path) -> Command:
    """The command after three scans of `videos`, see `make_three_scans`, to be changed at will."""
    return make_three_scans(qacache, videos)


def make_three_scans(qacache: Command, videos: Path) -> Command:
    """Scan the library three times, changed before the second and the third.

    Second: `wide.mkv` is moved into a folder, `new.mp4` is there. Third: `portrait.mp4` is gone, `new.mp4` replaced
    by something longer.
    """
    qacache("scan", videos)
    (videos / "sub").mkdir()
    (videos / "wide.mkv").rename(videos / "sub" / "wide.mkv")
    make_clip(videos / "new.mp4", shade=90)
    qacache("scan", videos)
    (videos / "portrait.mp4").unlink()
    make_clip(videos / "new.mp4", shade=90, duration_s=5)
    qacache("scan", videos)
    return qacache


def changed(done: Done, below: Path) -> Changed:
    """Kind, path and old path of each file, by path; the paths as seen from `below`."""

    def name(path: str | None) -> str | None:
        return None if path is None else str(Path(path).relative_to(below))

    found = [each for each in done.records if each["event"] == "change"]
    return sorted((each["kind"], str(name(each["path"])), name(each["from_path"])) for each in found)


def summary(done: Done) -> dict[str, Any]:
    last: dict[str, Any] = done.records[-1]
    return last


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.*") if path.is_file())


def test_without_a_scan_it_is_what_the_last_one_changed(three_scans: Command, library: Path) -> None:
    done = three_scans("diff", "--json")
    assert (done.status, done.err) == (0, "")
    assert changed(done, library) == [("removed", "portrait.mp4", None), ("replaced", "new.mp4", None)]
    assert (summary(done)["after_scan"], summary(done)["through_scan"]) == (2, 3)


def test_with_a_scan_it_is_what_changed_since(three_scans: Command, library: Path) -> None:
    done = three_scans("diff", "1", "--json")
    assert changed(done, library) == [
        ("added", "new.mp4", None),
        ("moved", "sub/wide.mkv", "wide.mkv"),
        ("removed", "portrait.mp4", None),
    ]
    assert (summary(done)["after_scan"], summary(done)["through_scan"]) == (1, None)


@pytest.mark.parametrize("scans", [["1", "2"], ["2", "1"]])
def test_with_two_scans_it_is_what_changed_between(three_scans: Command, library: Path, scans: Sequence[str]) -> None:
    done = three_scans("diff", *scans, "--json")
    assert changed(done, library) == [("added", "new.mp4", None), ("moved", "sub/wide.mkv", "wide.mkv")]
    assert (summary(done)["after_scan"], summary(done)["through_scan"]) == (1, 2)


def test_what_was_probed_since_the_last_scan_has_changed_by_now(own_scans: Command, videos: Path) -> None:
    make_copy(videos / "late.mkv", videos / "sub" / "wide.mkv")
    own_scans("reprobe", videos / "late.mkv")
    assert changed(own_scans("diff", "3", "--json"), videos) == [("added", "late.mkv", None)]
    assert len(changed(own_scans("diff", "--json"), videos)) == 2


def test_the_total_is_what_the_library_grew(qacache: Command, videos: Path) -> None:
    qacache("scan", videos)
    before = size_of(videos)
    shutil.move(videos / "wide.mkv", videos / "wider.mkv")
    make_copy(videos / "broken.mp4", videos / "portrait.mp4")
    make_copy(videos / "sub" / "copy.mp4", videos / "portrait.mp4")
    (videos / "portrait.mp4").unlink()
    qacache("scan", videos)
    done = qacache("diff", "--json")
    files = [each for each in done.records if each["event"] == "change"]
    folders = [each for each in done.records if each["event"] == "folder"]
    grown = size_of(videos) - before
    assert grown
    assert summary(done)["size_delta"] == grown
    assert sum(each["size_delta"] for each in files) == grown
    assert sum(each["size_delta"] for each in folders) == grown
    assert sum(kind["size_delta"] for kind in summary(done)["kinds"].values()) == grown


def test_json_has_files_then_folders_then_the_summary(three_scans: Command, library: Path) -> None:
    done = three_scans("diff", "1", "2", "--json")
    added, moved, sub, top, end = done.records
    size = (library / "sub" / "wide.mkv").stat().st_size
    assert added["event"] == moved["event"] == "change"
    assert (added["size_before"], added["size_after"]) == (None, added["size_delta"])
    assert (added["codec_before"], added["codec_after"]) == (None, "mpeg4")
    assert moved == {
        "event": "change",
        "kind": "moved",
        "path": f"{library}/sub/wide.mkv",
        "from_path": f"{library}/wide.mkv",
        "size_before": size,
        "size_after": size,
        "size_delta": 0,
        "codec_before": "mpeg4",
        "codec_after": "mpeg4",
    }
    by_path = {each["path"]: each for each in (sub, top)}
    assert by_path[str(library / "sub")] == {
        "event": "folder",
        "path": f"{library}/sub",
        "size_delta": size,
        "changes": 1,
    }
    assert by_path[str(library)]["size_delta"] == added["size_after"] - size
    assert by_path[str(library)]["changes"] == 2
    assert end == {
        "event": "summary",
        "after_scan": 1,
        "through_scan": 2,
        "files": 2,
        "folders": 2,
        "size_delta": added["size_after"],
        "kinds": {
            "added": {
                "count": 1,
                "size_before": 0,
                "size_after": added["size_after"],
                "size_delta": added["size_after"],
            },
            "moved": {"count": 1, "size_before": size, "size_after": size, "size_delta": 0},
        },
    }


def test_people_read_the_total_the_folders_and_the_files(three_scans: Command, library: Path) -> None:
    done = three_scans("diff", "1", "2")
    total, folders, *lines = done.out.removesuffix("\n").split("\n")
    assert total.startswith("+")
    assert ": 1 added, 1 moved since scan 1 (" in total
    assert ", up to scan 2 (" in total
    assert folders == "folders:"
    assert {line.split("  ")[-1] for line in lines[:2]} == {f"{library} (2 changes)", f"{library}/sub (1 change)"}
    assert lines[2] == "files:"
    assert lines[3].endswith(f"  added       {library}/new.mp4")
    assert lines[4] == f"       ±0 B  moved       {library}/sub/wide.mkv (was {library}/wide.mkv)"
    assert len(lines) == 5


def test_a_new_encoding_names_what_it_was(qacache: Command, videos: Path) -> None:
    make_clip(videos / "clip.mov")
    qacache("scan", videos)
    (videos / "clip.mov").unlink()
    make_clip(videos / "clip.webm")
    qacache("scan", videos)
    done = qacache("diff")
    assert "1 re-encoded in scan 2 (" in done.out
    assert done.out.endswith(f"  re-encoded  {videos}/clip.webm (was clip.mov, mpeg4 to vp8)\n")


def test_a_limit_says_how_many_are_left_out(three_scans: Command) -> None:
    done = three_scans("diff", "1", "--limit", "1")
    assert "  ... and 1 more: --limit 0 lists all\nfiles:\n" in done.out
    assert done.out.endswith("  ... and 2 more: --limit 0 lists all\n")
    assert "... and" not in three_scans("diff", "1", "--limit", "0").out
    events = [each["event"] for each in three_scans("diff", "1", "--limit", "1", "--json").records]
    assert events == ["change", "folder", "summary"]
    assert summary(three_scans("diff", "1", "--limit", "1", "--json"))["files"] == 3


def test_many_changes_are_listed_by_weight_up_to_a_limit(qacache: Command, tmp_path: Path, clips: Path) -> None:
    content = (clips / "wide.mkv").read_bytes()
    for number in range(25):
        make_file(tmp_path / "many" / f"{number:02}.mkv", content + b"\0" * number)
    qacache("scan", tmp_path / "many", QACACHE_FFPROBE_ENGINE="ffprobe")
    lines = qacache("diff").out.removesuffix("\n").split("\n")
    assert lines[0].split(": ", 1)[1].startswith("25 added in scan 1 (")
    assert [Path(line.split()[-1]).name for line in lines[4:-1]] == [f"{24 - number:02}.mkv" for number in range(20)]
    assert lines[-1] == "  ... and 5 more: --limit 0 lists all"
    assert len(qacache("diff", "--json").records) == 25 + 1 + 1


def test_under_a_folder_only_its_own_files_count(three_scans: Command, library: Path) -> None:
    size = (library / "sub" / "wide.mkv").stat().st_size
    for arguments, folder in (([library / "sub"], library), (["sub"], library), (["."], library / "sub")):
        done = three_scans("diff", "1", "--json", "--under", *arguments, cwd=folder)
        assert changed(done, library) == [("moved", "sub/wide.mkv", "wide.mkv")]
        assert [each["path"] for each in done.records if each["event"] == "folder"] == [f"{library}/sub"]
        assert summary(done)["size_delta"] == size
    assert three_scans("diff", "1", "--under", library / "none").out.startswith("nothing changed since scan 1 (")
    assert three_scans("diff", "1", "--under", "").status == 2


def test_a_folder_is_known_by_the_name_that_the_working_directory_has(
    qacache: Command, videos: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(videos)
    qacache("scan", link)
    assert summary(qacache("diff", "--json", "--under", ".", cwd=videos))["files"] == 3


def test_nothing_changed_is_said_so(own_scans: Command, videos: Path) -> None:
    own_scans("scan", videos)
    done = own_scans("diff")
    assert done.status == 0
    assert done.out.startswith("nothing changed in scan 4 (")
    assert own_scans("diff", "4").out.startswith("nothing changed since scan 4 (")
    assert own_scans("diff", "2", "2").out.startswith("nothing changed since scan 2 (")
    (end,) = own_scans("diff", "--json").records
    assert (end["files"], end["size_delta"], end["kinds"]) == (0, 0, {})


def test_what_came_and_went_again_is_no_change(qacache: Command, videos: Path) -> None:
    qacache("scan", videos)
    (videos / "wide.mkv").rename(videos / "away.mkv")
    qacache("scan", videos)
    (videos / "away.mkv").rename(videos / "wide.mkv")
    qacache("scan", videos)
    assert qacache("diff", "1").out.startswith("nothing changed since scan 1 (")
    assert "1 moved" in qacache("diff").out


def test_a_scan_that_runs_is_not_the_last_one(own_scans: Command, videos: Path) -> None:
    with closing(sqlite3.connect(own_scans.db)) as connection, connection:
        connection.execute("INSERT INTO scan (started_ms, state, roots) VALUES (1, 'running', '[]')")
    with held(scan_lock_path(str(own_scans.db)), purpose="a scan", timeout_s=0):
        assert summary(own_scans("diff", "--json"))["through_scan"] == 3


def test_an_unknown_scan_is_wrong_usage_that_names_those_there_are(own_scans: Command, videos: Path) -> None:
    done = own_scans("diff", "1", "7")
    assert (done.status, done.out) == (2, "")
    assert done.err == "qacache: no such scan: 7\nhint: there are scans 1-3; qacache scans lists them\n"
    with closing(sqlite3.connect(own_scans.db)) as connection, connection:
        connection.execute("DELETE FROM scan WHERE id = 2")
    assert "hint: there are scans 1, 3; " in own_scans("diff", "2").err
    assert "no such scan: 1000000000000000000000\n" in own_scans("diff", "1" + "0" * 21).err


@pytest.mark.parametrize("arguments", [["1", "2", "3"], ["last"], ["--limit", "-1"]])
def test_what_makes_no_sense_is_wrong_usage(three_scans: Command, arguments: list[str]) -> None:
    done = three_scans("diff", *arguments)
    assert (done.status, done.out) == (2, "")


@pytest.mark.parametrize("arguments", [[], ["3"], ["--json"]])
def test_no_scans_yet_is_no_error(qacache: Command, arguments: list[str]) -> None:
    migrations.create(str(qacache.db), busy_timeout_s=1.0)
    done = qacache("diff", *arguments)
    assert (done.status, done.out) == (0, "")
    assert done.err == "no scans yet; the first is made with: qacache scan FOLDER\n"


def test_without_a_store_the_status_is_10(qacache: Command) -> None:
    assert qacache("diff").status == 10


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 here")
def test_no_name_of_a_file_acts_on_a_terminal_or_is_lost(qacache: Command, videos: Path, clips: Path) -> None:
    hostile = videos / "\x1b]0;evil\x07\udcff"
    qacache("scan", videos)
    hostile.mkdir()
    (videos / "wide.mkv").rename(hostile / "a.mkv")
    qacache("scan", videos)
    (hostile / "a.mkv").rename(hostile / "b.mkv")
    qacache("scan", videos)
    text = qacache("diff").out
    assert "\x1b" not in text
    assert r"\x1b]0;evil\x07\xff/b.mkv (was a.mkv)" in text
    done = qacache("diff", "--json")
    assert "\x1b" not in done.out
    change = done.records[0]
    origin = {key.removeprefix("from_"): text for key, text in change.items() if key.startswith("from_")}
    folder = bytes(hostile)
    assert (path_from_fields(change), path_from_fields(origin)) == (folder + b"/b.mkv", folder + b"/a.mkv")


def test_the_store_is_not_changed(three_scans: Command) -> None:
    before = three_scans.db.read_bytes()
    three_scans("diff", "1")
    three_scans("scans")
    assert three_scans.db.read_bytes() == before
