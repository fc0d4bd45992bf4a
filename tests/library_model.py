"""A library, its store and its journal as dicts: what scans are to make of them, by what the README promises.

In: what happens to files, and what a scan is asked for. Out: what becomes of each file, and the rows and changes to
compare the real ones with. Paths are text, relative to wherever the roots are; equal bytes are equal contents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

SETTLE_S = 86_400
# so few files may always go, and of more this share
FEW = 10
MAX_SHRINK = 0.5
# so many files at each end of a root tell whether it is what it was
ANCHORS = 10
PRUNE_AFTER = 2


@dataclass(slots=True, eq=False)
class Inode:
    """What a file is on disk, by all of its names."""

    content: bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Misses:
    """How often a content could not be probed, by which prober; `is_due` once it is time to try again."""

    prober: str | None
    attempts: int = 1
    is_due: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the store is to know of a path, which scan `first` saw first, and scan `seen` last.

    Of a file that went, `is_told` says that the journal knows where to, and `away` is how many whole scans missed it.
    """

    content: bytes
    mtime_ns: int
    status: str
    first: int
    seen: int
    misses: Misses | None = None
    is_told: bool = False
    away: int = 0

    @property
    def is_there(self) -> bool:
        return self.status != "vanished"

    def has_stat_of(self, inode: Inode) -> bool:
        """Whether a file looks as this one did, from outside."""
        return (len(self.content), self.mtime_ns) == (len(inode.content), inode.mtime_ns)


@dataclass(frozen=True, slots=True)
class Root:
    """What a root was at the end of its last complete scan."""

    file_count: int
    inode: int


@dataclass(frozen=True, slots=True)
class Place:
    """What is at the path of a root; the inode is None where nothing is."""

    inode: int | None
    is_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a scan, the `number`th, is asked for; `places` are all that may be roots, as it begins."""

    number: int
    roots: tuple[str, ...]
    places: Mapping[str, Place]
    prober: str
    now_ns: int
    verify: bool
    accept: bool


Way = tuple[str, Row]


@dataclass(slots=True)
class Expected:
    """What is to come of a scan: what becomes of each file, the rows that change, and the roots that it saw to the end.

    Of some files there are several `ways`, outcomes and rows, of which one is to be chosen: the first, unless another
    one has happened. The contents `needed` are those that cannot be had without a probe. `refused` are the roots that
    are not believed, with the first words of why; those of them that are inside others are `unseen`, and nobody knows
    what became of their files. `begun` are the roots that are scanned at all.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    written: dict[str, Row] = field(default_factory=dict)
    ways: dict[str, list[Way]] = field(default_factory=dict)
    needed: set[bytes] = field(default_factory=set)
    ended: dict[str, Root] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)

    @property
    def probes(self) -> list[str]:
        """The files that are probed, in order: those of which nobody knows otherwise, but the empty ones."""
        probed = (path for path, outcome in self.outcomes.items() if outcome in {"probed", "failed"})
        return sorted(path for path in probed if self.written[path].content)

    def choose(self, path: str, way: Way) -> None:
        self.outcomes[path], self.written[path] = way


def is_readable(content: bytes) -> bool:
    """Whether a `FakeProber` finds media in it."""
    return bool(content) and not content.startswith(b"broken")


def below(paths: Collection[str], *folders: str) -> list[str]:
    """Those of `paths` that are in one of the folders, in order."""
    return sorted(path for path in paths if path.startswith(tuple(f"{folder}/" for folder in folders)))


