"""The commands of `qacache`, each loaded when it is used."""

from __future__ import annotations

import importlib
from keyword import iskeyword
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from qacache import __version__
from qacache.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The base of all that typer finds wrong with arguments, by whatever name a release of typer has it.
_WrongArguments: Any = typer.BadParameter.__bases__[0]

_COMMANDS = (
    "scan",
    "lookup",
    "find",
    "why",
    "probe",
    "reprobe",
    "failures",
    "export",
    "import",
    "scans",
    "diff",
    "dupes",
    "stats",
    "config",
    "doctor",
    "migrate",
    "vacuum",
    "backup",
    "serve",
    "token",
    "completions",
)


class _Commands(TyperGroup):
    """Finds a command in the module of its name: building all of them would cost each call of one."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        # no module can be called `import`, as some command is
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        return typer.main.get_command(importlib.import_module(f"qacache.cli.{module}").app)

    def resolve_command(self, ctx: Any, args: Sequence[str]) -> Any:
        # what typer suggests for a misspelt name
        self.commands = dict.fromkeys(_COMMANDS)  # type: ignore[assignment]
        return super().resolve_command(ctx, list(args))


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def run_command(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name, or show the help; return the exit status.

    Raises `UsageError` for what typer does not understand, so that it is printed as all errors are: arguments may be
    names of files, which are anybody's words.
    """
    try:
        with typer.main.get_command(app).make_context("qacache", list(arguments) or ["--help"]) as context:
            context.command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except _WrongArguments as error:
        text = error.format_message().rstrip(".")
        command = error.ctx.command_path if error.ctx else "qacache"
        raise UsageError(text[:1].lower() + text[1:], hint=f"see {command} --help") from error
    return 0


def _print_version(ctx: typer.Context, wanted: bool) -> None:
    if not wanted:
        return
    if ctx.params.get("json"):
        from qacache.cli.version import write_versions

        write_versions()
    else:
        typer.echo(f"qacache {__version__}")
    raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, help="Print the version.")] = False,
    # eager, so that it is known to --version, whichever comes first
    json: Annotated[
        bool, typer.Option("--json", is_eager=True, help="With --version: as JSON, with all that matters.")
    ] = False,
) -> None:
    """Remember what is inside every video of a large library, and answer at once."""
    if json:
        raise UsageError("--json belongs behind a command", hint="such as: qacache scans --json")
