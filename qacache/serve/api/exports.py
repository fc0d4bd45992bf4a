"""Exports: all that is stored, or what fits, streamed; compressed where the client takes that, and not sent twice."""

from __future__ import annotations

import zlib
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from qacache.exchange import ndjson, sheets
from qacache.serve.api.parameters import CRITERIA, number_of, selection_of
from qacache.serve.forms import accepted
from qacache.serve.messages import NDJSON, Response
from qacache.serve.routes import Parameter
from qacache.store.history import History
from qacache.store.records import RECORD_COLUMNS, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.record import Entry
    from qacache.selection import Selection
    from qacache.serve.messages import Request
    from qacache.serve.services import Services

CSV = "text/csv; charset=utf-8"
TYPES = (NDJSON, CSV)
SINCE = Parameter("since", "Only what changed since this scan: `X-Qacache-Scan` of the last export.", "integer")

EXPORT = (*CRITERIA, SINCE)

_GZIP_LEVEL = 5
_GZIP_BITS = 31


def export(services: Services, request: Request) -> Response:
    """Send the records of all files that fit, a line each, as `qacache import` takes them.

    `X-Qacache-Scan` names the last scan that is in it: to be sent as `since` for what has changed after that.
    """
    content_type = accepted(request.fields.get("accept", ""), TYPES)
    is_gzip = accepts_gzip(request.fields.get("accept-encoding", ""))
    # now, while there is a status to say with that they are wrong
    selection = _selection(services, request)
    # with what is chosen: files of the last 30 days are others tomorrow, in the same store
    etag = services.versions.etag(request.path, request.query, content_type, is_gzip, selection)
    last = _last_scan(services)
    fields = [("ETag", etag), ("Vary", "Accept, Accept-Encoding"), *([("X-Qacache-Scan", last)] if last else [])]
    if is_known(request.fields.get("if-none-match", ""), etag):
        return Response(HTTPStatus.NOT_MODIFIED, b"", content_type, fields)
    write = _ndjson if content_type == NDJSON else _csv
    pieces = write(_entries(services, selection))
    if is_gzip:
        fields.append(("Content-Encoding", "gzip"))
        pieces = _compressed(pieces)
    return Response(HTTPStatus.OK, pieces, content_type, fields)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip."""
    for part in accept_encoding.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the client has what is of that tag already."""
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag.removeprefix("W/") in known or "*" in known


def _last_scan(services: Services) -> str:
    with History(services.readers.path) as history:
        done = next((scan for scan in history.scans() if scan.state != "running"), None)
        return str(done.scan_id) if done else ""


def _selection(services: Services, request: Request) -> Selection | None:
    selection = selection_of(services, request.query, statuses=("any",))
    if selection is not None and SINCE.name in request.query:
        return replace(selection, changed_since=number_of(request.query, SINCE, 0))
    return selection


def _entries(services: Services, selection: Selection | None) -> Iterator[Entry]:
    if selection is None:
        return
    for found in services.readers.search().files(selection, RECORD_COLUMNS):
        yield entry_of(found)


def _ndjson(entries: Iterable[Entry]) -> Iterator[bytes]:
    for entry in entries:
        yield ndjson.line_of(entry).encode()


def _csv(entries: Iterable[Entry]) -> Iterator[bytes]:
    yield sheets.header().encode()
    for entry in entries:
        yield sheets.line_of(entry).encode()


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_BITS)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
