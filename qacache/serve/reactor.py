"""The reactor: waits on all connections at once, until each has a whole request, and hands that to a worker.

So clients that send slowly, or nothing, or take their answers in slowly, take no worker: what they have sent, and are
to get, is kept, and the time is watched that they may take. In: connections, new or answered. Out: `(connection,
request)`, for a pool that may have no room.
"""

from __future__ import annotations

import logging
import selectors
import threading
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from qacache.serve.handler import Fate
from qacache.serve.heads import BadRequest
from qacache.serve.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.serve.connection import Connection
    from qacache.serve.incoming import Received
    from qacache.serve.pace import Pace

_LOG = logging.getLogger(__name__)
_TICK_S = 0.25


class Rooms(NamedTuple):
    """How many connections may wait, and with how many bytes of requests not whole yet, and answers not taken in."""

    connections: int = 1024
    buffered_bytes: int = 64 << 20


class Reactor:
    """Gathers requests in a thread of its own. Owns the connections that are in it.

    `answer_now` answers a request here and now, if that takes no time to speak of; of all others `hand_over` gets each
    that is whole, and says whether there is room for it. `refuse` sends an answer to what is no request, or comes too
    late. It keeps to `pace`. `leave` is called at the end of the thread.
    """

    def __init__(
        self,
        answer_now: Callable[[Connection, Received], Fate | None],
        hand_over: Callable[[Connection, Received], bool],
        refuse: Callable[[Connection, BadRequest], None],
        rooms: Rooms,
        pace: Pace,
        *,
        leave: Callable[[], None],
    ) -> None:
        self._answer_now = answer_now
        self._leave = leave
        self._hand_over = hand_over
        self._refuse = refuse
        self._rooms = rooms
        self._pace = pace
        self._arrived: deque[Connection] = deque()
        self._held: dict[int, Connection] = {}
        self._buffered = 0
        self._selector = selectors.DefaultSelector()
        self._wakeup = Wakeup()
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        # of what has arrived, which nobody takes once it is closed
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_retiring = threading.Event()
        self._is_retired = threading.Event()
        self._ends_s = float("inf")
        # how often it went round: of a reactor that hangs, this stays
        self.beats = 0
        self._thread = threading.Thread(target=self._run, name="reactor", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._held) + len(self._arrived)

    def add(self, connection: Connection) -> None:
        """Wait for the next request of `connection`, whose owner this becomes. For any thread, even after `close`."""
        with self._lock:
            if not self._is_closed:
                self._arrived.append(connection)
                self._wakeup.wake()
                return
        connection.close()

    def retire(self) -> None:
        """Hand over nothing any more, and let those go that have no whole request. Comes back when that is done."""
        self._is_retiring.set()
        self._wakeup.wake()
        self._is_retired.wait()

    def close(self, most_s: float) -> None:
        """Close all connections: those that have still to take in an answer, when they did, or after `most_s`."""
        self.retire()
        self._ends_s = time.monotonic() + most_s
        self._wakeup.wake()
        self._thread.join()

    def _run(self) -> None:
        next_sweep = 0.0
        while not self._is_over():
            for key, _ in self._selector.select(_TICK_S):
                if key.data is None:
                    self._wakeup.clear()
                else:
                    self._tend(key.data, self._on_ready)
            while self._arrived:
                self._tend(self._arrived.popleft(), self._take)
            if self._is_retiring.is_set() and not self._is_retired.is_set():
                for connection in list(self._held.values()):
                    self._tend(connection, self._let_go)
                self._is_retired.set()
            now = time.monotonic()
            if now >= next_sweep:
                self._sweep(now)
                next_sweep = now + _TICK_S
            self.beats += 1
            self._pace.rest()
        self._give_up()

    def _is_over(self) -> bool:
        """Whether `close` was asked for, and nothing is left to wait for."""
        if self._ends_s == float("inf"):
            return False
        return not (self._held or self._arrived) or time.monotonic() >= self._ends_s

    def _give_up(self) -> None:
        with self._lock:
            self._is_closed = True
        for connection in [*self._held.values(), *self._arrived]:
            self._end(connection)
        self._selector.close()
        self._wakeup.close()
        self._leave()

    def _tend(self, connection: Connection, step: Callable[[Connection], None]) -> None:
        """Take a step with one connection; whatever goes wrong with it, the others are waited for all the same."""
        try:
            step(connection)
        except OSError:  # the client is gone
            self._break_off(connection)
        except Exception:
            _LOG.exception("a connection failed")
            self._break_off(connection)

    def _take(self, connection: Connection) -> None:
        """Begin to wait for a connection, new or answered."""
        self._buffered += connection.buffered
        if self._is_retiring.is_set():
            self._let_go(connection)
        elif connection.is_parting or connection.has_unsent:
            self._hold(connection)
            self._has_memory()
        elif self._has_room():
            self._advance(connection)
        elif connection.is_idle and connection.answered:
            # it asked for nothing: an answer now would pass for that of its next request
            self._end(connection)
        else:
            self._part(connection, BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"))

    def _let_go(self, connection: Connection) -> None:
        """Wait for no more requests: what was answered is still to be taken in, what was begun is refused."""
        if connection.is_idle:
            self._end(connection)
        elif connection.is_parting:
            self._hold(connection)
        elif connection.has_unsent:
            connection.part()
            self._hold(connection)
        else:
            self._part(connection, BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "the server stops"))

    def _on_ready(self, connection: Connection) -> None:
        if connection.has_unsent:
            if connection.flush():
                self._after_answer(connection)
        elif connection.is_parting:
            if not connection.drain():
                self._end(connection)
        else:
            self._on_bytes(connection)

    def _after_answer(self, connection: Connection) -> None:
        if connection.is_parting:
            self._hold(connection)
        else:
            self._advance(connection)

    def _on_bytes(self, connection: Connection) -> None:
        before = connection.buffered
        if not connection.receive():
            self._end(connection)
            return
        self._buffered += connection.buffered - before
        if self._has_memory():
            self._advance(connection)
        else:
            self._part(connection, BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests that are not whole"))

    def _advance(self, connection: Connection) -> None:
        """Have what is whole answered, here or by a worker, which takes the connection; and go on waiting for more."""
        try:
            while not connection.has_unsent and (request := connection.next_request()):
                if not self._is_answered(connection, request):
                    return
        except BadRequest as error:
            self._part(connection, error)
            return
        connection.ask_for_body()
        connection.set_deadline()
        self._hold(connection)

    def _is_answered(self, connection: Connection, request: Received) -> bool:
        """Answer the request, or hand it over; return whether the connection is to have another one from here."""
        match self._answer_now(connection, request):
            case Fate.OPEN:
                return True
            case Fate.OVER:
                connection.part()
                self._hold(connection)
            case Fate.BROKEN:
                self._break_off(connection)
            case Fate.GIVEN_AWAY:
                self._release(connection)
            case None:
                self._release(connection)
                if not self._hand_over(connection, request):
                    self._part(connection, BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "all workers are busy"))
        return False

    def _part(self, connection: Connection, error: BadRequest) -> None:
        self._refuse(connection, error)
        connection.part()
        self._hold(connection)

    def _sweep(self, now: float) -> None:
        """End those that are too late; what has begun a request is told so."""
        for connection in [each for each in self._held.values() if each.deadline <= now]:
            self._tend(connection, self._on_late)
        self._buffered = self._count_buffered()

    def _on_late(self, connection: Connection) -> None:
        if connection.has_unsent:
            # it may have taken in too little for the kernel to say so
            if connection.flush():
                self._after_answer(connection)
            elif connection.deadline <= time.monotonic():
                self._break_off(connection)
        elif connection.is_idle or connection.is_parting:
            self._end(connection)
        else:
            self._part(connection, BadRequest(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive"))

    def _has_room(self) -> bool:
        """Whether one more may wait, be it in the place of one that nobody would miss."""
        if len(self._held) >= self._rooms.connections:
            dispensable = (each for each in self._held.values() if each.is_idle or each.is_parting)
            if first := min(dispensable, key=_deadline, default=None):
                self._end(first)
        return len(self._held) < self._rooms.connections

    def _has_memory(self) -> bool:
        """Whether no more is held than may be, once those are given up that took in nothing for the longest time."""
        if self._buffered > self._rooms.buffered_bytes:
            # those that were handed over do not count any more
            self._buffered = self._count_buffered()
        while self._buffered > self._rooms.buffered_bytes:
            stalled = min((each for each in self._held.values() if each.has_unsent), key=_deadline, default=None)
            if stalled is None:
                return False
            self._buffered -= stalled.buffered
            self._break_off(stalled)
        return True

    def _count_buffered(self) -> int:
        return sum(each.buffered for each in self._held.values())

    def _hold(self, connection: Connection) -> None:
        number = connection.fileno()
        # who does not take in an answer is not asked for more
        wanted = selectors.EVENT_WRITE if connection.has_unsent else selectors.EVENT_READ
        if number not in self._held:
            self._held[number] = connection
            self._selector.register(number, wanted, connection)
        elif self._selector.get_key(number).events != wanted:
            self._selector.modify(number, wanted, connection)

    def _release(self, connection: Connection) -> None:
        if self._held.pop(connection.fileno(), None):
            self._selector.unregister(connection.fileno())

    def _end(self, connection: Connection) -> None:
        self._release(connection)
        connection.close()

    def _break_off(self, connection: Connection) -> None:
        self._release(connection)
        connection.break_off()


def _deadline(connection: Connection) -> float:
    return connection.deadline
