"""`qacache stats`: bars for people, lines and an object for programs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qacache.cli.stats_table import hours_text
from qacache.store import migrations
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.command import Command
from tests.media import make_copy
from tests.rows import failed
from tests.test_store_stats import video

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|9[0-7])[;m]")
HOSTILE = "\x1b]0;evil\x07"


@pytest.fixture
def library(qacache: Command) -> Command:
    """The command with a library that was never on any disk."""
    migrations.create(str(qacache.db), busy_timeout_s=0.2)
    with Store(str(qacache.db), retries=RetrySchedule(60, 3600)) as store:
        store.writer.write(
            [
                video(b"/films/a.mkv", 30 * 10**9, 7200.0, video_codec="hevc", display_width=3840, display_height=2160),
                video(b"/films/b.mkv", 10 * 10**9, 3600.0, hdr="hlg"),
                video(b"/phone/c.mov", 10**9, 30.0, display_width=1080, display_height=1920, orientation="portrait"),
                failed(b"/phone/d.mov", size=5 * 10**8),
                *(video(b"/odd/%02d" % number, number, 1.0, video_codec=f"codec{number:02}") for number in range(20)),
            ]
        )
    return qacache


def screen_of(command: Command, *arguments: str, columns: int = 80) -> str:
    return ESCAPE.sub("", command.on_terminal("stats", *arguments, columns=columns).wait().out)


def test_programs_get_a_line_for_each_amount(scanned: Command, clips: Path) -> None:
    done = scanned("stats")
    assert (done.status, done.err) == (0, "")
    rows = {(row["by"], row["name"]): row for row in done.rows}
    sizes = {path.name: path.stat().st_size for path in clips.iterdir()}
    assert rows["total", "-"]["files"] == "3"
    assert rows["total", "-"]["size"] == str(sum(sizes.values()))
    assert rows["ok", "-"]["files"] == "2"
    assert rows["root", str(clips)]["files"] == "3"
    assert rows["orientation", "portrait"]["size"] == str(sizes["portrait.mp4"])
    assert rows["failure", "invalid-data"]["size"] == str(sizes["broken.mp4"])
    assert float(rows["ok", "-"]["duration_s"]) > 0


def test_programs_get_one_object_as_json(scanned: Command, clips: Path) -> None:
    [told] = scanned("stats", "--json").records
    assert told["total"]["files"] == 3
    assert [root["path"] for root in told["root"]] == [str(clips)]
    assert {each["name"] for each in told["orientation"]} == {"portrait", "landscape"}


def test_only_what_is_below_a_folder_is_counted(qacache: Command, videos: Path) -> None:
    make_copy(videos / "more" / "copy.mp4", videos / "portrait.mp4")
    qacache("scan", videos)
    [told] = qacache("stats", "--json", "--under", "more", cwd=videos).records
    assert told["total"]["files"] == 1
    [told] = qacache("stats", "--json", "--under", videos / "more", "--under", videos / "wide.mkv").records
    assert told["total"]["files"] == 2


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_folder_of_which_nothing_is_stored_is_told_and_is_status_3(
    scanned: Command, clips: Path, flags: list[str]
) -> None:
    done = scanned("stats", *flags, "--under", clips, "--under", f"/{HOSTILE}")
    assert done.status == 3
    assert done.err == "qacache: nothing is stored at or below /\\x1b]0;evil\\x07\n"
    assert '"files":3' in done.out or "total\t-\t3\t" in done.out


def test_an_empty_store_is_no_error(qacache: Command) -> None:
    migrations.create(str(qacache.db), busy_timeout_s=0.2)
    assert [row["files"] for row in qacache("stats").rows] == ["0", "0", "0"]
    assert qacache("stats", "--json").records[0]["root"] == []
    assert "nothing is stored yet; scan a folder: qacache scan FOLDER" in screen_of(qacache)


def test_no_store_is_an_error(qacache: Command) -> None:
    done = qacache("stats")
    assert (done.status, done.out) == (10, "")


def test_people_see_bars(library: Command) -> None:
    head, *lines = screen_of(library, columns=110).splitlines()
    assert head == "24 files · 41.5 GB · 3.0 h · 1 failed"
    titles = [line.partition("  ")[0] for line in lines if " files " in line]
    assert titles == ["root", "codec", "resolution", "orientation", "dynamic range", "container", "failed"]
    cells = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert cells["2160p"] == ["1", "30.0", "GB", "2.0", "h", "█" * 21 + "▉", "73%"]
    assert cells["hlg"] == ["1", "10.0", "GB", "1.0", "h", "█" * 7 + "▎", "24%"]
    assert cells["portrait"] == ["1", "1.0", "GB", "30", "s", "▋", "2%"]
    assert cells["invalid-data"] == ["1", "500", "MB", "0", "s", "█" * 30, "100%"]


def test_of_many_rows_the_small_ones_are_one(library: Command) -> None:
    lines = screen_of(library).splitlines()
    # with hevc and h264 there are 22: 11 are shown
    codecs = [line.split()[0] for line in lines if line.startswith("codec") and " files " not in line]
    assert codecs == [f"codec{number:02}" for number in range(19, 10, -1)]
    [rest] = [line.split() for line in lines if line.startswith("(11 more)")]
    assert rest[2:5] == ["11", "55", "B"]


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_the_table_fits_the_terminal(library: Command, columns: int) -> None:
    screen = screen_of(library, columns=columns)
    assert "mov,mp4" in screen or "matroska" in screen
    assert max(map(len, screen.splitlines()[1:])) <= columns


def test_colours_are_left_out_where_they_are_not_wanted(library: Command) -> None:
    assert COLOUR.search(library.on_terminal("stats").wait().out)
    assert not COLOUR.search(library.on_terminal("stats", NO_COLOR="1").wait().out)


def test_names_of_roots_are_shown_harmless(qacache: Command, videos: Path) -> None:
    hostile = videos.rename(videos.with_name(HOSTILE))
    qacache("scan", hostile)
    assert "\\x1b]0;evil\\x07" in screen_of(qacache, columns=250)
    assert "%1B]0;evil%07" in qacache("stats").out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (59.9, "1 min"),
        (60.0, "1 min"),
        (3569.0, "59 min"),
        (3599.0, "1.0 h"),
        (3600.0, "1.0 h"),
        (9000.0, "2.5 h"),
        (99.94 * 3600, "99.9 h"),
        (99.96 * 3600, "100 h"),
        (1234.4 * 3600, "1,234 h"),
    ],
)
def test_hours_are_told_as_one_says_them(seconds: float, text: str) -> None:
    assert hours_text(seconds) == text
