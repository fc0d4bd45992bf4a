"""`qacache dupes`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli.asking import refuse, server_for
from qacache.cli.group_lines import write_json, write_rest, write_tsv
from qacache.cli.options import ConfigOption, DbOption, JsonOption, ServerOption, command_app, exit_statuses
from qacache.cli.run import SOME_FAILED
from qacache.cli.selecting import UnderOption, known_places
from qacache.config import load
from qacache.config.keys import Key
from qacache.duplicates.groups import candidates
from qacache.duplicates.keeping import Keeper, Rule
from qacache.errors import UsageError
from qacache.selection_text import SIZE, parse_text
from qacache.store.duplicates import Duplicates
from qacache.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qacache.client.server import Server
    from qacache.duplicates.groups import Group
    from qacache.store.duplicates import Totals

NOT_FOUND = 3

_MOST_SHOWN = 20
_MIN_SIZE = Key("min-size", SIZE, "", minimum=0)

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 11, 12, 15, 130))
def dupes(
    under: UnderOption = None,
    min_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Only files of this size or more: 100M, 2G or 4GiB.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Only the N groups that waste most; 0: all.  [default: all; a table: 20]"
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the files, and list only what is equal byte for byte.")
    ] = False,
    keep: Annotated[
        Rule | None,
        typer.Option(
            metavar="RULE",
            help="Say which copy of each group stays, and print the paths of the others; implies --verify.",
        ),
    ] = None,
    keep_under: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="With --keep: all copies at or below PATH stay."),
    ] = None,
    print0: Annotated[
        bool, typer.Option("--print0", "-0", help="With --keep: print each path with NUL at its end, for xargs -0.")
    ] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """List the files that have the same content.

    Those come first that waste most. The store tells contents apart by size and samples, so what is listed are
    candidates. --verify reads whole files, as gently as their mounts are to be treated, and remembers what it found:
    only what is new or changed is read again.

    Hard links are one copy: they waste nothing. --keep wants a RULE: newest, oldest, shortest-path, longest-path or
    first-path. Of each group one copy stays, with all its names; the paths of the others are printed, a path a line,
    once they are proven to be copies. Nothing is ever deleted.

    Prints a table on a terminal, and tab-separated lines elsewhere.
    """
    _refuse_nonsense(keep=keep, keep_under=keep_under, print0=print0, json=json)
    smallest = 1 if min_size is None else parse_text(min_size, _MIN_SIZE)
    settings = load(config_path=config, flags={"db.path": db, "client.server_url": server}).config
    if there := server_for(settings, db=db, server=server):
        refuse({"--verify": verify, "--keep": keep})
        raise typer.Exit(_write_theirs(there, under, smallest, limit, json=json))
    with Reader(settings.db.path) as reader:
        places = known_places(reader.name_of, under)
        keeper = Keeper(keep, _protected(reader, keep_under)) if keep else None
    status = 0 if places.are_complete else NOT_FOUND
    if status and not places.names:
        raise typer.Exit(status)
    # what only looks like a copy must not be what somebody removes
    if verify or keeper:
        from qacache.cli.verifying import verifying

        with verifying(settings, min_size=smallest, under=places.names, most=limit or None) as verified:
            status = _write(verified, keeper, limit, print0=print0, json=json) or status
            verified.tell()
            status = verified.status or status
    else:
        with Duplicates(settings.db.path, min_size=smallest, under=places.names) as stored:
            groups = map(candidates, stored.groups(limit or None))
            _write(groups, keeper, limit, print0=print0, json=json, expected=stored.totals())
    raise typer.Exit(status)


def _write_theirs(server: Server, under: Sequence[str] | None, smallest: int, limit: int | None, *, json: bool) -> int:
    """Print the groups of a server; return the exit status."""
    from qacache.client.files import RemoteFiles
    from qacache.client.listings import duplicates

    places = known_places(RemoteFiles(server).name_of, under)
    status = 0 if places.are_complete else NOT_FOUND
    if status and not places.names:
        return status
    is_table = sys.stdout.isatty() and not json
    most = _MOST_SHOWN if is_table and limit is None else limit or None
    groups, totals = duplicates(server, min_size=smallest, under=places.names, most=most)
    _write(groups, None, limit, print0=False, json=json, expected=totals)
    return status


def _refuse_nonsense(*, keep: Rule | None, keep_under: object, print0: bool, json: bool) -> None:
    """Raise `UsageError` for options that do not go together."""
    if keep_under and not keep:
        raise UsageError("nothing is chosen to be kept", hint="--keep-under goes with --keep RULE")
    if print0 and (json or not keep):
        raise UsageError("there are no paths to end with NUL", hint="-0 goes with --keep RULE, and not with --json")


def _protected(reader: Reader, paths: Sequence[str] | None) -> Sequence[bytes]:
    places = known_places(reader.name_of, paths)
    if not places.are_complete:
        # a misspelt name would protect nothing
        raise UsageError("not all that --keep-under names is known", hint="name files and folders as they were scanned")
    return places.names


def _write(
    groups: Iterable[Group],
    keeper: Keeper | None,
    limit: int | None,
    *,
    print0: bool,
    json: bool,
    expected: Totals | None = None,
) -> int:
    """Print the groups in the form that is wanted; return the exit status."""
    if json:
        write_json(groups, keeper)
    elif keeper:
        return SOME_FAILED if write_rest(groups, keeper, with_nul=print0) else 0
    elif sys.stdout.isatty():
        from qacache.cli.group_table import write_table

        write_table(groups, _MOST_SHOWN if limit is None else limit, expected)
    else:
        write_tsv(groups)
    return 0
