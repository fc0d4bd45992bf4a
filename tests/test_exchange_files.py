"""Files are there whole or not at all, and nothing else is harmed."""

from __future__ import annotations

import errno
import gzip
import os
import stat
from pathlib import Path

import pytest

from qacache.exchange.files import is_packed, replacing, text_file, unpacked_name


def write(path: Path, text: str) -> None:
    with replacing(str(path)) as temporary:
        Path(temporary).write_text(text)


def test_a_new_file_has_the_rights_that_others_made_here_have(tmp_path: Path) -> None:
    write(tmp_path / "new", "x")
    (tmp_path / "usual").write_text("y")
    assert (tmp_path / "new").read_text() == "x"
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "usual"]


def test_until_it_is_done_the_old_one_is_there_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(0o600)
    with replacing(str(path)) as temporary:
        Path(temporary).write_text("new")
        assert path.read_text() == "old"
        assert Path(temporary).parent == tmp_path
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_goes_wrong_leaves_all_as_it_was(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(type(error)), replacing(str(tmp_path / "x")) as temporary:
        Path(temporary).write_text("ne")
        raise error
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "old")]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, "x")
        assert os.read(reading, 10) == b"x"
    finally:
        os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_pipe_is_written_to_by_the_number_of_its_descriptor(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(reading) as out, open(writing, "w"):
        write(Path(f"/dev/fd/{writing}"), "x")
        assert out.read(1) == "x"


def test_an_error_names_the_file_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        write(tmp_path / "none" / "x", "x")
    assert missing.value.filename == str(tmp_path / "none" / "x")
    with pytest.raises(OSError, match="No space") as full, replacing(str(tmp_path / "x")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert full.value.filename == str(tmp_path / "x")
    with pytest.raises(IsADirectoryError):
        write(tmp_path, "x")


def test_another_files_error_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing, replacing(str(tmp_path / "x")):
        (tmp_path / "other").read_text()
    assert missing.value.filename == str(tmp_path / "other")


def test_a_name_as_long_as_names_may_be_will_do(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 255), "x")
    write(tmp_path / ("é" * 127), "x")
    assert len(list(tmp_path.iterdir())) == 2


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    for packed in (False, True):
        with text_file(str(tmp_path / "x"), packed=packed) as file:
            file.write("é\r\n\n")
        data = (tmp_path / "x").read_bytes()
        assert (gzip.decompress(data) if packed else data) == "é\r\n\n".encode()


def test_the_same_text_is_packed_to_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with text_file(str(tmp_path / name), packed=True) as file:
            file.write("x" * 1000)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_name_says_whether_it_is_packed() -> None:
    assert [is_packed(name) for name in ("x.csv.gz", "x.csv", "gz", ".gz")] == [True, False, False, True]
    assert unpacked_name("a.gz/x.csv.gz") == "a.gz/x.csv"
