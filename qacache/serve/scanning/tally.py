"""The tally: the events of a run, and how long its probes took, folded into counts that can be added up elsewhere."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qacache.events import Failed, Probed, Reused, Unchanged, Waiting, event_name
from qacache.scan.digest import digested_bytes

if TYPE_CHECKING:
    from qacache.events import Event


@dataclass(slots=True)
class Tally:
    """What came since it was taken last.

    `files` counts by the name of the event, `failures` by reason; `digest_bytes` were read for digests; `probes` has
    the prober's name and the seconds of each probe.
    """

    files: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    digest_bytes: int = 0
    probes: deque[tuple[str, float]] = field(default_factory=deque)

    def seen(self, event: Event) -> None:
        """Count what became of files."""
        match event:
            case Waiting():
                return
            case Unchanged(paths):
                self.files["unchanged"] += len(paths)
                return
            case Failed(_, failure, stat, digest):
                self.failures[failure.reason] += 1
                if stat is not None and digest is not None:
                    self.digest_bytes += digested_bytes(stat.size)
            case Probed(stat) | Reused(stat):
                self.digest_bytes += digested_bytes(stat.size)
        self.files[event_name(event)] += 1

    def probed(self, prober: str, duration_s: float) -> None:
        """Count a probe, from any thread."""
        self.probes.append((prober, duration_s))

    def taken(self) -> Tally:
        """Return what there is, and begin anew."""
        taken = Tally(self.files, self.failures, self.digest_bytes)
        self.files, self.failures, self.digest_bytes = Counter(), Counter(), 0
        # others may add to it meanwhile
        for _ in range(len(self.probes)):
            taken.probes.append(self.probes.popleft())
        return taken
