"""`qacache export`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.cli.text import json_line, printable
from qacache.config import load
from qacache.exchange.exports import export as export_records
from qacache.record import to_dict
from qacache.store.reader import Reader

app = command_app()

NOT_FOUND = 3


class Format(StrEnum):
    """How records are written."""

    NDJSON = "ndjson"


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 12, 130))
def export(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; by default, all.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How records are written.")] = Format.NDJSON,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Print all that is stored, a JSON record a line."""
    del format_, json  # there is one format so far, and it is JSON
    settings = load(config_path=config, flags={"db.path": db}).config
    status = 0
    with Reader(settings.db.path) as reader:
        for record in export_records(reader, [os.fsencode(path) for path in paths or ()]):
            if isinstance(record, bytes):
                sys.stderr.write(f"qacache: not in the store: {printable(record)}\n")
                status = NOT_FOUND
            else:
                sys.stdout.write(json_line(to_dict(record)))
    raise typer.Exit(status)
