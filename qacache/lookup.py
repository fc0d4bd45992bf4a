"""Looking up: what the store says of the paths that somebody names.

In: paths, absolute or relative to the working directory. Out: an `Answer` for each file, in the order asked; a
folder stands for all that is stored below it. No file is touched.
"""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qacache.store.reader import Found, Reader


class Answer(NamedTuple):
    """What is stored of one path; `found` is None where nothing is."""

    path: bytes
    found: Found | None


def look_up(reader: Reader, paths: Iterable[bytes], columns: Sequence[str]) -> Iterator[Answer]:
    """Yield an answer for each of `paths`, for folders one for each file below, with `columns` in each."""
    for path in map(absolute, paths):
        found = reader.find(path, columns)
        if found is not None:
            yield Answer(found.path, found)
        else:
            yield from _by_other_names(reader, path, columns)


def absolute(path: bytes) -> bytes:
    """Return `path` as the store has it: absolute, without `.`, `..` or doubled slashes; links are kept."""
    return os.path.abspath(path)


def _by_other_names(reader: Reader, path: bytes, columns: Sequence[str]) -> Iterator[Answer]:
    for name in reader.spellings(path):
        found = reader.find(name, columns)
        if found is not None:
            yield Answer(found.path, found)
            return
        below = reader.below(name, columns)
        first = next(below, None)
        if first is not None:
            yield from (Answer(each.path, each) for each in chain([first], below))
            return
    found = reader.find_composed(path, columns)
    yield Answer(found.path if found else path, found)
