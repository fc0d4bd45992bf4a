"""Servers that do what no server should, for whoever asks them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket, threading.Event], None]


@contextmanager
def odd_server(behave: Behaviour) -> Iterator[str]:
    """The URL of a server that treats each connection by `behave`, which gets what says that the test is over."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def attend(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                behave(connection, is_over)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threads.append(threading.Thread(target=attend, args=(connection,)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def head_of(connection: socket.socket) -> bytes:
    """The head of a request, and as much of its body as came with it."""
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    return data


def answering(data: bytes) -> Behaviour:
    """Sends `data`, whatever it is asked, and hangs up."""

    def behave(connection: socket.socket, _: threading.Event) -> None:
        head_of(connection)
        connection.sendall(data)

    return behave


def answering_at_once(data: bytes) -> Behaviour:
    """Sends `data` after whatever comes first."""

    def behave(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return behave


def silent(connection: socket.socket, is_over: threading.Event) -> None:
    """Takes the request in, and says nothing."""
    head_of(connection)
    is_over.wait()


def dripping(before: bytes) -> Behaviour:
    """Sends `before`, and then a byte now and then, without end."""

    def behave(connection: socket.socket, is_over: threading.Event) -> None:
        head_of(connection)
        connection.sendall(before)
        while not is_over.wait(0.02):
            connection.sendall(b" ")

    return behave


def response(
    body: bytes, *, status: str = "200 OK", kind: str = "application/json", length: int | None = None, more: str = ""
) -> bytes:
    """A response, of which the length may be said to be another one."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length or len(body)}\r\n{more}\r\n"
    return head.encode() + body
