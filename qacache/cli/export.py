"""`qacache export`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from qacache.cli.counting import counted, counting
from qacache.cli.export_output import Format, Told, chosen_form, print_export
from qacache.cli.option_group import with_option_groups
from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.cli.scans import known_scan
from qacache.cli.selecting import SelectionOptions, option
from qacache.config import load
from qacache.errors import UsageError
from qacache.exchange.exports import entries, selected
from qacache.exchange.outputs import write_file
from qacache.selection import Selection
from qacache.selection_text import STATUSES
from qacache.store.history import History
from qacache.store.reader import Reader
from qacache.store.search import Search

app = command_app()

NOT_FOUND = 3
STDOUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions(SelectionOptions):
    """The criteria of `find`, but that files of every status are meant by default."""

    status: Annotated[
        list[str] | None,
        option("status", "STATUS", "Only what was so at the last scan", STATUSES),
    ] = None


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 12, 130))
@with_option_groups
def export(
    options: ExportOptions,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; by default, all.")
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(metavar="SCAN", help="Only what changed, or was looked into, after that scan: see qacache scans."),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="How records are written: by the name of the file, else as NDJSON."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to FILE, whole or not at all; .gz compresses it; - is stdout."
        ),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="With the prober's whole answer (NDJSON, SQLite).")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Write what is stored, for other programs and other stores.

    NDJSON has a record a line, as --json has everywhere. CSV is for spreadsheets, without tags and streams. SQLite is
    a store of its own, smaller, to be asked with --db. All of them can be imported. What is selected comes in path
    order; PATHs alone come in the order in which they are named.
    """
    if output == STDOUT:
        output = None
    form = chosen_form(format_, output, as_json=json)
    if raw and form == "csv":
        raise UsageError("CSV has no room for whole answers", hint="export NDJSON, or leave out --raw")
    selection = replace(options.selection(), changed_since=since)
    settings = load(config_path=config, flags={"db.path": db}).config
    named = [os.fsencode(path) for path in (*(paths or ()), *(options.under or ()))]
    told = Told()
    with ExitStack() as opened:
        reader = opened.enter_context(Reader(settings.db.path))
        if selection == Selection() and not options.under:
            chosen = entries(reader, named, raw=raw)
        else:
            _check_scan(settings.db.path, since)
            search = opened.enter_context(Search(settings.db.path, timeout_s=options.where_timeout_s()))
            chosen = selected(search, selection, named, raw=raw)
        tell = opened.enter_context(counting(quiet=output is None and sys.stdout.isatty()))
        known = counted(told.known(chosen), tell)
        if output is None:
            print_export(known, form, reader)
        else:
            write_file(output, known, form, reader)
    told.end(output)
    raise typer.Exit(NOT_FOUND if told.unknown else 0)


def _check_scan(store: str, scan_id: int | None) -> None:
    if scan_id is not None:
        with History(store) as history:
            known_scan(history, scan_id)
