"""Which filesystem a path is on, from mount tables as the kernel writes them (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qacache.filesystem import filesystem_type, is_network_type

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:44 / /mnt/nas rw,relatime shared:7 master:2 - nfs4 nas:/export rw,vers=4.2
41 40 254:1 / /mnt/nas/local rw - xfs /dev/vdb rw
42 22 0:45 / /mnt/my\040videos\011and\012more\134back rw - cifs //nas/my\040videos rw
43 22 0:46 /sub /mnt/\134040 rw - fuse.sshfs me@host: rw
44 22 254:2 / /mnt/over rw - ext4 /dev/vdc rw
45 44 0:47 / /mnt/over rw - 9p share rw
46 22 0:48 / /mnt/na rw - tmpfs tmpfs rw
"""


@pytest.fixture
def mountinfo(tmp_path: Path) -> str:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.lstrip("\n"), encoding="utf-8")
    return str(table)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(("/", "ext4"), ("/mnt", "ext4"), ("/srv/not/there/yet.db", "ext4")),
        *(("/mnt/nas", "nfs4"), ("/mnt/nas/", "nfs4"), ("/mnt/nas/a/b.db", "nfs4"), ("/mnt/nas/../x", "ext4")),
        *(("/mnt/nasty/a.db", "ext4"), ("/mnt/na/a.db", "tmpfs"), ("/mnt/nas/local/a.db", "xfs")),
        *(("/mnt/my videos\tand\nmore\\back/a.db", "cifs"), ("/mnt/\\040/a.db", "fuse.sshfs"), ("/mnt/ ", "ext4")),
    ],
)
def test_the_longest_mount_point_above_a_path_decides(path: str, kind: str, mountinfo: str) -> None:
    assert filesystem_type(path, mountinfo) == kind


def test_what_is_mounted_last_hides_what_was_mounted_there_before(mountinfo: str) -> None:
    assert filesystem_type("/mnt/over/qacache.db", mountinfo) == "9p"


def test_symbolic_links_are_followed_to_where_the_file_really_is(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {os.path.realpath(real)} rw - nfs nas:/ rw\n")
    assert filesystem_type(str(link / "new.db"), str(table)) == "nfs"


def test_mount_points_that_are_no_utf_8_are_recognised(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(b"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /mnt/caf\xe9 rw - cifs //nas/x rw\n")
    assert filesystem_type(os.fsdecode(b"/mnt/caf\xe9/a.db"), str(table)) == "cifs"


def test_a_system_without_a_mount_table_tells_nothing(tmp_path: Path) -> None:
    assert filesystem_type("/", str(tmp_path / "missing")) is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "fuse.sshfs", "fuse.rclone"])
def test_filesystems_of_other_computers_are_network_filesystems(kind: str) -> None:
    assert is_network_type(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "apfs", "tmpfs", "overlay", "fuseblk", "nfsd"])
def test_local_filesystems_are_none(kind: str) -> None:
    assert not is_network_type(kind)
