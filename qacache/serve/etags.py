"""Entity tags: of what was asked for, and of the store as it is; while neither changes, one answer will do.

The tag is a weak one: that of a database which was only tidied up is another, too.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class StoreVersions:
    """Tells versions of the store at `path` apart, without a look into it: each commit writes to its log."""

    def __init__(self, path: str) -> None:
        self._path = path

    def etag(self, path: str, query: Mapping[str, Sequence[str]], *of_form: object) -> str:
        """Return the tag of what that path and query mean now, in a form that `of_form` tells from others."""
        asked = (path, sorted((name, list(values)) for name, values in query.items()), of_form, list(self._marks()))
        return f'W/"{hashlib.sha256(repr(asked).encode()).hexdigest()[:32]}"'

    def _marks(self) -> Iterator[tuple[int, ...]]:
        for ending in ("", "-wal"):
            with suppress(OSError):
                stat = os.stat(self._path + ending)
                yield stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
