"""The ffprobe prober: how the program is called, and what is made of its answers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from pytest_subprocess import FakeProcess

from qacache.errors import ProberMissing
from qacache.models import Failure, Probe
from qacache.probe import children
from qacache.probe.ffprobe import FfprobeProber
from qacache.probe.formats import ALLOWED_FORMATS
from qacache.probe.media import PARSER_VERSION

PATH = b"/library/a.mp4"
VERSION = "ffprobe version 5.1.9-0+deb12u1 Copyright (c) 2007-2026 the FFmpeg developers\nbuilt with gcc 12\n"
ANSWER = json.dumps(
    {
        "streams": [{"index": 0, "codec_type": "video", "codec_name": "h264", "width": 64, "height": 48}],
        "format": {"filename": "file:/library/a.mp4", "format_name": "matroska,webm", "duration": "1.5"},
    }
)
INVALID_DATA = -1094995529


@pytest.fixture
def ffprobe(tmp_path: Path) -> str:
    """The path of a program, which is not run: its name is enough to be found by."""
    program = tmp_path / "bin" / "ffprobe"
    program.parent.mkdir()
    program.touch(0o755)
    return str(program)


@pytest.fixture
def fp(fp: FakeProcess, monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    """Invented processes; their numbers are those of other, real ones, which are kept from harm."""
    monkeypatch.setattr(children, "_kill", lambda child: None)
    monkeypatch.setattr(children, "_limit", lambda pid, bounds: None)
    return fp


@pytest.fixture
def prober(fp: FakeProcess, ffprobe: str) -> FfprobeProber:
    fp.register([ffprobe, "-version"], stdout=VERSION)
    return FfprobeProber(ffprobe)


def register(fp: FakeProcess, *, stdout: str | bytes = "", stderr: str | bytes = "", returncode: int = 0) -> None:
    fp.register([fp.any()], stdout=stdout, stderr=stderr, returncode=returncode)


def error(code: int, string: str = "Some words") -> str:
    """What ffprobe prints about a file that it cannot open."""
    return json.dumps({"error": {"code": code, "string": string}})


def failure_of(prober: FfprobeProber, path: bytes = PATH) -> Failure:
    answer = prober.probe(path)
    assert isinstance(answer, Failure)
    assert answer.stage == "probe"
    return answer


def fake_program(path: Path, script: str) -> str:
    """A real program that stands in for ffprobe."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


# how it is called


def test_ffprobe_is_called_without_a_shell_for_this_one_file_only(
    fp: FakeProcess, prober: FfprobeProber, ffprobe: str
) -> None:
    recorder = fp.register([fp.any()], stdout=ANSWER)

    prober.probe(b"/library/-a b;$(x).mp4")

    assert recorder.first_call.args == [
        *(ffprobe, "-v", "error", "-show_format", "-show_streams", "-show_error", "-of", "json"),
        *("-protocol_whitelist", "file", "-format_whitelist", ALLOWED_FORMATS),
        *("-i", b"file:/library/-a b;$(x).mp4"),
    ]
    keywords = recorder.first_call.kwargs
    assert not keywords.get("shell")
    assert not keywords.get("pass_fds")
    assert keywords["process_group"] == 0


def test_path_that_is_no_utf_8_reaches_ffprobe_as_it_is(fp: FakeProcess, prober: FfprobeProber) -> None:
    recorder = fp.register([fp.any()], stdout=ANSWER)

    prober.probe(b"/library/caf\xe9\n.mp4")

    assert recorder.first_call.args[-1] == b"file:/library/caf\xe9\n.mp4"


@pytest.mark.parametrize(
    "name", ["hls", "applehttp", "dash", "concat", "sdp", "rtsp", "rtp", "sap", "imf", "image2", "image2pipe", "lavfi"]
)
def test_format_that_refers_to_other_files_or_to_the_network_is_not_allowed(name: str) -> None:
    assert name not in ALLOWED_FORMATS.split(",")


@pytest.mark.parametrize(
    "name", ["mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "mxf"]
)
def test_format_that_holds_videos_is_allowed(name: str) -> None:
    assert name in ALLOWED_FORMATS.split(",")


def test_formats_are_named_once_each() -> None:
    names = ALLOWED_FORMATS.split(",")

    assert sorted(set(names)) == sorted(names)


# which program it is


def test_program_is_looked_up_on_the_path(ffprobe: str, monkeypatch: pytest.MonkeyPatch, fp: FakeProcess) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(ffprobe))
    fp.register([ffprobe, "-version"], stdout=VERSION)

    assert FfprobeProber().version == "ffprobe 5.1.9"


