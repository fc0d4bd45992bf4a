"""The auto prober: whom it asks, and whose answer counts; and the prober that the configuration asks for."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from qacache.config import Ffprobe
from qacache.errors import ProberMissing
from qacache.models import Failure, Probe
from qacache.probe import CANCELLED
from qacache.probe.auto import AutoProber
from qacache.probe.engines import make_prober
from qacache.probe.ffprobe import FfprobeProber
from qacache.probe.libav.prober import LibavProber
from qacache.probe.media import PARSER_VERSION, parse_media
from tests.command import make_script
from tests.fakes import FakeProber

PATH = b"/library/a.mp4"

VIDEO = {"codec_type": "video", "codec_name": "h264", "width": 64, "height": 48, "pix_fmt": "yuv420p"}
AUDIO = {"codec_type": "audio", "codec_name": "aac", "sample_rate": "48000", "channels": 2}


class MissingProber(FakeProber):
    """A prober that cannot be run."""

    def __init__(self) -> None:
        super().__init__()
        del self.version

    def __getattr__(self, name: str) -> str:
        raise ProberMissing(f"there is no {name}")

    def probe(self, path: bytes) -> Probe | Failure:
        self.paths.append(path)
        raise ProberMissing("there is no prober")


def described(*streams: dict[str, object], by: str = "libav 8") -> Probe:
    raw = {"streams": [dict(stream) for stream in streams], "format": {"format_name": "mp4"}}
    return Probe(parse_media(raw), raw, by, PARSER_VERSION)


def failed(reason: str, message: str = "by libav") -> Failure:
    return Failure("probe", reason, message)


def prober(answer: Probe | Failure | None = None, version: str = "fake 1") -> FakeProber:
    return FakeProber({PATH: answer} if answer else {}, version=version)


WHOLE = described(VIDEO, AUDIO)
OTHER = described(VIDEO, AUDIO, by="ffprobe 5")


# who is asked


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        described(VIDEO),
        described(AUDIO),
        described({"codec_type": "subtitle"}, {"codec_type": "data"}, {"codec_type": "attachment"}, {}),
        described({**VIDEO, "sample_aspect_ratio": None, "color_transfer": None, "profile": None}),
        described({**AUDIO, "channel_layout": None, "sample_fmt": None}),
    ],
    ids=["clip", "video", "audio", "others", "plain video", "plain audio"],
)
def test_answer_with_all_that_players_need_is_the_answer(answer: Probe) -> None:
    second = prober(OTHER)

    assert AutoProber(prober(answer), second).probe(PATH) is answer
    assert second.paths == []


@pytest.mark.parametrize(
    ("stream", "fact"),
    [(VIDEO, fact) for fact in ("codec_name", "width", "height", "pix_fmt")]
    + [(AUDIO, fact) for fact in ("codec_name", "sample_rate", "channels")],
)
def test_answer_that_lacks_what_players_need_is_taken_from_the_second(stream: dict[str, object], fact: str) -> None:
    second = prober(OTHER)

    assert AutoProber(prober(described({**stream, fact: None})), second).probe(PATH) is OTHER
    assert second.paths == [PATH]


@pytest.mark.parametrize("reason", ["invalid-data", "no-streams", "bad-output", "crashed", "memory-limit"])
def test_failure_that_may_be_the_probers_own_is_asked_about_again(reason: str) -> None:
    second = prober(OTHER)

    assert AutoProber(prober(failed(reason)), second).probe(PATH) is OTHER
    assert second.paths == [PATH]


@pytest.mark.parametrize(
    "reason",
    [
        *("timeout", "refused-format", "not-found", "permission-denied", "io-error", "not-a-file", "symlink-loop"),
        *("too-much-output", "no-process", CANCELLED),
    ],
)
def test_failure_that_would_be_the_same_again_is_final(reason: str) -> None:
    second = prober(OTHER)

    assert AutoProber(prober(failed(reason)), second).probe(PATH) == failed(reason)
    assert second.paths == []


# whose answer counts


def test_answer_with_fewer_gaps_counts() -> None:
    many, few = described({**VIDEO, "width": None, "height": None}), described({**VIDEO, "pix_fmt": None})

    assert AutoProber(prober(many), prober(few)).probe(PATH) is few
    assert AutoProber(prober(few), prober(many)).probe(PATH) is few


def test_first_counts_where_both_have_gaps_alike() -> None:
    first, second = described({**VIDEO, "pix_fmt": None}), described({**VIDEO, "codec_name": None}, by="ffprobe 5")

    assert AutoProber(prober(first), prober(second)).probe(PATH) is first


def test_gaps_of_all_streams_count() -> None:
    video, audio = {**VIDEO, "pix_fmt": None}, {**AUDIO, "channels": None}
    first, second = described(video, audio), described(video, AUDIO, by="ffprobe 5")

    assert AutoProber(prober(first), prober(second)).probe(PATH) is second


def test_answer_with_gaps_is_better_than_none() -> None:
    gaps = described({**VIDEO, "pix_fmt": None})

    assert AutoProber(prober(gaps), prober(failed("invalid-data"))).probe(PATH) is gaps
    assert AutoProber(prober(failed("crashed")), prober(gaps)).probe(PATH) is gaps


def test_first_says_why_where_both_fail() -> None:
    auto = AutoProber(prober(failed("crashed", "by libav")), prober(failed("invalid-data", "by ffprobe")))

    assert auto.probe(PATH) == failed("crashed", "by libav")


@pytest.mark.parametrize(
    "answer", [failed("invalid-data"), described({**VIDEO, "pix_fmt": None})], ids=["failure", "gaps"]
)
def test_cancel_while_the_second_is_asked_leaves_no_answer(answer: Probe | Failure) -> None:
    # or half an answer would be stored for good, and a good file would count as broken
    cancelled = failed(CANCELLED, "the scan was stopped")

    assert AutoProber(prober(answer), prober(cancelled)).probe(PATH) == cancelled


# one that is missing


def test_version_is_that_of_both() -> None:
    assert AutoProber(prober(version="libav 8"), prober(version="ffprobe 5")).version == "libav 8, ffprobe 5"


def test_version_is_that_of_the_one_that_is_there() -> None:
    there = prober(version="there 1")

    assert AutoProber(there, MissingProber()).version == "there 1"
    assert AutoProber(MissingProber(), there).version == "there 1"


def test_version_of_two_that_are_missing_is_missing() -> None:
    with pytest.raises(ProberMissing):
        _ = AutoProber(MissingProber(), MissingProber()).version


@pytest.mark.parametrize(
    "answer", [failed("invalid-data"), described({**VIDEO, "pix_fmt": None})], ids=["failure", "gaps"]
)
def test_first_does_alone_where_the_second_is_missing(answer: Probe | Failure) -> None:
    missing = MissingProber()

    assert AutoProber(prober(answer), missing).probe(PATH) is answer
    assert missing.paths == [PATH]


@pytest.mark.parametrize("answer", [OTHER, failed("invalid-data")], ids=["answer", "failure"])
def test_second_does_alone_where_the_first_is_missing_which_is_asked_once(answer: Probe | Failure) -> None:
    missing = MissingProber()
    auto = AutoProber(missing, prober(answer))

    assert [auto.probe(PATH), auto.probe(PATH)] == [answer, answer]
    assert missing.paths == [PATH]


def test_files_cannot_be_probed_where_both_are_missing() -> None:
    auto = AutoProber(MissingProber(), MissingProber())

    for _ in range(2):
        with pytest.raises(ProberMissing):
            auto.probe(PATH)


# what is passed on


def test_cancel_resume_and_close_reach_both() -> None:
    both = prober(), prober()
    auto = AutoProber(*both)

    auto.cancel()
    assert [each.cancelled.is_set() for each in both] == [True, True]
    auto.resume()
    assert [each.cancelled.is_set() for each in both] == [False, False]
    assert [each.closed for each in both] == [False, False]
    auto.close()
    assert [each.closed for each in both] == [True, True]


def test_probes_that_hang_for_ever_are_counted_in_both() -> None:
    first, second = prober(), prober()
    first.abandoned, second.abandoned = 1, 2

    assert AutoProber(first, second).abandoned == 3


# the prober that is wanted


@pytest.fixture
def ffprobe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An ffprobe, the only one on PATH, that has seen an AVI of 8 by 6."""
    (tmp_path / "bin").mkdir()
    answer = '{"streams": [{"codec_type": "video", "width": 8, "height": 6}], "format": {"format_name": "avi"}}'
    script = f"case $1 in -version) echo ffprobe version 5.1.9 ;; *) echo '{answer}' ;; esac"
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return str(make_script(tmp_path / "bin" / "ffprobe", script))


