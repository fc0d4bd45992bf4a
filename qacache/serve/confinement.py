"""Confinement: which paths may be looked at on disk for somebody elsewhere: those at and below the roots.

In: names of files and folders, any part of which may be a link to anywhere. Out: whether they are where they seem to
be. A file that is exchanged for a link just after that is not noticed: who can do that, can write to the library.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from qacache.paths import as_folder
from qacache.scan.workers import within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Confinement:
    """Knows the `roots`, absolute folders, and asks the disk for up to `deadline_s` seconds at a time."""

    def __init__(self, roots: Iterable[bytes], deadline_s: float) -> None:
        self._roots = list(roots)
        self._deadline_s = deadline_s

    def holds(self, paths: Sequence[bytes]) -> bool:
        """Whether all of `paths` are in the roots, by their names and without links that lead out of them.

        What is not there is where its name says. Raises `NoAnswer` where a disk does not answer in time.
        """
        if not all(map(self.has_name_of, paths)):
            return False  # no disk is asked about what is elsewhere
        # wherever a root itself leads, it is meant
        below = [path for path in paths if path not in self._roots]
        holding = [root for root in self._roots if any(_is_inside(path, root) for path in below)]
        return not below or within(self._deadline_s, _are_really_inside, below, self._roots, holding)

    def has_name_of(self, path: bytes) -> bool:
        """Whether `path` is in the roots by its name alone: no disk is asked."""
        return b"\0" not in path and any(_is_inside(path, root) for root in self._roots)


def _are_really_inside(paths: Sequence[bytes], roots: Iterable[bytes], holding: Iterable[bytes]) -> bool:
    # a root may be reached by a link itself; of those that hold none of the paths, the disk may not answer
    places = {*roots, *map(os.path.realpath, holding)}
    real_folder = cache(os.path.realpath)
    return all(
        any(_is_inside(_real(path, real_folder(os.path.dirname(path))), place) for place in places) for path in paths
    )


def _real(path: bytes, real_folder: bytes) -> bytes:
    # of many files in one folder, to look at each part of their names anew would take long
    real = os.path.join(real_folder, os.path.basename(path))
    return os.path.realpath(real) if os.path.islink(real) else real


def _is_inside(path: bytes, folder: bytes) -> bool:
    return as_folder(path).startswith(as_folder(folder))
