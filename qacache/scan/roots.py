"""Roots: which of the folders that were asked for can be trusted to be what they were.

In: paths of folders, and what the store knows of them. Out: the admitted ones in walking order, and for each other
a sentence that says why not. A mount that went away leaves an empty folder behind; to scan that as if it were the
library would mark every file as vanished.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import RootRefused
from qacache.filesystem import is_network_type, mount_of, mounts_below
from qacache.models import RootIdentity
from qacache.os_failures import NoAnswer
from qacache.paths import as_folder
from qacache.scan.discovery import collapse
from qacache.scan.merge import is_gone
from qacache.scan.workers import within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.store.reader import Reader, Root

_HINT = "check that the folder is there and mounted"
_HINT_IF_ACCEPTABLE = f"{_HINT}; if this is how it is to be, say so with --accept-shrink"
_EMPTY = "root is empty, but the store knows files in it"
_REPLACED = "root is not what it was"
_SHRUNKEN = "root has lost too many files"


class Look(NamedTuple):
    """The first look at a folder: its device and inode, if any, and whether it is on a network mount, or around one."""

    identity: tuple[int, int] | None
    is_network: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Which roots may be scanned, and why others may not.

    `guarded` are the roots, and those of earlier scans that lie inside one, each with what it was before the scan:
    device and inode, None where it is not to be trusted at all. `networks` are those that a server may leave without an
    answer; after `hang_s` seconds they count as gone.
    """

    roots: list[bytes]
    refusals: list[str]
    guarded: Mapping[bytes, tuple[int, int] | None] = field(default_factory=dict)
    networks: frozenset[bytes] = frozenset()
    hang_s: float = 60.0

    def lost(self, path: bytes) -> bytes | None:
        """Return the guarded folder that `path` is or lies in and that is not what it was, None if all are."""
        for folder, identity in self.guarded.items():
            is_around = path == folder or path.startswith(as_folder(folder))
            if is_around and (identity is None or identity != self._identity_now(folder)):
                return folder
        return None

    def is_gone(self, path: bytes) -> bool:
        """Whether the operating system says for sure that there is no such file; raises `NoAnswer`."""
        return within(self.hang_s, is_gone, path) if self.is_network(path) else is_gone(path)

    def is_network(self, path: bytes) -> bool:
        """Whether what `path` is on may be left without an answer."""
        return any(path == folder or path.startswith(as_folder(folder)) for folder in self.networks)

    def _identity_now(self, folder: bytes) -> tuple[int, int] | None:
        if not self.is_network(folder):
            return identity_of(folder)
        try:
            return within(self.hang_s, identity_of, folder)
        except NoAnswer:
            return None

    def raise_refusals(self) -> None:
        """Raise `RootRefused` if any root was refused."""
        if self.refusals:
            is_acceptable = any(refusal.startswith((_EMPTY, _REPLACED, _SHRUNKEN)) for refusal in self.refusals)
            raise RootRefused("\n".join(self.refusals), hint=_HINT_IF_ACCEPTABLE if is_acceptable else _HINT)

    def refuse_shrunken(self, root: bytes, why: str) -> None:
        """Take back the trust in a root, of which too many files turned out to be missing."""
        self.refusals.append(f"{_SHRUNKEN}: {_name(root)}: {why}")


def admit(roots: Sequence[bytes], reader: Reader, *, accept_shrink: bool = False, hang_s: float = 60.0) -> Admission:
    """Return which of `roots` may be scanned; one that does not answer in `hang_s` seconds may not."""
    before = {root.path: root for root in reader.roots()}
    known = [path for path in before if any(path.startswith(as_folder(root)) for root in roots)]
    # before anything else: what is unmounted from here on is noticed
    looks, refusals = _first_looks([*roots, *known], hang_s)
    for root in roots:
        if root not in refusals and (reason := _refusal(root, before.get(root), reader, accept_shrink, hang_s)):
            refusals[root] = reason
    admitted = collapse([root for root in roots if root not in refusals])
    inside = [folder for folder in looks if any(folder.startswith(as_folder(root)) for root in admitted)]
    for folder in inside:
        if folder not in refusals and (reason := _refusal_inside(folder, reader, accept_shrink)):
            refusals[folder] = reason
    # one inside that is gone, and was not refused, is believed to be
    guarded = {
        folder: None if folder in refusals else looks[folder].identity
        for folder in (*admitted, *inside)
        if folder in admitted or folder in refusals or looks[folder].identity is not None
    }
    networks = frozenset(folder for folder, look in looks.items() if look.is_network)
    return Admission(admitted, list(refusals.values()), guarded, networks, hang_s)


