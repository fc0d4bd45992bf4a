"""The prober that the configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.config.sections import FFPROBE
from qacache.errors import ProberMissing
from qacache.probe.auto import AutoProber
from qacache.probe.ffprobe import VERSION_TIMEOUT_S, FfprobeProber
from qacache.probe.libav.prober import LibavProber

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.config.sections import Ffprobe
    from qacache.probe import Prober


def make_prober(wanted: Ffprobe, wrap: Callable[[Prober], Prober] = lambda prober: prober) -> Prober:
    """Return the prober of the engine that is `wanted`; raises `ProberMissing` where there is none.

    `auto` makes do with one of the two, but an ffprobe that somebody has named has to be there. It asks what `wrap`
    makes of each.
    """
    match wanted.engine:
        case "libav":
            return wrap(make_libav(wanted))
        case "ffprobe":
            return wrap(make_ffprobe(wanted))
    try:
        libav = wrap(make_libav(wanted))
    except ProberMissing:
        return wrap(make_ffprobe(wanted))
    try:
        return AutoProber(libav, wrap(make_ffprobe(wanted)))
    except ProberMissing:
        if wanted.path != FFPROBE:
            raise
        return libav


def make_libav(wanted: Ffprobe) -> LibavProber:
    """Return the libav prober, whatever engine is wanted; raises `ProberMissing`."""
    return LibavProber(timeout_s=wanted.timeout_s, memory_bytes=wanted.memory_limit_bytes)


def make_ffprobe(wanted: Ffprobe, *, version_timeout_s: float = VERSION_TIMEOUT_S) -> FfprobeProber:
    """Return the ffprobe prober, whatever engine is wanted; raises `ProberMissing`."""
    return FfprobeProber(
        wanted.path,
        timeout_s=wanted.timeout_s,
        memory_bytes=wanted.memory_limit_bytes,
        version_timeout_s=version_timeout_s,
    )
