"""The prober that the configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.config.sections import FFPROBE
from qacache.errors import ProberMissing
from qacache.probe.auto import AutoProber
from qacache.probe.ffprobe import FfprobeProber
from qacache.probe.libav.prober import LibavProber

if TYPE_CHECKING:
    from qacache.config.sections import Ffprobe
    from qacache.probe import Prober


def make_prober(wanted: Ffprobe) -> Prober:
    """Return the prober of the engine that is `wanted`; raises `ProberMissing` where there is none.

    `auto` makes do with one of the two, but an ffprobe that somebody has named has to be there.
    """
    match wanted.engine:
        case "libav":
            return _libav(wanted)
        case "ffprobe":
            return _ffprobe(wanted)
    try:
        libav = _libav(wanted)
    except ProberMissing:
        return _ffprobe(wanted)
    try:
        return AutoProber(libav, _ffprobe(wanted))
    except ProberMissing:
        if wanted.path != FFPROBE:
            raise
        return libav


def _libav(wanted: Ffprobe) -> LibavProber:
    return LibavProber(timeout_s=wanted.timeout_s, memory_bytes=wanted.memory_limit_bytes)


def _ffprobe(wanted: Ffprobe) -> FfprobeProber:
    return FfprobeProber(wanted.path, timeout_s=wanted.timeout_s, memory_bytes=wanted.memory_limit_bytes)
