"""Which filesystem a path is on, as the kernel's mount table has it.

In: a path, and the text of `/proc/self/mountinfo` (proc(5)). Out: the mount, with the filesystem's type, such as
`ext4` or `nfs4`, or None where the system has no such table.
"""

from __future__ import annotations

import os
from typing import NamedTuple

MOUNTINFO = "/proc/self/mountinfo"

# sqlite.org/wal.html: "All processes using a database must be on the same host computer; WAL does not work over
# a network filesystem". fuse.* covers sshfs, rclone, mergerfs and other filesystems of unknown guarantees.
NETWORK_TYPES = frozenset({"fuse", "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "afs", "glusterfs"})


def is_network_type(filesystem_type: str) -> bool:
    """Whether SQLite's shared memory and locks cannot be trusted on such a filesystem."""
    return filesystem_type in NETWORK_TYPES or filesystem_type.startswith("fuse.")


class Mount(NamedTuple):
    """A mounted filesystem: where it is mounted, its type, and what is mounted there, such as `nas:/volume1`."""

    point: str
    type: str
    source: str


def filesystem_type(path: str, mountinfo_path: str = MOUNTINFO) -> str | None:
    """Return the type of the filesystem that holds `path`, which need not exist yet."""
    mount = mount_of(path, mountinfo_path)
    return mount.type if mount else None


def mount_of(path: str, mountinfo_path: str = MOUNTINFO) -> Mount | None:
    """Return the mount that holds `path`, which need not exist yet."""
    real = os.path.realpath(path)
    holding = [mount for mount in _mounts(mountinfo_path) if _holds(mount.point, real)]
    # the last one wins among equals: it is mounted over the others
    return max(reversed(holding), key=lambda mount: len(mount.point)) if holding else None


def mounts_below(path: str, mountinfo_path: str = MOUNTINFO) -> list[Mount]:
    """Return what is mounted at folders below `path`."""
    real = os.path.realpath(path)
    return [mount for mount in _mounts(mountinfo_path) if _holds(real, mount.point) and mount.point != real]


def _mounts(mountinfo_path: str) -> list[Mount]:
    try:
        with open(mountinfo_path, encoding="utf-8", errors="surrogateescape") as lines:
            return [_parse(line) for line in lines if " - " in line]
    except OSError:
        return []


def _parse(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    kind, source, *_ = after.split(" ")
    return Mount(_unescape(before.split(" ")[4]), kind, _unescape(source))


def _unescape(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def _holds(mount_point: str, path: str) -> bool:
    return path == mount_point or path.startswith(mount_point.rstrip("/") + "/")
