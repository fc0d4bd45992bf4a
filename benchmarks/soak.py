"""A server under mixed load for as long as you like: its memory, descriptors and threads have to stay what they are.

`python -m benchmarks.soak [--minutes 60]` makes a small library, serves it, and asks everything at once: single
look-ups, batches, searches, events that some follow and some never read, metrics, scans, connections that stall. It
prints a line a minute, and ends with 1 where anything was not answered, or grew.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from benchmarks.library import make_clips
from benchmarks.measure import QACACHE, run
from benchmarks.serving import free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CLIPS = 60
_STALLED = 50
# of the whole time, to begin with and to compare with
_PART = 0.2
_SAMPLE_S = 0.25
_MOST_GROWTH = 1.1
_SLACK_BYTES = 8 << 20
_SLACK = 8


class Usage(NamedTuple):
    """What a process takes: resident bytes, descriptors and threads."""

    resident_bytes: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Return what the process takes now."""
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        folder = f"/proc/{pid}"
        counts = (len(os.listdir(f"{folder}/{name}")) for name in ("fd", "task"))
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), *counts)

    def has_grown_from(self, before: Usage) -> bool:
        """Whether this is more than `before`, and than what comes and goes."""
        most_bytes = before.resident_bytes * _MOST_GROWTH + _SLACK_BYTES
        return (
            self.resident_bytes > most_bytes
            or self.descriptors > before.descriptors + _SLACK
            or self.threads > before.threads + _SLACK
        )


@dataclass(slots=True)
class Load:
    """All that asks the server at `port`, each in a thread of its own; `failures` are what was not answered."""

    port: int
    paths: Sequence[str]
    asked: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> list[threading.Thread]:
        """Begin to ask; return the threads."""
        work: list[Callable[[], None]] = [
            *(self._look_up,) * 3,
            self._look_up_many,
            self._search,
            self._scan,
            self._watch_metrics,
            self._stall,
            *(self._follow,) * 3,
            *(self._follow_without_reading,) * 2,
        ]
        threads = [threading.Thread(target=self._again_and_again, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        return threads

    def _again_and_again(self, work: Callable[[], None]) -> None:
        while not self.is_over.is_set():
            try:
                work()
                self.asked[work.__name__] += 1
            except (OSError, http.client.HTTPException, AssertionError) as error:
                if not self.is_over.is_set():
                    self.failures.append(f"{work.__name__}: {error!r}")
                    self.is_over.wait(0.5)

    def _ask(self, method: str, path: str, body: bytes | None = None, *, wanted: Sequence[int] = (200,)) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            told = answer.read()
            assert answer.status in wanted, f"{method} {path}: {answer.status} {told[:200]!r}"
            return told
        finally:
            connection.close()

    def _look_up(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            for path in self.paths:
                connection.request("GET", f"/api/v1/lookup?path={quote(path)}")
                answer = connection.getresponse()
                told = answer.read()
                assert answer.status == http.HTTPStatus.OK, told[:200]
        finally:
            connection.close()

    def _look_up_many(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/api/v1/lookup", "\0".join([*self.paths] * 20))
            told = connection.getresponse().read()
            assert told.endswith(b"]\n"), told[-100:]
        finally:
            connection.close()
        self.is_over.wait(0.2)

    def _search(self) -> None:
        self._ask("GET", "/api/v1/files?orientation=landscape&sort=-size&limit=50", wanted=(200, 503))
        self._ask("GET", "/api/v1/stats", wanted=(200, 503))
        self._ask("GET", "/api/v1/dupes", wanted=(200, 503))
        self.is_over.wait(0.2)

    def _scan(self) -> None:
        self._ask("POST", "/api/v1/scans", b'{"force": true}', wanted=(202, 409))
        self.is_over.wait(2.0)

    def _watch_metrics(self) -> None:
        self._ask("GET", "/metrics")
        self._ask("GET", "/ready", wanted=(200, 503))
        self.is_over.wait(1.0)

    def _stall(self) -> None:
        """Begin requests, and never end them."""
        beginnings = (
            b"",
            b"GET / HT",
            b"POST /api/v1/lookup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
        )
        with ExitStack() as opened:
            for number in range(_STALLED):
                sock = opened.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=30))
                sock.sendall(beginnings[number % len(beginnings)])
            self.is_over.wait(20.0)

    def _follow(self) -> None:
        self._hear(reads=True)

    def _follow_without_reading(self) -> None:
        self._hear(reads=False)

    def _hear(self, *, reads: bool) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as sock:
            sock.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until = time.monotonic() + 15.0
            while time.monotonic() < until and not self.is_over.wait(0.0 if reads else 0.5):
                if reads:
                    with suppress(TimeoutError):
                        assert sock.recv(65_536), "the events ended"


def soak(seconds: float, say: Callable[[str], None]) -> list[str]:
    """Serve a small library under load for so long; return what was wrong."""
    with tempfile.TemporaryDirectory(prefix="qacache-soak-") as name:
        library, db = Path(name) / "library", Path(name) / "store.db"
        make_clips(library, _CLIPS)
        # the same whatever this machine is configured for
        os.environ |= {"XDG_CONFIG_HOME": name, "QACACHE_SCAN_ROOTS": str(library), "QACACHE_SCAN_SETTLE": "0s"}
        run([QACACHE, "scan", "--db", str(db), str(library)])
        port = free_port()
        command = [QACACHE, "serve", "--db", str(db), "--addr", f"127.0.0.1:{port}"]
        with running(command, port, "/livez") as pid:
            load = Load(port, [str(path) for path in sorted(library.rglob("*.*"))])
            threads = load.start()
            problems = _watched(pid, load, seconds, say)
            load.is_over.set()
            for thread in threads:
                thread.join(60)
        return [*problems, *load.failures[:20]]


def _watched(pid: int, load: Load, seconds: float, say: Callable[[str], None]) -> list[str]:
    """Say every minute what the server takes; return how it has grown, if it has."""
    part = seconds * _PART
    before = _most(pid, load, part)
    until = time.monotonic() + seconds - 2 * part
    while (left := until - time.monotonic()) > 0:
        _tell(say, _most(pid, load, min(60.0, left)), load)
    after = _most(pid, load, part)
    _tell(say, after, load)
    return [f"it has grown from {before} to {after}"] if after.has_grown_from(before) else []


def _most(pid: int, load: Load, seconds: float) -> Usage:
    """Return the most that the process takes in the next `seconds`, each number by itself."""
    until = time.monotonic() + seconds
    most = Usage.of(pid)
    while time.monotonic() < until:
        load.is_over.wait(_SAMPLE_S)
        most = Usage(*map(max, most, Usage.of(pid)))
    return most


def _tell(say: Callable[[str], None], usage: Usage, load: Load) -> None:
    say(
        f"{usage.resident_bytes / 1e6:7.1f} MB  {usage.descriptors:4} descriptors  {usage.threads:3} threads  "
        f"{len(load.failures)} failures  {dict(load.asked)}"
    )


def main() -> int:
    """Soak; return 1 where something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    problems = soak(options.minutes * 60, lambda line: print(line, flush=True))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
