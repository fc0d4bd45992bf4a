"""What libav answers of real media, read as ffprobe's answer is: the same, whatever is in them.

An older ffprobe says some things differently. What both cannot say alike is left out by `comparable` and `raw_facts`.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from qacache.models import MediaInfo, Probe
from qacache.probe import Prober
from qacache.probe.ffprobe import FfprobeProber
from qacache.probe.libav.prober import LibavProber
from tests.media import make_clip, make_file, make_song

Make = Callable[[Path], Path]

SUBTITLES = {
    ".srt": "1\n00:00:00,000 --> 00:00:00,400\nHello\n\n",
    ".ass": (
        "[Script Info]\nScriptType: v4.00+\n\n"
        "[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,20\n\n"
        "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:00.00,0:00:00.40,Default,,0,0,0,,Hello\n"
    ),
    ".vtt": "WEBVTT\n\n00:00.000 --> 00:00.400\nHello\n",
}
ATTACHED = [("a.ttf", "application/x-truetype-font", b"a font"), ("a.txt", "text/plain", b"a text")]
VIDEO_ENTRY = ("moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1")
AUDIO_ENTRY = ("moov", "trak", "mdia", "minf", "stbl", "stsd", "sowt")
TURN = 1 << 16
NO_TURN_AT_ALL = (0, 0, 0, 0, 0, 0, 0, 0, 0)


# media that no muxer makes


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def with_boxes(content: bytes, path: tuple[str, ...], *boxes: bytes) -> bytes:
    """An MP4 with more boxes at the end of the first box at `path`; its index has to come after its pictures."""
    changed, start, added = bytearray(content), 0, b"".join(boxes)
    opened = []
    for name in path:
        while content[start + 4 : start + 8] != name.encode():
            start += int.from_bytes(content[start : start + 4], "big")
        opened.append(start)
        start += 16 if name == "stsd" else 8
    end = opened[-1] + int.from_bytes(content[opened[-1] : opened[-1] + 4], "big")
    changed[end:end] = added
    for at in opened:
        size = int.from_bytes(content[at : at + 4], "big") + len(added)
        changed[at : at + 4] = size.to_bytes(4, "big")
    return bytes(changed)


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    before = path.read_bytes()
    after = change(before)
    assert after != before
    return make_file(path, after)


def make_dolby_vision(path: Path) -> Path:
    """An MP4 in H.264 with a profile 8 record, a mastering display and a light level."""
    light = box(b"clli", struct.pack(">2H", 1000, 400))
    colours = (13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450)
    display = box(b"mdcv", struct.pack(">8H2I", *colours, 10_000_000, 50))
    profile, level, has_rpu_and_base, compatibility = 8, 6, 0b101, 4
    flags = profile << 9 | level << 3 | has_rpu_and_base
    record = box(b"dvvC", struct.pack(">2BHB19x", 1, 0, flags, compatibility << 4))
    make_clip(path, codec="libx264", color_transfer="smpte2084")
    return changed(path, lambda content: with_boxes(content, VIDEO_ENTRY, light, display, record))


def make_turned(path: Path, matrix: tuple[int, ...]) -> Path:
    """An MP4 that is shown through this matrix."""

    def turn(content: bytes) -> bytes:
        at = content.index(b"tkhd") + 44
        return content[:at] + struct.pack(">9i", *matrix) + content[at + 36 :]

    return changed(make_clip(path), turn)


def make_channels(path: Path, *labels: int) -> Path:
    """A QuickTime file whose channels are at these places, by the labels of Apple's Core Audio."""
    places = b"".join(struct.pack(">2I3f", label, 0, 0, 0, 0) for label in labels)
    layout = box(b"chan", struct.pack(">4I", 0, 0, 0, len(labels)) + places)
    make_song(path, audio_codec="pcm_s16le")
    return changed(path, lambda content: with_boxes(content.replace(b"chan", b"free"), AUDIO_ENTRY, layout))


def make_undecodable(path: Path) -> Path:
    """An MP4 whose video codec nobody knows."""
    return changed(make_clip(path, codec="libx264"), lambda content: content.replace(b"avc1", b"zzzz"))


