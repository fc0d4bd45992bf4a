"""What every prober owes: the same files, the same answers, the same reasons.

A prober that is added to `PROBERS` has to pass all of it.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from qacache.models import Failure, MediaInfo, Probe
from qacache.probe import CANCELLED, Prober
from qacache.probe.auto import AutoProber
from qacache.probe.ffprobe import FfprobeProber
from qacache.probe.libav.prober import LibavProber
from qacache.probe.timed import TimedProber
from tests.fuse_mount import Operation, mounted
from tests.media import make_clip, make_copy, make_file, make_playlist, make_song, make_text, make_truncated
from tests.processes import soon

MakeProber = Callable[..., Prober]


def ffprobe_prober(timeout_s: float = 60.0, *, program: str = "ffprobe") -> Prober:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe is installed")
    return FfprobeProber(program, timeout_s=timeout_s)


def libav_prober(timeout_s: float = 60.0, *, program: str = sys.executable) -> Prober:
    return LibavProber(timeout_s=timeout_s, python=program)


def auto_prober(timeout_s: float = 60.0, **options: str) -> Prober:
    return AutoProber(libav_prober(timeout_s, **options), ffprobe_prober(timeout_s))


def timed_prober(timeout_s: float = 60.0, **options: str) -> Prober:
    return TimedProber(libav_prober(timeout_s, **options), lambda name, duration_s: None)


PROBERS = {"ffprobe": ffprobe_prober, "libav": libav_prober, "auto": auto_prober, "timed": timed_prober}
PROGRAMS = {"ffprobe": "ffprobe", "libav": sys.executable, "auto": sys.executable, "timed": sys.executable}


@pytest.fixture(params=PROBERS)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make_prober(engine: str) -> Iterator[MakeProber]:
    with ExitStack() as probers:

        def make(*arguments: Any, **options: Any) -> Prober:
            prober = PROBERS[engine](*arguments, **options)
            probers.callback(prober.close)
            return prober

        yield make


@pytest.fixture
def prober(make_prober: MakeProber) -> Prober:
    return make_prober()


def media_of(prober: Prober, path: Path | bytes) -> MediaInfo:
    answer = prober.probe(os.fsencode(path))
    assert isinstance(answer, Probe), answer
    assert answer.prober in prober.version.split(", ")
    return answer.media


def reason_of(prober: Prober, path: Path | bytes) -> str:
    """The reason of the failure, the sentence for people being fit for them."""
    answer = prober.probe(os.fsencode(path))
    assert isinstance(answer, Failure), answer
    assert answer.stage == "probe"
    assert 0 < len(answer.message) <= 300
    assert "\n" not in answer.message
    assert " @ 0x" not in answer.message
    assert os.path.basename(os.fsdecode(path)) not in answer.message
    return answer.reason


def test_version_is_a_name_and_a_number(prober: Prober) -> None:
    name, _, number = prober.version.partition(" ")

    assert name
    assert number


# what is in a file


@pytest.mark.parametrize(
    ("suffix", "format_name", "video_codec", "audio_codec"),
    [
        (".mp4", "mov,mp4,m4a,3gp,3g2,mj2", "mpeg4", "aac"),
        (".mov", "mov,mp4,m4a,3gp,3g2,mj2", "mpeg4", "aac"),
        (".mkv", "matroska,webm", "mpeg4", "aac"),
        (".webm", "matroska,webm", "vp8", "opus"),
        (".avi", "avi", "mpeg4", "mp2"),
        (".ts", "mpegts", "mpeg2video", "mp2"),
        (".mpg", "mpeg", "mpeg2video", "mp2"),
        (".flv", "flv", "flv1", "aac"),
    ],
)
def test_clip_is_described_whatever_its_container(
    suffix: str, format_name: str, video_codec: str, audio_codec: str, prober: Prober, tmp_path: Path
) -> None:
    media = media_of(prober, make_clip(tmp_path / f"clip{suffix}", duration_s=1.0))

    assert media.format_name == format_name
    assert (media.video_codec, media.audio_codec) == (video_codec, audio_codec)
    assert (media.width, media.height, media.orientation) == (64, 48, "landscape")
    assert media.avg_frame_rate == "25/1"
    assert media.duration_s == pytest.approx(1.0, abs=0.15)
    assert {stream.codec_type for stream in media.streams} == {"video", "audio"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_clip_that_was_recorded_upright_is_portrait(suffix: str, prober: Prober, tmp_path: Path) -> None:
    media = media_of(prober, make_clip(tmp_path / f"clip{suffix}", rotation=-90))

    assert (media.rotation, media.orientation) == (-90, "portrait")
    assert (media.width, media.height) == (64, 48)
    assert (media.display_width, media.display_height) == (48, 64)


def test_clip_of_wide_pixels_is_shown_wider(prober: Prober, tmp_path: Path) -> None:
    media = media_of(prober, make_clip(tmp_path / "clip.mkv", sample_aspect_ratio=Fraction(2, 1)))

    assert media.streams[0].sample_aspect_ratio == "2:1"
    assert (media.display_width, media.display_height) == (128, 48)


def test_hdr_is_told_by_its_transfer(prober: Prober, tmp_path: Path) -> None:
    media = media_of(prober, make_clip(tmp_path / "clip.mp4", codec="libx264", color_transfer="arib-std-b67"))

    assert media.hdr == "hlg"


def test_cover_art_is_not_the_video(prober: Prober, tmp_path: Path) -> None:
    media = media_of(prober, make_song(tmp_path / "song.mp3", cover=True))

    assert (media.video_codec, media.width, media.orientation) == (None, None, None)
    assert [s.codec_type for s in media.streams if "attached_pic" in s.disposition] == ["video"]


def test_cover_art_does_not_hide_the_video(prober: Prober, tmp_path: Path) -> None:
    media = media_of(prober, make_clip(tmp_path / "clip.mp4", cover=True))

    assert (media.video_codec, media.width, media.height) == ("mpeg4", 64, 48)


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp3", "mp3"), (".flac", "flac"), (".wav", "pcm_s16le"), (".m4a", "aac")]
)
def test_sound_has_no_picture(suffix: str, codec: str, prober: Prober, tmp_path: Path) -> None:
    media = media_of(prober, make_song(tmp_path / f"song{suffix}"))

    assert (media.audio_codec, media.video_codec, media.hdr) == (codec, None, None)
    assert (media.streams[0].channels, media.streams[0].sample_rate) == (2, 48_000)


def test_tags_are_told(prober: Prober, tmp_path: Path) -> None:
    media = media_of(prober, make_clip(tmp_path / "clip.mkv", tags={"title": "Grüße\nzwei"}))

    assert media.tags["title"] == "Grüße\nzwei"


# names


@pytest.mark.parametrize(
    "name",
    [
        b"-video.mp4",
        b"a:b.mp4",
        b"http:x.mp4",
        b"id:000000,x",
        b"100%25%03d.mp4",
        b"two\nlines.mp4",
        b"\x01\x1b[31m\x7f.mp4",
        b"caf\xe9.mp4",
        b" '\"$(x)`;|&*?[a]{1,2}\\.mp4",
        b"#?frag=1&x.mp4",
        b"no suffix",
        b"x" * 251 + b".mp4",
    ],
)
def test_name_is_only_a_name(name: bytes, prober: Prober, clip: Path, tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    try:
        os.link(clip, path)
    except OSError as error:
        pytest.skip(f"this file system does not take the name: {error.strerror}")

    assert media_of(prober, path).format_name == "mov,mp4,m4a,3gp,3g2,mj2"


def test_path_may_be_as_long_as_the_system_allows(prober: Prober, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path
    while len(str(folder)) < os.pathconf(tmp_path, "PC_PATH_MAX") - 300:
        folder /= "d" * 200
    folder.mkdir(parents=True)

    assert media_of(prober, make_copy(folder / "clip.mp4", clip)).width == 64
    assert reason_of(prober, make_text(folder / "text.mp4")) == "invalid-data"


# files that are no media


def test_clip_without_its_end_is_invalid_data(prober: Prober, clip: Path, tmp_path: Path) -> None:
    assert reason_of(prober, make_truncated(tmp_path / "half.mp4", clip)) == "invalid-data"


def test_text_that_is_called_a_video_is_invalid_data(prober: Prober, tmp_path: Path) -> None:
    assert reason_of(prober, make_text(tmp_path / "text.mp4")) == "invalid-data"


def test_empty_file_is_invalid_data(prober: Prober, tmp_path: Path) -> None:
    assert reason_of(prober, make_file(tmp_path / "empty.mp4")) == "invalid-data"


@pytest.mark.parametrize(
    "name", ["Permission denied, No such file.mp4", "x\n[hls @ 0x1] Format not on whitelist.mp4"], ids=["errno", "log"]
)
def test_name_that_reads_like_an_error_decides_nothing(name: str, prober: Prober, tmp_path: Path) -> None:
    assert reason_of(prober, make_text(tmp_path / name)) == "invalid-data"


# files that refer to others: none of those may be opened


def test_playlist_that_is_called_a_video_is_refused_unopened(prober: Prober, pipe: Path, tmp_path: Path) -> None:
    assert reason_of(prober, make_playlist(tmp_path / "list.mp4", pipe)) == "refused-format"


def test_playlist_that_waits_for_more_is_refused_at_once(prober: Prober, tmp_path: Path) -> None:
    live = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:1\n"

    assert reason_of(prober, make_file(tmp_path / "live.mp4", live)) == "refused-format"


def test_list_of_files_that_is_called_a_video_is_refused_unopened(prober: Prober, pipe: Path, tmp_path: Path) -> None:
    content = f"ffconcat version 1.0\nfile {pipe.name}\n".encode()

    assert reason_of(prober, make_file(tmp_path / "list.mp4", content)) == "refused-format"


def test_manifest_that_is_called_a_video_is_refused_unopened(prober: Prober, pipe: Path, tmp_path: Path) -> None:
    content = f"""<?xml version="1.0"?>
        <MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"
             profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp2t">
        <Representation id="1" bandwidth="1"><BaseURL>{pipe}</BaseURL></Representation></AdaptationSet></Period></MPD>
    """.strip()

    # a build of FFmpeg without an XML parser does not know what it is
    assert reason_of(prober, make_file(tmp_path / "list.mp4", content.encode())) in {"refused-format", "invalid-data"}


def test_description_of_a_network_stream_is_refused(prober: Prober, tmp_path: Path) -> None:
    content = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"

    assert reason_of(prober, make_file(tmp_path / "stream.mp4", content)) == "refused-format"


def test_index_of_subtitles_does_not_open_the_file_beside_it(prober: Prober, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "subtitles.sub")
    content = b"# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\n"

    assert reason_of(prober, make_file(tmp_path / "subtitles.idx", content)) == "refused-format"


# what is no file, or cannot be read


def test_folder_that_is_called_a_video_is_not_a_file(prober: Prober, tmp_path: Path) -> None:
    folder = tmp_path / "folder.mp4"
    folder.mkdir()

    assert reason_of(prober, folder) == "not-a-file"


def test_file_that_is_gone_is_not_found(prober: Prober, tmp_path: Path) -> None:
    assert reason_of(prober, tmp_path / "gone.mp4") == "not-found"


def test_link_in_a_circle_is_a_symlink_loop(prober: Prober, tmp_path: Path) -> None:
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")

    assert reason_of(prober, tmp_path / "loop.mp4") == "symlink-loop"


def test_file_that_may_not_be_read_is_permission_denied(
    engine: str, make_prober: MakeProber, clip: Path, tmp_path: Path
) -> None:
    unreadable = make_copy(tmp_path / "secret.mp4", clip)
    unreadable.chmod(0o000)

    if os.getuid() != 0:
        prober = make_prober()
    elif shutil.which("setpriv"):
        # root may read all, but not without these two capabilities
        wrapper = tmp_path / "without-capabilities"
        dropped = "-dac_override,-dac_read_search"
        wrapper.write_text(
            f'#!/bin/sh\nexec setpriv --inh-caps={dropped} --bounding-set={dropped} {PROGRAMS[engine]} "$@"\n'
        )
        wrapper.chmod(0o755)
        prober = make_prober(program=str(wrapper))
    else:
        pytest.skip("root may read all, and there is no setpriv to be somebody else")

    assert reason_of(prober, unreadable) == "permission-denied"


# time


def test_file_that_never_ends_fails_at_the_deadline(make_prober: MakeProber, pipe: Path) -> None:
    prober = make_prober(timeout_s=0.5)

    assert reason_of(prober, pipe) == "timeout"
    assert prober.abandoned == 0


def test_file_on_a_dead_mount_is_given_up_and_harms_no_other(
    make_prober: MakeProber, clip: Path, tmp_path: Path
) -> None:
    prober = make_prober(timeout_s=2.0)
    with mounted(tmp_path / "share", clip.parent) as mount:
        # it can be opened, but never read
        mount.stall({Operation.READ})

        assert reason_of(prober, mount.folder / clip.name) == "timeout"
        assert prober.abandoned == 1
        assert media_of(make_prober(), clip).width == 64

    # nobody waits for it any more
    assert soon(lambda: prober.abandoned == 0)


def test_cancel_ends_probes_that_run_and_refuses_later_ones(prober: Prober, pipe: Path, clip: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(reason_of, prober, pipe)
        # this opens only once the prober has opened its end
        with pipe.open("wb"):
            prober.cancel()

            assert running.result(10) == CANCELLED
    assert reason_of(prober, clip) == CANCELLED
    assert prober.abandoned == 0


def test_many_threads_may_probe_at_once(prober: Prober, clip: Path, tmp_path: Path) -> None:
    text = make_text(tmp_path / "text.mp4")
    together = threading.Barrier(6)

    def probe(path: Path) -> Probe | Failure:
        together.wait(10)
        return prober.probe(os.fsencode(path))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(probe, [clip, text] * 6))

    assert [type(answer) for answer in answers] == [Probe, Failure] * 6
