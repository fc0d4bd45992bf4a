"""Whatever happens to a library, and however it is scanned: store and journal are what a model in dicts says.

`tests.library_model` knows what the README promises; here it happens: to a real disk, and with scans into a real
store. Time is the clock's, and the mtimes are chosen. `QACACHE_LIBRARIES` sets another number of libraries.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from qacache.errors import RootRefused
from qacache.events import Event, Failed, Summary, Waiting, event_name
from qacache.scan import crew
from tests.fakes import CarefulProber, FakeClock, InlineExecutor
from tests.libraries import paths_of, prepare_scan
from tests.library_model import SETTLE_S, Asked, Expected, LibraryModel, below, is_readable
from tests.library_on_disk import EPISODES, FILES, INNER_ROOTS, ROOTS, LibraryOnDisk
from tests.library_store import DAY_S, LibraryStore, as_stored

# the same libraries each time, unless somebody hunts
IS_FIXED = "QACACHE_LIBRARIES" not in os.environ
EXAMPLES = int(os.environ.get("QACACHE_LIBRARIES", "100"))
# where there is a filesystem in memory, it is three times as fast
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None

BEGAN_S = 1_800_000_000
# longer than any file takes to settle, or to be due
A_WHILE_S = 10 * DAY_S

# of each, but the empty one, there is another of the same size: in other case
CONTENTS = (b"one", b"two", b"three", b"broken", b"")
OLD_NS = (BEGAN_S - 100 * DAY_S) * 10**9
OLDER_NS = (BEGAN_S - 200 * DAY_S) * 10**9
FUTURE_NS = (BEGAN_S + 9000 * DAY_S) * 10**9


def chosen(choices: Callable[[LibraryOnDisk], Sequence[str]]) -> st.SearchStrategy[str]:
    """One of what there is to choose from when it is chosen."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choices(machine.library)))


a_file = chosen(LibraryOnDisk.files)
a_free_file = chosen(LibraryOnDisk.free_files)
a_folder = chosen(LibraryOnDisk.folders)
a_free_folder = chosen(LibraryOnDisk.free_folders)
an_mtime = st.sampled_from([None, OLD_NS, OLDER_NS, FUTURE_NS])
some_roots = st.sampled_from([ROOTS, *((root,) for root in (*ROOTS, *INNER_ROOTS))])

with_files = precondition(lambda machine: machine.library.files())
with_folders = precondition(lambda machine: machine.library.folders())
with_free_folders = precondition(lambda machine: machine.library.free_folders())
while_mounted = precondition(lambda machine: machine.library.is_mounted)
while_unmounted = precondition(lambda machine: not machine.library.is_mounted)


class Told(NamedTuple):
    """What a scan said: outcomes by file, what it had probed, and a sentence for each root that was refused."""

    outcomes: dict[str, str]
    probes: list[str]
    refused: dict[str, str]
    summary: Summary


