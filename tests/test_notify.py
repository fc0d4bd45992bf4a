"""The service manager: what systemd hears on a real socket, and the sockets that it hands over to a real process."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from qacache.serve.notify import Notifier, handed_sockets

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def path() -> Iterator[str]:
    """Where systemd listens: of few bytes, as sockets ask for, which the folders of tests are not."""
    with TemporaryDirectory() as folder:
        yield f"{folder}/notify"


@pytest.fixture
def systemd(path: str) -> Iterator[socket.socket]:
    with listening(path) as listener:
        yield listener


def listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address)
    listener.settimeout(10)
    return listener


def heard(systemd: socket.socket) -> str:
    return systemd.recv(4096).decode()


def silent(systemd: socket.socket) -> bool:
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(1)
    return True


# what systemd is told


def test_life_of_the_server_is_told(path: str, systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": path})

    notifier.ready()
    notifier.watchdog()
    notifier.stopping()

    assert [heard(systemd) for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_reload_is_told_with_its_moment(path: str, systemd: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": path}, monotonic_ns=lambda: 12_345_678_901).reloading()

    assert heard(systemd) == "RELOADING=1\nMONOTONIC_USEC=12345678"


@pytest.mark.skipif(sys.platform != "linux", reason="such addresses are Linux's")
def test_address_with_an_at_is_in_no_filesystem() -> None:
    name = f"qacache-test-{os.getpid()}"
    with listening(f"\0{name}") as systemd:
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()

        assert heard(systemd) == "READY=1"


def test_address_is_read_once(path: str, systemd: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": path}
    notifier = Notifier(environ)
    environ.clear()

    notifier.ready()

    assert heard(systemd) == "READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_socket_nothing_is_told(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    # whoever makes one all the same fails
    monkeypatch.delattr(socket, "socket")

    notifier = Notifier({**environ, "WATCHDOG_USEC": "30000000"})
    notifier.ready()

    assert notifier.watchdog_s is None


def test_socket_that_is_gone_is_nobodys_trouble(path: str) -> None:
    listening(path).close()
    Path(path).unlink()

    Notifier({"NOTIFY_SOCKET": path}).ready()


def test_socket_that_takes_nothing_in_is_not_waited_for(
    path: str, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qacache.serve.notify._MOST_S", 0.001)
    notifier = Notifier({"NOTIFY_SOCKET": path})

    # more than any queue of datagrams holds
    for _ in range(600):
        notifier.watchdog()

    assert heard(systemd) == "WATCHDOG=1"


# the watchdog


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "³"}, None),
    ],
)
def test_watchdog_is_ours_only_if_it_says_so(path: str, variables: dict[str, str], expected: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": path, **variables}).watchdog_s == expected


# sockets that are handed over

HANDED = """
import json, os, sys
from qacache.errors import ConfigError
from qacache.serve.notify import handed_sockets
# what systemd does before it starts a program
for at, descriptor in enumerate(sys.argv[1:], 3):
    os.dup2(int(descriptor), at)
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
try:
    handed = handed_sockets(os.environ)
except ConfigError as error:
    print(json.dumps({"error": str(error), "hint": error.hint}))
    sys.exit()
for name, each in handed:
    connection, _ = each.accept()
    connection.sendall(name.encode())
    connection.close()
print(json.dumps({
    "names": [name for name, _ in handed],
    "inheritable": [each.get_inheritable() for _, each in handed],
    "left": [name for name in os.environ if name.startswith("LISTEN_")],
}))
"""


def handed_to(sockets: list[socket.socket], **variables: str) -> dict[str, Any]:
    """What a process tells of `sockets` that are its descriptors from 3 on."""
    # beyond those, not to be in each other's way
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in sockets]
    try:
        done = subprocess.run(
            [sys.executable, "-c", HANDED, *map(str, moved)],
            env={**os.environ, "PYTHONPATH": str(PROJECT), "LISTEN_FDS": str(len(sockets)), **variables},
            pass_fds=moved,
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
        )
    finally:
        for descriptor in moved:
            os.close(descriptor)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_sockets_of_the_unit_are_taken_in_their_order_with_their_names() -> None:
    with ExitStack() as opened:
        servers = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        # connections wait for who will listen
        clients = [opened.enter_context(socket.create_connection(each.getsockname())) for each in servers]

        answer = handed_to(servers, LISTEN_FDNAMES="public:ops")

        assert answer == {"names": ["public", "ops"], "inheritable": [False, False], "left": []}
        assert [client.recv(10) for client in clients] == [b"public", b"ops"]


def test_sockets_without_names_are_taken_all_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        assert handed_to([server])["names"] == [""]


def test_sockets_of_another_process_are_not_taken_and_told_of_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = handed_to([server], LISTEN_PID="1")

    assert answer == {"names": [], "inheritable": [], "left": []}


def test_datagram_socket_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as useless:
        answer = handed_to([useless])

    assert "file descriptor 3 that systemd handed over is of no use" in answer["error"]
    assert "ListenStream=" in answer["hint"]


def test_socket_that_does_not_listen_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as useless:
        answer = handed_to([server, useless])

    assert "file descriptor 4 that systemd handed over is of no use" in answer["error"]


@pytest.mark.parametrize("count", ["0", "", "many", "-1"])
def test_no_count_is_no_sockets(count: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": "a", "HOME": "/root"}

    assert handed_sockets(environ) == []
    assert environ == {"HOME": "/root"}
