"""A library on a real disk and its model in dicts, to both of which the same happens.

Two roots, `disk` and `nas`, of which the second may be unmounted. Paths are text, relative to the folder of both.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.fakes import FakeClock
from tests.library_model import Inode, LibraryModel, Place

ROOTS = ("disk", "nas")
# folders that may be scanned by themselves
INNER_ROOTS = ("disk/a", "nas/a")
# a folder may be called as a file is
FOLDERS = tuple(f"{root}/{name}" for root in ROOTS for name in ("a", "a/b", "a-b", "x.mp4"))
FILES = tuple(f"{folder}/{name}" for folder in (*ROOTS, *FOLDERS) for name in ("x.mp4", "y.mp4"))
# just more than may go at once
EPISODES = 11


class LibraryOnDisk:
    """The files below `home`, an existing folder, written by the clock; `model` is what they are."""

    def __init__(self, home: Path, clock: FakeClock) -> None:
        self.home = home
        self.model = LibraryModel()
        self._clock = clock
        self._unmounted: dict[str, Inode] | None = None
        for root in ROOTS:
            (home / root).mkdir()

    def name(self, path: bytes | str) -> str:
        return os.fsdecode(path).removeprefix(f"{self.home}/")

    # what there is to choose from

    @property
    def is_mounted(self) -> bool:
        return self._unmounted is None

    def files(self) -> list[str]:
        """The files that can be reached, but for those of a disk that is there by mistake."""
        return sorted(path for path in self.model.files if self._is_reachable(path))

    def folders(self) -> list[str]:
        """The folders that hold any of these, but for the roots."""
        parents = {str(parent) for path in self.files() for parent in Path(path).parents}
        return sorted(parent for parent in parents if "/" in parent)

    def free_files(self) -> list[str]:
        """Where a file may be written, or is."""
        return self._places(FILES)

    def free_folders(self) -> list[str]:
        """Where a folder may come."""
        return [path for path in self._places(FOLDERS) if path not in self.model.files]

    def _places(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths` where no folder is, and no file in place of one above."""
        return [
            path
            for path in paths
            if self._is_reachable(path)
            and not (self.home / path).is_dir()
            and not any(str(parent) in self.model.files for parent in Path(path).parents)
        ]

    def _is_reachable(self, path: str) -> bool:
        return self.is_mounted or path.startswith("disk/")

    def places(self) -> dict[str, Place]:
        """What is at the path of each root now."""
        return {root: self._place(self.home / root) for root in (*ROOTS, *INNER_ROOTS)}

    def _place(self, folder: Path) -> Place:
        if not folder.exists():
            return Place(None, is_empty=True)
        return Place(folder.stat().st_ino, is_empty=not any(folder.iterdir()))

    # what happens

    def write(self, path: str, content: bytes, mtime_ns: int | None = None) -> None:
        """Write a file, in place where there is one; without an mtime, it is now's."""
        mtime_ns = int(self._clock.time()) * 10**9 if mtime_ns is None else mtime_ns
        self._make_parent(path)
        (self.home / path).write_bytes(content)
        os.utime(self.home / path, ns=(mtime_ns, mtime_ns))
        self.model.write(path, content, mtime_ns)

    def rewrite(self, path: str) -> None:
        """Write other content of the same size, and set the mtime back."""
        inode = self.model.files[path]
        self.write(path, inode.content.swapcase(), inode.mtime_ns)

    def copy(self, old: str, new: str, *, keeps_mtime: bool) -> None:
        inode = self.model.files[old]
        self.write(new, inode.content, inode.mtime_ns if keeps_mtime else None)

    def link(self, old: str, new: str) -> None:
        self._make_parent(new)
        (self.home / new).hardlink_to(self.home / old)
        self.model.files[new] = self.model.files[old]

    def move(self, old: str, new: str) -> None:
        self._make_parent(new)
        (self.home / old).rename(self.home / new)
        self.model.move(old, new)

    def move_folder(self, old: str, new: str) -> None:
        self._make_parent(new)
        (self.home / old).rename(self.home / new)
        self.model.move_folder(old, new)

    def swap(self, one: str, other: str) -> None:
        for old, new in ((one, "disk/swapped"), (other, one), ("disk/swapped", other)):
            self.move(old, new)

    def delete(self, path: str) -> None:
        (self.home / path).unlink()
        del self.model.files[path]

    def delete_folder(self, folder: str) -> None:
        shutil.rmtree(self.home / folder)
        self.model.take_away(folder)

    def unmount(self, leaves: str) -> None:
        """Take the disk away from `nas`; what it leaves is `nothing`, `an empty folder` or `another disk`."""
        (self.home / "nas").rename(self.home / "unmounted")
        self._unmounted = self.model.take_away("nas")
        if leaves != "nothing":
            (self.home / "nas").mkdir()
        if leaves == "another disk":
            self.write("nas/other.mp4", b"other", 10**18)

    def mount(self) -> None:
        assert self._unmounted is not None
        shutil.rmtree(self.home / "nas", ignore_errors=True)
        (self.home / "unmounted").rename(self.home / "nas")
        self.model.take_away("nas")
        self.model.files |= self._unmounted
        self._unmounted = None

    def _make_parent(self, path: str) -> None:
        (self.home / path).parent.mkdir(parents=True, exist_ok=True)
