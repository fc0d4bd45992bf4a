"""The HTTP server: connections of all listeners come in, and the application answers the requests that come by them."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from qacache.serve.connection import Connection, Deadlines
from qacache.serve.handler import Application, Fate, Handler, refuse
from qacache.serve.heads import BadRequest
from qacache.serve.listener import Listener
from qacache.serve.pace import Pace
from qacache.serve.pool import Pool, Worker
from qacache.serve.reactor import Reactor, Rooms

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from qacache.serve.incoming import Received

_LOG = logging.getLogger(__name__)
# A client that asks again at once is answered by the same worker, which takes half the time.
_LINGER_S = 0.05


class Address(NamedTuple):
    """What to listen on, and the name of that listener; `handed` is the socket of one that somebody else opened."""

    host: str
    port: int
    name: str
    handed: socket.socket | None = None


class Limits(NamedTuple):
    """How much at a time."""

    workers: int = 8
    backlog: int = 64
    deadlines: Deadlines = Deadlines()
    rooms: Rooms = Rooms()


class Job(NamedTuple):
    """A request to answer, and the connection that it came by."""

    connection: Connection
    received: Received


class Server:
    """Listens, and has requests answered. Owns its listeners, threads and connections.

    While something else `is_pressing`, it leaves that most of the processors.
    """

    def __init__(
        self,
        application: Application,
        addresses: Sequence[Address],
        limits: Limits,
        is_pressing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._application = application
        self._limits = limits
        self._is_stopping = False
        with ExitStack() as opened:
            self.listeners = [
                opened.enter_context(
                    Listener(each.host, each.port, partial(self._on_connection, each.name), each.handed)
                )
                for each in addresses
            ]
            opened.pop_all()
        pace = Pace(is_pressing)
        self._reactor = Reactor(
            self._answer_now, self._hand_over, self.refuse, limits.rooms, pace, leave=application.leave
        )
        self._pool: Pool[Job] = Pool(self._begin_worker, threads=limits.workers, backlog=limits.backlog)

    def start(self) -> None:
        """Take connections from now on."""
        for listener in self.listeners:
            listener.start()

    def stop(self, most_s: float) -> bool:
        """Take no more connections, and answer what was asked, for up to `most_s` seconds; return whether all was."""
        deadline = time.monotonic() + most_s
        self._is_stopping = True
        for listener in self.listeners:
            listener.stop()
        self._reactor.retire()
        is_answered = self._pool.close(most_s)
        # what the clients have still to take in
        self._reactor.close(max(0.0, deadline - time.monotonic()))
        return is_answered

    @property
    def beats(self) -> tuple[int, ...]:
        """Numbers of which each grows, as long as what it is of does not hang."""
        return (self._reactor.beats, *(listener.beats for listener in self.listeners))

    @property
    def is_stopping(self) -> bool:
        """Whether answers are the last ones of their connections."""
        return self._is_stopping

    @property
    def is_pressed(self) -> bool:
        """Whether requests wait for a worker."""
        return self._pool.is_pressed

    def give_back(self, connection: Connection) -> None:
        """Wait for the next request of a connection, or for the client to take in the last answer. For any thread."""
        self._reactor.add(connection)

    def _on_connection(self, arrival: str, sock: socket.socket, peer: str) -> None:
        self._reactor.add(Connection(sock, peer, arrival, self._application.admit, self._limits.deadlines))

    def _answer_now(self, connection: Connection, received: Received) -> Fate | None:
        return Handler(connection).serve_now(received, self._application)

    def _hand_over(self, connection: Connection, received: Received) -> bool:
        return self._pool.submit(Job(connection, received))

    def refuse(self, connection: Connection, error: BadRequest) -> None:
        """Answer what is no request. For any thread; raises `OSError` where the client is gone."""
        self._application.refused(error)
        refuse(connection, error)

    def _begin_worker(self) -> Worker[Job]:
        return _Conversations(self._application, self)


class _Conversations(Worker[Job]):
    """Answers requests, and goes on with the same connection as long as others are not kept waiting by that."""

    def __init__(self, application: Application, server: Server) -> None:
        self._application = application
        self._server = server

    def do(self, job: Job) -> None:
        try:
            self._converse(job.connection, job.received)
        except Exception:
            _LOG.exception("an answer failed")
            job.connection.break_off()

    def close(self) -> None:
        self._application.leave()

    def _converse(self, connection: Connection, request: Received | None) -> None:
        handler = Handler(connection)
        while request is not None:
            match handler.serve(request, self._application, is_last=self._server.is_stopping):
                case Fate.OPEN:
                    request = self._next(connection)
                case Fate.OVER:
                    connection.part()
                    self._server.give_back(connection)
                    return
                case Fate.BROKEN:
                    connection.break_off()
                    return
                case Fate.GIVEN_AWAY:
                    return

    def _next(self, connection: Connection) -> Received | None:
        """Return the next request if it comes at once, and no other waits; or else give the connection back."""
        try:
            if self._server.is_pressed or connection.has_unsent:
                request = None
            elif not connection.is_idle:
                request = connection.next_request()
            elif not connection.wait_for_more(_LINGER_S):
                request = None
            elif not connection.receive():
                connection.close()
                return None
            else:
                request = connection.next_request()
        except BadRequest as error:
            self._server.refuse(connection, error)
            connection.part()
            request = None
        if request is None:
            self._server.give_back(connection)
        return request
