"""The catalogue: every route there is, with what it takes and gives. The OpenAPI document is written from it."""

from __future__ import annotations

from http import HTTPStatus

from qacache.errors import ConfigError
from qacache.serve.api import control, exports, files, health, journal, lookups, numbers
from qacache.serve.api.parameters import PATH_PATTERN
from qacache.serve.messages import JSON, NDJSON, TSV
from qacache.serve.routes import Answer, Body, Parameter, Route, Table

API = "/api/v1"

_RECORDS = (Answer(JSON, "Records"), Answer(NDJSON, "Record"), Answer(TSV, "Text"))
_PAGE = (Answer(JSON, "Page"), Answer(NDJSON, "Record"), Answer(TSV, "Text"))
_PATHS = (
    Body("application/octet-stream", "Paths"),
    Body("text/plain", "Paths"),
    Body(JSON, "PathList"),
    Body(NDJSON, "Paths"),
)
_EVENTS = (Answer(NDJSON, "Event"),)
_ACCEPTABLE = (HTTPStatus.NOT_ACCEPTABLE,)

_LOOKUPS = (
    Route(
        method="GET",
        template=f"{API}/lookup",
        endpoint=lookups.lookup_one,
        quick=lookups.lookup_known,
        summary="What is stored of a file; of a folder, of all that is below it",
        parameters=(
            Parameter(
                "path",
                "The absolute path of a file or folder.",
                is_required=True,
                example="/mnt/media/a.mp4",
                pattern=PATH_PATTERN,
            ),
            files.COLUMNS,
        ),
        answers=(Answer(JSON, "Found"), Answer(NDJSON, "Record"), Answer(TSV, "Text")),
        other_statuses=_ACCEPTABLE,
    ),
    Route(
        method="POST",
        template=f"{API}/lookup",
        endpoint=lookups.lookup_many,
        summary="What is stored of many files, in the order of their paths in the body",
        parameters=(files.COLUMNS,),
        bodies=_PATHS,
        answers=_RECORDS,
        other_statuses=_ACCEPTABLE,
        max_body=lookups.MOST_BODY,
        is_long=True,
    ),
    Route(
        method="GET",
        template=f"{API}/files",
        endpoint=files.list_files,
        summary="The files that fit some criteria, a page at a time",
        parameters=files.LIST,
        answers=_PAGE,
        other_statuses=(HTTPStatus.NOT_FOUND, *_ACCEPTABLE),
        is_long=True,
    ),
    Route(
        method="GET",
        template=f"{API}/top",
        endpoint=files.top,
        summary="The largest files that fit some criteria",
        parameters=files.TOP,
        answers=_PAGE,
        other_statuses=_ACCEPTABLE,
        is_long=True,
    ),
    Route(
        method="GET",
        template=f"{API}/export",
        endpoint=exports.export,
        summary="The records of all files that fit some criteria, as `qacache import` takes them",
        parameters=exports.EXPORT,
        answers=(Answer(NDJSON, "Record"), Answer(exports.CSV, "Text")),
        other_statuses=(HTTPStatus.NOT_MODIFIED, *_ACCEPTABLE),
        is_long=True,
    ),
    Route(
        method="GET",
        template=f"{API}/stats",
        endpoint=numbers.stats,
        summary="How much there is of what",
        parameters=numbers.STATS,
        answers=(Answer(JSON, "Statistics"),),
        is_long=True,
    ),
    Route(
        method="GET",
        template=f"{API}/dupes",
        endpoint=numbers.dupes,
        summary="What may be copies of one content",
        parameters=numbers.DUPES,
        answers=(Answer(JSON, "Duplicates"),),
        other_statuses=(HTTPStatus.NOT_FOUND,),
        is_long=True,
    ),
)

