"""qacache remembers what is inside every video of a large library, and answers at once.

The library behind the `qacache` command. To scan and to look up:

    from qacache import Crew, Filters, LibavProber, Reader, RetrySchedule, Scan, ScanOptions, Store

    with Store("videos.db", create=True, retries=RetrySchedule(3600, 86400)) as store:
        scan = Scan(store, Crew(LibavProber()), ScanOptions(filters=Filters(["mp4", "mkv"])))
        for event in scan.events([b"/mnt/videos"]):
            print(event)

Names are loaded when they are first used: a program that only looks up pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qacache.errors import QacacheError
    from qacache.exchange.exports import export
    from qacache.models import Failure, FileStat, MediaInfo, Probe, Stream
    from qacache.probe import Prober
    from qacache.probe.auto import AutoProber
    from qacache.probe.ffprobe import FfprobeProber
    from qacache.probe.libav.prober import LibavProber
    from qacache.record import Record
    from qacache.scan.crew import Crew
    from qacache.scan.discovery import Filters
    from qacache.scan.mounts import Limits, Mounts
    from qacache.scan.pipeline import Scan, ScanOptions
    from qacache.scan.refresh import Refresh
    from qacache.selection import Selection, SortKey
    from qacache.store.reader import Reader
    from qacache.store.retries import RetrySchedule
    from qacache.store.search import Search
    from qacache.store.session import Store

__version__ = "0.1.0"

__all__ = [
    "AutoProber",
    "Crew",
    "Failure",
    "FfprobeProber",
    "FileStat",
    "Filters",
    "LibavProber",
    "Limits",
    "MediaInfo",
    "Mounts",
    "Probe",
    "Prober",
    "QacacheError",
    "Reader",
    "Record",
    "Refresh",
    "RetrySchedule",
    "Scan",
    "ScanOptions",
    "Search",
    "Selection",
    "SortKey",
    "Store",
    "Stream",
    "__version__",
    "export",
]

_HOMES = {
    "qacache.errors": ("QacacheError",),
    "qacache.exchange.exports": ("export",),
    "qacache.models": ("Failure", "FileStat", "MediaInfo", "Probe", "Stream"),
    "qacache.probe": ("Prober",),
    "qacache.probe.auto": ("AutoProber",),
    "qacache.probe.ffprobe": ("FfprobeProber",),
    "qacache.probe.libav.prober": ("LibavProber",),
    "qacache.record": ("Record",),
    "qacache.scan.crew": ("Crew",),
    "qacache.scan.discovery": ("Filters",),
    "qacache.scan.mounts": ("Limits", "Mounts"),
    "qacache.scan.pipeline": ("Scan", "ScanOptions"),
    "qacache.scan.refresh": ("Refresh",),
    "qacache.selection": ("Selection", "SortKey"),
    "qacache.store.reader": ("Reader",),
    "qacache.store.retries": ("RetrySchedule",),
    "qacache.store.search": ("Search",),
    "qacache.store.session": ("Store",),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
