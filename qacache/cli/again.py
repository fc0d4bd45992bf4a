"""Probing files that are named: what `reprobe`, `failures --retry` and `lookup --probe-missing` share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from qacache.cli.options import make_filters, open_store
from qacache.cli.run import show_run
from qacache.probe.engines import make_prober
from qacache.scan.crew import Crew
from qacache.scan.refresh import Refresh

if TYPE_CHECKING:
    from collections.abc import Generator

    from qacache.config import Config


def probe_again(config: Config, paths: Generator[bytes, None, None], *, create: bool, as_json: bool) -> int:
    """Probe `paths` and the videos below them, store and show what became of each; return the exit status.

    `paths` are closed while the store is open: they may well be read from it.
    """
    crew = make_crew(config)
    with open_store(config, create=create) as store, closing(paths):
        run = Refresh(store, crew, make_filters(config))
        return show_run(run, run.events(paths), as_json=as_json)


def make_crew(config: Config) -> Crew:
    """Return the configured crew: what probes, and how much of it at a time."""
    return Crew(
        make_prober(config.ffprobe),
        jobs=config.ffprobe.concurrency,
        rate=config.scan.rate_per_s,
        hang_s=config.scan.hang_timeout_s,
    )
