"""The commands of `qacache`, each loaded when it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from qacache import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = ("scan", "lookup", "reprobe", "export", "config", "migrate")


class _Commands(TyperGroup):
    """Finds a command in the module of its name: building all of them would cost each call of one."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        return typer.main.get_command(importlib.import_module(f"qacache.cli.{cmd_name}").app)

    def resolve_command(self, ctx: Any, args: Sequence[str]) -> Any:
        # what typer suggests for a misspelt name
        self.commands = dict.fromkeys(_COMMANDS)  # type: ignore[assignment]
        return super().resolve_command(ctx, list(args))


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qacache {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Remember what is inside every video of a large library, and answer at once."""
