"""Libraries to measure on: real clips, and trees of a million empty files that the store knows."""

from __future__ import annotations

import os
import random
from itertools import chain
from typing import TYPE_CHECKING

from qacache.events import Probed
from qacache.models import FileStat, MediaInfo, Probe, Stream
from qacache.scan.discovery import Filters, discover
from qacache.store.session import Store
from qacache.store.writer import RetrySchedule
from tests.media import make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FOLDER_FILES = 200
_BATCH = 2000

_RAW = {
    "streams": [
        {"index": 0, "codec_name": "h264", "codec_type": "video", "width": 1920, "height": 1080},
        {"index": 1, "codec_name": "aac", "codec_type": "audio", "channels": 2, "sample_rate": "48000"},
    ],
    "format": {"format_name": "mov,mp4,m4a,3gp,3g2,mj2", "duration": "3600.000000", "bit_rate": "8000000"},
}


def make_clips(folder: Path, count: int) -> None:
    """Make `count` short real clips of several containers, each of other content."""
    suffixes = ("mp4", "mkv", "mov", "ts", "avi", "webm")
    for number in range(count):
        name = folder / f"{number % 10}" / f"clip {number}.{suffixes[number % len(suffixes)]}"
        name.parent.mkdir(parents=True, exist_ok=True)
        make_clip(name, shade=number % 250, tags={"title": f"clip {number}"})


def make_tree(folder: Path, count: int) -> None:
    """Make `count` empty files named as videos, 200 a folder, an hour old."""
    for start in range(0, count, _FOLDER_FILES):
        inner = folder / f"Series {start // 10_000:04}" / f"Season {start // _FOLDER_FILES:05}"
        inner.mkdir(parents=True)
        for number in range(start, min(start + _FOLDER_FILES, count)):
            os.close(os.open(inner / f"Episode {number:07} of the long series.mp4", os.O_CREAT | os.O_WRONLY))


def fill_store(path: Path, roots: Sequence[Path]) -> int:
    """Write a row for each file below `roots`, through the store; return how many."""
    rows = 0
    with Store(str(path), retries=RetrySchedule(3600, 86400), create=True) as store:
        batch: list[Probed] = []
        for event in _events(roots):
            batch.append(event)
            if len(batch) == _BATCH:
                store.writer.write(batch)
                rows += len(batch)
                batch = []
        store.writer.write(batch)
    return rows + len(batch)


def _events(roots: Sequence[Path]) -> Iterator[Probed]:
    chance = random.Random(7)
    for run in chain.from_iterable(discover(os.fsencode(root), Filters(["mp4"])) for root in roots):
        assert isinstance(run, list), run
        for path, stat in run:
            yield Probed(FileStat.of(path, stat), chance.randbytes(16), _probe(chance))


def _probe(chance: random.Random) -> Probe:
    width, height = chance.choice([(1920, 1080), (3840, 2160), (1080, 1920), (1280, 720)])
    video = Stream(index=0, codec_type="video", codec_name="h264", width=width, height=height, pix_fmt="yuv420p")
    audio = Stream(index=1, codec_type="audio", codec_name="aac", channels=2, sample_rate=48000)
    media = MediaInfo(
        format_name="mov,mp4,m4a,3gp,3g2,mj2",
        duration_s=round(chance.uniform(60, 7200), 3),
        bit_rate=chance.randrange(10**6, 10**8),
        width=width,
        height=height,
        display_width=width,
        display_height=height,
        rotation=0,
        orientation="portrait" if height > width else "landscape",
        hdr="sdr",
        video_codec="h264",
        audio_codec="aac",
        avg_frame_rate="25/1",
        tags={"title": "Episode"},
        streams=(video, audio),
    )
    return Probe(media, _RAW, "ffprobe 5.1.9", 1)
