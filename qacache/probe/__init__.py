"""Probing: from a path to what is in the file.

`Prober` is the interface. `qacache.probe.ffprobe` runs one hardened ffprobe process a file, `qacache.probe.libav` asks
FFmpeg's libraries in child processes that last, and `qacache.probe.auto` asks these first, and ffprobe for the rest.
Processes are started in this package and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from qacache.models import Failure, Probe

CANCELLED: Final = "cancelled"
"""The reason of the failure that a prober returns for a probe that `cancel` ended; it is never stored."""

TIMEOUT: Final = "timeout"
"""The reason of the failure of a file whose probe took too long."""

PASSING = frozenset({"no-process", "mount-gone", "no-answer", CANCELLED})
"""Reasons that say nothing of the file: the system was short of something, a mount went away. They are never stored."""


class Prober(Protocol):
    """Turns paths into media information; called from many threads at once."""

    @property
    def version(self) -> str:
        """Name and version, such as `ffprobe 5.1.9`; raises `ProberMissing`."""

    @property
    def longest_s(self) -> float:
        """How many seconds a probe takes at most."""

    @property
    def abandoned(self) -> int:
        """How many probes hang in a way that not even SIGKILL ended."""

    def probe(self, path: bytes) -> Probe | Failure:
        """Return what is in the file at the absolute `path`, or why that cannot be told.

        Raises nothing for a file, and `ProberMissing` where there is no prober any more.
        """

    def cancel(self) -> None:
        """End all probes that run, and refuse new ones. May be called from a signal handler."""

    def resume(self) -> None:
        """Take new probes again after `cancel`."""

    def close(self) -> None:
        """End what is kept running between probes; it is started again when it is needed."""
