"""`qacache vacuum`."""

from __future__ import annotations

from typing import Annotated

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.cli.tables import size_text
from qacache.config import load
from qacache.store.maintenance import Maintenance
from qacache.text import json_line

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 10, 11, 12, 130))
def vacuum(
    config: ConfigOption = None,
    db: DbOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be forgotten.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Write the whole store anew: smallest, but it takes room and time.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Forget what has been away for long, and shrink the store.

    How long is told by maintenance.prune_after and maintenance.history of the configuration.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    maintenance = Maintenance(
        settings.db.path,
        prune_after=settings.maintenance.prune_after,
        history_s=settings.maintenance.history_s,
        busy_timeout_s=settings.db.busy_timeout_s,
    )
    pruned = maintenance.prune(full=full, dry_run=dry_run)
    if json:
        typer.echo(json_line({**pruned._asdict(), "dry_run": dry_run}), nl=False)
        return
    counts = ((pruned.files, "file"), (pruned.changes, "change"), (pruned.scans, "scan"))
    what = ", ".join(f"{number:,} {name}{'s' * (number != 1)}" for number, name in counts if number) or "nothing"
    if dry_run:
        typer.echo(f"would forget {what}")
    else:
        sizes = f"{size_text(pruned.size_before)} before, {size_text(pruned.size_after)} now"
        typer.echo(f"forgot {what}; the store: {sizes}")
