"""Shrinkage: files do not vanish by the thousand unless somebody says so.

In: what became of each file and row, in walking order. Out: the same, but that the vanished ones of a root come at its
end, and not at all where too many are missing for it to be the library that it was: a share that was emptied, a disk
of which half is not mounted. Then a `Failed` tells so instead, and the rows stay as they are.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, TypeVar

from qacache.events import Failed, Reused, Unchanged, Vanished
from qacache.models import Failure, FileStat
from qacache.paths import root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from qacache.store.reader import Reader

Item = FileStat | Unchanged | Reused | Vanished | Failed
Other = TypeVar("Other")

# So few files may always go: a folder for downloads is emptied every day.
_FEW = 10
# What is held back in memory before it goes to a temporary file.
_MEMORY_BYTES = 4 << 20
_LENGTH_BYTES = 4


def usual_counts(roots: Sequence[bytes], reader: Reader) -> dict[bytes, int]:
    """Return how many files each root had at its last complete scan, or has in the store if it was never one itself."""
    counts = {root.path: root.file_count for root in reader.roots()}
    return {root: counts[root] if root in counts else reader.count_below(root) for root in roots}


class ShrinkGuard:
    """Holds vanished files back until the end of their root.

    `usual` is how many files each root usually has, see `usual_counts`, `found` how many were found by now; more than
    `max_share` of the usual ones missing is too many. `refuse` is told each root that shrank so, with a sentence. Of a
    folder whose walk `is_over` before its end, nobody knows what the rest holds: what vanished there is not told.
    """

    def __init__(
        self,
        usual: Mapping[bytes, int],
        found: Mapping[bytes, int],
        *,
        max_share: float,
        refuse: Callable[[bytes, str], object],
        is_over: Callable[[bytes], bool] = lambda folder: False,
    ) -> None:
        self._usual = usual
        self._found = found
        self._max_share = max_share
        self._refuse = refuse
        self._is_over = is_over

    def hold_back(self, items: Iterable[Item], roots: Sequence[bytes]) -> Iterator[Item]:
        """Yield all `items`, in the order of `roots`, those of `Vanished` last of each root, or a `Failed` for them."""
        root = roots[0] if roots else b""
        held = _Held()
        with held:
            for item in items:
                here = root_of(_path(item), roots)
                if here != root:
                    yield from self._released(root, held)
                    root = here
                if isinstance(item, Vanished):
                    held.add(item.path)
                else:
                    yield item
            yield from self._released(root, held)

    def _released(self, root: bytes, held: _Held) -> Iterator[Vanished | Failed]:
        usual, found = self._usual.get(root, 0), self._found[root]
        missing = min(len(held), usual - found)
        if self._is_over(root):
            pass
        elif missing > max(_FEW, self._max_share * usual):
            message = f"{usual:,} files were here, and only {found:,} are left: the others count as they did"
            self._refuse(root, message)
            yield Failed(root, Failure("list", "shrunken", message))
        else:
            yield from (Vanished(path) for path in held if not self._is_over(path))
        held.clear()


class _Held:
    """Paths, in memory while they are few."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115  # closed by __exit__
        self._count = 0

    def __enter__(self) -> _Held:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        for _ in range(self._count):
            yield self._file.read(int.from_bytes(self._file.read(_LENGTH_BYTES), "big"))

    def add(self, path: bytes) -> None:
        self._file.write(len(path).to_bytes(_LENGTH_BYTES, "big") + path)
        self._count += 1

    def clear(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._count = 0


def _path(item: Item) -> bytes:
    match item:
        case Unchanged(paths):
            return paths[0]
        case Reused(stat):
            return stat.path
        case _:
            return item.path
