"""Paths as bytes: what lies below a folder, and in which order.

The order of everything (walks, rows, merge) is that of whole paths as bytes, in which a folder stands as `folder/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
