"""Inspection: one group of candidates, looked at, read as far as it takes, and parted into what is equal.

In: files that the store takes for copies, and what is remembered of them. Out: the groups that they are, which files
are left out and why, and what is to be remembered. No path is in a group whose file was not read by that path, or by
another name that it has on the same device.
"""

from __future__ import annotations

import os
import stat as stat_module
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from qacache.duplicates.comparison import compare
from qacache.duplicates.groups import Copy, Group
from qacache.os_failures import os_failure
from qacache.store.proofs import Proof, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from qacache.duplicates.access import Access, OpenFile
    from qacache.store.duplicates import StoredFile, StoredGroup
    from qacache.store.proofs import Prints

# So many files are read side by side: each has a descriptor, and, where all differ, a chunk in memory. Of larger
# groups, those of different batches are compared by their prints.
BATCH = 16

# Of network filesystems, SMB has the coarsest clock with digits below a second: [MS-FSCC] section 2.1.1
_CLOCK_NS = 100
_SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that the store takes for a copy, and that is in no group: `reason` is for programs, `message` for people.

    `is_failure` where nobody knows what is in it: it could not be read.
    """

    path: bytes
    reason: str
    message: str
    is_failure: bool = False


@dataclass(frozen=True, slots=True)
class Inspected:
    """What became of a group of candidates: `proofs` are what was found out by reading `bytes_read`."""

    candidates: StoredGroup
    groups: Sequence[Group]
    left_out: Sequence[LeftOut]
    proofs: Sequence[Proof]
    bytes_read: int


class _Name(NamedTuple):
    """One name of a file, and what the system says of it; `is_remote` where that is a network filesystem's word."""

    file: StoredFile
    stat: os.stat_result
    is_remote: bool

    def problem(self, size: int) -> LeftOut | None:
        """Return why it is left out: it is not what the store took for a copy of that size."""
        if stat_module.S_ISLNK(self.stat.st_mode):
            return LeftOut(self.file.path, "symbolic-link", "a symbolic link is no copy")
        stamp = Stamp.of(self.stat)
        if not stat_module.S_ISREG(self.stat.st_mode) or (stamp.size, stamp.mtime_ns) != (size, self.file.mtime_ns):
            return LeftOut(self.file.path, "changed", "changed since it was scanned")
        return None


@dataclass(eq=False, slots=True)
class _Candidate:
    """A file on one device by all the names that are known of it, in order, and what is known of its content."""

    names: Sequence[_Name]
    prints: Prints = field(default_factory=dict)

    @property
    def path(self) -> bytes:
        """By which it is read."""
        return self.names[0].file.path

    @property
    def stat(self) -> os.stat_result:
        """What the system says of it."""
        return self.names[0].stat

    @property
    def tells_no_ctime(self) -> bool:
        """Whether the ctime may be another time."""
        return self.stat.st_ctime_ns == self.stat.st_mtime_ns

    def recall(self, known: Mapping[int, Proof]) -> None:
        """Take over the prints that were remembered of what the file still is."""
        for file, stat, _ in self.names:
            proof = known.get(file.file_id)
            if proof and proof.stamp == Stamp.of(stat):
                self.prints |= proof.prints

    def differs_from(self, other: _Candidate) -> bool:
        """Whether it is known to; where not, they may be equal all the same."""
        lengths = self.prints.keys() & other.prints.keys()
        return any(self.prints[length] != other.prints[length] for length in lengths)

    def may_be(self, other: _Candidate) -> bool:
        """Whether it may be the same file as `other`, by way of another mount.

        Then it has another device, and may have another inode; but who copies a file cannot copy its ctime. Some
        network filesystems tell whole seconds only, and the mtime in place of the ctime, as sshfs does.
        """
        mine, theirs = self.stat, other.stat
        if mine.st_dev == theirs.st_dev:
            return False
        coarse = [each for each in (self, other) if each.tells_seconds()]
        clock_ns = _SECOND_NS if coarse else _CLOCK_NS
        is_written_then = mine.st_mtime_ns // clock_ns == theirs.st_mtime_ns // clock_ns
        is_changed_then = mine.st_ctime_ns // clock_ns == theirs.st_ctime_ns // clock_ns
        return is_written_then and (is_changed_then or any(each.tells_no_ctime for each in coarse))

    def tells_seconds(self) -> bool:
        """Whether a network filesystem has no more exact times of it."""
        _, stat, is_remote = self.names[0]
        return is_remote and stat.st_mtime_ns % _SECOND_NS == stat.st_ctime_ns % _SECOND_NS == 0

    def proofs(self) -> Iterator[Proof]:
        """Yield what is to be remembered of it: by each name, as names go away."""
        if self.prints:
            yield from (Proof(file.file_id, Stamp.of(stat), self.prints) for file, stat, _ in self.names)


