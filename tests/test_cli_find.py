"""`qacache find`: which files, in which order and which form."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from qacache.events import Event, Probed, Vanished
from qacache.record import from_dict
from qacache.store import migrations
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.command import Argument, Command
from tests.rows import digest_of, failed, probe_of, stat_of

NOW_NS = 1_800_000_000 * 10**9
DAY_NS = 86_400 * 10**9

NEWLINE = b"/m/own/two\nlines.mp4"
NO_UTF8 = b"/m/own/caf\xe9.mp4"
FORMULA = b"/m/own/=1+1.mp4"


def video(path: bytes, size: int, **media: object) -> Probed:
    content = path.decode(errors="replace")
    shape = {
        "display_width": 1920,
        "display_height": 1080,
        "orientation": "landscape",
        "hdr": "sdr",
        "duration_s": 60.0,
    }
    return Probed(stat_of(path, size=size, mtime_ns=NOW_NS), digest_of(content), probe_of(content, **shape | media))


def library() -> Iterator[Event]:
    upright = {"display_width": 2160, "display_height": 3840, "orientation": "portrait"}
    yield video(b"/m/films/Holiday Inn.mkv", 5_000_000_000, duration_s=6000.0, hdr="hdr10", video_codec="hevc")
    yield video(b"/m/films/Heat.mkv", 4_000_000_000, duration_s=10_000.5)
    yield video(b"/m/own/holiday 1.mp4", 300, **upright, video_codec="hevc", audio_codec="aac")
    yield video(b"/m/own/holiday 2.mp4", 100, **upright, hdr="hlg", duration_s=None)
    yield video(NEWLINE, 200, format_name="mov,mp4,m4a")
    yield video(NO_UTF8, 50, bit_rate=1_234_567)
    yield video(FORMULA, 40)
    yield failed(b"/m/own/broken holiday.mp4")
    yield video(b"/m/own/gone holiday.mp4", 1)
    yield Vanished(b"/m/own/gone holiday.mp4")


@pytest.fixture(scope="module")
def find(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command with a library in its store: for tests that only read."""
    command = Command(tmp_path_factory.mktemp("found") / "home")
    migrations.create(str(command.db), busy_timeout_s=0.2)
    with Writer(str(command.db), busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as writer:
        writer.write(list(library()))
    return command


def names(find: Command, *arguments: Argument) -> list[str]:
    """The names of the files that are found, in order."""
    done = find("find", "--columns", "path", *arguments)
    assert (done.status, done.err) == (0, "")
    return [row["path"].rpartition("/")[2] for row in done.rows]


def output(find: Command, *arguments: Argument) -> tuple[int, bytes, bytes]:
    """The exit status and the bytes that are written."""
    running = find.start("find", *arguments)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


# what is found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["holiday"], ["Holiday Inn.mkv", "holiday 1.mp4", "holiday 2.mp4"]),
        (["HOLIDAY", "own"], ["holiday 1.mp4", "holiday 2.mp4"]),
        (["/m/films/"], ["Heat.mkv", "Holiday Inn.mkv"]),
        (["--name", "h*.mkv"], ["Heat.mkv", "Holiday Inn.mkv"]),
        (["--name", "heat*", "--name", "*1.mp4"], ["Heat.mkv", "%3D1+1.mp4", "holiday 1.mp4"]),
        (["--under", "/m/films"], ["Heat.mkv", "Holiday Inn.mkv"]),
        (["--under", "/m/films/", "--under", "/m/own/holiday 1.mp4"], ["Heat.mkv", "Holiday Inn.mkv", "holiday 1.mp4"]),
        (["--orientation", "portrait"], ["holiday 1.mp4", "holiday 2.mp4"]),
        (["--orientation", "PORTRAIT", "--codec", "H265"], ["holiday 1.mp4"]),
        (["--resolution", "4k"], ["holiday 1.mp4", "holiday 2.mp4"]),
        (["--resolution", "2160p"], ["holiday 1.mp4", "holiday 2.mp4"]),
        (["--min-height", "2160", "--max-width", "2160"], ["holiday 1.mp4", "holiday 2.mp4"]),
        (["--max-height", "1079"], []),
        (["--hdr"], ["Holiday Inn.mkv", "holiday 2.mp4"]),
        (["--hdr-format", "hlg"], ["holiday 2.mp4"]),
        (["--hdr", "--hdr-format", "sdr", "--under", "/m/films"], ["Heat.mkv", "Holiday Inn.mkv"]),
        (["--audio-codec", "aac"], ["holiday 1.mp4"]),
        (["--container", "mkv", "--bigger-than", "4G"], ["Holiday Inn.mkv"]),
        (["--container", "mp4"], ["two%0Alines.mp4"]),
        (["--longer-than", "1h40m"], ["Heat.mkv"]),
        (["--shorter-than", "2h", "--longer-than", "1m"], ["Holiday Inn.mkv"]),
        (["--smaller-than", "100"], ["%3D1+1.mp4", "caf%E9.mp4"]),
        (["--modified-since", "2100-01-01"], []),
        (["--modified-before", "2027-01-14"], []),
        (["--modified-since", "2027-01-14", "--under", "/m/films"], ["Heat.mkv", "Holiday Inn.mkv"]),
        (["--status", "failed"], ["broken holiday.mp4"]),
        (["--status", "vanished", "--status", "failed"], ["broken holiday.mp4", "gone holiday.mp4"]),
        (["holiday", "--status", "any", "--name", "*oliday.*"], ["broken holiday.mp4", "gone holiday.mp4"]),
        (["--where", "duration_s > 100 AND video_codec <> 'hevc'"], ["Heat.mkv"]),
        (["--where", "size < 200", "--orientation", "portrait"], ["holiday 2.mp4"]),
        (["--", "-no such-"], []),
    ],
)
def test_everything_that_is_asked_for_holds(find: Command, arguments: list[str], expected: list[str]) -> None:
    assert names(find, *arguments) == [name.replace("%3D", "=") for name in expected]


