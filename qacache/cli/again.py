"""Probing again: what `qacache reprobe` and `qacache failures --retry` share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli.options import make_filters, open_store
from qacache.cli.run import show_run
from qacache.probe.engines import make_prober
from qacache.scan.crew import Crew
from qacache.scan.refresh import Refresh

if TYPE_CHECKING:
    from collections.abc import Generator

    from qacache.config import Config

JobsOption = Annotated[str | None, typer.Option("--jobs", metavar="N", help="Probe up to N files at a time.")]
RateOption = Annotated[str | None, typer.Option("--rate", metavar="N", help="Look into at most N files a second.")]


def probe_again(config: Config, paths: Generator[bytes, None, None], *, create: bool, as_json: bool) -> int:
    """Probe `paths` and the videos below them, store and show what became of each; return the exit status.

    `paths` are closed while the store is open: they may well be read from it.
    """
    crew = Crew(make_prober(config.ffprobe), jobs=config.ffprobe.concurrency, rate=config.scan.rate_per_s)
    with open_store(config, create=create) as store, closing(paths):
        run = Refresh(store, crew, make_filters(config))
        return show_run(run, run.events(paths), as_json=as_json)
