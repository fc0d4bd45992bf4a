"""The program of a child: paths come in on standard input, ffprobe's JSON of each file goes out on standard output.

Both are parted into messages by `wire`. The first answer is a greeting, which tells the version. After that each path
gets one answer: what `describe` makes of the file, or an `error` as ffprobe shows it, and what libav's log said.
Whatever else is printed, by whichever library, goes to standard error. The child ends when its input does, even in the
middle of a file: its parent is gone then.
"""

from __future__ import annotations

import json
import logging
import os
import select
import threading
from typing import TYPE_CHECKING, Any

import av
import av.logging

from qacache.probe.formats import ALLOWED_FORMATS, ALLOWED_PROTOCOLS
from qacache.probe.libav import wire
from qacache.probe.libav.describe import describe

if TYPE_CHECKING:
    from qacache.probe.verdicts import Said

_STDIN, _STDOUT, _STDERR = 0, 1, 2
# What is kept of the log of one file.
_MOST_MESSAGES = 50
_OPTIONS = {
    "protocol_whitelist": ALLOWED_PROTOCOLS,
    "format_whitelist": ALLOWED_FORMATS,
    "scan_all_pmts": "1",  # as ffprobe does: all programs of a transport stream
}


class _Log(logging.Handler):
    """Keeps the first messages of libav, which PyAV hands to Python's logging."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[Said] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        if len(self.said) < _MOST_MESSAGES:
            # the logger's name is "libav." and the part that speaks, which may have several names
            self.said.append((record.name.partition(".")[2].partition(",")[0], record.getMessage()))


def main() -> None:
    """Answer until the input ends."""
    answers = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    log = _Log()
    _listen(log)
    wire.send(answers, json.dumps({"version": av.ffmpeg_version_info}).encode())
    while (path := wire.receive(_STDIN)) is not None:
        wire.send(answers, json.dumps(_probe(path, log)).encode())


def _probe(path: bytes, log: _Log) -> dict[str, Any]:
    log.said = []
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


def _listen(log: _Log) -> None:
    logger = logging.getLogger("libav")
    logger.addHandler(log)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    # of two equal messages, the second is one of the next file, perhaps
    av.logging.set_skip_repeated(False)


def _end_with_the_parent() -> None:
    poll = select.poll()
    poll.register(_STDIN, 0)  # no event but that the other end is closed
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