def test_files_come_in_the_order_asked_for(find: Command) -> None:
    assert names(find, "holiday", "--sort", "-size") == ["Holiday Inn.mkv", "holiday 1.mp4", "holiday 2.mp4"]
    assert names(find, "holiday", "--sort", "duration_s") == ["holiday 1.mp4", "Holiday Inn.mkv", "holiday 2.mp4"]
    by_several = ["--sort", "orientation,-size", "--sort", "path"]
    assert names(find, "holiday", *by_several) == ["Holiday Inn.mkv", "holiday 1.mp4", "holiday 2.mp4"]
    assert sorted(names(find, "holiday", "--random")) == sorted(names(find, "holiday"))


def test_a_limit_takes_the_first(find: Command) -> None:
    assert names(find, "--sort", "-size", "--limit", "2") == ["Holiday Inn.mkv", "Heat.mkv"]
    assert len(names(find, "--random", "--limit", "2")) == 2
    assert len(names(find, "--limit", "0")) == len(names(find)) == 7


def test_a_store_with_nothing_that_fits_gives_nothing_and_that_is_fine(find: Command) -> None:
    assert find("find", "no such", "--format", "paths") == (0, "", "")
    assert find("find", "no such", "--json") == (0, "", "")
    assert find("find", "no such", "--format", "m3u8") == (0, "#EXTM3U\n", "")
    assert find("find", "no such").rows == []


def test_a_codec_that_no_file_has_is_told_with_the_nearest(find: Command) -> None:
    done = find(
        "find", "--codec", "hevv", "--codec", "h264", "--under", "/m/films/Holiday Inn.mkv", "--format", "paths"
    )
    assert (done.status, done.out) == (0, "")
    assert done.err == "qacache: no file has the codec hevv; did you mean hevc?\n"
    done = find("find", "--container", "zip", "--json")
    assert done.err == "qacache: no file has the container zip; there are: m4a, matroska, mov, mp4, webm\n"


def test_a_folder_that_is_not_in_the_store_is_told_and_the_rest_is_found(find: Command) -> None:
    done = find("find", "--under", "/nowhere", "--under", "/m/films", "--format", "paths")
    assert (done.status, done.err) == (3, "qacache: not in the store: /nowhere\n")
    assert done.out == "/m/films/Heat.mkv\n/m/films/Holiday Inn.mkv\n"
    assert find("find", "--under", "/m/film", "--json") == (3, "", "qacache: not in the store: /m/film\n")


def test_a_folder_may_be_relative(find: Command, tmp_path: Path) -> None:
    up = os.path.relpath("/m/films", tmp_path)
    done = find("find", "--under", up, "--columns", "size", cwd=tmp_path)
    assert len(done.rows) == 2


# in which form


def test_lines_have_the_columns_of_lookup(find: Command) -> None:
    found = find("find", "holiday", "--limit", "1")
    looked_up = find("lookup", "/m/films/Holiday Inn.mkv")
    assert found.out == looked_up.out
    assert found.rows[0]["path"] == "/m/films/Holiday Inn.mkv"
    assert found.rows[0]["display_height"] == "1080"


def test_columns_are_chosen_by_name(find: Command) -> None:
    done = find("find", "heat", "--columns", "size,media.video_codec", "--columns", "status,path")
    assert done.out == "size\tvideo_codec\tstatus\tpath\n4000000000\th264\tok\t/m/films/Heat.mkv\n"