class LibraryModel:
    """Files, rows and roots by path, and changes by the scan that noticed them and the path: kind, and where from.

    `arrivals` are the last scans that found a content at a path where it had not been before.
    """

    def __init__(self) -> None:
        self.files: dict[str, Inode] = {}
        self.rows: dict[str, Row] = {}
        self.roots: dict[str, Root] = {}
        self.changes: dict[tuple[int, str], tuple[str, str | None]] = {}
        self.arrivals: dict[tuple[str, bytes], int] = {}

    # what happens

    def write(self, path: str, content: bytes, mtime_ns: int) -> None:
        inode = self.files.setdefault(path, Inode(b"", 0))
        inode.content, inode.mtime_ns = content, mtime_ns

    def move(self, old: str, new: str) -> None:
        # POSIX: of two names of one file, both stay
        if self.files[old] is not self.files.get(new):
            self.files[new] = self.files.pop(old)

    def move_folder(self, old: str, new: str) -> None:
        for path in below(self.files, old):
            self.files[new + path.removeprefix(old)] = self.files.pop(path)

    def take_away(self, folder: str) -> dict[str, Inode]:
        return {path: self.files.pop(path) for path in below(self.files, folder)}

    def let_time_pass(self) -> None:
        """Make all that failed due."""
        for path, row in self.rows.items():
            if row.misses:
                self.rows[path] = replace(row, misses=replace(row.misses, is_due=True))

    def forget(self) -> None:
        """Forget what has been away for long."""
        self.rows = {path: row for path, row in self.rows.items() if row.is_there or row.away < PRUNE_AFTER}

    # what a scan is to make of it

    def expect(self, asked: Asked) -> Expected:
        expected = Expected()
        for root in asked.roots:
            reason = self._refusal(root, asked)
            if reason:
                expected.refused[root] = reason
            else:
                expected.begun.append(root)
                self._expect_root(root, asked, expected)
        self._add_ways(expected)
        for path, ways in expected.ways.items():
            expected.choose(path, ways[0])
        return expected

    def _refusal(self, root: str, asked: Asked) -> str | None:
        place = asked.places[root]
        if place.inode is None:
            return "root is missing"
        if asked.accept:
            return None
        if place.is_empty:
            return "root is empty" if self._there(root) else None
        is_other = root in self.roots and self.roots[root].inode != place.inode
        return "root is not what it was" if is_other and not self._has_an_anchor(root) else None

    def _there(self, folder: str) -> list[str]:
        """The files below a folder that are there, as far as the store knows."""
        return [path for path in below(self.rows, folder) if self.rows[path].is_there]

    def _has_an_anchor(self, root: str) -> bool:
        """Whether one of some files that are looked for is there; so, too, where there are none to look for."""
        well = [path for path in below(self.rows, root) if self.rows[path].status == "ok"]
        anchors = well[:ANCHORS] + well[-ANCHORS:]
        return not anchors or any(
            path in self.files and len(self.files[path].content) == len(self.rows[path].content) for path in anchors
        )

    def _expect_root(self, root: str, asked: Asked, expected: Expected) -> None:
        here = below(self.files, root)
        for path in here:
            self._expect_file(path, asked, expected)
        unseen = [inner for inner in below(self.roots, root) if self._has_gone_inside(inner, asked)]
        expected.refused |= dict.fromkeys(unseen, "root is empty")
        expected.unseen += unseen
        gone = set(self._there(root)) - set(here) - set(below(self.rows, *unseen))
        usual = self.roots[root].file_count if root in self.roots else len(self._there(root))
        if not asked.accept and min(len(gone), usual - len(here)) > max(FEW, MAX_SHRINK * usual):
            expected.refused[root] = "root has lost too many files"
            return
        expected.outcomes |= dict.fromkeys(gone, "vanished")
        expected.written |= {path: replace(self.rows[path], status="vanished") for path in gone}
        inode = asked.places[root].inode
        assert inode is not None
        expected.ended[root] = Root(max(len(here), usual) if unseen else len(here), inode)

    def _has_gone_inside(self, inner: str, asked: Asked) -> bool:
        """Whether a root of earlier scans, inside one of this scan, may be unmounted."""
        return asked.places[inner].is_empty and not asked.accept and bool(self._there(inner))

    def _expect_file(self, path: str, asked: Asked, expected: Expected) -> None:
        inode = self.files[path]
        outcome, content = self._outcome(self.rows.get(path), inode, asked)
        if outcome == "failed":
            expected.ways[path] = self._failures(path, inode, asked)
        elif outcome in {"probed", "reused"}:
            expected.ways[path] = [(outcome, self._row(path, content, inode.mtime_ns, None, asked.number))]
        else:
            expected.outcomes[path] = outcome

    def _failures(self, path: str, inode: Inode, asked: Asked) -> list[Way]:
        """What may become of a file that cannot be probed: it is tried, unless that is known, and rests."""

        def row(misses: Misses) -> Row:
            return self._row(path, inode.content, inode.mtime_ns, misses, asked.number)

        tried = "failed", row(self._misses(self.rows.get(path), inode, asked))
        alike = {name: each for name, each in self.rows.items() if each.content == inode.content != b"" and each.misses}
        resting = {each.misses for name, each in alike.items() if name != path and not self._is_due(each, asked)}
        known = [("reused", row(misses)) for misses in resting if misses]
        # one of those that are alike decides, and nothing is said of which
        is_sure = known and path not in alike and not any(self._is_due(each, asked) for each in alike.values())
        return known if is_sure else [tried, *known]

    def _add_ways(self, expected: Expected) -> None:
        """Let files be reused of which others with the same content are probed in the same scan, and stored before."""
        probed = {path: ways[0][1] for path, ways in expected.ways.items() if ways[0][0] != "reused"}
        expected.needed = {row.content for path, row in probed.items() if len(expected.ways[path]) == 1} - {b""}
        for path, row in probed.items():
            others = (other for name, other in probed.items() if name != path and other.content == row.content != b"")
            expected.ways[path] += [("reused", replace(row, misses=other.misses)) for other in others]

    def _outcome(self, row: Row | None, inode: Inode, asked: Asked) -> tuple[str, bytes]:
        """What becomes of a file, and what its content is taken for."""
        content = inode.content
        if row and row.has_stat_of(inode):
            if row.status == "failed" and not self._is_due(row, asked):
                return "unchanged", row.content
            if row.status == "ok" and (not asked.verify or row.content == content):
                return "unchanged", row.content
            if row.status == "vanished" and not row.misses and not asked.verify:
                return "reused", row.content
        if 0 <= asked.now_ns - inode.mtime_ns < SETTLE_S * 10**9:
            return "unstable", content
        if not is_readable(content):
            return "failed", content
        return "reused" if content in {each.content for each in self.rows.values()} else "probed", content

    def _is_due(self, row: Row, asked: Asked) -> bool:
        assert row.misses is not None
        return row.misses.is_due or row.misses.prober not in (None, asked.prober)

    def _misses(self, row: Row | None, inode: Inode, asked: Asked) -> Misses:
        # nobody needs a prober to see that a file is empty
        misses = Misses(asked.prober if inode.content else None)
        if row and row.misses and row.misses.prober == misses.prober and row.has_stat_of(inode):
            return replace(misses, attempts=row.misses.attempts + 1)
        return misses

    def _row(self, path: str, content: bytes, mtime_ns: int, misses: Misses | None, number: int) -> Row:
        before = self.rows.get(path)
        first = before.first if before else number
        status = "failed" if misses else "ok"
        return Row(content=content, mtime_ns=mtime_ns, status=status, first=first, seen=number, misses=misses)

    # what it made of it

    def take(self, number: int, expected: Expected) -> None:
        """Let scan `number` have written these rows, and seen these roots to their end."""
        for path, row in expected.written.items():
            before = self.rows.get(path)
            kind = _kind(before, row)
            if kind:
                self.changes[number, path] = kind, None
            if kind == "added" and (before is None or before.content != row.content):
                self.arrivals[path, row.content] = number
        self.rows |= expected.written
        for content in {row.content for row in expected.written.values()} - {b""}:
            self._tell_move(number, content)
        for path in {*below(self.rows, *expected.ended)} - {*below(self.rows, *expected.unseen)}:
            row = self.rows[path]
            self.rows[path] = replace(row, seen=number) if row.is_there else replace(row, away=row.away + 1)
        self.roots |= expected.ended

    def count_changes(self, number: int) -> Mapping[str, int]:
        """How many changes of each kind a scan noticed."""
        return Counter(kind for (scan, _), (kind, _) in self.changes.items() if scan == number)

    def _tell_move(self, number: int, content: bytes) -> None:
        """Join the file that went and the one that came, where there is exactly one of each with this content."""
        rows = {path: row for path, row in self.rows.items() if row.content == content}
        there = [path for path, row in rows.items() if row.is_there]
        lost = [path for path, row in rows.items() if not row.is_there and not row.is_told]
        if len(there) != 1 or len(lost) != 1:
            return
        [new], [old] = there, lost
        came = self._arrival(number, old, new, content)
        if came:
            self.changes[came, new] = "moved", old
            self.changes.pop((number, old), None)
            self.rows[new] = replace(rows[new], first=min(rows[new].first, rows[old].first))
            self.rows[old] = replace(rows[old], is_told=True)

    def _arrival(self, number: int, old: str, new: str, content: bytes) -> int | None:
        """The scan that saw the file come to `new` which scan `number` knows to have been at `old`, if they are one."""
        has_just_gone = (number, old) in self.changes
        came = self.arrivals.get((new, content), 0)
        if self.changes.get((number, new)) == ("added", None):
            # what is back where it was is not another that went at another time
            return number if has_just_gone or came == number else None
        # a scan that did not come to where the old one was may have seen the new one
        was_missed = came > self.rows[old].seen and self.changes.get((came, new)) == ("added", None)
        return came if has_just_gone and was_missed else None


def _kind(before: Row | None, after: Row) -> str | None:
    was_there = before is not None and before.is_there
    if was_there != after.is_there:
        return "added" if after.is_there else "removed"
    return "replaced" if before and before.content != after.content else None
