"""Sight: what the disk says of a path right now.

In: a path, and the root that it is in. Out: a `Sight`. Each look is a child process's, as in `qacache.freshness`: on a
mount whose server is gone it may never end. Such a child is killed and left behind, and nothing else in that root is
looked at.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat as stat_module
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from qacache.models import mtime_ns_of
from qacache.paths import as_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

# So long a killed child may take to die, unless it hangs.
_DEATH_S = 0.1


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
        _end(pid)


def _read(replies: int, deadline: float) -> dict[str, Any] | None:
    data = b""
    while select.select([replies], [], [], max(0.0, deadline - time.monotonic()))[0]:
        more = os.read(replies, 65536)
        if not more:
            return dict(json.loads(data)) if data else None
        data += more
    return None


def _end(pid: int) -> None:
    """Kill the child and reap it; one that hangs in the kernel is left to itself."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _DEATH_S
        while not os.waitpid(pid, os.WNOHANG)[0] and time.monotonic() < deadline:
            time.sleep(0.001)


def _answer(path: bytes, root: bytes | None, reply_end: int) -> None:
    """Be the child: write the reply and end; never returns."""
    try:
        # whoever waits for the parent's output to end must not wait for a child that hangs
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
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
        if root and not _is_mounted(root):
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


def _is_mounted(root: bytes) -> bool:
    """Whether the root holds anything: an unmounted one is an empty folder, or none."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
