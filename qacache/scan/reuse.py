"""Reuse: content that was probed before is not probed again.

In: hashed files. Out: `Reused` for those whose content the store knows, by their own path (somebody touched the
file) or by another (it was copied, renamed or moved); the others as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from qacache.events import Reused
from qacache.scan.digest import Hashed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.store.reader import Known

Other = TypeVar("Other")


class KnownContents(Protocol):
    """What the reuse of probes reads of the store."""

    def known(self, path: bytes) -> Known | None:
        """Return what is known of one path."""

    def path_with_content(self, digest: bytes, size: int) -> bytes | None:
        """Return a path whose media is known and belongs to that content."""


def reuse_known(items: Iterable[Hashed | Other], store: KnownContents) -> Iterator[Hashed | Reused | Other]:
    """Yield all `items`, those with known content as `Reused`."""
    for item in items:
        if isinstance(item, Hashed) and (source := _source(item, store)) is not None:
            yield Reused(item.stat, item.digest, source)
        else:
            yield item


def _source(hashed: Hashed, store: KnownContents) -> bytes | None:
    stat = hashed.stat
    known = store.known(stat.path)
    if known and known.status == "ok" and (known.digest, known.size) == (hashed.digest, stat.size):
        return stat.path
    return store.path_with_content(hashed.digest, stat.size)
