"""Tables for people, on a terminal."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qacache.cli.answers import Line
from qacache.columns import row_of
from qacache.lookup import Answer
from qacache.models import Failure
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qacache.models import Probe, Stream
    from qacache.store.reader import Found

TABLE_COLUMNS = (
    *("size", "duration_s", "display_width", "display_height", "orientation", "hdr"),
    *("video_codec", "audio_codec", "avg_frame_rate", "error"),
)
"""The columns of the store that `write_table` shows."""

_HEADERS = ("file", "status", "size", "length", "picture", "video", "audio", "fps")
# (columns of the terminal, headers): what comes last is left out where there would be no room for names
_ROOM = ((100, 8), (64, 5), (0, 2))

_WIDE = 1000

_NUMBERS = frozenset({"mtime_ns", "width", "height", "display_width", "display_height", "rotation"})

_STATUS_STYLES = {"ok": "green", "failed": "red", "vanished": "yellow", "unknown": "dim"}
_FRESHNESS_STYLES = {"fresh": "green", "stale": "red", "offline": "yellow"}


def write_table(lines: Iterable[Line]) -> None:
    """Print the answers as a table, below the folder that they have in common."""
    answers = list(lines)
    console = Console()
    headers = _HEADERS[: next(count for width, count in _ROOM if console.width >= width)]
    table = new_table()
    table.add_column(headers[0], overflow="fold", min_width=20)
    for name in headers[1:]:
        table.add_column(name, justify="right" if name in {"size", "length", "fps"} else "left", no_wrap=True)
    folder = common_folder([line.answer.path for line in answers])
    for line in answers:
        table.add_row(*_cells(line, folder)[: len(headers)])
    write_below(console, folder, table)


def write_found(found: Iterable[Found]) -> int:
    """Print files that were read with `TABLE_COLUMNS` as a table; return how many were left out: none."""
    write_table(Line(Answer(each.path, each), None) for each in found)
    return 0


def write_columns(columns: Sequence[str], found: Iterable[Found]) -> int:
    """Print these columns of files, see `qacache.columns`, as a table; return how many were left out: none."""
    files = list(found)
    console = Console()
    table = new_table()
    for name in columns:
        if name == "path":
            table.add_column(name, overflow="fold", min_width=12)
        else:
            is_number = name in _NUMBERS or name in _SHOWN
            table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    folder = common_folder([each.path for each in files]) if "path" in columns else b"/"
    for each in files:
        row = row_of(each._replace(path=os.path.relpath(each.path, folder) if folder != b"/" else each.path), columns)
        table.add_row(*(_cell(name, value) for name, value in zip(columns, row, strict=True)))
    write_below(console, folder, table)
    return 0


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


def new_table() -> Table:
    """Return an empty table in the style of all."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def common_folder(paths: Iterable[bytes]) -> bytes:
    """Return the deepest folder that all files are in."""
    return os.path.commonpath([os.path.dirname(path) for path in paths] or [b"/"])


def write_below(console: Console, folder: bytes, table: Table) -> None:
    """Print a table of names below the folder that they have in common."""
    if folder != b"/":
        console.print(Text(printable(folder), "dim"), soft_wrap=True)
    console.print(table)


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


def _cell(column: str, value: Any) -> Text:
    if value is None:
        return Text("")
    shown = (
        _SHOWN[column](value) if column in _SHOWN else os.fsdecode(value) if isinstance(value, bytes) else str(value)
    )
    return Text(printable(shown))


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


# of these, people want to see something else than a number
_SHOWN: dict[str, Callable[[Any], str]] = {
    "size": size_text,
    "duration_s": length_text,
    "bit_rate": lambda bit_rate: f"{bit_rate / 1000:,.0f} kbit/s",
    "avg_frame_rate": lambda rate: f"{float(Fraction(rate)):.4g} fps",
}
