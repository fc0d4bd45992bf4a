"""The ffprobe prober: one hardened ffprobe process a file.

In: the absolute path of a file. Out: the `Probe` that ffprobe's answer amounts to, or the `Failure` that says why
there is none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qacache.errors import ProberMissing
from qacache.models import Failure, Probe
from qacache.probe import verdicts
from qacache.probe.children import DEFAULT_MEMORY_BYTES, KILLED_WITHIN_S
from qacache.probe.formats import ALLOWED_FORMATS, ALLOWED_PROTOCOLS
from qacache.probe.media import PARSER_VERSION, NotMedia, parse_media, without_filename
from qacache.probe.process import Bounds, Completed, Processes
from qacache.probe.values import LARGEST, mapping, text, whole

if TYPE_CHECKING:
    from qacache.probe.verdicts import Said

_NAME = "ffprobe"
VERSION_TIMEOUT_S = 30.0

# A line of FFmpeg's log: which part of it speaks, with other names and its address in memory, and what it says.
_LOG_LINE = re.compile(r"(?:\[([^\s@,\]]+)[^\]]*\] )*(.*)")
# What FFmpeg's log prints as "?" (sanitize in libavutil/log.c), and how much of a line it prints at least.
_UNPRINTED = re.compile(rb"[\x01-\x07\x0e-\x1f]")
_LINE_BYTES = 512


class FfprobeProber:
    """Probes with the ffprobe program `path` (a name looked up on PATH, or a path).

    A file may take `timeout_s` seconds and `memory_bytes` of address space (0: any), and to tell its version
    `version_timeout_s`. Raises `ProberMissing`.
    """

    def __init__(
        self,
        path: str = "ffprobe",
        *,
        timeout_s: float = 30.0,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        version_timeout_s: float = VERSION_TIMEOUT_S,
    ) -> None:
        binary = shutil.which(os.path.expanduser(path))
        if binary is None:
            raise ProberMissing(
                f"no ffprobe to run: {path}",
                hint="install FFmpeg (apt install ffmpeg, brew install ffmpeg), or set ffprobe.path",
            )
        self._binary = os.path.abspath(binary)
        self._bounds = Bounds(timeout_s=timeout_s, memory_bytes=memory_bytes)
        self._version_timeout_s = version_timeout_s
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
            done = Processes(Bounds(timeout_s=self._version_timeout_s)).run([self._binary, "-version"])
        except OSError as error:
            raise self._not_runnable(error) from error
        found = re.match(rb"ffprobe version (\S+)", done.stdout)
        if not found:
            raise ProberMissing(f"this is no ffprobe: {self._binary}{_why_no_version(done)}", hint="set ffprobe.path")
        name = found[1].decode(errors="replace")
        # "5.1.9-0+deb12u1" is a distribution's 5.1.9; "N-109542-g1bf1a6f" has no other name
        return f"ffprobe {name.partition('-')[0] if name[0].isdigit() else name}"

    @property
    def longest_s(self) -> float:
        """How many seconds a probe takes at most: until the deadline, and then to be killed."""
        return self._bounds.timeout_s + KILLED_WITHIN_S

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

    def close(self) -> None:
        """Do nothing: between probes nothing runs."""

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
            return verdicts.no_process(_NAME, error)
        said = _said(_before(url, done.stderr))
        match done.end:
            case "exited":
                return self._answer(path, done, said)
            case "timeout":
                return verdicts.timed_out(_NAME, self._bounds.timeout_s, said)
            case "too-much-output":
                return verdicts.said_too_much(_NAME, said)
            case "cancelled":
                return verdicts.cancelled()

    def _not_runnable(self, error: OSError) -> ProberMissing:
        return ProberMissing(f"ffprobe cannot be run: {self._binary}: {error.strerror}", hint="set ffprobe.path")

    def _answer(self, path: bytes, done: Completed, said: list[Said]) -> Probe | Failure:
        assert done.returncode is not None
        if done.returncode < 0:
            return verdicts.killed(_NAME, -done.returncode, said)
        raw: dict[str, Any] = {}
        try:
            raw = _parse(done.stdout)
            return Probe(parse_media(raw), without_filename(raw), self.version, PARSER_VERSION)
        except NotMedia as error:
            # exit 0 does not mean usable, and what ffprobe says on stderr does not mean unusable
            if done.returncode == 0:
                return verdicts.failed(error.reason, str(error), said)
        return verdicts.refusal(said) or _given_up(path, raw, said)


def _why_no_version(done: Completed) -> str:
    """What the program did instead of telling its version; a loader that is short of memory says so."""
    words = "it does not end" if done.end == "timeout" else verdicts.in_one_line(_said(done.stderr))
    return f" ({words})" if words else ""


def _parse(stdout: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(stdout.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise NotMedia("bad-output", "ffprobe printed no JSON") from error
    if not isinstance(raw, dict):
        raise NotMedia("bad-output", "ffprobe printed no JSON object")
    return raw


def _given_up(path: bytes, raw: dict[str, Any], said: list[Said]) -> Failure:
    """Return the failure that ffprobe itself reports; it reports none where it can open no decoder for a stream."""
    error = mapping(raw.get("error"))
    code, words = whole(error.get("code"), least=-LARGEST), text(error.get("string"))
    if code is None or not words:
        return verdicts.failed("invalid-data", "ffprobe gave up, perhaps on a stream that it cannot decode", said)
    return verdicts.given_up(path, code, words, said)


def _before(url: bytes, stderr: bytes) -> bytes:
    """Return the log without its last line: the `url`, in which anything may be written, and the verdict."""
    return stderr.partition(_UNPRINTED.sub(b"?", url)[:_LINE_BYTES])[0]


def _said(log: bytes) -> list[Said]:
    """Return, line by line, which part of FFmpeg spoke, and its words."""
    lines = (line.strip() for line in log.decode(errors="replace").splitlines())
    return [_part_and_words(line) for line in lines if line]


def _part_and_words(line: str) -> Said:
    found = _LOG_LINE.fullmatch(line)
    return (found[1] or "", found[2]) if found else ("", line)
