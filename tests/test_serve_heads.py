"""Heads of requests: what two programs could understand differently is refused, each row with its status."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from qacache.serve.heads import MAX_FIELDS, MAX_LINE, BadRequest, Head, parse_head
from qacache.serve.routes import split_target

HOST = b"Host: here\r\n"


def head_of(raw: bytes) -> Head:
    return parse_head(raw.removesuffix(b"\r\n"))


def status_of(raw: bytes) -> HTTPStatus:
    with pytest.raises(BadRequest) as refused:
        head_of(raw)
    return refused.value.status


REFUSED = {
    # request lines
    "nothing": (b"", 400),
    "an empty line first": (b"\r\nGET / HTTP/1.1\r\n" + HOST, 400),
    "HTTP/0.9": (b"GET /\r\n", 400),
    "HTTP/2": (b"GET / HTTP/2.0\r\n" + HOST, 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n", 505),
    "a version of two digits": (b"GET / HTTP/1.10\r\n" + HOST, 400),
    "a version in lower case": (b"GET / http/1.1\r\n" + HOST, 400),
    "two spaces": (b"GET  / HTTP/1.1\r\n" + HOST, 400),
    "a tab for a space": (b"GET\t/ HTTP/1.1\r\n" + HOST, 400),
    "a space at the end": (b"GET / HTTP/1.1 \r\n" + HOST, 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\n" + HOST, 400),
    "a NUL in the target": (b"GET /\0 HTTP/1.1\r\n" + HOST, 400),
    "a byte beyond ASCII in the target": (b"GET /\xe4 HTTP/1.1\r\n" + HOST, 400),
    "a fragment": (b"GET /a#b HTTP/1.1\r\n" + HOST, 400),
    "a method that is no token": (b"G(T / HTTP/1.1\r\n" + HOST, 400),
    "a method beyond ASCII": ("GÉT / HTTP/1.1\r\n".encode() + HOST, 400),
    "a whole URL": (b"GET http://here/ HTTP/1.1\r\n" + HOST, 400),
    "a tunnel": (b"CONNECT here:443 HTTP/1.1\r\n" + HOST, 400),
    "an asterisk for other than OPTIONS": (b"GET * HTTP/1.1\r\n" + HOST, 400),
    "no path": (b"GET ?a=b HTTP/1.1\r\n" + HOST, 400),
    "a long line": (b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1\r\n" + HOST, 414),
    # ends of lines
    "bare LF": (b"GET / HTTP/1.1\n" + HOST, 400),
    "bare LF between fields": (b"GET / HTTP/1.1\r\nHost: here\nX: y\r\n", 400),
    "bare CR": (b"GET / HTTP/1.1\rX: y\r\n" + HOST, 400),
    "bare CR in a value": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rContent-Length: 5\r\n", 400),
    "CR twice": (b"GET / HTTP/1.1\r\r\n" + HOST, 400),
    # fields
    "a line without colon": (b"GET / HTTP/1.1\r\nnothing\r\n" + HOST, 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : here\r\n", 400),
    "a tab before the colon": (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length\t: 5\r\n", 400),
    "a field without name": (b"GET / HTTP/1.1\r\n" + HOST + b": x\r\n", 400),
    "a line that goes on": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n", 400),
    "a first field that goes on": (b"GET / HTTP/1.1\r\n " + HOST, 400),
    "a NUL in a value": (b"GET / HTTP/1.1\r\n" + HOST + b"X: \0\r\n", 400),
    "an escape in a value": (b"GET / HTTP/1.1\r\n" + HOST + b"X: \x1b[2J\r\n", 400),
    "a name beyond ASCII": (b"GET / HTTP/1.1\r\n" + HOST + b"X\xe4: a\r\n", 400),
    "too many fields": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * MAX_FIELDS, 431),
    # hosts
    "no host": (b"GET / HTTP/1.1\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST, 400),
    "two hosts of HTTP/1.0": (b"GET / HTTP/1.0\r\n" + HOST + HOST, 400),
    "a list of hosts": (b"GET / HTTP/1.1\r\nHost: here, there\r\n", 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n", 400),
    "a host with its user": (b"GET / HTTP/1.1\r\nHost: me@here\r\n", 400),
    "a host with a path": (b"GET / HTTP/1.1\r\nHost: here/there\r\n", 400),
    "a port that is none": (b"GET / HTTP/1.1\r\nHost: here:http\r\n", 400),
    # lengths
    "a transfer coding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n", 501),
    "a transfer coding of HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 501),
    "a transfer coding that is none": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n", 501),
    "an empty transfer coding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\r\n", 501),
    "both": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\ntransfer-encoding: chunked\r\n", 501),
    "two transfer codings": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: x\r\nTransfer-Encoding: y\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
    "a length twice": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\ncontent-length: 5\r\n", 400),
    "a list of lengths": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n", 400),
    "no length": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n", 400),
    "a length with a plus": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n", 400),
    "a length below zero": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n", 400),
    "a length as Python writes it": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1_0\r\n", 400),
    "a length in hexadecimal": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n", 400),
    "a length in Arabic digits": (
        b"POST / HTTP/1.1\r\n" + HOST + "Content-Length: \N{ARABIC-INDIC DIGIT FIVE}\r\n".encode(),
        400,
    ),
    "a length in superscript": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: \xb2\r\n", 400),
    "a length with a space inside": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1 0\r\n", 400),
    "a length with a form feed": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\x0c\r\n", 400),
    "a length of many digits": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 00000000005\r\n", 400),
    # what must not be said twice
    "two tokens": (b"GET / HTTP/1.1\r\n" + HOST + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", 400),
    "two origins": (b"GET / HTTP/1.1\r\n" + HOST + b"Origin: http://a\r\nOrigin: http://b\r\n", 400),
    "two types": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: a/b\r\nContent-Type: c/d\r\n", 400),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_ambiguous_is_refused(raw: bytes, status: int) -> None:
    assert status_of(raw) == status


def test_refusals_do_not_repeat_what_was_sent() -> None:
    for raw, _ in REFUSED.values():
        with pytest.raises(BadRequest) as refused:
            head_of(raw.replace(b"here", b"marker"))

        assert "marker" not in str(refused.value)


def test_head_is_read() -> None:
    head = head_of(
        b"POST /a?b=%20c HTTP/1.1\r\nhOST: here:80\r\nContent-Length: 0012 \r\nX: \t a b\t\r\nX:\xe4\r\nY:\r\n"
    )

    assert head == Head(
        method="POST",
        target="/a?b=%20c",
        is_http_1_0=False,
        fields={"host": "here:80", "content-length": "0012", "x": "a b, ä", "y": ""},
        content_length=12,
        is_kept_alive=True,
    )


@pytest.mark.parametrize("host", [b"here", b"here.", b"a-b.c_d:1", b"127.0.0.1:80", b"[::1]", b"[::ffff:1.2.3.4]:8080"])
def test_hosts_that_are_some(host: bytes) -> None:
    assert head_of(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n").fields["host"] == host.decode()


def test_options_may_ask_for_the_server_itself() -> None:
    assert head_of(b"OPTIONS * HTTP/1.1\r\n" + HOST).target == "*"


def test_http_1_0_needs_no_host_and_is_not_kept_alive() -> None:
    head = head_of(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n")

    assert head.is_http_1_0
    assert not head.is_kept_alive


@pytest.mark.parametrize(
    ("fields", "is_kept"),
    [
        (b"", True),
        (b"Connection: keep-alive\r\n", True),
        (b"Connection: x, closed\r\n", True),
        (b"Connection: close\r\n", False),
        (b"Connection: close, x\r\n", False),
        (b"Connection: x ,\tCLOSE\r\n", False),
        (b"Connection: keep-alive\r\nConnection: Close\r\n", False),
        (b"Connection: ,,close,\r\n", False),
    ],
)
def test_connection_field_is_a_list(fields: bytes, is_kept: bool) -> None:
    assert head_of(b"GET / HTTP/1.1\r\n" + HOST + fields).is_kept_alive is is_kept


@pytest.mark.parametrize(
    ("version", "expect", "expects"),
    [(b"1", b"100-continue", True), (b"1", b"100-Continue", True), (b"0", b"100-continue", False), (b"0", b"x", False)],
)
def test_who_waits_to_be_asked_for_the_body(version: bytes, expect: bytes, expects: bool) -> None:
    raw = b"POST / HTTP/1.%b\r\n%bContent-Length: 5\r\nExpect: %b\r\n" % (version, HOST, expect)

    assert head_of(raw).expects_continue is expects


@pytest.mark.parametrize("expect", [b"x", b"", b"100-continue, x", b"100-continue\r\nExpect: 100-continue"])
def test_what_cannot_be_expected_is_refused(expect: bytes) -> None:
    raw = b"POST / HTTP/1.1\r\n%bContent-Length: 5\r\nExpect: %b\r\n" % (HOST, expect)

    assert status_of(raw) == HTTPStatus.EXPECTATION_FAILED


def test_longest_line_is_read() -> None:
    line = b"GET /" + b"a" * (MAX_LINE - len(b"GET / HTTP/1.1")) + b" HTTP/1.1"

    assert len(head_of(line + b"\r\n" + HOST).target) == MAX_LINE - len(b"GET  HTTP/1.1")
    assert status_of(line.replace(b"/a", b"/aa", 1) + b"\r\n" + HOST) == HTTPStatus.REQUEST_URI_TOO_LONG


@pytest.mark.parametrize("path", ["/a/../b", "/%2e%2e/b", "/a%00", "/a%5cb", "/a\\b", "//a", "/a//b", "/%2F/a", "/.."])
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(BadRequest) as refused:
        split_target(path)

    assert refused.value.status == HTTPStatus.BAD_REQUEST


def test_targets_are_decoded_once() -> None:
    assert split_target("/a%2525?b=%2541&b=c+d&e") == ("/a%25", {"b": ["%41", "c d"], "e": [""]})