def make_latin(path: Path, **wanted: Any) -> Path:
    """A clip whose title is no UTF-8; of half a letter ffprobe and Python make a different number of marks."""
    make_clip(path, tags={"title": "a title, cut"}, **wanted)
    return changed(path, lambda content: content.replace(b"a title, cut", b"caf\xe9 \xff\xc3 a to"))


def make_mix(path: Path, sources: list[Path], attached: list[tuple[str, str, bytes]] | None = None) -> Path:
    """All streams of the sources in one file."""
    with ExitStack() as opened:
        output = opened.enter_context(av.open(str(path), "w", container_options={"fflags": "+bitexact"}))
        inputs = [opened.enter_context(av.open(str(source))) for source in sources]
        streams = {stream: output.add_stream_from_template(stream) for each in inputs for stream in each.streams}
        for stream, copy in streams.items():
            if stream.type == "subtitle":
                copy.metadata.update({"language": "ger", "title": "Für alle"})
        for name, mime_type, content in attached or []:
            output.add_attachment(name, mime_type, content)
        for packet in (packet for each in inputs for packet in each.demux() if packet.dts is not None):
            packet.stream = streams[packet.stream]
            output.mux(packet)
    return path


def make_subtitled(path: Path, *suffixes: str, attached: list[tuple[str, str, bytes]] | None = None) -> Path:
    subtitles = [make_file(path.with_suffix(suffix), SUBTITLES[suffix].encode()) for suffix in suffixes]
    return make_mix(path, [make_clip(path.with_stem("source")), *subtitles], attached)


def clip(**wanted: Any) -> Make:
    return lambda path: make_clip(path, **wanted)


def song(**wanted: Any) -> Make:
    return lambda path: make_song(path, **wanted)


