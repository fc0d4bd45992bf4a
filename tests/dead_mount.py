"""A mounted file system whose files can be opened but never read, as a share of a server that is gone.

Who reads waits inside the kernel, where not even SIGKILL ends it. Linux's FUSE protocol, without a library: its
numbers are those of include/uapi/linux/fuse.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from enum import IntEnum
from pathlib import Path

ROOT, FILE = 1, 2
ENOSYS = 38
MNT_FORCE, MNT_DETACH = 1, 2


class Operation(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    OPEN = 14
    READ = 15
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    BATCH_FORGET = 42


UNANSWERED = {Operation.READ, Operation.FORGET, Operation.INTERRUPT, Operation.BATCH_FORGET}


class DeadMount:
    """Owns the mount on `folder`, which holds a file of whatever name one asks for; raises `OSError`.

    Ends, at the latest, with its `with` block.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if self._libc.mount(b"dead", os.fsencode(folder), b"fuse", 0, options):
            os.close(self._device)
            raise OSError(ctypes.get_errno(), "cannot mount")
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def __enter__(self) -> DeadMount:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server.is_alive():
            self.bury()

    def bury(self) -> None:
        """Unmount: whoever waits is let go with an error."""
        self._libc.umount2(os.fsencode(self.folder), MNT_FORCE | MNT_DETACH)
        self._server.join(10)
        os.close(self._device)

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._device, 1 << 17)
            except OSError:
                return
            _, operation, unique, node = struct.unpack_from("<IIQQ", request)
            if operation not in UNANSWERED:
                answer = _answer(operation, node)
                header = (16, -ENOSYS) if answer is None else (16 + len(answer), 0)
                os.write(self._device, struct.pack("<IiQ", *header, unique) + (answer or b""))


def _answer(operation: int, node: int) -> bytes | None:
    match operation:
        case Operation.INIT:
            # protocol 7.31, 4 KiB a write
            return struct.pack("<4I2H2I2HI7I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0, *[0] * 7)
        case Operation.LOOKUP:
            return struct.pack("<4Q2I", FILE, 0, 0, 0, 0, 0) + _attributes(FILE)
        case Operation.GETATTR:
            return struct.pack("<Q2I", 0, 0, 0) + _attributes(node)
        case Operation.OPEN:
            return struct.pack("<Q2I", 0, 0, 0)
        case Operation.RELEASE | Operation.FLUSH:
            return b""
    return None


def _attributes(node: int) -> bytes:
    mode = 0o40755 if node == ROOT else 0o100644
    return struct.pack("<6Q10I", node, 1 << 20, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
