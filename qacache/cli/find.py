"""`qacache find`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli.asking import server_for
from qacache.cli.find_output import Format, form_of, write_files
from qacache.cli.option_group import with_option_groups
from qacache.cli.options import ConfigOption, DbOption, JsonOption, ServerOption, command_app, exit_statuses
from qacache.cli.selecting import SelectionOptions, known_places
from qacache.columns import KNOWN, parse_columns
from qacache.config import load
from qacache.errors import UsageError
from qacache.selection import RANDOM
from qacache.store.ordering import SORT_COLUMNS, parse_sort
from qacache.store.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qacache.cli.find_output import Files
    from qacache.selection import SortKey

app = command_app()

NOT_ALL = 3


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 12, 15, 130))
@with_option_groups
def find(
    options: SelectionOptions,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Only paths that have this in them, in any case; all, if several."),
    ] = None,
    sort: Annotated[
        list[str] | None,
        typer.Option(
            "--sort",
            metavar="COLUMN",
            help="In order of COLUMN; a minus descends: -size, -size,path.",
            autocompletion=lambda: [*SORT_COLUMNS, *(f"-{name}" for name in SORT_COLUMNS)],
        ),
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="In no order, another one each time.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="No more than N files; 0: all.  [default: 50 in a table, else all]"),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="COLUMN",
            help="These columns: path,size,duration_s,hdr.",
            autocompletion=lambda: list(KNOWN),
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="How files are written; by default a table on a terminal, and TSV elsewhere."),
    ] = None,
    print0: Annotated[bool, typer.Option("--print0", "-0", help="Print bare paths, each with NUL at its end.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    db: DbOption = None,
    server: ServerOption = None,
) -> None:
    """Find files by what is in them, or by parts of their paths.

    Everything that is asked for has to hold; of an option that is given more than once, one of its values. Only files
    that were there and readable at the last scan are found, unless --status says otherwise. That nothing is found is
    no failure: the status is 0. Where a form has no room for a name, the file is left out, and the status is 3.

    To play what was found: qacache find --orientation portrait --random --format m3u8 | mpv --playlist=-
    """
    form = form_of(format_, parse_columns(columns or ()), as_json=json, with_nul=print0)
    order = _order(sort or (), random)
    selection = options.selection(texts or (), usual_statuses=("ok",))
    settings = load(config_path=config, flags={"db.path": db, "client.server_url": server}).config
    timeout_s = options.where_timeout_s()

    def write(files: Files, name_of: Callable[[bytes], bytes | None]) -> bool:
        places = known_places(name_of, options.under)
        if not places.names and not places.are_complete:
            return False
        unfit = write_files(files, replace(selection, under=places.names), form, order, limit)
        return places.are_complete and not unfit

    if there := server_for(settings, db=db, server=server):
        from qacache.client.files import RemoteFiles

        files = RemoteFiles(there)
        is_whole = write(files, files.name_of)
    else:
        with Search(settings.db.path, timeout_s=timeout_s) as search:
            is_whole = write(search, search.reader.name_of)
    raise typer.Exit(0 if is_whole else NOT_ALL)


def _order(sort: Sequence[str], is_random: bool) -> tuple[SortKey, ...]:
    if sort and is_random:
        raise UsageError("a random order cannot be sorted", hint="choose one of --sort and --random")
    return (RANDOM,) if is_random else parse_sort(sort)
