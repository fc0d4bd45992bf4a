"""Requests out of the bytes of one connection: bytes come in as they arrive, whole requests go out."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from qacache.serve.heads import END, MAX_HEAD, BadRequest, Head, check_beginning, parse_head

if TYPE_CHECKING:
    from collections.abc import Callable


class Received(NamedTuple):
    """A whole request."""

    head: Head
    body: bytes


class Incoming:
    """Gathers the requests of one connection.

    `admit` is asked as soon as a head with a body is there: it returns how many bytes that may have, or raises
    `BadRequest`, so that nothing is read which would be refused anyway.
    """

    def __init__(self, admit: Callable[[Head], int]) -> None:
        self._admit = admit
        self._buffer = bytearray()
        self._searched = 0
        self._head: Head | None = None

    @property
    def buffered(self) -> int:
        """How many bytes are held."""
        return len(self._buffer)

    @property
    def has_begun(self) -> bool:
        """Whether a request has begun, and is not whole yet."""
        return self._head is not None or bool(self._buffer)

    @property
    def awaited_head(self) -> Head | None:
        """The head of the request whose body is still to come, if there is one."""
        return self._head

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived."""
        self._buffer += data

    def next(self) -> Received | None:
        """Return the next request, None where it is not whole yet; raises `BadRequest`, and then it is the last."""
        if self._head is None:
            self._head = self._next_head()
        head = self._head
        if head is None or len(self._buffer) < head.content_length:
            return None
        body = bytes(self._buffer[: head.content_length])
        del self._buffer[: head.content_length]
        self._head = None
        return Received(head, body)

    def forget(self) -> None:
        """Give up what is held: no more requests are wanted."""
        self._buffer.clear()
        self._head = None

    def _next_head(self) -> Head | None:
        buffer = self._buffer
        end = buffer.find(END, max(0, self._searched - len(END) + 1), MAX_HEAD + len(END))
        if end < 0:
            check_beginning(buffer, self._searched)
            self._searched = len(buffer)
            return None
        head = parse_head(bytes(buffer[:end]))
        del buffer[: end + len(END)]
        self._searched = 0
        if head.content_length and head.content_length > self._admit(head):
            raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body of {head.content_length} bytes")
        return head
