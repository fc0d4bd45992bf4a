"""`qacache serve`: what it refuses to do, how it is told to stop, and what systemd hears of it."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from qacache.store.history import History
from tests.api_server import until
from tests.command import PROJECT, Command
from tests.media import make_file

DEADLINE_S = 30


class Served:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def port(self) -> int:
        return int(until(lambda: self.ports)[0])

    @property
    def ports(self) -> list[int]:
        """Those of which it says by now that it listens on them."""
        return [int(port) for port in re.findall(r"listening on http://127\.0\.0\.1:(\d+)", self.log.read_text())]

    def get(self, target: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


# what systemd does: the sockets are descriptors from 3 on, and it is the process itself that is told of them
HAND_OVER = """
import os, sys
count = int(sys.argv[1])
for number in range(count):
    os.dup2(int(sys.argv[2 + number]), 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count)}
os.execv(sys.executable, [sys.executable, *sys.argv[2 + count:]])
"""


@contextmanager
def served(tmp_path: Path, *, handed: Sequence[socket.socket] = (), **environ: str) -> Iterator[Served]:
    log = tmp_path / "serve.log"
    arguments = ["-m", "qacache", "serve", "--db", str(tmp_path / "qacache.db"), "--addr", "127.0.0.1:0"]
    # beyond where they are to be
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in handed]
    if moved:
        arguments = ["-c", HAND_OVER, str(len(moved)), *map(str, moved), *arguments]
    command = [sys.executable, *arguments]
    own = {name: text for name, text in os.environ.items() if not name.startswith("QACACHE_")}
    own |= {"XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, env=own | environ, cwd=tmp_path, pass_fds=moved)
    for descriptor in moved:
        os.close(descriptor)
    try:
        yield Served(process, log)
    finally:
        process.kill()
        process.wait(DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path) as server:
        assert server.get("/livez") == (200, b'{"status":"ok"}\n')
        assert server.end(number) == 0
        assert "stopped" in server.log.read_text()


def test_a_scan_that_runs_is_ended_in_order(tmp_path: Path, library: Path) -> None:
    for number in range(200):
        make_file(library / f"{number}.mp4", b"broken %d" % number)
    with served(tmp_path, QACACHE_SCAN_ROOTS=str(library), QACACHE_SCAN_RATE="20", QACACHE_SCAN_SETTLE="0s") as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
        connection.request("POST", "/api/v1/scans", b"{}", {"Content-Type": "application/json"})
        assert connection.getresponse().status == 202
        connection.close()
        assert server.end() == 0
    with History(str(tmp_path / "qacache.db")) as history:
        (scan,) = history.scans()
    assert scan.state == "interrupted"


def test_what_was_killed_begins_anew(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        assert server.get("/livez")[0] == 200
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    with served(tmp_path) as server:
        assert server.get("/api/v1/stats")[0] == 200
        assert server.end() == 0


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(str(tmp_path / "notify"))
        hears.settimeout(DEADLINE_S)
        with served(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000") as server:
            assert hears.recv(100) == b"READY=1"
            assert hears.recv(100) == b"WATCHDOG=1"
            assert server.end() == 0
        heard = set()
        hears.setblocking(False)
        while True:
            try:
                heard.add(hears.recv(100))
            except BlockingIOError:
                break
        assert b"STOPPING=1" in heard


def test_sockets_that_systemd_opened_are_listened_on_and_outlive_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as public, socket.create_server(("127.0.0.1", 0)) as ops:
        public_port, ops_port = (each.getsockname()[1] for each in (public, ops))
        # it was asked before it was there
        with closing(HTTPConnection("127.0.0.1", public_port, timeout=DEADLINE_S)) as early:
            early.request("GET", "/livez")
            with served(tmp_path, handed=[public, ops], LISTEN_FDNAMES="qacache.socket:ops") as server:
                assert early.getresponse().status == 200
                assert until(lambda: server.ports == [public_port, ops_port])
                assert [get(port, "/metrics") for port in (public_port, ops_port)] == [404, 200]
                assert server.end() == 0
        with served(tmp_path, handed=[public]):
            assert get(public_port, "/livez") == 200


def test_sockets_for_other_machines_want_tokens_as_well(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, served(tmp_path, handed=[everywhere]) as server:
        assert server.process.wait(DEADLINE_S) == 2
        assert "is for other machines, too, and no token is asked for" in server.log.read_text()


def get(port: int, target: str) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request("GET", target)
        return connection.getresponse().status


def test_tokens_are_read_again_when_it_is_told_so(qacache: Command, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    first = qacache("token", "new", "--file", tokens).out.strip()
    with served(tmp_path, QACACHE_SERVER_TOKEN_FILE=str(tokens)) as server:
        assert ask(server, first) == 200
        second = qacache("token", "new", "--file", tokens).out.strip()
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: ask(server, second) == 200)
        assert ask(server, first) == 200
        tokens.write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: "tokens stay as they were" in server.log.read_text())
        assert ask(server, second) == 200


def ask(server: Served, token: str) -> int:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/api/v1/stats", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("addr", "complaint"),
    [
        (":0", "is for other machines, too, and no token is asked for"),
        ("0.0.0.0:0", "is for other machines, too, and no token is asked for"),
        ("127.0.0.1", '"127.0.0.1" is no address'),
        ("127.0.0.1:70000", '"127.0.0.1:70000" is no address'),
        ("192.0.2.1:0", "is for other machines, too, and no token is asked for"),
    ],
)
def test_where_strangers_could_ask_it_does_not_begin(qacache: Command, addr: str, complaint: str) -> None:
    refused = qacache("serve", "--addr", addr)
    assert refused.status == 2
    assert complaint in refused.err
    assert refused.out == ""


def test_all_addresses_take_the_names_by_which_they_are_asked(qacache: Command, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    qacache("token", "new", "--file", tokens)
    config = tmp_path / "config.toml"
    config.write_text(f'[server]\ntoken_file = "{tokens}"\n')

    refused = qacache("serve", "--addr", ":0", "--config", config)

    assert refused.status == 2
    assert "server.hosts" in refused.err


def test_an_address_that_is_taken_is_told(qacache: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = qacache("serve", "--addr", f"127.0.0.1:{taken.getsockname()[1]}")
    assert refused.status == 2
    assert "cannot listen on 127.0.0.1" in refused.err
