"""Roots: which of the folders that were asked for can be trusted to be what they were.

In: paths of folders, and what the store knows of them. Out: the admitted ones in walking order, and for each other
a sentence that says why not. A mount that went away leaves an empty folder behind; to scan that as if it were the
library would mark every file as vanished.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import RootRefused
from qacache.filesystem import mount_of
from qacache.models import RootIdentity
from qacache.os_failures import NoAnswer
from qacache.paths import as_folder, shown_root
from qacache.scan.merge import is_gone
from qacache.scan.places import places_at, silent_place
from qacache.scan.workers import within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.scan.mounts import Mounts
    from qacache.scan.places import Place
    from qacache.store.reader import KnownFile, Reader, Root

_HINT = "check that the folder is there and mounted"
_HINT_IF_ACCEPTABLE = f"{_HINT}; if this is how it is to be, say so with --accept-shrink"
_EMPTY = "root is empty, but the store knows files in it"
_REPLACED = "root is not what it was"
_SHRUNKEN = "root has lost too many files"


class Look(NamedTuple):
    """The first look at a folder: what it is, None where it cannot be looked at, and the places at and below it.

    `mark` is device and inode. `is_empty` is None where the folder cannot be listed, for the reason `error`.
    """

    places: list[Place]
    mark: tuple[int, int] | None = None
    identity: RootIdentity | None = None
    is_empty: bool | None = None
    error: OSError | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Which roots may be scanned, and why others may not.

    `guarded` are the roots, those of earlier scans that lie inside one, and what is mounted there, each with what it
    was before the scan: device and inode, None where it is not to be trusted at all. `identities` are what the roots
    are.
    """

    mounts: Mounts
    roots: list[bytes]
    refusals: list[str]
    guarded: Mapping[bytes, tuple[int, int] | None] = field(default_factory=dict)
    identities: Mapping[bytes, RootIdentity] = field(default_factory=dict)

    def lost(self, path: bytes) -> bytes | None:
        """Return the guarded folder that `path` is or lies in and that is not what it was, None if all are."""
        for folder, mark in self.guarded.items():
            is_around = path == folder or path.startswith(as_folder(folder))
            if is_around and (mark is None or mark != self._mark_now(folder)):
                return folder
        return None

    def is_gone(self, path: bytes) -> bool:
        """Whether the operating system says for sure that there is no such file."""
        try:
            return not self.mounts.is_over(path) and self.mounts.look(path, is_gone, path)
        except NoAnswer:
            return False

    def _mark_now(self, folder: bytes) -> tuple[int, int] | None:
        try:
            return self.mounts.look(folder, _mark, folder)
        except NoAnswer:
            return None

    def raise_refusals(self) -> None:
        """Raise `RootRefused` if any root was refused."""
        if self.refusals:
            is_acceptable = any(refusal.startswith((_EMPTY, _REPLACED, _SHRUNKEN)) for refusal in self.refusals)
            raise RootRefused("\n".join(self.refusals), hint=_HINT_IF_ACCEPTABLE if is_acceptable else _HINT)

    def refuse_shrunken(self, root: bytes, why: str) -> None:
        """Take back the trust in a root, of which too many files turned out to be missing."""
        self.refusals.append(f"{_SHRUNKEN}: {shown_root(root)}: {why}")


def admit(roots: Sequence[bytes], reader: Reader, mounts: Mounts, *, accept_shrink: bool = False) -> Admission:
    """Return which of `roots` may be scanned; one that does not answer in time may not. `mounts` learn the places."""
    roots = list(dict.fromkeys(root.rstrip(b"/") or b"/" for root in roots))
    before = {root.path: root for root in reader.roots()}
    known = [path for path in before if any(path.startswith(as_folder(root)) for root in roots)]
    # before anything else: what is unmounted from here on is noticed
    looks = _first_looks([*roots, *known], mounts.hang_s)
    mounts.add(place for look in looks.values() for place in look.places)
    refusals = {}
    for root in roots:
        if reason := _refusal(root, looks[root], before.get(root), reader, accept_shrink, mounts.hang_s):
            refusals[root] = reason
    admitted = collapse({root: looks[root].places[0].real_folder for root in roots if root not in refusals})
    inside = [folder for folder in looks if any(folder.startswith(as_folder(root)) for root in admitted)]
    for folder in inside:
        if reason := _refusal_inside(folder, looks[folder], reader, accept_shrink):
            refusals[folder] = reason
    # one inside that is gone, and was not refused, is believed to be
    guarded = {
        folder: None if folder in refusals else looks[folder].mark
        for folder in (*admitted, *inside)
        if folder in admitted or folder in refusals or looks[folder].mark is not None
    }
    identities = {root: identity for root in admitted if (identity := looks[root].identity)}
    return Admission(mounts, admitted, list(refusals.values()), guarded, identities)


