"""The health of roots: whether the mount behind one still answers.

In: what came of each look at a folder or file, from whichever thread. Out: whether a root is given up. One bad folder,
or file, is a failure of its own; several in a row that sound like a mount that went away are not worth another hundred
thousand looks, each of which may take a minute.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from qacache.paths import as_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.models import Failure

# What a failure of each reason weighs; a look that hangs costs much more time than one that fails.
_WEIGHTS = {"io-error": 1, "mount-gone": 1, "no-answer": 2}
_MOST = 5


class Health:
    """Keeps, for each of `roots`, what failed in a row. May be told and asked from any thread."""

    def __init__(self, roots: Sequence[bytes] = ()) -> None:
        self._folders = {root: as_folder(root) for root in roots}
        # folders may be listed well of which no file can be read, and the other way round
        self._weights = {(root, of_content): 0 for root in roots for of_content in (False, True)}
        self._last: dict[bytes, Failure] = {}
        self._given_up: set[bytes] = set()
        self._lock = threading.Lock()

    def note(self, path: bytes, failure: Failure | None, *, of_content: bool = False) -> None:
        """Take note of a look at `path`, or at the content of that file, that failed or did not."""
        root = self._root_of(path)
        if root is None:
            return
        weight = _WEIGHTS.get(failure.reason, 0) if failure else 0
        with self._lock:
            row = root, of_content
            self._weights[row] = self._weights[row] + weight if weight else 0
            if failure and weight:
                self._last[root] = failure
            if self._weights[row] >= _MOST:
                self._given_up.add(root)

    def is_given_up(self, path: bytes) -> bool:
        """Whether the root of `path` is given up."""
        # nearly always empty, and asked for every file
        return bool(self._given_up) and self._root_of(path) in self._given_up

    def why(self, root: bytes) -> str:
        """Return the last thing that went wrong in a root that is given up."""
        return self._last[root].message

    def _root_of(self, path: bytes) -> bytes | None:
        for root, folder in self._folders.items():
            if path.startswith(folder) or path == root:
                return root
        return None
