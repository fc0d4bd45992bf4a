"""A server in this process, and the command that asks it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qacache.cli import run
from qacache.client.server import Server
from qacache.config import load
from qacache.config.serving import Client
from qacache.serve.notify import Notifier
from qacache.serve.service import Service
from tests.command import Done


@contextmanager
def serving(db: Path, *, roots: tuple[Path, ...] = (), tokens: Path | None = None, **flags: object) -> Iterator[str]:
    """The URL of a server of the store `db`."""
    given = {"db.path": db, "server.addr": "127.0.0.1:0", "server.drain": "5s", "scan.roots": list(roots)}
    named = {name.replace("__", "."): value for name, value in flags.items()}
    config = load(flags={**given, "server.token_file": tokens, **named}, environ={}).config
    service = Service(config, Notifier({}))
    service.start()
    try:
        yield f"http://127.0.0.1:{service.ports[0]}"
    finally:
        assert service.stop()


def qacache(*arguments: object) -> Done:
    """The command, in this process: a server's threads do not outlive a fork."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = streams
    try:
        status = run([os.fsdecode(str(each)) for each in arguments])
    finally:
        sys.stdout, sys.stderr = before
    out, err = (stream.buffer.getvalue().decode(errors="surrogateescape") for stream in streams)  # type: ignore[attr-defined]
    return Done(status, out, err)


def client_of(url: str) -> Server:
    return Server(Client(server_url=url))


def engine(**more: object) -> dict[str, Any]:
    return {"ffprobe__engine": "libav", **more}
