"""Server-sent events on real sockets: who follows hears all of it, or hears that something is missing."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple

import pytest

from qacache.serve.broadcast import Broadcast
from qacache.serve.connection import Connection, Deadlines
from tests.wire import PATIENCE_S, eventually

LARGE = "x" * 100_000


class Told(NamedTuple):
    """An event as a browser gets it."""

    event_id: str
    name: str
    data: Any


class Follower(AbstractContextManager["Follower"]):
    """A client and its connection, that is to be given to `Broadcast.follow`."""

    def __init__(self) -> None:
        self.socket, other = socket.socketpair()
        self.socket.settimeout(PATIENCE_S)
        self.connection = Connection(other, "peer", "public", lambda connection, head: 0, Deadlines())
        self._file = self.socket.makefile("rb")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self.socket.close()

    def told(self) -> Told:
        """Read one event; comments are none."""
        while not (fields := self.block()):
            pass
        return Told(fields["id"], fields["event"], json.loads(fields["data"]))

    def block(self) -> dict[str, str]:
        """Read up to an empty line; return the fields, which a comment has none of."""
        fields = {}
        while line := self.line():
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        return fields

    def line(self) -> str:
        """Read one line."""
        line = self._file.readline()
        assert line.endswith(b"\n"), "the end came first"
        return line[:-1].decode()

    def is_over(self) -> bool:
        """Wait until the other end closes; return whether nothing came before that."""
        return self._file.read() == b""


class State:
    """What snapshots tell."""

    def __init__(self) -> None:
        self.number = 0
        self.error: Exception | None = None

    def __call__(self) -> dict[str, object]:
        if self.error:
            raise self.error
        return {"state": self.number}


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def broadcast(state: State) -> Iterator[Broadcast]:
    broadcast = Broadcast(state, most_clients=3)
    yield broadcast
    broadcast.close()


@pytest.fixture
def follower() -> Iterator[Follower]:
    with Follower() as follower:
        yield follower


def begin(broadcast: Broadcast, follower: Follower, last_event_id: str = "") -> None:
    broadcast.follow(follower.connection, last_event_id)
    assert follower.block() == {"retry": "3000"}


def test_who_comes_new_is_told_the_state_and_then_what_happens(
    broadcast: Broadcast, state: State, follower: Follower
) -> None:
    broadcast.publish("before", {})
    state.number = 7
    begin(broadcast, follower)
    snapshot = follower.told()
    broadcast.publish("scan", {"files": 1, "name": "a\nb\r\n\u2028é"})
    broadcast.publish("scan", {"files": 2})

    first, second = follower.told(), follower.told()

    assert (snapshot.name, snapshot.data) == ("snapshot", {"state": 7})
    assert (first.name, first.data) == ("scan", {"files": 1, "name": "a\nb\r\n\u2028é"})
    assert second.data == {"files": 2}
    boot, _, number = snapshot.event_id.partition("-")
    assert [first.event_id, second.event_id] == [f"{boot}-{int(number) + 1}", f"{boot}-{int(number) + 2}"]


def test_all_that_follow_hear_the_same(broadcast: Broadcast) -> None:
    with Follower() as first, Follower() as second:
        for each in (first, second):
            begin(broadcast, each)
            each.told()
        for number in range(50):
            broadcast.publish("n", {"n": number})

        heard = [[each.told() for _ in range(50)] for each in (first, second)]

    assert heard[0] == heard[1]
    assert [each.data["n"] for each in heard[0]] == list(range(50))


def test_who_comes_back_hears_what_was_missed(broadcast: Broadcast, follower: Follower) -> None:
    begin(broadcast, follower)
    follower.told()
    for number in range(5):
        broadcast.publish("n", {"n": number})
    heard = [follower.told() for _ in range(5)]

    with Follower() as again:
        begin(broadcast, again, heard[1].event_id)
        assert [again.told() for _ in range(3)] == heard[2:]


def test_who_has_missed_nothing_hears_only_what_is_new(broadcast: Broadcast, follower: Follower) -> None:
    begin(broadcast, follower)
    last = follower.told()

    with Follower() as again:
        begin(broadcast, again, last.event_id)
        broadcast.publish("new", {})
        assert again.told().name == "new"


@pytest.mark.parametrize(
    "last", ["", "x", "-", "-1", "00000000-1", "{boot}", "{boot}-", "{boot}-x", "{boot}-99", "²-²"]
)
def test_who_has_heard_of_nothing_known_is_told_the_state(broadcast: Broadcast, follower: Follower, last: str) -> None:
    begin(broadcast, follower)
    boot = follower.told().event_id.partition("-")[0]

    with Follower() as again:
        begin(broadcast, again, last.format(boot=boot))
        assert again.told().name == "snapshot"


def test_who_has_missed_too_much_is_told_the_state(broadcast: Broadcast, follower: Follower) -> None:
    broadcast.publish("n", {})
    begin(broadcast, follower)
    long_ago = follower.told().event_id
    for number in range(1001):
        broadcast.publish("n", {"n": number})

    with Follower() as again:
        begin(broadcast, again, long_ago)
        assert again.told().name == "snapshot"


def test_who_never_reads_loses_events_and_is_told_so(broadcast: Broadcast, state: State, follower: Follower) -> None:
    begin(broadcast, follower)
    follower.told()
    with Follower() as reading:
        begin(broadcast, reading)
        reading.told()
        for number in range(300):
            broadcast.publish("n", {"n": number, "more": LARGE})
            assert reading.told().data["n"] == number
    state.number = 9

    assert broadcast.counts().dropped >= 100
    heard = [follower.told()]
    while heard[-1].name == "n":
        heard.append(follower.told())
    assert (heard[-1].name, heard[-1].data) == ("resync", {"state": 9})
    assert heard[-1].event_id.endswith("-300")
    # what came before has no gaps, and what comes after has none either
    assert [each.data["n"] for each in heard[:-1]] == list(range(len(heard) - 1))
    broadcast.publish("next", {})
    assert follower.told().name == "next"


def test_who_never_reads_holds_few_events(broadcast: Broadcast, follower: Follower) -> None:
    begin(broadcast, follower)
    for _ in range(300):
        broadcast.publish("n", {"more": LARGE})

    assert eventually(lambda: broadcast.counts().dropped > 0)
    (client,) = broadcast._clients.values()
    assert len(client.queue) <= 100


def test_who_takes_in_nothing_for_long_is_given_up(state: State) -> None:
    broadcast = Broadcast(state, most_clients=1, heartbeat_s=600, patience_s=0.2)
    with Follower() as follower:
        begin(broadcast, follower)

        def has_room_after_another() -> bool:
            # one that has lost events is sent a small one instead, which its socket may take in
            broadcast.publish("n", {"more": LARGE})
            return broadcast.has_room()

        assert eventually(has_room_after_another)
        assert broadcast.counts().clients == 0
        broadcast.close()


def test_state_that_cannot_be_told_ends_only_who_asked_for_it(
    broadcast: Broadcast, state: State, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    with Follower() as never_reading:
        begin(broadcast, follower)
        follower.told()
        begin(broadcast, never_reading)
        for number in range(300):
            broadcast.publish("n", {"n": number, "more": LARGE})
            follower.told()
        state.error = ValueError("a defect")
        with pytest.raises(AssertionError, match="the end came first"):
            while never_reading.told():
                pass

    broadcast.publish("next", {})
    assert follower.told().name == "next"
    assert "events cannot be told" in caplog.text


def test_quiet_is_broken_by_comments(state: State) -> None:
    broadcast = Broadcast(state, most_clients=1, heartbeat_s=0.05)
    with Follower() as follower:
        begin(broadcast, follower)
        follower.told()

        assert [follower.line() for _ in range(4)] == [": still here", "", ": still here", ""]
        broadcast.publish("n", {})
        assert follower.told().name == "n"
        broadcast.close()


def test_who_goes_makes_room(broadcast: Broadcast) -> None:
    followers = [Follower() for _ in range(3)]
    for each in followers:
        begin(broadcast, each)
    assert not broadcast.has_room()

    for each in followers:
        each.__exit__(None, None, None)

    assert eventually(lambda: broadcast.counts().clients == 0)
    assert broadcast.has_room()
    assert all(each.connection.fileno() == -1 for each in followers)


def test_what_followers_send_is_passed_over(broadcast: Broadcast, follower: Follower) -> None:
    begin(broadcast, follower)
    follower.told()
    follower.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10_000)

    broadcast.publish("n", {})

    assert follower.told().name == "n"


def test_many_threads_may_tell(broadcast: Broadcast, follower: Follower) -> None:
    begin(broadcast, follower)
    follower.told()
    threads = [threading.Thread(target=lambda: [broadcast.publish("n", {}) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    numbers = [int(follower.told().event_id.partition("-")[2]) for _ in range(80)]

    assert numbers == list(range(1, 81))


def test_end_closes_all_and_harms_nobody_who_comes_later(state: State, follower: Follower) -> None:
    files = len(os.listdir("/proc/self/fd"))
    broadcast = Broadcast(state, most_clients=3)
    begin(broadcast, follower)
    follower.told()

    broadcast.close()

    assert follower.is_over()
    # the numbers of its pipe are now those of others, into which nothing is written
    reading, writing = os.pipe2(os.O_NONBLOCK)
    others = [os.dup(writing) for _ in range(4)]
    broadcast.publish("late", {})
    with Follower() as late:
        broadcast.follow(late.connection)
        assert late.is_over()
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    for number in (reading, writing, *others):
        os.close(number)
    # the connection of the one that followed is closed
    assert len(os.listdir("/proc/self/fd")) == files - 1
