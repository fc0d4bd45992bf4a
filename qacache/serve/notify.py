"""The service manager: systemd is told how the server is, and hands it sockets that are open already.

In: the variables that systemd starts a service with (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)). Out:
datagrams to its socket, and listening sockets. Started by anybody else, nothing is told, and nothing handed over.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

_FIRST_DESCRIPTOR = 3
_LISTEN = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
# systemd takes datagrams in at once; one that does not is not waited for
_MOST_S = 1.0


class Notifier:
    """Tells systemd how the server is, as far as `environ` says that it listens; for any thread, and raises nothing.

    Within `watchdog_s` seconds `watchdog` has to be called again, or the server is killed; None is whenever.
    """

    def __init__(self, environ: Mapping[str, str], *, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._monotonic_ns = monotonic_ns
        self.watchdog_s = _watchdog_s(environ) if self._address else None

    def ready(self) -> None:
        """Say that requests are answered from now on; also after `reloading`."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that what is configured is read again; `ready` says that it was."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={self._monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that no more requests are taken."""
        self._tell("STOPPING=1")

    def watchdog(self) -> None:
        """Say that nothing hangs."""
        self._tell("WATCHDOG=1")

    def _tell(self, *variables: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_MOST_S)
            sender.sendto("\n".join(variables).encode(), self._address)


class Handed(NamedTuple):
    """A listening socket that systemd opened; `name` is its FileDescriptorName, by default that of the unit."""

    name: str
    socket: socket.socket


def handed_sockets(environ: MutableMapping[str, str]) -> list[Handed]:
    """Return the sockets that this process was handed, in the order of the unit; none where it was not.

    What tells of them is taken out of `environ`, lest a child takes them for its own. They are the caller's to close,
    but not to shut down: systemd has them, too. Raises `ConfigError` where one of them is nothing to listen on.
    """
    pid, count, names = (environ.pop(name, "") for name in _LISTEN)
    if pid != str(os.getpid()):
        return []
    descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + _whole(count))
    with ExitStack() as opened:
        sockets = [opened.enter_context(_listening(each)) for each in descriptors]
        opened.pop_all()
    # a name for each, or none at all
    return [Handed(name, each) for name, each in zip(chain(names.split(":"), repeat("")), sockets, strict=False)]


def _listening(descriptor: int) -> socket.socket:
    """Return the socket; programs that are started from here do not get it."""
    try:
        handed = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _useless(descriptor, error.strerror or str(error)) from error
    is_stream = handed.type == socket.SOCK_STREAM and handed.family in (socket.AF_INET, socket.AF_INET6)
    if not is_stream or not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        handed.close()
        raise _useless(descriptor, "nothing to take connections from")
    handed.set_inheritable(False)
    return handed


def _useless(descriptor: int, why: str) -> ConfigError:
    return ConfigError(
        f"file descriptor {descriptor} that systemd handed over is of no use: {why}",
        hint="have ListenStream= of the unit name an address and a port, with Accept=no",
    )


def _address(path: str) -> bytes:
    """Return the address that sockets take, empty where nobody listens: `@` is a name that is in no file system."""
    if path.startswith("@"):
        return b"\0" + os.fsencode(path[1:])
    return os.fsencode(path) if path.startswith("/") else b""


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return the interval if it is this process that is watched, and not the one that started it."""
    pid = environ.get("WATCHDOG_PID", "")
    interval_us = _whole(environ.get("WATCHDOG_USEC", ""))
    return interval_us / 1e6 if interval_us and pid in ("", str(os.getpid())) else None


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
