"""Files of a server: what it knows of those that are named, or that fit."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from qacache.client.pages import listed, pages
from qacache.client.queries import parameters, sort_parameters
from qacache.client.rows import found_of
from qacache.errors import ServerError
from qacache.lookup import Answer
from qacache.paths import absolute
from qacache.record import BadRecord, path_from_fields
from qacache.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from qacache.client.server import Server
    from qacache.selection import SortKey
    from qacache.store.reader import Found

_BATCH = 1000
_PAGE = 1000


def look_up(server: Server, paths: Iterable[bytes], columns: tuple[str, ...]) -> Iterator[Answer]:
    """Yield what `qacache.lookup.look_up` does, of what the server knows."""
    asked = map(absolute, paths)
    while batch := list(islice(asked, _BATCH)):
        for record in server.post_paths("/lookup", batch):
            if record.get("status") == "unknown":
                yield Answer(path_of(record), None)
            else:
                found = found_of(record, columns)
                yield Answer(found.path, found)


def path_of(record: Mapping[str, Any]) -> bytes:
    """Return the path that an object of the server's tells; raises `ServerError`."""
    try:
        return path_from_fields(record)
    except BadRecord as error:
        raise ServerError(f"an answer of the server cannot be read: {error}") from error


class RemoteFiles:
    """Searches the store of a server: what `qacache.store.search.Search` does, as far as a server does it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def files(
        self,
        selection: Selection,
        columns: tuple[str, ...],
        *,
        order: Sequence[SortKey] = (),
        limit: int | None = None,
    ) -> Iterator[Found]:
        """Yield what fits, each with `columns`, in path order by default."""
        query = [*parameters(selection), *sort_parameters(order)]
        size = _PAGE if limit is None else min(limit, _PAGE)
        records = (
            record for page in pages(self._server, "/files", query, size=size) for record in listed(page, "files")
        )
        return islice((found_of(record, columns) for record in records), limit)

    def count(self, selection: Selection) -> None:
        """Return None: a server does not count what fits."""

    def known(self, column: str) -> set[str] | None:
        """Return all names in that column, None where the server's statistics do not have it."""
        stats = self._server.get("/stats")
        if column not in stats:
            return None
        return {name for each in listed(stats, column) for name in str(each.get("name") or "").split(",") if name}

    def name_of(self, path: bytes) -> bytes | None:
        """Return `path` if the server knows a file at or below it, else None."""
        return path if any(self.files(Selection(under=(path,)), (), limit=1)) else None
