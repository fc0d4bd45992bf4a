"""The commands as they define themselves.

In: the typer apps. Out: plain values, in the order of `--help`, from which pages and completions are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import typer

from qacache.cli.app import app

PROGRAM = "qacache"

Kind = Literal["flag", "file", "folder", "path", "other"]
"""What is to be typed: nothing more, or the name of a file, of a folder, of either, or something else."""

# the words that stand for names in the help, and what they are names of
_KINDS: dict[str, Kind] = {
    "FILE": "file",
    "DIR": "folder",
    "FOLDER": "folder",
    "ROOT": "folder",
    "PATH": "path",
    "BACKUP": "path",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An option, or an argument, which has no `names`.

    `metavar` stands for its value, and is empty for a flag; `values` are all that may be given, where these are few.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    values: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Command:
    """A command, by its `words` after `qacache`: none for the program itself.

    `paragraphs` are its description, of which the first is the `summary`; `statuses` has each exit status with its
    meaning.
    """

    words: tuple[str, ...]
    paragraphs: tuple[str, ...]
    arguments: tuple[Entry, ...]
    options: tuple[Entry, ...]
    statuses: tuple[tuple[str, str], ...]
    commands: tuple[Command, ...]

    @property
    def summary(self) -> str:
        """The first sentence of its help, without the full stop."""
        return self.paragraphs[0].rstrip(".")

    @property
    def name(self) -> str:
        """Its name with those of what it belongs to: `qacache config show`."""
        return " ".join((PROGRAM, *self.words))

    def all(self) -> list[Command]:
        """Return it, and all commands below it, in the order of `--help`."""
        return [self, *(below for command in self.commands for below in command.all())]


def read_commands() -> Command:
    """Return the program with all its commands."""
    return _command((), typer.main.get_command(app))


def _command(words: tuple[str, ...], command: Any) -> Command:
    context = typer.Context(command, info_name=" ".join((PROGRAM, *words)))
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    return Command(
        words=words,
        paragraphs=tuple(_joined(each) for each in (command.help or "").split("\n\n")),
        arguments=tuple(_entry(each, context) for each in parameters if each.param_type_name == "argument"),
        options=(
            *(_entry(each, context) for each in parameters if each.param_type_name == "option"),
            Entry(("-h", "--help"), "", "Show the help.", (), "flag"),
        ),
        statuses=_statuses(command.epilog or ""),
        commands=tuple(_command((*words, name), command.get_command(context, name)) for name in names),
    )


def _entry(parameter: Any, context: typer.Context) -> Entry:
    is_flag = bool(getattr(parameter, "is_flag", False))
    names = () if parameter.param_type_name == "argument" else (*parameter.opts, *parameter.secondary_opts)
    values = () if is_flag else tuple(item.value for item in parameter.shell_complete(context, ""))
    metavar = "" if is_flag else parameter.metavar or f"[{'|'.join(values)}]"
    bare = re.sub(r"[^A-Z].*", "", metavar.lstrip("["))
    kind = "flag" if is_flag else _KINDS.get(bare, "other")
    return Entry(names, metavar, _help(parameter, is_flag), values, kind)


def _help(parameter: Any, is_flag: bool) -> str:
    """Return what is said of a parameter, with its default, if it has one."""
    text = _joined(parameter.help or "")
    shows_default = parameter.default not in (None, "", ()) and not is_flag and getattr(parameter, "show_default", True)
    return f"{text}  [default: {parameter.default}]" if shows_default else text


def _statuses(epilog: str) -> tuple[tuple[str, str], ...]:
    """Return the exit statuses that the end of a help text lists."""
    listed = epilog.partition(": ")[2]
    pairs = (each.partition(" ") for each in listed.split(" · ") if each)
    return tuple((number, meaning) for number, _, meaning in pairs)


def _joined(text: str) -> str:
    return " ".join(text.split())
