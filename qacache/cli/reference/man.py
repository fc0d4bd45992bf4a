"""Manual pages, one a command, in the macros of man(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache import __version__
from qacache.config.places import SYSTEM_CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.cli.reference.definitions import Command, Entry

_FILES = (
    (
        "~/.local/share/qacache/qacache.db",
        "The store, on Linux, unless --db, QACACHE_DB_PATH or the configuration name another.",
    ),
    (
        "~/.config/qacache/config.toml",
        f"The configuration, on Linux; where there is none, {SYSTEM_CONFIG_FILE}. qacache config init writes one with "
        "every key, its unit, its default and the variable that sets it.",
    ),
)


def page_name(command: Command) -> str:
    """Return the name of a command's page: `qacache-config-show.1`."""
    return f"{command.name.replace(' ', '-')}.1"


def render(command: Command, program: Command) -> str:
    """Return the page of `command`, which is one of `program`."""
    return "\n".join(_lines(command, program)) + "\n"


def _lines(command: Command, program: Command) -> Iterator[str]:
    title = page_name(command).removesuffix(".1")
    yield f'.TH "{_text(title.upper())}" "1" "" "qacache {_text(__version__)}" "qacache"'
    yield from (".SH NAME", f"{_text(title)} \\- {_text(_lower(command.summary))}")
    yield from (".SH SYNOPSIS", _synopsis(command))
    yield ".SH DESCRIPTION"
    yield "\n.PP\n".join(map(_line, command.paragraphs))
    yield from _list("COMMANDS", [(_bold(each.words[-1]), f"{each.summary}.") for each in command.commands])
    yield from _list("ARGUMENTS", [(_tag(each), each.help) for each in command.arguments])
    yield from _list("OPTIONS", [(_tag(each), each.help) for each in command.options])
    yield from _list('"EXIT STATUS"', [(_bold(number), _sentence(meaning)) for number, meaning in command.statuses])
    yield from _list("FILES", [(rf"\fI{_text(path)}\fR", what) for path, what in _FILES])
    yield from ('.SH "SEE ALSO"', ",\n".join(_references(command, program)))


def _list(heading: str, items: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield a section of tags, each with its text; nothing where there are none."""
    if items:
        yield f".SH {heading}"
    for tag, text in items:
        yield from (".TP", tag, _line(text))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _bold(text: str) -> str:
    return rf"\fB{_text(text)}\fR"


def _synopsis(command: Command) -> str:
    words = [_bold(command.name)]
    if command.options:
        words.append(r"[\fIOPTION\fR]...")
    if command.commands:
        words.append(r"\fICOMMAND\fR ...")
    return " ".join([*words, *(rf"\fI{_text(each.metavar)}\fR" for each in command.arguments)])


def _tag(entry: Entry) -> str:
    names = ", ".join(map(_bold, entry.names))
    metavar = rf"\fI{_text(entry.metavar)}\fR" if entry.metavar else ""
    return " ".join(filter(None, (names, metavar)))


def _references(command: Command, program: Command) -> Iterator[str]:
    """Yield what else there is to read: the program, and its commands, or those that belong to this one."""
    related = program.commands if not command.words else (program, *command.commands)
    for each in related:
        if each is not command:
            yield f"{_bold(page_name(each).removesuffix('.1'))}(1)"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _line(text: str) -> str:
    """Return a line of text; one that begins like a request is kept from being one."""
    line = _text(text)
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _text(text: str) -> str:
    return (
        text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha").replace("~", r"\(ti")
    )
