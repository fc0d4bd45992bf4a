"""The ffprobe prober: one hardened ffprobe process a file.

In: the absolute path of a file. Out: the `Probe` that ffprobe's answer amounts to, or the `Failure` that says why
there is none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from functools import cached_property
from typing import Any

from qacache.errors import ProberMissing
from qacache.models import Failure, Probe
from qacache.probe import CANCELLED
from qacache.probe.formats import ALLOWED_FORMATS, ALLOWED_PROTOCOLS
from qacache.probe.media import PARSER_VERSION, NotMedia, parse_media, without_filename
from qacache.probe.process import Bounds, Completed, Processes

DEFAULT_MEMORY_BYTES = 1024**3

_MESSAGE_CHARACTERS = 300

# What ffprobe says on stderr, and what it means; the first that is found counts.
_REASONS = (
    ("not on whitelist", "refused-format"),
    ("Cannot allocate memory", "memory-limit"),
    ("Permission denied", "permission-denied"),
    ("Operation not permitted", "permission-denied"),
    ("Input/output error", "io-error"),
    ("Stale file handle", "mount-gone"),
    ("Transport endpoint is not connected", "mount-gone"),
    ("No such file", "not-found"),
)


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
        self._timeout_s = timeout_s
        self._processes = Processes(Bounds(timeout_s=timeout_s, memory_bytes=memory_bytes))
        self._arguments = (
            *(self._binary, "-v", "error", "-show_format", "-show_streams", "-of", "json"),
            *("-protocol_whitelist", ALLOWED_PROTOCOLS),
            *("-format_whitelist", ALLOWED_FORMATS),
        )

    @cached_property
    def version(self) -> str:
        """Name and version, such as `ffprobe 5.1.9`; raises `ProberMissing` where it cannot be run."""
        try:
            done = self._processes.run([self._binary, "-version"])
        except OSError as error:
            raise ProberMissing(
                f"ffprobe cannot be run: {self._binary}: {error.strerror}", hint="set ffprobe.path"
            ) from error
        found = re.match(rb"ffprobe version (\S+)", done.stdout)
        if not found:
            raise ProberMissing(f"this is no ffprobe: {self._binary}", hint="set ffprobe.path")
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

    def probe(self, path: bytes) -> Probe | Failure:
        """Return what is in the file at the absolute `path`, or why that cannot be told."""
        # file: because a name may look like an option (-x.mp4) or a protocol (id:000)
        try:
            done = self._processes.run([*self._arguments, "-i", b"file:" + path])
        except OSError as error:
            return Failure("probe", "no-process", f"ffprobe could not be started: {error.strerror}")
        match done.end:
            case "exited":
                return self._answer(done, path)
            case "timeout":
                return _failure("timeout", f"ffprobe was killed after {self._timeout_s:g} s", done, path)
            case "too-much-output":
                return _failure("too-much-output", "ffprobe was killed: it would not stop printing", done, path)
            case "cancelled":
                return Failure("probe", CANCELLED, "the scan was stopped")

    def _answer(self, done: Completed, path: bytes) -> Probe | Failure:
        assert done.returncode is not None
        if done.returncode < 0:
            return _killed(-done.returncode, done, path)
        try:
            raw = _parse(done.stdout)
            return Probe(parse_media(raw), without_filename(raw), self.version, PARSER_VERSION)
        except NotMedia as error:
            # exit 0 does not mean usable, and what ffprobe says on stderr does not mean unusable
            if done.returncode == 0:
                return _failure(error.reason, str(error), done, path)
        stderr = done.stderr.decode(errors="replace")
        reason = next((reason for sign, reason in _REASONS if sign in stderr), "invalid-data")
        return _failure(reason, "" if stderr.strip() else "ffprobe failed without a word", done, path)


def _parse(stdout: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(stdout.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise NotMedia("bad-output", "ffprobe printed no JSON") from error
    if not isinstance(raw, dict):
        raise NotMedia("bad-output", "ffprobe printed no JSON object")
    return raw


def _killed(number: int, done: Completed, path: bytes) -> Failure:
    if number == signal.SIGXCPU:
        return _failure("timeout", "ffprobe used too much CPU time", done, path)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return _failure("crashed", f"ffprobe crashed ({name})", done, path)


def _failure(reason: str, what: str, done: Completed, path: bytes) -> Failure:
    said = _said(done.stderr, path)
    if reason == "refused-format":
        format_name = said.partition(":")[0]
        return Failure("probe", reason, f"{format_name} is no media, it refers to other files: not opened")
    message = "; ".join(part for part in (what, said) if part)
    return Failure("probe", reason, message[:_MESSAGE_CHARACTERS])


def _said(stderr: bytes, path: bytes) -> str:
    """Return what ffprobe complained of, in one line, without the path and without memory addresses."""
    text = stderr.replace(b"file:" + path + b": ", b"").decode(errors="replace")
    text = re.sub(r"\[([^\]@]+?)(?: @ 0x[0-9a-f]+)?\] ", r"\1: ", text)
    lines = dict.fromkeys(line.strip() for line in text.splitlines() if line.strip())
    return "; ".join(lines)
