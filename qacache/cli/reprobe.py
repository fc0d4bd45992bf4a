"""`qacache reprobe`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli.options import (
    ConfigOption,
    DbOption,
    EngineOption,
    JsonOption,
    command_app,
    exit_statuses,
    make_filters,
    open_store,
)
from qacache.cli.run import show_run
from qacache.config import load
from qacache.errors import UsageError
from qacache.paths import absolute
from qacache.probe.engines import make_prober
from qacache.scan.crew import Crew
from qacache.scan.refresh import Refresh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.store.reader import Reader

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 11, 12, 13, 130))
def reprobe(
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders.")] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    engine: EngineOption = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only files whose last probe failed: all, or those at or below PATH.")
    ] = False,
    jobs: Annotated[str | None, typer.Option(metavar="N", help="Probe up to N files at a time.")] = None,
    rate: Annotated[str | None, typer.Option(metavar="N", help="Look into at most N files a second.")] = None,
    json: JsonOption = False,
) -> None:
    """Probe files again, whatever is stored of them."""
    flags = {"db.path": db, "ffprobe.engine": engine, "ffprobe.concurrency": jobs, "scan.rate": rate}
    settings = load(config_path=config, flags=flags).config
    names = [absolute(os.fsencode(path)) for path in paths or ()]
    if not names and not failed:
        raise UsageError("no paths to probe", hint="name files or folders, or pass --failed")
    crew = Crew(make_prober(settings.ffprobe), jobs=settings.ffprobe.concurrency, rate=settings.scan.rate_per_s)
    with open_store(settings, create=not failed) as store:
        run = Refresh(store, crew, make_filters(settings))
        wanted = _failed(names or [b"/"], store.reader) if failed else iter(names)
        status = show_run(run, run.events(wanted), as_json=json)
    raise typer.Exit(status)


def _failed(paths: Sequence[bytes], reader: Reader) -> Iterator[bytes]:
    for path in paths:
        found = reader.find(path, ())
        if found is not None and found.status == "failed":
            yield path
        yield from (each.path for each in reader.below(path, (), only_failed=True))
