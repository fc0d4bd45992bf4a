"""What files of a large library are called, how large they are, and what is in them: films, episodes, own clips, tapes.

In: a number, or the path of a file that was named by one. Out: always the same answers. What is said of each file is
what libav says of such files, so that rows of a store are as large as in life.
"""

from __future__ import annotations

import json
import os
import random
import zlib
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

from qacache.models import MediaInfo, Probe
from qacache.probe.media import PARSER_VERSION, parse_media

if TYPE_CHECKING:
    from collections.abc import Sequence

_SYLLABLES = (
    *("ba", "be", "bo", "bra", "da", "di", "dor", "el", "en", "fa", "fo", "ga", "gen", "ha", "he", "hol", "in", "jo"),
    *(
        "ka",
        "ki",
        "la",
        "le",
        "lo",
        "lu",
        "ma",
        "mi",
        "mo",
        "na",
        "ne",
        "no",
        "or",
        "pa",
        "per",
        "po",
        "ra",
        "re",
        "ri",
    ),
    *("sa", "se", "shi", "so", "sta", "ta", "ti", "to", "tra", "un", "va", "ve", "wa", "wi", "yo", "za", "zi", "zu"),
)

_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
_FORMATS = {"mp4": _MP4, "mov": _MP4, "MOV": _MP4, "mkv": "matroska,webm", "mpg": "mpeg", "wmv": "asf", "ts": "mpegts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of file, by its share of the library, and what such files are like; what is said twice is twice as common.

    `rates` are bytes for each pixel and second, `durations_s` seconds.
    """

    share: int
    name: str
    suffixes: Sequence[str]
    shapes: Sequence[tuple[int, int]]
    durations_s: tuple[int, int]
    codecs: Sequence[str]
    audio_codecs: Sequence[str]
    hdr: Sequence[str] = ("sdr",)


_KINDS = {
    "film": _Kind(
        share=20,
        name="{title} ({year}) film {number:07}.{suffix}",
        suffixes=("mkv", "mkv", "mp4"),
        shapes=((1920, 1080), (1920, 804), (1920, 1036), (3840, 2160), (3840, 1600), (1280, 720), (720, 576)),
        durations_s=(4800, 9000),
        codecs=("hevc", "h264", "av1"),
        audio_codecs=("eac3", "ac3", "dts", "truehd", "aac"),
        hdr=("sdr", "sdr", "hdr10", "dolby-vision"),
    ),
    "episode": _Kind(
        share=50,
        name="{title} S{season:02}E{episode:02} episode {number:07}.{suffix}",
        suffixes=("mkv", "mp4", "avi"),
        shapes=((1920, 1080), (1280, 720), (720, 480), (3840, 2160)),
        durations_s=(1200, 3900),
        codecs=("h264", "hevc", "mpeg4"),
        audio_codecs=("aac", "ac3", "eac3", "mp3"),
        hdr=(*("sdr",) * 9, "hdr10"),
    ),
    "clip": _Kind(
        share=25,
        name="{title} {year}-{month:02} clip {number:07}.{suffix}",
        suffixes=("mp4", "mov", "MOV"),
        shapes=((1080, 1920), (2160, 3840), (1920, 1080), (3840, 2160)),
        durations_s=(2, 400),
        codecs=("h264", "hevc", "hevc"),
        audio_codecs=("aac",),
        hdr=("sdr", "sdr", "hlg"),
    ),
    "tape": _Kind(
        share=5,
        name="{title} holiday {year} tape {number:07}.{suffix}",
        suffixes=("mpg", "avi", "wmv", "ts"),
        shapes=((720, 576), (352, 288), (640, 480)),
        durations_s=(30, 5400),
        codecs=("mpeg2video", "mpeg4", "wmv3", "dvvideo"),
        audio_codecs=("mp2", "mp3", "pcm_s16le", ""),
    ),
}
_SHELF = [kind for kind in _KINDS.values() for _ in range(kind.share)]

# as libav says it, but for what differs between files
_VIDEO = json.loads("""{
    "index": 0, "codec_name": "", "profile": "Main", "codec_type": "video", "codec_tag": "0x31766568", "width": 0,
    "height": 0, "has_b_frames": 2, "sample_aspect_ratio": "1:1", "display_aspect_ratio": "16:9", "pix_fmt": "yuv420p",
    "level": 123, "color_range": "tv", "field_order": "progressive", "r_frame_rate": "25/1", "avg_frame_rate": "25/1",
    "time_base": "1/90000", "start_pts": 0, "start_time": "0.000000", "extradata_size": 2475
}""")
_AUDIO = json.loads("""{
    "index": 1, "codec_name": "", "codec_type": "audio", "sample_fmt": "fltp", "channels": 6, "sample_rate": "48000",
    "channel_layout": "5.1(side)", "r_frame_rate": "0/0", "avg_frame_rate": "0/0", "time_base": "1/48000",
    "start_pts": 0, "start_time": "0.000000"
}""")
_STREAM = json.loads("""{
    "disposition": {
        "default": 1, "dub": 0, "original": 0, "comment": 0, "lyrics": 0, "karaoke": 0, "forced": 0,
        "hearing_impaired": 0, "visual_impaired": 0, "clean_effects": 0, "attached_pic": 0, "timed_thumbnails": 0,
        "non_diegetic": 0, "captions": 0, "descriptions": 0, "metadata": 0, "dependent": 0, "still_image": 0,
        "multilayer": 0
    },
    "tags": {"creation_time": "2024-03-02T14:54:27.000000Z", "language": "eng", "handler_name": "SomeHandler"}
}""")
_COLORS: dict[str, dict[str, Any]] = {
    "sdr": {"color_space": "bt709", "color_transfer": "bt709", "color_primaries": "bt709"},
    "hdr10": {"color_space": "bt2020nc", "color_transfer": "smpte2084", "color_primaries": "bt2020"},
    "hlg": {"color_space": "bt2020nc", "color_transfer": "arib-std-b67", "color_primaries": "bt2020"},
    "dolby-vision": {"side_data_list": [{"side_data_type": "DOVI configuration record"}]},
}
_TAGS = {"encoder": "Lavf60.16.100", "creation_time": "2024-03-02T14:54:27.000000Z"}


def name_of(number: int) -> str:
    """Return the name of the file of that number: a film, an episode, a clip of one's own, or a tape."""
    chance = random.Random(number)
    kind = chance.choice(_SHELF)
    return kind.name.format(
        title=_title(chance),
        year=1985 + number % 40,
        month=number % 12 + 1,
        season=number % 9 + 1,
        episode=number % 24 + 1,
        number=number,
        suffix=chance.choice(kind.suffixes),
    )


def size_of(name: str) -> int:
    """Return the bytes of the file of that name: kilobytes to tens of gigabytes."""
    chance = random.Random(name)
    duration_s, (media, _) = _content_of(name)
    assert media.width is not None
    assert media.height is not None
    return int(duration_s * media.width * media.height * chance.uniform(0.05, 1.5))


def probe_of(path: bytes, size: int) -> Probe:
    """Return what libav would say of the file of that name."""
    name = os.fsdecode(os.path.basename(path))
    duration_s, (media, raw) = _content_of(name)
    bit_rate = int(size * 8 / duration_s)
    length = {"duration": f"{duration_s:.6f}", "bit_rate": f"{bit_rate}"}
    tags = {**media.tags, "title": name.partition(" S")[0]}
    streams = [{**stream, **length} for stream in raw["streams"]]
    return Probe(
        replace(
            media,
            duration_s=duration_s,
            bit_rate=bit_rate,
            tags=tags,
            streams=tuple(replace(each, duration_s=round(duration_s, 6), bit_rate=bit_rate) for each in media.streams),
        ),
        {"streams": streams, "format": {**raw["format"], **length, "size": f"{size}", "tags": tags}},
        "libav 8.1.2",
        PARSER_VERSION,
    )


def _title(chance: random.Random) -> str:
    words = ("".join(chance.choices(_SYLLABLES, k=chance.randint(1, 3))) for _ in range(chance.randint(2, 4)))
    return " ".join(word.capitalize() for word in words)


def _content_of(name: str) -> tuple[float, tuple[MediaInfo, dict[str, Any]]]:
    """Return the seconds, and what is common to files that differ in seconds, size and title alone."""
    kind, suffix = name.split()[-2], name.rpartition(".")[2]
    mixed = zlib.crc32(name.encode())
    shortest, longest = _KINDS[kind].durations_s
    contents = _contents(kind, suffix)
    return shortest + (longest - shortest) * (mixed % 9973) / 9973, contents[mixed % len(contents)]


@cache
def _contents(kind: str, suffix: str) -> list[tuple[MediaInfo, dict[str, Any]]]:
    of = _KINDS[kind]
    return [
        (parse_media(raw), raw)
        for shape, codec, audio_codec, hdr in product(of.shapes, of.codecs, of.audio_codecs, of.hdr)
        for raw in [_raw(_FORMATS.get(suffix, suffix), shape, codec, audio_codec, hdr)]
    ]


def _raw(format_name: str, shape: tuple[int, int], codec: str, audio_codec: str, hdr: str) -> dict[str, Any]:
    width, height = shape
    video = {**_VIDEO, "codec_name": codec, "width": width, "height": height, **_COLORS[hdr], **_STREAM}
    audio = {**_AUDIO, "codec_name": audio_codec, **_STREAM}
    streams = [video, audio] if audio_codec else [video]
    container = {"nb_streams": len(streams), "format_name": format_name, "start_time": "0.000000", "tags": _TAGS}
    return {"streams": streams, "format": container}
