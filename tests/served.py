"""A server in a process of its own, as a service manager or a terminal has it."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.api_server import Site, until
from tests.command import PROJECT
from tests.processes import children_of, command_line

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

    @property
    def site(self) -> Site:
        return Site(self.port)

    @property
    def scans(self) -> list[int]:
        """The processes of its scans, as soon as there is one."""
        return scans_of(self.process.pid)

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


def scans_of(server: int) -> list[int]:
    """The processes of the scans of the server in that process, as soon as there is one."""

    def found() -> list[int]:
        return [pid for pid in children_of(server) if "scanning.child" in command_line(pid)]

    return list(until(found))
