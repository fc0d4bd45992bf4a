"""A server that is leant on: slow clients, too many of them, no descriptors left, and the end amid all that."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from itertools import count, repeat

import pytest

from qacache.serve.connection import Deadlines
from qacache.serve.messages import Response
from qacache.serve.reactor import Rooms
from qacache.serve.server import Limits, Server
from tests.wire import (
    MEGABYTE,
    PATIENCE_S,
    Broken,
    Client,
    Pieces,
    TinyApplication,
    eventually,
    get,
    post,
    serving,
)

SOON = Deadlines(idle_s=0.2, head_s=0.2, body_s=0.2, send_s=0.2, parting_s=0.2)
LATE = Deadlines(idle_s=600, head_s=600, body_s=600, send_s=600, parting_s=600)
FEW_BYTES = 4096


@pytest.fixture
def application() -> TinyApplication:
    return TinyApplication()


@contextmanager
def served(application: TinyApplication, limits: Limits) -> Iterator[Callable[..., Client]]:
    """Serve, and give what makes clients, which are closed before the server stops."""
    with serving(application, limits) as server, ExitStack() as clients:
        yield lambda **options: clients.enter_context(Client(server.listeners[0].port, **options))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# deadlines


def test_client_that_asks_nothing_is_let_go_without_a_word(application: TinyApplication) -> None:
    with served(application, Limits(deadlines=LATE._replace(idle_s=0.2))) as connect:
        new, used = connect(), connect()
        assert used.ask(get()).body == b"hello"

        assert new.is_over()
        assert used.is_over()
    assert not application.refusals


@pytest.mark.parametrize(
    ("deadlines", "beginning"),
    [(LATE._replace(head_s=0.2), get()[:-1]), (LATE._replace(body_s=0.2), post(b"body")[:-1])],
    ids=["head", "body"],
)
def test_request_that_takes_too_long_is_refused(
    application: TinyApplication, deadlines: Deadlines, beginning: bytes
) -> None:
    with served(application, Limits(deadlines=deadlines)) as connect:
        client = connect()

        answer = client.ask(beginning)

        assert answer.status == 408
        assert answer.fields["connection"] == "close"
        assert client.is_over()


@pytest.mark.parametrize(
    ("deadlines", "beginning"),
    [
        (LATE._replace(head_s=0.3), b"GET / HTTP/1.1\r\nX: "),
        (LATE._replace(body_s=0.3), post(b"x" * 100_000)[:-100_000]),
    ],
    ids=["head", "body"],
)
def test_drip_feeding_buys_no_time(application: TinyApplication, deadlines: Deadlines, beginning: bytes) -> None:
    with served(application, Limits(deadlines=deadlines)) as connect:
        client = connect()
        client.send(beginning)

        # each byte is sent when the reactor has gone round, so that none of its waits is without one
        def is_refused() -> bool:
            client.send(b"x")
            return bool(application.refusals)

        assert eventually(is_refused)
        assert client.answer().status == 408


def test_client_that_was_told_to_go_is_not_waited_for(application: TinyApplication) -> None:
    before = descriptors()
    with served(application, Limits(deadlines=LATE._replace(parting_s=0.2))) as connect:
        client = connect()
        assert client.ask(get("/", "Connection: close")).body == b"hello"
        held = descriptors()

        assert eventually(lambda: descriptors() < held)
    assert eventually(lambda: descriptors() == before)


@pytest.mark.parametrize("body", [[MEGABYTE] * 3, repeat(MEGABYTE)], ids=["of some length", "without end"])
def test_client_that_takes_nothing_in_is_given_up(application: TinyApplication, body: list[bytes]) -> None:
    application.pages["/large"] = Response(HTTPStatus.OK, pieces := Pieces(body))
    with served(application, Limits(workers=1, deadlines=LATE._replace(send_s=0.2))) as connect:
        client = connect(receive_bytes=FEW_BYTES)
        assert client.ask(get()).body == b"hello"
        held = descriptors()

        client.send(get("/large"))

        assert eventually(lambda: descriptors() < held)
        assert pieces.is_closed
        with pytest.raises(Broken):
            client.answer()
        assert connect().ask(get()).body == b"hello"


def test_client_that_takes_little_in_is_given_up(application: TinyApplication) -> None:
    application.pages["/large"] = Response(HTTPStatus.OK, pieces := Pieces(repeat(MEGABYTE)))
    with served(application, Limits(workers=1, deadlines=LATE._replace(send_s=0.3))) as connect:
        client = connect(receive_bytes=FEW_BYTES)
        client.send(get("/large"))

        assert eventually(lambda: len(client.socket.recv(1)) == 1 and pieces.is_closed)


# room


def test_full_pool_says_when_to_come_again(application: TinyApplication) -> None:
    with serving(application, Limits(workers=1, backlog=1)) as server:
        port = server.listeners[0].port
        with Client(port) as running, Client(port) as waiting, Client(port) as refused:
            running.send(get("/slow"))
            assert application.begun.acquire(timeout=PATIENCE_S)
            waiting.send(get())
            assert eventually(lambda: server.is_pressed)

            answer = refused.ask(get())

            assert answer.status == 503
            assert answer.fields["retry-after"] == "1"
            assert answer.fields["connection"] == "close"
            assert [error.status for error in application.refusals] == [503]
            application.gate.set()
            assert running.answer().body == b"/slow"
            assert waiting.answer().body == b"hello"


def test_idle_connection_makes_room_for_another(application: TinyApplication) -> None:
    with served(application, Limits(deadlines=LATE, rooms=Rooms(connections=2))) as connect:
        begun, idle = connect(), connect()
        rest = begun.begin()

        new = connect()

        assert idle.is_over()
        assert new.ask(get()).body == b"hello"
        assert begun.ask(rest).body == b"body"


def test_too_many_connections_are_refused(application: TinyApplication) -> None:
    with served(application, Limits(deadlines=LATE, rooms=Rooms(connections=2))) as connect:
        first, second = connect(), connect()
        rest = [first.begin(), second.begin()]

        answer = connect().answer()

        assert (answer.status, answer.fields["retry-after"]) == (503, "1")
        assert [first.ask(rest[0]).body, second.ask(rest[1]).body] == [b"body", b"body"]


def test_too_many_bytes_of_requests_are_refused(application: TinyApplication) -> None:
    with served(application, Limits(deadlines=LATE, rooms=Rooms(buffered_bytes=100_000))) as connect:
        first, second = connect(), connect()
        first.send(post(b"x" * 60_000)[:-1])
        second.send(post(b"x" * 60_000)[:-1])

        assert eventually(lambda: bool(application.refusals))
        assert [error.status for error in application.refusals] == [503]
        # what is gone is not counted any more
        for _ in range(5):
            assert len(connect().ask(post(b"x" * 30_000)).body) == 30_000


def test_requests_that_were_handed_over_take_no_room(application: TinyApplication) -> None:
    with served(application, Limits(deadlines=LATE, rooms=Rooms(buffered_bytes=100_000))) as connect:
        for _ in range(20):
            assert len(connect().ask(post(b"x" * 60_000)).body) == 60_000


def test_too_many_bytes_of_answers_end_those_that_wait_longest(application: TinyApplication) -> None:
    # what the kernel takes in for a client is up to it: of each answer, at least a little is left
    large = bytes(4_000_000)
    application.pages["/large"] = Response(HTTPStatus.OK, large)
    with served(application, Limits(deadlines=LATE, rooms=Rooms(buffered_bytes=5_000_000))) as connect:
        clients = []
        for number in range(20):
            clients.append(connect(receive_bytes=FEW_BYTES))
            clients[-1].send(get("/large"))
            assert eventually(lambda number=number: len(application.over) == number + 1)  # type: ignore[misc]

        assert clients[-1].answer().body == large
        with pytest.raises(Broken):
            clients[0].answer()


def test_listener_without_descriptors_waits_for_some(application: TinyApplication) -> None:
    with serving(application, Limits()) as server, Client(server.listeners[0].port) as before:
        assert before.ask(get()).body == b"hello"
        new = socket.socket()
        new.settimeout(PATIENCE_S)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            new.connect(("127.0.0.1", server.listeners[0].port))
            beats, began_s = server.listeners[0].beats, time.monotonic()
            assert eventually(lambda: server.listeners[0].beats > beats + 3)
            # a listener that spins goes round thousands of times meanwhile
            assert time.monotonic() - began_s > 0.1
            assert before.ask(get()).body == b"hello"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with new:
            new.sendall(get("/", "Connection: close"))
            assert new.recv(1000).startswith(b"HTTP/1.1 200 OK")


# the end


def _stopping(server: Server) -> threading.Thread:
    thread = threading.Thread(target=server.stop, args=(PATIENCE_S,))
    thread.start()
    assert eventually(lambda: server.is_stopping)
    return thread


def test_what_runs_is_answered_before_the_end(application: TinyApplication) -> None:
    with serving(application, Limits(workers=1)) as server:
        port = server.listeners[0].port
        with Client(port) as running, Client(port) as waiting, Client(port) as idle, Client(port) as begun:
            begun.send(get()[:-1])
            assert idle.ask(get()).body == b"hello"
            running.send(get("/slow"))
            assert application.begun.acquire(timeout=PATIENCE_S)
            waiting.send(get("/waiting"))
            assert eventually(lambda: server.is_pressed)

            stopping = _stopping(server)

            assert idle.is_over()
            assert begun.answer().status == 503
            with pytest.raises(ConnectionRefusedError):
                Client(port).__exit__(None, None, None)
            application.gate.set()
            assert running.answer().body == b"/slow"
            last = waiting.answer()
            assert (last.body, last.fields["connection"]) == (b"/waiting", "close")
            assert running.is_over()
            assert waiting.is_over()
        stopping.join(PATIENCE_S)
        assert not stopping.is_alive()


def test_client_that_asks_on_and_on_does_not_put_off_the_end(application: TinyApplication) -> None:
    limits = Limits(workers=1, deadlines=SOON)
    with serving(application, limits) as server, Client(server.listeners[0].port) as client:
        client.ask(get())

        stopping = _stopping(server)
        with pytest.raises((Broken, ConnectionError)):
            for _ in count():
                client.ask(get())

        stopping.join(PATIENCE_S)
        assert not stopping.is_alive()


def test_answer_is_still_taken_in_after_the_end_has_begun(application: TinyApplication) -> None:
    application.pages["/large"] = Response(HTTPStatus.OK, MEGABYTE * 3)
    with serving(application, Limits(deadlines=LATE)) as server:
        with Client(server.listeners[0].port, receive_bytes=FEW_BYTES) as client:
            client.send(get("/large"))
            assert eventually(lambda: application.over == [200])

            stopping = _stopping(server)

            assert len(client.answer().body) == 3 << 20
        stopping.join(PATIENCE_S)
        assert not stopping.is_alive()


def test_end_does_not_wait_for_what_hangs(application: TinyApplication) -> None:
    with serving(application, Limits(workers=1)) as server, Client(server.listeners[0].port) as client:
        client.send(get("/slow"))
        assert application.begun.acquire(timeout=PATIENCE_S)

        assert not server.stop(0.05)

        # a worker that comes back after the end finds everything closed, and harms no file that is new
        with open(os.devnull, "wb"), open(os.devnull, "wb"):
            application.gate.set()
            assert eventually(lambda: application.left == 1)
        with pytest.raises(Broken):
            while client.answer():
                pass


def test_nothing_is_left_of_a_server(application: TinyApplication) -> None:
    application.pages["/endless"] = Response(HTTPStatus.OK, Pieces(repeat(MEGABYTE)))
    threads, files = threading.active_count(), descriptors()
    for _ in range(3):
        with served(application, Limits(workers=2, deadlines=SOON)) as connect:
            for beginning in (get(), get()[:-1], post(b"body")[:-1], b"nonsense\r\n\r\n", get("/endless"), b""):
                connect(receive_bytes=FEW_BYTES).send(beginning)
            assert connect().ask(get()).body == b"hello"

    assert eventually(lambda: (threading.active_count(), descriptors()) == (threads, files))


# all at once


def test_client_that_asks_without_reading_is_asked_to_wait(application: TinyApplication) -> None:
    application.pages["/kilobytes"] = Response(HTTPStatus.OK, bytes(16_000))
    with served(application, Limits(workers=1, deadlines=LATE)) as connect:
        for path in ("/now/kilobytes", "/kilobytes"):
            greedy = connect(receive_bytes=FEW_BYTES)
            greedy.socket.settimeout(0)
            requests = get(path) * 1000

            def is_stalled(greedy: Client = greedy, requests: bytes = requests) -> bool:
                try:
                    greedy.socket.send(requests)
                except BlockingIOError:
                    return True
                return False

            # it could send a little more each time that an answer is taken in, which none is
            assert eventually(lambda: is_stalled() and connect().ask(get("/now")).body == b"/now")
            assert connect().ask(get()).body == b"hello"


def test_stalled_clients_keep_nobody_waiting(application: TinyApplication) -> None:
    application.pages["/large"] = Response(HTTPStatus.OK, MEGABYTE)
    application.pages["/pieces"] = Response(HTTPStatus.OK, [MEGABYTE])
    with served(application, Limits(workers=2, backlog=300, deadlines=LATE)) as connect:
        dripping = []
        for number in range(40):
            slow, body, idle = connect(), connect(), connect()
            slow.send(b"GET / HTTP/1.1\r\nX: ")
            body.send(get("/echo", "Content-Length: 100000", method="POST"))
            assert idle.ask(get()).body == b"hello"
            connect(receive_bytes=FEW_BYTES).send(get("/large") * 3)
            connect(receive_bytes=FEW_BYTES).send(get("/pieces") * 3)
            dripping += [slow, body]
            if number % 10 == 9:
                for each in dripping:
                    each.send(b"x")

        normal = connect()
        for _ in range(20):
            assert normal.ask(get()).body == b"hello"
        assert connect().ask(post(b"body")).body == b"body"
        assert not application.refusals
