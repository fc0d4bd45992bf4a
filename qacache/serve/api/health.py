"""Health: whether the server lives, whether it can do its work, what it is, and what it has done."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from qacache.readiness.verdicts import finding_dict
from qacache.serve.messages import Live, Response, json_response, problem

if TYPE_CHECKING:
    from qacache.serve.messages import Request
    from qacache.serve.services import Services

EVENT_STREAM = "text/event-stream"
_NO_STORE = ("Cache-Control", "no-store")


def live(services: Services, request: Request) -> Response:
    """Say that the server answers: this asks nothing else of it."""
    return json_response({"status": "ok"}, fields=[_NO_STORE])


def ready(services: Services, request: Request) -> Response:
    """Say whether all is there that is needed: what `qacache doctor` checks, as of some seconds ago at most."""
    findings = services.readiness.findings()
    failed = [finding for finding in findings if finding.state == "failed"]
    # where nothing was found out, nothing is known to be well
    is_well = bool(findings) and not failed
    told = {
        "status": "ok" if is_well else "failed",
        "failed": [finding_dict(finding) for finding in failed],
        "checks": [finding_dict(finding) for finding in findings],
    }
    status = HTTPStatus.OK if is_well and not services.readiness.is_stopping else HTTPStatus.SERVICE_UNAVAILABLE
    if services.readiness.is_stopping:
        told["status"] = "stopping"
    return json_response(told, status, [_NO_STORE])


def version(services: Services, request: Request) -> Response:
    """Say which versions there are of all that answers depend on."""
    return json_response(services.about)


def metrics(services: Services, request: Request) -> Response:
    """Tell a Prometheus what was done."""
    content_type, body = services.metrics.exposition(request.fields.get("accept", ""))
    return Response(HTTPStatus.OK, body, content_type, [_NO_STORE])


def events(services: Services, request: Request) -> Response:
    """Send the events of scans as they happen: totals, no message a file."""
    if not services.broadcast.has_room():
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients follow the events")._replace(
            fields=[("Retry-After", "10")]
        )
    last_event_id = request.fields.get("last-event-id", "")
    body = Live(lambda connection: services.broadcast.follow(connection, last_event_id))
    fields = [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]
    return Response(HTTPStatus.OK, body, EVENT_STREAM, fields)
