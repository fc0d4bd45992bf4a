"""Doubt: whether an error of input or output is a file's own, or its mount's.

In: outcomes of files. Out: the same, but such an error only once it is clear whose it is: the file's, when others of
the same mount can be read; the mount's, when that is given up. Then it is told, but not stored: it says nothing of the
file, which is not to wait for its next try.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from qacache.events import Failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.scan.mounts import Mounts

Other = TypeVar("Other")


def withhold(outcomes: Iterable[Failed | Other], mounts: Mounts) -> Iterator[Failed | Other]:
    """Yield all `outcomes`, those last that remain in doubt; few do at a time, for soon their mount is given up."""
    held: list[Failed] = []
    for outcome in outcomes:
        if isinstance(outcome, Failed) and outcome.failure.reason == "io-error":
            held.append(outcome)
        else:
            yield outcome
        if held:
            yield from (_judged(each, mounts) for each in held if not mounts.is_doubtful(each.path))
            held = [each for each in held if mounts.is_doubtful(each.path)]
    yield from (_judged(each, mounts) for each in held)


def _judged(failed: Failed, mounts: Mounts) -> Failed:
    return replace(failed, stat=None) if mounts.given_up(failed.path) else failed
