"""The kinds of values that a key can have: what TOML or a variable holds comes in, a typed value goes out.

Of a variable's text a kind first makes what a TOML file would hold, so that all origins share one check.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from qacache.config.units import format_duration, format_size, parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

Plain = str | int | float | list[str] | list[dict[str, str]] | dict[str, "Plain"]
T = TypeVar("T")


class Kind(NamedTuple, Generic[T]):
    """How values of one kind are read, checked and shown.

    `take(value, folder)` gives the typed value of what TOML holds, or None where that is not of this kind;
    relative paths start at `folder`, or at the current one if that is empty. `from_text` makes of text what
    TOML would hold, `show` does so of the typed value. `noun` and `forms` fill the error: "soon" is no
    *duration*: write *30s, 12h or 1h30m*.
    """

    noun: str
    forms: str
    take: Callable[[object, str], T | None]
    show: Callable[[T], Plain]
    from_text: Callable[[str], object] = str

    def parse(self, value: object, folder: str) -> T:
        """Return the typed value of what TOML holds; raises `ValueError` with a reason for users."""
        taken = self.take(value, folder)
        if taken is None:
            raise ValueError(f"{shown(value)} is no {self.noun}: write {self.forms}")
        return taken


def shown(value: object) -> str:
    """Return a raw value as an error shows it."""
    match value:
        case str():
            import json  # for errors only

            return json.dumps(value, ensure_ascii=False)
        case bool():
            return str(value).lower()
        case int() | float():
            return _number_text(value)
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
        case _:
            return str(value)


def _number_text(value: float) -> str:
    try:
        return repr(value)
    except ValueError:  # Python prints no integer of more than 4300 digits
        return "a number of thousands of digits"


def _path(value: object, folder: str) -> str | None:
    """Return an absolute path, as text that `os.fsencode` makes the bytes of."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    expanded = os.path.expanduser(value)
    if expanded.startswith("~"):  # the home of a user who does not exist
        return None
    return os.path.abspath(os.path.join(folder, expanded))


def _path_or_none(value: object, folder: str) -> str | None:
    return "" if value == "" else _path(value, folder)


def _log_output(value: object, folder: str) -> str | None:
    """Return `stderr` as it is, and anything else as an absolute path."""
    return "stderr" if value == "stderr" else _path(value, folder)


def _url_path(value: object, _folder: str) -> str | None:
    is_path = isinstance(value, str) and value.startswith("/") and value.isascii() and value.isprintable()
    return value if is_path and isinstance(value, str) and not set(value) & set(" %?#{}\\") else None


def _program(value: object, folder: str) -> str | None:
    """Return a bare name as it is, for a look-up on PATH, and anything else as an absolute path."""
    is_name = isinstance(value, str) and os.sep not in value and value[:1] not in ("", "~") and "\0" not in value
    return str(value) if is_name else _path(value, folder)


def _extension(value: object, _folder: str) -> str | None:
    if not isinstance(value, str):
        return None
    extension = value.lower().removeprefix(".")
    # a second dot could never match: an extension is what follows the last one
    is_extension = bool(extension) and not set(extension) & set("./\0 ")
    return extension if is_extension else None


def _name(value: object, _folder: str) -> str | None:
    return value if isinstance(value, str) and value and not set(value) & set("/\0") else None


def _whole(value: object, _folder: str) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object, _folder: str) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _duration(value: object, folder: str) -> float | None:
    if not isinstance(value, str):
        return _number(value, folder)
    try:
        return parse_duration(value)
    except (ValueError, OverflowError):
        return None


def _size(value: object, folder: str) -> int | None:
    if not isinstance(value, str):
        return _whole(value, folder)
    try:
        return parse_size(value)
    except (ValueError, OverflowError):
        return None


def _number_of(text: str) -> object:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def toml_of(text: str) -> object:
    """Return the value that TOML in a variable holds, or the text itself where it is none."""
    import tomllib  # a variable seldom holds an array or a table

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def list_of(item: Kind[str], forms: str, separator: str, *, may_be_empty: bool = True) -> Kind[tuple[str, ...]]:
    """Return the kind of a list of `item`, each kept once; in a variable they are parted by `separator`."""

    def take(value: object, folder: str) -> tuple[str, ...] | None:
        if not isinstance(value, list) or not (value or may_be_empty):
            return None
        return tuple(dict.fromkeys(item.parse(each, folder) for each in value))

    def from_text(text: str) -> object:
        if text.startswith("["):
            return toml_of(text)
        # of white space spaces alone are dropped: "Icon\r" is a name
        return [each.strip(" ") for each in text.split(separator)] if text else []

    return Kind(f"list of {item.noun}s", forms, take, list, from_text)


PATH = Kind("path", 'text, like "~/Movies"', _path, str)
PATH_OR_NONE = Kind("path", 'text, like "~/Backups", or "" for none', _path_or_none, str)
PATHS = list_of(PATH, '["~/Movies", "/mnt/media"]', os.pathsep)
URL_PATH = Kind("path of a URL", 'text, like "/metrics"', _url_path, str)
LOG_OUTPUT = Kind("output", '"stderr" or a file, like "/var/log/qacache.log"', _log_output, str)
PROGRAM = Kind("program", 'its name or path, like "ffprobe" or "/opt/bin/ffprobe"', _program, str)
EXTENSIONS = list_of(
    Kind("extension", 'the part after the last dot, like "mp4"', _extension, str),
    '["mp4", "mkv"]',
    ",",
    may_be_empty=False,
)
NAMES = list_of(Kind("name", 'a name without slashes, like ".Trash-*"', _name, str), '[".DS_Store", "._*"]', ",")
WHOLE = Kind("whole number", "digits without quotes, like 4", _whole, int, _number_of)
NUMBER = Kind("number", "digits without quotes, like 2.5", _number, float, _number_of)
DURATION = Kind("duration", "30s, 12h or 1h30m", _duration, format_duration)
SIZE = Kind("size", "512MiB, 1GiB or a number of bytes", _size, format_size)


def choice(noun: str, *names: str) -> Kind[str]:
    """Return the kind of a text that is one of `names`, in any case."""

    def take(value: object, _folder: str) -> str | None:
        return value.lower() if isinstance(value, str) and value.lower() in names else None

    return Kind(noun, f"{', '.join(names[:-1])} or {names[-1]}", take, str)


def choices(noun: str, *names: str) -> Kind[tuple[str, ...]]:
    """Return the kind of a list of texts that are each one of `names`, in any case."""
    return list_of(choice(noun, *names), f'["{names[0]}"]', ",")
