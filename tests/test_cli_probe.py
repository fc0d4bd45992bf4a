"""`qacache probe`: what it says of files, in which form, with which status; and that it remembers nothing."""

from __future__ import annotations

import base64
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from qacache.models import Probe
from qacache.probe.libav.prober import LibavProber
from qacache.probe.media import parse_media
from tests.command import Command, Done, make_script
from tests.media import make_clip, make_copy, make_song, make_text
from tests.processes import children_of, is_dead, needs_proc, soon

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|9[0-7])[;m]")
HOSTILE = "\x1b]0;evil\x07\u202e\x9b31m"
SHOWN = r"\x1b]0;evil\x07\u202e\x9b31m"


@pytest.fixture
def libav(qacache: Command) -> Callable[..., Done]:
    """`qacache probe --engine libav`."""
    return lambda *arguments, **options: qacache("probe", "--engine", "libav", *arguments, **options)


def make_titled(path: Path, source: Path, title: str) -> Path:
    """A copy of the source in which each stream has this title."""
    with av.open(str(source)) as given, av.open(str(path), "w") as output:
        streams = {stream: output.add_stream_from_template(stream) for stream in given.streams}
        for copy in streams.values():
            copy.metadata["title"] = title
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                output.mux(packet)
    return path


def words(line: str) -> list[str]:
    return line.split()


# for people


def test_clip_is_described_in_a_line_and_a_table_of_its_streams(libav: Callable[..., Done], clips: Path) -> None:
    done = libav(clips / "portrait.mp4")

    name, container, video, audio = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    assert name == str(clips / "portrait.mp4")
    assert re.fullmatch(
        r"  mov,mp4,m4a,3gp,3g2,mj2 · 0:0\d · \d+ kbit/s · 48x64 portrait · by libav \d+\.\S*", container
    )
    assert words(video) == words("0 video mpeg4 (Simple Profile) 64x48 rotation -90 25 fps yuv420p default")
    assert words(audio) == words("1 audio aac (LC) 48000 Hz stereo default")


def test_sound_has_no_picture_and_cover_art_is_called_so(libav: Callable[..., Done], tmp_path: Path) -> None:
    done = libav(make_song(tmp_path / "song.m4a", cover=True))

    _, container, audio, cover = done.out.splitlines()
    assert not re.search(r"\d+x\d+", container)
    assert words(audio)[:3] == ["0", "audio", "aac"]
    assert words(cover)[-1] == "attached_pic"


def test_failure_is_told_with_its_reason(libav: Callable[..., Done], clips: Path) -> None:
    done = libav(clips / "broken.mp4")

    name, failure = done.out.splitlines()
    assert (done.status, done.err) == (3, "")
    assert name == str(clips / "broken.mp4")
    assert failure.startswith("  invalid-data: not readable as media")


def test_files_are_told_in_the_order_of_the_questions_whatever_fails(libav: Callable[..., Done], clips: Path) -> None:
    asked = ["wide.mkv", "broken.mp4", "nowhere.mp4", "portrait.mp4", "wide.mkv"]

    done = libav(*asked, cwd=clips)

    told = [line for line in done.out.splitlines() if line.startswith("/")]
    assert told == [str(clips / name) for name in asked]
    assert done.out.count("not-found: ") == 1
    assert done.status == 3


def test_folder_is_no_file(libav: Callable[..., Done], clips: Path) -> None:
    done = libav(clips)

    assert (done.status, done.out.splitlines()[1]) == (3, "  not-a-file: is a directory")


def test_terminal_gets_colours_unless_they_are_not_wanted(qacache: Command, clips: Path) -> None:
    asked = ["probe", "--engine", "libav", clips / "wide.mkv", clips / "broken.mp4"]
    coloured, plain = qacache.on_terminal(*asked), qacache.on_terminal(*asked, NO_COLOR="1")

    shown = coloured.wait()
    assert COLOUR.search(shown.out)
    assert shown.status == 3
    assert not COLOUR.search(plain.wait().out)


def test_narrow_terminal_does_not_cut_names(qacache: Command, clips: Path) -> None:
    done = qacache.on_terminal("probe", "--engine", "libav", clips / "broken.mp4", columns=20).wait()

    assert str(clips / "broken.mp4") in ESCAPE.sub("", done.out)


# for programs


