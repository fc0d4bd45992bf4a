"""Retries: when a file that could not be probed is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qacache.store.reader import Known


def is_due(known: Known, now_s: float, prober: str) -> bool:
    """Whether it is time for another probe of a file that failed, by `prober` (name and version), at `now_s`."""
    assert known.next_retry_ms is not None
    # permissions change neither size nor mtime, and to be refused costs nothing
    if known.failed_reason == "permission-denied" or now_s * 1000 >= known.next_retry_ms:
        return True
    return known.failed_prober is not None and known.failed_prober != prober
