"""`qacache config`: show, init, path."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.config import config_file, load
from qacache.config.example import write_example
from qacache.text import EMPTY, json_line, printable

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
    width = max(len(name) for name, _, _ in rows) + 2
    for name, value, origin in rows:
        typer.echo(_wrapped(printable(f"{name:{width}}{value} ({origin})"), width))


@app.command(epilog=_EPILOG)
def init(config: ConfigOption = None, db: DbOption = None, json: JsonOption = False) -> None:
    """Write a configuration with every key commented out.

    An existing file is left alone. What --db names is written down as db.path.
    """
    path = config_file(config)
    write_example(path, {} if db is None else {"db.path": os.path.abspath(db)})
    typer.echo(json_line({"written": path}) if json else printable(f"written: {path}"), nl=not json)


@app.command(epilog=_EPILOG)
def path(config: ConfigOption = None, db: DbOption = None, json: JsonOption = False) -> None:
    """Print which configuration file is read, or would be."""
    load(config_path=config, flags={"db.path": db})
    name = config_file(config)
    typer.echo(json_line({"path": name, "exists": os.path.exists(name)}) if json else printable(name), nl=not json)


def _value(plain: object) -> str:
    match plain:
        case list():
            text = ", ".join(map(str, plain))
        case dict():
            text = "; ".join(f"{name}: {_pairs(table)}" for name, table in plain.items())
        case _:
            text = str(plain)
    return text or EMPTY


def _pairs(table: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in table.items())


def _wrapped(line: str, indent: int) -> str:
    """Return `line` as it fits the terminal; elsewhere as it is, for grep."""
    if not sys.stdout.isatty():
        return line
    return textwrap.fill(
        line,
        shutil.get_terminal_size().columns,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
