"""What is read from libav's own description of a container; the texts are as libav prints them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qacache.probe.libav.dump import Dumped, parse_dump

CLIP = """\
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from '':
  Metadata:
    major_brand     : isom
    title           : two
                    : lines
  Duration: 00:00:00.50, start: 0.000000, bitrate: 54 kb/s
  Stream #0:0[0x1](und): Video: h264 (Constrained Baseline) (avc1 / 0x31637661), yuv420p(tv, unknown/unknown/smpte2084\
, progressive), 1920x1080 [SAR 1:1 DAR 16:9], 25 kb/s, 25 fps, 25 tbr, 12800 tbn (default)
    Metadata:
      handler_name    : VideoHandler
    Side data:
      DOVI configuration record: version: 1.0, profile: 8, level: 6, rpu flag: 1, el flag: 0, bl flag: 1, \
compatibility id: 4, compression: 0
      Mastering display metadata: has_primaries:1 has_luminance:1 r(0.6800,0.3200) g(0.2650,0.6900) \
b(0.1500 0.0600) wp(0.3127, 0.3290) min_luminance=0.005000, max_luminance=1000.000000
      Content light level metadata: MaxCLL=1000, MaxFALL=400
      Display Matrix: rotation of -90.00 degrees
  Stream #0:1[0x2](deu): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, 5.1(side), fltp, 2 kb/s (default)
    Metadata:
      handler_name    : SoundHandler
  Stream #0:2[0x3](eng): Subtitle: mov_text (tx3g / 0x67337874), 720x60, 0 kb/s (default)
