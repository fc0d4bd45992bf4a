"""`qacache stats`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.config import load
from qacache.paths import absolute
from qacache.store.stats import statistics, statistics_dict
from qacache.text import json_line, printable, tsv_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.store.stats import Amount, Statistics

NOT_FOUND = 3

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 12, 130))
def stats(
    under: Annotated[
        list[str] | None,
        typer.Option("--under", metavar="PATH", help="Only what is at and below PATH; may be repeated."),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Say how much there is: files, bytes and hours.

    By root, codec, resolution, orientation, dynamic range and container, and failures by reason. Prints bars on a
    terminal, which show the shares of the bytes, and tab-separated lines elsewhere. A picture is 1080p if its longer
    side has nine tenths of 1920 pixels, or its shorter side of 1080: films are cropped, and portrait or landscape
    makes no difference. Each file counts for the innermost root that holds it.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    found = statistics(settings.db.path, [absolute(os.fsencode(path)) for path in under or ()])
    if json:
        sys.stdout.write(json_line(statistics_dict(found)))
    elif sys.stdout.isatty():
        from qacache.cli.stats_table import write_statistics

        write_statistics(found)
    else:
        sys.stdout.writelines(map(tsv_line, _rows(found)))
    for path in found.unknown:
        sys.stderr.write(printable(b"qacache: nothing is stored at or below " + path) + "\n")
    raise typer.Exit(NOT_FOUND if found.unknown else 0)


def _rows(found: Statistics) -> Iterator[tuple[object, ...]]:
    yield "by", "name", "files", "size", "duration_s"
    for name in ("total", "ok", "vanished"):
        yield _row(name, None, getattr(found, name))
    for root, amount in found.roots.items():
        yield _row("root", root, amount)
    for facet, amounts in found.facets.items():
        for value, amount in amounts.items():
            yield _row(facet, value, amount)
    for reason, amount in found.failures.items():
        yield _row("failure", reason, amount)


def _row(by: str, name: str | bytes | None, amount: Amount) -> tuple[object, ...]:
    return by, name, amount.files, amount.size, f"{amount.duration_s:.3f}"
