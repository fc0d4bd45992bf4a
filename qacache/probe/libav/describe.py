"""ffprobe's JSON of a container that PyAV has opened.

Names and spellings are ffprobe's (fftools/ffprobe.c): rationals as `30/1` and `1:1`, times in seconds with six
digits, sizes and rates of the container as texts. Fields that neither PyAV nor libav's dump shows are left out.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition

from qacache.probe.libav.dump import Dumped, parse_dump

if TYPE_CHECKING:
    from fractions import Fraction


def _numbered(names: str) -> tuple[str | None, ...]:
    """Return the names by their numbers; a dash is a number that says nothing."""
    return tuple(None if name == "-" else name for name in names.split())


# By their numbers in ITU-T H.273, tables 2 to 4, the names of FFmpeg's libavutil/pixdesc.c.
_PRIMARIES = _numbered(
    "reserved bt709 - reserved bt470m bt470bg smpte170m smpte240m film bt2020 smpte428 smpte431 smpte432 "
    "- - - - - - - - - ebu3213"
)
_TRANSFERS = _numbered(
    "reserved bt709 - reserved bt470m bt470bg smpte170m smpte240m linear log100 log316 iec61966-2-4 bt1361e "
    "iec61966-2-1 bt2020-10 bt2020-12 smpte2084 smpte428 arib-std-b67"
)
_MATRICES = _numbered(
    "gbr bt709 - reserved fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c smpte2085 chroma-derived-nc "
    "chroma-derived-c ictcp ipt-c2 ycgco-re ycgco-ro"
)
_RANGES = _numbered("- tv pc")
_FIELD_ORDERS = _numbered("- progressive tt bb tb bt")
_DISPOSITIONS = tuple((str(each.name), each.value) for each in Disposition)
_SHOW_IDS = 0x0008
_MICROSECONDS = 1_000_000
_LARGEST_SHAPE = 1024 * 1024


def describe(container: Any) -> dict[str, Any]:
    """Return what `ffprobe -show_format -show_streams -of json` prints of `container`, an input that is open."""
    streams = list(container.streams)
    dumped = parse_dump(container.dumps_format(), [stream.type for stream in streams])
    with_ids = bool(container.format.flags & _SHOW_IDS)
    return {
        "streams": [_stream(stream, printed, with_ids) for stream, printed in zip(streams, dumped, strict=True)],
        "format": _format(container, len(streams)),
    }


def _format(container: Any, nb_streams: int) -> dict[str, Any]:
    start, duration, size, bit_rate = container.start_time, container.duration, container.size, container.bit_rate
    return _said(
        nb_streams=nb_streams,
        format_name=container.format.name,
        format_long_name=container.format.long_name,
        start_time=None if start is None else f"{start / _MICROSECONDS:.6f}",
        duration=None if duration is None else f"{duration / _MICROSECONDS:.6f}",
        size=str(size) if size >= 0 else None,
        bit_rate=str(bit_rate) if bit_rate > 0 else None,
        tags=container.metadata or None,
    )


def _stream(stream: Any, dumped: Dumped, with_ids: bool) -> dict[str, Any]:
    context, kind, time_base = stream.codec_context, stream.type, stream.time_base
    tag_string, tag = dumped.codec_tag
    codec = context.codec if context else None
    return _said(
        index=stream.index,
        codec_name=codec.canonical_name if codec else dumped.codec_name,
        profile=context.profile if context else None,
        codec_type=None if kind == "unknown" else kind,
        codec_tag_string=tag_string,
        codec_tag=tag,
        **_SPECIFIC.get(kind, _nothing)(stream, context, dumped),
        id=f"0x{stream.id & 0xFFFFFFFF:x}" if with_ids else None,
        r_frame_rate=_rational(stream.base_rate, "/") if kind == "video" else "0/0",
        avg_frame_rate=_rational(stream.average_rate, "/") if kind == "video" else "0/0",
        time_base=_rational(time_base, "/"),
        start_pts=stream.start_time,
        start_time=_seconds(stream.start_time, time_base),
        duration_ts=stream.duration,
        duration=_seconds(stream.duration, time_base),
        bit_rate=str(context.bit_rate) if context and context.bit_rate else None,
        nb_frames=str(stream.frames) if stream.frames else None,
        extradata_size=(context.extradata_size or None) if context else None,
        disposition=_disposition(int(stream.disposition)),
        tags=stream.metadata or None,
        side_data_list=dumped.side_data or None,
    )


def _video(stream: Any, context: Any, dumped: Dumped) -> dict[str, Any]:
    width, height = (context.width, context.height) if context else dumped.size or (0, 0)
    ratio = stream.sample_aspect_ratio
    shape = {
        "width": width,
        "height": height,
        "sample_aspect_ratio": _rational(ratio, ":") if ratio else None,
    }
    if not context:
        return shape
    return {
        **shape,
        "display_aspect_ratio": _shape(ratio * width / height) if ratio and width and height else None,
        "has_b_frames": context.reorder_depth,
        "pix_fmt": context.pix_fmt,
        "level": context.level,
        "color_range": _named(_RANGES, context.color_range),
        "color_space": _named(_MATRICES, context.colorspace),
        "color_transfer": _named(_TRANSFERS, context.color_trc),
        "color_primaries": _named(_PRIMARIES, context.color_primaries),
        "field_order": _named(_FIELD_ORDERS, context.field_order),
    }


def _audio(_: Any, context: Any, dumped: Dumped) -> dict[str, Any]:
    sample_rate, layout = dumped.audio
    if layout is None and context:
        # second choice, as PyAV frees a layout of the file's own making twice
        layout = context.layout.name
    return {
        "sample_fmt": context.format.name if context and context.format else None,
        "sample_rate": str(context.sample_rate if context else sample_rate or 0),
        "channels": _channels(layout) if layout else 0,
        "channel_layout": None if layout and layout.endswith(" channels") else layout,
    }


def _subtitle(_: Any, __: Any, dumped: Dumped) -> dict[str, Any]:
    width, height = dumped.size or (None, None)
    return {"width": width, "height": height}


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


_SPECIFIC = {"video": _video, "audio": _audio, "subtitle": _subtitle}


def _named(names: tuple[str | None, ...], number: int) -> str | None:
    return names[number] if 0 <= number < len(names) else None


@cache
def _channels(layout: str) -> int:
    number, _, words = layout.partition(" ")
    if number.isdecimal() and words.startswith("channels"):
        return int(number)
    try:
        return int(av.AudioLayout(layout).nb_channels)
    except ValueError:
        return 0


@cache
def _disposition(flags: int) -> dict[str, int]:
    return {name: int(bool(flags & value)) for name, value in _DISPOSITIONS}


def _shape(ratio: Fraction) -> str | None:
    # what is beyond it ffprobe rounds, to numbers that mean nothing to anybody
    return _rational(ratio, ":") if max(ratio.numerator, ratio.denominator) <= _LARGEST_SHAPE else None


def _rational(value: Fraction | None, sign: str) -> str:
    return f"{value.numerator}{sign}{value.denominator}" if value else f"0{sign}0"


def _seconds(ticks: int | None, time_base: Fraction | None) -> str | None:
    # multiplied as av_q2d does, or the last digit is another
    return None if ticks is None or not time_base else f"{ticks * (time_base.numerator / time_base.denominator):.6f}"


def _said(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