TAGS = {"title": "Grüße\nzwei", "comment": "\x1b[31m\u202e", "artist": "x\n  Stream #0:0: Video: h264, 1x1"}
MEDIA: dict[str, Make] = {
    **{
        f"clip{suffix}": clip()
        for suffix in (
            *(".mp4", ".mov", ".m4v", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mpg", ".flv", ".asf", ".nut"),
        )
    },
    **{
        f"song{suffix}": song(tags={"title": "Grüße"})
        for suffix in (".m4a", ".mp3", ".mka", ".ogg", ".opus", ".flac", ".wav", ".w64", ".aac")
    },
    "left.mp4": clip(rotation=90),
    "right.mkv": clip(rotation=-90),
    "down.mov": clip(rotation=180),
    "flipped.mp4": lambda path: make_turned(path, (-TURN, 0, 0, 0, TURN, 0, 0, 0, 1 << 30)),
    "wide.mkv": clip(sample_aspect_ratio=Fraction(64, 45)),
    "wide.mp4": clip(sample_aspect_ratio=Fraction(64, 45)),
    "wide-and-turned.mov": clip(sample_aspect_ratio=Fraction(2, 1), rotation=90),
    "hdr10.mp4": clip(codec="libx264", color_transfer="smpte2084"),
    "hlg.mkv": clip(codec="libx264", color_transfer="arib-std-b67"),
    "dolby-vision.mp4": make_dolby_vision,
    "cover.mp4": clip(cover=True),
    "cover.mp3": song(cover=True),
    "cover.m4a": song(cover=True),
    "ntsc.mkv": clip(fps=Fraction(30_000, 1001)),
    "silent.mp4": clip(audio=False),
    "tags.mkv": clip(tags=TAGS),
    "tags.mp4": clip(tags=TAGS),
    "tags.flac": song(tags=TAGS),
    "latin.mp4": make_latin,
    "latin.mkv": make_latin,
    "latin.avi": make_latin,
    "latin.flac": lambda path: make_latin(path, video=False),
    "subtitles.srt": lambda path: make_file(path, SUBTITLES[".srt"].encode()),
    "subtitles.ass": lambda path: make_file(path, SUBTITLES[".ass"].encode()),
    "subtitled.mkv": lambda path: make_subtitled(path, ".srt", ".ass", attached=ATTACHED),
    "subtitled.webm": lambda path: make_subtitled(path, ".vtt"),
    "two.mkv": lambda path: make_mix(path, [make_clip(path.with_stem("one")), make_song(path.with_suffix(".flac"))]),
    "two.ts": lambda path: make_mix(path, [make_clip(path.with_stem("one"))] * 2),
    "standard-channels.mov": lambda path: make_channels(path, 1, 2),
    "odd-channels.mov": lambda path: make_channels(path, 1, 4),
    "swapped-channels.mov": lambda path: make_channels(path, 2, 1),
    "unknown-channels.mov": lambda path: make_channels(path, 200, 1),
    "undecodable.mp4": make_undecodable,
}


@pytest.fixture(scope="module")
def libav() -> Iterator[Prober]:
    prober = LibavProber(timeout_s=60.0)
    yield prober
    prober.close()


@pytest.fixture(scope="module")
def ffprobe() -> Prober:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe is installed")
    return FfprobeProber(timeout_s=60.0)


def answer_of(prober: Prober, path: Path) -> Probe:
    answer = prober.probe(os.fsencode(path))
    assert isinstance(answer, Probe), answer
    return answer


def comparable(media: MediaInfo) -> dict[str, Any]:
    """What both have to say alike."""
    found = dataclasses.asdict(media)
    for stream in found["streams"]:
        # since FFmpeg 6 a decoder does not add the properties of its buffer to the stream
        stream["side_data_types"] = [kind for kind in stream["side_data_types"] if kind != "CPB properties"]
        if stream["codec_name"] is None:
            # PyAV shows nothing of a stream that there is no decoder for, and libav prints its bit rate rounded
            stream["bit_rate"] = None
        if " channels (" in (stream["channel_layout"] or ""):
            # FFmpeg 5.1 has no name for a layout that is not in the usual order
            stream["channel_layout"] = None
    return found


def nearly(found: dict[str, Any]) -> dict[str, Any]:
    """What is equal to `found`, and to the like with another duration.

    FFmpeg 8 takes the silence that an MP3 encoder puts around the sound off its duration, and adds up the tracks of an
    MP4 more finely. The bit rate of the whole is computed from that.
    """
    if found["bit_rate"]:
        found["bit_rate"] = pytest.approx(found["bit_rate"], rel=0.1)
    for each in (found, *found["streams"]):
        each["duration_s"] = pytest.approx(each["duration_s"], abs=0.05)
    return found


def raw_facts(raw: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """All that is said, by its place; without what `comparable` explains, and without when streams start.

    Matroska's sound starts a packet's priming before zero, which FFmpeg 8 counts and FFmpeg 5.1 does not.
    """
    match raw:
        case dict():
            for name, value in raw.items():
                if name not in {"start_pts", "start_time", "duration_ts", "duration", "bit_rate", "channel_layout"}:
                    yield from raw_facts(value, f"{at}.{name}")
        case list():
            for number, value in enumerate(raw):
                yield from raw_facts(value, f"{at}[{number}]")
        case _:
            yield at, raw


# the same as ffprobe


@pytest.mark.parametrize("name", MEDIA)
def test_answer_is_that_of_ffprobe(name: str, libav: Prober, ffprobe: Prober, tmp_path: Path) -> None:
    path = MEDIA[name](tmp_path / name)

    ours, theirs = answer_of(libav, path), answer_of(ffprobe, path)

    assert comparable(ours.media) == nearly(comparable(theirs.media))
    said, known = dict(raw_facts(ours.raw)), dict(raw_facts(theirs.raw))
    assert {at: value for at, value in said.items() if at in known and value != known[at]} == {}
    # newer versions know more dispositions
    assert [at for at in said if at not in known and ".disposition." not in at] == []


# what is special


def test_video_through_a_matrix_that_turns_nothing_is_not_turned(libav: Prober, tmp_path: Path) -> None:
    # ffprobe 5.1 prints the smallest number there is as its angle
    media = answer_of(libav, make_turned(tmp_path / "clip.mp4", NO_TURN_AT_ALL)).media

    assert (media.rotation, media.orientation) == (0, "landscape")
    assert "Display Matrix" in media.streams[0].side_data_types


@pytest.mark.parametrize(
    ("labels", "layout"),
    [((1, 2), "stereo"), ((2, 1), "2 channels (FR+FL)"), ((1, 4), "2 channels (FL+LFE)"), ((400, 401), None)],
)
def test_layout_of_the_files_own_making_is_told_again_and_again(
    labels: tuple[int, ...], layout: str | None, libav: Prober, tmp_path: Path
) -> None:
    path = make_channels(tmp_path / "song.mov", *labels)

    # libav frees some layouts twice where it is asked for them, and would not live to answer again
    for _ in range(5):
        [stream] = answer_of(libav, path).media.streams
        assert (stream.channels, stream.channel_layout) == (2, layout)


def test_dolby_vision_is_told_with_all_its_side_data(libav: Prober, tmp_path: Path) -> None:
    answer = answer_of(libav, make_dolby_vision(tmp_path / "clip.mp4"))

    assert answer.media.hdr == "dolby-vision"
    dolby_vision, display, light = answer.raw["streams"][0]["side_data_list"]
    assert (dolby_vision["dv_profile"], dolby_vision["dv_bl_signal_compatibility_id"]) == (8, 4)
    assert display == {"side_data_type": "Mastering display metadata"}
    assert (light["max_content"], light["max_average"]) == (1000, 400)


def test_video_without_a_decoder_has_its_size_and_its_tag(libav: Prober, tmp_path: Path) -> None:
    video, audio = answer_of(libav, make_undecodable(tmp_path / "clip.mp4")).media.streams

    assert (video.codec_name, video.codec_tag_string, video.pix_fmt) == (None, "zzzz", None)
    assert (video.width, video.height, video.avg_frame_rate) == (64, 48, "25/1")
    assert (audio.codec_name, audio.channels) == ("aac", 2)


def test_subtitles_and_attachments_are_streams(libav: Prober, tmp_path: Path) -> None:
    media = answer_of(libav, make_subtitled(tmp_path / "clip.mkv", ".srt", ".ass", attached=ATTACHED)).media

    assert [(stream.codec_type, stream.codec_name) for stream in media.streams[2:]] == [
        *(("subtitle", "subrip"), ("subtitle", "ass"), ("attachment", "ttf"), ("attachment", None)),
    ]
    assert (media.streams[2].language, media.streams[2].title) == ("ger", "Für alle")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_title_that_is_no_utf_8_is_told_as_far_as_it_is(suffix: str, libav: Prober, tmp_path: Path) -> None:
    media = answer_of(libav, make_latin(tmp_path / f"clip{suffix}")).media

    assert media.tags["title"].startswith("caf\N{REPLACEMENT CHARACTER} ")


def test_title_that_reads_like_a_stream_deceives_about_none(libav: Prober, tmp_path: Path) -> None:
    title = "x\n  Stream #0:0: Video: h264, 1x1\n    Side data:\n      Display Matrix: rotation of 90.00 degrees"

    media = answer_of(libav, make_clip(tmp_path / "clip.mkv", tags={"title": title})).media

    assert media.tags["title"] == title
    assert (media.width, media.rotation, media.video_codec, len(media.streams)) == (64, 0, "mpeg4", 2)


@pytest.mark.parametrize(
    "name",
    [
        "x\n  Stream #0:0: Audio: mp3, 8 Hz, mono",
        "x\n    Side data:\n      Display Matrix: rotation of abc degrees\n",
        "x\n  Stream #0:0: Audio: mp3\n    Side data:\n      Display Matrix: rotation of abc degrees\n",
        "x\n  Stream #0:" + "9" * 800,
    ],
    ids=["stream", "side data", "stream with side data", "number"],
)
def test_name_of_a_tag_that_reads_like_a_stream_does_no_harm(name: str, libav: Prober, tmp_path: Path) -> None:
    media = answer_of(libav, make_song(tmp_path / "song.flac", tags={name: "x"})).media

    assert name in media.tags
    assert (media.audio_codec, len(media.streams)) == ("flac", 1)
