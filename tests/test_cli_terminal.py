"""What people see on a terminal, and that nothing of it gets into pipes."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.command import Command, hanging_ffprobe, probed_by
from tests.media import make_clip, make_copy

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|9[0-7])[;m]")
HOSTILE = "\x1b]0;evil\x07\u202e\x9b31m"
SHOWN = r"\x1b]0;evil\x07\u202e\x9b31m"


def plain(screen: str) -> str:
    """What is left to be read: no control sequences."""
    return ESCAPE.sub("", screen)


def left_on_screen(out: str) -> list[str]:
    """The lines that are there at the end, but for empty ones, where lines are erased as a whole."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\n)", out.replace("\r", "")):
        if part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.startswith("\x1b"):
            row -= int(part[2:-1] or 1) if part.endswith("A") else 0
        else:
            lines[row] += part
    return [line for line in lines if line.strip()]


# the progress display


def test_progress_is_shown_while_it_lasts_and_a_summary_is_left(qacache: Command, videos: Path, tmp_path: Path) -> None:
    make_clip(videos / "slow.mp4", shade=120)
    ffprobe = str(hanging_ffprobe(tmp_path))
    terminal = qacache.on_terminal("scan", "--jobs", "2", videos, columns=200, **probed_by(ffprobe))
    screen = plain(terminal.read_until(f"s: slow.mp4 in {videos}", "2 probed"))
    (tmp_path / "go").touch()
    done = terminal.wait()

    last = screen[screen.rindex("files/s") - 20 :]
    assert re.search(r"3 of 4 · [0-9.]+ files/s · \d+:\d\d left", screen)
    assert "4 found  0 unchanged  0 reused  2 probed  1 failed" in last
    assert done.status == 3
    # the display is erased before the summary is printed
    assert re.search(r"\x1b\[2K[^\n]*4 files in [0-9.]+ s, ", done.out)
    assert "3 probed · 1 failed\nfailed:\n" in done.out
    assert "\x1b[?25h" in done.out


def test_events_are_shown_above_the_progress_where_both_are_on_the_terminal(qacache: Command, videos: Path) -> None:
    done = qacache.on_terminal("scan", "--json", videos, columns=2000).wait()
    events = [json.loads(line)["event"] for line in left_on_screen(done.out)]
    assert (events.count("probed"), events[-1]) == (2, "summary")


def test_interrupting_a_second_scan_leaves_a_clean_screen(qacache: Command, videos: Path, tmp_path: Path) -> None:
    ffprobe = hanging_ffprobe(tmp_path)
    qacache("scan", videos, QACACHE_FFPROBE_ENGINE="ffprobe")
    make_clip(videos / "slow.mp4", shade=120)
    make_copy(videos / "copy.mkv", videos / "wide.mkv")
    terminal = qacache.on_terminal("scan", videos, **probed_by(ffprobe))
    terminal.read_until("5 found  3 unchanged  1 reused  0 probed  0 failed")
    terminal.process.send_signal(signal.SIGINT)
    done = terminal.wait()
    assert done.status == 130
    assert "(interrupted): 3 unchanged · 1 reused\n" in done.out
    assert "\nstopping" not in done.out


def test_what_goes_to_a_file_gets_there_while_progress_is_shown(qacache: Command, videos: Path, tmp_path: Path) -> None:
    target = tmp_path / "events.json"
    done = qacache.on_terminal("scan", "--json", videos, stdout=target).wait()
    events = [json.loads(line)["event"] for line in target.read_text(encoding="utf-8").splitlines()]
    assert sorted(events) == ["failed", "probed", "probed", "summary"]
    assert "probed" in plain(done.out)
    assert '"event"' not in done.out


def test_pipes_get_neither_progress_nor_escape_codes(qacache: Command, videos: Path) -> None:
    done = qacache("scan", videos)
    assert done.err == ""
    assert "\x1b" not in done.out
    assert len(done.out.splitlines()) == 4


def test_the_display_has_no_colours_where_they_are_not_wanted(qacache: Command, videos: Path) -> None:
    done = qacache.on_terminal("scan", videos, NO_COLOR="1").wait()
    assert "found" in done.out
    assert not COLOUR.search(done.out)


# the table of a look-up


def test_the_table_has_all_columns_on_a_wide_terminal(scanned: Command, clips: Path) -> None:
    done = scanned.on_terminal("lookup", clips, columns=200).wait()
    folder, header, _, *rows = plain(done.out).splitlines()
    assert folder == str(clips)
    assert header.split() == ["file", "status", "size", "length", "picture", "video", "audio", "fps"]
    assert re.fullmatch(r"portrait\.mp4 +ok +\S+ k?B +0:0\d +48x64 portrait +mpeg4 +aac +25 *", rows[1])
    assert re.fullmatch(r"wide\.mkv +ok +\S+ k?B +0:0\d +96x48 landscape +mpeg4 +aac +25 *", rows[2])
    assert rows[0].split()[:2] == ["broken.mp4", "failed"]
    assert rows[0].split()[-1] == "invalid-data"


