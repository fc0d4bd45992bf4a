"""`qacache migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.cli.text import json_line, printable
from qacache.config import load
from qacache.store import migrations

app = command_app()

OUTDATED = 12


@app.command(epilog=exit_statuses(0, 1, 2, 10, 11, 12))
def migrate(
    config: ConfigOption = None,
    db: DbOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what there is to do; exit with 12 if there is anything.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Bring the store to the schema of this qacache.

    Before anything is changed, a backup is made beside the store.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    path = settings.db.path
    steps = migrations.pending(path)
    backup = None if check else migrations.migrate(path, settings.db.busy_timeout_s)
    if json:
        typer.echo(json_line({"path": path, "pending" if check else "applied": steps, "backup": backup}), nl=False)
    elif not steps:
        typer.echo(printable(f"up to date: {path}"))
    elif check:
        typer.echo(f"to be done: {', '.join(steps)}")
    else:
        typer.echo(f"done: {', '.join(steps)}\nbackup: {printable(backup or '')}")
    raise typer.Exit(OUTDATED if check and steps else 0)
