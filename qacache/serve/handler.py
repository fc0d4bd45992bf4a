"""The handler: the stdlib's, for requests that are whole and were read strictly; it sends what the application answers.

Of `BaseHTTPRequestHandler` it keeps how an answer is put together. Reading, limits and deadlines are not its business:
see `heads` and `reactor`.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from email.utils import formatdate
from enum import Enum, auto
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Protocol

from qacache.serve.messages import Live, Response, problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.serve.connection import Connection
    from qacache.serve.heads import BadRequest, Head
    from qacache.serve.incoming import Received

MOST_REQUESTS = 1000
"""So many requests are answered over one connection: then it is the client's to make another."""

_PIECE = 64 << 10
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_SECURITY = (
    b"X-Content-Type-Options: nosniff\r\n"
    b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
    b"Referrer-Policy: no-referrer\r\n"
)


class Fate(Enum):
    """What became of a connection when a request was answered."""

    OPEN = auto()
    OVER = auto()
    BROKEN = auto()
    GIVEN_AWAY = auto()


class Application(Protocol):
    """What answers requests. All of it is for any thread."""

    def admit(self, connection: Connection, head: Head) -> int:
        """Return how many bytes the body of a request may have; raises `BadRequest` where it may have none."""

    def refused(self, error: BadRequest) -> None:
        """Take note that what came was refused, being no request."""

    def answer(self, connection: Connection, received: Received) -> Response:
        """Return the response; whatever is wrong, this raises nothing.

        A body in pieces may raise `OSError`. If it has a method `close`, that is called in any case, even where no
        piece was asked for.
        """

    def answer_now(self, connection: Connection, received: Received) -> Response | None:
        """Return the response to a request that takes no time to speak of, a few kilobytes; None for all others.

        Its body has an end: all other connections wait for it.
        """

    def answered(self, connection: Connection, response: Response, sent_bytes: int) -> None:
        """Take note that `response` was sent, or as much of it as the client wanted, or as could be.

        This is called once for each response, by the thread that it came from.
        """

    def leave(self) -> None:
        """Give up what this thread has: it answers no more."""


class Handler(BaseHTTPRequestHandler):
    """Answers requests of one connection, one at a time."""

    # the base makes it, and says nothing of its type
    _headers_buffer: list[bytes]

    protocol_version = "HTTP/1.1"
    server_version = "qacache"
    sys_version = ""

    def __init__(self, connection: Connection) -> None:
        # the base's own would read from the socket, here and now
        self.client_address = (connection.peer, 0)
        self.request_version = self.protocol_version
        self._connection = connection

    def serve(self, received: Received, application: Application, *, is_last: bool = False) -> Fate:
        """Answer one request; return whether the connection may have another one, or whose it is now.

        With `is_last`, the client is told that it may not.
        """
        return self._finish(application.answer(self._connection, received), received.head, application, is_last=is_last)

    def serve_now(self, received: Received, application: Application) -> Fate | None:
        """Answer one request if that takes no time to speak of; None where it would: then nothing was done."""
        response = application.answer_now(self._connection, received)
        return None if response is None else self._finish(response, received.head, application)

    def _finish(self, response: Response, head: Head, application: Application, *, is_last: bool = False) -> Fate:
        self.command = head.method
        is_last = is_last or not head.is_kept_alive or self._connection.answered + 1 >= MOST_REQUESTS
        self.close_connection = is_last
        self._sent_bytes = 0
        is_broken = True
        try:
            with _closed_at_the_end(response.body):
                self._send(response, head)
            is_broken = False
        except OSError:  # the client is gone, or takes nothing in, or the body broke off
            pass
        finally:
            application.answered(self._connection, response, self._sent_bytes)
        self._connection.rest()
        if is_broken:
            return Fate.BROKEN
        if isinstance(response.body, Live) and self.command != "HEAD":
            response.body.take(self._connection)
            return Fate.GIVEN_AWAY
        return Fate.OVER if self.close_connection else Fate.OPEN

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the application is told when the answer was sent."""

    def version_string(self) -> str:
        """Return what the field `Server` says: no version, which only tells strangers what to try."""
        return self.server_version

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time as HTTP has it."""
        return _http_time(int(time.time() if timestamp is None else timestamp))

    def _send(self, response: Response, head: Head) -> None:
        body = response.body
        self.send_response(response.status)
        for name, value in response.fields:
            self.send_header(name, value)
        if response.status in _WITHOUT_BODY:
            self._flush()
            return
        self.send_header("Content-Type", response.content_type)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body)))
            self._flush(b"" if self.command == "HEAD" else body)
        elif isinstance(body, Live):
            # it ends with the connection
            self.close_connection = self.close_connection or self.command != "HEAD"
            self._flush()
        else:
            self._send_pieces(body, is_chunked=not head.is_http_1_0)

    def _send_pieces(self, pieces: Iterable[bytes], *, is_chunked: bool) -> None:
        """Send a body of unknown length: what breaks off must not look whole, and so the connection is broken, too."""
        if self.command == "HEAD":
            self._flush()
            return
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        self._flush()
        for piece in _gathered(pieces):
            self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked:
            self._write(b"0\r\n\r\n")

    def _flush(self, body: bytes = b"") -> None:
        if self.close_connection:
            self.send_header("Connection", "close")
        lines = b"".join(self._headers_buffer)
        if lines.count(b"\n") != len(self._headers_buffer) or lines.count(b"\r") != len(self._headers_buffer):
            raise ValueError("a field of the answer has more than one line")
        self._headers_buffer.clear()
        self._write(lines + _SECURITY + b"\r\n" + body)

    def _write(self, data: bytes) -> None:
        self._connection.send(data)
        self._sent_bytes += len(data)


def refuse(connection: Connection, error: BadRequest) -> None:
    """Answer what is no request, or comes at the wrong time: no word of what was sent comes back. Raises `OSError`."""
    response = problem(error.status, str(error))
    body = response.body if isinstance(response.body, bytes) else b""
    later = [("Retry-After", "1")] if error.status is HTTPStatus.SERVICE_UNAVAILABLE else []
    lines = [
        f"HTTP/1.1 {error.status.value} {error.status.phrase}",
        "Server: qacache",
        f"Date: {_http_time(int(time.time()))}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in error.fields or later),
        "Connection: close",
        "",
    ]
    connection.send("\r\n".join(lines).encode() + _SECURITY + b"\r\n" + body)


@contextmanager
def _closed_at_the_end(body: object) -> Iterator[None]:
    """Have what makes the pieces of a body give up what it has, whatever became of them."""
    try:
        yield
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `pieces` in larger ones; an empty one flushes what is there, and is none itself."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _PIECE or (gathered and not piece):
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


@lru_cache(maxsize=1)
def _http_time(time_s: int) -> str:
    return formatdate(time_s, usegmt=True)
