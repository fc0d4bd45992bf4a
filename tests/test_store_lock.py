"""Locks between processes: real files, real processes, and a clock that only moves when somebody waits."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qacache.errors import StoreError, StoreLocked, StoreReadOnly
from qacache.store import lock
from qacache.store.lock import held, holder, is_held, lock_path, scan_lock_path
from qacache.store.session import Store
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import probed

HOLD = """
import sys
from qacache.store.lock import held
with held(sys.argv[1], purpose=sys.argv[2], timeout_s=0.0):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: str, purpose: str = "a test") -> Iterator[subprocess.Popen[str]]:
    """Hold the lock in a process of its own, until its input is closed."""
    command = [sys.executable, "-c", HOLD, path, purpose]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


@pytest.fixture
def on_wait(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[float], None]], FakeClock]]:
    """Have the locks wait by a fake clock, which does something at each wait."""

    def use(action: Callable[[float], None]) -> FakeClock:
        clock = FakeClock(0.0)
        clock.on_sleep = action
        monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
        return clock

    yield use


def test_a_lock_held_by_another_process_is_refused_with_its_pid_and_purpose(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with (
        held_elsewhere(path, "qacache scan") as process,
        pytest.raises(StoreLocked) as refused,
        held(path, purpose="me", timeout_s=0.0),
    ):
        pass
    assert f"pid {process.pid} (qacache scan) holds {path}" in str(refused.value)
    assert refused.value.exit_code == 11
    assert refused.value.hint


def test_a_lock_is_free_once_its_holder_is_done(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with held_elsewhere(path):
        pass
    with held(path, purpose="me", timeout_s=0.0):
        assert Path(path).read_text() == f"pid {os.getpid()} (me)"


def test_a_lock_is_free_once_its_holder_was_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with held_elsewhere(path) as process:
        process.kill()
    with held(path, purpose="me", timeout_s=0.0):
        pass


def test_a_lock_is_waited_for(tmp_path: Path, on_wait: Callable[[Callable[[float], None]], FakeClock]) -> None:
    path = str(tmp_path / "a.lock")
    with held_elsewhere(path) as process:
        clock = on_wait(lambda _: process.communicate())
        with held(path, purpose="me", timeout_s=5.0):
            assert len(clock.slept) == 1


def test_a_lock_is_given_up_after_the_timeout(
    tmp_path: Path, on_wait: Callable[[Callable[[float], None]], FakeClock]
) -> None:
    path = str(tmp_path / "a.lock")
    clock = on_wait(lambda _: None)
    with held(path, purpose="first", timeout_s=0.0):
        with pytest.raises(StoreLocked), held(path, purpose="second", timeout_s=5.0):
            pass
        assert 5.0 <= sum(clock.slept) < 5.5


def test_a_shorter_purpose_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with held(path, purpose="a rather long purpose", timeout_s=0.0):
        pass
    with held(path, purpose="b", timeout_s=0.0):
        assert Path(path).read_text() == f"pid {os.getpid()} (b)"


def test_a_lock_is_released_where_its_block_fails(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with pytest.raises(ZeroDivisionError), held(path, purpose="a", timeout_s=0.0):
        raise ZeroDivisionError
    with held(path, purpose="b", timeout_s=0.0):
        pass


def test_a_child_does_not_inherit_a_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with held(path, purpose="a", timeout_s=0.0):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    with child:
        with held(path, purpose="b", timeout_s=0.0):
            pass
        child.communicate(b"\n")


def test_a_lock_is_free_even_if_a_copy_of_its_descriptor_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptors = []

    def noting(*arguments: Any) -> int:
        descriptors.append(os_open(*arguments))
        return descriptors[-1]

    os_open = os.open
    monkeypatch.setattr(os, "open", noting)
    path = str(tmp_path / "a.lock")
    with held(path, purpose="a", timeout_s=0.0):
        copy = os.dup(descriptors[0])
    try:
        with held(path, purpose="b", timeout_s=0.0):
            pass
    finally:
        os.close(copy)


def test_a_lock_whose_folder_is_missing_is_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    path = str(tmp_path / "missing" / "a.lock")
    with pytest.raises(StoreReadOnly, match="No such file") as refused, held(path, purpose="a", timeout_s=0.0):
        pass
    assert path in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_lock_that_root_makes_is_the_owners_of_its_folder_and_one_that_is_there_stays_as_it_is(
    tmp_path: Path,
) -> None:
    os.chown(tmp_path, 1234, 5678)
    new, old = tmp_path / "new.lock", tmp_path / "old.lock"
    old.touch()
    for path in (new, old):
        with held(str(path), purpose="a test", timeout_s=0.0):
            pass
    assert (new.stat().st_uid, new.stat().st_gid) == (1234, 5678)
    assert (old.stat().st_uid, old.stat().st_gid) == (0, 0)


def test_nothing_is_written_while_another_process_writes(store_path: str, writer: Writer) -> None:
    with (
        held_elsewhere(lock_path(store_path), "storing results"),
        pytest.raises(StoreLocked, match=r"pid \d+ \(storing results\)"),
    ):
        writer.write([probed(b"/a.mp4")])
    writer.write([probed(b"/a.mp4")])


def test_a_second_scan_is_refused_at_once(store: Store) -> None:
    with (
        held_elsewhere(scan_lock_path(store.path), "qacache scan") as process,
        pytest.raises(StoreLocked, match=rf"pid {process.pid} \(qacache scan\)"),
        store.scanning(),
    ):
        pass


def test_what_is_not_a_scan_may_write_between_the_batches_of_one(store: Store) -> None:
    with held_elsewhere(scan_lock_path(store.path)):
        store.writer.write([probed(b"/a.mp4")])
    assert store.reader.known(b"/a.mp4") is not None


def test_whether_a_lock_is_held_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert not is_held(path)
    with held(path, purpose="a test", timeout_s=0):
        assert is_held(path)
    assert not is_held(path)
    with held(path, purpose="a test", timeout_s=0):
        pass


def test_the_holder_of_a_lock_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    assert holder(path) is None
    assert not os.path.exists(path)
    with held_elsewhere(path, "qacache scan") as process:
        assert holder(path) == f"pid {process.pid} (qacache scan)"
    assert holder(path) is None


def test_a_lock_that_gets_free_in_time_has_no_holder(
    tmp_path: Path, on_wait: Callable[[Callable[[float], None]], FakeClock]
) -> None:
    path = str(tmp_path / "a.lock")
    with held_elsewhere(path) as process:
        on_wait(lambda _: process.communicate())
        assert holder(path, timeout_s=5.0) is None


def test_two_may_ask_for_the_holder_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.touch()
    with open(path) as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert holder(str(path)) is None


def test_a_lock_that_cannot_be_looked_at_has_an_unknown_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.symlink_to(path)
    with pytest.raises(StoreError, match="lock cannot be looked at"):
        holder(str(path))
    assert not is_held(str(path))
