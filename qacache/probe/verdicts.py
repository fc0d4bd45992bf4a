"""Why a probe failed: a stable reason for programs, and a sentence for people.

In: FFmpeg's error code, the signal that ended a process, and what FFmpeg's log said meanwhile, as pairs of the part
that spoke and its words. Out: the `Failure`, the same whichever prober met it.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from qacache.models import Failure
from qacache.os_failures import REASONS
from qacache.probe import CANCELLED, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qacache.models import Reason

Said = tuple[str, str]

_MESSAGE_CHARACTERS = 300
# The error codes of FFmpeg are the system's, negated, or its own: these two, AVERROR_INVALIDDATA and AVERROR_EOF.
_INVALID_DATA = -1094995529
_END_OF_FILE = -541478725
# What is said better than by FFmpeg, to which a file is an argument.
_VERDICTS = {
    -errno.EINVAL: "not readable as media",
    _INVALID_DATA: "not readable as media",
    _END_OF_FILE: "the file ends too soon",
}
# What the Matroska demuxer says where it returns EIO for a file that was cut off, and not for a disk that fails.
_CUT_OFF = ("File ended prematurely", "exceeds containing master element", "Truncating packet")
_REFUSED = "Format not on whitelist"
# FFmpeg 8 does not even try a playlist that is called something else.
_NOT_TRIED = "Not detecting m3u8/hls"
_REPEATED = re.compile(r"Last message repeated \d+ times")


def failed(reason: Reason, what: str, said: Iterable[Said] = ()) -> Failure:
    """Return the failure of a probe: what happened, and in brackets what the log said."""
    words = in_one_line(said)
    message = f"{what} ({words})" if words else what
    if len(message) > _MESSAGE_CHARACTERS:
        message = message[: _MESSAGE_CHARACTERS - 1] + "…"
    return Failure("probe", reason, message)


def refusal(said: Iterable[Said]) -> Failure | None:
    """Return the failure of a file whose content FFmpeg was told not to open; None where nothing says so."""
    for part, words in said:
        name = "hls" if words.startswith(_NOT_TRIED) else part if words.startswith(_REFUSED) else None
        if name:
            return failed("refused-format", f"the content is {name}, which may refer to other files: not opened")
    return None


def given_up(path: bytes, code: int, words: str, said: Iterable[Said]) -> Failure:
    """Return the failure that FFmpeg itself reports, by its error code, a negative number, and its words for it."""
    said = list(said)
    if code == -errno.EPERM and _opens(path):
        # the bare -1 of some demuxers, which mean damage
        code = _INVALID_DATA
    if code == -errno.EIO and any(sign in text for _, text in said for sign in _CUT_OFF):
        code = _END_OF_FILE
    if verdict := _VERDICTS.get(code):
        return failed("invalid-data", verdict, said)
    return failed(REASONS.get(-code, "invalid-data"), words[:1].lower() + words[1:], said)


# With these a service manager ends all processes of a service, and people what they want no more: no file is to blame.
_BY_SOMEBODY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def killed(prober: str, number: int, said: Iterable[Said] = ()) -> Failure:
    """Return the failure of a file whose prober a signal ended."""
    if number == signal.SIGXCPU:
        return failed(TIMEOUT, f"{prober} used too much CPU time", said)
    if number in _BY_SOMEBODY:
        return failed("no-process", f"{prober} was told to end ({signal.Signals(number).name})", said)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return failed("crashed", f"{prober} crashed ({name})", said)


def timed_out(prober: str, timeout_s: float, said: Iterable[Said] = ()) -> Failure:
    """Return the failure of a file that took too long."""
    return failed(TIMEOUT, f"{prober} was killed after {timeout_s:g} s", said)


def said_too_much(prober: str, said: Iterable[Said] = ()) -> Failure:
    """Return the failure of a file of which the answer has no end."""
    return failed("too-much-output", f"{prober} was killed: it would not stop printing", said)


def cancelled() -> Failure:
    """Return the failure of a file whose probe `cancel` ended."""
    return failed(CANCELLED, "the scan was stopped")


def no_process(prober: str, error: OSError) -> Failure:
    """Return the failure where the system is short of processes, memory or files."""
    return failed("no-process", f"{prober} could not be started: {error.strerror}")


def in_one_line(said: Iterable[Said]) -> str:
    """Return what the log said, each thing once, after the part that said it."""
    lines = ((part, " ".join(words.split()).strip(" .")) for part, words in said)
    told = dict.fromkeys((part, words) for part, words in lines if words and not _REPEATED.fullmatch(words))
    return "; ".join(
        (f"{part}: " if part else "") + "; ".join(words for _, words in spoken)
        for part, spoken in groupby(told, key=itemgetter(0))
    )


def _opens(path: bytes) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True
