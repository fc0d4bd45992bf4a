"""What the operating system's refusals mean, as `Failure`s: a stable reason for programs, a sentence for people."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from qacache.models import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qacache.models import Reason, Stage

REASONS: Mapping[int, Reason] = {
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EIO: "io-error",
    errno.EISDIR: "not-a-file",
    errno.ELOOP: "symlink-loop",
    errno.ENAMETOOLONG: "name-too-long",
    errno.ENOENT: "not-found",
    errno.ENOTDIR: "not-found",
    errno.ENOMEM: "memory-limit",
    errno.EHOSTDOWN: "mount-gone",
    errno.ENOTCONN: "mount-gone",
    errno.ESTALE: "mount-gone",
    errno.ETIMEDOUT: "mount-gone",
}
"""The reason of a failure by the system's error number."""


class NoAnswer(OSError):
    """The system did not answer in time: a mount hangs."""


def os_failure(stage: Stage, error: OSError) -> Failure:
    """Return the failure that `error` was at `stage`."""
    if isinstance(error, NoAnswer):
        return Failure(stage, "no-answer", str(error))
    number = error.errno or 0
    return Failure(stage, REASONS.get(number, "os-error"), os.strerror(number).lower() if number else str(error))