_JOURNAL = (
    Route(
        method="GET",
        template=f"{API}/scans",
        endpoint=journal.list_scans,
        summary="The scans there were, the newest first",
        parameters=journal.SCANS,
        answers=(Answer(JSON, "Scans"),),
    ),
    Route(
        method="GET",
        template=f"{API}/scans/{{scan_id}}",
        endpoint=journal.one_scan,
        summary="A scan, and how far it is",
        is_ops=True,
        answers=(Answer(JSON, "Scan"),),
        other_statuses=(HTTPStatus.NOT_FOUND,),
    ),
    Route(
        method="GET",
        template=f"{API}/scans/{{scan_id}}/changes",
        endpoint=journal.changes,
        summary="What a scan found changed",
        parameters=journal.CHANGES,
        answers=(Answer(JSON, "Changes"),),
        other_statuses=(HTTPStatus.NOT_FOUND,),
        is_long=True,
    ),
    Route(
        method="GET",
        template=f"{API}/failures",
        endpoint=journal.failures,
        summary="The files that failed, and why",
        parameters=journal.FAILURES,
        answers=(Answer(JSON, "Failures"),),
        other_statuses=(HTTPStatus.NOT_FOUND,),
        is_long=True,
    ),
    Route(
        method="GET",
        template=f"{API}/events",
        endpoint=health.events,
        summary="The events of scans, as they happen (server-sent events)",
        answers=(Answer(health.EVENT_STREAM, "Text"),),
        is_ops=True,
    ),
)

_CONTROL = (
    Route(
        method="POST",
        template=f"{API}/scans",
        endpoint=control.begin_scan,
        summary="Begin a scan",
        scope="write",
        bodies=(Body(JSON, "ScanRequest"),),
        answers=(Answer(JSON, "Run"),),
        status=HTTPStatus.ACCEPTED,
        other_statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        max_body=control.MOST_BODY,
        is_public=False,
        is_ops=True,
    ),
    Route(
        method="DELETE",
        template=f"{API}/scans/{{scan_id}}",
        endpoint=control.cancel_scan,
        summary="End a scan that runs, with all that is finished stored",
        scope="write",
        answers=(Answer(JSON, "Run"),),
        status=HTTPStatus.ACCEPTED,
        other_statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_public=False,
        is_ops=True,
    ),
    Route(
        method="POST",
        template=f"{API}/reprobe",
        endpoint=control.reprobe,
        summary="Probe files again, whatever is stored of them",
        scope="write",
        bodies=_PATHS,
        answers=_EVENTS,
        other_statuses=(HTTPStatus.NOT_FOUND,),
        max_body=control.MOST_BODY,
        is_long=True,
    ),
    Route(
        method="POST",
        template=f"{API}/failures/retry",
        endpoint=control.retry,
        summary="Probe again what failed",
        scope="write",
        bodies=(Body(JSON, "RetryRequest"),),
        answers=_EVENTS,
        max_body=control.MOST_BODY,
        is_long=True,
    ),
)

_HEALTH = (
    *(
        Route(
            method="GET",
            template=template,
            endpoint=health.live,
            quick=health.live,
            summary="Whether the server answers",
            scope=None,
            answers=(Answer(JSON, "Status"),),
            is_ops=True,
        )
        for template in ("/livez", "/healthz")
    ),
    *(
        Route(
            method="GET",
            template=template,
            endpoint=health.ready,
            summary="Whether all is there that is needed: what `qacache doctor` checks",
            answers=(Answer(JSON, "Readiness"),),
            other_statuses=(HTTPStatus.SERVICE_UNAVAILABLE,),
            is_long=True,
            is_public=False,
            is_ops=True,
        )
        for template in ("/ready", "/readyz")
    ),
    Route(
        method="GET",
        template=f"{API}/version",
        endpoint=health.version,
        summary="The versions of all that answers depend on",
        answers=(Answer(JSON, "Versions"),),
        is_ops=True,
    ),
)


def routes(metrics_path: str) -> tuple[Route, ...]:
    """Return all routes, with the metrics at `metrics_path`; raises `ConfigError` where something else is there."""
    metrics = Route(
        method="GET",
        template=metrics_path,
        endpoint=health.metrics,
        summary="What was done, for a Prometheus",
        answers=(Answer("text/plain", "Text"), Answer("application/openmetrics-text", "Text")),
        is_public=False,
        is_ops=True,
    )
    document = Route(
        method="GET",
        template=f"{API}/openapi.json",
        endpoint=lambda services, request: services.openapi,
        summary="This document",
        answers=(Answer(JSON, "Document"),),
        is_ops=True,
    )
    others = (*_LOOKUPS, *_JOURNAL, *_CONTROL, *_HEALTH)
    if Table((*others, document)).match(metrics_path):
        raise ConfigError(
            f"metrics.path is where something else is to be had: {metrics_path}",
            hint="choose another one, or leave it out for /metrics",
        )
    return (*others, metrics, document)
