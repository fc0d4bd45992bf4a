"""Heads of HTTP/1.1 requests, read strictly: bytes come in, a `Head` goes out, or the status to refuse it with.

What two programs might understand differently is refused (RFC 9112, sections 2.2, 3.2, 5.1, 5.2, 6.1, 6.3 and 11.2): a
proxy and this server must see the same requests in the same bytes.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import QacacheError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_LINE = 8 << 10
"""The bytes that the request line may have."""

MAX_HEAD = 32 << 10
"""The bytes that all lines together may have."""

MAX_FIELDS = 100

END = b"\r\n\r\n"

_BARE_LF = re.compile(rb"(?<!\r)\n")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# a fragment is the client's own business: some servers cut it off, some take it for a part of the path
_LINE = re.compile(rb"(%s) ([!\"$-~]+) HTTP/(\d)\.(\d)" % _TOKEN)
_NAME = re.compile(_TOKEN)
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,10}")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]{1,5})?")
# said more than once, they would mean different things to different readers; the values of all others are joined
_SINGLE = frozenset((b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type", b"origin"))
_CONTINUE = b"100-continue"


class BadRequest(QacacheError):
    """A request is refused, and its connection closed: what follows cannot be told from its body.

    `fields` belong to the answer.
    """

    def __init__(self, status: HTTPStatus, why: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(why)
        self.status = status
        self.fields = fields


class Head(NamedTuple):
    """The head of a request. `target` is as it was sent; `fields` have names in lower case, and values in Latin-1."""

    method: str
    target: str
    is_http_1_0: bool
    fields: Mapping[str, str]
    content_length: int
    is_kept_alive: bool

    @property
    def expects_continue(self) -> bool:
        """Whether the client sends the body only once it is asked to."""
        return not self.is_http_1_0 and "expect" in self.fields


def parse_head(raw: bytes) -> Head:
    """Return the head in `raw`, which has its lines without the empty one at the end; raises `BadRequest`."""
    _check_first_line(raw, len(raw) + 1)
    if raw.count(b"\n") != raw.count(b"\r\n") or raw.count(b"\r") != raw.count(b"\n"):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "lines end with CR and LF")
    first, *lines = raw.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "no request line of HTTP")
    method, target, major, minor = line.groups()
    if major != b"1":
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this is a server of HTTP/1.1")
    if not target.startswith(b"/") and (method, target) != (b"OPTIONS", b"*"):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the target is a path")
    is_http_1_0 = minor == b"0"
    fields = _fields(lines)
    _check_host(fields, is_http_1_0=is_http_1_0)
    if not is_http_1_0 and fields.get(b"expect", _CONTINUE).lower() != _CONTINUE:
        # the client may wait for something that will never come
        raise BadRequest(HTTPStatus.EXPECTATION_FAILED, "nothing can be expected but 100-continue")
    return Head(
        method=method.decode(),
        target=target.decode(),
        is_http_1_0=is_http_1_0,
        fields={name.decode(): value.decode("latin-1") for name, value in fields.items()},
        content_length=_content_length(fields),
        is_kept_alive=_is_kept_alive(fields, is_http_1_0=is_http_1_0),
    )


def check_beginning(raw: bytearray, looked_at: int) -> None:
    """Raise the `BadRequest` of every head that begins with `raw`, of which so many bytes were found good before.

    What it raises, `parse_head` does as well: how bytes arrive makes no odds.
    """
    _check_first_line(raw, len(raw))
    if _BARE_LF.search(raw, looked_at, MAX_HEAD + len(END)):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "lines end with CR and LF")
    if len(raw) >= MAX_HEAD + len(END):
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"header of more than {MAX_HEAD} bytes")


def _check_first_line(raw: bytes | bytearray, known: int) -> None:
    # with the two bytes that end it
    if known >= MAX_LINE + 2 and raw.find(b"\n", 0, MAX_LINE + 2) < 0:
        raise BadRequest(HTTPStatus.REQUEST_URI_TOO_LONG, f"request line of more than {MAX_LINE} bytes")


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    if len(lines) > MAX_FIELDS:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {MAX_FIELDS} header fields")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        # a name without colon, white space before it, a line that goes on with the one before: all of them are no field
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or _CONTROLS.search(value):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a header line is no field")
        name, value = name.lower(), value.strip(b" \t")
        if name not in fields:
            fields[name] = value
        elif name in _SINGLE:
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"more than one {name.decode()} field")
        else:
            fields[name] += b", " + value
    return fields


def _check_host(fields: Mapping[bytes, bytes], *, is_http_1_0: bool) -> None:
    host = fields.get(b"host")
    if host is None:
        if not is_http_1_0:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "no host field")
    elif not _HOST.fullmatch(host):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the host field names no host")


def _content_length(fields: Mapping[bytes, bytes]) -> int:
    if b"transfer-encoding" in fields:
        # with the body of unknown length, there is no telling where the next request begins
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "send a content-length: transfer codings are not understood")
    length = fields.get(b"content-length")
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "content-length is no number of bytes")
    return int(length)


def _is_kept_alive(fields: Mapping[bytes, bytes], *, is_http_1_0: bool) -> bool:
    options = {option.strip().lower() for option in fields.get(b"connection", b"").split(b",")}
    return b"close" not in options and not is_http_1_0
