"""Files that are there whole or not at all: written under another name beside, synced, and only then renamed."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from qacache.store.backup.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP = ".gz"
# letters: a name may have 255 bytes, and what is put around this one takes some
_MOST_OF_NAME = 50
_LEVEL = 6


def is_packed(path: str) -> bool:
    """Whether what is written to `path` is to be compressed by gzip, as its name says."""
    return path.endswith(_GZIP)


def unpacked_name(path: str) -> str:
    """Return `path` without what its name says of gzip."""
    return path.removesuffix(_GZIP)


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Give the path of a new file; once the block is done, it is synced and has the name `path`.

    Whatever ends the block before leaves what was at `path`, if anything, as it was. A device or a pipe is written to
    directly. Raises `OSError` with the name of the file.
    """
    before = _stat(path)
    if before is not None and not stat.S_ISREG(before.st_mode):
        # by this name: what a pipe of /dev/fd is linked to is none
        with _named(path, path):
            yield path
        return
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:_MOST_OF_NAME]}.{secrets.token_hex(4)}.partial")
    with _named(path, temporary):
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            if before is not None:
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            yield temporary
            os.fsync(descriptor)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(descriptor)
    sync_folder(folder)


@contextmanager
def text_file(path: str, *, packed: bool) -> Iterator[TextIO]:
    """Give the file `path` to write text to, as UTF-8, with line ends as they are; `packed` is compressed by gzip."""
    with open(path, "wb") as file:
        if not packed:
            with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
                yield text
            return
        with pack(file) as packing, io.TextIOWrapper(packing, encoding="utf-8", newline="") as text:
            yield text


def pack(file: io.BufferedIOBase) -> gzip.GzipFile:
    """Return what compresses into `file`: the same content always gives the same bytes."""
    return gzip.GzipFile("", "wb", _LEVEL, file, mtime=0)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


@contextmanager
def _named(path: str, temporary: str) -> Iterator[None]:
    """Have errors name the file that is meant, not what it is called until it is done."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, temporary):
            error.filename = path
        raise
