"""`qacache completions`."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Literal

import typer

from qacache.cli.options import ConfigOption, DbOption, command_app, exit_statuses
from qacache.config import load
from qacache.errors import StoreError
from qacache.store.reader import Reader

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2))
def completions(
    what: Annotated[
        Literal["bash", "zsh", "fish", "roots"],
        typer.Argument(metavar="bash|zsh|fish|roots", help="The shell; or roots, the folders that were scanned."),
    ],
    config: ConfigOption = None,
    db: DbOption = None,
) -> None:
    """Print the completions of a shell.

    For bash: qacache completions bash > ~/.local/share/bash-completion/completions/qacache; for zsh the file is
    called _qacache, in a folder of $fpath; for fish ~/.config/fish/completions/qacache.fish.
    """
    if what != "roots":
        from qacache.cli.reference.definitions import read_commands

        shell = importlib.import_module(f"qacache.cli.reference.{what}")
        sys.stdout.write(shell.render(read_commands()))
        return
    settings = load(config_path=config, flags={"db.path": db}).config
    try:
        with Reader(settings.db.path) as reader:
            # as they are: they are typed, not looked at
            sys.stdout.buffer.writelines(root.path + b"\n" for root in reader.roots() if b"\n" not in root.path)
    except StoreError:
        # without a store there is nothing to complete with, and a shell that completes is no place for an error
        return
