"""Backups on disks that are full, in folders that may not be written, and on mounts that hang.

The full disk is a small one in memory, mounted in a mount namespace of its own; the mount that hangs is a file system
of this process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qacache.errors import StoreError
from qacache.store.backup.creation import create
from qacache.store.backup.folder import Backup, Folder
from qacache.store.backup.verification import verify
from tests.backups import all_in, names, write
from tests.command import Command, respecting_permissions
from tests.fuse_mount import LISTINGS, READS, FuseMount

PROJECT = Path(__file__).parents[1]
SMALL_DISK = 'mount -t tmpfs -o size=4m tmpfs "$1" || exit 77; shift; exec "$@"'
HANG_S = 0.3

ON_A_FULL_DISK = """
import os, shutil, sqlite3, sys
from qacache.errors import StoreFull
from qacache.store import migrations
from qacache.store.backup.creation import create
from qacache.store.backup import creation
from qacache.store.backup.folder import Folder
from qacache.store.backup.restoring import restore
from tests.backups import names, write

small, roomy = sys.argv[1:]

def fill_up(name, leave):
    with open(os.path.join(small, name), "wb") as file:
        file.write(bytes(shutil.disk_usage(small).free - leave))

def refused(action, *words):
    try:
        action()
    except StoreFull as error:
        assert all(word in str(error) for word in words), error
        assert "free some space" in error.hint, error.hint
    else:
        raise AssertionError("a full disk took it")

def lie(path):
    return usage(path)._replace(free=10**12)

usage = shutil.disk_usage
many = [b"/v/%d.mp4" % number for number in range(3000)]
elsewhere = os.path.join(roomy, "q.db")
migrations.create(elsewhere, busy_timeout_s=0.2)
write(elsewhere, *many)
whole = create(elsewhere, Folder.of(elsewhere, hang_s=30))
size = whole.size
assert size > 1_000_000, size

# making one: refused at first, and where the disk fills up while it is made
folder = Folder.of(elsewhere, os.path.join(small, "backups"), hang_s=30)
fill_up("filler", size // 2)
refused(lambda: create(elsewhere, folder), "no room for a backup", small)
shutil.disk_usage = lie
refused(lambda: create(elsewhere, folder), "no room", small)
assert os.listdir(folder.path) == [], os.listdir(folder.path)
# the same where it is made elsewhere, and sent there
creation.is_network_type = lambda kind: True
refused(lambda: create(elsewhere, folder), "no room", small)
assert os.listdir(folder.path) == [], os.listdir(folder.path)
assert not [name for name in os.listdir(roomy) if "partial" in name]

# bringing one back
os.unlink(os.path.join(small, "filler"))
shutil.disk_usage = usage
store = os.path.join(small, "q.db")
migrations.create(store, busy_timeout_s=0.2)
write(store, b"/old.mp4")
before = sorted(os.listdir(small))
fill_up("filler", size // 2)
back = lambda: restore(whole, store, Folder.of(store, hang_s=30), busy_timeout_s=0.2)
refused(back, "no room to restore", small)
shutil.disk_usage = lie
refused(back, "no room", small)
assert names(store) == [b"/old.mp4"]
assert sorted(name for name in os.listdir(small) if name[-4:] not in ("-wal", "-shm")) == sorted(
    {*before, "filler", "q.db.scan.lock"})
os.unlink(os.path.join(small, "filler"))
back()
assert names(store) == sorted(many)
"""


@pytest.fixture
def db(store_path: str) -> str:
    write(store_path, b"/v/a.mp4")
    return store_path


@pytest.fixture
def backup(db: str, tmp_path: Path) -> Backup:
    """A backup in the folder `served`."""
    return create(db, Folder.of(db, str(tmp_path / "served"), hang_s=30))


@pytest.fixture
def nas(backup: Backup, tmp_path: Path) -> Iterator[FuseMount]:
    """A mount in whose folder the backup is to be seen."""
    folder = tmp_path / "nas"
    folder.mkdir()
    try:
        mount = FuseMount(folder, tmp_path / "served")
    except OSError as error:
        pytest.skip(f"may not mount: {error}")
    with mount:
        yield mount


def test_on_a_full_disk_nothing_half_done_stays_and_nothing_is_lost(tmp_path: Path) -> None:
    namespace = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("needs mount namespaces (Linux, unshare), to mount a small disk in")
    small, roomy = tmp_path / "small", tmp_path / "roomy"
    small.mkdir()
    roomy.mkdir()
    command = [*namespace, "sh", "-c", SMALL_DISK, "sh", small, sys.executable, "-c", ON_A_FULL_DISK, small, roomy]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip(f"may not mount: {done.stderr}")
    assert done.returncode == 0, done.stderr


def test_a_folder_that_does_not_answer_is_given_up(db: str, nas: FuseMount) -> None:
    folder = Folder.of(db, str(nas.folder), hang_s=HANG_S)
    assert len(folder.backups()) == 1
    nas.stall(LISTINGS)
    for action in (folder.backups, lambda: create(db, folder)):
        with pytest.raises(StoreError, match=rf"{nas.folder} does not answer: no answer in 0.3 s"):
            action()
    nas.recover()
    assert names(db) == [b"/v/a.mp4"]
    assert "backups" not in all_in(os.path.dirname(db))


def test_a_backup_that_cannot_be_read_for_now_is_not_damaged(db: str, nas: FuseMount, backup: Backup) -> None:
    folder = Folder.of(db, str(nas.folder), hang_s=HANG_S)
    [seen] = folder.backups()
    nas.stall(READS, only=os.path.basename(backup.path))
    assert "does not answer" in str(verify(seen, folder).error)
    nas.recover()
    nas.fail(5, READS, only=os.path.basename(backup.path))
    assert "input/output error" in str(verify(seen, folder).error)
    nas.recover()
    assert folder.backups() == [seen]
    assert verify(seen, folder).error is None


def test_a_folder_that_may_not_be_written_is_told(qacache: Command, scanned: Command, tmp_path: Path) -> None:
    wrapper = respecting_permissions()
    if os.geteuid() == 0 and not wrapper:
        pytest.skip("root may write everywhere")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    done = scanned("backup", "create", folder, wrapper=wrapper)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"qacache: {folder}/")
    assert "permission denied\nhint: make it writable, or name another folder" in done.err
