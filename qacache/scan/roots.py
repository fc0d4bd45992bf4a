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
from qacache.scan.discovery import collapse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.store.reader import Reader

_HINT = "check that the folder is there and mounted"
_HINT_IF_EMPTY = f"{_HINT}; if its files are really gone, say so with --accept-shrink"
_EMPTY = "root is empty, but the store knows files in it"


@dataclass(frozen=True, slots=True)
class Admission:
    """Which roots may be scanned, and why the others may not."""

    roots: list[bytes]
    refusals: list[str]
    identities: Mapping[bytes, tuple[int, int]] = field(default_factory=dict)

    def is_same_root(self, root: bytes) -> bool:
        """Whether `root` still is the folder that was admitted, and nothing was mounted there, or unmounted."""
        return identity_of(root) == self.identities.get(root)

    def raise_refusals(self) -> None:
        """Raise `RootRefused` if any root was refused."""
        if self.refusals:
            is_empty = any(refusal.startswith(_EMPTY) for refusal in self.refusals)
            raise RootRefused("\n".join(self.refusals), hint=_HINT_IF_EMPTY if is_empty else _HINT)


def admit(roots: Sequence[bytes], reader: Reader, *, accept_shrink: bool = False) -> Admission:
    """Return which of `roots` may be scanned."""
    refusals = {root: reason for root in roots if (reason := _refusal(root, reader, accept_shrink))}
    trusted = [root for root in roots if root not in refusals]
    admitted = collapse(trusted)
    identities = {root: identity for root in admitted if (identity := identity_of(root)) is not None}
    return Admission(admitted, list(refusals.values()), identities)


def identity_of(root: bytes) -> tuple[int, int] | None:
    """Return device and inode of a folder, None where it cannot be looked at."""
    try:
        stat = os.stat(root)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _refusal(root: bytes, reader: Reader, accept_shrink: bool) -> str | None:
    # the message is a sentence a line, whatever the folder is called
    name = os.fsdecode(root).replace("\n", r"\x0a")
    try:
        with os.scandir(root) as entries:
            is_empty = next(entries, None) is None
    except FileNotFoundError:
        return f"root is missing: {name}"
    except NotADirectoryError:
        return f"root is no folder: {name}"
    except OSError as error:
        return f"root cannot be listed: {name}: {(error.strerror or str(error)).lower()}"
    if is_empty and not accept_shrink and any(row[3] != "vanished" for row in reader.known_files(root)):
        return f"{_EMPTY}: {name}"
    return None
