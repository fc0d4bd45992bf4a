"""`qacache reprobe`: probing again what is named, whatever is stored."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.command import Command, hanging_ffprobe, probed_by
from tests.media import make_clip


def probed_at(qacache: Command, folder: Path) -> dict[str, str]:
    return {Path(record["path"]).name: record["probed_at"] for record in qacache("export", folder).records}


def outcomes(qacache: Command, *arguments: str | Path) -> list[tuple[str, str]]:
    events = qacache("reprobe", "--json", *arguments).records[:-1]
    return sorted((event["event"], Path(event["path"]).name) for event in events)


@pytest.fixture
def scanned_videos(qacache: Command, videos: Path) -> Path:
    qacache("scan", videos)
    return videos


def test_a_file_is_probed_again_and_no_other(qacache: Command, scanned_videos: Path) -> None:
    before = probed_at(qacache, scanned_videos)
    done = qacache("reprobe", "wide.mkv", cwd=scanned_videos)
    after = probed_at(qacache, scanned_videos)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("1 file in ")
    assert {name for name in after if after[name] != before[name]} == {"wide.mkv"}


def test_a_folder_means_the_videos_below_it(qacache: Command, scanned_videos: Path) -> None:
    assert outcomes(qacache, scanned_videos) == [
        ("failed", "broken.mp4"),
        ("probed", "portrait.mp4"),
        ("probed", "wide.mkv"),
    ]


def test_failed_means_those_whose_last_probe_failed(qacache: Command, scanned_videos: Path) -> None:
    assert outcomes(qacache, "--failed") == [("failed", "broken.mp4")]
    assert outcomes(qacache, "--failed", scanned_videos) == [("failed", "broken.mp4")]
    assert outcomes(qacache, "--failed", scanned_videos / "wide.mkv") == []


def test_what_was_mended_is_failed_no_more(qacache: Command, scanned_videos: Path) -> None:
    ffprobe = probed_by(str(shutil.which("ffprobe")))
    make_clip(scanned_videos / "broken.mp4")
    assert qacache("reprobe", "--failed", **ffprobe).status == 0
    done = qacache("reprobe", "--failed", **ffprobe)
    assert done.out.endswith(": nothing to do\n")
    assert done.status == 0


def test_files_that_fail_again_are_listed_and_exit_with_3(qacache: Command, scanned_videos: Path) -> None:
    done = qacache("reprobe", scanned_videos)
    assert done.status == 3
    assert f"failed:\n  {scanned_videos}/broken.mp4\n    invalid-data: " in done.out
    assert qacache("lookup", "--json", scanned_videos / "broken.mp4").records[0]["error"]["attempts"] == 2


def test_a_path_that_is_not_there_fails(qacache: Command, library: Path) -> None:
    done = qacache("reprobe", library / "nowhere.mp4")
    assert done.status == 3
    assert "nowhere.mp4\n    not-found: no such file or directory\n" in done.out


def test_nothing_named_is_wrong_usage(qacache: Command) -> None:
    done = qacache("reprobe")
    assert (done.status, done.out) == (2, "")
    assert done.err == "qacache: no paths to probe\nhint: name files or folders, or pass --failed\n"


def test_files_that_no_scan_has_seen_are_stored(qacache: Command, videos: Path) -> None:
    assert qacache("reprobe", videos / "wide.mkv").status == 0
    assert qacache("lookup", "--field", "status", videos / "wide.mkv").out == "ok\n"


def test_the_end_of_the_terminal_keeps_what_is_finished(qacache: Command, videos: Path, tmp_path: Path) -> None:
    make_clip(videos / "slow.mp4", shade=120)
    ffprobe = str(hanging_ffprobe(tmp_path))
    running = qacache.start("reprobe", "--jobs", "2", "--json", videos, **probed_by(ffprobe))
    assert running.stdout is not None
    for _ in range(3):
        running.stdout.readline()
    running.send_signal(signal.SIGHUP)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b'"state":"interrupted"' in out
    assert qacache("lookup", "--field", "status", videos).out == "failed\nok\nok\n"
