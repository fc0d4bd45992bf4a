"""The application: a whole request comes in, who asks is checked, what is asked for is found, and a response goes out.

Whatever goes wrong becomes a response, too: RFC 9457, and never a word of what was sent.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import (
    ProberMissing,
    QacacheError,
    RootRefused,
    SearchTimeout,
    StoreError,
    StoreLocked,
    UsageError,
)
from qacache.os_failures import NoAnswer
from qacache.serve.access import Denied, Identity
from qacache.serve.heads import BadRequest
from qacache.serve.messages import Live, Request, Response, problem
from qacache.serve.routes import check_query, split_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from qacache.serve.access import Gate
    from qacache.serve.connection import Connection
    from qacache.serve.heads import Head
    from qacache.serve.incoming import Received
    from qacache.serve.routes import Match, Route, Table
    from qacache.serve.services import Services

_REQUEST_ID = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_LATER = (("Retry-After", "2"),)
_STATUSES: tuple[tuple[type[QacacheError], HTTPStatus], ...] = (
    (UsageError, HTTPStatus.BAD_REQUEST),
    (SearchTimeout, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreLocked, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ProberMissing, HTTPStatus.SERVICE_UNAVAILABLE),
    (RootRefused, HTTPStatus.CONFLICT),
)


class Door(NamedTuple):
    """What is to be had by one listener, and who may have it."""

    table: Table
    gate: Gate


class _Routed(NamedTuple):
    """What answers a request, and the variables of its template."""

    route: Route
    variables: Mapping[str, str]


class Exchange(NamedTuple):
    """A request that was answered, for the log and the metrics. `template` is that of the route, empty for none."""

    request_id: str
    method: str
    template: str
    address: str
    status: int
    sent_bytes: int
    duration_s: float


class Application:
    """Answers the requests of all listeners; `doors` are by their names. For any thread.

    `told` gets each exchange when it is over, `failed` what went wrong that nobody foresaw, with the id of the request.
    """

    def __init__(
        self,
        services: Services,
        doors: Mapping[str, Door],
        *,
        most_long: int,
        told: Callable[[Exchange], None],
        refused: Callable[[BadRequest], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._services = services
        self._doors = doors
        self._told = told
        self.refused = refused
        self._failed = failed
        self._long = threading.BoundedSemaphore(most_long)
        # what the worker of this thread answers now
        self._now = threading.local()

    def admit(self, connection: Connection, head: Head) -> int:
        """Return how many bytes the body may have; raises `BadRequest` for those who may not send any."""
        door = self._doors[connection.arrival]
        try:
            identity = door.gate.identify(head.method, head.fields, connection.peer)
            path, _ = split_target(head.target)
            return _routed(door.table.match(path), identity, head.method).route.max_body
        except Denied as denied:
            raise BadRequest(denied.status, str(denied), (*denied.fields(), *_cors(head, door))) from denied

    def answer_now(self, connection: Connection, received: Received) -> Response | None:
        """Return the response to a request that is a matter of microseconds, None for all others."""
        head = received.head
        route = _plain_route(self._doors[connection.arrival], head, head.method)
        return self._answer(connection, received, is_now=True) if route and route.quick else None

    def answer(self, connection: Connection, received: Received) -> Response:
        """Return the response to a request."""
        response = self._answer(connection, received, is_now=False)
        assert response is not None
        return response

    def _answer(self, connection: Connection, received: Received, *, is_now: bool) -> Response | None:
        self._now.began = time.perf_counter()
        head = received.head
        given = head.fields.get("x-request-id", "")
        self._now.request_id = request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        self._now.template = ""
        self._now.is_long = False
        self._now.address = connection.peer
        self._now.method = head.method
        door = self._doors[connection.arrival]
        try:
            identity = door.gate.identify(head.method, head.fields, connection.peer, is_for_all=_is_for_all(door, head))
            self._now.address = identity.address
            response = self._respond(door, identity, received, request_id, is_now=is_now)
            if response is None:
                return None
        except BadRequest as error:
            response = problem(error.status, str(error))
        except Denied as denied:
            response = problem(denied.status, str(denied), hint=denied.hint or "")._replace(fields=denied.fields())
        except QacacheError as error:
            response = _explained(error)
        except NoAnswer:
            response = problem(HTTPStatus.SERVICE_UNAVAILABLE, "a disk does not answer")._replace(fields=_LATER)
        except Exception as error:  # nobody foresaw it: the others are to be answered all the same
            self._failed(request_id, error)
            response = problem(HTTPStatus.INTERNAL_SERVER_ERROR, hint=f"see the log for request {request_id}")
        return response._replace(fields=(*response.fields, ("X-Request-Id", request_id), *_cors(head, door)))

    def answered(self, connection: Connection, response: Response, sent_bytes: int) -> None:
        """Tell of the exchange that is over."""
        now = self._now
        if now.is_long:
            self._long.release()
        duration_s = time.perf_counter() - now.began
        self._told(
            Exchange(
                now.request_id, now.method, now.template, now.address, int(response.status), sent_bytes, duration_s
            )
        )

    def leave(self) -> None:
        """Give up what this thread has."""
        self._services.readers.leave()

    def _respond(
        self, door: Door, identity: Identity, received: Received, request_id: str, *, is_now: bool
    ) -> Response | None:
        head = received.head
        path, query = split_target(head.target)
        match = door.table.match(path)
        if match is not None:
            self._now.template = next(iter(match.by_method.values())).template
        if head.method == "OPTIONS" and (options := _options(path, match)):
            return options
        route, variables = _routed(match, identity, head.method)
        if wrong := check_query(route, query):
            return problem(HTTPStatus.BAD_REQUEST, wrong)
        request = Request(
            method=head.method,
            path=path,
            query=query,
            fields=head.fields,
            body=received.body,
            peer=identity.address,
            request_id=request_id,
            who=identity,
            variables=variables,
        )
        if is_now and route.quick:
            return route.quick(self._services, request)
        if route.is_long:
            self._begin_long()
        response = route.endpoint(self._services, request)
        if isinstance(response.body, bytes | Live):
            return response
        if not route.is_long:
            self._begin_long()
        return response._replace(body=self._guarded(response.body, request_id))

    def _begin_long(self) -> None:
        """Begin what takes a while, up to `answered`; raises `Denied` where no worker would be left for what does not.

        A body in pieces is one such.
        """
        if not self._long.acquire(blocking=False):
            raise Denied(HTTPStatus.SERVICE_UNAVAILABLE, "too many long answers at a time", more=_LATER)
        self._now.is_long = True

    def _guarded(self, pieces: Iterable[bytes], request_id: str) -> Iterator[bytes]:
        """Yield `pieces`; what goes wrong on the way is told, and breaks the connection."""
        try:
            yield from pieces
        except Exception as error:
            if not isinstance(error, OSError):
                self._failed(request_id, error)
            raise ConnectionAbortedError("the answer broke off") from error


def _plain_route(door: Door, head: Head, method: str) -> Route | None:
    """Return what answers a target as it was sent, None also for one that has its path in other characters."""
    match = door.table.match(head.target.partition("?")[0])
    return match.by_method.get(method) if match else None


def _is_for_all(door: Door, head: Head) -> bool:
    """Whether no token is asked for: one that is wrong must not make a server look dead."""
    route = _plain_route(door, head, _method_of(head.method))
    return route is not None and route.scope is None


def _method_of(method: str) -> str:
    return "GET" if method == "HEAD" else method


def _routed(match: Match | None, identity: Identity, method: str) -> _Routed:
    """Return what answers a request by that method; raises `Denied`, also where nothing does."""
    if match is None:
        # who has no token is not told what there is
        if identity.scope is None:
            raise Denied(HTTPStatus.UNAUTHORIZED, "a token is asked for")
        raise Denied(HTTPStatus.NOT_FOUND, "there is no such thing")
    route = match.by_method.get(_method_of(method))
    if route is None:
        raise Denied(HTTPStatus.METHOD_NOT_ALLOWED, "not by this method", more=(_allowed(match),))
    _check_scope(route, identity)
    return _Routed(route, match.variables)


def _check_scope(route: Route, identity: Identity) -> None:
    if route.scope is None or identity.may(route.scope):
        return
    if identity.scope is None:
        raise Denied(HTTPStatus.UNAUTHORIZED, "a token is asked for")
    raise Denied(HTTPStatus.FORBIDDEN, "this token may only read")


def _explained(error: QacacheError) -> Response:
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    fields = _LATER if status is HTTPStatus.SERVICE_UNAVAILABLE else ()
    return problem(status, str(error), hint=error.hint or "", kind=type(error).__name__)._replace(fields=fields)


def _options(path: str, match: Match | None) -> Response | None:
    """Return what may be asked of a path; of `*`, the server itself, that it is there (RFC 9110, section 9.3.7)."""
    if match is not None:
        return Response(HTTPStatus.NO_CONTENT, fields=(_allowed(match),))
    return Response(HTTPStatus.NO_CONTENT) if path == "*" else None


def _allowed(match: Match) -> tuple[str, str]:
    methods = sorted({*match.by_method, "OPTIONS", *(("HEAD",) if "GET" in match.by_method else ())})
    return "Allow", ", ".join(methods)


def _cors(head: Head, door: Door) -> tuple[tuple[str, str], ...]:
    """Return what lets the pages of another site read the answer, where these are among those that may."""
    origin = head.fields.get("origin", "")
    if not door.gate.rules.origins:
        return ()
    if origin not in door.gate.rules.origins:
        return (("Vary", "Origin"),)
    return (
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE"),
        ("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID"),
        ("Access-Control-Expose-Headers", "ETag, X-Request-Id, Retry-After"),
        ("Access-Control-Max-Age", "600"),
    )
