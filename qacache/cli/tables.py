"""Tables for people, on a terminal."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qacache.cli.text import printable
from qacache.models import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qacache.cli.answers import Line
    from qacache.models import Probe, Stream

TABLE_COLUMNS = (
    *("size", "duration_s", "display_width", "display_height", "orientation", "hdr"),
    *("video_codec", "audio_codec", "avg_frame_rate", "error"),
)
"""The columns of the store that `write_table` shows."""

_HEADERS = ("file", "status", "size", "length", "picture", "video", "audio", "fps")
# (columns of the terminal, headers): what comes last is left out where there would be no room for names
_ROOM = ((100, 8), (64, 5), (0, 2))

_WIDE = 1000

_STATUS_STYLES = {"ok": "green", "failed": "red", "vanished": "yellow", "unknown": "dim"}
_FRESHNESS_STYLES = {"fresh": "green", "stale": "red", "offline": "yellow"}


def write_table(lines: Iterable[Line]) -> None:
    """Print the answers as a table, below the folder that they have in common."""
    answers = list(lines)
    console = Console()
    headers = _HEADERS[: next(count for width, count in _ROOM if console.width >= width)]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(headers[0], overflow="fold", min_width=20)
    for name in headers[1:]:
        table.add_column(name, justify="right" if name in {"size", "length", "fps"} else "left", no_wrap=True)
    folder = os.path.commonpath([os.path.dirname(line.answer.path) for line in answers] or [b"/"])
    for line in answers:
        table.add_row(*_cells(line, folder)[: len(headers)])
    if folder != b"/":
        console.print(Text(printable(folder), "dim"), soft_wrap=True)
    console.print(table)


def write_probe(path: bytes, answer: Probe | Failure) -> None:
    """Print what a prober says of one file: a line on the container, and a table of its streams."""
    # in a file or a pipe, a stream is a line however long
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(Text(printable(path), "bold"), soft_wrap=True)
    if isinstance(answer, Failure):
        console.print(Text(f"  {answer.reason}: {printable(answer.message)}", "red"), soft_wrap=True)
        return
    media = answer.media
    facts = (
        media.format_name,
        length_text(media.duration_s) if media.duration_s is not None else None,
        f"{media.bit_rate / 1000:,.0f} kbit/s" if media.bit_rate else None,
        _picture(media.display_width, media.display_height, media.orientation, media.hdr) or None,
        f"by {answer.prober}",
    )
    console.print(Text("  " + " · ".join(printable(fact) for fact in facts if fact), "dim"), soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for stream in media.streams:
        named = " ".join(filter(None, (stream.language, stream.title, *stream.disposition)))
        cells = (f"  {stream.index}", stream.codec_type or "", _codec(stream), _form(stream), named)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)


def size_text(size: int) -> str:
    """Return bytes as people say it, such as `1.4 GB` (powers of 1000)."""
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if amount < 999.5:  # noqa: PLR2004  # what would be shown as 1000
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.1f} {unit}"  # noqa: PLR2004


def length_text(seconds: float) -> str:
    """Return a duration as players show it, such as `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _cells(line: Line, folder: bytes) -> Sequence[Text]:
    path, status, freshness, _ = line.head()
    name = Text(printable(os.path.relpath(path, folder)))
    state = Text(status, _STATUS_STYLES[status])
    # that a file which vanished is really gone is no news
    if freshness and (status, freshness) != ("vanished", "fresh"):
        state.append(f" {freshness}", _FRESHNESS_STYLES[freshness])
    found = line.answer.found
    if found is None:
        return name, state
    size, duration_s, *picture, video, audio, frame_rate, error = found.values
    return (
        name,
        state,
        Text(size_text(size)),
        Text(length_text(duration_s) if duration_s is not None else ""),
        Text(printable(error), "red") if error else Text(_picture(*picture)),
        Text(printable(video or "")),
        Text(printable(audio or "")),
        Text(f"{float(Fraction(frame_rate)):.4g}" if frame_rate else ""),
    )


def _codec(stream: Stream) -> str:
    return f"{stream.codec_name or '?'} ({stream.profile})" if stream.profile else stream.codec_name or "?"


def _form(stream: Stream) -> str:
    """Return the shape of a picture, or of a sound."""
    colors = dict.fromkeys(filter(None, (stream.color_primaries, stream.color_transfer)))
    parts = (
        f"{stream.width}x{stream.height}" if stream.width and stream.height else None,
        f"SAR {stream.sample_aspect_ratio}" if stream.sample_aspect_ratio not in (None, "1:1") else None,
        f"rotation {stream.rotation}" if stream.rotation else None,
        f"{float(Fraction(stream.avg_frame_rate)):.4g} fps" if stream.avg_frame_rate else None,
        stream.pix_fmt,
        "/".join(colors) or None,
        f"{stream.sample_rate} Hz" if stream.sample_rate else None,
        stream.channel_layout or (f"{stream.channels} channels" if stream.channels else None),
    )
    return " ".join(filter(None, parts))


def _picture(width: int | None, height: int | None, orientation: str | None, hdr: str | None) -> str:
    size = f"{width}x{height}" if width and height else None
    return " ".join(filter(None, (size, orientation, None if hdr == "sdr" else hdr)))
