"""Discovery: which files there are.

In: root folders. Out: the files that may be videos, in the byte order of whole paths, a run of neighbours at a
time; and a `Failed` for each folder or name that could not be looked at. The order is what lets the merge join
compare with the store row by row: each folder is sorted by name bytes, folders as `name/`.

Symbolic links to folders are not entered, so there are no loops; symbolic links to files count as the files
that they lead to.
"""

from __future__ import annotations

import os
import re
import stat as stat_module
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from qacache.events import Failed
from qacache.models import Failure
from qacache.os_failures import os_failure
from qacache.paths import as_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

Run = list[tuple[bytes, os.stat_result]]
"""Files that stand next to each other in path order, each with what `os.stat` says of it."""

_SLASH = 0x2F

# Bounds what a folder of a million files keeps in memory at a time.
_LONGEST_RUN = 1000

_ODD_KINDS = (
    (stat_module.S_ISFIFO, "a FIFO"),
    (stat_module.S_ISSOCK, "a socket"),
    (stat_module.S_ISCHR, "a character device"),
    (stat_module.S_ISBLK, "a block device"),
)


class Filters:
    """Which names are looked at: files with one of `extensions`, and nothing that `skip_names` matches.

    `extensions` are without dot; `skip_names` are names or `fnmatch` patterns of files and folders.
    """

    def __init__(self, extensions: Sequence[str], skip_names: Sequence[str] = ()) -> None:
        self._extensions = frozenset(b"." + os.fsencode(extension.lower()) for extension in extensions)
        self._skip_names = tuple(skip_names)
        self._matches_skipped = _pattern(skip_names).match
        # spares nearly every name the pattern: few names begin as one that is skipped does
        self._first_bytes = frozenset(byte for name in skip_names for byte in _first_bytes(name))

    def wanted_files(self, names: list[bytes]) -> list[bytes]:
        """Return those of the `names` of files that may be videos."""
        extensions, first_bytes, matches_skipped = self._extensions, self._first_bytes, self._matches_skipped
        return [
            name
            for name in names
            # from the second byte on: a name that is nothing but ".mp4" has no extension
            if ((extension := name[name.rfind(b".", 1) :]) in extensions or extension.lower() in extensions)
            and (name[0] not in first_bytes or not matches_skipped(name))
        ]

    def wanted_folders(self, names: list[bytes]) -> list[bytes]:
        """Return those of the `names` of folders that are entered."""
        return [name for name in names if not self._matches_skipped(name)]

    def has_wanted_extension(self, name: bytes) -> bool:
        """Whether the name of a file ends with one of the extensions, in any case."""
        return name[name.rfind(b".", 1) :].lower() in self._extensions

    def skipping_pattern(self, name: bytes) -> str | None:
        """Return which of the `skip_names` matches the name of a file or folder; None where none does."""
        return next((each for each in self._skip_names if _pattern([each]).match(name)), None)


def discover(
    root: bytes,
    filters: Filters,
    *,
    looker: Looker | None = None,
    is_over: Callable[[bytes], bool] = lambda folder: False,
) -> Iterator[Run | Failed]:
    """Yield all files below `root` that `filters` wants, and a `Failed` for what could not be looked at.

    `looker` is what looks at the disk; by default that is this thread, when it needs to know. What `is_over(folder)` is
    passed over, and nothing told of it.
    """
    looker = looker or LOOK_AT_ONCE
    coming = deque([Step(root, filters)])
    while coming:
        if is_over(coming[0].folder):
            coming.popleft()
            continue
        looker.begin(coming)
        step = coming.popleft()
        try:
            found = looker.finish(step)
        except OSError as error:
            yield Failed(step.folder, os_failure("list", error))
            continue
        if isinstance(found, Listing):
            coming.extendleft(reversed(step.after(found, looker.most_names)))
        else:
            yield from found


def count_files(roots: Sequence[bytes], filters: Filters, *, is_over: Callable[[], bool]) -> int | None:
    """Return how many files `discover` is going to find, None if time `is_over` before they are counted.

    For a display of the time left: listing folders without a look at the files takes a small part of a walk.
    """
    count = 0
    folders = list(roots)
    while folders:
        if is_over():
            return None
        folder = folders.pop()
        with suppress(OSError):
            names = _list_folder(folder, filters).names
            inner = [as_folder(folder) + name[:-1] for name in names if name[-1] == _SLASH]
            count += len(names) - len(inner)
            folders += inner
    return count


@dataclass(frozen=True, slots=True)
class Listing:
    """What one folder holds: names in walking order (folders end with a slash); `odd` are no plain files."""

    names: list[bytes]
    odd: frozenset[bytes]


