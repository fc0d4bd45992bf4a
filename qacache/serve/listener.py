"""Listeners: addresses to be reached by. Connections come in, and are given on; nothing is read from them here."""

from __future__ import annotations

import errno
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

from qacache.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_S = 0.2
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BREATH_S = 0.1


class Listener(HTTPServer):
    """Listens on one address in a thread of its own. Owns its socket.

    `on_connection` gets each connection, with the address of its other end. Where `handed` is given, that is a socket
    which listens already, and may be others' as well: it is closed in the end, and never shut down.
    """

    request_queue_size = 128
    allow_reuse_address = True

    def __init__(
        self,
        host: str,
        port: int,
        on_connection: Callable[[socket.socket, str], None],
        handed: socket.socket | None = None,
    ) -> None:
        self._on_connection = on_connection
        if handed is None:
            self._open(host, port)
        else:
            self._take(handed)
        self.beats = 0
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), name="listener", daemon=True)

    def _take(self, handed: socket.socket) -> None:
        self.address_family = handed.family
        super().__init__(handed.getsockname(), BaseHTTPRequestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = handed

    def _open(self, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            if not host and socket.has_dualstack_ipv6():
                # of all addresses, those of IPv6 are those of IPv4 as well
                found.sort(key=lambda each: each[0] != socket.AF_INET6)
            self.address_family, _, _, _, address = found[0]
            super().__init__(address, BaseHTTPRequestHandler)  # type: ignore[arg-type]  # of IPv6, it has four parts
        except (OSError, UnicodeError) as error:
            raise UsageError(
                f"cannot listen on {url_host(host)}:{port}: {getattr(error, 'strerror', None) or error}",
                hint="choose another address: see server.addr, and server.ops_addr",
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The URL to ask."""
        return f"http://{url_host(str(self.server_address[0]))}:{self.port}"

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections, and give the address back."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def server_bind(self) -> None:
        """Bind the socket: to IPv4 as well where it is of all addresses; the base would ask DNS for its own name."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def service_actions(self) -> None:
        """Count the rounds: of a listener that hangs, this stays."""
        self.beats += 1

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection; where there is no room for one, do not ask for it all the time."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _FULL:
                time.sleep(_BREATH_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection on."""
        self._on_connection(request, str(client_address[0]))


def url_host(host: str) -> str:
    """Return a host as URLs have it."""
    return f"[{host}]" if ":" in host else host
