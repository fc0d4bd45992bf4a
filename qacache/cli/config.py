"""`qacache config`: show, init, path."""

from __future__ import annotations

import sys

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.cli.text import json_line, printable
from qacache.config import load, places
from qacache.config.example import write_example

app = command_app("See, make and find the configuration.")

_EPILOG = exit_statuses(0, 1, 2)


@app.command(epilog=_EPILOG)
def show(config: ConfigOption = None, db: DbOption = None, json: JsonOption = False) -> None:
    """Print every key with its effective value, and where that came from."""
    settings = load(config_path=config, flags={"db.path": db})
    if json:
        for each in settings.effective():
            sys.stdout.write(json_line({"key": each.key.name, "value": each.plain, "origin": each.origin}))
        return
    rows = [(each.key.name, _value(each.plain), each.origin) for each in settings.effective()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        typer.echo(printable(f"{name:{widths[0]}}  {value:{min(widths[1], 40)}}  {origin}"))


@app.command(epilog=_EPILOG)
def init(
    config: ConfigOption = None,
) -> None:
    """Write a configuration with every key, all commented out; an existing file is left alone."""
    path = config or places.user_config_file()
    write_example(path)
    typer.echo(f"written: {printable(path)}")


@app.command(epilog=_EPILOG)
def path(config: ConfigOption = None) -> None:
    """Print which configuration file is read, or would be."""
    typer.echo(printable(load(config_path=config).file or places.user_config_file()))


def _value(plain: object) -> str:
    return ", ".join(map(str, plain)) if isinstance(plain, list) else str(plain)
