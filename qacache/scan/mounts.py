"""Mounts: on which one a path is, what may be asked of it at a time, and whether it still answers.

In: places, and the limits that somebody set. Out: turns, deadlines and verdicts for the paths below. All who look at a
library's files ask here: listing, digesting and probing share one budget a mount.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from qacache.os_failures import NoAnswer, os_failure
from qacache.paths import as_folder
from qacache.scan.budget import Budget
from qacache.scan.health import Health
from qacache.scan.workers import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from qacache.models import Failure
    from qacache.scan.places import Place

Result = TypeVar("Result")

# as good as no limit: more than there are workers
_MANY = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is asked of all below a folder: things at a time, and files a second; 0 is the usual, and any number."""

    concurrency: int = 0
    rate: float = 0.0


class GivenUp(NamedTuple):
    """A folder below which nothing is looked at any more, and the failure that was the last straw."""

    folder: bytes
    failure: Failure


class Mounts:
    """What is known of the mounts of a library. May be asked from any thread.

    `limits` are those of folders that have some; any other network mount gets `network_concurrency` turns at a time,
    and a local one as many as there are workers. What takes longer than `hang_s` seconds on a network mount is given
    up.
    """

    def __init__(
        self, limits: Mapping[bytes, Limits] | None = None, *, network_concurrency: int = 4, hang_s: float = 60.0
    ) -> None:
        self.hang_s = hang_s
        self._health = Health()
        self._limits = limits or {}
        self._network_concurrency = network_concurrency
        self._budgets: dict[tuple[bytes | None, bytes], Budget] = {}
        # the longest first: of those that hold a path, the first one is its own
        self._places: list[tuple[Place, Budget | None]] = []
        self._is_stopped = False

    def add(self, places: Iterable[Place]) -> None:
        """Take note of places."""
        for place in places:
            self._add(place)
        for limited in self._limits:
            for inner in self._limited_inside(limited):
                self._add(inner)

    @property
    def most_concurrency(self) -> int:
        """How many things at most are asked of a mount at a time, of those that have a limit."""
        return max(self._network_concurrency, *(limits.concurrency for limits in self._limits.values()), 1)

    def stop(self) -> None:
        """Let nobody wait for a turn any more. May be called from a signal handler."""
        self._is_stopped = True

    def place_of(self, path: bytes) -> Place | None:
        """Return the place that `path` is in, None where none was added."""
        return next((place for place, _ in self._places if place.holds(path)), None)

    def is_network(self, path: bytes) -> bool:
        """Whether what `path` is on may be left without an answer."""
        place = self.place_of(path)
        return place is not None and place.is_network

    def budget_of(self, path: bytes) -> Budget | None:
        """Return the budget of what `path` is on, None where nothing limits it."""
        return next((budget for place, budget in self._places if place.holds(path)), None)

    def concurrency_below(self, folder: bytes) -> int:
        """Return how many things at most are asked at a time of `folder` and what is below it, 0 where nothing says."""
        budgets = [budget for place, budget in self._places if place.folder.startswith(as_folder(folder))]
        limits = [each.concurrency for each in (self.budget_of(folder), *budgets) if each]
        return max((limit for limit in limits if limit < _MANY), default=0)

    def is_over(self, path: bytes) -> bool:
        """Whether nothing more is to be asked about `path`: all is stopped, or its mount is given up."""
        return self._is_stopped or self.given_up(path) is not None

    def given_up(self, path: bytes) -> GivenUp | None:
        """Return the place of `path` and what it was given up for, None if it was not."""
        place = self.place_of(path)
        failure = self._health.given_up(place) if place else None
        return GivenUp(place.folder, failure) if place and failure else None

    def given_up_below(self, folder: bytes) -> list[GivenUp]:
        """Return which places at and below `folder` are given up."""
        return [
            GivenUp(place.folder, failure)
            for place, _ in self._places
            if as_folder(place.folder).startswith(as_folder(folder)) and (failure := self._health.given_up(place))
        ]

    def is_doubtful(self, path: bytes) -> bool:
        """Whether what `path` is on may be going away: the last files in it could not be read."""
        place = self.place_of(path)
        return place is not None and not self.given_up(path) and self._health.is_doubtful(place)

    def pace(self, path: bytes) -> None:
        """Return when the next file of the mount of `path` may be read."""
        budget = self.budget_of(path)
        if budget:
            budget.pace.wait(lambda: self.is_over(path))

    def turn(self, path: bytes, most_s: float | None = None) -> AbstractContextManager[None]:
        """Return the block in which something is asked about `path`; after `most_s` seconds it counts no more."""
        budget = self.budget_of(path)
        if budget is None:
            return nullcontext()
        return budget.turn(self.hang_s if most_s is None else most_s, lambda: self.is_over(path))

    def look(self, path: bytes, function: Callable[..., Result], *arguments: object) -> Result:
        """Return what `function(*arguments)` does, which looks at `path`.

        Raises what that raises, and `NoAnswer` where the mount hangs, or was given up before.
        """
        if not self.is_network(path):
            return function(*arguments)
        with self.turn(path):
            if self.is_over(path):
                raise NoAnswer("its mount is given up")
            try:
                return within(self.hang_s, function, *arguments)
            except NoAnswer as error:
                self.note(path, os_failure("stat", error))
                raise

    def note(self, path: bytes, failure: Failure | None, *, of_content: bool = False) -> None:
        """Take note of a look at `path`, or at the content of that file, that failed or did not."""
        place = self.place_of(path)
        if place:
            self._health.note(place, failure, of_content=of_content)

    def _add(self, place: Place) -> None:
        if all(place.folder != known.folder for known, _ in self._places):
            places = [*self._places, (place, self._budget(place))]
            # in one go: others may be looking
            self._places = sorted(places, key=lambda each: len(each[0].folder), reverse=True)

    def _limited_inside(self, limited: bytes) -> Iterator[Place]:
        """Yield the folder with limits as a place of its own, by its name in each place that it lies in."""
        for place, _ in self._places:
            for name in {place.folder, place.real_folder}:
                inner = as_folder(place.folder) + limited.removeprefix(as_folder(name))
                if limited.startswith(as_folder(name)) and self.place_of(inner) is place:
                    yield replace(place, folder=inner, real_folder=limited)

    def _budget(self, place: Place) -> Budget | None:
        limited = self._limited_folder(place)
        limits = self._limits.get(limited, Limits()) if limited is not None else Limits()
        concurrency = limits.concurrency or (self._network_concurrency if place.is_network else 0)
        if not concurrency and not limits.rate:
            return None
        budget = Budget(concurrency or _MANY, limits.rate)
        return self._budgets.setdefault((limited, place.mount), budget)

    def _limited_folder(self, place: Place) -> bytes | None:
        """Return the nearest folder with limits that holds the place, by whichever of its names."""
        holding = [
            folder
            for folder in self._limits
            if any(as_folder(name).startswith(as_folder(folder)) for name in (place.folder, place.real_folder))
        ]
        return max(holding, key=len, default=None)