@pytest.fixture
def no_ffprobe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def no_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV is not installed, whoever looks for it."""
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.mark.parametrize(("engine", "kind"), [("libav", LibavProber), ("ffprobe", FfprobeProber), ("auto", AutoProber)])
def test_engine_is_the_one_that_is_wanted(engine: str, kind: type, ffprobe: str) -> None:
    assert type(make_prober(Ffprobe(engine=engine))) is kind


@pytest.mark.usefixtures("no_ffprobe")
def test_libav_alone_is_auto_where_there_is_no_ffprobe() -> None:
    assert type(make_prober(Ffprobe())) is LibavProber


@pytest.mark.usefixtures("no_pyav")
def test_ffprobe_alone_is_auto_where_there_is_no_pyav(ffprobe: str) -> None:
    assert type(make_prober(Ffprobe())) is FfprobeProber


@pytest.mark.usefixtures("no_ffprobe")
@pytest.mark.parametrize("engine", ["auto", "ffprobe"])
def test_ffprobe_that_somebody_has_named_has_to_be_there(engine: str) -> None:
    with pytest.raises(ProberMissing, match="no ffprobe to run: /nowhere/ffprobe"):
        make_prober(Ffprobe(engine=engine, path="/nowhere/ffprobe"))


@pytest.mark.usefixtures("no_ffprobe", "no_pyav")
@pytest.mark.parametrize(("engine", "what"), [("auto", "ffprobe"), ("ffprobe", "ffprobe"), ("libav", "PyAV")])
def test_nothing_to_probe_with_is_an_error(engine: str, what: str) -> None:
    with pytest.raises(ProberMissing, match=what) as missing:
        make_prober(Ffprobe(engine=engine))

    assert missing.value.exit_code == 13
    assert missing.value.hint


@pytest.mark.parametrize("engine", ["auto", "ffprobe"])
def test_ffprobe_that_is_named_is_the_one_that_is_run(engine: str, ffprobe: str, tmp_path: Path) -> None:
    named = shutil.copy(ffprobe, tmp_path / "named")
    Path(ffprobe).unlink()

    prober = make_prober(Ffprobe(engine=engine, path=str(named)))

    assert prober.version.endswith("ffprobe 5.1.9")
    prober.close()


def test_auto_asks_ffprobe_for_what_libav_cannot_read(ffprobe: str, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no clip at all")
    prober = make_prober(Ffprobe())

    answer = prober.probe(bytes(text))

    prober.close()
    assert isinstance(answer, Probe)
    assert (answer.media.width, answer.prober) == (8, "ffprobe 5.1.9")


@pytest.mark.parametrize("engine", ["libav", "ffprobe", "auto"])
def test_time_that_a_file_may_take_is_the_configured_one(engine: str, tmp_path: Path) -> None:
    slow = make_script(tmp_path / "ffprobe", "exec sleep 1000")
    # who opens a pipe that nobody writes to hangs
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    prober = make_prober(Ffprobe(engine=engine, timeout_s=0.3, path=str(slow)))

    answer = prober.probe(bytes(pipe))

    prober.close()
    assert isinstance(answer, Failure)
    assert answer.reason == "timeout"
    assert answer.message.endswith(" was killed after 0.3 s")
