"""`qacache scan`: what it finds, says and returns, and how it stops."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from qacache.store.lock import held, scan_lock_path
from tests.command import Command, hanging_ffprobe, make_ffprobe, probed_by, processes_about
from tests.media import age, make_clip, make_copy, make_file

SIGNALS = [signal.SIGINT, signal.SIGTERM]


def states(qacache: Command) -> list[str]:
    with closing(sqlite3.connect(qacache.db)) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM scans ORDER BY id")]


# which folders


def test_scan_probes_the_videos_below_the_folders_that_are_named(qacache: Command, videos: Path) -> None:
    other = make_clip(videos.parent / "other" / "deep" / "down" / "clip.mov", shade=90).parents[2]
    done = qacache("scan", videos, "../other/deep", cwd=videos)
    assert done.out.startswith("4 files in ")
    assert "3 probed · 1 failed" in done.out
    assert (done.status, done.err) == (3, "")
    assert qacache("lookup", other, "--field", "video_codec").out == "mpeg4\n"


def test_scan_without_folders_takes_those_of_the_configuration(qacache: Command, videos: Path) -> None:
    qacache.config.parent.mkdir(parents=True)
    qacache.config.write_text(f'[scan]\nroots = ["{videos}"]\n')
    assert qacache("scan").out.startswith("3 files in ")


def test_scan_with_no_folder_at_all_is_wrong_usage(qacache: Command) -> None:
    done = qacache("scan")
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        "qacache: no folder to scan\nhint: name one: qacache scan FOLDER, or set scan.roots in the configuration\n"
    )


@pytest.mark.parametrize("command", ["scan", "lookup", "export", "reprobe"])
def test_an_empty_path_does_not_mean_the_working_directory(scanned: Command, clips: Path, command: str) -> None:
    done = scanned(command, "", cwd=clips)
    assert (done.status, done.out) == (2, "")
    assert "a path is empty" in done.err


def test_a_missing_folder_is_refused_and_the_others_are_scanned(qacache: Command, videos: Path) -> None:
    done = qacache("scan", videos, videos.parent / "gone")
    assert done.status == 14
    assert done.out.startswith("3 files in ")
    assert f"root is missing: {videos.parent}/gone\nhint: " in done.err


def test_a_folder_that_is_empty_all_of_a_sudden_is_refused_until_that_is_accepted(
    qacache: Command, videos: Path
) -> None:
    qacache("scan", videos)
    for clip in videos.iterdir():
        clip.unlink()
    refused = qacache("scan", videos)
    assert refused.status == 14
    assert "--accept-shrink" in refused.err
    assert "3 vanished" in qacache("scan", "--accept-shrink", videos).out


# what it says


def test_failures_are_listed_with_their_reasons_once(qacache: Command, videos: Path) -> None:
    first = qacache("scan", videos)
    assert first.status == 3
    assert f"\nfailed:\n  {videos}/broken.mp4\n    invalid-data: " in first.out
    second = qacache("scan", videos)
    assert second.status == 0
    assert "3 unchanged\nnot tried again yet: 1 that failed before\n" in second.out
    assert "broken.mp4" not in second.out


def test_a_long_list_of_failures_is_cut(qacache: Command, library: Path) -> None:
    for number in range(23):
        make_file(library / f"{number:02}.mp4")
    out = qacache("scan", library).out
    assert out.count(".mp4\n    empty-file: ") == 20
    assert out.endswith("  ... and 3 more: --json tells all\n")


def test_a_folder_without_videos_is_no_error(qacache: Command, library: Path) -> None:
    done = qacache("scan", library)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("0 files in ")
    assert done.out.endswith(": nothing to do\n")


def test_a_scan_without_failures_exits_with_0(qacache: Command, library: Path) -> None:
    make_clip(library / "clip.mp4")
    done = qacache("scan", library)
    assert done.out.startswith("1 file in ")
    assert (done.status, done.err) == (0, "")


def test_files_that_are_being_written_are_left_to_the_next_scan(qacache: Command, library: Path) -> None:
    make_clip(library / "clip.mp4", mtime_age_s=60)
    done = qacache("scan", "--settle", "1h", library)
    assert "1 unstable\n1 still being written: the next scan looks again\n" in done.out
    assert done.status == 0


def test_events_go_to_standard_output_as_json_and_the_summary_last(qacache: Command, videos: Path) -> None:
    first = qacache("scan", "--json", videos)
    make_copy(videos / "copy.mp4", videos / "portrait.mp4")
    (videos / "wide.mkv").unlink()
    make_clip(videos / "young.mp4", mtime_age_s=60)
    second = qacache("scan", "--json", "--settle", "10m", videos)

    assert (first.status, first.err) == (3, "")
    *events, summary = first.records
    assert sorted((event["event"], Path(event["path"]).name) for event in events) == [
        ("failed", "broken.mp4"),
        ("probed", "portrait.mp4"),
        ("probed", "wide.mkv"),
    ]
    assert (summary["event"], summary["state"], summary["probed"], summary["failed"]) == ("summary", "complete", 2, 1)
    *events, summary = second.records
    assert {(event["event"], Path(event["path"]).name) for event in events} == {
        ("unchanged", "broken.mp4"),
        ("unchanged", "portrait.mp4"),
        ("reused", "copy.mp4"),
        ("vanished", "wide.mkv"),
        ("unstable", "young.mp4"),
    }
    assert (summary["found"], summary["known_failures"]) == (4, 1)
    reused = next(event for event in events if event["event"] == "reused")
    assert reused["source"] == str(videos / "portrait.mp4")


def test_events_of_probes_hold_the_media_and_those_of_failures_the_reason(qacache: Command, videos: Path) -> None:
    events = {Path(event["path"]).name: event for event in qacache("scan", "--json", videos).records[:-1]}
    assert events["portrait.mp4"]["media"]["orientation"] == "portrait"
    assert events["portrait.mp4"]["prober"].startswith("libav ")
    failed = events["broken.mp4"]
    assert (failed["stage"], failed["reason"]) == ("probe", "invalid-data")
    assert failed["message"]


def test_programs_get_a_summary_even_where_nothing_was_scanned(qacache: Command, tmp_path: Path) -> None:
    done = qacache("scan", "--json", tmp_path / "gone")
    (summary,) = done.records
    assert done.status == 14
    assert (summary["event"], summary["state"]) == ("summary", "failed")
    assert summary["refused"] == [f"root is missing: {tmp_path}/gone"]


# exit statuses


def test_no_ffprobe_to_run_exits_with_13(qacache: Command, videos: Path) -> None:
    done = qacache("scan", videos, **probed_by("/nowhere/ffprobe"))
    assert (done.status, done.out) == (13, "")
    assert done.err.startswith("qacache: no ffprobe to run: /nowhere/ffprobe\nhint: install FFmpeg")


def test_what_is_no_ffprobe_exits_with_13(qacache: Command, videos: Path) -> None:
    done = qacache("scan", videos, **probed_by("/bin/echo"))
    assert done.status == 13
    assert "this is no ffprobe: /bin/echo" in done.err


def test_a_store_in_use_exits_with_11(qacache: Command, clips: Path, store_path: str) -> None:
    with held(scan_lock_path(store_path), purpose="a test", timeout_s=0):
        done = qacache("scan", clips, "--db", store_path)
    assert (done.status, done.out) == (11, "")
    assert f"store is in use: pid {os.getpid()} (a test) holds " in done.err


@pytest.mark.parametrize("command", ["scan", "lookup", "export", "reprobe", "migrate"])
def test_a_store_of_a_newer_qacache_exits_with_12(qacache: Command, clips: Path, store_path: str, command: str) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    done = qacache(command, *([] if command == "migrate" else [clips]), "--db", store_path)
    assert (done.status, done.out) == (12, "")
    assert "store schema 99 is newer than this qacache" in done.err


# options


def test_jobs_is_how_many_files_are_probed_at_a_time(qacache: Command, library: Path, tmp_path: Path) -> None:
    for number in range(2):
        make_clip(library / f"{number}.mp4", shade=40 * number)
    meet = f'cd {tmp_path}; mkdir one 2>/dev/null || mkdir two; while [ ! -e two ]; do sleep 0.02; done; cd "$OLDPWD"'
    ffprobe = make_ffprobe(tmp_path / "meeting-ffprobe", meet)
    done = qacache("scan", "--jobs", "2", library, **probed_by(ffprobe))
    assert "2 probed" in done.out


def test_one_job_is_one_file_at_a_time(qacache: Command, library: Path, tmp_path: Path) -> None:
    for number in range(3):
        make_clip(library / f"{number}.mp4", shade=40 * number)
    alone = f"mkdir {tmp_path}/busy || exit 1\nsleep 0.05\nrmdir {tmp_path}/busy"
    ffprobe = make_ffprobe(tmp_path / "lonely-ffprobe", alone)
    done = qacache("scan", "--jobs=1", library, **probed_by(ffprobe))
    assert "3 probed" in done.out


def test_rate_spaces_the_files_and_can_be_interrupted(qacache: Command, library: Path) -> None:
    for number in range(2):
        make_clip(library / f"{number}.mp4", shade=40 * number)
    # the second file is due after a quarter of an hour
    running = qacache.start("scan", "--rate", "0.001", "--json", library)
    assert running.stdout is not None
    assert b'"event":"probed"' in running.stdout.readline()
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert out.count(b"\n") == 1
    assert b'"probed":1' in out


@pytest.mark.parametrize(("flag", "value"), [("--jobs", "many"), ("--rate", "-1"), ("--settle", "soon")])
def test_a_value_that_makes_no_sense_is_wrong_usage_by_the_name_of_its_flag(
    qacache: Command, videos: Path, flag: str, value: str
) -> None:
    done = qacache("scan", flag, value, videos)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"qacache: flag {flag}: ")


def test_force_probes_what_is_known(qacache: Command, videos: Path) -> None:
    qacache("scan", videos)
    assert "2 probed · 1 failed" in qacache("scan", "--force", videos).out


def test_a_dry_run_says_what_would_be_probed_and_stores_nothing(qacache: Command, videos: Path) -> None:
    (videos / "broken.mp4").unlink()
    done = qacache("scan", "--dry-run", videos)
    assert done.out.endswith(
        f"2 planned\nwould look into:\n  new: {videos}/portrait.mp4\n  new: {videos}/wide.mkv\n",
    )
    assert qacache("lookup", videos).status == 3
    qacache("scan", videos)
    age(videos / "wide.mkv", 60)
    planned = qacache("scan", "--dry-run", "--json", videos).records
    assert {(event["event"], event.get("reason")) for event in planned[:-1]} == {
        ("unchanged", None),
        ("planned", "changed"),
    }


# stopping


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_stopped_scan_keeps_what_is_finished_and_the_next_one_probes_the_rest(
    qacache: Command, videos: Path, tmp_path: Path, number: signal.Signals
) -> None:
    make_clip(videos / "slow.mp4", shade=120)
    ffprobe = str(hanging_ffprobe(tmp_path))
    running = qacache.start("scan", "--jobs", "2", "--json", videos, **probed_by(ffprobe))
    assert running.stdout is not None
    stored = [running.stdout.readline() for _ in range(3)]
    running.send_signal(number)
    out, err = running.communicate(timeout=60)

    assert running.returncode == 130
    assert b"stopping: storing what is finished" in err
    assert b"slow.mp4" not in b"".join(stored) + out
    assert b'"state":"interrupted"' in out
    assert states(qacache) == ["interrupted"]
    assert processes_about(str(tmp_path)) == []
    (tmp_path / "go").touch()
    rest = qacache("scan", videos, **probed_by(ffprobe))
    assert "3 unchanged · 1 probed" in rest.out
    assert states(qacache) == ["interrupted", "complete"]


def test_a_scan_whose_reader_goes_away_keeps_what_is_finished(qacache: Command, videos: Path) -> None:
    running = qacache.start("scan", "--json", videos)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    with running.stderr:
        assert running.stderr.read() == b""
    assert running.wait(60) == 130
    assert states(qacache) == ["interrupted"]
    assert qacache("lookup", "--field", "status", videos).out == "failed\nok\nok\n"


def test_a_full_disk_below_the_output_is_told_and_nothing_is_lost(qacache: Command, videos: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    redirect = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
    done = qacache("scan", "--json", videos, wrapper=redirect)
    assert (done.status, done.err) == (1, "qacache: output: no space left on device\n")
    assert states(qacache) == ["interrupted"]


@pytest.mark.parametrize("command", ["scan", "lookup", "export"])
def test_a_closed_output_is_no_reason_to_fail(scanned: Command, clips: Path, command: str) -> None:
    done = scanned(command, clips, wrapper=["sh", "-c", 'exec "$@" >&-', "sh"])
    assert (done.status, done.err) == (0, "")
