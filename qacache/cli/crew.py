"""The crew that the configuration asks for: what probes, how much of it at a time, and how gently."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qacache.probe.engines import make_prober
from qacache.scan.crew import Crew
from qacache.scan.mounts import Limits, Mounts

if TYPE_CHECKING:
    from qacache.config import Config


def make_mounts(config: Config) -> Mounts:
    """Return the mounts with their configured limits."""
    by_folder = config.mounts.by_folder.items()
    return Mounts(
        {os.fsencode(folder): Limits(limits.concurrency, limits.rate_per_s) for folder, limits in by_folder},
        network_concurrency=config.scan.network_concurrency,
        hang_s=config.scan.hang_timeout_s,
    )


def make_crew(config: Config) -> Crew:
    """Return the configured crew; raises `ProberMissing` where there is nothing to probe with."""
    prober = make_prober(config.ffprobe)
    return Crew(prober, make_mounts(config), jobs=config.ffprobe.concurrency, rate=config.scan.rate_per_s)
