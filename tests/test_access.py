"""Looks at files, each within its mount's limits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from errno import EIO
from pathlib import Path

import pytest

from qacache.duplicates.access import Access, Stopped
from qacache.os_failures import NoAnswer
from qacache.scan.mounts import Mounts
from tests.fuse_mount import FuseMount, Operation, mounted
from tests.media import make_file

CONTENT = bytes(range(256))


@pytest.fixture
def file(tmp_path: Path) -> bytes:
    return os.fsencode(make_file(tmp_path / "folder" / "a.mp4", CONTENT))


@pytest.fixture
def mount(tmp_path: Path, file: bytes) -> Iterator[FuseMount]:
    """A mount of the folder of `file`."""
    with mounted(tmp_path / "mounted", Path(os.fsdecode(file)).parent) as mount:
        yield mount


def fail() -> None:
    raise OSError(EIO, "Input/output error")


def test_a_file_is_read_where_it_is_asked_to_be(file: bytes) -> None:
    access = Access(Mounts())
    buffer = bytearray(100)
    with access.open(file) as opened:
        assert opened.fill(buffer, 50)
        assert buffer == CONTENT[50:150]
        assert not opened.fill(buffer, 200)
        assert not opened.fill(buffer, 256)


def test_what_is_read_is_counted(file: bytes) -> None:
    access = Access(Mounts())
    with access.open(file) as opened:
        opened.fill(bytearray(100), 0)
        opened.fill(bytearray(50), 0)
    assert access.bytes_read == 150


def test_a_file_is_closed_after_all(file: bytes) -> None:
    for stops in (False, True):
        access = Access(Mounts())
        with access.open(file):
            assert file in open_files()
            if stops:
                access.stop()
        assert file not in open_files()


def open_files() -> list[bytes]:
    return [os.readlink(entry) for entry in map(os.fsencode, Path("/proc/self/fd").iterdir()) if os.path.islink(entry)]


def test_a_link_that_took_the_place_of_a_file_is_not_followed(file: bytes, tmp_path: Path) -> None:
    os.rename(file, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", file)
    with pytest.raises(OSError, match="symbolic links"):
        Access(Mounts()).open(file)


def test_after_a_stop_nothing_is_looked_at(file: bytes) -> None:
    access = Access(Mounts())
    access.stop()
    with pytest.raises(Stopped):
        access.ask(file, os.lstat, file)


def test_several_errors_in_a_row_are_those_of_the_mount_and_a_look_that_went_well_parts_them(file: bytes) -> None:
    access = Access(Mounts())
    access.locate(file)
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(OSError, match="Input"):
                access.ask(file, fail)
        access.ask(file, os.lstat, file)
    for _ in range(5):
        with pytest.raises(OSError, match="Input"):
            access.ask(file, fail)
    with pytest.raises(NoAnswer, match="its mount is given up"):
        access.ask(file, os.lstat, file)


def test_a_place_is_known_by_the_root_that_holds_it(tmp_path: Path, file: bytes) -> None:
    mounts = Mounts()
    access = Access(mounts, roots=[os.fsencode(tmp_path), os.fsencode(tmp_path / "fold"), b"/"])
    access.locate(file)
    place = mounts.place_of(file)
    assert place is not None
    assert place.folder == os.fsencode(tmp_path)


def test_without_a_root_a_place_is_the_folder(file: bytes) -> None:
    mounts = Mounts()
    Access(mounts, roots=[b"/nowhere"]).locate(file)
    place = mounts.place_of(file)
    assert place is not None
    assert place.folder == os.path.dirname(file)


def test_no_more_files_are_opened_a_second_than_the_rate_allows(file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(Mounts(), rate=10.0)
    slept: list[float] = []
    monkeypatch.setattr(access._pace, "_sleep", slept.append)
    monkeypatch.setattr(access._pace, "_now", lambda: sum(slept))
    for _ in range(4):
        with access.open(file):
            pass
    assert sum(slept) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("operation", "look"),
    [
        (Operation.LOOKUP, lambda access, path: access.ask(path, os.lstat, path)),
        (Operation.OPEN, lambda access, path: access.open(path)),
    ],
)
def test_a_look_at_a_mount_that_stalls_ends(
    mount: FuseMount, operation: Operation, look: Callable[[Access, bytes], object]
) -> None:
    access = Access(Mounts(hang_s=0.1), roots=[os.fsencode(mount.folder)])
    path = os.fsencode(mount.folder / "a.mp4")
    access.locate(path)
    mount.stall({operation})
    with pytest.raises(NoAnswer, match=r"no answer in 0\.1 s"):
        look(access, path)


def test_who_hangs_reading_is_not_made_to_hang_closing(mount: FuseMount) -> None:
    access = Access(Mounts(hang_s=0.1), roots=[os.fsencode(mount.folder)])
    path = os.fsencode(mount.folder / "a.mp4")
    access.locate(path)
    with access.open(path) as opened:
        mount.stall({Operation.READ, Operation.FLUSH})
        with pytest.raises(NoAnswer):
            opened.fill(bytearray(10), 0)
    assert mount.unanswered() == ["a.mp4"]
