"""A server to ask: requests go out, JSON comes in; whatever goes wrong becomes a `QacacheError`.

A connection is made for each request, so that none is ever found closed. No proxy of the environment is used, and no
redirect is followed: the token is for the server that was named.
"""

from __future__ import annotations

import json
import os
import socket
import zlib
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from qacache.client.line import Line, OutOfTime, Patience, dial
from qacache.client.problems import error_of
from qacache.client.token import read_token
from qacache.config.units import format_duration
from qacache.errors import ConfigError, ServerError, ServerUnreachable
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from qacache.config.serving import Client

    Query = Iterable[tuple[str, str | bytes]]

API = "/api/v1"
JSON = "application/json"
NDJSON = "application/x-ndjson"
PATHS = "application/octet-stream"

_PIECE = 64 << 10
_MOST_PROBLEM = 64 << 10
# a record has a file's tags, which may be anything
_MOST_LINE = 16 << 20
_MOST_ANSWER = 256 << 20
_GZIP_BITS = 31


class Asked(NamedTuple):
    """A request: `body` and its type where there is one.

    One with `began`, which is given the line, may be answered for as long as it takes.
    """

    method: str
    target: str
    accept: str = JSON
    body: bytes | None = None
    content_type: str = ""
    began: Callable[[Line], None] | None = None


