"""The digest: what tells one content from another without reading it all.

In: a path. Out: 16 bytes, xxh3_128 over the size and three chunks: head, middle and tail. A small file is read
whole. Equal digests make candidates for "same content", never the proof.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from qacache.events import Failed, Unstable
from qacache.models import Failure, FileStat
from qacache.os_failures import os_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 64 * 1024
WHOLE_BYTES = 3 * CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file and the digest of what is in it."""

    stat: FileStat
    digest: bytes


def digest_file(stat: FileStat) -> Hashed | Unstable | Failed:
    """Return the file with its digest: `Unstable` where it is written to meanwhile, `Failed` where it is unreadable."""
    if stat.size == 0:
        return Failed(stat.path, Failure("digest", "empty-file", "the file is empty"), stat)
    try:
        # not to hang on a FIFO that took the file's place
        descriptor = os.open(stat.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            digest = digest_of(descriptor, stat.size)
            after = FileStat.of(stat.path, os.fstat(descriptor))
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return Unstable(stat.path)
    except OSError as error:
        return Failed(stat.path, os_failure("digest", error), stat)
    # a writer that started since discovery: what was read may be neither the old content nor the new
    return Hashed(stat, digest) if after.has_content_of(stat) else Unstable(stat.path)


def digest_of(descriptor: int, size: int) -> bytes:
    """Return the digest of an open file of `size` bytes; raises `OSError`."""
    state = xxhash.xxh3_128(size.to_bytes(8, "little"))
    for offset, length in _chunks(size):
        while length > 0 and (data := os.pread(descriptor, length, offset)):
            state.update(data)
            offset += len(data)
            length -= len(data)
    return state.digest()


def digested_bytes(size: int) -> int:
    """Return how many bytes are read for the digest of a file of `size` bytes."""
    return sum(length for _, length in _chunks(size))


def _chunks(size: int) -> Iterator[tuple[int, int]]:
    if size <= WHOLE_BYTES:
        yield 0, size
        return
    for offset in (0, (size - CHUNK_BYTES) // 2, size - CHUNK_BYTES):
        yield offset, CHUNK_BYTES
