"""What a server says is wrong (RFC 9457), as the errors that a store of one's own would raise.

In: status, header fields and body of an answer. Out: the error to raise. All words of the server's are made harmless.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from qacache import errors
from qacache.errors import QacacheError, ServerDenied, ServerError, ServerHasNone, StoreLocked, UsageError
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEM = "application/problem+json"

_KINDS: Mapping[str, type[QacacheError]] = {
    kind.__name__: kind
    for kind in (
        errors.StoreError,
        errors.StoreMissing,
        errors.StoreLocked,
        errors.StoreCorrupt,
        errors.StoreReadOnly,
        errors.StoreFull,
        errors.StoreOnNetwork,
        errors.SchemaForeign,
        errors.SchemaTooNew,
        errors.SchemaUnsupported,
        errors.SchemaOutdated,
        errors.SearchTimeout,
        errors.ProberMissing,
        errors.RootRefused,
    )
}
_MOST_SHOWN = 500


def error_of(url: str, status: int, fields: Mapping[str, str], body: bytes, *, token_file: str) -> QacacheError:
    """Return what an answer that is none of success means. `token_file` is empty where no token was shown."""
    if status == HTTPStatus.UNAUTHORIZED:
        return _unauthorized(url, token_file)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _elsewhere(url, fields)
    told = _told(fields, body)
    if not told:
        why = f"{url} answers {status} {_phrase(status)}"
        return ServerError(why, hint="does a proxy in between not reach `qacache serve`?")
    return _told_error(url, status, told, _again(fields))


def _told_error(url: str, status: int, told: Mapping[str, Any], again: str | None) -> QacacheError:
    """Return what a server of qacache's says is wrong."""
    said, hint = _text(told, "detail") or _phrase(status), _text(told, "hint")
    match status:
        case HTTPStatus.BAD_REQUEST | HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return UsageError(said, hint=hint)
        case HTTPStatus.FORBIDDEN:
            return ServerDenied(f"{url} does not allow this: {said}", hint=hint or _FORBIDDEN)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ServerDenied(f"{url}: {said}", hint=hint or again)
        case HTTPStatus.NOT_FOUND:
            return ServerHasNone(f"{url}: {said}", hint=hint)
        case HTTPStatus.CONFLICT if isinstance(told.get("scan"), dict):
            return StoreLocked(f"{url}: {said}: {_scan_words(told['scan'])}", hint=hint)
        case _:
            elsewhere = _ELSEWHERE if status == HTTPStatus.METHOD_NOT_ALLOWED else None
            return _KINDS.get(str(told.get("kind")), ServerError)(f"{url}: {said}", hint=hint or again or elsewhere)


_ELSEWHERE = "where it has a server.ops_addr, scans begin and end there alone: name that one by --server"
_FORBIDDEN = "scans and probes take a token made with: qacache token new --scope write"


def _unauthorized(url: str, token_file: str) -> ServerDenied:
    if token_file:
        return ServerDenied(
            f"{url} does not accept the token in {token_file}", hint="have a new one made there: qacache token new"
        )
    return ServerDenied(
        f"{url} asks for a token",
        hint="have one made there (qacache token new), and name its file in client.token_file",
    )


def _elsewhere(url: str, fields: Mapping[str, str]) -> ServerError:
    # a token must not be shown to whoever an answer names
    place = printable(fields.get("location", "another place"))[:_MOST_SHOWN]
    return ServerError(f"{url} leads elsewhere: {place}", hint="if that is right, set client.server_url to it")


def _again(fields: Mapping[str, str]) -> str | None:
    seconds = fields.get("retry-after", "")
    return f"try again in {seconds} s" if seconds.isascii() and seconds.isdigit() else None


def _scan_words(scan: Mapping[str, Any]) -> str:
    roots = scan.get("roots")
    named = ", ".join(map(str, roots)) if isinstance(roots, list) else ""
    return printable(f"scan {scan.get('scan_id')} of {named}, since {scan.get('started_at')}")[:_MOST_SHOWN]


def _told(fields: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    if fields.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    # a message may have lines, as that of several roots has
    lines = [printable(line) for line in value.split("\n")] if isinstance(value, str) else []
    return "\n".join(lines)[: _MOST_SHOWN * 4] or None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.lower()
    except ValueError:
        return "of its own"
