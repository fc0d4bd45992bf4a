"""Lists of a server: scans, failures and copies, as the store has them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from qacache.client.files import listed, path_of
from qacache.duplicates.groups import Copy, Group
from qacache.errors import ServerError
from qacache.store.duplicates import Totals
from qacache.store.history import JournaledScan
from qacache.store.ledger import FailedFile
from qacache.times import iso_time_ms

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from qacache.client.server import Server

_PAGE = 1000
MOST = 10_000
"""So many failures or groups a server tells at most."""

_SCAN_HEAD = ("event", "scan_id", "state", "started", "finished", "roots", "files_per_s")


@contextmanager
def _readable() -> Iterator[None]:
    """Raise what is wrong with the members of an answer as a `ServerError`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServerError(
            f"an answer of the server cannot be read: {type(error).__name__} {error}",
            hint="is it of another version? compare: qacache --version",
        ) from error


def scans(server: Server) -> Iterator[JournaledScan]:
    """Yield the scans there were, the newest first."""
    before: Sequence[tuple[str, str]] = ()
    while True:
        page = listed(server.get("/scans", [("limit", str(_PAGE)), *before]), "scans")
        found = [scan_of(each) for each in page]
        yield from found
        if len(found) < _PAGE:
            return
        before = [("before", str(found[-1].scan_id))]


def scan_of(told: Mapping[str, Any]) -> JournaledScan:
    """Return the scan that `qacache.store.history.scan_dict` wrote; raises `ServerError`."""
    with _readable():
        finished = told["finished"]
        # what is not known yet is null there, and is not there at all in the journal
        summary = {name: value for name, value in told.items() if name not in _SCAN_HEAD and value not in (None, [])}
        if told["state"] == "running":
            summary.pop("duration_s", None)
        return JournaledScan(
            int(told["scan_id"]),
            [str(root) for root in told["roots"]],
            iso_time_ms(told["started"]),
            None if finished is None else iso_time_ms(finished),
            told["state"],
            summary,
        )


class Failures(NamedTuple):
    """Files that failed, in path order; `is_partial` says that there are more than a server tells."""

    files: list[FailedFile]
    is_partial: bool


def failures(
    server: Server, paths: Iterable[bytes], *, since_ms: int | None = None, reasons: Collection[str] = ()
) -> Failures:
    """Return the failures at and below `paths`, all where there are none: see `qacache.store.ledger`."""
    query: list[tuple[str, str | bytes]] = [
        ("limit", str(MOST)),
        *(("under", path) for path in paths),
        *(("reason", reason) for reason in reasons),
    ]
    answer = server.get("/failures", query)
    files = [_failed(each) for each in listed(answer, "failures")]
    if since_ms is not None:
        files = [each for each in files if each.failed_ms >= since_ms]
    return Failures(files, is_partial=answer.get("is_partial") is True)


def _failed(told: Mapping[str, Any]) -> FailedFile:
    with _readable():
        return FailedFile(
            path_of(told),
            told["stage"],
            str(told["reason"]),
            str(told["message"]),
            int(told["attempts"]),
            iso_time_ms(told["failed_at"]),
            iso_time_ms(told["next_retry"]),
            told["prober"],
        )


class Duplicates(NamedTuple):
    """Groups of candidates, those that waste most first, and what all groups come to."""

    groups: list[Group]
    totals: Totals


def duplicates(server: Server, *, min_size: int, under: Sequence[bytes], most: int | None) -> Duplicates:
    """Return the groups that a server takes for copies, `most` of them, and no more than `MOST`."""
    limit = MOST if most is None else min(most, MOST)
    query: list[tuple[str, str | bytes]] = [
        ("min-size", str(min_size)),
        ("limit", str(limit)),
        *(("under", path) for path in under),
    ]
    answer = server.get("/dupes", query)
    with _readable():
        totals = Totals(**{name: int(answer["total"][name]) for name in Totals._fields})
    return Duplicates([_group(each) for each in listed(answer, "groups")], totals)


def _group(told: Mapping[str, Any]) -> Group:
    with _readable():
        copies: dict[int, Copy] = {}
        for file in told["files"]:
            copies.setdefault(file["copy"], Copy([], int(file["mtime_ns"]))).paths.append(path_of(file))
        digest, size = bytes.fromhex(told["digest"]), int(told["size"])
        return Group(digest, size, list(copies.values()), is_verified=told["verified"] is True)
