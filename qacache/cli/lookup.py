"""`qacache lookup`, the long way: see `qacache.cli.quick` for the short one."""

from __future__ import annotations

from typing import Annotated

import typer

from qacache.cli.answers import Request, answer
from qacache.cli.options import ConfigOption, DbOption, JsonOption, ServerOption, command_app, exit_statuses

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 11, 12, 13, 15, 130))
def lookup(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files; a folder means all that is stored below it.")
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    server: ServerOption = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read paths from standard input, a path a line.")] = False,
    null: Annotated[bool, typer.Option("-0", help="Paths on standard input end with NUL; implies --stdin.")] = False,
    field: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print this field alone, such as orientation or size.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare with the files on disk, too: fresh, stale or offline.")
    ] = False,
    verify_deadline: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait for a disk that does not answer, such as 2s.")
    ] = "50ms",
    probe_missing: Annotated[
        bool, typer.Option("--probe-missing", help="Probe and store what is not stored yet.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say what is stored of files and folders.

    Prints a table on a terminal, and tab-separated lines elsewhere.
    """
    request = Request(
        paths=paths or (),
        config=config,
        db=db,
        server=server,
        stdin=stdin,
        null=null,
        json=json,
        field=field,
        verify=verify,
        verify_deadline=verify_deadline,
        probe_missing=probe_missing,
    )
    raise typer.Exit(answer(request))
