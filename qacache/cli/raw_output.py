"""Paths as the system has them, byte for byte: for players, `xargs` and the like."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def raw_writer() -> Callable[[bytes], object]:
    """Return what writes bytes to stdout as they are; what a terminal would act on is made visible there."""
    if not sys.stdout.isatty():
        return sys.stdout.buffer.write
    return lambda data: sys.stdout.write(
        "".join(f"{printable(line)}\n" for line in data.removesuffix(b"\n").split(b"\n"))
    )


def write_paths(paths: Iterable[bytes], line_end: bytes) -> int:
    """Write the paths, each with `line_end`; return how many were left out, since they have it in their names.

    These would be read as two, of which either may be that of another file.
    """
    write = raw_writer()
    unfit = 0
    for path in paths:
        if line_end in path:
            unfit += 1
            sys.stderr.write(f"qacache: left out, as its name has a line break: {printable(path)}\n")
        else:
            write(path + line_end)
    return unfit
