"""Hand-written stand-ins for what is slow, random or dangerous: the clock, probers, executors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

from qacache.models import Failure, MediaInfo, Probe
from qacache.os_failures import os_failure
from qacache.probe import CANCELLED


class FakeClock:
    """A clock that moves when it is told to: by `advance`, by `sleep`, and by `step_s` at each look at it.

    `on_sleep`, where set, is called with the seconds of each sleep.
    """

    def __init__(self, now: float | None = None, *, step_s: float = 0.0) -> None:
        self.now = time.time() if now is None else now
        self.step_s = step_s
        self.slept: list[float] = []
        self.on_sleep: Callable[[float], None] = lambda _: None

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        self.now += self.step_s
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        self.on_sleep(seconds)


class FakeProber:
    """Says of a file what `content_of` makes of its content, unless `answers` has one for its path.

    `paths` are those that it was asked for. `on_probe` is called while a file is probed. With `gate`, probes hang
    until it is set, or until they are cancelled.
    """

    def __init__(self, answers: Mapping[bytes, Probe | Failure] | None = None, *, version: str = "fake 1") -> None:
        self.version = version
        self.abandoned = 0
        self.longest_s = 60.0
        self.paths: list[bytes] = []
        self.answers = dict(answers or {})
        self.on_probe: Callable[[bytes], None] = lambda _: None
        self.gate: threading.Event | None = None
        self.cancelled = threading.Event()
        self.closed = False

    def probe(self, path: bytes) -> Probe | Failure:
        self.paths.append(path)
        self.on_probe(path)
        if self.gate is not None and self.gate.wait(30) and self.cancelled.is_set():
            return Failure("probe", CANCELLED, "cancelled")
        if path in self.answers:
            return self.answers[path]
        with open(path, "rb") as file:
            return content_of(file.read(), self.version)

    def resume(self) -> None:
        self.cancelled.clear()

    def close(self) -> None:
        self.closed = True

    def cancel(self) -> None:
        self.cancelled.set()
        if self.gate is not None:
            self.gate.set()


def content_of(content: bytes, version: str = "fake 1") -> Probe | Failure:
    """What a `FakeProber` says of a content: media that tells it, a failure where it begins with `broken`."""
    if content.startswith(b"broken"):
        return Failure("probe", "invalid-data", "broken, as it says")
    text = content[:40].decode("latin-1")
    return Probe(MediaInfo(format_name="fake", tags={"content": text}), {"content": text}, version, 1)


class CarefulProber(FakeProber):
    """A `FakeProber` to whom a file that cannot be read is a failure, as it is to real ones."""

    def probe(self, path: bytes) -> Probe | Failure:
        try:
            return super().probe(path)
        except OSError as error:
            return os_failure("probe", error)


class InlineExecutor(Executor):
    """Runs what is submitted at once, in the thread that submits it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class HeldExecutor(Executor):
    """Keeps what is submitted until `run` is told to run it; `most_pending` is how much waited at a time."""

    def __init__(self) -> None:
        self.pending: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.most_pending = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.pending.append((future, lambda: fn(*args, **kwargs)))
        self.most_pending = max(self.most_pending, len(self.pending))
        return future

    def run(self, position: int = 0) -> None:
        future, job = self.pending.pop(position)
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(job())
            except Exception as error:
                future.set_exception(error)
