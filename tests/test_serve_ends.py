"""How a server ends: in order, whatever it does at that moment; at once, where that is wanted; and after SIGKILL."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from qacache.store.history import History
from tests.api_server import until
from tests.command import hanging_ffprobe, processes_about
from tests.media import make_file
from tests.processes import needs_proc
from tests.served import DEADLINE_S, Served, served

FILES = 200
FOLLOWERS, OF_WHICH_NEVER_READ = 20, 5
EVENTS = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def scanning(tmp_path: Path, library: Path) -> Iterator[Served]:
    """A server with a scan that takes a while."""
    for number in range(FILES):
        make_file(library / f"{number}.mp4", b"broken %d" % number)
    environ = {"QACACHE_SCAN_RATE": "20", "QACACHE_SCAN_SETTLE": "0s", "QACACHE_SERVER_DRAIN": "3s"}
    with served(tmp_path, QACACHE_SCAN_ROOTS=str(library), **environ) as server:
        assert server.site.post("/api/v1/scans", {}).status == 202
        yield server


def state_of_the_only_scan(tmp_path: Path) -> str | None:
    with History(str(tmp_path / "qacache.db")) as history:
        (scan,) = history.scans()
    return scan.state


def test_a_scan_that_runs_is_ended_in_order(scanning: Served, tmp_path: Path) -> None:
    assert scanning.end() == 0
    assert state_of_the_only_scan(tmp_path) == "interrupted"


class Load:
    """Look-ups all the time, of which none may fail before `is_over`."""

    def __init__(self, port: int, path: Path) -> None:
        self.is_over = threading.Event()
        self.answered = 0
        self.failures: list[str] = []
        self._port = port
        self._target = f"/api/v1/lookup?path={path}"
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def close(self) -> None:
        self._thread.join()

    def _ask(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)) as connection:
            while True:
                try:
                    connection.request("GET", self._target)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, HTTPException) as error:
                    if not self.is_over.is_set():
                        self.failures.append(repr(error))
                    return
                if answer.status == 200:
                    self.answered += 1
                elif not self.is_over.is_set():
                    self.failures.append(str(answer.status))


@contextmanager
def followed(port: int) -> Iterator[list[socket.socket]]:
    """Those who follow the events: each has got the first of them, and some read no more."""
    with ExitStack() as opened:
        followers = []
        for _ in range(FOLLOWERS):
            follower = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
            follower.sendall(EVENTS)
            assert follower.recv(1) == b"H"
            followers.append(follower)
        yield followers[OF_WHICH_NEVER_READ:]


def rest_of(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_amid_all_that_can_be_asked_it_ends_in_order(scanning: Served, tmp_path: Path, library: Path) -> None:
    port = scanning.port
    with followed(port) as readers, ExitStack() as opened:
        loads = [Load(port, library / f"{number}.mp4") for number in range(4)]
        for load in loads:
            opened.callback(load.close)
        assert until(lambda: all(load.answered > 50 for load in loads))
        assert scanning.site.get("/api/v1/scans").json["scans"][0]["state"] == "running"
        for load in loads:
            load.is_over.set()

        assert scanning.end() == 0

        assert [load.failures for load in loads] == [[]] * len(loads)
        # each message to its end
        for reader in readers:
            told = rest_of(reader)
            assert b"event: snapshot\n" in told
            assert told.endswith(b"}\n\n")
    assert state_of_the_only_scan(tmp_path) == "interrupted"
    log = tmp_path / "qacache.db-wal"
    assert not log.exists() or log.stat().st_size == 0


@needs_proc
def test_a_second_interrupt_ends_it_at_once(tmp_path: Path, library: Path) -> None:
    make_file(library / "slow.mp4", b"slow")
    environ = {"QACACHE_SCAN_ROOTS": str(library), "QACACHE_SCAN_SETTLE": "0s", "QACACHE_SERVER_DRAIN": "600s"}
    environ |= {"QACACHE_FFPROBE_ENGINE": "ffprobe", "QACACHE_FFPROBE_PATH": str(hanging_ffprobe(tmp_path))}
    with served(tmp_path, **environ) as server:
        assert server.site.post("/api/v1/scans", {}).status == 202
        (scan,) = server.scans
        assert until(lambda: processes_about(f"{library}/slow.mp4"))
        # what is frozen does not end in order
        os.kill(scan, signal.SIGSTOP)
        try:
            server.process.send_signal(signal.SIGINT)
            assert until(lambda: "stopping" in server.log.read_text())
            assert server.end(signal.SIGINT) == -signal.SIGINT
        finally:
            os.kill(scan, signal.SIGCONT)
            (tmp_path / "go").touch()


@needs_proc
def test_a_scan_that_does_not_end_is_ended_and_told_of(scanning: Served, tmp_path: Path) -> None:
    os.kill(scanning.scans[0], signal.SIGSTOP)
    # not all came to its end
    assert scanning.end() == 1
    assert state_of_the_only_scan(tmp_path) == "interrupted"


def test_what_was_killed_amid_a_scan_begins_anew(scanning: Served, tmp_path: Path) -> None:
    assert scanning.end(signal.SIGKILL) == -signal.SIGKILL
    assert until(lambda: state_of_the_only_scan(tmp_path) == "interrupted")

    with served(tmp_path) as server:
        assert server.site.get("/api/v1/stats").status == 200
        assert server.site.get("/api/v1/scans").json["scans"][0]["state"] == "interrupted"
        assert server.end() == 0
