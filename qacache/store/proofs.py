"""Proofs: what was found in files that were read to compare them with others, remembered for as long as they stay.

In: prints, which are hashes of the first bytes of a file, and the stamp that it had then. Out: the same, for whoever
compares again. Files with the same print of all bytes have the same content, those with different prints of as many
bytes have not; of prints of other lengths nothing follows.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Self

from qacache.errors import StoreLocked
from qacache.models import mtime_ns_of
from qacache.store.database import explained, open_writer, signed
from qacache.store.lock import held, lock_path

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

# as many values as every SQLite takes
_MOST_IDS = 900

# A scan holds the lock for a moment at a time.
_PATIENCE = 4

_FORGET = """
DELETE FROM proof WHERE file_id = ? AND (size, mtime_ns, ctime_ns, inode) <> (?, ?, ?, ?)
"""

# vacuum may have forgotten the file meanwhile
_REMEMBER = """
INSERT OR REPLACE INTO proof (file_id, length, hash, size, mtime_ns, ctime_ns, inode)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM file WHERE id = ?1)
"""

Prints = dict[int, bytes]
"""Hashes of the first bytes of a file, by how many these are."""


class Stamp(NamedTuple):
    """What a file is, but for its content: who writes to it changes that. No program sets the `ctime_ns` back."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Stamp:
        """Return the stamp of what `stat` is of, in numbers that SQLite can hold."""
        ctime_ns = max(-(1 << 63), min(stat.st_ctime_ns, (1 << 63) - 1))
        return cls(stat.st_size, mtime_ns_of(stat), ctime_ns, signed(stat.st_ino))


class Proof(NamedTuple):
    """The prints of a file of the store, which hold while the file has that stamp."""

    file_id: int
    stamp: Stamp
    prints: Prints


class Proofs:
    """Keeps the proofs of one store. Owns its connection, which belongs to the thread that made it.

    Raises as `open_writer`; all methods raise `StoreError`s.
    """

    def __init__(self, path: str, *, busy_timeout_s: float) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection = open_writer(path, busy_timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # closing the last connection checkpoints, which is a write; who has the lock for so long has one, too
        with suppress(StoreLocked), held(lock_path(self.path), purpose="closing", timeout_s=self._busy_timeout_s):
            self._connection.close()
        self._connection.close()

    def recall(self, file_ids: Iterable[int]) -> dict[int, Proof]:
        """Return the proofs that there are of these files, by file."""
        rest = iter(file_ids)
        found: dict[int, Proof] = {}
        while some := list(islice(rest, _MOST_IDS)):
            for file_id, length, print_, *stamp in self._rows(some):
                proof = found.setdefault(file_id, Proof(file_id, Stamp(*stamp), {}))
                proof.prints[length] = print_
        return found

    def remember(self, proofs: Sequence[Proof]) -> None:
        """Store the proofs, all or none; those of the same files with other stamps are forgotten."""
        if not proofs:
            return
        with (
            held(lock_path(self.path), purpose="storing proofs", timeout_s=_PATIENCE * self._busy_timeout_s),
            explained(self.path),
        ):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(_FORGET, ((proof.file_id, *proof.stamp) for proof in proofs))
                self._connection.executemany(
                    _REMEMBER,
                    (
                        (proof.file_id, length, print_, *proof.stamp)
                        for proof in proofs
                        for length, print_ in proof.prints.items()
                    ),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, file_ids: Sequence[int]) -> list[tuple[int, int, bytes, int, int, int, int]]:
        marks = ",".join("?" * len(file_ids))
        with explained(self.path):
            return self._connection.execute(
                f"SELECT file_id, length, hash, size, mtime_ns, ctime_ns, inode FROM proof WHERE file_id IN ({marks})",
                file_ids,
            ).fetchall()
