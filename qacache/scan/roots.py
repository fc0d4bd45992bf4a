"""Roots: which of the folders that were asked for can be trusted to be what they were.

In: paths of folders, and what the store knows of them. Out: the admitted ones in walking order, and for each other
a sentence that says why not. A mount that went away leaves an empty folder behind; to scan that as if it were the
library would mark every file as vanished.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qacache.errors import RootRefused
from qacache.filesystem import mount_of
from qacache.models import RootIdentity
from qacache.paths import as_folder
from qacache.scan.discovery import collapse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.store.reader import Reader, Root

_HINT = "check that the folder is there and mounted"
_HINT_IF_ACCEPTABLE = f"{_HINT}; if this is how it is to be, say so with --accept-shrink"
_EMPTY = "root is empty, but the store knows files in it"
_REPLACED = "root is not what it was"
_SHRUNKEN = "root has lost too many files"


@dataclass(frozen=True, slots=True)
class Admission:
    """Which roots may be scanned, and why others may not.

    `guarded` are the roots, and those of earlier scans that lie inside one, each with what it was before the scan:
    device and inode, None where it is not to be trusted at all.
    """

    roots: list[bytes]
    refusals: list[str]
    guarded: Mapping[bytes, tuple[int, int] | None] = field(default_factory=dict)

    def lost(self, path: bytes) -> bytes | None:
        """Return the guarded folder that `path` is or lies in and that is not what it was, None if all are."""
        for folder, identity in self.guarded.items():
            is_around = path == folder or path.startswith(as_folder(folder))
            if is_around and (identity is None or identity != identity_of(folder)):
                return folder
        return None

    def raise_refusals(self) -> None:
        """Raise `RootRefused` if any root was refused."""
        if self.refusals:
            is_acceptable = any(refusal.startswith((_EMPTY, _REPLACED, _SHRUNKEN)) for refusal in self.refusals)
            raise RootRefused("\n".join(self.refusals), hint=_HINT_IF_ACCEPTABLE if is_acceptable else _HINT)

    def refuse_shrunken(self, root: bytes, why: str) -> None:
        """Take back the trust in a root, of which too many files turned out to be missing."""
        self.refusals.append(f"{_SHRUNKEN}: {_name(root)}: {why}")


def admit(roots: Sequence[bytes], reader: Reader, *, accept_shrink: bool = False) -> Admission:
    """Return which of `roots` may be scanned."""
    before = {root.path: root for root in reader.roots()}
    known = list(before)
    # before anything else: what is unmounted from here on is noticed
    identities = {folder: identity_of(folder) for folder in (*roots, *known)}
    refusals = {root: reason for root in roots if (reason := _refusal(root, reader, accept_shrink))}
    for root in roots:
        if root in before and root not in refusals and not accept_shrink and _is_replaced(before[root], reader):
            refusals[root] = f"{_REPLACED}: {_name(root)}: {_expected(before[root])}"
    admitted = collapse([root for root in roots if root not in refusals])
    inside = [folder for folder in identities if any(folder.startswith(as_folder(root)) for root in admitted)]
    for folder in inside:
        if folder not in refusals and (reason := _refusal_inside(folder, reader, accept_shrink)):
            refusals[folder] = reason
    guarded = {root: identities.get(root) for root in admitted}
    for folder in inside:
        if folder in refusals:
            guarded[folder] = None
        elif identities[folder] is not None:
            guarded[folder] = identities[folder]
        # else it is gone, and that is believed
    return Admission(admitted, list(refusals.values()), guarded)


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
    was = f"it was {then.filesystem} {then.source}" if then.source else "it was another folder"
    if now.source and now[1:3] != then[1:3]:
        was += f", it is {now.filesystem} {now.source}"
    return f"{was}, with {before.file_count:,} files, of which none that was looked for is there"


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


def _refusal(root: bytes, reader: Reader, accept_shrink: bool) -> str | None:
    try:
        is_empty = _is_empty(root)
    except FileNotFoundError:
        return f"root is missing: {_name(root)}"
    except NotADirectoryError:
        return f"root is no folder: {_name(root)}"
    except OSError as error:
        return f"root cannot be listed: {_name(root)}: {(error.strerror or str(error)).lower()}"
    return _refusal_if_empty(root, is_empty and not accept_shrink, reader)


def _refusal_inside(folder: bytes, reader: Reader, accept_shrink: bool) -> str | None:
    """Return why a root of an earlier scan, inside one of this scan, is not to be believed to be empty, or gone."""
    try:
        is_empty = _is_empty(folder)
    except (FileNotFoundError, NotADirectoryError):
        is_empty = True
    except OSError:
        return None  # discovery tells, and leaves its rows alone
    return _refusal_if_empty(folder, is_empty and not accept_shrink, reader)


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