def collapse(real_folders: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the roots in walking order, without those that lie inside another or are the same folder.

    `real_folders` has what each root is without symbolic links.
    """
    kept: dict[bytes, bytes] = {}
    for root, real_folder in sorted(real_folders.items(), key=lambda each: as_folder(each[0])):
        real = as_folder(real_folder)
        if not any(real.startswith(outer) for outer in kept.values()):
            kept = {name: inner for name, inner in kept.items() if not inner.startswith(real)}
            kept[root] = real
    return list(kept)


def _first_looks(folders: Sequence[bytes], hang_s: float) -> dict[bytes, Look]:
    """Return what is at each of `folders`, and at what is mounted below them."""
    looks: dict[bytes, Look] = {}
    coming = deque(folders)
    while coming:
        folder = coming.popleft()
        if folder not in looks:
            try:
                looks[folder] = within(hang_s, _look_at, folder)
            except NoAnswer as error:
                looks[folder] = Look([silent_place(folder)], error=error)
            coming += [place.folder for place in looks[folder].places]
    return looks


def _look_at(folder: bytes) -> Look:
    places = places_at(folder)
    mark, identity = _mark(folder), identify(folder)
    try:
        with os.scandir(folder) as entries:
            return Look(places, mark, identity, is_empty=next(entries, None) is None)
    except OSError as error:
        return Look(places, mark, identity, error=error)


def _is_replaced(now: RootIdentity, before: Root, reader: Reader, hang_s: float) -> bool:
    """Whether another folder, or another filesystem, is there now, and none of the files that are looked for.

    Raises `NoAnswer`.
    """
    then = before.identity
    is_other_folder = None not in (now.inode, then.inode) and now.inode != then.inode
    if not (_is_other_mount(now, then) or is_other_folder):
        return False
    # devices get other names, and network filesystems other inodes: what counts is what is in it
    anchors = reader.anchors(before.path)
    return bool(anchors) and not within(hang_s, _has_any, anchors)


def _expected(now: RootIdentity, before: Root) -> str:
    then = before.identity
    if _is_other_mount(now, then):
        what = f"{then.filesystem} {then.source} was mounted there, and now {now.filesystem} {now.source} is"
    else:
        what = "another folder is there now"
    return f"{what}; of its {before.file_count:,} files none that was looked for is there"


def _is_other_mount(now: RootIdentity, then: RootIdentity) -> bool:
    return None not in (now.source, then.source) and now[1:3] != then[1:3]


def _has_any(anchors: Sequence[KnownFile]) -> bool:
    return any(_has_size(anchor.path, anchor.size) for anchor in anchors)


def _has_size(path: bytes, size: int) -> bool:
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False


def identify(root: bytes) -> RootIdentity:
    """Return what `root` is, for its next scan to compare with."""
    mount = mount_of(os.fsdecode(root))
    try:
        inode = os.stat(root).st_ino
    except OSError:
        inode = None
    if mount is None:
        return RootIdentity(os.path.realpath(root), inode=inode)
    return RootIdentity(os.path.realpath(root), mount.type, mount.source, inode)


def _mark(folder: bytes) -> tuple[int, int] | None:
    """Return device and inode of a folder, None where it cannot be looked at."""
    try:
        stat = os.stat(folder)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _refusal(
    root: bytes, look: Look, before: Root | None, reader: Reader, accept_shrink: bool, hang_s: float
) -> str | None:
    if look.error:
        return _unlistable(root, look.error)
    if accept_shrink:
        return None
    if look.is_empty:
        return _refusal_if_filled(root, reader)
    try:
        if before and look.identity and _is_replaced(look.identity, before, reader, hang_s):
            return f"{_REPLACED}: {shown_root(root)}: {_expected(look.identity, before)}"
    except NoAnswer as error:
        return _unlistable(root, error)
    return None


def _refusal_inside(folder: bytes, look: Look, reader: Reader, accept_shrink: bool) -> str | None:
    """Return why a root of an earlier scan, or a mount, inside one of this scan is not to be believed to be empty."""
    if isinstance(look.error, NoAnswer):
        return _unlistable(folder, look.error)
    is_missing = isinstance(look.error, FileNotFoundError | NotADirectoryError)
    # any other error is told by discovery, which leaves its rows alone
    return _refusal_if_filled(folder, reader) if (look.is_empty or is_missing) and not accept_shrink else None


def _unlistable(root: bytes, error: OSError) -> str:
    match error:
        case NoAnswer():
            return f"root does not answer: {shown_root(root)}: {error}"
        case FileNotFoundError():
            return f"root is missing: {shown_root(root)}"
        case NotADirectoryError():
            return f"root is no folder: {shown_root(root)}"
    return f"root cannot be listed: {shown_root(root)}: {(error.strerror or str(error)).lower()}"


def _refusal_if_filled(folder: bytes, reader: Reader) -> str | None:
    return f"{_EMPTY}: {shown_root(folder)}" if _has_files(folder, reader) else None


def _has_files(folder: bytes, reader: Reader) -> bool:
    return any(row[3] != "vanished" for row in reader.known_files(folder))
