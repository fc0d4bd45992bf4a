"""The same files by another machine's names: one prefix of a path put in the place of another.

In: pairs of folders, such as `/mnt/media` and `/Volumes/Media`. Out: paths, of which the longest prefix that fits is
replaced. Prefixes are whole components: `/mnt/media` is none of `/mnt/media2`.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import UsageError
from qacache.paths import as_folder, nfc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_HINT = "write FROM=TO, two absolute folders, such as /mnt/media=/Volumes/Media"


class PathMap:
    """Maps paths by `pairs` of folders, absolute and as the store spells them."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]] = ()) -> None:
        longest_first = sorted(pairs, key=lambda pair: len(pair[0]), reverse=True)
        self._folders = [(as_folder(old), as_folder(new)) for old, new in longest_first]
        self.unused = {old for old, _ in self._folders}
        """The folders that have held none of the paths by now, with a slash at their ends."""

    def __call__(self, path: bytes) -> bytes:
        """Return what `path` is called here; a path that no prefix fits stays as it is."""
        for old, new in self._folders:
            if path.startswith(old):
                self.unused.discard(old)
                return new + path[len(old) :]
        return path


def parse_pairs(texts: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """Return the folders in texts such as `/mnt/media=/Volumes/Media`; raises `UsageError`."""
    pairs: dict[bytes, bytes] = {}
    for text in texts:
        old, new = _parse(os.fsencode(text))
        if pairs.setdefault(old, new) != new:
            raise UsageError(f"two places for one folder: {os.fsdecode(old)}", hint="name each folder once")
    return list(pairs.items())


def _parse(text: bytes) -> tuple[bytes, bytes]:
    # names may hold equals signs; absolute ones tell which of them is meant
    old, *rest = text.split(b"=/")
    if len(rest) != 1 or not old.startswith(b"/"):
        problem = "could be read in several ways" if len(rest) > 1 else "does not say what is where"
        raise UsageError(f"--map {os.fsdecode(text)} {problem}", hint=_HINT)
    return _normal(old), _normal(b"/" + rest[0])


def _normal(folder: bytes) -> bytes:
    return b"/" + os.path.normpath(folder).lstrip(b"/")


class Translation:
    """What another machine calls the folders of this one: of pairs of its name and the store's, the longest that fits.

    Slashes at the ends of folders make no difference, and neither do Unicode forms: macOS may decompose what it asks
    for.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        folders = [(_composed(_bare(old)), _bare(new)) for old, new in pairs]
        self._folders = sorted(folders, key=lambda pair: len(pair[0]), reverse=True)

    def __bool__(self) -> bool:
        return bool(self._folders)

    def there_and_back(self, path: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
        """Return what `path` is called in the store, and what makes of names in the store those that were asked for."""
        composed = _composed(path)
        for theirs, ours in self._folders:
            if composed == theirs or composed.startswith(theirs + b"/"):
                asked = _parts(path, theirs)
                return _joined(ours, asked.rest), partial(_renamed, ours=ours, theirs=asked.folder)
        return path, lambda stored: stored


class _Parts(NamedTuple):
    """A path in two: a folder, without a slash at its end, and the names below it."""

    folder: bytes
    rest: list[bytes]


def _parts(path: bytes, folder: bytes) -> _Parts:
    """Return `path` in two, where the first has as many names as `folder`."""
    names = path.split(b"/")
    count = folder.count(b"/") + 1
    # of the root, the last name is empty
    return _Parts(b"/".join(names[:count]), [name for name in names[count:] if name])


def _joined(folder: bytes, rest: Sequence[bytes]) -> bytes:
    return b"/".join((folder, *rest)) or b"/"


def _renamed(stored: bytes, ours: bytes, theirs: bytes) -> bytes:
    found = _parts(stored, ours)
    # what a link led to is elsewhere
    return _joined(theirs, found.rest) if _composed(found.folder) == _composed(ours) else stored


def _bare(folder: str) -> bytes:
    return _normal(os.fsencode(folder)).rstrip(b"/")


def _composed(path: bytes) -> bytes:
    return nfc(path) or path