"""


def dumped(line: str, codec_type: str, *below: str) -> Dumped:
    """What is read of one stream that is printed so."""
    text = "\n".join([f"  Stream #0:0: {line}", *below, ""])
    [found] = parse_dump(f"Input #0, mov, from '':\n  Duration: N/A, bitrate: N/A\n{text}", [codec_type])
    return found


def side_data(*lines: str) -> list[dict[str, Any]]:
    below = ["    Side data:", *(f"      {line}" for line in lines)]
    return dumped("Video: h264, yuv420p, 64x48", "video", *below).side_data


def lines_of(text: str, *types: str) -> list[str]:
    return [found.line for found in parse_dump(text, list(types))]


# one stream


def test_clip_is_read_whole() -> None:
    video, audio, subtitle = parse_dump(CLIP, ["video", "audio", "subtitle"])

    assert (video.codec_name, video.codec_tag, video.size) == ("h264", ("avc1", "0x31637661"), (1920, 1080))
    assert [side["side_data_type"] for side in video.side_data] == [
        "DOVI configuration record",
        "Mastering display metadata",
        "Content light level metadata",
        "Display Matrix",
    ]
    assert (audio.codec_name, audio.codec_tag, audio.audio) == ("aac", ("mp4a", "0x6134706d"), (48000, "5.1(side)"))
    assert (subtitle.codec_name, subtitle.codec_tag, subtitle.size) == ("mov_text", ("tx3g", "0x67337874"), (720, 60))
    assert audio.side_data == subtitle.side_data == []


def test_nothing_is_known_of_streams_that_are_not_printed() -> None:
    assert parse_dump("", ["video", "audio"]) == [Dumped(), Dumped()]
    assert (Dumped().codec_name, Dumped().size, Dumped().audio) == (None, None, (None, None))
    assert Dumped().codec_tag == ("[0][0][0][0]", "0x0000")


@pytest.mark.parametrize(
    ("line", "codec_type", "codec_name", "tag"),
    [
        ("Video: none (zzzz / 0x7A7A7A7A), none, 64x48, 25 fps", "video", None, "zzzz"),
        ("Audio: aac (mp4a / 0x6134706D), 48000 Hz, stereo, fltp", "audio", "aac", "mp4a"),
        ("Audio: mp2 (mp3float) ([3][0][0][0] / 0x0003), 48000 Hz", "audio", "mp2", "[3][0][0][0]"),
        ("Video: png (MPNG / 0x474E504D), rgb24", "video", "png", "MPNG"),
        ("Video: h264 (High 4:4:4 Predictive), gbrp", "video", "h264", "[0][0][0][0]"),
        ("Video: wrapped_avframe (a c- / 0x2D206361), none", "video", "wrapped_avframe", "a c-"),
        ("Data: bin_data (text / 0x74786574), 0 kb/s", "data", "bin_data", "text"),
        ("Data: none (tmcd / 0x64636D74), 0 kb/s (default)", "data", None, "tmcd"),
        ("Attachment: ttf", "attachment", "ttf", "[0][0][0][0]"),
        ("Subtitle: dvb_teletext (libzvbi_teletextdec) ([6][0][0][0] / 0x0006)", "subtitle", "dvb_teletext", None),
        ("Unknown: none ([134][0][0][0] / 0x0086)", "unknown", None, "[134][0][0][0]"),
        ("Unknown: none", "unknown", None, "[0][0][0][0]"),
    ],
)
def test_codec_and_tag_are_told_with_a_decoder_or_without(
    line: str, codec_type: str, codec_name: str | None, tag: str | None
) -> None:
    found = dumped(line, codec_type)

    assert found.codec_name == codec_name
    assert found.codec_tag[0] == tag or tag is None


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("Video: h264, yuv420p(tv), 1920x1080 [SAR 1:1 DAR 16:9], 25 fps", (1920, 1080)),
        ("Video: h264, yuv420p, 64x48, 25 fps", (64, 48)),
        ("Video: mjpeg, yuvj420p, 32x32", (32, 32)),
        ("Video: h264 (avc1 / 0x31637661), none, 25 kb/s, 25 fps", None),
        ("Video: h264, none, 0x0, 25 fps", None),
        ("Video: none (1x1. / 0x2E317831), none, 64x48", (64, 48)),
    ],
)
def test_size_is_told_where_there_is_one(line: str, size: tuple[int, int] | None) -> None:
    assert dumped(line, "video").size == size


@pytest.mark.parametrize(
    ("line", "audio"),
    [
        ("Audio: pcm_s16le (sowt / 0x74776F73), 44100 Hz, mono, s16, 705 kb/s", (44100, "mono")),
        ("Audio: pcm_s16le, 48000 Hz, 2 channels (FR+FL), s16, 1536 kb/s", (48000, "2 channels (FR+FL)")),
        ("Audio: pcm_s16le, 48000 Hz, 3 channels, s16, 1536 kb/s", (48000, "3 channels")),
        ("Audio: opus, 48000 Hz, ambisonic 1, fltp", (48000, "ambisonic 1")),
        ("Audio: aac (mp4a / 0x6134706D), stereo, fltp", (None, "stereo")),
        ("Audio: none (yyyy / 0x79797979)", (None, None)),
    ],
)
def test_rate_and_layout_are_told_where_they_are_known(line: str, audio: tuple[int | None, str | None]) -> None:
    assert dumped(line, "audio").audio == audio


# side data


@pytest.mark.parametrize(
    ("angle", "rotation"),
    [("-90.00", -90), ("180.00", 180), ("-180.00", -180), ("0.00", 0), ("-0.00", 0), ("nan", 0), ("-nan", 0)],
)
def test_rotation_is_a_whole_number_even_where_libav_has_none(angle: str, rotation: int) -> None:
    assert side_data(f"Display Matrix: rotation of {angle} degrees") == [
        {"side_data_type": "Display Matrix", "rotation": rotation}
    ]


def test_dolby_vision_is_told_by_its_parts() -> None:
    words = "version: 1.2, profile: 7, level: 6, rpu flag: 1, el flag: 1, bl flag: 0, compatibility id: 5"

    assert side_data(f"DOVI configuration record: {words}, compression: 0") == [
        {
            "side_data_type": "DOVI configuration record",
            "dv_version_major": 1,
            "dv_version_minor": 2,
            "dv_profile": 7,
            "dv_level": 6,
            "rpu_present_flag": 1,
            "el_present_flag": 1,
            "bl_present_flag": 0,
            "dv_bl_signal_compatibility_id": 5,
        }
    ]


def test_light_level_is_told() -> None:
    assert side_data("Content light level metadata: MaxCLL=1000, MaxFALL=400") == [
        {"side_data_type": "Content light level metadata", "max_content": 1000, "max_average": 400}
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Display Matrix: none",
        "DOVI configuration record: ",
        "Content light level metadata: (112 bytes)",
        "CPB properties: bitrate max/min/avg: 0/0/0 buffer size: 0 vbv_delay: N/A",
    ],
)
def test_side_data_in_other_words_are_named(line: str) -> None:
    assert side_data(line) == [{"side_data_type": line.partition(":")[0]}]


def test_side_data_belong_to_the_stream_that_they_are_printed_under() -> None:
    text = (
        "  Stream #0:0: Video: h264, yuv420p, 64x48\n"
        "  Stream #0:1: Video: hevc, yuv420p, 64x48\n"
        "    Side data:\n      Display Matrix: rotation of 90.00 degrees\n"
        "  Stream #0:2: Audio: aac, 48000 Hz, mono\n"
    )

    assert [len(found.side_data) for found in parse_dump(text, ["video", "video", "audio"])] == [0, 1, 0]


# several streams


def test_streams_of_several_programs_are_told_once_in_their_own_order() -> None:
    text = """\
