"""The values that flow through qacache: what a file is on disk, and what a prober says is in it.

Field names of `MediaInfo` and `Stream` are ffprobe's own wherever ffprobe has the field. Paths are `bytes`, as
the operating system has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

Orientation = Literal["landscape", "portrait", "square"]
Hdr = Literal["sdr", "hdr10", "hlg", "dolby-vision"]
Status = Literal["ok", "failed", "vanished", "unknown"]
Stage = Literal["list", "stat", "digest", "probe"]
Reason = Literal[
    "bad-output",
    "cancelled",
    "crashed",
    "dangling-symlink",
    "empty-file",
    "invalid-data",
    "io-error",
    "memory-limit",
    "mount-gone",
    "name-too-long",
    "no-answer",
    "no-process",
    "no-streams",
    "not-a-file",
    "not-found",
    "os-error",
    "permission-denied",
    "refused-format",
    "shrunken",
    "symlink-loop",
    "timeout",
    "too-much-output",
]
"""Why files fail. A closed list: programs compare with it, and a metric has a series for each."""


class FileStat(NamedTuple):
    """A file as discovery saw it.

    `size` is in bytes, `mtime_ns` in nanoseconds since the epoch. For a symbolic link to a file all but `path`
    are the target's.
    """

    path: bytes
    size: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: bytes, stat: os.stat_result) -> FileStat:
        """Return the `FileStat` of `path`, given what `os.stat` says of it."""
        return cls(path, stat.st_size, mtime_ns_of(stat), stat.st_ino, stat.st_dev)

    def has_content_of(self, other: FileStat) -> bool:
        """Whether size and mtime are the other's: nobody wrote to the file between the two looks."""
        return self.size == other.size and self.mtime_ns == other.mtime_ns


class RootIdentity(NamedTuple):
    """What a root was at its last scan, to be known again by; None is "the system did not say".

    `filesystem` is the type of the filesystem, `source` what is mounted, `inode` the folder's.
    """

    real_path: bytes
    filesystem: str | None = None
    source: str | None = None
    inode: int | None = None


def mtime_ns_of(stat: os.stat_result) -> int:
    """Return the mtime, or the nearest that 64 bits can hold: filesystems go beyond the years 1677 to 2262."""
    return max(-(1 << 63), min(stat.st_mtime_ns, (1 << 63) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream of a file. `None` is "the prober did not say"."""

    index: int
    codec_type: str | None = None
    codec_name: str | None = None
    codec_tag_string: str | None = None
    profile: str | None = None
    level: int | None = None
    width: int | None = None
    height: int | None = None
    sample_aspect_ratio: str | None = None
    display_aspect_ratio: str | None = None
    pix_fmt: str | None = None
    field_order: str | None = None
    avg_frame_rate: str | None = None
    r_frame_rate: str | None = None
    rotation: int | None = None
    color_range: str | None = None
    color_space: str | None = None
    color_transfer: str | None = None
    color_primaries: str | None = None
    channels: int | None = None
    channel_layout: str | None = None
    sample_rate: int | None = None
    sample_fmt: str | None = None
    duration_s: float | None = None
    bit_rate: int | None = None
    language: str | None = None
    title: str | None = None
    disposition: Mapping[str, int] = field(default_factory=dict)
    side_data_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What is in a file.

    `width`, `height`, `rotation` and `avg_frame_rate` are those of the main video stream; `display_width`,
    `display_height` and `orientation` are what a player shows, after sample aspect ratio and rotation.
    `duration_s` is in seconds, `bit_rate` in bit/s, `rotation` in degrees with ffprobe's sign
    (counter-clockwise positive), `avg_frame_rate` a rational such as `30000/1001`.
    """

    format_name: str
    duration_s: float | None = None
    bit_rate: int | None = None
    width: int | None = None
    height: int | None = None
    display_width: int | None = None
    display_height: int | None = None
    rotation: int | None = None
    orientation: Orientation | None = None
    hdr: Hdr | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    avg_frame_rate: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """A prober's answer: the parsed media, its raw JSON for later re-derivation, and who said so.

    `prober` is name and version, such as `ffprobe 5.1.9`; `parser_version` is the parser's that read `raw`.
    """

    media: MediaInfo
    raw: Mapping[str, Any]
    prober: str
    parser_version: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file could not be described: the stage, a stable reason for programs, a sentence for people."""

    stage: Stage
    reason: Reason
    message: str
