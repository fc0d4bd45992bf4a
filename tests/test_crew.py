"""The crew: what becomes of files that are digested and probed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from qacache.events import Failed, Probed, Unstable, Vanished, Waiting
from qacache.models import Failure, FileStat, Probe
from qacache.scan import crew as crew_module
from qacache.scan.crew import Crew
from qacache.scan.digest import digest_file
from qacache.scan.mounts import Mounts
from qacache.scan.places import Place
from tests.fakes import FakeProber, content_of
from tests.media import make_file


@pytest.fixture
def prober() -> FakeProber:
    return FakeProber()


def stat_of(path: Path) -> FileStat:
    return FileStat.of(os.fsencode(path), path.stat())


def described(crew: Crew, *items: FileStat | Vanished) -> list[object]:
    with crew:
        return [item for item in crew.describe(items, None) if not isinstance(item, Waiting)]


def test_a_file_is_probed_and_told_with_its_digest(library: Path, prober: FakeProber) -> None:
    stat = stat_of(make_file(library / "x.mp4", b"content"))
    hashed, probe = digest_file(stat), content_of(b"content")
    assert isinstance(probe, Probe)

    assert described(Crew(prober), stat) == [Probed(stat, hashed.digest, probe)]


def test_what_the_prober_cannot_tell_is_a_failure_of_that_prober(library: Path, prober: FakeProber) -> None:
    stat = stat_of(make_file(library / "x.mp4", b"broken"))

    (failed,) = described(Crew(prober), stat)

    assert isinstance(failed, Failed)
    assert (failed.path, failed.stat, failed.failure.reason) == (stat.path, stat, "invalid-data")
    assert failed.prober == "fake 1"
    assert failed.digest is not None


def test_an_empty_file_is_not_probed(library: Path, prober: FakeProber) -> None:
    (failed,) = described(Crew(prober), stat_of(make_file(library / "x.mp4")))

    assert isinstance(failed, Failed)
    assert failed.failure.reason == "empty-file"
    assert prober.paths == []


@pytest.mark.parametrize("content", [b"content", b"broken"])
def test_a_file_that_changes_while_it_is_probed_is_unstable(library: Path, prober: FakeProber, content: bytes) -> None:
    path = make_file(library / "x.mp4", content)
    stat = stat_of(path)
    prober.on_probe = lambda _: os.utime(path)

    assert described(Crew(prober), stat) == [Unstable(stat.path)]


def test_a_file_that_goes_while_it_is_probed_is_unstable(library: Path, prober: FakeProber) -> None:
    path = make_file(library / "x.mp4", b"content")
    stat = stat_of(path)
    prober.answers[stat.path] = content_of(b"content")
    prober.on_probe = lambda _: path.unlink()

    assert described(Crew(prober), stat) == [Unstable(stat.path)]


def test_other_items_pass(prober: FakeProber) -> None:
    assert described(Crew(prober), Vanished(b"/x")) == [Vanished(b"/x")]


def test_an_error_that_is_no_file_s_is_raised(library: Path, prober: FakeProber) -> None:
    stat = stat_of(make_file(library / "x.mp4", b"content"))

    def fail(path: bytes) -> None:
        raise RuntimeError("the prober is broken")

    prober.on_probe = fail

    with pytest.raises(RuntimeError, match="the prober is broken"):
        described(Crew(prober), stat)


def test_no_more_files_are_probed_at_a_time_than_asked_for(library: Path, prober: FakeProber) -> None:
    stats = [stat_of(make_file(library / f"{i}.mp4", b"%d" % i)) for i in range(20)]
    prober.gate, begun = threading.Event(), threading.Semaphore(0)
    prober.on_probe = lambda _: begun.release()

    with Crew(prober, jobs=2) as crew:
        results = crew.describe(stats, None)
        assert [next(results), next(results)] == [Waiting(), Waiting()]
        assert all(begun.acquire(timeout=30) for _ in range(2))

        assert len(prober.paths) == 2
        prober.gate.set()
        assert len([item for item in results if isinstance(item, Probed)]) == 20


def test_stopping_ends_the_probes_that_run_and_stores_nothing_of_them(library: Path, prober: FakeProber) -> None:
    stats = [stat_of(make_file(library / f"{i}.mp4", b"%d" % i)) for i in range(20)]
    prober.gate, begun = threading.Event(), threading.Event()
    prober.on_probe = lambda _: begun.set()

    with Crew(prober, jobs=2) as crew:
        results = crew.describe(stats, None)
        assert next(results) == Waiting()
        assert begun.wait(30)
        assert (crew.slowest() or ())[0] in prober.paths

        crew.stop()

        assert set(results) <= {Waiting()}
    assert prober.cancelled.is_set()
    assert crew.is_stopped
    assert crew.slowest() is None


@pytest.mark.parametrize("hangs", [True, False])
def test_a_probe_that_takes_too_long_is_the_mount_s_failure_where_not_even_the_digest_ends(
    library: Path, prober: FakeProber, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    path = make_file(library / "x.mp4", b"content")
    over, digests = threading.Event(), []

    def digest(stat: FileStat) -> object:
        digests.append(stat)
        if hangs and len(digests) > 1:
            over.wait(30)
        return digest_file(stat)

    monkeypatch.setattr(crew_module, "digest_file", digest)
    mounts = Mounts(hang_s=0.05 if hangs else 30, network_concurrency=1)
    mounts.add([Place(os.fsencode(library), os.fsencode(library), b"/nas", is_network=True)])
    prober.answers[os.fsencode(path)] = Failure("probe", "timeout", "was killed after 30 s")
    try:
        (failed,) = described(Crew(prober, mounts), stat_of(path))
    finally:
        over.set()

    assert isinstance(failed, Failed)
    assert (failed.failure.reason, failed.stat is None) == (("no-answer", True) if hangs else ("timeout", False))


def test_no_file_is_begun_once_the_crew_is_stopped(library: Path, prober: FakeProber) -> None:
    stat = stat_of(make_file(library / "x.mp4", b"content"))
    crew = Crew(prober)
    crew.stop()

    assert described(crew, stat) == []
    assert prober.paths == []


def test_a_stopped_crew_does_not_wait_for_the_next_start_of_a_slow_pace(library: Path, prober: FakeProber) -> None:
    stats = [stat_of(make_file(library / f"{i}.mp4", b"%d" % i)) for i in range(5)]

    def stopping() -> Iterator[FileStat]:
        yield from stats
        crew.stop()

    with Crew(prober, rate=1 / 3600) as crew:
        results = [item for item in crew.describe(stopping(), None) if isinstance(item, Probed)]

    assert len(results) <= 1


def test_the_prober_is_cancelled_when_the_crew_is_left_early(prober: FakeProber) -> None:
    with suppress(ValueError), Crew(prober):
        raise ValueError

    assert prober.cancelled.is_set()


def test_the_prober_may_go_on_for_others_when_the_crew_is_done(prober: FakeProber) -> None:
    with Crew(prober):
        pass

    assert not prober.cancelled.is_set()