def test_json_is_an_object_a_line_in_the_order_of_the_questions(libav: Callable[..., Done], clips: Path) -> None:
    done = libav("--json", "wide.mkv", "broken.mp4", "nowhere.mp4", cwd=clips)

    wide, broken, nowhere = done.records
    assert done.status == 3
    names = [record["format"]["filename"] for record in done.records]
    assert names == [str(clips / name) for name in ("wide.mkv", "broken.mp4", "nowhere.mp4")]
    assert (wide["streams"][0]["width"], wide["format"]["format_name"]) == (96, "matroska,webm")
    assert "error" not in wide
    assert broken["error"]["reason"] == "invalid-data"
    assert broken["error"]["string"].startswith("not readable as media")
    assert nowhere["error"]["reason"] == "not-found"
    assert "streams" not in broken


def test_json_is_read_as_ffprobes_own(libav: Callable[..., Done], clips: Path) -> None:
    prober = LibavProber()
    answer = prober.probe(bytes(clips / "portrait.mp4"))
    prober.close()

    [record] = libav("--json", clips / "portrait.mp4").records

    assert isinstance(answer, Probe)
    assert parse_media(record) == answer.media
    assert next(iter(record["format"])) == "filename"


def test_programs_read_the_same_on_a_terminal(qacache: Command, clips: Path) -> None:
    asked = ["probe", "--engine", "libav", "--json", clips / "wide.mkv"]

    assert qacache.on_terminal(*asked).wait().out == qacache(*asked).out


# names and tags


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"-x.mp4", "-x.mp4"),
        (b"--json", "--json"),
        (b"http:x.mp4", "http:x.mp4"),
        (b"two\nlines.mp4", r"two\x0alines.mp4"),
        (b"caf\xe9.mp4", r"caf\xe9.mp4"),
        (HOSTILE.encode() + b".mp4", f"{SHOWN}.mp4"),
        (b"[red]x[/red].mp4", "[red]x[/red].mp4"),
        ("e\u0301 日本.mp4".encode(), "e\u0301 日本.mp4"),
    ],
)
def test_name_may_be_any(name: bytes, shown: str, libav: Callable[..., Done], clips: Path, tmp_path: Path) -> None:
    path = os.path.join(bytes(tmp_path), name)
    try:
        make_copy(Path(os.fsdecode(path)), clips / "wide.mkv")
    except OSError as error:
        pytest.skip(f"this file system does not take the name: {error.strerror}")

    table = libav("--", name, cwd=tmp_path)
    [record] = libav("--json", "--", name, cwd=tmp_path).records

    assert (table.status, table.out.splitlines()[0]) == (0, f"{tmp_path}/{shown}")
    assert bytes_of(record["format"]) == path


def bytes_of(container: dict[str, Any]) -> bytes:
    """The path, exactly."""
    encoded = container.get("filename_b64")
    return base64.b64decode(encoded) if encoded else container["filename"].encode()


def test_escape_sequences_in_tags_reach_no_terminal(qacache: Command, clips: Path, tmp_path: Path) -> None:
    titled = make_titled(tmp_path / "titled.mkv", make_clip(tmp_path / "a.mkv", tags={"comment": HOSTILE}), HOSTILE)
    asked = ["probe", "--engine", "libav", titled]

    table = qacache(*asked).out
    json = qacache(*asked, "--json")
    terminal = ESCAPE.sub("", qacache.on_terminal(*asked, columns=200).wait().out)

    # on a pipe there is less room
    assert r"\x1b]0;" in table
    assert SHOWN in terminal
    assert json.records[0]["streams"][0]["tags"]["title"] == HOSTILE
    for text in (table, json.out, terminal):
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_escape_sequences_in_what_ffprobe_says_reach_no_terminal(qacache: Command, tmp_path: Path) -> None:
    says = r"printf '[mov @ 0x1] \033]0;evil\007\n' >&2; echo '{}'; exit 1"
    program = make_script(
        tmp_path / "ffprobe", f'case "$*" in -version) echo ffprobe version 5.1.9 ;; *) {says} ;; esac'
    )
    asked = ["probe", "--engine", "ffprobe", "x.mp4"]

    for form in ([], ["--json"]):
        out = qacache(*asked, *form, QACACHE_FFPROBE_PATH=str(program)).out
        assert re.search(r"mov: \\(x|u00)1b\]0;evil", out)
        assert "\x1b" not in out


def test_title_cannot_pretend_to_be_a_line_of_output(libav: Callable[..., Done], clips: Path, tmp_path: Path) -> None:
    done = libav(make_titled(tmp_path / "titled.mkv", clips / "wide.mkv", "x\n  2  video  [red]fake"))

    assert r"x\x0a" in done.out
    assert not re.search(r"^ +2 +video", done.out, re.MULTILINE)


# which engine


@pytest.mark.parametrize(("engine", "by"), [("libav", "by libav "), ("ffprobe", "by ffprobe 5.1.9")])
def test_engine_is_the_one_of_the_flag(engine: str, by: str, qacache: Command, clips: Path) -> None:
    other = {"libav": "ffprobe", "ffprobe": "libav"}[engine]

    done = qacache("probe", "--engine", engine, clips / "wide.mkv", QACACHE_FFPROBE_ENGINE=other)

    assert done.status == 0
    assert by in done.out


