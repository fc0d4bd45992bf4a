"""Places: folders below which all is on one mount, as the system's table of mounts has it.

In: a folder. Out: its place, and those of what is mounted below it, by the names that a walk has for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qacache.filesystem import MOUNTINFO, is_network_type, mount_of, mounts_below
from qacache.paths import as_folder

if TYPE_CHECKING:
    from qacache.filesystem import Mount


@dataclass(frozen=True, slots=True)
class Place:
    """A folder below which all is on one mount, by the name that the walk has for it.

    `real_folder` is the same without symbolic links, `mount` where its mount is mounted, empty where the system does
    not say. What is on a network may never answer.
    """

    folder: bytes
    real_folder: bytes
    mount: bytes
    is_network: bool

    def holds(self, path: bytes) -> bool:
        """Whether `path` is the folder or below it."""
        return path == self.folder or path.startswith(as_folder(self.folder))


def places_at(folder: bytes, mountinfo_path: str = MOUNTINFO) -> list[Place]:
    """Return the places of `folder` and of what is mounted below it. This looks at the disk, and may hang."""
    real_folder = os.path.realpath(folder)
    name = os.fsdecode(real_folder)
    places = [_place(folder, real_folder, mount_of(name, mountinfo_path))]
    for mount in mounts_below(name, mountinfo_path):
        point = os.fsencode(mount.point)
        inner = as_folder(folder) + point.removeprefix(as_folder(real_folder))
        places.append(_place(inner, point, mount))
    return places


def silent_place(folder: bytes) -> Place:
    """Return the place of a folder that does not answer, so that nobody can tell what it is."""
    return Place(folder, folder, folder, is_network=True)


def _place(folder: bytes, real_folder: bytes, mount: Mount | None) -> Place:
    if mount is None:
        return Place(folder, real_folder, b"", is_network=False)
    return Place(folder, real_folder, os.fsencode(mount.point), is_network_type(mount.type))