def _first_looks(folders: Sequence[bytes], hang_s: float) -> tuple[dict[bytes, Look], dict[bytes, str]]:
    """Return what is at each of `folders`, and a refusal for those that do not answer."""
    looks: dict[bytes, Look] = {}
    refusals: dict[bytes, str] = {}
    for folder in folders:
        try:
            looks[folder] = within(hang_s, _look_at, folder)
        except NoAnswer as error:
            looks[folder] = Look(None, is_network=True)
            refusals[folder] = _unlistable(folder, error)
    return looks, refusals


def _look_at(folder: bytes) -> Look:
    name = os.fsdecode(folder)
    mounts = [mount_of(name), *mounts_below(name)]
    return Look(identity_of(folder), any(mount and is_network_type(mount.type) for mount in mounts))


def _is_replaced(before: Root, reader: Reader) -> bool:
    """Whether another folder, or another filesystem, is there now, and none of the files that are looked for."""
    now, then = identify(before.path), before.identity
    is_other_mount = None not in (now.source, then.source) and now[1:3] != then[1:3]
    is_other_folder = None not in (now.inode, then.inode) and now.inode != then.inode
    if not (is_other_mount or is_other_folder):
        return False
    # devices get other names, and network filesystems other inodes: what counts is what is in it
    anchors = reader.anchors(before.path)
    return bool(anchors) and not any(_has_size(anchor.path, anchor.size) for anchor in anchors)


def _expected(before: Root) -> str:
    now, then = identify(before.path), before.identity
    if None not in (now.source, then.source) and now[1:3] != then[1:3]:
        what = f"{then.filesystem} {then.source} was mounted there, and now {now.filesystem} {now.source} is"
    else:
        what = "another folder is there now"
    return f"{what}; of its {before.file_count:,} files none that was looked for is there"


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


def identity_of(folder: bytes) -> tuple[int, int] | None:
    """Return device and inode of a folder, None where it cannot be looked at."""
    try:
        stat = os.stat(folder)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _refusal(root: bytes, before: Root | None, reader: Reader, accept_shrink: bool, hang_s: float) -> str | None:
    try:
        is_empty = within(hang_s, _is_empty, root)
    except OSError as error:
        return _unlistable(root, error)
    if is_empty and not accept_shrink:
        return _refusal_if_empty(root, True, reader)
    if before and not accept_shrink and _is_replaced(before, reader):
        return f"{_REPLACED}: {_name(root)}: {_expected(before)}"
    return None


def _refusal_inside(folder: bytes, reader: Reader, accept_shrink: bool) -> str | None:
    """Return why a root of an earlier scan, inside one of this scan, is not to be believed to be empty, or gone."""
    try:
        is_empty = _is_empty(folder)
    except (FileNotFoundError, NotADirectoryError):
        is_empty = True
    except OSError:
        return None  # discovery tells, and leaves its rows alone
    return _refusal_if_empty(folder, is_empty and not accept_shrink, reader)


def _unlistable(root: bytes, error: OSError) -> str:
    match error:
        case NoAnswer():
            return f"root does not answer: {_name(root)}: {error}"
        case FileNotFoundError():
            return f"root is missing: {_name(root)}"
        case NotADirectoryError():
            return f"root is no folder: {_name(root)}"
    return f"root cannot be listed: {_name(root)}: {(error.strerror or str(error)).lower()}"


def _is_empty(folder: bytes) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def _refusal_if_empty(folder: bytes, is_suspicious: bool, reader: Reader) -> str | None:
    return f"{_EMPTY}: {_name(folder)}" if is_suspicious and _has_files(folder, reader) else None


def _has_files(folder: bytes, reader: Reader) -> bool:
    return any(row[3] != "vanished" for row in reader.known_files(folder))


def _name(folder: bytes) -> str:
    # the message is a sentence a line, whatever the folder is called
    return os.fsdecode(folder).replace("\n", r"\x0a")