@dataclass(slots=True)
class Step:
    """A step of the walk: to list a folder, or where there are `names`, to look at these files in it.

    `work`, where somebody does it ahead of the walk, is the `take` of this step, and `began` when that began.
    """

    folder: bytes
    filters: Filters
    names: list[bytes] = field(default_factory=list)
    odd: frozenset[bytes] = frozenset()
    work: Future[Listing | list[Run | Failed]] | None = None
    began: float | None = None
    _after: list[Step] | None = None

    def take(self) -> Listing | list[Run | Failed]:
        """Take the step; raises `OSError` where the folder cannot be listed."""
        return _look(self.folder, self.names, self.odd) if self.names else _list_folder(self.folder, self.filters)

    def after(self, listing: Listing, most_names: int) -> list[Step]:
        """Return the steps through the folder that this one listed, in walking order: always the same ones."""
        if self._after is None:
            self._after = list(self._steps(listing, most_names))
        return self._after

    def _steps(self, listing: Listing, most_names: int) -> Iterator[Step]:
        prefix = as_folder(self.folder)
        names: list[bytes] = []
        for name in listing.names:
            is_folder = name[-1] == _SLASH
            if names and (is_folder or len(names) == most_names):
                yield Step(self.folder, self.filters, names, listing.odd)
                names = []
            if is_folder:
                yield Step(prefix + name[:-1], self.filters)
            else:
                names.append(name)
        if names:
            yield Step(self.folder, self.filters, names, listing.odd)


class Looker(Protocol):
    """Takes the steps of a walk, at most `most_names` files in one."""

    most_names: int

    def begin(self, steps: Iterable[Step]) -> None:
        """Begin what can be begun of the `steps` that come next."""

    def finish(self, step: Step) -> Listing | list[Run | Failed]:
        """Return what came of a step; raises `OSError` where the folder cannot be listed."""


class _LookAtOnce:
    """Takes each step when it is its turn."""

    most_names = _LONGEST_RUN

    def begin(self, steps: Iterable[Step]) -> None:
        pass

    def finish(self, step: Step) -> Listing | list[Run | Failed]:
        return step.take()


LOOK_AT_ONCE = _LookAtOnce()


def _list_folder(folder: bytes, filters: Filters) -> Listing:
    files: list[bytes] = []
    folders: list[bytes] = []
    odd: list[bytes] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                files.append(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                odd.append(entry.name)
    odd = filters.wanted_files(odd)
    names = filters.wanted_files(files) + odd + [name + b"/" for name in filters.wanted_folders(folders)]
    names.sort()
    return Listing(names, frozenset(odd))


def _look(folder: bytes, names: list[bytes], odd: frozenset[bytes]) -> list[Run | Failed]:
    """Return the files `names` of `folder` as runs, and what cannot be looked at as failures between them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _stat_names(as_folder(folder), names, odd, descriptor)
    finally:
        os.close(descriptor)


def _stat_names(prefix: bytes, names: list[bytes], odd: frozenset[bytes], descriptor: int) -> list[Run | Failed]:
    """Return what `os.stat` says of each name, relative to the open folder: the kernel need not look its path up."""
    stat = os.stat
    if not odd:
        with suppress(OSError):
            return [[(prefix + name, stat(name, dir_fd=descriptor, follow_symlinks=False)) for name in names]]
    return _stat_one_by_one(prefix, names, odd, descriptor)


def _stat_one_by_one(prefix: bytes, names: list[bytes], odd: frozenset[bytes], descriptor: int) -> list[Run | Failed]:
    run: Run = []
    outcomes: list[Run | Failed] = [run]
    for name in names:
        try:
            stat = os.stat(name, dir_fd=descriptor, follow_symlinks=name in odd)
        except FileNotFoundError as error:
            if name not in odd:
                continue  # it went since the folder was listed: the merge join finds out what that means
            failure = Failure(
                "stat", "dangling-symlink", f"symbolic link to nothing ({os.strerror(error.errno or 0).lower()})"
            )
        except OSError as error:
            failure = os_failure("stat", error)
        else:
            if name not in odd or stat_module.S_ISREG(stat.st_mode):
                run.append((prefix + name, stat))
                continue
            if stat_module.S_ISDIR(stat.st_mode):
                continue
            failure = _odd_failure(stat.st_mode)
        run = []
        outcomes += [Failed(prefix + name, failure), run]
    return [outcome for outcome in outcomes if outcome]


def _odd_failure(mode: int) -> Failure:
    kind = next((kind for is_kind, kind in _ODD_KINDS if is_kind(mode)), "something else")
    return Failure("stat", "not-a-file", f"{kind}, not a file")


def _first_bytes(pattern: str) -> Sequence[int]:
    """Return the bytes that names begin with which the `fnmatch` pattern matches."""
    return range(256) if pattern[:1] in {"", "*", "?", "["} else os.fsencode(pattern)[:1]


def _pattern(skip_names: Sequence[str]) -> re.Pattern[bytes]:
    import fnmatch

    # what matches nothing, where nothing is skipped
    text = "|".join(fnmatch.translate(name) for name in skip_names) or r"(?!)"
    return re.compile(os.fsencode(text))
