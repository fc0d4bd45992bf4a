"""The OpenAPI document (3.1): routes come in, what describes them goes out."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from qacache.serve.messages import PROBLEM
from qacache.serve.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qacache.serve.routes import Parameter, Route

_ALWAYS = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)
_WITH_BODY = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.REQUEST_TIMEOUT)
_VARIABLE = re.compile(r"\{(\w+)\}")
_MOST_SCAN = (1 << 53) - 1


def document(routes: Iterable[Route], version: str, *, has_tokens: bool) -> dict[str, Any]:
    """Return the description of `routes`; with `has_tokens`, most of them ask for one."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, has_tokens=has_tokens)
    security = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "qacache",
            "version": version,
            "description": "What ffprobe would say about every file of a video library.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS, **({"securitySchemes": security} if has_tokens else {})},
    }


def _operation(route: Route, *, has_tokens: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "responses": _responses(route, has_tokens=has_tokens),
    }
    if has_tokens and route.scope is not None:
        operation["security"] = [{"token": []}]
        operation["x-scope"] = route.scope
    parameters = [_variable(name) for name in _VARIABLE.findall(route.template)]
    parameters += map(_parameter, route.parameters)
    if parameters:
        operation["parameters"] = parameters
    if route.bodies:
        content = {body.content_type: {"schema": _reference(body.schema)} for body in route.bodies}
        operation["requestBody"] = {"content": content}
    return operation


def _name(route: Route) -> str:
    words = re.findall(r"[a-z]+", route.template.removeprefix("/api/v1"))
    return "_".join((route.method.lower(), *words))


def _responses(route: Route, *, has_tokens: bool) -> dict[str, Any]:
    content = {_plain(answer.content_type): {"schema": _reference(answer.schema)} for answer in route.answers}
    responses: dict[str, Any] = {
        str(int(route.status)): {"description": route.status.phrase, **({"content": content} if content else {})}
    }
    others = {*_ALWAYS, *route.other_statuses}
    # whoever shows a wrong token too often, for whatever
    others |= {HTTPStatus.TOO_MANY_REQUESTS} if has_tokens else set()
    others |= {HTTPStatus.UNAUTHORIZED} if has_tokens and route.scope is not None else set()
    others |= {HTTPStatus.REQUEST_URI_TOO_LONG} if route.parameters else set()
    others |= set(_WITH_BODY) if route.bodies else set()
    for status in sorted(others):
        described: dict[str, Any] = {"description": status.phrase}
        if status is not HTTPStatus.NOT_MODIFIED:
            described["content"] = {PROBLEM: {"schema": _reference("Problem")}}
        if status is HTTPStatus.SERVICE_UNAVAILABLE and route.template.startswith("/ready"):
            described["content"].update(content)
        responses[str(int(status))] = described
    return responses


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    value: dict[str, Any] = {"type": parameter.kind}
    if parameter.values:
        value["enum"] = list(parameter.values)
    if parameter.kind == "integer":
        value |= {"minimum": parameter.minimum, "maximum": parameter.maximum}
    if parameter.pattern:
        value["pattern"] = f"^({parameter.pattern})$"
    if parameter.schemas:
        value["anyOf"] = list(parameter.schemas)
    schema = {"type": "array", "items": value, "minItems": 1} if parameter.is_list else value
    described = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.help,
        "required": parameter.is_required,
        "schema": schema,
    }
    if parameter.example:
        described["example"] = [parameter.example] if parameter.is_list else parameter.example
    return described


def _variable(name: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": _MOST_SCAN}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}
