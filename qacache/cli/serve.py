"""`qacache serve`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from qacache import logs
from qacache.cli import ERROR
from qacache.cli.options import ConfigOption, DbOption, EngineOption, JobsOption, RateOption, command_app, exit_statuses
from qacache.config import load
from qacache.serve.notify import Notifier, handed_sockets
from qacache.serve.service import Service

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 11, 12))
def serve(
    config: ConfigOption = None,
    db: DbOption = None,
    addr: Annotated[
        str | None,
        typer.Option("--addr", metavar="ADDRESS", help="Listen there, such as 127.0.0.1:8417 or :8417 for all."),
    ] = None,
    engine: EngineOption = None,
    jobs: JobsOption = None,
    rate: RateOption = None,
) -> None:
    """Answer over HTTP, until SIGTERM or Ctrl-C.

    What it is asked, /api/v1/openapi.json describes. It listens to this machine alone, unless server.addr and
    server.token_file say otherwise; TLS is the work of a proxy. SIGHUP has the tokens read again. The status is 1
    where something did not come to its end within server.drain.
    """
    flags = {
        "db.path": db,
        "server.addr": addr,
        "ffprobe.engine": engine,
        "ffprobe.concurrency": jobs,
        "scan.rate": rate,
    }
    settings = load(config_path=config, flags=flags).config
    environ = os.environ
    with logs.set_up(settings.log, environ):
        service = Service(
            settings,
            Notifier(environ),
            credentials=environ.get("CREDENTIALS_DIRECTORY", ""),
            handed=handed_sockets(environ),
        )
        is_whole = service.run()
    sys.stdout.flush()
    raise typer.Exit(0 if is_whole else ERROR)
