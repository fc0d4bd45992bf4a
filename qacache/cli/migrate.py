"""`qacache migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.config import load
from qacache.store import migrations
from qacache.text import json_line, printable

app = command_app()

OUTDATED = 12


@app.command(epilog=exit_statuses(0, 1, 2, 10, 11, 12, 130))
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
    else:
        typer.echo("\n".join(map(printable, _lines(path, steps, backup, check))))
    raise typer.Exit(OUTDATED if check and steps else 0)


def _lines(path: str, steps: list[str], backup: str | None, is_check: bool) -> list[str]:
    if not steps:
        return [f"up to date: {path}"]
    if is_check:
        return [f"out of date: {path}", f"to be done: {', '.join(steps)}"]
    return [f"brought up to date: {path}", f"done: {', '.join(steps)}", f"backup: {backup}"]
