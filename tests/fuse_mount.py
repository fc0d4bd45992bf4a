"""A mounted file system that mirrors a folder and can be told to misbehave, as the share of a server that dies.

Linux's FUSE protocol, without a library: its numbers are those of include/uapi/linux/fuse.h. Who waits for an answer
waits inside the kernel, where not even SIGKILL ends it, until the mount is buried.
"""

from __future__ import annotations

import ctypes
import os
import select
import stat as stat_module
import struct
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum
from errno import EIO, ENOSYS
from pathlib import Path

import pytest

ROOT = 1
MNT_FORCE, MNT_DETACH = 1, 2
# so many requests are answered at a time
SERVERS = 16
TICK_S = 0.1
# lookups and listings of one folder do not wait for each other: FUSE_PARALLEL_DIROPS
PARALLEL_DIROPS = 1 << 18
# what is read is asked for, whatever the kernel has in its cache: FOPEN_DIRECT_IO
DIRECT_IO = 1


class Operation(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    OPEN = 14
    READ = 15
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    INTERRUPT = 36
    BATCH_FORGET = 42


LISTINGS = frozenset({Operation.OPENDIR, Operation.READDIR})
ATTRIBUTES = frozenset({Operation.LOOKUP, Operation.GETATTR})
READS = frozenset({Operation.OPEN, Operation.READ})
ANY = LISTINGS | ATTRIBUTES | READS
# for these nobody waits: the kernel tells of what it closed
UNAWAITED = frozenset({Operation.RELEASE, Operation.RELEASEDIR})
UNANSWERED = frozenset({Operation.FORGET, Operation.INTERRUPT, Operation.BATCH_FORGET})


@dataclass(frozen=True, slots=True)
class Request:
    """What the kernel asks: about `path`, with the `body` that belongs to the operation."""

    operation: int
    unique: int
    path: bytes
    body: bytes


@dataclass(slots=True)
class Trouble:
    """What goes wrong with which requests, see `FuseMount`; `error` is None where nothing is answered."""

    operations: Collection[Operation]
    only: str | None
    since: str | None
    error: int | None

    def concerns(self, request: Request) -> bool:
        """Whether the request meets with it."""
        name = os.fsdecode(os.path.basename(request.path))
        if name == self.since:
            self.since = None
        return self.since is None and request.operation in self.operations and self.only in (None, name)


class FuseMount:
    """Owns the mount on `folder`, an empty one, in which `source` is to be seen; raises `OSError`.

    Each of its answers takes `delay_s`. `busy_s` is for how long somebody waited for answers, of several at a time the
    sum, `most_at_a_time` how many did. What goes wrong does so for some `operations`, for the file or folder `only` by
    this name, and from the moment on at which one by the name `since` is asked for. Ends with its `with` block, and
    nobody waits for it any more. `tells_seconds`: of times it tells whole seconds, and no ctime but the mtime.
    """

    def __init__(self, folder: Path, source: Path, *, delay_s: float = 0.0, tells_seconds: bool = False) -> None:
        self.folder = folder
        self.tells_seconds = tells_seconds
        self.delay_s = delay_s
        self.busy_s = 0.0
        self.most_at_a_time = 0
        self._at_a_time = 0
        self.troubled = threading.Event()
        self._paths = {ROOT: os.fsencode(source)}
        self._nodes = {os.fsencode(source): ROOT}
        self._trouble: Trouble | None = None
        self._unmounts_at: str | None = None
        self._held: list[Request] = []
        self._lock = threading.Lock()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_over = False
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if self._libc.mount(b"nas:/videos", os.fsencode(folder), b"fuse", 0, options):
            os.close(self._device)
            raise OSError(ctypes.get_errno(), "cannot mount")
        self._servers = [threading.Thread(target=self._serve, daemon=True) for _ in range(SERVERS)]
        for server in self._servers:
            server.start()

    def __enter__(self) -> FuseMount:
        return self

    def __exit__(self, *_: object) -> None:
        self._libc.umount2(os.fsencode(self.folder), MNT_FORCE | MNT_DETACH)
        self._is_over = True
        for server in self._servers:
            server.join(10)
        # lets go who waits for a mount that vanished: there was nothing to unmount by force
        os.close(self._device)

    def stall(
        self, operations: Collection[Operation] = ANY, *, only: str | None = None, since: str | None = None
    ) -> None:
        """Answer no more, until `recover`."""
        self._trouble = Trouble(operations, only, since, None)

    def fail(
        self,
        error: int = EIO,
        operations: Collection[Operation] = ANY,
        *,
        only: str | None = None,
        since: str | None = None,
    ) -> None:
        """Answer with `error`, until `recover`."""
        self._trouble = Trouble(operations, only, since, error)

    def vanish(self, *, since: str) -> None:
        """Unmount when `since` is asked for; what is open then, stays open, as after `umount --lazy`."""
        self._unmounts_at = since

    def recover(self) -> None:
        """Answer again, first of all what was left without an answer."""
        self._trouble = None
        with self._lock:
            held, self._held = self._held, []
        for request in held:
            self._answer(request)

    def unanswered(self) -> list[str]:
        """Return the names of what was asked for without an answer."""
        with self._lock:
            return [os.fsdecode(os.path.basename(request.path)) for request in self._held]

    def _serve(self) -> None:
        while not self._is_over:
            select.select([self._device], [], [], TICK_S)
            try:
                message = os.read(self._device, 1 << 17)
            except BlockingIOError:
                continue  # another server took it
            except OSError:
                return
            request = self._parse(message)
            if request.operation in UNAWAITED:
                self._answer(request)
            elif request.operation not in UNANSWERED:
                self._wait_and_meet(request)

    def _wait_and_meet(self, request: Request) -> None:
        began = time.monotonic()
        with self._lock:
            self._at_a_time += 1
            self.most_at_a_time = max(self.most_at_a_time, self._at_a_time)
        time.sleep(self.delay_s)
        # before the answer: whoever gets it may ask again at once
        with self._lock:
            self._at_a_time -= 1
            self.busy_s += time.monotonic() - began
        self._meet(request)

    def _parse(self, message: bytes) -> Request:
        _, operation, unique, node = struct.unpack_from("<IIQQ", message)
        body = message[40:]
        path = self._paths.get(node, b"")
        if operation == Operation.LOOKUP:
            path = os.path.join(path, body.rstrip(b"\0"))
        return Request(operation, unique, path, body)

    def _meet(self, request: Request) -> None:
        if self._unmounts_at == os.fsdecode(os.path.basename(request.path)):
            self._unmounts_at = None
            self._libc.umount2(os.fsencode(self.folder), MNT_DETACH)
            self.troubled.set()
        with self._lock:
            trouble = self._trouble
            concerned = trouble is not None and trouble.concerns(request)
            if concerned and trouble and trouble.error is None:
                self._held.append(request)
        if not concerned or trouble is None:
            self._answer(request)
            return
        self.troubled.set()
        if trouble.error is not None:
            self._write(request, -trouble.error)

    def _answer(self, request: Request) -> None:
        make = ANSWERS.get(request.operation)
        if make is None:
            self._write(request, -ENOSYS)
            return
        try:
            answer = make(self, request)
        except OSError as error:
            self._write(request, -(error.errno or EIO))
        else:
            self._write(request, 0, answer)

    def _write(self, request: Request, error: int, answer: bytes = b"") -> None:
        try:
            os.write(self._device, struct.pack("<IiQ", 16 + len(answer), error, request.unique) + answer)
        except OSError:
            return  # nobody waits for it any more

    def _initialize(self, _: Request) -> bytes:
        # protocol 7.31, 4 KiB a write
        return struct.pack("<4I2H2I2HI7I", 7, 31, 0, PARALLEL_DIROPS, 0, 0, 4096, 1, 0, 0, 0, *[0] * 7)

    def _look_up(self, request: Request) -> bytes:
        attributes = self._attributes(request.path)
        with self._lock:
            node = self._nodes.setdefault(request.path, len(self._nodes) + ROOT)
            self._paths[node] = request.path
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + attributes

    def _get_attributes(self, request: Request) -> bytes:
        return struct.pack("<Q2I", 0, 0, 0) + self._attributes(request.path)

    def _attributes(self, path: bytes) -> bytes:
        stat = os.lstat(path)
        times_ns = [stat.st_atime_ns, stat.st_mtime_ns, stat.st_ctime_ns]
        if self.tells_seconds:
            times_ns = [time_ns // 10**9 * 10**9 for time_ns in (stat.st_atime_ns, *[stat.st_mtime_ns] * 2)]
        seconds, rests = zip(*(divmod(time_ns, 10**9) for time_ns in times_ns), strict=True)
        numbers = (stat.st_mode, stat.st_nlink, stat.st_uid, stat.st_gid, 0, 4096, 0)
        return struct.pack("<6Q10I", stat.st_ino, stat.st_size, stat.st_blocks, *seconds, *rests, *numbers)

    def _open(self, request: Request) -> bytes:
        os.lstat(request.path)
        return struct.pack("<Q2I", 0, DIRECT_IO, 0)

    def _open_folder(self, request: Request) -> bytes:
        os.lstat(request.path)
        return struct.pack("<Q2I", 0, 0, 0)

    def _read(self, request: Request) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", request.body)
        with open(request.path, "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def _list(self, request: Request) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", request.body)
        listing = b""
        for position, name in enumerate(sorted(os.listdir(request.path))):
            entry = _entry(os.path.join(request.path, name), position + 1)
            if position >= offset and len(listing) + len(entry) <= size:
                listing += entry
            elif position >= offset:
                break
        return listing

    def _close(self, _: Request) -> bytes:
        return b""


def mounted(folder: Path, source: Path, *, tells_seconds: bool = False) -> FuseMount:
    """Mount `source` on `folder`, which is made if need be; skips the test where that is not possible."""
    folder.mkdir(exist_ok=True)
    try:
        return FuseMount(folder, source, tells_seconds=tells_seconds)
    except OSError as error:
        pytest.skip(f"no file system can be mounted here: {error}")


ANSWERS: dict[int, Callable[[FuseMount, Request], bytes]] = {
    Operation.INIT: FuseMount._initialize,
    Operation.LOOKUP: FuseMount._look_up,
    Operation.GETATTR: FuseMount._get_attributes,
    Operation.OPEN: FuseMount._open,
    Operation.READ: FuseMount._read,
    Operation.FLUSH: FuseMount._close,
    Operation.RELEASE: FuseMount._close,
    Operation.OPENDIR: FuseMount._open_folder,
    Operation.READDIR: FuseMount._list,
    Operation.RELEASEDIR: FuseMount._close,
}


def _entry(path: bytes, next_offset: int) -> bytes:
    name, stat = os.path.basename(path), os.lstat(path)
    head = struct.pack("<QQII", stat.st_ino, next_offset, len(name), stat_module.S_IFMT(stat.st_mode) >> 12)
    return head + name + bytes(-len(name) % 8)
