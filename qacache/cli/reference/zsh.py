"""Completion for zsh, by its function `_arguments`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from qacache.cli.reference.definitions import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.cli.reference.definitions import Command, Entry

FILE_NAME = f"_{PROGRAM}"

_HEAD = """\
#compdef qacache
# zsh completion for qacache; made from its own definitions. Put it in a folder of $fpath.

# the folders that were scanned
_qacache_roots() {
    local -a roots
    roots=(${(f)"$(qacache completions roots 2>/dev/null)"})
    compadd -f -a roots
}

_qacache_folders() {
    _alternative 'folders:folder:_files -/' 'roots:scanned folder:_qacache_roots'
}

_qacache_paths() {
    _alternative 'files:file:_files' 'roots:scanned folder:_qacache_roots'
}
"""

_ACTIONS = {"file": "_files", "folder": "_qacache_folders", "path": "_qacache_paths", "other": " "}


def render(program: Command) -> str:
    """Return the completion of all commands."""
    return _HEAD + "".join(f"\n{function}" for function in _functions(program)) + f'\n_{PROGRAM} "$@"\n'


def _functions(program: Command) -> Iterator[str]:
    for command in reversed(program.all()):
        body = _group(command) if command.commands else _single(command)
        yield "\n".join((f"{_function(command)}() {{", *body, "}\n"))


def _function(command: Command) -> str:
    return "_".join(("", PROGRAM, *command.words)).replace("-", "_")


def _single(command: Command) -> Iterator[str]:
    specs = [*_options(command), *map(_argument, command.arguments)]
    yield "    _arguments -s -S \\"
    yield " \\\n".join(f"        {shlex.quote(spec)}" for spec in specs)


def _group(command: Command) -> Iterator[str]:
    yield "    local state line"
    yield "    local -a commands"
    yield "    commands=("
    for each in command.commands:
        yield f"        {shlex.quote(f'{each.words[-1]}:{each.summary}')}"
    yield "    )"
    yield "    _arguments -C \\"
    yield from (f"        {shlex.quote(spec)} \\" for spec in _options(command))
    yield "        '1: :->command' '*:: :->argument'"
    yield "    case $state in"
    yield f"        command) _describe -t commands '{command.name} command' commands ;;"
    yield "        argument)"
    yield "            case $line[1] in"
    for each in command.commands:
        yield f"                {each.words[-1]}) {_function(each)} ;;"
    yield "            esac ;;"
    yield "    esac"


def _options(command: Command) -> Iterator[str]:
    for option in command.options:
        yield from _option(option)


def _option(option: Entry) -> Iterator[str]:
    """Yield the spec of each name of an option, which may be given again."""
    value = "" if option.kind == "flag" else f":{_text(option.metavar)}:{_action(option)}"
    for name in option.names:
        yield f"*{name}[{_text(option.help)}]{value}"


def _argument(argument: Entry) -> str:
    return f"*:{_text(argument.metavar)}:{_action(argument)}"


def _action(entry: Entry) -> str:
    return f"({' '.join(entry.values)})" if entry.values else _ACTIONS[entry.kind]


def _text(text: str) -> str:
    return text.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
