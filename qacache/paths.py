"""Paths as bytes: how the store spells them, what lies below a folder, and in which order.

The order of everything (walks, rows, merge) is that of whole paths as bytes, in which a folder stands as `folder/`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qacache.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def as_folder(path: bytes) -> bytes:
    """Return the folder with one slash at its end: what the paths below it begin with."""
    return path.rstrip(b"/") + b"/"


def range_below(path: bytes) -> tuple[bytes, bytes]:
    """Return (lower, upper) such that lower <= p < upper for exactly the paths p below the folder `path`."""
    # "0" is the byte after "/"
    return as_folder(path), path.rstrip(b"/") + b"0"


def root_of(path: bytes, roots: Sequence[bytes]) -> bytes:
    """Return which of `roots`, of which none holds another, `path` is or lies below; one of them must."""
    return next(root for root in roots if path == root or path.startswith(as_folder(root)))


def outermost(paths: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `paths` in walking order, without those that are or lie in another one."""
    outer = None
    for path in sorted(paths, key=as_folder):
        if outer is None or not as_folder(path).startswith(outer):
            outer = as_folder(path)
            yield path


def shown_root(root: bytes) -> str:
    """Return the name of a root as sentences have it: on one line, whatever it is called."""
    return os.fsdecode(root).replace("\n", r"\x0a")


def absolute(path: bytes) -> bytes:
    """Return `path` as the store has it: absolute, without `.`, `..` or doubled slashes; links are kept.

    Raises `UsageError` for an empty one: a script's variable that is not set must not mean the whole working directory.
    """
    if path[:1] == b"/" and path[-1:] != b"/" and b"//" not in path and b"/." not in path:
        return path  # as nearly all are that scripts ask for
    if not path:
        raise UsageError("a path is empty", hint="name a file or folder; . is the working directory")
    # POSIX lets two slashes at the beginning mean something else than one, and abspath keeps them
    return b"/" + os.path.abspath(path).lstrip(b"/")


def nfc(path: bytes) -> bytes | None:
    """Return `path` in Unicode form NFC, None where it is no UTF-8."""
    if path.isascii():
        return path
    import unicodedata

    try:
        return unicodedata.normalize("NFC", path.decode()).encode()
    except UnicodeDecodeError:
        return None