def test_json_has_the_records_of_lookup(find: Command) -> None:
    found = find("find", "--name", "caf*", "--json")
    assert found.records == find("lookup", "--json", os.fsdecode(NO_UTF8)).records
    assert from_dict(found.records[0]).path == NO_UTF8
    assert find("find", "--name", "caf*", "--format", "ndjson").out == found.out


def test_csv_is_safe_in_spreadsheets(find: Command) -> None:
    columns = ["--columns", "path,size,hdr,error"]
    done = find("find", "--under", "/m/own", "--status", "any", "--sort", "size,path", *columns, "--format", "csv")
    rows = list(csv.reader(io.StringIO(done.out, newline="")))
    assert rows[0] == ["path", "size", "hdr", "error"]
    assert ["/m/own/two\nlines.mp4", "200", "sdr", ""] in rows
    assert ["/m/own/caf\N{REPLACEMENT CHARACTER}.mp4", "50", "sdr", ""] in rows
    assert done.out.endswith("\r\n")


def test_paths_are_written_as_they_are(find: Command) -> None:
    status, out, err = output(find, "--under", "/m/own", "--sort", "-size", "--print0")
    assert (status, err) == (0, b"")
    assert out == b"\0".join([b"/m/own/holiday 1.mp4", NEWLINE, b"/m/own/holiday 2.mp4", NO_UTF8, FORMULA, b""])
    assert output(find, "--under", "/m/own", "--sort", "-size", "-0") == (0, out, b"")


def test_a_name_with_a_line_break_is_left_out_of_lines_of_paths_and_told(find: Command) -> None:
    status, out, err = output(find, "--under", "/m/own", "--sort", "-size", "--format", "paths")
    assert (status, err) == (3, b"qacache: left out, as its name has a line break: /m/own/two\\x0alines.mp4\n")
    assert out == b"/m/own/holiday 1.mp4\n/m/own/holiday 2.mp4\n" + NO_UTF8 + b"\n" + FORMULA + b"\n"


def test_a_playlist_has_every_file_as_players_understand_it(find: Command) -> None:
    status, out, err = output(find, "--under", "/m/own", "--sort", "-size", "--format", "m3u8")
    assert (status, err) == (0, b"")
    lines = out.split(b"\n")
    assert lines[:3] == [b"#EXTM3U", b"#EXTINF:60,holiday 1.mp4", b"/m/own/holiday 1.mp4"]
    assert lines[3:5] == [b"#EXTINF:60,two lines.mp4", b"file:///m/own/two%0Alines.mp4"]
    assert lines[5] == b"#EXTINF:-1,holiday 2.mp4"
    played = [line for line in lines if line and not line.startswith(b"#")]
    assert [
        unquote_to_bytes(line.removeprefix(b"file://")) if line.startswith(b"file:") else line for line in played
    ] == [b"/m/own/holiday 1.mp4", NEWLINE, b"/m/own/holiday 2.mp4", NO_UTF8, FORMULA]


# on a terminal


def plain(screen: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)


def test_people_see_a_table(find: Command) -> None:
    done = find.on_terminal("find", "--under", "/m/films", "--sort", "-size", columns=100).wait()
    screen = plain(done.out)
    assert done.status == 0
    assert screen.startswith("/m/films\n")
    assert screen.index("Holiday Inn.mkv") < screen.index("Heat.mkv")
    assert "5.0 GB" in screen
    assert "1:40:00" in screen
    assert "more" not in screen


