"""Stores on disks that are full, and in places where this user may only read.

Root may write anywhere: the readers of these tests are child processes that give that up. The full disk is a small
one in memory, mounted in a mount namespace of its own, so that nothing is left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qacache.store import migrations
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.rows import probed

PROJECT = Path(__file__).parents[1]
SMALL_DISK = 'mount -t tmpfs -o size=2m tmpfs "$1" || exit 77; shift; exec "$@"'

AS_NOBODY = """
import json, os, sys
from qacache.errors import StoreError
from qacache.store import migrations
from qacache.store.reader import Reader
from qacache.store.session import Store
from qacache.store.retries import RetrySchedule
from tests.rows import probed

def read(path):
    with Reader(path) as reader:
        return [found.path.decode() for found in reader.below(b"/", ("media.tags",))]

def write(path):
    with Store(path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600), create=True) as store:
        store.writer.write([probed(b"/new.mp4")])

action = {"read": read, "write": write, "pending": migrations.pending}[sys.argv[1]]
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    print(json.dumps({"answer": action(sys.argv[2])}))
except StoreError as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error), "hint": error.hint}))
"""

ON_A_FULL_DISK = """
import os, sqlite3, sys
from qacache.errors import StoreFull
from qacache.events import Probed
from qacache.store.session import Store
from qacache.store.retries import RetrySchedule
from tests.rows import digest_of, probe_of, probed, stat_of

folder = sys.argv[1]
path, reserve = os.path.join(folder, "q.db"), os.path.join(folder, "reserve")
with open(reserve, "wb") as file:
    file.write(bytes(400_000))

def large(number):
    path = b"/v/%05d.mp4" % number
    return Probed(stat_of(path), digest_of(str(number)), probe_of("a", raw={"noise": os.urandom(5000).hex()}))

def fill_up(name):
    try:
        with open(os.path.join(folder, name), "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    except OSError:
        pass

stored = 0
with Store(path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600), create=True) as store:
    try:
        while True:
            store.writer.write([large(number) for number in range(stored, stored + 10)])
            stored += 10
    except StoreFull as error:
        assert path in str(error) and "disk is full" in str(error) and "space" in error.hint, error
    assert stored >= 10
    assert len(list(store.reader.below(b"/", ()))) == stored

    fill_up("filler")
    for attempt in range(2):
        try:
            with store.scanning():
                store.writer.write([large(number) for number in range(stored, stored + 10)])
        except StoreFull:
            continue
        raise AssertionError("a full disk took another batch")

    os.unlink(reserve)
    with store.scanning():
        store.writer.write([probed(b"/v/last.mp4")])

with sqlite3.connect(path) as connection:
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(*) FROM videos").fetchone() == (stored + 1,)

fill_up("filler2")
new = os.path.join(folder, "new.db")
try:
    Store(new, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600), create=True)
except StoreFull as error:
    assert new in str(error), error
else:
    raise AssertionError("a full disk took another store")
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can get to: pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    make_writable(folder)
    shutil.rmtree(folder)


@pytest.fixture
def public_store(public_folder: Path) -> Path:
    """A store with one file, that nobody has open."""
    path = public_folder / "q.db"
    migrations.create(str(path), busy_timeout_s=0.2)
    with a_writer(path) as writer:
        writer.write([probed(b"/old.mp4")])
    return path


def a_writer(path: Path) -> Writer:
    return Writer(str(path), busy_timeout_s=0.2, retries=RetrySchedule(60, 3600))


def unprivileged(action: str, path: Path) -> dict[str, Any]:
    """What came of `action` in a process without root's rights."""
    command = [sys.executable, "-c", AS_NOBODY, action, str(path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def make_writable(folder: Path) -> None:
    folder.chmod(0o777)
    for each in folder.iterdir():
        each.chmod(0o777)


def make_read_only(folder: Path) -> None:
    for each in [*folder.iterdir(), folder]:
        each.chmod(0o555 if each.is_dir() else 0o444)


def test_a_store_file_that_is_read_only_can_be_read(public_store: Path) -> None:
    public_store.chmod(0o444)
    assert unprivileged("read", public_store) == {"answer": ["/old.mp4"]}


@pytest.mark.parametrize("leftover_lock", [False, True])
def test_a_store_file_that_is_read_only_is_not_written(public_store: Path, leftover_lock: bool) -> None:
    lock = public_store.with_name("q.db.lock")
    lock.unlink()
    if leftover_lock:
        lock.touch(0o444)
    public_store.chmod(0o444)
    outcome = unprivileged("write", public_store)
    assert outcome["error"] == "StoreReadOnly"
    assert str(public_store) in outcome["message"]
    assert "--db" in outcome["hint"]
    assert unprivileged("read", public_store) == {"answer": ["/old.mp4"]}


def test_a_store_in_a_read_only_folder_can_be_read_and_nothing_is_left_there(public_store: Path) -> None:
    make_read_only(public_store.parent)
    before = sorted(os.listdir(public_store.parent))
    assert unprivileged("read", public_store) == {"answer": ["/old.mp4"]}
    assert unprivileged("pending", public_store) == {"answer": []}
    assert sorted(os.listdir(public_store.parent)) == before


def test_a_store_in_a_read_only_folder_is_read_while_its_owner_writes(public_store: Path) -> None:
    with a_writer(public_store) as writer:
        writer.write([probed(b"/newer.mp4")])
        make_read_only(public_store.parent)
        outcome = unprivileged("read", public_store)
        make_writable(public_store.parent)
    assert outcome == {"answer": ["/newer.mp4", "/old.mp4"]}


def test_a_store_in_a_read_only_folder_is_not_written(public_store: Path) -> None:
    make_read_only(public_store.parent)
    outcome = unprivileged("write", public_store)
    assert outcome["error"] == "StoreReadOnly"
    assert str(public_store) in outcome["message"]
    assert "writable" in outcome["hint"]


@pytest.mark.parametrize("name", ["q.db", "not/there/yet/q.db"])
def test_no_store_is_made_in_a_read_only_folder(public_folder: Path, name: str) -> None:
    make_read_only(public_folder)
    outcome = unprivileged("write", public_folder / name)
    assert "Permission denied" in outcome["message"]
    assert "--db" in outcome["hint"]


def test_a_store_that_may_not_be_read_says_so(public_store: Path) -> None:
    public_store.chmod(0o000)
    outcome = unprivileged("read", public_store)
    assert outcome["error"] == "StoreError"
    assert str(public_store) in outcome["message"]


def test_on_a_full_disk_nothing_is_lost_and_writing_goes_on_when_there_is_room(tmp_path: Path) -> None:
    namespace = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("needs mount namespaces (Linux, unshare), to mount a small disk in")
    command = [*namespace, "sh", "-c", SMALL_DISK, "sh", tmp_path, sys.executable, "-c", ON_A_FULL_DISK, tmp_path]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip(f"may not mount: {done.stderr}")
    assert done.returncode == 0, done.stderr
