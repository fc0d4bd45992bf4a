"""Probing files that are named: what `reprobe`, `failures --retry` and `lookup --probe-missing` share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from qacache.assembly import make_crew, make_filters, open_store
from qacache.cli.run import show_run
from qacache.scan.refresh import Refresh

if TYPE_CHECKING:
    from collections.abc import Generator

    from qacache.client.server import Server
    from qacache.config import Config

PROBED_THERE = "how files are probed there, the server's configuration says"


def probe_again(config: Config, paths: Generator[bytes, None, None], *, create: bool, as_json: bool) -> int:
    """Probe `paths` and the videos below them, store and show what became of each; return the exit status.

    `paths` are closed while the store is open: they may well be read from it.
    """
    crew = make_crew(config)
    with open_store(config, create=create) as store, closing(paths):
        run = Refresh(store, crew, make_filters(config))
        return show_run(run, run.events(paths), as_json=as_json)


def probe_again_there(server: Server, path: str, asked: object, *, as_json: bool) -> int:
    """Have a server probe what is asked for at `path` of its API, and show it; return the exit status."""
    from qacache.client.runs import RemoteRefresh

    run = RemoteRefresh(server, path, asked)
    return show_run(run, run.events(), as_json=as_json)
