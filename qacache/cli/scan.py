"""`qacache scan`."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli.crew import make_crew
from qacache.cli.options import (
    ConfigOption,
    DbOption,
    EngineOption,
    JobsOption,
    JsonOption,
    RateOption,
    command_app,
    exit_statuses,
    make_filters,
    open_store,
)
from qacache.cli.run import show_run
from qacache.config import load
from qacache.errors import UsageError
from qacache.paths import absolute
from qacache.scan.discovery import Filters, count_files
from qacache.scan.pipeline import Scan, ScanOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.store.reader import Reader

# For the time left to be shown at a first scan, the files are counted; a library that takes longer goes without.
_COUNT_S = 2.0

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 11, 12, 13, 14, 130))
def scan(
    roots: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROOT]...", help="Folders to scan; by default scan.roots of the configuration."),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    engine: EngineOption = None,
    jobs: JobsOption = None,
    rate: RateOption = None,
    settle: Annotated[
        str | None, typer.Option(metavar="TIME", help="Leave files alone that were written to less than TIME ago.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Probe every file, whatever is stored.")] = False,
    verify_digest: Annotated[
        bool,
        typer.Option("--verify-digest", help="Compare the content, too, of files of the same size and mtime."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be looked into.")] = False,
    accept_shrink: Annotated[
        bool,
        typer.Option(
            "--accept-shrink", help="Believe in a root that is empty, has lost most files, or is not what it was."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Find the videos below folders, and remember what is in them.

    Only what is new or changed since the last scan is probed.
    """
    flags = {
        "db.path": db,
        "ffprobe.engine": engine,
        "ffprobe.concurrency": jobs,
        "scan.rate": rate,
        "scan.settle": settle,
    }
    settings = load(config_path=config, flags=flags).config
    folders = [absolute(os.fsencode(root)) for root in roots or settings.scan.roots]
    if not folders:
        raise UsageError(
            "no folder to scan", hint="name one: qacache scan FOLDER, or set scan.roots in the configuration"
        )
    options = ScanOptions(
        filters=make_filters(settings),
        settle_s=settings.scan.settle_s,
        force=force,
        verify_digest=verify_digest,
        dry_run=dry_run,
        accept_shrink=accept_shrink,
        max_shrink=settings.scan.max_shrink,
    )
    crew = make_crew(settings)
    with open_store(settings) as store:
        run = Scan(store, crew, options)
        expected = _expected(folders, options.filters, store.reader) if sys.stderr.isatty() else None
        status = show_run(run, run.events(folders), as_json=json, expected=expected)
    raise typer.Exit(status)


def _expected(folders: Sequence[bytes], filters: Filters, reader: Reader) -> int | None:
    """Return about how many files there will be, None where that takes too long to find out."""
    counts = {root.path: root.file_count for root in reader.roots()}
    if all(folder in counts for folder in folders):
        return sum(counts[folder] for folder in folders)
    deadline = time.monotonic() + _COUNT_S
    return count_files(folders, filters, is_over=lambda: time.monotonic() > deadline)
