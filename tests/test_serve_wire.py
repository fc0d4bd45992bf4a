"""HTTP on the wire: a real server is sent bytes by raw sockets, and answers as HTTP/1.1 has it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http import HTTPStatus
from itertools import repeat

import pytest

from qacache.errors import UsageError
from qacache.serve.handler import MOST_REQUESTS
from qacache.serve.messages import Response
from qacache.serve.server import Address, Limits, Server
from tests.wire import MEGABYTE, MOST_BODY, Broken, Client, Pieces, TinyApplication, eventually, get, post, serving


@pytest.fixture
def application() -> TinyApplication:
    return TinyApplication()


@pytest.fixture
def port(application: TinyApplication) -> Iterator[int]:
    with serving(application, Limits(workers=2)) as server:
        yield server.listeners[0].port


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    with Client(port) as client:
        yield client


def test_answers_say_what_they_are(client: Client) -> None:
    answer = client.ask(get())

    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.fields["content-length"] == "5"
    assert answer.fields["content-type"] == "text/plain"
    assert answer.fields["server"] == "qacache"
    assert answer.fields["date"].endswith(" GMT")
    assert answer.fields["x-content-type-options"] == "nosniff"
    assert "connection" not in answer.fields


def test_connection_serves_one_request_after_the_other(client: Client, application: TinyApplication) -> None:
    assert [client.ask(get(f"/{n}")).body for n in range(5)] == [b"/0", b"/1", b"/2", b"/3", b"/4"]
    assert client.ask(post(b"body")).body == b"body"
    assert eventually(lambda: application.over == [200] * 6)


def test_connection_is_kept_while_others_are_served(port: int) -> None:
    with Client(port) as first, Client(port) as second, Client(port) as third:
        for _ in range(3):
            assert [each.ask(get()).body for each in (first, second, third)] == [b"hello"] * 3


def test_requests_are_answered_in_the_order_they_were_sent(client: Client) -> None:
    client.send(b"".join(get(f"/{n}") if n % 2 else post(b"%d" % n) for n in range(100)))

    assert [client.answer().body for _ in range(100)] == [b"/%d" % n if n % 2 else b"%d" % n for n in range(100)]


def test_answers_given_at_once_wait_for_those_that_take_longer(client: Client, application: TinyApplication) -> None:
    paths = ["/now/1", "/2", "/now/3", "/now/4", "/slow", "/now/5", "/6"]
    client.send(b"".join(get(path) for path in paths))
    application.gate.set()

    assert [client.answer().body.decode() for _ in paths] == paths
    assert client.ask(get("/now/7", "Connection: close")).fields["connection"] == "close"
    assert client.is_over()


def test_answer_given_at_once_may_fail(port: int) -> None:
    with Client(port) as client, pytest.raises(Broken):
        client.ask(get("/now/raise"))
    with Client(port) as client:
        assert client.ask(get("/now")).body == b"/now"


def test_request_may_come_byte_by_byte(client: Client) -> None:
    for byte in post(b"body"):
        client.send(bytes([byte]))

    assert client.answer().body == b"body"


@pytest.mark.parametrize(
    "request_",
    [get("/", "Connection: x, close"), get(version="1.0"), get("/", "Connection: keep-alive", version="1.0")],
)
def test_connection_ends_where_the_client_wants_no_other_answer(client: Client, request_: bytes) -> None:
    answer = client.ask(request_)

    assert answer.body == b"hello"
    assert answer.fields["connection"] == "close"
    assert client.is_over()


def test_client_that_sends_no_more_gets_all_its_answers(client: Client) -> None:
    client.send(get("/a") + get("/b"))
    client.socket.shutdown(socket.SHUT_WR)

    assert [client.answer().body, client.answer().body] == [b"/a", b"/b"]
    assert client.is_over()


def test_connection_has_so_many_requests(client: Client) -> None:
    client.send(get() * (MOST_REQUESTS + 1))

    answers = [client.answer() for _ in range(MOST_REQUESTS)]

    assert ["connection" in each.fields for each in answers] == [False] * (MOST_REQUESTS - 1) + [True]
    assert client.is_over()


def test_head_is_answered_without_body(client: Client, application: TinyApplication) -> None:
    application.pages["/pieces"] = Response(HTTPStatus.OK, pieces := Pieces([b"x"]))

    whole = client.ask(get(method="HEAD"), method="HEAD")
    in_pieces = client.ask(get("/pieces", method="HEAD"), method="HEAD")
    endless = client.ask(get("/events", method="HEAD"), method="HEAD")

    assert whole.fields["content-length"] == "5"
    assert (in_pieces.status, endless.status) == (200, 200)
    assert client.ask(get()).body == b"hello"
    assert pieces.is_closed
    assert not application.followers


@pytest.mark.parametrize("status", [HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED])
def test_answers_that_have_no_body_say_no_length(
    client: Client, application: TinyApplication, status: HTTPStatus
) -> None:
    application.pages["/none"] = Response(status, fields=[("ETag", '"x"')])

    answer = client.ask(get("/none"))

    assert answer.status == status
    assert answer.fields["etag"] == '"x"'
    assert "content-length" not in answer.fields
    assert "content-type" not in answer.fields
    assert client.ask(get()).body == b"hello"


def test_client_that_waits_is_asked_for_the_body(client: Client) -> None:
    request = post(b"body", "Expect: 100-continue")
    client.send(request[:-4])

    assert client.answer().status == 100
    client.send(request[-4:-2])
    client.send(request[-2:])
    assert client.answer().body == b"body"
    client.send(request[:-4])
    assert client.answer().status == 100


def test_client_that_did_not_wait_is_not_asked_for_the_body(client: Client) -> None:
    assert client.ask(post(b"body", "Expect: 100-continue")).body == b"body"


def test_client_of_http_1_0_is_not_asked_for_the_body(client: Client) -> None:
    request = post(b"body", "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    client.send(request[:-4])

    assert client.ask(request[-4:]).body == b"body"


@pytest.mark.parametrize(
    ("path", "length", "status"), [("/denied", 4, 401), ("/echo", MOST_BODY + 1, 413), ("/none", 1, 413)]
)
def test_client_that_waits_is_told_that_it_may_not_send(client: Client, path: str, length: int, status: int) -> None:
    answer = client.ask(get(path, f"Content-Length: {length}", "Expect: 100-continue", method="POST"))

    assert answer.status == status
    assert answer.fields["connection"] == "close"
    assert client.is_over()


def test_unread_body_is_no_second_request(client: Client, application: TinyApplication) -> None:
    client.send(post(get("/smuggled"), path="/none") + get("/smuggled"))

    assert client.answer().status == 413
    assert client.is_over()
    assert application.asked == []


def test_refusal_arrives_while_the_client_still_sends(client: Client) -> None:
    client.send(get("/echo", f"Content-Length: {64 << 20}", method="POST"))
    for _ in range(16):
        client.send(MEGABYTE)

    answer = client.answer()

    assert answer.status == 413
    assert answer.fields["content-type"] == "application/problem+json"


def test_what_is_no_request_is_refused_without_a_word_of_it(client: Client, application: TinyApplication) -> None:
    answer = client.ask(b"GET /<marker> HTTP/1.1\r\nHost : <marker>\r\n\r\n" + get("/after"))

    assert answer.status == 400
    assert b"marker" not in answer.body
    assert answer.fields["connection"] == "close"
    assert client.is_over()
    assert application.asked == []
    assert [error.status for error in application.refusals] == [400]


def test_requests_before_a_bad_one_are_answered(client: Client) -> None:
    client.send(get("/a") + get("/b") + b"nonsense\r\n\r\n" + get("/c"))

    assert [client.answer().status for _ in range(3)] == [200, 200, 400]
    assert client.is_over()


def test_pieces_are_sent_in_chunks(client: Client, application: TinyApplication) -> None:
    application.pages["/pieces"] = Response(HTTPStatus.OK, pieces := Pieces([b"a", b"", b"", b"b" * 100_000, b"c"]))

    answer = client.ask(get("/pieces"))

    assert answer.fields["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.fields
    assert answer.body == b"a" + b"b" * 100_000 + b"c"
    assert client.ask(get()).body == b"hello"
    assert pieces.is_closed


def test_empty_piece_sends_what_is_there(client: Client, application: TinyApplication) -> None:
    def slowly() -> Iterator[bytes]:
        yield b"first"
        yield b""
        application.gate.wait(20)
        yield b"second"

    application.pages["/pieces"] = Response(HTTPStatus.OK, slowly())
    client.send(get("/pieces", version="1.0"))
    _, fields = client.head()
    assert "transfer-encoding" not in fields
    assert client.some(5) == b"first"

    application.gate.set()

    assert client.rest() == b"second"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("error", [OSError("gone"), ValueError("a defect")])
def test_answer_that_breaks_off_does_not_look_whole(
    port: int, application: TinyApplication, version: str, error: Exception
) -> None:
    for n in range(3):
        application.pages[f"/{n}"] = Response(HTTPStatus.OK, pieces := Pieces([b"half", b""], error))
        with Client(port) as client, pytest.raises(Broken):
            client.ask(get(f"/{n}", version=version))
        assert eventually(lambda pieces=pieces: pieces.is_closed)  # type: ignore[misc]

    with Client(port) as client:
        assert client.ask(get()).body == b"hello"


@pytest.mark.parametrize("field", [("X", "a\r\nSet-Cookie: b"), ("X", "a\nb"), ("X\r\nY", "a"), ("X", "\u0100")])
def test_fields_of_answers_cannot_become_others(
    port: int, application: TinyApplication, field: tuple[str, str]
) -> None:
    application.pages["/bad"] = Response(HTTPStatus.OK, b"", fields=[field])

    with Client(port) as client, pytest.raises(Broken):
        client.ask(get("/bad"))
    assert eventually(lambda: application.over == [200])
    with Client(port) as client:
        assert client.ask(get()).body == b"hello"


def test_client_that_goes_ends_the_answer(port: int, application: TinyApplication) -> None:
    application.pages["/endless"] = Response(HTTPStatus.OK, pieces := Pieces(repeat(MEGABYTE)))

    with Client(port) as client:
        client.send(get("/endless"))
        client.head()

    assert eventually(lambda: pieces.is_closed)
    with Client(port) as client:
        assert client.ask(get()).body == b"hello"


def test_large_answer_arrives_whole_and_the_next_one_after_it(port: int, application: TinyApplication) -> None:
    application.pages["/large"] = Response(HTTPStatus.OK, MEGABYTE * 3)
    application.pages["/pieces"] = Response(HTTPStatus.OK, [MEGABYTE] * 12)

    with Client(port, receive_bytes=4096) as client:
        client.send(get("/large") + get("/pieces") + get("/large", "Connection: close"))

        assert [len(client.answer().body) >> 20 for _ in range(3)] == [3, 12, 3]
        assert client.is_over()


@pytest.mark.parametrize("fields", [[], ["Connection: close"]])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_connection_is_given_away_for_an_answer_without_end(
    client: Client, application: TinyApplication, version: str, fields: list[str]
) -> None:
    client.send(get("/events", *fields, version=version))

    status, head = client.head()

    assert (status, head["connection"]) == (200, "close")
    assert eventually(lambda: len(application.followers) == 1)
    application.followers[0].send(b"event")
    application.followers[0].close()
    assert client.rest() == b"event"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::", ""])
def test_all_addresses_are_those_of_both_kinds(application: TinyApplication, host: str) -> None:
    with serving(application, Limits(), host) as server:
        for each in ("127.0.0.1", "::1"):
            with Client(server.listeners[0].port, each) as client:
                assert client.ask(get()).body == b"hello"

    assert application.peers == ["::ffff:127.0.0.1", "::1"]


def test_address_that_is_taken_is_named(application: TinyApplication, port: int) -> None:
    with pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
        Server(application, [Address("127.0.0.1", 0, "public"), Address("127.0.0.1", port, "ops")], Limits())


def test_address_of_another_machine_is_named(application: TinyApplication) -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1:80: Cannot assign requested address"):
        Server(application, [Address("192.0.2.1", 80, "public")], Limits())
