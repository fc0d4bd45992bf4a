"""The ffprobe prober: one hardened ffprobe process a file.

In: the absolute path of a file. Out: the `Probe` that ffprobe's answer amounts to, or the `Failure` that says why
there is none.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any

from qacache.errors import ProberMissing
from qacache.models import Failure, Probe
from qacache.os_failures import REASONS
from qacache.probe import CANCELLED
from qacache.probe.formats import ALLOWED_FORMATS, ALLOWED_PROTOCOLS
from qacache.probe.media import PARSER_VERSION, NotMedia, parse_media, without_filename
from qacache.probe.process import Bounds, Completed, Processes
from qacache.probe.values import LARGEST, mapping, text, whole

DEFAULT_MEMORY_BYTES = 1024**3

_MESSAGE_CHARACTERS = 300
_VERSION_TIMEOUT_S = 30.0

# The error codes of ffprobe are the system's, negated, or FFmpeg's own: these two, AVERROR_INVALIDDATA and AVERROR_EOF.
_INVALID_DATA = -1094995529
_END_OF_FILE = -541478725
# What is said better than by FFmpeg, to which a file is an argument.
_VERDICTS = {
    -errno.EINVAL: "not readable as media",
    _INVALID_DATA: "not readable as media",
    _END_OF_FILE: "the file ends too soon",
}

# A line of FFmpeg's log: which part of it speaks, with other names and its address in memory, and what it says.
_LOG_LINE = re.compile(r"(?:\[([^\s@,\]]+)[^\]]*\] )*(.*)")
_REPEATED = re.compile(r"Last message repeated \d+ times")
_REFUSED = re.compile(rb"^\[([^\s@,\]]+)[^\]]*\] Format not on whitelist", re.MULTILINE)
# What FFmpeg's log prints as "?" (sanitize in libavutil/log.c), and how much of a line it prints at least.
_UNPRINTED = re.compile(rb"[\x01-\x07\x0e-\x1f]")
_LINE_BYTES = 512


class FfprobeProber:
    """Probes with the ffprobe program `path` (a name looked up on PATH, or a path).

    A file may take `timeout_s` seconds and `memory_bytes` of address space (0: any). Raises `ProberMissing`.
    """

    def __init__(
        self, path: str = "ffprobe", *, timeout_s: float = 30.0, memory_bytes: int = DEFAULT_MEMORY_BYTES
    ) -> None:
        binary = shutil.which(os.path.expanduser(path))
        if binary is None:
            raise ProberMissing(
                f"no ffprobe to run: {path}",
                hint="install FFmpeg (apt install ffmpeg, brew install ffmpeg), or set ffprobe.path",
            )
        self._binary = os.path.abspath(binary)
        self._bounds = Bounds(timeout_s=timeout_s, memory_bytes=memory_bytes)
        self._processes = Processes(self._bounds)
        self._arguments = (
            *(self._binary, "-v", "error", "-show_format", "-show_streams", "-show_error", "-of", "json"),
            *("-protocol_whitelist", ALLOWED_PROTOCOLS),
            *("-format_whitelist", ALLOWED_FORMATS),
        )

    @cached_property
    def version(self) -> str:
        """Name and version, such as `ffprobe 5.1.9`; raises `ProberMissing` where it cannot be run."""
        try:
            # not with the others, or after `cancel` nobody could say any more who failed on a file
            done = Processes(Bounds(timeout_s=_VERSION_TIMEOUT_S)).run([self._binary, "-version"])
        except OSError as error:
            raise self._not_runnable(error) from error
        found = re.match(rb"ffprobe version (\S+)", done.stdout)
        if not found:
            raise ProberMissing(f"this is no ffprobe: {self._binary}{_why_no_version(done)}", hint="set ffprobe.path")
        name = found[1].decode(errors="replace")
        # "5.1.9-0+deb12u1" is a distribution's 5.1.9; "N-109542-g1bf1a6f" has no other name
        return f"ffprobe {name.partition('-')[0] if name[0].isdigit() else name}"

    @property
    def abandoned(self) -> int:
        """How many ffprobe processes hang in a way that not even SIGKILL ended."""
        return self._processes.abandoned

    def cancel(self) -> None:
        """End all probes that run, and refuse new ones."""
        self._processes.cancel()

    def resume(self) -> None:
        """Take new probes again after `cancel`."""
        self._processes.resume()

    def probe(self, path: bytes) -> Probe | Failure:
        """Return what is in the file at the absolute `path`, or why that cannot be told."""
        # file: because a name may look like an option (-x.mp4) or a protocol (id:000)
        url = b"file:" + path
        try:
            done = self._processes.run([*self._arguments, "-i", url])
        except (FileNotFoundError, PermissionError) as error:
            # no file's fault, and the same for all that come after it
            raise self._not_runnable(error) from error
        except OSError as error:
            return Failure("probe", "no-process", f"ffprobe could not be started: {error.strerror}")
        match done.end:
            case "exited":
                return self._answer(done, url)
            case "timeout":
                return _failure("timeout", f"ffprobe was killed after {self._bounds.timeout_s:g} s", done, url)
            case "too-much-output":
                return _failure("too-much-output", "ffprobe was killed: it would not stop printing", done, url)
            case "cancelled":
                return Failure("probe", CANCELLED, "the scan was stopped")

    def _not_runnable(self, error: OSError) -> ProberMissing:
        return ProberMissing(f"ffprobe cannot be run: {self._binary}: {error.strerror}", hint="set ffprobe.path")

    def _answer(self, done: Completed, url: bytes) -> Probe | Failure:
        assert done.returncode is not None
        if done.returncode < 0:
            return _killed(-done.returncode, done, url)
        raw: dict[str, Any] = {}
        try:
            raw = _parse(done.stdout)
            return Probe(parse_media(raw), without_filename(raw), self.version, PARSER_VERSION)
        except NotMedia as error:
            # exit 0 does not mean usable, and what ffprobe says on stderr does not mean unusable
            if done.returncode == 0:
                return _failure(error.reason, str(error), done, url)
        return _refused(done.stderr, url) or _given_up(raw, done, url)


def _why_no_version(done: Completed) -> str:
    """What the program did instead of telling its version; a loader that is short of memory says so."""
    said = "it does not end" if done.end == "timeout" else _said(done.stderr)
    return f" ({said})" if said else ""


def _parse(stdout: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(stdout.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise NotMedia("bad-output", "ffprobe printed no JSON") from error
    if not isinstance(raw, dict):
        raise NotMedia("bad-output", "ffprobe printed no JSON object")
    return raw


def _killed(number: int, done: Completed, url: bytes) -> Failure:
    if number == signal.SIGXCPU:
        return _failure("timeout", "ffprobe used too much CPU time", done, url)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return _failure("crashed", f"ffprobe crashed ({name})", done, url)


def _refused(stderr: bytes, url: bytes) -> Failure | None:
    """Return the failure of a file whose content ffprobe was told not to open."""
    found = _REFUSED.search(_before(url, stderr))
    if not found:
        return None
    name = found[1].decode(errors="replace")
    return Failure("probe", "refused-format", f"the content is {name}, which may refer to other files: not opened")


def _given_up(raw: dict[str, Any], done: Completed, url: bytes) -> Failure:
    """Return the failure that ffprobe itself reports; it reports none where it can open no decoder for a stream."""
    error = mapping(raw.get("error"))
    code, words = whole(error.get("code"), least=-LARGEST), text(error.get("string"))
    if code is None or not words:
        return _failure("invalid-data", "ffprobe gave up, perhaps on a stream that it cannot decode", done, url)
    verdict = _VERDICTS.get(code) or words[0].lower() + words[1:]
    return _failure(REASONS.get(-code, "invalid-data"), verdict, done, url)


def _failure(reason: str, what: str, done: Completed, url: bytes) -> Failure:
    said = _said(_before(url, done.stderr))
    message = f"{what} ({said})" if said else what
    if len(message) > _MESSAGE_CHARACTERS:
        message = message[: _MESSAGE_CHARACTERS - 1] + "…"
    return Failure("probe", reason, message)


def _before(url: bytes, stderr: bytes) -> bytes:
    """Return the log without its last line: the `url`, in which anything may be written, and the verdict."""
    return stderr.partition(_UNPRINTED.sub(b"?", url)[:_LINE_BYTES])[0]


def _said(log: bytes) -> str:
    """Return, in one line, what the log says."""
    lines = (line.strip() for line in log.decode(errors="replace").splitlines())
    told = dict.fromkeys(_part_and_words(line) for line in lines if line and not _REPEATED.fullmatch(line))
    return "; ".join(
        (f"{part}: " if part else "") + "; ".join(words for _, words in spoken)
        for part, spoken in groupby(told, key=itemgetter(0))
    )


def _part_and_words(line: str) -> tuple[str, str]:
    found = _LOG_LINE.fullmatch(line)
    return (found[1] or "", found[2].strip(" .")) if found else ("", line)
