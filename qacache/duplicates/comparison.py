"""Comparison: which files have the same content, found by reading them side by side.

In: files of one size, and what reads a chunk of one. Out: prints of each, hashes of as many of its first bytes as it
took to tell it from the others. Files that are equal to the end have the same print of all bytes.

Bytes are compared with bytes; the prints, of those that are equal made only once, are for whoever compares again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import xxhash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qacache.store.proofs import Prints

File = TypeVar("File")

CHUNK_BYTES = 1 << 20


def compare(
    files: Sequence[File],
    size: int,
    read: Callable[[File, bytearray, int], bool],
    *,
    to_the_end: bool = False,
) -> dict[File, Prints]:
    """Return the prints of each of `files`, all of `size` bytes; none of those that could not be read.

    `read(file, buffer, offset)` fills the buffer, or says that it cannot: then the file is left alone. A file that
    differs from all others is read no further, unless `to_the_end`. There are as many chunks in memory as there are
    different ones, and one more.
    """
    prints: dict[File, Prints] = {file: {} for file in files}
    buffers = _Buffers()
    pending = [_Alike(files, xxhash.xxh3_128())]
    while pending:
        alike = pending.pop()
        # one after the other to its end: disks seek
        while alike.files and alike.offset < size and (to_the_end or len(alike.files) > 1):
            alike, *others = alike.read_on(min(CHUNK_BYTES, size - alike.offset), read, buffers)
            pending += others
            for each in (alike, *others) if others else ():
                each.note(prints)
        if alike.offset == size:
            alike.note(prints)
    return prints


class _Buffers:
    """Memory for chunks, of one length at a time: to have it anew takes as long as to fill it."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self, length: int) -> bytearray:
        """Return a buffer of that length."""
        if self._free and len(self._free[-1]) == length:
            return self._free.pop()
        self._free.clear()
        return bytearray(length)

    def give_back(self, buffer: bytearray) -> None:
        """Let another chunk have the buffer."""
        self._free.append(buffer)


@dataclass(slots=True)
class _Alike(Generic[File]):
    """Files of which the first `offset` bytes are the same; `state` is the hash of these."""

    files: Sequence[File]
    state: xxhash.xxh3_128
    offset: int = 0

    def read_on(
        self, length: int, read: Callable[[File, bytearray, int], bool], buffers: _Buffers
    ) -> list[_Alike[File]]:
        """Return the files by what they hold in the next `length` bytes: at least one part, which may be empty."""
        parts = _parts(self.files, length, lambda file, buffer: read(file, buffer, self.offset), buffers)
        following = []
        for chunk, files in parts:
            state = self.state if len(parts) == 1 else self.state.copy()
            state.update(chunk)
            buffers.give_back(chunk)
            following.append(_Alike(files, state, self.offset + length))
        return following or [_Alike((), self.state, self.offset)]

    def note(self, prints: dict[File, Prints]) -> None:
        """Add the hash to the prints of the files."""
        for file in self.files:
            prints[file][self.offset] = self.state.digest()


def _parts(
    files: Iterable[File], length: int, read: Callable[[File, bytearray], bool], buffers: _Buffers
) -> list[tuple[bytearray, list[File]]]:
    """Return the files that could be read, by content."""
    parts: list[tuple[bytearray, list[File]]] = []
    for file in files:
        buffer = buffers.take(length)
        if not read(file, buffer):
            # not given back: who hangs in the system may still write to it
            continue
        same = next((known for chunk, known in parts if chunk == buffer), None)
        if same is None:
            parts.append((buffer, [file]))
        else:
            same.append(file)
            buffers.give_back(buffer)
    return parts