def inspect(group: StoredGroup, known: Mapping[int, Proof], access: Access) -> Inspected:
    """Return what became of the group; what the proofs `known` of its files settle is not read again.

    Raises `Stopped`.
    """
    looks = _Looks(group.size, access)
    candidates = _by_inode(looks.at(group.files))
    if len(_copies(candidates)) < 2:  # noqa: PLR2004  # there is nothing to be equal to
        return Inspected(group, (), looks.left_out, (), 0)
    for candidate in candidates:
        candidate.recall(known)
    unsettled = _unsettled(candidates, group.size)
    if unsettled:
        looks.read(unsettled, to_the_end=any(group.size in each.prints for each in candidates))
        candidates = [each for each in candidates if looks.confirm(each)]
    equal, read = _equal(candidates, group.size), set(unsettled)
    copies = [_copies(some) for some in equal]
    return Inspected(
        group,
        [Group(group.digest, group.size, some, is_verified=True) for some in copies if len(some) > 1],
        [*looks.left_out, *_different(candidates, equal)],
        [proof for each in candidates if each in read for proof in each.proofs()],
        looks.bytes_read,
    )


class _Looks:
    """Looks at the files of one group, all of them of `size` bytes, and what is left out for what they say."""

    def __init__(self, size: int, access: Access) -> None:
        self.left_out: list[LeftOut] = []
        self.bytes_read = 0
        self._size = size
        self._access = access
        self._lost: set[_Candidate] = set()

    def at(self, files: Iterable[StoredFile]) -> Iterator[_Name]:
        """Yield those files that are what the store says."""
        for file in files:
            try:
                stat = self._access.ask(file.path, os.lstat, file.path)
            except (FileNotFoundError, NotADirectoryError):
                self.left_out.append(LeftOut(file.path, "gone", "not there any more"))
            except OSError as error:
                self.left_out.append(_failed(file.path, error))
            else:
                name = _Name(file, stat, self._access.mounts.is_network(file.path))
                problem = name.problem(self._size)
                if problem:
                    self.left_out.append(problem)
                else:
                    yield name

    def read(self, candidates: Sequence[_Candidate], *, to_the_end: bool) -> None:
        """Read the files side by side, until it is known which of them are equal."""
        to_the_end = to_the_end or len(candidates) > BATCH
        for start in range(0, len(candidates), BATCH):
            with ExitStack() as resources:
                opened = self._open(candidates[start : start + BATCH], resources)
                found = compare([*opened], self._size, self._reader(opened), to_the_end=to_the_end)
            for candidate, prints in found.items():
                candidate.prints |= prints

    def confirm(self, candidate: _Candidate) -> bool:
        """Whether nothing went wrong with the file, and it still is, by all its names, what was looked at.

        Who writes to a file while it is read may make it equal, or other, than what is there when they are done.
        """
        if candidate in self._lost:
            return False
        for file, before, _ in candidate.names:
            try:
                now = self._access.ask(file.path, os.lstat, file.path)
            except FileNotFoundError:
                self._lose(candidate, _unstable(file.path))
            except OSError as error:
                self._lose(candidate, _failed(file.path, error))
            else:
                if _marks(now) != _marks(before):
                    self._lose(candidate, _unstable(file.path))
        return candidate not in self._lost

    def _open(self, candidates: Iterable[_Candidate], resources: ExitStack) -> dict[_Candidate, OpenFile]:
        opened = {}
        for candidate in candidates:
            try:
                opened[candidate] = resources.enter_context(self._access.open(candidate.path))
            except OSError as error:
                self._lose(candidate, _failed(candidate.path, error))
        return opened

    def _reader(self, opened: Mapping[_Candidate, OpenFile]) -> Callable[[_Candidate, bytearray, int], bool]:
        def read(candidate: _Candidate, buffer: bytearray, offset: int) -> bool:
            try:
                if opened[candidate].fill(buffer, offset):
                    self.bytes_read += len(buffer)
                    return True
                self._lose(candidate, _unstable(candidate.path))
            except OSError as error:
                self._lose(candidate, _failed(candidate.path, error))
            return False

        return read

    def _lose(self, candidate: _Candidate, why: LeftOut) -> None:
        if candidate not in self._lost:
            self._lost.add(candidate)
            self.left_out.append(why)


