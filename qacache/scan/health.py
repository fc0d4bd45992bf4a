"""The health of places: whether the mount behind one still answers.

In: what came of each look at a folder or file, from whichever thread. Out: whether a place is given up. One bad folder,
or file, is a failure of its own; several in a row that sound like a mount that went away are not worth another hundred
thousand looks, each of which may take a minute.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qacache.models import Failure
    from qacache.scan.places import Place

# What a failure of each reason weighs; a look that hangs costs much more time than one that fails.
_WEIGHTS = {"io-error": 1, "mount-gone": 1, "no-answer": 2}
_MOST = 5

# What says of a whole mount that it is not there; an error of input or output may be one folder's own.
_OF_THE_MOUNT = frozenset({"mount-gone", "no-answer"})


class Health:
    """Keeps, for each place, what failed in a row. May be told and asked from any thread."""

    def __init__(self) -> None:
        # folders may be listed well of which no file can be read, and the other way round
        self._weights: Counter[tuple[bytes, bool]] = Counter()
        self._last: dict[bytes, Failure] = {}
        # folders of places, and of network mounts where they are mounted
        self._given_up: dict[bytes, Failure] = {}
        self._gone: dict[bytes, Failure] = {}
        self._lock = threading.Lock()

    def note(self, place: Place, failure: Failure | None, *, of_content: bool = False) -> None:
        """Take note of a look at something in `place`, or at the content of a file, that failed or did not."""
        weight = _WEIGHTS.get(failure.reason, 0) if failure else 0
        row = place.folder, of_content
        with self._lock:
            self._weights[row] = self._weights[row] + weight if weight else 0
            if failure and self._weights[row] >= _MOST:
                self._given_up.setdefault(place.folder, failure)
                if place.is_network and failure.reason in _OF_THE_MOUNT:
                    self._gone.setdefault(place.mount, failure)

    def given_up(self, place: Place) -> Failure | None:
        """Return what the place was given up for, None if it was not."""
        failure = self._given_up.get(place.folder)
        return self._gone.get(place.mount) if failure is None and place.is_network else failure

    def is_doubtful(self, place: Place) -> bool:
        """Whether the last looks at the content of files in `place` failed as those at a mount that goes away do."""
        return self._weights[place.folder, True] > 0
