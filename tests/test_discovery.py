"""Discovery: which files are found, and what becomes of those that are none."""

from __future__ import annotations

import os
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qacache.events import Failed
from qacache.scan import discovery
from qacache.scan.discovery import Filters, Run, count_files, discover
from qacache.scan.lookahead import LookAhead
from qacache.scan.mounts import Mounts
from tests.fakes import InlineExecutor

MP4 = Filters(["mp4"])

NAMES = st.one_of(
    st.sampled_from([b"a", b"a.b", b"a-b", b"a0", b"-rf", b"line\nbreak", b"caf\xe9", b"\xff", b"e\xcc\x81", b" "]),
    st.binary(min_size=1, max_size=6).filter(lambda name: not {0, 0x2F} & set(name) and name not in {b".", b".."}),
)
FILES = st.dictionaries(st.builds(bytes.__add__, NAMES, st.sampled_from([b".mp4", b".MP4", b"", b".txt"])), st.none())
TREES: st.SearchStrategy[dict[bytes, Any]] = st.recursive(
    FILES, lambda inner: st.builds(dict.__or__, FILES, st.dictionaries(NAMES, inner, max_size=3)), max_leaves=12
)


def plant(folder: bytes, tree: dict[bytes, Any]) -> None:
    """Make files and folders; names that this filesystem refuses, or has already, are left out."""
    for name, inner in tree.items():
        path = os.path.join(folder, name)
        with suppress(OSError):
            if inner is None:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            else:
                os.mkdir(path)
                plant(path, inner)


