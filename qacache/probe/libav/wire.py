"""What goes through the pipes between parent and child.

A message is its length, four bytes, big end first, and so many bytes. A line of the log, on standard error, is the part
of libav that spoke, a tab, and its words.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qacache.probe.verdicts import Said

_HEADER_BYTES = 4


def send(descriptor: int, message: bytes) -> None:
    """Write a message whole; raises `BrokenPipeError` where the other end is closed."""
    rest = memoryview(len(message).to_bytes(_HEADER_BYTES, "big") + message)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int) -> bytes | None:
    """Wait for a message and return it; None where the other end is closed."""
    header = _exactly(descriptor, _HEADER_BYTES)
    return None if header is None else _exactly(descriptor, int.from_bytes(header, "big"))


def message_in(read: bytes | bytearray) -> bytes | None:
    """Return the message that was read, None where that is not all of it."""
    end = _HEADER_BYTES + promised_bytes(read)
    return bytes(read[_HEADER_BYTES:end]) if len(read) >= end else None


def promised_bytes(read: bytes | bytearray) -> int:
    """Return how long the message is going to be, 0 while that is not read yet."""
    return int.from_bytes(read[:_HEADER_BYTES], "big") if len(read) >= _HEADER_BYTES else 0


def log_line(part: str, words: str) -> bytes:
    """Return a line of the log as it is printed."""
    return f"{part}\t{' '.join(words.split())}\n".encode(errors="replace")


def said_in(printed: bytes) -> list[Said]:
    """Return the lines of the log in what was printed, and the last of all others, which tells most of a traceback."""
    lines = printed.decode(errors="replace").splitlines()
    others = [line for line in lines if "\t" not in line]
    return [(part, words) for part, tab, words in (line.partition("\t") for line in lines) if tab] + [
        ("", line) for line in others[-1:]
    ]


def _exactly(descriptor: int, size: int) -> bytes | None:
    read = bytearray()
    while len(read) < size:
        part = os.read(descriptor, size - len(read))
        if not part:
            return None
        read += part
    return bytes(read)
