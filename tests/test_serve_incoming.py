"""Requests out of bytes: however these are split on the way, the same requests come out, or the same refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qacache.serve.heads import MAX_HEAD, MAX_LINE, BadRequest, Head
from qacache.serve.incoming import Incoming, Received

GET = b"GET /%d HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%b"


def admit(head: Head) -> int:
    if head.target == "/denied":
        raise BadRequest(HTTPStatus.FORBIDDEN, "not you")
    return 1000


def heard(pieces: Iterable[bytes]) -> Iterator[Received | tuple[HTTPStatus, str]]:
    """Yield the requests in `pieces`, and at the end the refusal, if there is one."""
    incoming = Incoming(admit)
    for piece in pieces:
        incoming.feed(piece)
        try:
            while request := incoming.next():
                yield request
        except BadRequest as error:
            yield error.status, str(error)
            return


def split(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in pairwise(places):
        yield data[begin:end]


def post(number: int, body: bytes) -> bytes:
    return POST % (number, len(body), body)


fragments = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b"\r",
            b"\n\n",
            b" ",
            b":",
            b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
            b"GET / HTTP/1.1\r\n",
            b"Host: here\r\n",
            b"POST /denied HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1001\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nGET /",
            b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"X: " + b"x" * 3000 + b"\r\n",
            b"a" * (MAX_LINE - 10),
            b"X:" + b"x" * (MAX_HEAD - 10),
        ]
    ),
)


@given(data=st.lists(fragments, max_size=8).map(b"".join), cuts=st.lists(st.integers(0, 1 << 20), max_size=12))
@example(data=b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n", cuts=[MAX_LINE + 5])
@example(data=b"GET / HTTP/1.1\r\nHost: here\nX: y\r\n", cuts=[16])
@example(data=b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1\r\nX: y\nZ", cuts=[20, MAX_LINE + 25])
@example(data=b"a" * MAX_LINE + b"\r\n\r\n", cuts=[MAX_LINE, MAX_LINE + 1])
def test_splits_make_no_odds(data: bytes, cuts: list[int]) -> None:
    assert list(heard(split(data, cuts))) == list(heard([data]))


@given(
    bodies=st.lists(st.one_of(st.none(), st.binary(max_size=300)), max_size=6),
    cuts=st.lists(st.integers(0, 1 << 12), max_size=12),
)
def test_requests_come_out_as_they_were_sent(bodies: list[bytes | None], cuts: list[int]) -> None:
    data = b"".join(GET % number if body is None else post(number, body) for number, body in enumerate(bodies))

    found = [received for received in heard(split(data, cuts)) if isinstance(received, Received)]

    assert [(each.head.target, each.body) for each in found] == [
        (f"/{n}", body or b"") for n, body in enumerate(bodies)
    ]


def test_single_bytes_make_a_request() -> None:
    data = post(1, b"body") + GET % 2

    assert [each.body for each in heard(bytes([byte]) for byte in data) if isinstance(each, Received)] == [b"body", b""]


def test_body_that_looks_like_a_request_is_none() -> None:
    smuggled = GET % 666

    found = list(heard([post(1, smuggled) + GET % 2]))

    assert [each.head.target for each in found if isinstance(each, Received)] == ["/1", "/2"]


def test_chunks_are_not_taken_for_the_next_request() -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET % 666

    assert [outcome[0] for outcome in heard([GET % 1 + chunked])][1:] == [HTTPStatus.NOT_IMPLEMENTED]


def test_body_is_refused_before_it_is_there() -> None:
    head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1001\r\n\r\n"

    assert [outcome[0] for outcome in heard([head])] == [HTTPStatus.REQUEST_ENTITY_TOO_LARGE]


def test_who_may_not_send_is_refused_before_the_body_is_there() -> None:
    head = b"POST /denied HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\n"

    assert list(heard([head])) == [(HTTPStatus.FORBIDDEN, "not you")]


@pytest.mark.parametrize(
    ("beginning", "status"),
    [
        (b"\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost: here\n", HTTPStatus.BAD_REQUEST),
        (b"G" * (MAX_LINE + 2), HTTPStatus.REQUEST_URI_TOO_LONG),
        (b"\x16\x03\x01" * 3000, HTTPStatus.REQUEST_URI_TOO_LONG),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEAD // 6), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_what_can_be_no_head_is_refused_before_its_end(beginning: bytes, status: HTTPStatus) -> None:
    assert [outcome[0] for outcome in heard([beginning])] == [status]


def test_largest_head_is_read() -> None:
    start = b"GET / HTTP/1.1\r\nHost: here\r\nX: "
    largest = start + b"x" * (MAX_HEAD - len(start)) + b"\r\n\r\n"

    (read,) = heard([largest])
    (refused,) = heard([largest.replace(b"xx", b"xxx", 1)])

    assert isinstance(read, Received)
    assert refused[0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def test_it_is_told_what_is_awaited() -> None:
    incoming = Incoming(admit)
    assert not incoming.has_begun

    incoming.feed(post(1, b"body")[:-1])
    assert incoming.has_begun
    assert incoming.next() is None
    assert incoming.awaited_head is not None
    assert incoming.buffered == 3

    incoming.feed(b"y")
    assert incoming.next() is not None
    assert not incoming.has_begun


def test_what_is_forgotten_is_held_no_more() -> None:
    incoming = Incoming(admit)
    incoming.feed(post(1, b"body")[:-1])
    incoming.next()

    incoming.forget()

    assert incoming.buffered == 0
    assert not incoming.has_begun
