"""What is in a file, out of what ffprobe says of it.

In comes the JSON of `ffprobe -show_format -show_streams -of json` (or a prober's imitation of it), out
comes a `MediaInfo`. Nothing is read or written here, and nothing in the JSON, however odd, raises anything
but `NotMedia`.

The rules and their sources:

- rotation: the display matrix, whose angle ffprobe prints counter-clockwise (`av_display_rotation_get` in
  FFmpeg's libavutil/display.h); else the `rotate` tag, which older muxers wrote clockwise.
- the shape of a picture: sample aspect ratio, then rotation. `0:1` is "unknown" (`AVCodecParameters`) and is
  shown 1:1.
- the main video: never an attached picture (to FFmpeg, cover art is a video stream), default disposition
  first.
- frame rate: `avg_frame_rate`; `r_frame_rate` is a guess that variable frame rates drive up to 600.
- a duration that the container does not give: the longest of its streams, which Matroska may have as DURATION
  tags only.
- Dolby Vision: the DOVI configuration record or the sample entry ("Dolby Vision Streams Within the ISO Base
  Media File Format", section 3); profile 5 has no transfer characteristic to be known by. HDR10 is SMPTE ST
  2084, HLG is ARIB STD-B67 (ITU-T H.273, table 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from qacache.models import Hdr, MediaInfo, Orientation, Reason, Stream
from qacache.probe import values

PARSER_VERSION: int = 1
"""The version of the rules below: raised whenever the same raw JSON would give another `MediaInfo`."""

_DOVI_SIDE_DATA = "DOVI configuration record"
_DOVI_CODEC_TAGS = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
_HDR_TRANSFERS: Mapping[str | None, Hdr] = {"smpte2084": "hdr10", "arib-std-b67": "hlg"}
_NO_STREAM = Stream(index=-1)
_NO_CODEC_TAG = "[0][0][0][0]"
_UNDETERMINED = "und"
_FULL_TURN = 360
_HALF_TURN = 180
_QUARTER_TURN = 90


class NotMedia(ValueError):
    """ffprobe's answer describes nothing to play.

    `reason` is `bad-output` where there is no usable `format`, `no-streams` where there are no streams.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def parse_media(raw: Mapping[str, Any]) -> MediaInfo:
    """Return what `raw`, ffprobe's JSON for one file, says is in the file.

    Streams are in ffprobe's order. Every integer fits in 64 bits, every float is finite, every text encodes
    as UTF-8. Raises `NotMedia` where there is no format or no stream.
    """
    container = values.mapping(values.mapping(raw).get("format"))
    format_name = values.text(container.get("format_name"))
    if not format_name:
        raise NotMedia("bad-output", "the prober named no format")
    entries = values.mappings(values.mapping(raw).get("streams"))
    if not entries:
        raise NotMedia("no-streams", f"a {format_name} file without streams")
    return _media(format_name, container, tuple(_stream(at, entry) for at, entry in enumerate(entries)))


