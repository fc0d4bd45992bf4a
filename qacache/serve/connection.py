"""One connection: a socket that never blocks, the requests that come in by it, and the time that each may take.

It belongs to one thread at a time: to the reactor while a request is gathered, to a worker while it is answered, and to
the reactor again while the client takes in the end of the answer.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qacache.serve.incoming import Incoming

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.serve.heads import Head
    from qacache.serve.incoming import Received

_READ_BYTES = 64 << 10
_SLICE = 64 << 10
_AHEAD = 4 << 20
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Deadlines(NamedTuple):
    """How many seconds a client may take: to begin a request, for its head, for its body, and to take in an answer.

    `send_s` is for 64 KiB, and begins anew with the next ones; the others are for the whole, however bytes trickle in.
    `parting_s` is for what a client still sends that was told to go.
    """

    idle_s: float = 15.0
    head_s: float = 10.0
    body_s: float = 30.0
    send_s: float = 20.0
    parting_s: float = 2.0


class Connection:
    """A client's connection. Owns its socket.

    `peer` is the address at its other end, `arrival` what it came in by. `deadline` is when, by `time.monotonic`, the
    reactor gives it up.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        arrival: str,
        admit: Callable[[Connection, Head], int],
        deadlines: Deadlines,
    ) -> None:
        sock.setblocking(False)
        with suppress(OSError):  # a socket that is none of TCP has no such thing
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = peer
        self.arrival = arrival
        self.answered = 0
        self.deadline = 0.0
        self._socket = sock
        self._deadlines = deadlines
        self._incoming = Incoming(lambda head: admit(self, head))
        self._unsent = bytearray()
        self._taken_in = 0
        self._timed_phase = ""
        self._is_parting = False
        self._is_asked = False
        self.set_deadline()

    def fileno(self) -> int:
        """Return the number of the socket, -1 once it is closed."""
        return self._socket.fileno()

    @property
    def buffered(self) -> int:
        """How many bytes are held: of a request that is not whole, and of answers that the client did not take in."""
        return self._incoming.buffered + len(self._unsent)

    @property
    def has_unsent(self) -> bool:
        """Whether the client has still to take in an answer."""
        return bool(self._unsent)

    @property
    def is_idle(self) -> bool:
        """Whether no request has begun, and the one before is done with."""
        return not (self._incoming.has_begun or self._unsent or self._is_parting)

    @property
    def is_parting(self) -> bool:
        """Whether the last answer was sent."""
        return self._is_parting

    def receive(self) -> bool:
        """Take in what has arrived; return False where the other end is closed, or broken."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._incoming.feed(data)
        return bool(data)

    def next_request(self) -> Received | None:
        """Return the next request that is whole, or None; raises `BadRequest`."""
        request = self._incoming.next()
        self._is_asked = self._is_asked and request is None
        return request

    def ask_for_body(self) -> None:
        """Tell a client to go on that waits with its body until it is told (RFC 9110, section 10.1.1)."""
        head = self._incoming.awaited_head
        if head and head.expects_continue and not self._is_asked:
            self._is_asked = True
            # that it sends is an answer, too: what came meanwhile shows that it does not wait
            if not self._incoming.buffered:
                self.send(_CONTINUE)

    def set_deadline(self) -> None:
        """Begin the time that the client has for what it is to do now, unless that has begun already."""
        phase = self._phase()
        if phase != self._timed_phase:
            self._timed_phase = phase
            self.deadline = time.monotonic() + getattr(self._deadlines, f"{phase}_s")

    def rest(self) -> None:
        """Say that a request was answered, and the client is to take its time for the next one."""
        self.answered += 1
        if not self._unsent:
            self._timed_phase = ""

    def wait_for_more(self, most_s: float) -> bool:
        """Wait for bytes to arrive, up to `most_s` seconds; return whether they did."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(most_s * 1000))

    def send(self, data: bytes) -> None:
        """Send `data`; what the client does not take in at once is kept for `flush`, up to 4 MiB.

        Beyond that it waits for the client. Raises `OSError` where that is gone, or takes too long.
        """
        if not self._unsent:
            data = data[self._send(data) :]
            if not data:
                return
            self._taken_in, self._timed_phase = 0, ""
        self._unsent += data
        self.set_deadline()
        while not self.flush() and len(self._unsent) > _AHEAD:
            self._wait_to_send()

    def flush(self) -> bool:
        """Send what can be sent of what is kept, without waiting; return whether that was all. Raises `OSError`."""
        while self._unsent:
            sent = self._send(self._unsent[:_SLICE])
            if not sent:
                return False
            del self._unsent[:sent]
            self._taken_in += sent
            if self._taken_in >= _SLICE:
                self._taken_in, self._timed_phase = 0, ""
                self.set_deadline()
        if self._is_parting:
            self._end_sending()
        return True

    def send_some(self, data: bytes) -> int:
        """Send what can be sent of `data` without waiting; return how many bytes that are. Raises `OSError`."""
        return self._send(data) if self.flush() else 0

    def part(self) -> None:
        """Send no more than is kept; what comes is for `drain`: a reset for unread bytes would undo the answer."""
        self._is_parting = True
        self._incoming.forget()
        if not self._unsent:
            self._end_sending()

    def drain(self) -> bool:
        """Pass over what has arrived; return whether more may come."""
        try:
            return bool(self._socket.recv(_READ_BYTES))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def break_off(self) -> None:
        """Close the socket so that the other end sees an error: what it got is not all of an answer."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._unsent.clear()
        self._incoming.forget()
        self._socket.close()

    def _phase(self) -> str:
        if self._unsent:
            return "send"
        if self._is_parting:
            return "parting"
        if self._incoming.awaited_head:
            return "body"
        return "head" if self._incoming.has_begun else "idle"

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def _end_sending(self) -> None:
        self.set_deadline()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def _wait_to_send(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        if poll.poll(max(0.0, self.deadline - time.monotonic()) * 1000):
            return
        # it may have taken in too little for the kernel to say so
        self.flush()
        if self.deadline <= time.monotonic():
            raise TimeoutError("the client does not take in the answer")
