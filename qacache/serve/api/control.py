"""Control: scans begin and end, and files are probed again. Of disks, only what is below the roots is touched."""

from __future__ import annotations

import json
import os
import re
import time
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any

from qacache.config.keys import Key
from qacache.config.kinds import DURATION
from qacache.errors import UsageError
from qacache.event_record import event_dicts, summary_dict
from qacache.events import Summary
from qacache.paths import absolute
from qacache.selection_text import parse_text
from qacache.serve.api.journal import scan_id_of
from qacache.serve.api.lookups import paths_in
from qacache.serve.api.parameters import DURATION_PATTERN, PATH_PATTERN, paths_of, told_without_text
from qacache.serve.confinement import Confinement
from qacache.serve.jobs import AlreadyRuns
from qacache.serve.messages import JSON, NDJSON, Response, json_bytes, json_response, problem
from qacache.store.history import History
from qacache.store.ledger import failed_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from qacache.events import Event
    from qacache.serve.messages import Request
    from qacache.serve.services import Services

MOST_BODY = 1 << 20
OPTIONS = ("force", "verify_digest", "dry_run", "accept_shrink")
"""What a scan can be told, besides its roots: see `qacache.scan.pipeline.ScanOptions`."""

_SINCE = Key("since", DURATION, "", minimum=0, maximum=100 * 365 * 86400.0)


def begin_scan(services: Services, request: Request) -> Response:
    """Begin a scan of some roots, or of all that are configured; one at a time."""
    asked = _object(request.body, ("roots", *OPTIONS))
    roots = paths_of(services, _paths(asked, "roots")) if "roots" in asked else _configured_roots(services)
    if not roots:
        return problem(HTTPStatus.CONFLICT, "no folder to scan is configured", hint="name roots, or set scan.roots")
    options = {name: asked.get(name, False) for name in OPTIONS}
    if not all(isinstance(value, bool) for value in options.values()):
        raise UsageError("an option of a scan is true or false")
    if not _confinement(services).holds(roots):
        return _nowhere()
    try:
        run = services.jobs.start(roots, options)
    except AlreadyRuns as error:
        return problem(HTTPStatus.CONFLICT, str(error), hint=error.hint or "", scan=error.run.to_dict())
    place = (("Location", f"/api/v1/scans/{run.scan_id}"),) if run.scan_id is not None else ()
    return json_response(run.to_dict(), HTTPStatus.ACCEPTED, place)


def cancel_scan(services: Services, request: Request) -> Response:
    """End a scan that runs, with all that is finished stored."""
    scan_id = scan_id_of(request)
    run = services.jobs.cancel(scan_id)
    if run is not None:
        return json_response(run.to_dict(), HTTPStatus.ACCEPTED)
    with History(services.readers.path) as history:
        is_known = history.scan(scan_id) is not None
    return problem(HTTPStatus.CONFLICT, "this scan does not run here") if is_known else _nowhere()


def reprobe(services: Services, request: Request) -> Response:
    """Probe files again, whatever is stored of them; what became of each is told as it happens."""
    paths = [services.paths.there_and_back(path)[0] for path in paths_in(request)]
    if not _confinement(services).holds(paths):
        return _nowhere()
    return _told(services.jobs.refresh(iter(paths)))


def retry(services: Services, request: Request) -> Response:
    """Probe again what failed: all of it, or what is below some folders, for some reasons, or since some time."""
    asked = _object(request.body, ("under", "reason", "since"))
    folders = paths_of(services, _paths(asked, "under")) if "under" in asked else []
    reasons = _texts(asked.get("reason", []), "reason")
    since_ms = int((time.time() - _since_s(asked["since"])) * 1000) if "since" in asked else None
    allowed = _confinement(services)
    failed = failed_files(services.readers.path, folders, since_ms=since_ms, reasons=reasons)
    # what came from another store may be anywhere
    paths = (each.path for each in failed if allowed.has_name_of(each.path))
    return _told(services.jobs.refresh(paths))


def _told(events: Iterator[Event | Summary]) -> Response:
    """Return what becomes of files as it happens; raises what keeps the run from beginning, while that can be said."""
    first = next(events)
    return Response(HTTPStatus.OK, _lines(chain([first], events)), NDJSON)


def _lines(events: Iterable[Event | Summary]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Summary):
            yield json_bytes(summary_dict(event))
        else:
            for told in event_dicts(event):
                yield json_bytes(told)
            # at once: a piece without bytes sends what is there
            yield b""


def _object(body: bytes, known: Iterable[str]) -> Mapping[str, Any]:
    """Return the JSON object in a body, an empty one where there is no body; raises `UsageError`."""
    try:
        found = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is no {JSON}") from error
    if not isinstance(found, dict):
        raise UsageError("the body is no object")
    if not found.keys() <= set(known):
        raise UsageError("the body has an unknown member", hint=f"known are {', '.join(known)}")
    return found


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{name} is no list of texts")
    return value


def _paths(asked: Mapping[str, Any], name: str) -> list[str]:
    paths = _texts(asked[name], name)
    if not paths or not all(re.fullmatch(PATH_PATTERN, path) for path in paths):
        raise UsageError(f"{name} is no list of absolute paths", hint="send at least one, or leave it out")
    return paths


def _since_s(value: object) -> float:
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value):
        raise UsageError("since is no duration", hint="write 7d, 12h or 1h30m")
    with told_without_text():
        ago_s: float = parse_text(value, _SINCE)
    return ago_s


def _configured_roots(services: Services) -> list[bytes]:
    return [absolute(os.fsencode(root)) for root in services.config.scan.roots]


def _confinement(services: Services) -> Confinement:
    """Return where the disk may be looked at: at and below what is configured, or was scanned."""
    known = [root.path for root in services.readers.reader().roots()]
    return Confinement([*_configured_roots(services), *known], services.config.scan.hang_timeout_s)


def _nowhere() -> Response:
    # whether it is there, is for those to know who may look
    return problem(HTTPStatus.NOT_FOUND, "there is no such thing")
