"""The digest: which contents it tells apart, and what it says of files that cannot be read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import xxhash

from qacache.events import Failed, Unstable
from qacache.models import FileStat
from qacache.scan import digest as digest_module
from qacache.scan.digest import CHUNK_BYTES, WHOLE_BYTES, Hashed, digest_file, digested_bytes
from tests.media import make_file

LARGE = 20 * CHUNK_BYTES


def stat_of(path: Path) -> FileStat:
    return FileStat.of(os.fsencode(path), path.stat())


def digest_of(path: Path) -> bytes:
    hashed = digest_file(stat_of(path))
    assert isinstance(hashed, Hashed)
    return hashed.digest


def changed_at(path: Path, offset: int) -> bytes:
    """The digest of `path` with one byte changed."""
    content = bytearray(LARGE)
    content[offset] = 1
    return digest_of(make_file(path, content))


def test_a_small_file_is_read_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * (WHOLE_BYTES // 256)

    digest = digest_of(make_file(tmp_path / "x", content))

    assert digest == xxhash.xxh3_128(len(content).to_bytes(8, "little") + content).digest()
    assert len(digest) == 16


@pytest.mark.parametrize(
    "offset",
    [0, CHUNK_BYTES - 1, LARGE // 2, LARGE // 2 + CHUNK_BYTES // 2 - 1, LARGE - CHUNK_BYTES, LARGE - 1],
    ids=["first", "head", "middle", "middle-end", "tail", "last"],
)
def test_a_change_in_head_middle_or_tail_is_told(tmp_path: Path, offset: int) -> None:
    unchanged = digest_of(make_file(tmp_path / "unchanged", bytes(LARGE)))

    assert changed_at(tmp_path / "changed", offset) != unchanged


def test_of_a_large_file_no_more_than_three_chunks_count(tmp_path: Path) -> None:
    unchanged = digest_of(make_file(tmp_path / "unchanged", bytes(LARGE)))

    assert changed_at(tmp_path / "changed", 2 * CHUNK_BYTES) == unchanged


@pytest.mark.parametrize("size", [WHOLE_BYTES - 1, WHOLE_BYTES, WHOLE_BYTES + 1, LARGE])
def test_the_size_is_part_of_it(tmp_path: Path, size: int) -> None:
    shorter, longer = make_file(tmp_path / "shorter", bytes(size)), make_file(tmp_path / "longer", bytes(size + 1))

    assert digest_of(shorter) != digest_of(longer)


def test_name_and_mtime_are_no_part_of_it(tmp_path: Path) -> None:
    one, other = make_file(tmp_path / "one", b"content"), make_file(tmp_path / "other", b"content")
    os.utime(other, ns=(1, 1))

    assert digest_of(one) == digest_of(other)


def test_an_empty_file_is_a_failure(tmp_path: Path) -> None:
    stat = stat_of(make_file(tmp_path / "x"))

    failed = digest_file(stat)

    assert isinstance(failed, Failed)
    assert (failed.failure.stage, failed.failure.reason, failed.stat) == ("digest", "empty-file", stat)


def test_a_file_that_is_gone_is_unstable(tmp_path: Path) -> None:
    path = make_file(tmp_path / "x", b"content")
    stat = stat_of(path)
    path.unlink()

    assert digest_file(stat) == Unstable(stat.path)


@pytest.mark.parametrize("content", [b"longer than it was", b"short", b""], ids=["grown", "cut", "emptied"])
def test_a_file_that_was_written_to_since_it_was_found_is_unstable(tmp_path: Path, content: bytes) -> None:
    path = make_file(tmp_path / "x", b"ten bytes.")
    stat = stat_of(path)
    path.write_bytes(content)

    assert digest_file(stat) == Unstable(stat.path)


def test_a_file_that_is_written_to_while_it_is_read_is_unstable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file(tmp_path / "x", b"content")
    stat = stat_of(path)
    read = digest_module.digest_of

    def and_grow(descriptor: int, size: int) -> bytes:
        digest = read(descriptor, size)
        make_file(path, b"content and more")
        return digest

    monkeypatch.setattr(digest_module, "digest_of", and_grow)

    assert digest_file(stat) == Unstable(stat.path)


def test_a_fifo_in_the_place_of_the_file_does_not_hang(tmp_path: Path) -> None:
    path = make_file(tmp_path / "x", b"content")
    stat = stat_of(path)
    path.unlink()
    os.mkfifo(path)

    assert isinstance(digest_file(stat), Failed)


def test_a_folder_in_the_place_of_the_file_is_a_failure(tmp_path: Path) -> None:
    path = make_file(tmp_path / "x", b"content")
    stat = stat_of(path)
    path.unlink()
    path.mkdir()

    assert isinstance(digest_file(stat), Failed)


DIGEST = """
import os, sys
from qacache.models import FileStat
from qacache.scan.digest import digest_file
path = os.fsencode(sys.argv[1])
os.chdir(os.path.dirname(path))
stat = FileStat.of(os.path.basename(path), os.stat(path))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(digest_file(stat).failure.reason)
"""


def test_a_file_without_permission_is_a_failure(tmp_path: Path) -> None:
    path = make_file(tmp_path / "x.mp4", b"content")
    path.chmod(0)

    child = subprocess.run([sys.executable, "-c", DIGEST, str(path)], capture_output=True, text=True, check=True)

    assert child.stdout == "permission-denied\n"


@pytest.mark.parametrize("size", [1, CHUNK_BYTES, WHOLE_BYTES, WHOLE_BYTES + 1, LARGE])
def test_what_a_digest_reads_is_known_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    path = make_file(tmp_path / "x", bytes(size))
    read: list[int] = []
    pread = os.pread

    def counting(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, length, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)

    digest_of(path)

    assert sum(read) == digested_bytes(size)
