"""Lists of a server that come in pages: each page but the first is asked for by the `next` of the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qacache.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from qacache.client.server import Server


def pages(
    server: Server, path: str, query: Sequence[tuple[str, str | bytes]], *, size: int
) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of the list at `path` of the API, of `size` entries at most; each is asked for when it is due."""
    after: Sequence[tuple[str, str]] = ()
    while True:
        page = server.get(path, [*query, ("limit", str(size)), *after])
        following = page.get("next")
        yield page
        if not isinstance(following, str):
            return
        after = [("after", following)]


def listed(page: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in a member of an answer; raises `ServerError`."""
    found = page.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ServerError(f"an answer of the server cannot be read: {name} is no list of objects")
    return found