def test_program_is_looked_up_in_the_home_folder(
    ffprobe: str, monkeypatch: pytest.MonkeyPatch, fp: FakeProcess
) -> None:
    monkeypatch.setenv("HOME", os.path.dirname(ffprobe))
    fp.register([ffprobe, "-version"], stdout=VERSION)

    assert FfprobeProber("~/ffprobe").version == "ffprobe 5.1.9"


def test_program_that_is_nowhere_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ProberMissing, match=r"no ffprobe to run: ffprobe$"):
        FfprobeProber()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        (VERSION, "ffprobe 5.1.9"),
        ("ffprobe version 8.0 Copyright (c) 2007-2025 the FFmpeg developers\n", "ffprobe 8.0"),
        ("ffprobe version 7.0.2-static https://johnvansickle.com/ffmpeg/  Copyright (c)\n", "ffprobe 7.0.2"),
        ("ffprobe version n7.1.1-6-g48c0f071d4-20250405 Copyright (c)\n", "ffprobe n7.1.1-6-g48c0f071d4-20250405"),
        ("ffprobe version N-109542-g1bf1a6f Copyright (c)\n", "ffprobe N-109542-g1bf1a6f"),
    ],
)
def test_version_is_the_release_or_the_name_of_the_build(
    said: str, version: str, fp: FakeProcess, ffprobe: str
) -> None:
    fp.register([ffprobe, "-version"], stdout=said)

    assert FfprobeProber(ffprobe).version == version


def test_version_is_asked_for_once(fp: FakeProcess, ffprobe: str) -> None:
    recorder = fp.register([ffprobe, "-version"], stdout=VERSION, occurrences=2)
    prober = FfprobeProber(ffprobe)

    assert prober.version == prober.version
    assert recorder.call_count() == 1


def test_version_is_known_after_cancel(prober: FfprobeProber) -> None:
    prober.cancel()

    assert prober.version == "ffprobe 5.1.9"


@pytest.mark.parametrize("said", ["", "GNU bash, version 5.2.15\n", "ffprobe version \n", "not ffprobe version 1\n"])
def test_program_that_tells_no_version_is_no_ffprobe(said: str, fp: FakeProcess, ffprobe: str) -> None:
    fp.register([ffprobe, "-version"], stdout=said)

    with pytest.raises(ProberMissing, match=r"this is no ffprobe: .*/bin/ffprobe$"):
        _ = FfprobeProber(ffprobe).version


def test_program_that_cannot_load_its_libraries_says_so(fp: FakeProcess, ffprobe: str) -> None:
    said = "ffprobe: error while loading shared libraries: libavdevice.so.59: failed to map segment\n"
    fp.register([ffprobe, "-version"], stderr=said, returncode=127)

    with pytest.raises(ProberMissing, match=r"this is no ffprobe: .*\(.*libavdevice.*failed to map segment\)"):
        _ = FfprobeProber(ffprobe).version


def test_program_that_does_not_end_when_asked_for_its_version_is_no_ffprobe(tmp_path: Path) -> None:
    program = fake_program(tmp_path / "ffprobe", "exec sleep 1000")

    with pytest.raises(ProberMissing, match="it does not end"):
        _ = FfprobeProber(program, timeout_s=0.2).version


def test_program_that_the_system_cannot_run_is_missing(tmp_path: Path) -> None:
    program = tmp_path / "ffprobe"
    program.write_bytes(b"no program at all")
    program.chmod(0o755)

    with pytest.raises(ProberMissing, match=r"ffprobe cannot be run: .*Exec format error"):
        _ = FfprobeProber(str(program)).version


def test_program_that_is_gone_by_now_is_no_fault_of_the_file(tmp_path: Path) -> None:
    program = fake_program(tmp_path / "ffprobe", "exit 0")
    prober = FfprobeProber(program)
    os.unlink(program)

    with pytest.raises(ProberMissing, match="No such file or directory"):
        prober.probe(PATH)


def test_process_that_cannot_be_started_for_now_fails_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(children.subprocess, "Popen", refuse)

    failure = failure_of(FfprobeProber())

    assert failure == Failure("probe", "no-process", "ffprobe could not be started: Resource temporarily unavailable")


# what is made of its answers


