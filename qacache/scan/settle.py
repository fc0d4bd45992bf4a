"""Settling: files that are still being written are left alone.

In: the merge join's items. Out: the same, but a file that was written to a moment ago is held back until the walk
ends and gets one more look; if it still is too young then, or changed between the two looks, it is `Unstable`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from qacache.events import Failed, Unstable, Waiting
from qacache.models import FileStat
from qacache.os_failures import os_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qacache.clock import Clock

Other = TypeVar("Other")

# For so long the end of the walk waits for young files to come of age, rather than leave them to the next scan.
LONGEST_WAIT_S = 5.0
_TICK_S = 0.2
_MARGIN_S = 0.01

# Bounds memory where a whole library was just copied; the next scan takes the rest.
_MOST_HELD = 50_000


def settle(
    items: Iterable[FileStat | Other],
    settle_s: float,
    clock: Clock,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    look: Callable[[FileStat], FileStat | Unstable | Failed | Waiting] | None = None,
) -> Iterator[FileStat | Other | Unstable | Failed | Waiting]:
    """Yield all `items`, files only once they are `settle_s` old; those held back are dropped once `is_stopped()`.

    `look` takes the second look at a file, by default `look_again`.
    """
    young: list[FileStat] = []
    for item in items:
        if isinstance(item, FileStat) and not is_settled(item, _now_ns(clock), settle_s):
            if len(young) < _MOST_HELD:
                young.append(item)
            else:
                yield Unstable(item.path)
        else:
            yield item
    for _ in _ticks(young, settle_s, clock):
        if is_stopped():
            return
        yield Waiting()
    for stat in young:
        if is_stopped():
            return
        now_ns = _now_ns(clock)
        # a clock ahead of ours (a NAS, a camera) dates files into the future; two equal looks must do for them
        is_young = stat.mtime_ns <= now_ns and not is_settled(stat, now_ns, settle_s)
        yield Unstable(stat.path) if is_young else (look or look_again)(stat)


def is_settled(stat: FileStat, now_ns: int, settle_s: float) -> bool:
    """Whether the file was last written to `settle_s` ago or earlier."""
    return now_ns - stat.mtime_ns >= settle_s * 1e9


def look_again(stat: FileStat) -> FileStat | Unstable | Failed:
    """Return the file as it is now: `Unstable` where it was written to since `stat`, `Failed` where it is gone."""
    try:
        now = FileStat.of(stat.path, os.stat(stat.path))
    except FileNotFoundError:
        return Unstable(stat.path)
    except OSError as error:
        return Failed(stat.path, os_failure("stat", error))
    return now if now.has_content_of(stat) else Unstable(stat.path)


def _ticks(young: list[FileStat], settle_s: float, clock: Clock) -> Iterator[None]:
    """Let time pass until all are old enough, if that is soon; yield after each bit of it."""
    now_ns = _now_ns(clock)
    ages = [now_ns - stat.mtime_ns for stat in young if stat.mtime_ns <= now_ns]
    wait_s = settle_s - min(ages) / 1e9 if ages else 0.0
    if not 0 < wait_s <= LONGEST_WAIT_S:
        return
    # no clock is exact: rather a moment too long than a file left to the next scan
    wait_s += _MARGIN_S
    while wait_s > 0:
        clock.sleep(min(wait_s, _TICK_S))
        wait_s -= _TICK_S
        yield


def _now_ns(clock: Clock) -> int:
    return int(clock.time() * 1e9)
