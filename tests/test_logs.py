"""The log: what a line looks like, where it goes, and that nothing that goes wrong with it harms who logs."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qacache.config.serving import Log
from qacache.errors import ConfigError
from qacache.logs import set_up

LOG = logging.getLogger("qacache.serve")
NASTY = b"/library/\x1b]0;owned\x07\n<3>error all is lost\r\x7f\xff\xe2\x80\xae.mp4"
TIME = r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

Say = Callable[[], object]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("the pipe is broken")


class Unspeakable:
    def __init__(self, error: type[Exception] = ValueError) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error


def said(say: Say, *, stderr: io.StringIO | None = None, **wanted: str) -> str:
    """What is on stderr after `say`."""
    stderr = stderr or io.StringIO()
    with set_up(Log(**wanted), {}, stderr):
        say()
    return stderr.getvalue()


def object_said(say: Say) -> dict[str, Any]:
    (line,) = said(say, format="json").splitlines()
    return json.loads(line)


def fail(message: str = "the reason") -> None:
    try:
        raise ValueError(message)
    except ValueError:
        LOG.exception("it failed")


# what a line looks like


def test_json_line_has_members_by_their_names() -> None:
    extra = {"scan_id": 3, "path": b"/library/a.mp4", "request_id": "r1", "duration_ms": 12.34567}

    line = object_said(lambda: LOG.warning("took %d tries", 2, extra=extra))

    assert re.fullmatch(TIME, line.pop("time"))
    assert line == {
        "level": "warning",
        "logger": "qacache.serve",
        "message": "took 2 tries",
        "scan_id": 3,
        "path": "/library/a.mp4",
        "request_id": "r1",
        "duration_ms": 12.346,
    }


def test_text_line_has_time_level_message_and_members() -> None:
    extra = {"scan_id": 3, "path": b"/my library/a.mp4", "duration_ms": 12.34567}

    line = said(lambda: LOG.info("took %d tries", 2, extra=extra), format="text")

    expected = r'info took 2 tries scan_id=3 path="/my library/a\.mp4" duration_ms=12\.346'
    assert re.fullmatch(f"{TIME} {expected}\n", line)


def test_time_is_that_of_the_record_in_utc() -> None:
    record = logging.makeLogRecord({"name": "qacache", "levelno": 20, "levelname": "INFO", "msg": "now"})
    record.created = 1_800_000_000.1239

    assert object_said(lambda: LOG.handle(record))["time"] == "2027-01-15T08:00:00.123Z"


def test_json_line_is_ascii_and_gives_names_back_as_they_are() -> None:
    text = said(lambda: LOG.info("seen", extra={"path": NASTY}), format="json")

    assert text.isascii()
    assert text.removesuffix("\n").isprintable()
    assert os.fsencode(json.loads(text)["path"]) == NASTY


@pytest.mark.parametrize(
    "say", [lambda: LOG.info("seen", extra={"path": NASTY}), lambda: LOG.info("seen %s", os.fsdecode(NASTY))]
)
def test_text_line_is_one_line_whatever_files_are_called(say: Say) -> None:
    text = said(say, format="text")

    assert text.removesuffix("\n").isprintable()
    assert "\\x1b" in text


def test_member_of_a_text_line_does_not_look_like_two() -> None:
    text = said(lambda: LOG.info("seen", extra={"path": b'/a" scan_id="7\\'}), format="text")

    assert text.endswith(r'path="/a\" scan_id=\"7\\"' + "\n")


def test_member_of_a_text_line_gives_its_value_back() -> None:
    text = said(lambda: LOG.info("seen", extra={"path": b"/a\\x1b \x1b"}), format="text")

    assert text.endswith(r'path="/a\\x1b \x1b"' + "\n")


def test_members_do_not_take_the_place_of_what_a_line_says_itself() -> None:
    line = object_said(lambda: LOG.info("seen", extra={"level": "error", "time": "never", "logger": "you"}))

    assert (line["level"], line["logger"]) == ("info", "qacache.serve")
    assert line["time"] != "never"


def test_members_that_are_nothing_are_left_out() -> None:
    assert "scan_id" not in object_said(lambda: LOG.info("seen", extra={"scan_id": None}))


def test_exception_is_one_member_of_the_object() -> None:
    line = object_said(fail)

    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: the reason")


def test_exception_in_text_is_indented_so_that_its_words_are_no_line_of_the_log() -> None:
    first, *rest = said(lambda: fail("no\n2026-01-01T00:00:00.000Z error forged\x1b"), format="text").splitlines()

    assert first.endswith("error it failed")
    assert rest[-1] == r"    2026-01-01T00:00:00.000Z error forged\x1b"
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_level_says_what_is_worth_a_line(level: str, expected: list[str]) -> None:
    def say() -> None:
        for name in ("debug", "info", "warning", "error"):
            LOG.log(getattr(logging, name.upper()), "a line")

    lines = said(say, format="json", level=level).splitlines()

    assert [json.loads(line)["level"] for line in lines] == expected


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    on_terminal = said(lambda: LOG.info("seen"), stderr=Terminal())
    on_pipe = said(lambda: LOG.info("seen"))

    assert on_terminal.endswith(" info seen\n")
    assert json.loads(on_pipe)["message"] == "seen"


# the journal


def journal_lines(tmp_path: Path, log: Log, say: Say, *, is_journal: bool = True) -> list[str]:
    """What comes by a stream that is the journal's, or is said to be by a variable of somebody else's."""
    with (tmp_path / "stream").open("w") as stream:
        stat = os.fstat(stream.fileno())
        inode = stat.st_ino if is_journal else stat.st_ino + 1
        with set_up(log, {"JOURNAL_STREAM": f"{stat.st_dev}:{inode}"}, stream):
            say()
    return (tmp_path / "stream").read_text().splitlines()


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)],
)
def test_journal_is_told_the_priority_and_no_time(tmp_path: Path, level: int, priority: int) -> None:
    log = Log(format="text", level="debug")

    (line,) = journal_lines(tmp_path, log, lambda: LOG.log(level, "seen", extra={"scan_id": 3}))

    assert line == f"<{priority}>{logging.getLevelName(level).lower()} seen scan_id=3"


def test_every_line_of_an_exception_has_the_priority(tmp_path: Path) -> None:
    lines = journal_lines(tmp_path, Log(format="text"), fail)

    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


def test_object_for_the_journal_comes_after_its_priority(tmp_path: Path) -> None:
    (line,) = journal_lines(tmp_path, Log(), lambda: LOG.warning("seen"))

    assert line.startswith("<4>")
    assert json.loads(line.removeprefix("<4>"))["message"] == "seen"


def test_variable_that_tells_of_another_stream_makes_no_journal(tmp_path: Path) -> None:
    (line,) = journal_lines(tmp_path, Log(format="text"), lambda: LOG.info("seen"), is_journal=False)

    assert re.fullmatch(f"{TIME} info seen", line)


# the file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log" / "qacache.log"


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_text().splitlines()]


def test_file_is_appended_to_in_json(file: Path) -> None:
    for number in range(2):
        assert said(lambda number=number: LOG.info("line %d", number), stderr=Terminal(), output=str(file)) == ""

    assert messages(file) == ["line 0", "line 1"]


def test_file_that_was_moved_is_made_anew(file: Path) -> None:
    moved = file.with_suffix(".1")

    def say() -> None:
        LOG.info("before")
        file.rename(moved)
        LOG.info("after")

    said(say, output=str(file))

    assert (messages(moved), messages(file)) == (["before"], ["after"])


def test_what_the_file_does_not_take_is_on_stderr(file: Path) -> None:
    def say() -> None:
        shutil.rmtree(file.parent)
        LOG.info("away")
        file.parent.mkdir()
        LOG.info("back")

    on_stderr = said(say, output=str(file))

    assert json.loads(on_stderr)["message"] == "away"
    assert messages(file) == ["back"]


@pytest.mark.parametrize("name", ["missing/qacache.log", "."])
def test_file_that_cannot_be_opened_is_an_error_with_the_way_out(tmp_path: Path, name: str) -> None:
    path = f"{tmp_path}/{name}"

    with pytest.raises(ConfigError, match=f"log cannot be written: {path}: ") as caught, set_up(Log(output=path), {}):
        pass
    assert caught.value.hint


# what goes wrong


@pytest.mark.parametrize(
    "say",
    [
        lambda: LOG.info("seen"),
        lambda: LOG.info("%d", "no number"),
        lambda: LOG.info("seen", extra={"path": Unspeakable()}),
        lambda: LOG.info("seen", extra={"path": Unspeakable(RecursionError)}),
        lambda: LOG.info(Unspeakable()),
        fail,
    ],
    ids=["line", "arguments", "member", "endless member", "message", "exception"],
)
@pytest.mark.parametrize("format", ["json", "text"])
@pytest.mark.parametrize("output", ["stderr", "file"])
def test_nobody_who_logs_is_told_what_goes_wrong(
    file: Path, capsys: pytest.CaptureFixture[str], say: Say, format: str, output: str
) -> None:
    path = str(file) if output == "file" else "stderr"

    with set_up(Log(output=path, format=format), {}, Broken()):
        if output == "file":
            shutil.rmtree(file.parent)
        say()

    assert capsys.readouterr() == ("", "")


def test_line_whose_arguments_do_not_fit_is_there_all_the_same() -> None:
    assert object_said(lambda: LOG.info("took %d tries", "many"))["message"] == "took %d tries ('many',)"


def test_line_after_one_that_could_not_be_written_is_written() -> None:
    def say() -> None:
        LOG.info("seen", extra={"path": Unspeakable()})
        LOG.info("next")

    assert json.loads(said(say, format="json"))["message"] == "next"


def test_afterwards_logging_is_as_it_was() -> None:
    logger = logging.getLogger("qacache")
    before = (logger.level, logger.propagate, list(logger.handlers))
    stderr = io.StringIO()
    with set_up(Log(level="debug"), {}, stderr):
        pass

    LOG.debug("unheard")

    assert (logger.level, logger.propagate, logger.handlers) == before
    assert stderr.getvalue() == ""
