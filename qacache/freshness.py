"""Freshness: whether what is stored of a file is still true of the file on disk.

In: rows that were looked up. Out: `fresh`, `stale` or `offline` for each. The look at the disk happens in a child
process, because on a mount whose server is gone it may never end, and nothing can end it: the child is killed and
left behind, and the rest of that root is `offline` without another look.
"""

from __future__ import annotations

import os
import select
import struct
from typing import TYPE_CHECKING, Literal, Self

from qacache.models import mtime_ns_of
from qacache.onlooker import end_child, is_mounted, leave_terminal

if TYPE_CHECKING:
    from qacache.store.reader import Found

Freshness = Literal["fresh", "stale", "offline"]

_REQUEST = struct.Struct("<II")
_REPLY = struct.Struct("<cqq")
_THERE, _GONE, _OFFLINE = b"t", b"g", b"o"


class Verifier:
    """Compares rows with files, each within `deadline_s` seconds. Owns its child process."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._child: _Child | None = None
        self._dead_roots: set[bytes] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child:
            self._child.end()

    def freshness(self, found: Found, root: bytes | None) -> Freshness:
        """Return whether the row is true of its file; `root` is the scanned folder that the file is in."""
        root = root or os.path.dirname(found.path)
        if root in self._dead_roots:
            return "offline"
        self._child = self._child or _Child()
        reply = self._child.ask(found.path, root, self._deadline_s)
        if reply is None:
            self._child.end()
            self._child = None
            self._dead_roots.add(root)
            return "offline"
        state, size, mtime_ns = reply
        if state == _OFFLINE:
            return "offline"
        if state == _GONE:
            return "fresh" if found.status == "vanished" else "stale"
        is_same = (size, mtime_ns) == (found.size, found.mtime_ns) and found.status != "vanished"
        return "fresh" if is_same else "stale"


class _Child:
    """A forked process that looks at files."""

    def __init__(self) -> None:
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            # or it would wait for requests from itself when the parent is gone
            os.close(self._requests)
            _serve(requests, replies)
        os.close(requests)
        os.close(replies)

    def ask(self, path: bytes, root: bytes, deadline_s: float) -> tuple[bytes, int, int] | None:
        """Return (state, size, mtime_ns), None where the answer did not come in time."""
        try:
            os.write(self._requests, _REQUEST.pack(len(path), len(root)) + path + root)
            if not select.select([self._replies], [], [], deadline_s)[0]:
                return None
            return _REPLY.unpack(os.read(self._replies, _REPLY.size))
        except (BrokenPipeError, struct.error):
            return None

    def end(self) -> None:
        os.close(self._requests)
        os.close(self._replies)
        end_child(self._pid)


def _serve(requests: int, replies: int) -> None:
    """Answer until the parent is gone; never returns."""
    try:
        leave_terminal()
        while len(header := _read(requests, _REQUEST.size)) == _REQUEST.size:
            path_bytes, root_bytes = _REQUEST.unpack(header)
            path, root = _read(requests, path_bytes), _read(requests, root_bytes)
            os.write(replies, _REPLY.pack(*_look(path, root)))
    finally:
        os._exit(0)


def _read(descriptor: int, length: int) -> bytes:
    data = b""
    while len(data) < length and (more := os.read(descriptor, length - len(data))):
        data += more
    return data


def _look(path: bytes, root: bytes) -> tuple[bytes, int, int]:
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return (_GONE if is_mounted(root) else _OFFLINE), 0, 0
    except OSError:
        return _OFFLINE, 0, 0
    return _THERE, stat.st_size, mtime_ns_of(stat)