def test_the_table_keeps_the_names_on_a_narrow_terminal(scanned: Command, clips: Path) -> None:
    for columns in (80, 40):
        out = plain(scanned.on_terminal("lookup", clips, columns=columns).wait().out)
        _, header, *rows = out.splitlines()
        assert header.split()[:2] == ["file", "status"]
        assert all(name in out for name in ("broken.mp4", "portrait.mp4", "wide.mkv"))
        assert max(map(len, (header, *rows))) <= columns
        assert "…" not in out


def test_the_table_shows_what_is_unknown_and_what_is_stale(scanned: Command, clips: Path) -> None:
    arguments = ["lookup", "--verify", "--verify-deadline", "10s", clips / "wide.mkv", clips / "nowhere.mp4"]
    terminal = scanned.on_terminal(*arguments)
    done = terminal.wait()
    assert re.search(r"wide\.mkv +ok fresh ", plain(done.out))
    assert re.search(r"nowhere\.mp4 +unknown", plain(done.out))
    assert done.status == 3


def test_the_table_has_colours_unless_they_are_not_wanted(scanned: Command, clips: Path) -> None:
    assert COLOUR.search(scanned.on_terminal("lookup", clips).wait().out)
    assert not COLOUR.search(scanned.on_terminal("lookup", clips, NO_COLOR="1").wait().out)


def test_programs_read_the_same_on_a_terminal(scanned: Command, clips: Path) -> None:
    for flags in (["--json"], ["--field", "orientation"]):
        assert scanned.on_terminal("lookup", *flags, clips).wait().out == scanned("lookup", *flags, clips).out


# whatever files are called and say of themselves


@pytest.fixture
def hostile(qacache: Command, library: Path, tmp_path: Path) -> Path:
    """A library of a clip and a broken file with escape sequences in names, tags and folder."""
    folder = library / f"folder {HOSTILE}"
    tags = {"title": HOSTILE, "comment": HOSTILE, "artist": "\x1b[2J"}
    make_clip(folder / f"clip {HOSTILE}.mkv", tags=tags)
    make_clip(folder / f"slow {HOSTILE}.mp4", tags=tags, shade=40)
    (folder / f"broken {HOSTILE}.mp4").write_bytes(b"x" * 40)
    return folder


def harmless(text: str) -> bool:
    """Whether all that a terminal would act on is qacache's own."""
    return not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", plain(text))


def test_no_form_of_output_passes_escape_sequences_on(qacache: Command, hostile: Path, tmp_path: Path) -> None:
    ffprobe = str(hanging_ffprobe(tmp_path))
    terminal = qacache.on_terminal("scan", "--settle=0", "--jobs=2", hostile.parent, **probed_by(ffprobe))
    screen = terminal.read_until("s: slow")
    (tmp_path / "go").touch()
    scan = terminal.wait()
    assert f"broken {SHOWN}.mp4" in plain(scan.out)
    assert harmless(screen + scan.out)
    qacache("scan", "--settle=0", hostile.parent)

    everything = [
        qacache("scan", "--force", "--settle=0", hostile.parent),
        qacache("scan", "--force", "--settle=0", "--json", hostile.parent),
        qacache("scan", "--force", "--dry-run", hostile.parent),
        qacache("scan", hostile / "gone"),
        qacache("lookup", hostile, hostile / "gone"),
        qacache("lookup", "--json", hostile, hostile / "gone"),
        qacache("lookup", "--field", "path", hostile),
        qacache("lookup", "--field", HOSTILE, hostile),
        qacache("lookup", "--config", hostile / "gone.toml", "x"),
        qacache("lookup", "--db", hostile / "gone.db", "x"),
        qacache("export", hostile, hostile / "gone"),
        qacache("probe", hostile),
        qacache("why", hostile),
        qacache("failures", hostile),
        qacache("reprobe", hostile / "gone"),
        qacache("config", "show", "--db", hostile / "x.db"),
        qacache(HOSTILE),
    ]
    for done in everything:
        text = done.out + done.err
        assert re.search(r"x1b|u001b|%1B", text)
        assert harmless(text)
        assert "\x1b" not in text
    table = qacache.on_terminal("lookup", hostile, columns=120).wait().out
    assert SHOWN in plain(table)
    assert harmless(table)


def test_a_name_cannot_pretend_to_be_a_line_of_output(qacache: Command, library: Path) -> None:
    fake = library / "x\nqacache: all is well\r.mp4"
    fake.mkdir()
    done = qacache("scan", fake / "gone")
    assert r"x\x0aqacache: all is well\x0d.mp4/gone" in done.err
    assert len(done.err.splitlines()) == 2
