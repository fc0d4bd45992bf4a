"""Scans of mounts that die in their midst: they end, believe nothing of what is gone, and do all the rest."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from errno import EIO, ENOTCONN, ESTALE
from pathlib import Path
from typing import Any

import pytest

from qacache.errors import RootRefused
from qacache.events import Event, Failed, Probed, Waiting
from qacache.record import Record
from qacache.scan import workers
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.fakes import CarefulProber
from tests.fuse_mount import ANY, ATTRIBUTES, LISTINGS, READS, FuseMount, Operation, mounted
from tests.libraries import prepare_scan, stored, timeless
from tests.media import age, make_file

FOLDERS = "abcdefgh"
FILES = 6
HANG_S = 0.3
PROBE_S = 0.5
# far more than any scan here takes
DEADLINE_S = 30.0

Break = Callable[[FuseMount], object]


@dataclass(slots=True)
class Told:
    """What a scan said: its events, and why it refused roots."""

    events: list[Event] = field(default_factory=list)
    refused: str = ""
    error: BaseException | None = None

    def failures(self, below: Path) -> list[Failed]:
        prefix = os.fsencode(below)
        return [event for event in self.events if isinstance(event, Failed) and event.path.startswith(prefix)]

    def probed(self, below: Path) -> int:
        prefix = os.fsencode(below) + b"/"
        return sum(isinstance(event, Probed) and event.stat.path.startswith(prefix) for event in self.events)


class Libraries:
    """Two roots that were scanned before: `nas` on a mount that may die, `other` on a disk; and what changed since.

    In `nas`, each folder has a new file, and the last one has lost one; in `other` one is new, and one is lost.
    """

    def __init__(self, folder: Path, store_path: str) -> None:
        self.served, self.nas, self.other = folder / "served", folder / "nas", folder / "other"
        self.store_path = store_path
        self.before_path = str(folder / "before.db")
        self.nas.mkdir()
        for name in FOLDERS:
            for number in range(FILES):
                make_file(self.served / name / f"{name}{number}.mp4", f"{name} {number}".encode())
        for number in range(FILES):
            make_file(self.other / f"other{number}.mp4", f"other {number}".encode())

    def change(self) -> None:
        with closing(sqlite3.connect(self.store_path)) as now, closing(sqlite3.connect(self.before_path)) as before:
            now.backup(before)
        for name in FOLDERS:
            make_file(self.served / name / f"{name}-new.mp4", f"new in {name}".encode())
        (self.served / "h" / "h3.mp4").unlink()
        make_file(self.other / "new.mp4", b"new in other")
        (self.other / "other3.mp4").unlink()

    def scan(self, *roots: Path, store_path: str | None = None, **options: Any) -> Told:
        """Scan `roots`, by default both; fails where that takes too long."""
        told = Told()
        arguments = (store_path or self.store_path, roots or (self.nas, self.other), told, options)
        thread = threading.Thread(target=self._scan, args=arguments, daemon=True)
        thread.start()
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the scan hangs"
        if told.error:
            raise told.error
        return told

    def _scan(self, store_path: str, roots: Sequence[Path], told: Told, options: dict[str, Any]) -> None:
        try:
            prober = CarefulProber()
            prober.longest_s = PROBE_S
            with Store(store_path, retries=RetrySchedule(3600, 7200)) as store:
                events = prepare_scan(store, prober, hang_s=HANG_S, **options).events(
                    [os.fsencode(root) for root in roots]
                )
                told.events += [event for event in events if not isinstance(event, Waiting)]
        except RootRefused as error:
            told.refused = str(error)
        except BaseException as error:  # to be raised where the test can see it
            told.error = error

    def records(self, below: Path, store_path: str | None = None) -> list[Record]:
        """What is stored of the files in a root, but for when."""
        with Store(store_path or self.store_path, retries=RetrySchedule(3600, 7200)) as store:
            everything = timeless(stored(store))
        return [record for record in everything if record.path.startswith(os.fsencode(below) + b"/")]

    def scanned_ms(self, root: Path, store_path: str | None = None) -> int:
        with Store(store_path or self.store_path, retries=RetrySchedule(3600, 7200)) as store:
            return next(each.scanned_ms for each in store.reader.roots() if each.path == os.fsencode(root))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for threads that hang for good."""
    monkeypatch.setattr(workers, "_GRACE_S", 0.2)


@pytest.fixture
def libraries(tmp_path: Path, new_store: Path) -> Libraries:
    (tmp_path / "store").mkdir()
    return Libraries(tmp_path, shutil.copy(new_store, tmp_path / "store"))


