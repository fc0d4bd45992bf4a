"""`qacache why`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import Annotated

import typer

from qacache.assembly import make_filters
from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.clock import SystemClock
from qacache.config import load
from qacache.errors import StoreMissing
from qacache.paths import absolute
from qacache.sight import Lookout
from qacache.store.standing import Standings
from qacache.text import json_line, printable
from qacache.why import Choice, explain, to_dict
from qacache.why_words import sentences

# So long a disk may take to answer.
_DEADLINE_S = 2.0

NOT_FOUND = 3

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 12, 130))
def why(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders.")],
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Say in words why files are in the store, or are not.

    Names the rule that skips a file, its last error and next retry, and what to do about it.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    roots = [absolute(os.fsencode(root)) for root in settings.scan.roots]
    choice = Choice(make_filters(settings), roots, settings.scan.settle_s)
    status = 0
    with ExitStack() as resources:
        try:
            standings = resources.enter_context(Standings(settings.db.path))
        except StoreMissing:
            standings = None
        names = [os.fsencode(path) for path in paths]
        for each in explain(names, choice, standings, Lookout(_DEADLINE_S), SystemClock()):
            says = list(sentences(each))
            if not each.is_known:
                status = NOT_FOUND
            if json:
                sys.stdout.write(json_line(to_dict(each, says)))
            else:
                lines = [printable(each.path), *(f"  {printable(say)}" for say in says)]
                sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()
    raise typer.Exit(status)