def touch(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return os.fsencode(path)


def ahead(executor: Executor) -> LookAhead:
    """What looks ahead of the walk with `executor`."""
    return LookAhead(Mounts(), lambda: executor, ahead=8)


def found(root: bytes | Path, *, filters: Filters = MP4, lister: Executor | None = None) -> list[bytes]:
    """The paths that are found, failures left out."""
    items = discover(os.fsencode(root), filters, looker=ahead(lister) if lister else None)
    return [path for item in items if not isinstance(item, Failed) for path, _ in item]


def failures(root: Path) -> dict[bytes, tuple[str, str]]:
    """Stage and reason of each failure below `root`, by the name of what failed."""
    items = [item for item in discover(os.fsencode(root), MP4) if isinstance(item, Failed)]
    return {os.path.basename(item.path): (item.failure.stage, item.failure.reason) for item in items}


def videos_below(root: bytes) -> Iterator[bytes]:
    for folder, _, names in os.walk(root):
        yield from (os.path.join(folder, name) for name in names if name.lower().endswith(b".mp4") and name[:-4])


@settings(max_examples=60, deadline=None)
@given(tree=TREES)
def test_files_come_in_the_byte_order_of_whole_paths(tree: dict[bytes, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(3) as pool:
        root = os.fsencode(folder)
        plant(root, tree)

        expected = sorted(videos_below(root))

        assert found(root) == expected
        assert found(root, lister=pool) == expected
        assert count_files([root], MP4, is_over=lambda: False) == len(expected)


def test_a_folder_sorts_as_its_name_and_a_slash(tmp_path: Path) -> None:
    in_order = [touch(tmp_path / name) for name in ("a-b/x.mp4", "a.b.mp4", "a/x.mp4", "a0.mp4")]

    assert found(tmp_path) == in_order


def test_listing_ahead_finds_the_same_in_many_folders(tmp_path: Path) -> None:
    planted = [touch(tmp_path / f"{i % 7}/{i % 13}/{i}/x.mp4") for i in range(200)]

    assert found(tmp_path, lister=InlineExecutor()) == sorted(planted)


def test_a_folder_that_cannot_be_listed_ahead_is_a_failure_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "shut/x.mp4")
    here = touch(tmp_path / "x.mp4")
    shut_folder(monkeypatch, tmp_path / "shut")

    items = list(discover(os.fsencode(tmp_path), MP4, looker=ahead(InlineExecutor())))

    assert [item.failure.reason for item in items if isinstance(item, Failed)] == ["permission-denied"]
    assert [path for item in items if not isinstance(item, Failed) for path, _ in item] == [here]


def shut_folder(monkeypatch: pytest.MonkeyPatch, shut: Path) -> None:
    """Let one folder refuse to be listed, as it does for those who lack the permission."""
    scandir = os.scandir

    def refusing(path: bytes) -> Any:
        if path == os.fsencode(shut):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(discovery.os, "scandir", refusing)


@pytest.mark.parametrize("name", ["x.mp4", "X.MP4", "x.Mp4", "a.b.mp4", " .mp4", "-.mp4", "x\ny.mp4"])
def test_a_file_with_a_wanted_extension_is_found_in_any_case(tmp_path: Path, name: str) -> None:
    path = touch(tmp_path / name)

    assert found(tmp_path) == [path]


@pytest.mark.parametrize("name", [".mp4", "mp4", "x.mp4.part", "x.txt", "x.mp4 ", "xmp4"])
def test_a_file_with_another_extension_or_nothing_before_it_is_passed_over(tmp_path: Path, name: str) -> None:
    touch(tmp_path / name)

    assert list(discover(os.fsencode(tmp_path), MP4)) == []


def test_names_to_skip_are_passed_over_as_files_and_as_folders(tmp_path: Path) -> None:
    kept = touch(tmp_path / "kept.mp4")
    for name in ("._x.mp4", "@eaDir/x.mp4", "deep/@eaDir/x.mp4", "._folder/x.mp4"):
        touch(tmp_path / name)

    assert found(tmp_path, filters=Filters(["mp4"], ["._*", "@eaDir"])) == [kept]


def test_a_root_is_entered_whatever_its_name(tmp_path: Path) -> None:
    path = touch(tmp_path / "@eaDir" / "x.mp4")

    assert found(tmp_path / "@eaDir", filters=Filters(["mp4"], ["@eaDir"])) == [path]


def test_what_is_told_of_a_file_is_what_stat_says(tmp_path: Path) -> None:
    path = touch(tmp_path / "x.mp4")

    ((told,),) = discover(os.fsencode(tmp_path), MP4)

    assert told == (path, os.stat(path))


def test_a_symlinked_folder_is_not_entered(tmp_path: Path) -> None:
    touch(tmp_path / "outside" / "x.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "link.mp4").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "self").symlink_to(tmp_path / "root")

    assert list(discover(os.fsencode(tmp_path / "root"), MP4)) == []


def test_a_symlink_to_a_file_counts_as_that_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"content")
    link = tmp_path / "x.mp4"
    link.symlink_to("target")

    (((path, told),),) = discover(os.fsencode(tmp_path), MP4)

    assert path == os.fsencode(link)
    assert stat.S_ISREG(told.st_mode)
    assert told.st_size == len(b"content")


def test_a_root_that_is_a_symlink_is_entered_by_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path / "real" / "x.mp4")
    (tmp_path / "link").symlink_to("real")

    assert found(tmp_path / "link") == [os.fsencode(tmp_path / "link" / "x.mp4")]


def test_a_folder_named_like_a_video_is_entered(tmp_path: Path) -> None:
    path = touch(tmp_path / "folder.mp4" / "x.mp4")

    assert found(tmp_path) == [path]


def test_links_that_lead_nowhere_are_failures(tmp_path: Path) -> None:
    (tmp_path / "dangling.mp4").symlink_to("nothing")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "dangling.txt").symlink_to("nothing")

    assert failures(tmp_path) == {
        b"dangling.mp4": ("stat", "dangling-symlink"),
        b"loop.mp4": ("stat", "symlink-loop"),
    }


def test_what_is_neither_file_nor_folder_is_a_failure(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "device.mp4").symlink_to(os.devnull)
    with socket.socket(socket.AF_UNIX) as listener:
        bind_in(tmp_path, listener, "socket.mp4")

        found_failures = failures(tmp_path)

    assert found_failures == dict.fromkeys((b"fifo.mp4", b"device.mp4", b"socket.mp4"), ("stat", "not-a-file"))


def bind_in(folder: Path, listener: socket.socket, name: str) -> None:
    """Bind to a name in `folder`, whose whole path may be too long for an address."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        listener.bind(name)
    finally:
        os.chdir(before)


def test_failures_stand_in_path_order_among_the_files(tmp_path: Path) -> None:
    first, last = touch(tmp_path / "1.mp4"), touch(tmp_path / "3.mp4")
    (tmp_path / "2.mp4").symlink_to("nothing")

    items = list(discover(os.fsencode(tmp_path), MP4))

    paths = [item.path if isinstance(item, Failed) else item[0][0] for item in items]
    assert paths == [first, os.fsencode(tmp_path / "2.mp4"), last]


WALK = """
import os, sys
from qacache.scan.discovery import Filters, discover
filters = Filters(["mp4"])
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for item in discover(os.fsencode(sys.argv[1]), filters):
    print([os.path.basename(path) for path, _ in item] if isinstance(item, list) else (item.path, item.failure))
