"""The parser: recorded answers of ffprobe in, `MediaInfo` out."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.models import MediaInfo, Stream
from qacache.probe.media import NotMedia, parse_media, without_filename

RECORDINGS = Path(__file__).parent / "data" / "ffprobe"
ABSURD_DURATION = "-9223372036854.775808"


def recorded(name: str) -> dict[str, Any]:
    return json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))


def parsed(*streams: dict[str, Any], **container: Any) -> MediaInfo:
    """What is parsed from these streams, as ffprobe would spell them, in a container that lacks nothing."""
    return parse_media({"streams": list(streams), "format": {"format_name": "mov,mp4"} | container})


def video(**fields: Any) -> dict[str, Any]:
    return {"codec_type": "video", "codec_name": "h264", "width": 1920, "height": 1080} | fields


def audio(**fields: Any) -> dict[str, Any]:
    return {"codec_type": "audio", "codec_name": "aac"} | fields


def matrix(rotation: Any) -> dict[str, Any]:
    return {"side_data_list": [{"side_data_type": "Display Matrix", "rotation": rotation}]}


@pytest.mark.parametrize(
    ("recording", "expected"),
    [
        (
            "plain",
            {
                "format_name": "mov,mp4,m4a,3gp,3g2,mj2",
                "duration_s": 0.4,
                "bit_rate": 142560,
                "width": 64,
                "height": 48,
                "display_width": 64,
                "display_height": 48,
                "rotation": 0,
                "orientation": "landscape",
                "hdr": "sdr",
                "video_codec": "h264",
                "audio_codec": "aac",
                "avg_frame_rate": "25/1",
            },
        ),
        (
            "rotated_by_matrix",
            {
                "rotation": -90,
                "orientation": "portrait",
                "width": 64,
                "display_width": 48,
                "display_height": 64,
            },
        ),
        ("rotated_by_half", {"rotation": 180, "orientation": "landscape", "display_width": 64}),
        ("rotated_by_tag", {"rotation": -90, "orientation": "portrait", "display_width": 48}),
        ("anamorphic", {"width": 72, "display_width": 102, "display_height": 58}),
        (
            "song_with_cover",
            {"video_codec": None, "audio_codec": "aac", "width": None, "orientation": None, "hdr": None},
        ),
        ("clip_with_cover", {"video_codec": "mpeg4", "width": 64, "orientation": "landscape"}),
        (
            "two_videos_two_audios",
            {"video_codec": "h264", "width": 32, "orientation": "portrait", "audio_codec": "flac"},
        ),
        ("no_duration", {"duration_s": None, "bit_rate": None, "video_codec": "h264"}),
        ("initialisation_segment", {"duration_s": None, "avg_frame_rate": None, "width": 64}),
        ("variable_frame_rate", {"avg_frame_rate": "1175/48"}),
        ("hdr10", {"hdr": "hdr10", "video_codec": "hevc"}),
        ("hlg", {"hdr": "hlg", "video_codec": "hevc"}),
        ("dolby_vision_profile_5", {"hdr": "dolby-vision", "video_codec": "hevc"}),
        ("audio_only", {"audio_codec": "mp3", "video_codec": None, "rotation": None, "hdr": None}),
        (
            "subtitles_only",
            {"format_name": "srt", "audio_codec": None, "video_codec": None, "duration_s": None},
        ),
        ("codec_without_name", {"video_codec": "h264"}),
        ("optional_fields", {"duration_s": None, "bit_rate": None, "hdr": "sdr", "display_width": 64}),
    ],
)
def test_recorded_answer_of_ffprobe_is_summarised(recording: str, expected: dict[str, Any]) -> None:
    media = parse_media(recorded(recording))
    assert {field: getattr(media, field) for field in expected} == expected


def test_every_recording_is_tried_above() -> None:
    table = test_recorded_answer_of_ffprobe_is_summarised.pytestmark[0].args[1]
    assert sorted(path.stem for path in RECORDINGS.iterdir()) == sorted(recording for recording, _ in table)


def test_stream_holds_what_ffprobe_said_of_it() -> None:
    picture, sound = parse_media(recorded("plain")).streams
    assert picture == Stream(
        index=0,
        codec_type="video",
        codec_name="h264",
        codec_tag_string="avc1",
        profile="High 4:4:4 Predictive",
        level=10,
        width=64,
        height=48,
        sample_aspect_ratio="1:1",
        display_aspect_ratio="4:3",
        pix_fmt="yuv444p",
        field_order="progressive",
        avg_frame_rate="25/1",
        r_frame_rate="25/1",
        rotation=0,
        duration_s=0.4,
        bit_rate=picture.bit_rate,
        disposition={"default": 1},
    )
    assert (sound.channels, sound.channel_layout, sound.sample_rate, sound.sample_fmt) == (
        1,
        "mono",
        44100,
        "fltp",
    )
    assert (sound.index, sound.rotation, sound.avg_frame_rate, sound.language) == (1, None, None, None)


def test_stream_of_an_unnamed_codec_is_kept() -> None:
    timecode = parse_media(recorded("codec_without_name")).streams[1]
    assert (timecode.codec_type, timecode.codec_name, timecode.codec_tag_string) == ("data", None, "tmcd")


def test_colours_are_kept_as_ffprobe_names_them() -> None:
    stream = parse_media(recorded("hdr10")).streams[0]
    assert stream.color_transfer == "smpte2084"
    assert (stream.color_primaries, stream.color_space, stream.color_range) == ("bt2020", "bt2020nc", "tv")


def test_language_and_title_come_from_the_tags_of_the_stream() -> None:
    streams = parse_media(recorded("two_videos_two_audios")).streams
    assert [stream.language for stream in streams[2:]] == [None, "deu", "eng"]
    assert [stream.title for stream in streams[2:]] == [None, "Kommentar", None]


@pytest.mark.parametrize(
    ("angle", "rotation", "orientation"),
    [
        (0, 0, "landscape"),
        (90, 90, "portrait"),
        (-90, -90, "portrait"),
        (270, -90, "portrait"),
        (-270, 90, "portrait"),
        (180, 180, "landscape"),
        (-180, 180, "landscape"),
        (450, 90, "portrait"),
        (45, 45, "landscape"),
        (-89.6, -90, "portrait"),
        ("-90.00", -90, "portrait"),
        # What ffprobe 5.1 makes of a matrix of zeros: its number is kept, modulo a turn.
        (-(2**63), -8, "landscape"),
        ("sideways", 0, "landscape"),
        (float("nan"), 0, "landscape"),
        (None, 0, "landscape"),
    ],
)
def test_rotation_by_the_display_matrix_is_normalised(angle: Any, rotation: int, orientation: str) -> None:
    media = parsed(video(**matrix(angle)))
    assert (media.rotation, media.streams[0].rotation, media.orientation) == (rotation, rotation, orientation)


@pytest.mark.parametrize(
    ("tag", "rotation"), [("90", -90), ("270", 90), ("180", 180), ("0", 0), ("-90", 90), ("up", 0)]
)
def test_rotate_tag_is_clockwise(tag: str, rotation: int) -> None:
    assert parsed(video(tags={"rotate": tag})).rotation == rotation


def test_display_matrix_outweighs_the_rotate_tag() -> None:
    assert parsed(video(tags={"rotate": "180"}, **matrix(-90))).rotation == -90
    assert parsed(video(tags={"rotate": "180"}, **matrix(0))).rotation == 0


@pytest.mark.parametrize(
    ("size", "sample_aspect_ratio", "rotation", "shown", "orientation"),
    [
        ((720, 576), "64:45", 0, (1024, 576), "landscape"),
        ((720, 576), "64:45", 90, (576, 1024), "portrait"),
        ((720, 576), "1:2", 0, (360, 576), "portrait"),
        ((720, 576), "4:5", 0, (576, 576), "square"),
        ((1000, 999), "999:1000", 0, (999, 999), "square"),
        ((1000, 1000), "1001:1000", -90, (1000, 1001), "portrait"),
        ((10000, 10000), "100001:100000", 0, (10000, 10000), "landscape"),
        ((720, 576), "0:1", 0, (720, 576), "landscape"),
        ((720, 576), "N/A", 0, (720, 576), "landscape"),
        ((720, 576), "1:0", 0, (720, 576), "landscape"),
        ((720, 576), None, 0, (720, 576), "landscape"),
        ((720, 576), "-64:45", 0, (720, 576), "landscape"),
        ((1, 2), "1:9999999", 0, (1, 2), "portrait"),
        ((2**62, 2), "9999999:1", 0, (None, 2), "landscape"),
        ((0, 576), "1:1", 0, (None, None), None),
        ((720, -1), "1:1", 0, (None, None), None),
    ],
)
def test_shown_size_follows_sample_aspect_ratio_and_rotation(
    size: tuple[int, int],
    sample_aspect_ratio: str | None,
    rotation: int,
    shown: tuple[int | None, int | None],
    orientation: str | None,
) -> None:
    width, height = size
    media = parsed(video(width=width, height=height, sample_aspect_ratio=sample_aspect_ratio, **matrix(rotation)))
    assert (media.display_width, media.display_height) == shown
    assert media.orientation == orientation


def test_main_video_is_the_default_one_and_never_a_cover() -> None:
    cover = video(codec_name="mjpeg", disposition={"default": 1, "attached_pic": 1})
    second_angle, main = video(codec_name="mpeg4"), video(codec_name="hevc", disposition={"default": 1})
    assert parsed(cover, second_angle, main).video_codec == "hevc"
    assert parsed(cover, second_angle, video(codec_name="hevc")).video_codec == "mpeg4"
    assert parsed(cover).video_codec is None


def test_main_audio_is_the_default_one() -> None:
    assert parsed(audio(codec_name="ac3"), audio(disposition={"default": 1})).audio_codec == "aac"
    assert parsed(audio(codec_name="ac3"), audio(disposition={"default": 0})).audio_codec == "ac3"


@pytest.mark.parametrize("useless", ["N/A", ABSURD_DURATION, "-1.5", None, "nan", "inf", "1e300", [], True, ""])
def test_useless_duration_gives_way_to_the_longest_stream(useless: Any) -> None:
    media = parsed(video(duration="1.5"), audio(duration="2.25"), audio(duration=useless), duration=useless)
    assert media.duration_s == 2.25
    assert media.streams[2].duration_s is None


def test_matroska_tags_stand_in_for_missing_durations() -> None:
    media = parsed(video(tags={"DURATION": "00:01:27.040000000"}), audio(tags={"DURATION": "00:01:26.9"}))
    assert media.duration_s == 87.04
    assert [stream.duration_s for stream in media.streams] == [87.04, 86.9]


@pytest.mark.parametrize("tag", ["01:27", "00:99:00.0", "half an hour", "00:01:27,04", "-1:00:00", "00:00:0\u0661"])
def test_duration_tag_of_another_form_is_ignored(tag: str) -> None:
    assert parsed(video(tags={"DURATION": tag})).duration_s is None


def test_frame_rate_is_the_average_not_the_guess() -> None:
    stream = video(avg_frame_rate="30000/1001", r_frame_rate="600/1")
    media = parsed(stream)
    assert media.avg_frame_rate == "30000/1001"
    assert media.streams[0].r_frame_rate == "600/1"
    assert parsed(stream | {"avg_frame_rate": "0/0"}).avg_frame_rate is None


@pytest.mark.parametrize("tag", ["dvh1", "dvhe", "dva1", "dvav", "dav1"])
def test_dolby_vision_is_known_by_its_codec_tag(tag: str) -> None:
    assert parsed(video(codec_tag_string=tag)).hdr == "dolby-vision"


def test_dolby_vision_outweighs_the_transfer_of_its_base_layer() -> None:
    dovi = {"side_data_list": [{"side_data_type": "DOVI configuration record", "dv_profile": 8}]}
    media = parsed(video(color_transfer="smpte2084", **dovi))
    assert media.hdr == "dolby-vision"
    assert media.streams[0].side_data_types == ("DOVI configuration record",)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("codec_tag_string", "[0][0][0][0]"),
        ("profile", "unknown"),
        ("level", -99),
        ("width", 0),
        ("width", 2**63),
        ("width", 1.5),
        ("height", "N/A"),
        ("height", True),
        ("sample_aspect_ratio", "0:1"),
        ("avg_frame_rate", "0/0"),
        ("pix_fmt", "unknown"),
        ("color_transfer", "unknown"),
        ("field_order", ["progressive"]),
        ("profile", "0"),
        ("profile", "-99"),
        ("bit_rate", "N/A"),
        ("bit_rate", "1" * 5000),
        ("codec_name", {"h264": 1}),
    ],
)
def test_nothing_is_stored_where_ffprobe_said_nothing_usable(field: str, said: Any) -> None:
    assert getattr(parsed(video(**{field: said})).streams[0], field) is None


def test_codec_name_is_kept_even_where_it_is_the_word_unknown() -> None:
    assert parsed(video(codec_name="unknown")).video_codec == "unknown"


def test_numbers_may_be_spelt_as_text_or_with_a_point() -> None:
    stream = parsed(video(width="1920", height=1080.0)).streams[0]
    assert (stream.width, stream.height) == (1920, 1080)


def test_tags_of_the_container_are_texts_under_their_own_names() -> None:
    tags = {"Title": "Ünï", "track": 3, "gain": 1.5, "list": [1], "none": None, "half \ud800": "half \udfff"}
    assert parsed(video(), tags=tags).tags == {
        "Title": "Ünï",
        "track": "3",
        "gain": "1.5",
        "half ?": "half ?",
    }


def test_tags_of_a_stream_are_found_in_any_case() -> None:
    stream = parsed(audio(tags={"LANGUAGE": "fra", "Title": "Doublage"})).streams[0]
    assert (stream.language, stream.title) == ("fra", "Doublage")
    assert parsed(audio(tags={"language": "UND"})).streams[0].language is None


def test_disposition_keeps_only_what_holds() -> None:
    stream = parsed(video(disposition={"default": 1, "forced": 0, "dub": "1", "lyrics": None})).streams[0]
    assert stream.disposition == {"default": 1}


def test_stream_without_index_or_type_has_its_place() -> None:
    media = parsed({}, {"index": -1}, {"index": 7})
    assert [stream.index for stream in media.streams] == [0, 1, 7]
    assert [stream.codec_type for stream in media.streams] == [None, None, None]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({}, "bad-output"),
        ([], "bad-output"),
        (None, "bad-output"),
        ({"streams": [video()]}, "bad-output"),
        ({"streams": [video()], "format": []}, "bad-output"),
        ({"streams": [video()], "format": {"format_name": 5}}, "bad-output"),
        ({"streams": [], "format": {"format_name": "avi"}}, "no-streams"),
        ({"streams": {"0": video()}, "format": {"format_name": "avi"}}, "no-streams"),
        ({"streams": [None, "video"], "format": {"format_name": "avi"}}, "no-streams"),
    ],
)
def test_answer_without_format_or_streams_is_not_media(raw: Any, reason: str) -> None:
    with pytest.raises(NotMedia) as caught:
        parse_media(raw)
    assert caught.value.reason == reason


def test_kept_answer_lacks_the_name_of_the_file_only() -> None:
    raw = recorded("plain")
    kept = without_filename(raw)
    assert raw["format"].pop("filename") == "plain.mp4"
    assert kept == raw
    assert parse_media(kept) == parse_media(recorded("plain"))
    assert without_filename({"format": ["odd"]}) == {"format": ["odd"]}


FIELDS = sorted({field.name for field in dataclasses.fields(Stream)} | {"duration", "tags", "side_data_list"})
NAMES = st.sampled_from([*FIELDS, "rotation", "side_data_type", "rotate", "DURATION", "language", "attached_pic"])
ODD_WORDS = [
    "N/A",
    "0/0",
    "0:1",
    "1:1",
    "64:45",
    "video",
    "audio",
    "90",
    ABSURD_DURATION,
    "9" * 400,
    "\ud800",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63), 10**400])
    | st.floats()
    | st.sampled_from(ODD_WORDS)
    | st.text()
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=6),
    max_leaves=20,
)
STREAMS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, ANY_JSON))
CONTAINERS = st.fixed_dictionaries(
    {"format_name": st.text()}, optional={"duration": SCALARS, "bit_rate": SCALARS, "tags": ANY_JSON}
)
NEAR_MEDIA = st.fixed_dictionaries({"streams": st.lists(STREAMS | SCALARS, max_size=4), "format": CONTAINERS})


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def can_be_stored(value: Any) -> bool:
    match value:
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
        case str():
            return value == value.encode().decode()
    return value is None


@given(ANY_JSON | NEAR_MEDIA)
def test_any_json_gives_storable_media_or_not_media(raw: Any) -> None:
    try:
        media = parse_media(raw)
    except NotMedia:
        return
    unstorable = [leaf for leaf in leaves(dataclasses.asdict(media)) if not can_be_stored(leaf)]
    assert unstorable == []
    assert media.rotation is None or -180 < media.rotation <= 180