def test_auto_has_ffprobe_tell_what_libav_cannot(qacache: Command, tmp_path: Path) -> None:
    # the parrot says of this text what a real ffprobe says of a clip
    done = qacache("probe", make_text(tmp_path / "wide.mp4"), make_clip(tmp_path / "clip.mp4"))

    assert done.status == 0
    assert re.findall(r"by (\w+)", done.out) == ["ffprobe", "libav"]


def test_engine_may_be_configured(qacache: Command, clips: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[ffprobe]\nengine = "ffprobe"\n')

    assert "by ffprobe 5.1.9" in qacache("probe", "--config", config, clips / "wide.mkv").out


def test_time_that_a_file_may_take_is_the_configured_one(libav: Callable[..., Done], tmp_path: Path) -> None:
    # who opens a pipe that nobody writes to hangs
    os.mkfifo(tmp_path / "pipe.ts")

    done = libav(tmp_path / "pipe.ts", QACACHE_FFPROBE_TIMEOUT="300ms")

    assert (done.status, done.out.splitlines()[1]) == (3, "  timeout: libav was killed after 0.3 s")


# statuses, and what is left behind


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "missing argument 'FILE...'"),
        (["--engine", "magic", "x"], '"magic" is no engine'),
        (["--config", "nowhere.toml", "x"], "nowhere.toml"),
    ],
)
def test_wrong_usage_is_told_apart(arguments: list[str], problem: str, qacache: Command) -> None:
    done = qacache("probe", *arguments)

    assert (done.status, done.out) == (2, "")
    assert problem in done.err


@pytest.mark.parametrize("variables", [{}, {"QACACHE_FFPROBE_PATH": "/nowhere/ffprobe"}], ids=["default", "named"])
def test_nothing_to_probe_with_is_told_apart(variables: dict[str, str], qacache: Command, tmp_path: Path) -> None:
    done = qacache("probe", "--engine", "ffprobe", "x.mp4", PATH=str(tmp_path), **variables)

    assert (done.status, done.out) == (13, "")
    assert "no ffprobe to run" in done.err
    assert "hint: " in done.err


def test_ffprobe_that_is_gone_in_the_middle_ends_it_with_what_was_told(qacache: Command, tmp_path: Path) -> None:
    answer = '{"streams": [{"codec_type": "audio"}], "format": {"format_name": "avi"}}'
    program = tmp_path / "ffprobe"
    goes = f'case "$*" in -version) echo ffprobe version 5.1.9 ;; */last) rm "{program}" ;; esac'
    make_script(program, f"{goes}\necho '{answer}'")

    done = qacache("probe", "--engine", "ffprobe", "--json", "a", "last", "b", QACACHE_FFPROBE_PATH=str(program))

    assert done.status == 13
    assert [Path(record["format"]["filename"]).name for record in done.records] == ["a", "last"]
    assert "ffprobe cannot be run" in done.err


def test_nothing_is_remembered(libav: Callable[..., Done], qacache: Command, clips: Path) -> None:
    libav(clips / "wide.mkv", clips / "broken.mp4")

    assert list(qacache.home.iterdir()) == []


def test_stored_answers_are_neither_asked_nor_changed(qacache: Command, videos: Path) -> None:
    assert qacache("scan", videos, QACACHE_FFPROBE_ENGINE="ffprobe").status == 3
    exported = qacache("export").out
    make_clip(videos / "wide.mkv", width=32)

    assert " 32x48 " in qacache("probe", "--engine", "libav", videos / "wide.mkv").out
    assert qacache("export").out == exported


@needs_proc
def test_interrupt_ends_it_and_the_child_that_hangs(qacache: Command, pipe: Path) -> None:
    running = qacache.start("probe", "--engine", "libav", pipe)
    # this opens only once the child has opened its end
    with pipe.open("wb"):
        [child] = children_of(running.pid)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)

        assert running.returncode == 130
        assert (out, b"Traceback" in err) == (b"", False)
        assert soon(lambda: is_dead(child))


def test_reader_that_goes_away_ends_it_quietly(qacache: Command, clips: Path) -> None:
    running = qacache.start("probe", "--engine", "libav", "--json", *[clips / "wide.mkv"] * 50)
    assert running.stdout is not None
    assert running.stdout.readline().startswith(b'{"streams"')
    running.stdout.close()
    running.stdout = None

    _, err = running.communicate(timeout=30)

    assert (running.returncode, err) == (0, b"")
