"""The configuration file to start from: the definitions of the keys come in, commented TOML goes out.

`python -m qacache.config.example` prints it. Prose begins with `## `; a line that begins with `# ` is the
default of a key, and sets it once that mark is removed.
"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING

import tomli_w

from qacache.config.places import SYSTEM_CONFIG_FILE
from qacache.config.sections import Config, keys, sections
from qacache.config.sources import FILE_VARIABLE
from qacache.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qacache.config.keys import Key
    from qacache.config.kinds import Plain

WIDTH = 98

HEADER = (
    'The configuration of qacache. Every key is here with its default: remove the "# " before one to change it.',
    "A key's variable beats this file, and a flag of the command line beats both. One file is read: the one "
    f"that --config or the variable {FILE_VARIABLE} names, else config.toml in the folder qacache of your "
    f"configuration (on Linux ~/.config/qacache/config.toml), else {SYSTEM_CONFIG_FILE}.",
    'Durations are written "30s", "12h", "500ms", "1h30m" or "7d", and bare numbers are seconds. Sizes are '
    'written "512MiB" or "1GiB", and bare numbers are bytes. In paths ~ is your home, and relative paths '
    "start at this file's folder. In a variable a list is a TOML array, or words parted by commas, or paths "
    "parted by colons.",
)


def render(values: Mapping[str, Plain] | None = None) -> str:
    """Return the example: every key with its help, unit and variable, commented out at its default.

    Keys that are in `values`, by name, are set to what is there.
    """
    return "\n\n".join(_paragraphs(values or {})) + "\n"


def write_example(path: str | os.PathLike[str], values: Mapping[str, Plain] | None = None) -> None:
    """Create the example at `path`, and the folders above it; raises `ConfigError` if anything is there."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(render(values))
    except FileExistsError as error:
        raise ConfigError(f"{error.filename} exists already", hint="remove it first, or name another file") from error
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)} cannot be written: {error.strerror or error}") from error


def _paragraphs(values: Mapping[str, Plain]) -> Iterator[str]:
    yield from map(_prose, HEADER)
    section = ""
    for attribute, key in keys():
        if key.section != section:
            section = key.section
            yield "\n".join((_prose(sections()[section].__doc__ or ""), *([f"[{section}]"] if key.bare_name else [])))
        yield "\n".join((_prose(key.help), _prose(_facts(key)), *_lines(attribute, key, values)))


def _prose(text: str) -> str:
    return "\n".join(f"## {line}" for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False))


def _facts(key: Key) -> str:
    """Return the kind, unit, range and variable of a key as sentences."""
    what = key.kind.noun + (f", {key.unit}" if key.unit else "") + (f", {key.limits()}" if key.limits() else "")
    return f"{what[:1].upper()}{what[1:]}. Variable: {key.variable}"


def _default(attribute: str, key: Key) -> Plain:
    """Return the default as TOML holds it, never this machine's own."""
    plain: Plain = key.kind.show(getattr(getattr(Config(), key.section), attribute))
    return key.usual_default or plain


def _lines(attribute: str, key: Key, values: Mapping[str, Plain]) -> Iterator[str]:
    if key.name in values:
        return _assignment(key, values[key.name])
    return (f"# {line}" for line in _assignment(key, _default(attribute, key)))


def _assignment(key: Key, value: Plain) -> Iterator[str]:
    name = key.bare_name
    tables = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    for table in tables:
        yield f"[[{key.name}]]"
        yield from (f"{member} = {_toml(text)}" for member, text in table.items())
    if tables:
        return
    if isinstance(value, dict):
        yield from tomli_w.dumps({key.name: value}).splitlines()
        return
    if not isinstance(value, list) or not value:
        yield f"{name} = {_toml(value)}"
        return
    yield f"{name} = ["
    line = ""
    for item in (f"{_toml(str(each))}," for each in value):
        if len(line) + len(item) >= WIDTH:
            yield line
            line = ""
        line += f" {item}" if line else f"  {item}"
    yield line
    yield "]"


def _toml(value: Plain) -> str:
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


if __name__ == "__main__":
    sys.stdout.write(render())