def test_people_see_the_columns_that_they_ask_for(find: Command) -> None:
    columns = ["--columns", "path,size,duration_s,hdr,bit_rate"]
    screen = plain(find.on_terminal("find", "--name", "caf*", "--name", "*oliday*", *columns, columns=100).wait().out)
    assert screen.startswith("/m\n")
    assert re.search(r"films/Holiday Inn.mkv +5.0 GB +1:40:00 +hdr10 *\n", screen)
    assert re.search(r"own/caf\\xe9.mp4 +50 B +1:00 +sdr +1,235 kbit/s *\n", screen)


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    migrations.create(str(command.db), busy_timeout_s=0.2)
    with Writer(str(command.db), busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([video(b"/m/%03d.mp4" % number, number) for number in range(1052)])
    screen = plain(command.on_terminal("find").wait().out)
    assert "049.mp4" in screen
    assert "050.mp4" not in screen
    assert screen.endswith("... and 1,002 more: --limit 0 lists all\n")
    assert plain(command.on_terminal("find", "--where", "1").wait().out).endswith("... and more: --limit 0 lists all\n")
    assert "more" not in command.on_terminal("find", "--limit", "50").wait().out
    assert "1051.mp4" in command.on_terminal("find", "--limit", "0").wait().out


def test_people_are_told_that_nothing_fits(find: Command) -> None:
    done = find.on_terminal("find", "no such").wait()
    assert (done.status, done.out) == (0, "qacache: no file fits\n")


@pytest.mark.parametrize("form", ["csv", "paths", "m3u8", "tsv", "table", "ndjson"])
def test_no_name_acts_on_a_terminal(tmp_path: Path, form: str) -> None:
    command = Command(tmp_path / "home")
    migrations.create(str(command.db), busy_timeout_s=0.2)
    evil = b"/m/\x1b]0;evil\x07\xe2\x80\xae\xc2\x9b31m.mp4"
    with Writer(str(command.db), busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([video(evil, 1), video(b"/m/b.mp4", 2)])
    screen = command.on_terminal("find", "--format", form).wait().out
    assert "evil" in screen
    for sign in ("\x1b]", "\x07", "\u202e", "\x9b"):
        assert sign not in screen


# bad input


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--sort", "siez"], "cannot sort by 'siez'", "did you mean size?"),
        (["--sort", ""], "cannot sort by ''", "one of: path, "),
        (["--columns", "path,codec"], "no such column: codec", "did you mean "),
        (["--columns", "zzz"], "no such column: zzz", "one of: path, status"),
        (["--min-width", "2", "--max-width", "1"], "no file fits: min-width and max-width", ""),
        (["--longer-than", "2h", "--shorter-than", "1h"], "no file fits: longer-than and shorter-than", ""),
        (["--bigger-than", "many"], 'flag --bigger-than: "many" is no size', ""),
        (["--bigger-than", "-5"], 'flag --bigger-than: "-5" is no size', ""),
        (["--longer-than", "long"], 'flag --longer-than: "long" is no duration', ""),
        (["--longer-than", "-5"], "flag --longer-than: -5.0 is less than 0s", ""),
        (["--min-height", "tall"], 'flag --min-height: "tall" is no whole number', ""),
        (["--min-height", "0"], "flag --min-height: 0 is less than 1", ""),
        (["--max-height", "9" * 30], "flag --max-height: 9", ""),
        (["--modified-since", "30"], 'flag --modified-since: "30" is no date', ""),
        (["--modified-since", "yesterday"], 'flag --modified-since: "yesterday" is no date', ""),
        (["--orientation", "upright"], 'flag --orientation: "upright" is no orientation', ""),
        (["--status", "unknown"], 'flag --status: "unknown" is no status', ""),
        (["--resolution", "9k"], 'flag --resolution: "9k" is no resolution', ""),
        (["--hdr-format", "bright"], 'flag --hdr-format: "bright" is no format', ""),
        ([""], 'text: "" is no text', ""),
        (["--name", ""], 'flag --name: "" is no text', ""),
        (["--under", ""], "a path is empty", "name a file or folder"),
        (["--where", "DELETE FROM file"], '--where: near "DELETE": syntax error', "write SQL"),
        (["--where", "widht > 1"], "--where: no such column: widht", "did you mean width?"),
        (["--where", "1", "--where-timeout", "0"], "flag --where-timeout: 0s is less than", ""),
        (["--random", "--sort", "size"], "a random order cannot be sorted", "choose one"),
        (["--json", "--format", "csv"], "more than one form of output", "choose one"),
        (["-0", "--format", "m3u8"], "more than one form of output", "choose one"),
        (["-0", "--json"], "more than one form of output", "choose one"),
        (["--json", "--columns", "path"], "--format ndjson has no columns", "--columns goes with table, tsv"),
        (["--format", "xlsx"], "'xlsx'", "see qacache find --help"),
        (["--limit", "-1"], "-1", "see qacache find --help"),
        (["--no-such"], "no such option: --no-such", "see qacache find --help"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(find: Command, arguments: list[str], message: str, hint: str) -> None:
    done = find("find", *arguments)
    assert (done.status, done.out) == (2, "")
    first, *rest = done.err.splitlines()
    assert first.startswith("qacache: ")
    assert message in first
    assert "".join(rest).startswith(f"hint: {hint}" if hint else "")


def test_an_expression_that_does_not_end_is_stopped(find: Command) -> None:
    endless = "size IN (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"
    done = find("find", "--where", endless, "--where-timeout", "10ms")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "qacache: --where took longer than 0.01 s\nhint: narrow it with other options, or raise --where-timeout\n"
    )


def test_without_a_store_the_status_is_10(qacache: Command) -> None:
    assert qacache("find").status == 10


def test_nothing_is_written_to_the_store(find: Command) -> None:
    before = find.db.read_bytes()
    find("find", "holiday", "--where", "1", "--sort", "-size")
    assert find.db.read_bytes() == before
