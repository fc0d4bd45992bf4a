"""Lists of a server: scans, failures and copies, as the store has them."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from qacache.client.files import path_of
from qacache.client.pages import listed, pages
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
# for each page, a server looks at the digests of all files: as many as it gives
_PAGE_OF_GROUPS = 10_000

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


def failures(
    server: Server, paths: Iterable[bytes], *, since_ms: int | None = None, reasons: Collection[str] = ()
) -> Iterator[FailedFile]:
    """Yield the failures at and below `paths`, all where there are none: see `qacache.store.ledger`."""
    query: list[tuple[str, str | bytes]] = [
        *(("under", path) for path in paths),
        *(("reason", reason) for reason in reasons),
    ]
    for page in pages(server, "/failures", query, size=_PAGE):
        for failed in map(_failed, listed(page, "failures")):
            if since_ms is None or failed.failed_ms >= since_ms:
                yield failed


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
    """Groups of candidates, those that waste most first, as they come in; and what all groups come to."""

    groups: Iterator[Group]
    totals: Totals


def duplicates(server: Server, *, min_size: int, under: Sequence[bytes], most: int | None) -> Duplicates:
    """Return the groups that a server takes for copies, all or `most` of them; the first are there already."""
    query: list[tuple[str, str | bytes]] = [("min-size", str(min_size)), *(("under", path) for path in under)]
    size = _PAGE_OF_GROUPS if most is None else min(most, _PAGE_OF_GROUPS)
    following = pages(server, "/dupes", query, size=size)
    first = next(following)
    with _readable():
        totals = Totals(**{name: int(first["total"][name]) for name in Totals._fields})
    groups = (_group(each) for page in chain([first], following) for each in listed(page, "groups"))
    return Duplicates(islice(groups, most), totals)


def _group(told: Mapping[str, Any]) -> Group:
    with _readable():
        copies: dict[int, Copy] = {}
        for file in told["files"]:
            copies.setdefault(file["copy"], Copy([], int(file["mtime_ns"]))).paths.append(path_of(file))
        digest, size = bytes.fromhex(told["digest"]), int(told["size"])
        return Group(digest, size, list(copies.values()), is_verified=told["verified"] is True)
