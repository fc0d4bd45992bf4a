"""Checks of what probes: is it there, which release is it, and does it describe a file."""

from __future__ import annotations

import os
import tempfile
import wave
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from qacache.config.sections import FFPROBE
from qacache.errors import ProberMissing
from qacache.models import Failure
from qacache.probe.engines import make_ffprobe, make_libav
from qacache.readiness.verdicts import Section, Verdict

if TYPE_CHECKING:
    from qacache.config import Ffprobe
    from qacache.probe import Prober

_SAMPLE_HZ = 8000


def prober_section(wanted: Ffprobe, most_s: float) -> Section:
    """Return the checks of the probers that are configured, each of which may take `most_s` seconds."""
    # to tell its version, and to probe: what is stopped by itself leaves no process behind
    checks = _ProberChecks(replace(wanted, timeout_s=min(wanted.timeout_s, most_s / 2)), most_s / 2)
    return Section("probers", (("prober-libav", checks.libav), ("prober-ffprobe", checks.ffprobe)))


class _ProberChecks:
    """The checks of both, of which the second knows what came of the first: one of them is enough for `auto`."""

    def __init__(self, wanted: Ffprobe, version_timeout_s: float) -> None:
        self._wanted = wanted
        self._version_timeout_s = version_timeout_s
        self._is_libav_missing = False

    def libav(self) -> Verdict:
        """Say whether libav probes, if it is to."""
        if self._wanted.engine == "ffprobe":
            return _not_asked("libav", self._wanted.engine)
        try:
            return _tried(make_libav(self._wanted))
        except ProberMissing as error:
            if self._wanted.engine == "libav":
                raise
            self._is_libav_missing = True
            return Verdict("warning", f"{error}: all is probed by ffprobe, which takes longer", error.hint or "")

    def ffprobe(self) -> Verdict:
        """Say whether ffprobe probes, if it is to."""
        if self._wanted.engine == "libav":
            return _not_asked("ffprobe", self._wanted.engine)
        try:
            return _tried(make_ffprobe(self._wanted, version_timeout_s=self._version_timeout_s))
        except ProberMissing as error:
            is_needed = self._is_libav_missing or self._wanted.engine == "ffprobe" or self._wanted.path != FFPROBE
            if is_needed:
                raise
            return Verdict("skipped", f"{error}: what libav cannot fully describe stays so", error.hint or "")


def _not_asked(name: str, engine: str) -> Verdict:
    return Verdict("skipped", f"{name} is not asked: ffprobe.engine is {engine}")


def _tried(prober: Prober) -> Verdict:
    """Have a tenth of a second of silence described; raises `ProberMissing`."""
    version = prober.version
    with tempfile.TemporaryDirectory(prefix="qacache-doctor-") as folder, closing(prober):
        path = os.path.join(folder, "silence.wav")
        with wave.open(path, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(_SAMPLE_HZ)
            sound.writeframes(bytes(2 * _SAMPLE_HZ // 10))
        answer = prober.probe(os.fsencode(path))
    if isinstance(answer, Failure):
        return Verdict(
            "failed",
            f"{version} cannot describe a plain sound: {answer.reason}: {answer.message}",
            "see [ffprobe] in the configuration: time-out and memory limit; or install it anew",
        )
    return Verdict("ok", f"{version} probes")