def _by_inode(names: Iterable[_Name]) -> list[_Candidate]:
    """Return the files that have these names, in the order of their first ones."""
    files: dict[tuple[int, int], list[_Name]] = {}
    for name in names:
        files.setdefault((name.stat.st_dev, name.stat.st_ino), []).append(name)
    return [_Candidate(names) for names in files.values()]


def _copies(candidates: Sequence[_Candidate]) -> list[Copy]:
    """Return the copies that files of one content are, in path order: what may be one file is taken for one.

    Who removed one of two names of the same file would remove both.
    """
    if len({each.stat.st_dev for each in candidates}) == 1:
        return [_copy([each]) for each in candidates]
    by_second: dict[int, list[list[_Candidate]]] = {}
    for candidate in candidates:
        known = by_second.setdefault(candidate.stat.st_mtime_ns // _SECOND_NS, [])
        same = [some for some in known if any(candidate.may_be(each) for each in some)]
        known[:] = [some for some in known if some not in same]
        known.append([*chain.from_iterable(same), candidate])
    copies = (_copy(some) for known in by_second.values() for some in known)
    return sorted(copies, key=lambda copy: copy.paths)


def _copy(candidates: Iterable[_Candidate]) -> Copy:
    names = [name for each in candidates for name in each.names]
    return Copy(sorted(name.file.path for name in names), Stamp.of(names[0].stat).mtime_ns)


def _unsettled(candidates: Sequence[_Candidate], size: int) -> list[_Candidate]:
    """Return the files that are to be read: those of which it is not known how they compare with all others."""
    return [
        each
        for each in candidates
        if size not in each.prints and any(not each.differs_from(other) for other in candidates if other is not each)
    ]


def _equal(candidates: Iterable[_Candidate], size: int) -> list[list[_Candidate]]:
    """Return those that are equal to others, together with these."""
    by_print: dict[bytes, list[_Candidate]] = {}
    for candidate in candidates:
        if size in candidate.prints:
            by_print.setdefault(candidate.prints[size], []).append(candidate)
    return [some for some in by_print.values() if len(some) > 1]


def _different(candidates: Sequence[_Candidate], equal: Iterable[Iterable[_Candidate]]) -> Iterator[LeftOut]:
    """Yield those of several candidates that turned out to be equal to no other."""
    copies = {candidate for some in equal for candidate in some}
    if len(candidates) > 1:
        for candidate in candidates:
            if candidate not in copies:
                message = "equal to others in size and samples only"
                yield LeftOut(candidate.path, "different", message)


def _marks(stat: os.stat_result) -> tuple[int, Stamp]:
    return stat.st_dev, Stamp.of(stat)


def _unstable(path: bytes) -> LeftOut:
    return LeftOut(path, "unstable", "changed while it was compared")


def _failed(path: bytes, error: OSError) -> LeftOut:
    failure = os_failure("digest", error)
    return LeftOut(path, failure.reason, failure.message, is_failure=True)
