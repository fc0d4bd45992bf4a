"""Bytes to be imported: what is around them is taken off, and what is in them is found out.

In: the path of a file, or a stream. Out: a stream of the bytes inside, and the kind of them, by their content.
"""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Literal

from qacache.errors import QacacheError

if TYPE_CHECKING:
    from collections.abc import Iterator

Form = Literal["ndjson", "csv", "sqlite"]

_HEAD_BYTES = 16
_BUFFER_BYTES = 1 << 18
# with a whole raw answer in it; of some files it tells of thousands of chapters
_LONGEST_LINE = 64 << 20

_GZIP = b"\x1f\x8b"
_SQLITE = b"SQLite format 3\0"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UNPACK = "unpack it first"
_OTHERS = {
    b"\xfd7zXZ": ("is compressed by xz", _UNPACK),
    b"BZh": ("is compressed by bzip2", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("is compressed by zstd", _UNPACK),
    b"PK\x03\x04": ("is a ZIP archive, as spreadsheets are", "unpack it, or save it as CSV"),
    b"[": ("is one JSON array", "give a record a line: jq -c '.[]' does that"),
}


class Unreadable(QacacheError):
    """A file cannot be imported, or not to its end; the message follows its name."""


class Input:
    """The bytes inside of `stream`, of which `form` says what they are; it may be packed. Raises `Unreadable`."""

    def __init__(self, stream: BinaryIO) -> None:
        with reading():
            self.stream, head = _rejoined(stream)
            self.is_packed = head.startswith(_GZIP)
            if self.is_packed:
                self.stream, head = _rejoined(gzip.GzipFile(fileobj=self.stream))
            self.form: Form = _form(head)
            if head.startswith(_UTF8_MARK):
                self.stream.read(len(_UTF8_MARK))

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines with their numbers; raises `Unreadable` also at one that is longer than any record."""
        with reading():
            for number, line in enumerate(iter(lambda: self.stream.readline(_LONGEST_LINE), b""), 1):
                if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                    raise Unreadable(f"has a line of more than {_LONGEST_LINE >> 20} MB: line {number}")
                yield number, line


@contextmanager
def reading() -> Iterator[None]:
    """Turn what goes wrong with reading in the block into `Unreadable`."""
    try:
        yield
    except EOFError as error:
        raise Unreadable("ends early: the rest of the gzip is missing", hint="get it again, whole") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Unreadable(f"is damaged: {error}", hint="get it again, whole") from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {(error.strerror or str(error)).lower()}") from error


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO | gzip.GzipFile) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # all that BufferedReader passes
        data, self._head = self._head or self._rest.read1(len(buffer)), b""  # type: ignore[union-attr]
        buffer[: len(data)] = data
        return len(data)


def _rejoined(stream: BinaryIO | gzip.GzipFile) -> tuple[BinaryIO, bytes]:
    # not by `peek`, which a pipe may give a single byte
    head = stream.read(_HEAD_BYTES)
    return io.BufferedReader(_Rejoined(head, stream), _BUFFER_BYTES), head


def _form(head: bytes) -> Form:
    text = head.removeprefix(_UTF8_MARK).lstrip()
    if head.startswith(_SQLITE):
        return "sqlite"
    for sign, (problem, hint) in _OTHERS.items():
        if text.startswith(sign):
            raise Unreadable(problem, hint=hint)
    if head.startswith(_UTF16_MARKS) or (len(head) > 1 and any(head[::2]) != any(head[1::2])):
        raise Unreadable("is no UTF-8, but UTF-16 or the like", hint="make it UTF-8: iconv -f UTF-16 -t UTF-8 FILE")
    if b"\0" in head:
        raise Unreadable("is no export, but binary data")
    return "ndjson" if text.startswith(b"{") or not text else "csv"
