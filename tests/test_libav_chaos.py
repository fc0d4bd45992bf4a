"""The libav prober under fire: while a library is scanned, somebody crashes and freezes the children that probe it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from qacache.events import Event, Failed, Probed, Unchanged, Waiting
from qacache.probe.libav.prober import LibavProber
from qacache.scan.pipeline import Scan
from qacache.store.session import Store
from tests.fakes import FakeClock
from tests.libraries import paths_of, prepare_scan, stored
from tests.media import make_clip, make_file
from tests.processes import children_of, state_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")

JOBS = 4
TIMEOUT_S = 2.0

# A crash takes a tenth of a second from one of the jobs, a freeze the time-out.
BLOWS = 70
CRASHES_PER_FREEZE = 6
LONGEST_TRUCE_S = 0.06
# Where three children in a row die before they greet, there is no prober: these are nearly all spared.
BLOWS_AT_STARTING_ONES = 2


class Attacker:
    """Hits children of this process that run libav, one at a time; what, when and whom follows from the seed.

    `blows` counts those that were dealt, by signal.
    """

    def __init__(self, seed: int) -> None:
        self.blows: Counter[int] = Counter()
        self._rng = random.Random(seed)
        self._blows_at_starting_ones = 0
        self._is_over = threading.Event()

    @contextmanager
    def attacking(self, blows: int = BLOWS, then: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Attack while the block runs; `then` is called after so many blows."""
        thread = threading.Thread(target=self._attack, args=(blows, then))
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()

    def _attack(self, blows: int, then: Callable[[], object]) -> None:
        for blow in self._rng.choices([signal.SIGSEGV, signal.SIGSTOP], [CRASHES_PER_FREEZE, 1], k=blows):
            while not self._is_over.wait(self._rng.uniform(0, LONGEST_TRUCE_S)):
                if self._hits_one(blow):
                    self.blows[blow] += 1
                    break
        then()

    def _hits_one(self, blow: signal.Signals) -> bool:
        candidates = sorted(children_of(os.getpid()))
        if not candidates:
            return False
        pid = self._rng.choice(candidates)
        try:
            # from here on the number means this process, whatever becomes of it
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if not self._may_hit(pid, blow):
                return False
            signal.pidfd_send_signal(handle, blow)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def _may_hit(self, pid: int, blow: signal.Signals) -> bool:
        if pid not in children_of(os.getpid()) or not runs_libav(pid) or state_of(pid) in "TZ":
            return False
        if has_greeted(pid):
            return True
        # frozen, it would be waited for half a minute, as for a disk that sleeps
        if blow == signal.SIGSTOP or self._blows_at_starting_ones == BLOWS_AT_STARTING_ONES:
            return False
        self._blows_at_starting_ones += 1
        return True


@pytest.fixture
def attacker() -> Attacker:
    return Attacker(seed=20_230_117)


@pytest.fixture
def prober() -> Iterator[LibavProber]:
    with closing(LibavProber(timeout_s=TIMEOUT_S)) as prober:
        yield prober


def test_no_file_is_lost_where_children_crash_and_freeze_and_the_next_scan_makes_all_good(
    attacker: Attacker, prober: LibavProber, store: Store, library: Path
) -> None:
    paths = fill(library, files=2000)
    children, pipes = children_of(os.getpid()), pipes_of_this_process()
    attacked = prepare_scan(store, prober, jobs=JOBS)

    with attacker.attacking():
        events = events_of(attacked, library)

    assert set(attacker.blows) == {signal.SIGSEGV, signal.SIGSTOP}
    assert {type(event) for event in events} == {Probed, Failed}
    assert Counter(path for event in events for path in paths_of(event)) == Counter(paths)
    failures = {event.path: event.failure.reason for event in events if isinstance(event, Failed)}
    assert set(failures.values()) == {"crashed", "timeout"}
    assert len(failures) <= attacker.blows.total()
    assert statuses(store) == {path: "failed" if path in failures else "ok" for path in paths}
    assert (attacked.summary.state, attacked.summary.abandoned) == ("complete", 0)
    assert is_sound(store)
    assert (children_of(os.getpid()), pipes_of_this_process()) == (children, pipes)

    events = events_of(scan_in_two_hours(store, prober), library)

    assert {type(event) for event in events} == {Probed, Unchanged}
    assert {path for event in events if isinstance(event, Probed) for path in paths_of(event)} == failures.keys()
    assert statuses(store) == dict.fromkeys(paths, "ok")
    assert is_sound(store)
    assert (children_of(os.getpid()), pipes_of_this_process()) == (children, pipes)


def test_scan_that_is_stopped_amid_the_attack_leaves_nothing_behind(
    attacker: Attacker, prober: LibavProber, store: Store, library: Path
) -> None:
    paths = fill(library, files=2000)
    children, pipes = children_of(os.getpid()), pipes_of_this_process()
    # not done before the attack is over
    attacked = prepare_scan(store, prober, jobs=JOBS, rate=500)

    with attacker.attacking(blows=10, then=attacked.stop):
        events_of(attacked, library)

    assert (attacked.summary.state, attacked.summary.abandoned) == ("interrupted", 0)
    assert (children_of(os.getpid()), pipes_of_this_process()) == (children, pipes)
    assert len(statuses(store)) < len(paths)
    assert not [record for record in stored(store) if record.error and "SIGKILL" in record.error.message]

    events_of(scan_in_two_hours(store, prober), library)

    assert statuses(store) == dict.fromkeys(paths, "ok")
    assert is_sound(store)


def fill(library: Path, *, files: int) -> set[bytes]:
    """The paths of new small clips in `library`, each of another content."""
    folder = library.parent / "clips"
    clips = [
        make_clip(folder / "plain.mp4", duration_s=0.2),
        make_clip(folder / "upright.mov", duration_s=0.2, rotation=-90),
        make_clip(folder / "wide.mkv", duration_s=0.2, width=96),
        make_clip(folder / "silent.webm", duration_s=0.2, audio=False),
    ]
    contents = [clip.read_bytes() for clip in clips]
    return {
        os.fsencode(
            # what follows the clip is passed over
            make_file(library / f"{number % 10}" / f"{number}.mp4", contents[number % len(contents)] + b"%08d" % number)
        )
        for number in range(files)
    }


def scan_in_two_hours(store: Store, prober: LibavProber) -> Scan:
    """A scan that begins when all that failed is due again."""
    return prepare_scan(store, prober, jobs=JOBS, clock=FakeClock(FakeClock().now + 7200))


def events_of(run: Scan, root: Path) -> list[Event]:
    return [event for event in run.events([os.fsencode(root)]) if not isinstance(event, Waiting)]


def statuses(store: Store) -> Mapping[bytes, str]:
    return {record.path: record.status for record in stored(store)}


def is_sound(store: Store) -> bool:
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# what the system knows of processes


def runs_libav(pid: int) -> bool:
    return "qacache.probe.libav.child" in read(Path(f"/proc/{pid}/cmdline"))


def has_greeted(pid: int) -> bool:
    """Whether the child has written anything yet, and so is ready."""
    return "wchar: 0\n" not in read(Path(f"/proc/{pid}/io"))


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def pipes_of_this_process() -> int:
    """How many ends of pipes are open."""
    return sum(target.startswith("pipe:") for target in map(link_target, Path("/proc/self/fd").iterdir()))


def link_target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""