def without_filename(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return ffprobe's JSON to be kept: less `format.filename`, which goes stale when the file moves."""
    kept = dict(raw)
    container = kept.get("format")
    if isinstance(container, Mapping):
        kept["format"] = {key: value for key, value in container.items() if key != "filename"}
    return kept


def _media(format_name: str, container: Mapping[str, Any], streams: tuple[Stream, ...]) -> MediaInfo:
    video = _preferred(streams, "video") or _NO_STREAM
    audio = _preferred(streams, "audio") or _NO_STREAM
    shown = _shown_size(video)
    return MediaInfo(
        format_name=format_name,
        duration_s=_duration_s(container, streams),
        bit_rate=values.whole(container.get("bit_rate"), 1),
        width=video.width,
        height=video.height,
        display_width=shown and _pixels(shown[0]),
        display_height=shown and _pixels(shown[1]),
        rotation=video.rotation,
        orientation=shown and _orientation(*shown),
        hdr=_hdr(video) if video.codec_type else None,
        video_codec=video.codec_name,
        audio_codec=audio.codec_name,
        avg_frame_rate=video.avg_frame_rate,
        tags=_texts(container.get("tags")),
        streams=streams,
    )


def _stream(position: int, entry: Mapping[str, Any]) -> Stream:
    get = entry.get
    codec_type = values.text(get("codec_type"))
    codec_tag = values.said(get("codec_tag_string"))
    tags = {key.lower(): value for key, value in _texts(get("tags")).items()}
    side_data = values.mappings(get("side_data_list"))
    index = values.whole(get("index"))
    return Stream(
        index=position if index is None else index,
        codec_type=codec_type,
        codec_name=values.text(get("codec_name")),
        codec_tag_string=None if codec_tag == _NO_CODEC_TAG else codec_tag,
        profile=_profile(get("profile")),
        level=values.whole(get("level")),
        width=values.whole(get("width"), 1),
        height=values.whole(get("height"), 1),
        sample_aspect_ratio=values.rational(get("sample_aspect_ratio")),
        display_aspect_ratio=values.rational(get("display_aspect_ratio")),
        pix_fmt=values.said(get("pix_fmt")),
        field_order=values.said(get("field_order")),
        avg_frame_rate=values.rational(get("avg_frame_rate")),
        r_frame_rate=values.rational(get("r_frame_rate")),
        rotation=_rotation(side_data, tags) if codec_type == "video" else None,
        color_range=values.said(get("color_range")),
        color_space=values.said(get("color_space")),
        color_transfer=values.said(get("color_transfer")),
        color_primaries=values.said(get("color_primaries")),
        channels=values.whole(get("channels"), 1),
        channel_layout=values.said(get("channel_layout")),
        sample_rate=values.whole(get("sample_rate"), 1),
        sample_fmt=values.said(get("sample_fmt")),
        duration_s=_stream_duration_s(get("duration"), tags),
        bit_rate=values.whole(get("bit_rate"), 1),
        language=_language(tags),
        title=tags.get("title") or None,
        disposition=_disposition(get("disposition")),
        side_data_types=_kinds(side_data),
    )


def _profile(profile: Any) -> str | None:
    # where FFmpeg has no name for it, ffprobe prints a number that only the codec's source explains
    name = values.said(profile)
    return None if name is None or name.lstrip("-").isdigit() else name


def _kinds(side_data: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(kind for side in side_data if (kind := values.text(side.get("side_data_type"))))


def _texts(tags: Any) -> dict[str, str]:
    """The tags that are texts or numbers, as texts."""
    found = {}
    for key, value in values.mapping(tags).items():
        name, answer = values.text(key), values.text(value)
        if answer is None and values.finite(value) is not None:
            answer = str(value)
        if name is not None and answer is not None:
            found[name] = answer
    return found


def _language(tags: Mapping[str, str]) -> str | None:
    language = tags.get("language", "").strip()
    return None if language.lower() == _UNDETERMINED else language or None


def _disposition(entries: Any) -> dict[str, int]:
    return {
        name: 1
        for key, value in values.mapping(entries).items()
        if value == 1 and (name := values.text(key)) is not None
    }


def _stream_duration_s(duration: Any, tags: Mapping[str, str]) -> float | None:
    found = values.seconds(duration)
    return values.clock_seconds(tags.get("duration")) if found is None else found


def _duration_s(container: Mapping[str, Any], streams: Sequence[Stream]) -> float | None:
    found = values.seconds(container.get("duration"))
    if found is not None:
        return found
    # Zero is what the streams of an initialisation segment or of an empty file say: nothing is known by it.
    return max((stream.duration_s for stream in streams if stream.duration_s), default=None)


def _rotation(side_data: Sequence[Mapping[str, Any]], tags: Mapping[str, str]) -> int:
    for side in side_data:
        angle = values.finite(side.get("rotation"))
        if angle is not None:
            return _normalised(angle)
    clockwise = values.finite(tags.get("rotate"))
    return 0 if clockwise is None else _normalised(-clockwise)


def _normalised(degrees: float) -> int:
    turned = round(degrees) % _FULL_TURN
    return turned - _FULL_TURN if turned > _HALF_TURN else turned


def _preferred(streams: Sequence[Stream], codec_type: str) -> Stream | None:
    """The stream of this type that a player starts with."""
    fitting = [s for s in streams if s.codec_type == codec_type and "attached_pic" not in s.disposition]
    return next((s for s in fitting if "default" in s.disposition), fitting[0] if fitting else None)


def _shown_size(video: Stream) -> tuple[Fraction, Fraction] | None:
    """The exact width and height that a player shows; only the width is stretched, as players do."""
    if not video.width or not video.height:
        return None
    width = video.width * (values.fraction(video.sample_aspect_ratio) or Fraction(1))
    height = Fraction(video.height)
    turned = (video.rotation or 0) % _HALF_TURN == _QUARTER_TURN
    return (height, width) if turned else (width, height)


def _pixels(length: Fraction) -> int | None:
    pixels = max(1, round(length))
    return pixels if pixels <= values.LARGEST else None


def _orientation(width: Fraction, height: Fraction) -> Orientation:
    if width == height:
        return "square"
    return "landscape" if width > height else "portrait"


def _hdr(video: Stream) -> Hdr:
    if _DOVI_SIDE_DATA in video.side_data_types or video.codec_tag_string in _DOVI_CODEC_TAGS:
        return "dolby-vision"
    return _HDR_TRANSFERS.get(video.color_transfer, "sdr")
