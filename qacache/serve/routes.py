"""Routes: what can be asked for, as plain data, from which requests are matched and the OpenAPI document is written.

In: the method and path of a request. Out: the `Route` that answers it, and the variables of its template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from qacache.config.near import nearest
from qacache.serve.heads import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from qacache.serve.messages import Request, Response
    from qacache.serve.services import Services
    from qacache.serve.tokens import Scope

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Kind = Literal["string", "integer"]


class Parameter(NamedTuple):
    """A parameter of a query. `values` are all that it may be, where these are few; a list may be repeated.

    `pattern` is one for the whole of a text, in the words that Python and ECMAScript share; `schemas` say what they can
    of texts that have no pattern. `minimum` and `maximum` are the bounds of an integer: beyond 53 bits, JSON has no
    exact numbers.
    """

    name: str
    help: str
    kind: Kind = "string"
    values: Sequence[str] = ()
    is_list: bool = False
    is_required: bool = False
    minimum: int = 0
    maximum: int = (1 << 53) - 1
    example: str = ""
    pattern: str = ""
    schemas: Sequence[Mapping[str, Any]] = ()


class Answer(NamedTuple):
    """A form that answers can have: the type of its content, and the name of its schema in `qacache.serve.schemas`."""

    content_type: str
    schema: str


class Body(NamedTuple):
    """A form that the body of a request can have."""

    content_type: str
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and a path, with what answers it.

    `template` has variables in braces, each a part of the path. Where `scope` is None, no token is asked for. `is_ops`
    is of the listener for operators, where there is one, and `is_public` of the other one. `is_long` takes more than
    milliseconds: of such ones, not all workers answer at a time. `quick` answers what takes microseconds, without any
    worker, and returns None for what does not.
    """

    method: str
    template: str
    endpoint: Callable[[Services, Request], Response]
    summary: str
    scope: Scope | None = "read"
    parameters: Sequence[Parameter] = ()
    bodies: Sequence[Body] = ()
    answers: Sequence[Answer] = ()
    status: HTTPStatus = HTTPStatus.OK
    other_statuses: Sequence[HTTPStatus] = ()
    max_body: int = 0
    is_long: bool = False
    quick: Callable[[Services, Request], Response | None] | None = None
    is_public: bool = True
    is_ops: bool = False


class Match(NamedTuple):
    """What answers a path: a route for each method, and the variables of its template."""

    by_method: Mapping[str, Route]
    variables: Mapping[str, str]


class Table:
    """All routes of a listener."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._templates: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            parts = tuple(route.template.split("/"))
            if "{" in route.template:
                self._templates.setdefault(parts, {})[route.method] = route
            else:
                self._exact.setdefault(route.template, {})[route.method] = route

    def match(self, path: str) -> Match | None:
        """Return what answers `path`, None where nothing does."""
        if exact := self._exact.get(path):
            return Match(exact, {})
        parts = path.split("/")
        for template, by_method in self._templates.items():
            variables = _variables(template, parts)
            if variables is not None:
                return Match(by_method, variables)
        return None


def _variables(template: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    variables = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{"):
            if not part:
                return None
            variables[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return variables


def split_target(target: str) -> tuple[str, dict[str, list[str]]]:
    """Return the path and the query of a target, both decoded once; raises `BadRequest`.

    Names of files are bytes: what is no UTF-8 becomes surrogates, as `os.fsdecode` has it.
    """
    raw_path, _, raw_query = target.partition("?")
    path = _decoded(raw_path)
    # a slash in disguise is none to a proxy, which may have rules for some paths
    is_disguised = "%2f" in raw_path.lower()
    if is_disguised or "\0" in path or "\\" in path or ".." in path.split("/") or "//" in path:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the path is none that is here")
    query: dict[str, list[str]] = {}
    for part in raw_query.split("&") if raw_query else ():
        name, _, value = part.partition("=")
        query.setdefault(_decoded(name.replace("+", " ")), []).append(_decoded(value.replace("+", " ")))
    return path, query


def check_query(route: Route, query: Mapping[str, Sequence[str]]) -> str:
    """Return what is wrong with the names in a query, empty where nothing is."""
    known = {each.name: each for each in route.parameters}
    for name, values in query.items():
        if name not in known:
            # the name itself is the client's words, which no answer repeats
            return "no such parameter: " + (nearest(name, known) or f"known are {', '.join(known) or 'none'}")
        if wrong := _wrong(known[name], values):
            return f"parameter {name} {wrong}"
    missing = [each.name for each in route.parameters if each.is_required and each.name not in query]
    return f"parameter {missing[0]} is missing" if missing else ""


def _wrong(parameter: Parameter, values: Sequence[str]) -> str:
    if len(values) > 1 and not parameter.is_list:
        return "is given more than once"
    if parameter.values and not set(values) <= set(parameter.values):
        return f"is one of {', '.join(parameter.values)}"
    if parameter.kind == "integer" and not all(_is_within(value, parameter) for value in values):
        return f"is a whole number from {parameter.minimum} to {parameter.maximum}"
    if parameter.pattern and not all(re.fullmatch(parameter.pattern, value) for value in values):
        return f"is to be like {parameter.example}" if parameter.example else "is not of its form"
    return ""


def _is_within(text: str, parameter: Parameter) -> bool:
    if not _INTEGER.fullmatch(text):
        return False
    return parameter.minimum <= int(text) <= parameter.maximum


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode(errors="surrogateescape") if "%" in text else text
