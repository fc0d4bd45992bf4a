"""Requests and responses as the API sees them: values, without sockets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from qacache.serve.access import Identity
    from qacache.serve.connection import Connection

JSON = "application/json"
NDJSON = "application/x-ndjson"
TSV = "text/tab-separated-values; charset=utf-8"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that may be answered.

    `path` and `query` are decoded, by UTF-8 with surrogates for all else (`os.fsdecode`), `fields` are the header
    fields by their names in lower case, `variables` are those of the route's template.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    fields: Mapping[str, str]
    body: bytes
    peer: str
    request_id: str
    who: Identity
    variables: Mapping[str, str] = field(default_factory=dict)


class Live(NamedTuple):
    """A body without end: the connection is given to `take` when the head was sent."""

    take: Callable[[Connection], None]


class Response(NamedTuple):
    """An answer. A `body` that is no bytes is sent in pieces as they come: what fails then breaks the connection."""

    status: HTTPStatus
    body: bytes | Iterable[bytes] | Live = b""
    content_type: str = JSON
    fields: Sequence[tuple[str, str]] = ()


def json_response(
    value: object, status: HTTPStatus = HTTPStatus.OK, fields: Sequence[tuple[str, str]] = ()
) -> Response:
    """Return `value` as JSON in ASCII."""
    return Response(status, json_bytes(value), JSON, fields)


def json_bytes(value: object) -> bytes:
    """Return one line of JSON in ASCII, with its end."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def problem(status: HTTPStatus, detail: str = "", *, hint: str = "", **more: Any) -> Response:
    """Return what is wrong (RFC 9457); `more` are members beyond the standard ones."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status)}
    if detail:
        body["detail"] = detail
    if hint:
        body["hint"] = hint
    return Response(status, json_bytes({**body, **more}), PROBLEM)
