"""Reuse: content that was probed before is not probed again.

In: hashed files. Out: `Reused` for those whose content the store knows, by their own path (somebody touched the file)
or by another (it was copied, renamed or moved); the others as they are. Content that could not be probed is known, too,
until it is time for another try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from qacache.events import Reused, Unchanged
from qacache.scan.digest import Hashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qacache.store.reader import Known

Other = TypeVar("Other")


class KnownContents(Protocol):
    """What the reuse of probes reads of the store."""

    def known(self, path: bytes) -> Known | None:
        """Return what is known of one path."""

    def path_with_content(self, digest: bytes, size: int) -> bytes | None:
        """Return a path whose media is known and belongs to that content."""

    def path_with_failure(self, digest: bytes, size: int) -> bytes | None:
        """Return a path at which that content could not be probed."""


def reuse_known(
    items: Iterable[Hashed | Other], store: KnownContents, is_due: Callable[[Known], bool]
) -> Iterator[Hashed | Reused | Unchanged | Other]:
    """Yield all `items`, those with known content as `Reused`, or `Unchanged` where all else is as it was, too.

    `is_due` says of a row whose last probe failed whether it is time for another.
    """
    for item in items:
        yield _known(item, store) or _known_failure(item, store, is_due) or item if isinstance(item, Hashed) else item


def _known_failure(hashed: Hashed, store: KnownContents, is_due: Callable[[Known], bool]) -> Reused | None:
    source = store.path_with_failure(hashed.digest, hashed.stat.size)
    # at its own path somebody touched it: then it is tried again
    known = store.known(source) if source is not None and source != hashed.stat.path else None
    return Reused(hashed.stat, hashed.digest, source) if source and known and not is_due(known) else None


def _known(hashed: Hashed, store: KnownContents) -> Reused | Unchanged | None:
    stat, digest = hashed.stat, hashed.digest
    known = store.known(stat.path)
    if known and known.status == "ok" and (known.digest, known.size) == (digest, stat.size):
        # by its size and mtime it was, too, and only its content was to be verified
        return Unchanged([stat.path]) if known.mtime_ns == stat.mtime_ns else Reused(stat, digest, stat.path)
    source = store.path_with_content(digest, stat.size)
    return None if source is None else Reused(stat, digest, source)