@pytest.fixture
def mount(libraries: Libraries) -> Iterator[FuseMount]:
    """The mount of `nas`, which was scanned once; there are changes that wait for the next scan."""
    with mounted(libraries.nas, libraries.served) as mount:
        assert libraries.scan().probed(libraries.nas) == len(FOLDERS) * FILES
        libraries.change()
        yield mount


def stall(operations: Collection[Operation] = ANY, **where: str) -> Break:
    return lambda mount: mount.stall(operations, **where)


def fail(error: int = EIO, operations: Collection[Operation] = ANY, **where: str) -> Break:
    return lambda mount: mount.fail(error, operations, **where)


DEATHS: dict[str, Break] = {
    "listings stall": stall(LISTINGS, since="c"),
    "attributes stall": stall(ATTRIBUTES, since="c2.mp4"),
    "all stalls": stall(since="c2.mp4"),
    "all stalls once new files are read": stall(since="c-new.mp4"),
    "EIO": fail(EIO, since="c"),
    "EIO of files": fail(EIO, since="c2.mp4"),
    "ESTALE": fail(ESTALE, since="c"),
    "ENOTCONN": fail(ENOTCONN, since="c2.mp4"),
    "unmounted": lambda mount: mount.vanish(since="c"),
    "unmounted at a file": lambda mount: mount.vanish(since="c2.mp4"),
}


def assert_rows_stay(libraries: Libraries) -> None:
    """Every row of `nas` is as it was, but for new files."""
    before = libraries.records(libraries.nas, libraries.before_path)
    now = {record.path: record for record in libraries.records(libraries.nas)}
    assert [now.get(record.path) for record in before] == before


