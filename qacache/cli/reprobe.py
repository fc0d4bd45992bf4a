"""`qacache reprobe`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from qacache.cli.again import PROBED_THERE, probe_again, probe_again_there
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
from qacache.config import load
from qacache.errors import UsageError
from qacache.paths import absolute
from qacache.store.ledger import failed_files

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 11, 12, 13, 15, 130))
def reprobe(
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders.")] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    server: ServerOption = None,
    engine: EngineOption = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only files whose last probe failed: all, or those at or below PATH.")
    ] = False,
    jobs: JobsOption = None,
    rate: RateOption = None,
    json: JsonOption = False,
) -> None:
    """Probe files again, whatever is stored of them.

    With a server, it probes files below its own roots. Ctrl-C ends that, with all that is finished stored.
    """
    flags = {
        "db.path": db,
        "client.server_url": server,
        "ffprobe.engine": engine,
        "ffprobe.concurrency": jobs,
        "scan.rate": rate,
    }
    settings = load(config_path=config, flags=flags).config
    names = [absolute(os.fsencode(path)) for path in paths or ()]
    if not names and not failed:
        raise UsageError("no paths to probe", hint="name files or folders, or pass --failed")
    if there := server_for(settings, db=db, server=server):
        refuse({"--engine": engine, "--jobs": jobs, "--rate": rate}, hint=PROBED_THERE)
        if failed:
            asked = {"under": [os.fsdecode(name) for name in names]} if names else {}
            raise typer.Exit(probe_again_there(there, "/failures/retry", asked, as_json=json))
        raise typer.Exit(probe_again_there(there, "/reprobe", b"".join(name + b"\0" for name in names), as_json=json))
    wanted = (each.path for each in failed_files(settings.db.path, names)) if failed else (name for name in names)
    raise typer.Exit(probe_again(settings, wanted, create=not failed, as_json=json))
