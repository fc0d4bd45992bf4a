"""What tests fill stores with: events as a scan makes them, without a scan.

Files are told apart by path, contents by a word: equal words are equal contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from qacache.events import Failed, Probed, Reused
from qacache.models import Failure, FileStat, MediaInfo, Probe, Stream


def stat_of(path: bytes, content: str = "a", **fields: int) -> FileStat:
    """A file of that content, written long ago; `fields` replace those of the `FileStat`."""
    usual = FileStat(path, size=1000 + len(content), mtime_ns=1_700_000_000_123_456_789, inode=7, device=8)
    return usual._replace(**fields)


def digest_of(content: str) -> bytes:
    """What stands for the digest of a content."""
    return hashlib.blake2b(content.encode(), digest_size=16).digest()


def probe_of(content: str, *, prober: str = "fake 1", raw: Mapping[str, Any] | None = None, **media: Any) -> Probe:
    """A prober's answer for a content: an H.264 video with the content as its title, unless `media` says more."""
    stream = Stream(index=0, codec_type="video", codec_name="h264", width=64, height=48, disposition={"default": 1})
    usual = {"width": 64, "height": 48, "video_codec": "h264", "tags": {"title": content}, "streams": (stream,)}
    info = MediaInfo(**{"format_name": "matroska,webm", "duration_s": 1.5} | usual | media)
    return Probe(info, {"title": content} if raw is None else raw, prober, parser_version=3)


def probed(path: bytes, content: str = "a", **fields: int) -> Probed:
    """The event of a file whose probe went well."""
    return Probed(stat_of(path, content, **fields), digest_of(content), probe_of(content))


def reused(path: bytes, content: str, source: bytes, **fields: int) -> Reused:
    """The event of a file with the content of `source`."""
    return Reused(stat_of(path, content, **fields), digest_of(content), source)


def failed(path: bytes, content: str = "a", *, prober: str = "fake 1", message: str = "no", **fields: int) -> Failed:
    """The event of a file that the prober could not read."""
    failure = Failure("probe", "invalid-data", message)
    return Failed(path, failure, stat_of(path, content, **fields), digest_of(content), prober)