class Server:
    """The server that the configuration names. Raises `ConfigError` where there is no token to be had."""

    def __init__(self, client: Client) -> None:
        parts = urlsplit(client.server_url)
        self.url = client.server_url
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = _port(parts.netloc) or (443 if self._is_tls else 80)
        self._authority = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._connect_s = client.connect_timeout_s
        self._timeout_s = client.timeout_s
        self._token_file = client.token_file
        self._token = read_token(client.token_file) if client.token_file else ""

    def get(self, path: str, query: Query = ()) -> Mapping[str, Any]:
        """Return the JSON object at `path` of the API."""
        return self._whole(Asked("GET", f"{API}{path}{_query_text(query)}"))

    def post(self, path: str, value: object) -> Mapping[str, Any]:
        """Send `value` as JSON; return the JSON object that is the answer."""
        return self._whole(_posted(path, value, JSON))

    def delete(self, path: str) -> Mapping[str, Any]:
        """Have what is at `path` ended; return the JSON object that is the answer."""
        return self._whole(Asked("DELETE", f"{API}{path}"))

    def post_paths(self, path: str, paths: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
        """Send `paths`; yield the JSON objects that are the answer, a line each."""
        body = b"".join(each + b"\0" for each in paths)
        with self._answer(Asked("POST", API + path, NDJSON, body, PATHS)) as answer:
            yield from answer.objects()

    def events(
        self, path: str, value: object, began: Callable[[Line], None]
    ) -> Generator[Mapping[str, Any], None, None]:
        """Send paths in bytes, or else `value` as JSON; yield the events that are the answer, as they happen.

        However long that takes. `began` is given the line before anything is waited for: to hang up ends all of it.
        """
        if isinstance(value, bytes):
            asked = Asked("POST", API + path, NDJSON, value, PATHS, began)
        else:
            asked = _posted(path, value, NDJSON)._replace(began=began)
        with self._answer(asked) as answer:
            yield from answer.objects()

    def _whole(self, asked: Asked) -> Mapping[str, Any]:
        with self._answer(asked) as answer:
            return _object(answer.whole(), self.url)

    @contextmanager
    def _answer(self, asked: Asked) -> Iterator[_Answer]:
        """Give the answer, which is one of success: anything else is raised as what it means."""
        with self._explained(f"does not answer within {format_duration(self._connect_s)}", _hint("connect_timeout")):
            connection = dial(self._host, self._port, most_s=self._connect_s, is_tls=self._is_tls)
        late = partial(
            self._explained, f"does not answer in full within {format_duration(self._timeout_s)}", _hint("timeout")
        )
        with Line(connection, Patience(None if asked.began else self._timeout_s)) as line:
            if asked.began:
                asked.began(line)
            with late():
                answer = _Answer(self.url, self._exchange(line, asked), late)
            if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                body = answer.beginning(_MOST_PROBLEM)
                raise error_of(self.url, answer.status, answer.fields, body, token_file=self._token_file)
            answer.check(asked.accept)
            yield answer

    def _exchange(self, line: Line, asked: Asked) -> HTTPResponse:
        http = HTTPConnection(self._host, self._port)
        http.sock = line
        http.putrequest(asked.method, self._prefix + asked.target, skip_host=True, skip_accept_encoding=True)
        http.putheader("Host", self._authority)
        http.putheader("User-Agent", "qacache")
        http.putheader("Accept", asked.accept)
        http.putheader("Accept-Encoding", "gzip")
        http.putheader("Connection", "close")
        if self._token:
            http.putheader("Authorization", f"Bearer {self._token}")
        if asked.body is not None:
            http.putheader("Content-Type", asked.content_type)
            http.putheader("Content-Length", str(len(asked.body)))
        try:
            http.endheaders(asked.body)
        except (BrokenPipeError, ConnectionResetError):
            # who does not want all of a body may have said why
            return http.getresponse()
        return http.getresponse()

    @contextmanager
    def _explained(self, late: str, hint: str) -> Iterator[None]:
        """Raise what goes wrong with the network in the block as a `ServerError`."""
        try:
            yield
        except OutOfTime as error:
            raise ServerUnreachable(f"{self.url} {late}", hint=hint) from error
        except socket.gaierror as error:
            why = f"no address is known of {self._host}"
            raise ServerUnreachable(f"{self.url}: {why}", hint="see client.server_url") from error
        except (ConnectionResetError, IncompleteRead) as error:  # also `RemoteDisconnected`
            raise ServerUnreachable(f"{self.url} hung up", hint="does `qacache serve` still run there?") from error
        except HTTPException as error:
            why = f"{type(error).__name__}: {printable(str(error))[:100]}"
            raise ServerError(f"{self.url} does not answer as HTTP has it: {why}", hint=_WRONG_PLACE) from error
        except OSError as error:
            raise ServerUnreachable(f"{self.url} cannot be reached: {_reason(error)}", hint=_way_out(error)) from error


_WRONG_PLACE = "is client.server_url that of `qacache serve`?"


def _hint(key: str) -> str:
    return f"is it up? client.{key} says how long to wait"


class _Answer:
    """An answer that is being read. What breaks off raises `ConnectionResetError`, what is too much `ServerError`."""

    def __init__(self, url: str, response: HTTPResponse, explained: Callable[[], AbstractContextManager[None]]) -> None:
        self._url = url
        self._explained = explained
        self._response = response
        self.status = response.status
        self.fields = {name.lower(): value for name, value in response.headers.items()}

    def check(self, accept: str) -> None:
        """Raise `ServerError` for what is no answer of qacache's, or could end without anybody knowing."""
        kind = self.fields.get("content-type", "nothing that has a name").partition(";")[0].strip().lower()
        if kind != accept:
            shown = printable(kind)[:100]
            raise ServerError(f"{self._url} is no server of qacache: it answers with {shown}", hint=_WRONG_PLACE)
        if self._response.length is None and not self._response.chunked:
            raise ServerError(f"{self._url} does not say where its answer ends", hint="what proxy is in between?")

    def beginning(self, most: int) -> bytes:
        """Return up to `most` bytes."""
        found = b""
        for piece in self._pieces():
            found += piece
            if len(found) >= most:
                break
        return found[:most]

    def whole(self) -> bytes:
        """Return all of it."""
        found = bytearray()
        for piece in self._pieces():
            found += piece
            if len(found) > _MOST_ANSWER:
                raise ServerError(f"{self._url} answers with more than {_MOST_ANSWER >> 20} MiB at once")
        return bytes(found)

    def objects(self) -> Iterator[Mapping[str, Any]]:
        """Yield the JSON object in each line."""
        rest = bytearray()
        for piece in self._pieces():
            rest += piece
            lines: list[bytes] = []
            if b"\n" in piece:
                *lines, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
            if len(rest) > _MOST_LINE:
                raise ServerError(f"{self._url} sends a line of more than {_MOST_LINE >> 20} MiB", hint=_WRONG_PLACE)
            yield from (_object(line, self._url) for line in lines)
        if rest:
            yield _object(bytes(rest), self._url)

    def _pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes in, without its coding."""
        coding = self.fields.get("content-encoding", "identity").lower()
        if coding not in ("identity", "gzip"):
            raise ServerError(f"{self._url} answers in a coding that was not asked for: {printable(coding)[:100]}")
        # around what this reads; what is done with it meanwhile is none of it
        with self._explained():
            yield from self._raw() if coding == "identity" else self._unpacked()

    def _raw(self) -> Iterator[bytes]:
        missing = self._response.length
        while piece := self._response.read1(_PIECE):
            if missing is not None:
                missing -= len(piece)
            yield piece
        if missing:
            raise ConnectionResetError

    def _unpacked(self) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(_GZIP_BITS)
        try:
            for packed in self._raw():
                rest = packed
                while rest and not unpacker.eof:
                    # in pieces: a little may unpack to any amount
                    yield unpacker.decompress(rest, _PIECE)
                    rest = unpacker.unconsumed_tail
        except zlib.error as error:
            raise ServerError(f"{self._url} sends damaged gzip: {error}") from error
        if not unpacker.eof:
            raise ConnectionResetError


def _posted(path: str, value: object, accept: str) -> Asked:
    return Asked("POST", API + path, accept, json.dumps(value).encode(), JSON)


def _query_text(query: Query) -> str:
    # names of files are bytes: so are they sent, UTF-8 or not
    text = "&".join(f"{name}={quote(os.fsencode(value), safe='/')}" for name, value in query)
    return f"?{text}" if text else ""


def _port(authority: str) -> int | None:
    try:
        return urlsplit(f"//{authority}").port
    except ValueError as error:
        raise ConfigError(f"client.server_url: no such port: {authority}", hint="ports go up to 65535") from error


def _object(text: bytes, url: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"{url} answers with what is no JSON", hint=_WRONG_PLACE) from error
    if not isinstance(found, dict):
        raise ServerError(f"{url} answers with what is no JSON object", hint=_WRONG_PLACE)
    return found


def _reason(error: OSError) -> str:
    # of TLS, `verify_message` says what is wrong with a certificate in words
    text = getattr(error, "verify_message", "") or error.strerror or str(error) or type(error).__name__
    return printable(text).lower()


def _way_out(error: OSError) -> str:
    # by what errors of TLS have: only who asks over https needs to have loaded it
    if hasattr(error, "verify_message"):
        return "the variable SSL_CERT_FILE names a file of further authorities to trust"
    if getattr(error, "library", None) == "SSL":
        return "does TLS end there? without a proxy, client.server_url begins with http:"
    return "does `qacache serve` run there?"