class LibraryMachine(RuleBasedStateMachine):
    """What may happen to a library, scans of it, and what is to be so after each."""

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        # what is done in this thread is done in the same order each time
        patches = self.resources.enter_context(pytest.MonkeyPatch.context())
        patches.setattr(crew, "ThreadPoolExecutor", lambda *_: InlineExecutor())
        home = Path(self.resources.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        self.clock = FakeClock(BEGAN_S)
        self.library = LibraryOnDisk(home, self.clock)
        self.store = self.resources.enter_context(LibraryStore(home, self.clock))
        self.prober = "fake 1"
        # of each scan, by number: when it began and ended
        self.times_ms: list[tuple[int, int]] = [(0, 0)]

    def teardown(self) -> None:
        self.resources.close()

    @property
    def model(self) -> LibraryModel:
        return self.library.model

    @initialize(
        files=st.lists(st.tuples(st.sampled_from(FILES), st.sampled_from(CONTENTS)), min_size=3, max_size=8),
        season=st.sampled_from([None, "disk/a-b", "nas/a"]),
    )
    def begin(self, files: list[tuple[str, bytes]], season: str | None) -> None:
        """Scan a library of some files."""
        for path, content in files:
            if path in self.library.free_files():
                self.library.write(path, content, OLD_NS)
        if season in self.library.free_folders():
            self.copy_a_season(season)
        self.scan()

    # what happens

    @rule(path=a_free_file, content=st.sampled_from(CONTENTS), mtime_ns=an_mtime)
    def write(self, path: str, content: bytes, mtime_ns: int | None) -> None:
        self.library.write(path, content, mtime_ns)

    @with_files
    @rule(path=a_file, mtime_ns=an_mtime)
    def grow(self, path: str, mtime_ns: int | None) -> None:
        self.library.write(path, self.model.files[path].content + b"+", mtime_ns)

    @with_files
    @rule(path=a_file)
    def rewrite_with_the_same_size_and_mtime(self, path: str) -> None:
        self.library.rewrite(path)

    @with_files
    @rule(path=a_file, mtime_ns=an_mtime)
    def touch(self, path: str, mtime_ns: int | None) -> None:
        self.library.write(path, self.model.files[path].content, mtime_ns)

    @with_files
    @rule(old=a_file, new=a_free_file, keeps_mtime=st.booleans())
    def copy(self, old: str, new: str, keeps_mtime: bool) -> None:
        self.library.copy(old, new, keeps_mtime=keeps_mtime)

    @with_files
    @rule(old=a_file, new=a_free_file)
    def link(self, old: str, new: str) -> None:
        if new not in self.model.files:
            self.library.link(old, new)

    @with_files
    @rule(old=a_file, new=a_free_file)
    def move(self, old: str, new: str) -> None:
        self.library.move(old, new)

    @with_folders
    @with_free_folders
    @rule(old=a_folder, new=a_free_folder)
    def move_folder(self, old: str, new: str) -> None:
        if not new.startswith(f"{old}/"):
            self.library.move_folder(old, new)

    @with_files
    @rule(one=a_file, other=a_file)
    def swap(self, one: str, other: str) -> None:
        if one != other:
            self.library.swap(one, other)

    @with_files
    @rule(path=a_file)
    def delete(self, path: str) -> None:
        self.library.delete(path)

    @with_folders
    @rule(folder=a_folder)
    def delete_folder(self, folder: str) -> None:
        self.library.delete_folder(folder)

    @with_free_folders
    @rule(folder=a_free_folder)
    def copy_a_season(self, folder: str) -> None:
        for number in range(EPISODES):
            self.library.write(f"{folder}/{number}.mp4", b"episode %d" % number, OLD_NS)

    @while_mounted
    @rule(leaves=st.sampled_from(["another disk", "an empty folder", "nothing"]))
    def unmount(self, leaves: str) -> None:
        self.library.unmount(leaves)

    @while_unmounted
    @rule()
    def mount(self) -> None:
        self.library.mount()

    @rule()
    def let_time_pass(self) -> None:
        self.clock.advance(A_WHILE_S)
        self.model.let_time_pass()

    @rule()
    def upgrade_the_prober(self) -> None:
        self.prober += "1"

    @rule()
    def vacuum(self) -> None:
        self.store.prune()
        self.model.forget()
        self.compare()

    # scans

    @rule()
    def scan(self) -> None:
        """Scan as most people do."""
        self.scan_to_the_end(self.ask(ROOTS, verify=False, accept=False), "all")

    @rule(roots=some_roots, verify=st.booleans(), accept=st.booleans(), batch=st.sampled_from(["all", "each"]))
    def scan_with_options(self, roots: tuple[str, ...], verify: bool, accept: bool, batch: str) -> None:
        """Scan to the end, with one batch for all outcomes, or one for each."""
        self.scan_to_the_end(self.ask(roots, verify, accept), batch)

    @rule(roots=some_roots, verify=st.booleans(), accept=st.booleans())
    def scan_twice(self, roots: tuple[str, ...], verify: bool, accept: bool) -> None:
        self.scan_to_the_end(self.ask(roots, verify, accept), "all")
        before = self.store.rows()
        told = self.scan_to_the_end(self.ask(roots, verify, accept), "all")

        assert set(told.outcomes.values()) <= {"unchanged", "unstable"}
        assert (told.probes, told.summary.changes) == ([], {})
        assert self.store.rows() == before

    def scan_to_the_end(self, asked: Asked, batch: str) -> Told:
        expected = self.model.expect(asked)
        told = self.run(asked, batch)
        self.agree(told, expected)
        self.model.take(asked.number, expected)
        assert told.summary.state == ("complete" if expected.begun else "failed")
        assert told.summary.changes == self.model.count_changes(asked.number)
        self.compare()
        return told

    @rule(
        roots=some_roots,
        verify=st.booleans(),
        accept=st.booleans(),
        after=st.integers(1, 9),
        way=st.sampled_from(["close", "stop"]),
    )
    def interrupt_a_scan(self, roots: tuple[str, ...], verify: bool, accept: bool, after: int, way: str) -> None:
        """Scan until so many events were told."""
        asked = self.ask(roots, verify, accept)
        expected = self.model.expect(asked)
        told = self.run(asked, "each", after, way)
        if told.summary.state == "interrupted":
            self.choose_ways(told, expected)
            assert told.outcomes.items() <= expected.outcomes.items()
            assert {*told.probes} <= {path for path, ways in expected.ways.items() if ways[0][0] != "reused"}
        else:
            self.agree(told, expected)
        self.take_what_is_stored(asked, expected, told)

    @while_mounted
    @rule(
        verify=st.booleans(),
        accept=st.booleans(),
        after=st.integers(1, 9),
        leaves=st.sampled_from(["nothing", "an empty folder"]),
    )
    def unmount_during_a_scan(self, verify: bool, accept: bool, after: int, leaves: str) -> None:
        asked = self.ask(ROOTS, verify, accept)
        expected = self.model.expect(asked)
        told = self.run(asked, "each", after, leaves)
        self.choose_ways(told, expected)
        for path in below(expected.outcomes, "disk"):
            assert told.outcomes[path] == expected.outcomes[path]
        self.take_what_is_stored(asked, expected, told)

    def take_what_is_stored(self, asked: Asked, expected: Expected, told: Told) -> None:
        """Take over what was written when a scan ended early: any of the rows that were to be, and all it told of."""
        rows = self.store.rows()
        expected.written = {path: row for path, row in expected.written.items() if rows.get(path) == as_stored(row)}
        changed = {path for path, outcome in told.outcomes.items() if outcome not in {"unchanged", "unstable"}}
        assert changed <= expected.written.keys()
        ended = [] if told.summary.state == "interrupted" else self.store.roots_since(asked.now_ns // 10**6)
        expected.ended = {root: expected.ended[root] for root in ended}
        self.model.take(asked.number, expected)
        self.compare()

    def ask(self, roots: tuple[str, ...], verify: bool, accept: bool) -> Asked:
        self.clock.advance(60)
        return Asked(
            number=len(self.times_ms),
            roots=roots,
            places=self.library.places(),
            prober=self.prober,
            now_ns=int(self.clock.time() * 10**9),
            verify=verify,
            accept=accept,
        )

    def run(self, asked: Asked, batch: str, after: int | None = None, way: str = "") -> Told:
        """Scan, and after so many events `close` or `stop` it, or unmount what it scans, which leaves something."""
        prober = CarefulProber(version=asked.prober)
        options = {"verify_digest": asked.verify, "accept_shrink": asked.accept, "settle_s": SETTLE_S}
        run = prepare_scan(self.store, prober, clock=self.clock, **options)
        is_safe = not forgets_sources(self.model, self.model.expect(asked))
        self.clock.step_s = 2 if batch == "each" and is_safe else 0
        events: list[Event] = []
        try:
            with closing(run.events([os.fsencode(self.library.home / root) for root in asked.roots])) as stream:
                events += islice(stream, after)
                if way == "stop":
                    run.stop()
                elif way and way != "close":
                    self.library.unmount(way)
                if way != "close":
                    events += stream
        except RootRefused:
            assert run.summary.refused
        self.clock.step_s = 0
        assert run.summary.scan_id == asked.number
        self.times_ms.append((asked.now_ns // 10**6, int(self.clock.time() * 1000)))
        refused = {self.library.name(why.split(": ")[1]): why for why in run.summary.refused}
        return Told(self.outcomes(events), sorted(map(self.library.name, prober.paths)), refused, run.summary)

    def outcomes(self, events: Iterable[Event]) -> dict[str, str]:
        outcomes: dict[str, str] = {}
        for event in events:
            if isinstance(event, Waiting) or (isinstance(event, Failed) and event.failure.stage == "list"):
                continue
            for path in map(self.library.name, paths_of(event)):
                assert path not in outcomes
                outcomes[path] = event_name(event)
        return outcomes

    # what is to be so

    def agree(self, told: Told, expected: Expected) -> None:
        """A scan that came to its end said what the model says."""
        self.choose_ways(told, expected)
        assert told.outcomes == expected.outcomes
        assert told.probes == expected.probes
        assert {*map(self.library.name, told.summary.incomplete)} == {*expected.begun} - {*expected.ended}
        assert expected.needed <= {self.model.files[path].content for path in told.probes}
        assert told.refused.keys() == expected.refused.keys()
        assert all(why.startswith(expected.refused[root]) for root, why in told.refused.items())

    def choose_ways(self, told: Told, expected: Expected) -> None:
        """Where several things may become of a file, expect what did."""
        rows = self.store.rows()
        for path, ways in expected.ways.items():
            for way in reversed(ways):
                if told.outcomes.get(path, way[0]) == way[0] and rows.get(path) == as_stored(way[1]):
                    expected.choose(path, way)

    def compare(self) -> None:
        """The store and its journal are what the model says."""
        model = self.model
        assert self.store.rows() == {path: as_stored(row) for path, row in model.rows.items()}
        for path, first_seen_ms, last_seen_ms, away in self.store.sightings():
            row = model.rows[path]
            assert self.is_of_scan(row.first, first_seen_ms)
            assert self.is_of_scan(row.seen, last_seen_ms)
            assert row.away == away
        assert self.store.roots() == model.roots
        assert self.store.changes() == model.changes
        assert self.store.net_sizes() == {path: len(row.content) for path, row in model.rows.items() if row.is_there}

    def is_of_scan(self, number: int, moment_ms: int) -> bool:
        began_ms, ended_ms = self.times_ms[number]
        return began_ms <= moment_ms <= ended_ms


# what scans are not asked for, as they are known to do it wrong


def forgets_sources(model: LibraryModel, expected: Expected) -> bool:
    """Whether contents are to be reused that are forgotten as soon as other files are stored in their places.

    See `test_two_folders_of_broken_files_that_swap_their_names_are_not_probed` and
    `test_a_renamed_file_is_not_probed_though_an_empty_one_takes_its_name`.
    """
    after = model.rows | expected.written
    wanted = {row.content for path, row in expected.written.items() if expected.outcomes[path] == "reused"}
    kept = {
        row.content
        for path, row in model.rows.items()
        if row.content == after[path].content or (is_readable(row.content) and after[path].content)
    }
    return not wanted <= kept


class TestLibraries(LibraryMachine.TestCase):
    settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None, derandomize=IS_FIXED)


@pytest.mark.slow
class TestManyLibraries(LibraryMachine.TestCase):
    """What takes several things to go wrong is found in one of a thousand libraries, or more."""

    settings = settings(max_examples=20 * EXAMPLES, stateful_step_count=50, deadline=None, derandomize=IS_FIXED)
