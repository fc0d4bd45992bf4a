"""The auto prober: one that is fast, and another for what the first could not fully describe."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from qacache.errors import ProberMissing
from qacache.models import Failure
from qacache.probe import PASSING

if TYPE_CHECKING:
    from qacache.models import MediaInfo, Probe, Stream
    from qacache.probe import Prober

# What may be the prober's fault. Not that of the system, not a time-out, which would only be waited for twice, and not
# what was refused on purpose.
_DOUBTFUL = frozenset({"invalid-data", "no-streams", "bad-output", "crashed", "memory-limit"})


class AutoProber:
    """Asks `first`; where that fails, or leaves out what players need, the better answer of both is the answer."""

    def __init__(self, first: Prober, second: Prober) -> None:
        self._first = first
        self._second = second
        self._is_first_missing = False

    @property
    def version(self) -> str:
        """The versions of both, such as `libav 8.1.2, ffprobe 5.1.9`: a failure is one of both."""
        versions = []
        for prober in (self._second,) if self._is_first_missing else (self._first, self._second):
            with suppress(ProberMissing):
                versions.append(prober.version)
        return ", ".join(versions) or self._second.version

    @property
    def longest_s(self) -> float:
        """How many seconds a probe takes at most."""
        return self._first.longest_s + self._second.longest_s

    @property
    def abandoned(self) -> int:
        """How many probes hang in a way that not even SIGKILL ended."""
        return self._first.abandoned + self._second.abandoned

    def probe(self, path: bytes) -> Probe | Failure:
        """Return what is in the file at the absolute `path`, or why that cannot be told.

        Where both fail it is the first that says why. Raises `ProberMissing` where there is neither any more.
        """
        if self._is_first_missing:
            return self._second.probe(path)
        try:
            answer = self._first.probe(path)
        except ProberMissing:
            self._is_first_missing = True
            return self._second.probe(path)
        if isinstance(answer, Failure):
            if answer.reason not in _DOUBTFUL:
                return answer
        elif None not in _facts(answer.media):
            return answer
        return self._better(answer, path)

    def cancel(self) -> None:
        """End all probes that run, and refuse new ones."""
        self._first.cancel()
        self._second.cancel()

    def resume(self) -> None:
        """Take new probes again after `cancel`."""
        self._first.resume()
        self._second.resume()

    def close(self) -> None:
        """End what is kept running between probes."""
        self._first.close()
        self._second.close()

    def _better(self, answer: Probe | Failure, path: bytes) -> Probe | Failure:
        try:
            other = self._second.probe(path)
        except ProberMissing:
            return answer
        if isinstance(other, Failure):
            # what says nothing of the file must not be taken for the last word on it
            return other if other.reason in PASSING else answer
        return other if isinstance(answer, Failure) or _known(other.media) > _known(answer.media) else answer


def _facts(media: MediaInfo) -> list[object]:
    """Return what players need to know, None for what is missing."""
    return [fact for stream in media.streams for fact in _needed(stream)]


def _known(media: MediaInfo) -> int:
    return sum(fact is not None for fact in _facts(media))


def _needed(stream: Stream) -> tuple[object, ...]:
    match stream.codec_type:
        case "video":
            # without a decoder there is no pixel format
            return stream.codec_name, stream.width, stream.height, stream.pix_fmt
        case "audio":
            return stream.codec_name, stream.sample_rate, stream.channels
    return ()