def test_answer_becomes_media_and_is_kept_without_the_path(fp: FakeProcess, prober: FfprobeProber) -> None:
    register(fp, stdout=ANSWER)

    answer = prober.probe(PATH)

    assert isinstance(answer, Probe)
    assert (answer.media.width, answer.media.duration_s) == (64, 1.5)
    assert (answer.prober, answer.parser_version) == ("ffprobe 5.1.9", PARSER_VERSION)
    assert answer.raw["format"] == {"format_name": "matroska,webm", "duration": "1.5"}


@pytest.mark.parametrize(
    "said", [{"stderr": "[h264 @ 0x55d1] error while decoding\n"}, {"returncode": 1}], ids=["complaints", "status"]
)
def test_answer_counts_whatever_else_ffprobe_says(said: dict[str, Any], fp: FakeProcess, prober: FfprobeProber) -> None:
    register(fp, stdout=ANSWER, **said)

    assert isinstance(prober.probe(PATH), Probe)


def test_answer_that_is_no_utf_8_is_read_all_the_same(fp: FakeProcess, prober: FfprobeProber) -> None:
    register(fp, stdout=ANSWER.encode().replace(b"matroska,webm", b"matro\xffska"))

    answer = prober.probe(PATH)

    assert isinstance(answer, Probe)
    assert answer.media.format_name == "matro\N{REPLACEMENT CHARACTER}ska"


@pytest.mark.parametrize(
    "stdout",
    ["", "{\n", "{}", "[]", "null", '{"format": 1}', "[" * 50_000, '{"format": ' + "1" * 5000 + "}", "\0"],
    ids=["nothing", "brace", "empty", "list", "null", "number", "deep", "digits", "nul"],
)
def test_answer_that_describes_nothing_is_bad_output(stdout: str, fp: FakeProcess, prober: FfprobeProber) -> None:
    register(fp, stdout=stdout)

    assert failure_of(prober).reason == "bad-output"


def test_file_without_streams_is_told_apart(fp: FakeProcess, prober: FfprobeProber) -> None:
    register(fp, stdout='{"streams": [], "format": {"format_name": "ogg"}}')

    assert failure_of(prober) == Failure("probe", "no-streams", "a ogg file without streams")


@pytest.mark.parametrize("stdout", ["{\n", "", "{}", '{"error": []}', '{"error": {"code": "?", "string": "?"}}'])
def test_ffprobe_that_fails_without_a_word_gave_up(stdout: str, fp: FakeProcess, prober: FfprobeProber) -> None:
    register(fp, stdout=stdout, returncode=1)

    assert failure_of(prober) == Failure(
        "probe", "invalid-data", "ffprobe gave up, perhaps on a stream that it cannot decode"
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-1, "permission-denied"),
        (-2, "not-found"),
        (-5, "io-error"),
        (-12, "memory-limit"),
        (-13, "permission-denied"),
        (-20, "not-found"),
        (-21, "not-a-file"),
        (-22, "invalid-data"),
        (INVALID_DATA, "invalid-data"),
        (-(10**30), "invalid-data"),
    ],
)
def test_error_code_decides_the_reason(code: int, reason: str, fp: FakeProcess, prober: FfprobeProber) -> None:
    register(fp, stdout=error(code), returncode=1)

    assert failure_of(prober).reason == reason


def test_name_of_a_file_decides_no_reason(fp: FakeProcess, prober: FfprobeProber) -> None:
    path = b"/library/No such file, Permission denied, Format not on whitelist.mp4"
    register(
        fp,
        stdout=error(INVALID_DATA, "Invalid data found when processing input"),
        stderr=b"file:" + path + b": Invalid data found when processing input\n",
        returncode=1,
    )

    assert failure_of(prober, path) == Failure("probe", "invalid-data", "not readable as media")


@pytest.mark.parametrize("name", ["hls", "concat", "dash"])
def test_format_that_is_not_on_the_whitelist_is_refused_in_few_words(
    name: str, fp: FakeProcess, prober: FfprobeProber
) -> None:
    # the log cuts its lines after 1,023 bytes, line feed and all
    line = f"[{name} @ 0x55d1a2b3c4d5] Format not on whitelist '{ALLOWED_FORMATS}'\n"[:1023]
    register(fp, stdout=error(-22, "Invalid argument"), stderr=f"{line}file:/library/a.mp4: Invalid", returncode=1)

    assert failure_of(prober) == Failure(
        "probe", "refused-format", f"the content is {name}, which may refer to other files: not opened"
    )


