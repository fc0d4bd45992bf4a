"""The difference between two scans: what several changes of each file come to, and what that weighs.

In: the changes of the journal, in order. Out: one `NetChange` for each file that is not as it was, and the sums by
kind and by folder. Memory is in proportion to the changes, whatever the size of the library.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from qacache.paths import as_folder
from qacache.record import path_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qacache.store.history import Change, ChangeKind, History


class NetChange(NamedTuple):
    """What became of one file between two moments. Sizes are in bytes, None where it was not.

    `from_path` is where it was before, if not at `path`. A file that was moved and got other content, too, is
    `replaced` or `re-encoded`, with a `from_path`.
    """

    kind: ChangeKind
    path: bytes
    from_path: bytes | None
    size_before: int | None
    size_after: int | None
    codec_before: str | None = None
    codec_after: str | None = None

    @property
    def size_delta(self) -> int:
        """By how many bytes the library grew."""
        return (self.size_after or 0) - (self.size_before or 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the change as programs see it, ready for JSON."""
        origin = path_fields(self.from_path) if self.from_path is not None else {"path": None}
        return {
            "event": "change",
            "kind": self.kind,
            **path_fields(self.path),
            **{f"from_{key}": text for key, text in origin.items()},
            "size_before": self.size_before,
            "size_after": self.size_after,
            "size_delta": self.size_delta,
            "codec_before": self.codec_before,
            "codec_after": self.codec_after,
        }


@dataclass(slots=True)
class KindSum:
    """All changes of one kind: how many files, and their bytes before and after."""

    count: int = 0
    size_before: int = 0
    size_after: int = 0

    @property
    def size_delta(self) -> int:
        """By how many bytes these changes made the library grow."""
        return self.size_after - self.size_before


