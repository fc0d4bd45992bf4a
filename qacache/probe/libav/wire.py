"""Messages through a pipe: each is its length, four bytes, big end first, and so many bytes."""

from __future__ import annotations

import os

HEADER_BYTES = 4


def framed(message: bytes) -> bytes:
    """Return the message as it is sent."""
    return len(message).to_bytes(HEADER_BYTES, "big") + message


def send(descriptor: int, message: bytes) -> None:
    """Write a message whole."""
    rest = memoryview(framed(message))
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int) -> bytes | None:
    """Wait for a message and return it; None where the other end is closed."""
    header = _exactly(descriptor, HEADER_BYTES)
    return None if header is None else _exactly(descriptor, int.from_bytes(header, "big"))


def _exactly(descriptor: int, size: int) -> bytes | None:
    read = bytearray()
    while len(read) < size:
        part = os.read(descriptor, size - len(read))
        if not part:
            return None
        read += part
    return bytes(read)
