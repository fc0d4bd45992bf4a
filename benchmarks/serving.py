"""How many look-ups a second a server answers, against Datasette on the same database, and what memory that takes."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.measure import QACACHE, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_CONNECTIONS = 8
_SECONDS = 5
_ROUNDS = 3
_BATCH = 10_000
_LOOKUPS = (10_000, 1_000_000)
_COLUMNS = (
    *("path", "status", "size", "duration_s", "display_width", "display_height", "orientation", "hdr"),
    *("video_codec", "audio_codec"),
)
_PORT, _RIVAL_PORT = 18_417, 18_418
_UP_S = 30


def serving(work: Path, db: Path) -> Iterator[Row]:
    """Look up one file again and again, and ten thousand at once."""
    if shutil.which("wrk") is None:
        print("no wrk to ask with: how fast the server answers is not measured", file=sys.stderr)
        return
    paths = sorted((work / "tree" / "part 0").rglob("*.*"))[:_BATCH]
    one = f"/api/v1/lookup?path={quote(str(paths[_BATCH // 2]))}"
    with running([QACACHE, "serve", "--db", str(db), "--addr", f"127.0.0.1:{_PORT}"], _PORT, "/livez") as pid:
        mine = [ask_all_the_time(_PORT, one) for _ in range(_ROUNDS)]
        rate = statistics.median(rate for rate, _ in mine)
        late_ms = statistics.median(late for _, late in mine)
        yield from _against_datasette(db, paths[_BATCH // 2], rate)
        yield Row("p99 of look-ups : 20 ms", late_ms / 20, 1.0, False, f"{late_ms:.1f} ms", "20 ms")
        many = _BATCH / statistics.median(_batch_s(paths) for _ in range(_ROUNDS))
        shown = f"{many:,.0f} paths/s", f"{rate:,.0f} /s"
        yield Row("paths of one POST : single look-ups", many / rate, 10, True, *shown)
        yield from _memory(pid, one)


def _against_datasette(db: Path, path: Path, rate: float) -> Iterator[Row]:
    datasette = shutil.which("datasette", path=os.path.dirname(QACACHE)) or shutil.which("datasette")
    if datasette is None:
        print("no datasette to compare with: pip install datasette", file=sys.stderr)
        return
    command = [datasette, str(db), "--port", str(_RIVAL_PORT)]
    with closing(sqlite3.connect(db)) as connection:
        ((file_id,),) = connection.execute("SELECT id FROM file WHERE path = ?", (os.fsencode(path),)).fetchall()
    with running(command, _RIVAL_PORT, "/-/versions.json"):
        asked = f"/{db.stem}/media/{file_id}.json"
        other = statistics.median(ask_all_the_time(_RIVAL_PORT, asked)[0] for _ in range(_ROUNDS))
        yield Row("look-ups : datasette, the same row", rate / other, 5, True, f"{rate:,.0f} /s", f"{other:,.0f} /s")


def _memory(pid: int, asked: str) -> Iterator[Row]:
    """Say what a million look-ups take of memory, against ten thousand."""
    few, many = _LOOKUPS
    _ask(few, asked)
    before = _resident_bytes(pid)
    _ask(many, asked)
    after = _resident_bytes(pid)
    shown = f"{after / 1e6:.1f} MB", f"{before / 1e6:.1f} MB"
    yield Row("memory after 1,000,000 look-ups : 10,000", after / before, 1.1, False, *shown)


def _ask(count: int, asked: str) -> None:
    """Look up, `count` times at least."""
    done = 0
    while done < count:
        done += round(ask_all_the_time(_PORT, asked)[0] * _SECONDS)


def ask_all_the_time(port: int, asked: str, seconds: int = _SECONDS) -> tuple[float, float]:
    """Return answers a second, and the milliseconds in which 99 of 100 come."""
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}", "--latency", f"http://127.0.0.1:{port}{asked}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"not all was answered: {told}")
    rate = re.search(r"Requests/sec:\s*([\d.]+)", told)
    late = re.search(r"99%\s*([\d.]+)(us|ms|s)", told)
    assert rate is not None
    assert late is not None
    return float(rate[1]), float(late[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[late[2]]


def _batch_s(paths: Sequence[Path]) -> float:
    body = b"\0".join(os.fsencode(path) for path in paths)
    headers = {"Accept": "text/tab-separated-values", "Content-Type": "application/octet-stream"}
    with closing(http.client.HTTPConnection("127.0.0.1", _PORT)) as connection:
        began = time.perf_counter()
        connection.request("POST", f"/api/v1/lookup?columns={','.join(_COLUMNS)}", body, headers)
        told = connection.getresponse().read()
        took = time.perf_counter() - began
    if told.count(b"\n") != len(paths) + 1:
        raise SystemExit(f"not all was answered: {told[:200]!r}")
    return took


def _resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running(command: Sequence[str], port: int, asked: str) -> Iterator[int]:
    """Run a server until the end of the block."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            await_answer(port, asked)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_UP_S)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def await_answer(port: int, asked: str) -> None:
    """Wait for a server to be up; raises `SystemExit` where it does not come up."""
    deadline = time.monotonic() + _UP_S
    while time.monotonic() < deadline:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection, suppress(OSError):
            connection.request("GET", asked)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise SystemExit(f"no server at port {port}")
