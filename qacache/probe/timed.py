"""The timed prober: another one, of whose probes somebody is told how long each took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qacache.models import Failure
from qacache.probe import CANCELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.models import Probe
    from qacache.probe import Prober


class TimedProber:
    """Probes as `prober` does, and tells `took` its name and the seconds after each probe, from the thread of that.

    The name is `libav` or `ffprobe`. A probe that was cancelled says nothing of how long they take, and is not told.
    Raises `ProberMissing` where there is no prober to ask for its name.
    """

    def __init__(
        self,
        prober: Prober,
        took: Callable[[str, float], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prober = prober
        self._name = prober.version.partition(" ")[0]
        self._took = took
        self._monotonic = monotonic

    @property
    def version(self) -> str:
        """Name and version; raises `ProberMissing`."""
        return self._prober.version

    @property
    def longest_s(self) -> float:
        """How many seconds a probe takes at most."""
        return self._prober.longest_s

    @property
    def abandoned(self) -> int:
        """How many probes hang in a way that not even SIGKILL ended."""
        return self._prober.abandoned

    def probe(self, path: bytes) -> Probe | Failure:
        """Return what is in the file at the absolute `path`, or why that cannot be told."""
        began = self._monotonic()
        answer = self._prober.probe(path)
        if not (isinstance(answer, Failure) and answer.reason == CANCELLED):
            self._took(self._name, self._monotonic() - began)
        return answer

    def cancel(self) -> None:
        """End all probes that run, and refuse new ones."""
        self._prober.cancel()

    def resume(self) -> None:
        """Take new probes again after `cancel`."""
        self._prober.resume()

    def close(self) -> None:
        """End what is kept running between probes."""
        self._prober.close()
