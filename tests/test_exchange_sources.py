"""What is in a file is found out by its content, and what cannot be read is told of once what came before is."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qacache.exchange.inputs import Unreadable
from qacache.exchange.outputs import write_file
from qacache.exchange.sources import Source
from qacache.record import BadRecord
from qacache.store.reader import Reader
from tests.rows import failed, probed
from tests.test_exchange_check import good
from tests.test_exchange_roundtrip import entries, fill, new

BOM = b"\xef\xbb\xbf"


def line(name: str, **changes: Any) -> bytes:
    return json.dumps(good(path=f"/v/{name}.mp4", **changes)).encode() + b"\n"


LINES = line("a") + line("b") + line("c")


def told(path: Path | str) -> list[tuple[int, str]]:
    """The number and name of each record, or what is wrong with it."""
    return [
        (number, str(each) if isinstance(each, BadRecord) else Path(os.fsdecode(each.path)).stem)
        for number, each in Source(str(path)).items()
    ]


def told_until_it_breaks(path: Path) -> tuple[list[int], Unreadable]:
    """The numbers of the records that there were, and why there are no more."""
    numbers = []
    try:
        for number, _ in Source(str(path)).items():
            numbers.append(number)
    except Unreadable as error:
        return numbers, error
    raise AssertionError("it was read to its end")


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def store_file(new_store: Path, tmp_path: Path) -> Path:
    """A store of three files."""
    path = new(new_store, tmp_path)
    fill(path, [(0, [probed(b"/v/a.mp4"), probed(b"/v/b.mp4"), failed(b"/v/c.mp4")])])
    return path


@pytest.mark.parametrize(
    "wrap", [bytes, gzip.compress, lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:])]
)
@pytest.mark.parametrize("mark", [b"", BOM])
@pytest.mark.parametrize("name", ["x.ndjson", "x.csv", "x.gz", "x"])
def test_the_form_is_told_by_the_content_not_the_name(
    tmp_path: Path, wrap: Callable[[bytes], bytes], mark: bytes, name: str
) -> None:
    assert told(written(tmp_path / name, wrap(mark + LINES))) == [(1, "a"), (2, "b"), (3, "c")]


def test_nothing_is_an_export_of_nothing(tmp_path: Path) -> None:
    assert told(written(tmp_path / "x", b"")) == []
    assert told(written(tmp_path / "x", gzip.compress(b""))) == []


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.db", "x.db.gz", "x.ndjson"])
def test_each_form_of_an_export_is_read(store_file: Path, tmp_path: Path, name: str) -> None:
    form: Any = {".csv": "csv", ".db": "sqlite", ".ndjson": "ndjson"}[Path(name.removesuffix(".gz")).suffix]
    with Reader(str(store_file)) as reader:
        found = (each for each in entries(reader) if not isinstance(each, bytes))
        write_file(str(tmp_path / name), found, form, reader)
    assert [stem for _, stem in told(tmp_path / name)] == ["a", "b", "c"]


def test_a_whole_store_is_read(store_file: Path) -> None:
    assert told(store_file) == [(1, "a"), (2, "b"), (3, "c")]


def test_standard_input_is_read(store_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (LINES, gzip.compress(LINES), store_file.read_bytes()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert [stem for _, stem in told("-")] == ["a", "b", "c"]


def test_a_store_is_read_from_a_pipe_by_the_number_of_its_descriptor(store_file: Path) -> None:
    with subprocess.Popen(["cat", store_file], stdout=subprocess.PIPE) as piped:
        assert piped.stdout is not None
        assert [stem for _, stem in told(f"/dev/fd/{piped.stdout.fileno()}")] == ["a", "b", "c"]


def test_a_pipe_that_gives_a_byte_at_a_time_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return super().read1(1)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Slow(gzip.compress(LINES))))
    assert [stem for _, stem in told("-")] == ["a", "b", "c"]


@pytest.mark.parametrize("kept", [-1, -20, 12])
def test_a_gzip_that_ends_early_gives_what_it_has_and_says_so(tmp_path: Path, kept: int) -> None:
    many = b"".join(line(str(number), size=number**9) for number in range(2000))
    whole = gzip.compress(many)

    numbers, error = told_until_it_breaks(written(tmp_path / "x.gz", whole[:kept]))

    assert numbers == list(range(1, len(numbers) + 1))
    assert (len(numbers) >= 1900) == (kept < 0)
    assert str(error) == "ends early: the rest of the gzip is missing"
    assert error.hint == "get it again, whole"


@pytest.mark.parametrize("place", [5000, -6])
def test_a_damaged_gzip_says_so(tmp_path: Path, place: int) -> None:
    packed = bytearray(gzip.compress(LINES + random.Random(7).randbytes(20_000).hex().encode()))
    packed[place] ^= 0xFF
    _, error = told_until_it_breaks(written(tmp_path / "x.gz", bytes(packed)))
    assert str(error).startswith("is damaged: ")
    assert error.hint == "get it again, whole"


def make_zip(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.ndjson", data)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("encode", "problem", "hint"),
    [
        (
            lambda data: data.decode().encode("utf-16"),
            "is no UTF-8, but UTF-16 or the like",
            "iconv -f UTF-16 -t UTF-8",
        ),
        (lambda data: data.decode().encode("utf-16-le"), "is no UTF-8, but UTF-16 or the like", "iconv"),
        (lambda data: data.decode().encode("utf-32"), "is no UTF-8, but UTF-16 or the like", "iconv"),
        (lzma.compress, "is compressed by xz", "unpack it first"),
        (bz2.compress, "is compressed by bzip2", "unpack it first"),
        (make_zip, "is a ZIP archive, as spreadsheets are", "save it as CSV"),
        (lambda data: b" \n[" + data + b"]", "is one JSON array", "jq -c '.[]'"),
        (lambda data: b"hello", "is no CSV of records: its first line has no column path", None),
        (lambda data: b"\x7fELF\x02", "is no CSV of records: its first line has no column path", "with commas"),
        (lambda data: b"h", "is no CSV of records: its first line has no column path", None),
        (lambda data: b"ID3\x04\0\0\0\0\0\x23TSSE", "is no export, but binary data", None),
        (lambda data: bytes(100), "is no export, but binary data", None),
    ],
)
def test_what_is_something_else_is_named(
    tmp_path: Path, encode: Callable[[bytes], bytes], problem: str, hint: str | None
) -> None:
    numbers, error = told_until_it_breaks(written(tmp_path / "x", encode(LINES)))
    assert numbers == []
    assert str(error).startswith(problem)
    assert hint is None or (error.hint is not None and hint in error.hint)


def test_text_in_another_encoding_is_refused_line_by_line(tmp_path: Path) -> None:
    data = line("a") + line("caf\xe9").decode("unicode_escape").encode("latin-1") + line("c")
    assert told(written(tmp_path / "x", data)) == [(1, "a"), (2, "no UTF-8: byte 0xe9 at 16"), (3, "c")]


def test_an_export_from_a_newer_version_ends_there(tmp_path: Path) -> None:
    numbers, error = told_until_it_breaks(written(tmp_path / "x", line("a") + line("b", qacache=2) + line("c")))
    assert numbers == [1]
    assert str(error) == ("was written by a newer qacache: line 2: the record is of version 2, this qacache knows 1")
    assert error.hint == "upgrade qacache"


def test_a_line_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qacache.exchange.inputs._LONGEST_LINE", 1 << 20)
    numbers, error = told_until_it_breaks(written(tmp_path / "x", line("a") + b'{"path": "' + b"x" * (1 << 21)))
    assert numbers == [1]
    assert str(error) == "has a line of more than 1 MB: line 2"


@pytest.mark.parametrize("depth", [900, 2000, 500_000])
def test_what_is_nested_too_deep_takes_nothing_along(tmp_path: Path, depth: int) -> None:
    deep = json.dumps(good())[:-1].encode() + b', "raw": {"a": ' + b"[" * depth + b"]" * depth + b"}}\n"
    first, _, last = told(written(tmp_path / "x", line("a") + deep + line("c")))
    assert (first, last) == ((1, "a"), (3, "c"))


def change(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE file SET size = -5 WHERE path = x'2f762f622e6d7034'", "size is no whole number from 0: -5"),
        ("UPDATE file SET size = 'x' WHERE path = x'2f762f622e6d7034'", "size is no whole number from 0: 'x'"),
        ("UPDATE file SET digest = 'x' WHERE path = x'2f762f622e6d7034'", "it holds what no qacache wrote"),
        ("UPDATE file SET first_seen_ms = 1e300 WHERE path = x'2f762f622e6d7034'", "it holds what no qacache wrote"),
        ("UPDATE media SET layouts = '[{]' WHERE file_id = 2", "it holds what no qacache wrote"),
        ("UPDATE media SET layouts = '[5]' WHERE file_id = 2", "media.streams[0] is no object: 5"),
        ("UPDATE media SET tags = '[]' WHERE file_id = 2", "media.tags is no object of texts: []"),
        ('UPDATE media SET tags = \'{"a": "\\ud800"}\' WHERE file_id = 2', "it holds what no qacache wrote"),
        (f"UPDATE media SET tags = '{'[' * 99_999}' WHERE file_id = 2", "it holds what no qacache wrote"),
        ("UPDATE raw_probe SET json = x'00' WHERE file_id = 2", "it holds what no qacache wrote"),
        ("UPDATE raw_probe SET json = 5 WHERE file_id = 2", "it holds what no qacache wrote"),
        ("DELETE FROM media WHERE file_id = 2", "status is ok, but there is no media"),
    ],
)
def test_a_row_that_no_qacache_wrote_is_refused(store_file: Path, statement: str, problem: str) -> None:
    first, (number, refused), last = told(change(store_file, statement))
    assert (first, number, last) == ((1, "a"), 2, (3, "c"))
    assert refused.startswith(problem)


@pytest.mark.parametrize(
    ("statements", "problem", "hint"),
    [
        (["PRAGMA user_version = 99"], "cannot be read: store schema 99 is newer than this qacache", "upgrade qacache"),
        (["PRAGMA user_version = 1"], "cannot be read: store schema 1 is older", "bring it up to date first: qacache "),
        (["PRAGMA application_id = 5"], "cannot be read: ", "name an export"),
        (["DROP TABLE media"], "cannot be read: ", None),
    ],
)
def test_a_store_that_cannot_be_read_says_why(
    store_file: Path, statements: Sequence[str], problem: str, hint: str | None
) -> None:
    numbers, error = told_until_it_breaks(change(store_file, *statements))
    assert numbers == []
    assert str(error).startswith(problem)
    assert hint is None or (error.hint or "").startswith(hint)


def test_a_damaged_store_says_so(store_file: Path) -> None:
    data = store_file.read_bytes()
    _, error = told_until_it_breaks(written(store_file, data[:4096] + b"\xff" * (len(data) - 4096)))
    assert str(error).startswith("cannot be read: store ")
    assert error.hint == "get it again, whole"


@pytest.mark.parametrize(("make", "problem"), [(None, "no such file"), (Path.mkdir, "is a directory")])
def test_what_is_no_file_says_so(tmp_path: Path, make: Callable[[Path], None] | None, problem: str) -> None:
    path = tmp_path / "x"
    if make:
        make(path)
    numbers, error = told_until_it_breaks(path)
    assert numbers == []
    assert problem in str(error)


def test_how_much_of_a_file_was_read_is_known(tmp_path: Path) -> None:
    many = b"".join(line(str(number)) for number in range(5000))
    source = Source(str(written(tmp_path / "x", many)))
    assert source.share_read() is None
    shares = [source.share_read() for _ in source.items()]
    known = [share for share in shares if share is not None]
    assert len(known) == 5000
    assert known == sorted(known)
    assert 0 < known[0] < 0.5
    assert known[-1] == 1
