"""The timed prober: of which probes is told how long they took, and by what name."""

from __future__ import annotations

from pathlib import Path

import pytest

from qacache.config import Ffprobe
from qacache.errors import ProberMissing
from qacache.models import Failure, Probe
from qacache.probe import CANCELLED
from qacache.probe.engines import make_prober
from qacache.probe.timed import TimedProber
from tests.command import make_script
from tests.fakes import FakeClock, FakeProber, content_of

PATH = b"/library/a.mp4"
MEDIA = content_of(b"a film")

Told = list[tuple[str, float]]


@pytest.fixture
def told() -> Told:
    return []


def timed(prober: FakeProber, told: Told, *, takes_s: float) -> TimedProber:
    clock = FakeClock()
    prober.on_probe = lambda _: clock.advance(takes_s)
    return TimedProber(prober, lambda name, duration_s: told.append((name, duration_s)), clock.monotonic)


@pytest.mark.parametrize("answer", [MEDIA, Failure("probe", "timeout", "too long")], ids=["media", "failure"])
def test_probe_is_told_with_its_duration_whatever_comes_of_it(told: Told, answer: Probe | Failure) -> None:
    prober = timed(FakeProber({PATH: answer}), told, takes_s=2.5)

    assert prober.probe(PATH) is answer
    assert told == [("fake", pytest.approx(2.5))]


def test_probe_that_was_cancelled_is_not_told(told: Told) -> None:
    timed(FakeProber({PATH: Failure("probe", CANCELLED, "stopped")}), told, takes_s=1).probe(PATH)

    assert told == []


def test_prober_that_is_gone_raises_and_is_not_told(told: Told) -> None:
    class Gone(FakeProber):
        def probe(self, path: bytes) -> Probe | Failure:
            raise ProberMissing("there is none any more")

    with pytest.raises(ProberMissing):
        timed(Gone(), told, takes_s=1).probe(PATH)
    assert told == []


def test_each_engine_tells_under_its_own_name(told: Told, tmp_path: Path) -> None:
    ffprobe = make_script(tmp_path / "ffprobe", "echo ffprobe version 5.1.9")
    text = tmp_path / "text.mp4"
    text.write_text("no film at all")
    wanted = [Ffprobe(engine=engine, path=str(ffprobe)) for engine in ("libav", "ffprobe", "auto")]

    for each in wanted:
        prober = make_prober(each, lambda prober: TimedProber(prober, lambda *probe: told.append(probe)))
        prober.probe(bytes(text))
        prober.close()

    # auto does not take the first one's word for it that nothing is in a file
    assert [name for name, _ in told] == ["libav", "ffprobe", "libav", "ffprobe"]
    assert all(duration_s > 0 for _, duration_s in told)
