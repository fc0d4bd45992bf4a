"""`qacache lookup`: what it answers, in which form, and with which status."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from tests.command import APART, Command
from tests.fuse_mount import ATTRIBUTES, mounted
from tests.media import age, make_clip, make_copy

WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def names(done_rows: list[dict[str, str]]) -> list[str]:
    return [Path(row["path"]).name for row in done_rows]


# the forms of output


def test_piped_answers_are_tab_separated_with_a_header(scanned: Command, clips: Path) -> None:
    done = scanned("lookup", clips / "portrait.mp4")
    (row,) = done.rows
    assert done.status == 0
    assert list(row)[:3] == ["path", "status", "last_seen"]
    assert (row["path"], row["status"]) == (str(clips / "portrait.mp4"), "ok")
    assert WHEN.fullmatch(row["last_seen"])
    assert (row["display_width"], row["display_height"], row["orientation"]) == ("48", "64", "portrait")
    assert row["error"] == "-"


def test_rows_come_in_the_order_of_the_questions_one_for_each(scanned: Command, clips: Path) -> None:
    asked = ["wide.mkv", "nowhere.mp4", "portrait.mp4", "wide.mkv"]
    done = scanned("lookup", *asked, cwd=clips)
    assert names(done.rows) == asked
    assert done.status == 3


def test_what_is_not_stored_is_unknown_and_exits_with_3(scanned: Command, clips: Path) -> None:
    done = scanned("lookup", clips / "nowhere.mp4")
    (row,) = done.rows
    assert done.status == 3
    assert row.pop("path") == str(clips / "nowhere.mp4")
    assert row.pop("status") == "unknown"
    assert set(row.values()) == {"-"}


def test_failed_files_say_why_and_are_no_failure_of_the_look_up(scanned: Command, clips: Path) -> None:
    done = scanned("lookup", clips / "broken.mp4")
    (row,) = done.rows
    assert (row["status"], row["error"], row["duration_s"]) == ("failed", "invalid-data", "-")
    assert done.status == 0


def test_a_folder_means_all_that_is_stored_below_it(scanned: Command, clips: Path) -> None:
    assert names(scanned("lookup", clips).rows) == ["broken.mp4", "portrait.mp4", "wide.mkv"]
    assert names(scanned("lookup", f"../{clips.name}/.", cwd=clips).rows) == ["broken.mp4", "portrait.mp4", "wide.mkv"]


def test_json_is_a_record_a_line(scanned: Command, clips: Path) -> None:
    done = scanned("lookup", "--json", clips / "portrait.mp4", clips / "broken.mp4", clips / "nowhere.mp4")
    portrait, broken, unknown = done.records
    assert portrait["media"]["streams"][0]["codec_type"] == "video"
    assert portrait["status"] == "ok"
    assert (broken["status"], broken["media"], broken["error"]["attempts"]) == ("failed", None, 1)
    assert (unknown["path"], unknown["status"]) == (str(clips / "nowhere.mp4"), "unknown")
    assert done.status == 3


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("orientation", "-\nportrait\nlandscape\n"),
        ("media.orientation", "-\nportrait\nlandscape\n"),
        ("status", "failed\nok\nok\n"),
        ("error", "invalid-data\n-\n-\n"),
    ],
)
def test_field_prints_bare_values(scanned: Command, clips: Path, field: str, values: str) -> None:
    assert scanned("lookup", "--field", field, clips).out == values


def test_an_unknown_field_is_wrong_usage_that_names_the_nearest(scanned: Command, clips: Path) -> None:
    done = scanned("lookup", "--field", "orientatoin", clips)
    assert (done.status, done.out) == (2, "")
    assert done.err == "qacache: no such field: orientatoin\nhint: did you mean orientation?\n"


def test_tabs_newlines_and_percent_signs_are_percent_encoded(qacache: Command, library: Path, clips: Path) -> None:
    path = make_copy(library / "100%\tof\nall.mp4", clips / "portrait.mp4")
    qacache("scan", library)
    (row,) = qacache("lookup", library).rows
    assert row["path"] == f"{library}/100%25%09of%0Aall.mp4"
    assert unquote_to_bytes(row["path"]) == os.fsencode(path)


# where the questions come from


@pytest.mark.parametrize(
    ("flags", "end"),
    [(["--stdin"], b"\n"), (["--stdin"], b"\0"), (["-0"], b"\0"), (["--stdin", "-0"], b"\0")],
    ids=["lines", "NUL", "-0", "both"],
)
def test_paths_are_read_from_standard_input(scanned: Command, clips: Path, flags: list[str], end: bytes) -> None:
    asked = [bytes(clips / "wide.mkv"), b"nowhere.mp4", b"portrait.mp4"]
    done = scanned("lookup", *flags, stdin=end.join(asked) + end, cwd=clips)
    assert names(done.rows) == ["wide.mkv", "nowhere.mp4", "portrait.mp4"]


def test_a_newline_in_a_name_needs_NUL(qacache: Command, library: Path, clips: Path) -> None:
    path = make_copy(library / "two\nlines.mp4", clips / "wide.mkv")
    qacache("scan", library)
    assert qacache("lookup", "-0", "--field", "status", stdin=bytes(path)).out == "ok\n"


def test_nothing_on_standard_input_is_no_answer(scanned: Command) -> None:
    done = scanned("lookup", "--stdin")
    assert (done.status, done.rows) == (0, [])


def test_no_paths_at_all_is_wrong_usage(scanned: Command) -> None:
    done = scanned("lookup")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("qacache: no paths to look up\nhint: ")


def test_without_a_store_the_way_to_one_is_shown(qacache: Command) -> None:
    done = qacache("lookup", "clip.mp4")
    assert (done.status, done.out) == (10, "")
    assert done.err == f"qacache: no store at {qacache.db}\nhint: make one with: qacache scan FOLDER\n"
    assert not qacache.db.exists()


# comparing with the disk


def test_verify_tells_fresh_from_stale_from_offline(qacache: Command, videos: Path, library: Path, clips: Path) -> None:
    mounted = library / "mounted"
    make_copy(mounted / "clip.mp4", clips / "portrait.mp4")
    qacache("scan", videos, mounted)
    age(videos / "wide.mkv", 60)
    (videos / "broken.mp4").unlink()
    mounted.rename(library / "away")
    done = qacache("lookup", "--verify", "--verify-deadline", "10s", videos, mounted)
    assert [(Path(row["path"]).name, row["freshness"]) for row in done.rows] == [
        ("broken.mp4", "stale"),
        ("portrait.mp4", "fresh"),
        ("wide.mkv", "stale"),
        ("clip.mp4", "offline"),
    ]
    assert done.status == 0
    record = qacache("lookup", "--verify", "--verify-deadline=10s", "--json", videos / "portrait.mp4").records[0]
    assert record["freshness"] == "fresh"
    field = qacache("lookup", "--verify", "--verify-deadline=10s", "--field", "freshness", videos / "wide.mkv")
    assert field.out == "stale\n"


def test_what_vanished_is_fresh_as_long_as_it_is_away(qacache: Command, videos: Path) -> None:
    qacache("scan", videos)
    (videos / "wide.mkv").unlink()
    qacache("scan", videos)
    (row,) = qacache("lookup", "--verify", "--verify-deadline", "10s", videos / "wide.mkv").rows
    assert (row["status"], row["freshness"], row["video_codec"]) == ("vanished", "fresh", "mpeg4")


def test_files_on_a_mount_that_stalls_are_offline_and_nobody_waits_for_it(
    qacache: Command, videos: Path, library: Path
) -> None:
    with mounted(library, videos) as mount:
        assert qacache("scan", library, wrapper=APART).status == 3
        mount.stall(ATTRIBUTES)

        done = qacache("lookup", "--verify", "--verify-deadline=0.1s", library, wrapper=APART)

        assert mount.unanswered()
    assert [row["freshness"] for row in done.rows] == ["offline"] * 3
    assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize("deadline", ["soon", "0", "-1s", "1e400", "2h"])
def test_a_deadline_that_makes_no_sense_is_wrong_usage(scanned: Command, clips: Path, deadline: str) -> None:
    done = scanned("lookup", "--verify-deadline", deadline, clips)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("qacache: flag --verify-deadline: ")


# probing on the way


def test_probe_missing_probes_what_is_not_stored_and_nothing_else(qacache: Command, videos: Path) -> None:
    qacache("lookup", "--probe-missing", videos / "wide.mkv")
    wide = qacache("lookup", "--json", videos / "wide.mkv").records[0]
    new = videos / "new.mov"
    make_clip(new, shade=77)
    done = qacache("lookup", "--probe-missing", "--json", new, videos / "wide.mkv", videos / "nowhere.mp4")
    assert [record["status"] for record in done.records] == ["ok", "ok", "unknown"]
    assert done.records[1]["probed_at"] == wide["probed_at"]
    assert (done.status, done.err) == (3, "")


def test_probe_missing_takes_folders(qacache: Command, videos: Path) -> None:
    done = qacache("lookup", "--probe-missing", videos)
    assert [row["status"] for row in done.rows] == ["failed", "ok", "ok"]


def test_an_interrupted_look_up_exits_with_130(scanned: Command, tmp_path: Path) -> None:
    fifo = tmp_path / "paths"
    os.mkfifo(fifo)
    running = scanned.start("lookup", "--config", fifo, "x.mp4")
    # it now reads the configuration, and waits for more of it
    with open(fifo, "wb"):
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, b"", b"")


def test_records_of_look_ups_and_exports_are_the_same(scanned: Command, clips: Path) -> None:
    exported = [record for record in scanned("export").records if record.pop("qacache") == 1]
    assert scanned("lookup", "--json", clips).records == exported
