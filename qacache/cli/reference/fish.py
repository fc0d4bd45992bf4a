"""Completion for fish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.cli.reference.definitions import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.cli.reference.definitions import Command, Entry

FILE_NAME = f"{PROGRAM}.fish"

_HEAD = """\
# fish completion for qacache; made from its own definitions. Put it in ~/.config/fish/completions

# whether the words so far are those of this command, and of none below it
function __qacache_is
    set -l words (commandline -opc)[2..]
    set -l at
    for word in $words
        if contains -- (string join -- ' ' $at $word) $__qacache_commands
            set -a at $word
        end
    end
    test "$at" = "$argv"
end

# the folders that were scanned
function __qacache_roots
    qacache completions roots 2>/dev/null
end
"""

_NAMES = {
    "file": "-r -F",
    "folder": "-x -a '(__fish_complete_directories) (__qacache_roots)'",
    "path": "-r -F -a '(__qacache_roots)'",
    "other": "-x",
    "flag": "",
}


def render(program: Command) -> str:
    """Return the completion of all commands."""
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Command) -> Iterator[str]:
    commands = program.all()
    yield _HEAD
    names = " ".join(_quoted(" ".join(command.words)) for command in commands[1:])
    yield f"set -g __qacache_commands {names}"
    yield ""
    # names of files are no arguments, unless a command says so
    yield f"complete -c {PROGRAM} -f"
    for command in commands:
        condition = f"complete -c {PROGRAM} -n {_quoted(' '.join(('__qacache_is', *command.words)))}"
        for each in command.commands:
            yield f"{condition} -a {each.words[-1]} -d {_quoted(each.summary)}"
        for argument in command.arguments:
            yield f"{condition} {_values(argument)}"
        for option in command.options:
            yield " ".join(filter(None, (condition, _switches(option), _values(option), f"-d {_quoted(option.help)}")))


def _switches(option: Entry) -> str:
    return " ".join(
        f"-l {name.removeprefix('--')}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )


def _values(entry: Entry) -> str:
    if entry.values:
        return f"-x -a {_quoted(' '.join(entry.values))}"
    names = _NAMES[entry.kind]
    # an argument takes no value: it is one
    return names if entry.names else names.replace("-x ", "").replace("-r ", "")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace("'", r"\'")
    return f"'{escaped}'"
