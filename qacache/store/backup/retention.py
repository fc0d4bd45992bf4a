"""Retention: which backups are kept. In: when each was made, and the rules. Out: the rules that keep each.

A backup is kept if any rule keeps it. A rule keeps the newest backup of each of the last so many days, weeks or months
that have one, as restic does; days without a backup do not count. Days are those of UTC, as the names of backups are:
what is kept does not depend on where, or in which season, it is decided. Weeks begin on Mondays (ISO 8601).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qacache.config.upkeep import Backup


class Rules(NamedTuple):
    """How many backups each rule keeps; 0: none."""

    last: int
    daily: int
    weekly: int
    monthly: int

    @classmethod
    def of(cls, wanted: Backup) -> Self:
        """Return the rules that are configured."""
        return cls(wanted.keep_last, wanted.keep_daily, wanted.keep_weekly, wanted.keep_monthly)


# what two backups have in common of which a rule keeps one
_PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    "daily": lambda moment: (moment.year, moment.month, moment.day),
    "weekly": lambda moment: tuple(moment.isocalendar())[:2],
    "monthly": lambda moment: (moment.year, moment.month),
}


def kept_by(made_ms: Sequence[int], rules: Rules) -> list[tuple[str, ...]]:
    """Return the names of the rules that keep each backup, none of one that is to go.

    `made_ms` are the moments when they were made, in milliseconds since the epoch, the newest first.
    """
    moments = [datetime.fromtimestamp(ms / 1000, UTC) for ms in made_ms]
    names: list[list[str]] = [["last"] if position < rules.last else [] for position in range(len(moments))]
    for rule, period_of in _PERIODS.items():
        periods: set[tuple[int, ...]] = set()
        for name, period in zip(names, map(period_of, moments), strict=True):
            if period not in periods and len(periods) < getattr(rules, rule):
                periods.add(period)
                name.append(rule)
    return [tuple(name) for name in names]