def assert_nothing_is_lost(libraries: Libraries) -> None:
    """Every row of `nas` is as it was, but for new files; `other` is as a clean scan leaves it."""
    assert_rows_stay(libraries)
    others = {os.path.basename(record.path): record.status for record in libraries.records(libraries.other)}
    assert others == {
        b"new.mp4": "ok",
        **{b"other%d.mp4" % number: "vanished" if number == 3 else "ok" for number in range(FILES)},
    }
    with closing(sqlite3.connect(libraries.store_path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def assert_next_scan_is_clean(libraries: Libraries) -> None:
    """A scan of both, now that the mount answers, makes of the store what it would have been without any trouble."""
    again = libraries.scan()
    libraries.scan(store_path=libraries.before_path)

    assert again.failures(libraries.nas) == []
    for root in (libraries.nas, libraries.other):
        assert libraries.records(root) == libraries.records(root, libraries.before_path)
    with closing(sqlite3.connect(libraries.store_path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("death", DEATHS)
def test_a_mount_that_dies_loses_nothing_and_is_scanned_once_it_is_back(
    libraries: Libraries, mount: FuseMount, death: str
) -> None:
    scanned_ms = libraries.scanned_ms(libraries.nas)
    DEATHS[death](mount)

    told = libraries.scan()

    assert mount.troubled.is_set()
    assert told.failures(libraries.nas)
    assert told.failures(libraries.other) == []
    assert_nothing_is_lost(libraries)
    assert libraries.scanned_ms(libraries.nas) == scanned_ms
    assert libraries.scanned_ms(libraries.other) > scanned_ms
    mount.recover()
    with nullcontext() if os.path.ismount(libraries.nas) else FuseMount(libraries.nas, libraries.served):
        assert_next_scan_is_clean(libraries)


@pytest.mark.parametrize("trouble", [fail(EIO, READS), stall(READS)], ids=["EIO", "stalls"])
def test_a_mount_of_which_nothing_can_be_read_is_given_up(
    libraries: Libraries, mount: FuseMount, trouble: Break
) -> None:
    scanned_ms = libraries.scanned_ms(libraries.nas)
    # that its folders can be listed says nothing of its disk
    trouble(mount)

    told = libraries.scan()

    assert told.failures(libraries.nas)
    before = {record.path for record in libraries.records(libraries.nas, libraries.before_path)}
    gone = {record.path for record in libraries.records(libraries.nas) if record.status != "ok"} & before
    assert gone <= {os.fsencode(libraries.nas / "h" / "h3.mp4")}
    assert libraries.scanned_ms(libraries.nas) == scanned_ms
    mount.recover()
    assert_next_scan_is_clean(libraries)


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param(ANY, id="all"),
        pytest.param(ATTRIBUTES, id="attributes"),
        pytest.param(LISTINGS, id="listings"),
    ],
)
def test_a_mount_that_does_not_answer_from_the_start_is_refused(
    libraries: Libraries, mount: FuseMount, operations: Collection[Operation]
) -> None:
    scanned_ms = libraries.scanned_ms(libraries.nas)
    mount.stall(operations)

    told = libraries.scan()

    assert "root does not answer" in told.refused
    assert_nothing_is_lost(libraries)
    assert libraries.scanned_ms(libraries.nas) == scanned_ms
    mount.recover()
    assert_next_scan_is_clean(libraries)


@pytest.mark.parametrize("error", [EIO, ESTALE, ENOTCONN])
def test_a_mount_that_answers_with_errors_from_the_start_is_refused(
    libraries: Libraries, mount: FuseMount, error: int
) -> None:
    scanned_ms = libraries.scanned_ms(libraries.nas)
    mount.fail(error)

    told = libraries.scan()

    assert os.strerror(error).lower() in told.refused
    assert_nothing_is_lost(libraries)
    assert libraries.scanned_ms(libraries.nas) == scanned_ms


@pytest.mark.parametrize("trouble", [fail(EIO, LISTINGS, only="c"), stall(LISTINGS, only="c")], ids=["EIO", "stalls"])
def test_a_single_folder_that_cannot_be_listed_is_all_that_is_left_out(
    libraries: Libraries, mount: FuseMount, trouble: Break
) -> None:
    trouble(mount)

    told = libraries.scan()

    assert [failed.path for failed in told.failures(libraries.nas)] == [os.fsencode(libraries.nas / "c")]
    assert told.probed(libraries.nas) == len(FOLDERS) - 1
    statuses = {os.path.basename(record.path): record.status for record in libraries.records(libraries.nas)}
    assert [name for name, status in statuses.items() if status != "ok"] == [b"h3.mp4"]
    mount.recover()
    assert_next_scan_is_clean(libraries)


def test_a_file_that_cannot_be_looked_at_takes_no_more_than_its_folder_with_it(
    libraries: Libraries, mount: FuseMount
) -> None:
    mount.stall(ATTRIBUTES, only="c2.mp4")

    told = libraries.scan()

    assert [failed.path for failed in told.failures(libraries.nas)] == [os.fsencode(libraries.nas / "c")]
    assert told.probed(libraries.nas) == len(FOLDERS) - 1
    mount.recover()
    assert_next_scan_is_clean(libraries)


@pytest.mark.parametrize(
    "trouble", [fail(EIO, READS, only="c-new.mp4"), stall(READS, only="c-new.mp4")], ids=["EIO", "stalls"]
)
def test_a_single_file_that_cannot_be_read_is_all_that_fails(
    libraries: Libraries, mount: FuseMount, trouble: Break
) -> None:
    scanned_ms = libraries.scanned_ms(libraries.nas)
    trouble(mount)

    told = libraries.scan()

    assert [failed.path for failed in told.failures(libraries.nas)] == [os.fsencode(libraries.nas / "c" / "c-new.mp4")]
    assert told.probed(libraries.nas) == len(FOLDERS) - 1
    assert libraries.scanned_ms(libraries.nas) > scanned_ms


def test_a_mount_that_stalls_while_a_young_file_settles_is_left(libraries: Libraries, mount: FuseMount) -> None:
    age(libraries.served / "a" / "a-new.mp4", 0)
    mount.stall(since="h0.mp4")

    told = libraries.scan(settle_s=1.0)

    assert told.failures(libraries.nas)
    assert_nothing_is_lost(libraries)


def test_a_mount_that_stalls_while_missing_files_are_looked_for_is_given_up_soon(
    libraries: Libraries, mount: FuseMount
) -> None:
    for path in (libraries.served / "c").iterdir():
        path.unlink()
    mount.stall(ATTRIBUTES, since="c0.mp4")

    libraries.scan()

    assert len([name for name in mount.unanswered() if name.startswith("c")]) <= 3
    assert_nothing_is_lost(libraries)


@pytest.mark.parametrize("trouble", [stall(since="c"), stall(since="c-new.mp4")], ids=["listing", "files"])
def test_a_mount_inside_a_root_that_stalls_does_not_hang_the_scan(
    libraries: Libraries, mount: FuseMount, trouble: Break
) -> None:
    around = libraries.nas.parent
    trouble(mount)

    told = libraries.scan(around)

    assert told.failures(libraries.nas)
    assert_rows_stay(libraries)


def test_a_mount_that_is_only_slow_is_scanned_completely(libraries: Libraries, mount: FuseMount) -> None:
    mount.delay_s = 0.005

    told = libraries.scan()

    assert told.failures(libraries.nas) == []
    assert told.probed(libraries.nas) == len(FOLDERS)
    mount.delay_s = 0.0
    assert_next_scan_is_clean(libraries)
