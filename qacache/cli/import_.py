"""`qacache import`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.assembly import open_store
from qacache.cli.counting import counting
from qacache.cli.import_report import JsonReport, TextReport, tell_unused
from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.config import load
from qacache.exchange.imports import Import
from qacache.exchange.sources import Source
from qacache.pathmap import PathMap, parse_pairs
from qacache.store.intake import Preview

if TYPE_CHECKING:
    from qacache.config import Config
    from qacache.exchange.imports import Intake

app = command_app()

ERROR = 1
SOME_REFUSED = 3

_STATUS_WORDS = {
    ERROR: "error, or a file that could not be read to its end",
    SOME_REFUSED: "done, but some records were refused",
}


@app.command("import", epilog=exit_statuses(0, 1, 2, 3, 11, 12, 130, words=_STATUS_WORDS))
def import_(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Exports, snapshots and stores; - is standard input.")
    ],
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FROM=TO", help="Take the folder FROM of the files for TO here; several times."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take what is imported, also where what is stored is newer.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be imported.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Take in what another qacache knows.

    Takes NDJSON, CSV, snapshots and stores, compressed or not. Of a file that both know, what was seen last counts; of
    the same size and mtime, what was probed last. A record that is not right is named and left out. What is imported
    counts as known: a scan probes such a file only if its size or mtime is another.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    mapped = PathMap(parse_pairs(maps or ()))
    report = JsonReport(dry_run) if json else TextReport(dry_run)
    with ExitStack() as opened:
        run = Import(_intake(settings, dry_run, opened), mapped=mapped, replace=replace)
        is_over = False
        try:
            with counting() as tell:
                for source in map(Source, files):
                    for event in run.events(source):
                        report.add(event)
                        tell(run.summary.records, source.share_read())
            is_over = True
        finally:
            # what was stored is stored, whatever ended the rest
            report.end(run.summary, is_over=is_over)
    if run.summary.records:
        tell_unused(mapped.unused)
    raise typer.Exit(ERROR if run.summary.given_up else SOME_REFUSED if run.summary.refused else 0)


def _intake(settings: Config, dry_run: bool, opened: ExitStack) -> Intake:
    if dry_run:
        return opened.enter_context(Preview(settings.db.path))
    return opened.enter_context(open_store(settings)).writer
