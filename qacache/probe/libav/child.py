"""The program of a child: paths come in on standard input, ffprobe's JSON of each file goes out on standard output.

Both are parted into messages by `wire`. The first answer is a greeting, which tells the versions. After that each path
gets one answer: what `describe` makes of the file, or an `error` as ffprobe shows it, and what libav's log said. The
log goes to standard error as well, for a child that does not live to answer, and so does what libraries print. The
child ends when its input does, even in the middle of a file: its parent is gone then.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import av
import av.logging

from qacache.probe.formats import ALLOWED_FORMATS, ALLOWED_PROTOCOLS
from qacache.probe.libav import wire
from qacache.probe.libav.describe import describe

if TYPE_CHECKING:
    from qacache.probe.verdicts import Said

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_MOST_FILES = 64
# What is kept of the log of one file.
_MOST_MESSAGES = 50
_SILENT = logging.CRITICAL + 1
_OPTIONS = {
    "protocol_whitelist": ALLOWED_PROTOCOLS,
    "format_whitelist": ALLOWED_FORMATS,
    "scan_all_pmts": "1",  # as ffprobe does: all programs of a transport stream
}


def main(memory_bytes: int) -> None:
    """Answer until the input ends, in `memory_bytes` of address space (0: any)."""
    _limit(memory_bytes)
    # a file may be called /dev/stdin, and a library may print
    requests, answers = os.dup(_STDIN), os.dup(_STDOUT)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), _STDIN)
    os.dup2(_STDERR, _STDOUT)
    paths: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, paths), daemon=True).start()
    log = _Log()
    av.logging.set_skip_repeated(False)  # of two equal messages, the second is the next file's, perhaps
    wire.send(answers, json.dumps(_greeting()).encode())
    while True:
        wire.send(answers, json.dumps(_probe(paths.get(), log)).encode())


def _greeting() -> dict[str, Any]:
    libraries = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    return {"version": av.ffmpeg_version_info, "libraries": libraries}


class _Log(logging.Handler):
    """Keeps the first messages of libav on one file, which PyAV hands to Python's logging."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[Said] = []
        self._logger = logging.getLogger("libav")
        self._logger.addHandler(self)
        self._logger.propagate = False

    def begin(self) -> None:
        """Forget what was said of another file."""
        self.said = []
        self._logger.setLevel(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        # the logger's name is "libav." and the part that speaks, which may have several names
        part, words = record.name.partition(".")[2].partition(",")[0], record.getMessage()
        self.said.append((part, words))
        with suppress(OSError):
            os.write(_STDERR, wire.log_line(part, words))
        if len(self.said) == _MOST_MESSAGES:
            self._logger.setLevel(_SILENT)


def _probe(path: bytes, log: _Log) -> dict[str, Any]:
    log.begin()
    # file: because a name may look like a protocol (id:000)
    url = "file:" + os.fsdecode(path)
    try:
        av.logging.set_level(av.logging.ERROR)
        with av.open(url, metadata_errors="replace", container_options=_OPTIONS) as container:
            # what `describe` needs of libav is printed at this level
            av.logging.set_level(av.logging.INFO)
            answer = describe(container)
    except av.FFmpegError as error:
        answer = {"error": {"code": -(error.errno or 0), "string": error.strerror}}
    return {**answer, "log": log.said}


def _receive(requests: int, paths: SimpleQueue[bytes]) -> None:
    while (path := wire.receive(requests)) is not None:
        paths.put(path)
    # at once, whatever hangs
    os._exit(0)


def _limit(memory_bytes: int) -> None:
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NOFILE: _MOST_FILES}
    if memory_bytes:
        limits[resource.RLIMIT_AS] = memory_bytes
    for kind, limit in limits.items():
        # refused where a stricter limit is inherited already, or the system knows none of this kind
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
