"""The journal: the scans there were, what each of them changed, and which files failed."""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any

from qacache.diff import Place, changes_of_scan
from qacache.errors import UsageError
from qacache.record import path_fields
from qacache.serve.api.cursors import AFTER, cursor_of, position_in
from qacache.serve.api.parameters import UNDER, asked_names, number_of, paths_of
from qacache.serve.messages import Response, json_response, problem
from qacache.serve.routes import Parameter
from qacache.store.history import History, scan_dict
from qacache.store.ledger import failed_files, failure_dict

if TYPE_CHECKING:
    from qacache.serve.messages import Request
    from qacache.serve.services import Services
    from qacache.store.history import JournaledScan

LIMIT = Parameter("limit", "How many at most.", "integer", minimum=1, maximum=10_000)
BEFORE = Parameter("before", "Only scans before this one.", "integer", minimum=1)
REASON = Parameter("reason", "Only what failed for this reason.", is_list=True, example="timeout", pattern=".+")

SCANS = (LIMIT, BEFORE)
CHANGES = (LIMIT, AFTER)
FAILURES = (UNDER, REASON, LIMIT, AFTER)

_USUAL = 100
_LARGEST = (1 << 63) - 1


def list_scans(services: Services, request: Request) -> Response:
    """List the scans there were, the newest first."""
    limit, before = number_of(request.query, LIMIT, _USUAL), number_of(request.query, BEFORE, _LARGEST)
    with History(services.readers.path) as history:
        scans = (scan for scan in history.scans() if scan.scan_id < before)
        return json_response({"scans": [_told(services, scan) for scan in islice(scans, limit)]})


def one_scan(services: Services, request: Request) -> Response:
    """Say what became of a scan, or how far it is."""
    with History(services.readers.path) as history:
        scan = _scan(history, request)
        return json_response(_told(services, scan)) if scan else _no_scan()


def changes(services: Services, request: Request) -> Response:
    """List a page of what a scan found changed, file by file, as it came upon them."""
    limit = number_of(request.query, LIMIT, _USUAL)
    after = position_in(request, (int, bytes, str))
    with History(services.readers.path) as history:
        scan = _scan(history, request)
        if scan is None:
            return _no_scan()
        listed = list(islice(changes_of_scan(history, scan.scan_id, Place(*after) if after else None), limit + 1))
    following = cursor_of(listed[limit - 1].place) if len(listed) > limit else None
    told = [each.change.to_dict() for each in listed[:limit]]
    return json_response({"scan_id": scan.scan_id, "changes": told, "next": following})


def failures(services: Services, request: Request) -> Response:
    """List a page of the files that failed, in path order."""
    limit = number_of(request.query, LIMIT, _USUAL)
    (after,) = position_in(request, (bytes,)) or (None,)
    folders = paths_of(services, request.query.get(UNDER.name, ()))
    failed = failed_files(services.readers.path, folders, reasons=request.query.get(REASON.name, ()), after=after)
    listed = list(islice(failed, limit + 1))
    failed.close()
    following = cursor_of((listed[limit - 1].path,)) if len(listed) > limit else None
    name = asked_names(services, request.query.get(UNDER.name, ()))
    told = [{**path_fields(name(each.path)), **failure_dict(each)} for each in listed[:limit]]
    return json_response({"failures": told, "next": following})


def scan_id_of(request: Request) -> int:
    """Return the number in the path; raises `UsageError`."""
    text = request.variables["scan_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST)) - 1):
        raise UsageError("a scan is named by its number")
    return int(text)


def _scan(history: History, request: Request) -> JournaledScan | None:
    return history.scan(scan_id_of(request))


def _told(services: Services, scan: JournaledScan) -> dict[str, Any]:
    told = scan_dict(scan)
    running = services.jobs.running
    if running and running.scan_id == scan.scan_id:
        # until its process is gone, whatever it wrote there: as long as that is so, no other one can begin
        told |= {**running.progress(), "finished": None}
    return told


def _no_scan() -> Response:
    return problem(HTTPStatus.NOT_FOUND, "there is no such thing")
