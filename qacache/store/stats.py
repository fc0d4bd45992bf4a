"""Statistics: how much there is of what, all of it or below some folders.

Out: totals by root, codec, resolution, orientation, HDR and container, and failures by reason. One walk in path order
counts everything, by pages, each of which is a short query: what is written meanwhile may be counted, or not.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from qacache.paths import outermost, range_below
from qacache.record import path_fields
from qacache.resolution import RESOLUTION_SIDES, resolution_of
from qacache.store.database import explained, open_reader
from qacache.store.reader import Reader

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Name = TypeVar("Name")

# A page takes a twentieth of a second.
_PAGE = 20_000

Facet = Literal["video_codec", "resolution", "orientation", "hdr", "format_name"]
"""What files are told apart by; the names are those of `MediaInfo`, but for the resolution (`qacache.resolution`)."""

FACETS: tuple[Facet, ...] = ("video_codec", "resolution", "orientation", "hdr", "format_name")

# All of it is in the index `file_walk`. A sum of more than 63 bits is an error of SQLite's, but a total is a float,
# which is exact up to 9 PB a page.
_COUNT_PAGE = """
SELECT kind_id, status, count(*), CAST(total(size) AS INTEGER), total(length_s), max(path)
FROM (
    SELECT path, size, status, kind_id, length_s FROM file WHERE path >= ? AND path < ? ORDER BY path LIMIT ?
) AS page
GROUP BY kind_id, status
"""

_KINDS = "SELECT id, display_width, display_height, video_codec, format_name, hdr, orientation FROM kind"

# of the two conditions on the status, the first is that of the index, which SQLite does not infer from the second
_COUNT_FAILURES = """
SELECT reason, count(*), CAST(total(page.size) AS INTEGER), max(path)
FROM (
    SELECT id, path, size FROM file
    WHERE path >= ? AND path < ? AND status <> 'ok' AND status = 'failed' ORDER BY path LIMIT ?
) AS page JOIN failure ON failure.file_id = page.id
GROUP BY reason
"""


class Amount(NamedTuple):
    """So many files, their bytes, and how long they play."""

    files: int = 0
    size: int = 0
    duration_s: float = 0.0

    def plus(self, other: Amount) -> Amount:
        """Return the sum of both."""
        return Amount(self.files + other.files, self.size + other.size, self.duration_s + other.duration_s)


class Statistics(NamedTuple):
    """What there is. `total` are all files that were there when last looked at, `ok` those of them that were probed.

    `roots` are of all that are there, a file counted for the innermost root that holds it; None is for those that no
    root holds. `facets` are of the ok ones; None is for those of which it is not known, or that have no picture.
    `failures` are of those that are there and not ok. Each begins with what takes most room, resolutions with the
    largest. Of the folders that were asked for, nothing is stored of those that are `unknown`.
    """

    total: Amount
    ok: Amount
    vanished: Amount
    roots: Mapping[bytes | None, Amount]
    facets: Mapping[Facet, Mapping[str | None, Amount]]
    failures: Mapping[str, Amount]
    unknown: Sequence[bytes] = ()


def statistics_dict(found: Statistics) -> dict[str, Any]:
    """Return the statistics as programs see them, ready for JSON: sizes in bytes, durations in seconds."""
    return {
        **{name: _amount_dict(getattr(found, name)) for name in ("total", "ok", "vanished")},
        "root": [
            {**({"path": None} if root is None else path_fields(root)), **_amount_dict(amount)}
            for root, amount in found.roots.items()
        ],
        **{facet: _named_dicts(amounts) for facet, amounts in found.facets.items()},
        "failure": _named_dicts(found.failures),
    }


def statistics(path: str, folders: Iterable[bytes] = ()) -> Statistics:
    """Return how much there is in the store at `path`, at and below `folders`, or in all where there are none.

    Folders are absolute, by whatever name the store has them. Raises as `open_reader`.
    """
    with Reader(path) as reader, _Counter(path) as counter:
        names = {folder: reader.name_of(folder) for folder in folders}
        for lower, upper in _ranges([name for name in names.values() if name]) if names else [range_below(b"/")]:
            for span in _by_root(lower, upper, reader):
                counter.count(*span)
        return counter.result()._replace(unknown=[folder for folder, name in names.items() if name is None])


def _ranges(names: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (lower, upper) such that lower <= path < upper for what is at and below `names`, each path in one."""
    for name in outermost(names):
        yield name, name + b"\0"
        yield range_below(name)


