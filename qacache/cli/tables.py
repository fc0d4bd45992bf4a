"""Tables for people, on a terminal."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qacache.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qacache.cli.answers import Line

TABLE_COLUMNS = (
    *("size", "duration_s", "display_width", "display_height", "orientation", "hdr"),
    *("video_codec", "audio_codec", "avg_frame_rate", "error"),
)
"""The columns of the store that `write_table` shows."""

_STATUS_STYLES = {"ok": "green", "failed": "red", "vanished": "yellow", "unknown": "dim"}
_FRESHNESS_STYLES = {"fresh": "green", "stale": "red", "offline": "yellow"}


def write_table(lines: Iterable[Line]) -> None:
    """Print the answers as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold", ratio=1)
    for name in ("status", "size", "length", "picture", "video", "audio", "fps"):
        table.add_column(name, justify="right" if name in {"size", "length", "fps"} else "left", no_wrap=True)
    for line in lines:
        table.add_row(*_cells(line))
    Console().print(table)


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


def _cells(line: Line) -> Sequence[Text]:
    path, status, freshness, _ = line.head()
    state = Text(status, _STATUS_STYLES[status])
    if freshness:
        state.append(f" {freshness}", _FRESHNESS_STYLES[freshness])
    found = line.answer.found
    if found is None:
        return Text(printable(path)), state
    size, duration_s, width, height, orientation, hdr, video, audio, frame_rate, error = found.values
    picture = f"{width}x{height} {orientation or ''}".strip() if width and height else ""
    if error:
        state.append(f" ({error})")
    return (
        Text(printable(path)),
        state,
        Text(size_text(size)),
        Text(length_text(duration_s) if duration_s is not None else ""),
        Text(f"{picture} {hdr}" if hdr not in {None, "sdr"} else picture),
        Text(printable(video or "")),
        Text(printable(audio or "")),
        Text(f"{float(Fraction(frame_rate)):.4g}" if frame_rate else ""),
    )
