"""Roots: which of the folders that were asked for can be trusted to be what they were.

In: paths of folders, and what the store knows of them. Out: the admitted ones in walking order, and for each other
a sentence that says why not. A mount that went away leaves an empty folder behind; to scan that as if it were the
library would mark every file as vanished.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qacache.errors import RootRefused
from qacache.scan.discovery import collapse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.store.reader import Reader

_HINT = "check that the folder is there and mounted; if its files are really gone, say so with --accept-shrink"


@dataclass(frozen=True, slots=True)
class Admission:
    """Which roots may be scanned, and why the others may not."""

    roots: list[bytes]
    refusals: list[str]

    def raise_refusals(self) -> None:
        """Raise `RootRefused` if any root was refused."""
        if self.refusals:
            raise RootRefused("\n".join(self.refusals), hint=_HINT)


def admit(roots: Sequence[bytes], reader: Reader, *, accept_shrink: bool = False) -> Admission:
    """Return which of `roots` may be scanned."""
    refusals = {root: reason for root in roots if (reason := _refusal(root, reader, accept_shrink))}
    trusted = [root for root in roots if root not in refusals]
    return Admission(collapse(trusted), list(refusals.values()))


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
    if is_empty and not accept_shrink and next(reader.known_files(root), None) is not None:
        return f"root is empty, but the store knows files in it: {name}"
    return None
