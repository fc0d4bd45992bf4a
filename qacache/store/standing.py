"""Standings: how files stand in the store, for whoever asks why.

In: paths. Out: a `Standing` with all that is stored of one file but its media, and counts of what is stored below
folders; by whatever name the store has them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Self

from qacache.paths import shown_root
from qacache.store.database import explained, open_reader
from qacache.store.journal import path_key
from qacache.store.ledger import FAILURE_COLUMNS, FailedFile
from qacache.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.models import Status
    from qacache.store.reader import Found, Root

_COLUMNS = (
    *("file.digest", "file.first_seen_ms", "file.unlisted", "file.away", "media.probed_ms", "media.prober"),
    *FAILURE_COLUMNS,
)


# So many other names of a file are told.
_LINKS = 10

# How far back refusals of roots are looked for.
_SCANS = 20


class Refusal(NamedTuple):
    """That a scan refused a root: what it `says` names the root, `started_ms` is when that scan began."""

    started_ms: int
    says: str

    def concerns(self, root: bytes) -> bool:
        """Whether it is that root that was refused."""
        return f": {shown_root(root)}:" in f"{self.says}:"


class Departure(NamedTuple):
    """That a scan found a file missing, at `noticed_ms`; `new_path` is what it is called now, where that is known."""

    noticed_ms: int
    new_path: bytes | None


class Standing(NamedTuple):
    """What is stored of one file. Times ending in `_ms` are milliseconds since the epoch, `digest` is in hex.

    `is_unlisted` says that its folder could not be listed in the last scan, `away` how many complete scans did not
    find it. `failure` is that of a file that is failed, `departure` that of one that vanished, where the history
    still has it. `links` are other names of the same file: hard links.
    """

    path: bytes
    status: Status
    size: int
    mtime_ns: int
    digest: str | None
    first_seen_ms: int
    last_seen_ms: int
    is_unlisted: bool
    away: int
    probed_ms: int | None
    prober: str | None
    failure: FailedFile | None
    departure: Departure | None
    links: Sequence[bytes] = ()


class Standings:
    """Reads standings from one store. Owns its connections, which belong to the thread that made it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._reader = Reader(path)
        self._connection = open_reader(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._reader.__exit__()

    def names(self, path: bytes) -> list[bytes]:
        """Return `path`, and what else it may be called in the store."""
        return list(self._reader.spellings(path))

    def roots(self) -> list[Root]:
        """Return the roots that were ever scanned completely."""
        return self._reader.roots()

    def refusals(self) -> list[Refusal]:
        """Return why roots were refused in the last scans, the newest first."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT started_ms, summary FROM scan WHERE summary IS NOT NULL ORDER BY id DESC LIMIT ?", (_SCANS,)
            ).fetchall()
        return [
            Refusal(started_ms, says) for started_ms, summary in rows for says in json.loads(summary).get("refused", [])
        ]

    def find(self, path: bytes) -> Standing | None:
        """Return how the file `path` stands, None where nothing is stored of it."""
        found = next(filter(None, (self._reader.find(name, _COLUMNS) for name in self.names(path))), None)
        found = found or self._reader.find_composed(path, _COLUMNS)
        return self._standing(found) if found else None

    def count_below(self, path: bytes) -> tuple[bytes, Mapping[str, int]]:
        """Return by which name the store has the folder `path`, and how many files below it have each status."""
        for name in self.names(path):
            # by pages, not by one query, which would keep the write-ahead log from being checkpointed
            counts = Counter(row[3] for row in self._reader.known_files(name))
            if counts:
                return name, counts
        return path, Counter(found.status for found in self._reader.below_composed(path, ()))

    def _standing(self, found: Found) -> Standing:
        digest, first_seen_ms, unlisted, away, probed_ms, prober, *failure = found.values
        return Standing(
            path=found.path,
            status=found.status,
            size=found.size,
            mtime_ns=found.mtime_ns,
            digest=digest.hex() if digest else None,
            first_seen_ms=first_seen_ms,
            last_seen_ms=found.last_seen_ms,
            is_unlisted=bool(unlisted),
            away=away,
            probed_ms=probed_ms,
            prober=prober,
            failure=FailedFile(found.path, *failure) if found.status == "failed" else None,
            departure=self._departure(found.path, found.last_seen_ms) if found.status == "vanished" else None,
            links=self._links(found.path) if digest and found.status != "vanished" else (),
        )

    def _links(self, path: bytes) -> list[bytes]:
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT other.path FROM file JOIN file AS other ON other.digest = file.digest "
                "AND other.digest IS NOT NULL AND (other.device, other.inode) = (file.device, file.inode) "
                "WHERE file.path = ? AND other.path <> file.path AND other.status <> 'vanished' "
                "ORDER BY other.path LIMIT ?",
                (path, _LINKS),
            ).fetchall()
        return [name for (name,) in rows]

    def _departure(self, path: bytes, last_seen_ms: int) -> Departure | None:
        with explained(self.path):
            row = self._connection.execute(
                "SELECT changed_ms, nullif(path, ?1) FROM ("
                "SELECT id, changed_ms, path FROM change WHERE path_key = ?3 AND path = ?1 AND kind = 'removed' "
                # a move, or a new encoding
                "UNION ALL SELECT id, changed_ms, path FROM change WHERE from_path IS NOT NULL AND from_path = ?1"
                ") WHERE changed_ms >= ?2 ORDER BY id DESC LIMIT 1",
                (path, last_seen_ms, path_key(path)),
            ).fetchone()
        return Departure(*row) if row else None
