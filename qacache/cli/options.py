"""What several commands share: their options, and what is opened from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qacache.config.sections import ENGINES

if TYPE_CHECKING:
    from collections.abc import Mapping


ConfigOption = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="Read this TOML file, and no other.", show_default=False)
]
DbOption = Annotated[
    str | None,
    typer.Option("--db", metavar="FILE", help="Use the store in this SQLite database.", show_default=False),
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="Ask this server instead of a store.", show_default=False),
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Probe with libav, ffprobe or auto.",
        show_default=False,
        autocompletion=lambda: list(ENGINES),
    ),
]
JobsOption = Annotated[str | None, typer.Option("--jobs", metavar="N", help="Probe up to N files at a time.")]
RateOption = Annotated[str | None, typer.Option("--rate", metavar="N", help="Look into at most N files a second.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")]

_STATUSES = {
    0: "ok",
    1: "error",
    2: "wrong usage, or wrong configuration",
    3: "done, but some files failed, or some paths were not found",
    10: "no store",
    11: "locked by another process",
    12: "the store's schema does not fit",
    13: "nothing to probe with",
    14: "a root was refused",
    15: "the server does not answer",
    130: "interrupted",
}


def command_app(help_text: str | None = None) -> typer.Typer:
    """Return the app of one command, or of a group of commands where there is a `help_text`."""
    return typer.Typer(
        help=help_text,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def exit_statuses(*codes: int, words: Mapping[int, str] | None = None) -> str:
    """Return the end of a command's help: the exit statuses that it knows, some in words of its own."""
    known = {**_STATUSES, **(words or {})}
    return "Exit status: " + " · ".join(f"{code} {known[code]}" for code in codes)