"""


def test_a_folder_without_permission_is_one_failure(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        touch(root / "shut" / "deep" / "x.mp4")
        touch(root / "x.mp4")
        (root / "shut").chmod(0)
        try:
            walk = subprocess.run([sys.executable, "-c", WALK, folder], capture_output=True, text=True, check=True)
        finally:
            (root / "shut").chmod(0o755)

    assert walk.stdout.count("permission-denied") == 1
    assert "[b'x.mp4']" in walk.stdout


def test_a_missing_root_is_one_failure(tmp_path: Path) -> None:
    (failed,) = discover(os.fsencode(tmp_path / "none"), MP4)

    assert isinstance(failed, Failed)
    assert (failed.failure.stage, failed.failure.reason) == ("list", "not-found")


def test_a_large_folder_comes_in_several_runs(tmp_path: Path) -> None:
    planted = sorted(touch(tmp_path / f"{i}.mp4") for i in range(1500))

    runs: list[Run] = [item for item in discover(os.fsencode(tmp_path), MP4) if not isinstance(item, Failed)]

    assert [path for run in runs for path, _ in run] == planted
    assert len(runs) > 1
    assert max(len(run) for run in runs) <= 1000


def test_a_file_that_goes_after_its_folder_was_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept = touch(tmp_path / "gone.mp4"), touch(tmp_path / "kept.mp4")
    list_folder = discovery._list_folder

    def and_lose_one(folder: bytes, filters: Filters) -> Any:
        listing = list_folder(folder, filters)
        os.unlink(gone)
        return listing

    monkeypatch.setattr(discovery, "_list_folder", and_lose_one)

    assert list(discover(os.fsencode(tmp_path), MP4)) == [[(kept, os.stat(kept))]]


def test_a_folder_that_goes_after_it_was_listed_is_one_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "folder" / "x.mp4")
    list_folder = discovery._list_folder

    def and_lose_it(folder: bytes, filters: Filters) -> Any:
        listing = list_folder(folder, filters)
        if folder.endswith(b"/folder"):
            os.rename(folder, folder + b".away")
        return listing

    monkeypatch.setattr(discovery, "_list_folder", and_lose_it)

    assert failures(tmp_path) == {b"folder": ("list", "not-found")}


def plant_deep(root: Path, depth: int, name: str) -> bytes:
    """Make `depth` folders called `name` in each other, with x.mp4 in the innermost; return the path of that."""
    before = Path.cwd()
    os.chdir(root)
    try:
        for _ in range(depth):
            os.mkdir(name)
            os.chdir(name)
        Path("x.mp4").touch()
    finally:
        os.chdir(before)
    return os.fsencode(root) + f"/{name}".encode() * depth + b"/x.mp4"


def test_a_tree_of_500_levels_takes_few_file_descriptors(tmp_path: Path) -> None:
    path = plant_deep(tmp_path, 500, "d")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        assert found(tmp_path) == [path]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_path_of_nearly_4000_characters_is_found(tmp_path: Path) -> None:
    name = "n" * 200
    path = plant_deep(tmp_path, (3990 - len(os.fsencode(tmp_path))) // 201, name)

    assert len(path) > 3700
    assert found(tmp_path) == [path]


def test_a_folder_whose_path_is_too_long_is_a_failure(tmp_path: Path) -> None:
    name = "n" * 200
    plant_deep(tmp_path, 25, name)
    here = touch(tmp_path / "x.mp4")

    assert failures(tmp_path) == {name.encode(): ("list", "name-too-long")}
    assert found(tmp_path) == [here]


def test_the_walk_ends_early_once_it_is_stopped(tmp_path: Path) -> None:
    first = touch(tmp_path / "a" / "x.mp4")
    touch(tmp_path / "b" / "x.mp4")
    stopped = threading.Event()
    items = discover(os.fsencode(tmp_path), MP4, is_over=lambda _: stopped.is_set())

    seen = next(items)
    stopped.set()

    assert seen == [(first, os.stat(first))]
    assert list(items) == []


def test_counting_gives_up_when_time_is_over(tmp_path: Path) -> None:
    touch(tmp_path / "x.mp4")

    assert count_files([os.fsencode(tmp_path)], MP4, is_over=lambda: True) is None


def test_counting_passes_over_folders_that_cannot_be_listed(tmp_path: Path) -> None:
    touch(tmp_path / "x.mp4")
    roots = [os.fsencode(tmp_path), os.fsencode(tmp_path / "none")]

    assert count_files(roots, MP4, is_over=lambda: False) == 1
