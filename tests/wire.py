"""Both ends of HTTP for tests: a server with a tiny application, and a client that sends bytes as it is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple

from qacache.serve.connection import Connection
from qacache.serve.heads import BadRequest, Head
from qacache.serve.incoming import Received
from qacache.serve.messages import Live, Response
from qacache.serve.server import Address, Limits, Server

PATIENCE_S = 20.0
MOST_BODY = 1 << 20
MEGABYTE = bytes(1 << 20)


def get(path: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """The bytes of a request without body."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: here", *fields, "", ""]).encode()


def post(body: bytes, *fields: str, path: str = "/echo") -> bytes:
    """The bytes of a request with a body."""
    return get(path, f"Content-Length: {len(body)}", *fields, method="POST") + body


def eventually(is_so: Callable[[], bool]) -> bool:
    """Wait for something to be so; return whether it got so within the patience of tests."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.005)
    return True


class Pieces:
    """A body in pieces, that says whether it was closed, and breaks off where `breaks` is set."""

    def __init__(self, pieces: Iterable[bytes], breaks: Exception | None = None) -> None:
        self.pieces = pieces
        self.breaks = breaks
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.breaks:
            raise self.breaks

    def close(self) -> None:
        self.is_closed = True


class TinyApplication:
    """Answers by what is in `pages`, and echoes what is sent to /echo.

    /slow waits for `gate` while it is answered, and says so by `begun`. /events is given to `followers`. What begins
    with /now is answered at once.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Response] = {"/": Response(HTTPStatus.OK, b"hello", "text/plain")}
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.followers: list[Connection] = []
        self.take: Callable[[Connection], None] = self.followers.append
        self.peers: list[str] = []
        self.refusals: list[BadRequest] = []
        self.asked: list[str] = []
        self.over: list[HTTPStatus] = []
        self.left = 0

    def admit(self, connection: Connection, head: Head) -> int:
        if head.target == "/denied":
            raise BadRequest(HTTPStatus.UNAUTHORIZED, "a token is asked for")
        return MOST_BODY if head.target == "/echo" else 0

    def refused(self, error: BadRequest) -> None:
        self.refusals.append(error)

    def answer_now(self, connection: Connection, received: Received) -> Response | None:
        target = received.head.target
        if not target.startswith("/now"):
            return None
        self.asked.append(target)
        if target == "/now/raise":
            raise ValueError("a defect")
        return Response(HTTPStatus.OK, target.encode() + bytes(16_000 if target == "/now/kilobytes" else 0))

    def answer(self, connection: Connection, received: Received) -> Response:
        target = received.head.target
        self.asked.append(target)
        self.peers.append(connection.peer)
        if target == "/slow":
            self.begun.release()
            self.gate.wait(PATIENCE_S)
        if target == "/echo":
            return Response(HTTPStatus.OK, received.body, "application/octet-stream")
        if target == "/events":
            return Response(HTTPStatus.OK, Live(self.take), "text/event-stream")
        return self.pages.get(target) or Response(HTTPStatus.OK, target.encode(), "text/plain")

    def answered(self, connection: Connection, response: Response, sent_bytes: int) -> None:
        self.over.append(response.status)

    def leave(self) -> None:
        self.left += 1


@contextmanager
def serving(application: TinyApplication, limits: Limits, host: str = "127.0.0.1") -> Iterator[Server]:
    """Serve `application` on a free port."""
    server = Server(application, [Address(host, 0, "public")], limits)
    server.start()
    try:
        yield server
    finally:
        application.gate.set()
        for connection in application.followers:
            connection.close()
        server.stop(PATIENCE_S)


class Broken(Exception):
    """An answer is not whole."""


class Answer(NamedTuple):
    """What came back; fields by their names in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class Client(AbstractContextManager["Client"]):
    """One connection to a server on this machine. With `receive_bytes`, it takes in only so many unread."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, receive_bytes: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.settimeout(PATIENCE_S)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            self.socket.connect((host, port))
        except OSError:
            self.socket.close()
            raise
        self._file = self.socket.makefile("rb")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        self.socket.sendall(data)

    def begin(self) -> bytes:
        """Begin a request, and wait until the server knows of it; return what is missing."""
        request = post(b"body", "Expect: 100-continue")
        assert self.ask(request[:-4]).status == 100
        return request[-4:]

    def ask(self, data: bytes, *, method: str = "GET") -> Answer:
        """Send bytes, and read one answer."""
        self.send(data)
        return self.answer(method=method)

    def answer(self, *, method: str = "GET") -> Answer:
        """Read one answer; raises `Broken` where it is not whole."""
        status, fields = self.head()
        if method == "HEAD" or status in (100, 204, 304):
            return Answer(status, fields, b"")
        if fields.get("transfer-encoding") == "chunked":
            return Answer(status, fields, b"".join(self._chunks()))
        if "content-length" in fields:
            return Answer(status, fields, self.some(int(fields["content-length"])))
        return Answer(status, fields, self.rest())

    def head(self) -> tuple[int, dict[str, str]]:
        """Read the head of an answer."""
        line = self._line().split(" ", 2)
        fields: dict[str, str] = {}
        while line_of_field := self._line():
            name, _, value = line_of_field.partition(": ")
            assert name.lower() not in fields
            fields[name.lower()] = value
        assert line[0] == "HTTP/1.1"
        return int(line[1]), fields

    def rest(self) -> bytes:
        """Read until the other end closes; raises `Broken` where it breaks off."""
        try:
            return self._file.read()
        except ConnectionError as error:
            raise Broken from error

    def is_over(self) -> bool:
        """Wait until the other end closes; return whether nothing came before that."""
        return self.rest() == b""

    def _line(self) -> str:
        try:
            line = self._file.readline()
        except ConnectionError as error:
            raise Broken from error
        if not line.endswith(b"\r\n"):
            raise Broken(line)
        return line[:-2].decode("latin-1")

    def _chunks(self) -> Iterator[bytes]:
        while length := int(self._line(), 16):
            yield self.some(length)
            assert self._line() == ""
        assert self._line() == ""

    def some(self, length: int) -> bytes:
        """Read so many bytes; raises `Broken` where there are fewer."""
        try:
            data = self._file.read(length)
        except ConnectionError as error:
            raise Broken from error
        if len(data) < length:
            raise Broken
        return data
