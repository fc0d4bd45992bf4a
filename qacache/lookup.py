"""Looking up: what the store says of the paths that somebody names.

In: paths, absolute or relative to the working directory. Out: an `Answer` for each file, in the order asked; a
folder stands for all that is stored below it. No file is touched.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from qacache.paths import absolute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.store.reader import Found, Reader

_BATCH = 250


class Answer(NamedTuple):
    """What is stored of one path; `found` is None where nothing is."""

    path: bytes
    found: Found | None


def look_up(reader: Reader, paths: Iterable[bytes], columns: tuple[str, ...]) -> Iterator[Answer]:
    """Yield an answer for each of `paths`, for folders one for each file below, with `columns` in each."""
    asked = map(absolute, paths)
    while batch := list(islice(asked, _BATCH)):
        known = reader.find_all(batch, columns)
        for path in batch:
            found = known.get(path)
            if found is not None and found.status != "vanished":
                yield Answer(path, found)
            else:
                # where a file was, a folder may be now
                yield from _by_other_names(reader, path, columns, found)


def _by_other_names(reader: Reader, path: bytes, columns: tuple[str, ...], vanished: Found | None) -> Iterator[Answer]:
    for name in reader.spellings(path):
        found = reader.find(name, columns) if name != path else None
        if found is not None:
            yield Answer(found.path, found)
            return
        below = reader.below(name, columns)
        first = next(below, None)
        if first is not None:
            yield from (Answer(each.path, each) for each in chain([first], below))
            return
    if vanished is not None:
        yield Answer(path, vanished)
        return
    found = reader.find_composed(path, columns)
    composed = [found] if found else reader.below_composed(path, columns)
    yield from (Answer(each.path, each) for each in composed)
    if not composed:
        yield Answer(path, None)
