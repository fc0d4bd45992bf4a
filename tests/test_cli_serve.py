"""`qacache serve`: what it refuses to do, how it is told to stop, and what systemd hears of it."""

from __future__ import annotations

import signal
import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.api_server import Site, until
from tests.command import Command
from tests.served import DEADLINE_S, Served, served


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path) as server:
        assert server.site.get("/livez").json == {"status": "ok"}
        assert server.end(number) == 0
        assert "stopped" in server.log.read_text()


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
                assert [Site(port).get("/metrics").status for port in (public_port, ops_port)] == [404, 200]
                assert server.end() == 0
        with served(tmp_path, handed=[public]):
            assert Site(public_port).get("/livez").status == 200


def test_sockets_for_other_machines_want_tokens_as_well(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, served(tmp_path, handed=[everywhere]) as server:
        assert server.process.wait(DEADLINE_S) == 2
        assert "is for other machines, too, and no token is asked for" in server.log.read_text()


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
    return server.site.get("/api/v1/stats", Authorization=f"Bearer {token}").status


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


@pytest.mark.parametrize("addr", [":0", "0.0.0.0:0", "[::]:0"])
def test_all_addresses_take_the_names_by_which_they_are_asked(qacache: Command, tmp_path: Path, addr: str) -> None:
    tokens = tmp_path / "tokens"
    qacache("token", "new", "--file", tokens)
    config = tmp_path / "config.toml"
    config.write_text(f'[server]\ntoken_file = "{tokens}"\n')

    refused = qacache("serve", "--addr", addr, "--config", config)

    assert refused.status == 2
    assert "server.hosts" in refused.err


@pytest.mark.parametrize("path", ["/livez", "/api/v1/openapi.json", "/api/v1/scans/1"])
def test_metrics_do_not_take_the_place_of_something_else(qacache: Command, tmp_path: Path, path: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[metrics]\npath = "{path}"\n')

    refused = qacache("serve", "--addr", "127.0.0.1:0", "--config", config)

    assert refused.status == 2
    assert f"metrics.path is where something else is to be had: {path}" in refused.err


def test_an_address_that_is_taken_is_told(qacache: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = qacache("serve", "--addr", f"127.0.0.1:{taken.getsockname()[1]}")
    assert refused.status == 2
    assert "cannot listen on 127.0.0.1" in refused.err
