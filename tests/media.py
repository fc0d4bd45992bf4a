"""Real media of known content, made on the spot.

In goes a path and what the file shall hold, out comes the file, at most some hundred kilobytes large. Its
container follows from its suffix; its modification time lies an hour back, so that a scan does not take it
for one that is still being written. The same request gives the same bytes. PyAV is imported here only, and no
ffmpeg program is needed.

`python -m tests.media demo FOLDER` makes a small library to try qacache on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

SETTLED_AGE_S = 3600
SAMPLE_RATE = 48_000
CONTAINERS = {".m4a": "mp4"}
VIDEO_CODECS = {".webm": "libvpx", ".ts": "mpeg2video", ".mpg": "mpeg2video", ".flv": "flv"}
AUDIO_CODECS = {
    ".webm": "libopus",
    ".ts": "mp2",
    ".mpg": "mp2",
    ".avi": "mp2",
    ".mp3": "libmp3lame",
    ".ogg": "libopus",
    ".opus": "libopus",
    ".flac": "flac",
    ".wav": "pcm_s16le",
}
FAST = {"libx264": {"preset": "ultrafast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}
PIXEL_FORMATS = {"mjpeg": "yuvj420p"}
TRANSFERS = {"smpte2084": 16, "arib-std-b67": 18}
TEXT = b"This is a shopping list, whatever its name says.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What a clip shall hold.

    `rotation` has ffprobe's sign (counter-clockwise) and needs a container that stores it: MP4, MOV or MKV.
    `codec` and `audio_codec` are FFmpeg's encoder names; None is what is usual and fast for the suffix.
    `cover` adds an attached picture (MP4, M4A, MP3). `shade` varies the content, and so the digest, of clips
    that are equal otherwise.
    """

    codec: str | None = None
    width: int = 64
    height: int = 48
    duration_s: float = 0.5
    fps: int | Fraction = 25
    rotation: int = 0
    sample_aspect_ratio: Fraction | None = None
    color_transfer: str | None = None
    video: bool = True
    audio: bool = True
    audio_codec: str | None = None
    cover: bool = False
    shade: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


COVER = Clip(width=32, height=32, duration_s=0, shade=200)


