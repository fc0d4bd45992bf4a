"""A scan while the server is asked all the time: by wrk, and by clients that follow the events or never read them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.measure import QACACHE, Row
from benchmarks.serving import ask_all_the_time, await_answer, free_port
from tests.media import make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILES = 20_000
_FOLDER_FILES = 500
_ROUNDS = 2
_FOLLOWERS, _OF_WHICH_NEVER_READ = 20, 5
_WRK_S = 5
_STOP_S = 25.0
_PATIENCE_S = 30.0
# an MP4 may end in a box that is skipped: what is in it makes each file another content
_FREE_BOX = b"\0\0\0\x10free"


class _Follower:
    """Follows the events until `close`; `has_lost` says that they ended before. Some read nothing of them."""

    def __init__(self, port: int, *, reads: bool) -> None:
        self.has_lost = False
        self._is_over = threading.Event()
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=0.5)
        self._sock.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self._thread = threading.Thread(target=self._follow if reads else self._is_over.wait)
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._sock.close()

    def _follow(self) -> None:
        while not self._is_over.is_set():
            try:
                self.has_lost |= not self._sock.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                self.has_lost = True
            if self.has_lost:
                return


def busy(work: Path) -> Iterator[Row]:
    """Scan with nobody else about, and with many; and stop amid that."""
    if shutil.which("wrk") is None:
        print("no wrk to ask with: a scan of a busy server is not measured", file=sys.stderr)
        return
    library = work / "busy"
    _make_files(library)
    alone, beset, late, stops = [], [], [], []
    for number in range(_ROUNDS):
        with _served(library, work / f"alone {number}.db") as (_, port):
            alone.append(_scan_s(port))
        with _served(library, work / f"busy {number}.db") as (process, port):
            with _followed(port):
                took_s, late_ms = _beset_scan(port, library)
            with _followed(port, until_the_end=False):
                stops.append(_stop_s(process, port))
            beset.append(took_s)
            late += late_ms
    mine, other, usual_ms = statistics.median(beset), statistics.median(alone), statistics.median(late)
    yield Row("speed of a scan under load : alone", other / mine, 0.7, True, f"{mine:.1f} s", f"{other:.1f} s")
    yield Row("p99 of look-ups meanwhile : 100 ms", usual_ms / 100, 1.0, False, f"{usual_ms:.1f} ms", "100 ms")
    shown = f"{max(stops):.1f} s", f"{_STOP_S:g} s"
    yield Row("SIGTERM amid that : 25 s", max(stops) / _STOP_S, 1.0, False, *shown)


def _make_files(library: Path) -> None:
    library.mkdir()
    make_clip(library / "clip.mp4")
    clip = (library / "clip.mp4").read_bytes()
    for number in range(1, _FILES):
        file = library / f"{number // _FOLDER_FILES}" / f"{number}.mp4"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(clip + _FREE_BOX + b"%08d" % number)


@contextmanager
def _served(library: Path, db: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    command = [QACACHE, "serve", "--db", str(db), "--addr", f"127.0.0.1:{port}"]
    environ = os.environ | {"QACACHE_SCAN_ROOTS": str(library), "QACACHE_SCAN_SETTLE": "0s"}
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            await_answer(port, "/livez")
            yield process, port
        finally:
            process.send_signal(signal.SIGTERM)
            if process.wait(_PATIENCE_S) != 0:
                raise SystemExit(f"the server ended with {process.returncode}")


@contextmanager
def _followed(port: int, *, until_the_end: bool = True) -> Iterator[None]:
    """Have the events followed in the block; whoever reads them has to get them `until_the_end` of it."""
    with ExitStack() as opened:
        followers = [_Follower(port, reads=number >= _OF_WHICH_NEVER_READ) for number in range(_FOLLOWERS)]
        for each in followers:
            opened.callback(each.close)
        yield
        if until_the_end and (lost := sum(each.has_lost for each in followers)):
            raise SystemExit(f"{lost} of those who followed the events were let go")


def _beset_scan(port: int, library: Path) -> tuple[float, list[float]]:
    """Return the seconds that a scan takes while look-ups come all the time, and the p99 of these, in ms."""
    asked = f"/api/v1/lookup?path={quote(str(library / 'clip.mp4'))}"
    took: list[float] = []
    thread = threading.Thread(target=lambda: took.append(_scan_s(port)))
    thread.start()
    late = []
    while thread.is_alive():
        late.append(ask_all_the_time(port, asked, _WRK_S)[1])
    thread.join()
    if not took:
        raise SystemExit("the scan came to no end")
    return took[0], late


def _scan_s(port: int) -> float:
    began = time.perf_counter()
    scan_id = _ask(port, "POST", "/api/v1/scans")["scan_id"]
    while (scan := _ask(port, "GET", f"/api/v1/scans/{scan_id}"))["state"] == "running":
        time.sleep(0.2)
    if (scan["state"], scan["probed"]) != ("complete", _FILES):
        raise SystemExit(f"not all was scanned: {scan}")
    return time.perf_counter() - began


def _stop_s(process: subprocess.Popen[bytes], port: int) -> float:
    """Return the seconds from SIGTERM to the end, amid a scan and look-ups."""
    _ask(port, "POST", "/api/v1/scans", b'{"force": true}')
    with subprocess.Popen(
        ["wrk", "-t1", "-c8", "-d30", f"http://127.0.0.1:{port}/livez"], stdout=subprocess.DEVNULL
    ) as wrk:
        time.sleep(2)
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_S)
        took = time.perf_counter() - began
        wrk.kill()
    return took


def _ask(port: int, method: str, target: str, body: bytes = b"{}") -> dict[str, object]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
        connection.request(method, target, body if method == "POST" else None, {"Content-Type": "application/json"})
        told: dict[str, object] = json.loads(connection.getresponse().read())
        return told
