"""What the operating system's refusals mean, as `Failure`s: a stable reason for programs, a sentence for people."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from qacache.models import Failure

if TYPE_CHECKING:
    from qacache.models import Stage

_REASONS = {
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.ELOOP: "symlink-loop",
    errno.ENOENT: "not-found",
    errno.ENOTDIR: "not-found",
    errno.ENAMETOOLONG: "name-too-long",
    errno.EIO: "io-error",
    errno.ESTALE: "mount-gone",
    errno.ENOTCONN: "mount-gone",
    errno.EHOSTDOWN: "mount-gone",
    errno.ETIMEDOUT: "mount-gone",
}


def os_failure(stage: Stage, error: OSError) -> Failure:
    """Return the failure that `error` was at `stage`."""
    number = error.errno or 0
    return Failure(stage, _REASONS.get(number, "os-error"), os.strerror(number).lower() if number else str(error))
