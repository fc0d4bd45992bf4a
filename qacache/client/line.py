"""The line to a server: a socket whose every wait ends, whatever the other end does.

In: where to connect, and how long all of it may take. Out: what `http.client` takes for a socket. Time is counted while
it is the server that is waited for: whoever reads an answer may pause as long as they like.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from _typeshed import WriteableBuffer

_LEAST_S = 0.001
_READ_AHEAD = 64 << 10
# a server that is switched off, or out of reach, is given up after a minute of silence
_PROBES = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class OutOfTime(TimeoutError):
    """All the time that was to be spent on waiting is spent."""


class Patience:
    """So many seconds of waiting in all, over as many waits as there are; None for as long as it takes.

    Each wait is a block; one that takes longer raises `OutOfTime`.
    """

    def __init__(self, seconds: float | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.left_s = seconds
        self._monotonic = monotonic
        self._began_s = 0.0

    def __enter__(self) -> float | None:
        """Begin a wait; return how long it may be. Raises `OutOfTime`."""
        if self.left_s is not None and self.left_s <= 0:
            raise OutOfTime
        self._began_s = self._monotonic()
        return None if self.left_s is None else max(self.left_s, _LEAST_S)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self.left_s is not None:
            self.left_s -= self._monotonic() - self._began_s
        # with a number, it is the operating system that gave up
        if isinstance(error, TimeoutError) and error.errno is None:
            raise OutOfTime from error


class Line:
    """A connection, of which every read and every write is a wait of `patience`.

    Owns the socket. It has of a socket what `http.client` uses; that one's `close` leaves it open.
    """

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._socket = connection
        self._patience = patience

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        rest = memoryview(data)
        while rest:
            with self._patience as most_s:
                self._socket.settimeout(most_s)
                rest = rest[self._socket.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what comes in as a file."""
        return io.BufferedReader(_Incoming(self), _READ_AHEAD)

    def receive_into(self, buffer: WriteableBuffer) -> int:
        """Wait for what comes next; return how many bytes of it are in `buffer`, 0 at the end."""
        with self._patience as most_s:
            self._socket.settimeout(most_s)
            return self._socket.recv_into(buffer)

    def hang_up(self) -> None:
        """Let whoever waits for this line find that it has ended; for signal handlers, too."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    def close(self) -> None:
        """Leave it open: `http.client` closes before all is read what it takes for its own."""


class _Incoming(io.RawIOBase):
    def __init__(self, line: Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._line.receive_into(buffer)


def dial(host: str, port: int, *, most_s: float, is_tls: bool) -> socket.socket:
    """Return a socket that is connected to the first address of `host` that answers.

    All of that takes up to `most_s` seconds: finding the addresses, connecting, and TLS. Raises `OSError`.
    """
    patience = Patience(most_s)
    with patience as left_s:
        addresses = _addresses(host, port, left_s or most_s)
    connection = _first_that_answers(addresses, patience)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES:
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return _secured(connection, host, patience) if is_tls else connection
    except BaseException:
        connection.close()
        raise


def _addresses(host: str, port: int, most_s: float) -> Sequence[Any]:
    """Return what `getaddrinfo` does. It knows no deadline: names are looked up in a thread that may be left."""
    if _is_number(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: list[Any] = []
    failures: list[OSError] = []

    def search() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            failures.append(error)
        except UnicodeError:  # a name that no DNS can hold
            failures.append(socket.gaierror(socket.EAI_NONAME, "no such name"))

    thread = threading.Thread(target=search, name="addresses", daemon=True)
    thread.start()
    thread.join(most_s)
    if thread.is_alive():
        raise OutOfTime
    if failures:
        raise failures[0]
    return found


def _is_number(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _first_that_answers(addresses: Sequence[Any], patience: Patience) -> socket.socket:
    failure: OSError = OutOfTime()
    for family, kind, protocol, address, share in _with_shares(addresses):
        connection = socket.socket(family, kind, protocol)
        try:
            with patience as most_s:
                # one that is silent must leave some time for the others
                connection.settimeout(most_s and max(most_s * share, _LEAST_S))
                connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _with_shares(addresses: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        yield family, kind, protocol, address, 1 / (len(addresses) - number)


def _secured(connection: socket.socket, host: str, patience: Patience) -> socket.socket:
    import ssl  # takes longer to load than an answer takes

    with patience as most_s:
        connection.settimeout(most_s)
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