class FolderSum(NamedTuple):
    """The changes of the files right in one folder: the bytes by which it grew, and how many changed, came or went."""

    path: bytes
    size_delta: int
    changes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the sum as programs see it, ready for JSON."""
        return {"event": "folder", **path_fields(self.path), "size_delta": self.size_delta, "changes": self.changes}


class Diff(NamedTuple):
    """A difference: files and folders by weight (the absolute size delta), the heaviest first, then by path."""

    files: list[NetChange]
    folders: list[FolderSum]
    kinds: dict[ChangeKind, KindSum]

    @property
    def size_delta(self) -> int:
        """By how many bytes the library grew in all."""
        return sum(kind.size_delta for kind in self.kinds.values())

    def totals(self) -> dict[str, Any]:
        """Return the sums over all files as programs see them, ready for JSON."""
        return {
            "files": len(self.files),
            "folders": len(self.folders),
            "size_delta": self.size_delta,
            "kinds": {name: {**asdict(kind), "size_delta": kind.size_delta} for name, kind in self.kinds.items()},
        }


def diff(changes: Iterable[Change], under: Sequence[bytes] = ()) -> Diff:
    """Return what `changes`, in the order in which they were noticed, come to.

    With `under` (absolute paths, spellings of one folder or file), all is as seen from there: what is elsewhere does
    not count, and of a file that was moved across the border one of the sizes is None.
    """
    files: Iterable[NetChange] = net_changes(changes)
    if under:
        files = filter(None, (_seen_from(under, file) for file in files))
    by_weight = sorted(files, key=lambda file: (-abs(file.size_delta), file.path))
    return Diff(by_weight, _by_folder(by_weight), _by_kind(by_weight))


def net_changes(changes: Iterable[Change]) -> Iterator[NetChange]:
    """Yield one change for each file that is not what, and where, it was before all `changes`, in no useful order."""
    composition = _Composition()
    for change in changes:
        composition.add(change)
    return composition.net()


class Place(NamedTuple):
    """Where a net change has its place among those of a scan: by the first change that speaks of its file."""

    change_id: int
    path: bytes
    kind: ChangeKind


class Placed(NamedTuple):
    """A net change, and its place."""

    place: Place
    change: NetChange


_place_of = attrgetter("place")


def changes_of_scan(history: History, scan_id: int, after: Place | None = None) -> Iterator[Placed]:
    """Yield what the changes of one scan come to, as `net_changes` does, from behind the place `after` on.

    Of the changes, those are held in memory at a time that speak of the same files. What a scan that runs notices
    meanwhile may make something else of what was yielded.
    """
    # what hangs together is looked up with the first of its changes, and not again with each of the others
    told: set[int] = set()
    for change in history.changes_of(scan_id, first=after.change_id if after else 0):
        if change.change_id in told:
            told.remove(change.change_id)
            continue
        linked = history.linked(change)
        told.update(each.change_id for each in linked if each.change_id > change.change_id)
        if linked and linked[0].change_id < change.change_id:
            continue  # a page before this one had all of these
        found = (Placed(Place(change.change_id, each.path, each.kind), each) for each in net_changes(linked))
        yield from sorted((each for each in found if after is None or each.place > after), key=_place_of)


class _Content(NamedTuple):
    size: int | None
    digest: bytes | None
    codec: str | None


@dataclass(slots=True)
class _File:
    """A file that some change speaks of, and its content by now.

    `origin` is the path that it had before all changes, None where it came since.
    """

    origin: bytes | None
    content: _Content
    was_replaced: bool = False


class _Composition:
    """Two states of a library, as far as changes speak of it: before all of them, and after those added so far."""

    def __init__(self) -> None:
        # by every path that was spoken of: what was there; None is no file
        self._before: dict[bytes, _Content | None] = {}
        self._here: dict[bytes, _File] = {}
        # by the last path, for those that come back
        self._gone: dict[bytes, _File] = {}

    def add(self, change: Change) -> None:
        before = _content(change.size_before, change.digest_before, change.codec_before)
        after = _content(change.size_after, change.digest_after, change.codec_after)
        path = change.path
        if change.kind == "added":
            self._put(path, self._returned(path, after), after)
        elif change.kind == "removed":
            self._remove(path, before)
        elif change.from_path is None:
            file = self._take(path, before)
            file.was_replaced |= change.kind == "replaced"
            self._put(path, file, after)
        elif change.kind == "moved":
            self._move(change.from_path, path, after, is_half_told=change.is_half_told)
        else:
            self._recode(change.from_path, path, before, after, is_half_told=change.is_half_told)

    def net(self) -> Iterator[NetChange]:
        """Yield what all comes to; nothing can be added any more."""
        held = self._hold_origins()
        while self._here:  # each makes room for what it comes to
            path, file = self._here.popitem()
            change = self._net(path, file)
            if change is not None:
                yield change
        for path, content in self._before.items():
            if content is not None and path not in held:
                yield NetChange("removed", path, None, content.size, None, content.codec)

    def _take(self, path: bytes, before: _Content) -> _File:
        """Return the file at `path`, which is not there any more."""
        if path not in self._before:
            self._before[path] = before
            return _File(path, before)
        return self._here.pop(path, None) or _File(None, before)

    def _is_away(self, path: bytes) -> bool:
        return path in self._before and path not in self._here

    def _put(self, path: bytes, file: _File, content: _Content) -> None:
        self._before.setdefault(path, None)
        file.content = content
        self._here[path] = file

    def _remove(self, path: bytes, before: _Content) -> None:
        if not self._is_away(path):
            self._gone[path] = self._take(path, before)

    def _returned(self, path: bytes, content: _Content) -> _File:
        """Return the file of that content that went from `path`, a new one if there is none."""
        file = self._gone.get(path)
        if file is None or not _is_same(file.content, content):
            return _File(None, content)
        return self._gone.pop(path)

    def _move(self, old_path: bytes, path: bytes, content: _Content, *, is_half_told: bool) -> None:
        if is_half_told:
            # it went before; unless the changes say so, before all of them
            self._before.setdefault(old_path, None)
        file = self._returned(old_path, content) if self._is_away(old_path) else self._take(old_path, content)
        self._put(path, file, content)

    def _recode(self, old_path: bytes, path: bytes, before: _Content, after: _Content, *, is_half_told: bool) -> None:
        file = self._take(old_path, before)
        instead = self._here.get(path)
        is_old = instead.origin is not None if instead else is_half_told and path not in self._before
        if is_old:
            self._gone[old_path] = file
        else:
            self._put(path, file, after)

    def _hold_origins(self) -> dict[bytes, _File]:
        """Settle which file is which where contents and paths are the same again; return the files by their origins.

        What is where its content always was is no news, whatever way it took.
        """
        holders = {file.origin: file for file in self._here.values() if file.origin is not None}
        for path, file in self._here.items():
            was = self._before[path]
            if file.origin == path or was is None or not _is_same(was, file.content):
                continue
            self._swap_origins(holders, path, file)
        for path, file in self._here.items():
            if file.origin is None and self._before[path] is not None and path not in holders:
                file.origin, file.was_replaced = path, True
                holders[path] = file
        return holders

    @staticmethod
    def _swap_origins(holders: dict[bytes, _File], path: bytes, file: _File) -> None:
        """Make `path` the origin of `file`, and its origin that of whichever came from `path`, if that is there."""
        other = holders.get(path)
        if other is not None:
            other.origin = file.origin
            other.was_replaced |= file.was_replaced
        if file.origin is not None:
            if other is None:
                del holders[file.origin]
            else:
                holders[file.origin] = other
        file.origin = path
        holders[path] = file

    def _net(self, path: bytes, file: _File) -> NetChange | None:
        content = file.content
        if file.origin is None:
            return NetChange("added", path, None, None, content.size, None, content.codec)
        before = self._before[file.origin]
        assert before is not None
        from_path = file.origin if file.origin != path else None
        kind: ChangeKind = "replaced" if file.was_replaced else "re-encoded"
        if _is_same(before, content):
            if from_path is None:
                return None
            kind = "moved"
        return NetChange(kind, path, from_path, before.size, content.size, before.codec, content.codec)


def _content(size: int | None, digest: bytes | None, codec: str | None) -> _Content:
    # there are few codecs, and many files of each
    return _Content(size, digest, codec and sys.intern(codec))


def _is_same(one: _Content, other: _Content) -> bool:
    # as the journal has it: what could not be read is taken for the same where the size is
    return one.size == other.size and (one.digest == other.digest or None in (one.digest, other.digest))


def _seen_from(folders: Sequence[bytes], file: NetChange) -> NetChange | None:
    """Return the change as far as it is at or below one of `folders`, None where it is not."""
    was_inside, is_inside = (_is_inside(path, folders) for path in (file.from_path or file.path, file.path))
    if not was_inside and not is_inside:
        return None
    return file._replace(
        size_before=file.size_before if was_inside else None, size_after=file.size_after if is_inside else None
    )


def _is_inside(path: bytes, folders: Sequence[bytes]) -> bool:
    return path in folders or path.startswith(tuple(map(as_folder, folders)))


def _by_kind(files: Iterable[NetChange]) -> dict[ChangeKind, KindSum]:
    sums: dict[ChangeKind, KindSum] = {}
    for file in files:
        kind = sums.setdefault(file.kind, KindSum())
        kind.count += 1
        kind.size_before += file.size_before or 0
        kind.size_after += file.size_after or 0
    return dict(sorted(sums.items()))


def _by_folder(files: Iterable[NetChange]) -> list[FolderSum]:
    sums: dict[bytes, list[int]] = {}
    for file in files:
        old_folder, folder = os.path.dirname(file.from_path or file.path), os.path.dirname(file.path)
        deltas = {}
        if file.size_before is not None:
            deltas[old_folder] = -file.size_before
        if file.size_after is not None:
            deltas[folder] = deltas.get(folder, 0) + file.size_after
        for name, size_delta in deltas.items():
            total = sums.setdefault(name, [0, 0])
            total[0] += size_delta
            total[1] += 1
    found = (FolderSum(path, *total) for path, total in sums.items())
    return sorted(found, key=lambda folder: (-abs(folder.size_delta), folder.path))