def _by_root(lower: bytes, upper: bytes, reader: Reader) -> Iterator[tuple[bytes, bytes, bytes | None]]:
    """Yield the range in parts, each with the innermost root that holds it."""
    roots = {root.path: range_below(root.path) for root in reader.roots()}
    edges = {edge for pair in roots.values() for edge in pair if lower < edge < upper}
    for begin, end in pairwise(sorted({lower, upper, *edges})):
        holding = [root for root, (first, last) in roots.items() if first <= begin and end <= last]
        yield begin, end, max(holding, key=len, default=None)


class _Counter:
    """Counts what is in ranges of paths. Owns its connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = open_reader(path)
        self._by_status: dict[str, Amount] = defaultdict(Amount)
        self._roots: dict[bytes | None, Amount] = defaultdict(Amount)
        self._kinds: dict[int | None, Amount] = defaultdict(Amount)
        self._failures: dict[str, Amount] = defaultdict(Amount)

    def __enter__(self) -> _Counter:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def count(self, lower: bytes, upper: bytes, root: bytes | None) -> None:
        """Count what is in that range of paths, which belongs to `root`."""
        for kind_id, status, files, size, duration_s in self._pages(_COUNT_PAGE, lower, upper):
            amount = Amount(files, size, duration_s)
            self._by_status[status] = self._by_status[status].plus(amount)
            if status != "vanished":
                self._roots[root] = self._roots[root].plus(amount)
            if status == "ok":
                self._kinds[kind_id] = self._kinds[kind_id].plus(amount)
        for reason, files, size in self._pages(_COUNT_FAILURES, lower, upper):
            self._failures[reason] = self._failures[reason].plus(Amount(files, size))

    def result(self) -> Statistics:
        """Return what was counted."""
        ok, failed = self._by_status["ok"], self._by_status["failed"]
        names = self._names_of_kinds()
        return Statistics(
            total=ok.plus(failed),
            ok=ok,
            vanished=self._by_status["vanished"],
            roots=_largest_first(self._roots),
            facets={facet: _faceted(self._kinds, names, facet) for facet in FACETS},
            failures=_largest_first(self._failures),
        )

    def _names_of_kinds(self) -> dict[int | None, dict[Facet, str | None]]:
        with explained(self._path):
            kinds = self._connection.execute(_KINDS).fetchall()
        return {kind_id: _facets_of(*kind) for kind_id, *kind in kinds}

    def _pages(self, query: str, lower: bytes, upper: bytes) -> Iterator[Sequence[Any]]:
        """Yield the rows of `query` for one page after the other, without its last column: the last path of each."""
        while rows := self._page(query, lower, upper):
            yield from (row[:-1] for row in rows)
            # the next path there can be
            lower = max(row[-1] for row in rows) + b"\0"

    def _page(self, query: str, lower: bytes, upper: bytes) -> list[sqlite3.Row]:
        with explained(self._path):
            return self._connection.execute(query, (lower, upper, _PAGE)).fetchall()


def _named_dicts(amounts: Mapping[Name, Amount]) -> list[dict[str, Any]]:
    return [{"name": name, **_amount_dict(amount)} for name, amount in amounts.items()]


def _amount_dict(amount: Amount) -> dict[str, Any]:
    return {**amount._asdict(), "duration_s": round(amount.duration_s, 3)}


def _facets_of(
    width: int | None,
    height: int | None,
    video_codec: str | None,
    format_name: str | None,
    hdr: str | None,
    orientation: str | None,
) -> dict[Facet, str | None]:
    return {
        "video_codec": video_codec,
        "resolution": resolution_of(width, height),
        "orientation": orientation,
        "hdr": hdr,
        "format_name": format_name,
    }


def _faceted(
    kinds: Mapping[int | None, Amount], names: Mapping[int | None, Mapping[Facet, str | None]], facet: Facet
) -> dict[str | None, Amount]:
    amounts: dict[str | None, Amount] = defaultdict(Amount)
    for kind_id, amount in kinds.items():
        # what has no media is of no kind
        value = names.get(kind_id, {}).get(facet)
        amounts[value] = amounts[value].plus(amount)
    if facet == "resolution":
        return {name: amounts[name] for name in (*RESOLUTION_SIDES, None) if name in amounts}
    return _largest_first(amounts)


def _largest_first(amounts: Mapping[Name, Amount]) -> dict[Name, Amount]:
    return dict(sorted(amounts.items(), key=lambda item: (item[1].size, item[1].files), reverse=True))
