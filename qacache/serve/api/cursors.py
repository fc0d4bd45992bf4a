"""Cursors: where a page of a list ended comes in, a text to go on from goes out, and the other way round."""

from __future__ import annotations

import base64
import binascii
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from qacache.serve.access import Denied
from qacache.serve.routes import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.serve.messages import Request

AFTER = Parameter("after", "Where the page before this one ended: its `next`.", pattern="[0-9A-Za-z_-]+")

_MOST = (1 << 63) - 1


def cursor_of(position: Sequence[Any] | None) -> str | None:
    """Return the `next` of a page that ended at `position`, None where nothing comes after it."""
    if position is None:
        return None
    values = [{"b": base64.b64encode(value).decode()} if isinstance(value, bytes) else value for value in position]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def position_in(request: Request, kinds: Sequence[type]) -> list[Any] | None:
    """Return where the page before ended, values of `kinds`; None where the first page is asked for.

    Raises `Denied` (404) for what is no cursor, or one of another order.
    """
    texts = request.query.get(AFTER.name)
    if not texts:
        return None
    try:
        padded = texts[-1] + "=" * (-len(texts[-1]) % 4)
        values = list(_values(json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))))
    except (binascii.Error, ValueError, RecursionError, TypeError, KeyError) as error:
        raise Denied(HTTPStatus.NOT_FOUND, "parameter after is no `next` of a page") from error
    if len(values) != len(kinds) or not all(map(isinstance, values, kinds)):
        raise Denied(HTTPStatus.NOT_FOUND, "parameter after is the `next` of a page in another order")
    return values


def _values(values: object) -> Iterator[Any]:
    if not isinstance(values, list):
        raise TypeError("no list")
    for value in values:
        if isinstance(value, dict):
            yield base64.b64decode(value["b"], validate=True)
        elif isinstance(value, str):
            value.encode()  # half of a surrogate pair cannot be stored
            yield value
        elif value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) <= _MOST):
            yield value
        else:
            raise TypeError("no value of a column")