Input #0, mpegts, from '':
  Duration: 00:00:00.50, start: 0.029978, bitrate: 510 kb/s
  Program 1
    Metadata:
      service_name    : Service01
  Stream #0:2[0x102]: Video: mpeg2video ([2][0][0][0] / 0x0002), yuv420p, 64x48
  Stream #0:1[0x101](eng,deu): Audio: mp2 ([3][0][0][0] / 0x0003), 48000 Hz, stereo
  Program 2
  Stream #0:2[0x102]: Video: h264, yuv420p, 32x32
  Stream #0:3[0x103]: Data: scte_35
  No Program
  Stream #0:0[0x100]: Unknown: none ([134][0][0][0] / 0x0086)
"""

    found = parse_dump(text, ["unknown", "audio", "video", "data"])

    assert [each.codec_name for each in found] == [None, "mp2", "mpeg2video", "scte_35"]
    assert found[0].codec_tag == ("[134][0][0][0]", "0x0086")
    assert found[2].size == (64, 48)


def test_groups_of_streams_are_no_streams() -> None:
    text = (
        "  Stream group #0:0[0x1]: Tile Grid: hevc, 128x96 (default)\n"
        "      Stream #0:0[0x2]: Video: hevc, yuv420p, 64x48 (dependent)\n"
        "        Side data:\n          Display Matrix: rotation of 90.00 degrees\n"
        "      Stream #0:1[0x3]: Video: hevc, yuv420p, 64x48 (dependent)\n"
    )

    first, second = parse_dump(text, ["video", "video"])

    assert (first.size, second.size) == ((64, 48), (64, 48))
    assert first.side_data == [{"side_data_type": "Display Matrix", "rotation": 90}]
    assert second.side_data == []


# texts of the file's own


def test_language_that_reads_like_a_codec_is_none() -> None:
    language = "x): Video: h264 (dvh1 / 0x31687664), yuv420p, 1x1, (y"
    text = f"  Stream #0:0[0x1]({language}): Video: mpeg4 (mp4v / 0x7634706D), yuv420p, 64x48\n"

    [found] = parse_dump(text, ["video"])

    assert (found.codec_name, found.codec_tag[0], found.size) == ("mpeg4", "mp4v", (64, 48))


def test_stream_that_another_imitates_beforehand_is_deceived_about_and_does_no_harm() -> None:
    text = (
        "  Stream #0:0(x\n  Stream #0:1: Audio: aac, 1 Hz, mono): Video: mpeg4, yuv420p, 64x48\n"
        "  Stream #0:1: Audio: mp2, 48000 Hz, stereo\n"
    )

    assert len(parse_dump(text, ["video", "audio"])) == 2


def test_title_of_several_lines_is_no_stream() -> None:
    title = "      title           : x\n                      :   Stream #0:1: Audio: mp2, 8000 Hz, mono\n"
    text = (
        "  Stream #0:0: Video: mpeg4, yuv420p, 64x48\n    Metadata:\n"
        f"{title}  Stream #0:1: Audio: aac, 48000 Hz, stereo\n"
    )

    assert lines_of(text, "video", "audio") == ["mpeg4, yuv420p, 64x48", "aac, 48000 Hz, stereo"]


def test_title_of_several_lines_is_no_side_data() -> None:
    title = "      title           : x\n                      : Side data:\n"
    matrix = "                      :   Display Matrix: rotation of 90.00 degrees"

    assert dumped("Video: mpeg4, yuv420p, 64x48", "video", "    Metadata:", title + matrix).side_data == []


def test_streams_that_are_printed_and_not_there_are_passed_over() -> None:
    text = "  Stream #0:7: Video: h264, 1x1\n  Stream #0:0: Video: mpeg4, 64x48\n  Stream #0:1: Audio: aac\n"

    assert lines_of(text, "video") == ["mpeg4, 64x48"]


PIECES = [
    *("\n", "  ", "Stream #0:", "0", "1", "9", "-", ".", ",", ": ", "(", ")", "[0x1]", "(eng)"),
    *("Video", "Audio", "Unknown", "none", "h264", " (avc1 / 0x31637661)", ", 48000 Hz", ", stereo", ", 64x48"),
    *("\n    Side data:\n", "\n      Display Matrix: rotation of ", " degrees", "nan", "inf", "1e999"),
    *("\n      DOVI configuration record: version: ", ", profile: ", "\n      Content light level metadata: MaxCLL="),
    *(", MaxFALL=", "\u0661", "\ud800", "\x85", "\r", "\0", "9" * 5000),
]
LIKE_A_DUMP = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join)
MATRIX = "  Stream #0:0: Video: x\n    Side data:\n      Display Matrix: rotation of {} degrees\n"
DIGITS = "9" * 5000


@given(LIKE_A_DUMP, st.lists(st.sampled_from(["video", "audio", "subtitle", "unknown", "data"]), max_size=3))
@example(MATRIX.format("abc"), ["video"])
@example(MATRIX.format("1e999"), ["video"])
@example(MATRIX.format("-inf"), ["video"])
@example(f"  Stream #0:{DIGITS}: Video: x\n", ["video"])
@example(f"  Stream #0:0: Audio: x, {DIGITS} Hz, mono\n", ["audio"])
@example(f"  Stream #0:0: Video: x, {DIGITS}x{DIGITS}\n", ["video"])
@example(
    f"  Stream #0:0: Video: x\n    Side data:\n      Content light level metadata: MaxCLL={DIGITS}, MaxFALL=1\n",
    ["video"],
)
def test_no_text_raises_anything(text: str, types: list[str]) -> None:
    found = parse_dump(text, types)

    assert len(found) == len(types)
    for each in found:
        # ffprobe's words, or they would not get through the pipe
        json.dumps([each.codec_name, each.codec_tag, each.size, each.audio, each.side_data], allow_nan=False)


@given(LIKE_A_DUMP.map(lambda text: text.replace("\n", "")))
def test_no_language_in_one_line_hides_the_stream(language: str) -> None:
    text = f"  Stream #0:0({language}): Video: mpeg4, yuv420p, 64x48\n"

    assert lines_of(text, "video") == ["mpeg4, yuv420p, 64x48"]
