"""Sight: what the disk says of a path right now.

In: a path, and the root that it is in. Out: a `Sight`. Each look is a child process's, as in `qacache.freshness`: on a
mount whose server is gone it may never end. Such a child is killed and left behind, and nothing else in that root is
looked at.
"""

from __future__ import annotations

import json
import os
import select
import stat as stat_module
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from qacache.models import mtime_ns_of
from qacache.onlooker import end_child, is_mounted, leave_terminal
from qacache.paths import as_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sight(NamedTuple):
    """What there is at a path.

    `state` is `there`, `gone`, `denied` (it may not even be looked at) or `offline` (the disk does not answer, or its
    root is missing or empty, as if unmounted). The kind `dangling-link` is a symbolic link to nothing. `size` is in
    bytes. Of the folders below the root and above the path, `link_folder` is the first that is a symbolic link (a path
    that itself is a link to a folder counts), `closed_folder` the first that may not be listed. `problem` is what the
    operating system said, in its words.
    """

    state: Literal["there", "gone", "denied", "offline"]
    kind: Literal["file", "folder", "dangling-link", "other"] | None = None
    size: int | None = None
    mtime_ns: int | None = None
    is_readable: bool = False
    link_folder: bytes | None = None
    closed_folder: bytes | None = None
    problem: str = ""


class Lookout:
    """Looks at paths, each within `deadline_s` seconds."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._dead_roots: set[bytes] = set()

    def look(self, path: bytes, root: bytes | None) -> Sight:
        """Return what there is at `path`; `root` is the scanned folder that it is in, if any."""
        place = root or os.path.dirname(path)
        reply = None if place in self._dead_roots else _ask(path, root, self._deadline_s)
        if reply is None:
            self._dead_roots.add(place)
            return Sight("offline", problem="the disk does not answer")
        link_length, closed_length = reply.pop("link_length"), reply.pop("closed_length")
        return Sight(
            **reply,
            link_folder=path[:link_length] if link_length else None,
            closed_folder=path[:closed_length] if closed_length else None,
        )


def _ask(path: bytes, root: bytes | None, deadline_s: float) -> dict[str, Any] | None:
    """Return the fields of a `Sight`, folders as the lengths of their names; None where they do not come in time."""
    replies, reply_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(path, root, reply_end)
    os.close(reply_end)
    try:
        return _read(replies, time.monotonic() + deadline_s)
    finally:
        os.close(replies)
        end_child(pid)


def _read(replies: int, deadline: float) -> dict[str, Any] | None:
    data = b""
    while select.select([replies], [], [], max(0.0, deadline - time.monotonic()))[0]:
        more = os.read(replies, 65536)
        if not more:
            return dict(json.loads(data)) if data else None
        data += more
    return None


def _answer(path: bytes, root: bytes | None, reply_end: int) -> None:
    """Be the child: write the reply and end; never returns."""
    try:
        leave_terminal()
        os.write(reply_end, json.dumps(_look(path, root)).encode())
    finally:
        os._exit(0)


def _look(path: bytes, root: bytes | None) -> dict[str, Any]:
    folders = list(_folders_between(root, path)) if root else []
    found = _stat(path, root)
    inside = [path] if root and path != root and found.get("kind") == "folder" else []
    return {
        **found,
        "is_readable": os.access(path, os.R_OK),
        "link_length": next((len(each) for each in folders + inside if os.path.islink(each)), 0),
        "closed_length": next((len(each) for each in folders + inside if _is_closed(each)), 0),
    }


def _stat(path: bytes, root: bytes | None) -> dict[str, Any]:
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):
            return {"state": "there", "kind": "dangling-link"}
        if root and not is_mounted(root):
            return {"state": "offline", "problem": "its root is missing or empty"}
        return {"state": "gone", "problem": _words(error)}
    except PermissionError as error:
        return {"state": "denied", "problem": _words(error)}
    except OSError as error:
        return {"state": "offline", "problem": _words(error)}
    is_file, is_folder = stat_module.S_ISREG(stat.st_mode), stat_module.S_ISDIR(stat.st_mode)
    kind = "file" if is_file else "folder" if is_folder else "other"
    return {"state": "there", "kind": kind, "size": stat.st_size, "mtime_ns": mtime_ns_of(stat)}


def _folders_between(root: bytes, path: bytes) -> Iterator[bytes]:
    """Yield the folders below `root` that hold `path`, the outermost first."""
    position = path.find(b"/", len(as_folder(root)))
    while position > 0:
        yield path[:position]
        position = path.find(b"/", position + 1)


def _is_closed(folder: bytes) -> bool:
    return os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK)


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