def make_clip(path: Path, *, mtime_age_s: float = SETTLED_AGE_S, **wanted: Any) -> Path:
    """Return `path`, now a clip as `Clip(**wanted)` describes it, in a folder made for it where missing."""
    clip = Clip(**wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    options = {"fflags": "+bitexact"}
    with av.open(str(path), "w", format=CONTAINERS.get(suffix), container_options=options) as output:
        output.metadata.update(clip.tags)
        for packet in _packets(output, clip, suffix):
            output.mux(packet)
    return age(path, mtime_age_s)


def make_song(path: Path, **wanted: Any) -> Path:
    """Return `path`, now sound alone (`.m4a`, `.mp3`, `.mka`, `.wav`…); `cover=True` gives it a picture."""
    return make_clip(path, video=False, **wanted)


def make_truncated(path: Path, source: Path, *, keep: float = 0.1) -> Path:
    """Return `path`, now the first part of `source`: of an MP4 not its index, so that it cannot be read."""
    content = source.read_bytes()
    return make_file(path, content[: int(len(content) * keep)])


def make_copy(path: Path, source: Path) -> Path:
    """Return `path`, now with the content of `source`."""
    return make_file(path, source.read_bytes())


def make_text(path: Path) -> Path:
    """Return `path`, now a plain text, whatever its suffix promises."""
    return make_file(path, TEXT)


def make_playlist(path: Path, target: Path) -> Path:
    """Return `path`, now an HLS playlist of `target`: what opens it reads another file of this machine."""
    lines = [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:1",
        "#EXTINF:1.0,",
        str(target.absolute()),
        "#EXT-X-ENDLIST",
        "",
    ]
    return make_file(path, "\n".join(lines).encode())


def make_file(path: Path, content: bytes = b"") -> Path:
    """Return `path`, now with `content` (by default empty), an hour old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return age(path, SETTLED_AGE_S)


def age(path: Path, seconds: float) -> Path:
    """Return `path`, now last modified so many seconds ago."""
    then_ns = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then_ns, then_ns))
    return path


def make_demo_library(folder: Path) -> Path:
    """Return `folder`, now with a small library; a folder that holds anything already is left alone.

    Ten clips in several containers, one of them under a second name too, and one that is broken. The library
    appears as a whole: an interrupted run leaves `folder` as it was.
    """
    folder = folder.absolute()
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    staging = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    _fill_demo(staging)
    return staging.rename(folder)


def _fill_demo(top: Path) -> None:
    holidays, family, shows = top / "Holidays", top / "Family", top / "Shows"
    phone = {"codec": "libx264", "width": 320, "height": 180}
    make_clip(holidays / "Beach portrait.mp4", rotation=-90, duration_s=2, **phone)
    make_clip(holidays / "Harbour.mov", duration_s=1, shade=40, **phone)
    make_clip(holidays / "Upside down.mov", rotation=180, shade=80, **phone)
    make_clip(holidays / "Night market (HDR).mp4", color_transfer="smpte2084", shade=20, **phone)
    make_clip(family / "Grandma's 80th, Überraschung.mkv", width=240, height=240, duration_s=1.5)
    make_clip(family / "Camcorder 1998.avi", width=180, height=144, shade=120)
    make_clip(family / "DVD transfer.mkv", width=180, height=144, sample_aspect_ratio=Fraction(64, 45))
    make_clip(shows / "Pilot.webm", width=160, height=90, duration_s=1)
    make_clip(shows / "Season 1" / "Recorded.ts", width=176, height=144, duration_s=1)
    make_clip(shows / "Season 1" / "With poster.mp4", cover=True, fps=Fraction(30000, 1001), shade=60)
    make_copy(top / "Sorted" / "To cut.mp4", holidays / "Beach portrait.mp4")
    make_truncated(top / "Sorted" / "Broken download.mp4", holidays / "Beach portrait.mp4")


def _packets(output: Any, clip: Clip, suffix: str) -> list[Any]:
    """Every packet of a clip: all streams have to be declared before the first packet is written."""
    parts = []
    if clip.video:
        codec = clip.codec or VIDEO_CODECS.get(suffix, "mpeg4")
        parts.append(_encode(_video_stream(output, clip, codec), _pictures(clip, codec)))
    if clip.audio:
        codec = clip.audio_codec or AUDIO_CODECS.get(suffix, "aac")
        parts.append(_encode(output.add_stream(codec, rate=SAMPLE_RATE), _silence(clip.duration_s)))
    if clip.cover:
        parts.append(_encode(_cover_stream(output), _pictures(COVER, "mjpeg")))
    return [packet for part in parts for packet in part]


def _video_stream(output: Any, clip: Clip, codec: str) -> Any:
    stream = output.add_stream(codec, rate=clip.fps, options=FAST.get(codec, {}))
    stream.width, stream.height = clip.width, clip.height
    stream.pix_fmt = PIXEL_FORMATS.get(codec, "yuv420p")
    if clip.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = clip.sample_aspect_ratio
    if clip.color_transfer:
        stream.codec_context.color_trc = TRANSFERS[clip.color_transfer]
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    return stream


def _cover_stream(output: Any) -> Any:
    stream = _video_stream(output, COVER, "mjpeg")
    stream.disposition = Disposition.attached_pic
    return stream


def _encode(stream: Any, frames: Iterator[Any]) -> Iterator[Any]:
    for frame in frames:
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _pictures(clip: Clip, codec: str) -> Iterator[av.VideoFrame]:
    """Grey pictures, each a little lighter than the one before."""
    for number in range(max(1, round(clip.duration_s * clip.fps))):
        frame = av.VideoFrame(clip.width, clip.height, PIXEL_FORMATS.get(codec, "yuv420p"))
        for plane in frame.planes:
            plane.update(bytes([(clip.shade + 4 * number) % 256]) * plane.buffer_size)
        frame.pts, frame.time_base = number, 1 / Fraction(clip.fps)
        yield frame


def _silence(duration_s: float) -> Iterator[av.AudioFrame]:
    frame = av.AudioFrame(format="s16", layout="stereo", samples=round(duration_s * SAMPLE_RATE))
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    yield frame


def main() -> None:
    """Run `python -m tests.media demo FOLDER`."""
    parser = argparse.ArgumentParser(prog="python -m tests.media", description=__doc__)
    commands = parser.add_subparsers(required=True)
    demo = commands.add_parser("demo", help="make a small library to try qacache on")
    demo.add_argument("folder", type=Path)
    make_demo_library(parser.parse_args().folder)


if __name__ == "__main__":
    main()
