"""The libav prober: FFmpeg's libraries, as PyAV brings them along, in child processes.

In: the absolute path of a file. Out: the `Probe` that a child's answer amounts to, or the `Failure` that says why
there is none. A child is started when a thread finds none idle, so there are as many as threads that probe at once;
it serves thousands of files, is replaced from time to time, for what it may leak, and at once when it crashes or
hangs.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from qacache.errors import ProberMissing
from qacache.interpreter import module_folders
from qacache.models import Failure, Probe
from qacache.probe import verdicts
from qacache.probe.children import DEFAULT_MEMORY_BYTES, KILLED_WITHIN_S, Children
from qacache.probe.libav import wire
from qacache.probe.libav.line import Command, Line, Reply
from qacache.probe.media import PARSER_VERSION, NotMedia, parse_media, without_filename

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "libav"
_HINT = 'install PyAV anew (pip install --force-reinstall av), or set ffprobe.engine = "ffprobe"'
# Python and PyAV load in a tenth of a second, but not from a disk that sleeps.
_START_S = 30.0
_FILES_PER_CHILD = 1000
# What the system may be short of for a while.
_SHORTAGES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
# How often a child is started anew when one dies that no file can be blamed for.
_ATTEMPTS = 3


class LibavProber:
    """Probes with PyAV, in a child process for each thread that probes at the same time.

    A file may take `timeout_s` seconds, and a child `memory_bytes` of address space (0: any). `python` is the
    interpreter that runs the children. Raises `ProberMissing`.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 30.0,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        files_per_child: int = _FILES_PER_CHILD,
        python: str = sys.executable,
    ) -> None:
        if find_spec("av") is None:
            raise ProberMissing("PyAV is not installed", hint=_HINT)
        self._timeout_s = timeout_s
        self._files_per_child = files_per_child
        self._command = Command(python, module_folders(), memory_bytes)
        self._children = Children()
        self._idle: list[Line] = []
        self._version = ""
        self._libraries: Mapping[str, str] = {}

    @property
    def version(self) -> str:
        """Name and version, FFmpeg's, such as `libav 8.1.2`; raises `ProberMissing` where no child can be started."""
        # not one of the others, or after `cancel` nobody could say any more who failed on a file
        try:
            if not self._version and (line := self._started(Children())):
                line.close()
        except OSError as error:
            raise _unusable(error.strerror or str(error)) from error
        return self._version

    @property
    def libraries(self) -> Mapping[str, str]:
        """The versions of FFmpeg's libraries, by name, such as libavcodec; raises `ProberMissing` as `version`."""
        return self._libraries if self.version else {}

    @property
    def longest_s(self) -> float:
        """How many seconds a probe takes at most: children to start, the deadline, and then to be killed."""
        return _ATTEMPTS * (_START_S + KILLED_WITHIN_S) + self._timeout_s

    @property
    def abandoned(self) -> int:
        """How many children hang in a way that not even SIGKILL ended."""
        return self._children.abandoned

    def cancel(self) -> None:
        """End all probes that run, and refuse new ones."""
        self._children.cancel()

    def resume(self) -> None:
        """Take new probes again after `cancel`."""
        # these were killed, but may not be dead yet
        self.close()
        self._children.resume()

    def close(self) -> None:
        """End the children that wait for a file."""
        while line := self._popped():
            line.close()

    def probe(self, path: bytes) -> Probe | Failure:
        """Return what is in the file at the absolute `path`, or why that cannot be told."""
        for _ in range(_ATTEMPTS):
            try:
                line = self._idle_line() or self._started(self._children)
            except OSError as error:
                return verdicts.no_process(_NAME, error)
            if line is None:
                return verdicts.cancelled()
            if reply := self._asked(line, path):
                return self._judged(reply, path)
        return verdicts.failed("no-process", f"{_NAME} died {_ATTEMPTS} times before it got the file")

    def _idle_line(self) -> Line | None:
        while line := self._popped():
            if line.is_open:
                return line
            line.close()
        return None

    def _popped(self) -> Line | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _asked(self, line: Line, path: bytes) -> Reply | None:
        """Return what came of the path, None where the child was gone before it got it; keep the line for the next."""
        try:
            reply = line.ask(path, self._timeout_s)
        except BaseException:
            line.close()
            raise
        if reply and reply.end == "answered":
            if line.asked < self._files_per_child:
                self._idle.append(line)
            else:
                line.close()
        return reply

    def _started(self, children: Children) -> Line | None:
        """Return a line to a new child that has said its version; None where `cancel` came first.

        Raises `ProberMissing` where none can be started, and `OSError` where that was possible before.
        """
        for _ in range(_ATTEMPTS):
            try:
                line = Line(children, self._command)
            except OSError as error:
                if error.errno in _SHORTAGES:
                    raise
                raise _unusable(f"{self._command.python}: {error.strerror}") from error
            reply = line.listen(_START_S)
            if greeting := _greeting_in(reply.answer):
                self._version, self._libraries = greeting
                return line
            line.close()
            if reply.end == "cancelled":
                return None
            if reply.status is None or reply.status >= 0:
                break  # nobody killed it: it would do so again
        if self._version:
            raise OSError(errno.EAGAIN, _no_greeting(reply))
        raise _unusable(_no_greeting(reply))

    def _judged(self, reply: Reply, path: bytes) -> Probe | Failure:
        match reply.end:
            case "answered":
                return self._answer(reply.answer, path)
            case "gone":
                return _died(reply)
            case "timeout":
                return verdicts.timed_out(_NAME, self._timeout_s, wire.said_in(reply.printed))
            case "too-much-output":
                return verdicts.said_too_much(_NAME, wire.said_in(reply.printed))
            case "cancelled":
                return verdicts.cancelled()

    def _answer(self, answer: bytes, path: bytes) -> Probe | Failure:
        raw: dict[str, Any] = json.loads(answer)
        said = [(part, words) for part, words in raw.pop("log")]
        if error := raw.get("error"):
            return verdicts.refusal(said) or verdicts.given_up(path, error["code"], error["string"], said)
        try:
            return Probe(parse_media(raw), without_filename(raw), self.version, PARSER_VERSION)
        except NotMedia as unusable:
            return verdicts.failed(unusable.reason, str(unusable), said)


def _greeting_in(answer: bytes) -> tuple[str, Mapping[str, str]] | None:
    """Return name and version, and the versions of the libraries; None for what is no greeting."""
    try:
        greeting = json.loads(answer)
        return f"{_NAME} {greeting['version']}", greeting.get("libraries", {})
    except (ValueError, LookupError, TypeError):
        return None


def _unusable(why: str) -> ProberMissing:
    return ProberMissing(f"PyAV cannot be used: {why}", hint=_HINT)


def _no_greeting(reply: Reply) -> str:
    match reply.end:
        case "gone":
            return _died(reply).message
        case "timeout":
            return f"no answer in {_START_S:g} s"
        case _:
            return "something else answers"


def _died(reply: Reply) -> Failure:
    said = wire.said_in(reply.printed)
    if reply.status is None or reply.status < 0:
        return verdicts.killed(_NAME, -(reply.status or -signal.SIGKILL), said)
    return verdicts.failed("crashed", f"{_NAME} ended with exit status {reply.status}", said)
