"""Server-sent events: what happens is published, and sent to every client that follows (WHATWG HTML, section 9.2).

In: events, from any thread, which never waits for a client. Out: bytes on sockets that never block, from one thread.
A client that takes in too little loses events, and is told so: `resync` means to ask for the state of things anew. One
that takes in nothing at all for a while is given up.
"""

from __future__ import annotations

import logging
import secrets
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from qacache.serve.messages import json_bytes
from qacache.serve.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from qacache.serve.connection import Connection

_LOG = logging.getLogger(__name__)
_REMEMBERED = 1000
_QUEUE = 100
_HEARTBEAT = b": still here\n\n"
_TICK_S = 1.0


class Event(NamedTuple):
    """What happened: `event_id` is `BOOT-NUMBER`, by which a client that comes back says what it has."""

    event_id: str
    data: bytes


class Counts(NamedTuple):
    """How it goes: clients by now, events that were dropped, and sends that failed."""

    clients: int
    dropped: int
    failures: int


class _Client:
    """One that follows. `unsent` is what its socket did not take in yet."""

    def __init__(self, connection: Connection, backlog: Iterable[Event]) -> None:
        self.connection = connection
        self.queue = deque(event.data for event in backlog)
        self.unsent = b"retry: 3000\n\n"
        self.has_lost = False
        self.heard_s = time.monotonic()


class Broadcast:
    """Sends events to all that follow. Owns their connections, and a thread.

    `snapshot` tells the state of things, for those who come new, or missed too much. A client gets a comment when it
    got nothing else for `heartbeat_s`, and has to take in something within `patience_s`.
    """

    def __init__(
        self,
        snapshot: Callable[[], Mapping[str, object]],
        *,
        most_clients: int,
        heartbeat_s: float = 15.0,
        patience_s: float = 60.0,
    ) -> None:
        self._snapshot = snapshot
        self._most_clients = most_clients
        self._heartbeat_s = heartbeat_s
        self._patience_s = patience_s
        self._tick_s = min(_TICK_S, heartbeat_s, patience_s)
        self._boot = secrets.token_hex(4)
        self._number = 0
        self._remembered: deque[tuple[int, Event]] = deque(maxlen=_REMEMBERED)
        self._clients: dict[int, _Client] = {}
        # of all of these
        self._lock = threading.Lock()
        self._wakeup = Wakeup()
        self._dropped = 0
        self._failures = 0
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="broadcast", daemon=True)
        self._thread.start()

    def counts(self) -> Counts:
        """Return how it goes."""
        return Counts(len(self._clients), self._dropped, self._failures)

    def publish(self, name: str, data: Mapping[str, object]) -> None:
        """Tell all that follow. For any thread, even after `close`; takes microseconds."""
        with self._lock:
            self._number += 1
            event = self._event(name, data, self._number)
            self._remembered.append((self._number, event))
            for client in self._clients.values():
                self._enqueue(client, event.data)
            self._wakeup.wake()

    def has_room(self) -> bool:
        """Whether one more may follow."""
        return len(self._clients) < self._most_clients

    def follow(self, connection: Connection, last_event_id: str = "") -> None:
        """Send to `connection`, whose owner this becomes, what happens from now on; before that, what it has missed."""
        with self._lock:
            if not self._is_closing:
                self._clients[connection.fileno()] = _Client(connection, self._since(last_event_id))
                self._wakeup.wake()
                return
        connection.close()

    def close(self) -> None:
        """End all that follow, and the thread."""
        with self._lock:
            self._is_closing = True
        self._wakeup.wake()
        self._thread.join()
        for client in self._clients.values():
            client.connection.close()
        self._clients.clear()
        self._wakeup.close()

    def _event(self, name: str, data: Mapping[str, object], number: int) -> Event:
        event_id = f"{self._boot}-{number}"
        return Event(event_id, b"id: %b\nevent: %b\ndata: %b" % (event_id.encode(), name.encode(), json_bytes(data)))

    def _since(self, last_event_id: str) -> list[Event]:
        boot, _, text = last_event_id.partition("-")
        if boot == self._boot and text.isascii() and text.isdigit():
            last = int(text[:20])
            if last == self._number or any(number == last for number, _ in self._remembered):
                return [event for number, event in self._remembered if number > last]
        return [self._event("snapshot", self._snapshot(), self._number)]

    def _enqueue(self, client: _Client, data: bytes) -> None:
        if len(client.queue) >= _QUEUE:
            client.queue.popleft()
            client.has_lost = True
            self._dropped += 1
        client.queue.append(data)

    def _following(self) -> list[tuple[int, _Client]]:
        with self._lock:
            return list(self._clients.items())

    def _run(self) -> None:
        while not self._is_closing:
            waiting = self._wait()
            for number, client in self._following():
                if not self._is_served(client, waiting.get(number, 0)):
                    self._drop(number)

    def _is_served(self, client: _Client, ready: int) -> bool:
        """Do what there is to do for a client; return whether it is still there."""
        if ready & ~select.POLLOUT and not client.connection.drain():
            return False
        try:
            return self._is_sent(client)
        except Exception:  # the others are to be told all the same
            _LOG.exception("events cannot be told")
            return False

    def _wait(self) -> dict[int, int]:
        """Wait until there is something to do; return what the sockets of clients are ready for."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        for number, client in self._following():
            poll.register(number, select.POLLIN | (select.POLLOUT if client.unsent else 0))
        ready = dict(poll.poll(self._tick_s * 1000))
        if ready.pop(self._wakeup.fileno(), None):
            self._wakeup.clear()
        return ready

    def _is_sent(self, client: _Client) -> bool:
        """Send what can be sent without waiting; return whether the client is still there."""
        now = time.monotonic()
        while True:
            if not client.unsent:
                client.unsent = self._next(client, now)
                if not client.unsent:
                    return True
            try:
                sent = client.connection.send_some(client.unsent)
            except OSError:
                self._failures += 1
                return False
            client.unsent = client.unsent[sent:]
            if not sent:
                return now - client.heard_s < self._patience_s
            client.heard_s = now

    def _next(self, client: _Client, now: float) -> bytes:
        with self._lock:
            if client.has_lost:
                client.has_lost = False
                client.queue.clear()
                return self._event("resync", self._snapshot(), self._number).data + b"\n"
            if client.queue:
                return client.queue.popleft() + b"\n"
        return _HEARTBEAT if now - client.heard_s >= self._heartbeat_s else b""

    def _drop(self, number: int) -> None:
        with self._lock:
            client = self._clients.pop(number)
        client.connection.close()
