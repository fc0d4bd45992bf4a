"""What the configuration asks for, put together: a crew that probes, filters, options of a scan, and the store.

In: a `Config`. Out: what the scans of the command line and of the server run with, so that both do the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qacache.probe.engines import make_prober
from qacache.scan.crew import Crew
from qacache.scan.discovery import Filters
from qacache.scan.mounts import Limits, Mounts
from qacache.scan.pipeline import ScanOptions
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.config import Config
    from qacache.probe import Prober


def make_crew(config: Config, wrap: Callable[[Prober], Prober] = lambda prober: prober) -> Crew:
    """Return the configured crew, with what `wrap` makes of each prober that is asked.

    Raises `ProberMissing` where there is nothing to probe with.
    """
    prober = make_prober(config.ffprobe, wrap)
    return Crew(prober, make_mounts(config), jobs=config.ffprobe.concurrency, rate=config.scan.rate_per_s)


def make_mounts(config: Config) -> Mounts:
    """Return what is known of mounts before any was looked at: the limits that are configured."""
    by_folder = config.mounts.by_folder.items()
    return Mounts(
        {os.fsencode(folder): Limits(limits.concurrency, limits.rate_per_s) for folder, limits in by_folder},
        network_concurrency=config.scan.network_concurrency,
        hang_s=config.scan.hang_timeout_s,
    )


def make_filters(config: Config) -> Filters:
    """Return the configured choice of files."""
    return Filters(config.scan.extensions, config.scan.skip_names)


def make_options(
    config: Config,
    *,
    force: bool = False,
    verify_digest: bool = False,
    dry_run: bool = False,
    accept_shrink: bool = False,
) -> ScanOptions:
    """Return the configured way to scan; what is asked for besides, is that of `ScanOptions`."""
    return ScanOptions(
        filters=make_filters(config),
        settle_s=config.scan.settle_s,
        force=force,
        verify_digest=verify_digest,
        dry_run=dry_run,
        accept_shrink=accept_shrink,
        max_shrink=config.scan.max_shrink,
    )


def open_store(config: Config, *, create: bool = True) -> Store:
    """Return the configured store, open for writing; with `create` it is made where there is none."""
    retries = RetrySchedule(config.scan.retry_min_s, config.scan.retry_max_s)
    return Store(config.db.path, busy_timeout_s=config.db.busy_timeout_s, retries=retries, create=create)
