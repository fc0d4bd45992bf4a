"""Completion for bash 3.2 and later, which is what macOS has."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from qacache.cli.reference.definitions import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.cli.reference.definitions import Command, Entry

FILE_NAME = f"{PROGRAM}.bash"

_HEAD = """\
# bash completion for qacache; made from its own definitions. Source it, or put it where bash-completion finds it:
# ~/.local/share/bash-completion/completions/qacache

# names of files (-f) or folders (-d), and with "roots" the folders that were scanned
_qacache_names() {
    local IFS=$'\\n' root
    COMPREPLY=($(compgen "$1" -- "$current"))
    if [[ $2 == roots ]]; then
        while read -r root; do
            [[ $root == "$current"* ]] && COMPREPLY+=("$root")
        done < <(qacache completions roots 2>/dev/null)
    fi
    compopt -o filenames 2>/dev/null
}

_qacache_words() {
    COMPREPLY=($(compgen -W "$1" -- "$current"))
}

_qacache() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= word
    COMPREPLY=()
    # --option=value comes in three words
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
        case "$command $word" in"""

_NAMES = {"file": "_qacache_names -f", "folder": "_qacache_names -d roots", "path": "_qacache_names -f roots"}


def render(program: Command) -> str:
    """Return the completion of all commands."""
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Command) -> Iterator[str]:
    commands = program.all()
    yield _HEAD
    for command in commands[1:]:
        *outer, last = command.words
        yield f'            "{" ".join(outer)} {last}") command="{" ".join(command.words)}" ;;'
    yield "        esac"
    yield "    done"
    yield from _values(commands)
    yield from _options(commands)
    yield from _arguments(commands)
    yield "}"
    yield ""
    yield f"complete -F _qacache {PROGRAM}"


def _values(commands: list[Command]) -> Iterator[str]:
    """Yield what completes the value of an option."""
    yield '    case "$command $previous" in'
    for command in commands:
        by_way: dict[str, list[str]] = {}
        for option in command.options:
            if option.kind != "flag":
                names = (f'"{" ".join(command.words)} {name}"' for name in option.names)
                by_way.setdefault(_way(option), []).extend(names)
        for way, names_of_way in by_way.items():
            yield f"        {' | '.join(names_of_way)}) {way}; return ;;"
    yield "    esac"


def _options(commands: list[Command]) -> Iterator[str]:
    yield "    if [[ $current == -* ]]; then"
    yield '        case "$command" in'
    for command in commands:
        names = " ".join(name for option in command.options for name in option.names)
        yield f'            "{" ".join(command.words)}") _qacache_words {shlex.quote(names)} ;;'
    yield "        esac"
    yield "        return"
    yield "    fi"


def _arguments(commands: list[Command]) -> Iterator[str]:
    yield '    case "$command" in'
    for command in commands:
        if command.commands:
            names = " ".join(each.words[-1] for each in command.commands)
            way = f"_qacache_words {shlex.quote(names)}"
        elif command.arguments:
            way = _way(command.arguments[0])
        else:
            continue
        yield f'        "{" ".join(command.words)}") {way} ;;'
    yield "    esac"


def _way(entry: Entry) -> str:
    if entry.values:
        return f"_qacache_words {shlex.quote(' '.join(entry.values))}"
    return _NAMES.get(entry.kind, ":")
