"""Logs: what a program that runs for long says of what it does, through the stdlib's `logging`.

In: records of the loggers `qacache` and below, whose `extra` has members such as `scan_id`, `path`, `request_id` and
`duration_ms`. Out: text for people, or a JSON object a line, on stderr or in a file. Files may be called anything, but
nothing of that looks like a line of the log, or acts on a terminal. Whatever becomes of a line, who logs is not told.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import contextmanager, suppress
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING, TextIO

from qacache.errors import ConfigError
from qacache.text import printable
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qacache.config.serving import Log

_LOGGER = "qacache"
_STDERR = "stderr"
# what every record has; all else is a member of its `extra`
_OWN = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
# syslog's numbers, which the journal takes from the beginning of a line: sd-daemon(3)
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


@contextmanager
def set_up(log: Log, environ: Mapping[str, str], stderr: TextIO | None = None) -> Iterator[None]:
    """Have what is logged in the block written as `log` says; raises `ConfigError` where its file cannot be opened.

    `environ` tells whether the journal takes what goes to `stderr`, which is the process's own by default.
    """
    stderr = stderr or sys.stderr
    handler = _handler(log, stderr, is_journal=_is_journal(stderr, environ.get("JOURNAL_STREAM", "")))
    logger = logging.getLogger(_LOGGER)
    level, is_propagated = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(log.level.upper())
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = is_propagated
        logger.setLevel(level)
        logger.removeHandler(handler)
        # the last lines may be there no more than the disk that they were for
        with suppress(OSError):
            handler.close()


class _Text(logging.Formatter):
    """Lines for people: time, level, message, members, and below them, indented, what was raised."""

    def __init__(self, *, is_journal: bool = False) -> None:
        super().__init__()
        self._is_journal = is_journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of `record`; the journal has a time of its own, and is told the priority of each."""
        level = record.levelname.lower()
        members = [f"{name}={_quoted(value)}" for name, value in _members(record).items()]
        first = " ".join([level, printable(_message(record)), *members])
        if not self._is_journal:
            first = f"{_time(record)} {first}"
        raised = _raised(self, record).splitlines()
        lines = [first, *(f"    {printable(line)}" for line in raised)]
        start = _priority(level) if self._is_journal else ""
        return "\n".join(start + line for line in lines)


class _Json(logging.Formatter):
    """A JSON object a line, in ASCII: `time`, `level`, `logger`, `message`, members, `exception`."""

    def __init__(self, *, is_journal: bool = False) -> None:
        super().__init__()
        self._is_journal = is_journal

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as an object; to the journal its priority is told before, which is no part of it."""
        level = record.levelname.lower()
        own = {"time": _time(record), "level": level, "logger": record.name, "message": _message(record)}
        if raised := _raised(self, record):
            own["exception"] = raised
        text = json.dumps({**own, **_members(record), **own}, default=str, separators=(",", ":"))
        return _priority(level) + text if self._is_journal else text


class _Stream(logging.StreamHandler[TextIO]):
    """Writes to a stream, and says nothing where that fails: who logs has other things to do."""

    def emit(self, record: logging.LogRecord) -> None:
        # the base lets a RecursionError out
        with suppress(Exception):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing."""


class _File(WatchedFileHandler):
    """Appends to a file, which is made anew once it was moved away; what it does not take goes to `instead`."""

    def __init__(self, path: str, instead: logging.Handler) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._instead = instead

    def emit(self, record: logging.LogRecord) -> None:
        # the base lets out what goes wrong when it makes the file anew
        try:
            super().emit(record)
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Write the record elsewhere."""
        self._instead.handle(record)


def _handler(log: Log, stderr: TextIO, *, is_journal: bool) -> logging.Handler:
    """Return what writes as `log` says."""
    is_text = log.format == "text"
    on_stderr = _Stream(stderr)
    is_stderr_text = is_text or (log.format == "auto" and stderr.isatty())
    on_stderr.setFormatter((_Text if is_stderr_text else _Json)(is_journal=is_journal))
    if log.output == _STDERR:
        return on_stderr
    try:
        file = _File(log.output, instead=on_stderr)
    except OSError as error:
        raise ConfigError(
            f"log cannot be written: {printable(log.output)}: {error.strerror}",
            hint='set log.output to a file in a folder that can be written to, or to "stderr"',
        ) from error
    file.setFormatter(_Text() if is_text else _Json())
    return file


def _is_journal(stderr: TextIO, journal: str) -> bool:
    """Whether `stderr` is the stream that `journal` tells of, device and inode: a child may inherit the word alone."""
    try:
        stat = os.fstat(stderr.fileno())
    except (OSError, ValueError):
        return False
    return journal == f"{stat.st_dev}:{stat.st_ino}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit: better an odd line than none
        return f"{record.msg} {record.args}"


def _members(record: logging.LogRecord) -> dict[str, object]:
    """Return what `extra` gave the record, ready for JSON."""
    return {name: _plain(value) for name, value in vars(record).items() if name not in _OWN and value is not None}


def _plain(value: object) -> object:
    match value:
        case bytes():
            return os.fsdecode(value)
        case float():
            return round(value, 3)
    return value


def _quoted(value: object) -> str:
    text = str(value)
    if not text or set(text) & set(' "=\\'):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return printable(text)


def _raised(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _priority(level: str) -> str:
    return f"<{_PRIORITIES.get(level, _PRIORITIES['info'])}>"


def _time(record: logging.LogRecord) -> str:
    return iso_time(int(record.created * 1000)) or ""
