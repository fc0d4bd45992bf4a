"""Freshness: whether rows are still true, without ever hanging."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qacache import freshness
from qacache.freshness import Verifier
from qacache.store.reader import Found
from qacache.store.session import Store
from tests.libraries import scan
from tests.media import age, make_file

# for looks that answer at once; a look that hangs is given up much sooner
AMPLE_S = 30.0
SHORT_S = 0.05


def find(store: Store, path: Path) -> Found:
    found = store.reader.find(os.fsencode(path), ())
    assert found is not None
    return found


def verdict(store: Store, path: Path) -> str:
    with Verifier(AMPLE_S) as verifier:
        return verifier.freshness(find(store, path), store.reader.root_of(os.fsencode(path)))


@pytest.fixture
def path(store: Store, library: Path) -> Path:
    """A file that was scanned, in a library that holds another one."""
    path = make_file(library / "folder" / "x.mp4", b"content")
    make_file(library / "y.mp4", b"another")
    scan(store, library)
    return path


def test_a_file_that_is_as_it_was_is_fresh(store: Store, path: Path) -> None:
    assert verdict(store, path) == "fresh"


@pytest.mark.parametrize("content", [b"content", b"CONTENT", b"more content"], ids=["touched", "rewritten", "grown"])
def test_a_file_that_was_written_to_is_stale(store: Store, path: Path, content: bytes) -> None:
    age(make_file(path, content), 10)

    assert verdict(store, path) == "stale"


def test_a_file_that_is_gone_is_stale(store: Store, path: Path) -> None:
    path.unlink()

    assert verdict(store, path) == "stale"


def test_a_file_whose_folder_is_gone_is_stale(store: Store, path: Path) -> None:
    shutil.rmtree(path.parent)

    assert verdict(store, path) == "stale"


def test_a_vanished_file_that_is_still_gone_is_fresh(store: Store, library: Path, path: Path) -> None:
    path.unlink()
    scan(store, library)

    assert verdict(store, path) == "fresh"


def test_a_vanished_file_that_came_back_is_stale(store: Store, library: Path, path: Path) -> None:
    path.rename(library / "away")
    scan(store, library)
    (library / "away").rename(path)

    assert verdict(store, path) == "stale"


def test_a_failed_file_that_is_as_it_was_is_fresh(store: Store, library: Path) -> None:
    path = make_file(library / "x.mp4", b"broken")
    scan(store, library)

    assert verdict(store, path) == "fresh"


def test_where_the_root_is_gone_its_files_are_offline(store: Store, library: Path, path: Path) -> None:
    library.rename(library.with_name("away"))

    assert verdict(store, path) == "offline"


def test_where_the_root_is_empty_its_files_are_offline(store: Store, library: Path, path: Path) -> None:
    library.rename(library.with_name("away"))
    library.mkdir()

    assert verdict(store, path) == "offline"


def test_a_file_outside_of_all_roots_is_offline_where_its_folder_is_gone(store: Store, path: Path) -> None:
    found = find(store, path)
    shutil.rmtree(path.parent)

    with Verifier(AMPLE_S) as verifier:
        assert verifier.freshness(found, None) == "offline"


def test_a_file_that_may_not_be_looked_at_is_offline(store: Store, path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)

    assert verdict(store, path) == "offline"


def test_names_of_any_bytes_and_length_get_through(store: Store, library: Path) -> None:
    folder = library / ("n" * 250) / ("-\n" * 100)
    path = make_file(folder / "x.mp4", b"content")
    scan(store, library)

    assert verdict(store, path) == "fresh"


def test_many_files_are_looked_at_by_one_child(store: Store, library: Path, path: Path, forked: list[int]) -> None:
    with Verifier(AMPLE_S) as verifier:
        root = os.fsencode(library)
        verdicts = [verifier.freshness(find(store, each), root) for each in (path, library / "y.mp4", path)]

    assert verdicts == ["fresh"] * 3
    assert len(forked) == 1


def hang_below(monkeypatch: pytest.MonkeyPatch, dead: Path) -> None:
    """Let each look at what is below `dead` hang for ever, as on a mount whose server is gone."""
    look = freshness._look

    def hanging(path: bytes, root: bytes) -> tuple[bytes, int, int]:
        while path.startswith(os.fsencode(dead)):
            signal.pause()
        return look(path, root)

    monkeypatch.setattr(freshness, "_look", hanging)


class TestDeadMount:
    @pytest.fixture
    def dead(self, store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        hang_below(monkeypatch, path.parent)
        return path

    def test_a_file_on_it_is_offline(self, store: Store, dead: Path) -> None:
        with Verifier(SHORT_S) as verifier:
            assert verifier.freshness(find(store, dead), os.fsencode(dead.parent)) == "offline"

    def test_the_rest_of_that_root_is_offline_without_another_look(
        self, store: Store, library: Path, dead: Path, forked: list[int]
    ) -> None:
        root = os.fsencode(library)

        with Verifier(SHORT_S) as verifier:
            verdicts = [verifier.freshness(find(store, each), root) for each in (dead, library / "y.mp4", dead)]

        assert verdicts == ["offline"] * 3
        assert len(forked) == 1

    def test_other_roots_are_still_looked_at(
        self, store: Store, library: Path, dead: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Verifier(SHORT_S) as verifier:
            verifier.freshness(find(store, dead), os.fsencode(dead.parent))
            monkeypatch.setattr(verifier, "_deadline_s", AMPLE_S)

            assert verifier.freshness(find(store, library / "y.mp4"), os.fsencode(library)) == "fresh"

    def test_no_child_is_left(self, store: Store, dead: Path, forked: list[int]) -> None:
        with Verifier(SHORT_S) as verifier:
            verifier.freshness(find(store, dead), os.fsencode(dead.parent))

        assert_is_reaped(forked)


def assert_is_reaped(forked: list[int]) -> None:
    [pid] = forked
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_no_child_is_left_after_a_look_that_was_answered(store: Store, path: Path, forked: list[int]) -> None:
    verdict(store, path)

    assert_is_reaped(forked)


def test_a_child_that_is_killed_from_outside_makes_the_file_offline(
    store: Store, path: Path, forked: list[int]
) -> None:
    with Verifier(AMPLE_S) as verifier:
        verifier.freshness(find(store, path), os.fsencode(path.parent))
        os.kill(forked[0], signal.SIGKILL)
        os.waitid(os.P_PID, forked[0], os.WEXITED | os.WNOWAIT)

        assert verifier.freshness(find(store, path), os.fsencode(path.parent)) == "offline"


def test_without_a_look_there_is_no_child(forked: list[int]) -> None:
    with Verifier(AMPLE_S):
        pass

    assert forked == []


# A program that leaves a child behind which nothing can kill.
LEAVE_A_CHILD = """
import os, signal, sys
from qacache import freshness
from qacache.store.reader import Found

def hang(path, root):
    while True:
        signal.pause()

fork = os.fork
def recording():
    pid = fork()
    if pid:
        print(pid, flush=True)
    return pid

freshness._look, os.fork, os.kill = hang, recording, lambda pid, number: None
with freshness.Verifier(0.05) as verifier:
    print(verifier.freshness(Found(b"/x/y.mp4", "ok", 0, 0, 0, ()), b"/x"))
"""


def test_a_child_that_cannot_be_killed_keeps_neither_the_program_nor_its_output() -> None:
    program = subprocess.run([sys.executable, "-c", LEAVE_A_CHILD], capture_output=True, text=True, check=True)

    pid, answer = program.stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    assert answer == "offline"
    assert program.stderr == ""
