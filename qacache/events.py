"""What a scan tells: one value for each thing that became of a file.

The terminal items of the stream of `qacache.scan`. Everything up to `Unstable` is yielded after it is stored,
where there is anything to store. `event_name` gives the name that programs see (`--json`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.models import Failure, FileStat, Probe

ScanState = Literal["complete", "interrupted", "failed"]
PlanReason = Literal["new", "changed", "retry", "verify", "forced"]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A run of files that are as the store knows them.

    The one event that speaks of many files: scanning a million files of which nothing changed is mostly this,
    and a value for each would cost more than the look at the file.
    """

    paths: Sequence[bytes]
    known_failures: int = 0


@dataclass(frozen=True, slots=True)
class Probed:
    """A file was probed; `digest` is what its content had then."""

    stat: FileStat
    digest: bytes
    probe: Probe


@dataclass(frozen=True, slots=True)
class Reused:
    """A file needed no probe: its content is that of `source`, a path in the store (often its own)."""

    stat: FileStat
    digest: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A file could not be described, or a folder not be listed (`failure.stage` is `list`).

    `stat` is None where not even the file's size could be had; such a failure is reported, never stored.
    """

    path: bytes
    failure: Failure
    stat: FileStat | None = None
    digest: bytes | None = None
    prober: str | None = None


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file in the store is gone: its folder was listed, and `lstat` says that there is no such file."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Unstable:
    """A file is being written: too young, or it changed while it was read. The next scan looks again."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Planned:
    """A dry run would digest and, where the content is new, probe this file."""

    path: bytes
    reason: PlanReason


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing happened for a moment: lets the stages downstream keep their deadlines. Never stored."""


Event = Unchanged | Probed | Reused | Failed | Vanished | Unstable | Planned | Waiting


@dataclass(slots=True)
class Summary:
    """What a scan came to: counts by outcome, and how it ended. A fold over its events.

    `found` counts the files that discovery saw, `bytes` is their size. `known_failures` is the part of `unchanged`
    whose last probe failed and whose next is not due. `abandoned` counts probers that not even SIGKILL ended. `refused`
    has a sentence for each root that was not scanned, `incomplete` the roots that were given up before their end.
    `changes` counts what the scan noticed in the library by kind (`moved`...), once it has ended.
    """

    scan_id: int | None = None
    state: ScanState = "complete"
    found: int = 0
    bytes: int = 0
    unchanged: int = 0
    known_failures: int = 0
    probed: int = 0
    reused: int = 0
    failed: int = 0
    vanished: int = 0
    unstable: int = 0
    planned: int = 0
    abandoned: int = 0
    duration_s: float = 0.0
    refused: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Count `event`."""
        match event:
            case Unchanged(paths, known_failures):
                self.unchanged += len(paths)
                self.known_failures += known_failures
            case Waiting():
                pass
            case _:
                name = event_name(event)
                setattr(self, name, getattr(self, name) + 1)

    @property
    def done(self) -> int:
        """How many of the files that were found are through."""
        return self.unchanged + self.probed + self.reused + self.failed + self.unstable + self.planned

    def journaled(self) -> dict[str, object]:
        """Return what the journal keeps: the numbers by name, and what there is to say of single roots."""
        roots = {"refused": self.refused, "incomplete": self.incomplete}
        return {**self.counts(), **{name: said for name, said in roots.items() if said}}

    def counts(self) -> dict[str, int | float]:
        """Return the numbers by name."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in {"scan_id", "state", "refused", "incomplete", "changes"}
        }


def is_stored(event: Event) -> bool:
    """Whether the event tells of something that changes the store."""
    return isinstance(event, Probed | Reused | Failed | Vanished)


def event_name(event: Event) -> str:
    """Return the event's name for programs, such as `probed`."""
    return type(event).__name__.lower()