@pytest.mark.parametrize(
    ("number", "reason", "message"),
    [
        (signal.SIGSEGV, "crashed", "ffprobe crashed (SIGSEGV)"),
        (signal.SIGABRT, "crashed", "ffprobe crashed (SIGABRT)"),
        (50, "crashed", "ffprobe crashed (signal 50)"),
        (signal.SIGXCPU, "timeout", "ffprobe used too much CPU time"),
        (signal.SIGTERM, "no-process", "ffprobe was told to end (SIGTERM)"),
    ],
)
def test_signal_that_killed_ffprobe_is_named(
    number: int, reason: str, message: str, fp: FakeProcess, prober: FfprobeProber
) -> None:
    register(fp, stdout=ANSWER, returncode=-number)

    assert failure_of(prober) == Failure("probe", reason, message)


def test_cancelled_probe_is_told_apart(fp: FakeProcess, prober: FfprobeProber) -> None:
    prober.cancel()

    assert failure_of(prober).reason == "cancelled"
    assert fp.call_count([fp.any()]) == 0


def test_ffprobe_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    prober = FfprobeProber(fake_program(tmp_path / "ffprobe", "exec yes"))

    assert failure_of(prober).reason == "too-much-output"


def test_ffprobe_that_does_not_end_is_stopped_with_what_it_said_last(tmp_path: Path) -> None:
    program = fake_program(tmp_path / "ffprobe", "echo '[mov @ 0x5581] slow' >&2; exec sleep 1000")

    failure = failure_of(FfprobeProber(program, timeout_s=1))

    assert failure == Failure("probe", "timeout", "ffprobe was killed after 1 s (mov: slow)")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="memory is limited on Linux only")
@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffprobe is installed")
def test_real_ffprobe_runs_within_the_least_memory_that_can_be_configured() -> None:
    prober = FfprobeProber(memory_bytes=384 * 1024**2)

    assert prober.version.startswith("ffprobe ")


# what it says, for people

LOG = "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55d1a2b3c4d5] "
CUT = "file:/library/a.mp4: Invalid data found when processing input\n"


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        (CUT, "not readable as media"),
        (f"{LOG}moov atom not found\n{CUT}", "not readable as media (mov: moov atom not found)"),
        (f"{LOG}one.\n{LOG}two\n{CUT}", "not readable as media (mov: one; two)"),
        (f"{LOG}one\n[h264 @ 0x1] two\n{CUT}", "not readable as media (mov: one; h264: two)"),
        (f"{LOG}[dec:h264 @ 0x1] one\n{CUT}", "not readable as media (dec:h264: one)"),
        (f"{LOG}same\n{LOG}same\n{CUT}", "not readable as media (mov: same)"),
        (f"{LOG}one\n    Last message repeated 7 times\n{CUT}", "not readable as media (mov: one)"),
        (f"\n  plain words \n{CUT}", "not readable as media (plain words)"),
        ("[mov @ 0x1] \xff\n", "not readable as media (mov: \xff)"),
    ],
)
def test_log_is_told_in_one_line_without_path_or_addresses(
    stderr: str, told: str, fp: FakeProcess, prober: FfprobeProber
) -> None:
    stdout = error(INVALID_DATA, "Invalid data found when processing input")
    register(fp, stdout=stdout, stderr=stderr, returncode=1)

    assert failure_of(prober).message == told


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        (b"/library/two\nlines.mp4", b"/library/two\nlines.mp4: Invalid argument\n"),
        (b"/library/\x01\x1b[31m.mp4", b"/library/??[31m.mp4: Invalid argument\n"),
        (b"/library/caf\xe9.mp4", b"/library/caf\xe9.mp4: Invalid argument\n"),
        (b"/library/" + b"d" * 2000, b"/library/" + b"d" * 1009),
    ],
    ids=["newline", "controls", "no utf-8", "long"],
)
def test_path_is_not_told_however_the_log_prints_it(
    path: bytes, printed: bytes, fp: FakeProcess, prober: FfprobeProber
) -> None:
    stderr = b"[mov @ 0x1] broken\nfile:" + printed
    register(fp, stdout=error(-22, "Invalid argument"), stderr=stderr, returncode=1)

    assert failure_of(prober, path).message == "not readable as media (mov: broken)"


def test_long_message_is_cut_visibly(fp: FakeProcess, prober: FfprobeProber) -> None:
    stderr = "".join(f"[matroska @ 0x1] element {number} is broken\n" for number in range(100))
    register(fp, stdout=error(-5, "Input/output error"), stderr=stderr, returncode=1)

    message = failure_of(prober).message

    assert message.startswith("input/output error (matroska: element 0 is broken; element 1")
    assert (len(message), message[-1]) == (300, "…")
