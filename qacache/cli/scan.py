"""`qacache scan`."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.assembly import make_crew, make_options, open_store
from qacache.cli.again import PROBED_THERE
from qacache.cli.asking import refuse, server_for
from qacache.cli.options import (
    ConfigOption,
    DbOption,
    EngineOption,
    JobsOption,
    JsonOption,
    RateOption,
    ServerOption,
    command_app,
    exit_statuses,
)
from qacache.cli.run import show_run
from qacache.config import load
from qacache.errors import UsageError
from qacache.paths import absolute
from qacache.scan.discovery import Filters, count_files
from qacache.scan.pipeline import Scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.client.server import Server
    from qacache.store.reader import Reader

# For the time left to be shown at a first scan, the files are counted; a library that takes longer goes without.
_COUNT_S = 2.0

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 11, 12, 13, 14, 15, 130))
def scan(
    roots: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROOT]...", help="Folders to scan; by default scan.roots of the configuration."),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    server: ServerOption = None,
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

    With a server, it scans its own folders, and this follows until the end. Ctrl-C ends the scan there as it does here,
    with all that is finished stored; while the server is out of reach, the scan goes on.
    """
    flags = {
        "db.path": db,
        "client.server_url": server,
        "ffprobe.engine": engine,
        "ffprobe.concurrency": jobs,
        "scan.rate": rate,
        "scan.settle": settle,
    }
    settings = load(config_path=config, flags=flags).config
    if there := server_for(settings, db=db, server=server):
        refuse({"--engine": engine, "--jobs": jobs, "--rate": rate, "--settle": settle}, hint=PROBED_THERE)
        refuse({"--dry-run": dry_run})
        wanted = {"force": force, "verify_digest": verify_digest, "accept_shrink": accept_shrink}
        raise typer.Exit(_scan_there(there, [absolute(os.fsencode(root)) for root in roots or ()], wanted, json))
    folders = [absolute(os.fsencode(root)) for root in roots or settings.scan.roots]
    if not folders:
        raise UsageError(
            "no folder to scan", hint="name one: qacache scan FOLDER, or set scan.roots in the configuration"
        )
    options = make_options(
        settings, force=force, verify_digest=verify_digest, dry_run=dry_run, accept_shrink=accept_shrink
    )
    crew = make_crew(settings)
    with open_store(settings) as store:
        run = Scan(store, crew, options)
        expected = _expected(folders, options.filters, store.reader) if sys.stderr.isatty() else None
        status = show_run(run, run.events(folders), as_json=json, expected=expected)
    raise typer.Exit(status)


def _scan_there(server: Server, folders: Sequence[bytes], options: Mapping[str, bool], as_json: bool) -> int:
    """Have a server scan, and show it; return the exit status."""
    from qacache.client.runs import RemoteScan

    run = RemoteScan(server, folders, options)
    return show_run(run, run.events(), as_json=as_json)


def _expected(folders: Sequence[bytes], filters: Filters, reader: Reader) -> int | None:
    """Return about how many files there will be, None where that takes too long to find out."""
    counts = {root.path: root.file_count for root in reader.roots()}
    if all(folder in counts for folder in folders):
        return sum(counts[folder] for folder in folders)
    deadline = time.monotonic() + _COUNT_S
    return count_files(folders, filters, is_over=lambda: time.monotonic() > deadline)
